/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What the verb nat64 shows. Reads only; each call is a few requests to the module.
 */
#include "gateway/control/nat64.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "conf/model/ports.h"
#include "gateway/kernel/jool.h"

#define PAGES_OF_PIECE   8 /* requests before others have their turn */
#define TENANTS_OF_PIECE 4
#define NEVER            ((uint64_t)1 << 63) /* gauges that fell below zero */

static const struct {
	uint8_t number;
	const char *name;
} protocols[] = {{IPPROTO_TCP, "tcp"}, {IPPROTO_UDP, "udp"}, {IPPROTO_ICMP, "icmp"}};
#define N_PROTOCOLS (sizeof(protocols) / sizeof(protocols[0]))

bool nat64_what_parse(struct str text, enum nat64_what *ret_what)
{
	static const char *const names[] = {[NAT64_SESSIONS] = "sessions",
					    [NAT64_MAPPINGS] = "bib",
					    [NAT64_POOL] = "pool",
					    [NAT64_STATS] = "stats"};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (str_eq(str_from(names[i]), text)) {
			*ret_what = (enum nat64_what)i;
			return true;
		}
	}
	return false;
}

struct writer {
	const struct nat64_view *view;
	const struct nat64_query *query;
	struct buf *out;
};

static const char *owner_of(const struct nat64_view *view, const struct addr *inside)
{
	const struct tenant_conf *tenant;
	uint32_t at = 0;

	while ((tenant = view->next(view->ctx, &at))) {
		if (tenant_conf_owns(tenant, inside)) {
			return tenant->name;
		}
	}
	return NULL;
}

static const char *state_name(uint8_t state)
{
	static const char *const names[] = {
		[JOOL_ESTABLISHED] = "established",
		[JOOL_V6_INIT] = "v6-init",
		[JOOL_V4_INIT] = "v4-init",
		[JOOL_V4_FIN_RCV] = "v4-fin",
		[JOOL_V6_FIN_RCV] = "v6-fin",
		[JOOL_V4_FIN_V6_FIN_RCV] = "both-fin",
		[JOOL_TRANS] = "trans",
	};

	return state < sizeof(names) / sizeof(names[0]) ? names[state] : NULL;
}

static int entry_write(const struct jool_entry *e, void *arg)
{
	const struct writer *w = arg;
	const char *tenant = owner_of(w->view, &e->src6.addr);
	bool session = w->query->what == NAT64_SESSIONS;
	char text[ENDPOINT_TEXT_MAX];
	struct json j = json_to(w->out);

	if (w->view->only && (!tenant || strcmp(tenant, w->view->only) != 0)) {
		return 0;
	}
	json_open(&j, NULL, '{');
	json_text(&j, "tenant", tenant);
	json_text(&j, "protocol", protocols[w->query->n_protocols].name);
	json_text(&j, "inside", endpoint_format(&e->src6, text));
	json_text(&j, "outside", endpoint_format(&e->src4, text));
	if (session) {
		json_text(&j, "remote", endpoint_format(&e->dst4, text));
		json_text(&j, "state", e->protocol == IPPROTO_TCP ? state_name(e->state) : NULL);
		json_u64(&j, "expires_ms", e->expires_ms);
	} else {
		json_text(&j, "kind", e->is_static ? "static" : "dynamic");
	}
	json_close(&j, '}');
	json_end_line(&j);
	return w->out->bad ? -ENOMEM : 0;
}

static int tables_write(const struct jool *jool, const struct nat64_view *view,
			struct nat64_query *q, struct buf *out, struct err *err)
{
	struct writer w = {.view = view, .query = q, .out = out};
	enum jool_table table = q->what == NAT64_SESSIONS ? JOOL_SESSION : JOOL_BIB;

	for (int pages = 0; pages < PAGES_OF_PIECE && q->n_protocols < N_PROTOCOLS; pages++) {
		bool more;
		int rc;

		q->walk.protocol = protocols[q->n_protocols].number;
		rc = jool_walk(jool, table, &q->walk, entry_write, &w, &more, err);
		if (rc < 0) {
			return rc;
		}
		if (!more) {
			q->n_protocols++;
			q->walk = (struct jool_walk){0};
		}
	}
	return q->n_protocols < N_PROTOCOLS;
}

struct counter {
	const struct port_block *block;
	unsigned int n;
};

static int port_count(const struct jool_entry *e, void *arg)
{
	struct counter *c = arg;

	if (addr_cmp(&e->src4.addr, &c->block->address) != 0 ||
	    e->src4.port > c->block->ports.last) {
		return -ECANCELED; /* behind the block */
	}
	c->n++;
	return 0;
}

/* Mappings of a protocol in a block. */
static int block_count(const struct jool *jool, const struct port_block *block, uint8_t protocol,
		       unsigned int *ret_n, struct err *err)
{
	struct counter c = {.block = block};
	struct endpoint first = {.addr = block->address, .port = block->ports.first};
	struct jool_walk walk;
	struct err said;
	bool more = true;
	int rc = 0;

	jool_walk_from(&walk, protocol, &first);
	while (rc == 0 && more) {
		rc = jool_walk(jool, JOOL_BIB, &walk, port_count, &c, &more, &said);
	}
	*ret_n = c.n;
	return rc == 0 || rc == -ECANCELED ? 0 : err_set(err, rc, "%s", said.msg);
}

static int block_write(const struct jool *jool, const struct tenant_conf *tenant,
		       const struct port_block *block, struct buf *out, struct err *err)
{
	unsigned int size = block->ports.last - block->ports.first + 1u, n[N_PROTOCOLS], most = 0;
	char text[ADDR_TEXT_MAX], ports[16];
	struct json j = json_to(out);

	for (size_t i = 0; i < N_PROTOCOLS; i++) {
		int rc = block_count(jool, block, protocols[i].number, &n[i], err);

		if (rc < 0) {
			return rc;
		}
		most = n[i] > most ? n[i] : most;
	}
	(void)snprintf(ports, sizeof(ports), "%u-%u", block->ports.first,
		       block->ports.last); /* fits */
	json_open(&j, NULL, '{');
	json_text(&j, "tenant", tenant->name);
	json_text(&j, "address", addr_format(&block->address, text));
	json_text(&j, "ports", ports);
	json_u64(&j, "size", size);
	for (size_t i = 0; i < N_PROTOCOLS; i++) {
		json_u64(&j, protocols[i].name, n[i]);
	}
	json_u64(&j, "percent", (uint64_t)most * 100 / size);
	json_bool(&j, "alarm", (uint64_t)most * 100 >= (uint64_t)size * NAT64_ALARM_PERCENT);
	json_close(&j, '}');
	json_end_line(&j);
	return 0;
}

static int pool_write(const struct jool *jool, const struct nat64_view *view, struct nat64_query *q,
		      struct buf *out, struct err *err)
{
	const struct tenant_conf *tenant;
	struct port_block block;

	for (int n = 0; n < TENANTS_OF_PIECE;) {
		tenant = view->next(view->ctx, &q->tenant_at);
		if (!tenant) {
			return 0;
		}
		if ((!view->only || strcmp(view->only, tenant->name) == 0) &&
		    ports_tenant(view->conf, tenant, &block) == 0) {
			int rc = block_write(jool, tenant, &block, out, err);

			if (rc < 0) {
				return rc;
			}
			n++;
		}
	}
	return 1;
}

static int stats_write(const struct jool *jool, struct buf *out, struct err *err)
{
	uint64_t stats[JOOL_STATS];
	int rc = jool_stats_read(jool, stats, err);

	for (unsigned int id = 1; id < JOOL_STATS && rc == 0; id++) {
		struct json j = json_to(out);

		json_open(&j, NULL, '{');
		json_text(&j, "counter", jool_stat_name(id));
		if (stats[id] < NEVER) {
			json_u64(&j, "value", stats[id]);
		} else {
			json_text(&j, "value", NULL);
		}
		json_text(&j, "text", jool_stat_text(id));
		json_close(&j, '}');
		json_end_line(&j);
	}
	return rc;
}

static int write_by(const struct jool_context *ctx, const struct nat64_view *view,
		    struct nat64_query *query, struct buf *out, struct err *err)
{
	struct jool jool;
	int rc = jool_open(ctx, &jool, err);

	if (rc < 0) {
		return rc;
	}
	switch (query->what) {
	case NAT64_SESSIONS:
	case NAT64_MAPPINGS:
		return tables_write(&jool, view, query, out, err);
	case NAT64_POOL:
		return pool_write(&jool, view, query, out, err);
	case NAT64_STATS:
		return stats_write(&jool, out, err);
	}
	return 0;
}

/* How a view reads the module: by what it brings, or by sockets for the time of a call. */
struct access {
	struct netlink *netlink; /* owned; NULL: none of ours */
	struct kernel_ops ops;
	struct jool_context ctx;
};

static int access_init(struct access *a, const struct nat64_view *view, struct err *err)
{
	int rc;

	*a = (struct access){0};
	if (view->jool) {
		a->ctx = *view->jool;
		return 0;
	}
	rc = netlink_new(&a->netlink, err);
	if (rc == 0) {
		a->ops = netlink_ops(a->netlink);
		a->ctx = (struct jool_context){.ops = &a->ops, .translator = TRANSLATOR_NAT64};
	}
	return rc;
}

int nat64_write(const struct nat64_view *view, struct nat64_query *query, struct buf *out,
		struct err *err)
{
	struct access access;
	int rc = access_init(&access, view, err);

	if (rc == 0) {
		rc = write_by(&access.ctx, view, query, out, err);
	}
	netlink_free(access.netlink);
	return rc;
}

static int use_of(const struct jool_context *ctx, const struct port_block *block,
		  struct nat64_use *use, struct err *err)
{
	struct jool jool;
	int rc = jool_open(ctx, &jool, err);

	use->size = block->ports.last - block->ports.first + 1u;
	use->most = 0;
	for (size_t i = 0; i < N_PROTOCOLS && rc == 0; i++) {
		unsigned int n = 0;

		rc = block_count(&jool, block, protocols[i].number, &n, err);
		use->most = n > use->most ? n : use->most;
	}
	use->alarm = (uint64_t)use->most * 100 >= (uint64_t)use->size * NAT64_ALARM_PERCENT;
	return rc < 0 ? rc : 1;
}

int nat64_use(const struct nat64_view *view, uint32_t *at, struct nat64_use *ret_use,
	      struct err *err)
{
	const struct tenant_conf *tenant = view->next(view->ctx, at);
	struct port_block block;
	struct access access;
	int rc;

	while (tenant && ports_tenant(view->conf, tenant, &block) < 0) {
		tenant = view->next(view->ctx, at);
	}
	if (!tenant) {
		return 0;
	}
	ret_use->tenant = tenant->name;
	rc = access_init(&access, view, err);
	if (rc == 0) {
		rc = use_of(&access.ctx, &block, ret_use, err);
	}
	netlink_free(access.netlink);
	return rc;
}

static void write_holder(const struct tenant_conf *tenant, const char *protocol,
			 struct port_range ports, struct buf *out)
{
	struct json j = json_to(out);

	json_open(&j, NULL, '{');
	json_text(&j, "tenant", tenant->name);
	json_text(&j, "protocol", protocol);
	json_u64(&j, "first", ports.first);
	json_u64(&j, "last", ports.last);
	json_close(&j, '}');
	json_end_line(&j);
}

/* IPv4 inside one of its tunnels. */
static bool has_ipv4(const struct tenant_conf *tenant)
{
	for (size_t i = 0; i < tenant->n_tunnels; i++) {
		if (tenant->tunnels[i].ipv4) {
			return true;
		}
	}
	return false;
}

void nat64_write_holder(const struct node_conf *conf, const struct tenant_conf *tenant,
			const struct endpoint *at, struct buf *out)
{
	const struct port_range one = {.first = at->port, .last = at->port},
				whole = {.first = 0, .last = UINT16_MAX};
	struct port_block block;

	if (ports_tenant(conf, tenant, &block) == 0 && addr_eq(&block.address, &at->addr) &&
	    at->port >= block.ports.first && at->port <= block.ports.last) {
		write_holder(tenant, "all", block.ports, out);
	}
	if (has_ipv4(tenant) && ports_tenant(conf, tenant, &block) == 0 &&
	    addr_eq(&block.address, &at->addr) && at->port >= block.nat44.first &&
	    at->port <= block.nat44.last) {
		write_holder(tenant, "all", block.nat44, out);
	}
	for (size_t i = 0; i < tenant->n_services && tenant->state == TENANT_ACTIVE; i++) {
		const struct service_conf *service = &tenant->services[i];

		for (size_t n = 0; n < service->n_exposes; n++) {
			const struct expose_conf *e = &service->exposes[n];

			if (!e->has_ipv4 || !addr_eq(&e->ipv4, &at->addr)) {
				continue;
			}
			if (e->protocol == PROTOCOL_ADDRESS) {
				write_holder(tenant, "all", whole, out);
			} else if (e->via == VIA_NAT64 && e->port == at->port) {
				write_holder(tenant, e->protocol == PROTOCOL_UDP ? "udp" : "tcp",
					     one, out);
			}
		}
	}
}
