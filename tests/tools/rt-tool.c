/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Drives the drivers of gateway/kernel for the tests in network namespaces: one command a line on
 * stdin, one answer on stdout that ends with a line "ok ..." or "err CODE text". Never installed.
 *
 *   want OBJECT     adds to the desired set; KIND KEY=VALUE..., see object_read()
 *   forget          empties the desired set
 *   plan            the steps that would make it so, one a line
 *   apply           carries them out; on failure takes them back
 *   fail N          the N-th request to the kernel from now fails; 0: none
 *   siit NAME       network namespace for the far ends of veth links
 *   heard           the kinds of which notifications came, then "by" and who
 *   settle          "more" when others changed something; links and addresses are taken for ours
 *   record DIR      sysctls and offloads, too, with their former values in DIR; once
 */
#include <errno.h>
#include <inttypes.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "gateway/kernel/offload.h"
#include "gateway/kernel/rt.h"
#include "gateway/kernel/sysctl.h"
#include "gateway/kernel/watch.h"
#include "gateway/plan/plan.h"

#define WORDS_MAX   32
#define DRIVERS_MAX 8

struct tool {
	struct kernel_ops real, ops;
	struct netlink *inside; /* owned; for the namespace of siit */
	struct kernel_ops real_inside, ops_inside;
	uint64_t n_requests, fail_at;
	struct record *record; /* owned */
	struct sysctls sysctls;
	struct offloads offloads;
	struct watch *watch; /* owned */
	struct netns siit;
	char siit_name[64];
	struct rt rt;
	struct driver drivers[DRIVERS_MAX];
	size_t n_drivers;
	struct object_set desired;
};

static int ask(struct tool *t, const struct kernel_ops *real, const struct kernel_request *req,
	       struct kernel_fault *fault)
{
	if (++t->n_requests == t->fail_at) {
		*fault = (struct kernel_fault){0};
		return -EIO;
	}
	return real->transact(real->ctx, req, fault);
}

static int transact(void *ctx, const struct kernel_request *req, struct kernel_fault *fault)
{
	struct tool *t = ctx;

	return ask(t, &t->real, req, fault);
}

static int transact_inside(void *ctx, const struct kernel_request *req, struct kernel_fault *fault)
{
	struct tool *t = ctx;

	return ask(t, &t->real_inside, req, fault);
}

static int enter(void *ctx, int fd)
{
	struct tool *t = ctx;

	return ++t->n_requests == t->fail_at ? -EIO : t->real_inside.enter(t->real_inside.ctx, fd);
}

static const char *value_of(char **words, size_t n, const char *key)
{
	size_t len = strlen(key);

	for (size_t i = 1; i < n; i++) {
		if (strncmp(words[i], key, len) == 0 && words[i][len] == '=') {
			return words[i] + len + 1;
		}
	}
	return "";
}

static uint32_t number_of(char **words, size_t n, const char *key)
{
	uint64_t value = 0;

	return str_to_u64(str_from(value_of(words, n, key)), 0, UINT32_MAX, &value) == 0
		       ? (uint32_t)value
		       : 0;
}

static bool addr_of(char **words, size_t n, const char *key, struct addr *ret_addr)
{
	return addr_parse(str_from(value_of(words, n, key)), ret_addr) == 0;
}

static void name_of(char **words, size_t n, const char *key, char *dst, size_t size)
{
	(void)snprintf(dst, size, "%s", value_of(words, n, key)); /* tests know the length */
}

/* "address/length" with host bits. */
static int address_of(char **words, size_t n, struct prefix *ret_prefix)
{
	char text[ADDR_TEXT_MAX], *slash;
	uint64_t len;

	name_of(words, n, "address", text, sizeof(text));
	slash = strchr(text, '/');
	if (!slash || str_to_u64(str_from(slash + 1), 0, 128, &len) < 0) {
		return -EINVAL;
	}
	*slash = '\0';
	if (addr_parse(str_from(text), &ret_prefix->addr) < 0) {
		return -EINVAL;
	}
	ret_prefix->len = (uint8_t)(len + (addr_is_v4(&ret_prefix->addr) ? 96 : 0));
	return 0;
}

static int link_of(char **words, size_t n, struct object_link *link)
{
	const char *kind = value_of(words, n, "kind");

	link->kind = strcmp(kind, "sit") == 0    ? LINK_SIT
		     : strcmp(kind, "veth") == 0 ? LINK_VETH
						 : LINK_WIREGUARD;
	name_of(words, n, "name", link->name, sizeof(link->name));
	name_of(words, n, "alias", link->alias, sizeof(link->alias));
	name_of(words, n, "peer", link->peer, sizeof(link->peer));
	name_of(words, n, "underlay", link->underlay_netns, sizeof(link->underlay_netns));
	link->mtu = number_of(words, n, "mtu");
	(void)addr_of(words, n, "local", &link->local);   /* of sit alone */
	(void)addr_of(words, n, "remote", &link->remote); /* the same */
	return 0;
}

static int route_of(char **words, size_t n, struct object_route *route)
{
	const char *type = value_of(words, n, "type");

	route->type = strcmp(type, "local") == 0         ? ROUTE_LOCAL
		      : strcmp(type, "blackhole") == 0   ? ROUTE_BLACKHOLE
		      : strcmp(type, "unreachable") == 0 ? ROUTE_UNREACHABLE
							 : ROUTE_UNICAST;
	name_of(words, n, "link", route->link, sizeof(route->link));
	route->table = number_of(words, n, "table");
	route->table = route->table ? route->table : RT_TABLE_MAIN;
	route->metric = number_of(words, n, "metric");
	route->mtu = number_of(words, n, "mtu");
	route->has_via = addr_of(words, n, "via", &route->via);
	(void)addr_of(words, n, "source", &route->source); /* zero: none */
	return prefix_parse(str_from(value_of(words, n, "to")), &route->to, NULL);
}

static int rule_of(char **words, size_t n, struct object_rule *rule)
{
	rule->priority = number_of(words, n, "priority");
	rule->table = number_of(words, n, "table");
	rule->ignore_below = (uint8_t)number_of(words, n, "ignore_below");
	name_of(words, n, "iif", rule->iif, sizeof(rule->iif));
	return prefix_parse(str_from(value_of(words, n, "from")), &rule->from, NULL);
}

static int object_read(char **words, size_t n, struct object *o)
{
	*o = (struct object){.kind = N_OBJECT_KINDS};
	if (strcmp(words[0], "link") == 0) {
		o->kind = OBJECT_LINK;
		return link_of(words, n, &o->link);
	}
	if (strcmp(words[0], "down") == 0) {
		o->kind = OBJECT_LINK_DOWN;
		name_of(words, n, "link", o->link_down, sizeof(o->link_down));
		return 0;
	}
	if (strcmp(words[0], "address") == 0) {
		o->kind = OBJECT_ADDRESS;
		name_of(words, n, "link", o->address.link, sizeof(o->address.link));
		return address_of(words, n, &o->address.address);
	}
	if (strcmp(words[0], "route") == 0) {
		o->kind = OBJECT_ROUTE;
		return route_of(words, n, &o->route);
	}
	if (strcmp(words[0], "rule") == 0) {
		o->kind = OBJECT_RULE;
		return rule_of(words, n, &o->rule);
	}
	if (strcmp(words[0], "sysctl") == 0) {
		o->kind = OBJECT_SYSCTL;
		o->sysctl.order = (uint8_t)number_of(words, n, "order");
		name_of(words, n, "path", o->sysctl.path, sizeof(o->sysctl.path));
		name_of(words, n, "value", o->sysctl.value, sizeof(o->sysctl.value));
		for (char *c = o->sysctl.value; *c; c++) {
			*c = *c == ',' ? ' ' : *c;
		}
		return 0;
	}
	if (strcmp(words[0], "offload") == 0) {
		o->kind = OBJECT_OFFLOAD;
		name_of(words, n, "link", o->offload.link, sizeof(o->offload.link));
		name_of(words, n, "feature", o->offload.feature, sizeof(o->offload.feature));
		return 0;
	}
	if (strcmp(words[0], "neighbour") == 0) {
		o->kind = OBJECT_PROXY_NEIGHBOUR;
		name_of(words, n, "link", o->proxy_neighbour.link, IFNAMSIZ);
		return addr_of(words, n, "address", &o->proxy_neighbour.address) ? 0 : -EINVAL;
	}
	return -EINVAL;
}

static const struct driver *driver_of(const struct tool *t, const struct step *step)
{
	const struct object *o = step->to ? step->to : step->from;

	for (size_t i = 0; i < t->n_drivers; i++) {
		if ((t->drivers[i].kinds & DRIVER_KIND(o->kind)) != 0) {
			return &t->drivers[i];
		}
	}
	return NULL;
}

/* Runs of steps of one driver go to it in one call. */
static int steps_apply(struct tool *t, const struct plan *plan, size_t *ret_done, struct err *err)
{
	int rc = 0;

	*ret_done = 0;
	while (rc == 0 && *ret_done < plan->n) {
		const struct driver *d = driver_of(t, &plan->steps[*ret_done]);
		size_t n = 1, done;

		while (*ret_done + n < plan->n && driver_of(t, &plan->steps[*ret_done + n]) == d) {
			n++;
		}
		rc = d->apply(d->ctx, plan->steps + *ret_done, n, &done, err);
		*ret_done += done;
	}
	return rc;
}

static int plan_make(struct tool *t, struct object_set *observed, struct plan *plan,
		     struct err *err)
{
	int rc = object_set_sort(&t->desired, err);

	for (size_t i = 0; rc == 0 && i < t->n_drivers; i++) {
		struct driver *d = &t->drivers[i];

		for (size_t j = 0; rc == 0 && d->prepare && j < t->desired.n; j++) {
			if ((d->kinds & DRIVER_KIND(t->desired.items[j].kind)) != 0) {
				rc = d->prepare(d->ctx, &t->desired.items[j], err);
			}
		}
		rc = rc < 0 ? rc : d->observe(d->ctx, d->kinds, observed, err);
	}
	if (rc == 0) {
		rc = object_set_sort(observed, err);
	}
	return rc < 0 ? rc : plan_diff(observed, &t->desired, plan, err);
}

static int apply(struct tool *t, const struct plan *plan, struct err *err)
{
	struct plan undo;
	struct err ignored;
	size_t done, undone;
	int rc = steps_apply(t, plan, &done, err);

	if (rc < 0) {
		plan_init(&undo);
		if (plan_undo(plan, done, &undo, &ignored) < 0 ||
		    steps_apply(t, &undo, &undone, &ignored) < 0) {
			printf("undo: %s\n", ignored.msg);
		}
		plan_fini(&undo);
	}
	return rc;
}

static int plan_or_apply(struct tool *t, bool do_apply, struct err *err)
{
	struct object_set observed;
	struct plan plan;
	struct buf text;
	int rc;

	object_set_init(&observed);
	plan_init(&plan);
	rc = plan_make(t, &observed, &plan, err);
	if (rc == 0 && do_apply) {
		rc = apply(t, &plan, err);
	} else if (rc == 0) {
		buf_init(&text, 16 << 20);
		plan_format(&plan, &text);
		if (text.len > 0) {
			(void)fwrite(text.data, 1, text.len, stdout); /* the reader would miss it */
		}
		buf_fini(&text);
	}
	plan_fini(&plan);
	object_set_fini(&observed);
	return rc;
}

/* From now on with sysctls and offloads, recorded in a file of that folder. */
static int settings(struct tool *t, const char *dir, struct err *err)
{
	int rc = record_new(dir, "former", &t->record, err);

	if (rc == 0) {
		t->sysctls = (struct sysctls){.root = "/proc/sys", .record = t->record};
		t->offloads = (struct offloads){.ops = &t->ops, .record = t->record};
		t->drivers[t->n_drivers++] = sysctl_driver(&t->sysctls);
		t->drivers[t->n_drivers++] = offload_driver(&t->offloads);
	}
	return rc;
}

/* The kinds that others changed, and what is known of who. */
static int heard(struct tool *t)
{
	char cause[WATCH_CAUSE_MAX];
	uint32_t kinds = watch_read(t->watch, cause);

	for (int kind = 0; kind < N_OBJECT_KINDS; kind++) {
		if ((kinds & DRIVER_KIND(kind)) != 0) {
			printf("%s\n", object_kind_name((enum object_kind)kind));
		}
	}
	printf("by %s\n", cause);
	return 0;
}

static int command(struct tool *t, char **words, size_t n, struct err *err)
{
	struct object o;
	uint64_t number = 0;

	if (strcmp(words[0], "want") == 0 && n > 1) {
		if (object_read(words + 1, n - 1, &o) < 0) {
			return err_set(err, -EINVAL, "no such object");
		}
		return object_set_add(&t->desired, &o) ? 0 : -ENOMEM;
	}
	if (strcmp(words[0], "forget") == 0) {
		object_set_fini(&t->desired);
		return 0;
	}
	if (strcmp(words[0], "fail") == 0 && n == 2 &&
	    str_to_u64(str_from(words[1]), 0, 100000, &number) == 0) {
		t->fail_at = number;
		t->n_requests = 0;
		return 0;
	}
	if (strcmp(words[0], "siit") == 0 && n == 2) {
		(void)snprintf(t->siit_name, sizeof(t->siit_name), "%s", words[1]); /* fits */
		if (t->rt.siit) {
			netns_fini(&t->siit);
		}
		t->rt.siit = &t->siit;
		return netns_init(&t->siit, &t->ops_inside, t->siit_name, err);
	}
	if (strcmp(words[0], "record") == 0 && n == 2) {
		return settings(t, words[1], err);
	}
	if (strcmp(words[0], "heard") == 0) {
		return heard(t);
	}
	if (strcmp(words[0], "settle") == 0) {
		printf("%s\n", watch_settle(t->watch) ? "more" : "quiet");
		return 0;
	}
	if (strcmp(words[0], "plan") == 0 || strcmp(words[0], "apply") == 0) {
		return plan_or_apply(t, words[0][0] == 'a', err);
	}
	return err_set(err, -EINVAL, "no such command");
}

static void tool_drivers(struct tool *t)
{
	t->ops = (struct kernel_ops){.ctx = t, .transact = transact};
	t->real_inside = netlink_ops(t->inside);
	t->ops_inside = (struct kernel_ops){.ctx = t, .transact = transact_inside, .enter = enter};
	t->rt = (struct rt){.ops = &t->ops, .ns = NS_MAIN};
	t->drivers[t->n_drivers++] = rt_link_driver(&t->rt);
	t->drivers[t->n_drivers++] = rt_address_driver(&t->rt);
	t->drivers[t->n_drivers++] = rt_rule_driver(&t->rt);
	t->drivers[t->n_drivers++] = rt_route_driver(&t->rt);
	t->drivers[t->n_drivers++] = rt_neighbour_driver(&t->rt);
}

int main(void)
{
	struct tool t = {0};
	struct netlink *nl;
	struct err err;
	char line[4096];

	if (netlink_new(&nl, &err) < 0 || netlink_new(&t.inside, &err) < 0 ||
	    watch_new(nl, &t.watch, &err) < 0) {
		fprintf(stderr, "rt-tool: %s\n", err.msg);
		return 1;
	}
	t.real = netlink_ops(nl);
	tool_drivers(&t);
	object_set_init(&t.desired);
	while (fgets(line, sizeof(line), stdin)) {
		char *words[WORDS_MAX], *save, *word;
		size_t n = 0;
		int rc;

		for (word = strtok_r(line, " \n", &save); word && n < WORDS_MAX;
		     word = strtok_r(NULL, " \n", &save)) {
			words[n++] = word;
		}
		rc = n == 0 ? 0 : command(&t, words, n, &err);
		if (rc < 0) {
			printf("err %d %s\n", rc, err.msg);
		} else {
			printf("ok %" PRIu64 "\n", t.n_requests);
		}
		fflush(stdout);
	}
	object_set_fini(&t.desired);
	free(t.record);
	watch_free(t.watch);
	if (t.rt.siit) {
		netns_fini(&t.siit);
	}
	netlink_free(t.inside);
	netlink_free(nl);
	return 0;
}
