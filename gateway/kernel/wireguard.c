/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Changes WireGuard devices and peers of links that are ours, many peers a message. A message
 * that fails is sent again step by step, so that it is known which step failed; steps may be
 * repeated. Must never send REPLACE_PEERS, and nothing to a peer that stays as it is.
 */
#include "gateway/kernel/wireguard.h"

#include <errno.h>
#include <linux/genetlink.h>
#include <linux/wireguard.h>
#include <stdlib.h>
#include <string.h>

#include "base/base64.h"
#include "gateway/kernel/generic.h"
#include "gateway/kernel/wireguard_internal.h"
#include "gateway/plan/derive.h"

#define MESSAGE_MAX  (56 * 1024) /* bytes; all peers are in one attribute, which has 64 KiB */
#define PEER_BYTES   160         /* of a peer without its allowed-ips, at most */
#define PREFIX_BYTES 48          /* of one of those */
#define DATA_BYTES   (MESSAGE_MAX + PEER_BYTES + PREFIX_BYTES + 256)

struct wg_writer {
	const struct kernel_ops *ops; /* borrowed */
	uint16_t family;
	uint8_t *data; /* owned, DATA_BYTES; holds secrets */
	struct kernel_fault fault;
};

static const struct object *step_object(const struct step *step)
{
	return step->to ? step->to : step->from;
}

static const char *step_link(const struct step *step)
{
	const struct object *o = step_object(step);

	return o->kind == OBJECT_WG_DEVICE ? o->wg_device.link : o->wg_peer.link;
}

int wireguard_err(struct err *err, int rc, const struct kernel_fault *fault, const char *what)
{
	const char *text = fault->text[0] != '\0' ? fault->text : strerror(-rc);
	const char *hint = "";

	switch (-rc) {
	case EPERM:
		hint = "; sixgated needs CAP_NET_ADMIN, as its systemd unit gives it";
		break;
	case EADDRINUSE:
		hint = "; another program has this UDP port: end it, or choose another listen_port";
		break;
	case ENODEV:
		hint = "; the link is gone";
		break;
	default:
		break;
	}
	return err_set(err, rc, "wireguard: %s: %s%s", what, text, hint);
}

static int write_err(const struct wg_writer *w, int rc, const struct step *step, struct err *err)
{
	const struct object *o = step_object(step);
	char text[BASE64_KEY_LEN + 1], what[IFNAMSIZ + BASE64_KEY_LEN + 8];

	if (o->kind == OBJECT_WG_DEVICE) {
		snprintf(what, sizeof(what), "%s port %u", o->wg_device.link, o->wg_device.port);
	} else {
		snprintf(what, sizeof(what), "%s peer %s", o->wg_peer.link,
			 base64_encode(o->wg_peer.public_key, WG_KEY_BYTES, text));
	}
	return wireguard_err(err, rc, &w->fault, what);
}

static struct nlmsghdr *message_begin(struct wg_writer *w, const char *link)
{
	struct nlmsghdr *nlh = generic_message(w->data, w->family, NLM_F_ACK, 1, WG_CMD_SET_DEVICE,
					       WG_GENL_VERSION, 0);

	mnl_attr_put_strz(nlh, WGDEVICE_A_IFNAME, link);
	return nlh;
}

static int message_send(struct wg_writer *w, const struct nlmsghdr *nlh)
{
	struct kernel_request req = {.bus = BUS_GENERIC, .data = nlh, .len = nlh->nlmsg_len};
	int rc = w->ops->transact(w->ops->ctx, &req, &w->fault);

	explicit_bzero(w->data, req.len);
	return rc;
}

static int device_write(struct wg_writer *w, const struct step *step)
{
	static const struct object_wg_device none; /* no key: mute */
	const struct object_wg_device *to = step->to ? &step->to->wg_device : &none;
	const struct object_wg_device *from = step->from ? &step->from->wg_device : &none;
	struct nlmsghdr *nlh = message_begin(w, step_link(step));
	int rc;

	if (step->verb == STEP_ADD || to->port != from->port) {
		mnl_attr_put_u16(nlh, WGDEVICE_A_LISTEN_PORT, to->port);
	}
	/* A key that is set anew ends the sessions of all peers. */
	if (step->verb == STEP_ADD || memcmp(to->private_key, from->private_key, WG_KEY_BYTES)) {
		mnl_attr_put(nlh, WGDEVICE_A_PRIVATE_KEY, WG_KEY_BYTES, to->private_key);
	}
	rc = message_send(w, nlh);
	return rc == -ENODEV && step->verb == STEP_REMOVE ? 0 : rc;
}

static bool allowed_same(const struct object_wg_peer *a, const struct object_wg_peer *b)
{
	if (a->n_allowed != b->n_allowed) {
		return false;
	}
	for (size_t i = 0; i < a->n_allowed; i++) {
		if (a->allowed[i].len != b->allowed[i].len ||
		    !addr_eq(&a->allowed[i].addr, &b->allowed[i].addr)) {
			return false;
		}
	}
	return true;
}

static void allowed_put(struct nlmsghdr *nlh, const struct prefix *p)
{
	struct nlattr *entry = mnl_attr_nest_start(nlh, 0);
	bool v4 = prefix_is_v4(p);
	size_t offset = v4 ? 12 : 0;

	mnl_attr_put_u16(nlh, WGALLOWEDIP_A_FAMILY, v4 ? AF_INET : AF_INET6);
	mnl_attr_put(nlh, WGALLOWEDIP_A_IPADDR, sizeof(p->addr.b) - offset, p->addr.b + offset);
	mnl_attr_put_u8(nlh, WGALLOWEDIP_A_CIDR_MASK, (uint8_t)(p->len - 8 * offset));
	mnl_attr_nest_end(nlh, entry);
}

/* What a peer has besides allowed-ips; from is NULL for one that is added. */
static void peer_settings(struct nlmsghdr *nlh, const struct object_wg_peer *from,
			  const struct object_wg_peer *to)
{
	const struct endpoint *e = &to->endpoint;

	if (!from || memcmp(from->preshared_key, to->preshared_key, WG_KEY_BYTES) != 0) {
		mnl_attr_put(nlh, WGPEER_A_PRESHARED_KEY, WG_KEY_BYTES, to->preshared_key);
	}
	if (!from || from->keepalive_s != to->keepalive_s) {
		mnl_attr_put_u16(nlh, WGPEER_A_PERSISTENT_KEEPALIVE_INTERVAL, to->keepalive_s);
	}
	if (e->port != 0 && !(from && from->live) &&
	    (!from || from->endpoint.port != e->port || !addr_eq(&from->endpoint.addr, &e->addr))) {
		struct sockaddr_storage sa = {0};
		socklen_t len = endpoint_to_sockaddr(e, false, &sa);

		mnl_attr_put(nlh, WGPEER_A_ENDPOINT, len, &sa);
	}
}

/*
 * Puts a peer, or the rest of one whose first *at allowed-ips went with the message before: there
 * the list goes on, so it has no flags. Counts in *at how far it came.
 */
static void peer_put(struct nlmsghdr *nlh, const struct step *step, size_t *at)
{
	const struct object_wg_peer *to = step->to ? &step->to->wg_peer : NULL;
	const struct object_wg_peer *from = step->from ? &step->from->wg_peer : NULL;
	struct nlattr *nest = mnl_attr_nest_start(nlh, 0), *list;

	mnl_attr_put(nlh, WGPEER_A_PUBLIC_KEY, WG_KEY_BYTES, step_object(step)->wg_peer.public_key);
	if (!to) {
		mnl_attr_put_u32(nlh, WGPEER_A_FLAGS, WGPEER_F_REMOVE_ME);
	} else if (from && allowed_same(from, to)) {
		peer_settings(nlh, from, to);
		*at = to->n_allowed;
	} else {
		if (*at == 0) {
			mnl_attr_put_u32(nlh, WGPEER_A_FLAGS, WGPEER_F_REPLACE_ALLOWEDIPS);
			peer_settings(nlh, from, to);
		}
		list = mnl_attr_nest_start(nlh, WGPEER_A_ALLOWEDIPS);
		while (*at < to->n_allowed && nlh->nlmsg_len < MESSAGE_MAX) {
			allowed_put(nlh, &to->allowed[(*at)++]);
		}
		mnl_attr_nest_end(nlh, list);
	}
	mnl_attr_nest_end(nlh, nest);
}

/* Sends steps of peers of one link; only the last of them may be larger than a message. */
static int peers_write(struct wg_writer *w, const struct step *steps, size_t n)
{
	const struct step *last = &steps[n - 1];
	size_t n_allowed = last->to ? last->to->wg_peer.n_allowed : 0, at = 0;
	bool first = true;
	int rc;

	do {
		struct nlmsghdr *nlh = message_begin(w, step_link(last));
		struct nlattr *peers = mnl_attr_nest_start(nlh, WGDEVICE_A_PEERS);

		for (size_t i = 0; first && i + 1 < n; i++) {
			size_t whole = 0;

			peer_put(nlh, &steps[i], &whole);
		}
		peer_put(nlh, last, &at);
		mnl_attr_nest_end(nlh, peers);
		first = false;
		rc = message_send(w, nlh);
	} while (rc == 0 && at < n_allowed);
	return rc == -ENODEV && n == 1 && last->verb == STEP_REMOVE ? 0 : rc;
}

/* How many of the steps, one at least, go with one message. */
static size_t group_size(const struct step *steps, size_t n)
{
	size_t bytes = 0, i;

	for (i = 0; i < n; i++) {
		const struct object *o = step_object(&steps[i]);

		if (o->kind != OBJECT_WG_PEER || strcmp(step_link(&steps[i]), step_link(steps))) {
			break;
		}
		bytes += PEER_BYTES + (steps[i].to ? o->wg_peer.n_allowed * PREFIX_BYTES : 0);
		if (bytes > MESSAGE_MAX) {
			break;
		}
	}
	return i > 0 ? i : 1;
}

static int group_write(struct wg_writer *w, const struct step *steps, size_t n)
{
	return step_object(steps)->kind == OBJECT_WG_DEVICE ? device_write(w, steps)
							    : peers_write(w, steps, n);
}

static int steps_write(struct wg_writer *w, const struct step *steps, size_t n_steps,
		       size_t *ret_done, struct err *err)
{
	while (*ret_done < n_steps) {
		const struct step *group = &steps[*ret_done];
		size_t n = group_size(group, n_steps - *ret_done);
		int rc = group_write(w, group, n);

		if (rc == 0) {
			*ret_done += n;
			continue;
		}
		for (size_t i = 0; i < n; i++) {
			rc = n == 1 ? rc : group_write(w, &group[i], 1);
			if (rc < 0) {
				return write_err(w, rc, &group[i], err);
			}
			(*ret_done)++;
		}
	}
	return 0;
}

static int family_get(const struct kernel_ops *ops, uint16_t *ret_family, struct err *err)
{
	struct kernel_fault fault = {0};
	int rc = generic_family(ops, WG_GENL_NAME, ret_family, &fault);

	if (rc == -ENOENT) {
		return err_set(err, -EOPNOTSUPP,
			       "this kernel has no WireGuard: run 'modprobe wireguard', or take "
			       "Debian's kernel, which has it");
	}
	return rc < 0 ? wireguard_err(err, rc, &fault, "asking for it") : 0;
}

/* Of the tenants' devices, which have one key; what an observed one says of it is kept. */
static void own_key_note(struct wireguard *wg, const struct object *o)
{
	if (o->kind == OBJECT_WG_DEVICE && strcmp(o->wg_device.link, DERIVE_WG_LINK) == 0) {
		memcpy(wg->own_key, o->wg_device.public_key, WG_KEY_BYTES);
		wg->has_own_key = true;
	}
}

/* Where it cannot be read a peer with it is missed by the next look. */
static void own_key_read(struct wireguard *wg, uint16_t family)
{
	struct object_set set;

	object_set_init(&set);
	if (wireguard_read_link(wg->ops, family, DERIVE_WG_LINK, DRIVER_KIND(OBJECT_WG_DEVICE),
				&set, NULL) == 0) {
		for (size_t i = 0; i < set.n; i++) {
			own_key_note(wg, &set.items[i]);
		}
	}
	object_set_fini(&set);
}

/* The kernel takes a peer with the device's own key without a word, and there is none. */
static bool is_own(const struct wireguard *wg, const struct step *step)
{
	const struct object_wg_peer *peer = &step_object(step)->wg_peer;

	return wg->has_own_key && step->verb == STEP_ADD && step->to->kind == OBJECT_WG_PEER &&
	       strcmp(peer->link, DERIVE_EXIT_LINK) != 0 &&
	       memcmp(peer->public_key, wg->own_key, WG_KEY_BYTES) == 0;
}

/* A device, which may give another key; or the peers up to the next one. */
static size_t stretch(const struct step *steps, size_t n_steps)
{
	size_t n = 1;

	while (step_object(steps)->kind == OBJECT_WG_PEER && n < n_steps &&
	       step_object(&steps[n])->kind == OBJECT_WG_PEER) {
		n++;
	}
	return n;
}

/* Steps up to the first one that cannot be. */
static int possible_write(struct wireguard *wg, struct wg_writer *w, const struct step *steps,
			  size_t n_steps, size_t *ret_done, struct err *err)
{
	int rc = 0;

	while (rc == 0 && *ret_done < n_steps) {
		const struct step *part = &steps[*ret_done];
		size_t all = stretch(part, n_steps - *ret_done), n = 0, done = 0;

		if (step_object(part)->kind == OBJECT_WG_DEVICE) {
			wg->has_own_key = false;
		} else if (!wg->has_own_key) {
			own_key_read(wg, w->family);
		}
		while (n < all && !is_own(wg, &part[n])) {
			n++;
		}
		rc = steps_write(w, part, n, &done, err);
		*ret_done += done;
		if (rc == 0 && n < all) {
			rc = err_set(err, -EINVAL,
				     "wireguard: the tunnel's public_key is this gateway's own: "
				     "give the tenant's, as `wg pubkey` prints it there");
		}
	}
	return rc;
}

static int wireguard_apply(void *ctx, const struct step *steps, size_t n_steps, size_t *ret_done,
			   struct err *err)
{
	struct wireguard *wg = ctx;
	struct wg_writer w = {.ops = wg->ops};
	int rc;

	*ret_done = 0;
	rc = family_get(w.ops, &w.family, err);
	if (rc < 0) {
		return rc;
	}
	w.data = calloc(1, DATA_BYTES);
	if (!w.data) {
		return err_set(err, -ENOMEM, "wireguard: out of memory");
	}
	rc = possible_write(wg, &w, steps, n_steps, ret_done, err);
	explicit_bzero(w.data, DATA_BYTES);
	free(w.data);
	return rc;
}

static int wireguard_observe(void *ctx, uint32_t kinds, struct object_set *set, struct err *err)
{
	struct wireguard *wg = ctx;
	size_t first = set->n;
	uint16_t family;
	int rc = family_get(wg->ops, &family, err);

	rc = rc < 0 ? rc : wireguard_read(wg->ops, family, kinds, set, err);
	for (size_t i = first; rc == 0 && i < set->n; i++) {
		own_key_note(wg, &set->items[i]);
	}
	return rc;
}

int wireguard_peers(const struct kernel_ops *ops, const char *link, struct object_set *set,
		    struct err *err)
{
	uint16_t family;
	int rc = family_get(ops, &family, err);

	return rc < 0 ? rc
		      : wireguard_read_link(ops, family, link, DRIVER_KIND(OBJECT_WG_PEER), set,
					    err);
}

struct driver wireguard_driver(struct wireguard *wg)
{
	return (struct driver){
		.name = "wireguard",
		.kinds = DRIVER_KIND(OBJECT_WG_DEVICE) | DRIVER_KIND(OBJECT_WG_PEER),
		.ctx = wg,
		.observe = wireguard_observe,
		.apply = wireguard_apply,
	};
}
