/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SIXGATE_GATEWAY_KERNEL_H
#define SIXGATE_GATEWAY_KERNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/addr.h"
#include "base/err.h"
#include "conf/model/node.h"

/*
 * What sixgate puts into the kernel: the nftables table `inet sixgate`, and AnyIP routes
 * (rtm_protocol 206) of client_prefix and of pool ranges with `delivery: routed`. The route of
 * client_prefix is there only while the table guards it. Called by control alone; every call is a
 * few netlink round trips and does not wait for anybody else.
 *
 * The chains know a worker by the uid that made its socket. A socket that control makes for a
 * worker must be made under that worker's uid (setfsuid(2)), or it escapes the output chain.
 */
struct kernel;
struct kernel_ops;

struct kernel_uids {
	uid_t proxy; /* the proxy workers; the only one that may use client_prefix */
	uid_t agent; /* may send replies only */
};

struct kernel_count {
	uint64_t packets, bytes;
};

/* Since the table was first installed; a replaced table takes the former counts over. */
struct kernel_counters {
	struct kernel_count spoofed;        /* from outside with a source inside client_prefix */
	struct kernel_count unexpected;     /* to client_prefix, but of no connected socket */
	struct kernel_count foreign_source; /* another uid with a source inside client_prefix */
	struct kernel_count proxy_denied;   /* a proxy worker to where it has no business */
	struct kernel_count agent_denied;   /* the same of the agent */

	/* Of tenants with tunnels. */
	struct kernel_count outer_unknown;  /* protocol 41 from where no tunnel of ours is */
	struct kernel_count tenant_nested;  /* protocol 41 inside a tunnel */
	struct kernel_count tenant_spoofed; /* from a source that is not its own */
	struct kernel_count special_ipv6;   /* from or to 6to4, Teredo, mapped and such addresses */
	struct kernel_count special_ipv4; /* to a special-use IPv4 address, inside Pref64 or not */
	struct kernel_count pref64_bits;  /* into Pref64 with bits 64 to 71 set */
	struct kernel_count pref64_protocol; /* into Pref64, neither TCP, UDP nor ICMP */
	struct kernel_count port25_denied;
	struct kernel_count own_denied;     /* from a tenant to a service of this machine */
	struct kernel_count lan_denied;     /* from a tenant by a device that is no way out */
	struct kernel_count inbound_denied; /* to a tenant whose policy does not allow it */
	struct kernel_count echo_limited;   /* echo requests over the rate */
	struct kernel_count nat44_denied;   /* from a tunnel's IPv4 address without a block */
};

/*
 * ops: NULL for the kernel itself, else what the tests put in its place; borrowed. Touches
 * nothing. On 0 ret_kernel is owned by the caller. Returns -ENOMEM, or why netlink is not there.
 */
int kernel_new(const struct kernel_ops *ops, struct kernel **ret_kernel, struct err *err) CHECKED;
/* Leaves the kernel's state in place. NULL allowed. */
void kernel_free(struct kernel *k);

/*
 * Makes table and route what node asks for, with the tenants set so far. The table is replaced in
 * one step: an earlier run's, or an earlier config's, guards until the new one does. All or
 * nothing: on failure the former state of this run is back in force, and without one there is no
 * route. -EPERM without CAP_NET_ADMIN, -EOPNOTSUPP when the kernel lacks what the table needs; err
 * says how to mend that, and sixgate then runs without `embed` and without the output chains.
 */
int kernel_apply_node(struct kernel *k, const struct node_conf *node,
		      const struct kernel_uids *uids, struct err *err) CHECKED;
/* True when table and, if configured, route are in: `embed` works. */
bool kernel_applied(const struct kernel *k);

/*
 * Tenant name has exactly these prefixes (IPv6, /40 to /64). Before kernel_apply_node() this is
 * only kept; after it the difference is sent. Returns 0, -EINVAL for a prefix outside those
 * lengths, -ENOMEM or the kernel's error; then the tenant is as it was.
 */
int kernel_set_tenant(struct kernel *k, const char *name, const struct prefix *prefixes,
		      size_t n_prefixes, struct err *err) CHECKED;
/* For a removed or suspended tenant; unknown names are fine. */
int kernel_remove_tenant(struct kernel *k, const char *name, struct err *err) CHECKED;

/*
 * A descriptor, kept by k, that is readable when nftables rules were changed: then call
 * kernel_check(). Returns it or a negative errno.
 */
int kernel_watch(struct kernel *k, struct err *err) CHECKED;
/*
 * Puts the table back when somebody else took it or its rules away: a firewall that is loaded anew
 * flushes all tables, and the route would stay without its guard. Returns 1 when that was done, 0
 * when all is well, or a negative errno; then the route is gone.
 */
int kernel_check(struct kernel *k, struct err *err) CHECKED;

/* Reads the counters; all zero while the table is not in. */
int kernel_counters(struct kernel *k, struct kernel_counters *ret_counters,
		    struct err *err) CHECKED;

/*
 * Takes away the route, then the table, also those of an earlier run. Nothing there is success.
 * Needs no kernel_apply_node() before.
 */
int kernel_down(struct kernel *k, struct err *err) CHECKED;

#endif
