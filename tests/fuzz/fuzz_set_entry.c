/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Any bytes as what message SET holds: each entry that is taken packs to the same bytes. */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "conf/model/message.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct cursor in = cursor_from(data, size);
	struct channel_msg one;
	struct buf out;

	buf_init(&out, size + 1);
	while (in.left > 0 && set_entry_unpack(&in, &one) == 0) {
		assert(one.len <= size && (one.len == 0 || one.data));
		set_entry_pack(&one, &out);
	}
	assert(!out.bad && out.len <= size);
	assert(out.len == 0 || memcmp(out.data, data, out.len) == 0);
	buf_fini(&out);
	return 0;
}
