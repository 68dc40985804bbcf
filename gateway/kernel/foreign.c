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
#include <stdlib.h>
#include <string.h>

#include "gateway/kernel/batch.h"
#include "gateway/kernel/view.h"

#define NAME_MAX_HERE 64
#define ASK_BYTES     1024
#define CT_INVALID    1u    /* bit of NFT_CT_STATE */
#define WALK_MAX      65536 /* rules, counted each time they are come to */

struct foreign_chain {
	uint32_t family, hook; /* hook: of base chains */
	bool nat, drops, told; /* base chains: type, policy, and whether something was said */
	char table[NAME_MAX_HERE], name[NAME_MAX_HERE];
	size_t first_rule, n_rules; /* look.rules */
};

/* What a rule does, as far as it matters here. */
struct rule_sight {
	bool invalid, drops, translates;
	bool narrowed; /* to one family or some sources, and it is not known whether to tenants' */
	bool by_mark;  /* by the mark, which tells tenants from others */
	bool accepts, returns;
	uint16_t
		to; /* where it jumps to: look.chains; 0: nowhere, for no base chain is jumped to */
};

struct look {
	const struct firewall *fw;
	struct buf *out;
	struct foreign_chain chains[FOREIGN_CHAINS_MAX]; /* base chains first */
	size_t n_chains, n_base;
	struct rule_sight rules[FOREIGN_RULES_MAX];
	size_t n_rules;
	const struct foreign_chain *at; /* whose rules are read */
	size_t n_walked;
};

static const char *family_name(uint32_t family)
{
	return family == NFPROTO_INET ? "inet" : family == NFPROTO_IPV6 ? "ip6" : "ip";
}

/* Of a rule in c, which base is or jumps to. */
static void tell(struct look *l, struct foreign_chain *base, const struct foreign_chain *c,
		 const char *why)
{
	buf_printf(l->out, "table %s %s, chain %s", family_name(base->family), base->table,
		   c->name);
	if (c != base) {
		buf_printf(l->out, " (from chain %s)", base->name);
	}
	buf_printf(l->out, ": %s\n", why);
	base->told = true;
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
	struct foreign_chain *c = &l->chains[l->n_base];
	struct nftnl_chain *chain = nftnl_chain_alloc();
	const char *table, *name, *type;

	if (!chain) {
		return -ENOMEM;
	}
	if (l->n_base == FOREIGN_BASE_MAX || nftnl_chain_nlmsg_parse(nlh, chain) < 0 ||
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
		l->n_base++;
	}
out:
	nftnl_chain_free(chain);
	return 0;
}

/* The chain of that name in the table of the one being read; it is read itself later. */
static uint16_t chain_named(struct look *l, const char *name)
{
	size_t i = l->n_base;

	while (i < l->n_chains && (l->chains[i].family != l->at->family ||
				   strcmp(l->chains[i].table, l->at->table) != 0 ||
				   strcmp(l->chains[i].name, name) != 0)) {
		i++;
	}
	if (i == FOREIGN_CHAINS_MAX || strlen(name) >= sizeof(l->chains[i].name)) {
		return 0;
	}
	if (i == l->n_chains) {
		l->chains[i].family = l->at->family;
		memcpy(l->chains[i].table, l->at->table, sizeof(l->at->table));
		memcpy(l->chains[i].name, name, strlen(name) + 1);
		l->n_chains++;
	}
	return (uint16_t)i;
}

static void sight_verdict(struct look *l, const struct nftnl_expr *e, struct rule_sight *s)
{
	const char *chain;

	if (!nftnl_expr_is_set(e, NFTNL_EXPR_IMM_VERDICT)) {
		return;
	}
	switch ((int)nftnl_expr_get_u32(e, NFTNL_EXPR_IMM_VERDICT)) {
	case NF_DROP:
		s->drops = true;
		break;
	case NF_ACCEPT:
		s->accepts = true;
		break;
	case NFT_RETURN:
		s->returns = true;
		break;
	case NFT_JUMP:
	case NFT_GOTO:
		chain = nftnl_expr_get_str(e, NFTNL_EXPR_IMM_CHAIN);
		s->to = chain ? chain_named(l, chain) : 0;
		break;
	default: /* the kernel's number, not an enum of ours */
		break;
	}
}

static void narrow_by_mark(struct rule_sight *s)
{
	s->narrowed = s->by_mark = true;
}

static void sight_expr(struct look *l, const struct nftnl_expr *e, bool *state_loaded,
		       struct rule_sight *s)
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
		sight_verdict(l, e, s);
	} else if (strcmp(name, "masq") == 0) {
		s->translates = true;
	} else if (strcmp(name, "nat") == 0) {
		s->translates = nftnl_expr_get_u32(e, NFTNL_EXPR_NAT_TYPE) == NFT_NAT_SNAT;
	} else if (strcmp(name, "target") == 0) { /* of iptables */
		const char *target = nftnl_expr_get_str(e, NFTNL_EXPR_TG_NAME);

		s->translates = target &&
				(strcmp(target, "MASQUERADE") == 0 || strcmp(target, "SNAT") == 0);
	} else if (strcmp(name, "match") == 0) { /* of iptables, too */
		const char *match = nftnl_expr_get_str(e, NFTNL_EXPR_MT_NAME);

		if (match && strcmp(match, "mark") == 0) {
			narrow_by_mark(s);
		}
	} else if (strcmp(name, "payload") == 0) {
		s->narrowed |= nftnl_expr_get_u32(e, NFTNL_EXPR_PAYLOAD_BASE) ==
			       NFT_PAYLOAD_NETWORK_HEADER;
	} else if (strcmp(name, "meta") == 0) {
		const uint32_t key = nftnl_expr_get_u32(e, NFTNL_EXPR_META_KEY);

		s->narrowed |= key == NFT_META_NFPROTO || key == NFT_META_PROTOCOL ||
			       key == NFT_META_IIFNAME;
		if (key == NFT_META_MARK) {
			narrow_by_mark(s);
		}
	}
}

static struct rule_sight sight_rule(struct look *l, const struct nftnl_rule *r)
{
	struct nftnl_expr_iter *it = nftnl_expr_iter_create(r);
	struct rule_sight s = {0};
	bool state_loaded = false;
	struct nftnl_expr *e;

	while (it && (e = nftnl_expr_iter_next(it))) {
		sight_expr(l, e, &state_loaded, &s);
	}
	if (it) {
		nftnl_expr_iter_destroy(it);
	}
	return s;
}

static int rule_seen(const struct nlmsghdr *nlh, void *arg)
{
	struct look *l = arg;
	struct nftnl_rule *r;

	if (l->n_rules == FOREIGN_RULES_MAX) {
		return 0;
	}
	r = nftnl_rule_alloc();
	if (!r) {
		return -ENOMEM;
	}
	if (nftnl_rule_nlmsg_parse(nlh, r) == 0) { /* else of a kind that is newer than we are */
		l->rules[l->n_rules++] = sight_rule(l, r);
	}
	nftnl_rule_free(r);
	return 0;
}

static int read_rules(const struct kernel_ops *ops, struct look *l, struct foreign_chain *c)
{
	_Alignas(struct nlmsghdr) char data[ASK_BYTES];
	struct nlmsghdr *nlh =
		nftnl_nlmsg_build_hdr(data, NFT_MSG_GETRULE, (uint16_t)c->family, NLM_F_DUMP, 1);
	int rc;

	mnl_attr_put_strz(nlh, NFTA_RULE_TABLE, c->table);
	mnl_attr_put_strz(nlh, NFTA_RULE_CHAIN, c->name);
	l->at = c;
	c->first_rule = l->n_rules;
	rc = view_dump(ops, nlh, rule_seen, l);
	c->n_rules = l->n_rules - c->first_rule;
	return rc == -ENOENT ? 0 : rc; /* it went meanwhile: the next look knows */
}

static void judge(struct look *l, struct foreign_chain *base, const struct foreign_chain *c,
		  const struct rule_sight *s)
{
	if (base->nat && s->translates && !s->narrowed && sees_tenants(l, base)) {
		tell(l, base, c,
		     "gives tenants' packets this machine's own address as their source; let it "
		     "except them: meta mark & 0xf0000000 == 0x10000000 accept before that rule");
	} else if (s->invalid && s->drops && l->fw->has_nat64) {
		tell(l, base, c,
		     "drops what has no connection, as all that NAT64 translates: take ct state "
		     "invalid drop out of postrouting");
	}
}

/*
 * The rules of a chain in their order, and of those it jumps to, which see what the rule that jumps
 * lets through (under). Returns whether some of the marks, perhaps tenants', were accepted: what
 * comes behind is then narrowed.
 */
static bool walk(struct look *l, struct foreign_chain *base, const struct foreign_chain *c,
		 struct rule_sight under, unsigned int depth)
{
	bool excepted = false;

	for (size_t i = 0; i < c->n_rules && !base->told && l->n_walked < WALK_MAX; i++) {
		struct rule_sight s = l->rules[c->first_rule + i];

		l->n_walked++;
		s.invalid |= under.invalid;
		s.narrowed |= under.narrowed;
		if (s.to != 0 && depth < FOREIGN_DEPTH_MAX &&
		    walk(l, base, &l->chains[s.to], s, depth + 1)) {
			under.narrowed = excepted = true;
		}
		judge(l, base, c, &s);
		under.narrowed |= s.by_mark && (s.accepts || s.returns);
		excepted |= s.by_mark && s.accepts;
	}
	return excepted;
}

static int look_at_all(const struct kernel_ops *ops, struct look *l)
{
	_Alignas(struct nlmsghdr) char data[ASK_BYTES];
	struct nlmsghdr *nlh =
		nftnl_nlmsg_build_hdr(data, NFT_MSG_GETCHAIN, NFPROTO_UNSPEC, NLM_F_DUMP, 1);
	int rc = view_dump(ops, nlh, chain_seen, l);

	l->n_chains = l->n_base;
	for (size_t i = 0; rc == 0 && i < l->n_chains; i++) { /* reading finds more */
		if (i >= l->n_base || l->chains[i].hook == NF_INET_POST_ROUTING) {
			rc = read_rules(ops, l, &l->chains[i]);
		}
	}
	for (size_t i = 0; rc == 0 && i < l->n_base; i++) {
		struct foreign_chain *c = &l->chains[i];

		if (c->hook == NF_INET_POST_ROUTING) {
			(void)walk(l, c, c, (struct rule_sight){0}, 0); /* nothing is behind it */
		} else if (c->drops && sees_tenants(l, c)) {
			tell(l, c, c,
			     "drops what it does not accept itself, tenants' traffic too: let it "
			     "accept what comes in or goes out by their tunnels (iifname, oifname "
			     "\"sg-*\", links of route tunnels)");
		}
	}
	return rc;
}

int foreign_look(const struct kernel_ops *ops, const struct firewall *fw, struct buf *out,
		 struct err *err)
{
	struct look *l = calloc(1, sizeof(*l));
	int rc = -ENOMEM;

	if (l) {
		l->fw = fw;
		l->out = out;
		rc = look_at_all(ops, l);
	}
	free(l);
	return rc < 0 ? err_set_errno(err, rc, "looking at other tables of nftables") : 0;
}
