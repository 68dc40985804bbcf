/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Whole addresses: who may use the stateless translator's prefix, and what hides that prefix from
 * the mapped hosts. They see and use Pref64 as all others do, and a stateless change of the prefix
 * turns that over to the translator, ahead of Jool's NAT64. The translator is in a namespace of its
 * own, so a packet of it has no mark here; its device tells.
 */
#include "gateway/kernel/chains.h"

#include <linux/netfilter.h>
#include <linux/netfilter/nf_nat.h>
#include <linux/netfilter/nf_tables.h>
#include <netinet/in.h>

#include "gateway/kernel/denial.h"
#include "gateway/kernel/expr.h"

#define PRIORITY_GUARD (-149) /* after the tenants' own chain */
#define PRIORITY_DNAT  (-100) /* before Jool, -75 */
#define PRIORITY_ERROR (-10)
#define PRIORITY_SNAT  100

/* Both ways through the prefix: from mapped hosts by their tunnels, and from the translator. */
static int put_guard(struct batch *b, const struct firewall *fw)
{
	struct rule r;
	int rc = chain_put(b, "siit", "filter", NF_INET_PRE_ROUTING, PRIORITY_GUARD);

	rule_begin(&r, "siit");
	rule_in_prefix(&r, RULE_SOURCE, &fw->siit_prefix);
	rule_iif(&r, FIREWALL_SIIT_LINK, false);
	rc |= rule_end_denied(&r, b, DENIED_SIIT_OUTSIDE);
	rule_begin(&r, "siit"); /* the tenants' chain has looked at what comes out of a tunnel */
	rule_in_prefix(&r, RULE_DESTINATION, &fw->siit_prefix);
	rule_device_in_set(&r, NFT_META_IIFNAME, FIREWALL_TUNNELS, false);
	return rc | rule_end_denied(&r, b, DENIED_SIIT_OUTSIDE);
}

/* A mapped host's traffic with Pref64 is the translator's, not NAT64's. */
static int put_prefix_nat(struct batch *b, const struct firewall *fw)
{
	struct rule r;
	int rc = chain_put(b, "eamd", "nat", NF_INET_PRE_ROUTING, PRIORITY_DNAT);

	rule_begin(&r, "eamd");
	rule_in_prefix(&r, RULE_DESTINATION, &fw->pref64);
	expr_address6(&r, RULE_SOURCE, 128, 0);
	expr_in_set(&r, FIREWALL_MAPPED_6, true, 0);
	expr_prefix_nat(&r, NFT_NAT_DNAT, &fw->siit_prefix);
	rc |= rule_end(&r, b);

	rc |= chain_put(b, "eams", "nat", NF_INET_POST_ROUTING, PRIORITY_SNAT);
	rule_begin(&r, "eams");
	rule_in_prefix(&r, RULE_SOURCE, &fw->siit_prefix);
	expr_address6(&r, RULE_DESTINATION, 128, 0);
	expr_in_set(&r, FIREWALL_MAPPED_6, true, 0);
	expr_prefix_nat(&r, NFT_NAT_SNAT, &fw->pref64);
	return rc | rule_end(&r, b);
}

/*
 * ICMP errors made inside carry the link's own address, which nobody outside would believe.
 * Connection tracking does not change the source of an error, so this does.
 */
static int put_error_source(struct batch *b, const struct firewall *fw)
{
	static const uint8_t net[4] = {169, 254, 64, 0}, mask[4] = {255, 255, 255, 254};
	struct rule r;
	int rc = chain_put(b, "siiterr", "filter", NF_INET_POST_ROUTING, PRIORITY_ERROR);

	rule_begin(&r, "siiterr");
	rule_oif(&r, FIREWALL_SIIT_LINK, false);
	rule_family(&r, NFPROTO_IPV4);
	rule_l4proto(&r, IPPROTO_ICMP);
	expr_address4(&r, RULE_SOURCE, 0);
	expr_mask(&r, mask, sizeof(mask), 0);
	expr_compare(&r, NFT_CMP_EQ, net, sizeof(net));
	expr_set_source4(&r, fw->error_source.b + 12);
	return rc | rule_end(&r, b);
}

int chains_put_siit(struct batch *b, const struct firewall *fw)
{
	int rc;

	batch_what(b, "chain siit");
	rc = put_guard(b, fw);
	if (fw->has_nat64 && fw->pref64.len == fw->siit_prefix.len) {
		batch_what(b, "chains eamd and eams, NAT of prefixes (Linux 5.8)");
		rc |= put_prefix_nat(b, fw);
	}
	if (!addr_is_any(&fw->error_source)) {
		batch_what(b, "chain siiterr");
		rc |= put_error_source(b, fw);
	}
	return rc;
}
