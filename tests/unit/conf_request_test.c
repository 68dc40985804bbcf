/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The control socket's request: whole, in pieces, and everything that is none. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "conf/model/request.h"

static struct buf packed(void)
{
	struct request req = {.verb = VERB_DRAIN,
			      .n_args = 2,
			      .args = {str_from("acme/web"), str_from("")}};
	struct buf out;

	buf_init(&out, REQUEST_MAX);
	request_pack(&req, &out);
	return out;
}

static void a_request_comes_back(void **state)
{
	struct buf out = packed();
	struct request req;

	(void)state;
	assert_int_equal(request_unpack(out.data, out.len, &req, NULL), 1);
	assert_int_equal(req.verb, VERB_DRAIN);
	assert_int_equal(req.n_args, 2);
	assert_true(str_eq(req.args[0], str_from("acme/web")));
	assert_int_equal(req.args[1].len, 0);
	buf_fini(&out);
}

static void a_piece_of_a_request_waits_for_more(void **state)
{
	struct buf out = packed();
	struct request req;

	(void)state;
	for (size_t len = 0; len < out.len; len++) {
		assert_int_equal(request_unpack(out.data, len, &req, NULL), 0);
	}
	buf_fini(&out);
}

static void refused(const uint8_t *data, size_t len, const char *why)
{
	struct request req;
	struct err err = {0};

	assert_int_equal(request_unpack(data, len, &req, &err), -EPROTO);
	assert_string_equal(err.msg, why);
}

static void what_is_no_request_is_refused_with_a_reason(void **state)
{
	static const struct {
		const char *bytes;
		size_t len;
		const char *why;
	} vectors[] = {
		{"\0\0\0\0", 4, "request is cut short"},
		{"\0\0\0\2\1\1", 6, "request is cut short"},
		{"\0\0\0\3\2\1\0", 7, "request version 2 is not 1"},
		{"\0\0\0\3\1\0\0", 7, "request verb 0 is unknown"},
		{"\0\0\0\3\1\377\0", 7, "request verb 255 is unknown"},
		{"\0\0\0\3\1\1\5", 7, "request has 5 arguments, more than 4"},
		{"\0\0\0\3\1\1\1", 7, "request arguments do not fill its length"},
		{"\0\0\0\4\1\1\0\0", 8, "request arguments do not fill its length"},
		{"\0\0\0\7\1\1\1\377\377\377\377", 11, "request arguments do not fill its length"},
		{"\0\0\0\3\1\1\0x", 8, "bytes behind the request"},
		{"\0\0\20\0", 4, "request of 4096 bytes is longer than 4092"},
		{"\377\377\377\377", 4, "request of 4294967295 bytes is longer than 4092"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
		refused((const uint8_t *)vectors[i].bytes, vectors[i].len, vectors[i].why);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_request_comes_back),
		cmocka_unit_test(a_piece_of_a_request_waits_for_more),
		cmocka_unit_test(what_is_no_request_is_refused_with_a_reason),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
