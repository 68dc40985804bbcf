# SPDX-License-Identifier: GPL-3.0-or-later
"""Whole IPv4 addresses (`protocol: address`): globex's host is MAPPED4 to the Internet, and itself
notices nothing but that Pref64 has clients in it."""

import contextlib
import json
import os
import socket
import subprocess

import peers
import pings
import pytest
from exitgate import POLLED_S, PORTS_FIRST, SLOWER
from gateway import service
from patience import AMPLE_S, CLOCK_S
from test_isolation import refused
from test_modules import exchange
from test_nat44 import counter, refused_for
from topology import GATEWAY4, LAN4, MAPPED4, POOL4, PREF64, SERVER4, SERVER6, embedded

SIIT64 = "2001:db8:a000:fe::"
INSIDE4 = "100.64.16.1"
NETNS = "sixgate-siit"
PRIVATE = "10.9.9.9"
SETTINGS = {
    "siit": {"prefix": SIIT64 + "/96"},
    "nat44": {"ports": "57344-65535"},
    "uplink": {
        "kind": "direct", "interface": "up0",
        "ipv4": [*({"range": f"{address}/32", "delivery": "present"} for address in POOL4),
                 {"range": f"{MAPPED4}/32", "delivery": "onlink"}],
        "ipv6": {"prefix": "2001:db8:a000::/48", "reserved": 256}}}


@pytest.fixture
def mapped(case):
    place, gateway = case.place, case.prepare(SETTINGS)
    whole = service("all", [place.globex.address()], {"protocol": "address", "ipv4": MAPPED4})
    for tenant in (case.acme(tunnel={"ipv4": True}), case.globex(services=[whole]), case.initech()):
        gateway.put(tenant)
    gateway.start()
    place.acme_wireguard(case.acme_keys, gateway.keys.public, ipv4=INSIDE4)
    place.acme.ip(f"route add {MAPPED4} dev wg0 src {INSIDE4}")
    place.globex_6in4()
    for tenant in place.tenants:
        pings.reaches(tenant, SERVER6)
    pings.reaches(place.in4, MAPPED4)
    assert gateway.problems() == []  # the workers take the object, too
    return case


def inside(*argv):
    """In the translator's namespace."""
    return subprocess.run(["ip", "netns", "exec", NETNS, *argv], check=True, text=True,
                          stdin=subprocess.DEVNULL, capture_output=True).stdout


def datagram(client, address, server, bound, port=7777, to=None):
    """Sends one and gets an answer; returns who it came from. to: where it arrives, if not at the
    same port."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    other = socket.AF_INET6 if ":" in bound else socket.AF_INET
    with client.socket(family, socket.SOCK_DGRAM) as here, \
            server.socket(other, socket.SOCK_DGRAM) as there:
        there.bind((bound, to or port))
        here.settimeout(CLOCK_S)
        there.settimeout(CLOCK_S)
        here.sendto(b"hello", (address, port))
        data, source = there.recvfrom(100)
        there.sendto(data, source)
        assert here.recv(100) == b"hello"
        return source[0]


def said(host, *argv, within=AMPLE_S):
    """What ping says that gets an error, which ends it; or no answer, within so many seconds."""
    return subprocess.run(host.argv("ping", "-n", "-c", "1", "-W", str(within), *argv), text=True,
                          stdin=subprocess.DEVNULL, capture_output=True, check=False).stdout


def test_a_host_has_an_ipv4_address_of_its_own(mapped):
    is_reached(mapped)
    leaves_by_its_address(mapped)
    errors_come_from_the_gateway(mapped)
    is_reached_by_other_tenants(mapped)
    mapped.gateway.nothing_to_do()
    is_kept_apart(mapped)
    goes_on_over_a_restart(mapped)
    is_mended(mapped)


def is_reached(case):
    place = case.place
    server = case.serve(place.globex, 8080)
    assert exchange(place.in4, MAPPED4, 8080, b"hello") == b"hello"
    assert server.peers[-1][0] == embedded(SERVER4[0])  # Pref64, as NAT64 shows clients
    assert datagram(place.in4, MAPPED4, place.globex, place.globex.address()) == \
        embedded(SERVER4[0])
    assert case.gateway.cli("who", MAPPED4, "8080").stdout.startswith("globex has ")
    # it is not the machine's
    assert MAPPED4 not in place.gateway.ip("-4 addr")


def leaves_by_its_address(case):
    place = case.place
    server = case.serve(place.in4, 80)
    for to in (embedded(SERVER4[0]), embedded(SERVER4[0], SIIT64)):
        assert exchange(place.globex, to, 80, b"hello") == b"hello"
        assert server.peers[-1][0] == MAPPED4
        assert pings.answers(place.globex, to) == 1
        assert datagram(place.globex, to, place.in4, SERVER4[0]) == MAPPED4
    # others leave by theirs
    assert exchange(place.initech, embedded(SERVER4[0]), 80, b"x") == b"x"
    address, port = server.peers[-1]
    assert address == GATEWAY4 and port >= PORTS_FIRST


def errors_come_from_the_gateway(case):
    """Traceroute shows the gateway, never what is inside it; too big is told."""
    place = case.place
    for ttl in "2", "3":
        text = said(place.in4, "-t", ttl, MAPPED4)
        assert f"From {GATEWAY4} " in text and "exceeded" in text, text
    text = said(place.in4, "-M", "do", "-s", "1472", MAPPED4)
    assert f"From {GATEWAY4} " in text and "mtu = 1460" in text, text
    assert pings.answers(place.in4, MAPPED4, size=1432) == 1
    # towards the host, from the translator's prefix
    assert "exceeded" in said(place.globex, "-t", "2", embedded(SERVER4[0]))


def is_reached_by_other_tenants(case):
    place = case.place
    server = case.serve(place.globex, 8081)
    assert exchange(place.acme, embedded(MAPPED4), 8081, b"hello") == b"hello"
    assert server.peers[-1][0] == embedded(GATEWAY4)
    # and from IPv4 inside a tunnel
    assert exchange(place.acme, MAPPED4, 8081, b"hello") == b"hello"
    assert server.peers[-1][0] == embedded(GATEWAY4)
    # natively it is as closed as all tenants
    assert refused(place.acme, place.globex.address(), 8081)


def is_kept_apart(case):
    place, gateway = case.place, case.gateway
    case.serve(place.gateway, 2201, address="0.0.0.0")
    case.serve(place.lan, 81, address=LAN4)
    case.serve(place.in4, 25)
    place.isp.ip(f"addr add {PRIVATE}/32 dev lo")
    try:
        case.serve(place.isp, 82, address=PRIVATE)
        for prefix in (SIIT64, PREF64):
            refused_for(gateway, *((why, place.globex, embedded(ipv4, prefix), port)
                                   for why, ipv4, port in (
                ("own_denied", GATEWAY4, 2201), ("own_denied", "192.0.2.1", 2201),
                ("lan_denied", LAN4, 81), ("special_ipv4", PRIVATE, 82),
                ("special_ipv4", "127.0.0.1", 2201), ("special_ipv4", "169.254.64.1", 2201),
                ("port25_denied", SERVER4[0], 25))))
        # the prefix is for mapped hosts alone
        refused_for(gateway, *(("siit_denied", host, embedded(SERVER4[0], SIIT64), 25)
                               for host in (place.acme, place.initech, place.in6, place.lan)))
        place.in6.ip(f"addr add {embedded('192.0.2.77', SIIT64)}/128 dev eth0 nodad")
        before = counter(gateway, "siit_denied")
        said(place.in6, "-I", embedded("192.0.2.77", SIIT64), place.globex.address(), within=1)
        assert counter(gateway, "siit_denied") > before
    finally:
        place.isp.ip(f"addr del {PRIVATE}/32 dev lo")
        with contextlib.suppress(RuntimeError):
            place.in6.ip(f"addr del {embedded('192.0.2.77', SIIT64)}/128 dev eth0")


def goes_on_over_a_restart(case):
    place, gateway = case.place, case.gateway
    with pings.Stream(place.in4, MAPPED4) as stream:
        assert gateway.stop() == 0
        gateway.start()
        gateway.nothing_to_do()
        stream.sends(5)
    assert stream.lost == 0


def packets(case):
    link = json.loads(case.place.gateway.ip("-j -s link show sg-siit"))[0]["stats64"]
    return link["rx"]["packets"] + link["tx"]["packets"]


def does_not_loop(case, host, address):
    """What the translator refuses ends there; without that one packet makes some 60."""
    before = packets(case)
    said(host, address, within=1)
    assert packets(case) - before <= 20


# a command, where, and what its repair names
BROKEN = (
    (False, "ip link set sg-siit mtu 1500", "link sg-siit"),
    (False, f"ip route del {MAPPED4}", f"route {MAPPED4}/32"),
    (False, f"ip -6 route del {SIIT64}/96", f"route {SIIT64}/96"),
    (False, f"ip neigh del proxy {MAPPED4} dev up0", f"proxy-neighbour {MAPPED4}"),
    (False, "nft flush chain inet sixgate eamd", "ruleset"),
    (True, "ip addr del 169.254.64.1/31 dev sg-inner", "address @siit 169.254.64.1/31"),
    (True, f"ip route del unreachable {SIIT64}/96", f"route @siit {SIIT64}/96"),
    (True, "sysctl -q -w net.ipv4.ip_forward=0", "sysctl @siit net/ipv4/ip_forward"),
    (True, f"jool_siit instance remove {NETNS}", "instance @siit siit"),
    (False, f"ip netns del {NETNS}", None),  # the name alone: what it names lives with sixgated
)


def is_mended(case):
    place, gateway = case.place, case.gateway
    number = os.stat(f"/run/netns/{NETNS}").st_ino
    does_not_loop(case, place.gateway, embedded(SERVER4[0], SIIT64))  # from no mapped host
    inside("jool_siit", "-i", NETNS, "eamt", "flush")
    does_not_loop(case, place.in4, MAPPED4)
    for within, command, _ in BROKEN:
        (inside if within else place.gateway.run)("sh", "-c", command)
    for _, command, name in BROKEN:
        if name:
            # "now" is what is still so
            peers.wait_for(lambda name=name: any(
                name in line and not line.startswith("now")
                for line in gateway.cli("drift").stdout.splitlines()),
                POLLED_S * SLOWER, f"'{command}' is mended")
    peers.wait_for(lambda: os.path.exists(f"/run/netns/{NETNS}") and
                   os.stat(f"/run/netns/{NETNS}").st_ino == number, POLLED_S * SLOWER,
                   "the namespace's name")
    pings.reaches(place.in4, MAPPED4)
    gateway.nothing_to_do()
    place.gateway.ip("link del sg-siit")
    pings.reaches(place.in4, MAPPED4, timeout=POLLED_S * SLOWER)
    gateway.nothing_to_do()
