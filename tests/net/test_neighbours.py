# SPDX-License-Identifier: GPL-3.0-or-later
"""The neighbour child: an on-link uplink, whose router asks for each address of the tenants."""

import contextlib
import json
import os
import signal
import socket
import struct
import subprocess
import time

import pytest

import rest
from gateway import BUILD, Gateway, service, tcp
from lab import INTERNET, POOL
from peers import wait_for, works
from test_log_child import is_sanitized

FARM = "2001:db8:a000::/48"
FREE = "2001:db8:a000:5555::1"  # inside it, but no tenant's
ALL_NODES = "ff02::1"
ON_LINK = {"uplink": {
    "kind": "direct", "interface": "up1",
    "ipv4": [{"range": f"{address}/32", "delivery": "present"} for address in POOL],
    "ipv6": {"prefix": FARM, "reserved": 256, "on_link": True}}}


def checksum(data):
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


def binary(address):
    return socket.inet_pton(socket.AF_INET6, address)


def group_of(target):
    return "ff02::1:ff" + binary(target).hex()[-6:-4] + ":" + binary(target).hex()[-4:]


def solicitation(target, source, destination=None, hops=255, code=0, options=b"", wrong_sum=0):
    """An IPv6 packet."""
    destination = destination or group_of(target)
    body = struct.pack("!BBHI", 135, code, 0, 0) + binary(target) + options
    pseudo = binary(source) + binary(destination) + struct.pack("!II", len(body), 58)
    body = body[:2] + struct.pack("!H", checksum(pseudo + body) ^ wrong_sum) + body[4:]
    return struct.pack("!IHBB", 6 << 28, len(body), 58, hops) + binary(source) + \
        binary(destination) + body


def link_local(host, device):
    [link] = json.loads(host.ip(f"-j -6 addr show dev {device}"))
    return next(one["local"] for one in link["addr_info"] if one["scope"] == "link")


class Router:
    """The uplink's router: its kernel asks, and so does this, with packets of its own."""

    def __init__(self, host, gateway, device="eth0", uplink="up1"):
        self.host, self.device = host, device
        self.mac = self.link(host, device)
        self.gateway_mac = self.link(gateway, uplink)
        with host.inside():
            self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(0x86dd))
            self.socket.bind((device, 0x86dd))
        self.address = link_local(host, device)

    @staticmethod
    def link(host, device):
        return json.loads(host.ip(f"-j link show dev {device}"))[0]["address"]

    def send(self, packet):
        group = bytes.fromhex("3333") + packet[36:40]
        unicast = bytes.fromhex(self.gateway_mac.replace(":", ""))
        self.socket.sendto(packet, (self.device, 0x86dd, 0, 0,
                                    group if packet[24] == 255 else unicast))

    def answer(self, target, within=2.0):
        """(destination, source, flags, MAC) of the next advertisement for target, or None."""
        end = time.monotonic() + within
        while (left := end - time.monotonic()) > 0:
            self.socket.settimeout(left)
            try:
                packet, frame = self.socket.recvfrom(2000)
            except TimeoutError:
                break
            if frame[2] == socket.PACKET_OUTGOING or packet[6] != 58 or packet[40] != 136 or \
                    packet[48:64] != binary(target):
                continue
            pseudo = packet[8:40] + struct.pack("!II", len(packet) - 40, 58)
            assert checksum(pseudo + packet[40:]) == 0 and packet[7] == 255
            assert packet[64:66] == b"\x02\x01" and len(packet) == 72
            return (socket.inet_ntop(socket.AF_INET6, packet[24:40]),
                    socket.inet_ntop(socket.AF_INET6, packet[8:24]),
                    packet[44], packet[66:72].hex(":"))
        return None

    def reaches(self, address, within=2):
        done = subprocess.run(self.host.argv("ping", "-6", "-n", "-q", "-c", "1", "-W", str(within),
                                             address), capture_output=True, check=False)
        return done.returncode == 0


@pytest.fixture
def router(lab):
    """Its way to the farm is the link itself, not the gateway."""
    lab.internet.ip(f"route replace {FARM} dev eth0")
    one = Router(lab.internet, lab.gateway)
    yield one
    one.socket.close()
    lab.internet.ip("neigh flush dev eth0")
    lab.internet.ip(f"route replace {FARM} via 2001:db8:77::1")


def child_of(gateway):
    """The process id of the child; None when there is none, or two during an upgrade."""
    done = subprocess.run(["pgrep", "-P", str(gateway.process.pid), "-f", "--", "--neighbours"],
                          capture_output=True, text=True, check=False)
    pids = [int(pid) for pid in done.stdout.split()]
    return pids[0] if len(pids) == 1 else None


def counts(gateway):
    return gateway.status()["neighbours"]


@pytest.fixture
def gateway(case, router):  # pylint: disable=unused-argument
    one = case.start(case.tenant(case.lab.acme), settings=ON_LINK)
    wait_for(lambda: child_of(one), message="a child")
    return one


def test_the_router_reaches_each_address_of_tenants_and_no_other(case, gateway, router):
    lab = case.lab
    assert "asked for nothing yet" in gateway.cli("status").stdout
    for tenant in lab.tenants:
        assert router.reaches(tenant.address(0x11)) and router.reaches(tenant.address(0x1e))
    assert not router.reaches(FREE, within=1)
    assert "lladdr" not in lab.internet.ip(f"neigh show {FREE}")
    assert gateway.status()["neighbours"]["on"]
    # the counts come with the proofs of life
    wait_for(lambda: counts(gateway)["answered"] >= 4 and counts(gateway)["foreign"] >= 1, 15)
    assert counts(gateway)["limited"] == 0 and gateway.problems() == []
    shown = gateway.cli("status").stdout
    assert " asked for nobody" in shown and "asked for nothing" not in shown


def test_the_child_has_nothing_and_control_cannot_read(gateway, router):
    pid = child_of(gateway)
    with open(f"/proc/{pid}/status", encoding="ascii") as status:
        status = dict(line.rstrip("\n").split(":\t", 1) for line in status if ":\t" in line)
    assert "0" not in status["Uid"].split() and int(status["CapEff"], 16) == 0
    assert status["NoNewPrivs"] == "1"
    if not is_sanitized():
        assert status["Seccomp"] == "2" and os.listdir(f"/proc/{pid}/root/") == []
    assert router.reaches("2001:db8:a000:1001::13")
    packet_sockets = [inode for line in open(f"/proc/{pid}/net/packet", encoding="ascii")
                      if (inode := line.split()[-1]) != "Inode"]

    def held(which):
        return [link for fd in os.listdir(f"/proc/{which}/fd") if (
            link := os.readlink(f"/proc/{which}/fd/{fd}")).startswith("socket:") and
            link[8:-1] in packet_sockets]
    assert len(held(pid)) == 1
    assert not held(gateway.process.pid)


def test_answers_are_as_a_proxy_gives_them(case, gateway, router):
    target = case.lab.acme.address(0x2222)  # nobody has it: who is asked for it is the tenant
    source = link_local(case.lab.gateway, "up1")
    router.send(solicitation(target, router.address))
    assert router.answer(target) == (router.address, source, 0xc0, router.gateway_mac)
    option = b"\x01\x01" + bytes.fromhex(router.mac.replace(":", ""))
    router.send(solicitation(target, router.address, destination=target, options=option))
    assert router.answer(target) == (router.address, source, 0xc0, router.gateway_mac)
    # who probes for a duplicate is told to keep off
    router.send(solicitation(target, "::"))
    assert router.answer(target) == (ALL_NODES, source, 0x80, router.gateway_mac)
    assert gateway.problems() == []


def test_what_rfc_4861_forbids_is_not_answered(case, gateway, router):
    target = case.lab.acme.address(0x3333)
    own = router.address
    multicast_mac = b"\x01\x01\x01\x02\x03\x04\x05\x06"
    wrong = [
        solicitation(target, own, hops=254),
        solicitation(target, own, code=1),
        solicitation(target, own, wrong_sum=1),
        solicitation(target, own, options=b"\x01\x00" + bytes(6)),
        solicitation(target, own, options=b"\x01\x02" + bytes(6)),
        solicitation(target, own, options=multicast_mac),
        solicitation(target, own)[:-4],
        solicitation(target, own) + b"more",
        solicitation(target, own, destination=ALL_NODES),
        solicitation(target, "ff02::5"),
        solicitation(target, "::1"),
        solicitation(target, "::", destination=target),
        solicitation(target, "::", options=b"\x01\x01" + bytes(6)),
        solicitation(FREE, own),
        solicitation("2001:db8:77::1234", own),
    ]
    for packet in wrong:
        router.send(packet)
    assert router.answer(target, within=1) is None
    router.send(solicitation(target, own))
    assert router.answer(target)
    # all but three, which the filter keeps from it
    wait_for(lambda: counts(gateway)["answered"] == 1, 15)
    assert counts(gateway)["malformed"] == 11 and counts(gateway)["foreign"] == 1


def test_switches_are_told_that_multicast_goes_here(case, router):
    """RFC 4286: those with MLD snooping else keep from it what the router asks."""
    case.start(case.tenant(case.lab.acme), settings=ON_LINK)
    router.socket.settimeout(10)
    for _ in range(2):  # the first are soon repeated
        packet, frame = router.socket.recvfrom(2000)
        while frame[2] == socket.PACKET_OUTGOING or packet[24:40] != binary("ff02::6a"):
            packet, frame = router.socket.recvfrom(2000)
        assert packet[8:24] == binary(link_local(case.lab.gateway, "up1"))
        assert packet[6:8] == b"\0\1" and packet[40:46] == bytes([58, 0, 5, 2, 0, 0])
        assert packet[48:50] == bytes([151, 20]) and len(packet) == 56
        assert checksum(packet[8:40] + struct.pack("!II", 8, 58) + packet[48:]) == 0


def test_it_follows_tenants_as_they_come_and_go(case, gateway, router):
    target = case.lab.acme.address(0x4444)

    def answers():
        router.send(solicitation(target, router.address))
        return router.answer(target, within=0.3) is not None

    assert answers()
    gateway.put(case.tenant(case.lab.acme, serial=2, state="suspended"))
    wait_for(lambda: not answers(), message="no answer")
    gateway.put(case.tenant(case.lab.acme, serial=3))
    wait_for(answers, message="an answer")
    gateway.remove("acme")
    wait_for(lambda: not answers(), message="no answer")


def test_a_killed_child_is_replaced_and_knows_its_job(case, gateway, router):
    pid = child_of(gateway)
    os.kill(pid, signal.SIGKILL)
    wait_for(lambda: child_of(gateway) not in (None, pid), message="another one")
    wait_for(lambda: router.reaches(case.lab.acme.address(0x15), within=1), message="an answer")
    assert not router.reaches(FREE, within=1)
    wait_for(lambda: gateway.problems() == [], 15, "no problems")


def test_a_flood_is_bounded_and_outlived(case, gateway, router):
    pid = child_of(gateway)
    packet = solicitation(case.lab.acme.address(0x5555), router.address)

    def flood(count):
        for _ in range(count):
            with contextlib.suppress(OSError):
                router.send(packet)

    # all at once, however slow the one who sends: the kernel keeps so many, and so many are
    # answered in a twentieth of a second
    os.kill(pid, signal.SIGSTOP)
    flood(3000)
    os.kill(pid, signal.SIGCONT)
    wait_for(lambda: counts(gateway)["limited"] > 0, 15, "the limit")
    now = counts(gateway)
    assert 200 <= now["answered"] <= 800 and now["answered"] + now["limited"] < 2000, now
    # as fast as it goes
    before, begun = rest.cpu_seconds(pid), time.monotonic()
    while time.monotonic() < begun + 2:
        flood(100)
    took = time.monotonic() - begun
    assert rest.cpu_seconds(pid) - before < took
    answered = now["answered"]
    wait_for(lambda: counts(gateway)["answered"] > answered, 15, "more answers")
    assert counts(gateway)["answered"] < 4000 * (took + 3)
    router.socket.close()
    assert router.reaches(case.lab.acme.address(0x16))


BEYOND = "2001:db8:99::2"  # behind the router: who is on the link is closed to tenants
LINK = "2001:db8:77::"  # the uplink's own: the gateway is ::1, its router ::2


def slice_of(number, host=0):
    return f"{LINK[:-1]}0:{number}::{host or ''}"


class Slices:
    """Tenants with a part of the one on-link /64 each, behind the same cables."""

    def __init__(self, case):
        self.lab, self.case = case.lab, case
        for tenant, number in zip(self.lab.tenants, ("1001", "1002")):
            tenant.ip(f"addr add {slice_of(number, 10)}/80 dev eth0 nodad")
        self.lab.internet.ip(f"addr add {BEYOND}/128 dev eth0 nodad")
        self.lab.gateway.ip(f"route add {BEYOND}/128 via {INTERNET} dev up1")

    def object(self, tenant, number, device, **more):
        prefix = slice_of(number) + "/80"
        return {"tenant": tenant.tenant, "serial": 1, "prefixes": [prefix], "services": [
            service("ssh", [slice_of(number, 10)], tcp(2222, 22))] if number == "1001" else [],
            "tunnels": [{"name": "rack", "kind": "route", "via": "fe80::2", "interface": device,
                         "prefixes": [prefix]}], **more}

    def start(self):
        self.case.gateway = Gateway(self.lab, {
            **ON_LINK, "client_prefix": slice_of("f") + "/96",
            "uplink": {**ON_LINK["uplink"], "ipv6": {"prefix": LINK + "/64", "reserved": 16,
                                                     "on_link": True}}},
            [self.object(self.lab.acme, "1001", "ten1"),
             self.object(self.lab.globex, "1002", "ten2")])
        self.case.services.callback(self.case.gateway.stop)
        return self.case.gateway.start()

    def close(self):
        self.lab.gateway.ip(f"route del {BEYOND}/128 dev up1")
        self.lab.internet.ip(f"addr del {BEYOND}/128 dev eth0")
        for tenant, number in zip(self.lab.tenants, ("1001", "1002")):
            tenant.ip(f"addr del {slice_of(number, 10)}/80 dev eth0")


@pytest.fixture
def slices(case, router):  # pylint: disable=unused-argument
    one = Slices(case)
    yield one
    case.clients.close()
    case.gateway.stop()
    one.close()
    case.lab.gateway.run(os.path.join(BUILD, "sixgated"), "--down", "--run-dir",
                         case.gateway.run_folder)
    case.gateway = None  # without the canary there is nothing that the end could ask


def pings(host, address, source=None):
    done = subprocess.run(host.argv(
        "ping", "-6", "-n", "-q", "-c", "1", "-W", "1", *(["-I", source] if source else []),
        address), capture_output=True, check=False)
    return done.returncode == 0


def test_one_on_link_64_is_shared_out_in_slices(case, router, slices):
    """No route leads to the gateway, only its answers."""
    lab, gateway = case.lab, slices.start()
    acme, globex = slice_of("1001", 10), slice_of("1002", 10)
    wait_for(lambda: router.reaches(acme, within=1), message="the first answer")
    assert router.reaches(globex)
    assert not router.reaches(slice_of("1003", 10), within=1), "nobody's slice"
    assert router.reaches("2001:db8:77::1"), "the gateway's own, by its kernel"
    for tenant, address in ((lab.acme, acme), (lab.globex, globex)):
        assert pings(tenant, BEYOND, source=address)
        assert not pings(tenant, INTERNET, source=address)
    # what is another's, is: its source, its services, and what the proxy may reach
    assert gateway.status()["kernel"]["tenant_spoofed"] == 0
    lab.acme.ip(f"addr add {slice_of('1002', 66)}/128 dev eth0 nodad")
    try:
        assert not pings(lab.acme, BEYOND, source=slice_of("1002", 66))
    finally:
        lab.acme.ip(f"addr del {slice_of('1002', 66)}/128 dev eth0")
    assert gateway.status()["kernel"]["tenant_spoofed"] == 1
    case.backend(lab.acme, 22, address=acme)
    case.backend(lab.globex, 22, address=globex)
    assert works(case.connect(2222))
    assert connects(lab.globex, acme) is False, "another tenant's, which is closed"
    assert connects(lab.internet, acme) is False
    gateway.put(slices.object(lab.acme, "1001", "ten1", inbound={"policy": "open"}) | {"serial": 2})
    wait_for(lambda: connects(lab.internet, acme), message="an open tenant")
    assert connects(lab.internet, globex) is False
    assert gateway.cli("plan").stdout == "nothing to do\n"
    assert gateway.problems() == []


def connects(host, address, port=22):
    try:
        host.connect(address, port, timeout=0.5).close()
    except OSError:
        return False
    return True


def test_a_reload_turns_it_off_and_on_without_leaks(case, gateway, router):
    def descriptors():
        return len(os.listdir(f"/proc/{gateway.process.pid}/fd"))

    assert router.reaches(case.lab.acme.address(0x17))
    n_fds = descriptors()
    for _ in range(3):
        gateway.write_config({"uplink": {**ON_LINK["uplink"], "ipv6": {
            "prefix": FARM, "reserved": 256}}})
        gateway.reload()
        wait_for(lambda: child_of(gateway) is None, message="its end")
        assert not counts(gateway)["running"]
        gateway.write_config(ON_LINK)
        gateway.reload()
        wait_for(lambda: child_of(gateway), message="a child")
    wait_for(lambda: descriptors() == n_fds, message="descriptors as before")
    assert router.reaches(case.lab.acme.address(0x18))


def test_a_reload_that_needs_a_right_we_gave_up_says_so(case, router):
    """All but the child goes on: what a start would have kept cannot be had again."""
    gateway = case.start(case.tenant(case.lab.acme, service(
        "web", [case.lab.acme.address()], tcp(2222, 22))))
    case.backend(case.lab.acme, 22)
    gateway.write_config(ON_LINK)
    gateway.reload()
    del case.baseline["sixgated"]  # it has the child since
    wait_for(lambda: any("CAP_NET_RAW" in text for text in gateway.problems()), message="why")
    assert works(case.connect(2222))
    assert router.reaches(case.lab.acme.address()), "a backend: by the kernel"
    assert not router.reaches(case.lab.acme.address(0x1a), within=1)


def test_an_interface_that_is_made_anew_is_found(case, gateway, router):
    """Not by the same socket: that is of the one before."""
    lab, pid = case.lab, child_of(gateway)
    target = case.lab.acme.address(0x6666)

    def plug():
        lab.gateway.ip(f"link add up9 type veth peer name eth9 netns {lab.internet.name}")
        for host, device in ((lab.gateway, "up9"), (lab.internet, "eth9")):
            host.ip(f"link set {device} up")
        return Router(lab.internet, lab.gateway, "eth9", "up9")

    def answers(who):
        who.send(solicitation(target, router.address))
        return who.answer(target, within=0.3) is not None

    first = plug()
    try:
        gateway.write_config({"uplink": {**ON_LINK["uplink"], "interface": "up9"}})
        gateway.reload()
        wait_for(lambda: child_of(gateway) not in (None, pid), message="another child")
        wait_for(lambda: answers(first), message="an answer")
        pid = child_of(gateway)
        lab.gateway.ip("link del up9")
        wait_for(lambda: any("on-link" in text for text in gateway.problems()), 15, "a problem")
        second = plug()
        wait_for(lambda: answers(second), 15, "an answer")
        assert child_of(gateway) == pid
        wait_for(lambda: gateway.problems() == [], 15, "no problem")
        second.socket.close()
    finally:
        first.socket.close()
        gateway.write_config(ON_LINK)
        gateway.reload()
        lab.gateway.ip("link del up9")


def test_an_upgrade_keeps_it(case, gateway, router):
    pid = child_of(gateway)
    gateway.signal(signal.SIGUSR2)
    wait_for(lambda: child_of(gateway) not in (None, pid), 20, "another child")
    assert router.reaches(case.lab.acme.address(0x19))
    wait_for(lambda: not os.path.exists(f"/proc/{pid}"), message="the former one's end")
    assert gateway.problems() == []


def test_stop_ends_it(gateway):
    pid = child_of(gateway)
    assert gateway.stop() == 0
    assert not os.path.exists(f"/proc/{pid}")
    gateway.start()  # for the end of the test
