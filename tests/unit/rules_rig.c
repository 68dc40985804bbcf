/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What tests of the rule set share; see rules_rig.h. */
#include "tests/unit/rules_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "proxy/sni.h"

void tenant_init(struct tenant *t)
{
	memset(t, 0, sizeof(*t));
	t->service.exposes = t->exposes;
	t->conf.services = &t->service;
	t->conf.n_services = 1;
}

void tenant_expose_names(struct tenant *t, enum protocol protocol, uint16_t port, const char *names,
			 const char *alpn)
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

void tenant_expose_tls(struct tenant *t, const char *names, const char *alpn)
{
	tenant_expose_names(t, PROTOCOL_TLS, 443, names, alpn);
}

void tenant_expose_tcp(struct tenant *t, const char *ipv4, uint16_t port)
{
	struct expose_conf *expose = &t->exposes[t->service.n_exposes++];

	*expose = (struct expose_conf){.protocol = PROTOCOL_TCP, .port = port, .has_ipv4 = true};
	assert_int_equal(addr_parse(str_from(ipv4), &expose->ipv4), 0);
}

struct rule rule_of(struct tenant *t, size_t number)
{
	return (struct rule){.tenant = &t->conf,
			     .service = &t->service,
			     .expose = &t->exposes[number]};
}

int replace(struct rules *rules, struct tenant *old, struct tenant *t, struct err *err)
{
	struct rule all[EXPOSES_MAX];

	for (size_t i = 0; i < t->service.n_exposes; i++) {
		all[i] = rule_of(t, i);
	}
	return rules_replace(rules, old ? &old->conf : NULL, all, t->service.n_exposes, err);
}

void put(struct rules *rules, struct tenant *t)
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

enum rule_result find(const struct rules *rules, enum protocol protocol, uint16_t port,
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

int pick(const struct rules *rules, struct tenant *t, const char *name, const char *alpn)
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

void expect_endpoint(struct rules *rules, const char *address, uint16_t port,
		     const struct expose_conf *expose)
{
	struct endpoint local = {.port = port};
	const struct rule *rule;

	assert_int_equal(addr_parse(str_from(address), &local.addr), 0);
	assert_int_equal(rules_find_endpoint(rules, &local, &rule),
			 expose ? RULE_FOUND : RULE_NAME_UNKNOWN);
	assert_ptr_equal(rule ? rule->expose : NULL, expose);
}
