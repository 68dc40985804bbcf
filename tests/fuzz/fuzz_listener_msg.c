/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Any bytes as message LISTENER: what is taken packs to the same bytes. */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "conf/model/message.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct listener_msg listener;
	struct buf out;

	if (listener_msg_unpack(cursor_from(data, size), &listener) < 0) {
		return 0;
	}
	buf_init(&out, size + 1);
	listener_msg_pack(&listener, &out);
	assert(!out.bad && out.len == size && memcmp(out.data, data, size) == 0);
	buf_fini(&out);
	return 0;
}
