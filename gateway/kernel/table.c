/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What the table `inet sixgate` holds: the guard of client_prefix, and where the workers' uids may
 * send. The guard without the route does no harm, the route without the guard opens every daemon
 * on [::] to everybody: kernel.c keeps that order.
 */
#include "gateway/kernel/internal.h"

#include <errno.h>
#include <libnftnl/chain.h>
#include <libnftnl/object.h>
#include <libnftnl/set.h>
#include <libnftnl/table.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#define PRIORITY_CLIENT_PREFIX -148 /* after the tenants' chain, before translation */
#define PRIORITY_OUTPUT        0
#define PRIORITY_WORKERS       1 /* who has no business in client_prefix is counted there */
#define PORT_DNS               53
#define ELEMENTS_A_MESSAGE     1024 /* 28 bytes each: a message stays below half of 64 KiB */

/* What the nft program calls ipv4_addr and ipv6_addr; the kernel only keeps it. */
#define KEY_TYPE_IPV4 7
#define KEY_TYPE_IPV6 8

enum set_id {
	SET_TENANTS_64 = 1, /* the first two: enum tenant_set + 1 */
	SET_TENANTS_56,
	SET_RESOLVERS_4,
	SET_RESOLVERS_6,
	N_SET_IDS,
};

static const char *const set_names[N_SET_IDS] = {
	[SET_TENANTS_64] = "tenants64",
	[SET_TENANTS_56] = "tenants56",
	[SET_RESOLVERS_4] = "resolvers4",
	[SET_RESOLVERS_6] = "resolvers6",
};

#define COUNTER_SPOOFED    "spoofed"
#define COUNTER_UNEXPECTED "unexpected"
#define COUNTER_FOREIGN    "foreign_source"
#define COUNTER_PROXY      "proxy_denied"
#define COUNTER_AGENT      "agent_denied"

static const struct counter_name {
	const char *name;
	size_t offset; /* in struct kernel_counters */
} counter_names[] = {
	{COUNTER_SPOOFED, offsetof(struct kernel_counters, spoofed)},
	{COUNTER_UNEXPECTED, offsetof(struct kernel_counters, unexpected)},
	{COUNTER_FOREIGN, offsetof(struct kernel_counters, foreign_source)},
	{COUNTER_PROXY, offsetof(struct kernel_counters, proxy_denied)},
	{COUNTER_AGENT, offsetof(struct kernel_counters, agent_denied)},
};
#define N_COUNTER_NAMES (sizeof(counter_names) / sizeof(counter_names[0]))

static int put_table(struct batch *b, uint16_t type)
{
	struct nftnl_table *t = nftnl_table_alloc();
	struct nlmsghdr *nlh;

	if (!t) {
		return -ENOMEM;
	}
	nftnl_table_set_u32(t, NFTNL_TABLE_FAMILY, NFPROTO_INET);
	if (nftnl_table_set_str(t, NFTNL_TABLE_NAME, TABLE_NAME) < 0) {
		nftnl_table_free(t);
		return -ENOMEM;
	}
	nlh = batch_message(b, type, type == NFT_MSG_NEWTABLE ? NLM_F_CREATE : 0);
	nftnl_table_nlmsg_build_payload(nlh, t);
	batch_add(b, nlh);
	nftnl_table_free(t);
	return 0;
}

static int put_counters(struct batch *b, const struct kernel_counters *start)
{
	for (size_t i = 0; i < N_COUNTER_NAMES; i++) {
		const struct kernel_count *count =
			(const void *)((const char *)start + counter_names[i].offset);
		struct nftnl_obj *o = nftnl_obj_alloc();
		struct nlmsghdr *nlh;

		if (!o) {
			return -ENOMEM;
		}
		nftnl_obj_set_str(o, NFTNL_OBJ_TABLE, TABLE_NAME);
		nftnl_obj_set_str(o, NFTNL_OBJ_NAME, counter_names[i].name);
		nftnl_obj_set_u32(o, NFTNL_OBJ_TYPE, NFT_OBJECT_COUNTER);
		nftnl_obj_set_u64(o, NFTNL_OBJ_CTR_PKTS, count->packets);
		nftnl_obj_set_u64(o, NFTNL_OBJ_CTR_BYTES, count->bytes);
		nlh = batch_message(b, NFT_MSG_NEWOBJ, NLM_F_CREATE);
		nftnl_obj_nlmsg_build_payload(nlh, o);
		batch_add(b, nlh);
		nftnl_obj_free(o);
	}
	return 0;
}

static struct nftnl_set *set_new(enum set_id id)
{
	struct nftnl_set *s = nftnl_set_alloc();

	if (!s) {
		return NULL;
	}
	nftnl_set_set_u32(s, NFTNL_SET_FAMILY, NFPROTO_INET);
	nftnl_set_set_u32(s, NFTNL_SET_ID, id);
	if (nftnl_set_set_str(s, NFTNL_SET_TABLE, TABLE_NAME) < 0 ||
	    nftnl_set_set_str(s, NFTNL_SET_NAME, set_names[id]) < 0) {
		nftnl_set_free(s);
		return NULL;
	}
	return s;
}

static int put_set(struct batch *b, enum set_id id)
{
	bool v4 = id == SET_RESOLVERS_4;
	struct nftnl_set *s = set_new(id);
	struct nlmsghdr *nlh;

	if (!s) {
		return -ENOMEM;
	}
	nftnl_set_set_u32(s, NFTNL_SET_FLAGS, 0);
	nftnl_set_set_u32(s, NFTNL_SET_KEY_TYPE, v4 ? KEY_TYPE_IPV4 : KEY_TYPE_IPV6);
	nftnl_set_set_u32(s, NFTNL_SET_KEY_LEN, v4 ? 4 : 16);
	nlh = batch_message(b, NFT_MSG_NEWSET, NLM_F_CREATE);
	nftnl_set_nlmsg_build_payload(nlh, s);
	batch_add(b, nlh);
	nftnl_set_free(s);
	return 0;
}

static int set_add_key(struct nftnl_set *s, const void *key, uint32_t len)
{
	struct nftnl_set_elem *e = nftnl_set_elem_alloc();

	if (!e) {
		return -ENOMEM;
	}
	if (nftnl_set_elem_set(e, NFTNL_SET_ELEM_KEY, key, len) < 0) {
		nftnl_set_elem_free(e);
		return -ENOMEM;
	}
	nftnl_set_elem_add(s, e);
	return 0;
}

static void put_elements(struct batch *b, struct nftnl_set *s, uint16_t type)
{
	struct nlmsghdr *nlh =
		batch_message(b, type, type == NFT_MSG_NEWSETELEM ? NLM_F_CREATE : 0);

	nftnl_set_elems_nlmsg_build_payload(nlh, s);
	batch_add(b, nlh);
}

static int put_resolvers(struct batch *b, const struct guard *guard, bool v4)
{
	struct nftnl_set *s = set_new(v4 ? SET_RESOLVERS_4 : SET_RESOLVERS_6);
	unsigned int n = 0;
	int rc = s ? 0 : -ENOMEM;

	for (size_t i = 0; rc == 0 && i < guard->n_resolvers; i++) {
		const struct addr *a = &guard->resolvers[i];

		if (addr_is_v4(a) == v4) {
			rc = set_add_key(s, v4 ? a->b + 12 : a->b, v4 ? 4 : 16);
			n++;
		}
	}
	if (rc == 0 && n > 0) {
		put_elements(b, s, NFT_MSG_NEWSETELEM);
	}
	if (s) {
		nftnl_set_free(s);
	}
	return rc;
}

int element_change_init(struct element_change *change, struct batch *b, uint16_t type)
{
	*change = (struct element_change){.b = b, .type = type};
	for (int i = 0; i < N_TENANT_SETS; i++) {
		change->set[i] = set_new(SET_TENANTS_64 + (enum set_id)i);
		change->bad |= !change->set[i];
	}
	return change->bad ? element_change_finish(change) : 0;
}

static void element_change_put(struct element_change *change, enum tenant_set set)
{
	put_elements(change->b, change->set[set], change->type);
	nftnl_set_free(change->set[set]);
	change->set[set] = set_new(SET_TENANTS_64 + (enum set_id)set);
	change->bad |= !change->set[set];
	change->n[set] = 0;
}

void element_change_add(struct element_change *change, const struct element *element)
{
	if (change->bad) {
		return;
	}
	change->bad |=
		set_add_key(change->set[element->set], element->key.b, sizeof(element->key.b)) < 0;
	if (!change->bad && ++change->n[element->set] == ELEMENTS_A_MESSAGE) {
		element_change_put(change, element->set);
	}
}

int element_change_finish(struct element_change *change)
{
	for (int i = 0; i < N_TENANT_SETS; i++) {
		if (!change->bad && change->n[i] > 0) {
			element_change_put(change, (enum tenant_set)i);
		}
		if (change->set[i]) {
			nftnl_set_free(change->set[i]);
			change->set[i] = NULL;
		}
	}
	return change->bad ? -ENOMEM : 0;
}

static int put_tenants(struct batch *b, struct elements *es)
{
	struct element_change change;
	struct table_iter it = {0};
	const struct table_node *node;
	int rc = element_change_init(&change, b, NFT_MSG_NEWSETELEM);

	if (rc < 0) {
		return rc;
	}
	while ((node = table_next(&es->table, &it))) {
		const struct element_node *en = (const struct element_node *)node;

		if (en->refs > 0) {
			element_change_add(&change, &en->element);
		}
	}
	return element_change_finish(&change);
}

static int put_sets(struct batch *b, const struct guard *guard, struct elements *es)
{
	for (int id = SET_TENANTS_64; id < N_SET_IDS; id++) {
		if (put_set(b, (enum set_id)id) < 0) {
			return -ENOMEM;
		}
	}
	if (put_resolvers(b, guard, true) < 0 || put_resolvers(b, guard, false) < 0) {
		return -ENOMEM;
	}
	return put_tenants(b, es);
}

/* hook -1: a chain that others jump to. */
static int put_chain(struct batch *b, const char *name, int hook, int priority)
{
	struct nftnl_chain *c = nftnl_chain_alloc();
	struct nlmsghdr *nlh;
	int rc = -ENOMEM;

	if (!c) {
		return rc;
	}
	nftnl_chain_set_u32(c, NFTNL_CHAIN_FAMILY, NFPROTO_INET);
	if (nftnl_chain_set_str(c, NFTNL_CHAIN_TABLE, TABLE_NAME) < 0 ||
	    nftnl_chain_set_str(c, NFTNL_CHAIN_NAME, name) < 0) {
		goto out;
	}
	if (hook >= 0) {
		nftnl_chain_set_u32(c, NFTNL_CHAIN_HOOKNUM, (uint32_t)hook);
		nftnl_chain_set_s32(c, NFTNL_CHAIN_PRIO, priority);
		nftnl_chain_set_u32(c, NFTNL_CHAIN_POLICY, NF_ACCEPT);
		if (nftnl_chain_set_str(c, NFTNL_CHAIN_TYPE, "filter") < 0) {
			goto out;
		}
	}
	nlh = batch_message(b, NFT_MSG_NEWCHAIN, NLM_F_CREATE);
	nftnl_chain_nlmsg_build_payload(nlh, c);
	batch_add(b, nlh);
	rc = 0;
out:
	nftnl_chain_free(c);
	return rc;
}

/* cpfx and cpin: what may come to client_prefix, and from it. */
static int put_client_prefix_in(struct batch *b, const struct prefix *p)
{
	struct rule r;
	int rc;

	batch_what(b, "chains cpfx and cpin");
	rc = put_chain(b, "cpin", -1, 0);
	rc |= put_chain(b, "cpfx", NF_INET_PRE_ROUTING, PRIORITY_CLIENT_PREFIX);

	rule_begin(&r, "cpfx");
	rule_iif_is_not_lo(&r);
	rule_in_prefix(&r, RULE_SOURCE, p);
	rule_count(&r, COUNTER_SPOOFED);
	rule_verdict(&r, NF_DROP, NULL);
	rc |= rule_end(&r, b);

	/* From lo too: a local process is no more welcome at a [::] daemon than a remote one. */
	rule_begin(&r, "cpfx");
	rule_in_prefix(&r, RULE_DESTINATION, p);
	rule_verdict(&r, NFT_JUMP, "cpin");
	rc |= rule_end(&r, b);

	/* The proxy never listens in the prefix, so nothing may be opened from outside. */
	rule_begin(&r, "cpin");
	rule_tcp_first(&r, true);
	rule_count(&r, COUNTER_UNEXPECTED);
	rule_verdict(&r, NF_DROP, NULL);
	rc |= rule_end(&r, b);

	batch_what(
		b,
		"chain cpin, `socket wildcard` (Linux 5.14 with nft_socket: modprobe nft_socket)");
	rule_begin(&r, "cpin");
	rule_socket_not_wildcard(&r);
	rule_verdict(&r, NF_ACCEPT, NULL);
	rc |= rule_end(&r, b);

	batch_what(b, "chain cpin");
	rule_begin(&r, "cpin");
	rule_icmpv6_error(&r);
	rule_verdict(&r, NF_ACCEPT, NULL);
	rc |= rule_end(&r, b);

	rule_begin(&r, "cpin");
	rule_count(&r, COUNTER_UNEXPECTED);
	rule_verdict(&r, NF_DROP, NULL);
	rc |= rule_end(&r, b);
	return rc;
}

static int put_client_prefix_out(struct batch *b, const struct guard *guard)
{
	struct rule r;
	int rc;

	batch_what(b, "chain cpout");
	rc = put_chain(b, "cpout", NF_INET_LOCAL_OUT, PRIORITY_OUTPUT);
	rule_begin(&r, "cpout");
	rule_in_prefix(&r, RULE_SOURCE, &guard->client_prefix);
	rule_uid(&r, false, guard->uids.proxy);
	rule_count(&r, COUNTER_FOREIGN);
	rule_reject(&r);
	return rc | rule_end(&r, b);
}

static int put_proxy_to_resolvers(struct batch *b, bool v4)
{
	enum set_id id = v4 ? SET_RESOLVERS_4 : SET_RESOLVERS_6;
	const uint8_t protos[] = {IPPROTO_UDP, IPPROTO_TCP};
	int rc = 0;

	for (size_t i = 0; i < sizeof(protos); i++) {
		struct rule r;

		rule_begin(&r, "proxy");
		rule_destination_in_set(&r, v4, 128, set_names[id], id);
		rule_l4proto(&r, protos[i]);
		rule_destination_port(&r, PORT_DNS);
		rule_verdict(&r, NF_ACCEPT, NULL);
		rc |= rule_end(&r, b);
	}
	return rc;
}

/* What ends a worker's chain: everything that no rule before allowed. */
static int put_denied(struct batch *b, const char *chain, const char *counter)
{
	struct rule r;

	rule_begin(&r, chain);
	rule_count(&r, counter);
	rule_reject(&r);
	return rule_end(&r, b);
}

static int put_replies(struct batch *b, const char *chain)
{
	struct rule r;

	rule_begin(&r, chain);
	rule_tcp_first(&r, false);
	rule_verdict(&r, NF_ACCEPT, NULL);
	return rule_end(&r, b);
}

static int put_worker_chains(struct batch *b)
{
	static const unsigned int bits[N_TENANT_SETS] = {[TENANTS_64] = 64, [TENANTS_56] = 56};
	struct rule r;
	int rc;

	batch_what(b, "chains proxy and agent");
	rc = put_chain(b, "proxy", -1, 0);
	rc |= put_replies(b, "proxy");
	for (int i = 0; i < N_TENANT_SETS; i++) {
		rule_begin(&r, "proxy");
		rule_destination_in_set(&r, false, bits[i], set_names[SET_TENANTS_64 + i],
					SET_TENANTS_64 + (uint32_t)i);
		rule_l4proto(&r, IPPROTO_TCP);
		rule_verdict(&r, NF_ACCEPT, NULL);
		rc |= rule_end(&r, b);
	}
	rc |= put_proxy_to_resolvers(b, true);
	rc |= put_proxy_to_resolvers(b, false);
	rc |= put_denied(b, "proxy", COUNTER_PROXY);

	rc |= put_chain(b, "agent", -1, 0);
	rc |= put_replies(b, "agent");
	rc |= put_denied(b, "agent", COUNTER_AGENT);
	return rc;
}

static int put_workers_hook(struct batch *b, const struct guard *guard)
{
	struct rule r;
	int rc;

	batch_what(b, "chain workers");
	rc = put_chain(b, "workers", NF_INET_LOCAL_OUT, PRIORITY_WORKERS);
	rule_begin(&r, "workers");
	rule_uid(&r, true, guard->uids.proxy);
	rule_verdict(&r, NFT_JUMP, "proxy");
	rc |= rule_end(&r, b);
	rule_begin(&r, "workers");
	rule_uid(&r, true, guard->uids.agent);
	rule_verdict(&r, NFT_JUMP, "agent");
	return rc | rule_end(&r, b);
}

int table_put(struct batch *b, const struct guard *guard, struct elements *es,
	      const struct kernel_counters *start)
{
	int rc;

	/* Adding first makes the deletion right whether there is a table or not. */
	batch_what(b, "the table");
	rc = put_table(b, NFT_MSG_NEWTABLE);
	rc |= put_table(b, NFT_MSG_DELTABLE);
	rc |= put_table(b, NFT_MSG_NEWTABLE);
	batch_what(b, "counters");
	rc |= put_counters(b, start);
	batch_what(b, "sets");
	rc |= put_sets(b, guard, es);
	if (guard->has_prefix) {
		rc |= put_client_prefix_in(b, &guard->client_prefix);
		rc |= put_client_prefix_out(b, guard);
	}
	rc |= put_worker_chains(b);
	rc |= put_workers_hook(b, guard);
	return rc < 0 ? -ENOMEM : 0;
}

int table_delete(const struct kernel_ops *ops, struct err *err)
{
	struct batch b;
	int rc = batch_init(&b);

	if (rc == 0) {
		batch_what(&b, "the table");
		rc = put_table(&b, NFT_MSG_NEWTABLE);
		rc |= put_table(&b, NFT_MSG_DELTABLE);
	}
	rc = rc < 0 ? err_set(err, -ENOMEM, "nftables: out of memory") : batch_commit(&b, ops, err);
	batch_fini(&b);
	return rc;
}

static int counter_seen(const struct nlmsghdr *nlh, void *arg)
{
	struct nftnl_obj *o = nftnl_obj_alloc();
	const char *name, *table;

	if (!o) {
		return -ENOMEM;
	}
	if (nftnl_obj_nlmsg_parse(nlh, o) < 0) {
		nftnl_obj_free(o);
		return -EPROTO;
	}
	name = nftnl_obj_get_str(o, NFTNL_OBJ_NAME);
	table = nftnl_obj_get_str(o, NFTNL_OBJ_TABLE);
	for (size_t i = 0; name && table && i < N_COUNTER_NAMES; i++) {
		if (strcmp(table, TABLE_NAME) == 0 && strcmp(name, counter_names[i].name) == 0) {
			struct kernel_count *count =
				(void *)((char *)arg + counter_names[i].offset);

			count->packets = nftnl_obj_get_u64(o, NFTNL_OBJ_CTR_PKTS);
			count->bytes = nftnl_obj_get_u64(o, NFTNL_OBJ_CTR_BYTES);
		}
	}
	nftnl_obj_free(o);
	return 0;
}

int table_counters(const struct kernel_ops *ops, struct kernel_counters *ret_counters,
		   struct err *err)
{
	_Alignas(struct nlmsghdr) char data[256]; /* header and three short attributes fit */
	struct nftnl_obj *o = nftnl_obj_alloc();
	struct kernel_fault fault = {0};
	struct kernel_request req = {.bus = BUS_NETFILTER,
				     .data = data,
				     .reply = counter_seen,
				     .arg = ret_counters};
	struct nlmsghdr *nlh;
	int rc = -EINTR;

	if (!o) {
		return err_set(err, -ENOMEM, "nftables: out of memory");
	}
	nlh = nftnl_nlmsg_build_hdr(data, NFT_MSG_GETOBJ, NFPROTO_INET, NLM_F_DUMP, 1);
	nftnl_obj_set_str(o, NFTNL_OBJ_TABLE, TABLE_NAME);
	nftnl_obj_set_u32(o, NFTNL_OBJ_TYPE, NFT_OBJECT_COUNTER);
	nftnl_obj_nlmsg_build_payload(nlh, o);
	nftnl_obj_free(o);
	req.len = nlh->nlmsg_len;
	for (int tries = 0; tries < 5 && rc == -EINTR; tries++) {
		memset(ret_counters, 0, sizeof(*ret_counters));
		rc = ops->transact(ops->ctx, &req, &fault);
	}
	return rc < 0 ? err_set_errno(err, rc, "reading the counters of table inet " TABLE_NAME)
		      : 0;
}
