/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The inbound policy of tenants, for native packets (forward) and translated ones (postrouting).
 * Whoever jumps to `inbound` comes back when the packet is not allowed.
 *
 * A rule of a tenant has ports, a destination (a service's addresses or all of the tenant) and
 * prefixes of any length as sources. Those are elements of two hash sets and no chain of the
 * tenant: one set knows whether there is any rule for destination, protocol and port, so that most
 * packets cost one look-up. Only for those that have one the source is looked for, once with each
 * length of mask in steps of 8 bits; a prefix between two steps is at most 128 elements. A chain a
 * tenant would make each change one of the rules, an interval set of sources costs 200 ms for each
 * element that goes.
 */
#include "gateway/kernel/chains.h"

#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <stdio.h>

#include "gateway/kernel/denial.h"
#include "gateway/kernel/expr.h"

/* How a destination is looked for. */
static const struct destination {
	unsigned int bits;
	enum firewall_set allow, from;
	const char *chain;
} destinations[] = {
	{128, FIREWALL_ALLOW_128, FIREWALL_FROM_128, "from128"},
	{64, FIREWALL_ALLOW_64, FIREWALL_FROM_64, "from64"},
	{56, FIREWALL_ALLOW_56, FIREWALL_FROM_56, "from56"},
};
#define N_DESTINATIONS (sizeof(destinations) / sizeof(destinations[0]))

static void load_destination(struct rule *r, const struct firewall *fw, unsigned int bits)
{
	expr_address6(r, RULE_DESTINATION, bits == 128 ? bits : bits + fw->slice_bits, 0);
	expr_meta(r, NFT_META_L4PROTO, 4);
	expr_ports(r, RULE_DESTINATION, 5);
}

static int put_from(struct batch *b, const struct firewall *fw, const struct destination *d)
{
	struct rule r;
	int rc = chain_put(b, d->chain, NULL, 0, 0);

	for (unsigned int bits = 0; bits <= 128; bits += FIREWALL_FROM_STEP) {
		rule_begin(&r, d->chain);
		load_destination(&r, fw, d->bits);
		expr_constant(&r, bits, 6);
		expr_address6(&r, RULE_SOURCE, bits, 7);
		expr_in_set(&r, d->from, true, 0);
		rc |= rule_end_accept(&r, b);
	}
	return rc;
}

/*
 * Where echo requests to a tenant's hosts go to: ICMPv6 is open, at a rate that is the tenant's.
 * The mark is only lent for that: a key that comes from a map is one the nft program cannot show.
 */
static int put_echo(struct batch *b, const struct firewall *fw)
{
	static const enum firewall_set marks[] = {FIREWALL_MARKS_64, FIREWALL_MARKS_56};
	struct rule r;
	int rc = chain_put(b, "echo", NULL, 0, 0);

	for (size_t i = 0; i < sizeof(marks) / sizeof(marks[0]); i++) {
		rule_begin(&r, "echo");
		rule_tenant_of(&r, fw, RULE_DESTINATION, marks[i]);
		expr_set_mark(&r, 0);
		expr_meta(&r, NFT_META_MARK, 0);
		expr_update_limit(&r, FIREWALL_ECHO_TO, 0, CHAINS_ECHO_RATE, CHAINS_ECHO_BURST);
		expr_constant(&r, 0, 0);
		expr_set_mark(&r, 0);
		rc |= rule_end_accept(&r, b);
	}
	rule_begin(&r, "echo");
	return rc | rule_end_denied(&r, b, DENIED_ECHO);
}

int chain_accept_open(struct batch *b, const struct firewall *fw, const char *chain,
		      enum rule_address which)
{
	static const struct {
		enum firewall_set set;
		unsigned int bits;
	} open[] = {{FIREWALL_INBOUND_64, 64}, {FIREWALL_INBOUND_56, 56}};
	int rc = 0;

	for (size_t i = 0; i < sizeof(open) / sizeof(open[0]); i++) {
		struct rule r;

		rule_begin(&r, chain);
		rule_family(&r, NFPROTO_IPV6);
		expr_address6(&r, which, open[i].bits + fw->slice_bits, 0);
		expr_in_set(&r, open[i].set, true, 0);
		rc |= rule_end_accept(&r, b);
	}
	return rc;
}

int chains_put_inbound(struct batch *b, const struct firewall *fw)
{
	struct rule r;
	int rc = 0;

	batch_what(b, "chains of the inbound policy");
	rc |= put_echo(b, fw);
	for (size_t i = 0; i < N_DESTINATIONS; i++) {
		rc |= put_from(b, fw, &destinations[i]);
	}
	rc |= chain_put(b, "inbound", NULL, 0, 0);
	rc |= chain_accept_open(b, fw, "inbound", RULE_DESTINATION);
	for (size_t i = 0; i < N_DESTINATIONS; i++) {
		rule_begin(&r, "inbound");
		rule_family(&r, NFPROTO_IPV6);
		load_destination(&r, fw, destinations[i].bits);
		expr_in_set(&r, destinations[i].allow, true, 0);
		rc |= rule_end_jump(&r, b, destinations[i].chain);
	}
	return rc;
}
