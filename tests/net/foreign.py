# SPDX-License-Identifier: GPL-3.0-or-later
"""What others have in the gateway's kernel, and dumps to see whether anything was touched."""

import os

FOREIGN = [
    "link add foreign0 type veth peer name foreign1", "link set foreign0 up alias farmer:net",
    "link set foreign1 up", "addr add 192.0.2.99/32 dev foreign0",
    "addr add 2001:db8:f00::1/64 dev foreign0 nodad",
    "route add 192.0.2.128/25 dev foreign0", "-6 route add 2001:db8:f01::/64 dev foreign0",
    "-6 route add blackhole 2001:db8:f02::/48 proto 99",
    "-6 route add 2001:db8:f03::/64 dev foreign0 table 77",
    "rule add pref 4000 lookup 77", "-6 rule add pref 4000 from 2001:db8:f00::/48 lookup 77",
    "-6 neigh add proxy 2001:db8:f00::7 dev foreign0"]
FOREIGN_NFT = """
table inet farmer {
    set known { type ipv6_addr; elements = { 2001:db8:f00::1 } }
    chain input {
        type filter hook input priority 5;
        ip6 saddr @known counter accept
    }
}
table ip nat {
    chain post {
        type nat hook postrouting priority 100;
        oifname "foreign0" masquerade
    }
}
"""
DUMPS = ["-d link", "addr", "-4 route show table all", "-6 route show table all", "-4 rule",
         "-6 rule", "neigh show proxy"]


def everything(host):
    """Links, addresses, routes, rules and nftables: ours and all others'."""
    return ([host.ip(words) for words in DUMPS],
            sorted(host.run("nft", "-s", "list", "ruleset").replace(",", " ").split()))


def descriptors(gateway):
    """How many sixgated and its workers have."""
    return [len(os.listdir(f"/proc/{pid}/fd")) for pid in (gateway.process.pid, *gateway.workers())]


def make_foreign(host):
    for words in FOREIGN:
        host.ip(words)
    host.run("nft", "-f", "-", input=FOREIGN_NFT)
