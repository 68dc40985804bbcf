/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Reads WireGuard devices: which links are ours, then a dump of each. A device comes in as many
 * messages as it takes, a peer may be cut between two of them: then the second begins with the
 * same public key and goes on with allowed-ips.
 */
#include "gateway/kernel/wireguard_internal.h"

#include <errno.h>
#include <linux/genetlink.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <linux/wireguard.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "gateway/kernel/generic.h"

#define DUMP_TRIES  10
#define PEERS_MAX   ((size_t)1 << 17) /* of one device */
#define ALLOWED_MAX ((size_t)1 << 20)
#define LINKS_MAX   1024
#define V4_OFFSET   12 /* bytes of ::ffff:0:0/96 before the IPv4 address */
#define V4_BITS     96

struct wg_links {
	char name[LINKS_MAX][IFNAMSIZ];
	size_t n;
};

struct wg_peer {
	struct object_wg_peer peer; /* allowed is not set before the dump is over */
	size_t first_allowed;
};

struct wg_dump {
	bool has_key;
	struct object_wg_device device;
	struct wg_peer *peers;  /* owned */
	struct prefix *allowed; /* owned */
	size_t n_peers, peers_size, n_allowed, allowed_size;
};

/* Grows an array so that one more fits. Returns 0, -ENOMEM, or -E2BIG at max. */
static int array_room(void **items, size_t n, size_t *size, size_t item_bytes, size_t max)
{
	size_t want = *size ? 2 * *size : 64;
	void *more;

	if (n < *size) {
		return 0;
	}
	if (n >= max) {
		return -E2BIG;
	}
	more = reallocarray(*items, want, item_bytes);
	if (!more) {
		return -ENOMEM;
	}
	*items = more;
	*size = want;
	return 0;
}

/* Copies an attribute of exactly len bytes; another length leaves dst as it is. */
static bool attr_copy(const struct nlattr *attr, void *dst, size_t len)
{
	if (mnl_attr_get_payload_len(attr) != len) {
		return false;
	}
	memcpy(dst, mnl_attr_get_payload(attr), len);
	return true;
}

static int allowed_seen(struct wg_dump *dump, const struct nlattr *entry)
{
	const struct nlattr *attr, *address = NULL;
	struct prefix p = {.addr = {.b = {[10] = 0xff, [11] = 0xff}}};
	uint16_t family = 0;
	uint8_t len = 0;
	int rc;

	mnl_attr_for_each_nested(attr, entry)
	{
		switch (mnl_attr_get_type(attr)) {
		case WGALLOWEDIP_A_FAMILY:
			(void)attr_copy(attr, &family, sizeof(family)); /* else refused below */
			break;
		case WGALLOWEDIP_A_IPADDR:
			address = attr;
			break;
		case WGALLOWEDIP_A_CIDR_MASK:
			(void)attr_copy(attr, &len, sizeof(len)); /* same */
			break;
		default:
			break;
		}
	}
	if (address && family == AF_INET && len <= 32 &&
	    attr_copy(address, p.addr.b + V4_OFFSET, 4)) {
		p.len = (uint8_t)(V4_BITS + len);
	} else if (address && family == AF_INET6 && len <= 128 &&
		   attr_copy(address, p.addr.b, sizeof(p.addr.b))) {
		p.len = len;
	} else {
		return -EPROTO;
	}
	rc = array_room((void **)&dump->allowed, dump->n_allowed, &dump->allowed_size,
			sizeof(*dump->allowed), ALLOWED_MAX);
	if (rc == 0) {
		dump->allowed[dump->n_allowed++] = p;
		dump->peers[dump->n_peers - 1].peer.n_allowed++;
	}
	return rc;
}

static void peer_endpoint(const struct nlattr *attr, struct endpoint *ret_endpoint)
{
	struct sockaddr_storage sa = {0};
	size_t len = mnl_attr_get_payload_len(attr);
	struct endpoint e;

	if (len != sizeof(struct sockaddr_in) && len != sizeof(struct sockaddr_in6)) {
		return;
	}
	memcpy(&sa, mnl_attr_get_payload(attr), len);
	if ((sa.ss_family == AF_INET || len == sizeof(struct sockaddr_in6)) &&
	    endpoint_from_sockaddr((const struct sockaddr *)&sa, &e) == 0) {
		*ret_endpoint = e;
	}
}

static int peer_attribute(struct wg_dump *dump, const struct nlattr *attr)
{
	struct object_wg_peer *peer = &dump->peers[dump->n_peers - 1].peer;
	const struct nlattr *entry;
	int64_t handshake[2];
	int rc = 0;

	switch (mnl_attr_get_type(attr)) {
	case WGPEER_A_PRESHARED_KEY:
		(void)attr_copy(attr, peer->preshared_key, WG_KEY_BYTES); /* else: none */
		break;
	case WGPEER_A_ENDPOINT:
		peer_endpoint(attr, &peer->endpoint);
		break;
	case WGPEER_A_PERSISTENT_KEEPALIVE_INTERVAL:
		(void)attr_copy(attr, &peer->keepalive_s, sizeof(peer->keepalive_s)); /* off */
		break;
	case WGPEER_A_LAST_HANDSHAKE_TIME:
		if (attr_copy(attr, handshake, sizeof(handshake)) && handshake[0] > 0) {
			peer->handshake_s = (uint64_t)handshake[0];
		}
		break;
	case WGPEER_A_RX_BYTES:
		(void)attr_copy(attr, &peer->rx_bytes, sizeof(peer->rx_bytes)); /* else 0 */
		break;
	case WGPEER_A_TX_BYTES:
		(void)attr_copy(attr, &peer->tx_bytes, sizeof(peer->tx_bytes)); /* same */
		break;
	case WGPEER_A_ALLOWEDIPS:
		mnl_attr_for_each_nested(entry, attr)
		{
			rc = rc < 0 ? rc : allowed_seen(dump, entry);
		}
		break;
	default:
		break;
	}
	return rc;
}

static int peer_seen(struct wg_dump *dump, const struct nlattr *nest)
{
	struct wg_peer *last = dump->n_peers > 0 ? &dump->peers[dump->n_peers - 1] : NULL;
	uint8_t key[WG_KEY_BYTES];
	const struct nlattr *attr;
	bool has_key = false;
	int rc;

	mnl_attr_for_each_nested(attr, nest)
	{
		if (mnl_attr_get_type(attr) == WGPEER_A_PUBLIC_KEY) {
			has_key = attr_copy(attr, key, sizeof(key));
		}
	}
	if (!has_key) {
		return -EPROTO;
	}
	if (!last || memcmp(last->peer.public_key, key, sizeof(key)) != 0) {
		rc = array_room((void **)&dump->peers, dump->n_peers, &dump->peers_size,
				sizeof(*dump->peers), PEERS_MAX);
		if (rc < 0) {
			return rc;
		}
		last = &dump->peers[dump->n_peers++];
		*last = (struct wg_peer){.first_allowed = dump->n_allowed};
		memcpy(last->peer.public_key, key, sizeof(key));
		memcpy(last->peer.link, dump->device.link, sizeof(last->peer.link));
	}
	mnl_attr_for_each_nested(attr, nest)
	{
		rc = peer_attribute(dump, attr);
		if (rc < 0) {
			return rc;
		}
	}
	return 0;
}

static int device_seen(const struct nlmsghdr *nlh, void *arg)
{
	static const uint8_t no_key[WG_KEY_BYTES];
	struct wg_dump *dump = arg;
	const struct nlattr *attr, *nest;
	int rc = 0;

	if (mnl_nlmsg_get_payload_len(nlh) < GENL_HDRLEN) {
		return -EPROTO;
	}
	mnl_attr_for_each(attr, nlh, GENL_HDRLEN)
	{
		switch (mnl_attr_get_type(attr)) {
		case WGDEVICE_A_LISTEN_PORT:
			(void)attr_copy(attr, &dump->device.port,
					sizeof(dump->device.port)); /* 0 */
			break;
		case WGDEVICE_A_PRIVATE_KEY:
			dump->has_key = attr_copy(attr, dump->device.private_key, WG_KEY_BYTES) &&
					memcmp(dump->device.private_key, no_key, WG_KEY_BYTES) != 0;
			break;
		case WGDEVICE_A_PUBLIC_KEY:
			(void)attr_copy(attr, dump->device.public_key, WG_KEY_BYTES); /* zeros */
			break;
		case WGDEVICE_A_PEERS:
			mnl_attr_for_each_nested(nest, attr)
			{
				rc = rc < 0 ? rc : peer_seen(dump, nest);
			}
			break;
		default:
			break;
		}
	}
	return rc;
}

static void dump_wipe(struct wg_dump *dump)
{
	if (dump->peers) {
		explicit_bzero(dump->peers, dump->peers_size * sizeof(*dump->peers));
	}
	explicit_bzero(&dump->device, sizeof(dump->device));
	free(dump->peers);
	free(dump->allowed);
}

static void dump_add(struct wg_dump *dump, uint32_t kinds, struct object_set *set)
{
	struct object o = {.kind = OBJECT_WG_DEVICE, .wg_device = dump->device};
	const uint64_t now_s = (uint64_t)time(NULL);

	/* One without a key was never set up. */
	if (dump->has_key && (kinds & DRIVER_KIND(OBJECT_WG_DEVICE))) {
		(void)object_set_add(set, &o); /* sticky in set */
	}
	for (size_t i = 0; i < dump->n_peers && (kinds & DRIVER_KIND(OBJECT_WG_PEER)); i++) {
		struct prefix *allowed = dump->allowed + dump->peers[i].first_allowed;

		o.kind = OBJECT_WG_PEER;
		o.wg_peer = dump->peers[i].peer;
		o.wg_peer.live = o.wg_peer.handshake_s + WG_SESSION_S > now_s;
		if (o.wg_peer.n_allowed > 0) {
			qsort(allowed, o.wg_peer.n_allowed, sizeof(*allowed), prefix_order);
			o.wg_peer.allowed = allowed;
		}
		(void)object_set_add(set, &o); /* same */
	}
	explicit_bzero(&o, sizeof(o));
}

int wireguard_read_link(const struct kernel_ops *ops, uint16_t family, const char *link,
			uint32_t kinds, struct object_set *set, struct err *err)
{
	_Alignas(struct nlmsghdr) char data[128];
	struct kernel_fault fault = {0};
	int rc = -EINTR;

	for (int tries = 0; tries < DUMP_TRIES && rc == -EINTR; tries++) {
		struct wg_dump dump = {0};
		struct nlmsghdr *nlh = generic_message(data, family, NLM_F_DUMP, 1,
						       WG_CMD_GET_DEVICE, WG_GENL_VERSION, 0);
		struct kernel_request req = {.bus = BUS_GENERIC,
					     .data = nlh,
					     .reply = device_seen,
					     .arg = &dump};

		memcpy(dump.device.link, link, strlen(link));
		mnl_attr_put_strz(nlh, WGDEVICE_A_IFNAME, link);
		req.len = nlh->nlmsg_len;
		rc = ops->transact(ops->ctx, &req, &fault);
		if (rc == 0) {
			dump_add(&dump, kinds, set);
		}
		dump_wipe(&dump);
	}
	if (rc == -ENODEV) {
		return 0; /* gone since the links were listed */
	}
	return rc < 0 ? wireguard_err(err, rc, &fault, link) : 0;
}

static bool link_is_wireguard(const struct nlattr *info)
{
	const struct nlattr *attr;

	mnl_attr_for_each_nested(attr, info)
	{
		if (mnl_attr_get_type(attr) == IFLA_INFO_KIND) {
			return mnl_attr_validate(attr, MNL_TYPE_NUL_STRING) >= 0 &&
			       strcmp(mnl_attr_get_str(attr), WG_GENL_NAME) == 0;
		}
	}
	return false;
}

static int link_seen(const struct nlmsghdr *nlh, void *arg)
{
	struct wg_links *links = arg;
	const struct nlattr *attr;
	const char *name = NULL, *alias = "";
	bool wireguard = false;

	if (nlh->nlmsg_type != RTM_NEWLINK ||
	    mnl_nlmsg_get_payload_len(nlh) < sizeof(struct ifinfomsg)) {
		return 0;
	}
	mnl_attr_for_each(attr, nlh, sizeof(struct ifinfomsg))
	{
		switch (mnl_attr_get_type(attr)) {
		case IFLA_IFNAME:
			name = mnl_attr_validate(attr, MNL_TYPE_NUL_STRING) < 0
				       ? NULL
				       : mnl_attr_get_str(attr);
			break;
		case IFLA_IFALIAS:
			alias = mnl_attr_validate(attr, MNL_TYPE_NUL_STRING) < 0
					? ""
					: mnl_attr_get_str(attr);
			break;
		case IFLA_LINKINFO:
			wireguard = link_is_wireguard(attr);
			break;
		default:
			break;
		}
	}
	if (!wireguard || !name || strlen(name) >= IFNAMSIZ ||
	    strncmp(alias, OBJECT_ALIAS_PREFIX, strlen(OBJECT_ALIAS_PREFIX)) != 0) {
		return 0;
	}
	if (links->n == LINKS_MAX) {
		return -E2BIG;
	}
	memset(links->name[links->n], 0, IFNAMSIZ);
	memcpy(links->name[links->n++], name, strlen(name));
	return 0;
}

static int links_read(const struct kernel_ops *ops, struct wg_links *links, struct err *err)
{
	struct kernel_fault fault = {0};
	int rc = -EINTR;

	for (int tries = 0; tries < DUMP_TRIES && rc == -EINTR; tries++) {
		_Alignas(struct nlmsghdr) char data[64];
		struct nlmsghdr *nlh = mnl_nlmsg_put_header(data);
		struct kernel_request req = {.bus = BUS_ROUTE,
					     .data = nlh,
					     .reply = link_seen,
					     .arg = links};

		links->n = 0;
		nlh->nlmsg_type = RTM_GETLINK;
		nlh->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
		nlh->nlmsg_seq = 1;
		(void)mnl_nlmsg_put_extra_header(nlh, sizeof(struct ifinfomsg)); /* zeroed */
		req.len = nlh->nlmsg_len;
		rc = ops->transact(ops->ctx, &req, &fault);
	}
	return rc < 0 ? wireguard_err(err, rc, &fault, "reading the links") : 0;
}

int wireguard_read(const struct kernel_ops *ops, uint16_t family, uint32_t kinds,
		   struct object_set *set, struct err *err)
{
	struct wg_links *links;
	int rc;

	links = calloc(1, sizeof(*links));
	if (!links) {
		return err_set(err, -ENOMEM, "wireguard: out of memory");
	}
	rc = links_read(ops, links, err);
	for (size_t i = 0; i < links->n && rc == 0; i++) {
		rc = wireguard_read_link(ops, family, links->name[i], kinds, set, err);
	}
	free(links);
	return rc;
}
