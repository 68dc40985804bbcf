# SPDX-License-Identifier: GPL-3.0-or-later
"""A gateway whose own IPv6 comes from another exit by a tunnel: a proxy of its own in a data centre
that has IPv4 only."""

import json
import signal

import clients
import peers
import pings
import pytest
from changes import Changes
from gateway import service
from otherexit import EXIT4, EXIT_PORT, OWN6, OtherExit, with_ipv6, without_ipv6
from test_modules import exchange
from test_mtu import NO_ICMP_ERRORS, both_ways
from topology import FARM, GATEWAY4, SERVER4, SERVER6, embedded

WEB_PORT = 2300


@pytest.fixture
def exit_host(place):
    host = OtherExit(place)
    yield host
    host.delete()


def prepare(case, exit_host, kind):
    """With tenants that come in by both kinds of tunnel and by the wire."""
    gateway = case.prepare()
    exit_host.configure(gateway, kind)
    web = service("web", [case.place.initech.address()], {
        "protocol": "tcp", "ipv4": GATEWAY4, "port": WEB_PORT, "to": 80,
        "client_address": "embed"})
    gateway.put(case.acme())
    gateway.put(case.globex())
    gateway.put(case.initech(services=[web], inbound={"policy": "open"}))
    return gateway


def uplink_of(gateway):
    rows = json.loads(gateway.cli("tunnels", "--json").stdout)["tunnels"]
    return next(row for row in rows if row["tenant"] is None)


def silent_exit_is_told(gateway, exit_host):
    """By WireGuard it is known whether the exit answers."""
    problem = f"the exit {EXIT4}:{EXIT_PORT} never answered"
    peers.wait_for(lambda: any(problem in text for text in gateway.problems()),
                   message="the silent exit among the problems")
    assert "handshake_ms" not in uplink_of(gateway)
    exit_host.wireguard()
    peers.wait_for(lambda: not any("the exit" in text for text in gateway.problems()),
                   message="the exit has answered")


def tenants_are_on_the_internet(case):
    place = case.place
    place.acme_wireguard(case.acme_keys, case.gateway.keys.public)
    place.globex_6in4()
    for tenant in place.tenants:
        pings.reaches(tenant, SERVER6)
        pings.reaches(tenant, embedded(SERVER4[0]))
        pings.reaches(place.in6, tenant.address())


def some(host, address, port):
    data = clients.pattern(200_000)
    assert exchange(host, address, port, data) == data


def each_is_known_by_its_own_address(case, out, back):
    """While no ICMP error passes: out to a server and back from a client; and a client of IPv4 by
    way of the proxy."""
    place = case.place
    server6 = case.serve(place.in6, 80)
    inside = case.serve(place.initech, 80)
    out(place.initech, SERVER6, 80)
    assert server6.peers[-1][0] == place.initech.address()
    back(place.in6, place.initech.address(), 80)
    assert inside.peers[-1][0] == SERVER6
    assert exchange(place.in4, GATEWAY4, WEB_PORT, b"hello") == b"hello"
    assert inside.peers[-1][0] == embedded(SERVER4[0], "2001:db8:a000:ff::")


def other_default_route_is_not_for_the_farm(case, exit_host):
    """The machine's own traffic takes it; the farm's does not, though the rules be gone."""
    gateway, place = case.gateway, case.place
    assert OWN6 in gateway_asks(place)
    with_ipv6(place.gateway)
    assert OWN6 not in gateway_asks(place)
    gateway.signal(signal.SIGSTOP)  # else they are back before the next packet
    place.gateway.run("sh", "-c", f"ip -6 rule del pref 2060 from {FARM};"
                      f"ip -6 rule del pref 2061 from {FARM}")
    assert pings.answers(place.initech, SERVER6, count=3, within=1) == 0
    gateway.signal(signal.SIGCONT)
    peers.wait_for(lambda: "rule 2061" in gateway.cli("drift").stdout,
                   message="rules are back")
    pings.reaches(place.initech, SERVER6)
    # by a wider route than the farm's own ones, and narrower than the default
    place.gateway.ip("-6 route add 2000::/3 via 2001:db8:0:1::1 dev up0")
    pings.reaches(place.initech, SERVER6)
    place.gateway.ip("-6 route del 2000::/3 via 2001:db8:0:1::1 dev up0")
    exit_host.ip("link set eth1 down")
    assert pings.answers(place.initech, SERVER6, within=1) == 0
    assert exit_host.leaked() == 0
    without_ipv6(place.gateway)


def gateway_asks(place):
    return place.gateway.ip(f"-6 route get {SERVER6}")


def state_of(host):
    return host.ip("-d link show sg-up") + host.ip("-6 rule") + host.ip("-6 route show table 206")


@pytest.mark.parametrize("kind", ["wireguard", "6in4"])
def test_ipv6_comes_from_another_exit(case, exit_host, kind):
    place = case.place
    without_ipv6(place.gateway)
    gateway = prepare(case, exit_host, kind)
    gateway.start()
    if kind == "wireguard":
        silent_exit_is_told(gateway, exit_host)
    else:
        exit_host.six_in_four()
    tenants_are_on_the_internet(case)
    row = uplink_of(gateway)
    assert (row["link"], row["kind"], row["prefix"]) == ("sg-up", kind, FARM)
    assert row["remote"].startswith(EXIT4) and row["bytes_in"] > 0 and row["bytes_out"] > 0
    assert kind == "6in4" or row["handshake_ms"] < 120000
    before = state_of(place.gateway)
    with pings.Stream(place.initech, SERVER6) as stream, Changes(place.gateway) as changes:
        assert gateway.stop() == 0
        gateway.start()
    assert changes.lines == []
    assert stream.lost == 0 and state_of(place.gateway) == before
    gateway.nothing_to_do()
    for host in (place.in6, place.initech):
        host.run("nft", "-f", "-", input=NO_ICMP_ERRORS)
    # 10 MB in a connection that is opened from one side, and full segments from the other
    each_is_known_by_its_own_address(case, *(
        (both_ways, some) if kind == "wireguard" else (some, both_ways)))
    for host in (place.in6, place.initech):
        host.run("nft", "delete", "table", "inet", "blackhole")
    other_default_route_is_not_for_the_farm(case, exit_host)
    gateway.nothing_to_do()
