# SPDX-License-Identifier: GPL-3.0-or-later
"""10 MB in both directions for a machine that believes in 1500 bytes, while no ICMP error passes."""

import threading

import clients
import peers
import pings
import pytest
from gateway import service
from topology import GATEWAY4, SERVER4, SERVER6, embedded

SIZE = 10_000_000
DATA = clients.pattern(SIZE)
NO_ICMP_ERRORS = """
    table inet blackhole {
        chain input {
            type filter hook input priority 0;
            icmp type { destination-unreachable, time-exceeded } drop
            icmpv6 type { destination-unreachable, packet-too-big, time-exceeded } drop
        }
    }"""

TUNNELS = {
    "wireguard 1420": ("acme", 1420, {}),
    "wireguard 1280": ("acme", 1280, {"listen_port": 51821, "mtu": 1280}),
    "6in4 1480": ("globex", 1480, {}),
    "6in4 1472": ("globex", 1472, {"mtu": 1472}),
    "6in4 1280": ("globex", 1280, {"mtu": 1280}),
    "route 1492": ("initech", 1492, {}),
}


@pytest.fixture
def office(case):
    machines = []

    def make(tenant):
        machine = case.place.office(tenant)
        machine.run("nft", "-f", "-", input=NO_ICMP_ERRORS)
        machines.append((tenant, machine))
        return machine
    for server in (case.place.in4, case.place.in6):
        server.run("nft", "-f", "-", input=NO_ICMP_ERRORS)
    yield make
    for server in (case.place.in4, case.place.in6):
        server.run("nft", "delete", "table", "inet", "blackhole")
    for tenant, machine in machines:
        machine.delete()
        tenant.sysctl("net.ipv6.conf.all.forwarding", 0)
    case.place.gateway.ip("link set tc0 mtu 1500")
    case.place.initech.ip("link set eth0 mtu 1500")


def both_ways(host, address, port):
    """SIZE bytes to an echo and back, at the same time."""
    with host.connect(address, port, timeout=30) as sock:
        writer = threading.Thread(target=sock.sendall, args=(DATA,))
        writer.start()
        got = peers.read_exactly(sock, SIZE)
        writer.join()
    same = got == DATA  # not in the assert: pytest would show 10 MB
    assert same


@pytest.mark.parametrize("tunnel", TUNNELS)
def test_10_mb_while_icmp_is_blocked(case, office, tunnel):
    name, mtu, keys = TUNNELS[tunnel]
    place = case.place
    tenant = getattr(place, name)
    case.prepare()
    inside = tenant.address(0x20)
    exposed = service("inside", [inside], {"protocol": "tcp", "ipv4": GATEWAY4, "port": 2222,
                                           "to": 22, "via": "nat64"})
    if name == "initech":
        place.gateway.ip("link set tc0 mtu 1492")
        tenant.ip("link set eth0 mtu 1492")
    case.gateway.put(getattr(case, name)(tunnel=keys, services=[exposed],
                                         inbound={"policy": "open"}))
    case.gateway.start()
    if name == "acme":
        place.acme_wireguard(case.acme_keys, case.gateway.keys.public, mtu=mtu,
                             port=keys.get("listen_port", 51820))
    elif name == "globex":
        place.globex_6in4(mtu)
    machine = office(tenant)
    pings.reaches(machine, SERVER6)
    case.serve(place.in4, 80)
    case.serve(place.in6, 80)
    case.serve(machine, 22)
    both_ways(machine, embedded(SERVER4[0]), 80)
    both_ways(place.in4, GATEWAY4, 2222)
    both_ways(machine, SERVER6, 80)
    both_ways(place.in6, inside, 22)
