# SPDX-License-Identifier: GPL-3.0-or-later
"""What the translator hands over to tenants, and what they begin by it: the policy without
connections. Each refusal is also tried with chains that accept everything."""

import contextlib
import re
import socket

import pytest
from firewall import (ACME, GLOBEX, INET, INET4, LAN4, MARK, PREF64, REASONS, arrives, as_wanted,
                      embed, from64, net, refused, sock)
from peers import wait_for

__all__ = ["as_wanted", "net"]  # fixtures


@pytest.mark.parametrize("kind", ["tcp", "udp"])
def test_closed_holds_for_mappings_of_nat64(net, kind):
    refused(net, "inbound_denied", ["n64out", "own6"], lambda: from64(net, kind))


def test_an_answer_to_a_tenants_datagram_comes_back_and_no_other(net):
    address = embed(PREF64, "9.9.9.9")
    assert arrives(net.acme, address, net.inet, source=ACME, port=9998) is True
    with sock(net.acme, address, socket.SOCK_DGRAM, source=ACME, port=9999) as one:
        one.sendto(b"x", (address, 53))
    assert from64(net, source="9.9.9.9")
    assert not from64(net, source="9.9.9.8")
    net.nft("flush set inet sixgate flows64")
    assert not from64(net, source="9.9.9.9")


def test_a_flood_of_udp_flows_is_its_own_tenants_matter(net):
    """A tenant that sends to everybody has a bounded part of what is known of all."""
    before, known = net.counter("flows_limited"), len(net.elements("flows64"))
    base = embed(PREF64, "8.0.0.0").rsplit(":", 2)[0]
    with sock(net.acme, base + "::", socket.SOCK_DGRAM, source=ACME, port=7000) as one:
        for number in range(8000):
            with contextlib.suppress(PermissionError):  # what a refusal is, here
                one.sendto(b"x", (f"{base}:800:{number + 1:x}", 53))
    assert net.counter("flows_limited") > before
    assert 2000 < len(net.elements("flows64")) - known < 7000
    address = embed(PREF64, "9.9.9.7")
    with sock(net.globex, address, socket.SOCK_DGRAM, source=GLOBEX, port=9999) as one:
        one.sendto(b"x", (address, 53))
    assert from64(net, source="9.9.9.7", to=GLOBEX, host=net.globex)
    net.nft("flush set inet sixgate flows64; flush set inet sixgate flow_rate")


def forget_flows(net):
    net.nft("flush set inet sixgate flows64; flush set inet sixgate flows64_new;"
            "flush set inet sixgate flow_rate")


def send_to_many(one, n):
    base = embed(PREF64, "8.0.0.0").rsplit(":", 2)[0]
    for number in range(n):
        with contextlib.suppress(PermissionError):  # what a refusal is, here
            one.sendto(b"x", (f"{base}:802:{number + 1:x}", 53))


def test_a_flow_that_goes_on_costs_its_tenant_as_a_new_one(net):
    """Else those kept alive, with some new ones each second, would fill the list for all."""
    forget_flows(net)
    with sock(net.acme, INET, socket.SOCK_DGRAM, source=ACME, port=7002) as one:
        send_to_many(one, 8000)  # more than it may begin
        net.nft("flush set inet sixgate flows64_new")  # a minute is over
        before = net.counter("flows_limited")
        send_to_many(one, 1500)
        assert net.counter("flows_limited") == before, "what is known passes all the same"
        assert len(net.elements("flows64_new")) < 1000
        net.nft("flush set inet sixgate flows64")  # the rest of its time, too
        send_to_many(one, 1500)
        assert net.counter("flows_limited") > before
    forget_flows(net)


def test_a_flow_that_goes_on_is_known_on(net):
    def left_s():
        return [element["expires"] for element in net.elements("flows64")]

    forget_flows(net)
    with sock(net.acme, INET, socket.SOCK_DGRAM, source=ACME, port=7003) as one:
        send_to_many(one, 1)
        wait_for(lambda: left_s()[0] < 177, message="time to pass")
        send_to_many(one, 1)
        assert left_s()[0] < 177, "not with each packet"
        net.nft("flush set inet sixgate flows64_new")  # a minute is over
        send_to_many(one, 1)
        assert left_s()[0] > 177
    forget_flows(net)


def test_a_full_list_of_flows_is_a_reason_of_its_own(net):
    """A list of two goes by for ours, which is too large to be filled here."""
    forget_flows(net)
    before = net.counter("flows_limited")
    with sock(net.acme, INET, socket.SOCK_DGRAM, source=ACME, port=7004) as one:
        send_to_many(one, 3)
        first = re.search(r"update .* # handle (\d+)",
                          net.nft("-a", "list", "chain", "inet", "sixgate", "flow64_new"))
        net.nft("add set inet sixgate two { type ipv6_addr . ipv6_addr . inet_proto . inet_service;"
                " flags dynamic,timeout; size 2; timeout 3m; };"
                f"replace rule inet sixgate flow64_new handle {first.group(1)} "
                "update @two { ip6 saddr . ip6 daddr . meta l4proto . th sport } accept;"
                "flush set inet sixgate flows64_new")
        send_to_many(one, 5)  # two fit in, the third one is known
    assert net.counter("flows_full") == 2
    assert net.denied()[(MARK, REASONS["flows_full"])] == 2
    assert net.counter("flows_limited") == before
    net.tool("apply")
    forget_flows(net)


def test_an_open_tenant_has_no_limit_of_flows(net):
    net.tenants("policy: open")
    before = net.counter("flows_limited")
    base = embed(PREF64, "8.0.0.0").rsplit(":", 2)[0]
    with sock(net.acme, base + "::", socket.SOCK_DGRAM, source=ACME, port=7001) as one:
        for number in range(4000):
            one.sendto(b"x", (f"{base}:801:{number + 1:x}", 53))
    assert net.counter("flows_limited") == before


def test_policies_hold_for_mappings_of_nat64(net):
    net.tenants("policy: open")
    assert from64(net) and from64(net, "tcp")
    net.tenants(f'allow: [{{protocol: udp, ports: [9999], to: web, from: ["{PREF64}"]}}]')
    assert from64(net) and not from64(net, "tcp")
    net.tenants('allow: [{protocol: udp, ports: [9999], to: web, from: ["2001:db8:77::/48"]}]')
    assert not from64(net)


def test_what_nat64_translated_leaves_by_the_uplink_alone(net):
    assert arrives(net.gateway, INET4, net.inet, mark=MARK)
    refused(net, "lan_denied", ["n64out"],
            lambda: arrives(net.gateway, LAN4, net.lan, mark=MARK))
    assert arrives(net.gateway, LAN4, net.lan)
