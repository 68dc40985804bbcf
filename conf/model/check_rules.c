/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Within one tenant object: two exposures that would claim the same traffic. One object may hold
 * many thousand names, so they are sorted, not compared each with each.
 */
#include "conf/model/internal.h"

#include <stdlib.h>
#include <string.h>

#define SAME_MAX 64 /* rules with one name: each is held against each */

/* What one exposure asks for: a name, traffic by ALPN alone (no name), or an address and port. */
struct rule {
	const struct expose_conf *expose;
	const struct name_pattern *name; /* NULL: none */
	size_t service, index, name_index;
};

static int kind_cmp(const struct rule *a, const struct rule *b)
{
	int kind_a = a->expose->has_ipv4 ? 0 : a->name ? 1 : 2;
	int kind_b = b->expose->has_ipv4 ? 0 : b->name ? 1 : 2;

	return kind_a - kind_b;
}

static bool by_http(const struct rule *rule)
{
	return rule->expose->protocol == PROTOCOL_HTTP;
}

/* Equal where two rules would take the same traffic, but for their ALPN. */
static int same_cmp(const struct rule *a, const struct rule *b)
{
	int cmp = kind_cmp(a, b);

	if (cmp == 0) {
		cmp = (int)a->expose->port - (int)b->expose->port;
	}
	if (cmp == 0 && a->expose->has_ipv4) {
		cmp = addr_cmp(&a->expose->ipv4, &b->expose->ipv4);
		return cmp != 0 ? cmp
				: (a->expose->protocol == PROTOCOL_UDP) -
					  (b->expose->protocol == PROTOCOL_UDP);
	}
	if (cmp == 0) {
		cmp = by_http(a) - by_http(b);
	}
	if (cmp == 0 && a->name) {
		cmp = (int)a->name->wildcard - (int)b->name->wildcard;
		cmp = cmp != 0 ? cmp : strcmp(a->name->text, b->name->text);
	}
	return cmp;
}

/* For qsort(): what is the same in the order of the object. */
static int rule_cmp(const void *x, const void *y)
{
	const struct rule *a = x, *b = y;
	int cmp = same_cmp(a, b);

	if (cmp == 0 && a->service != b->service) {
		cmp = a->service < b->service ? -1 : 1;
	}
	if (cmp == 0 && a->index != b->index) {
		cmp = a->index < b->index ? -1 : 1;
	}
	if (cmp == 0) {
		cmp = (a->name_index > b->name_index) - (a->name_index < b->name_index);
	}
	return cmp;
}

/* Two rules for one name are fine when no client's ALPN could match both. */
static bool alpn_meets(const struct expose_conf *a, const struct expose_conf *b)
{
	if (a->n_alpn == 0 || b->n_alpn == 0) {
		return a->n_alpn == b->n_alpn;
	}
	for (size_t i = 0; i < a->n_alpn; i++) {
		for (size_t j = 0; j < b->n_alpn; j++) {
			if (a->alpn[i] && b->alpn[j] && strcmp(a->alpn[i], b->alpn[j]) == 0) {
				return true;
			}
		}
	}
	return false;
}

static size_t count_rules(const struct tenant_conf *tenant)
{
	size_t n = 0;

	for (size_t s = 0; s < tenant->n_services; s++) {
		for (size_t e = 0; e < tenant->services[s].n_exposes; e++) {
			n += 1 + tenant->services[s].exposes[e].n_names;
		}
	}
	return n;
}

static void add_rules(const struct tenant_conf *tenant, size_t s, size_t e, struct rule *rules,
		      size_t *n)
{
	const struct expose_conf *expose = &tenant->services[s].exposes[e];
	struct rule rule = {.expose = expose, .service = s, .index = e};

	if (expose->has_ipv4) {
		if (!addr_is_any(&expose->ipv4) && expose->port > 0) {
			rules[(*n)++] = rule;
		}
		return;
	}
	if (expose->n_names == 0 && expose->n_alpn > 0) {
		rules[(*n)++] = rule;
	}
	for (size_t i = 0; i < expose->n_names; i++) {
		if (expose->names[i].text) {
			rule.name = &expose->names[i];
			rule.name_index = i;
			rules[(*n)++] = rule;
		}
	}
}

static void report(const struct rule *rule, const struct rule *first, struct issues *issues)
{
	char text[ENDPOINT_TEXT_MAX];
	struct issue_path other =
		issue_path("/services/%zu/expose/%zu", first->service, first->index);

	if (rule->name) {
		issues_add(issues,
			   issue_path("/services/%zu/expose/%zu/names/%zu", rule->service,
				      rule->index, rule->name_index)
				   .text,
			   "%s%s on port %u is exposed by %s already",
			   rule->name->wildcard ? "*." : "", rule->name->text, rule->expose->port,
			   other.text);
	} else if (rule->expose->has_ipv4) {
		struct endpoint endpoint = {rule->expose->ipv4, rule->expose->port};

		issues_add(issues,
			   issue_path("/services/%zu/expose/%zu", rule->service, rule->index).text,
			   "%s is exposed by %s already", endpoint_format(&endpoint, text),
			   other.text);
	} else {
		issues_add(issues,
			   issue_path("/services/%zu/expose/%zu/alpn", rule->service, rule->index)
				   .text,
			   "the same ALPN on port %u is exposed by %s already", rule->expose->port,
			   other.text);
	}
}

/* Holds rule against those before it that are the same but for their ALPN. */
static void check_rule(const struct rule *first, const struct rule *rule, struct issues *issues)
{
	if (rule - first >= SAME_MAX) {
		issues_add(issues,
			   issue_path("/services/%zu/expose/%zu", rule->service, rule->index).text,
			   "more than %d exposures that differ in their ALPN only", SAME_MAX);
		return;
	}
	for (const struct rule *other = first; other < rule; other++) {
		if (rule->expose->has_ipv4 || alpn_meets(rule->expose, other->expose)) {
			report(rule, other, issues);
			return;
		}
	}
}

void check_rules(const struct tenant_conf *tenant, struct issues *issues)
{
	size_t n = 0, size = count_rules(tenant);
	struct rule *rules = calloc(size > 0 ? size : 1, sizeof(*rules));

	if (!rules) {
		issues_add(issues, "", "out of memory");
		return;
	}
	for (size_t s = 0; s < tenant->n_services; s++) {
		for (size_t e = 0; e < tenant->services[s].n_exposes; e++) {
			add_rules(tenant, s, e, rules, &n);
		}
	}
	qsort(rules, n, sizeof(*rules), rule_cmp);
	for (size_t i = 1, first = 0; i < n; i++) {
		if (same_cmp(&rules[first], &rules[i]) != 0) {
			first = i;
			continue;
		}
		check_rule(&rules[first], &rules[i], issues);
	}
	free(rules);
}
