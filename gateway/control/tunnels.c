/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What the verb tunnels shows: where each tunnel's other end is, and when it was heard of.
 */
#include "gateway/control/tunnels.h"

#include <errno.h>
#include <stdlib.h>

#include "base/base64.h"
#include "base/json.h"
#include "gateway/kernel/wireguard.h"
#include "gateway/plan/derive.h"

int tunnels_observe(struct object_set **ret_peers, struct err *err)
{
	struct object_set *set = malloc(sizeof(*set));
	struct netlink *netlink = NULL;
	struct kernel_ops ops;
	struct driver driver;
	int rc = netlink_new(&netlink, err);

	if (rc < 0 || !set) {
		netlink_free(rc < 0 ? NULL : netlink);
		free(set);
		return rc < 0 ? rc : err_set(err, -ENOMEM, "out of memory");
	}
	object_set_init(set);
	ops = netlink_ops(netlink);
	driver = wireguard_driver(&ops);
	rc = driver.observe(driver.ctx, DRIVER_KIND(OBJECT_WG_PEER), set, err);
	if (rc == 0) {
		rc = object_set_sort(set, err);
	}
	netlink_free(netlink);
	if (rc < 0) {
		tunnels_free(set);
		return rc;
	}
	*ret_peers = set;
	return 0;
}

void tunnels_free(struct object_set *peers)
{
	if (peers) {
		object_set_fini(peers);
		free(peers);
	}
}

static const char *kind_name(enum tunnel_kind kind)
{
	switch (kind) {
	case TUNNEL_WIREGUARD:
		return "wireguard";
	case TUNNEL_6IN4:
		return "6in4";
	case TUNNEL_ROUTE:
		return "route";
	}
	return NULL;
}

static void write_peer(struct json *j, const struct node_conf *conf,
		       const struct tunnel_conf *tunnel, const struct object_set *peers,
		       uint64_t now_s)
{
	struct object key = {.kind = OBJECT_WG_PEER};
	char text[ENDPOINT_TEXT_MAX];
	const struct object_wg_peer *peer;
	const struct object *found;

	(void)derive_link(conf, tunnel, key.wg_peer.link);
	if (base64_decode(str_from(tunnel->public_key), key.wg_peer.public_key, WG_KEY_BYTES) < 0) {
		return;
	}
	found = peers ? object_set_find(peers, &key) : NULL;
	json_bool(j, "present", found != NULL);
	if (!found) {
		return;
	}
	peer = &found->wg_peer;
	json_text(j, "remote", peer->endpoint.port ? endpoint_format(&peer->endpoint, text) : NULL);
	if (peer->handshake_s != 0) {
		json_u64(j, "handshake_ms",
			 now_s > peer->handshake_s ? (now_s - peer->handshake_s) * 1000 : 0);
	}
	json_u64(j, "bytes_in", peer->rx_bytes);
	json_u64(j, "bytes_out", peer->tx_bytes);
}

void tunnels_write(const struct node_conf *conf, const struct tenant_conf *tenant,
		   const struct object_set *peers, uint64_t now_s, struct buf *out)
{
	for (size_t i = 0; i < tenant->n_tunnels && tenant->state == TENANT_ACTIVE; i++) {
		const struct tunnel_conf *tunnel = &tenant->tunnels[i];
		char link[IFNAMSIZ], text[ADDR_TEXT_MAX];
		struct json j = json_to(out);

		json_open(&j, NULL, '{');
		json_text(&j, "tenant", tenant->name);
		json_text(&j, "tunnel", tunnel->name);
		json_text(&j, "kind", kind_name(tunnel->kind));
		json_text(&j, "link", derive_link(conf, tunnel, link));
		if (tunnel->n_prefixes > 0) {
			json_text(&j, "prefix", prefix_format(&tunnel->prefixes[0], text));
		}
		if (tunnel->kind == TUNNEL_WIREGUARD) {
			write_peer(&j, conf, tunnel, peers, now_s);
		} else if (tunnel->has_remote) {
			json_text(&j, "remote", addr_format(&tunnel->remote, text));
		} else if (tunnel->has_via) {
			json_text(&j, "remote", addr_format(&tunnel->via, text));
		}
		json_close(&j, '}');
		json_end_line(&j);
	}
}
