# SPDX-License-Identifier: GPL-3.0-or-later
"""IPv4 inside a WireGuard tunnel, for software that knows IPv4 literals alone (NAT44)."""

import collections
import contextlib
import json
import socket

import peers
import pings
import pytest
from attempts import attempt, connected, opened
from patience import AMPLE_S, CLOCK_S, let_pass
from test_modules import exchange
from topology import GATEWAY4, LAN4, POOL4, SERVER4, embedded

PORTS = "57344-57855"  # 32 blocks of 16
INSIDE = "100.64.16.1"
FOREIGN = "100.64.16.2"
BLOCK = range(57360, 57376)
PRIVATE = "10.9.9.9"   # somewhere behind the isp
UDP_PORT = 7777


def counter(gateway, name):
    return gateway.status()["kernel"][name]


def refused_for(gateway, *attempts):
    """(why, host, address, port), ...: none is connected, and each is counted for that reason."""
    wanted = collections.Counter(why for why, *_ in attempts)
    before = gateway.status()["kernel"]
    # in less than the second after which SYN is sent again
    assert connected(*(attempt for _, *attempt in attempts), within=0.9) == []
    now = gateway.status()["kernel"]
    for why, count in wanted.items():
        assert now[why] - before[why] >= count, (why, count, now[why] - before[why])


@pytest.fixture
def inside(case):
    """acme with an IPv4 address inside its tunnel, and ways by it."""
    place, gateway = case.place, case.prepare({"nat44": {"ports": PORTS}})
    gateway.put(case.acme(tunnel={"ipv4": True}))
    gateway.put(case.initech())
    gateway.start()
    place.acme_wireguard(case.acme_keys, gateway.keys.public, ipv4=INSIDE)
    place.acme.ip_batch(*(f"route add {to} dev wg0 src {INSIDE}" for to in (
        *SERVER4, POOL4[1], LAN4, "192.0.2.1", PRIVATE, "169.254.169.254", "100.64.16.3")))
    place.isp.ip(f"addr add {PRIVATE}/32 dev lo")
    yield case
    place.isp.ip(f"addr del {PRIVATE}/32 dev lo")


def udp_source(place):
    """Who a datagram of acme comes from, seen by a server that answers it."""
    with place.in4.socket(socket.AF_INET, socket.SOCK_DGRAM) as server, \
            place.acme.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        server.bind((SERVER4[0], UDP_PORT))
        client.settimeout(CLOCK_S)
        server.settimeout(CLOCK_S)
        client.sendto(b"hello", (SERVER4[0], UDP_PORT))
        data, source = server.recvfrom(100)
        server.sendto(data, source)
        assert client.recvfrom(100) == (b"hello", (SERVER4[0], UDP_PORT))
        return source


def test_ipv4_literals_leave_by_the_tenants_block(inside):
    place, gateway = inside.place, inside.gateway
    server = inside.serve(place.in4, 80)
    pings.reaches(place.acme, SERVER4[0])
    assert exchange(place.acme, SERVER4[0], 80, b"hello") == b"hello"
    for address, port in (server.peers[-1], udp_source(place)):
        assert address == GATEWAY4 and port in BLOCK, (address, port)
        assert gateway.cli("who", address, str(port)).stdout.startswith("acme has ")
    reaches_nothing_else(inside)
    has_one_address(inside)
    is_bounded(inside, server)
    gateway.nothing_to_do()


def reaches_nothing_else(case):
    place = case.place
    case.serve(place.gateway, 2201, address="0.0.0.0")
    case.serve(place.lan, 81, address=LAN4)
    case.serve(place.isp, 82, address=PRIVATE)
    assert len(connected((place.gateway, LAN4, 81), (place.gateway, PRIVATE, 82),
                         within=AMPLE_S)) == 2
    refused_for(case.gateway, *((why, place.acme, address, port) for why, address, port in (
        ("own_denied", POOL4[1], 2201), ("own_denied", "192.0.2.1", 2201),
        ("lan_denied", LAN4, 81), ("special_ipv4", PRIVATE, 82),
        ("special_ipv4", "169.254.169.254", 80))))
    assert pings.answers(place.acme, "100.64.16.3", within=1) == 0


def has_one_address(case):
    """What comes from another one is nobody's, and ends in the tunnel."""
    place = case.place

    def dropped():
        link = json.loads(place.gateway.ip("-j -s link show sg-wg"))[0]
        return link["stats64"]["rx"]["errors"] + counter(case.gateway, "tenant_spoofed")

    before = dropped()
    place.acme.ip(f"addr add {FOREIGN}/32 dev wg0")
    assert pings.answers(place.acme, SERVER4[0]) == 1
    place.acme.run("sh", "-c", f"ping -c 2 -i 0.05 -W 1 -I {FOREIGN} {SERVER4[0]} || true")
    peers.wait_for(lambda: dropped() >= before + 2, message="another source is counted")


def n_open(tries):
    return sum(opened(sock) for sock in tries)


def is_bounded(case, server):
    """A full block refuses more of the same, and nobody else notices."""
    place = case.place
    case.serve(place.in4, 83, address=SERVER4[1])
    with contextlib.ExitStack() as stack:
        tries = [stack.enter_context(attempt(place.acme, socket.SOCK_STREAM, SERVER4[0], 80))
                 for _ in range(len(BLOCK) + 3)]
        peers.wait_for(lambda: len(BLOCK) - 2 <= n_open(tries), message="a full block")
        let_pass(0.5)
        assert n_open(tries) <= len(BLOCK)
        assert {port for address, port in server.peers if address == GATEWAY4} <= set(BLOCK)
        assert pings.answers(place.initech, embedded(SERVER4[0])) == 1
        assert exchange(place.acme, SERVER4[1], 83, b"x") == b"x"
