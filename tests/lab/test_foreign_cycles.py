# SPDX-License-Identifier: GPL-3.0-or-later
"""1,000 tenants come and go, of each kind, beside foreign WireGuard peers, SIT links and a foreign
Jool instance: of others nothing is touched, and nothing is left."""

import time

import peers
from foreign import descriptors, everything, make_foreign
from gateway import service
from netns import run
from topology import GATEWAY4, WireGuard, random_key

N_TENANTS = 30  # that come together, and go together
ROUNDS = 34     # of them: more than 1,000 in all
DUMPS = [("wg", "show", "all", "allowed-ips"), ("wg", "show", "wgfarm", "dump")] + [
    ("jool", "-i", instance, table, "display", *more) for instance in ("farmer", "sixgate")
    for table, more in (("pool4", ()), ("bib", ("--tcp", "--numeric")), ("global", ()))]


def make_foreign_tunnels(host):
    run("modprobe", "-a", "jool", "wireguard")
    host.ip("link add wgfarm type wireguard")
    host.run("wg", "set", "wgfarm", "listen-port", "51899", "private-key", "/dev/stdin",
             *(word for number in range(6) for word in (
                 "peer", random_key(), "allowed-ips", f"2001:db8:f10:{number}::/64",
                 "endpoint", f"198.51.100.200:{5000 + number}")), input=WireGuard().private)
    host.ip("link set wgfarm up")
    for words in ("instance add farmer --iptables --pool6 2001:db8:f64::/96",
                  "-i farmer pool4 add 203.0.113.16 20000-20100 --tcp",
                  "-i farmer bib add 203.0.113.16#20001 2001:db8:f10::9#22 --tcp"):
        host.run("jool", *words.split())


def tenant_objects(keys):
    """A third each by WireGuard, 6in4 and the wire; each has an exposure by NAT64, too."""
    for number in range(N_TENANTS):
        net = f"2001:db8:a000:{0x1110 + number:x}::"
        tunnel = [{"kind": "wireguard", "public_key": keys[number // 3]},
                  {"kind": "6in4", "remote": f"198.51.100.{150 + number}"},
                  {"kind": "route", "via": "fe80::2", "interface": "tc0"}][number % 3]
        expose = {"protocol": "tcp", "ipv4": GATEWAY4, "port": 2300 + number, "to": 22,
                  "via": "nat64"}
        yield {"tenant": f"t{number}", "serial": int(time.time() * 1000), "prefixes": [net + "/64"],
               "tunnels": [{"name": "main", "prefixes": [net + "/64"], **tunnel}],
               "services": [service("ssh", [net + "10"], expose)]}


def dumps(case):
    host = case.place.gateway
    return everything(host), [sorted(host.run(*argv).splitlines()) for argv in DUMPS]


def are_there(host):
    """Peers, links, routes and mappings of all tenants."""
    assert len(host.run("wg", "show", "sg-wg", "peers").split()) == N_TENANTS // 3
    assert host.ip("link show type sit").count(" sg-") == N_TENANTS // 3
    assert host.ip("-6 route show proto 206").count("2001:db8:a000:11") == N_TENANTS
    assert host.run("jool", "-i", "sixgate", "bib", "display", "--tcp",
                    "--numeric").count("[Static") == N_TENANTS


def come_and_go(case, keys, meanwhile=None):
    gateway = case.gateway
    names = []
    for tenant in tenant_objects(keys):
        gateway.put(tenant)
        names.append(tenant["tenant"])
    peers.wait_for(lambda: sum(name.endswith("/ssh") for name in gateway.services()) == N_TENANTS,
                   message="all tenants")
    if meanwhile:
        meanwhile(case.place.gateway)
    for name in names:
        gateway.remove(name)
    peers.wait_for(lambda: not gateway.services(), message="no tenant")


def test_foreign_peers_and_rows_survive_1000_tenants_that_come_and_go(case):
    host = case.place.gateway
    keys = [random_key() for _ in range(N_TENANTS // 3)]
    make_foreign(host)
    make_foreign_tunnels(host)
    gateway = case.start(objects=[], connect=False)
    come_and_go(case, keys, are_there)  # the first tunnel brings chains that stay until a restart
    before, open_before = dumps(case), descriptors(gateway)
    for number in range(ROUNDS):
        come_and_go(case, keys, are_there if number == ROUNDS - 1 else None)
    peers.wait_for(lambda: descriptors(gateway) == open_before, message="descriptors as before")
    assert dumps(case) == before
    assert N_TENANTS * ROUNDS >= 1000
    gateway.nothing_to_do()
