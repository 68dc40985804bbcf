# SPDX-License-Identifier: GPL-3.0-or-later
"""Ways that are narrower than 1500 bytes: tunnels follow them, 10 MB get through while no ICMP
error passes, and where errors pass they are understood on both sides of NAT64."""

import json
import socket
import threading

import clients
import peers
import pings
import pytest
from gateway import service
from patience import CLOCK_S
from topology import GATEWAY4, GLOBEX4, SERVER4, SERVER6, embedded

SIZE = 10_000_000
DATA = clients.pattern(SIZE)
# of Linux; Python has no names for them
IP_MTU_DISCOVER, IP_MTU, IPV6_MTU_DISCOVER, IPV6_MTU = 10, 14, 23, 24
NEVER_WHOLE, ALWAYS_WHOLE = 0, 2
PROXIED = 100  # so much higher is the port by way of the proxy
NO_ICMP_ERRORS = """
    table inet blackhole {
        chain input {
            type filter hook input priority 0;
            icmp type { destination-unreachable, time-exceeded } drop
            icmpv6 type { destination-unreachable, packet-too-big, time-exceeded } drop
        }
    }"""


@pytest.fixture
def offices(case):
    """A machine behind each tenant, which believes in 1500 bytes and hears no ICMP error, nor do
    the servers."""
    place, machines = case.place, {}

    def make():
        for tenant in place.tenants:
            machines[tenant.tenant] = machine = place.office(tenant)
            machine.run("nft", "-f", "-", input=NO_ICMP_ERRORS)
        for server in (place.in4, place.in6):
            server.run("nft", "-f", "-", input=NO_ICMP_ERRORS)
        return machines
    yield make
    if machines:
        for server in (place.in4, place.in6):
            server.run("nft", "delete", "table", "inet", "blackhole")
    for tenant in place.tenants:
        if tenant.tenant in machines:
            machines[tenant.tenant].delete()
            tenant.sysctl("net.ipv6.conf.all.forwarding", 0)


def both_ways(host, address, port):
    """SIZE bytes to an echo and back, at the same time."""
    with host.connect(address, port) as sock:
        writer = threading.Thread(target=sock.sendall, args=(DATA,))
        writer.start()
        got = peers.read_exactly(sock, SIZE)
        writer.join()
    same = got == DATA  # not in the assert: pytest would show 10 MB
    assert same


def mtu_of(host, device):
    return json.loads(host.ip(f"-j link show dev {device}"))[0]["mtu"]


def mss_map(place):
    """{device: MSS} of what tenants send into NAT64."""
    said = json.loads(place.gateway.run("nft", "-j", "list", "map", "inet", "sixgate", "mss"))
    return dict(next(m["map"]["elem"] for m in said["nftables"] if "map" in m))


def tunnels_are(case, **expected):
    """Within a moment, as links are heard of; MSS follows in the same breath."""
    devices = {"acme": "sg-wg", "globex": "sg-1002", "initech": "tc0"}

    def all_are():
        return all(mtu_of(case.place.gateway, devices[name]) == mtu and
                   mss_map(case.place)[devices[name]] == mtu - 60
                   for name, mtu in expected.items())
    peers.wait_for(all_are, 10, f"MTU {expected}")


def uplink(place, mtu):
    place.gateway.ip(f"link set up0 mtu {mtu}")
    place.isp.ip(f"link set gw0 mtu {mtu}")


def inside(machine, port):
    """The machine's service, by NAT64 and by the proxy."""
    common = {"protocol": "tcp", "ipv4": GATEWAY4, "to": 22}
    return service("inside", [machine.address()],
                   {**common, "port": port, "via": "nat64"},
                   {**common, "port": port + PROXIED, "client_address": "embed"})


def test_10_mb_while_icmp_is_blocked(case, offices, later):
    """In both directions, by NAT64 and natively; the ways get narrower meanwhile, and the tenants'
    ends, which are the tenants' own, are set to the same."""
    place, gateway = case.place, case.prepare()
    later(place.gateway.ip_batch, "link set tc0 mtu 1500", "link set up0 mtu 1500")
    place.gateway.ip("link set tc0 mtu 1492")
    place.initech.ip("link set eth0 mtu 1492")
    machines = offices()
    ports = {"acme": 2222, "globex": 2223, "initech": 2224}

    def put(name, **more):
        gateway.put(getattr(case, name)(services=[inside(machines[name], ports[name])],
                                        inbound={"policy": "open"}, **more))

    def by_nat64(name):
        both_ways(machines[name], embedded(SERVER4[0]), 80)
        both_ways(place.in4, GATEWAY4, ports[name])

    def all_ways(*names):
        for name in names:
            by_nat64(name)
            both_ways(machines[name], SERVER6, 80)
            both_ways(place.in6, machines[name].address(), 22)
    for name in ports:
        put(name)
        case.serve(machines[name], 22)
    gateway.start()
    place.acme_wireguard(case.acme_keys, gateway.keys.public)
    place.globex_6in4()
    case.serve(place.in4, 80)
    case.serve(place.in6, 80)
    for machine in machines.values():
        pings.reaches(machine, SERVER6)
    tunnels_are(case, acme=1420, globex=1480, initech=1492)
    all_ways("acme", "globex", "initech")

    put("acme", serial=2, tunnel={"mtu": 1300})  # on the device that tenants share
    place.acme.ip("link set wg0 mtu 1300")
    peers.wait_for(lambda: "mtu 1300" in place.gateway.ip(f"-6 route show {place.acme.prefix}"),
                   message="MTU of acme's route")
    by_nat64("acme")
    uplink(place, 1492)
    place.globex.ip("link set six0 mtu 1472")
    tunnels_are(case, acme=1412, globex=1472, initech=1492)
    by_nat64("globex")
    uplink(place, 1300)
    place.acme.ip("link set wg0 mtu 1280")
    place.globex.ip("link set six0 mtu 1280")
    tunnels_are(case, acme=1280, globex=1280, initech=1492)
    for name in ("acme", "globex"):
        by_nat64(name)
        both_ways(place.in4, GATEWAY4, ports[name] + PROXIED)
    gateway.nothing_to_do()


def forget(host):
    """What errors have told it of ways; else it would know that in the next test, too."""
    host.run("sh", "-c", "ip route flush cache; ip -6 route flush cache")


class Datagrams:
    """UDP between a tenant's host and an IPv4 server, by NAT64."""

    def __init__(self, later, inside, server, address):
        self.server = server
        self.inside = inside.socket(socket.AF_INET6, socket.SOCK_DGRAM)
        self.outside = server.socket(socket.AF_INET, socket.SOCK_DGRAM)
        for sock in (self.inside, self.outside):
            later(sock.close)
            sock.settimeout(CLOCK_S)
        self.outside.bind((address, 0))
        self.inside.connect((embedded(address), self.outside.getsockname()[1]))
        self.fragments(ALWAYS_WHOLE)
        self.inside.send(b"hello")
        self.outside.connect(self.outside.recvfrom(100)[1])

    def fragments(self, how):
        self.inside.setsockopt(socket.IPPROTO_IPV6, IPV6_MTU_DISCOVER, how)
        self.outside.setsockopt(socket.IPPROTO_IP, IP_MTU_DISCOVER, how)

    def inside_learns(self, mtu, size):
        """The tenant's host is told what the way carries, after a datagram of this size."""
        self.learns(self.inside, socket.IPPROTO_IPV6, IPV6_MTU, mtu, size)

    def outside_learns(self, mtu, size):
        self.outside_forgets()  # what another tenant's way was said to carry
        self.learns(self.outside, socket.IPPROTO_IP, IP_MTU, mtu, size)

    def outside_forgets(self):
        forget(self.server)
        self.outside.connect(self.outside.getpeername())  # the socket had kept it, too

    @staticmethod
    def learns(sock, level, option, mtu, size):
        assert sock.getsockopt(level, option) > mtu
        sock.send(bytes(size))
        peers.wait_for(lambda: sock.getsockopt(level, option) == mtu,
                       message=f"the way has MTU {mtu}")

    def pass_in_fragments(self, size):
        """Whole at the other end, in both directions."""
        self.fragments(NEVER_WHOLE)
        self.outside_forgets()
        for sock in (self.inside, self.outside):  # what came with what was learnt
            sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        for one, other in ((self.inside, self.outside), (self.outside, self.inside)):
            one.send(DATA[:size])
            got = other.recv(1 << 16)
            assert got == DATA[:size], (len(got), size)


def test_too_big_is_told_on_both_sides(case, later):
    """An error is translated for whoever sent the packet, and what may be cut is. What a router on
    the way says is kept for the tunnel."""
    case.start()
    place, gateway = case.place, case.gateway
    for host in (place.in4, place.in6, place.acme, place.globex):
        later(forget, host)
    narrow4 = f"route add {SERVER4[1]}/32 dev br0 mtu 1300"
    place.isp.ip(narrow4)
    later(place.isp.ip, narrow4.replace("add", "del"))
    office = place.office(place.acme)  # behind a narrower link of the tenant's own
    later(office.delete)
    later(place.acme.sysctl, "net.ipv6.conf.all.forwarding", 0)
    for host, device in ((place.acme, "lan0"), (office, "eth0")):
        host.ip(f"link set {device} mtu 1290")

    acme = Datagrams(later, place.acme, place.in4, SERVER4[0])
    acme.outside_learns(1420 - 20, 1450)
    six = Datagrams(later, place.globex, place.in4, SERVER4[0])
    six.outside_learns(1480 - 20, 1470)
    far = Datagrams(later, place.acme, place.in4, SERVER4[1])
    far.inside_learns(1300 + 20, 1350)
    behind = Datagrams(later, office, place.in4, SERVER4[0])
    behind.outside_learns(1290 - 20, 1350)
    for way in (acme, six, far, behind):
        for size in (1232, 1400, 1472, 4000):
            way.pass_in_fragments(size)

    narrow_six = f"route add {GLOBEX4}/32 dev br0 mtu 1400"
    place.isp.ip(narrow_six)
    later(place.isp.ip, narrow_six.replace("add", "del"))
    assert pings.answers(place.in6, place.globex.address(), size=1480 - 48, within=1) == 0
    place.gateway.ip("link set lan0 mtu 1499")  # links are looked at, and ways with them
    later(place.gateway.ip, "link set lan0 mtu 1500")
    tunnels_are(case, globex=1380, acme=1420)
    gateway.nothing_to_do()
    told = {t["tenant"]: t for t in json.loads(gateway.cli("tunnels", "--json").stdout)["tunnels"]}
    assert [(told[name]["mtu"], told[name]["mtu_from"], told[name]["path_mtu"])
            for name in ("acme", "globex", "initech")] == \
        [(1420, "default", 1500), (1380, "path", 1400), (1500, "path", 1500)]
    assert "1380 (path 1400)" in gateway.cli("tunnels").stdout
