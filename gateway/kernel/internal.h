/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SIXGATE_GATEWAY_KERNEL_INTERNAL_H
#define SIXGATE_GATEWAY_KERNEL_INTERNAL_H

#include <libmnl/libmnl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/cursor.h"
#include "base/err.h"
#include "base/hash.h"
#include "gateway/kernel/kernel.h"

/* What the files of gateway/kernel share, and the seam the tests replace. */

enum kernel_bus {
	BUS_NETFILTER,
	BUS_ROUTE,
};

/* Where and why the kernel refused. */
struct kernel_fault {
	uint32_t seq;   /* of the message; 0: none in particular */
	char text[128]; /* of the extended ACK; empty when there is none */
};

/* Called with each answer that is no acknowledgement. A negative return ends the request. */
typedef int (*kernel_reply_fn)(const struct nlmsghdr *nlh, void *arg);

struct kernel_request {
	enum kernel_bus bus;
	const void *data;      /* whole netlink messages */
	size_t len;            /* bytes */
	kernel_reply_fn reply; /* NULL: none expected */
	void *arg;
};

struct kernel_ops {
	void *ctx;
	/* Sends a request and reads its answers. 0, or the first negative errno with fault filled.
	 */
	int (*transact)(void *ctx, const struct kernel_request *req, struct kernel_fault *fault);
};

/* netlink.c: the ops that talk to the kernel. */
struct netlink;
int netlink_new(struct netlink **ret_netlink, struct err *err) CHECKED;
void netlink_free(struct netlink *nl);
struct kernel_ops netlink_ops(struct netlink *nl);

/* elements.c: the tenants' prefixes as elements of hash sets. */
enum tenant_set {
	TENANTS_64, /* of prefixes /56 to /64: up to 256 elements each */
	TENANTS_56, /* of prefixes /40 to /55: up to 65536 elements each */
	N_TENANT_SETS,
};

#define TENANT_PREFIX_SHORTEST 40
#define TENANT_ELEMENTS_MAX    65536

struct element {
	enum tenant_set set;
	struct addr key; /* masked to 64 or 56 bits */
};

enum element_state {
	ELEMENT_ABSENT,
	ELEMENT_ADDING,   /* in the batch under way */
	ELEMENT_PRESENT,  /* in the kernel's set */
	ELEMENT_REMOVING, /* in the batch under way */
};

/* One element and who needs it: two tenants may have it for the moment in which it changes hands.
 */
struct element_node {
	struct table_node node; /* elements.table */
	struct element element;
	unsigned int refs;
	enum element_state state;
};

struct elements {
	struct table table;
	struct hash_key key;
};

void elements_init(struct elements *es);
void elements_fini(struct elements *es);
/* How many elements the prefixes make, or -EINVAL for a length outside /40 to /64 or too many. */
int elements_count(const struct prefix *prefixes, size_t n_prefixes, struct err *err) CHECKED;
/* Refers to the elements of all prefixes, or, on -ENOMEM, to none. Checked by elements_count(). */
int elements_ref(struct elements *es, const struct prefix *prefixes, size_t n_prefixes) CHECKED;
/* The opposite; those nobody needs any more stay until elements_sweep(). */
void elements_unref(struct elements *es, const struct prefix *prefixes, size_t n_prefixes);
/* Calls fn with each element of the prefixes, those without a reference included. */
typedef void (*element_fn)(struct element_node *en, void *arg);
void elements_each(struct elements *es, const struct prefix *prefixes, size_t n_prefixes,
		   element_fn fn, void *arg);
/* Frees the elements of the prefixes that have no reference; NULL: of all. */
void elements_sweep(struct elements *es, const struct prefix *prefixes, size_t n_prefixes);

/* batch.c: one nftables transaction. */
#define BATCH_WHATS_MAX 64

struct batch {
	struct buf buf;                    /* whole messages, BATCH_BEGIN first */
	uint8_t *scratch;                  /* owned; the message being built */
	uint32_t seq;                      /* of the last message */
	size_t last;                       /* its offset in buf */
	const char *what[BATCH_WHATS_MAX]; /* borrowed: what the messages from first_seq[i] on are
					      for */
	uint32_t first_seq[BATCH_WHATS_MAX];
	size_t n_whats;
};

int batch_init(struct batch *b) CHECKED;
void batch_fini(struct batch *b);
/* Names what the messages that follow are for; shown when the kernel refuses one. */
void batch_what(struct batch *b, const char *what);
/* Begins a message (NFT_MSG_*); its payload goes behind, then batch_add() puts it into the batch.
 */
struct nlmsghdr *batch_message(struct batch *b, uint16_t type, uint16_t flags);
void batch_add(struct batch *b, const struct nlmsghdr *nlh);
/* An empty batch is success without a word to the kernel. */
int batch_commit(struct batch *b, const struct kernel_ops *ops, struct err *err) CHECKED;

/* table.c: what the table holds. */
#define TABLE_NAME "sixgate"

struct guard {
	bool has_prefix;
	struct prefix client_prefix; /* a /96 */
	struct kernel_uids uids;
	struct addr *resolvers; /* owned */
	size_t n_resolvers;
};

/* The whole table in the place of whatever has its name; marks each element as sent by the caller.
 */
int table_put(struct batch *b, const struct guard *guard, struct elements *es,
	      const struct kernel_counters *start) CHECKED;
/* Adds or takes away what differs between the elements of prefixes and the kernel's sets. */
struct element_change {
	struct batch *b;
	bool bad;                             /* out of memory */
	struct nftnl_set *set[N_TENANT_SETS]; /* owned; elements of the message to be */
	unsigned int n[N_TENANT_SETS];
	uint16_t type; /* NFT_MSG_NEWSETELEM or NFT_MSG_DELSETELEM */
};
int element_change_init(struct element_change *change, struct batch *b, uint16_t type) CHECKED;
void element_change_add(struct element_change *change, const struct element *element);
/* Puts the rest into the batch and frees. Returns 0 or -ENOMEM. */
int element_change_finish(struct element_change *change) CHECKED;
int table_delete(const struct kernel_ops *ops, struct err *err) CHECKED;
int table_counters(const struct kernel_ops *ops, struct kernel_counters *ret_counters,
		   struct err *err) CHECKED;

/* rule.c: rules by expressions. */
struct rule {
	struct nftnl_rule *nftnl; /* owned */
	bool bad;                 /* out of memory */
};
void rule_begin(struct rule *r, const char *chain);
/* Puts the rule into the batch and frees it. */
int rule_end(struct rule *r, struct batch *b) CHECKED;
void rule_iif_is_not_lo(struct rule *r);
enum rule_address {
	RULE_SOURCE,
	RULE_DESTINATION,
};
void rule_in_prefix(struct rule *r, enum rule_address which, const struct prefix *p);
/* Destination, masked to len bits for IPv6, is in a set. */
void rule_destination_in_set(struct rule *r, bool v4, unsigned int len, const char *set,
			     uint32_t id);
void rule_uid(struct rule *r, bool equal, uid_t uid);
void rule_l4proto(struct rule *r, uint8_t proto);
/* TCP with SYN and without ACK, or (equal false) TCP otherwise. */
void rule_tcp_first(struct rule *r, bool equal);
void rule_destination_port(struct rule *r, uint16_t port);
void rule_socket_not_wildcard(struct rule *r);
void rule_icmpv6_error(struct rule *r);
void rule_count(struct rule *r, const char *counter);
void rule_verdict(struct rule *r, int verdict, const char *chain);
void rule_reject(struct rule *r);

/* route.c: the AnyIP route. */
#define ROUTE_PROTO_SIXGATE 206
#define ROUTES_MAX          16

struct route_set {
	struct prefix prefix[ROUTES_MAX];
	size_t n;
};

/* Our local routes. -E2BIG with more than ROUTES_MAX: not ours to guess at. */
int route_list(const struct kernel_ops *ops, struct route_set *ret_routes, struct err *err) CHECKED;
int route_add(const struct kernel_ops *ops, const struct prefix *p, struct err *err) CHECKED;
/* Gone already is success. */
int route_delete(const struct kernel_ops *ops, const struct prefix *p, struct err *err) CHECKED;

#endif
