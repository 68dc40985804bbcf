/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The end of packets that are refused. Whose they are is told by the mark, or before there is one
 * by the device; of packets towards tenants by the destination. A rule that counts by tenant never
 * decides: where its set is full it does not match, and the next one refuses all the same.
 */
#include "gateway/kernel/denial.h"

#include <errno.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>

#include "gateway/kernel/chains.h"
#include "gateway/kernel/expr.h"

static const struct {
	const char *name, *text;
} denials[N_DENIALS] = {
	[DENIAL_SPOOFED] = {"spoofed", "from outside, with a source inside client_prefix"},
	[DENIAL_UNEXPECTED] = {"unexpected", "to client_prefix, but to no connection of the proxy"},
	[DENIAL_FOREIGN_SOURCE] = {"foreign_source",
				   "of another program, with a source inside client_prefix"},
	[DENIAL_PROXY] = {"proxy_denied", "of a proxy worker, to where it has no business"},
	[DENIAL_AGENT] = {"agent_denied", "of the agent, to where it has no business"},
	[DENIAL_OUTER] = {"outer_unknown", "6in4 from an address that no tunnel has as its remote"},
	[DENIAL_NESTED] = {"tenant_nested", "6in4 inside a tunnel"},
	[DENIAL_SOURCE] = {"tenant_spoofed", "from a source that is not behind that tunnel"},
	[DENIAL_SPECIAL_6] = {"special_ipv6",
			      "from or to a special-use IPv6 address (6to4, Teredo, mapped)"},
	[DENIAL_SPECIAL_4] = {"special_ipv4", "to a special-use IPv4 address (private, loopback)"},
	[DENIAL_BITS] = {"pref64_bits", "into Pref64, with bits 64 to 71 not zero"},
	[DENIAL_PROTOCOL] = {"pref64_protocol", "into Pref64, neither TCP nor UDP nor ping"},
	[DENIAL_MAIL] = {"port25_denied", "to port 25, without outbound.mail"},
	[DENIAL_OWN] = {"own_denied", "to this gateway itself, where no listener is"},
	[DENIAL_LAN] = {"lan_denied", "to the farmer's networks or a metadata service"},
	[DENIAL_INBOUND] = {"inbound_denied", "to the tenant, which its inbound policy forbids"},
	[DENIAL_ECHO] = {"echo_limited", "pings to or from the tenant, over the rate"},
	[DENIAL_NAT44] = {"nat44_denied", "IPv4 from inside a tunnel, without ports to leave by"},
	[DENIAL_FLOWS] = {"flows_limited",
			  "UDP into Pref64, to too many new destinations a second"},
	[DENIAL_SIIT] = {"siit_denied", "from or to siit.prefix, but of no mapped host"},
	[DENIAL_FLOWS_FULL] = {"flows_full",
			       "UDP into Pref64, to a new destination while the list of those of "
			       "all tenants is full"},
	[DENIAL_DNS64] = {"dns64_denied", "of a DNS64 worker, to where it has no business"},
};

static const struct {
	const char *chain;
	enum denial why;
	bool reject;   /* else dropped */
	bool receiver; /* counted for the tenant it goes to, else for the one it is from */
} ends[N_DENIED] = {
	[DENIED_NESTED] = {"no_nested", DENIAL_NESTED, false, false},
	[DENIED_SOURCE] = {"no_source", DENIAL_SOURCE, false, false},
	[DENIED_SPECIAL_6] = {"no_special6", DENIAL_SPECIAL_6, false, false},
	[DENIED_SIIT] = {"no_siit", DENIAL_SIIT, true, false},
	[DENIED_SIIT_OUTSIDE] = {"no_siit_out", DENIAL_SIIT, false, false},
	[DENIED_SPECIAL_4] = {"no_special4", DENIAL_SPECIAL_4, false, false},
	[DENIED_BITS] = {"no_bits", DENIAL_BITS, false, false},
	[DENIED_PROTOCOL] = {"no_protocol", DENIAL_PROTOCOL, true, false},
	[DENIED_MAIL] = {"no_mail", DENIAL_MAIL, true, false},
	[DENIED_OWN] = {"no_own", DENIAL_OWN, true, false},
	[DENIED_LAN] = {"no_lan", DENIAL_LAN, true, false},
	[DENIED_LAN_TRANSLATED] = {"no_lan64", DENIAL_LAN, false, false},
	[DENIED_INBOUND] = {"no_inbound", DENIAL_INBOUND, true, true},
	[DENIED_INBOUND_TRANSLATED] = {"no_inbound64", DENIAL_INBOUND, false, true},
	[DENIED_ECHO] = {"no_echo", DENIAL_ECHO, false, true},
	[DENIED_ECHO_OWN] = {"no_echo_own", DENIAL_ECHO, false, false},
	[DENIED_NAT44] = {"no_nat44", DENIAL_NAT44, false, false},
	[DENIED_FLOWS] = {"no_flows", DENIAL_FLOWS, true, false},
	[DENIED_FLOWS_FULL] = {"no_flows_full", DENIAL_FLOWS_FULL, true, false},
};

const char *denial_name(enum denial why)
{
	return denials[why].name;
}

const char *denial_text(enum denial why)
{
	return denials[why].text;
}

/* The mark is the tenant's it goes to, from here on: the nft program cannot show a map in a key. */
static int put_receiver(struct batch *b, const struct firewall *fw, const char *chain)
{
	static const enum firewall_set marks[] = {FIREWALL_MARKS_64, FIREWALL_MARKS_56,
						  FIREWALL_MARKS_4};
	int rc = 0;

	for (size_t i = 0; i < sizeof(marks) / sizeof(marks[0]); i++) {
		struct rule r;

		rule_begin(&r, chain);
		rule_tenant_of(&r, fw, RULE_DESTINATION, marks[i]);
		expr_set_mark(&r, 0);
		rc |= rule_end(&r, b);
	}
	return rc;
}

static int put_counts(struct batch *b, const char *chain, enum denial why)
{
	struct rule r;
	int rc;

	rule_begin(&r, chain);
	rule_mark(&r, true);
	expr_meta(&r, NFT_META_MARK, 0);
	expr_constant(&r, why, 1);
	expr_update_count(&r, FIREWALL_DENIED, 0);
	rc = rule_end(&r, b);
	rule_begin(&r, chain);
	rule_mark(&r, false);
	expr_meta(&r, NFT_META_IIFNAME, 0);
	expr_constant(&r, why, 4);
	expr_update_count(&r, FIREWALL_DENIED_LINKS, 0);
	return rc | rule_end(&r, b);
}

int denied_put(struct batch *b, const struct firewall *fw)
{
	int rc = 0;

	batch_what(b, "chains of what is refused");
	for (size_t i = 0; i < N_DENIED; i++) {
		const char *chain = ends[i].chain;
		struct rule r;

		rc |= chain_put(b, chain, NULL, 0, 0);
		rc |= ends[i].receiver ? put_receiver(b, fw, chain) : 0;
		rc |= put_counts(b, chain, ends[i].why);
		rule_begin(&r, chain);
		rc |= ends[i].reject ? rule_end_reject(&r, b, denial_name(ends[i].why))
				     : rule_end_drop(&r, b, denial_name(ends[i].why));
	}
	return rc < 0 ? -ENOMEM : 0;
}

int rule_end_denied(struct rule *r, struct batch *b, enum denied denied)
{
	return rule_end_goto(r, b, ends[denied].chain);
}
