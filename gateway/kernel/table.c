/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The table `inet sixgate` as a whole: counters, sets, elements and chains in one transaction.
 */
#include "gateway/kernel/table.h"

#include <arpa/inet.h>
#include <errno.h>
#include <libnftnl/common.h>
#include <libnftnl/object.h>
#include <libnftnl/table.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <netinet/in.h>
#include <string.h>

#include "gateway/kernel/element_batch.h"

#define DUMP_TRIES 5

static int put_table(struct batch *b, uint16_t type)
{
	struct nftnl_table *t = nftnl_table_alloc();
	struct nlmsghdr *nlh;

	if (!t) {
		return -ENOMEM;
	}
	nftnl_table_set_u32(t, NFTNL_TABLE_FAMILY, NFPROTO_INET);
	nftnl_table_set_u32(t, NFTNL_TABLE_FLAGS, 0); /* wakes one that was made dormant */
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

static int define_counter(struct batch *b, const char *name)
{
	struct nftnl_obj *o = nftnl_obj_alloc();
	struct nlmsghdr *nlh;

	if (!o) {
		return -ENOMEM;
	}
	nftnl_obj_set_str(o, NFTNL_OBJ_TABLE, TABLE_NAME);
	nftnl_obj_set_str(o, NFTNL_OBJ_NAME, name);
	nftnl_obj_set_u32(o, NFTNL_OBJ_TYPE, NFT_OBJECT_COUNTER);
	nftnl_obj_set_u64(o, NFTNL_OBJ_CTR_PKTS, 0);
	nftnl_obj_set_u64(o, NFTNL_OBJ_CTR_BYTES, 0);
	nlh = batch_message(b, NFT_MSG_NEWOBJ,
			    NLM_F_CREATE); /* one that is there keeps its count */
	nftnl_obj_nlmsg_build_payload(nlh, o);
	batch_add(b, nlh);
	if (b->outline) {
		outline_counter(b->outline, name);
	}
	nftnl_obj_free(o);
	return 0;
}

/* Seconds that a connection of the proxy's is remembered in each state; the kernel's, but for ends.
 */
static const uint32_t proxied_s[NFTNL_CTTIMEOUT_TCP_MAX] = {
	[NFTNL_CTTIMEOUT_TCP_SYN_SENT] = 30,        [NFTNL_CTTIMEOUT_TCP_SYN_RECV] = 30,
	[NFTNL_CTTIMEOUT_TCP_ESTABLISHED] = 432000, [NFTNL_CTTIMEOUT_TCP_FIN_WAIT] = 120,
	[NFTNL_CTTIMEOUT_TCP_CLOSE_WAIT] = 60,      [NFTNL_CTTIMEOUT_TCP_LAST_ACK] = 10,
	[NFTNL_CTTIMEOUT_TCP_TIME_WAIT] = 5,        [NFTNL_CTTIMEOUT_TCP_CLOSE] = 5,
	[NFTNL_CTTIMEOUT_TCP_SYN_SENT2] = 30,       [NFTNL_CTTIMEOUT_TCP_RETRANS] = 300,
	[NFTNL_CTTIMEOUT_TCP_UNACK] = 300,
};

static int define_proxied(struct batch *b)
{
	struct nftnl_obj *o = nftnl_obj_alloc();
	struct nlmsghdr *nlh;

	if (!o) {
		return -ENOMEM;
	}
	nftnl_obj_set_str(o, NFTNL_OBJ_TABLE, TABLE_NAME);
	nftnl_obj_set_str(o, NFTNL_OBJ_NAME, TIMEOUT_PROXIED);
	nftnl_obj_set_u32(o, NFTNL_OBJ_TYPE, NFT_OBJECT_CT_TIMEOUT);
	nftnl_obj_set_u16(o, NFTNL_OBJ_CT_TIMEOUT_L3PROTO,
			  NFPROTO_IPV4); /* of both, all the same */
	nftnl_obj_set_u8(o, NFTNL_OBJ_CT_TIMEOUT_L4PROTO, IPPROTO_TCP);
	nftnl_obj_set_data(o, NFTNL_OBJ_CT_TIMEOUT_ARRAY, proxied_s, sizeof(proxied_s));
	nlh = batch_message(b, NFT_MSG_NEWOBJ, NLM_F_CREATE);
	nftnl_obj_nlmsg_build_payload(nlh, o);
	batch_add(b, nlh);
	if (b->outline) {
		outline_timeout(b->outline, TIMEOUT_PROXIED);
	}
	nftnl_obj_free(o);
	return 0;
}

int table_define(struct batch *b, const struct firewall *fw)
{
	int rc;

	batch_what(b, "the table");
	rc = put_table(b, NFT_MSG_NEWTABLE);
	if (b->outline) {
		outline_table(b->outline, 0);
	}
	batch_what(b, "counters");
	for (int i = 0; i < N_DENIALS; i++) {
		rc |= define_counter(b, denial_name((enum denial)i));
	}
	if (fw->has_tunnels) { /* it switches connection tracking on, as their chains do */
		batch_what(b, "time-outs of connections (Linux with NF_CONNTRACK_TIMEOUT)");
		rc |= define_proxied(b);
	}
	batch_what(b, "sets");
	rc |= sets_define(b);
	rc |= chains_put(b, fw);
	return rc < 0 ? -ENOMEM : 0;
}

/* A request about a thing of the table by its name (object: NFT_OBJECT_*); all of them number their
 * attributes so. */
static void put_removal(struct batch *b, uint16_t type, uint32_t object, const char *name)
{
	struct nlmsghdr *nlh = batch_message(b, type, 0);

	mnl_attr_put_strz(nlh, NFTA_CHAIN_TABLE, TABLE_NAME);
	if (name) {
		mnl_attr_put_strz(nlh, type == NFT_MSG_DELCHAIN ? NFTA_CHAIN_NAME : NFTA_SET_NAME,
				  name);
	}
	if (type == NFT_MSG_DELOBJ) {
		mnl_attr_put_u32(nlh, NFTA_OBJ_TYPE, htonl(object));
	}
	batch_add(b, nlh);
}

static void put_removals(struct batch *b, const struct outline *now, const struct outline *next,
			 enum outline_kind kind, uint16_t type, uint32_t object)
{
	for (size_t i = 0; i < now->n; i++) {
		if (now->items[i].kind == kind && !outline_has(next, &now->items[i])) {
			put_removal(b, type, object, now->items[i].name);
		}
	}
}

int table_change(struct batch *b, const struct firewall *fw, const struct outline *now,
		 const struct outline *next)
{
	if (now->n > 0) {
		batch_what(b, "what of the table goes");
		put_removal(b, NFT_MSG_DELRULE, 0, NULL);
		put_removals(b, now, next, OUTLINE_SET, NFT_MSG_DELSET, 0);
		put_removals(b, now, next, OUTLINE_CHAIN, NFT_MSG_DELCHAIN, 0);
		put_removals(b, now, next, OUTLINE_COUNTER, NFT_MSG_DELOBJ, NFT_OBJECT_COUNTER);
		put_removals(b, now, next, OUTLINE_TIMEOUT, NFT_MSG_DELOBJ, NFT_OBJECT_CT_TIMEOUT);
	}
	return table_define(b, fw);
}

int table_remove_put(struct batch *b)
{
	int rc;

	/* Adding first makes the deletion right whether there is a table or not. */
	batch_what(b, "the table");
	rc = put_table(b, NFT_MSG_NEWTABLE);
	return rc | put_table(b, NFT_MSG_DELTABLE);
}

static int counter_seen(const struct nlmsghdr *nlh, void *arg)
{
	struct kernel_counters *counters = arg;
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
	for (int i = 0; name && table && i < N_DENIALS; i++) {
		if (strcmp(table, TABLE_NAME) == 0 &&
		    strcmp(name, denial_name((enum denial)i)) == 0) {
			counters->of[i].packets = nftnl_obj_get_u64(o, NFTNL_OBJ_CTR_PKTS);
			counters->of[i].bytes = nftnl_obj_get_u64(o, NFTNL_OBJ_CTR_BYTES);
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
	for (int tries = 0; tries < DUMP_TRIES && rc == -EINTR; tries++) {
		memset(ret_counters, 0, sizeof(*ret_counters));
		rc = ops->transact(ops->ctx, &req, &fault);
	}
	return rc < 0 ? err_set_errno(err, rc, "reading the counters of table inet " TABLE_NAME)
		      : 0;
}
