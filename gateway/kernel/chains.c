/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The chains of the table `inet sixgate`: the guard of client_prefix, and where the workers' uids
 * may send. The guard without the route does no harm, the route without the guard opens every
 * daemon on [::] to everybody: kernel.c keeps that order.
 */
#include "gateway/kernel/chains.h"

#include <errno.h>
#include <libnftnl/chain.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <netinet/in.h>

#include "gateway/kernel/denial.h"
#include "gateway/kernel/expr.h"
#include "gateway/kernel/outline.h"
#include "gateway/kernel/rule.h"

#define PRIORITY_CLIENT_PREFIX -148 /* after the tenants' chain, before translation */
#define PRIORITY_OUTPUT        0
#define PRIORITY_WORKERS       1 /* who has no business in client_prefix is counted there */

int chain_put(struct batch *b, const char *name, const char *type, int hook, int priority)
{
	struct nftnl_chain *c = nftnl_chain_alloc();
	struct nlmsghdr *nlh;
	int rc = -ENOMEM;

	if (!c) {
		return rc;
	}
	nftnl_chain_set_u32(c, NFTNL_CHAIN_FAMILY, NFPROTO_INET);
	if (nftnl_chain_set_str(c, NFTNL_CHAIN_TABLE, TABLE_NAME) < 0 ||
	    nftnl_chain_set_str(c, NFTNL_CHAIN_NAME, name) < 0) {
		goto out;
	}
	if (type) {
		nftnl_chain_set_u32(c, NFTNL_CHAIN_HOOKNUM, (uint32_t)hook);
		nftnl_chain_set_s32(c, NFTNL_CHAIN_PRIO, priority);
		nftnl_chain_set_u32(c, NFTNL_CHAIN_POLICY, NF_ACCEPT);
		if (nftnl_chain_set_str(c, NFTNL_CHAIN_TYPE, type) < 0) {
			goto out;
		}
	}
	nlh = batch_message(b, NFT_MSG_NEWCHAIN, NLM_F_CREATE);
	nftnl_chain_nlmsg_build_payload(nlh, c);
	batch_add(b, nlh);
	if (b->outline) {
		outline_chain(b->outline, c);
	}
	rc = 0;
out:
	nftnl_chain_free(c);
	return rc;
}

/* cpfx and cpin: what may come to client_prefix, and from it. */
static int put_client_prefix_in(struct batch *b, const struct prefix *p)
{
	struct rule r;
	int rc;

	batch_what(b, "chains cpfx and cpin");
	rc = chain_put(b, "cpin", NULL, 0, 0);
	rc |= chain_put(b, "cpfx", "filter", NF_INET_PRE_ROUTING, PRIORITY_CLIENT_PREFIX);

	rule_begin(&r, "cpfx");
	rule_iif_is_not_lo(&r);
	rule_in_prefix(&r, RULE_SOURCE, p);
	rule_count(&r, denial_name(DENIAL_SPOOFED));
	rule_verdict(&r, NF_DROP, NULL);
	rc |= rule_end(&r, b);

	/* From lo too: a local process is no more welcome at a [::] daemon than a remote one. */
	rule_begin(&r, "cpfx");
	rule_in_prefix(&r, RULE_DESTINATION, p);
	rule_verdict(&r, NFT_JUMP, "cpin");
	rc |= rule_end(&r, b);

	/* The proxy never listens in the prefix, so nothing may be opened from outside. */
	rule_begin(&r, "cpin");
	rule_tcp_first(&r, true);
	rule_count(&r, denial_name(DENIAL_UNEXPECTED));
	rule_verdict(&r, NF_DROP, NULL);
	rc |= rule_end(&r, b);

	batch_what(
		b,
		"chain cpin, `socket wildcard` (Linux 5.14 with nft_socket: modprobe nft_socket)");
	rule_begin(&r, "cpin");
	rule_socket_wildcard(&r, false);
	rc |= rule_end_accept(&r, b);

	/*
	 * What is left of a socket that its process closed knows no wildcard, so neither of these
	 * two matches it; without the third the peer's last segments would get no answer.
	 */
	rule_begin(&r, "cpin");
	rule_socket_wildcard(&r, true);
	rc |= rule_end_drop(&r, b, denial_name(DENIAL_UNEXPECTED));
	rule_begin(&r, "cpin");
	rule_socket_transparent(&r, false);
	rc |= rule_end_accept(&r, b);

	batch_what(b, "chain cpin");
	rule_begin(&r, "cpin");
	rule_icmpv6_error(&r);
	rule_verdict(&r, NF_ACCEPT, NULL);
	rc |= rule_end(&r, b);

	rule_begin(&r, "cpin");
	rule_count(&r, denial_name(DENIAL_UNEXPECTED));
	rule_verdict(&r, NF_DROP, NULL);
	rc |= rule_end(&r, b);
	return rc;
}

static int put_client_prefix_out(struct batch *b, const struct firewall *fw)
{
	struct rule r;
	int rc;

	batch_what(b, "chain cpout");
	rc = chain_put(b, "cpout", "filter", NF_INET_LOCAL_OUT, PRIORITY_OUTPUT);
	rule_begin(&r, "cpout");
	rule_in_prefix(&r, RULE_SOURCE, &fw->client_prefix);
	rule_uid(&r, false, fw->proxy_uid);
	rule_count(&r, denial_name(DENIAL_FOREIGN_SOURCE));
	rule_reject(&r);
	return rc | rule_end(&r, b);
}

/* Questions to DNS servers. */
static int put_servers(struct batch *b, const char *chain, bool v4, enum firewall_set set)
{
	const uint8_t protos[] = {IPPROTO_UDP, IPPROTO_TCP};
	int rc = 0;

	for (size_t i = 0; i < sizeof(protos); i++) {
		struct rule r;

		rule_begin(&r, chain);
		rule_destination_in_set(&r, v4, 128, set);
		rule_l4proto(&r, protos[i]);
		rule_destination_port(&r, DNS_PORT, true);
		rule_verdict(&r, NF_ACCEPT, NULL);
		rc |= rule_end(&r, b);
	}
	return rc;
}

/* What ends a worker's chain: everything that no rule before allowed. */
static int put_denied(struct batch *b, const char *chain, enum denial why)
{
	struct rule r;

	rule_begin(&r, chain);
	return rule_end_reject(&r, b, denial_name(why));
}

static int put_replies(struct batch *b, const char *chain)
{
	struct rule r;

	rule_begin(&r, chain);
	rule_tcp_first(&r, false);
	rule_verdict(&r, NF_ACCEPT, NULL);
	return rule_end(&r, b);
}

/*
 * A packet inside a tunnel's keeps the socket it came from: it meets this hook again as the outer
 * one, and would be refused there. A worker can make neither itself: it has no raw socket, and the
 * port is taken.
 */
static int put_outer(struct batch *b, const struct firewall *fw, const char *chain)
{
	struct rule r;
	int rc = 0;

	if (fw->has_6in4 || fw->has_exit_6in4) {
		rule_begin(&r, chain);
		rule_family(&r, NFPROTO_IPV4);
		rule_l4proto(&r, IPPROTO_IPV6);
		rule_verdict(&r, NF_ACCEPT, NULL);
		rc |= rule_end(&r, b);
	}
	if (!fw->has_wireguard) {
		return rc;
	}
	rule_begin(&r, chain);
	rule_l4proto(&r, IPPROTO_UDP);
	expr_ports(&r, RULE_SOURCE, 0);
	expr_in_set(&r, FIREWALL_WG_PORTS, true, 0);
	return rc | rule_end_accept(&r, b);
}

/* The sets of what tenants have. */
static const struct {
	enum firewall_set set;
	unsigned int bits;
} tenants[] = {{FIREWALL_TENANTS_64, 64}, {FIREWALL_TENANTS_56, 56}};

static void answer_of_dns(struct rule *r)
{
	static const uint8_t port_be[2] = {0, DNS_PORT};

	rule_begin(r, "dns64");
	rule_l4proto(r, IPPROTO_UDP);
	expr_ports(r, RULE_SOURCE, 0);
	expr_compare(r, NFT_CMP_EQ, port_be, sizeof(port_be));
}

/* What is of the farm's zone is for everybody, from where that is asked. */
static int put_zone_answers(struct batch *b, const struct firewall *fw)
{
	int rc = 0;

	for (size_t i = 0; i < fw->n_zone; i++) {
		struct rule r;

		answer_of_dns(&r);
		rule_is_address(&r, RULE_SOURCE, &fw->zone[i]);
		rc |= rule_end_accept(&r, b);
	}
	return rc;
}

/*
 * Answers to tenants, and that it is refused to others who have asked, whom only connection
 * tracking knows: without it they hear nothing.
 */
static int put_dns64(struct batch *b, const struct firewall *fw)
{
	struct rule r;
	int rc;

	batch_what(b, "chain dns64");
	rc = chain_put(b, "dns64", NULL, 0, 0);
	for (size_t i = 0; i < sizeof(tenants) / sizeof(tenants[0]); i++) {
		answer_of_dns(&r);
		rule_destination_in_set(&r, false, tenants[i].bits + fw->slice_bits,
					tenants[i].set);
		rc |= rule_end_accept(&r, b);
	}
	rc |= put_zone_answers(b, fw);
	rc |= put_replies(b, "dns64");
	rc |= put_outer(b, fw, "dns64");
	rc |= put_servers(b, "dns64", true, FIREWALL_UPSTREAMS_4);
	rc |= put_servers(b, "dns64", false, FIREWALL_UPSTREAMS_6);
	if (fw->has_tunnels) {
		answer_of_dns(&r);
		rule_ct_known(&r);
		rc |= rule_end_accept(&r, b);
	}
	return rc | put_denied(b, "dns64", DENIAL_DNS64);
}

static int put_worker_chains(struct batch *b, const struct firewall *fw)
{
	struct rule r;
	int rc;

	batch_what(b, "chains proxy and agent");
	rc = chain_put(b, "proxy", NULL, 0, 0);
	if (fw->has_tunnels) {
		rule_begin(&r, "proxy");
		rule_tcp_first(&r, true);
		rule_timeout(&r, TIMEOUT_PROXIED);
		rc |= rule_end(&r, b);
	}
	rc |= put_replies(b, "proxy");
	rc |= put_outer(b, fw, "proxy");
	for (size_t i = 0; i < sizeof(tenants) / sizeof(tenants[0]); i++) {
		rule_begin(&r, "proxy");
		rule_destination_in_set(&r, false, tenants[i].bits + fw->slice_bits,
					tenants[i].set);
		rule_l4proto(&r, IPPROTO_TCP);
		rule_verdict(&r, NF_ACCEPT, NULL);
		rc |= rule_end(&r, b);
	}
	rc |= put_servers(b, "proxy", true, FIREWALL_RESOLVERS_4);
	rc |= put_servers(b, "proxy", false, FIREWALL_RESOLVERS_6);
	rc |= put_denied(b, "proxy", DENIAL_PROXY);

	rc |= chain_put(b, "agent", NULL, 0, 0);
	rc |= put_replies(b, "agent");
	rc |= put_denied(b, "agent", DENIAL_AGENT);
	return fw->has_dns64 ? rc | put_dns64(b, fw) : rc;
}

static int put_workers_hook(struct batch *b, const struct firewall *fw)
{
	struct rule r;
	int rc;

	batch_what(b, "chain workers");
	rc = chain_put(b, "workers", "filter", NF_INET_LOCAL_OUT, PRIORITY_WORKERS);
	rule_begin(&r, "workers");
	rule_uid(&r, true, fw->proxy_uid);
	rule_verdict(&r, NFT_JUMP, "proxy");
	rc |= rule_end(&r, b);
	rule_begin(&r, "workers");
	rule_uid(&r, true, fw->agent_uid);
	rule_verdict(&r, NFT_JUMP, "agent");
	rc |= rule_end(&r, b);
	if (fw->has_dns64) {
		rule_begin(&r, "workers");
		rule_uid(&r, true, fw->dns64_uid);
		rc |= rule_end_jump(&r, b, "dns64");
	}
	return rc;
}

int chains_put(struct batch *b, const struct firewall *fw)
{
	int rc = 0;

	if (fw->has_client_prefix) {
		rc = put_client_prefix_in(b, &fw->client_prefix);
		rc |= put_client_prefix_out(b, fw);
	}
	rc |= put_worker_chains(b, fw);
	rc |= put_workers_hook(b, fw);
	if (fw->has_tunnels || fw->n_zone > 0) {
		rc |= chains_put_raw(b, fw);
	}
	if (fw->has_tunnels) {
		rc |= denied_put(b, fw);
		rc |= chains_put_inbound(b, fw);
		rc |= chains_put_tenants(b, fw);
		rc |= chains_put_own(b, fw);
		rc |= chains_put_forward(b, fw);
		rc |= chains_put_out(b, fw);
		rc |= fw->has_siit ? chains_put_siit(b, fw) : 0;
	}
	return rc < 0 ? -ENOMEM : 0;
}
