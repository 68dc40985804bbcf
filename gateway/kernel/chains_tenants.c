/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What tenants send, before Jool takes it (prerouting -75): who may send from where, the tenant's
 * mark, and what of Pref64 is closed. Only here can a packet for the translator be rejected.
 */
#include "gateway/kernel/chains.h"

#include <assert.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <stddef.h>
#include <string.h>

#include "gateway/kernel/denial.h"
#include "gateway/kernel/expr.h"
#include "gateway/kernel/special.h"

#define PRIORITY_RAW     (-300) /* before connection tracking */
#define PRIORITY_TENANTS (-150)
#define PRIORITY_MSS     (-140)
#define PORT_MAIL        25

/* Queries for the farm's zone, in, or answers, out; of others than tenants. */
static int put_zone_raw(struct batch *b, const struct firewall *fw, const char *chain,
			enum rule_address which, uint32_t device)
{
	static const uint8_t port_be[2] = {0, DNS_PORT};
	int rc = 0;

	for (size_t i = 0; i < fw->n_zone; i++) {
		struct rule r;

		rule_begin(&r, chain);
		rule_is_address(&r, which, &fw->zone[i]);
		rule_l4proto(&r, IPPROTO_UDP);
		expr_ports(&r, which, 0);
		expr_compare(&r, NFT_CMP_EQ, port_be, sizeof(port_be));
		if (fw->has_tunnels) {
			rule_device_in_set(&r, device, FIREWALL_TUNNELS, false);
		}
		expr_notrack(&r);
		rc |= rule_end_accept(&r, b);
	}
	return rc;
}

/*
 * Whoever asks for the zone, from forged sources as well, is not to fill the table of connections.
 * Tenants' queries need one: the answer comes in to them by it.
 */
static int put_zone(struct batch *b, const struct firewall *fw)
{
	int rc;

	if (fw->n_zone == 0) {
		return 0;
	}
	rc = put_zone_raw(b, fw, "raw", RULE_DESTINATION, NFT_META_IIFNAME);
	rc |= chain_put(b, "rawout", "filter", NF_INET_LOCAL_OUT, PRIORITY_RAW);
	return rc | put_zone_raw(b, fw, "rawout", RULE_SOURCE, NFT_META_OIFNAME);
}

/* What Jool takes has no connection; a foreign `ct state invalid drop` would stop it. */
static int put_translated(struct batch *b, const struct firewall *fw)
{
	const uint8_t protocols[] = {IPPROTO_TCP, IPPROTO_UDP};
	uint16_t first_be = htons(fw->nat64_ports.first), last_be = htons(fw->nat64_ports.last);
	struct rule r;
	int rc = 0;

	rule_begin(&r, "raw");
	rule_in_prefix(&r, RULE_DESTINATION, &fw->pref64);
	expr_address6(&r, RULE_SOURCE, 128, 0);
	expr_in_set(&r, FIREWALL_MAPPED_6, false,
		    0); /* a stateless prefix NAT needs them tracked */
	expr_notrack(&r);
	rc |= rule_end_accept(&r, b);
	for (size_t i = 0; i < sizeof(protocols); i++) {
		rule_begin(&r, "raw");
		rule_destination_in_set(&r, true, 32, FIREWALL_POOL_4);
		rule_l4proto(&r, protocols[i]);
		expr_ports(&r, RULE_DESTINATION, 0);
		expr_range(&r, &first_be, &last_be, sizeof(first_be));
		expr_notrack(&r);
		rc |= rule_end_accept(&r, b);
	}
	return rc;
}

int chains_put_raw(struct batch *b, const struct firewall *fw)
{
	int rc;

	batch_what(b, "chain raw");
	rc = chain_put(b, "raw", "filter", NF_INET_PRE_ROUTING, PRIORITY_RAW);
	rc |= put_zone(b, fw);
	return fw->has_tunnels && fw->has_nat64 ? rc | put_translated(b, fw) : rc;
}

static void outer_to(struct rule *r, const struct addr *local)
{
	rule_begin(r, "pre");
	rule_family(r, NFPROTO_IPV4);
	rule_l4proto(r, IPPROTO_IPV6);
	expr_address4(r, RULE_DESTINATION, 0);
	expr_compare(r, NFT_CMP_EQ, local->b + 12, 4);
	expr_address4(r, RULE_SOURCE, 0);
}

/*
 * A tunnel's device takes what comes from its remote; without these rules the sender is told. The
 * exit's address is among FIREWALL_REMOTES when it shares the tenants' local one.
 */
static int put_outer(struct batch *b, const struct firewall *fw)
{
	bool shared = fw->has_6in4 && addr_eq(&fw->exit_local, &fw->local_6in4);
	struct rule r;
	int rc = 0;

	if (fw->has_6in4) {
		outer_to(&r, &fw->local_6in4);
		expr_in_set(&r, FIREWALL_REMOTES, false, 0);
		rc |= rule_end_drop(&r, b, denial_name(DENIAL_OUTER));
	}
	if (fw->has_exit_6in4 && !shared) {
		outer_to(&r, &fw->exit_local);
		expr_compare(&r, NFT_CMP_NEQ, fw->exit_remote.b + 12, 4);
		rc |= rule_end_drop(&r, b, denial_name(DENIAL_OUTER));
	}
	return rc;
}

/* What comes by its own tunnel gets its tenant's mark. */
static int put_source(struct batch *b, enum firewall_set sources, enum firewall_set marks,
		      unsigned int bits)
{
	struct rule r;

	rule_begin(&r, "tenant");
	expr_meta(&r, NFT_META_IIFNAME, 0);
	expr_address6(&r, RULE_SOURCE, bits, 4);
	expr_in_set(&r, sources, true, 0);
	expr_address6(&r, RULE_SOURCE, bits, 0);
	expr_map(&r, marks, 0, 0);
	expr_set_mark(&r, 0);
	return rule_end_goto(&r, b, "tenant6");
}

/* All that comes out of a tunnel, and what claims to. */
static int put_pre(struct batch *b, const struct firewall *fw)
{
	static const struct {
		enum firewall_set set;
		unsigned int bits;
	} marks[] = {{FIREWALL_MARKS_64, 64}, {FIREWALL_MARKS_56, 56}};
	const uint32_t none = 0;
	struct rule r;
	int rc = put_outer(b, fw);

	rule_begin(&r, "pre");
	rule_device_in_set(&r, NFT_META_IIFNAME, FIREWALL_TUNNELS, true);
	rc |= rule_end_jump(&r, b, "tenant");
	for (size_t i = 0; i < sizeof(marks) / sizeof(marks[0]); i++) {
		rule_begin(&r, "pre");
		rule_family(&r, NFPROTO_IPV6);
		rule_iif_is_not_lo(&r);
		expr_address6(&r, RULE_SOURCE, marks[i].bits + fw->slice_bits, 0);
		expr_map(&r, marks[i].set, 0, 0);
		expr_compare(&r, NFT_CMP_NEQ, &none,
			     sizeof(none)); /* any: that there is one counts */
		rc |= rule_end_denied(&r, b, DENIED_SOURCE);
	}
	return rc;
}

/* Neighbour discovery and the like between the tunnel's two ends. */
static int put_link(struct batch *b, const char *chain, bool from_link)
{
	static const struct {
		uint8_t first[2];
		uint8_t mask[2];
	} to[] = {{{0xfe, 0x80}, {0xff, 0xc0}}, {{0xff, 0x02}, {0xff, 0xff}}};
	struct rule r;
	int rc = 0;

	for (size_t i = 0; i < sizeof(to) / sizeof(to[0]); i++) {
		rule_begin(&r, chain);
		rule_l4proto(&r, IPPROTO_ICMPV6);
		expr_payload(&r, NFT_PAYLOAD_NETWORK_HEADER, 24, 2, 0);
		expr_mask(&r, to[i].mask, 2, 0);
		expr_compare(&r, NFT_CMP_EQ, to[i].first, 2);
		if (from_link) {
			expr_payload(&r, NFT_PAYLOAD_NETWORK_HEADER, 8, 2, 0);
			expr_mask(&r, to[0].mask, 2, 0);
			expr_compare(&r, NFT_CMP_EQ, to[0].first, 2);
		}
		rc |= rule_end_accept(&r, b);
	}
	return rc;
}

/* Duplicate address detection. */
static int put_unspecified(struct batch *b)
{
	static const struct addr any;
	struct rule r;

	rule_begin(&r, "tenant");
	rule_icmp_type(&r, IPPROTO_ICMPV6, ND_NEIGHBOR_SOLICIT);
	expr_address6(&r, RULE_SOURCE, 128, 0);
	expr_compare(&r, NFT_CMP_EQ, any.b, sizeof(any.b));
	return rule_end_accept(&r, b);
}

/*
 * Who sends from where it may not. What is most of the traffic is found first; no tenant's prefix
 * is among the special ones.
 */
static int put_tenant(struct batch *b, const struct firewall *fw)
{
	struct rule r;
	int rc = 0;

	rule_begin(&r, "tenant");
	rule_l4proto(&r, IPPROTO_IPV6);
	rc |= rule_end_denied(&r, b, DENIED_NESTED);
	rule_begin(&r, "tenant");
	rule_family(&r, NFPROTO_IPV4);
	rc |= rule_end_goto(&r, b, "tenant4");
	rc |= put_source(b, FIREWALL_SOURCES_64, FIREWALL_MARKS_64, 64 + fw->slice_bits);
	rc |= put_source(b, FIREWALL_SOURCES_56, FIREWALL_MARKS_56, 56 + fw->slice_bits);
	rc |= put_link(b, "tenant", true);
	rc |= put_unspecified(b);
	rc |= special6_put(b, "tenant", RULE_SOURCE);
	rule_begin(&r, "tenant");
	rc |= rule_end_denied(&r, b, DENIED_SOURCE);

	rule_begin(&r, "tenant4");
	expr_meta(&r, NFT_META_IIFNAME, 0);
	expr_address4(&r, RULE_SOURCE, 4);
	expr_in_set(&r, FIREWALL_SOURCES_4, false, 0);
	rc |= rule_end_denied(&r, b, DENIED_SOURCE);
	rule_begin(&r, "tenant4");
	expr_address4(&r, RULE_SOURCE, 0);
	expr_map(&r, FIREWALL_MARKS_4, 0, 0);
	expr_set_mark(&r, 0);
	rc |= rule_end(&r, b);
	rule_begin(&r, "tenant4");
	return rc | rule_end_accept(&r, b);
}

/* A source that is right: where to. */
static int put_tenant6(struct batch *b, const struct firewall *fw)
{
	struct rule r;
	int rc = 0;

	if (fw->has_siit) {
		rule_begin(&r, "tenant6");
		rule_in_prefix(&r, RULE_DESTINATION, &fw->siit_prefix);
		expr_address6(&r, RULE_SOURCE, 128, 0);
		expr_in_set(&r, FIREWALL_MAPPED_6, false, 0);
		rc |= rule_end_denied(&r, b, DENIED_SIIT);
		rc |= special4_put(b, "tenant6", fw, &fw->siit_prefix);
	}
	if (fw->has_nat64) {
		rule_begin(&r, "tenant6");
		rule_in_prefix(&r, RULE_DESTINATION, &fw->pref64);
		rc |= rule_end_goto(&r, b, "pref64");
	}
	rc |= put_link(b, "tenant6", false);
	rc |= special6_put(b, "tenant6", RULE_DESTINATION);
	rule_begin(&r, "tenant6");
	return rc | rule_end_accept(&r, b);
}

static void load_flow(struct rule *r)
{
	expr_address6(r, RULE_SOURCE, 128, 0);
	expr_address6(r, RULE_DESTINATION, 128, 4);
	expr_meta(r, NFT_META_L4PROTO, 8);
	expr_ports(r, RULE_SOURCE, 9);
}

static int put_flow_in(struct batch *b, const char *chain, enum firewall_set set)
{
	struct rule r;

	rule_begin(&r, chain);
	load_flow(&r);
	expr_in_set(&r, set, true, 0);
	return rule_end_accept(&r, b);
}

/* A flow's time begins, or begins anew. */
static int put_flow64_new(struct batch *b)
{
	struct rule r;
	int rc = 0;

	rule_begin(&r, "flow64_new");
	load_flow(&r);
	expr_update(&r, FIREWALL_FLOWS, 0);
	expr_update(&r, FIREWALL_FLOWS_NEW, 0);
	rc |= rule_end_accept(&r, b);
	rc |= put_flow_in(b, "flow64_new", FIREWALL_FLOWS);
	rule_begin(&r, "flow64_new");
	return rc | rule_end_denied(&r, b, DENIED_FLOWS_FULL);
}

/*
 * What a tenant sends by UDP, so that the answers are known: there is no connection tracking. How
 * often a flow's time begins has a rate that is the tenant's, so that one cannot fill the set for
 * all, not by going on with old flows either (firewall.h). Where the inbound policy is open no
 * answer has to be known.
 */
static int put_flow64(struct batch *b, const struct firewall *fw)
{
	struct rule r;
	int rc = 0;

	rc |= put_flow64_new(b);
	rc |= put_flow_in(b, "flow64", FIREWALL_FLOWS_NEW);
	rc |= chain_accept_open(b, fw, "flow64", RULE_SOURCE);
	rule_begin(&r, "flow64");
	expr_meta(&r, NFT_META_MARK, 0);
	expr_update_limit(&r, FIREWALL_FLOW_RATE, 0, FIREWALL_FLOW_RATE_S, FIREWALL_FLOW_BURST);
	rc |= rule_end_goto(&r, b, "flow64_new");
	rc |= put_flow_in(b, "flow64", FIREWALL_FLOWS); /* until it is forgotten */
	rule_begin(&r, "flow64");
	return rc | rule_end_denied(&r, b, DENIED_FLOWS);
}

/* Most is TCP, and not mail. */
static int put_pref64_protocols(struct batch *b)
{
	const uint8_t protocols[] = {IPPROTO_TCP, IPPROTO_ICMPV6};
	struct rule r;
	int rc = 0;

	rule_begin(&r, "pref64");
	rule_l4proto(&r, IPPROTO_TCP);
	rule_destination_port(&r, PORT_MAIL, false);
	rc |= rule_end_accept(&r, b);
	rule_begin(&r, "pref64");
	rule_l4proto(&r, IPPROTO_UDP);
	rc |= rule_end_goto(&r, b, "flow64");
	rule_begin(&r, "pref64");
	rule_l4proto(&r, IPPROTO_TCP);
	rule_destination_port(&r, PORT_MAIL, true);
	expr_meta(&r, NFT_META_MARK, 0);
	expr_in_set(&r, FIREWALL_MAIL, false, 0);
	rc |= rule_end_denied(&r, b, DENIED_MAIL);
	for (size_t i = 0; i < sizeof(protocols); i++) {
		rule_begin(&r, "pref64");
		rule_l4proto(&r, protocols[i]);
		rc |= rule_end_accept(&r, b);
	}
	/* Jool would let them pass to the forward chain. */
	rule_begin(&r, "pref64");
	return rc | rule_end_denied(&r, b, DENIED_PROTOCOL);
}

static int put_pref64(struct batch *b, const struct firewall *fw)
{
	const uint8_t zero = 0;
	struct rule r;
	int rc = 0;

	assert(fw->pref64.len % 8 == 0);
	if (fw->pref64.len < 96) {
		rule_begin(&r, "pref64"); /* RFC 6052 2.2; Jool ignores them */
		expr_payload(&r, NFT_PAYLOAD_NETWORK_HEADER, 24 + 8, 1, 0);
		expr_compare(&r, NFT_CMP_NEQ, &zero, sizeof(zero));
		rc |= rule_end_denied(&r, b, DENIED_BITS);
	}
	rc |= special4_put(b, "pref64", fw, &fw->pref64);
	rc |= put_flow64(b, fw);
	return rc | put_pref64_protocols(b);
}

/*
 * What goes to the translator has no route of its own yet: by the tunnel it came from, and by the
 * tenant where several share a device. An MSS never grows by that.
 */
static int put_mss(struct batch *b)
{
	struct rule r;
	int rc = chain_put(b, "mss64", "filter", NF_INET_PRE_ROUTING, PRIORITY_MSS);

	rule_begin(&r, "mss64"); /* most packets */
	rule_tcp_syn(&r, false);
	rc |= rule_end_accept(&r, b);
	rule_begin(&r, "mss64");
	rule_tcp_syn(&r, true);
	expr_meta(&r, NFT_META_IIFNAME, 0);
	expr_map(&r, FIREWALL_MSS, 0, 0);
	expr_set_mss(&r, 0);
	rc |= rule_end(&r, b);
	rule_begin(&r, "mss64");
	rule_tcp_syn(&r, true);
	expr_meta(&r, NFT_META_IIFNAME, 0);
	expr_meta(&r, NFT_META_MARK, 4);
	expr_map(&r, FIREWALL_MSS_TENANTS, 0, 0);
	expr_set_mss(&r, 0);
	return rc | rule_end(&r, b);
}

int chains_put_tenants(struct batch *b, const struct firewall *fw)
{
	int rc;

	batch_what(b, "chains of what tenants send");
	rc = chain_put(b, "tenant", NULL, 0, 0);
	rc |= chain_put(b, "tenant4", NULL, 0, 0);
	rc |= chain_put(b, "tenant6", NULL, 0, 0);
	rc |= chain_put(b, "flow64", NULL, 0, 0);
	rc |= chain_put(b, "flow64_new", NULL, 0, 0);
	rc |= chain_put(b, "pref64", NULL, 0, 0);
	rc |= chain_put(b, "pre", "filter", NF_INET_PRE_ROUTING, PRIORITY_TENANTS);
	rc |= put_pre(b, fw);
	rc |= put_tenant(b, fw);
	rc |= put_tenant6(b, fw);
	rc |= fw->has_nat64 ? put_pref64(b, fw) : 0;
	batch_what(b, "chain mss64");
	return rc | put_mss(b);
}
