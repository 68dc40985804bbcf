/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SIXGATE_GATEWAY_KERNEL_INTERNAL_H
#define SIXGATE_GATEWAY_KERNEL_INTERNAL_H

#include <sys/queue.h>

#include "base/hash.h"
#include "gateway/kernel/jool.h"
#include "gateway/kernel/jool_sweep.h"
#include "gateway/kernel/kernel.h"
#include "gateway/kernel/netns.h"
#include "gateway/kernel/offload.h"
#include "gateway/kernel/ops.h"
#include "gateway/kernel/paths.h"
#include "gateway/kernel/proxy_prefix.h"
#include "gateway/kernel/reconcile.h"
#include "gateway/kernel/rt.h"
#include "gateway/kernel/ruleset.h"
#include "gateway/kernel/sysctl.h"
#include "gateway/kernel/watch.h"
#include "gateway/kernel/wireguard.h"
#include "gateway/plan/desired.h"

/* What kernel.c and its neighbours share. */

#define KERNEL_DRIVERS_MAX 16
#define KERNEL_SIIT_INNER  4 /* drivers that work inside the namespace */

/* The drivers and what they borrow. */
struct kernel_drivers {
	struct driver driver[KERNEL_DRIVERS_MAX];
	size_t n;
	struct ruleset *ruleset; /* owned */
	struct netns siit;       /* of the stateless translator */
	bool has_siit;           /* siit is initialized */
	struct netlink *inner;   /* owned; used inside siit only */
	struct kernel_ops inner_ops;
	struct wireguard wireguard;
	struct rt rt, rt_inner;
	struct jool_context jool, jool_inner;
	struct record *record, *record_inner; /* owned */
	struct sysctls sysctls, sysctls_inner;
	struct offloads offloads;
	struct proxy_prefixes proxy_prefixes;
	struct netns_driver netns_driver[KERNEL_SIIT_INNER];
};

struct ktenant {
	struct table_node node;      /* kernel.tenants */
	struct tenant_conf *conf;    /* a reference */
	TAILQ_ENTRY(ktenant) due;    /* kernel.sweep.due */
	bool sweep_due;              /* it is in there */
	TAILQ_ENTRY(ktenant) follow; /* kernel.follow.due */
	bool follow_due;             /* it is in there */
	bool follow_failed;          /* it waits for the end of the next look at the ways */
};

TAILQ_HEAD(ktenants, ktenant);

/* Tenants whose block of NAT64 ports is to be looked through. */
struct kernel_sweep {
	struct ktenants due;  /* borrowed from kernel.tenants */
	struct jool_sweep at; /* in the first one's block */
	bool waits;           /* it failed: for the next kernel_poll() */
};

/* Whose tunnels' MTU is to follow their ways. */
struct kernel_follow {
	bool node;           /* its own devices' */
	bool node_failed;    /* it waits for the end of the next look at the ways */
	struct ktenants due; /* borrowed from kernel.tenants; last those that failed */
};

/* What could not be made as wanted. */
struct failures {
	struct buf lines;
	struct err no_anyip; /* why an AnyIP route is not there; code 0: all are */
};

struct kernel {
	struct kernel_ops ops;
	struct netlink *netlink; /* owned; NULL with the tests' ops */
	struct kernel_drivers drivers;
	struct watch *watch; /* owned; NULL: none yet */
	bool heard;
	unsigned int n_polls;
	struct reconcile *reconcile; /* owned */
	struct hash_key key;
	struct table tenants; /* of struct ktenant, owned */
	struct kernel_sweep sweep;
	struct paths paths;
	struct kernel_follow follow;
	const struct node_conf *node; /* borrowed: in force; NULL: none yet */
	struct kernel_uids uids;
	struct desired_facts facts; /* node was derived with; a secret */
	struct err no_key;          /* why WireGuard has no key to start with; code 0: it has */
	struct err key_failed;  /* the last preshared key that could not be read, for who asked */
	struct err no_psk;      /* of kernel_psk_problem(); code 0: none */
	bool on_link_due;       /* facts.on_link is to be looked at */
	struct err on_link_why; /* what is wrong with facts.on_link; code 0: nothing */
	struct firewall *firewall; /* owned; what the ruleset in force is made from */
	unsigned int parts;        /* bits of enum kernel_part: there when node was derived */
	struct err fq;             /* of kernel_fq_problem(); code 0: none */
	struct err underlay;       /* of kernel_underlay_problem(); code 0: none */
	bool fq_due;               /* those two are to be looked at */
	struct failures failures;  /* lines, terminated */
	struct failures failing;   /* of what is under way; these are not */
	struct buf foreign;        /* lines, terminated: other tables' rules that cost */
	uint32_t foreign_be;       /* generation of the rules when they were looked at; 0: never */
};

/* kernel_drivers.c */
int kernel_drivers_init(struct kernel_drivers *d, const struct kernel_ops *ops, const char *run_dir,
			struct err *err) CHECKED;
void kernel_drivers_fini(struct kernel_drivers *d);

/* kernel_facts.c: reads the secrets that node names. A file that cannot be used is an error. */
int kernel_facts_read(const struct node_conf *node, struct desired_facts *facts,
		      struct err *err) CHECKED;
/* kernel_failures.c: kernel.failures, kernel.failing and kernel.foreign. */
void kernel_failures_init(struct kernel *k);
void kernel_failures_fini(struct kernel *k);
/* What failed since is what fails from kernel_failures_settle() on. */
void kernel_failures_clear(struct kernel *k);
void kernel_failures_settle(struct kernel *k);
/* Why not all AnyIP routes are there, in the place of rc, if there is nothing worse. */
int kernel_failures_anyip(const struct kernel *k, int rc, struct err *err) CHECKED;
/* The reconciler's; ctx: the kernel. */
void kernel_object_failed(void *ctx, const struct object *o, const char *text);
/* Looks at other tables, if any rule of nftables has changed since the last look. */
void kernel_look_at_foreign(struct kernel *k);
/* kernel_fq.c: refreshes kernel.fq. */
void kernel_look_at_fq(struct kernel *k);
/* kernel_underlay.c: refreshes kernel.underlay. */
void kernel_look_at_underlay(struct kernel *k);
/* kernel.c: all that is to be known for node, but for who is beside us: kernel_on_link(). */
int kernel_facts_init(struct kernel *k, const struct node_conf *node,
		      const struct kernel_uids *uids, struct desired_facts *facts,
		      struct err *err) CHECKED;
/* desired_facts.preshared_key; ctx: a struct err, set when it is false. */
bool kernel_preshared_key(void *ctx, const char *file, uint8_t ret_key[WG_KEY_BYTES]);

/* kernel_tenants.c. NULL allowed. */
void ktenant_free(struct ktenant *t);
/*
 * kernel_sweep.c: t has a new version in force; former NULL: it is new. _forget: t is about to be
 * freed.
 */
void kernel_sweep_note(struct kernel *k, struct ktenant *t, const struct tenant_conf *former);
void kernel_sweep_forget(struct kernel *k, struct ktenant *t);
/*
 * Adds a tenant's peers that are in force and not in set: those whose preshared keys cannot be read
 * any more. Their tunnels go on with the keys they have; with keys the others' do, too.
 */
void kernel_keep_peers(const struct reconcile *r, const char *tenant, bool keys,
		       struct object_set *set);
/* kernel_paths.c: t is about to be freed, or has nothing to follow any more. */
void kernel_paths_forget(struct kernel *k, struct ktenant *t);
/* desired_facts.is_mapped; ctx: the kernel. */
bool kernel_is_mapped(void *ctx, const struct addr *a);
/* desired_facts.has_tunnels */
bool kernel_has_tunnels(void *ctx);
/*
 * desired_facts.on_link, of node. When it cannot be read it is what is in force, or everything;
 * ret_why, which code 0 says is nothing, then says so, or that there is more than fits.
 */
void kernel_on_link(struct kernel *k, const struct node_conf *node, struct on_link *ret_on_link,
		    struct err *ret_why);

/*
 * kernel.c: the tenant's prefixes lie in the node's, and no tunnel goes by the uplink: else its
 * object is about to be refused.
 */
bool kernel_tenant_fits(const struct node_conf *node, const struct tenant_conf *tenant);
/* kernel.c: bits of enum kernel_part. */
unsigned int kernel_parts_there(const struct kernel *k);
/* kernel_look.c: what was notified of until now may be our own doing. */
void kernel_settle_watch(struct kernel *k);

#endif
