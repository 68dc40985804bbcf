/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The ClientHello reader: segments, records, lengths of the message, other protocols. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/hello_expect.h"

#define BUF_MAX (1 << 20)

static void test_a2_hello_cut_anywhere_is_incomplete(void **state)
{
	struct buf in = from_usual("shop.example", "h2,http/1.1", 16384);
	size_t whole = in.len;
	struct sni_hello hello;

	(void)state;
	for (in.len = 0; in.len < whole; in.len++) {
		assert_int_equal(sni_at_once(&in, &hello), SNI_NEED_MORE);
	}
	expect_name(&in, "shop.example");
}

static void test_a3_hello_in_three_segments_at_every_boundary_is_found(void **state)
{
	struct buf in = from_usual("shop.example", NULL, 64);
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
		struct buf in = from_usual("shop.example", "h2,http/1.1", bytes);

		expect_name(&in, "shop.example");
	}
}

/* Walked bytes are destroyed between the calls: whoever reads them again sees no TLS. */
static void test_a4_dribbled_records_are_walked_once(void **state)
{
	struct buf in = from_usual("shop.example", NULL, 1);
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
	struct buf whole = from_usual("shop.example", NULL, 100);

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
	struct buf whole = from_usual("shop.example", NULL, 100);
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
		struct buf in = from_usual("shop.example", NULL, 80);

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
	struct buf in = from_usual("shop.example", NULL, 16384);
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
		cmocka_unit_test(test_a8_other_protocols_are_malformed_at_once),
		cmocka_unit_test(test_a9_bytes_behind_the_hello_are_not_looked_at),
		cmocka_unit_test(test_a10_big_extensions_before_the_name),
		cmocka_unit_test(test_alert_is_one_fatal_record),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
