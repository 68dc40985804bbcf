/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Any bytes as a snapshot of the registry, behind the line that names its version: as they are,
 * and with right sums, so that what is behind them is reached. What an object of it unpacks to,
 * packs to bytes that mean the same.
 */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "conf/model/tenant.h"
#include "gateway/registry/snapshot.h"

#define MAGIC_LEN (sizeof(SNAPSHOT_MAGIC) - 1)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void put_u64(uint8_t *p, uint64_t value)
{
	for (int i = 0; i < 8; i++) {
		p[i] = (uint8_t)(value >> (56 - 8 * i));
	}
}

/* Makes the sums of all blocks right, and the one behind the last. */
static void mend(uint8_t *data, size_t len)
{
	static const struct hash_key key;
	struct cursor in = cursor_from(data, len);
	uint64_t sum = 0;

	while (!in.bad && in.left > 8) {
		uint32_t n = cursor_u32(&in);
		size_t at = len - in.left;

		if (n < 9 || !cursor_bytes(&in, n)) {
			return;
		}
		put_u64(data + at + 1, sum);
		sum = hash_bytes(&key, data + at, n);
	}
	if (in.left == 8) {
		put_u64(data + len - 8, sum);
	}
}

static void try_object(const struct snapshot_object *object)
{
	struct tenant_conf *tenant, *again;
	struct buf out, twice;

	if (tenant_conf_unpack_whole(object->packed, &tenant, NULL) < 0) {
		return;
	}
	buf_init(&out, object->packed.left + 1);
	buf_init(&twice, object->packed.left + 1);
	tenant_conf_pack_whole(tenant, &out);
	assert(!out.bad && out.len == object->packed.left);
	assert(tenant_conf_unpack_whole(cursor_from(out.data, out.len), &again, NULL) == 0);
	tenant_conf_pack_whole(again, &twice);
	assert(twice.len == out.len && memcmp(twice.data, out.data, out.len) == 0);
	tenant_conf_unref(tenant);
	tenant_conf_unref(again);
	buf_fini(&out);
	buf_fini(&twice);
}

static void try_snapshot(const uint8_t *data, size_t size, int mended)
{
	const struct snapshot_head head = {.folder = "/r", .node = {.p = "n", .len = 1}};
	uint8_t *bytes = malloc(MAGIC_LEN + size);
	struct snapshot *s;

	if (!bytes) {
		return;
	}
	memcpy(bytes, SNAPSHOT_MAGIC, MAGIC_LEN);
	memcpy(bytes + MAGIC_LEN, data, size);
	if (mended) {
		mend(bytes + MAGIC_LEN, size);
	}
	if (snapshot_parse(bytes, MAGIC_LEN + size, &head, &s, NULL) < 0) {
		return;
	}
	for (size_t i = 0; i < snapshot_count(s); i++) {
		const struct snapshot_object *object = snapshot_at(s, i);

		assert(snapshot_find(s, object->file) == object);
		try_object(object);
	}
	snapshot_free(s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	try_snapshot(data, size, 0);
	try_snapshot(data, size, 1);
	return 0;
}
