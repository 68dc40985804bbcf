/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Driver for OBJECT_RULE: policy rules that look up a table, ours by FRA_PROTOCOL. A rule is of
 * the family of its prefix; "any" is ::/0 or ::ffff:0:0/96.
 */
#include <errno.h>
#include <linux/fib_rules.h>
#include <string.h>

#include "gateway/kernel/rt_internal.h"

struct rule_reader {
	struct object_set *set;
	enum object_ns ns;
};

/* The kernel says up to which length routes do not count; all ones: all of them count. */
static uint8_t ignore_read(const struct rt_attrs *attrs)
{
	uint32_t upto = attrs->a[FRA_SUPPRESS_PREFIXLEN]
				? rt_attr_u32(attrs, FRA_SUPPRESS_PREFIXLEN)
				: UINT32_MAX;

	return upto < 128 ? (uint8_t)(upto + 1) : 0;
}

static int rule_seen(const struct nlmsghdr *nlh, void *arg)
{
	const struct fib_rule_hdr *frh = mnl_nlmsg_get_payload(nlh);
	struct rule_reader *r = arg;
	struct object o = {.kind = OBJECT_RULE, .ns = r->ns};
	struct rt_attrs attrs;
	struct addr from;

	if (nlh->nlmsg_type != RTM_NEWRULE || mnl_nlmsg_get_payload_len(nlh) < sizeof(*frh) ||
	    (frh->family != AF_INET && frh->family != AF_INET6)) {
		return 0;
	}
	rt_attrs_read(&attrs, nlh, sizeof(*frh));
	if (rt_attr_u8(&attrs, FRA_PROTOCOL) != OBJECT_OWNER_MARK || frh->action != FR_ACT_TO_TBL) {
		return 0;
	}
	(void)rt_attr_addr(&attrs, FRA_SRC, frh->family, &from); /* absent: any */
	o.rule.from = rt_prefix(&from, frh->src_len);
	o.rule.priority = rt_attr_u32(&attrs, FRA_PRIORITY);
	o.rule.table = attrs.a[FRA_TABLE] ? rt_attr_u32(&attrs, FRA_TABLE) : frh->table;
	o.rule.ignore_below = ignore_read(&attrs);
	rt_attr_name(attrs.a[FRA_IIFNAME], o.rule.iif, sizeof(o.rule.iif));
	return object_set_add(r->set, &o) ? 0 : -ENOMEM;
}

static int rule_observe_family(struct rt *rt, uint8_t family, struct rule_reader *r,
			       struct err *err)
{
	_Alignas(struct nlmsghdr) char data[RT_MESSAGE_MAX];
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(data);
	struct fib_rule_hdr *frh = mnl_nlmsg_put_extra_header(nlh, sizeof(*frh));
	struct kernel_fault fault = {0};
	int rc;

	nlh->nlmsg_type = RTM_GETRULE;
	nlh->nlmsg_seq = 1;
	frh->family = family;
	rc = rt_dump(rt, nlh, rule_seen, r, &r->set->n, &fault);
	return rc < 0 ? rt_err(err, rc, fault.text, "reading the rules") : 0;
}

static int rule_observe(struct rt *rt, struct object_set *set, struct err *err)
{
	struct rule_reader r = {.set = set, .ns = rt->ns};
	int rc = rule_observe_family(rt, AF_INET6, &r, err);

	return rc < 0 ? rc : rule_observe_family(rt, AF_INET, &r, err);
}

static void rule_message(struct rt_writer *w, uint16_t type, uint16_t flags,
			 const struct object_rule *rule)
{
	struct nlmsghdr *nlh = rt_message(w, type, flags, sizeof(struct fib_rule_hdr));
	struct fib_rule_hdr *frh = mnl_nlmsg_get_payload(nlh);

	frh->family = prefix_is_v4(&rule->from) ? AF_INET : AF_INET6;
	frh->src_len = rt_prefix_len(&rule->from);
	frh->action = FR_ACT_TO_TBL;
	frh->table = (uint8_t)(rule->table < 256 ? rule->table : RT_TABLE_UNSPEC);
	mnl_attr_put_u32(nlh, FRA_TABLE, rule->table);
	mnl_attr_put_u32(nlh, FRA_PRIORITY, rule->priority);
	mnl_attr_put_u8(nlh, FRA_PROTOCOL, OBJECT_OWNER_MARK);
	if (frh->src_len != 0) {
		rt_put_addr(nlh, FRA_SRC, &rule->from.addr);
	}
	if (rule->iif[0] != '\0') {
		mnl_attr_put_strz(nlh, FRA_IIFNAME, rule->iif);
	}
	if (rule->ignore_below != 0) {
		mnl_attr_put_u32(nlh, FRA_SUPPRESS_PREFIXLEN, rule->ignore_below - 1u);
	}
	rt_message_end(w, nlh);
}

/* A rule has no value that could change. */
static int rule_put(struct rt_writer *w, const struct object *from, const struct object *to,
		    struct err *err)
{
	(void)err;
	if (to) {
		rule_message(w, RTM_NEWRULE, NLM_F_CREATE | NLM_F_EXCL, &to->rule);
	} else {
		rule_message(w, RTM_DELRULE, 0, &from->rule);
	}
	return 0;
}

static const struct rt_verbs rule_verbs = {.put = rule_put, .observe = rule_observe};

static int driver_observe(void *ctx, uint32_t kinds, struct object_set *set, struct err *err)
{
	return (kinds & DRIVER_KIND(OBJECT_RULE)) != 0 ? rule_observe(ctx, set, err) : 0;
}

static int driver_apply(void *ctx, const struct step *steps, size_t n_steps, size_t *ret_done,
			struct err *err)
{
	return rt_apply(ctx, &rule_verbs, steps, n_steps, ret_done, err);
}

struct driver rt_rule_driver(struct rt *rt)
{
	return (struct driver){
		.name = "rule",
		.kinds = DRIVER_KIND(OBJECT_RULE),
		.ns = rt->ns,
		.ctx = rt,
		.observe = driver_observe,
		.apply = driver_apply,
	};
}
