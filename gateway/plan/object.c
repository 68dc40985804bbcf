/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What makes two objects the same thing, and what makes them equal. Pure.
 */
#include "gateway/plan/object.h"

#include <string.h>

static int u64_cmp(uint64_t a, uint64_t b)
{
	return (a > b) - (a < b);
}

static int endpoint_cmp(const struct endpoint *a, const struct endpoint *b)
{
	int rc = addr_cmp(&a->addr, &b->addr);

	return rc != 0 ? rc : u64_cmp(a->port, b->port);
}

/* The names are terminated: strcmp() of what a driver or a config wrote. */
static int element_cmp(const struct object_element *a, const struct object_element *b)
{
	int rc = u64_cmp(a->set, b->set);

	if (rc == 0) {
		rc = u64_cmp(a->key_len, b->key_len);
	}
	return rc != 0 ? rc : memcmp(a->key, b->key, a->key_len);
}

static int sysctl_cmp(const struct object_sysctl *a, const struct object_sysctl *b)
{
	int rc = u64_cmp(a->order, b->order);

	return rc != 0 ? rc : strcmp(a->path, b->path);
}

static int offload_cmp(const struct object_offload *a, const struct object_offload *b)
{
	int rc = strcmp(a->link, b->link);

	return rc != 0 ? rc : strcmp(a->feature, b->feature);
}

static int wg_peer_cmp(const struct object_wg_peer *a, const struct object_wg_peer *b)
{
	int rc = strcmp(a->link, b->link);

	return rc != 0 ? rc : memcmp(a->public_key, b->public_key, WG_KEY_BYTES);
}

static int address_cmp(const struct object_address *a, const struct object_address *b)
{
	int rc = strcmp(a->link, b->link);

	return rc != 0 ? rc : prefix_cmp(&a->address, &b->address);
}

static int rule_cmp(const struct object_rule *a, const struct object_rule *b)
{
	int rc = u64_cmp(a->priority, b->priority);

	if (rc == 0) {
		rc = prefix_cmp(&a->from, &b->from);
	}
	if (rc == 0) {
		rc = strcmp(a->iif, b->iif);
	}
	if (rc == 0) {
		rc = u64_cmp(a->table, b->table);
	}
	return rc != 0 ? rc : u64_cmp(a->ignore_below, b->ignore_below);
}

static int route_cmp(const struct object_route *a, const struct object_route *b)
{
	int rc = u64_cmp(a->table, b->table);

	if (rc == 0) {
		rc = prefix_cmp(&a->to, &b->to);
	}
	return rc != 0 ? rc : u64_cmp(a->metric, b->metric);
}

static int proxy_neighbour_cmp(const struct object_proxy_neighbour *a,
			       const struct object_proxy_neighbour *b)
{
	int rc = strcmp(a->link, b->link);

	return rc != 0 ? rc : addr_cmp(&a->address, &b->address);
}

static int global_cmp(const struct object_global *a, const struct object_global *b)
{
	int rc = u64_cmp(a->translator, b->translator);

	return rc != 0 ? rc : u64_cmp(a->id, b->id);
}

static int pool4_cmp(const struct object_pool4 *a, const struct object_pool4 *b)
{
	int rc = addr_cmp(&a->address, &b->address);

	if (rc == 0) {
		rc = u64_cmp(a->protocol, b->protocol);
	}
	if (rc == 0) {
		rc = u64_cmp(a->mark, b->mark);
	}
	if (rc == 0) {
		rc = u64_cmp(a->first, b->first);
	}
	return rc != 0 ? rc : u64_cmp(a->last, b->last);
}

static int bib_cmp(const struct object_bib *a, const struct object_bib *b)
{
	int rc = u64_cmp(a->protocol, b->protocol);

	return rc != 0 ? rc : endpoint_cmp(&a->inside, &b->inside);
}

static int key_cmp(const struct object *a, const struct object *b)
{
	switch (a->kind) {
	case OBJECT_RULESET:
		return 0;
	case OBJECT_ELEMENT:
		return element_cmp(&a->element, &b->element);
	case OBJECT_SYSCTL:
		return sysctl_cmp(&a->sysctl, &b->sysctl);
	case OBJECT_LINK_DOWN:
		return strcmp(a->link_down, b->link_down);
	case OBJECT_OFFLOAD:
		return offload_cmp(&a->offload, &b->offload);
	case OBJECT_LINK:
		return strcmp(a->link.name, b->link.name);
	case OBJECT_WG_DEVICE:
		return strcmp(a->wg_device.link, b->wg_device.link);
	case OBJECT_WG_PEER:
		return wg_peer_cmp(&a->wg_peer, &b->wg_peer);
	case OBJECT_ADDRESS:
		return address_cmp(&a->address, &b->address);
	case OBJECT_RULE:
		return rule_cmp(&a->rule, &b->rule);
	case OBJECT_ROUTE:
		return route_cmp(&a->route, &b->route);
	case OBJECT_PROXY_NEIGHBOUR:
		return proxy_neighbour_cmp(&a->proxy_neighbour, &b->proxy_neighbour);
	case OBJECT_PROXY_PREFIX:
		return prefix_cmp(&a->proxy_prefix, &b->proxy_prefix);
	case OBJECT_INSTANCE:
		return u64_cmp(a->instance.translator, b->instance.translator);
	case OBJECT_GLOBAL:
		return global_cmp(&a->global, &b->global);
	case OBJECT_POOL4:
		return pool4_cmp(&a->pool4, &b->pool4);
	case OBJECT_BIB:
		return bib_cmp(&a->bib, &b->bib);
	case OBJECT_EAM:
		return prefix_cmp(&a->eam.outside, &b->eam.outside);
	case N_OBJECT_KINDS:
		return 0;
	}
	return 0;
}

int object_cmp(const struct object *a, const struct object *b)
{
	int rc = u64_cmp(a->kind, b->kind);

	if (rc == 0) {
		rc = u64_cmp(a->ns, b->ns);
	}
	return rc != 0 ? rc : key_cmp(a, b);
}

static bool element_same(const struct object_element *a, const struct object_element *b)
{
	return a->data_len == b->data_len && memcmp(a->data, b->data, a->data_len) == 0;
}

static bool link_same(const struct object_link *desired, const struct object_link *observed)
{
	return desired->kind == observed->kind && desired->down == observed->down &&
	       desired->odd == observed->odd && strcmp(desired->alias, observed->alias) == 0 &&
	       (desired->mtu == 0 || desired->mtu == observed->mtu) &&
	       (desired->kind != LINK_SIT || (addr_eq(&desired->local, &observed->local) &&
					      addr_eq(&desired->remote, &observed->remote))) &&
	       (desired->kind != LINK_VETH || strcmp(desired->peer, observed->peer) == 0) &&
	       strcmp(desired->underlay_netns, observed->underlay_netns) == 0;
}

static bool wg_peer_same(const struct object_wg_peer *desired,
			 const struct object_wg_peer *observed)
{
	if (desired->keepalive_s != observed->keepalive_s ||
	    desired->n_allowed != observed->n_allowed ||
	    memcmp(desired->preshared_key, observed->preshared_key, WG_KEY_BYTES) != 0) {
		return false;
	}
	for (size_t i = 0; i < desired->n_allowed; i++) {
		if (prefix_cmp(&desired->allowed[i], &observed->allowed[i]) != 0) {
			return false;
		}
	}
	return desired->endpoint.port == 0 || observed->live ||
	       endpoint_cmp(&desired->endpoint, &observed->endpoint) == 0;
}

static bool route_same(const struct object_route *a, const struct object_route *b)
{
	return a->type == b->type && strcmp(a->link, b->link) == 0 && a->has_via == b->has_via &&
	       (!a->has_via || addr_eq(&a->via, &b->via)) &&
	       ((addr_is_any(&a->source) && addr_is_any(&b->source)) ||
		addr_eq(&a->source, &b->source)) &&
	       a->mtu == b->mtu;
}

bool object_same(const struct object *desired, const struct object *observed)
{
	switch (desired->kind) {
	case OBJECT_RULESET:
		return desired->ruleset.digest == observed->ruleset.digest;
	case OBJECT_ELEMENT:
		return element_same(&desired->element, &observed->element);
	case OBJECT_SYSCTL:
		return strcmp(desired->sysctl.value, observed->sysctl.value) == 0;
	case OBJECT_LINK:
		return link_same(&desired->link, &observed->link);
	case OBJECT_WG_DEVICE:
		return desired->wg_device.port == observed->wg_device.port &&
		       memcmp(desired->wg_device.private_key, observed->wg_device.private_key,
			      WG_KEY_BYTES) == 0;
	case OBJECT_WG_PEER:
		return wg_peer_same(&desired->wg_peer, &observed->wg_peer);
	case OBJECT_ROUTE:
		return route_same(&desired->route, &observed->route);
	case OBJECT_INSTANCE:
		return prefix_cmp(&desired->instance.pool6, &observed->instance.pool6) == 0;
	case OBJECT_GLOBAL:
		return desired->global.value == observed->global.value;
	case OBJECT_BIB:
		return endpoint_cmp(&desired->bib.outside, &observed->bib.outside) == 0;
	case OBJECT_EAM:
		return prefix_cmp(&desired->eam.inside, &observed->eam.inside) == 0;
	case OBJECT_LINK_DOWN:
	case OBJECT_OFFLOAD:
	case OBJECT_ADDRESS:
	case OBJECT_RULE:
	case OBJECT_PROXY_NEIGHBOUR:
	case OBJECT_PROXY_PREFIX:
	case OBJECT_POOL4:
	case N_OBJECT_KINDS:
		return true; /* all is key */
	}
	return true;
}
