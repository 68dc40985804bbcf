/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * WireGuard: the device that tenants share, devices of their own, and a peer a tunnel. Called by
 * desired.c alone; keys come in the facts.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/base64.h"
#include "gateway/plan/derive.h"
#include "gateway/plan/desired.h"

void desired_wireguard_device(const struct wireguard_device *device, struct object_set *set)
{
	struct object l = {.kind = OBJECT_LINK,
			   .link = {.kind = LINK_WIREGUARD, .mtu = device->mtu}};
	struct object d = {.kind = OBJECT_WG_DEVICE, .wg_device = {.port = device->port}};

	(void)snprintf(l.link.underlay_netns, sizeof(l.link.underlay_netns), "%s",
		       device->underlay_netns ? device->underlay_netns : "");    /* checked */
	(void)snprintf(l.link.name, sizeof(l.link.name), "%s", device->link);    /* fits */
	(void)snprintf(l.link.alias, sizeof(l.link.alias), "%s", device->alias); /* fits */
	(void)snprintf(d.wg_device.link, sizeof(d.wg_device.link), "%s", device->link); /* fits */
	memcpy(d.wg_device.private_key, device->private_key, WG_KEY_BYTES);
	/* As the kernel keeps it (RFC 7748 5), else it would differ from what was asked for. */
	d.wg_device.private_key[0] &= 248;
	d.wg_device.private_key[WG_KEY_BYTES - 1] &= 127;
	d.wg_device.private_key[WG_KEY_BYTES - 1] |= 64;
	(void)object_set_add(set, &l); /* out of memory is sticky */
	(void)object_set_add(set, &d);
	explicit_bzero(&d, sizeof(d));
}

void desired_wireguard_node(const struct node_conf *node, const struct desired_facts *facts,
			    struct object_set *set)
{
	const struct wireguard_device shared = {
		.link = DERIVE_WG_LINK,
		.alias = OBJECT_ALIAS_PREFIX "wireguard",
		.underlay_netns = node->wireguard.underlay_netns,
		.mtu = tunnel_mtu_shared(node, facts).mtu,
		.port = node->wireguard.listen_port,
		.private_key = facts->wg_private_key,
	};

	if (node->wireguard.on && facts->has_wireguard) {
		desired_wireguard_device(&shared, set);
	}
}

static void add_own_device(const struct node_conf *node, const struct desired_facts *facts,
			   const struct tenant_conf *tenant, const struct tunnel_conf *tunnel,
			   struct object_set *set)
{
	char link[IFNAMSIZ], alias[OBJECT_ALIAS_MAX];
	const struct wireguard_device own = {
		.link = derive_link(node, tunnel, link),
		.alias = derive_alias(tenant, tunnel, alias),
		.underlay_netns = node->wireguard.underlay_netns,
		.mtu = tunnel_mtu(node, facts, tunnel).mtu,
		.port = tunnel->listen_port,
		.private_key = facts->wg_private_key,
	};

	desired_wireguard_device(&own, set);
}

/* Keys of the tunnel. False: the peer is left out. */
static bool peer_keys(const struct desired_facts *facts, const struct tunnel_conf *tunnel,
		      struct object_wg_peer *peer)
{
	/* The check of the object made sure of it. */
	if (base64_decode(str_from(tunnel->public_key), peer->public_key, WG_KEY_BYTES) < 0) {
		return false;
	}
	return !tunnel->preshared_key_file ||
	       (facts->preshared_key &&
		facts->preshared_key(facts->preshared_ctx, tunnel->preshared_key_file,
				     peer->preshared_key));
}

static void add_peer(const struct node_conf *node, const struct desired_facts *facts,
		     const struct tunnel_conf *tunnel, struct object_set *set)
{
	struct object o = {.kind = OBJECT_WG_PEER, .wg_peer = {.keepalive_s = tunnel->keepalive_s}};
	struct prefix *allowed = calloc(tunnel->n_prefixes + 1, sizeof(*allowed));
	size_t n = tunnel->n_prefixes;

	if (!allowed) {
		set->bad = true;
		return;
	}
	memcpy(allowed, tunnel->prefixes, n * sizeof(*allowed));
	if (tunnel->ipv4) {
		allowed[n++] = (struct prefix){.addr = derive_ipv4(node, tunnel), .len = 128};
	}
	qsort(allowed, n, sizeof(*allowed), prefix_order);
	(void)derive_link(node, tunnel, o.wg_peer.link);
	o.wg_peer.allowed = allowed;
	o.wg_peer.n_allowed = n;
	if (tunnel->has_endpoint) {
		o.wg_peer.endpoint = tunnel->endpoint;
	}
	if (peer_keys(facts, tunnel, &o.wg_peer)) {
		(void)object_set_add(set, &o); /* out of memory is sticky */
	}
	explicit_bzero(&o, sizeof(o));
	free(allowed);
}

void desired_wireguard_tenant(const struct node_conf *node, const struct desired_facts *facts,
			      const struct tenant_conf *tenant, struct object_set *set)
{
	for (size_t i = 0; i < tenant->n_tunnels && node->wireguard.on && facts->has_wireguard;
	     i++) {
		const struct tunnel_conf *tunnel = &tenant->tunnels[i];

		if (tunnel->kind != TUNNEL_WIREGUARD) {
			continue;
		}
		if (tunnel->own_device) {
			add_own_device(node, facts, tenant, tunnel, set);
		}
		add_peer(node, facts, tunnel, set);
	}
}
