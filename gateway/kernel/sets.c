/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The table's sets and the elements in them, cut into messages the kernel takes. Hash sets only:
 * an interval set of tenants would cost each packet, and 200 ms for each tenant that goes.
 */
#include "gateway/kernel/sets.h"

#include <errno.h>
#include <libnftnl/set.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>

#define ELEMENTS_A_MESSAGE 1024 /* 28 bytes each: a message stays below half of 64 KiB */

/* What the nft program calls ipv4_addr and ipv6_addr; the kernel only keeps it. */
#define KEY_TYPE_IPV4 7
#define KEY_TYPE_IPV6 8

const char *set_name(enum set_id id)
{
	static const char *const names[N_SET_IDS] = {
		[SET_TENANTS_64] = "tenants64",
		[SET_TENANTS_56] = "tenants56",
		[SET_RESOLVERS_4] = "resolvers4",
		[SET_RESOLVERS_6] = "resolvers6",
	};

	return names[id];
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
	    nftnl_set_set_str(s, NFTNL_SET_NAME, set_name(id)) < 0) {
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

int sets_put(struct batch *b)
{
	for (int id = SET_TENANTS_64; id < N_SET_IDS; id++) {
		if (put_set(b, (enum set_id)id) < 0) {
			return -ENOMEM;
		}
	}
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

int sets_put_resolvers(struct batch *b, const struct addr *resolvers, size_t n_resolvers, bool v4)
{
	struct nftnl_set *s = set_new(v4 ? SET_RESOLVERS_4 : SET_RESOLVERS_6);
	unsigned int n = 0;
	int rc = s ? 0 : -ENOMEM;

	for (size_t i = 0; rc == 0 && i < n_resolvers; i++) {
		const struct addr *a = &resolvers[i];

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
