# SPDX-License-Identifier: GPL-3.0-or-later
"""The guard of client_prefix and the workers' output chains, with real sockets.

gateway/kernel is driven by kernel-tool; sockets stand in for the daemon on [::], the proxy worker,
the agent and a stranger: what counts for the chains is the uid that made them.
"""

import ctypes
import errno
import os
import socket
import threading

import pytest
from guard import (  # kernel is a fixture
    AGENT, DAEMON_PORT, GATEWAY6, GONE, IN_PREFIX, PROXY, RESOLVER4, RESOLVER6, STRANGER, Tool,
    daemon, datagrams_seen, hosts_outside, is_denied, kernel, made_by, proxy_reaches, reaches,
    sock, table)
from lab import CLIENT, CLIENT_PREFIX, INTERNET, embedded
from netns import libc
from peers import wait_for


# The prefix from outside


@pytest.mark.parametrize("who", ["tenant", "internet", "gateway itself"])
def test_without_the_guard_a_daemon_on_any_would_be_open(lab, who):
    """What the other tests of this file would miss if they could not fail."""
    host = hosts_outside(lab)[who]
    tool = Tool(lab.gateway)
    tool("down")  # of an earlier sixgated
    tool.end()
    lab.gateway.ip(f"-6 route add local {CLIENT_PREFIX} dev lo")
    try:
        with daemon(lab.gateway):
            assert reaches(host, IN_PREFIX)
    finally:
        lab.gateway.ip(f"-6 route del local {CLIENT_PREFIX} dev lo")


@pytest.mark.parametrize("who", ["tenant", "internet", "gateway itself"])
def test_c7_nobody_reaches_a_daemon_on_any_by_tcp(lab, kernel, who):
    host = hosts_outside(lab)[who]
    with daemon(lab.gateway):
        assert reaches(host, GATEWAY6)
        before = kernel.counters()["unexpected"]
        assert not reaches(host, IN_PREFIX)
        assert kernel.counters()["unexpected"] > before


@pytest.mark.parametrize("who", ["tenant", "internet", "gateway itself"])
def test_c7_nobody_reaches_a_daemon_on_any_by_udp(lab, kernel, who):
    with daemon(lab.gateway) as (_, udp):
        assert datagrams_seen(udp, hosts_outside(lab)[who], IN_PREFIX, GATEWAY6) == [b"known"]
    assert kernel.counters()["unexpected"] == 1


def test_an_echo_request_to_the_prefix_is_dropped(lab, kernel):
    request = bytes([128, 0, 0, 0, 0, 1, 0, 1])  # the kernel fills in the checksum
    with sock(lab.internet, kind=socket.SOCK_RAW, proto=socket.IPPROTO_ICMPV6) as one:
        for address in (IN_PREFIX, GATEWAY6):
            one.sendto(request, (address, 0))
        while True:  # neighbour discovery is seen here, too
            data, (peer, *_) = one.recvfrom(100)
            assert peer != IN_PREFIX
            if data[0] == 129:
                break
    assert kernel.counters()["unexpected"] == 1


@pytest.mark.parametrize("who", ["tenant", "internet"])
def test_c7_a_source_inside_the_prefix_is_dropped_and_counted(lab, kernel, who):
    host = hosts_outside(lab)[who]
    with daemon(lab.gateway) as (_, udp):
        seen = datagrams_seen(udp, host, GATEWAY6, GATEWAY6, source=embedded("198.51.100.9"))
        assert seen == [b"known"]
        assert kernel.counters()["spoofed"] == 1
        assert not reaches(host, GATEWAY6, source=embedded("198.51.100.9"))
        assert kernel.counters()["spoofed"] >= 2


def test_c7_a_spoofed_source_does_not_cross_to_another_tenant(lab, kernel):
    with daemon(lab.globex) as (_, udp):
        seen = datagrams_seen(udp, lab.acme, lab.globex.address(), lab.globex.address(),
                              source=embedded("198.51.100.9"))
        assert seen == [b"known"]
    assert kernel.counters()["spoofed"] == 1


# The proxy in the prefix


def proxy_connection(lab, client="198.51.100.7", port=DAEMON_PORT):
    one = sock(lab.gateway, PROXY, source=embedded(client))
    one.connect((lab.acme.address(), port))
    return one


def test_the_proxy_connects_from_the_prefix_and_bytes_flow_both_ways(lab, kernel):
    with daemon(lab.acme) as (listener, _), proxy_connection(lab) as one:
        there, peer = listener.accept()
        with there:
            assert peer[0] == "2001:db8:a000:ff::c633:6407"
            for size in (1, 1 << 20):
                data = os.urandom(size)
                for source, sink in ((one, there), (there, one)):
                    sender = threading.Thread(target=source.sendall, args=(data,))
                    sender.start()
                    got = b""
                    while len(got) < size:
                        got += sink.recv(65536)
                    sender.join()
                    assert got == data
            one.close()
            assert there.recv(1) == b""
    counters = kernel.counters()
    assert not any(counters.values()), counters


def test_a_tenant_that_closes_after_the_proxy_is_answered(lab, kernel):
    """The proxy's socket is gone for its process; what is left of it knows no wildcard."""
    def last_acks():
        return lab.acme.run("ss", "-Htan", "state", "last-ack")

    with daemon(lab.acme) as (listener, _), proxy_connection(lab) as one:
        there, _ = listener.accept()
        one.close()
        assert there.recv(1) == b""
        wait_for(lambda: lab.gateway.run("ss", "-Htan", "state", "fin-wait-2"))
        there.close()
        wait_for(lambda: not last_acks(), 1, "the answer to the tenant's FIN")
    assert not any(kernel.counters().values())


def test_a_closed_port_of_the_tenant_is_refused_at_once(lab, kernel):
    with pytest.raises(ConnectionRefusedError):
        proxy_connection(lab, port=4)
    assert not any(kernel.counters().values())


def test_an_icmp_error_reaches_the_proxy(lab, kernel):
    lab.acme.sysctl("net.ipv6.conf.all.forwarding", 1)
    lab.acme.ip("route add unreachable 2001:db8:a000:1001:dead::/80")
    try:
        with sock(lab.gateway, PROXY, source=embedded("198.51.100.7")) as one:
            with pytest.raises(OSError) as refused:
                one.connect(("2001:db8:a000:1001:dead::1", 80))
            assert refused.value.errno in (errno.EHOSTUNREACH, errno.ENETUNREACH)
    finally:
        lab.acme.ip("route del unreachable 2001:db8:a000:1001:dead::/80")
        lab.acme.sysctl("net.ipv6.conf.all.forwarding", 0)
    assert not any(kernel.counters().values())


def test_the_proxys_port_is_closed_to_everybody_but_its_backend(lab, kernel):
    with daemon(lab.acme) as (listener, _), proxy_connection(lab) as one:
        there, (address, port, *_) = listener.accept()
        with there:
            for host in (lab.globex, lab.internet, lab.acme):
                assert not reaches(host, address, port)
            assert kernel.counters()["unexpected"] >= 3
            one.sendall(b"whole")
            assert there.recv(10) == b"whole"


def test_a_local_backend_answers_the_proxy(lab, kernel):
    """A tenant's service on the gateway itself: its answers come back over lo."""
    lab.gateway.ip("-6 addr add 2001:db8:a000:1001::99/128 dev lo")
    try:
        with daemon(lab.gateway) as (listener, _):
            with sock(lab.gateway, PROXY, source=embedded("198.51.100.7")) as one:
                one.connect(("2001:db8:a000:1001::99", DAEMON_PORT))
                there, peer = listener.accept()
                there.close()
                assert peer[0] == embedded("198.51.100.7")
                assert one.recv(1) == b""
    finally:
        lab.gateway.ip("-6 addr del 2001:db8:a000:1001::99/128 dev lo")


# Others in the prefix


@pytest.mark.parametrize("uid", [0, AGENT, STRANGER], ids=["root", "agent", "stranger"])
def test_another_uid_gets_nothing_out_from_the_prefix(lab, kernel, uid):
    with daemon(lab.acme) as (_, udp):
        how = {"source": embedded("198.51.100.7")}
        assert is_denied(lab.gateway, uid, lab.acme.address(), DAEMON_PORT, **how)
        assert is_denied(lab.gateway, uid, lab.acme.address(), DAEMON_PORT,
                         kind=socket.SOCK_DGRAM, **how)
        assert kernel.counters()["foreign_source"] >= 2
        assert datagrams_seen(udp, lab.gateway, lab.acme.address(), lab.acme.address(), uid=uid,
                              **how) == [b"known"]


@pytest.mark.parametrize("uid", [0, PROXY, STRANGER], ids=["root", "proxy", "stranger"])
def test_a_listener_inside_the_prefix_is_reached_by_nobody(lab, kernel, uid):
    with daemon(lab.gateway, address=IN_PREFIX, uid=uid):
        for host in hosts_outside(lab).values():
            assert not reaches(host, IN_PREFIX)
    assert kernel.counters()["unexpected"] >= 3


# Where the workers may send


DENIED = {
    "IPv4": (CLIENT, 80, {"family": socket.AF_INET}),
    "IPv6": (INTERNET, 80, {}),
    "loopback4": ("127.0.0.1", DAEMON_PORT, {"family": socket.AF_INET}),
    "loopback6": ("::1", DAEMON_PORT, {}),
    "the gateway": (GATEWAY6, DAEMON_PORT, {}),
    "UDP4": (CLIENT, 80, {"family": socket.AF_INET, "kind": socket.SOCK_DGRAM}),
    "UDP6": (INTERNET, 80, {"kind": socket.SOCK_DGRAM}),
    "UDP loopback": ("::1", DAEMON_PORT, {"kind": socket.SOCK_DGRAM}),
    "UDP tenant": ("2001:db8:a000:1001::10", 80, {"kind": socket.SOCK_DGRAM}),
    "TCP resolver, not DNS": (RESOLVER6, 853, {}),
    "UDP resolver, not DNS": (RESOLVER4, 123,
                              {"family": socket.AF_INET, "kind": socket.SOCK_DGRAM}),
    "DNS elsewhere": ("2001:db8:77::9", 53, {"kind": socket.SOCK_DGRAM}),
    "ICMP": (CLIENT, 0, {"family": socket.AF_INET, "kind": socket.SOCK_RAW,
                         "proto": socket.IPPROTO_ICMP}),
    "ICMPv6": ("2001:db8:a000:1001::10", 0,
               {"kind": socket.SOCK_RAW, "proto": socket.IPPROTO_ICMPV6}),
}


@pytest.mark.parametrize("what", DENIED)
def test_a_proxy_worker_cannot_send_elsewhere(lab, kernel, what):
    address, port, how = DENIED[what]
    with daemon(lab.gateway):
        assert is_denied(lab.gateway, PROXY, address, port, **how)
    counters = kernel.counters()
    assert counters.pop("proxy_denied") >= 1
    assert not any(counters.values()), counters


@pytest.mark.parametrize("what", [*DENIED, "TCP tenant", "DNS resolver"])
def test_the_agent_cannot_send_anywhere(lab, kernel, what):
    more = {"TCP tenant": ("2001:db8:a000:1001::10", 80, {}),
            "DNS resolver": (RESOLVER6, 53, {"kind": socket.SOCK_DGRAM})}
    address, port, how = {**DENIED, **more}[what]
    assert is_denied(lab.gateway, AGENT, address, port, **how)
    counters = kernel.counters()
    assert counters.pop("agent_denied") >= 1
    assert not any(counters.values()), counters


@pytest.mark.parametrize("kind", [socket.SOCK_STREAM, socket.SOCK_DGRAM], ids=["tcp", "udp"])
@pytest.mark.parametrize("address, who", [(RESOLVER4, "client"), (RESOLVER6, "internet")])
def test_a_proxy_worker_reaches_its_resolvers(lab, kernel, address, who, kind):
    host = getattr(lab, who)
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with sock(host, family=family, kind=kind) as resolver:
        resolver.bind((address, 53))
        if kind == socket.SOCK_STREAM:
            resolver.listen()
        with sock(lab.gateway, PROXY, family, kind) as one:
            one.connect((address, 53))
            if kind == socket.SOCK_DGRAM:
                one.send(b"query")
                assert resolver.recv(10) == b"query"
    assert not any(kernel.counters().values())


def test_a_worker_answers_clients_on_a_socket_made_under_its_uid(lab, kernel):
    with daemon(lab.gateway, uid=PROXY) as (listener, _):
        with lab.internet.connect(GATEWAY6, DAEMON_PORT) as client:
            there, _ = listener.accept()
            with there, made_by(PROXY):
                client.sendall(b"question")
                assert there.recv(10) == b"question"
                there.sendall(b"answer")
                assert client.recv(10) == b"answer"
    assert not any(kernel.counters().values())


def test_a_listener_turned_into_a_client_does_not_escape(lab, kernel):
    """connect(AF_UNSPEC) makes a listening socket that control made a plain one again."""
    with daemon(lab.gateway, uid=PROXY) as (listener, _), sock(lab.internet) as evil:
        evil.bind((INTERNET, 80))
        evil.listen()
        unspec = (ctypes.c_uint8 * 16)()
        assert libc.connect(listener.fileno(), unspec, 16) == 0
        with pytest.raises(OSError) as refused:
            listener.connect((INTERNET, 80))
        assert refused.value.errno in GONE
    assert kernel.counters()["proxy_denied"] >= 1


def test_other_uids_are_left_alone(lab, kernel):
    with daemon(lab.internet), daemon(lab.gateway):
        for address in (INTERNET, "::1", GATEWAY6):
            for uid in (0, STRANGER):
                with sock(lab.gateway, uid) as one:
                    one.connect((address, DAEMON_PORT))
    assert not any(kernel.counters().values())


# Tenants come and go


def test_a_removed_tenant_is_out_of_reach_and_the_other_stays(lab, kernel):
    assert proxy_reaches(lab, lab.acme)
    kernel("remove acme")
    assert not proxy_reaches(lab, lab.acme)
    assert proxy_reaches(lab, lab.globex)
    kernel("set acme 2001:db8:a000:1001::/64")
    assert proxy_reaches(lab, lab.acme)


@pytest.mark.parametrize("prefix", ["2001:db8:a000:1001::/64", "2001:db8:a000:1000::/60",
                                    "2001:db8:a000:1000::/56", "2001:db8:a000:1000::/55",
                                    "2001:db8:a000::/48", "2001:db8:a000::/40"])
def test_prefixes_of_each_length_are_let_through_and_taken_back(lab, kernel, prefix):
    kernel("remove globex")  # of the longer ones it would be a part
    kernel(f"set acme {prefix}")
    assert proxy_reaches(lab, lab.acme)
    kernel("set acme 2001:db8:a000:2000::/64")
    assert not proxy_reaches(lab, lab.acme)
    assert "2001:db8:a000:2000::" in table(lab)


def test_a_prefix_changes_hands_in_any_order(lab, kernel):
    kernel("set globex 2001:db8:a000:1001::/64 2001:db8:a000:1002::/64")
    kernel("remove acme")
    assert proxy_reaches(lab, lab.acme)
    kernel("set globex 2001:db8:a000:1002::/64")
    assert not proxy_reaches(lab, lab.acme)


def test_a_tenant_change_sends_elements_only(lab, kernel):
    handles = [word for word in lab.gateway.run("nft", "-a", "list", "table", "inet",
                                                "sixgate").split() if word.isdigit()]
    kernel("set acme 2001:db8:a000:3000::/64")
    kernel("set acme 2001:db8:a000:1001::/64")
    assert handles == [word for word in lab.gateway.run("nft", "-a", "list", "table", "inet",
                                                        "sixgate").split() if word.isdigit()]


def test_after_a_foreign_flush_the_next_change_brings_the_table_back(lab, kernel):
    lab.gateway.run("nft", "flush", "ruleset")
    kernel("set acme 2001:db8:a000:1001::/64 2001:db8:a000:1003::/64")
    with daemon(lab.gateway):
        assert not reaches(lab.acme, IN_PREFIX)
    assert proxy_reaches(lab, lab.acme) and proxy_reaches(lab, lab.globex)
