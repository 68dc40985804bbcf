# SPDX-License-Identifier: GPL-3.0-or-later
"""The guard of client_prefix and the workers' output chains, with real sockets.

gateway/kernel is driven by kernel-tool; sockets stand in for the daemon on [::], the proxy worker,
the agent and a stranger: what counts for the chains is the uid that made them.
"""

import contextlib
import ctypes
import errno
import os
import pwd
import socket
import subprocess
import threading

import pytest
from gateway import BUILD, service, tcp
from lab import CLIENT, CLIENT_PREFIX, INTERNET, embedded
from netns import libc
from peers import wait_for

PROXY, AGENT, STRANGER = 61001, 61002, 61003  # uids need no entry in passwd
RESOLVER4, RESOLVER6 = CLIENT, INTERNET       # hosts of the lab play the resolvers
IPV6_FREEBIND = 78
DAEMON_PORT = 2222
IN_PREFIX = embedded("0.0.0.1")
GATEWAY6 = "2001:db8:77::1"
GONE = (errno.EACCES, errno.EPERM, errno.EHOSTUNREACH, errno.ENETUNREACH, errno.ECONNREFUSED)


class Tool:
    """kernel-tool in a namespace: one command, one answer."""

    def __init__(self, ns, *wrapper):
        self.process = ns.popen(*wrapper, os.path.join(BUILD, "tests/tools/kernel-tool"),
                                stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ask(self, command):
        self.process.stdin.write(command + "\n")
        self.process.stdin.flush()
        return self.process.stdout.readline().strip()

    def __call__(self, command):
        answer = self.ask(command)
        assert answer.startswith("ok"), answer
        return answer

    def counters(self):
        return {name: int(value) for name, value in
                (word.split("=") for word in self("counters").split()[1:])}

    def end(self):
        self.process.stdin.close()
        assert self.process.wait(10) == 0
        self.process.stdout.close()


def apply(prefix=CLIENT_PREFIX):
    return f"apply {prefix} {PROXY} {AGENT} {RESOLVER4} {RESOLVER6}"


@pytest.fixture
def kernel(lab):
    """Table and route in the gateway, the tenants of the lab set; all gone afterwards."""
    tool = Tool(lab.gateway)
    tool("down")  # of an earlier sixgated
    for tenant in lab.tenants:
        tool(f"set {tenant.tenant} {tenant.prefix}")
    tool(apply())
    yield tool
    tool("down")
    tool.end()
    assert not routes(lab) and not table(lab)


def routes(lab):
    return lab.gateway.ip("-6 route show table local proto 206").split("\n")[:-1]


def table(lab):
    done = subprocess.run(lab.gateway.argv("nft", "list", "table", "inet", "sixgate"),
                          capture_output=True, text=True, check=False)
    return done.stdout if done.returncode == 0 else ""


@contextlib.contextmanager
def made_by(uid):
    """Sockets this thread makes in here are uid's for the kernel, as setfsuid(2) says."""
    libc.setfsuid(uid)
    try:
        yield
    finally:
        libc.setfsuid(0)


def sock(ns, uid=0, family=socket.AF_INET6, kind=socket.SOCK_STREAM, proto=0, timeout=5.0,
         source=None):
    with ns.inside(), made_by(uid):
        one = socket.socket(family, kind, proto)
    one.settimeout(timeout)
    if source:
        one.setsockopt(socket.IPPROTO_IPV6, IPV6_FREEBIND, 1)
        one.bind((source, 0))
    return one


@contextlib.contextmanager
def daemon(ns, address="::", port=DAEMON_PORT, uid=0):
    """A TCP and a UDP socket as any daemon has them."""
    with sock(ns, uid) as tcp, sock(ns, uid, kind=socket.SOCK_DGRAM) as udp:
        for one in (tcp, udp):
            one.setsockopt(socket.IPPROTO_IPV6, IPV6_FREEBIND, 1)
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            one.bind((address, port))
        tcp.listen()
        yield tcp, udp


def reaches(ns, address, port=DAEMON_PORT, **how):
    """True when a TCP connection opens; False when it is refused or nobody answers."""
    with sock(ns, timeout=0.5, **how) as one:
        try:
            one.connect((address, port))
        except (TimeoutError, OSError):
            return False
        return True


def datagrams_seen(udp, ns, address, known, **how):
    """What udp receives of one datagram to address, then one to a known good address."""
    with sock(ns, kind=socket.SOCK_DGRAM, **how) as one:
        with contextlib.suppress(OSError):
            one.sendto(b"prefix", (address, DAEMON_PORT))
    with sock(ns, kind=socket.SOCK_DGRAM) as one:
        one.sendto(b"known", (known, DAEMON_PORT))
    seen = []
    while b"known" not in seen:
        seen.append(udp.recv(100))
    return seen


def is_denied(ns, uid, address, port=80, **how):
    """True when the kernel refuses at once: neither silence nor a peer's answer."""
    echo_request = bytes([128 if ":" in address else 8, 0, 0, 0, 0, 1, 0, 1])
    with sock(ns, uid, timeout=5, **how) as one:
        try:
            one.connect((address, port))
            one.send(echo_request)
            return False
        except OSError as error:
            assert not isinstance(error, TimeoutError), "no answer, where a refusal was expected"
            return error.errno in GONE


# The prefix from outside


def hosts_outside(lab):
    return {"tenant": lab.acme, "internet": lab.internet, "gateway itself": lab.gateway}


@pytest.mark.parametrize("who", ["tenant", "internet", "gateway itself"])
def test_without_the_guard_a_daemon_on_any_would_be_open(lab, who):
    """What the other tests of this file would miss if they could not fail."""
    host = hosts_outside(lab)[who]
    lab.gateway.ip(f"-6 route add local {CLIENT_PREFIX} dev lo")
    try:
        with daemon(lab.gateway):
            assert reaches(host, IN_PREFIX)
    finally:
        lab.gateway.ip(f"-6 route del local {CLIENT_PREFIX} dev lo")


@pytest.mark.parametrize("who", ["tenant", "internet", "gateway itself"])
def test_nobody_reaches_a_daemon_on_any_by_tcp(lab, kernel, who):
    host = hosts_outside(lab)[who]
    with daemon(lab.gateway):
        assert reaches(host, GATEWAY6)
        before = kernel.counters()["unexpected"]
        assert not reaches(host, IN_PREFIX)
        assert kernel.counters()["unexpected"] > before


@pytest.mark.parametrize("who", ["tenant", "internet", "gateway itself"])
def test_nobody_reaches_a_daemon_on_any_by_udp(lab, kernel, who):
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
def test_a_source_inside_the_prefix_is_dropped_and_counted(lab, kernel, who):
    host = hosts_outside(lab)[who]
    with daemon(lab.gateway) as (_, udp):
        seen = datagrams_seen(udp, host, GATEWAY6, GATEWAY6, source=embedded("198.51.100.9"))
        assert seen == [b"known"]
        assert kernel.counters()["spoofed"] == 1
        assert not reaches(host, GATEWAY6, source=embedded("198.51.100.9"))
        assert kernel.counters()["spoofed"] >= 2


def test_a_spoofed_source_does_not_cross_to_another_tenant(lab, kernel):
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


def proxy_reaches(lab, host):
    with daemon(host):
        return not is_denied(lab.gateway, PROXY, host.address(), DAEMON_PORT)


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


# Start, stop, failure


def test_a_new_start_takes_over_without_a_gap_and_keeps_the_counts(lab, kernel):
    with daemon(lab.gateway) as (_, udp):
        datagrams_seen(udp, lab.acme, IN_PREFIX, GATEWAY6)
        stop = threading.Event()

        def send():
            with sock(lab.internet, kind=socket.SOCK_DGRAM) as one:
                while not stop.is_set():
                    one.sendto(b"prefix", (IN_PREFIX, DAEMON_PORT))

        before = kernel.counters()["unexpected"]
        sender = threading.Thread(target=send)
        sender.start()
        for _ in range(30):
            second = Tool(lab.gateway)
            for tenant in lab.tenants:
                second(f"set {tenant.tenant} {tenant.prefix}")
            second(apply())
            assert len(routes(lab)) == 1
            second.end()
        stop.set()
        sender.join()
        assert datagrams_seen(udp, lab.acme, IN_PREFIX, GATEWAY6) == [b"known"]
        assert kernel.counters()["unexpected"] > before
    assert proxy_reaches(lab, lab.acme)


def test_the_same_config_again_changes_nothing_but_the_table(lab, kernel):
    first = table(lab)
    kernel(apply())
    assert table(lab) == first
    assert len(routes(lab)) == 1


def test_another_client_prefix_replaces_the_route(lab, kernel):
    kernel(apply("2001:db8:a000:fd::/96"))
    assert [route.split()[1] for route in routes(lab)] == ["2001:db8:a000:fd::/96"]
    assert CLIENT_PREFIX not in table(lab)
    with daemon(lab.gateway):
        assert not reaches(lab.acme, "2001:db8:a000:fd::1")


def test_without_client_prefix_only_the_workers_chains_stay(lab, kernel):
    kernel(apply("-"))
    assert not routes(lab)
    assert "cpfx" not in table(lab) and "chain proxy" in table(lab)
    assert is_denied(lab.gateway, PROXY, INTERNET)


def test_without_cap_net_admin_it_says_so_and_installs_nothing(lab):
    tool = Tool(lab.gateway, "setpriv", "--reuid", str(STRANGER), "--clear-groups",
                "--bounding-set=-net_admin")
    answer = tool.ask(apply())
    tool.end()
    assert answer.startswith(f"err {errno.EPERM} ") and "CAP_NET_ADMIN" in answer
    assert not routes(lab) and not table(lab)


def test_a_foreign_route_is_left_alone_and_is_an_error(lab, kernel):
    kernel("down")
    lab.gateway.ip(f"-6 route add local {CLIENT_PREFIX} dev lo")
    try:
        answer = kernel.ask(apply())
        assert answer.startswith(f"err {errno.EEXIST} ") and CLIENT_PREFIX in answer
        assert "not sixgate's" in answer
        kernel("down")
        assert CLIENT_PREFIX in lab.gateway.ip("-6 route show table local")
    finally:
        lab.gateway.ip(f"-6 route del local {CLIENT_PREFIX} dev lo")


def test_foreign_tables_survive(lab, kernel):
    lab.gateway.run("nft", "add table inet farmer; add chain inet farmer keep")
    try:
        kernel(apply())
        kernel("down")
        assert "chain keep" in lab.gateway.run("nft", "list", "table", "inet", "farmer")
    finally:
        lab.gateway.run("nft", "delete table inet farmer")


def test_the_table_reads_well(lab, kernel):
    text = table(lab)
    chains = text[text.index("\tchain "):]
    assert chains == f"""\
	chain cpin {{
		tcp flags syn / syn,ack counter name "unexpected" drop
		socket wildcard 0 accept
		icmpv6 type 1-4 accept
		counter name "unexpected" drop
	}}

	chain cpfx {{
		type filter hook prerouting priority mangle + 2; policy accept;
		iifname != "lo" ip6 saddr {CLIENT_PREFIX} counter name "spoofed" drop
		ip6 daddr {CLIENT_PREFIX} jump cpin
	}}

	chain cpout {{
		type filter hook output priority filter; policy accept;
		ip6 saddr {CLIENT_PREFIX} meta skuid != {PROXY} counter name "foreign_source" reject with icmpx admin-prohibited
	}}

	chain proxy {{
		tcp flags != syn / syn,ack accept
		ip6 daddr & ffff:ffff:ffff:ffff:: == @tenants64 meta l4proto tcp accept
		ip6 daddr & ffff:ffff:ffff:ff00:: == @tenants56 meta l4proto tcp accept
		ip daddr @resolvers4 udp dport 53 accept
		ip daddr @resolvers4 tcp dport 53 accept
		ip6 daddr @resolvers6 udp dport 53 accept
		ip6 daddr @resolvers6 tcp dport 53 accept
		counter name "proxy_denied" reject with icmpx admin-prohibited
	}}

	chain agent {{
		tcp flags != syn / syn,ack accept
		counter name "agent_denied" reject with icmpx admin-prohibited
	}}

	chain workers {{
		type filter hook output priority filter + 1; policy accept;
		meta skuid {PROXY} jump proxy
		meta skuid {AGENT} jump agent
	}}
}}
"""
    assert "elements = { 2001:db8:a000:1001::,\n\t\t\t     2001:db8:a000:1002:: }" in text


# With sixgated itself


def test_sixgated_guards_the_prefix_and_makes_its_listeners_under_the_workers_uid(case, lab):
    backend = case.backend(lab.acme, 22)
    case.start(case.tenant(lab.acme, service("shell", [backend.address], tcp(2200, 22))))
    kernel = case.gateway.status()["kernel"]
    assert kernel["applied"] and len(routes(lab)) == 1
    with daemon(lab.gateway):
        for host in hosts_outside(lab).values():
            assert not reaches(host, IN_PREFIX)
    assert case.gateway.status()["kernel"]["unexpected"] >= 3
    with open(f"/proc/{case.gateway.workers()[0]}/net/tcp", encoding="ascii") as sockets:
        rows = [row.split() for row in sockets]
    listening = [row for row in rows if row[3] == "0A"]
    proxy = pwd.getpwnam("sixgate-proxy").pw_uid
    assert listening and all(int(row[7]) == proxy for row in listening)
    assert f"meta skuid {proxy} jump proxy" in table(lab)
    assert case.connect(2200)


def test_a_stop_leaves_the_guard_and_down_takes_it_away(case, lab):
    case.start()
    assert case.gateway.stop() == 0
    assert "cpfx" in table(lab) and len(routes(lab)) == 1
    lab.gateway.run(os.path.join(BUILD, "sixgated"), "--down")
    assert not table(lab) and not routes(lab)
    case.gateway = None  # there is nothing left to look at


def test_down_is_refused_while_sixgated_runs(case, lab):
    case.start()
    done = subprocess.run(
        lab.gateway.argv(os.path.join(BUILD, "sixgated"), "--down", "--run-dir",
                         case.gateway.run_folder), capture_output=True, text=True, check=False)
    assert done.returncode == 1 and "another sixgated is running" in done.stderr
    assert "cpfx" in table(lab) and len(routes(lab)) == 1


@pytest.mark.parametrize("how", ["flush ruleset", "delete table inet sixgate",
                                 "flush table inet sixgate", "flush chain inet sixgate cpin"])
def test_a_firewall_loaded_anew_does_not_open_the_prefix(case, lab, how):
    case.start()
    sets_and_chains = table(lab)[table(lab).index("\tset "):]  # the counts may be lost
    lab.gateway.run("nft", *how.split())
    wait_for(lambda: table(lab).endswith(sets_and_chains), 5, "the table")
    with daemon(lab.gateway):
        assert not reaches(lab.internet, IN_PREFIX)
    assert case.gateway.log().count("put back") == 1
    assert not case.gateway.problems()
