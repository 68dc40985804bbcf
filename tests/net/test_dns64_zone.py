# SPDX-License-Identifier: GPL-3.0-or-later
"""The farm's zone, answered with authority to everybody at addresses of its own."""

import contextlib
import json
import os
import pwd
import re
import signal
import socket
import struct
import subprocess
import time

import pytest

from gateway import service, tls
from lab import CLIENT, POOL
from peers import wait_for
from test_dns64 import DNS64, OWN, dig, dns, named, pids, short, start, status_of, tunnels

ZONE = "exit1.example.net"
V4, V6 = POOL[0], "2001:db8:a000::54"  # where it is asked if nothing else is said
WITH_ZONE = {"dns64": {**DNS64["dns64"], "zone": ZONE}}


@pytest.fixture
def upstream(lab, tmp_path):
    with named(lab.client, tmp_path) as process:
        yield process


def web(host, *names, **more):
    return service("web", [host.address()], tls([f"shop.{ZONE}", f"*.apps.{ZONE}", *names]), **more)


def matrix(host):
    return service("matrix", [host.address(0x11)], tls([f"matrix.{ZONE}"], port=8448))


def acme(case, *services, serial=1, tunnel=True):
    host = case.lab.acme
    more = {"tunnels": tunnels(case, host)} if tunnel else {}
    return case.tenant(host, *(services or (web(host), matrix(host))), serial=serial, **more)


def start_zone(case, settings=None, tunnel=True, **more):
    gateway = start(case, {**WITH_ZONE, **(settings or {})}, tunnel, **more)
    gateway.put(acme(case, serial=2, tunnel=tunnel))
    wait_for(lambda: short(case.lab.client, f"web.acme.{ZONE}", "AAAA", at=V4) != [])
    return gateway


def serial_of(host, at, *words):
    [line] = short(host, *words, ZONE, "SOA", at=at)
    return int(line.split()[2])


def flags_of(text):
    return re.search(r"flags: ([a-z ]*);", text).group(1).split()


@pytest.mark.parametrize("tunnel", [True, False], ids=["tunnels", "plain routes"])
def test_the_world_is_answered_with_authority_and_without_recursion(case, upstream, tunnel):
    gateway = start_zone(case, tunnel=tunnel)
    for host, at in ((case.lab.client, V4), (case.lab.internet, V6), (case.lab.acme, V6)):
        for words in ([], ["+tcp"]):
            ask = [*words, f"web.acme.{ZONE}"]
            assert short(host, *ask, "AAAA", at=at) == [case.lab.acme.address()]
            assert short(host, *ask, "A", at=at) == sorted(POOL)
            text = dig(host, *ask, "A", at=at)
            assert flags_of(text) == ["qr", "aa", "rd"], text
            assert status_of(dig(host, *words, "four.example", at=at)) == "REFUSED"
    internet = case.lab.internet
    assert short(internet, ZONE, "NS", at=V6) == [f"ns.{ZONE}."]
    assert short(internet, f"ns.{ZONE}", "A", at=V6) == [V4]
    assert short(internet, f"ns.{ZONE}", "AAAA", at=V6) == [V6]
    assert short(internet, f"Shop.{ZONE}", "AAAA", at=V6) == [case.lab.acme.address()]
    assert short(internet, f"one.apps.{ZONE}", "AAAA", at=V6) == [case.lab.acme.address()]
    assert short(internet, f"matrix.acme.{ZONE}", "A", at=V6) == sorted(POOL)
    https = internet.run("kdig", f"@{V6}", f"matrix.{ZONE}", "HTTPS", "+short")
    assert https.strip() == "1 . port=8448"
    assert short(internet, f"web.acme.{ZONE}", "HTTPS", at=V6) == []
    for name, status in ((f"acme.{ZONE}", "NOERROR"), (f"none.acme.{ZONE}", "NXDOMAIN")):
        text = dig(internet, name, "A", at=V6)
        assert status_of(text) == status and f"hostmaster.{ZONE}." in text
    assert short(internet, f"web.acme.{ZONE}", "ANY", "+notcp", at=V6) == ['"RFC8482" ""']
    assert "Transfer failed" in dig(internet, ZONE, "AXFR", at=V6)
    assert dns(gateway)["zone_queries"] >= 20 and dns(gateway)["zone"] == ZONE
    assert gateway.cli("plan").stdout == "nothing to do\n"


def test_recursion_stays_the_tenants(case, upstream):
    start_zone(case)
    assert short(case.lab.acme, "six.example", "AAAA") == ["2001:db8:77::20"]
    assert status_of(dig(case.lab.internet, f"web.acme.{ZONE}", at=OWN)) == "REFUSED"
    # not at other addresses of the gateway
    assert status_of(dig(case.lab.client, ZONE, "SOA", at=POOL[1])) is None


def test_answers_leave_from_where_the_zone_is_asked_only(case, upstream):
    """The packet filter lets the workers' user send from there to everybody, and from nowhere else."""
    gateway = start_zone(case)
    probe = ("import socket, sys\n"
             "s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n"
             "s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)\n"
             "s.bind((sys.argv[1], 53))\n"
             f"s.sendto(b'x', ('{CLIENT}', 999))")
    before = gateway.status()["kernel"]["dns64_denied"]
    sent = {}
    for address in (V4, POOL[1]):
        done = as_dns64(case, probe, address)
        sent[address] = "Error" not in done
    assert sent == {V4: True, POOL[1]: False}
    assert gateway.status()["kernel"]["dns64_denied"] == before + 1


def as_dns64(case, program, *words):
    """What it says on standard error, as DNS64's user who may have port 53."""
    user = pwd.getpwnam("sixgate-dns64")
    return subprocess.run(case.lab.gateway.argv(
        "setpriv", "--reuid", str(user.pw_uid), "--regid", str(user.pw_gid), "--clear-groups",
        "--inh-caps", "+net_bind_service", "--ambient-caps", "+net_bind_service",
        "/usr/bin/python3", "-c", program, *words),
        capture_output=True, text=True, check=False).stderr


def test_each_change_has_its_serial_and_a_service_goes_at_once(case, upstream):
    gateway = start_zone(case)
    client, name = case.lab.client, f"matrix.acme.{ZONE}"
    serials = [serial_of(client, V4)]
    assert short(client, name, "A", at=V4) != []
    gateway.put(acme(case, web(case.lab.acme), serial=3))
    began = time.monotonic()
    wait_for(lambda: status_of(dig(client, name, "A", at=V4)) == "NXDOMAIN")
    print(f"gone after {time.monotonic() - began:.3f} s")
    serials.append(serial_of(client, V4))
    gateway.put(acme(case, serial=4))
    wait_for(lambda: short(client, name, "A", at=V4) != [])
    serials.append(serial_of(client, V4))
    gateway.cli("drain", "acme/matrix")
    wait_for(lambda: short(client, name, "AAAA", at=V4) == [])
    serials.append(serial_of(client, V4))
    gateway.remove("acme")
    wait_for(lambda: status_of(dig(client, f"acme.{ZONE}", "A", at=V4)) == "NXDOMAIN")
    serials.append(serial_of(client, V4))
    assert serials == sorted(set(serials)), serials
    # each worker has the same: some of these sources meet one, some another
    assert {serial_of(client, V4, "-b", f"198.51.100.{i}") for i in range(1, 13)} == {serials[-1]}


def test_a_restart_and_a_new_worker_never_go_back(case, upstream):
    gateway = start_zone(case)
    client = case.lab.client
    for serial in range(3, 13):  # more of them than seconds
        gateway.put(acme(case, web(case.lab.acme), *[matrix(case.lab.acme)] * (serial % 2),
                         serial=serial))
        wait_for(lambda: (short(client, f"matrix.acme.{ZONE}", "A", at=V4) != []) == serial % 2)
    gateway.remove("acme")
    wait_for(lambda: status_of(dig(client, f"acme.{ZONE}", "A", at=V4)) == "NXDOMAIN")
    before = serial_of(client, V4)
    for pid in pids(gateway):
        os.kill(pid, signal.SIGKILL)
    wait_for(lambda: all(w["restarts"] == 1 and w["state"] == "running"
                         for w in dns(gateway)["workers"]))
    assert serial_of(client, V4) == before
    assert gateway.stop() == 0
    gateway.start()
    assert serial_of(client, V4) > before


def test_a_reload_moves_it_and_keeps_its_name(case, upstream):
    gateway = start_zone(case)
    client, internet = case.lab.client, case.lab.internet
    elsewhere = [POOL[1], "2001:db8:77::1"]
    gateway.write_config({"dns64": {**WITH_ZONE["dns64"], "zone_listen": elsewhere}})
    gateway.reload()
    assert short(client, ZONE, "NS", at=POOL[1]) == [f"ns.{ZONE}."]
    assert short(internet, f"ns.{ZONE}", "A", at=elsewhere[1]) == [POOL[1]]
    assert status_of(dig(client, ZONE, "NS", at=V4)) is None
    assert short(case.lab.acme, "six.example", "AAAA") == ["2001:db8:77::20"]
    assert gateway.cli("plan").stdout == "nothing to do\n"
    gateway.write_config({"dns64": {**DNS64["dns64"], "zone": "other.example"}})
    done = gateway.cli("reload", check=False)
    assert done.returncode == 1 and "dns64.zone cannot change while running" in done.stderr
    assert short(internet, f"ns.{ZONE}", "A", at=elsewhere[1]) == [POOL[1]]
    gateway.write_config(WITH_ZONE)
    gateway.reload()
    assert short(internet, f"ns.{ZONE}", "A", at=V6) == [V4]


def test_what_has_the_address_already_is_named(case, upstream):
    gateway = start_zone(case)
    holder = case.lab.gateway.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with holder:
        holder.bind((POOL[1], 53))
        gateway.write_config({"dns64": {**WITH_ZONE["dns64"], "zone_listen": [POOL[1], V6]}})
        done = gateway.cli("reload", check=False)
        assert done.returncode == 1 and f"{POOL[1]}:53/udp: address is in use" in done.stderr
    assert short(case.lab.internet, f"ns.{ZONE}", "A", at=V6) == [V4]
    gateway.write_config(WITH_ZONE)
    gateway.reload()


def test_a_restart_with_kept_sockets_and_an_upgrade(case, upstream):
    gateway = start_zone(case, kept=True)
    client = case.lab.client
    for conf in (DNS64, WITH_ZONE, WITH_ZONE):  # which comes and goes so, too
        gateway.write_config({"dns64": conf["dns64"]})
        assert gateway.stop() == 0
        gateway.start()
        wait_for(lambda: short(case.lab.acme, "six.example", "AAAA") == ["2001:db8:77::20"])
        assert (status_of(dig(client, ZONE, "SOA", at=V4)) is None) == (conf is DNS64)
    wait_for(lambda: short(client, f"web.acme.{ZONE}", "AAAA", at=V4) == [case.lab.acme.address()])
    before, serial = set(pids(gateway)), serial_of(client, V4)
    gateway.signal(signal.SIGUSR2)

    def upgraded():
        assert short(client, f"web.acme.{ZONE}", "AAAA", at=V4) == [case.lab.acme.address()]
        assert short(case.lab.internet, f"web.acme.{ZONE}", "AAAA", at=V6) == [case.lab.acme.address()]
        with contextlib.suppress(OSError, ValueError, IndexError, AssertionError):
            status = gateway.status()
            return not status["former"] and not before & {
                w["pid"] for w in status["dns64"]["workers"]}
        return False

    wait_for(upgraded)
    assert serial_of(client, V4) > serial


def flood(host, source, count, at=V4, wait=1):
    """Queries as fast as they go; how many were answered in full, with TC alone, and not."""
    labels = b"".join(bytes([len(part)]) + part.encode() for part in f"web.acme.{ZONE}".split("."))
    sock = host.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with sock:
        sock.bind((source, 0))
        sock.connect((at, 53))
        full = short_ = 0
        for number in range(count):
            sock.send(struct.pack("!HHHHHH", number, 0, 1, 0, 0, 0) + labels + b"\0\0\x1c\0\1")
        sock.settimeout(wait)
        with contextlib.suppress(socket.timeout, BlockingIOError):
            while True:
                flags, _, answers = struct.unpack("!HHH", sock.recv(2000)[2:8])
                assert flags & 0x8000
                if flags & 0x200:
                    assert answers == 0
                    short_ += 1
                else:
                    full += 1
    return full, short_, count - full - short_


def test_beyond_the_rate_of_a_prefix_answers_are_cut_short_or_left_out(case, upstream):
    gateway = start_zone(case)
    client = case.lab.client
    full, cut, none = flood(client, "198.51.100.99", 1000)
    assert 10 <= full <= 500 and cut > 100 and none > 100, (full, cut, none)
    counts = dns(gateway)  # some of what was sent may have been lost here
    assert counts["slipped"] >= cut and abs(counts["slipped"] - counts["limited"]) <= 1
    # by TCP the same source is answered, and others are by UDP
    assert short(client, "-b", "198.51.100.99", "+tcp", f"web.acme.{ZONE}", "AAAA", at=V4) == [
        case.lab.acme.address()]
    assert short(case.lab.internet, f"web.acme.{ZONE}", "AAAA", at=V6) == [case.lab.acme.address()]


@pytest.mark.parametrize("tunnel", [True, False], ids=["tunnels", "plain routes"])
def test_queries_do_not_fill_the_table_of_connections(case, upstream, tunnel):
    """Which is there for the host's own firewall, too."""
    case.lab.gateway.run("nft", "add table inet host { chain in { type filter hook input priority 0; "
                         "ct state invalid drop; }; }")
    case.services.callback(case.lab.gateway.run, "nft", "delete table inet host")
    start_zone(case, tunnel=tunnel)

    def tracked():
        return int(case.lab.gateway.run("cat", "/proc/sys/net/netfilter/nf_conntrack_count"))

    before = tracked()
    for number in range(60):  # a port and a source each
        flood(case.lab.client, f"198.51.100.{100 + number}", 1, wait=0)
    wait_for(lambda: dns(case.gateway)["zone_queries"] >= 60)
    assert tracked() - before < 20


def test_connections_of_a_prefix_are_bounded(case, upstream):
    start_zone(case)
    many = [case.keep(case.lab.client.connect(V4, 53, source="198.51.100.99")) for _ in range(40)]
    for sock in many:
        sock.setblocking(False)

    def n_open():
        n = 0
        for sock in many:
            try:
                n += sock.recv(1) != b""
            except BlockingIOError:
                n += 1
            except ConnectionResetError:
                pass
        return n

    wait_for(lambda: n_open() <= 16)
    assert n_open() >= 1
    # those of others are served
    assert short(case.lab.internet, "+tcp", f"web.acme.{ZONE}", "AAAA", at=V6) == [
        case.lab.acme.address()]
    assert short(case.lab.acme, "+tcp", "six.example", "AAAA") == ["2001:db8:77::20"]


def test_names_in_it_are_one_tenants_whatever_the_port(case, upstream):
    gateway = start_zone(case)
    globex = case.lab.globex
    thief = service("thief", [globex.address()], tls([f"shop.{ZONE}", f"own.acme.{ZONE}"], port=8449))
    gateway.put(case.tenant(globex, thief, serial=2, tunnels=tunnels(case, globex)))
    wait_for(lambda: f"shop.{ZONE} belongs to tenant acme" in str(gateway.problems()))
    assert f"own.acme.{ZONE} is under *.acme.{ZONE}, which belongs" in str(gateway.problems())
    assert short(case.lab.internet, f"shop.{ZONE}", "AAAA", at=V6) == [case.lab.acme.address()]


def test_it_is_printed_as_a_zone_file_that_bind_takes(case, upstream, tmp_path):
    gateway = start_zone(case)
    text = gateway.cli("dns", "zone").stdout
    lines = text.splitlines()
    assert lines[0].startswith(f"{ZONE}. 60 SOA ns.{ZONE}. hostmaster.{ZONE}. ")
    assert f"web.acme.{ZONE}. 60 AAAA {case.lab.acme.address()}" in lines
    assert f"*.apps.{ZONE}. 60 A {POOL[0]}" in lines
    file = tmp_path / "farm.zone"
    file.write_text(text)
    checked = subprocess.run(["named-checkzone", ZONE, file], capture_output=True, text=True,
                             check=False)
    assert checked.returncode == 0 and "OK" in checked.stdout, checked.stdout
    assert f"loaded serial {serial_of(case.lab.client, V4)}" in checked.stdout
    told = json.loads(gateway.cli("dns", "zone", "--json").stdout)["zone"]
    assert sorted(entry["record"] for entry in told) == sorted(lines)


def test_without_a_zone_there_is_none_to_print(case, upstream):
    gateway = start(case)
    done = gateway.cli("dns", "zone", check=False)
    assert (done.returncode, done.stderr) == (1, "sixgate: dns64.zone is not configured\n")
