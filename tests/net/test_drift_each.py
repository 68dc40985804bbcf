# SPDX-License-Identifier: GPL-3.0-or-later
"""Each kind of thing that the kernel tells of, deleted and altered by hand: it is named within a
second, with the program where the kernel says which, and all is as it was. One gateway for all."""

import collections
import re
import time

import pytest

import peers
from gateway import service, tcp
from lab import POOL
from test_cycles import device
from test_drift import plan, state

__all__ = ["device"]  # a fixture

SECOND = 1.0
ON_LINK4, ROUTED4 = "203.0.113.24", "203.0.113.32/29"
FARM, FAR4, OWN6 = "2001:db8:a000::/48", "198.51.100.200", "2001:db8:0:5::2"
ADDRESSES = [{"range": f"{address}/32", "delivery": "present"} for address in POOL] + \
    [{"range": ON_LINK4 + "/32", "delivery": "onlink"}, {"range": ROUTED4, "delivery": "routed"}]
ON_LINK = {"uplink": {"kind": "direct", "interface": "up1", "ipv4": ADDRESSES,
                      "ipv6": {"prefix": FARM, "reserved": 256, "on_link": True}}}
BY_TUNNEL = {"uplink": {"kind": "6in4", "interface": "up1", "ipv4": ADDRESSES,
                        "ipv6": {"prefix": FARM, "reserved": 256},
                        "six_in_four": {"local": POOL[0], "remote": FAR4, "address": OWN6}}}

# commands ({prefix}, {device}: acme's tunnel; {accept}: the handle of a rule), what is named
BY_IP = {
    "address deleted": (f"ip addr del {ON_LINK4}/32 dev up1",
                        f"address {ON_LINK4}/32 dev up1 was missing"),
    "route deleted": ("ip -6 route del {prefix} proto 206",
                      "route {prefix} table 254 unicast via fe80::2 dev {device} was missing"),
    "route with another next hop":
        ("ip -6 route replace {prefix} via fe80::9 dev {device} proto 206",
         "route {prefix} table 254 was unicast via fe80::9 dev {device}, not unicast via fe80::2"),
    "route with an mtu": ("ip -6 route change {prefix} via fe80::2 dev {device} mtu 1300 proto 206",
                          "was unicast via fe80::2 dev {device} mtu 1300"),
    "route with another metric":
        ("ip -6 route del {prefix} proto 206;"
         "ip -6 route add {prefix} via fe80::2 dev {device} metric 50 proto 206",
         "route {prefix} table 254 metric 50 unicast via fe80::2 dev {device} was too much"),
    # as an operator types it: it loses our protocol
    "route replaced": ("ip -6 route replace {prefix} via fe80::9 dev {device}",
                       "was missing (acme), by somebody who replaced it"),
    "route made a blackhole": ("ip -6 route replace blackhole {prefix}",
                               "was missing (acme), by somebody who replaced it"),
    "route of IPv4 replaced": (f"ip route change local {ROUTED4} dev up1 table local",
                               f"route {ROUTED4} table 255"),
    "second route of the same key":
        (f"ip route append blackhole {ROUTED4} table local proto 206",
         f"route {ROUTED4} table 255 blackhole was too much"),
    "AnyIP route deleted": (f"ip route del local {ROUTED4} table local",
                            f"route {ROUTED4} table 255 local dev lo was missing"),
    "forwarding": ("sysctl -q -w net.ipv6.conf.all.forwarding=0",
                   "sysctl net/ipv6/conf/all/forwarding was = 0, not = 1"),
}
BY_NFT = {
    "element deleted": ("nft delete element inet sixgate tenants64 {{ {net} }}",
                        "element tenants64 {net}"),
    "element added": ("nft add element inet sixgate remotes {{ 192.0.2.1 }}",
                      "element remotes 192.0.2.1 was too much"),
    "element with another value":
        ("nft 'delete element inet sixgate marks64 {{ {net} }}; "
         "add element inet sixgate marks64 {{ {net} : 0x77 }}'", "element marks64 {net} was : 0x77"),
    "rule altered": ("nft replace rule inet sixgate cpin handle {accept} drop", "ruleset was"),
    "rule deleted": ("nft delete rule inet sixgate cpin handle {accept}", "ruleset was"),
    "rule added": ("nft insert rule inet sixgate cpin accept", "ruleset was"),
    "chain added": ("nft add chain inet sixgate other", "ruleset was"),
    "table deleted": ("nft delete table inet sixgate", "ruleset"),
}
RULES = {
    "rule deleted": (f"ip -6 rule del pref 2061 from {FARM}",
                     f"rule 2061 from {FARM} table 206 was missing"),
    "rule with another table":
        (f"ip -6 rule del pref 2060 from {FARM};"
         f"ip -6 rule add pref 2060 from {FARM} lookup 999 protocol 206",
         f"rule 2060 from {FARM} table 999 was too much"),
    "second rule of the same place": (f"ip -6 rule add pref 2061 from {FARM} lookup 999 protocol 206",
                                      f"rule 2061 from {FARM} table 999 was too much"),
    "rule of another priority": (f"ip -6 rule add pref 99 from {FARM} lookup main protocol 206",
                                 f"rule 99 from {FARM} table 254 was too much"),
}


class Hand:
    """Alters things, and waits until it is told that they were put back."""

    def __init__(self, case, device=None):
        self.gateway, self.host = case.gateway, case.lab.gateway
        self.words = {"prefix": case.lab.acme.prefix, "net": case.lab.acme.net, "device": device}
        self.before = self.picture()

    def picture(self):
        return (state(self.host), self.host.ip("-o addr show dev up1"), self.host.ip("rule"),
                self.host.ip("-6 route show table all"), self.host.ip("-4 route show table all"))

    def told(self):
        return collections.Counter(line["text"] for line in self.gateway.ask("drift")
                                   if line["mended"])

    def rule(self):
        return re.search(r" accept # handle (\d+)", self.host.run(
            "nft", "-a", "list", "chain", "inet", "sixgate", "cpin")).group(1)

    def alters(self, command, named, by=""):
        known = self.told()
        words = {**self.words, "accept": self.rule()}
        self.host.run("sh", "-c", command.format(**words))
        begin = time.monotonic()
        named = named.format(**words)
        found = peers.wait_for(lambda: [text for text in self.told() - known if named in text],
                               5, f"'{named}' of {dict(self.told() - known)}")
        assert time.monotonic() - begin < SECOND
        assert re.search(by + "$", found[0]), found
        assert self.picture() == self.before

    def each(self, table, by=""):
        wrong = []
        for what, (command, named) in table.items():
            try:
                self.alters(command, named, by)
            except (AssertionError, RuntimeError) as error:
                wrong.append(f"{what}: {error}")
        assert not wrong, "\n\n".join(wrong)


def started(case, settings, *tunnels):
    acme = case.lab.acme
    case.backend(acme, 22)
    return case.start(case.tenant(acme, service("web", [acme.address()], tcp(2222, 22)),
                                  tunnels=list(tunnels)), settings=settings)


def test_what_the_kernel_tells_of_is_named_and_put_back_within_a_second(case, device):
    acme = case.lab.acme
    gateway = started(case, ON_LINK, {"name": "rack", "kind": "route", "via": "fe80::2",
                                      "interface": device, "prefixes": [acme.prefix]})
    hand = Hand(case, device)
    hand.each(BY_IP)
    hand.each(BY_NFT, by=r", by nft \(pid \d+\) changed nftables")
    assert plan(gateway) == [] and gateway.problems() == []
    assert peers.works(case.connect(2222))


def test_what_was_never_ours_stays_where_it_is(case, device):
    """A route that is not replaced, but was there before: it is an error, however often."""
    acme = case.lab.acme
    gateway = started(case, ON_LINK)
    host = case.lab.gateway
    host.ip(f"-6 route add {acme.prefix} via fe80::9 dev {device}")
    gateway.put(case.tenant(acme, serial=2, tunnels=[{
        "name": "rack", "kind": "route", "via": "fe80::2", "interface": device,
        "prefixes": [acme.prefix]}]))
    peers.wait_for(lambda: any("not sixgate's" in text for text in gateway.problems()),
                   message="why it is refused")
    host.ip(f"-6 route change {acme.prefix} via fe80::8 dev {device}")
    hand = Hand(case, device)
    hand.alters(*BY_IP["address deleted"])
    assert "via fe80::8" in host.ip(f"-6 route show {acme.prefix}")
    host.ip(f"-6 route del {acme.prefix}")


def test_what_took_the_place_of_ours_while_nothing_ran_stays(case, device):
    """It is the other's then, also when they replace it by one that is like it."""
    acme, host = case.lab.acme, case.lab.gateway
    gateway = started(case, ON_LINK)
    gateway.put(case.tenant(acme, serial=2, tunnels=[{
        "name": "rack", "kind": "route", "via": "fe80::2", "interface": device,
        "prefixes": [acme.prefix]}]))
    peers.wait_for(lambda: acme.prefix in host.ip("-6 route show proto 206"), message="ours")
    gateway.stop()
    theirs = f"{acme.prefix} via fe80::8 dev {device}"
    host.ip(f"-6 route replace {theirs}")
    gateway.start()
    peers.wait_for(lambda: any("not sixgate's" in text for text in gateway.problems()),
                   message="what is in the way")
    for _ in range(3):
        host.ip(f"-6 route replace {theirs}")
    Hand(case, device).alters(*BY_IP["address deleted"])
    assert "via fe80::8" in host.ip(f"-6 route show {acme.prefix}")
    assert "proto 206" not in host.ip(f"-6 route show {acme.prefix}")
    host.ip(f"-6 route del {acme.prefix}")


def test_rules_are_named_and_put_back_within_a_second(case):
    started(case, BY_TUNNEL)
    Hand(case).each(RULES)
