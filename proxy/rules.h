/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SIXGATE_PROXY_RULES_H
#define SIXGATE_PROXY_RULES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/hash.h"
#include "base/str.h"
#include "conf/model/tenant.h"

/*
 * The rule set: which exposure a session is for. One matcher for SNI and Host: the exact name,
 * then the longest "*.x", which stands for one or more labels before x. The most specific name
 * alone decides: where its rules ask for protocols the client does not offer, a less specific
 * name is not tried.
 */

struct service;

struct rule {
	struct tenant_conf *tenant;         /* borrowed, as all here: remove the rule first */
	const struct service_conf *service; /* of tenant */
	const struct expose_conf *expose;   /* of service */
	struct service *runtime;            /* the caller's; not looked into */
};

#define RULES_LABELS_MAX 128 /* more than a name of NAME_TEXT_MAX bytes can have */

struct rules {
	struct hash_key hash_key;
	struct table table;                     /* struct rule_entry */
	uint32_t n_wildcards[RULES_LABELS_MAX]; /* "*.x" by number of labels in x */
	/* What is added may be another's, who will give it up: the first one counts until then. */
	bool shared;
};

enum rule_result {
	RULE_FOUND,
	RULE_NAME_UNKNOWN, /* also: no rule at this address and port */
	RULE_ALPN_UNKNOWN, /* the name is known, no protocol of the client is */
};

/* Before the sandbox closes (getrandom). */
void rules_init(struct rules *rules);
/* Rules that are left in are dropped. */
void rules_fini(struct rules *rules);

/*
 * Adds the rule for all names (tls, http), for all of alpn if there are no names (tls), or the
 * address and port (tcp) of rule->expose. A protocol other than these is -EINVAL. -EEXIST when one
 * of them is taken, with err naming it; -ENOMEM. On failure nothing has changed.
 */
int rules_add(struct rules *rules, const struct rule *rule, struct err *err) CHECKED;

/* Takes the rule of this exposure out; nothing happens when there is none. Cannot fail. */
void rules_remove(struct rules *rules, const struct expose_conf *expose);

/*
 * Puts a new version of a tenant in force: adds n rules, all of one tenant object, and takes the
 * rules of old (NULL: none) out. What old has is free to be taken. Errors as of rules_add(); on
 * failure old's rules are in force as before.
 */
int rules_replace(struct rules *rules, const struct tenant_conf *old, const struct rule *add,
		  size_t n, struct err *err) CHECKED;

/* What a client asks for by name; all borrowed. */
struct rule_query {
	enum protocol protocol; /* tls or http */
	uint16_t port;          /* public port */
	struct str name;        /* normalised by name_normalize(); may be empty */
	struct str alpn;        /* as in sni_hello.alpn; empty: the client offers none */
};

/*
 * On RULE_FOUND ret_rule is valid until the set changes. Within a name a rule with an alpn list
 * that holds one of the client's protocols comes first, in the client's order of preference, then
 * the rule without. A name without any rule, or no name, is looked up by the client's protocols
 * among the rules that have no names.
 */
enum rule_result rules_find_name(const struct rules *rules, const struct rule_query *query,
				 const struct rule **ret_rule) CHECKED;

/*
 * The rule a session that came by the exposure "like", of an older object, and that name would
 * have in the service's present object: the same port, address and ALPN list, or where like has
 * no names one with that protocol. NULL when none.
 */
const struct rule *rules_find_like(const struct rules *rules, const struct service_conf *service,
				   const struct expose_conf *like, struct str name,
				   struct str protocol);

/* By the local end of a raw TCP session. RULE_FOUND or RULE_NAME_UNKNOWN. */
enum rule_result rules_find_endpoint(const struct rules *rules, const struct endpoint *local,
				     const struct rule **ret_rule) CHECKED;

#endif
