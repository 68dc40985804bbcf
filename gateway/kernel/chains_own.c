/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What tenants may ask of this machine itself: its listeners, ping, and the ICMPv6 that links
 * need. A packet that a tenant sent to one of our IPv4 addresses through the translator comes in by
 * lo, where other firewalls let all in; its mark says whose it is.
 */
#include "gateway/kernel/chains.h"

#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <netinet/ip6.h>
#include <netinet/ip_icmp.h>
#include <stddef.h>

#include "gateway/kernel/denial.h"
#include "gateway/kernel/expr.h"

#define PRIORITY_INPUT (-10)

/* Before the answers: once answered, the requests of one ping are of a known connection. */
static int put_echo(struct batch *b, const char *chain, uint8_t protocol, uint8_t type)
{
	struct rule r;

	rule_begin(&r, chain);
	rule_icmp_type(&r, protocol, type);
	return rule_end_goto(&r, b, "echo_own");
}

static int put_echo_own(struct batch *b)
{
	struct rule r;
	int rc = chain_put(b, "echo_own", NULL, 0, 0);

	rule_begin(&r, "echo_own");
	expr_meta(&r, NFT_META_MARK, 0);
	expr_update_limit(&r, FIREWALL_ECHO_FROM, 0, CHAINS_ECHO_RATE, CHAINS_ECHO_BURST);
	rc |= rule_end_accept(&r, b);
	rule_begin(&r, "echo_own");
	return rc | rule_end_denied(&r, b, DENIED_ECHO_OWN);
}

/* Answers to what we sent; TCP by its flags, because what was translated has no connection. */
static int put_answers(struct batch *b, const char *chain)
{
	struct rule r;
	int rc;

	rule_begin(&r, chain);
	rule_ct_known(&r);
	rc = rule_end_accept(&r, b);
	rule_begin(&r, chain);
	rule_tcp_first(&r, false);
	return rc | rule_end_accept(&r, b);
}

/*
 * Our sockets have an address each. What listens on all of them is a program of the machine's own,
 * though a tenant's exposure has the same port, and then could not be had.
 */
static int put_not_ours(struct batch *b, const char *chain)
{
	struct rule r;

	rule_begin(&r, chain);
	rule_l4proto(&r, IPPROTO_TCP);
	rule_socket_wildcard(&r, true);
	return rule_end_denied(&r, b, DENIED_OWN);
}

/* What is at each address of uplink.ipv4, and at no other of this machine's. */
static int put_services4(struct batch *b, const struct firewall *fw)
{
	struct rule r;
	int rc = 0;

	for (size_t i = 0; i < fw->n_pool; i++) {
		rule_begin(&r, "pub4");
		rule_in_prefix4(&r, RULE_DESTINATION, &fw->pool[i]);
		rc |= rule_end_accept(&r, b);
	}
	rule_begin(&r, "own4");
	expr_meta(&r, NFT_META_L4PROTO, 0);
	expr_ports(&r, RULE_DESTINATION, 1);
	expr_in_set(&r, FIREWALL_SERVICES_4, true, 0);
	return rc | rule_end_jump(&r, b, "pub4");
}

static int put_own4(struct batch *b, const struct firewall *fw)
{
	static const uint8_t errors[] = {ICMP_ECHOREPLY, ICMP_DEST_UNREACH, ICMP_TIME_EXCEEDED,
					 ICMP_PARAMETERPROB};
	struct rule r;
	int rc = put_echo(b, "own4", IPPROTO_ICMP, ICMP_ECHO);

	rc |= put_answers(b, "own4");
	for (size_t i = 0; i < sizeof(errors); i++) {
		rule_begin(&r, "own4");
		rule_icmp_type(&r, IPPROTO_ICMP, errors[i]);
		rc |= rule_end_accept(&r, b);
	}
	rc |= put_not_ours(b, "own4");
	rc |= put_services4(b, fw);
	rule_begin(&r, "own4");
	expr_address4(&r, RULE_DESTINATION, 0);
	expr_meta(&r, NFT_META_L4PROTO, 1);
	expr_ports(&r, RULE_DESTINATION, 2);
	expr_in_set(&r, FIREWALL_OPEN_4, true, 0);
	rc |= rule_end_accept(&r, b);
	rule_begin(&r, "own4");
	return rc | rule_end_denied(&r, b, DENIED_OWN);
}

static int put_open6(struct batch *b, bool dns)
{
	struct rule r;

	rule_begin(&r, "own6");
	if (dns) {
		rule_destination_port(&r, DNS_PORT, true);
	}
	expr_address6(&r, RULE_DESTINATION, 128, 0);
	expr_meta(&r, NFT_META_L4PROTO, 4);
	expr_ports(&r, RULE_DESTINATION, 5);
	expr_in_set(&r, FIREWALL_OPEN_6, true, 0);
	return rule_end_accept(&r, b);
}

static int put_own6(struct batch *b, const struct firewall *fw)
{
	struct rule r;
	int rc = put_echo(b, "own6", IPPROTO_ICMPV6, ICMP6_ECHO_REQUEST);

	rc |= put_answers(b, "own6");
	rule_begin(&r, "own6");
	rule_icmpv6_error(&r);
	rc |= rule_end_accept(&r, b);
	rule_begin(&r, "own6"); /* RFC 4890 4.4.1 */
	rule_icmpv6_types(&r, MLD_LISTENER_QUERY, ND_NEIGHBOR_ADVERT);
	rc |= rule_end_accept(&r, b);
	rule_begin(&r, "own6");
	rule_icmpv6_types(&r, ICMP6_ECHO_REPLY, ICMP6_ECHO_REPLY);
	rc |= rule_end_accept(&r, b);
	if (fw->has_dns64) { /* whose sockets do have all addresses */
		rc |= put_open6(b, true);
	}
	rc |= put_not_ours(b, "own6");
	rc |= put_open6(b, false);
	if (fw->has_client_prefix) {
		rule_begin(&r, "own6"); /* chain cpin has looked at it */
		rule_in_prefix(&r, RULE_DESTINATION, &fw->client_prefix);
		rc |= rule_end_accept(&r, b);
	}
	rule_begin(&r, "own6");
	return rc | rule_end_denied(&r, b, DENIED_OWN);
}

/* Clients of the proxy. */
static int put_clients(struct batch *b)
{
	struct rule r;
	int rc;

	rule_begin(&r, "inp");
	rule_tcp_first(&r, true);
	rule_family(&r, NFPROTO_IPV4);
	expr_meta(&r, NFT_META_L4PROTO, 0);
	expr_ports(&r, RULE_DESTINATION, 1);
	expr_in_set(&r, FIREWALL_SERVICES_4, true, 0);
	rule_timeout(&r, TIMEOUT_PROXIED);
	rc = rule_end(&r, b);
	rule_begin(&r, "inp");
	rule_tcp_first(&r, true);
	rule_family(&r, NFPROTO_IPV4);
	expr_address4(&r, RULE_DESTINATION, 0);
	expr_meta(&r, NFT_META_L4PROTO, 1);
	expr_ports(&r, RULE_DESTINATION, 2);
	expr_in_set(&r, FIREWALL_OPEN_4, true, 0);
	rule_timeout(&r, TIMEOUT_PROXIED);
	rc |= rule_end(&r, b);
	rule_begin(&r, "inp");
	rule_tcp_first(&r, true);
	rule_family(&r, NFPROTO_IPV6);
	expr_address6(&r, RULE_DESTINATION, 128, 0);
	expr_meta(&r, NFT_META_L4PROTO, 4);
	expr_ports(&r, RULE_DESTINATION, 5);
	expr_in_set(&r, FIREWALL_OPEN_6, true, 0);
	rule_timeout(&r, TIMEOUT_PROXIED);
	return rc | rule_end(&r, b);
}

/*
 * DNS64's address in a tenant's network is for tenants alone, who were told above what there is:
 * with a socket for all addresses it would be one more of this machine to everybody else.
 */
static int put_dns64_own(struct batch *b, const struct firewall *fw)
{
	static const struct {
		unsigned int bits;
		enum firewall_set set;
	} tenants[] = {{64, FIREWALL_TENANTS_64}, {56, FIREWALL_TENANTS_56}};
	static const uint8_t host[8] = {[7] = NODE_DNS64_HOST};
	const unsigned int at = (64 + fw->slice_bits) / 8, len = 16 - at;
	int rc = 0;

	for (size_t i = 0; i < sizeof(tenants) / sizeof(tenants[0]); i++) {
		struct rule r;

		rule_begin(&r, "inp");
		rule_family(&r, NFPROTO_IPV6);
		expr_payload(&r, NFT_PAYLOAD_NETWORK_HEADER, offsetof(struct ip6_hdr, ip6_dst) + at,
			     len, 0);
		expr_compare(&r, NFT_CMP_EQ, host + sizeof(host) - len, len);
		rule_destination_in_set(&r, false, tenants[i].bits + fw->slice_bits,
					tenants[i].set);
		rc |= rule_end_drop(&r, b, denial_name(DENIAL_OWN));
	}
	return rc;
}

int chains_put_own(struct batch *b, const struct firewall *fw)
{
	struct rule r;
	int rc;

	batch_what(b, "chains of this machine's own services");
	rc = put_echo_own(b);
	rc |= chain_put(b, "pub4", NULL, 0, 0);
	rc |= chain_put(b, "own4", NULL, 0, 0);
	rc |= chain_put(b, "own6", NULL, 0, 0);
	rc |= chain_put(b, "inp", "filter", NF_INET_LOCAL_IN, PRIORITY_INPUT);
	rc |= put_clients(b);
	rule_begin(&r, "inp");
	rule_iif(&r, "lo", true);
	rule_family(&r, NFPROTO_IPV4);
	rule_mark(&r, true);
	rc |= rule_end_goto(&r, b, "own4");
	rule_begin(&r, "inp");
	rule_device_in_set(&r, NFT_META_IIFNAME, FIREWALL_TUNNELS, true);
	rule_family(&r, NFPROTO_IPV4);
	rc |= rule_end_goto(&r, b, "own4");
	rule_begin(&r, "inp");
	rule_device_in_set(&r, NFT_META_IIFNAME, FIREWALL_TUNNELS, true);
	rc |= rule_end_goto(&r, b, "own6");
	if (fw->has_siit) { /* mapped hosts, as the translator shows them */
		rule_begin(&r, "inp");
		rule_iif(&r, FIREWALL_SIIT_LINK, true);
		rule_family(&r, NFPROTO_IPV4);
		rc |= rule_end_goto(&r, b, "own4");
		rule_begin(&r, "inp");
		rule_iif(&r, FIREWALL_SIIT_LINK, true);
		rc |= rule_end_goto(&r, b, "own6");
	}
	if (fw->dns64_in_tenants) {
		rc |= put_dns64_own(b, fw);
	}
	rc |= put_own4(b, fw);
	return rc | put_own6(b, fw);
}
