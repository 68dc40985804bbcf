# SPDX-License-Identifier: GPL-3.0-or-later
"""The machine can do what the other tests need: each with ip, wg and jool by hand."""

import clients
import peers
import pings
import pytest
from netns import run
from topology import GATEWAY4, HOME4, MAPPED4, POOL4, SERVER4, SERVER6, embedded

SIZE = 1_000_000


def exchange(host, address, port, data):
    """Sends data to an echo and returns what came back."""
    with host.connect(address, port) as sock:
        got = b""
        for start in range(0, len(data), 50_000):
            piece = data[start:start + 50_000]
            sock.sendall(piece)
            got += peers.read_exactly(sock, len(piece))
    return got


@pytest.fixture
def server4(place):
    server = peers.Backend(place.in4, 80)
    yield server
    server.close()


def test_tunnels_carry_ipv6(place, hand):
    hand.all_tunnels()
    for tenant in place.tenants:
        pings.reaches(tenant, SERVER6)
        pings.reaches(place.in6, tenant.address())
    # acme came in through its home router
    assert HOME4 + ":" in hand.gateway.run("wg", "show", "wg0", "endpoints")


def test_nat64_out(place, hand, server4):
    hand.all_tunnels()
    hand.nat64()
    data = clients.pattern(SIZE)
    for number, tenant in enumerate(place.tenants):
        pings.reaches(tenant, embedded(SERVER4[0]))
        assert exchange(tenant, embedded(SERVER4[0]), 80, data) == data
        address, port = server4.peers[-1]
        assert address == GATEWAY4
        assert 0 <= port - (16384 + 1024 * number) < 1024, f"{tenant.tenant} used port {port}"


def test_static_bib_in(place, hand):
    hand.all_tunnels()
    hand.nat64()
    hand.jool("-i", "sixgate", "bib", "add", f"{GATEWAY4}#16390",
              f"{place.acme.address()}#22", "--tcp")
    server = peers.Backend(place.acme, 22)
    try:
        assert exchange(place.in4, GATEWAY4, 16390, b"hello") == b"hello"
        assert server.peers[-1][0] == embedded(SERVER4[0])
    finally:
        server.close()


def test_siit(place, hand):
    """A whole IPv4 address of globex, in both directions."""
    hand.all_tunnels()
    name = hand.siit(place.globex.address())
    try:
        pings.reaches(place.in4, MAPPED4)
        server = peers.Backend(place.globex, 8080)
        try:
            assert exchange(place.in4, MAPPED4, 8080, b"hello") == b"hello"
            assert server.peers[-1][0] == embedded(SERVER4[0], "2001:db8:a000:fe::")
        finally:
            server.close()
    finally:
        run("ip", "netns", "del", name)


def test_pktgen_dummy_and_chains(hand):
    """What the speed tests and the firewall need."""
    run("modprobe", "pktgen")
    hand.gateway.ip("link add dum0 type dummy")
    hand.gateway.run("nft", "-f", "-", input="""
        table inet t {
            set src { type ifname . ipv6_addr; elements = { "wg0" . 2001:db8:: }; }
            map mss { typeof iifname : tcp option maxseg size; elements = { "wg0" : 1360 }; }
            chain pre {
                type filter hook prerouting priority -150;
                meta nfproto ipv6 iifname . ip6 saddr & ffff:ffff:ffff:ffff:: != @src counter drop
                tcp flags & (syn|rst) == syn tcp option maxseg size set iifname map @mss
                socket wildcard 0 accept
                fib saddr . iif oif missing counter
            }
            chain post {
                type filter hook postrouting priority -150;
                tcp flags & (syn|rst) == syn tcp option maxseg size set rt mtu
            }
        }""")


def test_streams_are_counted(place, hand):
    """A stream sees a gap, so that one that saw none proves something."""
    hand.all_tunnels()
    with pings.Stream(place.globex, SERVER6) as whole:
        whole.sends(2)
    with pings.Stream(place.globex, SERVER6) as cut:
        place.gateway.ip("link set six-b down")
        cut.sends(2)
        hand.six_in_four_again()
    assert whole.sent > 1 and whole.lost == 0
    assert cut.lost > 0


def test_second_address_is_reached(place):
    for address in POOL4:
        assert pings.answers(place.in4, address) == 1
