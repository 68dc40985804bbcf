# SPDX-License-Identifier: GPL-3.0-or-later
"""Tenants' traffic through the chains of the table. Each refusal is also tried with chains that
accept everything, where it has to pass: so each test fails without their rules."""

import contextlib
import errno
import select
import socket

import pytest
from attempts import connected
from firewall import (ACME, ACME4, BRANCH, GATEWAY4, GATEWAY6, GLOBEX, INET, INET4, LAN, MARK,
                      MARK_GLOBEX, PREF64, REASONS, REMOTE, arrives, as_wanted, embed, from64, mss_of, net,
                      opens, refused, server, sock)

__all__ = ["as_wanted", "net"]  # fixtures


# What tenants send


def test_a_tenant_reaches_the_internet_and_gets_its_answers(net):
    assert opens(net.acme, INET, 80, net.inet)
    assert opens(net.globex, INET, 80, net.inet)
    assert arrives(net.acme, INET, net.inet)


@pytest.mark.parametrize("source", [GLOBEX, "2001:db8:dead::1", "2001:db8:a000:ff::c633:6407"])
def test_a_source_of_somebody_else_is_dropped(net, source):
    refused(net, "tenant_spoofed", ["tenant", "from_tenant", "cpfx"],
            lambda: arrives(net.acme, INET, net.inet, source=source))


@pytest.mark.parametrize("source", ["2002:c633:6407::1", "2001:0:1::1", "64:ff9b::1",
                                    "::ffff:0:1:2"])
def test_special_sources_are_dropped_by_a_counter_of_their_own(net, source):
    refused(net, "special_ipv6", ["tenant", "from_tenant"],
            lambda: arrives(net.acme, INET, net.inet, source=source))


@pytest.mark.parametrize("address", ["2002:a00:1::1", "2001:0:1::1", "fec0::1"])
def test_special_destinations_are_dropped_too(net, address):
    net.gateway.ip(f"-6 route replace {address} via fe80::2 dev up0")
    net.inet.ip(f"addr add {address}/128 dev eth0 nodad")
    try:
        refused(net, "special_ipv6", ["tenant6"], lambda: arrives(net.acme, address, net.inet))
    finally:
        net.gateway.ip(f"-6 route del {address} dev up0")
        net.inet.ip(f"addr del {address}/128 dev eth0")


def test_a_tenants_source_does_not_come_from_the_internet(net):
    refused(net, "tenant_spoofed", ["pre"],
            lambda: arrives(net.inet, GATEWAY6, net.gateway, source=ACME))


def test_a_source_of_the_tenant_by_another_of_its_tunnels_is_dropped(net):
    refused(net, "tenant_spoofed", ["tenant", "from_tenant"],
            lambda: arrives(net.branch, INET, net.inet, source=ACME))


def test_ipv4_inside_a_tunnel_has_its_one_address(net):
    net.acme.ip("addr add 100.64.16.2/32 dev eth0")
    refused(net, "tenant_spoofed", ["tenant4", "tenant", "nat44", "from_tenant"],
            lambda: arrives(net.acme, INET4, net.inet, source="100.64.16.2"))


def raw(net, ns, proto, address, **how):
    with sock(ns, address, socket.SOCK_RAW, proto=proto, **how) as one:
        one.sendto(bytes(60), (address, 0))


def test_protocol_41_inside_a_tunnel_is_dropped(net):
    before = net.counter("tenant_nested")
    raw(net, net.acme, 41, INET)
    assert net.counter("tenant_nested") == before + 1
    raw(net, net.acme, 41, INET4, source=ACME4)
    assert net.counter("tenant_nested") == before + 2


def test_protocol_41_comes_from_registered_remotes_alone(net):
    before = net.counter("outer_unknown")
    raw(net, net.inet, 41, GATEWAY4, source=REMOTE)
    assert net.counter("outer_unknown") == before
    raw(net, net.inet, 41, GATEWAY4, source=INET4)
    assert net.counter("outer_unknown") == before + 1
    net.tool("remove globex")
    net.tool("apply")
    raw(net, net.inet, 41, GATEWAY4, source=REMOTE)
    assert net.counter("outer_unknown") == before + 2


# Pref64


SPECIAL = ["0.0.0.1", "10.0.0.1", "100.64.16.1", "127.0.0.1", "169.254.169.254", "172.31.255.1",
           "192.0.0.8", "192.0.2.1", "203.0.113.9", "192.88.99.1", "192.168.1.1", "198.19.0.1", "224.0.0.1", "255.255.255.255"]
LENGTHS = ["2a00:db8::/32", "2001:db8:100::/40", "2001:db8:64::/48", "2001:db8:64::/56",
           "2001:db8:64::/64", PREF64]


@pytest.mark.parametrize("prefix", LENGTHS)
def test_special_use_ipv4_inside_pref64_is_dropped_for_each_length(net, prefix):
    if prefix != PREF64:
        net.pref64(prefix)
        net.node(prefix)
        net.tool("apply")
    for ipv4 in SPECIAL:
        before = net.counter("special_ipv4")
        assert not arrives(net.acme, embed(prefix, ipv4), net.inet), ipv4
        assert net.counter("special_ipv4") == before + 1, ipv4
    for ipv4 in ("8.8.8.8", "192.0.1.1", "100.128.0.1", "172.32.0.1", "198.20.0.1", INET4):
        assert arrives(net.acme, embed(prefix, ipv4), net.inet), ipv4
    with net.without("pref64"):
        assert all(arrives(net.acme, embed(prefix, ipv4), net.inet) for ipv4 in SPECIAL)


@pytest.mark.parametrize("prefix", LENGTHS[1:5])
def test_bits_64_to_71_are_zero(net, prefix):
    net.pref64(prefix)
    net.node(prefix)
    net.tool("apply")
    right = socket.inet_pton(socket.AF_INET6, embed(prefix, "8.8.8.8"))
    wrong = socket.inet_ntop(socket.AF_INET6, right[:8] + b"\x01" + right[9:])
    refused(net, "pref64_bits", ["pref64"], lambda: arrives(net.acme, wrong, net.inet))


def test_nothing_special_is_permitted_inside_the_well_known_prefix(net):
    prefix = "64:ff9b::/96"
    net.pref64(prefix)
    net.node(prefix)
    net.tool("apply")
    assert not arrives(net.acme, embed(prefix, INET4), net.inet)
    assert arrives(net.acme, embed(prefix, "8.8.8.8"), net.inet)
    assert arrives(net.acme, embed(prefix, GATEWAY4), net.inet)  # a tenant's site by its A record


def test_other_protocols_to_pref64_are_rejected(net):
    before = net.counter("pref64_protocol")
    for protocol in (132, 47):
        raw(net, net.acme, protocol, embed(PREF64, "8.8.8.8"))
    assert net.counter("pref64_protocol") == before + 2


def test_what_goes_to_the_translator_is_not_tracked(net):
    net.nft("add table inet foreign; add counter inet foreign lost;"
            "add chain inet foreign pre { type filter hook prerouting priority -190; };"
            "add rule inet foreign pre ct state invalid counter name lost drop;"
            "add rule inet foreign pre ct state untracked accept")
    try:
        def lost():
            return int(net.nft("list counter inet foreign lost").split("packets")[1].split()[0])

        answer = bytes.fromhex("0050 4e20 00000001 00000001 5012 ffff 0000 0000")
        for chains, expected in (((), 0), (("raw",), 1)):
            with net.without(*chains), \
                    sock(net.inet, GATEWAY4, socket.SOCK_RAW, proto=6, source=INET4) as one:
                one.sendto(answer, (GATEWAY4, 0))  # SYN-ACK to port 20000 of the pool
                assert lost() == expected
    finally:
        net.nft("delete table inet foreign")


# Isolation and the way out


def test_tenants_are_isolated_from_one_another(net):
    refused(net, "inbound_denied", ["to_tenant"],
            lambda: opens(net.acme, GLOBEX, 22, net.globex))
    refused(net, "inbound_denied", ["to_tenant"], lambda: arrives(net.globex, ACME, net.acme))


def ping(ns, address):
    try:
        ns.run("ping", "-6", "-c1", "-W1", address)
    except RuntimeError:
        return False
    return True


def test_a_tenant_does_not_ping_another_but_the_internet_may(net):
    assert not ping(net.acme, GLOBEX)
    assert ping(net.inet, GLOBEX) and ping(net.acme, BRANCH) and ping(net.acme, INET)


def test_a_tenants_own_prefixes_reach_one_another(net):
    assert opens(net.acme, BRANCH, 22, net.branch) and opens(net.branch, ACME, 22, net.acme)
    net.nft("flush set inet sixgate pairs64")
    assert not opens(net.acme, BRANCH, 22, net.branch)


def test_the_farmers_lan_is_closed(net):
    refused(net, "lan_denied", ["from_tenant"], lambda: opens(net.acme, LAN, 22, net.lan))


def test_a_metadata_service_is_closed(net):
    address = "fd00:ec2::254"
    net.inet.ip(f"addr add {address}/128 dev eth0 nodad")
    net.gateway.ip(f"-6 route replace {address} via fe80::2 dev up0")
    try:
        refused(net, "lan_denied", ["from_tenant"],
                lambda: opens(net.acme, address, 80, net.inet))
    finally:
        net.gateway.ip(f"-6 route del {address} dev up0")
        net.inet.ip(f"addr del {address}/128 dev eth0")


def test_port_25_is_refused_at_once(net):
    refused(net, "port25_denied", ["from_tenant"], lambda: opens(net.acme, INET, 25, net.inet))
    refused(net, "port25_denied", ["from_tenant"],
            lambda: opens(net.branch, INET, 25, net.inet))
    with sock(net.acme, INET, timeout=5) as one, pytest.raises(OSError) as failed:
        one.connect((INET, 25))
    assert failed.value.errno == errno.EACCES  # admin-prohibited


def test_port_25_by_pref64_is_refused_too(net):
    address = embed(PREF64, "8.8.8.8")
    refused(net, "port25_denied", ["pref64", "from_tenant", "raw"],
            lambda: opens(net.acme, address, 25, net.inet))


def test_a_tenant_whose_object_says_so_may_send_mail(net):
    net.tenants("policy: closed", "outbound: {mail: true}")
    assert opens(net.acme, INET, 25, net.inet) and opens(net.branch, INET, 25, net.inet)
    assert not opens(net.globex, INET, 25, net.inet)


def test_special_use_ipv4_is_not_reached_from_inside_a_tunnel(net):
    net.inet.ip("addr add 10.9.9.9/32 dev lo")
    net.gateway.ip("route replace 10.9.9.9 via 192.0.2.2")
    refused(net, "special_ipv4", ["forward4"],
            lambda: arrives(net.acme, "10.9.9.9", net.inet, source=ACME4))


# The inbound policy


def test_closed_means_closed(net):
    refused(net, "inbound_denied", ["to_tenant"], lambda: opens(net.inet, ACME, 22, net.acme))
    refused(net, "inbound_denied", ["to_tenant"], lambda: arrives(net.inet, ACME, net.acme))


def icmp_arrives(net, ns, kind, **how):
    """An ICMPv6 message of that type that belongs to nothing arrives at acme."""
    with sock(net.acme, ACME, socket.SOCK_RAW, proto=socket.IPPROTO_ICMPV6) as there, \
            sock(ns, ACME, socket.SOCK_RAW, proto=socket.IPPROTO_ICMPV6, **how) as one:
        there.settimeout(0.3)
        with contextlib.suppress(PermissionError):  # dropped as it leaves
            one.sendto(bytes([kind, 0, 0, 0, 0, 0, 5, 0]) + bytes(48), (ACME, 0))
        with contextlib.suppress(TimeoutError):
            while True:
                if there.recv(100)[0] == kind:
                    return True
        return False


@pytest.mark.parametrize("kind", [1, 2, 3, 4])
def test_icmpv6_errors_pass_a_closed_policy(net, kind):
    translated = embed(PREF64, "8.8.8.8")
    net.gateway.ip(f"-6 route replace local {translated} dev lo")
    try:
        assert icmp_arrives(net, net.inet, kind)
        assert icmp_arrives(net, net.gateway, kind, source=translated)
        net.nft("flush chain inet sixgate to_tenant; flush chain inet sixgate in64;"
                "add rule inet sixgate to_tenant drop; add rule inet sixgate in64 drop")
        assert not icmp_arrives(net, net.inet, kind)
        assert not icmp_arrives(net, net.gateway, kind, source=translated)
    finally:
        net.gateway.ip(f"-6 route del local {translated} dev lo")
        net.tool("apply")


@pytest.mark.parametrize("kind", [100, 133, 138, 139])
def test_other_icmpv6_does_not_pass_a_closed_policy(net, kind):
    refused(net, "inbound_denied", ["to_tenant"], lambda: icmp_arrives(net, net.inet, kind))


def test_open_means_open(net):
    net.tenants("policy: open")
    assert opens(net.inet, ACME, 22, net.acme) and arrives(net.inet, BRANCH, net.branch)
    assert opens(net.globex, ACME, 22, net.acme)
    assert not opens(net.inet, GLOBEX, 22, net.globex)
    net.tenants("policy: closed")
    assert not opens(net.inet, ACME, 22, net.acme)


@pytest.mark.parametrize("source, lengths", [
    ("2001:db8:77::/48", {INET: True, "2001:db8:78::1": False}),
    ("2001:db8:74::/46", {INET: True, "2001:db8:78::1": False, "2001:db8:73::1": False}),
    ("2001:db8:77::2/128", {INET: True, "2001:db8:77::3": False}),
    ("2001:db8:77::2/127", {INET: True, "2001:db8:77::3": True, "2001:db8:77::4": False}),
    ("::/0", {INET: True, "2001:db8:78::1": True}),
    ("2001:db8::/32", {INET: True, "2001:db9::1": False}),
    ("2000::/3", {INET: True, "3fff::1": True, "4000::1": False}),
])
def test_sources_of_any_length_are_allowed_exactly(net, source, lengths):
    net.tenants(f'allow: [{{protocol: udp, ports: [9999, 53], to: web, from: ["{source}"]}}]')
    for address, allowed in lengths.items():
        net.gateway.ip(f"-6 route replace {address}/128 via fe80::2 dev up0")
        assert arrives(net.inet, ACME, net.acme, source=address) == allowed, address
    assert not arrives(net.inet, ACME, net.acme, port=9998)
    assert not opens(net.inet, ACME, 9999, net.acme)
    assert not arrives(net.inet, BRANCH, net.branch)


def test_a_rule_without_to_is_for_all_of_the_tenant(net):
    net.tenants("allow: [{protocol: tcp, ports: [443]}]")
    assert opens(net.inet, ACME, 443, net.acme) and opens(net.inet, BRANCH, 443, net.branch)
    assert not opens(net.inet, GLOBEX, 443, net.globex)


def test_echo_is_rate_limited(net):
    before = net.counter("echo_limited")
    request = bytes([128, 0, 0, 0, 0, 1, 0, 1])
    with sock(net.inet, ACME, socket.SOCK_RAW, proto=socket.IPPROTO_ICMPV6) as one:
        for number in range(1000):
            one.sendto(request[:6] + number.to_bytes(2, "big"), (ACME, 0))
    assert net.counter("echo_limited") > before


def echo_flood(ns, address, n=1000):
    request = bytes([128, 0, 0, 0, 0, 1])
    with sock(ns, address, socket.SOCK_RAW, proto=socket.IPPROTO_ICMPV6) as one:
        for number in range(n):
            one.sendto(request + number.to_bytes(2, "big"), (address, 0))


@pytest.mark.parametrize("flooded, other", [((INET, ACME), (INET, GLOBEX)),
                                            ((ACME, GATEWAY6), (GLOBEX, GATEWAY6))])
def test_a_flood_of_pings_is_its_own_tenants_matter(net, flooded, other):
    hosts = {INET: net.inet, ACME: net.acme, GLOBEX: net.globex}
    before = net.counter("echo_limited")
    for _ in range(3):
        echo_flood(hosts[flooded[0]], flooded[1])
        assert ping(hosts[other[0]], other[1])
    assert net.counter("echo_limited") > before + 1000


# This machine


@pytest.mark.parametrize("address", [GATEWAY6, "2001:db8:5::1", "2001:db8:a000:ff::1"])
def test_a_tenant_does_not_reach_daemons_of_the_gateway(net, address):
    counter = "unexpected" if "ff::1" in address else "own_denied"
    if counter == "unexpected":
        net.gateway.ip(f"-6 route replace local {address}/96 dev lo")
        refused(net, counter, ["cpin", "cpout", "own6"],
                lambda: opens(net.acme, address, 22, net.gateway))
        net.gateway.ip(f"-6 route del local {address}/96 dev lo")
        return
    refused(net, counter, ["own6"], lambda: opens(net.acme, address, 22, net.gateway))
    refused(net, counter, ["own6"], lambda: arrives(net.acme, address, net.gateway))
    assert opens(net.inet, address, 22, net.gateway)  # not ours to close


def test_ipv4_inside_a_tunnel_reaches_listeners_alone(net):
    refused(net, "own_denied", ["own4"],
            lambda: opens(net.acme, GATEWAY4, 22, net.gateway, source=ACME4))
    assert opens(net.acme, GATEWAY4, 443, net.gateway, at=GATEWAY4, source=ACME4)


def test_a_daemon_on_all_addresses_is_no_listener_of_ours(net):
    """It had the port first."""
    refused(net, "own_denied", ["own4"],
            lambda: opens(net.acme, GATEWAY4, 443, net.gateway, source=ACME4))


def test_a_tenant_that_comes_by_lo_reaches_listeners_alone(net):
    for address in (GATEWAY4, "127.0.0.1"):
        refused(net, "own_denied", ["inp"],
                lambda: opens(net.gateway, address, 22, net.gateway, mark=MARK))
        assert opens(net.gateway, address, 443, net.gateway, at=address,
                     mark=MARK) == (address == GATEWAY4)
        assert opens(net.gateway, address, 22, net.gateway)
    net.nft("add table inet foreign; add chain inet foreign in { type filter hook input priority 0; };"
            "add rule inet foreign in iif lo accept")
    try:
        assert not opens(net.gateway, GATEWAY4, 22, net.gateway, mark=MARK)
    finally:
        net.nft("delete table inet foreign")


def test_the_gateway_reaches_its_tenants(net):
    assert opens(net.gateway, ACME, 22, net.acme) and arrives(net.gateway, ACME, net.acme)
    assert ping(net.acme, GATEWAY6) and ping(net.gateway, ACME)


# MSS and NAT44


def test_the_mss_fits_the_tunnel_in_both_directions(net):
    # by WireGuard; that the tenant's other tunnel carries 1400 is no matter of this one
    assert mss_of(net.acme, INET, 80, net.inet) == 1360
    assert mss_of(net.globex, INET, 80, net.inet) == 1420  # 6in4: 1480 less 60
    assert mss_of(net.branch, INET, 80, net.inet) == 1340  # as its object says
    with net.without("mss64"):
        assert mss_of(net.acme, INET, 80, net.inet) == 1440
    net.tenants("policy: open")
    net.gateway.ip("-6 route replace 2001:db8:a000:1001::/64 via fe80::2 dev sg-wg mtu 1300")
    assert mss_of(net.inet, ACME, 80, net.acme) == 1240
    with net.without("mss"):
        assert mss_of(net.inet, ACME, 80, net.acme) == 1440
    net.gateway.ip("-6 route replace 2001:db8:a000:1001::/64 via fe80::2 dev sg-wg")


def test_ipv4_inside_a_tunnel_leaves_by_the_tenants_ports(net):
    with server(net.inet, 80, "0.0.0.0") as there:
        for port in (40000, 57344):
            with sock(net.acme, INET4, source=ACME4, port=port, timeout=5) as one:
                one.connect((INET4, 80))
                peer, (address, seen) = there.accept()
                peer.close()
                assert address == GATEWAY4 and 57600 <= seen <= 57855
    net.nft("flush map inet sixgate nat44")
    refused_before = net.counter("nat44_denied")
    assert not arrives(net.acme, INET4, net.inet, source=ACME4)
    assert net.counter("nat44_denied") > refused_before


# Whose they were


def counted(net, who, reason, attempt):
    """One refused packet is one of the tenant's (or the link's), and of nobody else's."""
    sets = ("denied", "denied_links")
    before = {name: net.denied(name) for name in sets}
    attempt()
    after = {name: net.denied(name) for name in sets}
    changed = {key: count - before[name].get(key, 0) for name in sets
               for key, count in after[name].items() if count != before[name].get(key, 0)}
    assert changed == {(who, REASONS[reason]): 1}, (who, reason)


def test_what_is_refused_is_counted_by_tenant_and_reason(net):
    net.nft("flush set inet sixgate denied; flush set inet sixgate denied_links")
    quick = {"port": 25}
    for ns, mark in ((net.acme, MARK), (net.branch, MARK), (net.globex, MARK_GLOBEX)):
        counted(net, mark, "lan_denied", lambda ns=ns: arrives(ns, LAN, net.lan))
        counted(net, mark, "port25_denied", lambda ns=ns: opens(ns, INET, to=net.inet, **quick))
        counted(net, mark, "special_ipv4",
                lambda ns=ns: arrives(ns, embed(PREF64, "10.0.0.1"), net.inet))
        counted(net, mark, "own_denied", lambda ns=ns: arrives(ns, GATEWAY6, net.gateway))
    # the one whose policy it is, not the one who sends
    counted(net, MARK, "inbound_denied", lambda: arrives(net.inet, ACME, net.acme))
    counted(net, MARK_GLOBEX, "inbound_denied", lambda: arrives(net.acme, GLOBEX, net.globex))
    counted(net, MARK, "inbound_denied", lambda: from64(net))
    # without a mark yet: by the link
    counted(net, "sg-1002", "tenant_spoofed",
            lambda: arrives(net.globex, INET, net.inet, source="2001:db8:dead::1"))
    counted(net, "sg-wg", "tenant_nested", lambda: raw(net, net.acme, 41, INET))
    counts = net.denied()
    assert counts[(MARK, REASONS["lan_denied"])] == 2
    net.node("2001:db8:65::/96")  # other rules
    assert net.tool("apply") != "ok 0"
    assert net.denied() == counts


def test_a_full_set_refuses_all_the_same(net):
    net.nft("flush set inet sixgate denied")
    net.nft("add set inet sixgate none { type mark . mark; flags dynamic,timeout; size 1; }; "
            "add element inet sixgate none { 1 . 1 }; flush chain inet sixgate no_lan; "
            "add rule inet sixgate no_lan update @none { meta mark . 0xe counter }; "
            "add rule inet sixgate no_lan counter name lan_denied reject")
    before = net.counter("lan_denied")
    assert not arrives(net.acme, LAN, net.lan)
    assert net.counter("lan_denied") == before + 1
    net.tool("apply")


# The matrix


def test_the_matrix_of_who_may_open_what(net):
    """Each tenant and the Internet x all that is not theirs."""
    special = [embed(PREF64, ipv4) for ipv4 in ("127.0.0.1", "169.254.169.254", "10.0.0.1")]
    others = [LAN, GATEWAY6, "2001:db8:5::1", *special]
    closed = [
        *((net.acme, address) for address in (GLOBEX, *others)),
        *((net.globex, address) for address in (ACME, BRANCH, *others)),
        *((net.inet, address) for address in (ACME, BRANCH, GLOBEX, "2001:db8:a000:ff::1"))]
    ports = (22, 80, 179, 443)
    with contextlib.ExitStack() as stack:
        for host in net.hosts:
            for port in ports:
                stack.enter_context(server(host, port))
        there = [stack.enter_context(server(host, 9999, kind=socket.SOCK_DGRAM))
                 for host in net.hosts]
        assert len(connected((net.acme, INET, 22), (net.inet, GATEWAY6, 80))) == 2
        assert connected(*((who, address, port) for who, address in closed for port in ports)) == []
        for who, address in closed:
            with sock(who, address, socket.SOCK_DGRAM) as one, contextlib.suppress(OSError):
                one.sendto(f"{who.role} {address}".encode(), (address, 9999))
        assert [one.recv(99) for one in select.select(there, [], [], 1)[0]] == []
    # the translator turns it back, to our listener
    assert arrives(net.acme, embed(PREF64, GATEWAY4), net.inet)
