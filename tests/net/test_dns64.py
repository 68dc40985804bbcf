# SPDX-License-Identifier: GPL-3.0-or-later
"""DNS64 end to end: tenants ask the gateway, BIND beside it is whom it asks."""

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

import rest
from gateway import BUILD, service, tcp
from lab import INTERNET, POOL
from peers import wait_for, works

OWN = "2001:db8:a000::53"  # where tenants ask
PREF64 = "2001:db8:64::"
UPSTREAM = "192.0.2.2"     # the host `client`, which BIND runs on
NAT64 = {"prefix": f"{PREF64}/96", "pool": [POOL[0]], "ports": "16384-49151"}
DNS64 = {"listeners": [{"address": "any", "port": 443, "protocol": "tls"}],
         "nat64": NAT64, "local_ports": "49152-57343",
         "dns64": {"listen": "tenants", "upstream": [UPSTREAM]}}
ROUTE = {"name": "rack", "kind": "route", "via": "fe80::2"}

NAMED = """
options {{ directory "{folder}"; listen-on {{ {address}; }}; listen-on-v6 {{ none; }};
  recursion no; pid-file none; session-keyfile none; managed-keys-directory "{folder}";
  dnssec-validation no; allow-query {{ any; }}; }};
controls {{ }};
zone "example" {{ type primary; file "zone"; }};
"""
ZONE = """$TTL 300
@ SOA ns.example. root.example. 1 3600 600 86400 60
@ NS ns
ns A 192.0.2.2
four A 198.51.100.20
six AAAA 2001:db8:77::20
alias CNAME four
text TXT "a text"
quoted TXT "a\\"b\\\\c"
dotted\\.name TXT "a"
"""
BINARY = '"' + r"\001" * 250 + '" "' + r"\254" * 150 + '"'


def zone_text():
    many = "".join(f"many A 198.51.{100 + i // 200}.{i % 200 + 1}\n" for i in range(80))
    binary = "".join(f"{name} TXT{strings * f' {BINARY}'}\n" for name, strings in (("binary", 1), ("long", 2)))
    return ZONE + many + binary + "".join(f"n{i} A 198.51.100.20\n" for i in range(200))


@contextlib.contextmanager
def named(host, folder, address=UPSTREAM):
    with open(f"{folder}/zone", "w", encoding="ascii") as zone:
        zone.write(zone_text())
    with open(f"{folder}/named.conf", "w", encoding="ascii") as conf:
        conf.write(NAMED.format(folder=folder, address=address))
    process = host.popen("/usr/sbin/named", "-g", "-n", "1", "-c", f"{folder}/named.conf",
                         stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_for(lambda: answers(host, address), message="an answer of named")
        yield process
    finally:
        process.kill()
        process.wait()


def answers(host, address):
    done = subprocess.run(host.argv("dig", f"@{address}", "+time=1", "+tries=1", "+short",
                                    "four.example", "A"), capture_output=True, text=True,
                          check=False)
    return done.stdout == "198.51.100.20\n"


def dig(host, *words, at=OWN):
    """What dig prints, a failure too."""
    done = subprocess.run(host.argv("dig", f"@{at}", "+time=2", "+tries=1", *words),
                          capture_output=True, text=True, check=False)
    return done.stdout


def short(host, *words, at=OWN):
    lines = dig(host, "+short", *words, at=at).splitlines()
    return sorted(line for line in lines if not line.startswith(";"))


def status_of(text):
    found = re.search(r"status: (\w+)", text)
    return found and found.group(1)


@pytest.fixture
def upstream(lab, tmp_path):
    with named(lab.client, tmp_path) as process:
        yield process


def tunnels(case, host):
    return [{**ROUTE, "interface": f"ten{case.lab.tenants.index(host) + 1}",
             "prefixes": [host.prefix]}]


def start(case, settings=None, tunnel=True, **more):
    """Both tenants, with tunnels if wanted: those bring connection tracking and the input chains."""
    for host in case.lab.tenants if tunnel else ():  # case.finish() puts them back
        case.lab.gateway.run("sh", "-c", f"ip -6 route del {host.prefix} 2>&- || true")
    objects = [case.tenant(host, **({"tunnels": tunnels(case, host)} if tunnel else {}))
               for host in case.lab.tenants]
    return case.start(*objects, settings={**DNS64, **(settings or {})}, **more)


def dns(gateway):
    return gateway.status()["dns64"]


def pids(gateway):
    return [worker["pid"] for worker in dns(gateway)["workers"]]


@pytest.mark.parametrize("tunnel", [True, False], ids=["tunnels", "plain routes"])
def test_a_tenant_asks_the_gateway_and_gets_synthesised_addresses(case, upstream, tunnel):
    gateway = start(case, tunnel=tunnel)
    acme = case.lab.acme
    assert short(acme, "four.example", "AAAA") == [f"{PREF64}c633:6414"]
    assert short(acme, "+tcp", "four.example", "AAAA") == [f"{PREF64}c633:6414"]
    assert short(acme, "six.example", "AAAA") == ["2001:db8:77::20"]
    assert short(acme, "four.example", "A") == ["198.51.100.20"]
    assert short(acme, "alias.example", "AAAA") == [f"{PREF64}c633:6414", "four.example."]
    assert short(acme, "ipv4only.arpa", "AAAA") == [f"{PREF64}c000:aa", f"{PREF64}c000:ab"]
    assert status_of(dig(acme, "none.example", "AAAA")) == "NXDOMAIN"
    assert short(case.lab.globex, "four.example", "AAAA") == [f"{PREF64}c633:6414"]
    counts = dns(gateway)
    assert counts["queries"] >= 8 and counts["foreign"] == 0 and counts["cached"] >= 2
    assert gateway.problems() == [text for text in gateway.problems() if "dns64" not in text.lower()]


def test_too_big_for_udp_comes_by_tcp(case, upstream):
    start(case)
    udp = dig(case.lab.acme, "+ignore", "+noedns", "many.example", "AAAA")
    assert " tc " in re.search(r"flags: (.*?);", udp).group(1) + " "
    assert len(short(case.lab.acme, "many.example", "AAAA")) == 80
    kdig = case.lab.acme.run("kdig", f"@{OWN}", "+tcp", "+keepopen", "many.example", "AAAA",
                             "+short", "four.example", "AAAA", "+short")
    assert len(kdig.split()) == 81


def test_a_foreign_source_is_refused(case, upstream):
    gateway = start(case)
    wait_for(lambda: status_of(dig(case.lab.acme, "four.example")) == "NOERROR")
    answer = dig(case.lab.internet, "four.example", "AAAA")
    assert status_of(answer) == "REFUSED", answer
    assert "198.51" not in answer
    answer = dig(case.lab.internet, "+tcp", "four.example", "AAAA")
    assert status_of(answer) == "REFUSED", answer
    assert dns(gateway)["foreign"] >= 2


def test_tenants_reach_it_at_its_own_address_alone(case, upstream):
    """The sockets have all addresses of the machine; the packet filter has not."""
    start(case)
    gateway6 = "2001:db8:77::1"
    assert short(case.lab.acme, "four.example", "AAAA") != []
    for words in ([], ["+tcp"]):
        assert status_of(dig(case.lab.acme, *words, "four.example", "AAAA", at=gateway6)) is None
    # a suspended tenant is nobody any more
    case.gateway.put(case.tenant(case.lab.acme, serial=2, state="suspended"))
    wait_for(lambda: short(case.lab.acme, "four.example", "AAAA") == [])


@pytest.fixture
def own_addresses(lab):
    """Of DNS64 in the tenants' networks: by the gateway, as from inside a tunnel."""
    addresses = [f"{host.net}53" for host in lab.tenants]
    for host, address in zip(lab.tenants, addresses):
        host.ip(f"-6 route add {address} via fe80::1 dev eth0")
    yield addresses
    for host, address in zip(lab.tenants, addresses):
        host.ip(f"-6 route del {address}")


def test_each_tenants_network_has_an_address_of_it(case, upstream, own_addresses):
    """Behind which is nothing else of the machine, whoever asks."""
    lab, daemon = case.lab, case.lab.gateway.listen("::", 4711)
    start(case)
    acme, globex = own_addresses
    for host, at in ((lab.acme, acme), (lab.globex, globex)):
        assert short(host, "four.example", "AAAA", at=at) == [f"{PREF64}c633:6414"]
        assert short(host, "+tcp", "four.example", "AAAA", at=at) == [f"{PREF64}c633:6414"]
    for host in (lab.internet, lab.gateway):
        assert status_of(dig(host, "four.example", "AAAA", at=acme)) is None
        assert status_of(dig(host, "+tcp", "four.example", "AAAA", at=acme)) is None
    for host in (lab.acme, lab.globex, lab.internet, lab.gateway):
        with pytest.raises(OSError):
            host.connect(acme, 4711, timeout=0.5).close()
    daemon.close()


def test_an_address_that_a_tenant_has_is_left_to_it(case, upstream, own_addresses):
    lab, at = case.lab, own_addresses[0]
    gateway = start(case)
    assert short(lab.acme, "four.example", "AAAA", at=at) != []
    taken = service("own", [at], tcp(2222, 53))
    gateway.put(case.tenant(lab.acme, taken, serial=2, tunnels=tunnels(case, lab.acme)))
    wait_for(lambda: at not in lab.gateway.ip("-6 route show table local"))
    gateway.put(case.tenant(lab.acme, serial=3, tunnels=tunnels(case, lab.acme), dns64={
        "records": [{"name": "ns.example", "addresses": [at]}]}))
    wait_for(lambda: gateway.status()["tenants"]["active"] == 2)
    assert at not in lab.gateway.ip("-6 route show table local")
    gateway.put(case.tenant(lab.acme, serial=4, tunnels=tunnels(case, lab.acme)))
    wait_for(lambda: at in lab.gateway.ip("-6 route show table local"))


def test_a_tenants_object_says_what_its_names_are(case, upstream):
    gateway = start(case)
    acme, globex = case.lab.tenants[:2]
    own = {"prefixes": [{"prefix": "2001:db8:65::/96"}], "never": ["four.example"],
           "exclude": ["2001:db8:77::/48"],
           "records": [{"name": "printer.lan", "addresses": ["198.51.100.9"]}]}
    gateway.put(case.tenant(acme, serial=2, tunnels=tunnels(case, acme), dns64=own))
    wait_for(lambda: short(acme, "printer.lan", "AAAA") == ["2001:db8:65::c633:6409"])
    assert short(acme, "printer.lan", "A") == ["198.51.100.9"]
    assert short(acme, "n1.example", "AAAA") == ["2001:db8:65::c633:6414"]
    assert short(acme, "four.example", "AAAA") == []
    assert short(acme, "six.example", "AAAA") == []
    assert short(globex, "four.example", "AAAA") == [f"{PREF64}c633:6414"]
    assert short(globex, "six.example", "AAAA") == ["2001:db8:77::20"]
    assert short(globex, "printer.lan", "AAAA") == []
    gateway.put(case.tenant(acme, serial=3, tunnels=tunnels(case, acme)))
    wait_for(lambda: short(acme, "four.example", "AAAA") == [f"{PREF64}c633:6414"])


def test_explicit_addresses_are_answered_from(case, upstream):
    listen = ["2001:db8:a000:5::53", "2001:db8:a000:6::53"]
    gateway = start(case, {"dns64": {"listen": listen, "upstream": [UPSTREAM]}})
    for address in listen:
        for words in ([], ["+tcp"]):
            assert short(case.lab.acme, *words, "four.example", "AAAA", at=address) == [
                f"{PREF64}c633:6414"]
    gateway.write_config({"dns64": {"listen": [*listen[1:], "2001:db8:a000:7::53"],
                                    "upstream": [UPSTREAM]}})
    gateway.reload()
    for address in ("2001:db8:a000:6::53", "2001:db8:a000:7::53"):
        assert short(case.lab.acme, "four.example", "AAAA", at=address) == [f"{PREF64}c633:6414"]
    assert status_of(dig(case.lab.acme, "four.example", at=listen[0])) is None
    gateway.write_config({"dns64": {"listen": "tenants", "upstream": [UPSTREAM]}})
    done = gateway.cli("reload", check=False)
    assert done.returncode == 1 and "cannot change from tenants to addresses" in done.stderr
    gateway.write_config({"dns64": {"listen": listen, "upstream": [UPSTREAM]}})


class Stub:
    """A tenant's program that asks on and on, by one socket."""

    def __init__(self, host):
        self.sock = host.socket(socket.AF_INET6, socket.SOCK_DGRAM)
        self.sock.connect((OWN, 53))
        self.sock.settimeout(3)
        self.number = 0

    def query(self, name):
        self.number += 1
        labels = b"".join(bytes([len(part)]) + part.encode() for part in name.split("."))
        return struct.pack("!HHHHHH", self.number, 0x100, 1, 0, 0, 0) + labels + b"\0\0\x1c\0\1"

    def send(self, name):
        self.sock.send(self.query(name))
        return self.number

    def ids(self, count):
        return {struct.unpack("!H", self.sock.recv(2000)[:2])[0] for _ in range(count)}


def flood(stub, count):
    """Asks count times at once: how many answers have no error, and how many are REFUSED."""
    for _ in range(count):
        stub.send("four.example")
    stub.sock.settimeout(0.5)
    rcodes = []
    with contextlib.suppress(socket.timeout):
        while True:
            rcodes.append(stub.sock.recv(2000)[3] & 15)
    return rcodes.count(0), rcodes.count(5)


def test_a_tenant_over_its_rate_leaves_the_others_alone(case, upstream):
    gateway = start(case, {"dns64": {**DNS64["dns64"], "queries_per_second": 30}})
    acme, globex = case.lab.tenants[:2]
    gateway.put(case.tenant(acme, serial=2, tunnels=tunnels(case, acme),
                            dns64={"queries_per_second": 10}))
    stub, other = Stub(acme), Stub(globex)
    assert wait_for(lambda: 0 < flood(stub, 100)[0] < 30)
    start_s = time.monotonic()
    before = dns(gateway)["over_rate"]
    answered, refused = flood(stub, 100)
    most = 11 + 10 * (time.monotonic() - start_s)
    assert 0 < answered <= most and 0 < refused <= most, (answered, refused, most)
    assert dns(gateway)["over_rate"] == before + 100 - answered
    for name in range(20):  # of its second's 30
        for _ in range(50):
            stub.send("four.example")
        number = other.send(f"n{name}.example")
        assert other.ids(1) == {number}
    assert " over a rate" in gateway.cli("status").stdout
    answered, refused = flood(other, 100)  # the node's rate
    assert 0 < answered < 100 and refused > 0
    gateway.write_config({"dns64": DNS64["dns64"]})
    gateway.reload()
    assert flood(other, 100) == (100, 0)


def test_a_killed_worker_is_replaced_and_no_query_is_lost(case, upstream):
    gateway = start(case)
    stubs = [Stub(host) for host in case.lab.tenants]
    before = pids(gateway)
    for stub in stubs:
        stub.send("four.example")
        stub.ids(1)
    for pid in before:
        os.kill(pid, signal.SIGSTOP)
    asked = [{stub.send("four.example") for _ in range(50)} for stub in stubs]
    for pid in before:
        os.kill(pid, signal.SIGKILL)
    for stub, numbers in zip(stubs, asked):
        assert stub.ids(50) == numbers
    wait_for(lambda: all(w["state"] == "running" for w in dns(gateway)["workers"]))
    assert not set(before) & set(pids(gateway))
    assert [worker["restarts"] for worker in dns(gateway)["workers"]] == [1, 1]
    assert dns(gateway)["queries"] >= 102  # those of the dead count on


def test_another_upstream_is_asked_after_a_reload(case, upstream, tmp_path):
    gateway = start(case)
    assert short(case.lab.acme, "n1.example", "A") == ["198.51.100.20"]
    gateway.write_config({"dns64": {"listen": "tenants", "upstream": ["192.0.2.9"]}})
    gateway.reload()
    case.lab.client.ip("addr add 192.0.2.9/32 dev eth0")
    try:
        other = tmp_path / "other"
        other.mkdir()
        with named(case.lab.client, other, "192.0.2.9"):
            upstream.kill()
            assert short(case.lab.acme, "n2.example", "AAAA") == [f"{PREF64}c633:6414"]
    finally:
        case.lab.client.ip("addr del 192.0.2.9/32 dev eth0")


def test_dns64_is_turned_on_and_off_by_a_restart_only(case, upstream):
    gateway = start(case)
    gateway.write_config({"dns64": None})
    done = gateway.cli("reload", check=False)
    assert done.returncode == 1
    assert "dns64 cannot be turned off while running: restart sixgated" in done.stderr
    assert short(case.lab.acme, "four.example", "AAAA") == [f"{PREF64}c633:6414"]
    gateway.write_config({"dns64": DNS64["dns64"]})
    gateway.reload()


def test_the_worker_is_boxed_in(case, upstream):
    gateway = start(case)
    user = pwd.getpwnam("sixgate-dns64")
    for pid in pids(gateway):
        with open(f"/proc/{pid}/status", encoding="ascii") as status:
            fields = dict(line.split(":\t", 1) for line in status.read().splitlines()
                          if ":\t" in line)
        assert fields["Uid"].split() == [str(user.pw_uid)] * 4
        assert fields["Gid"].split() == [str(user.pw_gid)] * 4
        assert {fields[kind] for kind in ("CapInh", "CapPrm", "CapEff", "CapAmb")} == {"0" * 16}
        assert fields["NoNewPrivs"] == "1"
        if not rest.is_sanitized(pid):  # which reads /proc for its leak report
            assert fields["Seccomp"] == "2"
            assert os.listdir(f"/proc/{pid}/root") == []


@pytest.mark.parametrize("target, port", [
    (INTERNET, 53), (INTERNET, 443), (UPSTREAM, 80), ("2001:db8:a000:1001::10", 22)])
def test_the_worker_may_send_to_upstreams_and_answer_tenants_alone(case, upstream, target, port):
    gateway = start(case)
    user = pwd.getpwnam("sixgate-dns64")
    before = gateway.status()["kernel"]["dns64_denied"]
    probe = ("import socket, sys\n"
             "s = socket.socket(socket.AF_INET6 if ':' in sys.argv[1] else socket.AF_INET,"
             " socket.SOCK_DGRAM)\n"
             "s.connect((sys.argv[1], int(sys.argv[2])))\n"
             "s.send(b'x')")
    done = subprocess.run(case.lab.gateway.argv(
        "setpriv", "--reuid", str(user.pw_uid), "--regid", str(user.pw_gid), "--clear-groups",
        "/usr/bin/python3", "-c", probe, target, str(port)),
        capture_output=True, text=True, check=False)
    assert "Error" in done.stderr, "it was sent"
    assert gateway.status()["kernel"]["dns64_denied"] == before + 1


def test_a_restart_listens_elsewhere_with_sockets_kept(case, upstream):
    """The service manager keeps those of before, which must not be in the way."""
    elsewhere = {"listen": [OWN], "upstream": [UPSTREAM]}
    gateway = start(case, {"dns64": elsewhere}, kept=True)
    for conf in (DNS64["dns64"], elsewhere):
        assert short(case.lab.acme, "four.example", "AAAA") == [f"{PREF64}c633:6414"]
        gateway.write_config({"dns64": conf})
        assert "restart sixgated" in gateway.cli("reload", check=False).stderr
        assert gateway.stop() == 0
        gateway.start()
    assert short(case.lab.acme, "four.example", "AAAA") == [f"{PREF64}c633:6414"]


def test_an_upgrade_loses_no_query(case, upstream):
    gateway = start(case)
    stub = Stub(case.lab.acme)
    before = set(pids(gateway))
    gateway.signal(signal.SIGUSR2)
    asked, heard = 0, 0
    stub.sock.settimeout(1)
    deadline = time.monotonic() + 30
    gone = False
    while time.monotonic() < deadline and not gone:
        stub.send("four.example")
        asked += 1
        with contextlib.suppress(socket.timeout):
            heard += len(stub.ids(1))
        with contextlib.suppress(OSError, json.JSONDecodeError, IndexError, AssertionError):
            status = gateway.status()
            gone = (not status["former"] and
                    not before & {w["pid"] for w in status["dns64"]["workers"]})
    assert gone, gateway.log()
    assert heard == asked
    assert dns(gateway)["queries"] >= asked


def test_without_the_user_it_is_said(tmp_path):
    """Packages of before DNS64 have not made it."""
    assert pwd.getpwnam("sixgate-dns64").pw_uid != 0
    done = subprocess.run([os.path.join(BUILD, "sixgate-dns64"), "--version"],
                          capture_output=True, text=True, check=True)
    assert done.stdout.startswith("sixgate-dns64 ")


def test_the_proxy_serves_beside_it(case, upstream):
    backend = case.backend(case.lab.acme, 22)
    case.start(case.tenant(case.lab.acme, service("web", [backend.address], tcp(2222, 22))),
               settings=DNS64)
    assert works(case.connect(2222))
    assert short(case.lab.acme, "four.example", "AAAA") == [f"{PREF64}c633:6414"]
