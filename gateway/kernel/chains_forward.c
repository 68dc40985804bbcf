/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Native IPv6, NAT44 and whole mapped addresses; what NAT64 translates never comes here. A tenant
 * reaches its own prefixes and the way out, never the farmer's networks; to it comes what its
 * inbound policy allows. Another tenant is to it as the Internet is, but for ping.
 */
#include "gateway/kernel/chains.h"

#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>

#include "gateway/kernel/denial.h"
#include "gateway/kernel/expr.h"
#include "gateway/kernel/special.h"

#define PRIORITY_FORWARD 0
#define PORT_MAIL        25

/* The metadata service that some clouds have at a unique local address; fd00:ec2::254 */
static const struct prefix metadata = {.addr = {.b = {0xfd, 0x00, 0x0e,
						      0xc2, [14] = 0x02, [15] = 0x54}},
				       .len = 128};

/* A tenant's own prefixes, and whole addresses: not a matter of anybody's policy. */
static int put_own_prefixes(struct batch *b, const struct firewall *fw)
{
	static const struct {
		enum firewall_set set;
		unsigned int bits;
	} pairs[] = {{FIREWALL_PAIRS_64, 64}, {FIREWALL_PAIRS_56, 56}};
	int rc = 0;

	for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
		struct rule r;

		rule_begin(&r, "from_tenant");
		rule_family(&r, NFPROTO_IPV6);
		expr_meta(&r, NFT_META_MARK, 0);
		expr_address6(&r, RULE_DESTINATION, pairs[i].bits + fw->slice_bits, 1);
		expr_in_set(&r, pairs[i].set, true, 0);
		rc |= rule_end_accept(&r, b);
	}
	return rc;
}

/*
 * Who is beside us on the uplink's own link is the farmer's neighbour, or at home the farmer's
 * network; the router there is gone through, not to.
 */
static int put_on_link(struct batch *b, const struct firewall *fw)
{
	int rc = 0;

	for (size_t i = 0; i < fw->on_link.n; i++) {
		const struct prefix *p = &fw->on_link.prefix[i];
		struct rule r;

		rule_begin(&r, "from_tenant");
		rule_family(&r, NFPROTO_IPV6);
		expr_address6(&r, RULE_DESTINATION, p->len, 0);
		expr_compare(&r, NFT_CMP_EQ, p->addr.b, sizeof(p->addr.b));
		rc |= rule_end_denied(&r, b, DENIED_LAN);
	}
	return rc;
}

static int put_from_tenant(struct batch *b, const struct firewall *fw)
{
	struct rule r;
	int rc = 0;

	rule_begin(&r, "from_tenant"); /* link-local, or a tenant whose elements are on their way */
	rule_mark(&r, false);
	rc |= rule_end_denied(&r, b, DENIED_SOURCE);
	rc |= put_own_prefixes(b, fw);
	rule_begin(&r, "from_tenant");
	rule_device_in_set(&r, NFT_META_OIFNAME, FIREWALL_TUNNELS, true);
	rc |= rule_end_goto(&r, b, "to_tenant");
	rule_begin(&r, "from_tenant");
	rule_oif(&r, FIREWALL_SIIT_LINK, false);
	rule_device_in_set(&r, NFT_META_OIFNAME, FIREWALL_UPLINKS, false);
	rc |= rule_end_denied(&r, b, DENIED_LAN);
	rc |= put_on_link(b, fw);
	rule_begin(&r, "from_tenant");
	rule_in_prefix(&r, RULE_DESTINATION, &metadata);
	rc |= rule_end_denied(&r, b, DENIED_LAN);
	rule_begin(&r, "from_tenant");
	rule_family(&r, NFPROTO_IPV4);
	rc |= rule_end_jump(&r, b, "forward4");
	rc |= special4_put(b, "forward4", fw, NULL);
	rule_begin(&r, "from_tenant");
	rule_l4proto(&r, IPPROTO_TCP);
	rule_destination_port(&r, PORT_MAIL, true);
	expr_meta(&r, NFT_META_MARK, 0);
	expr_in_set(&r, FIREWALL_MAIL, false, 0);
	rc |= rule_end_denied(&r, b, DENIED_MAIL);
	rule_begin(&r, "from_tenant");
	return rc | rule_end_accept(&r, b);
}

static int put_to_tenant(struct batch *b, const struct firewall *fw)
{
	struct rule r;
	int rc = 0;

	rule_begin(&r, "to_tenant"); /* RFC 4890 4.3.1 */
	rule_icmpv6_error(&r);
	rc |= rule_end_accept(&r, b);
	if (fw->has_siit) {
		rule_begin(&r, "to_tenant"); /* the exposure of a whole address is its permission */
		rule_in_prefix(&r, RULE_SOURCE, &fw->siit_prefix);
		expr_address6(&r, RULE_DESTINATION, 128, 0);
		expr_in_set(&r, FIREWALL_MAPPED_6, true, 0);
		rc |= rule_end_accept(&r, b);
	}
	rule_begin(&r, "to_tenant");
	rc |= rule_end_jump(&r, b, "inbound");
	rule_begin(&r, "to_tenant");
	return rc | rule_end_denied(&r, b, DENIED_INBOUND);
}

/* What the translator made of a mapped host's packets, and of those of its clients. */
static int put_from_siit(struct batch *b)
{
	struct rule r;
	int rc = chain_put(b, "from_siit", NULL, 0, 0);

	rule_begin(&r, "from_siit");
	rule_device_in_set(&r, NFT_META_OIFNAME, FIREWALL_TUNNELS, true);
	rc |= rule_end_goto(&r, b, "to_tenant");
	rule_begin(&r, "from_siit");
	rule_device_in_set(&r, NFT_META_OIFNAME, FIREWALL_UPLINKS, true);
	rc |= rule_end_accept(&r, b);
	rule_begin(&r, "from_siit");
	return rc | rule_end_denied(&r, b, DENIED_LAN);
}

/* Ahead of known connections, which the requests of one ping are once it was answered. */
static int put_echo(struct batch *b)
{
	struct rule r;

	rule_begin(&r, "through");
	rule_device_in_set(&r, NFT_META_OIFNAME, FIREWALL_TUNNELS, true);
	rule_device_in_set(&r, NFT_META_IIFNAME, FIREWALL_TUNNELS, false);
	rule_icmp_type(&r, IPPROTO_ICMPV6, ICMP6_ECHO_REQUEST);
	return rule_end_goto(&r, b, "echo");
}

int chains_put_forward(struct batch *b, const struct firewall *fw)
{
	struct rule r;
	int rc;

	batch_what(b, "chains of what is forwarded");
	rc = chain_put(b, "to_tenant", NULL, 0, 0);
	rc |= chain_put(b, "forward4", NULL, 0, 0);
	rc |= chain_put(b, "from_tenant", NULL, 0, 0);
	rc |= chain_put(b, "through", "filter", NF_INET_FORWARD, PRIORITY_FORWARD);
	rc |= put_echo(b);
	rule_begin(&r, "through");
	rule_ct_known(&r);
	rc |= rule_end_accept(&r, b);
	rule_begin(&r, "through");
	rule_device_in_set(&r, NFT_META_IIFNAME, FIREWALL_TUNNELS, true);
	rc |= rule_end_goto(&r, b, "from_tenant");
	if (fw->has_siit) {
		rc |= put_from_siit(b);
		rule_begin(&r, "through");
		rule_iif(&r, FIREWALL_SIIT_LINK, true);
		rc |= rule_end_goto(&r, b, "from_siit");
	}
	rule_begin(&r, "through");
	rule_device_in_set(&r, NFT_META_OIFNAME, FIREWALL_TUNNELS, true);
	rc |= rule_end_goto(&r, b, "to_tenant");
	rc |= put_to_tenant(b, fw);
	return rc | put_from_tenant(b, fw);
}
