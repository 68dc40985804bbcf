/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Any bytes as a request on the control socket: what is taken packs to the same bytes. */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "conf/model/request.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct request req;
	struct err err = {0};
	struct buf out;
	int rc = request_unpack(data, size, &req, &err);

	assert(rc == 0 || rc == 1 || (rc < 0 && err.msg[0] != 0));
	if (rc != 1) {
		return 0;
	}
	buf_init(&out, size + 1);
	request_pack(&req, &out);
	assert(!out.bad && out.len == size && memcmp(out.data, data, size) == 0);
	buf_fini(&out);
	return 0;
}
