/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Any bytes as message NODE: what is taken packs to the same bytes. */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "conf/model/node.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct node_conf *node = NULL;
	struct buf out;

	if (node_conf_unpack(cursor_from(data, size), &node, NULL) < 0) {
		return 0;
	}
	buf_init(&out, size + 1);
	node_conf_pack(node, &out);
	assert(!out.bad && out.len == size && memcmp(out.data, data, size) == 0);
	buf_fini(&out);
	node_conf_free(node);
	return 0;
}
