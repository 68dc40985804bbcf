# SPDX-License-Identifier: GPL-3.0-or-later
"""The guard of client_prefix at start, stop and failure, by kernel-tool and by sixgated."""

import errno
import os
import pwd
import socket
import subprocess
import threading

import pytest
from gateway import BUILD, service, tcp
from guard import (  # kernel is a fixture
    AGENT, DAEMON_PORT, GATEWAY6, IN_PREFIX, PROXY, STRANGER, Tool, apply, daemon,
    datagrams_seen, hosts_outside, is_denied, kernel, proxy_reaches, reaches, routes, sock,
    table)
from lab import CLIENT_PREFIX, INTERNET
from peers import wait_for, works


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
		socket wildcard 1 counter name "unexpected" drop
		socket transparent 0 accept
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
    assert works(case.connect(2200))


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
