/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "proxy/client_address.h"

static struct endpoint endpoint(const char *address, uint16_t port)
{
	struct endpoint e = {.port = port};

	assert_int_equal(addr_parse(str_from(address), &e.addr), 0);
	return e;
}

static void test_v1_writes_mapped_addresses_as_tcp4_and_others_as_tcp6(void **state)
{
	static const struct {
		const char *client, *local, *expected;
	} cases[] = {
		{"198.51.100.7", "203.0.113.10",
		 "PROXY TCP4 198.51.100.7 203.0.113.10 65535 443\r\n"},
		{"2001:db8::1", "2001:db8::2", "PROXY TCP6 2001:db8::1 2001:db8::2 65535 443\r\n"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct endpoint client = endpoint(cases[i].client, 65535);
		struct endpoint local = endpoint(cases[i].local, 443);
		uint8_t out[PROXY_HEADER_MAX];
		size_t len = proxy_v1_write(&client, &local, out);

		assert_int_equal(len, strlen(cases[i].expected));
		assert_memory_equal(out, cases[i].expected, len);
	}
}

static void test_v2_of_ipv4_with_both_tlvs(void **state)
{
	static const uint8_t expected[] = "\r\n\r\n\0\r\nQUIT\n"
					  "\x21\x11\x00\x1e"
					  "\xc6\x33\x64\x07\xcb\x00\x71\x0a\x04\xd2\x01\xbb"
					  "\x01\x00\x02h2"
					  "\x02\x00\x0ashop.examp";
	struct endpoint client = endpoint("198.51.100.7", 1234);
	struct endpoint local = endpoint("203.0.113.10", 443);
	uint8_t out[PROXY_HEADER_MAX];
	size_t len = proxy_v2_write(&client, &local, str_from("shop.examp"), str_from("h2"), out);

	(void)state;
	assert_int_equal(len, sizeof(expected) - 1);
	assert_memory_equal(out, expected, len);
}

static void test_v2_of_ipv6_without_tlv(void **state)
{
	struct endpoint client = endpoint("2001:db8::1", 1), local = endpoint("2001:db8::2", 2);
	uint8_t out[PROXY_HEADER_MAX];
	size_t len = proxy_v2_write(&client, &local, (struct str){0}, (struct str){0}, out);

	(void)state;
	assert_int_equal(len, 16 + 36);
	assert_int_equal(out[13], 0x21);
	assert_int_equal(out[15], 36);
	assert_memory_equal(out + 16, client.addr.b, 16);
	assert_memory_equal(out + 32, local.addr.b, 16);
	assert_memory_equal(out + 48, "\0\1\0\2", 4);
}

static void test_the_longest_header_fits(void **state)
{
	struct endpoint client = endpoint("2001:db8::1", 1), local = endpoint("2001:db8::2", 2);
	char text[255];
	struct str longest = {.p = text, .len = sizeof(text)};
	uint8_t out[PROXY_HEADER_MAX];

	(void)state;
	memset(text, 'a', sizeof(text));
	assert_int_equal(proxy_v2_write(&client, &local, longest, longest, out),
			 16 + 36 + 2 * (3 + 255));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_v1_writes_mapped_addresses_as_tcp4_and_others_as_tcp6),
		cmocka_unit_test(test_v2_of_ipv4_with_both_tlvs),
		cmocka_unit_test(test_v2_of_ipv6_without_tlv),
		cmocka_unit_test(test_the_longest_header_fits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
