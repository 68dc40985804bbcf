/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Addresses and prefixes: every way to write one wrong, families kept apart, RFC 5952 and 6052. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/addr.h"

#define N_ELEMENTS(a) (sizeof(a) / sizeof((a)[0]))

static struct addr address(const char *text)
{
	struct addr a;

	assert_int_equal(addr_parse(str_from(text), &a), 0);
	return a;
}

static struct prefix prefix(const char *text)
{
	struct prefix p;

	assert_int_equal(prefix_parse(str_from(text), &p, NULL), 0);
	return p;
}

static void parse_and_format(void **state)
{
	static const struct {
		const char *in, *out;
		bool v4;
	} vectors[] = {
		{"192.0.2.1", "192.0.2.1", true},
		{"0.0.0.0", "0.0.0.0", true},
		{"255.255.255.255", "255.255.255.255", true},
		{"::", "::", false},
		{"::1", "::1", false},
		{"2001:DB8:0:0:1:0:0:1", "2001:db8::1:0:0:1", false},
		{"2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1", false},
		{"64:ff9b::192.0.2.33", "64:ff9b::c000:221", false},
		{"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
		 "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", false},
	};
	char text[ADDR_TEXT_MAX];

	(void)state;
	for (size_t i = 0; i < N_ELEMENTS(vectors); i++) {
		struct addr a = address(vectors[i].in);

		assert_string_equal(addr_format(&a, text), vectors[i].out);
		assert_int_equal(addr_is_v4(&a), vectors[i].v4);
	}
}

static void no_address(void **state)
{
	static const char *const vectors[] = {
		"",
		"192.0.2",
		"192.0.2.1.1",
		"192.0.2.256",
		"192.0.2.01",
		"0xc0000201",
		"3221225985",
		" 192.0.2.1",
		"192.0.2.1 ",
		"192.0.2.1/32",
		":",
		":::",
		"2001:db8::1%lo",
		"[2001:db8::1]",
		"1::2::3",
		"12345::",
		"1:2:3:4:5:6:7",
		"::ffff:192.0.2.1",
		"::ffff:c000:201",
		"0000:0000:0000:0000:0000:0000:0000:0000:00000000",
	};
	struct addr a;

	(void)state;
	for (size_t i = 0; i < N_ELEMENTS(vectors); i++) {
		assert_int_equal(addr_parse(str_from(vectors[i]), &a), -EINVAL);
	}
	assert_int_equal(addr_parse((struct str){"::1\0", 4}, &a), -EINVAL);
	assert_int_equal(addr_parse((struct str){0}, &a), -EINVAL);
}

static void any_of_both_families(void **state)
{
	struct addr v4 = address("0.0.0.0"), v6 = address("::"), one = address("0.0.0.1");

	(void)state;
	assert_true(addr_is_any(&v4));
	assert_true(addr_is_any(&v6));
	assert_false(addr_is_any(&one));
	assert_false(addr_eq(&v4, &v6));
	assert_true(addr_cmp(&v6, &v4) < 0);
	assert_true(addr_cmp(&one, &v4) > 0);
}

static void prefix_vectors(void **state)
{
	static const struct {
		const char *in, *out;
		uint8_t len;
	} vectors[] = {
		{"192.0.2.0/24", "192.0.2.0/24", 120},
		{"192.0.2.1", "192.0.2.1/32", 128},
		{"0.0.0.0/0", "0.0.0.0/0", 96},
		{"::/0", "::/0", 0},
		{"2001:db8::/32", "2001:db8::/32", 32},
		{"2001:db8::1", "2001:db8::1/128", 128},
		{"2001:db8:a000::/35", "2001:db8:a000::/35", 35},
	};
	char text[ADDR_TEXT_MAX];

	(void)state;
	for (size_t i = 0; i < N_ELEMENTS(vectors); i++) {
		struct prefix p = prefix(vectors[i].in);

		assert_int_equal(p.len, vectors[i].len);
		assert_string_equal(prefix_format(&p, text), vectors[i].out);
	}
}

static void no_prefix(void **state)
{
	static const struct {
		const char *in, *msg;
	} vectors[] = {
		{"", "is not an address or a prefix"},
		{"/24", "is not an address or a prefix"},
		{"x/24", "is not an address or a prefix"},
		{"::ffff:0:0/96", "is not an address or a prefix"},
		{"192.0.2.0/", "has a prefix length that is not 0..32"},
		{"192.0.2.0/33", "has a prefix length that is not 0..32"},
		{"192.0.2.0/-1", "has a prefix length that is not 0..32"},
		{"2001:db8::/129", "has a prefix length that is not 0..128"},
		{"2001:db8::/32/32", "has a prefix length that is not 0..128"},
		{"192.0.2.1/24", "has bits set behind its length; 192.0.2.0/24 would be right"},
		{"2001:db8::1/64", "has bits set behind its length; 2001:db8::/64 would be right"},
	};
	struct prefix p;

	(void)state;
	for (size_t i = 0; i < N_ELEMENTS(vectors); i++) {
		struct err err = {0};

		assert_int_equal(prefix_parse(str_from(vectors[i].in), &p, &err), -EINVAL);
		assert_string_equal(err.msg, vectors[i].msg);
	}
}

static void contains_at_every_length(void **state)
{
	struct addr a = address("2001:db8:ffff:ffff:ffff:ffff:ffff:ffff");

	(void)state;
	for (unsigned int len = 1; len <= 128; len++) {
		struct prefix p = {.addr = a, .len = (uint8_t)len};
		struct addr other = a;

		addr_mask(&p.addr, len);
		assert_true(prefix_contains(&p, &a));
		other.b[(len - 1) / 8] ^= (uint8_t)(0x80 >> (len - 1) % 8);
		assert_false(prefix_contains(&p, &other));
		if (len < 128) {
			other = a;
			other.b[len / 8] ^= (uint8_t)(0x80 >> len % 8);
			assert_true(prefix_contains(&p, &other));
		}
	}
}

static void families_never_meet(void **state)
{
	struct prefix all6 = prefix("::/0"), all4 = prefix("0.0.0.0/0");
	struct addr v6 = address("2001:db8::1"), v4 = address("192.0.2.1");

	(void)state;
	assert_true(prefix_contains(&all6, &v6));
	assert_true(prefix_contains(&all4, &v4));
	assert_false(prefix_contains(&all6, &v4));
	assert_false(prefix_contains(&all4, &v6));
	assert_false(prefix_overlaps(&all6, &all4));
	assert_false(prefix_overlaps(&all4, &all6));
}

static void overlap_is_one_inside_the_other(void **state)
{
	struct prefix wide = prefix("2001:db8::/32"), inside = prefix("2001:db8:1::/48");
	struct prefix beside = prefix("2001:db9::/32");

	(void)state;
	assert_true(prefix_overlaps(&wide, &inside));
	assert_true(prefix_overlaps(&inside, &wide));
	assert_true(prefix_overlaps(&wide, &wide));
	assert_false(prefix_overlaps(&wide, &beside));
	assert_false(prefix_overlaps(&beside, &inside));
}

static void embed_is_rfc_6052_at_each_length(void **state)
{
	/* RFC 6052 2.4, and the well-known prefix */
	static const char *const vectors[][2] = {
		{"2001:db8::/32", "2001:db8:c000:221::"},
		{"2001:db8:100::/40", "2001:db8:1c0:2:21::"},
		{"2001:db8:122::/48", "2001:db8:122:c000:2:2100::"},
		{"2001:db8:122:300::/56", "2001:db8:122:3c0:0:221::"},
		{"2001:db8:122:344::/64", "2001:db8:122:344:c0:2:2100::"},
		{"2001:db8:122:344::/96", "2001:db8:122:344::c000:221"},
		{"64:ff9b::/96", "64:ff9b::c000:221"},
	};
	struct addr v4 = address("192.0.2.33");

	(void)state;
	for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
		struct prefix p = prefix(vectors[i][0]);
		struct addr want = address(vectors[i][1]), got = addr_embed(&p, &v4), back;

		assert_true(addr_eq(&got, &want));
		assert_true(addr_extract(&p, &got, &back));
		assert_true(addr_eq(&back, &v4));
	}
}

static void extract_wants_it_as_embedded(void **state)
{
	static const char *const vectors[][2] = {
		{"2001:db8:122:344::/64", "2001:db8:122:344:1c0:2:2100::"}, /* bits 64 to 71 */
		{"2001:db8:122:344::/64", "2001:db8:122:344:c0:2:2100:1"},  /* the suffix */
		{"2001:db8::/32", "2001:db8:c000:221::1"},
		{"2001:db8::/32", "2001:db9:c000:221::"}, /* not under it */
	};
	struct addr back;

	(void)state;
	for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
		struct prefix p = prefix(vectors[i][0]);
		struct addr a = address(vectors[i][1]);

		assert_false(addr_extract(&p, &a, &back));
	}
}

static void endpoints_go_through_sockaddr(void **state)
{
	static const struct {
		const char *address, *text;
		bool mapped;
		int family;
		socklen_t len;
	} vectors[] = {
		{"192.0.2.1", "192.0.2.1:65535", false, AF_INET, sizeof(struct sockaddr_in)},
		{"192.0.2.1", "192.0.2.1:65535", true, AF_INET6, sizeof(struct sockaddr_in6)},
		{"2001:db8::1", "[2001:db8::1]:65535", false, AF_INET6,
		 sizeof(struct sockaddr_in6)},
	};
	char text[ENDPOINT_TEXT_MAX];

	(void)state;
	for (size_t i = 0; i < N_ELEMENTS(vectors); i++) {
		struct endpoint in = {address(vectors[i].address), 65535}, out;
		struct sockaddr_storage sa = {0};

		assert_int_equal(endpoint_to_sockaddr(&in, vectors[i].mapped, &sa), vectors[i].len);
		assert_int_equal(sa.ss_family, vectors[i].family);
		assert_int_equal(endpoint_from_sockaddr((struct sockaddr *)&sa, &out), 0);
		assert_true(addr_eq(&in.addr, &out.addr));
		assert_int_equal(out.port, 65535);
		assert_string_equal(endpoint_format(&out, text), vectors[i].text);
	}
}

static void other_families_are_refused(void **state)
{
	struct sockaddr sa = {.sa_family = AF_UNIX};
	struct endpoint e;

	(void)state;
	assert_int_equal(endpoint_from_sockaddr(&sa, &e), -EAFNOSUPPORT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(parse_and_format),
		cmocka_unit_test(no_address),
		cmocka_unit_test(any_of_both_families),
		cmocka_unit_test(prefix_vectors),
		cmocka_unit_test(no_prefix),
		cmocka_unit_test(contains_at_every_length),
		cmocka_unit_test(families_never_meet),
		cmocka_unit_test(overlap_is_one_inside_the_other),
		cmocka_unit_test(embed_is_rfc_6052_at_each_length),
		cmocka_unit_test(extract_wants_it_as_embedded),
		cmocka_unit_test(endpoints_go_through_sockaddr),
		cmocka_unit_test(other_families_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
