/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The records of the farm's zone, made anew for each query from what tenants have at a name. */
#include <stdlib.h>
#include <string.h>

#include <libknot/libknot.h>

#include "conf/model/node.h"
#include "conf/model/tenant.h"
#include "dns64/answer.h"
#include "dns64/local_records.h"
#include "dns64/reply.h"
#include "dns64/request.h"
#include "dns64/zone_internal.h"

#define TLS_PORT 443

static void add(struct zone_records *r, uint16_t type, const void *data, size_t len)
{
	r->list[r->n++] = (struct local_record){
		.name = r->name,
		.type = type,
		.data = data,
		.len = (uint16_t)len,
		.ttl_s = ZONE_TTL_S,
	};
}

/* An address that stays where it is, unless it is there already. */
static void add_address(struct zone_records *r, const struct addr *a, bool v4)
{
	const uint8_t *data = v4 ? a->b + 12 : a->b;
	size_t len = v4 ? 4 : sizeof(a->b);
	size_t *n = v4 ? &r->n_a : &r->n_aaaa;

	if (addr_is_any(a) || addr_is_v4(a) != v4 || *n == ZONE_ADDRESSES_MAX) {
		return;
	}
	for (size_t i = 0; i < r->n; i++) {
		if (r->list[i].len == len && memcmp(r->list[i].data, data, len) == 0) {
			return;
		}
	}
	add(r, v4 ? KNOT_RRTYPE_A : KNOT_RRTYPE_AAAA, data, len);
	(*n)++;
}

static void add_pool(struct zone_records *r)
{
	for (size_t i = 0; i < r->zone->n_pool && !r->pool; i++) {
		add_address(r, &r->zone->pool[i], true);
	}
	r->pool = true;
}

/* Where the zone is asked. */
static void add_server(struct zone_records *r)
{
	const struct node_conf *node = r->zone->node;

	for (size_t i = 0; i < node->dns64.n_zone_listen; i++) {
		const struct addr *a = &node->dns64.zone_listen[i];

		add_address(r, a, addr_is_v4(a));
	}
}

/* Listeners of the node, or, where none has its port, a tls exposure's own ones. */
static void add_listeners(struct zone_records *r, const struct expose_conf *e)
{
	const struct node_conf *node = r->zone->node;
	bool found = false;

	for (size_t i = 0; i < node->n_listeners; i++) {
		const struct listener_conf *l = &node->listeners[i];

		if (e->port != 0 && l->port != e->port) {
			continue;
		}
		found = true;
		if (l->protocol == e->protocol && l->any) {
			add_pool(r);
		} else if (l->protocol == e->protocol) {
			add_address(r, &l->address, true);
		}
	}
	if (!found && e->protocol == PROTOCOL_TLS) {
		add_pool(r);
	}
}

static void add_expose(struct zone_records *r, const struct expose_conf *e)
{
	if (e->protocol == PROTOCOL_TLS || e->protocol == PROTOCOL_HTTP) {
		add_listeners(r, e);
	} else if (e->has_ipv4 && addr_is_any(&e->ipv4)) {
		add_pool(r);
	} else if (e->has_ipv4) {
		add_address(r, &e->ipv4, true);
	}
	if (e->protocol == PROTOCOL_TLS && e->port == TLS_PORT) {
		r->usual_port = true;
	} else if (e->protocol == PROTOCOL_TLS) {
		r->port = e->port;
	}
}

static void add_use(struct zone_records *r, const struct zone_use *use)
{
	const struct service_conf *service = use->service;

	for (size_t i = 0; i < service->n_backends && !service->drained; i++) {
		const struct backend_conf *backend = &service->backends[i];

		if (!backend->is_name && !backend->drained) {
			add_address(r, &backend->address, false);
		}
	}
	if (use->expose) {
		add_expose(r, use->expose);
	}
	for (size_t e = 0; e < service->n_exposes && e < ZONE_EXPOSES_MAX && !use->expose; e++) {
		add_expose(r, &service->exposes[e]);
	}
}

/* RFC 9460: where no port is said, clients take 443. */
static void add_https(struct zone_records *r)
{
	static const uint8_t data[ZONE_HTTPS_BYTES] = {0, 1, 0, 0, 3, 0, 2};

	if (r->port != 0 && !r->usual_port) {
		memcpy(r->https, data, sizeof(data));
		knot_wire_write_u16(r->https + ZONE_HTTPS_PORT_AT, r->port);
		add(r, KNOT_RRTYPE_HTTPS, r->https, sizeof(r->https));
	}
}

static struct local_record soa_of(const struct zone *z, uint8_t soa[ZONE_SOA_BYTES_MAX])
{
	const uint32_t numbers[] = {z->serial, ZONE_REFRESH_S, ZONE_RETRY_S, ZONE_EXPIRE_S,
				    ZONE_TTL_S};
	size_t server_len = knot_dname_size(z->server);
	size_t len = server_len + knot_dname_size(z->mailbox);

	memcpy(soa, z->server, server_len);
	memcpy(soa + server_len, z->mailbox, len - server_len);
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++, len += 4) {
		knot_wire_write_u32(soa + len, numbers[i]);
	}
	return (struct local_record){
		.name = z->name,
		.type = KNOT_RRTYPE_SOA,
		.data = soa,
		.len = (uint16_t)len,
		.ttl_s = ZONE_TTL_S,
	};
}

void zone_collect(struct zone_records *r, const struct zone *z, const uint8_t *name,
		  const struct zone_name *at)
{
	const struct zone_use *use;
	unsigned int n = 0;

	memset(r, 0, offsetof(struct zone_records, https));
	r->zone = z;
	r->name = name;
	if (knot_dname_is_equal(name, z->name)) {
		add(r, KNOT_RRTYPE_NS, z->server, knot_dname_size(z->server));
	} else if (knot_dname_is_equal(name, z->server)) {
		add_server(r);
	}
	use = at ? TAILQ_FIRST(&at->uses) : NULL;
	for (; use && n < ZONE_USES_MAX; use = TAILQ_NEXT(use, link), n++) {
		if (zone_use_counts(z, use)) {
			add_use(r, use);
		}
	}
	add_https(r);
}

/* RFC 8482: ANY is not for finding out all there is. */
static void answer_any(struct zone_records *r)
{
	static const uint8_t hinfo[] = "\7RFC8482";

	if (r->n > 0) {
		r->n = 0;
		add(r, KNOT_RRTYPE_HINFO, hinfo, sizeof(hinfo));
	}
}

/* NULL when out of memory. */
static struct answer *answer_of(const struct zone *z, const struct question *q)
{
	const struct zone_name *at = zone_name_match(z, q->name);
	bool apex = knot_dname_is_equal(q->name, z->name);
	struct local_record soa;
	struct zone_records r;

	zone_collect(&r, z, q->name, at);
	if (q->type == KNOT_RRTYPE_ANY) {
		answer_any(&r);
	}
	soa = soa_of(z, r.soa);
	return local_records_answer(r.list, r.n, q,
				    at || apex ? KNOT_RCODE_NOERROR : KNOT_RCODE_NXDOMAIN, &soa);
}

size_t zone_query(const struct zone *z, struct request *request, uint8_t *wire)
{
	const struct question *q = &request->q;
	struct reply reply = {.ede = ANSWER_NO_EDE};
	struct answer *a;
	size_t len;

	request->authoritative = true;
	if (q->class != KNOT_CLASS_IN || knot_dname_in_bailiwick(q->name, z->name) < 0) {
		return reply_error(request, KNOT_RCODE_REFUSED, KNOT_EDNS_EDE_NOTAUTH, wire);
	}
	if (request_is_meta(q->type)) {
		return reply_error(request, KNOT_RCODE_NOTIMPL, ANSWER_NO_EDE, wire);
	}
	a = answer_of(z, q);
	if (!a) {
		return reply_error(request, KNOT_RCODE_SERVFAIL, ANSWER_NO_EDE, wire);
	}
	reply.cached.answer = a;
	len = reply_answer(request, &reply, wire);
	free(a);
	return len;
}
