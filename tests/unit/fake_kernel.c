/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "tests/unit/fake_kernel.h"

#define V4_OFFSET 12 /* bytes of ::ffff:0:0/96 before the IPv4 address */

#include <errno.h>
#include <libnftnl/common.h>
#include <libnftnl/expr.h>
#include <libnftnl/object.h>
#include <libnftnl/rule.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/rtnetlink.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* What a batch makes of the table; becomes the table if the batch goes through. */
struct table_state {
	bool has_table;
	struct prefix guarded;
	struct element *elements; /* owned */
	size_t n_elements;
	struct kernel_counters counters;
};

static size_t element_at(const struct table_state *t, const struct element *e)
{
	size_t i = 0;

	while (i < t->n_elements &&
	       (t->elements[i].set != e->set || !addr_eq(&t->elements[i].key, &e->key))) {
		i++;
	}
	return i;
}

static int element_put(struct table_state *t, const struct element *e)
{
	if (element_at(t, e) == t->n_elements) {
		t->elements = realloc(t->elements, (t->n_elements + 1) * sizeof(*t->elements));
		assert_non_null(t->elements);
		t->elements[t->n_elements++] = *e;
	}
	return 0;
}

static int element_take(struct table_state *t, const struct element *e)
{
	size_t i = element_at(t, e);

	if (i == t->n_elements) {
		return -ENOENT;
	}
	t->elements[i] = t->elements[--t->n_elements];
	return 0;
}

/* The first attribute of that type, or NULL. */
static const struct nlattr *message_attr(const struct nlmsghdr *nlh, uint16_t type)
{
	const struct nlattr *attr;

	mnl_attr_for_each(attr, nlh, sizeof(struct nfgenmsg))
	{
		if (mnl_attr_get_type(attr) == type) {
			return attr;
		}
	}
	return NULL;
}

/* NFTA_SET_ELEM_KEY, in it NFTA_DATA_VALUE. */
static struct element element_from(const struct nlattr *list_item, enum tenant_set set)
{
	const struct nlattr *key = mnl_attr_get_payload(list_item);
	const struct nlattr *value = mnl_attr_get_payload(key);
	struct element e = {.set = set};

	assert_int_equal(mnl_attr_get_type(key), NFTA_SET_ELEM_KEY);
	assert_int_equal(mnl_attr_get_type(value), NFTA_DATA_VALUE);
	assert_int_equal(mnl_attr_get_payload_len(value), sizeof(e.key.b));
	memcpy(e.key.b, mnl_attr_get_payload(value), sizeof(e.key.b));
	return e;
}

static int on_elements(struct fake_kernel *fk, struct table_state *t, const struct nlmsghdr *nlh,
		       bool put)
{
	const struct nlattr *list = message_attr(nlh, NFTA_SET_ELEM_LIST_ELEMENTS);
	const struct nlattr *name = message_attr(nlh, NFTA_SET_ELEM_LIST_SET);
	const struct nlattr *item;
	enum tenant_set set;
	int rc = t->has_table ? 0 : -ENOENT;

	assert_non_null(list);
	assert_non_null(name);
	if (strncmp(mnl_attr_get_str(name), "tenants", 7) != 0) {
		return rc;
	}
	set = strcmp(mnl_attr_get_str(name), "tenants64") == 0 ? TENANTS_64 : TENANTS_56;
	mnl_attr_for_each_nested(item, list)
	{
		struct element e = element_from(item, set);

		if (put) {
			fk->n_new_elements++;
		} else {
			fk->n_deleted_elements++;
		}
		if (rc == 0) {
			rc = (put ? element_put : element_take)(t, &e);
		}
	}
	return rc;
}

/* The prefix in the first comparison with 12 bytes is what the rule is about. */
static int on_expr(struct nftnl_expr *e, void *arg)
{
	struct prefix *p = arg;
	uint32_t len;

	if (strcmp(nftnl_expr_get_str(e, NFTNL_EXPR_NAME), "cmp") == 0) {
		const void *data = nftnl_expr_get(e, NFTNL_EXPR_CMP_DATA, &len);

		if (len == 12) {
			memcpy(p->addr.b, data, len);
			p->len = 96;
		}
	}
	return 0;
}

static void on_rule(struct fake_kernel *fk, struct table_state *t, const struct nlmsghdr *nlh)
{
	struct nftnl_rule *r = nftnl_rule_alloc();

	assert_non_null(r);
	assert_int_equal(nftnl_rule_nlmsg_parse(nlh, r), 0);
	fk->n_rules++;
	if (strcmp(nftnl_rule_get_str(r, NFTNL_RULE_CHAIN), "cpfx") == 0) {
		nftnl_expr_foreach(r, on_expr, &t->guarded);
	}
	nftnl_rule_free(r);
}

static void on_counter(struct table_state *t, const struct nlmsghdr *nlh)
{
	struct nftnl_obj *o = nftnl_obj_alloc();

	assert_non_null(o);
	assert_int_equal(nftnl_obj_nlmsg_parse(nlh, o), 0);
	if (strcmp(nftnl_obj_get_str(o, NFTNL_OBJ_NAME), "spoofed") == 0) {
		t->counters.spoofed.packets = nftnl_obj_get_u64(o, NFTNL_OBJ_CTR_PKTS);
		t->counters.spoofed.bytes = nftnl_obj_get_u64(o, NFTNL_OBJ_CTR_BYTES);
	}
	nftnl_obj_free(o);
}

static int batch_message_in(struct fake_kernel *fk, struct table_state *t,
			    const struct nlmsghdr *nlh)
{
	switch (nlh->nlmsg_type & 0xff) {
	case NFT_MSG_NEWTABLE:
		t->has_table = true;
		return 0;
	case NFT_MSG_DELTABLE:
		t->has_table = false;
		t->guarded.len = 0;
		t->n_elements = 0;
		memset(&t->counters, 0, sizeof(t->counters));
		fk->n_tables_deleted++;
		return 0;
	case NFT_MSG_NEWRULE:
		on_rule(fk, t, nlh);
		return 0;
	case NFT_MSG_NEWOBJ:
		on_counter(t, nlh);
		return 0;
	case NFT_MSG_NEWSETELEM:
		return on_elements(fk, t, nlh, true);
	case NFT_MSG_DELSETELEM:
		return on_elements(fk, t, nlh, false);
	default:
		return 0;
	}
}

static bool is_current(const struct fake_kernel *fk, const struct nlmsghdr *begin)
{
	const struct nlattr *attr = mnl_nlmsg_get_payload_offset(begin, sizeof(struct nfgenmsg));

	assert_int_equal(mnl_attr_get_type(attr), NFNL_BATCH_GENID);
	return mnl_attr_get_u32(attr) == fk->generation;
}

static int on_batch(struct fake_kernel *fk, const struct kernel_request *req,
		    struct kernel_fault *fault)
{
	struct table_state t = {.has_table = fk->has_table,
				.guarded = fk->guarded,
				.n_elements = fk->n_elements,
				.counters = fk->counters};
	const struct nlmsghdr *nlh = req->data;
	int left = (int)req->len, rc = 0;

	fk->n_messages = fk->n_new_elements = fk->n_deleted_elements = fk->n_rules = 0;
	fk->n_tables_deleted = 0;
	fk->longest_message = 0;
	if (fk->stale_generations > 0) {
		fk->stale_generations--;
		fk->generation += 0x01000000;
		return -ERESTART;
	}
	if (!is_current(fk, nlh)) {
		return -ERESTART;
	}
	t.elements = malloc((fk->n_elements + 1) * sizeof(*t.elements));
	assert_non_null(t.elements);
	memcpy(t.elements, fk->elements, fk->n_elements * sizeof(*t.elements));
	for (; mnl_nlmsg_ok(nlh, left); nlh = mnl_nlmsg_next(nlh, &left)) {
		if (nlh->nlmsg_len > fk->longest_message) {
			fk->longest_message = nlh->nlmsg_len;
		}
		if (nlh->nlmsg_type >> 8 == NFNL_SUBSYS_NFTABLES) {
			fk->n_messages++;
			if (rc == 0) {
				rc = batch_message_in(fk, &t, nlh);
				fault->seq = nlh->nlmsg_seq;
			}
		}
	}
	assert_int_equal(left, 0);
	if (rc < 0) {
		free(t.elements);
		return rc;
	}
	free(fk->elements);
	if (fk->n_tables_deleted > 0) {
		fk->flushed = false;
		fk->n_table_rules = fk->n_rules;
	}
	fk->has_table = t.has_table;
	fk->guarded = t.guarded;
	fk->elements = t.elements;
	fk->n_elements = t.n_elements;
	fk->counters = t.counters;
	fk->generation += 0x01000000;
	return 0;
}

static int answer_generation(struct fake_kernel *fk, const struct kernel_request *req)
{
	_Alignas(struct nlmsghdr) char data[64];
	struct nlmsghdr *nlh = nftnl_nlmsg_build_hdr(data, NFT_MSG_NEWGEN, NFPROTO_UNSPEC, 0, 1);

	mnl_attr_put_u32(nlh, NFTA_GEN_ID, fk->generation);
	return req->reply(nlh, req->arg);
}

static int answer_counter(struct fake_kernel *fk, const struct kernel_request *req)
{
	_Alignas(struct nlmsghdr) char data[256];
	struct nlmsghdr *nlh;
	struct nftnl_obj *o;

	if (!fk->has_table) {
		return 0;
	}
	o = nftnl_obj_alloc();
	assert_non_null(o);
	nftnl_obj_set_str(o, NFTNL_OBJ_TABLE, TABLE_NAME);
	nftnl_obj_set_str(o, NFTNL_OBJ_NAME, "spoofed");
	nftnl_obj_set_u32(o, NFTNL_OBJ_TYPE, NFT_OBJECT_COUNTER);
	nftnl_obj_set_u64(o, NFTNL_OBJ_CTR_PKTS, fk->counters.spoofed.packets);
	nftnl_obj_set_u64(o, NFTNL_OBJ_CTR_BYTES, fk->counters.spoofed.bytes);
	nlh = nftnl_nlmsg_build_hdr(data, NFT_MSG_NEWOBJ, NFPROTO_INET, 0, 1);
	nftnl_obj_nlmsg_build_payload(nlh, o);
	nftnl_obj_free(o);
	return req->reply(nlh, req->arg);
}

static int on_netfilter(struct fake_kernel *fk, const struct kernel_request *req,
			struct kernel_fault *fault)
{
	const struct nlmsghdr *nlh = req->data;

	if (nlh->nlmsg_type == NFNL_MSG_BATCH_BEGIN) {
		return on_batch(fk, req, fault);
	}
	switch (nlh->nlmsg_type & 0xff) {
	case NFT_MSG_GETGEN:
		return answer_generation(fk, req);
	case NFT_MSG_GETOBJ:
		return answer_counter(fk, req);
	case NFT_MSG_GETRULE:
		for (unsigned int i = 0; fk->has_table && i < fk->n_table_rules; i++) {
			(void)req->reply(nlh, req->arg); /* counts, looks at nothing */
		}
		return 0;
	default:
		fail_msg("request %u", nlh->nlmsg_type);
		return -EINVAL;
	}
}

static int answer_route(const struct fake_route *route, const struct kernel_request *req)
{
	_Alignas(struct nlmsghdr) char data[256];
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(data);
	struct rtmsg *rtm = mnl_nlmsg_put_extra_header(nlh, sizeof(*rtm));
	size_t offset = prefix_is_v4(&route->prefix) ? V4_OFFSET : 0;

	nlh->nlmsg_type = RTM_NEWROUTE;
	rtm->rtm_family = prefix_is_v4(&route->prefix) ? AF_INET : AF_INET6;
	rtm->rtm_table = RT_TABLE_LOCAL;
	rtm->rtm_type = RTN_LOCAL;
	rtm->rtm_protocol = route->protocol;
	rtm->rtm_dst_len = (uint8_t)(route->prefix.len - 8 * offset);
	mnl_attr_put(nlh, RTA_DST, sizeof(route->prefix.addr.b) - offset,
		     route->prefix.addr.b + offset);
	return req->reply(nlh, req->arg);
}

static size_t route_at(const struct fake_kernel *fk, const struct prefix *p)
{
	size_t i = 0;

	while (i < fk->n_routes && !(fk->routes[i].prefix.len == p->len &&
				     addr_eq(&fk->routes[i].prefix.addr, &p->addr))) {
		i++;
	}
	return i;
}

static int on_route_change(struct fake_kernel *fk, const struct nlmsghdr *nlh)
{
	const struct rtmsg *rtm = mnl_nlmsg_get_payload(nlh);
	const struct nlattr *attr = mnl_nlmsg_get_payload_offset(nlh, sizeof(*rtm));
	size_t offset = rtm->rtm_family == AF_INET ? V4_OFFSET : 0, i;
	struct prefix p = {.addr = {.b = {[10] = 0xff, [11] = 0xff}},
			   .len = (uint8_t)(rtm->rtm_dst_len + 8 * offset)};

	assert_int_equal(rtm->rtm_table, RT_TABLE_LOCAL);
	assert_int_equal(rtm->rtm_protocol, ROUTE_PROTO_SIXGATE);
	assert_int_equal(mnl_attr_get_type(attr), RTA_DST);
	assert_int_equal(mnl_attr_get_payload_len(attr), sizeof(p.addr.b) - offset);
	memcpy(p.addr.b + offset, mnl_attr_get_payload(attr), sizeof(p.addr.b) - offset);
	i = route_at(fk, &p);
	if (nlh->nlmsg_type == RTM_NEWROUTE) {
		if (i < fk->n_routes) {
			return -EEXIST;
		}
		assert_true(fk->n_routes < FAKE_ROUTES_MAX);
		fk->routes[fk->n_routes++] = (struct fake_route){p, rtm->rtm_protocol};
		return 0;
	}
	if (i == fk->n_routes || fk->routes[i].protocol != rtm->rtm_protocol) {
		return -ESRCH;
	}
	fk->routes[i] = fk->routes[--fk->n_routes];
	return 0;
}

static int on_route(struct fake_kernel *fk, const struct kernel_request *req)
{
	const struct nlmsghdr *nlh = req->data;
	const struct rtmsg *asked = mnl_nlmsg_get_payload(nlh);

	if (nlh->nlmsg_type != RTM_GETROUTE) {
		return on_route_change(fk, nlh);
	}
	for (size_t i = 0; i < fk->n_routes; i++) {
		bool v4 = prefix_is_v4(&fk->routes[i].prefix);
		int rc = 0;

		if (v4 == (asked->rtm_family == AF_INET)) {
			rc = answer_route(&fk->routes[i], req);
		}
		if (rc < 0) {
			return rc;
		}
	}
	return 0;
}

static void check_guarded(const struct fake_kernel *fk)
{
	for (size_t i = 0; i < fk->n_routes; i++) {
		if (fk->routes[i].protocol == ROUTE_PROTO_SIXGATE &&
		    !prefix_is_v4(&fk->routes[i].prefix)) {
			assert_true(fk->has_table);
			assert_int_equal(fk->guarded.len, fk->routes[i].prefix.len);
			assert_true(addr_eq(&fk->guarded.addr, &fk->routes[i].prefix.addr));
		}
	}
}

static int fake_transact(void *ctx, const struct kernel_request *req, struct kernel_fault *fault)
{
	struct fake_kernel *fk = ctx;
	int rc;

	memset(fault, 0, sizeof(*fault));
	if (++fk->n_requests == fk->fail_at) {
		fault->seq = fk->fail_seq;
		if (fk->fail_text) {
			snprintf(fault->text, sizeof(fault->text), "%s", fk->fail_text);
		}
		return fk->fail_code;
	}
	rc = req->bus == BUS_ROUTE ? on_route(fk, req) : on_netfilter(fk, req, fault);
	if (!fk->flushed) {
		check_guarded(fk);
	}
	return rc;
}

static int fake_watch(void *ctx)
{
	(void)ctx;
	return 0;
}

static bool fake_watch_read(void *ctx)
{
	struct fake_kernel *fk = ctx;
	bool changed = fk->changed;

	fk->changed = false;
	return changed;
}

void fake_kernel_flush(struct fake_kernel *fk)
{
	fk->has_table = false;
	fk->guarded.len = 0;
	fk->n_elements = 0;
	fk->changed = true;
	fk->flushed = true;
}

void fake_kernel_init(struct fake_kernel *fk)
{
	*fk = (struct fake_kernel){.ops = {.ctx = fk,
					   .transact = fake_transact,
					   .watch = fake_watch,
					   .watch_read = fake_watch_read},
				   .generation = 0x01000000,
				   .fail_code = -ENOBUFS};
	fk->elements = malloc(sizeof(*fk->elements));
	assert_non_null(fk->elements);
}

void fake_kernel_fini(struct fake_kernel *fk)
{
	free(fk->elements);
}

bool fake_kernel_has_route(const struct fake_kernel *fk, const char *prefix)
{
	struct prefix p;

	assert_int_equal(prefix_parse(str_from(prefix), &p, NULL), 0);
	return route_at(fk, &p) < fk->n_routes;
}

bool fake_kernel_has_element(const struct fake_kernel *fk, const char *key, enum tenant_set set)
{
	struct table_state t = {.elements = fk->elements, .n_elements = fk->n_elements};
	struct element e = {.set = set};

	assert_int_equal(addr_parse(str_from(key), &e.key), 0);
	return element_at(&t, &e) < t.n_elements;
}
