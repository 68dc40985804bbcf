/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * DOC: listeners
 *
 * Who wants a listener: `conf` is set while the node config names it, `exposures` counts tenants'
 * exposures. A tcp exposure wants its own address and port; a tls exposure wants its port on each
 * address of the pool, and because most tenants use one port, these are counted by port first and
 * only the first and last tenant on a port touch listeners.
 */
#include "gateway/control/listeners.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/container.h"
#include "base/log.h"
#include "conf/model/tenant.h"
#include "gateway/control/handover.h"
#include "gateway/control/internal.h"
#include "gateway/control/problems.h"
#include "gateway/control/slots.h"
#include "gateway/control/socket.h"

#define MOD   "listeners"
#define PORTS 65536

static void listeners_retry(struct timer *timer);

int listeners_init(struct listeners *ls, const struct listeners_setup *setup)
{
	struct hash_key key;

	*ls = (struct listeners){
		.loop = setup->loop,
		.items = setup->items,
		.slots = setup->slots,
		.problems = setup->problems,
		.handover = setup->handover,
		.uid = setup->uid,
		.dns64 = setup->dns64,
		.first_feed = setup->first_feed,
		.totals = {.slots = setup->slots},
		.selector = {.n = setup->n_workers, .live = (UINT64_C(1) << setup->n_workers) - 1},
	};
	hash_key_init(&ls->key);
	hash_key_init(&key);
	memcpy(ls->selector.keys, key.k, sizeof(ls->selector.keys));
	table_init(&ls->by_local);
	timer_init(&ls->retry, listeners_retry);
	ls->tls_ports = calloc(PORTS, sizeof(*ls->tls_ports));
	return ls->tls_ports ? 0 : -ENOMEM;
}

void listeners_fini(struct listeners *ls)
{
	struct table_iter it = {0};
	struct table_node *node;

	while ((node = table_next(&ls->by_local, &it))) {
		listener_free(container_of(node, struct listener, node));
	}
	table_fini(&ls->by_local);
	free(ls->tls_ports);
	totals_fini(&ls->totals);
	wheel_disarm(&ls->loop->wheel, &ls->retry);
}

static bool endpoint_eq(const struct endpoint *a, const struct endpoint *b)
{
	return a->port == b->port && addr_eq(&a->addr, &b->addr);
}

struct listener_key {
	const struct endpoint *local;
	bool udp;
};

static bool listener_eq(const struct table_node *node, const void *key)
{
	const struct listener *listener = container_of(node, struct listener, node);
	const struct listener_key *wanted = key;

	return endpoint_eq(&listener->local, wanted->local) &&
	       (listener->protocol == PROTOCOL_UDP) == wanted->udp;
}

static uint64_t endpoint_hash(const struct listeners *ls, const struct endpoint *local)
{
	uint8_t bytes[18];

	memcpy(bytes, local->addr.b, 16);
	memcpy(bytes + 16, &local->port, 2);
	return hash_bytes(&ls->key, bytes, sizeof(bytes));
}

static struct listener *listener_find(const struct listeners *ls, const struct endpoint *local,
				      enum protocol protocol)
{
	const struct listener_key key = {local, protocol == PROTOCOL_UDP};
	struct table_node *node =
		table_find(&ls->by_local, endpoint_hash(ls, local), listener_eq, &key);

	return node ? container_of(node, struct listener, node) : NULL;
}

static void listeners_retry(struct timer *timer)
{
	struct listeners *ls = container_of(timer, struct listeners, retry);
	struct table_iter it = {0};
	struct table_node *node;

	while (ls->n_waiting > 0 && (node = table_next(&ls->by_local, &it))) {
		struct listener *listener = container_of(node, struct listener, node);

		if (listener->state == LISTENER_WAITING) {
			listener_try_open(listener);
		}
	}
}

/* Walks the addresses of "any" (those of the pool) or a single one. */
struct local_iter {
	const struct node_conf *node;
	bool any;
	struct endpoint local; /* the single one; any: its port counts */
	size_t range;
	uint32_t nth; /* in range */
};

static bool local_next(struct local_iter *it, struct endpoint *ret_local)
{
	const struct prefix *range;
	uint32_t low;

	*ret_local = it->local;
	if (!it->any) {
		return it->range++ == 0;
	}
	if (!it->node || it->range >= it->node->n_pool) {
		return false;
	}
	range = &it->node->pool[it->range].range;
	memcpy(&low, range->addr.b + 12, sizeof(low));
	low = htonl(ntohl(low) + it->nth);
	ret_local->addr = range->addr;
	memcpy(ret_local->addr.b + 12, &low, sizeof(low));
	if (++it->nth == UINT32_C(1) << (128 - range->len)) {
		it->nth = 0;
		it->range++;
	}
	return true;
}

static struct local_iter conf_locals(const struct node_conf *node, const struct listener_conf *conf)
{
	return (struct local_iter){
		.node = node,
		.any = conf->any,
		.local = {.addr = conf->address, .port = conf->port},
	};
}

static struct local_iter port_locals(const struct node_conf *node, uint16_t port)
{
	return (struct local_iter){.node = node, .any = true, .local.port = port};
}

/* After an upgrade somebody else's socket on one port is no reason to end all sessions. */
static bool listeners_bear_failure(const struct listeners *ls)
{
	return !ls->node && ls->handover && ls->handover->upgrade;
}

/* Opens what conf names and is not there. */
static int listeners_open_conf(struct listeners *ls, const struct node_conf *node,
			       const struct listener_conf *conf, struct err *err)
{
	struct local_iter it = conf_locals(node, conf);
	struct endpoint local;
	int rc;

	while (local_next(&it, &local)) {
		struct listener *listener = listener_find(ls, &local, conf->protocol);

		if (!listener) {
			listener =
				listener_new(ls, &local, conf->protocol, endpoint_hash(ls, &local));
			if (!listener) {
				return err_set(err, -ENOMEM, "out of memory");
			}
		}
		listener->generation = ls->generation;
		if (listener->state == LISTENER_WAITING && listeners_bear_failure(ls)) {
			listener_try_open(listener);
		} else if (listener->state == LISTENER_WAITING) {
			rc = listener_open(listener, err);
			if (rc < 0) {
				return rc;
			}
		}
	}
	return 0;
}

/* Who wants the listener has changed: so may its protocol, which the node config decides first. */
static void listener_settle_protocol(struct listener *listener)
{
	struct problems *problems = listener->listeners->problems;
	enum protocol protocol = listener->conf ? listener->conf->protocol : listener->exposed;
	char what[LISTENER_WHAT_MAX];

	if (listener->protocol != protocol) {
		listener_set_protocol(listener, protocol);
	}
	listener_what(listener, what);
	if (listener->exposures > 0 && listener->exposed != protocol) {
		problem_set(problems, LOG_LEVEL_ERR, what,
			    "an exposure of another protocol needs this address and port");
	} else if (listener->state == LISTENER_OPEN) {
		problem_clear(problems, what);
	}
	if (listener->state == LISTENER_OPEN) {
		items_change(listener->listeners->items, &listener->item);
	}
}

static void listeners_apply_conf(struct listeners *ls, const struct node_conf *node,
				 const struct listener_conf *conf)
{
	struct local_iter it = conf_locals(node, conf);
	struct endpoint local;

	while (local_next(&it, &local)) {
		struct listener *listener = listener_find(ls, &local, conf->protocol);

		if (listener) {
			listener->conf = conf;
			listener_settle_protocol(listener);
		}
	}
}

/* Lets go what the former config named and this one does not. */
static void listeners_forget_conf(struct listeners *ls)
{
	struct table_iter it = {0};
	struct table_node *node;

	while ((node = table_next(&ls->by_local, &it))) {
		struct listener *listener = container_of(node, struct listener, node);

		if (!listener->conf || listener->generation == ls->generation) {
			continue;
		}
		listener->conf = NULL;
		if (listener->exposures > 0) {
			listener_settle_protocol(listener);
		}
	}
}

static void listeners_sweep(struct listeners *ls)
{
	struct table_iter it = {0};
	struct table_node *node;

	while ((node = table_next(&ls->by_local, &it))) {
		struct listener *listener = container_of(node, struct listener, node);

		if (!listener_wanted(listener)) {
			listener_close(listener);
		}
	}
}

/* One exposure more needs the listener. */
static void endpoint_want(struct listeners *ls, const struct endpoint *local,
			  enum protocol protocol)
{
	struct listener *listener = listener_find(ls, local, protocol);

	if (!listener) {
		listener = listener_new(ls, local, protocol, endpoint_hash(ls, local));
		if (!listener) {
			log_err(MOD, "out of memory, an exposure has no listener");
			return;
		}
	}
	listener->exposures++;
	listener->exposed = protocol;
	if (listener->state == LISTENER_WAITING) {
		listener_try_open(listener);
	}
	if (listener->protocol != protocol) {
		listener_settle_protocol(listener);
	}
}

static void endpoint_unwant(struct listeners *ls, const struct endpoint *local)
{
	struct listener *listener = listener_find(ls, local, PROTOCOL_TCP);

	if (listener && listener->exposures > 0) {
		listener->exposures--;
		if (!listener_wanted(listener)) {
			listener_close(listener);
		} else if (listener->exposures == 0 && listener->protocol != listener->exposed) {
			listener_settle_protocol(listener);
		}
	}
}

static void port_want(struct listeners *ls, const struct node_conf *node, uint16_t port)
{
	struct local_iter it = port_locals(node, port);
	struct endpoint local;

	while (local_next(&it, &local)) {
		endpoint_want(ls, &local, PROTOCOL_TLS);
	}
}

static void port_unwant(struct listeners *ls, const struct node_conf *node, uint16_t port)
{
	struct local_iter it = port_locals(node, port);
	struct endpoint local;

	while (local_next(&it, &local)) {
		endpoint_unwant(ls, &local);
	}
}

/* The pool may be another one: what tls exposures need moves along. */
static void listeners_move_ports(struct listeners *ls, const struct node_conf *former)
{
	for (unsigned int port = 1; port < PORTS; port++) {
		if (ls->tls_ports[port] > 0) {
			port_want(ls, ls->node, (uint16_t)port);
			port_unwant(ls, former, (uint16_t)port);
		}
	}
}

static const struct listener_conf *confs_of(const struct listeners *ls,
					    const struct node_conf *node, size_t *ret_n)
{
	*ret_n = ls->dns64 ? node->dns64.n_listeners : node->n_listeners;
	return ls->dns64 ? node->dns64.listeners : node->listeners;
}

void listeners_abandon(struct listeners *ls)
{
	listeners_sweep(ls); /* conf is not set yet: what is new goes */
}

int listeners_open(struct listeners *ls, const struct node_conf *node, struct err *err)
{
	size_t n;
	const struct listener_conf *confs = confs_of(ls, node, &n);
	int rc = 0;

	ls->generation++;
	for (size_t i = 0; rc == 0 && i < n; i++) {
		rc = listeners_open_conf(ls, node, &confs[i], err);
	}
	if (rc < 0) {
		listeners_abandon(ls);
	}
	return rc;
}

void listeners_commit(struct listeners *ls, const struct node_conf *node)
{
	size_t n;
	const struct listener_conf *confs = confs_of(ls, node, &n);
	const struct node_conf *former = ls->node;

	ls->node = node;
	for (size_t i = 0; i < n; i++) {
		listeners_apply_conf(ls, node, &confs[i]);
	}
	listeners_forget_conf(ls);
	listeners_move_ports(ls, former);
	listeners_sweep(ls);
}

int listeners_configure(struct listeners *ls, const struct node_conf *node, struct err *err)
{
	int rc = listeners_open(ls, node, err);

	if (rc == 0) {
		listeners_commit(ls, node);
	}
	return rc;
}

static void expose_each(struct listeners *ls, const struct expose_conf *expose, bool want)
{
	struct endpoint local = {.addr = expose->ipv4, .port = expose->port};

	if (expose->protocol == PROTOCOL_TLS) {
		unsigned int *n = &ls->tls_ports[expose->port];

		if (want && (*n)++ == 0) {
			port_want(ls, ls->node, expose->port);
		} else if (!want && --*n == 0) {
			port_unwant(ls, ls->node, expose->port);
		}
	} else if (expose->protocol == PROTOCOL_TCP && expose->via == VIA_PROXY) {
		if (want) {
			endpoint_want(ls, &local, PROTOCOL_TCP);
		} else {
			endpoint_unwant(ls, &local);
		}
	}
}

static void tenant_each(struct listeners *ls, const struct tenant_conf *tenant, bool want)
{
	if (tenant->state != TENANT_ACTIVE) {
		return;
	}
	for (size_t i = 0; i < tenant->n_services; i++) {
		const struct service_conf *service = &tenant->services[i];

		for (size_t n = 0; n < service->n_exposes; n++) {
			expose_each(ls, &service->exposes[n], want);
		}
	}
}

void listeners_expose(struct listeners *ls, const struct tenant_conf *tenant)
{
	tenant_each(ls, tenant, true);
}

void listeners_unexpose(struct listeners *ls, const struct tenant_conf *tenant)
{
	tenant_each(ls, tenant, false);
}

struct listener *listeners_next(const struct listeners *ls, struct table_iter *it)
{
	struct table_node *node;

	while ((node = table_next(&ls->by_local, it))) {
		struct listener *listener = container_of(node, struct listener, node);

		if (listener->state == LISTENER_OPEN) {
			return listener;
		}
	}
	return NULL;
}

bool listeners_told(const struct listeners *ls, uint64_t serial)
{
	struct table_iter it = {0};
	const struct table_node *node;

	while ((node = table_next(&ls->by_local, &it))) {
		const struct listener *listener = container_of(node, struct listener, node);

		if (item_waiting(&listener->item) && listener->item.serial <= serial) {
			return false;
		}
	}
	return true;
}

uint64_t listeners_total(struct listeners *ls, enum counter which)
{
	uint64_t sum = totals_get(&ls->totals, which) + slots_kept_listeners(ls->slots, which);
	struct table_iter it = {0};
	struct table_node *node;

	while ((node = table_next(&ls->by_local, &it))) {
		const struct listener *listener = container_of(node, struct listener, node);

		if (listener->state != LISTENER_WAITING) {
			sum += slots_sum(ls->slots, listener->slot, which);
		}
	}
	return sum;
}

void listeners_write_slots(const struct listeners *ls, struct buf *out)
{
	struct table_iter it = {0};
	struct table_node *node;
	char key[SLOTS_KEY_MAX];

	while ((node = table_next(&ls->by_local, &it))) {
		const struct listener *listener = container_of(node, struct listener, node);

		if (listener->state != LISTENER_WAITING && !ls->dns64) {
			slots_key_listener(&listener->local, key);
			buf_printf(out, "k %u %s\n", listener->slot, key);
		}
	}
	totals_write(&ls->totals, out);
}

void listeners_revive(struct listeners *ls, unsigned int slot)
{
	struct table_iter it = {0};
	struct listener *listener;

	while ((listener = listeners_next(ls, &it))) {
		if (listener->protocol != PROTOCOL_UDP) {
			socket_listen_again(listener->fds[slot]);
		}
	}
}

void listeners_set_live(struct listeners *ls, uint64_t live)
{
	struct table_iter it = {0};
	struct listener *listener;
	char text[ENDPOINT_TEXT_MAX];
	struct err err;

	ls->selector.live = live;
	while (ls->selector.n > 1 && (listener = listeners_next(ls, &it))) {
		if (selector_attach(&ls->selector, addr_is_v4(&listener->local.addr),
				    listener->fds[0], &err) < 0) {
			log_err(MOD, "%s: %s", endpoint_format(&listener->local, text), err.msg);
		}
	}
}

void listeners_close_all(struct listeners *ls)
{
	struct table_iter it = {0};
	struct listener *listener;

	while ((listener = listeners_next(ls, &it))) {
		sockets_close(listener->fds, ls->selector.n);
	}
}
