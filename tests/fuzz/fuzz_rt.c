/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Replies of rtnetlink: the first byte says which driver asks, the rest is cut into messages by
 * lengths of two bytes, each with a type of two bytes. Whatever they hold, what is observed is
 * terminated, of the driver's kinds, and has lengths that fit.
 */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/cursor.h"
#include "gateway/kernel/rt.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int transact(void *ctx, const struct kernel_request *req, struct kernel_fault *fault)
{
	struct cursor *c = ctx;
	int rc = 0;

	*fault = (struct kernel_fault){0};
	for (unsigned int n = 0; n < 8 && rc == 0; n++) {
		uint16_t type = cursor_u16(c);
		struct cursor part = cursor_sub(c, cursor_u16(c));
		struct nlmsghdr *nlh;

		if (part.bad || !req->reply) {
			return 0;
		}
		nlh = calloc(1, MNL_ALIGN(sizeof(*nlh) + part.left)); /* exact, for the sanitizer */
		assert(nlh);
		nlh->nlmsg_len = (uint32_t)(sizeof(*nlh) + part.left);
		nlh->nlmsg_type = type;
		if (part.left > 0) {
			memcpy(nlh + 1, part.p, part.left);
		}
		rc = req->reply(nlh, req->arg);
		free(nlh);
	}
	return rc;
}

static void object_check(const struct driver *d, const struct object *o)
{
	struct buf text;

	assert((d->kinds & DRIVER_KIND(o->kind)) != 0);
	assert(o->kind != OBJECT_ADDRESS || o->address.address.len <= 128);
	assert(o->kind != OBJECT_RULE || o->rule.from.len <= 128);
	assert(o->kind != OBJECT_ROUTE || o->route.to.len <= 128);
	buf_init(&text, 4096);
	object_format(o, &text);
	assert(!text.bad);
	buf_fini(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct cursor c = cursor_from(data, size);
	uint8_t which = (uint8_t)(cursor_u8(&c) % 5);
	const struct kernel_ops ops = {.ctx = &c, .transact = transact};
	struct rt rt = {.ops = &ops, .down = "sit0"};
	const struct driver d = which == 0   ? rt_link_driver(&rt)
				: which == 1 ? rt_address_driver(&rt)
				: which == 2 ? rt_rule_driver(&rt)
				: which == 3 ? rt_route_driver(&rt)
					     : rt_neighbour_driver(&rt);
	struct object_set set;
	struct err err;

	object_set_init(&set);
	if (d.observe(d.ctx, d.kinds, &set, &err) == 0) {
		for (size_t i = 0; i < set.n; i++) {
			object_check(&d, &set.items[i]);
		}
	}
	object_set_fini(&set);
	return 0;
}
