/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Drives the nftables driver for the tests in network namespaces, with config files as sixgated
 * reads them: one command a line on stdin, one answer a line on stdout ("ok ..." or "err CODE
 * text"). Never installed.
 *
 *   node FILE [PROXY_UID AGENT_UID]
 *   tenant FILE            a tenant object; replaces the one of its name
 *   remove NAME
 *   apply                  observe, difference, apply: "ok N" with the number of steps
 *   plan                   the same without apply
 *   down
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conf/text/conf.h"
#include "conf/text/schema.h"
#include "gateway/kernel/ruleset.h"
#include "gateway/plan/desired.h"
#include "gateway/plan/firewall.h"

#define WORDS_MAX   4
#define TENANTS_MAX 64

/* Parts of the schema that sixgated refuses yet are taken here. */
const char *unbuilt_find(const struct schema *schema, const char *key, const struct str *value)
{
	(void)schema, (void)key, (void)value;
	return NULL;
}

struct tool {
	struct kernel_ops ops;
	struct driver driver;
	struct node_conf *node;
	struct tenant_conf *tenants[TENANTS_MAX];
	size_t n_tenants;
	struct desired_facts facts;
	struct firewall firewall;
};

static int load_node(struct tool *t, char **word, size_t n, struct err *err)
{
	struct issues issues;
	struct node_conf *node;
	int rc;

	issues_init(&issues);
	rc = conf_node_load(word[1], CONF_ANY_OWNER, &node, &issues);
	if (rc == 0) {
		node_conf_free(t->node);
		t->node = node;
		t->facts.proxy_uid = n > 3 ? (uint32_t)strtoul(word[2], NULL, 10) : 61001;
		t->facts.agent_uid = n > 3 ? (uint32_t)strtoul(word[3], NULL, 10) : 61002;
		t->facts.has_wireguard = t->facts.has_sit = t->facts.has_jool = true;
	}
	issues_first(&issues, rc, err);
	issues_fini(&issues);
	return rc;
}

static void remove_tenant(struct tool *t, const char *name)
{
	for (size_t i = 0; i < t->n_tenants; i++) {
		if (strcmp(t->tenants[i]->name, name) == 0) {
			tenant_conf_unref(t->tenants[i]);
			t->tenants[i] = t->tenants[--t->n_tenants];
			return;
		}
	}
}

static int load_tenant(struct tool *t, const char *file, struct err *err)
{
	struct issues issues;
	struct tenant_conf *tenant;
	int rc;

	issues_init(&issues);
	rc = conf_tenant_load(file, CONF_ANY_OWNER, t->node, &tenant, &issues);
	if (rc == 0) {
		remove_tenant(t, tenant->name);
		t->tenants[t->n_tenants++] = tenant;
	}
	issues_first(&issues, rc, err);
	issues_fini(&issues);
	return rc;
}

static int desire(struct tool *t, struct object_set *set, struct err *err)
{
	if (t->node) {
		desired_firewall_node(t->node, &t->facts, &t->firewall, set);
	}
	for (size_t i = 0; t->node && i < t->n_tenants; i++) {
		desired_firewall_tenant(t->node, &t->facts, t->tenants[i], set);
	}
	for (size_t i = 0; i < set->n; i++) {
		int rc = t->driver.prepare(t->driver.ctx, &set->items[i], err);

		if (rc < 0) {
			return rc;
		}
	}
	return object_set_sort(set, err);
}

static int reconcile(struct tool *t, bool apply, struct err *err)
{
	struct object_set desired, observed;
	struct plan plan;
	size_t done = 0;
	int rc;

	object_set_init(&desired);
	object_set_init(&observed);
	plan_init(&plan);
	rc = desire(t, &desired, err);
	rc = rc < 0 ? rc : t->driver.observe(t->driver.ctx, t->driver.kinds, &observed, err);
	rc = rc < 0 ? rc : object_set_sort(&observed, err);
	rc = rc < 0 ? rc : plan_diff(&observed, &desired, &plan, err);
	if (rc == 0 && apply && plan.n > 0) {
		rc = t->driver.apply(t->driver.ctx, plan.steps, plan.n, &done, err);
	}
	if (rc == 0) {
		printf("ok %zu\n", plan.n);
	}
	plan_fini(&plan);
	object_set_fini(&observed);
	object_set_fini(&desired);
	return rc;
}

static int run(struct tool *t, char **word, size_t n, struct err *err)
{
	if (n >= 2 && strcmp(word[0], "node") == 0) {
		return load_node(t, word, n, err);
	}
	if (n == 2 && strcmp(word[0], "tenant") == 0 && t->n_tenants < TENANTS_MAX) {
		return load_tenant(t, word[1], err);
	}
	if (n == 2 && strcmp(word[0], "remove") == 0) {
		remove_tenant(t, word[1]);
		return 0;
	}
	if (strcmp(word[0], "down") == 0) {
		node_conf_free(t->node);
		t->node = NULL;
	}
	return reconcile(t, strcmp(word[0], "plan") != 0, err);
}

static bool answers_itself(const char *verb)
{
	return strcmp(verb, "apply") == 0 || strcmp(verb, "plan") == 0 || strcmp(verb, "down") == 0;
}

static void tool_loop(struct tool *t)
{
	char *line = NULL, *save, *word[WORDS_MAX];
	size_t size = 0;
	struct err err;

	while (getline(&line, &size, stdin) > 0) {
		size_t n = 0;

		for (char *w = strtok_r(line, " \n", &save); w && n < WORDS_MAX;
		     w = strtok_r(NULL, " \n", &save)) {
			word[n++] = w;
		}
		if (n == 0) {
			continue;
		}
		if (run(t, word, n, &err) < 0) {
			printf("err %d %s\n", -err.code, err.msg);
		} else if (!answers_itself(word[0])) {
			printf("ok\n");
		}
	}
	free(line);
}

int main(void)
{
	static struct tool t;
	struct netlink *nl;
	struct ruleset *ruleset;
	struct err err;

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (netlink_new(&nl, &err) < 0) {
		return 1;
	}
	t.ops = netlink_ops(nl);
	if (ruleset_new(&t.ops, &ruleset, &err) < 0) {
		return 1;
	}
	t.driver = ruleset_driver(ruleset);
	tool_loop(&t);
	for (size_t i = 0; i < t.n_tenants; i++) {
		tenant_conf_unref(t.tenants[i]);
	}
	node_conf_free(t.node);
	ruleset_free(ruleset);
	netlink_free(nl);
	return 0;
}
