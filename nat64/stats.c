/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What Jool's counters mean, in words. Ids above differ between versions and are left out.
 */
#include <stddef.h>

#include "nat64/jool.h"

static const struct {
	const char *name, *text;
} stats[JOOL_STATS] = {
	[1] = {"received6", "packets that came by IPv6"},
	[2] = {"received4", "packets that came by IPv4"},
	[3] = {"success", "packets translated"},
	[4] = {"bib-entries", "mappings now, static ones included"},
	[5] = {"sessions", "sessions now"},
	[6] = {"enomem", "dropped: the kernel had no memory"},
	[7] = {"xlator-disabled", "not translated: the instance is switched off"},
	[8] = {"pool6-unset", "not translated: the instance has no prefix"},
	[9] = {"skb-shared", "dropped: the packet was shared with another part of the kernel"},
	[10] = {"l3hdr-offset",
		"dropped: the kernel handed over a packet without its network header in place"},
	[11] = {"skb-truncated", "dropped: cut short"},
	[12] = {"hdr6", "dropped: a broken IPv6 header"},
	[13] = {"hdr4", "dropped: a broken IPv4 header"},
	[14] = {"unknown-l4-proto", "not translated: neither TCP, UDP nor ICMP"},
	[15] = {"unknown-icmp6-type", "dropped: an ICMPv6 type that IPv4 does not have"},
	[16] = {"unknown-icmp4-type", "dropped: an ICMPv4 type that IPv6 does not have"},
	[17] = {"double-icmp6-error", "dropped: an ICMPv6 error about an ICMPv6 error"},
	[18] = {"double-icmp4-error", "dropped: an ICMPv4 error about an ICMPv4 error"},
	[19] = {"unknown-proto-inner", "dropped: an ICMP error about a packet of another protocol"},
	[20] = {"hairpin-loop", "dropped: the source lies in the NAT64 prefix"},
	[21] = {"pool6-mismatch", "not translated: the destination is not in the NAT64 prefix"},
	[22] = {"pool4-mismatch", "not translated: the address or port is in no row of pool4"},
	[23] = {"icmp6-filter", "dropped: ICMPv6 information, which is filtered"},
	[24] = {"untranslatable-dst6", "not translated: the IPv6 destination has no IPv4 address"},
	[25] = {"untranslatable-dst4", "not translated: the IPv4 destination has no IPv6 address"},
	[26] = {"6056-f", "dropped: the hash for a port failed"},
	[27] = {"mask-domain-not-found",
		"dropped: the packet's mark has no row in pool4, so its sender is no tenant with NAT64"},
	[28] = {"bib6-not-found", "dropped: no port was free; a tenant's block is full"},
	[29] = {"bib4-not-found", "not translated: nobody is behind this address and port"},
	[30] = {"session-not-found", "dropped: an ICMP error that belongs to no session"},
	[31] = {"adf", "dropped: filtered by the sender's address"},
	[32] = {"v4-syn", "dropped: a TCP connection from outside, which is filtered"},
	[33] = {"syn6-expected", "dropped: TCP by IPv6 that does not begin with a SYN"},
	[34] = {"syn4-expected", "dropped: TCP by IPv4 that does not begin with a SYN"},
	[35] = {"type1pkt",
		"a SYN from outside that was kept, until the tenant opens the same connection"},
	[36] = {"type2pkt", "a SYN from outside that was kept, until the tenant sends one"},
	[37] = {"so-exists", "dropped: a SYN of a connection that is kept already"},
	[38] = {"so-full", "dropped: no more SYNs are kept; ended by an ICMP error"},
	[39] = {"64-src", "dropped: the IPv6 source cannot be translated"},
	[40] = {"64-dst", "dropped: the IPv6 destination cannot be translated"},
	[41] = {"64-pskb-copy", "dropped: no memory for a copy, 6 to 4"},
	[42] = {"64-6791-enoent", "dropped: no address for an ICMP error, 6 to 4"},
	[43] = {"64-icmp-csum", "dropped: a wrong ICMPv6 checksum"},
	[44] = {"64-untranslatable-param-prob-ptr",
		"dropped: an ICMPv6 parameter problem at a place that IPv4 does not have"},
	[45] = {"64-ttl", "dropped: the hop limit was used up, 6 to 4"},
	[46] = {"64-fragmented-icmp", "dropped: ICMPv6 in fragments"},
	[47] = {"64-2xfrag", "dropped: two fragment headers"},
	[48] = {"64-frag-then-ext", "dropped: a fragment header with another extension behind it"},
	[49] = {"64-segments-left", "dropped: a routing header with segments left"},
	[50] = {"46-src", "dropped: the IPv4 source cannot be translated"},
	[51] = {"46-dst", "dropped: the IPv4 destination cannot be translated"},
	[52] = {"46-pskb-copy", "dropped: no memory for a copy, 4 to 6"},
	[53] = {"46-6791-enoent", "dropped: no address for an ICMP error, 4 to 6"},
	[54] = {"46-icmp-csum", "dropped: a wrong ICMPv4 checksum"},
	[55] = {"46-untranslatable-param-problem-ptr",
		"dropped: an ICMPv4 parameter problem at a place that IPv6 does not have"},
	[56] = {"46-ttl", "dropped: the time to live was used up, 4 to 6"},
	[57] = {"46-fragmented-icmp", "dropped: ICMPv4 in fragments"},
	[58] = {"46-src-route", "dropped: an IPv4 source route"},
	[59] = {"46-fragmented-zero-csum", "dropped: UDP in fragments without a checksum"},
	[60] = {"46-bad-mtu", "dropped: a route with an MTU below 1280"},
	[61] = {"failed-routes", "dropped: no route to where the translated packet goes"},
	[62] = {"pkt-too-big", "answered with \"too big\": the translated packet does not fit"},
	[63] = {"dst-output", "dropped behind the translation, by a firewall rule or the device"},
	[64] = {"icmp6err-success", "ICMPv6 errors of our own that were sent"},
	[65] = {"icmp6err-failure", "ICMPv6 errors of our own that could not be sent"},
	[66] = {"icmp4err-success", "ICMPv4 errors of our own that were sent"},
	[67] = {"icmp4err-failure", "ICMPv4 errors of our own that could not be sent"},
	[68] = {"icmpext-big", "dropped: an ICMP extension that is too large"},
};

const char *jool_stat_name(unsigned int id)
{
	return id < JOOL_STATS ? stats[id].name : NULL;
}

const char *jool_stat_text(unsigned int id)
{
	return id < JOOL_STATS ? stats[id].text : NULL;
}
