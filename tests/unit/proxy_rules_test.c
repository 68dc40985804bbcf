/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The rule set: which name, port and protocol finds which exposure; changes as a whole. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "proxy/rules.h"
#include "proxy/sni.h"

#define NAMES_MAX   8
#define EXPOSES_MAX 8

/* One tenant with one service; an exposure's number is its place, from 0. */
struct tenant {
	struct tenant_conf conf;
	struct service_conf service;
	struct expose_conf exposes[EXPOSES_MAX];
	struct name_pattern names[EXPOSES_MAX][NAMES_MAX];
	const char *alpn[EXPOSES_MAX][NAMES_MAX];
	char text[EXPOSES_MAX][512];
};

static void tenant_init(struct tenant *t)
{
	memset(t, 0, sizeof(*t));
	t->service.exposes = t->exposes;
	t->conf.services = &t->service;
	t->conf.n_services = 1;
}

/* names: comma-separated, "*.x" a wildcard. alpn: comma-separated, NULL: none. */
static void tenant_expose_names(struct tenant *t, enum protocol protocol, uint16_t port,
				const char *names, const char *alpn)
{
	size_t number = t->service.n_exposes++;
	struct expose_conf *expose = &t->exposes[number];
	char *text = t->text[number], *list = text + strlen(names) + 1;

	*expose = (struct expose_conf){
		.protocol = protocol,
		.port = port,
		.names = t->names[number],
		.alpn = t->alpn[number],
	};
	assert_true(strlen(names) + 1 + (alpn ? strlen(alpn) : 0) < sizeof(t->text[number]));
	strcpy(text, names);
	strcpy(list, alpn ? alpn : "");
	for (char *s = strtok(list, ","); s; s = strtok(NULL, ",")) {
		expose->alpn[expose->n_alpn++] = s;
	}
	for (char *s = strtok(text, ","); s; s = strtok(NULL, ",")) {
		bool wildcard = s[0] == '*';

		expose->names[expose->n_names++] = (struct name_pattern){
			.text = wildcard ? s + 2 : s,
			.wildcard = wildcard,
		};
	}
}

static void tenant_expose_tls(struct tenant *t, const char *names, const char *alpn)
{
	tenant_expose_names(t, PROTOCOL_TLS, 443, names, alpn);
}

static void tenant_expose_tcp(struct tenant *t, const char *ipv4, uint16_t port)
{
	struct expose_conf *expose = &t->exposes[t->service.n_exposes++];

	*expose = (struct expose_conf){.protocol = PROTOCOL_TCP, .port = port, .has_ipv4 = true};
	assert_int_equal(addr_parse(str_from(ipv4), &expose->ipv4), 0);
}

static struct rule rule_of(struct tenant *t, size_t number)
{
	return (struct rule){.tenant = &t->conf,
			     .service = &t->service,
			     .expose = &t->exposes[number]};
}

/* Puts t in force in place of old. */
static int replace(struct rules *rules, struct tenant *old, struct tenant *t, struct err *err)
{
	struct rule all[EXPOSES_MAX];

	for (size_t i = 0; i < t->service.n_exposes; i++) {
		all[i] = rule_of(t, i);
	}
	return rules_replace(rules, old ? &old->conf : NULL, all, t->service.n_exposes, err);
}

static void put(struct rules *rules, struct tenant *t)
{
	struct err err = {.msg = ""};

	if (replace(rules, NULL, t, &err) < 0) {
		fail_msg("%s", err.msg);
	}
}

/* The client's protocols in wire form; alpn is comma-separated. */
static struct str wire_alpn(const char *alpn, char out[SNI_ALPN_MAX])
{
	size_t len = 0;

	while (*alpn) {
		size_t n = strcspn(alpn, ",");

		out[len] = (char)n;
		memcpy(out + len + 1, alpn, n);
		len += n + 1;
		alpn += n + (alpn[n] == ',');
	}
	return (struct str){out, len};
}

static enum rule_result find(const struct rules *rules, enum protocol protocol, uint16_t port,
			     const char *name, const char *alpn, const struct rule **ret_rule)
{
	char wire[SNI_ALPN_MAX];
	const struct rule_query query = {
		.protocol = protocol,
		.port = port,
		.name = str_from(name),
		.alpn = wire_alpn(alpn, wire),
	};

	return rules_find_name(rules, &query, ret_rule);
}

/* The number of the exposure that a TLS client on port 443 gets, or -1 - result. */
static int pick(const struct rules *rules, struct tenant *t, const char *name, const char *alpn)
{
	const struct rule *rule;
	enum rule_result result = find(rules, PROTOCOL_TLS, 443, name, alpn, &rule);

	if (result != RULE_FOUND) {
		assert_null(rule);
		return -1 - (int)result;
	}
	assert_ptr_equal(rule->tenant, &t->conf);
	assert_ptr_equal(rule->service, &t->service);
	return (int)(rule->expose - t->exposes);
}

#define UNKNOWN      (-1 - RULE_NAME_UNKNOWN)
#define ALPN_UNKNOWN (-1 - RULE_ALPN_UNKNOWN)

static void test_exact_beats_the_longest_wildcard(void **state)
{
	static const struct {
		const char *name;
		int picked;
	} cases[] = {
		{"shop.example", 0},
		{"www.shop.example", 1},
		{"a.b.c.shop.example", 1},
		{"api.shop.example", 2},
		{"x.api.shop.example", 3},
		{"y.x.api.shop.example", 3},
		{"deep.x.shop.example", 1},
		{"only.below.example", 4},
		{"below.example", UNKNOWN}, /* a wildcard is not its own base */
		{"example", UNKNOWN},
		{"", UNKNOWN},
		{"evil-shop.example", UNKNOWN}, /* a label, not a suffix of bytes */
		{"shop.example.evil.test", UNKNOWN},
		{"hop.example", UNKNOWN},
		{"shop.exampl", UNKNOWN},
	};
	struct rules rules;
	struct tenant t;

	(void)state;
	tenant_init(&t);
	tenant_expose_tls(&t, "shop.example", NULL);
	tenant_expose_tls(&t, "*.shop.example", NULL);
	tenant_expose_tls(&t, "api.shop.example", NULL);
	tenant_expose_tls(&t, "*.api.shop.example", NULL);
	tenant_expose_tls(&t, "*.below.example", NULL);
	rules_init(&rules);
	put(&rules, &t);
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		if (pick(&rules, &t, cases[i].name, "") != cases[i].picked) {
			fail_msg("%s", cases[i].name);
		}
	}
	rules_fini(&rules);
}

static void test_wildcard_and_name_in_one_exposure(void **state)
{
	struct rules rules;
	struct tenant t;

	(void)state;
	tenant_init(&t);
	tenant_expose_tls(&t, "shop.example,*.shop.example,other.example", NULL);
	rules_init(&rules);
	put(&rules, &t);
	assert_int_equal(pick(&rules, &t, "shop.example", ""), 0);
	assert_int_equal(pick(&rules, &t, "a.shop.example", ""), 0);
	assert_int_equal(pick(&rules, &t, "other.example", ""), 0);
	assert_int_equal(pick(&rules, &t, "a.other.example", ""), UNKNOWN);
	rules_fini(&rules);
}

static void test_port_and_protocol_are_part_of_the_name(void **state)
{
	const struct rule *rule;
	struct rules rules;
	struct tenant t;

	(void)state;
	tenant_init(&t);
	tenant_expose_names(&t, PROTOCOL_TLS, 443, "shop.example", NULL);
	tenant_expose_names(&t, PROTOCOL_TLS, 8448, "shop.example", NULL);
	tenant_expose_names(&t, PROTOCOL_HTTP, 443, "shop.example,*.shop.example", NULL);
	rules_init(&rules);
	put(&rules, &t);
	assert_int_equal(find(&rules, PROTOCOL_TLS, 443, "shop.example", "", &rule), RULE_FOUND);
	assert_ptr_equal(rule->expose, &t.exposes[0]);
	assert_int_equal(find(&rules, PROTOCOL_TLS, 8448, "shop.example", "", &rule), RULE_FOUND);
	assert_ptr_equal(rule->expose, &t.exposes[1]);
	assert_int_equal(find(&rules, PROTOCOL_HTTP, 443, "shop.example", "", &rule), RULE_FOUND);
	assert_ptr_equal(rule->expose, &t.exposes[2]);
	assert_int_equal(find(&rules, PROTOCOL_HTTP, 443, "a.shop.example", "", &rule), RULE_FOUND);
	assert_int_equal(find(&rules, PROTOCOL_TLS, 443, "a.shop.example", "", &rule),
			 RULE_NAME_UNKNOWN);
	assert_int_equal(find(&rules, PROTOCOL_TLS, 444, "shop.example", "", &rule),
			 RULE_NAME_UNKNOWN);
	rules_fini(&rules);
}

static void test_alpn_in_the_clients_order_then_the_rule_without(void **state)
{
	static const struct {
		const char *name, *alpn;
		int picked;
	} cases[] = {
		{"shop.example", "", 0},
		{"shop.example", "h2", 1},
		{"shop.example", "http/1.1", 0},
		{"shop.example", "h2,http/1.1", 1},
		{"shop.example", "acme-tls/1", 2},
		{"shop.example", "imap,h2", 2},
		{"shop.example", "h2,imap", 1},
		{"shop.example", "x,y,z", 0},
		{"shop.example", "h", 0},
		{"shop.example", "h22", 0},
		/* only with protocols: the others are told so, not sent to "*.strict.example" */
		{"a.strict.example", "h2", 3},
		{"a.strict.example", "http/1.1", ALPN_UNKNOWN},
		{"a.strict.example", "", ALPN_UNKNOWN},
		{"b.strict.example", "http/1.1", 4},
		{"b.strict.example", "", 4},
	};
	struct rules rules;
	struct tenant t;

	(void)state;
	tenant_init(&t);
	tenant_expose_tls(&t, "shop.example", NULL);
	tenant_expose_tls(&t, "shop.example", "h2");
	tenant_expose_tls(&t, "shop.example", "acme-tls/1,imap");
	tenant_expose_tls(&t, "a.strict.example", "h2");
	tenant_expose_tls(&t, "*.strict.example", NULL);
	rules_init(&rules);
	put(&rules, &t);
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		if (pick(&rules, &t, cases[i].name, cases[i].alpn) != cases[i].picked) {
			fail_msg("%s %s", cases[i].name, cases[i].alpn);
		}
	}
	/* what is taken out leaves the others */
	rules_remove(&rules, &t.exposes[0]);
	assert_int_equal(pick(&rules, &t, "shop.example", "h2"), 1);
	assert_int_equal(pick(&rules, &t, "shop.example", "imap"), 2);
	assert_int_equal(pick(&rules, &t, "shop.example", "http/1.1"), ALPN_UNKNOWN);
	rules_remove(&rules, &t.exposes[1]);
	assert_int_equal(pick(&rules, &t, "shop.example", "h2"), ALPN_UNKNOWN);
	assert_int_equal(pick(&rules, &t, "shop.example", "imap"), 2);
	rules_remove(&rules, &t.exposes[2]);
	assert_int_equal(pick(&rules, &t, "shop.example", "imap"), UNKNOWN);
	rules_fini(&rules);
}

static void expect_endpoint(struct rules *rules, const char *address, uint16_t port,
			    const struct expose_conf *expose)
{
	struct endpoint local = {.port = port};
	const struct rule *rule;

	assert_int_equal(addr_parse(str_from(address), &local.addr), 0);
	assert_int_equal(rules_find_endpoint(rules, &local, &rule),
			 expose ? RULE_FOUND : RULE_NAME_UNKNOWN);
	assert_ptr_equal(rule ? rule->expose : NULL, expose);
}

static void test_alpn_without_names_is_for_names_that_have_no_rule(void **state)
{
	static const struct {
		const char *name, *alpn;
		int picked;
	} cases[] = {
		{"", "xmpp-client", 1},
		{"", "x,imap", 2},
		{"", "imap,xmpp-client", 2},
		{"nowhere.example", "xmpp-client", 1},
		{"shop.example", "xmpp-client", 0},
		{"strict.example", "xmpp-client", ALPN_UNKNOWN},
		{"", "", UNKNOWN},
		{"", "xmpp", UNKNOWN},
		{"xmpp-client", "", UNKNOWN}, /* a protocol is not a name */
	};
	struct rules rules;
	struct tenant t, other;
	struct err err = {0};

	(void)state;
	tenant_init(&t);
	tenant_expose_tls(&t, "shop.example", NULL);
	tenant_expose_tls(&t, "", "xmpp-client,stun.turn");
	tenant_expose_tls(&t, "", "imap");
	tenant_expose_tls(&t, "strict.example", "h2");
	rules_init(&rules);
	put(&rules, &t);
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		if (pick(&rules, &t, cases[i].name, cases[i].alpn) != cases[i].picked) {
			fail_msg("'%s' '%s'", cases[i].name, cases[i].alpn);
		}
	}
	tenant_init(&other);
	tenant_expose_tls(&other, "", "smtp,imap");
	assert_int_equal(replace(&rules, NULL, &other, &err), -EEXIST);
	assert_non_null(strstr(err.msg, "ALPN"));
	assert_int_equal(pick(&rules, &t, "", "smtp"), UNKNOWN);
	rules_remove(&rules, &t.exposes[1]);
	assert_int_equal(pick(&rules, &t, "", "stun.turn"), UNKNOWN);
	rules_fini(&rules);
}

static void test_tcp_by_address_and_port(void **state)
{
	struct rules rules;
	struct tenant t;

	(void)state;
	tenant_init(&t);
	tenant_expose_tcp(&t, "203.0.113.16", 2222);
	tenant_expose_tcp(&t, "203.0.113.17", 2222);
	tenant_expose_tcp(&t, "203.0.113.16", 25);
	rules_init(&rules);
	put(&rules, &t);
	expect_endpoint(&rules, "203.0.113.16", 2222, &t.exposes[0]);
	expect_endpoint(&rules, "203.0.113.17", 2222, &t.exposes[1]);
	expect_endpoint(&rules, "203.0.113.16", 25, &t.exposes[2]);
	expect_endpoint(&rules, "203.0.113.17", 25, NULL);
	expect_endpoint(&rules, "2001:db8::1", 25, NULL);
	rules_remove(&rules, &t.exposes[1]);
	expect_endpoint(&rules, "203.0.113.17", 2222, NULL);
	expect_endpoint(&rules, "203.0.113.16", 2222, &t.exposes[0]);
	rules_fini(&rules);
}

static void test_taken_names_are_refused_and_nothing_changes(void **state)
{
	static const struct {
		const char *names, *alpn, *taken;
	} cases[] = {
		{"free.example,shop.example", NULL, "shop.example port 443 has a rule already"},
		{"shop.example,free.example", NULL, "shop.example port 443 has a rule already"},
		{"free.example,*.shop.example", NULL, "*.shop.example port 443 has a rule already"},
		{"free.example,api.example", "h2", "api.example port 443 has a rule already"},
		{"free.example,api.example", "imap,h2", "api.example port 443 has a rule already"},
		{"free.example,free.example", NULL, "free.example port 443 has a rule already"},
	};
	struct rules rules;
	struct tenant first;

	(void)state;
	tenant_init(&first);
	tenant_expose_tls(&first, "shop.example,*.shop.example", NULL);
	tenant_expose_tls(&first, "api.example", "h2,http/1.1");
	tenant_expose_tcp(&first, "203.0.113.16", 2222);
	rules_init(&rules);
	put(&rules, &first);
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct err err = {.msg = ""};
		struct tenant second;
		struct rule rule;

		tenant_init(&second);
		tenant_expose_tls(&second, cases[i].names, cases[i].alpn);
		rule = rule_of(&second, 0);
		assert_int_equal(rules_add(&rules, &rule, &err), -EEXIST);
		assert_string_equal(err.msg, cases[i].taken);
		assert_int_equal(pick(&rules, &first, "free.example", ""), UNKNOWN);
		assert_int_equal(pick(&rules, &first, "shop.example", ""), 0);
		assert_int_equal(pick(&rules, &first, "api.example", "h2"), 1);
	}
	rules_fini(&rules);
}

static void test_taken_endpoint_is_refused(void **state)
{
	struct err err = {.msg = ""};
	struct tenant first, second;
	struct rules rules;

	(void)state;
	tenant_init(&first);
	tenant_expose_tcp(&first, "203.0.113.16", 2222);
	tenant_init(&second);
	tenant_expose_tls(&second, "free.example", NULL);
	tenant_expose_tcp(&second, "203.0.113.16", 2222);
	rules_init(&rules);
	put(&rules, &first);
	assert_int_equal(replace(&rules, NULL, &second, &err), -EEXIST);
	assert_string_equal(err.msg, "203.0.113.16:2222 has a rule already");
	expect_endpoint(&rules, "203.0.113.16", 2222, &first.exposes[0]);
	assert_int_equal(pick(&rules, &second, "free.example", ""), UNKNOWN);
	rules_fini(&rules);
}

static void test_other_protocols_have_no_rule(void **state)
{
	struct tenant t;
	struct rules rules;
	struct rule rule;

	(void)state;
	tenant_init(&t);
	tenant_expose_tcp(&t, "203.0.113.16", 2222);
	t.exposes[0].protocol = PROTOCOL_UDP;
	rule = rule_of(&t, 0);
	rules_init(&rules);
	assert_int_equal(rules_add(&rules, &rule, NULL), -EINVAL);
	rules_remove(&rules, &t.exposes[0]);
	expect_endpoint(&rules, "203.0.113.16", 2222, NULL);
	rules_fini(&rules);
}

static void test_new_version_of_a_tenant_takes_over_its_own_names(void **state)
{
	struct tenant first, second;
	struct rules rules;

	(void)state;
	tenant_init(&first);
	tenant_expose_tls(&first, "stays.example,goes.example,*.goes.example", NULL);
	tenant_expose_tcp(&first, "203.0.113.16", 2222);
	tenant_init(&second);
	tenant_expose_tls(&second, "comes.example", NULL);
	tenant_expose_tls(&second, "stays.example", NULL);
	tenant_expose_tls(&second, "stays.example", "h2");
	tenant_expose_tcp(&second, "203.0.113.16", 2222);
	rules_init(&rules);
	put(&rules, &first);
	assert_int_equal(replace(&rules, &first, &second, NULL), 0);
	assert_int_equal(pick(&rules, &second, "stays.example", ""), 1);
	assert_int_equal(pick(&rules, &second, "stays.example", "h2"), 2);
	assert_int_equal(pick(&rules, &second, "comes.example", ""), 0);
	assert_int_equal(pick(&rules, &second, "goes.example", ""), UNKNOWN);
	assert_int_equal(pick(&rules, &second, "a.goes.example", ""), UNKNOWN);
	expect_endpoint(&rules, "203.0.113.16", 2222, &second.exposes[3]);
	/* and back to nothing */
	assert_int_equal(rules_replace(&rules, &second.conf, NULL, 0, NULL), 0);
	assert_int_equal(rules.table.count, 0);
	rules_fini(&rules);
}

static void test_shared_name_is_the_firsts_until_it_is_given_up(void **state)
{
	struct tenant a[2], b[2];
	struct rules rules;

	(void)state;
	for (int i = 0; i < 2; i++) {
		tenant_init(&a[i]);
		tenant_expose_tls(&a[i], i == 0 ? "x.example" : "y.example", NULL);
		tenant_expose_tcp(&a[i], "203.0.113.16", (uint16_t)(i == 0 ? 1 : 2));
		tenant_init(&b[i]);
		tenant_expose_tls(&b[i], i == 0 ? "y.example" : "x.example", NULL);
		tenant_expose_tcp(&b[i], "203.0.113.16", (uint16_t)(i == 0 ? 2 : 1));
	}
	rules_init(&rules);
	put(&rules, &a[0]);
	put(&rules, &b[0]);
	rules.shared = true;
	assert_int_equal(replace(&rules, &a[0], &a[1], NULL), 0);
	assert_int_equal(pick(&rules, &b[0], "y.example", ""), 0);
	expect_endpoint(&rules, "203.0.113.16", 2, &b[0].exposes[1]);
	assert_int_equal(replace(&rules, &b[0], &b[1], NULL), 0);
	assert_int_equal(pick(&rules, &a[1], "y.example", ""), 0);
	assert_int_equal(pick(&rules, &b[1], "x.example", ""), 0);
	expect_endpoint(&rules, "203.0.113.16", 2, &a[1].exposes[1]);
	expect_endpoint(&rules, "203.0.113.16", 1, &b[1].exposes[1]);
	rules.shared = false;
	assert_int_equal(rules_replace(&rules, &a[1].conf, NULL, 0, NULL), 0);
	assert_int_equal(rules_replace(&rules, &b[1].conf, NULL, 0, NULL), 0);
	assert_int_equal(rules.table.count, 0);
	rules_fini(&rules);
}

static void test_refused_version_leaves_the_former_in_force(void **state)
{
	struct tenant other, first, second;
	struct err err = {.msg = ""};
	struct rules rules;

	(void)state;
	tenant_init(&other);
	tenant_expose_tls(&other, "other.example", NULL);
	tenant_init(&first);
	tenant_expose_tls(&first, "stays.example", NULL);
	tenant_init(&second);
	tenant_expose_tls(&second, "comes.example,stays.example", NULL);
	tenant_expose_tls(&second, "other.example", NULL);
	rules_init(&rules);
	put(&rules, &other);
	put(&rules, &first);
	assert_int_equal(replace(&rules, &first, &second, &err), -EEXIST);
	assert_string_equal(err.msg, "other.example port 443 has a rule already");
	assert_int_equal(pick(&rules, &first, "stays.example", ""), 0);
	assert_int_equal(pick(&rules, &first, "comes.example", ""), UNKNOWN);
	assert_int_equal(pick(&rules, &other, "other.example", ""), 0);
	rules_fini(&rules);
}

/* 126 labels: every depth is asked for, none beyond the name. */
static void test_longest_names_are_matched(void **state)
{
	char name[254], wildcard[256];
	struct rules rules;
	struct tenant t;

	(void)state;
	for (size_t i = 0; i < 253; i++) {
		name[i] = i % 2 ? '.' : 'a';
	}
	name[253] = '\0';
	(void)snprintf(wildcard, sizeof(wildcard), "*.%s", name + 2);
	tenant_init(&t);
	tenant_expose_tls(&t, wildcard, NULL);
	tenant_expose_tls(&t, "*.b.a", NULL);
	rules_init(&rules);
	put(&rules, &t);
	assert_int_equal(pick(&rules, &t, name, ""), 0);
	assert_int_equal(pick(&rules, &t, name + 2, ""), UNKNOWN);
	name[250] = 'b';
	assert_int_equal(pick(&rules, &t, name, ""), 1);
	rules_fini(&rules);
}

#define MANY 20000

static void test_f_many_tenants_come_and_go(void **state)
{
	static struct expose_conf exposes[MANY];
	static struct name_pattern names[MANY];
	static char text[MANY][32];
	static struct tenant_conf tenant;
	const struct rule *rule;
	struct rules rules;

	(void)state;
	rules_init(&rules);
	for (size_t i = 0; i < MANY; i++) {
		(void)snprintf(text[i], sizeof(text[i]), "t%zu.example", i);
		names[i] = (struct name_pattern){.text = text[i], .wildcard = i % 2};
		exposes[i] = (struct expose_conf){.protocol = PROTOCOL_TLS,
						  .port = 443,
						  .names = &names[i],
						  .n_names = 1};
		assert_int_equal(rules_add(&rules,
					   &(struct rule){.tenant = &tenant, .expose = &exposes[i]},
					   NULL),
				 0);
	}
	for (size_t i = 0; i < MANY; i += 3) {
		rules_remove(&rules, &exposes[i]);
	}
	for (size_t i = 0; i < MANY; i++) {
		char asked[40];

		(void)snprintf(asked, sizeof(asked), "%s%s", i % 2 ? "w." : "", text[i]);
		assert_int_equal(find(&rules, PROTOCOL_TLS, 443, asked, "", &rule),
				 i % 3 ? RULE_FOUND : RULE_NAME_UNKNOWN);
		assert_ptr_equal(rule ? rule->expose : NULL, i % 3 ? &exposes[i] : NULL);
	}
	for (size_t i = 0; i < MANY; i++) {
		rules_remove(&rules, &exposes[i]);
	}
	assert_int_equal(rules.table.count, 0);
	for (size_t i = 0; i < RULES_LABELS_MAX; i++) {
		assert_int_equal(rules.n_wildcards[i], 0);
	}
	rules_fini(&rules);
}

static const struct expose_conf *like(const struct rules *rules, const struct tenant *t,
				      const struct tenant *old, size_t number, const char *name)
{
	const struct rule *rule = rules_find_like(rules, &t->service, &old->exposes[number],
						  str_from(name), str_from("mqtt"));

	return rule ? rule->expose : NULL;
}

static void test_what_a_session_came_by_is_found_in_the_next_version(void **state)
{
	struct tenant old, new, other;
	struct rules rules;

	(void)state;
	tenant_init(&old);
	tenant_expose_tls(&old, "a.example,*.w.example", NULL);
	tenant_expose_tls(&old, "a.example", "h2");
	tenant_expose_tcp(&old, "192.0.2.1", 22);
	tenant_expose_tls(&old, "", "mqtt");
	tenant_init(&new);
	tenant_expose_tcp(&new, "192.0.2.1", 22);
	tenant_expose_tls(&new, "a.example", "h2");
	tenant_expose_tls(&new, "*.w.example,x.y.w.example", NULL);
	tenant_expose_tls(&new, "x.w.example", "h2");
	tenant_expose_tls(&new, "", "mqtt,smtp");
	tenant_init(&other);
	tenant_expose_tls(&other, "b.example", NULL);
	rules_init(&rules);
	assert_int_equal(replace(&rules, NULL, &old, NULL), 0);
	assert_int_equal(replace(&rules, NULL, &other, NULL), 0);
	assert_int_equal(replace(&rules, &old, &new, NULL), 0);
	assert_null(like(&rules, &new, &old, 0, "a.example"));
	assert_null(like(&rules, &new, &old, 0, "b.example"));
	assert_null(like(&rules, &new, &old, 0, ""));
	assert_ptr_equal(like(&rules, &new, &old, 0, "x.w.example"), &new.exposes[2]);
	assert_ptr_equal(like(&rules, &new, &old, 0, "x.y.w.example"), &new.exposes[2]);
	assert_null(like(&rules, &new, &old, 1, "x.y.w.example"));
	assert_ptr_equal(like(&rules, &new, &old, 1, "a.example"), &new.exposes[1]);
	assert_ptr_equal(like(&rules, &new, &old, 2, ""), &new.exposes[0]);
	assert_ptr_equal(like(&rules, &new, &old, 3, "x.w.example"), &new.exposes[4]);
	new.exposes[0].port = 23;
	assert_null(like(&rules, &new, &new, 0, ""));
	new.exposes[0].port = 22;
	assert_int_equal(replace(&rules, &new, &old, NULL), 0);
	rules_fini(&rules);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_exact_beats_the_longest_wildcard),
		cmocka_unit_test(test_wildcard_and_name_in_one_exposure),
		cmocka_unit_test(test_port_and_protocol_are_part_of_the_name),
		cmocka_unit_test(test_alpn_in_the_clients_order_then_the_rule_without),
		cmocka_unit_test(test_alpn_without_names_is_for_names_that_have_no_rule),
		cmocka_unit_test(test_tcp_by_address_and_port),
		cmocka_unit_test(test_taken_names_are_refused_and_nothing_changes),
		cmocka_unit_test(test_taken_endpoint_is_refused),
		cmocka_unit_test(test_other_protocols_have_no_rule),
		cmocka_unit_test(test_new_version_of_a_tenant_takes_over_its_own_names),
		cmocka_unit_test(test_shared_name_is_the_firsts_until_it_is_given_up),
		cmocka_unit_test(test_refused_version_leaves_the_former_in_force),
		cmocka_unit_test(test_what_a_session_came_by_is_found_in_the_next_version),
		cmocka_unit_test(test_longest_names_are_matched),
		cmocka_unit_test(test_f_many_tenants_come_and_go),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
