/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What a tenant's block of NAT64 ports still has for prefixes that are not the tenant's. Reads the
 * block only, a page a step; never removes a static mapping, which the driver of Jool keeps.
 */
#include "gateway/kernel/jool_sweep.h"

#include <errno.h>

static const uint8_t protocols[] = {IPPROTO_TCP, IPPROTO_UDP, IPPROTO_ICMP};
#define N_PROTOCOLS (sizeof(protocols) / sizeof(protocols[0]))

struct finder {
	const struct tenant_conf *tenant;
	const struct port_block *block;
	bool behind; /* the block is at its end */
	size_t n;
	struct jool_entry stale[JOOL_SWEEP_MAX];
};

/* Ends the walk behind the block, and when there is enough to do. */
static int entry_seen(const struct jool_entry *e, void *arg)
{
	struct finder *f = arg;

	f->behind =
		!addr_eq(&e->src4.addr, &f->block->address) || e->src4.port > f->block->ports.last;
	if (f->behind) {
		return -ECANCELED;
	}
	if (!e->is_static && !tenant_conf_owns(f->tenant, &e->src6.addr)) {
		f->stale[f->n++] = *e;
	}
	return f->n == JOOL_SWEEP_MAX ? -ECANCELED : 0;
}

static bool is_gone(int rc)
{
	return rc == -ESRCH || rc == -ENOENT;
}

/* By both of its ends: the port may be another socket's by now. */
static int remove_stale(const struct jool *jool, const struct finder *f, struct err *err)
{
	struct err said;
	int rc = 0;

	for (size_t i = 0; i < f->n && rc == 0; i++) {
		rc = jool_entry_remove(jool, JOOL_BIB, &f->stale[i], &said);
		rc = is_gone(rc) ? 0 : rc;
	}
	return rc < 0 ? err_set(err, rc, "%s", said.msg) : 0;
}

static int step(const struct jool *jool, struct finder *f, struct jool_sweep *sweep,
		struct err *err)
{
	const struct endpoint first = {.addr = f->block->address, .port = f->block->ports.first};
	struct err said;
	bool more = false;
	int rc;

	if (!sweep->walk.begun) {
		jool_walk_from(&sweep->walk, protocols[sweep->n_protocols], &first);
	}
	rc = jool_walk(jool, JOOL_BIB, &sweep->walk, entry_seen, f, &more, &said);
	if (rc < 0 && rc != -ECANCELED) {
		return err_set(err, rc, "%s", said.msg);
	}
	if (f->behind || (rc == 0 && !more)) {
		sweep->n_protocols++;
		sweep->walk = (struct jool_walk){0};
	}
	return remove_stale(jool, f, err);
}

int jool_sweep_step(const struct jool_context *ctx, const struct tenant_conf *tenant,
		    const struct port_block *block, struct jool_sweep *sweep, struct err *err)
{
	struct finder f = {.tenant = tenant, .block = block};
	struct jool jool;
	struct err said;
	int rc = jool_open(ctx, &jool, &said);

	if (rc == 0) {
		rc = step(&jool, &f, sweep, &said);
	}
	if (rc == -EOPNOTSUPP || is_gone(rc)) {
		return 0;
	}
	return rc < 0 ? err_set(err, rc, "%s", said.msg) : sweep->n_protocols < N_PROTOCOLS;
}
