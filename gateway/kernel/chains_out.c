/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What leaves: the place for all that must hold after translation, where only the mark and the
 * devices tell what a packet was, and nothing can be rejected.
 */
#include "gateway/kernel/chains.h"

#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>

#include "gateway/kernel/denial.h"
#include "gateway/kernel/expr.h"

#define PRIORITY_MSS  (-150) /* before NAT: at 110 a SYN of NAT44 left with the wrong MSS */
#define PRIORITY_OUT  (-10)
#define PRIORITY_SNAT 100

static int put_mss(struct batch *b)
{
	struct rule r;
	int rc = chain_put(b, "mss", "filter", NF_INET_POST_ROUTING, PRIORITY_MSS);

	rule_begin(&r, "mss");
	rule_tcp_syn(&r, false);
	rc |= rule_end_accept(&r, b);
	rule_begin(&r, "mss");
	rule_device_in_set(&r, NFT_META_OIFNAME, FIREWALL_TUNNELS, true);
	rule_tcp_syn(&r, true);
	expr_route_mss(&r, 0);
	expr_set_mss(&r, 0);
	rc |= rule_end(&r, b);
	rule_begin(&r, "mss");
	rule_mark(&r, true);
	rule_tcp_syn(&r, true);
	expr_route_mss(&r, 0);
	expr_set_mss(&r, 0);
	return rc | rule_end(&r, b);
}

/*
 * Without ports to ask for. What comes in pieces is put together before the translator, so these
 * are of what it has cut itself, and of no use to a tenant who was refused the first one.
 */
static void later_fragment(struct rule *r)
{
	static const uint8_t offset[2] = {0xff, 0xf8}, none[2] = {0};

	expr_fragment_offset(r, 0);
	expr_mask(r, offset, sizeof(offset), 0);
	expr_compare(r, NFT_CMP_NEQ, none, sizeof(none));
}

/* Towards tenants from NAT64: the policy without connections. */
static int put_in64(struct batch *b)
{
	struct rule r;
	int rc = 0;

	rule_begin(&r, "in64");
	rule_tcp_first(&r, false);
	rc |= rule_end_accept(&r, b);
	rule_begin(&r, "in64");
	rule_icmpv6_error(&r);
	rc |= rule_end_accept(&r, b);
	rule_begin(&r, "in64");
	rule_icmp_type(&r, IPPROTO_ICMPV6, ICMP6_ECHO_REPLY);
	rc |= rule_end_accept(&r, b);
	rule_begin(&r, "in64");
	rule_icmp_type(&r, IPPROTO_ICMPV6, ICMP6_ECHO_REQUEST);
	rc |= rule_end_goto(&r, b, "echo");
	rule_begin(&r, "in64");
	rule_l4proto(&r, IPPROTO_UDP);
	expr_address6(&r, RULE_DESTINATION, 128, 0);
	expr_address6(&r, RULE_SOURCE, 128, 4);
	expr_meta(&r, NFT_META_L4PROTO, 8);
	expr_ports(&r, RULE_DESTINATION, 9);
	expr_in_set(&r, FIREWALL_FLOWS, true, 0);
	rc |= rule_end_accept(&r, b);
	rule_begin(&r, "in64");
	later_fragment(&r);
	rc |= rule_end_accept(&r, b);
	rule_begin(&r, "in64");
	rc |= rule_end_jump(&r, b, "inbound");
	rule_begin(&r, "in64");
	return rc | rule_end_denied(&r, b, DENIED_INBOUND_TRANSLATED);
}

/*
 * From a tenant, by a device that is neither another one's nor inside this machine. That it is not
 * the way out is asked before: it nearly always is.
 */
static void leaving(struct rule *r, uint8_t family)
{
	rule_family(r, family);
	rule_mark(r, true);
	rule_oif(r, "lo", false);
	rule_oif(r, FIREWALL_SIIT_LINK, false);
	rule_device_in_set(r, NFT_META_OIFNAME, FIREWALL_TUNNELS, false);
}

static int put_n64out(struct batch *b, const struct firewall *fw)
{
	struct rule r;
	int rc = chain_put(b, "in64", NULL, 0, 0);

	rc |= chain_put(b, "n64out", "filter", NF_INET_POST_ROUTING, PRIORITY_OUT);
	if (fw->exit_link[0] != '\0') {
		/* Whatever routes there are: another provider never sees a tenant's address. */
		rule_begin(&r, "n64out");
		rule_oif(&r, fw->exit_link, false);
		leaving(&r, NFPROTO_IPV6);
		rc |= rule_end_denied(&r, b, DENIED_LAN_TRANSLATED);
	}
	if (!fw->has_nat64) {
		return rc;
	}
	rule_begin(&r, "n64out"); /* the farmer's networks, whatever their addresses are */
	rule_device_in_set(&r, NFT_META_OIFNAME, FIREWALL_UPLINKS, false);
	leaving(&r, NFPROTO_IPV4);
	rc |= rule_end_denied(&r, b, DENIED_LAN_TRANSLATED);
	rule_begin(&r, "n64out");
	rule_device_in_set(&r, NFT_META_OIFNAME, FIREWALL_TUNNELS, true);
	rule_in_prefix(&r, RULE_SOURCE, &fw->pref64);
	rc |= rule_end_jump(&r, b, "in64");
	return rc | put_in64(b);
}

static void from_inside(struct rule *r)
{
	static const uint8_t net[4] = {100, 64}, mask[4] = {255, 192};

	rule_device_in_set(r, NFT_META_OIFNAME, FIREWALL_TUNNELS, false);
	rule_family(r, NFPROTO_IPV4);
	rule_mark(r, true);
	expr_address4(r, RULE_SOURCE, 0);
	expr_mask(r, mask, sizeof(mask), 0);
	expr_compare(r, NFT_CMP_EQ, net, sizeof(net));
}

/* IPv4 from inside tunnels leaves by its tenant's block of ports, or not at all. */
static int put_nat44(struct batch *b)
{
	static const uint8_t protocols[] = {IPPROTO_TCP, IPPROTO_UDP, IPPROTO_ICMP};
	struct rule r;
	int rc = chain_put(b, "nat44", "nat", NF_INET_POST_ROUTING, PRIORITY_SNAT);

	for (size_t i = 0; i < sizeof(protocols); i++) {
		rule_begin(&r, "nat44");
		from_inside(&r);
		rule_l4proto(&r, protocols[i]);
		expr_address4(&r, RULE_SOURCE, 0);
		expr_map(&r, FIREWALL_NAT44, 0, 0);
		expr_snat4(&r, 0);
		rc |= rule_end(&r, b);
	}
	rule_begin(&r, "nat44");
	from_inside(&r);
	return rc | rule_end_denied(&r, b, DENIED_NAT44);
}

int chains_put_out(struct batch *b, const struct firewall *fw)
{
	int rc;

	batch_what(b, "chain mss");
	rc = put_mss(b);
	batch_what(b, "chains of what leaves");
	rc |= put_n64out(b, fw);
	if (fw->has_nat44) {
		batch_what(b, "chain nat44");
		rc |= put_nat44(b);
	}
	return rc;
}
