/* SPDX-License-Identifier: GPL-3.0-or-later */
/* WireGuard's netlink; see fake_wireguard.h. */
#include "tests/unit/fake_wireguard.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/genetlink.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <linux/wireguard.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/kernel/generic.h"
#include "gateway/kernel/wireguard.h"

#define FAMILY 0x21
#define CUT    3 /* allowed-ips in a message of a dump */

struct fake_peer *fake_find(struct fake_wireguard *f, const uint8_t *key)
{
	for (size_t i = 0; i < f->n_peers; i++) {
		if (memcmp(f->peers[i].key, key, 32) == 0) {
			return &f->peers[i];
		}
	}
	return NULL;
}

static void links_answer(const struct kernel_request *req)
{
	static const struct {
		const char *name, *kind, *alias;
	} links[] = {{"eth0", "veth", "sixgate:x/y"},
		     {"wg0", "wireguard", "mine"},
		     {"wg1", "wireguard", NULL},
		     {"sg-wg", "wireguard", "sixgate:wireguard"}};

	for (size_t i = 0; i < 4; i++) {
		_Alignas(struct nlmsghdr) char data[256];
		struct nlmsghdr *nlh = mnl_nlmsg_put_header(data);
		struct nlattr *info;

		nlh->nlmsg_type = RTM_NEWLINK;
		mnl_nlmsg_put_extra_header(nlh, sizeof(struct ifinfomsg));
		mnl_attr_put_strz(nlh, IFLA_IFNAME, links[i].name);
		if (links[i].alias) {
			mnl_attr_put_strz(nlh, IFLA_IFALIAS, links[i].alias);
		}
		info = mnl_attr_nest_start(nlh, IFLA_LINKINFO);
		mnl_attr_put_strz(nlh, IFLA_INFO_KIND, links[i].kind);
		mnl_attr_nest_end(nlh, info);
		assert_int_equal(req->reply(nlh, req->arg), 0);
	}
}

static void put_allowed(struct nlmsghdr *nlh, const struct prefix *p)
{
	struct nlattr *nest = mnl_attr_nest_start(nlh, 0);
	bool v4 = prefix_is_v4(p);

	mnl_attr_put_u16(nlh, WGALLOWEDIP_A_FAMILY, v4 ? AF_INET : AF_INET6);
	mnl_attr_put(nlh, WGALLOWEDIP_A_IPADDR, v4 ? 4 : 16, p->addr.b + (v4 ? 12 : 0));
	mnl_attr_put_u8(nlh, WGALLOWEDIP_A_CIDR_MASK, (uint8_t)(p->len - (v4 ? 96 : 0)));
	mnl_attr_nest_end(nlh, nest);
}

/* One peer a message, a peer of many allowed-ips over many: the latter repeat the key alone. */
static int dump_answer(struct fake_wireguard *f, const struct kernel_request *req)
{
	int rc = 0;

	for (size_t i = 0; i <= f->n_peers && rc == 0; i++) {
		struct fake_peer *p = i < f->n_peers ? &f->peers[i] : NULL;
		size_t at = 0;

		do {
			_Alignas(struct nlmsghdr) char data[2048];
			struct nlmsghdr *nlh = generic_message(data, FAMILY, 0, 1, 0, 1, 0);
			struct nlattr *peers, *nest, *list;

			mnl_attr_put_u16(nlh, WGDEVICE_A_LISTEN_PORT, f->port);
			mnl_attr_put(nlh, WGDEVICE_A_PRIVATE_KEY, 32, f->key);
			mnl_attr_put(nlh, WGDEVICE_A_PUBLIC_KEY, 32, f->public_key);
			if (p) {
				peers = mnl_attr_nest_start(nlh, WGDEVICE_A_PEERS);
				nest = mnl_attr_nest_start(nlh, 0);
				mnl_attr_put(nlh, WGPEER_A_PUBLIC_KEY, 32, p->key);
				if (at == 0) {
					int64_t stamp[2] = {f->handshake_s, 5};

					mnl_attr_put(nlh, WGPEER_A_PRESHARED_KEY, 32, p->psk);
					mnl_attr_put_u16(nlh,
							 WGPEER_A_PERSISTENT_KEEPALIVE_INTERVAL,
							 p->keepalive);
					mnl_attr_put(nlh, WGPEER_A_LAST_HANDSHAKE_TIME,
						     sizeof(stamp), stamp);
					mnl_attr_put_u64(nlh, WGPEER_A_RX_BYTES, 77);
					if (p->endpoint.sin_port) {
						mnl_attr_put(nlh, WGPEER_A_ENDPOINT,
							     sizeof(p->endpoint), &p->endpoint);
					}
				}
				list = mnl_attr_nest_start(nlh, WGPEER_A_ALLOWEDIPS);
				for (int n = 0; n < CUT && at < p->n_allowed; n++) {
					put_allowed(nlh, &p->allowed[at++]);
				}
				mnl_attr_nest_end(nlh, list);
				mnl_attr_nest_end(nlh, nest);
				mnl_attr_nest_end(nlh, peers);
			}
			rc = req->reply(nlh, req->arg);
			if (rc == 0 && f->interrupted > 0 && i > 0) {
				f->interrupted--;
				return -EINTR;
			}
		} while (p && at < p->n_allowed && rc == 0);
	}
	return rc < 0 ? rc : f->dump_error ? -ENOBUFS : 0;
}

static void take_allowed(struct fake_wireguard *f, struct fake_peer *p, const struct nlattr *list)
{
	const struct nlattr *entry, *attr;

	mnl_attr_for_each_nested(entry, list)
	{
		struct prefix pre = {.addr = {.b = {[10] = 0xff, [11] = 0xff}}};
		bool v4 = false;

		mnl_attr_for_each_nested(attr, entry)
		{
			switch (mnl_attr_get_type(attr)) {
			case WGALLOWEDIP_A_FAMILY:
				v4 = mnl_attr_get_u16(attr) == AF_INET;
				break;
			case WGALLOWEDIP_A_IPADDR:
				memcpy(pre.addr.b + (v4 ? 12 : 0), mnl_attr_get_payload(attr),
				       mnl_attr_get_payload_len(attr));
				break;
			case WGALLOWEDIP_A_CIDR_MASK:
				pre.len = (uint8_t)(mnl_attr_get_u8(attr) + (v4 ? 96 : 0));
				break;
			}
		}
		/* an allowed-ip moves to who gets it last */
		for (size_t i = 0; i < f->n_peers; i++) {
			for (size_t k = 0; k < f->peers[i].n_allowed; k++) {
				if (memcmp(&f->peers[i].allowed[k], &pre, sizeof(pre)) == 0) {
					f->peers[i].allowed[k] =
						f->peers[i].allowed[--f->peers[i].n_allowed];
				}
			}
		}
		assert_true(p->n_allowed < FAKE_ALLOWED_MAX);
		p->allowed[p->n_allowed++] = pre;
	}
}

static void take_peer(struct fake_wireguard *f, const struct nlattr *nest)
{
	const struct nlattr *attr;
	struct fake_peer *p = NULL;
	uint32_t flags = 0;

	mnl_attr_for_each_nested(attr, nest)
	{
		if (mnl_attr_get_type(attr) == WGPEER_A_FLAGS) {
			flags = mnl_attr_get_u32(attr);
		}
	}
	mnl_attr_for_each_nested(attr, nest)
	{
		const void *v = mnl_attr_get_payload(attr);

		switch (mnl_attr_get_type(attr)) {
		case WGPEER_A_PUBLIC_KEY:
			p = fake_find(f, v);
			if (flags & WGPEER_F_REMOVE_ME) {
				if (p) {
					*p = f->peers[--f->n_peers];
				}
				return;
			}
			if (!p && memcmp(v, f->public_key, 32) == 0) {
				return; /* without a word */
			}
			if (!p) {
				assert_true(f->n_peers < FAKE_PEERS_MAX);
				p = &f->peers[f->n_peers++];
				memset(p, 0, sizeof(*p));
				memcpy(p->key, v, 32);
			}
			p->touched++;
			if (flags & WGPEER_F_REPLACE_ALLOWEDIPS) {
				p->n_allowed = 0;
			}
			break;
		case WGPEER_A_PRESHARED_KEY:
			memcpy(p->psk, v, 32);
			break;
		case WGPEER_A_PERSISTENT_KEEPALIVE_INTERVAL:
			p->keepalive = mnl_attr_get_u16(attr);
			break;
		case WGPEER_A_ENDPOINT:
			memcpy(&p->endpoint, v, sizeof(p->endpoint));
			break;
		case WGPEER_A_ALLOWEDIPS:
			take_allowed(f, p, attr);
			break;
		}
	}
}

static int set_answer(struct fake_wireguard *f, const struct nlmsghdr *nlh)
{
	const struct nlattr *attr, *nest;

	f->n_sets++;
	f->longest = nlh->nlmsg_len > f->longest ? nlh->nlmsg_len : f->longest;
	mnl_attr_for_each(attr, nlh, GENL_HDRLEN)
	{
		switch (mnl_attr_get_type(attr)) {
		case WGDEVICE_A_IFNAME:
			assert_true(f->any_link || strcmp(mnl_attr_get_str(attr), "sg-wg") == 0);
			if (f->gone) {
				return -ENODEV;
			}
			break;
		case WGDEVICE_A_LISTEN_PORT:
			f->port = mnl_attr_get_u16(attr);
			f->port_set++;
			break;
		case WGDEVICE_A_PRIVATE_KEY:
			memcpy(f->key, mnl_attr_get_payload(attr), 32);
			f->key_set++;
			break;
		case WGDEVICE_A_FLAGS:
			f->n_replaced++;
			break;
		case WGDEVICE_A_PEERS:
			mnl_attr_for_each_nested(nest, attr)
			{
				take_peer(f, nest);
			}
			break;
		}
	}
	return 0;
}

static int fake_transact(void *ctx, const struct kernel_request *req, struct kernel_fault *fault)
{
	struct fake_wireguard *f = ctx;
	const struct nlmsghdr *nlh = req->data;
	const struct genlmsghdr *genl = mnl_nlmsg_get_payload(nlh);

	memset(fault, 0, sizeof(*fault));
	if (++f->n_requests == f->fail_at) {
		return -ENOMEM;
	}
	if (req->bus == BUS_ROUTE) {
		links_answer(req);
		return 0;
	}
	if (nlh->nlmsg_type == GENL_ID_CTRL) {
		_Alignas(struct nlmsghdr) char data[128];
		struct nlmsghdr *reply = generic_message(data, GENL_ID_CTRL, 0, 1, 1, 2, 0);

		if (f->no_module) {
			return -ENOENT;
		}
		mnl_attr_put_u16(reply, CTRL_ATTR_FAMILY_ID, FAMILY);
		return req->reply(reply, req->arg);
	}
	assert_int_equal(nlh->nlmsg_type, FAMILY);
	return genl->cmd == WG_CMD_GET_DEVICE ? dump_answer(f, req) : set_answer(f, nlh);
}

void fake_wireguard_init(struct fake_wireguard *f)
{
	*f = (struct fake_wireguard){.ops = {.ctx = f, .transact = fake_transact},
				     .wg = {.ops = &f->ops},
				     .handshake_s = 1700000000};
	memset(f->public_key, 0xee, sizeof(f->public_key));
	f->peers = calloc(FAKE_PEERS_MAX, sizeof(*f->peers));
	assert_non_null(f->peers);
}

void fake_wireguard_fini(struct fake_wireguard *f)
{
	free(f->peers);
}
