/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SIXGATE_GATEWAY_KERNEL_H
#define SIXGATE_GATEWAY_KERNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/cursor.h"
#include "base/err.h"
#include "conf/model/node.h"
#include "conf/model/tenant.h"
#include "gateway/kernel/denial.h"
#include "gateway/plan/tunnel_mtu.h"

/*
 * All that sixgate puts into the kernel, as node config and tenant objects want it: what they want
 * is gateway/plan's business, how it gets there reconcile.h's. Called by control alone; every call
 * is a few netlink round trips and does not wait for anybody else.
 *
 * The chains know a worker by the uid that made its socket. A socket that control makes for a
 * worker must be made under that worker's uid (setfsuid(2)), or it escapes the output chain.
 */
struct kernel;
struct kernel_ops;
struct denied_counts;

struct kernel_uids {
	uid_t proxy; /* the proxy workers; the only one that may use client_prefix */
	uid_t agent; /* may send replies only */
	uid_t dns64; /* its workers; counts with dns64 in the config only */
};

struct kernel_count {
	uint64_t packets, bytes;
};

/* Since the table was first installed; changed rules keep them. */
struct kernel_counters {
	struct kernel_count of[N_DENIALS];
};

/*
 * ops: NULL for the kernel itself, else what the tests put in its place; borrowed. What settings
 * of the machine were before is recorded in run_dir. Touches nothing. On 0 ret_kernel is owned by
 * the caller. Returns -ENOMEM, or why netlink is not there.
 */
int kernel_new(const struct kernel_ops *ops, const char *run_dir, struct kernel **ret_kernel,
	       struct err *err) CHECKED;
/* Leaves the kernel's state in place. NULL allowed. */
void kernel_free(struct kernel *k);

/*
 * Makes the kernel what node and the tenants set so far ask for. node is borrowed until the next
 * success. What an earlier run left is adopted. The first time as much as works is done, and
 * kernel_failures() tells of the rest; later it is all or nothing. Returns 0; why what node asks
 * for cannot be had; or why the table of nftables cannot be in force: -EPERM without
 * CAP_NET_ADMIN, -EOPNOTSUPP when the kernel lacks something; err says how to mend that, and
 * sixgate then runs without `embed` and without the output chains.
 */
int kernel_apply_node(struct kernel *k, const struct node_conf *node,
		      const struct kernel_uids *uids, struct err *err) CHECKED;
/* The config it borrows; NULL: none yet. */
const struct node_conf *kernel_node(const struct kernel *k);
/*
 * Borrows node in the place of the config it has, which is about to be freed; nothing is changed in
 * the kernel. Nothing when it has none.
 */
void kernel_borrow_node(struct kernel *k, const struct node_conf *node);
/* True when the table and the AnyIP routes are in: `embed` works. */
bool kernel_applied(const struct kernel *k);

/*
 * The tenant wants exactly this; suspended, nothing. Takes a reference. Before kernel_apply_node()
 * this is only kept; after it what differs is made so. On failure the tenant is as it was.
 */
int kernel_set_tenant(struct kernel *k, struct tenant_conf *tenant, struct err *err) CHECKED;
/* The same for several that take from one another: all or none. */
int kernel_set_tenants(struct kernel *k, struct tenant_conf *const *tenants, size_t n_tenants,
		       struct err *err) CHECKED;
/* Unknown names are fine. */
int kernel_remove_tenant(struct kernel *k, const char *name, struct err *err) CHECKED;

/*
 * A descriptor, kept by k, that is readable when somebody changed something: then call
 * kernel_hear(). Returns it or a negative errno.
 */
int kernel_watch(struct kernel *k, struct err *err) CHECKED;
/* There is something for kernel_hear() though the descriptor may not tell. */
bool kernel_heard(const struct kernel *k);
/*
 * Takes a note of what has to be looked at: what was notified of, or (to be called every so often)
 * what the kernel tells nobody about, and now and then everything.
 */
void kernel_hear(struct kernel *k);
void kernel_poll(struct kernel *k);
/* There is something to look at. */
bool kernel_looking(const struct kernel *k);
/*
 * Looks at a part of that. The last step mends what is not as it was made, appends a line for each
 * such thing to drift, and sets ret_ended. Returns how many, or why the table is not in force; then
 * the AnyIP routes are gone.
 */
int kernel_look(struct kernel *k, bool *ret_ended, struct buf *drift, struct err *err) CHECKED;
/*
 * A tenant lost a prefix and the translator may still have mappings for sockets in it, by which
 * the prefix's next tenant would go out by the former one's ports. kernel_sweep() removes some.
 * Returns 0, or why it cannot; it is tried again after the next kernel_poll().
 */
bool kernel_sweeping(const struct kernel *k);
int kernel_sweep(struct kernel *k, struct err *err) CHECKED;
/*
 * What the ways of the tunnels' outer packets carry is to be looked at, or their MTU is to follow.
 * kernel_measure() does a part of it; appends a line to told for each way that carries something
 * else. Returns 0, or why a tunnel could not follow; it is tried again after the next
 * kernel_poll().
 */
bool kernel_measuring(const struct kernel *k);
int kernel_measure(struct kernel *k, struct buf *told, struct err *err) CHECKED;
/* What a tenant's tunnel (NULL: the one that the uplink is) carries. False: no node is set yet. */
bool kernel_tunnel_mtu(struct kernel *k, const struct tunnel_conf *tunnel,
		       struct tunnel_mtu *ret_mtu);
/* What the last of these could not mend, a line each; NULL: nothing. */
const char *kernel_failures(const struct kernel *k);
/*
 * Looks at what is not ours, and counts all the same: other tables, and the uplink's addresses,
 * which the rules follow. Returns 0, or as kernel_apply_node().
 */
int kernel_look_around(struct kernel *k, struct err *err) CHECKED;
/* What is wrong with the rules for hosts on the uplink's own link; NULL: nothing. */
const char *kernel_on_link_problem(const struct kernel *k);
/* A tenant's preshared key that could not be read, and what follows; NULL: none. */
const char *kernel_psk_problem(const struct kernel *k);
/* A card that merges packets before the translator sees them, whatever it is told; NULL: none. */
const char *kernel_offload_problem(const struct kernel *k);
/* A queueing discipline that drops what this machine's Jool has translated; NULL: none. */
const char *kernel_fq_problem(const struct kernel *k);
/* What takes others' 6in4 in the namespace of the outer packets; NULL: nothing. */
const char *kernel_underlay_problem(const struct kernel *k);
/* Other tables' rules that stop or alter tenants' traffic, a line each; NULL: none. */
const char *kernel_foreign(const struct kernel *k);
/* A part of the kernel that the config needs and that is not there: why, or NULL. */
enum kernel_part {
	KERNEL_WIREGUARD,
	KERNEL_NAT64,
	KERNEL_SIIT,
	N_KERNEL_PARTS,
};
const char *kernel_part_name(enum kernel_part part);
const char *kernel_part_missing(const struct kernel *k, enum kernel_part part);

/*
 * fn is told of each prefix that neighbours on the uplink are to be answered for from now on
 * (wanted), or no longer. kernel_each_prefix() tells of all that are wanted.
 */
typedef void (*kernel_prefix_fn)(void *ctx, const struct prefix *p, bool wanted);
void kernel_on_prefix(struct kernel *k, kernel_prefix_fn fn, void *ctx);
void kernel_each_prefix(const struct kernel *k, kernel_prefix_fn fn, void *ctx);

/*
 * The steps that would make the kernel what node asks for (taken, also on failure), or, with NULL,
 * what is wanted now. It is made in small steps: kernel_plan_step() until it is 0, which means
 * that all is known (1: there is more). kernel_plan_write() appends lines, about max_bytes, from
 * where it was; false: those were the last. Nothing is changed in the kernel.
 */
struct kernel_plan;
int kernel_plan_new(struct kernel *k, struct node_conf *node, struct kernel_plan **ret_plan,
		    struct err *err) CHECKED;
int kernel_plan_step(struct kernel_plan *p, struct err *err) CHECKED;
bool kernel_plan_write(struct kernel_plan *p, size_t max_bytes, struct buf *out);
/* May outlive the kernel. NULL allowed. */
void kernel_plan_free(struct kernel_plan *p);
/* Reads the counters; all zero while the table is not in. */
int kernel_counters(struct kernel *k, struct kernel_counters *ret_counters,
		    struct err *err) CHECKED;

/* The same by tenant and reason; denied_fini() is due on 0. denied.h */
int kernel_denied(struct kernel *k, struct denied_counts *ret_counts, struct err *err) CHECKED;

/*
 * Takes all of it away, also that of an earlier run. Nothing there is success. Needs no
 * kernel_apply_node() before.
 */
int kernel_down(struct kernel *k, struct err *err) CHECKED;

#endif
