/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What the verb tunnels shows: where each tunnel's other end is, and when it was heard of.
 */
#include "gateway/control/tunnels.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/base64.h"
#include "base/json.h"
#include "gateway/kernel/kernel.h"
#include "gateway/kernel/rt_link.h"
#include "gateway/kernel/wireguard.h"
#include "gateway/plan/derive.h"

/* Links always, and peers where there is WireGuard. */
static int observe(const struct kernel_ops *ops, bool wireguard, struct object_set *set,
		   struct err *err)
{
	struct rt rt = {.ops = ops, .ns = NS_MAIN};
	struct wireguard wg = {.ops = ops};
	struct driver driver = rt_link_driver(&rt);
	int rc = driver.observe(driver.ctx, DRIVER_KIND(OBJECT_LINK), set, err);

	if (rc == 0 && wireguard) {
		driver = wireguard_driver(&wg);
		rc = driver.observe(driver.ctx, DRIVER_KIND(OBJECT_WG_PEER), set, err);
	}
	return rc == 0 ? object_set_sort(set, err) : rc;
}

int tunnels_observe(const struct node_conf *conf, struct object_set **ret_seen, struct err *err)
{
	bool wireguard = conf->wireguard.on || conf->uplink_kind == UPLINK_WIREGUARD;
	struct object_set *set = malloc(sizeof(*set));
	struct netlink *netlink = NULL;
	struct kernel_ops ops;
	int rc = netlink_new(&netlink, err);

	if (rc < 0 || !set) {
		netlink_free(rc < 0 ? NULL : netlink);
		free(set);
		return rc < 0 ? rc : err_set(err, -ENOMEM, "out of memory");
	}
	object_set_init(set);
	ops = netlink_ops(netlink);
	rc = observe(&ops, wireguard, set, err);
	netlink_free(netlink);
	if (rc < 0) {
		tunnels_free(set);
		return rc;
	}
	*ret_seen = set;
	return 0;
}

void tunnels_free(struct object_set *seen)
{
	if (seen) {
		object_set_fini(seen);
		free(seen);
	}
}

int tunnels_exit_handshake(uint64_t *ret_s, struct err *err)
{
	struct netlink *netlink = NULL;
	struct object_set set;
	struct kernel_ops ops;
	int rc = netlink_new(&netlink, err);

	if (rc < 0) {
		return rc;
	}
	object_set_init(&set);
	ops = netlink_ops(netlink);
	rc = wireguard_peers(&ops, DERIVE_EXIT_LINK, &set, err);
	*ret_s = 0;
	for (size_t i = 0; i < set.n; i++) {
		if (set.items[i].wg_peer.handshake_s > *ret_s) {
			*ret_s = set.items[i].wg_peer.handshake_s;
		}
	}
	object_set_fini(&set);
	netlink_free(netlink);
	return rc;
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

static const char *from_name(enum tunnel_mtu_from from)
{
	switch (from) {
	case TUNNEL_MTU_DEFAULT:
		return "default";
	case TUNNEL_MTU_CONFIG:
		return "config";
	case TUNNEL_MTU_PATH:
		return "path";
	}
	return NULL;
}

/* tunnel NULL: the uplink's. */
static void write_mtu(struct json *j, struct kernel *kernel, const struct tunnel_conf *tunnel)
{
	struct tunnel_mtu m;

	if (!kernel || !kernel_tunnel_mtu(kernel, tunnel, &m) || m.mtu == 0) {
		return;
	}
	json_u64(j, "mtu", m.mtu);
	json_text(j, "mtu_from", from_name(m.from));
	if (m.path != 0) {
		json_u64(j, "path_mtu", m.path);
	}
}

static void write_peer(struct json *j, const char *link, const char *public_key,
		       const struct object_set *seen, uint64_t now_s)
{
	struct object key = {.kind = OBJECT_WG_PEER};
	char text[ENDPOINT_TEXT_MAX];
	const struct object_wg_peer *peer;
	const struct object *found;

	memcpy(key.wg_peer.link, link, strlen(link));
	if (base64_decode(str_from(public_key), key.wg_peer.public_key, WG_KEY_BYTES) < 0) {
		return;
	}
	found = seen ? object_set_find(seen, &key) : NULL;
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

static void write_6in4(struct json *j, const char *link, const struct addr *remote,
		       const struct object_set *seen)
{
	struct object key = {.kind = OBJECT_LINK};
	char text[ADDR_TEXT_MAX];
	const struct object *found;

	memcpy(key.link.name, link, strlen(link));
	found = seen ? object_set_find(seen, &key) : NULL;
	json_bool(j, "present", found != NULL);
	json_text(j, "remote", addr_format(remote, text));
	if (found) {
		json_u64(j, "bytes_in", found->link.rx_bytes);
		json_u64(j, "bytes_out", found->link.tx_bytes);
	}
}

static void write_tunnel(struct json *j, const struct tunnel_conf *tunnel, const char *link,
			 const struct object_set *seen, uint64_t now_s)
{
	char text[ADDR_TEXT_MAX];

	if (tunnel->n_prefixes > 0) {
		json_text(j, "prefix", prefix_format(&tunnel->prefixes[0], text));
	}
	switch (tunnel->kind) {
	case TUNNEL_WIREGUARD:
		write_peer(j, link, tunnel->public_key, seen, now_s);
		break;
	case TUNNEL_6IN4:
		if (tunnel->has_remote) {
			write_6in4(j, link, &tunnel->remote, seen);
		}
		break;
	case TUNNEL_ROUTE:
		json_text(j, "remote", tunnel->has_via ? addr_format(&tunnel->via, text) : NULL);
		break;
	}
}

void tunnels_write(const struct tunnels_view *view, const struct tenant_conf *tenant,
		   struct buf *out)
{
	for (size_t i = 0; i < tenant->n_tunnels && tenant->state == TENANT_ACTIVE; i++) {
		const struct tunnel_conf *tunnel = &tenant->tunnels[i];
		struct json j = json_to(out);
		char link[IFNAMSIZ];

		json_open(&j, NULL, '{');
		json_text(&j, "tenant", tenant->name);
		json_text(&j, "tunnel", tunnel->name);
		json_text(&j, "kind", kind_name(tunnel->kind));
		json_text(&j, "link", derive_link(view->conf, tunnel, link));
		write_tunnel(&j, tunnel, link, view->seen, view->now_s);
		write_mtu(&j, view->kernel, tunnel);
		json_close(&j, '}');
		json_end_line(&j);
	}
}

void tunnels_write_uplink(const struct tunnels_view *view, struct buf *out)
{
	const struct node_conf *conf = view->conf;
	bool wireguard = conf->uplink_kind == UPLINK_WIREGUARD;
	struct json j = json_to(out);
	char text[ADDR_TEXT_MAX];

	if (conf->uplink_kind == UPLINK_DIRECT) {
		return;
	}
	json_open(&j, NULL, '{');
	json_text(&j, "tenant", NULL);
	json_text(&j, "tunnel", "uplink");
	json_text(&j, "kind", kind_name(wireguard ? TUNNEL_WIREGUARD : TUNNEL_6IN4));
	json_text(&j, "link", DERIVE_EXIT_LINK);
	if (conf->has_ipv6_prefix) {
		json_text(&j, "prefix", prefix_format(&conf->ipv6_prefix, text));
	}
	if (wireguard) {
		write_peer(&j, DERIVE_EXIT_LINK, conf->exit.public_key, view->seen, view->now_s);
	} else {
		write_6in4(&j, DERIVE_EXIT_LINK, &conf->exit.remote, view->seen);
	}
	write_mtu(&j, view->kernel, NULL);
	json_close(&j, '}');
	json_end_line(&j);
}
