/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Reads hellos both ways; see the header. */
#include "tests/unit/hello_expect.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define BUF_MAX (1 << 20)

enum sni_result sni_at_once(const struct buf *in, struct sni_hello *ret_hello)
{
	struct sni_scan scan = {0};
	uint8_t *exact = malloc(in->len ? in->len : 1);
	enum sni_result result;

	assert_non_null(exact);
	memcpy(exact, in->data, in->len);
	result = sni_scan_hello(&scan, exact, in->len, ret_hello);
	free(exact);
	return result;
}

/* Byte by byte, up to a final result or the end; ret_used is how many bytes that took. */
static enum sni_result scan_stepwise(const struct buf *in, struct sni_hello *ret_hello,
				     size_t *ret_used)
{
	struct sni_scan scan = {0};
	enum sni_result result = SNI_NEED_MORE;

	for (*ret_used = 0; *ret_used < in->len && result == SNI_NEED_MORE;) {
		++*ret_used;
		result = sni_scan_hello(&scan, in->data, *ret_used, ret_hello);
	}
	return result;
}

/* Reads both ways and expects the result; takes the bytes. Returns how many bytes it took. */
size_t expect_hello(struct buf *in, enum sni_result result, struct sni_hello *ret_hello)
{
	struct sni_hello stepwise;
	size_t used;

	assert_false(in->bad);
	assert_int_equal(sni_at_once(in, ret_hello), result);
	assert_int_equal(scan_stepwise(in, &stepwise, &used), result);
	if (result == SNI_FOUND || result == SNI_NONE) {
		assert_int_equal(stepwise.name_len, ret_hello->name_len);
		assert_memory_equal(stepwise.name, ret_hello->name, stepwise.name_len + 1);
		assert_int_equal(stepwise.alpn_len, ret_hello->alpn_len);
		assert_memory_equal(stepwise.alpn, ret_hello->alpn, stepwise.alpn_len);
	}
	buf_fini(in);
	return used;
}

void expect_name(struct buf *in, const char *name)
{
	struct sni_hello hello;

	(void)expect_hello(in, SNI_FOUND, &hello); /* how many bytes does not matter here */
	assert_string_equal(hello.name, name);
	assert_int_equal(hello.name_len, strlen(name));
}

size_t expect_result(struct buf *in, enum sni_result result)
{
	struct sni_hello hello;

	return expect_hello(in, result, &hello);
}

struct buf from_usual(const char *name, const char *alpn, size_t record_bytes)
{
	struct buf out;

	buf_init(&out, BUF_MAX);
	hello_usual(&out, name, alpn, record_bytes);
	return out;
}

/* A hello in one record. */
struct buf from_hello(const struct hello *hello)
{
	struct buf message, out;

	buf_init(&message, BUF_MAX);
	buf_init(&out, BUF_MAX);
	hello_message(&message, hello);
	hello_records(&out, &message, 16384);
	buf_fini(&message);
	return out;
}

struct buf from_extensions(struct buf *extensions)
{
	struct buf out = from_hello(&(struct hello){
		.extensions = {(const char *)extensions->data, extensions->len},
	});

	buf_fini(extensions);
	return out;
}

struct buf from_bytes(struct str bytes)
{
	struct buf out;

	buf_init(&out, BUF_MAX);
	buf_bytes(&out, bytes.p, bytes.len);
	return out;
}
