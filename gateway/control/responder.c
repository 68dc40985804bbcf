/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What the neighbour child is told: the uplink and its packet socket, and the prefixes, as they
 * come and go. What it is asked by strangers, root never sees.
 */
#include "gateway/control/responder.h"

#include <errno.h>
#include <ifaddrs.h>
#include <linux/if_packet.h>
#include <net/if_arp.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/container.h"
#include "base/log.h"
#include "gateway/control/internal.h"
#include "gateway/control/problems.h"
#include "gateway/control/solicited.h"
#include "gateway/kernel/kernel.h"

#define MOD           "responder"
#define WHAT_LINK     "on-link uplink"
#define CHANGES_MAX   (16u << 20) /* bytes */
#define MESSAGE_BYTES 64

static struct responder *responder_of(struct helper *h)
{
	return container_of(h, struct responder, helper);
}

static void link_take(const struct ifaddrs *i, struct responder_link *link)
{
	struct endpoint e;

	if (i->ifa_addr->sa_family == AF_PACKET) {
		const struct sockaddr_ll *ll = (const void *)i->ifa_addr;

		if (ll->sll_hatype == ARPHRD_ETHER && ll->sll_halen == sizeof(link->mac)) {
			link->index = (unsigned int)ll->sll_ifindex;
			memcpy(link->mac, ll->sll_addr, sizeof(link->mac));
		}
	} else if (endpoint_from_sockaddr(i->ifa_addr, &e) == 0 && !addr_is_v4(&e.addr) &&
		   !addr_is_link_local(&link->source)) {
		link->source = e.addr;
	}
}

/* Returns 0 or a negative errno. */
static int link_read(const char *name, struct responder_link *ret_link, struct err *err)
{
	struct ifaddrs *list;

	*ret_link = (struct responder_link){0};
	if (getifaddrs(&list) < 0) {
		return err_set_errno(err, -errno, "%s", name);
	}
	for (const struct ifaddrs *i = list; i; i = i->ifa_next) {
		if (i->ifa_addr && strcmp(i->ifa_name, name) == 0) {
			link_take(i, ret_link);
		}
	}
	freeifaddrs(list);
	if (ret_link->index == 0) {
		return err_set(err, -ENODEV, "there is no Ethernet interface %s", name);
	}
	if (addr_is_any(&ret_link->source)) {
		return err_set(err, -EADDRNOTAVAIL, "%s has no IPv6 address", name);
	}
	return 0;
}

static bool link_same(const struct responder_link *a, const struct responder_link *b)
{
	return a->index == b->index && memcmp(a->mac, b->mac, sizeof(a->mac)) == 0 &&
	       addr_eq(&a->source, &b->source);
}

/* Tells the child of the uplink where it is not as it was told. */
static int link_tell(struct responder *r, struct err *err)
{
	struct channel_msg msg = {.type = MSG_NEIGHBOUR_LINK};
	struct responder_link link;
	struct buf data;
	int rc = link_read(r->interface, &link, err);

	if (rc < 0 || link_same(&link, &r->link)) {
		return rc;
	}
	if (link.index != r->link.index) {
		rc = solicited_open(link.index, &r->farm, err);
		if (rc < 0) {
			return rc;
		}
		msg.fds[msg.n_fds++] = rc;
	}
	buf_init(&data, MESSAGE_BYTES);
	buf_bytes(&data, link.mac, sizeof(link.mac));
	buf_bytes(&data, link.source.b, sizeof(link.source.b));
	buf_u32(&data, link.index);
	msg.data = data.data;
	msg.len = data.len;
	helper_send(&r->helper, &msg); /* out of memory: it refuses what is cut short */
	buf_fini(&data);
	if (msg.n_fds > 0) {
		close(msg.fds[0]);
	}
	r->link = link;
	return 0;
}

static void link_follow(struct helper *h)
{
	struct responder *r = responder_of(h);
	struct err err;

	if (link_tell(r, &err) == 0) {
		problem_clear(h->problems, WHAT_LINK);
	} else {
		if (!problem_has(h->problems, WHAT_LINK)) {
			log_warn(MOD, "%s: %s, trying again", WHAT_LINK, err.msg);
		}
		problem_set(h->problems, LOG_LEVEL_WARN, WHAT_LINK, err.msg);
	}
}

static void prefixes_flush(struct deferred *d)
{
	struct responder *r = container_of(d, struct responder, flush);
	const struct channel_msg msg = {.type = MSG_NEIGHBOUR_PREFIXES,
					.data = r->changes.data,
					.len = r->changes.len};

	r->flushing = false;
	if (r->changes.bad) {
		log_err(MOD, "out of memory, starting it again");
		helper_replace(&r->helper);
	} else if (r->changes.len > 0) {
		helper_send(&r->helper, &msg);
	}
	buf_fini(&r->changes);
	buf_init(&r->changes, CHANGES_MAX);
}

static void prefix_changed(void *ctx, const struct prefix *p, bool wanted)
{
	struct responder *r = ctx;

	if (!helper_running(&r->helper)) {
		return; /* it is told of all when it starts */
	}
	buf_u8(&r->changes, wanted);
	buf_bytes(&r->changes, p->addr.b, sizeof(p->addr.b));
	buf_u8(&r->changes, p->len);
	if (!r->flushing) {
		r->flushing = true;
		loop_defer(r->helper.loop, &r->flush);
	}
}

static void responder_arguments(struct helper *h, const char *argv[HELPER_ARGS_MAX])
{
	(void)h;
	argv[0] = "--neighbours";
}

static void responder_started(struct helper *h)
{
	struct responder *r = responder_of(h);

	r->link = (struct responder_link){0};
	buf_consume(&r->changes, r->changes.len); /* for the one before */
	if (r->kernel) {
		kernel_each_prefix(r->kernel, prefix_changed, r);
	}
	link_follow(h);
}

static void responder_ended(struct helper *h)
{
	struct responder *r = responder_of(h);

	for (size_t i = 0; i < N_NEIGHBOUR_COUNTS; i++) {
		r->counts_before[i] += r->counts[i];
		r->counts[i] = 0;
	}
}

static int responder_message(struct helper *h, const struct channel_msg *msg)
{
	struct responder *r = responder_of(h);
	struct cursor in = cursor_from(msg->data, msg->len);

	if (msg->type != MSG_NEIGHBOUR_STATS) {
		return -EPROTO;
	}
	for (size_t i = 0; i < N_NEIGHBOUR_COUNTS; i++) {
		r->counts[i] = cursor_u64(&in);
	}
	return cursor_done(&in) ? 0 : -EPROTO;
}

static const struct helper_ops responder_ops = {
	.mod = MOD,
	.what = "neighbour answers",
	.arguments = responder_arguments,
	.started = responder_started,
	.message = responder_message,
	.ended = responder_ended,
	.tick = link_follow,
};

void responder_init(struct responder *r)
{
	r->helper.ops = &responder_ops;
	r->flush.run = prefixes_flush;
	buf_init(&r->changes, CHANGES_MAX);
	helper_init(&r->helper);
}

void responder_fini(struct responder *r)
{
	if (r->kernel) {
		kernel_on_prefix(r->kernel, NULL, NULL);
	}
	helper_fini(&r->helper);
	buf_fini(&r->changes);
}

void responder_follow(struct responder *r, struct kernel *kernel)
{
	r->kernel = kernel;
	kernel_on_prefix(kernel, prefix_changed, r);
}

void responder_configure(struct responder *r, const struct node_conf *conf)
{
	bool same = r->farm.len == conf->ipv6_prefix.len &&
		    addr_eq(&r->farm.addr, &conf->ipv6_prefix.addr) && conf->interface &&
		    strcmp(r->interface, conf->interface) == 0;

	if (!r->kernel || !conf->has_ipv6_prefix || !conf->ipv6_on_link || !conf->interface) {
		problem_clear(r->helper.problems, WHAT_LINK);
		helper_stop(&r->helper);
		return;
	}
	r->farm = conf->ipv6_prefix;
	(void)snprintf(r->interface, sizeof(r->interface), "%s", conf->interface); /* checked */
	if (same) {
		helper_start(&r->helper);
	} else {
		helper_replace(&r->helper);
	}
}

void responder_write(const struct responder *r, struct json *j, const char *key)
{
	static const char *const names[N_NEIGHBOUR_COUNTS] = {
		[NEIGHBOUR_ANSWERED] = "answered",
		[NEIGHBOUR_FOREIGN] = "foreign",
		[NEIGHBOUR_MALFORMED] = "malformed",
		[NEIGHBOUR_LIMITED] = "limited",
	};

	json_open(j, key, '{');
	json_bool(j, "on", r->helper.on);
	json_bool(j, "running", helper_running(&r->helper));
	for (size_t i = 0; i < N_NEIGHBOUR_COUNTS; i++) {
		json_u64(j, names[i], r->counts_before[i] + r->counts[i]);
	}
	json_close(j, '}');
}
