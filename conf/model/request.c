/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The control socket's request: written by the command and the agent, read by control. What is
 * read here comes from another process and may be anything.
 */
#include "conf/model/request.h"

#include <errno.h>

#define HEAD_BYTES 4 /* the length */

void request_pack(const struct request *req, struct buf *out)
{
	uint32_t len = 3;

	for (size_t i = 0; i < req->n_args; i++) {
		len += 4 + (uint32_t)req->args[i].len;
	}
	buf_u32(out, len);
	buf_u8(out, REQUEST_VERSION);
	buf_u8(out, (uint8_t)req->verb);
	buf_u8(out, (uint8_t)req->n_args);
	for (size_t i = 0; i < req->n_args; i++) {
		buf_str(out, req->args[i]);
	}
}

static int body_unpack(struct cursor c, struct request *ret_req, struct err *err)
{
	struct request req = {0};
	unsigned int version = cursor_u8(&c);
	unsigned int verb = cursor_u8(&c);
	unsigned int n_args = cursor_u8(&c);

	if (c.bad) {
		return err_set(err, -EPROTO, "request is cut short");
	}
	if (version != REQUEST_VERSION) {
		return err_set(err, -EPROTO, "request version %u is not %d", version,
			       REQUEST_VERSION);
	}
	if (verb < VERB_STATUS || verb > VERB_LAST) {
		return err_set(err, -EPROTO, "request verb %u is unknown", verb);
	}
	if (n_args > REQUEST_ARGS_MAX) {
		return err_set(err, -EPROTO, "request has %u arguments, more than %d", n_args,
			       REQUEST_ARGS_MAX);
	}
	req.verb = verb;
	req.n_args = n_args;
	for (size_t i = 0; i < n_args; i++) {
		req.args[i] = cursor_str(&c);
	}
	if (!cursor_done(&c)) {
		return err_set(err, -EPROTO, "request arguments do not fill its length");
	}
	*ret_req = req;
	return 1;
}

int request_unpack(const uint8_t *data, size_t len, struct request *ret_req, struct err *err)
{
	struct cursor c = cursor_from(data, len);
	uint32_t body = cursor_u32(&c);

	if (c.bad) {
		return 0;
	}
	if (body > REQUEST_MAX - HEAD_BYTES) {
		return err_set(err, -EPROTO, "request of %u bytes is longer than %d", body,
			       REQUEST_MAX - HEAD_BYTES);
	}
	if (c.left < body) {
		return 0;
	}
	if (c.left > body) {
		return err_set(err, -EPROTO, "bytes behind the request");
	}
	return body_unpack(c, ret_req, err);
}
