/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Reads the table back: several dumps, which are one picture when the generation of the rules was
 * the same before and after them.
 */
#include "gateway/kernel/view.h"

#include <endian.h>
#include <errno.h>
#include <libnftnl/chain.h>
#include <libnftnl/common.h>
#include <libnftnl/object.h>
#include <libnftnl/rule.h>
#include <libnftnl/set.h>
#include <libnftnl/table.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <string.h>

#include "gateway/kernel/batch.h"

#define VIEW_TRIES 10
#define ASK_BYTES  256 /* of a request: header and a few short attributes */
#define SEQ        1

static bool is_ours(const char *table)
{
	return table && strcmp(table, TABLE_NAME) == 0;
}

int view_dump(const struct kernel_ops *ops, const struct nlmsghdr *nlh, kernel_reply_fn reply,
	      void *arg)
{
	struct kernel_fault fault = {0};
	struct kernel_request req = {.bus = BUS_NETFILTER,
				     .data = nlh,
				     .len = nlh->nlmsg_len,
				     .reply = reply,
				     .arg = arg};

	return ops->transact(ops->ctx, &req, &fault);
}

static int table_seen(const struct nlmsghdr *nlh, void *arg)
{
	struct view *view = arg;
	struct nftnl_table *t = nftnl_table_alloc();

	if (!t) {
		return -ENOMEM;
	}
	if (nftnl_table_nlmsg_parse(nlh, t) == 0 &&
	    nftnl_table_get_u32(t, NFTNL_TABLE_FAMILY) == NFPROTO_INET &&
	    is_ours(nftnl_table_get_str(t, NFTNL_TABLE_NAME))) {
		view->has_table = true;
		outline_table(&view->outline, nftnl_table_get_u32(t, NFTNL_TABLE_FLAGS));
	}
	nftnl_table_free(t);
	return 0;
}

static int chain_seen(const struct nlmsghdr *nlh, void *arg)
{
	struct view *view = arg;
	struct nftnl_chain *c = nftnl_chain_alloc();

	if (!c) {
		return -ENOMEM;
	}
	if (nftnl_chain_nlmsg_parse(nlh, c) == 0 &&
	    is_ours(nftnl_chain_get_str(c, NFTNL_CHAIN_TABLE))) {
		outline_chain(&view->outline, c);
	}
	nftnl_chain_free(c);
	return 0;
}

static int rule_seen(const struct nlmsghdr *nlh, void *arg)
{
	struct view *view = arg;
	struct nftnl_rule *r = nftnl_rule_alloc();

	if (!r) {
		return -ENOMEM;
	}
	if (nftnl_rule_nlmsg_parse(nlh, r) == 0 &&
	    is_ours(nftnl_rule_get_str(r, NFTNL_RULE_TABLE))) {
		outline_rule(&view->outline, r);
	}
	nftnl_rule_free(r);
	return 0;
}

static int set_seen(const struct nlmsghdr *nlh, void *arg)
{
	struct view *view = arg;
	struct nftnl_set *s = nftnl_set_alloc();

	if (!s) {
		return -ENOMEM;
	}
	/* A set that belongs to a rule goes with its rule. */
	if (nftnl_set_nlmsg_parse(nlh, s) == 0 && is_ours(nftnl_set_get_str(s, NFTNL_SET_TABLE)) &&
	    !(nftnl_set_get_u32(s, NFTNL_SET_FLAGS) & NFT_SET_ANONYMOUS)) {
		outline_set(&view->outline, s);
	}
	nftnl_set_free(s);
	return 0;
}

static int object_seen(const struct nlmsghdr *nlh, void *arg)
{
	struct view *view = arg;
	struct nftnl_obj *o = nftnl_obj_alloc();
	uint32_t type;

	if (!o) {
		return -ENOMEM;
	}
	if (nftnl_obj_nlmsg_parse(nlh, o) == 0 && is_ours(nftnl_obj_get_str(o, NFTNL_OBJ_TABLE))) {
		type = nftnl_obj_get_u32(o, NFTNL_OBJ_TYPE);
		if (type == NFT_OBJECT_COUNTER) {
			outline_counter(&view->outline, nftnl_obj_get_str(o, NFTNL_OBJ_NAME));
		} else if (type == NFT_OBJECT_CT_TIMEOUT) {
			outline_timeout(&view->outline, nftnl_obj_get_str(o, NFTNL_OBJ_NAME));
		}
	}
	nftnl_obj_free(o);
	return 0;
}

/* All of one kind. Without the table there is nothing of it. */
static int view_kind(const struct kernel_ops *ops, uint16_t type, kernel_reply_fn reply,
		     struct view *view)
{
	_Alignas(struct nlmsghdr) char data[ASK_BYTES];
	struct nlmsghdr *nlh = nftnl_nlmsg_build_hdr(data, type, NFPROTO_INET, NLM_F_DUMP, SEQ);
	int rc;

	if (type != NFT_MSG_GETTABLE && !view->has_table) {
		return 0;
	}
	if (type != NFT_MSG_GETTABLE && type != NFT_MSG_GETCHAIN) {
		/* The number of the attribute is the same in all of them. */
		mnl_attr_put_strz(nlh, NFTA_RULE_TABLE, TABLE_NAME);
	}
	rc = view_dump(ops, nlh, reply, view);
	return rc == -ENOENT ? -EINTR : rc; /* it went meanwhile */
}

static int view_once(const struct kernel_ops *ops, struct view *view)
{
	uint32_t generation_be;
	int rc;

	*view = (struct view){0};
	outline_init(&view->outline);
	rc = generation_get(ops, &view->generation_be, NULL);
	rc = rc < 0 ? rc : view_kind(ops, NFT_MSG_GETTABLE, table_seen, view);
	rc = rc < 0 ? rc : view_kind(ops, NFT_MSG_GETCHAIN, chain_seen, view);
	rc = rc < 0 ? rc : view_kind(ops, NFT_MSG_GETSET, set_seen, view);
	rc = rc < 0 ? rc : view_kind(ops, NFT_MSG_GETOBJ, object_seen, view);
	rc = rc < 0 ? rc : view_kind(ops, NFT_MSG_GETRULE, rule_seen, view);
	rc = rc < 0 ? rc : generation_get(ops, &generation_be, NULL);
	if (rc == 0 && generation_be != view->generation_be) {
		rc = -EINTR;
	}
	return rc == 0 && view->outline.bad ? -ENOMEM : rc;
}

int view_read(const struct kernel_ops *ops, struct view *view, struct err *err)
{
	int rc = -EINTR;

	for (int tries = 0; tries < VIEW_TRIES && rc == -EINTR; tries++) {
		rc = view_once(ops, view);
		if (rc < 0) {
			view_fini(view);
		}
	}
	return rc < 0 ? err_set_errno(err, rc, "reading nftables table inet " TABLE_NAME) : 0;
}

void view_fini(struct view *view)
{
	outline_fini(&view->outline);
}

struct element_reader {
	enum firewall_set set;
	view_element_fn fn;
	void *arg;
};

/* Of a nest of NFTA_DATA_*; NULL: no value, as a verdict is none. */
static const void *value_read(const struct nlattr *nest, uint32_t *ret_len)
{
	const struct nlattr *attr;

	mnl_attr_for_each_nested(attr, nest)
	{
		if (mnl_attr_get_type(attr) == NFTA_DATA_VALUE) {
			*ret_len = mnl_attr_get_payload_len(attr);
			return mnl_attr_get_payload(attr);
		}
	}
	return NULL;
}

static uint64_t count_read(const struct nlattr *attr)
{
	uint64_t value_be = 0;

	if (mnl_attr_get_payload_len(attr) == sizeof(value_be)) {
		memcpy(&value_be, mnl_attr_get_payload(attr), sizeof(value_be));
	}
	return be64toh(value_be);
}

/* An element's expression, if it is a counter. */
static void counter_read(const struct nlattr *expr, struct view_element *ret_element)
{
	const struct nlattr *attr, *data = NULL;
	bool is_counter = false;

	mnl_attr_for_each_nested(attr, expr)
	{
		if (mnl_attr_get_type(attr) == NFTA_EXPR_DATA) {
			data = attr;
		} else if (mnl_attr_get_type(attr) == NFTA_EXPR_NAME) {
			is_counter = mnl_attr_validate(attr, MNL_TYPE_NUL_STRING) >= 0 &&
				     strcmp(mnl_attr_get_str(attr), "counter") == 0;
		}
	}
	if (!is_counter || !data) {
		return;
	}
	mnl_attr_for_each_nested(attr, data)
	{
		if (mnl_attr_get_type(attr) == NFTA_COUNTER_PACKETS) {
			ret_element->packets = count_read(attr);
		} else if (mnl_attr_get_type(attr) == NFTA_COUNTER_BYTES) {
			ret_element->bytes = count_read(attr);
		}
	}
}

static void element_read(const struct nlattr *nest, struct view_element *ret_element)
{
	const struct nlattr *attr;

	mnl_attr_for_each_nested(attr, nest)
	{
		switch (mnl_attr_get_type(attr)) {
		case NFTA_SET_ELEM_KEY:
			ret_element->key = value_read(attr, &ret_element->key_len);
			break;
		case NFTA_SET_ELEM_DATA:
			ret_element->data = value_read(attr, &ret_element->data_len);
			break;
		case NFTA_SET_ELEM_EXPR:
			counter_read(attr, ret_element);
			break;
		default:
			break;
		}
	}
}

/* By hand: there may be very many, and libnftnl makes an object of each. */
static int elements_seen(const struct nlmsghdr *nlh, void *arg)
{
	const struct element_reader *er = arg;
	const struct nlattr *attr, *nest;
	int rc = 0;

	mnl_attr_for_each(attr, nlh, sizeof(struct nfgenmsg))
	{
		if (mnl_attr_get_type(attr) != NFTA_SET_ELEM_LIST_ELEMENTS) {
			continue;
		}
		mnl_attr_for_each_nested(nest, attr)
		{
			struct view_element element = {.set = er->set};

			element_read(nest, &element);
			rc = rc == 0 && element.key ? er->fn(&element, er->arg) : rc;
		}
	}
	return rc;
}

int view_elements(const struct kernel_ops *ops, enum firewall_set set, view_element_fn fn,
		  void *arg, struct err *err)
{
	_Alignas(struct nlmsghdr) char data[ASK_BYTES];
	struct nlmsghdr *nlh =
		nftnl_nlmsg_build_hdr(data, NFT_MSG_GETSETELEM, NFPROTO_INET, NLM_F_DUMP, SEQ);
	const char *name = firewall_set_type(set)->name;
	struct element_reader er = {.set = set, .fn = fn, .arg = arg};
	int rc;

	mnl_attr_put_strz(nlh, NFTA_SET_ELEM_LIST_TABLE, TABLE_NAME);
	mnl_attr_put_strz(nlh, NFTA_SET_ELEM_LIST_SET, name);
	rc = view_dump(ops, nlh, elements_seen, &er);
	if (rc == -ENOENT) {
		return 0;
	}
	return rc < 0 ? err_set_errno(err, rc, "reading nftables set %s", name) : 0;
}
