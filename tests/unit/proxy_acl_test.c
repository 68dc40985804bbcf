/* SPDX-License-Identifier: GPL-3.0-or-later */
/* allow and deny of an exposure. */
#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "proxy/acl.h"

#define LIST_MAX 8

/* Comma-separated prefixes. */
static size_t parse_list(const char *text, struct prefix list[LIST_MAX])
{
	size_t n = 0;

	while (*text) {
		size_t len = strcspn(text, ",");

		assert_true(n < LIST_MAX);
		assert_int_equal(prefix_parse((struct str){text, len}, &list[n++], NULL), 0);
		text += len + (text[len] == ',');
	}
	return n;
}

/* A client's address as accept(2) gives it on a socket of that family. */
static struct addr client_addr(const char *text)
{
	struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};
	struct sockaddr_in v4 = {.sin_family = AF_INET};
	struct endpoint peer;

	if (inet_pton(AF_INET, text, &v4.sin_addr) == 1) {
		assert_int_equal(endpoint_from_sockaddr((struct sockaddr *)&v4, &peer), 0);
	} else {
		assert_int_equal(inet_pton(AF_INET6, text, &v6.sin6_addr), 1);
		assert_int_equal(endpoint_from_sockaddr((struct sockaddr *)&v6, &peer), 0);
	}
	return peer.addr;
}

static bool allows(const char *allow, const char *deny, const char *client)
{
	struct prefix allow_list[LIST_MAX], deny_list[LIST_MAX];
	struct expose_conf expose = {
		.allow = allow_list,
		.n_allow = parse_list(allow, allow_list),
		.deny = deny_list,
		.n_deny = parse_list(deny, deny_list),
	};
	struct addr addr = client_addr(client);

	return acl_allows(&expose, &addr);
}

static const struct acl_case {
	const char *allow, *deny, *client;
	bool result;
} cases[] = {
	/* empty lists */
	{"", "", "192.0.2.1", true},
	{"", "", "2001:db8::1", true},
	/* allow alone shuts out the rest */
	{"192.0.2.0/24", "", "192.0.2.1", true},
	{"192.0.2.0/24", "", "192.0.2.255", true},
	{"192.0.2.0/24", "", "192.0.3.0", false},
	{"192.0.2.0/24", "", "2001:db8::1", false},
	{"192.0.2.1/32,192.0.2.3/32", "", "192.0.2.3", true},
	{"192.0.2.1/32,192.0.2.3/32", "", "192.0.2.2", false},
	/* deny alone lets in the rest */
	{"", "192.0.2.0/24", "192.0.2.1", false},
	{"", "192.0.2.0/24", "192.0.3.1", true},
	{"", "192.0.2.0/24", "2001:db8::1", true},
	/* deny wins, whichever is longer */
	{"192.0.2.1/32", "192.0.2.0/24", "192.0.2.1", false},
	{"192.0.2.0/24", "192.0.2.1/32", "192.0.2.1", false},
	{"192.0.2.0/24", "192.0.2.1/32", "192.0.2.2", true},
	{"192.0.2.0/24", "192.0.2.0/24", "192.0.2.1", false},
	/* IPv6 */
	{"2001:db8::/32", "", "2001:db8:ffff::1", true},
	{"2001:db8::/32", "", "2001:db9::1", false},
	{"2001:db8::1/128", "", "2001:db8::1", true},
	{"2001:db8::1/128", "", "2001:db8::2", false},
	{"2001:db8::/33", "", "2001:db8:8000::1", false},
	/* IPv4 and v4-mapped are the same */
	{"192.0.2.0/24", "", "::ffff:192.0.2.1", true},
	{"", "192.0.2.0/24", "::ffff:c000:201", false},
	/* everything of one family */
	{"0.0.0.0/0", "", "192.0.2.1", true},
	{"0.0.0.0/0", "", "2001:db8::1", false},
	{"::/0", "", "2001:db8::1", true},
	{"::/0", "", "192.0.2.1", false},
	{"", "::/0", "2001:db8::1", false},
	{"", "::/0", "192.0.2.1", true},
	{"", "0.0.0.0/0,::/0", "192.0.2.1", false},
	{"", "0.0.0.0/0,::/0", "2001:db8::1", false},
};

static void test_acl_table(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		const struct acl_case *c = &cases[i];

		if (allows(c->allow, c->deny, c->client) != c->result) {
			fail_msg("allow '%s' deny '%s' client %s", c->allow, c->deny, c->client);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_acl_table),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
