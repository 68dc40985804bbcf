/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Sets and their elements, cut into messages the kernel takes: the list of one message is an
 * attribute, whose length has 16 bits.
 */
#include "gateway/kernel/element_batch.h"

#include <errno.h>
#include <libnftnl/set.h>
#include <libnftnl/udata.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <string.h>

#include "gateway/kernel/outline.h"

#define UDATA_HOST_ENDIAN  1 /* of the nft program */
#define UDATA_BIG_ENDIAN   2
#define ELEMENTS_A_MESSAGE 512 /* at most 90 bytes each: a message stays below 48 KiB */

static struct nftnl_set *set_new(enum firewall_set id)
{
	struct nftnl_set *s = nftnl_set_alloc();

	if (!s) {
		return NULL;
	}
	nftnl_set_set_u32(s, NFTNL_SET_FAMILY, NFPROTO_INET);
	if (nftnl_set_set_str(s, NFTNL_SET_TABLE, TABLE_NAME) < 0 ||
	    nftnl_set_set_str(s, NFTNL_SET_NAME, firewall_set_type(id)->name) < 0) {
		nftnl_set_free(s);
		return NULL;
	}
	return s;
}

/* How the nft program shows names, marks and ranges; the kernel only keeps it. */
static int set_describe(struct nftnl_set *s, const struct firewall_set_type *type)
{
	struct nftnl_udata_buf *buf = nftnl_udata_buf_alloc(NFT_USERDATA_MAXLEN);
	bool host = type->key_type == FIREWALL_TYPE_IFNAME || type->key_type == FIREWALL_TYPE_MARK;
	bool ok;

	if (!buf) {
		return -ENOMEM;
	}
	ok = nftnl_udata_put_u32(buf, NFTNL_UDATA_SET_KEYBYTEORDER,
				 host ? UDATA_HOST_ENDIAN : UDATA_BIG_ENDIAN);
	if (type->data_type != 0) {
		host = type->data_type == FIREWALL_TYPE_MARK;
		ok = ok && nftnl_udata_put_u32(buf, NFTNL_UDATA_SET_DATABYTEORDER,
					       host ? UDATA_HOST_ENDIAN : UDATA_BIG_ENDIAN);
	}
	if (type->is_range) {
		ok = ok && nftnl_udata_put_u32(buf, NFTNL_UDATA_SET_DATA_INTERVAL, 1);
	}
	ok = ok && nftnl_set_set_data(s, NFTNL_SET_USERDATA, nftnl_udata_buf_data(buf),
				      nftnl_udata_buf_len(buf)) == 0;
	nftnl_udata_buf_free(buf);
	return ok ? 0 : -ENOMEM;
}

static int set_define(struct batch *b, enum firewall_set id)
{
	const struct firewall_set_type *type = firewall_set_type(id);
	struct nftnl_set *s = set_new(id);
	struct nlmsghdr *nlh;

	if (!s) {
		return -ENOMEM;
	}
	nftnl_set_set_u32(s, NFTNL_SET_ID, (uint32_t)id + 1);
	nftnl_set_set_u32(s, NFTNL_SET_FLAGS,
			  (type->data_type != 0 ? NFT_SET_MAP : 0) |
				  (type->max != 0 ? NFT_SET_EVAL | NFT_SET_TIMEOUT : 0));
	nftnl_set_set_u32(s, NFTNL_SET_KEY_TYPE, type->key_type);
	nftnl_set_set_u32(s, NFTNL_SET_KEY_LEN, type->key_len);
	if (type->data_type != 0) {
		nftnl_set_set_u32(s, NFTNL_SET_DATA_TYPE, type->data_type);
		nftnl_set_set_u32(s, NFTNL_SET_DATA_LEN, type->data_len);
	}
	if (set_describe(s, type) < 0) {
		nftnl_set_free(s);
		return -ENOMEM;
	}
	if (type->max != 0) {
		nftnl_set_set_u32(s, NFTNL_SET_DESC_SIZE, type->max);
		nftnl_set_set_u64(s, NFTNL_SET_TIMEOUT, type->timeout_ms);
	}
	nlh = batch_message(b, NFT_MSG_NEWSET, NLM_F_CREATE);
	nftnl_set_nlmsg_build_payload(nlh, s);
	batch_add(b, nlh);
	if (b->outline) {
		outline_set(b->outline, s);
	}
	nftnl_set_free(s);
	return 0;
}

int sets_define(struct batch *b)
{
	for (int id = 0; id < N_FIREWALL_SETS; id++) {
		if (set_define(b, (enum firewall_set)id) < 0) {
			return -ENOMEM;
		}
	}
	return 0;
}

void element_batch_init(struct element_batch *eb, struct batch *b, uint16_t type)
{
	*eb = (struct element_batch){.b = b, .type = type};
}

static void element_batch_put(struct element_batch *eb, enum firewall_set id)
{
	struct nlmsghdr *nlh =
		batch_message(eb->b, eb->type, eb->type == NFT_MSG_NEWSETELEM ? NLM_F_CREATE : 0);

	nftnl_set_elems_nlmsg_build_payload(nlh, eb->set[id].nftnl);
	batch_add(eb->b, nlh);
	nftnl_set_free(eb->set[id].nftnl);
	eb->set[id].nftnl = NULL;
	eb->set[id].n = 0;
}

void element_batch_add(struct element_batch *eb, const struct object_element *element)
{
	enum firewall_set id = (enum firewall_set)element->set;
	struct nftnl_set_elem *e = eb->bad ? NULL : nftnl_set_elem_alloc();

	if (e && !eb->set[id].nftnl) {
		eb->set[id].nftnl = set_new(id);
	}
	if (!e || !eb->set[id].nftnl ||
	    nftnl_set_elem_set(e, NFTNL_SET_ELEM_KEY, element->key, element->key_len) < 0 ||
	    (element->data_len > 0 && eb->type == NFT_MSG_NEWSETELEM &&
	     nftnl_set_elem_set(e, NFTNL_SET_ELEM_DATA, element->data, element->data_len) < 0)) {
		if (e) {
			nftnl_set_elem_free(e);
		}
		eb->bad = true;
		return;
	}
	nftnl_set_elem_add(eb->set[id].nftnl, e);
	if (++eb->set[id].n == ELEMENTS_A_MESSAGE) {
		element_batch_put(eb, id);
	}
}

int element_batch_finish(struct element_batch *eb)
{
	for (int id = 0; id < N_FIREWALL_SETS; id++) {
		if (!eb->bad && eb->set[id].n > 0) {
			element_batch_put(eb, (enum firewall_set)id);
		}
		if (eb->set[id].nftnl) {
			nftnl_set_free(eb->set[id].nftnl);
			eb->set[id].nftnl = NULL;
		}
	}
	return eb->bad ? -ENOMEM : 0;
}
