/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Drives gateway/kernel for the tests in network namespaces: one command a line on stdin, one
 * answer a line on stdout ("ok ..." or "err CODE text"). Never installed.
 *
 *   apply CLIENT_PREFIX|- PROXY_UID AGENT_UID [RESOLVER...]
 *   set TENANT [PREFIX...]
 *   farm PREFIX INTERFACE       of the next apply
 *   tunnel TENANT PREFIX LINK   a tenant with one route tunnel
 *   remove TENANT
 *   look                        everything is compared and mended, in steps
 *   counters
 *   down
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "gateway/kernel/kernel.h"

#define WORDS_MAX 1024

/* What `farm` said; node.interface is borrowed for ever. */
static struct node_conf farm_conf;

struct words {
	char *word[WORDS_MAX];
	size_t n;
};

static void words_split(struct words *w, char *line)
{
	char *save, *word;

	w->n = 0;
	for (word = strtok_r(line, " \n", &save); word && w->n < WORDS_MAX;
	     word = strtok_r(NULL, " \n", &save)) {
		w->word[w->n++] = word;
	}
}

static int apply(struct kernel *k, const struct words *w, struct err *err)
{
	static struct addr resolvers[WORDS_MAX];
	static struct node_conf node; /* borrowed by the kernel */
	struct kernel_uids uids;
	uint64_t proxy, agent;
	int rc;

	if (w->n < 4 || str_to_u64(str_from(w->word[2]), 1, UINT32_MAX, &proxy) < 0 ||
	    str_to_u64(str_from(w->word[3]), 1, UINT32_MAX, &agent) < 0) {
		return err_set(err, -EINVAL, "apply CLIENT_PREFIX|- PROXY_UID AGENT_UID ...");
	}
	uids.proxy = (uid_t)proxy;
	uids.agent = (uid_t)agent;
	node = farm_conf;
	node.resolvers = resolvers;
	node.has_client_prefix = strcmp(w->word[1], "-") != 0;
	if (node.has_client_prefix) {
		rc = prefix_parse(str_from(w->word[1]), &node.client_prefix, err);
		if (rc < 0) {
			return rc;
		}
	}
	for (size_t i = 4; i < w->n; i++) {
		if (addr_parse(str_from(w->word[i]), &resolvers[node.n_resolvers++]) < 0) {
			return err_set(err, -EINVAL, "%s: no address", w->word[i]);
		}
	}
	return kernel_apply_node(k, &node, &uids, err);
}

static int farm(const struct words *w, struct err *err)
{
	int rc = prefix_parse(str_from(w->word[1]), &farm_conf.ipv6_prefix, err);

	farm_conf.has_ipv6_prefix = rc == 0;
	farm_conf.interface = strdup(w->word[2]);
	return rc;
}

static struct tenant_conf *tenant_new(const char *name)
{
	struct arena *arena = arena_new(TENANT_ARENA_MAX);
	struct tenant_conf *tenant = arena ? arena_alloc(arena, sizeof(*tenant)) : NULL;

	if (tenant) {
		tenant->arena = arena;
		tenant->refs = 1;
		tenant->name = arena_strdup(arena, str_from(name));
		tenant->prefixes = arena_array(arena, WORDS_MAX, sizeof(*tenant->prefixes));
		tenant->tunnels = arena_array(arena, 1, sizeof(*tenant->tunnels));
	}
	return tenant;
}

static int tunnel(struct kernel *k, const struct words *w, struct err *err)
{
	struct tenant_conf *tenant = tenant_new(w->word[1]);
	int rc = tenant ? prefix_parse(str_from(w->word[2]), &tenant->prefixes[0], err) : -ENOMEM;

	if (rc == 0) {
		tenant->n_prefixes = tenant->n_tunnels = 1;
		tenant->tunnels[0] =
			(struct tunnel_conf){.name = "home",
					     .kind = TUNNEL_ROUTE,
					     .interface = arena_strdup(tenant->arena,
								       str_from(w->word[3])),
					     .prefixes = tenant->prefixes,
					     .n_prefixes = 1};
		rc = kernel_set_tenant(k, tenant, err);
	}
	tenant_conf_unref(tenant);
	return rc;
}

/* Of this process, the kernel's part in it: others may have the machine meanwhile. */
static uint64_t cpu_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

struct timing {
	uint64_t last_us, longest_us, all_us;
	unsigned int n; /* steps */
};

/* A step has ended, and the next one begins; the first call begins one. */
static void timing_step(struct timing *t)
{
	uint64_t now = cpu_us(), step = t->last_us == 0 ? 0 : now - t->last_us;

	t->longest_us = step > t->longest_us ? step : t->longest_us;
	t->all_us += step;
	t->last_us = now;
	t->n += step > 0;
}

static void timing_print(const struct timing *t)
{
	printf(" steps=%u longest_us=%" PRIu64 " all_us=%" PRIu64 "\n", t->n, t->longest_us,
	       t->all_us);
}

static int look(struct kernel *k, struct err *err)
{
	struct timing t = {0};
	bool ended = false;
	struct buf drift;
	int rc = 0;

	buf_init(&drift, 1 << 20);
	kernel_poll(k); /* without a watch: everything */
	for (timing_step(&t); rc >= 0 && !ended; timing_step(&t)) {
		rc = kernel_look(k, &ended, &drift, err);
	}
	buf_fini(&drift);
	if (rc >= 0) {
		printf("ok mended=%d", rc);
		timing_print(&t);
	}
	return rc;
}

static int plan(struct kernel *k, struct err *err)
{
	struct timing t = {0};
	struct kernel_plan *p;
	struct buf text;
	int rc = kernel_plan_new(k, NULL, &p, err);
	bool more = true;

	if (rc < 0) {
		return rc;
	}
	buf_init(&text, 8 << 20);
	for (timing_step(&t), rc = 1; rc > 0; timing_step(&t)) {
		rc = kernel_plan_step(p, err);
	}
	for (; rc == 0 && more; timing_step(&t)) {
		more = kernel_plan_write(p, 65536, &text);
	}
	if (rc == 0) {
		printf("ok bytes=%zu", text.len);
		timing_print(&t);
	}
	buf_fini(&text);
	kernel_plan_free(p);
	return rc;
}

static int set(struct kernel *k, const struct words *w, struct err *err)
{
	struct tenant_conf *tenant = tenant_new(w->word[1]);
	int rc = tenant ? 0 : err_set(err, -ENOMEM, "out of memory");

	for (size_t i = 2; i < w->n && rc == 0; i++) {
		rc = prefix_parse(str_from(w->word[i]), &tenant->prefixes[tenant->n_prefixes++],
				  err);
	}
	if (rc == 0) {
		rc = kernel_set_tenant(k, tenant, err);
	}
	tenant_conf_unref(tenant);
	return rc;
}

static int counters(struct kernel *k, struct err *err)
{
	struct kernel_counters c;
	int rc = kernel_counters(k, &c, err);

	if (rc == 0) {
		printf("ok");
		for (int i = 0; i < N_DENIALS; i++) {
			printf(" %s=%" PRIu64, denial_name((enum denial)i), c.of[i].packets);
		}
		printf("\n");
	}
	return rc;
}

static int run(struct kernel *k, const struct words *w, struct err *err)
{
	const char *verb = w->word[0];

	if (strcmp(verb, "apply") == 0) {
		return apply(k, w, err);
	}
	if (strcmp(verb, "set") == 0 && w->n >= 2) {
		return set(k, w, err);
	}
	if (strcmp(verb, "farm") == 0 && w->n == 3) {
		return farm(w, err);
	}
	if (strcmp(verb, "tunnel") == 0 && w->n == 4) {
		return tunnel(k, w, err);
	}
	if (strcmp(verb, "look") == 0) {
		return look(k, err);
	}
	if (strcmp(verb, "plan") == 0) {
		return plan(k, err);
	}
	if (strcmp(verb, "remove") == 0 && w->n == 2) {
		return kernel_remove_tenant(k, w->word[1], err);
	}
	if (strcmp(verb, "counters") == 0) {
		return counters(k, err);
	}
	if (strcmp(verb, "down") == 0) {
		return kernel_down(k, err);
	}
	return err_set(err, -EINVAL, "unknown command '%s'", verb);
}

int main(void)
{
	struct kernel *k;
	struct words w;
	struct err err;
	char *line = NULL;
	size_t size = 0;

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (kernel_new(NULL, ".", &k, &err) < 0) {
		fprintf(stderr, "kernel-tool: %s\n", err.msg);
		return 1;
	}
	while (getline(&line, &size, stdin) > 0) {
		words_split(&w, line);
		if (w.n == 0) {
			continue;
		}
		if (run(k, &w, &err) < 0) {
			printf("err %d %s\n", -err.code, err.msg);
		} else if (strcmp(w.word[0], "counters") != 0 && strcmp(w.word[0], "look") != 0 &&
			   strcmp(w.word[0], "plan") != 0) {
			printf("ok\n");
		}
	}
	free(line);
	kernel_free(k);
	return 0;
}
