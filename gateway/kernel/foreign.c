/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What operators and other programs have beside our table. Only what was seen to cost something is
 * named: a forward policy that drops, source NAT of tenants' packets, and dropping what has no
 * connection after translation. `ct state invalid drop` elsewhere costs nothing, because what NAT64
 * takes is not tracked; nor does what is accepted, because ours refuses before it.
 */
#include "gateway/kernel/foreign.h"

#include <errno.h>
#include <libnftnl/chain.h>
#include <libnftnl/common.h>
#include <libnftnl/expr.h>
#include <libnftnl/rule.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <stdio.h>
#include <string.h>

#include "gateway/kernel/batch.h"
#include "gateway/kernel/view.h"

#define NAME_MAX_HERE 64
#define ASK_BYTES     1024
#define CT_INVALID    1u /* bit of NFT_CT_STATE */

struct foreign_chain {
	uint32_t family, hook;
	bool nat, drops;
	char table[NAME_MAX_HERE], name[NAME_MAX_HERE];
};

struct look {
	const struct firewall *fw;
	struct buf *out;
	struct foreign_chain chains[FOREIGN_CHAINS_MAX];
	size_t n_chains;
	const struct foreign_chain *at; /* whose rules are read */
	size_t n_rules;
	bool told; /* of that chain */
};

static const char *family_name(uint32_t family)
{
	return family == NFPROTO_INET ? "inet" : family == NFPROTO_IPV6 ? "ip6" : "ip";
}

static void tell(struct look *l, const struct foreign_chain *c, const char *why)
{
	buf_printf(l->out, "table %s %s, chain %s: %s\n", family_name(c->family), c->table, c->name,
		   why);
}

/* Of tenants' own packets, native or from inside tunnels. */
static bool sees_tenants(const struct look *l, const struct foreign_chain *c)
{
	return c->family == NFPROTO_INET || c->family == NFPROTO_IPV6 ||
	       (c->family == NFPROTO_IPV4 && (l->fw->has_nat44 || l->fw->has_siit));
}

static int chain_seen(const struct nlmsghdr *nlh, void *arg)
{
	struct look *l = arg;
	struct foreign_chain *c = &l->chains[l->n_chains];
	struct nftnl_chain *chain = nftnl_chain_alloc();
	const char *table, *name, *type;

	if (!chain) {
		return -ENOMEM;
	}
	if (l->n_chains == FOREIGN_CHAINS_MAX || nftnl_chain_nlmsg_parse(nlh, chain) < 0 ||
	    !nftnl_chain_is_set(chain, NFTNL_CHAIN_HOOKNUM)) {
		goto out;
	}
	table = nftnl_chain_get_str(chain, NFTNL_CHAIN_TABLE);
	name = nftnl_chain_get_str(chain, NFTNL_CHAIN_NAME);
	type = nftnl_chain_get_str(chain, NFTNL_CHAIN_TYPE);
	if (!table || !name || !type || strcmp(table, TABLE_NAME) == 0) {
		goto out;
	}
	c->family = nftnl_chain_get_u32(chain, NFTNL_CHAIN_FAMILY);
	c->hook = nftnl_chain_get_u32(chain, NFTNL_CHAIN_HOOKNUM);
	c->nat = strcmp(type, "nat") == 0;
	c->drops = nftnl_chain_get_u32(chain, NFTNL_CHAIN_POLICY) == NF_DROP;
	if ((c->family == NFPROTO_INET || c->family == NFPROTO_IPV4 || c->family == NFPROTO_IPV6) &&
	    (c->hook == NF_INET_FORWARD || c->hook == NF_INET_POST_ROUTING)) {
		(void)snprintf(c->table, sizeof(c->table), "%s", table); /* to be shown */
		(void)snprintf(c->name, sizeof(c->name), "%s", name);
		l->n_chains++;
	}
out:
	nftnl_chain_free(chain);
	return 0;
}

/* What a rule does, as far as it matters here. */
struct rule_sight {
	bool invalid, drops, translates;
	bool narrowed; /* to one family or some sources, and it is not known whether to tenants' */
};

static void sight_expr(const struct nftnl_expr *e, bool *state_loaded, struct rule_sight *s)
{
	const char *name = nftnl_expr_get_str(e, NFTNL_EXPR_NAME);
	uint32_t len, states;
	const void *mask;

	if (strcmp(name, "ct") == 0) {
		*state_loaded = nftnl_expr_get_u32(e, NFTNL_EXPR_CT_KEY) == NFT_CT_STATE;
	} else if (strcmp(name, "bitwise") == 0 && *state_loaded) {
		mask = nftnl_expr_get(e, NFTNL_EXPR_BITWISE_MASK, &len);
		if (mask && len == sizeof(states)) {
			memcpy(&states, mask, sizeof(states));
			s->invalid = states & CT_INVALID;
		}
	} else if (strcmp(name, "immediate") == 0) {
		s->drops |= nftnl_expr_is_set(e, NFTNL_EXPR_IMM_VERDICT) &&
			    nftnl_expr_get_u32(e, NFTNL_EXPR_IMM_VERDICT) == NF_DROP;
	} else if (strcmp(name, "masq") == 0) {
		s->translates = true;
	} else if (strcmp(name, "nat") == 0) {
		s->translates = nftnl_expr_get_u32(e, NFTNL_EXPR_NAT_TYPE) == NFT_NAT_SNAT;
	} else if (strcmp(name, "target") == 0) { /* of iptables */
		const char *target = nftnl_expr_get_str(e, NFTNL_EXPR_TG_NAME);

		s->translates = target &&
				(strcmp(target, "MASQUERADE") == 0 || strcmp(target, "SNAT") == 0);
	} else if (strcmp(name, "payload") == 0) {
		s->narrowed |= nftnl_expr_get_u32(e, NFTNL_EXPR_PAYLOAD_BASE) ==
			       NFT_PAYLOAD_NETWORK_HEADER;
	} else if (strcmp(name, "meta") == 0) {
		const uint32_t key = nftnl_expr_get_u32(e, NFTNL_EXPR_META_KEY);

		s->narrowed |= key == NFT_META_MARK || key == NFT_META_NFPROTO ||
			       key == NFT_META_PROTOCOL || key == NFT_META_IIFNAME;
	}
}

static struct rule_sight sight_rule(const struct nftnl_rule *r)
{
	struct nftnl_expr_iter *it = nftnl_expr_iter_create(r);
	struct rule_sight s = {0};
	bool state_loaded = false;
	struct nftnl_expr *e;

	while (it && (e = nftnl_expr_iter_next(it))) {
		sight_expr(e, &state_loaded, &s);
	}
	if (it) {
		nftnl_expr_iter_destroy(it);
	}
	return s;
}

static void judge(struct look *l, const struct rule_sight *s)
{
	if (l->at->nat && s->translates && !s->narrowed && sees_tenants(l, l->at)) {
		tell(l, l->at,
		     "gives tenants' packets this machine's own address as their source; let it "
		     "except them: meta mark & 0xf0000000 == 0x10000000 accept before that rule");
		l->told = true;
	} else if (l->at->hook == NF_INET_POST_ROUTING && s->invalid && s->drops &&
		   l->fw->has_nat64) {
		tell(l, l->at,
		     "drops what has no connection, as all that NAT64 translates: take ct state "
		     "invalid drop out of postrouting");
		l->told = true;
	}
}

static int rule_seen(const struct nlmsghdr *nlh, void *arg)
{
	struct look *l = arg;
	struct nftnl_rule *r;
	struct rule_sight s;

	if (l->told || l->n_rules++ >= FOREIGN_RULES_MAX) {
		return 0;
	}
	r = nftnl_rule_alloc();
	if (!r) {
		return -ENOMEM;
	}
	if (nftnl_rule_nlmsg_parse(nlh, r) == 0) { /* else of a kind that is newer than we are */
		s = sight_rule(r);
		judge(l, &s);
	}
	nftnl_rule_free(r);
	return 0;
}

static int look_at_rules(const struct kernel_ops *ops, struct look *l)
{
	_Alignas(struct nlmsghdr) char data[ASK_BYTES];
	struct nlmsghdr *nlh = nftnl_nlmsg_build_hdr(data, NFT_MSG_GETRULE, (uint16_t)l->at->family,
						     NLM_F_DUMP, 1);
	int rc;

	mnl_attr_put_strz(nlh, NFTA_RULE_TABLE, l->at->table);
	mnl_attr_put_strz(nlh, NFTA_RULE_CHAIN, l->at->name);
	l->n_rules = 0;
	l->told = false;
	rc = view_dump(ops, nlh, rule_seen, l);
	return rc == -ENOENT ? 0 : rc; /* it went meanwhile: the next look knows */
}

int foreign_look(const struct kernel_ops *ops, const struct firewall *fw, struct buf *out,
		 struct err *err)
{
	_Alignas(struct nlmsghdr) char data[ASK_BYTES];
	struct nlmsghdr *nlh =
		nftnl_nlmsg_build_hdr(data, NFT_MSG_GETCHAIN, NFPROTO_UNSPEC, NLM_F_DUMP, 1);
	struct look l = {.fw = fw, .out = out};
	int rc = view_dump(ops, nlh, chain_seen, &l);

	for (size_t i = 0; rc == 0 && i < l.n_chains; i++) {
		l.at = &l.chains[i];
		if (l.at->hook == NF_INET_FORWARD) {
			if (l.at->drops && sees_tenants(&l, l.at)) {
				tell(&l, l.at,
				     "drops what it does not accept itself, tenants' traffic too: let "
				     "it accept what comes in or goes out by their tunnels (iifname, "
				     "oifname \"sg-*\", links of route tunnels)");
			}
		} else {
			rc = look_at_rules(ops, &l);
		}
	}
	return rc < 0 ? err_set_errno(err, rc, "looking at other tables of nftables") : 0;
}
