/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The ClientHello reader. Each case is read at once and byte by byte, from memory that ends where
 * the bytes end; both ways have to tell the same.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "proxy/sni.h"
#include "tests/unit/hello.h"

#define BUF_MAX (1 << 20)

/* The bytes of a string literal, NUL inside it and all. */
#define BYTES(literal)                       \
	{                                    \
		literal, sizeof(literal) - 1 \
	}

static enum sni_result scan_at_once(const struct buf *in, struct sni_hello *ret_hello)
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
static size_t expect(struct buf *in, enum sni_result result, struct sni_hello *ret_hello)
{
	struct sni_hello stepwise;
	size_t used;

	assert_false(in->bad);
	assert_int_equal(scan_at_once(in, ret_hello), result);
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

static void expect_name(struct buf *in, const char *name)
{
	struct sni_hello hello;

	(void)expect(in, SNI_FOUND, &hello); /* how many bytes does not matter here */
	assert_string_equal(hello.name, name);
	assert_int_equal(hello.name_len, strlen(name));
}

static size_t expect_result(struct buf *in, enum sni_result result)
{
	struct sni_hello hello;

	return expect(in, result, &hello);
}

static struct buf usual(const char *name, const char *alpn, size_t record_bytes)
{
	struct buf out;

	buf_init(&out, BUF_MAX);
	hello_usual(&out, name, alpn, record_bytes);
	return out;
}

/* A hello in one record. */
static struct buf from_hello(const struct hello *hello)
{
	struct buf message, out;

	buf_init(&message, BUF_MAX);
	buf_init(&out, BUF_MAX);
	hello_message(&message, hello);
	hello_records(&out, &message, 16384);
	buf_fini(&message);
	return out;
}

static struct buf from_extensions(struct buf *extensions)
{
	struct buf out = from_hello(&(struct hello){
		.extensions = {(const char *)extensions->data, extensions->len},
	});

	buf_fini(extensions);
	return out;
}

static struct buf from_server_name(struct str data)
{
	struct buf extensions;

	buf_init(&extensions, BUF_MAX);
	hello_ext(&extensions, 0, data.p, data.len);
	return from_extensions(&extensions);
}

static struct buf from_name(struct str name)
{
	struct buf extensions;

	buf_init(&extensions, BUF_MAX);
	hello_ext_name(&extensions, name);
	return from_extensions(&extensions);
}

static struct buf from_alpn(struct str data)
{
	struct buf extensions;

	buf_init(&extensions, BUF_MAX);
	hello_ext_name(&extensions, str_from("shop.example"));
	hello_ext(&extensions, 16, data.p, data.len);
	return from_extensions(&extensions);
}

static struct buf from_bytes(struct str bytes)
{
	struct buf out;

	buf_init(&out, BUF_MAX);
	buf_bytes(&out, bytes.p, bytes.len);
	return out;
}

static void test_a2_hello_cut_anywhere_is_incomplete(void **state)
{
	struct buf in = usual("shop.example", "h2,http/1.1", 16384);
	size_t whole = in.len;
	struct sni_hello hello;

	(void)state;
	for (in.len = 0; in.len < whole; in.len++) {
		assert_int_equal(scan_at_once(&in, &hello), SNI_NEED_MORE);
	}
	expect_name(&in, "shop.example");
}

static void test_a3_hello_in_three_segments_at_every_boundary_is_found(void **state)
{
	struct buf in = usual("shop.example", NULL, 64);
	struct sni_hello hello;

	(void)state;
	for (size_t i = 0; i < in.len; i++) {
		for (size_t k = i; k < in.len; k++) {
			struct sni_scan scan = {0};

			assert_int_equal(sni_scan_hello(&scan, in.data, i, &hello), SNI_NEED_MORE);
			assert_int_equal(sni_scan_hello(&scan, in.data, k, &hello), SNI_NEED_MORE);
			assert_int_equal(sni_scan_hello(&scan, in.data, in.len, &hello), SNI_FOUND);
			assert_string_equal(hello.name, "shop.example");
		}
	}
	buf_fini(&in);
}

static void test_a4_records_of_every_size_are_joined(void **state)
{
	(void)state;
	for (size_t bytes = 1; bytes < 300; bytes++) {
		struct buf in = usual("shop.example", "h2,http/1.1", bytes);

		expect_name(&in, "shop.example");
	}
}

/* Walked bytes are destroyed between the calls: whoever reads them again sees no TLS. */
static void test_a4_dribbled_records_are_walked_once(void **state)
{
	struct buf in = usual("shop.example", NULL, 1);
	struct buf seen = from_bytes((struct str){(const char *)in.data, in.len});
	struct sni_scan scan = {0};
	struct sni_hello hello;

	(void)state;
	for (size_t len = 1; len < in.len; len++) {
		assert_int_equal(sni_scan_hello(&scan, seen.data, len, &hello), SNI_NEED_MORE);
		memset(seen.data, 0xff, scan.offset);
	}
	memcpy(seen.data, in.data, in.len);
	assert_int_equal(sni_scan_hello(&scan, seen.data, in.len, &hello), SNI_FOUND);
	assert_string_equal(hello.name, "shop.example");
	buf_fini(&in);
	buf_fini(&seen);
}

static void test_a4_other_record_inside_hello_is_malformed(void **state)
{
	static const uint8_t types[] =
		{20 /* change_cipher_spec */, 21 /* alert */, 23, 24, 0, 255};
	struct buf whole = usual("shop.example", NULL, 100);

	(void)state;
	for (size_t i = 0; i < sizeof(types); i++) {
		struct buf in = from_bytes((struct str){(const char *)whole.data, 105});

		hello_record(&in, types[i], 0x0303, "\1\0", 2);
		buf_bytes(&in, whole.data + 105, whole.len - 105);
		assert_int_equal(expect_result(&in, SNI_MALFORMED), 106);
	}
	buf_fini(&whole);
}

static void test_a4_empty_record_is_malformed(void **state)
{
	struct buf whole = usual("shop.example", NULL, 100);
	struct buf in = from_bytes((struct str){(const char *)whole.data, 105});

	(void)state;
	hello_record(&in, 22, 0x0303, "", 0);
	buf_bytes(&in, whole.data + 105, whole.len - 105);
	assert_int_equal(expect_result(&in, SNI_MALFORMED), 110);
	buf_fini(&whole);
}

static void test_a4_record_above_2_14_bytes_is_malformed(void **state)
{
	static const struct {
		unsigned int length;
		enum sni_result result;
	} cases[] = {
		{16384, SNI_NEED_MORE},       {16385, SNI_MALFORMED}, {16384 + 256, SNI_MALFORMED},
		{16384 + 257, SNI_MALFORMED}, {65535, SNI_MALFORMED},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct buf in = from_bytes((struct str)BYTES("\x16\x03\x01"));

		buf_u16(&in, (uint16_t)cases[i].length);
		(void)expect_result(&in, cases[i].result);
	}
}

static void test_a4_record_version_major_3_is_taken(void **state)
{
	static const struct {
		uint16_t version;
		enum sni_result result;
	} cases[] = {
		{0x0300, SNI_FOUND},     {0x0301, SNI_FOUND},     {0x0303, SNI_FOUND},
		{0x0304, SNI_FOUND},     {0x03ff, SNI_FOUND},     {0x0201, SNI_MALFORMED},
		{0x0002, SNI_MALFORMED}, {0xffff, SNI_MALFORMED}, {0xfeff, SNI_MALFORMED},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct buf in = usual("shop.example", NULL, 80);

		in.data[1] = (uint8_t)(cases[i].version >> 8);
		in.data[2] = (uint8_t)cases[i].version;
		(void)expect_result(&in, cases[i].result);
	}
}

/* 11,000 records of a byte: the claim fits, the headers make it too large. */
static void test_a4_flood_of_records_is_too_large(void **state)
{
	struct buf message, in;

	(void)state;
	buf_init(&message, BUF_MAX);
	buf_init(&in, BUF_MAX);
	hello_message(&message, &(struct hello){.cipher_bytes = 11000});
	hello_records(&in, &message, 1);
	assert_true(in.len > SNI_HELLO_MAX);
	assert_true(expect_result(&in, SNI_TOO_LARGE) < SNI_HELLO_MAX);
	buf_fini(&message);
}

static void test_a5_message_behind_hello_in_its_record_is_left_alone(void **state)
{
	struct buf message, in;
	struct buf name;

	(void)state;
	buf_init(&name, BUF_MAX);
	buf_init(&message, BUF_MAX);
	buf_init(&in, BUF_MAX);
	hello_ext_name(&name, str_from("shop.example"));
	hello_message(&message, &(struct hello){.extensions = {(const char *)name.data, name.len}});
	buf_bytes(&message, "\x0b\0\0\1\0", 5);
	hello_records(&in, &message, 16384);
	expect_name(&in, "shop.example");
	buf_fini(&message);
	buf_fini(&name);
}

static void test_a5_handshake_length(void **state)
{
	static const struct {
		struct str bytes;
		enum sni_result result;
		size_t used; /* so many bytes were enough */
	} cases[] = {
		{BYTES("\x16\3\1\0\x4\1\0\0\0"), SNI_MALFORMED, 9},
		{BYTES("\x16\3\1\0\x5\1\0\0\1\3"), SNI_MALFORMED, 10},
		{BYTES("\x16\3\1\0\x4\1\xff\xff\xff"), SNI_TOO_LARGE, 9},
		{BYTES("\x16\3\1\0\x4\1\1\0\0"), SNI_TOO_LARGE, 9},
		{BYTES("\x16\3\1\x40\0\1\0\xff\xf3"), SNI_NEED_MORE, 9},
		{BYTES("\x16\3\1\x40\0\1\0\xff\xf8"), SNI_TOO_LARGE, 9},
		{BYTES("\x16\3\1\0\1\1\x16\3\1\0\1\xff"), SNI_NEED_MORE, 12},
		{BYTES("\x16\3\1\0\x4\2\0\0\x46"), SNI_MALFORMED, 6}, /* ServerHello */
		{BYTES("\x16\3\1\0\x4\0\0\0\0"), SNI_MALFORMED, 6},   /* HelloRequest */
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct buf in = from_bytes(cases[i].bytes);

		assert_int_equal(expect_result(&in, cases[i].result), cases[i].used);
	}
}

static void test_a5_message_shorter_or_longer_than_it_says(void **state)
{
	(void)state;
	for (int lie = -3; lie <= 3; lie++) {
		struct buf in = from_hello(
			&(struct hello){.extensions = BYTES("\0\x17\0\0"), .message_lie = lie});

		(void)expect_result(&in, lie == 0  ? SNI_NONE
					 : lie < 0 ? SNI_MALFORMED
						   : SNI_NEED_MORE);
	}
}

/* The cap counts the stream: what ends at its last byte is read, a byte more is not. */
static void test_a5_hello_at_the_cap(void **state)
{
	static const size_t headers = 5 * 4;

	(void)state;
	for (size_t over = 0; over < 2; over++) {
		struct buf exts, message, in;

		buf_init(&exts, BUF_MAX);
		buf_init(&message, BUF_MAX);
		buf_init(&in, BUF_MAX);
		hello_ext_name(&exts, str_from("shop.example"));
		/* 4 + 43 bytes of the message, 4 of the filler's header */
		hello_ext_filler(&exts, 21, SNI_HELLO_MAX - headers - 4 - 43 - 4 - exts.len + over);
		hello_message(&message,
			      &(struct hello){.extensions = {(const char *)exts.data, exts.len}});
		hello_records(&in, &message, 16384);
		assert_int_equal(in.len, SNI_HELLO_MAX + over);
		if (over) {
			(void)expect_result(&in, SNI_TOO_LARGE);
		} else {
			expect_name(&in, "shop.example");
		}
		buf_fini(&exts);
		buf_fini(&message);
	}
}

static void test_a6_fields_before_the_extensions(void **state)
{
	static const struct {
		struct hello hello;
		enum sni_result result;
	} cases[] = {
		{{.session_bytes = 0}, SNI_NONE},
		{{.session_bytes = 32}, SNI_NONE},
		{{.session_bytes = 33}, SNI_MALFORMED},
		{{.session_bytes = 255}, SNI_MALFORMED},
		{{.cipher_bytes = 65534, .extensions_lie = 0}, SNI_TOO_LARGE},
		{{.cipher_bytes = 3}, SNI_MALFORMED},
		{{.no_ciphers = true}, SNI_MALFORMED},
		{{.no_compression = true}, SNI_MALFORMED},
		{{.no_extensions = true}, SNI_NONE},
		{{.no_extensions = true, .no_compression = true}, SNI_MALFORMED},
		{{.extensions_lie = 1}, SNI_MALFORMED},
		{{.extensions_lie = 65535}, SNI_MALFORMED},
		{{.extensions = BYTES("\0\x17\0\0"), .extensions_lie = -1}, SNI_MALFORMED},
		{{.extensions = BYTES("\0\x17\0\0"), .extensions_lie = -4}, SNI_MALFORMED},
		{{.extensions = BYTES("\0\x17\0\0"), .extensions_lie = 0}, SNI_NONE},
		{{.extensions = BYTES("\0\x17\0\1")}, SNI_MALFORMED},
		{{.extensions = BYTES("\0\x17\xff\xff")}, SNI_MALFORMED},
		{{.extensions = BYTES("\0\x17\0")}, SNI_MALFORMED},
		{{.extensions = BYTES("\0")}, SNI_MALFORMED},
		{{.version = 0x0300}, SNI_NONE}, /* A8: SSLv3 */
		{{.version = 0x0304}, SNI_NONE},
		{{.version = 0x0200}, SNI_MALFORMED},
		{{.version = 0xfefd}, SNI_MALFORMED},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct buf in = from_hello(&cases[i].hello);

		(void)expect_result(&in, cases[i].result);
	}
}

static void test_a6_lengths_that_overflow_the_hello(void **state)
{
	/* offsets in the stream: session id length, cipher length, compression length */
	static const struct {
		size_t at;
		uint8_t value;
	} cases[] = {{43, 0xff}, {43, 32}, {44, 0xff}, {45, 0xfe}, {48, 0xff}};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct buf in = from_hello(&(struct hello){.no_extensions = true});

		in.data[cases[i].at] = cases[i].value;
		(void)expect_result(&in, SNI_MALFORMED);
	}
}

static void test_a6_ten_thousand_empty_extensions_are_walked(void **state)
{
	struct buf exts, in;

	(void)state;
	buf_init(&exts, BUF_MAX);
	for (unsigned int i = 0; i < 10000; i++) {
		hello_ext(&exts, (uint16_t)(1000 + i), "", 0);
	}
	hello_ext_name(&exts, str_from("shop.example"));
	in = from_extensions(&exts);
	expect_name(&in, "shop.example");
}

static void test_a6_second_server_name_or_alpn_extension_is_malformed(void **state)
{
	struct buf exts, in;

	(void)state;
	for (int alpn = 0; alpn < 2; alpn++) {
		buf_init(&exts, BUF_MAX);
		hello_ext_name(&exts, str_from("shop.example"));
		hello_ext_alpn(&exts, "h2");
		if (alpn) {
			hello_ext_alpn(&exts, "h2");
		} else {
			hello_ext_name(&exts, str_from("shop.example"));
		}
		in = from_extensions(&exts);
		(void)expect_result(&in, SNI_MALFORMED);
	}
}

static void test_a6_server_name_extension_shapes(void **state)
{
	static const struct {
		struct str data;
		enum sni_result result;
	} cases[] = {
		{BYTES("\0\x7\0\0\4ab.c"), SNI_FOUND},
		{BYTES(""), SNI_MALFORMED}, /* a server's form */
		{BYTES("\0"), SNI_MALFORMED},
		{BYTES("\0\0"), SNI_MALFORMED},            /* empty list */
		{BYTES("\0\x6\0\0\4ab.c"), SNI_MALFORMED}, /* list short by one */
		{BYTES("\0\x8\0\0\4ab.c"), SNI_MALFORMED}, /* list past the end */
		{BYTES("\xff\xff\0\0\4ab.c"), SNI_MALFORMED},
		{BYTES("\0\x7\0\0\4ab.c\0"), SNI_MALFORMED}, /* a byte behind the list */
		{BYTES("\0\x8\0\0\4ab.c\0"), SNI_MALFORMED}, /* and inside it */
		{BYTES("\0\3\0\0\0"), SNI_MALFORMED},        /* empty name */
		{BYTES("\0\x7\0\xff\xff"                     /* name past the end */
		       "ab.c"),
		 SNI_MALFORMED},
		{BYTES("\0\x7\0\0\5ab.c"), SNI_MALFORMED},
		{BYTES("\0\x7\0\0\3ab.c"), SNI_MALFORMED},
		{BYTES("\0\x7\1\0\4ab.c"), SNI_MALFORMED}, /* type 1 */
		{BYTES("\0\x7\xff\0\4ab.c"), SNI_MALFORMED},
		{BYTES("\0\xe\0\0\4ab.c\0\0\4ab.d"), SNI_MALFORMED}, /* two names */
		{BYTES("\0\xe\0\0\4ab.c\1\0\4ab.d"), SNI_MALFORMED}, /* of two types */
		{BYTES("\0\xe\1\0\4ab.d\0\0\4ab.c"), SNI_MALFORMED},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct buf in = from_server_name(cases[i].data);

		(void)expect_result(&in, cases[i].result);
	}
}

#define LABEL_63 "aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffffffffffggg"

static void test_a6_names_no_host_can_have_are_malformed(void **state)
{
	static const struct str names[] = {
		BYTES("a\0b.example"),
		BYTES("a\0"),
		BYTES("\0"),
		BYTES("a\ab.example"),
		BYTES("a\x1b[31m.example"),
		BYTES("a\r\nb.example"),
		BYTES("a b.example"),
		BYTES("\xc3\xbc.example"),
		BYTES("a\x80.example"),
		BYTES("a\xff.example"),
		BYTES("a\x7f.example"),
		BYTES("a/../b"),
		BYTES("a%00.example"),
		BYTES("a\\b"),
		BYTES("a'b.example"),
		BYTES("%s%n.example"),
		BYTES("user@shop.example"),
		BYTES("shop.example:443"),
		BYTES(".shop.example"),
		BYTES("shop..example"),
		BYTES("shop.example.."),
		BYTES("."),
		BYTES(".."),
		BYTES("..."),
		BYTES("*"),
		BYTES("*.x"),
		BYTES("*.shop.example"),
		BYTES("a.*.example"),
		BYTES("192.0.2.1"),
		BYTES("192.0.2.1."),
		BYTES("127.1"),
		BYTES("2130706433"),
		BYTES("2001:db8::1"),
		BYTES("::1"),
		BYTES("[2001:db8::1]"),
		BYTES("::ffff:192.0.2.1"),
		BYTES("fe80::1%eth0"),
		BYTES("a" LABEL_63 ".example"),
		BYTES(LABEL_63 "." LABEL_63 "." LABEL_63 "." LABEL_63),
		BYTES(LABEL_63 "." LABEL_63 "." LABEL_63 "." LABEL_63 "." LABEL_63),
	};
	char long_literal[300];
	struct buf in;

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		in = from_name(names[i]);
		(void)expect_result(&in, SNI_MALFORMED);
	}
	memset(long_literal, 'a', sizeof(long_literal));
	long_literal[0] = '[';
	long_literal[sizeof(long_literal) - 1] = ']';
	in = from_name((struct str){long_literal, sizeof(long_literal)});
	(void)expect_result(&in, SNI_MALFORMED);
}

static void test_a6_names_are_normalised(void **state)
{
	static const struct {
		const char *wire, *name;
	} cases[] = {
		{"Shop.EXAMPLE", "shop.example"},
		{"shop.example.", "shop.example"},
		{"localhost", "localhost"},
		{"LOCALHOST.", "localhost"},
		{"xn--bcher-kva.example", "xn--bcher-kva.example"},
		{"_dmarc.shop.example", "_dmarc.shop.example"},
		{"r3---sn.shop.example", "r3---sn.shop.example"},
		{"1.2.3.example", "1.2.3.example"},
		{LABEL_63 ".example", LABEL_63 ".example"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct buf in = from_name(str_from(cases[i].wire));

		expect_name(&in, cases[i].name);
	}
}

static void test_a7_alpn_extension_shapes(void **state)
{
	static const struct {
		struct str data;
		enum sni_result result;
	} cases[] = {
		{BYTES("\0\3\2h2"), SNI_FOUND},
		{BYTES("\0\x0c\2h2\x08http/1.1"), SNI_FOUND},
		{BYTES(""), SNI_MALFORMED},
		{BYTES("\0\0"), SNI_MALFORMED},   /* empty list */
		{BYTES("\0\1\0"), SNI_MALFORMED}, /* empty name */
		{BYTES("\0\4\2h2\0"), SNI_MALFORMED},
		{BYTES("\0\3\3h2"), SNI_MALFORMED},   /* name past the end */
		{BYTES("\0\3\2h2\0"), SNI_MALFORMED}, /* a byte behind the list */
		{BYTES("\0\2\2h2"), SNI_MALFORMED},
		{BYTES("\xff\xff\2h2"), SNI_MALFORMED},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct buf in = from_alpn(cases[i].data);

		(void)expect_result(&in, cases[i].result);
	}
}

static void expect_alpn(struct buf *in, enum sni_result result, const char *expected)
{
	struct sni_hello hello;
	struct str list, protocol;
	char text[1024] = "";

	(void)expect(in, result, &hello); /* how many bytes does not matter here */
	list = sni_hello_alpn(&hello);
	while (sni_alpn_next(&list, &protocol)) {
		strcat(text, text[0] ? "," : "");
		strncat(text, protocol.p, protocol.len);
	}
	assert_string_equal(text, expected);
}

static void test_a7_alpn_is_kept_in_the_clients_order(void **state)
{
	struct buf in;

	(void)state;
	in = usual("shop.example", "h2,http/1.1", 16384);
	expect_alpn(&in, SNI_FOUND, "h2,http/1.1");
	in = usual("shop.example", "h2,http/1.1", 3);
	expect_alpn(&in, SNI_FOUND, "h2,http/1.1");
	in = usual("shop.example", "acme-tls/1", 16384);
	expect_alpn(&in, SNI_FOUND, "acme-tls/1");
	in = usual(NULL, "acme-tls/1", 16384);
	expect_alpn(&in, SNI_NONE, "acme-tls/1");
	in = usual("shop.example", NULL, 16384);
	expect_alpn(&in, SNI_FOUND, "");
}

/* Names of 255 bytes: two fill SNI_ALPN_MAX, the third is left out whole. */
static void test_a7_long_alpn_list_is_cut_between_names(void **state)
{
	char list[3 * 256], expected[2 * 256];
	struct buf in;

	(void)state;
	memset(list, 'p', sizeof(list));
	list[255] = list[511] = ',';
	list[767] = '\0';
	memcpy(expected, list, sizeof(expected));
	expected[511] = '\0';
	in = usual("shop.example", list, 16384);
	expect_alpn(&in, SNI_FOUND, expected);
}

static void test_a8_other_protocols_are_malformed_at_once(void **state)
{
	static const struct {
		struct str bytes;
		size_t used; /* bytes after which it was known */
	} cases[] = {
		{BYTES("\x80\x2e\1\0\2\0\x15\0\0\0\x10"), 1}, /* SSLv2 hello */
		{BYTES("\0\x2f\1\0\2\0\x15\0\0\0\x10"), 1},   /* SSLv2, long header */
		{BYTES("GET / HTTP/1.1\r\nHost: shop.example\r\n\r\n"), 1},
		{BYTES("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), 1},
		{BYTES("SSH-2.0-OpenSSH_9.2\r\n"), 1},
		{BYTES("EHLO mail.example\r\n"), 1},
		{BYTES("PROXY TCP4 192.0.2.1 192.0.2.2 1 443\r\n"), 1},
		{BYTES("\r\n\r\n\0\r\nQUIT\n"), 1},
		{BYTES("\0\0\0\x8\x04\xd2\x16\x2f"), 1},                /* Postgres SSLRequest */
		{BYTES("\x15\3\1\0\2\2\x28"), 1},                       /* TLS alert */
		{BYTES("\x17\3\3\0\1\0"), 1},                           /* TLS application data */
		{BYTES("\x16\xfe\xff\0\0\0\0\0\0\0\0\0\4\1\0\0\0"), 2}, /* DTLS 1.0 */
		{BYTES("\x16\xfe\xfd\0\0\0\0\0\0\0\0\0\4\1\0\0\0"), 2}, /* DTLS 1.2 */
		{BYTES("\xc3\0\0\0\1\x8"), 1},                          /* QUIC initial */
		{BYTES("\x16\x16\x16\x16"), 2},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct buf in = from_bytes(cases[i].bytes);

		assert_int_equal(expect_result(&in, SNI_MALFORMED), cases[i].used);
	}
}

static void test_a9_bytes_behind_the_hello_are_not_looked_at(void **state)
{
	struct buf in = usual("shop.example", NULL, 16384);
	size_t hello_bytes = in.len;

	(void)state;
	/* 0-RTT data in a record, then what is no TLS at all, beyond the cap */
	hello_record(&in, 23, 0x0303, "early", 5);
	while (in.len < SNI_HELLO_MAX + 1000) {
		buf_u8(&in, 0xff);
	}
	assert_int_equal(expect_result(&in, SNI_FOUND), hello_bytes);
}

/* Sizes as browsers send them: key share X25519MLKEM768 1216, ECH GREASE, a ticket of 8 KiB. */
static void test_a10_big_extensions_before_the_name(void **state)
{
	static const struct {
		uint16_t type;
		size_t bytes;
	} cases[] = {{51, 1222},      {51, 2080}, {0xfe0d, 250},
		     {0xfe0d, 16000}, {41, 8300}, {35, 60000}};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct buf exts, in;

		buf_init(&exts, BUF_MAX);
		hello_ext_filler(&exts, 0x0a0a, 0); /* GREASE */
		hello_ext_filler(&exts, cases[i].type, cases[i].bytes);
		hello_ext_name(&exts, str_from("shop.example"));
		hello_ext_filler(&exts, 0x1a1a, 1);
		in = from_extensions(&exts);
		expect_name(&in, "shop.example");
	}
}

static void test_alert_is_one_fatal_record(void **state)
{
	uint8_t out[SNI_ALERT_BYTES];

	(void)state;
	sni_alert(SNI_ALERT_HANDSHAKE_FAILURE, out);
	assert_memory_equal(out, "\x15\3\1\0\2\2\x28", sizeof(out));
	sni_alert(SNI_ALERT_UNRECOGNIZED_NAME, out);
	assert_memory_equal(out, "\x15\3\1\0\2\2\x70", sizeof(out));
	sni_alert(SNI_ALERT_NO_APPLICATION_PROTOCOL, out);
	assert_memory_equal(out, "\x15\3\1\0\2\2\x78", sizeof(out));
	sni_alert(SNI_ALERT_DECODE_ERROR, out);
	assert_memory_equal(out, "\x15\3\1\0\2\2\x32", sizeof(out));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a2_hello_cut_anywhere_is_incomplete),
		cmocka_unit_test(test_a3_hello_in_three_segments_at_every_boundary_is_found),
		cmocka_unit_test(test_a4_records_of_every_size_are_joined),
		cmocka_unit_test(test_a4_dribbled_records_are_walked_once),
		cmocka_unit_test(test_a4_other_record_inside_hello_is_malformed),
		cmocka_unit_test(test_a4_empty_record_is_malformed),
		cmocka_unit_test(test_a4_record_above_2_14_bytes_is_malformed),
		cmocka_unit_test(test_a4_record_version_major_3_is_taken),
		cmocka_unit_test(test_a4_flood_of_records_is_too_large),
		cmocka_unit_test(test_a5_message_behind_hello_in_its_record_is_left_alone),
		cmocka_unit_test(test_a5_handshake_length),
		cmocka_unit_test(test_a5_message_shorter_or_longer_than_it_says),
		cmocka_unit_test(test_a5_hello_at_the_cap),
		cmocka_unit_test(test_a6_fields_before_the_extensions),
		cmocka_unit_test(test_a6_lengths_that_overflow_the_hello),
		cmocka_unit_test(test_a6_ten_thousand_empty_extensions_are_walked),
		cmocka_unit_test(test_a6_second_server_name_or_alpn_extension_is_malformed),
		cmocka_unit_test(test_a6_server_name_extension_shapes),
		cmocka_unit_test(test_a6_names_no_host_can_have_are_malformed),
		cmocka_unit_test(test_a6_names_are_normalised),
		cmocka_unit_test(test_a7_alpn_extension_shapes),
		cmocka_unit_test(test_a7_alpn_is_kept_in_the_clients_order),
		cmocka_unit_test(test_a7_long_alpn_list_is_cut_between_names),
		cmocka_unit_test(test_a8_other_protocols_are_malformed_at_once),
		cmocka_unit_test(test_a9_bytes_behind_the_hello_are_not_looked_at),
		cmocka_unit_test(test_a10_big_extensions_before_the_name),
		cmocka_unit_test(test_alert_is_one_fatal_record),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
