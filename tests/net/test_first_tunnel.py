# SPDX-License-Identifier: GPL-3.0-or-later
"""The chains of tenants' traffic need connection tracking, so they come with the first tunnel; then
the proxy's connections are tracked, but not for long."""

import peers
from gateway import service, tcp


def chains(case):
    return case.lab.gateway.run("nft", "list", "chains")


def tracked(case):
    """Connections that are known. The kernel's own count has those, too, that are over and were
    not yet looked at again, which can take a minute."""
    return sum(line.startswith(("tcp", "udp", "icmp"))
               for family in ("ipv4", "ipv6")
               for line in case.lab.gateway.run("conntrack", "-L", "-f", family).splitlines())


def acme(case, serial, **more):
    tenant = case.lab.acme
    return case.tenant(tenant, service("web", [tenant.address()], tcp(2222, 22)), serial=serial,
                       **more)


def greet(case):
    sock = case.connect(2222)
    sock.sendall(b"hello")
    assert peers.read_exactly(sock, 5) == b"hello"


def test_connections_are_not_tracked_until_a_tenant_has_a_tunnel(case):
    host, tenant = case.lab.gateway, case.lab.acme
    host.run("nft", "flush", "ruleset")  # of an earlier sixgated
    case.backend(tenant, 22)
    gateway = case.start(acme(case, 1))
    before = tracked(case)
    for _ in range(20):
        greet(case)
    assert "through" not in chains(case)
    assert tracked(case) <= before  # some of an earlier test's may have ended
    [device] = [line.split(" dev ")[1].split()[0]
                for line in host.ip("-6 route show").splitlines() if line.startswith(tenant.prefix)]
    host.ip(f"-6 route del {tenant.prefix} dev {device}")
    gateway.put(acme(case, 2, tunnels=[{"name": "rack", "kind": "route", "via": "fe80::2",
                                        "interface": device, "prefixes": [tenant.prefix]}]))
    peers.wait_for(lambda: "through" in chains(case), message="the chains of tenants' traffic")
    greet(case)
    gateway.put(acme(case, 3))
    peers.wait_for(lambda: tenant.prefix not in host.ip("-6 route show proto 206"),
                   message="the tunnel's end")
    host.ip(f"-6 route add {tenant.prefix} via fe80::2 dev {device}")
    assert "through" in chains(case), "they stay until a restart"
    greet(case)


STATEFUL = """
table inet farmer {
    chain i {
        type filter hook input priority 0; policy drop;
        ct state established,related accept
        ct state invalid drop
        tcp dport { 7, 2222 } ct state new accept
        meta l4proto ipv6-icmp accept
    }
}
"""


def test_what_the_proxy_is_done_with_is_soon_forgotten(case):
    """A full table of connections refuses everybody. A firewall of the farmer's knows the states."""
    host, tenant = case.lab.gateway, case.lab.acme
    case.backend(tenant, 22)
    [device] = [line.split(" dev ")[1].split()[0]
                for line in host.ip("-6 route show").splitlines() if line.startswith(tenant.prefix)]
    host.ip(f"-6 route del {tenant.prefix} dev {device}")
    case.start(acme(case, 1, tunnels=[{"name": "rack", "kind": "route", "via": "fe80::2",
                                       "interface": device, "prefixes": [tenant.prefix]}]))
    host.run("nft", "-f", "-", input=STATEFUL)
    try:
        before = tracked(case)
        for _ in range(30):
            sock = case.connect(2222)
            sock.sendall(b"hello")
            assert peers.read_exactly(sock, 5) == b"hello"
            sock.close()
        assert tracked(case) > before + 50, "each is tracked, on both sides"
        peers.wait_for(lambda: tracked(case) < before + 10, 20, "all are forgotten")
    finally:
        host.run("nft", "delete", "table", "inet", "farmer")
        host.ip(f"-6 route replace {tenant.prefix} via fe80::2 dev {device}")
