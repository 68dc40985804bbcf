/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SIXGATE_TESTS_RULES_RIG_H
#define SIXGATE_TESTS_RULES_RIG_H

#include <stddef.h>
#include <stdint.h>

#include "proxy/rules.h"

/* Tenants for tests of the rule set, and what a client of them finds. Fails by cmocka. */
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

#define UNKNOWN      (-1 - RULE_NAME_UNKNOWN)
#define ALPN_UNKNOWN (-1 - RULE_ALPN_UNKNOWN)

void tenant_init(struct tenant *t);
/* names: comma-separated, "*.x" a wildcard. alpn: comma-separated, NULL: none. */
void tenant_expose_names(struct tenant *t, enum protocol protocol, uint16_t port, const char *names,
			 const char *alpn);
void tenant_expose_tls(struct tenant *t, const char *names, const char *alpn);
void tenant_expose_tcp(struct tenant *t, const char *ipv4, uint16_t port);
struct rule rule_of(struct tenant *t, size_t number);
/* Puts t in force in place of old. */
int replace(struct rules *rules, struct tenant *old, struct tenant *t, struct err *err);
void put(struct rules *rules, struct tenant *t);
enum rule_result find(const struct rules *rules, enum protocol protocol, uint16_t port,
		      const char *name, const char *alpn, const struct rule **ret_rule);
/* The number of the exposure that a TLS client on port 443 gets, or -1 - result. */
int pick(const struct rules *rules, struct tenant *t, const char *name, const char *alpn);
void expect_endpoint(struct rules *rules, const char *address, uint16_t port,
		     const struct expose_conf *expose);

#endif
