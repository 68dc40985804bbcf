/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The ClientHello reader: fields, extensions, names. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/hello_expect.h"

#define BUF_MAX (1 << 20)

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

	(void)expect_hello(in, result, &hello); /* how many bytes does not matter here */
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
	in = from_usual("shop.example", "h2,http/1.1", 16384);
	expect_alpn(&in, SNI_FOUND, "h2,http/1.1");
	in = from_usual("shop.example", "h2,http/1.1", 3);
	expect_alpn(&in, SNI_FOUND, "h2,http/1.1");
	in = from_usual("shop.example", "acme-tls/1", 16384);
	expect_alpn(&in, SNI_FOUND, "acme-tls/1");
	in = from_usual(NULL, "acme-tls/1", 16384);
	expect_alpn(&in, SNI_NONE, "acme-tls/1");
	in = from_usual("shop.example", NULL, 16384);
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
	in = from_usual("shop.example", list, 16384);
	expect_alpn(&in, SNI_FOUND, expected);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
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
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
