/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A bound on the connections that the kernel tracks for one tenant, so that it cannot fill the
 * table for all. Looked at behind all policy, and only when a connection begins. A connection is
 * the tenant's that opens it, or else of the tenant it goes to; NAT64's are not tracked.
 *
 * The kernel counts what is open: TCP that has ended is forgotten within seconds (TIMEOUT_PROXIED)
 * and not counted until then, so new ones have a rate, too. That also bounds the cost of counting,
 * which walks the tenant's connections.
 */
#include "gateway/kernel/chains.h"

#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <stdio.h>

#include "gateway/kernel/denial.h"
#include "gateway/kernel/expr.h"

#define PRIORITY_FORWARD 1    /* behind `through` */
#define PRIORITY_INPUT   (-9) /* behind `inp` */
#define RATE_PART        64   /* of the bound: new ones a second, when as many as it have come */
#define CHAIN_NAME_MAX   16

static void chain_name(unsigned int class, char ret_name[CHAIN_NAME_MAX])
{
	(void)snprintf(ret_name, CHAIN_NAME_MAX, "tracked%u",
		       firewall_track_bound(class)); /* fits */
}

static void load_class(struct rule *r, unsigned int class)
{
	expr_meta(r, NFT_META_MARK, 0);
	expr_constant(r, class, 1);
}

/* Comes back when the connection is within the bound. */
static int put_class(struct batch *b, const char *chain, unsigned int class)
{
	const uint32_t bound = firewall_track_bound(class);
	struct rule r;
	int rc = chain_put(b, chain, NULL, 0, 0);

	rule_begin(&r, chain);
	load_class(&r, class);
	expr_update_limit(&r, FIREWALL_TRACK_RATE, 0, bound / RATE_PART, bound);
	expr_update_connections(&r, FIREWALL_TRACKED, 0, bound);
	rule_verdict(&r, NFT_RETURN, NULL);
	rc |= rule_end(&r, b);
	rule_begin(&r, chain);
	return rc | rule_end_denied(&r, b, DENIED_CONNTRACK);
}

static int put_tracked(struct batch *b)
{
	char chain[CHAIN_NAME_MAX];
	struct rule r;
	int rc = chain_put(b, "tracked", NULL, 0, 0);

	rule_begin(&r, "tracked");
	rule_tcp_first(&r, true);
	rule_timeout(&r, TIMEOUT_PROXIED);
	rc |= rule_end(&r, b);
	for (unsigned int class = 0; class < FIREWALL_TRACK_CLASSES_MAX; class ++) {
		chain_name(class, chain);
		rc |= put_class(b, chain, class);
		if (class != FIREWALL_TRACK_USUAL) {
			rule_begin(&r, "tracked");
			load_class(&r, class);
			expr_in_set(&r, FIREWALL_TRACK_CLASSES, true, 0);
			rc |= rule_end_goto(&r, b, chain);
		}
	}
	chain_name(FIREWALL_TRACK_USUAL, chain);
	rule_begin(&r, "tracked");
	return rc | rule_end_goto(&r, b, chain);
}

static int put_hook(struct batch *b, const char *chain, int hook, int priority)
{
	struct rule r;
	int rc = chain_put(b, chain, "filter", hook, priority);

	rule_begin(&r, chain);
	rule_ct_new(&r, false);
	rc |= rule_end_accept(&r, b);
	rule_begin(&r, chain);
	rule_mark(&r, true);
	return rc | rule_end_goto(&r, b, "tracked");
}

/* From outside to a tenant. Its mark is lent for the time of the look. */
static int put_receivers(struct batch *b, const struct firewall *fw)
{
	static const enum firewall_set marks[] = {FIREWALL_MARKS_64, FIREWALL_MARKS_56,
						  FIREWALL_MARKS_4};
	struct rule r;
	int rc = 0;

	for (size_t i = 0; i < sizeof(marks) / sizeof(marks[0]); i++) {
		rule_begin(&r, "tracking");
		rule_device_in_set(&r, NFT_META_OIFNAME, FIREWALL_TUNNELS, true);
		rule_tenant_of(&r, fw, RULE_DESTINATION, marks[i]);
		expr_set_mark(&r, 0);
		rc |= rule_end(&r, b);
	}
	rule_begin(&r, "tracking");
	rule_mark(&r, true);
	rc |= rule_end_jump(&r, b, "tracked");
	rule_begin(&r, "tracking");
	rule_mark(&r, true);
	expr_constant(&r, 0, 0);
	expr_set_mark(&r, 0);
	return rc | rule_end(&r, b);
}

int chains_put_tracked(struct batch *b, const struct firewall *fw)
{
	int rc;

	batch_what(b, "chains that count connections (Linux with NFT_CONNLIMIT: modprobe "
		      "nft_connlimit)");
	rc = put_tracked(b);
	rc |= put_hook(b, "tracking_own", NF_INET_LOCAL_IN, PRIORITY_INPUT);
	rc |= put_hook(b, "tracking", NF_INET_FORWARD, PRIORITY_FORWARD);
	return rc | put_receivers(b, fw);
}
