# SPDX-License-Identifier: GPL-3.0-or-later
"""The IPv4 Internet, from tenants and to them, by Jool."""

import json
import socket

import clients
import pings
from attempts import connected
from exitgate import PORTS_FIRST, PORTS_PER_TENANT
from gateway import service
from netns import family_of
from patience import AMPLE_S, CLOCK_S
from peers import wait_for, works
from test_modules import exchange
from test_siit import datagram
from topology import GATEWAY4, HOME4, POOL4, SERVER4, embedded

SIZE = 1_000_000
ALL = ["tcp", "udp", "icmp"]
RESERVED, BLOCKS = 256, 32


def has_port(tenant, port):
    """In the tenant's block: the number of its /64 less the farm's own, modulo the blocks."""
    number = (int(tenant.net.split(":")[3], 16) - RESERVED) % BLOCKS
    return 0 <= port - PORTS_FIRST - PORTS_PER_TENANT * number < PORTS_PER_TENANT


def exposed(host, port, to, protocol="tcp"):
    return service(f"{protocol}{port}", [host.address()], {
        "protocol": protocol, "ipv4": GATEWAY4, "port": port, "to": to, "via": "nat64"})


def udp(host, address, port=0):
    sock = host.socket(family_of(address), socket.SOCK_DGRAM)
    sock.settimeout(CLOCK_S)
    sock.bind((address, port))
    return sock


def inbound_denied(gateway, tenant):
    rows = json.loads(gateway.cli("denied", "--tenant", tenant, "--json").stdout)["denied"]
    return sum(row["packets"] for row in rows if row["reason"] == "inbound_denied")


def globex_alone(case):
    gateway = case.start(connect=False, objects=[])
    gateway.put(case.globex())
    case.place.globex_6in4()
    pings.reaches(case.place.globex, embedded(SERVER4[0]))
    return gateway


def is_in_the_block(case, outside):
    """An address and port of the Internet's side is globex's."""
    address, port = outside
    assert address == GATEWAY4 and has_port(case.place.globex, port), outside
    assert case.gateway.cli("who", address, str(port)).stdout.startswith("globex has ")


def test_every_tenant_out_from_ports_of_its_own(case):
    case.start()
    place = case.place
    server = case.serve(place.in4, 80)
    data = clients.pattern(SIZE)
    used = []
    for tenant in place.tenants:
        assert pings.answers(tenant, embedded(SERVER4[0])) == 1
        assert exchange(tenant, embedded(SERVER4[0]), 80, data) == data
        address, port = server.peers[-1]
        assert address == GATEWAY4
        assert PORTS_FIRST <= port <= 49151
        used.append((port - PORTS_FIRST) // PORTS_PER_TENANT)
        # the port tells who it was
        assert tenant.tenant in case.gateway.cli("who", address, str(port)).stdout
    assert len(set(used)) == 3, used


def test_exposed_by_a_static_mapping(case):
    case.start(connect=False, objects=[])
    place, gateway = case.place, case.gateway
    gateway.put(case.globex(services=[
        exposed(place.globex, 2222, 22),
        service("other", [place.globex.address()],
                {"protocol": "tcp", "ipv4": POOL4[1], "port": 8080, "to": 23, "via": "nat64"})]))
    place.globex_6in4()
    pings.reaches(place.globex, embedded(SERVER4[0]))
    for address, port, to in ((GATEWAY4, 2222, 22), (POOL4[1], 8080, 23)):
        server = case.serve(place.globex, to)
        assert exchange(place.in4, address, port, b"hello") == b"hello"
        assert server.peers[-1][0] == embedded(SERVER4[0])


def mappings(host, inside):
    """The protocols of which the translator has something for sockets of a prefix."""
    return [protocol for protocol in ALL
            if inside in host.run("jool", "-i", "sixgate", "bib", "display", "--numeric", "--csv",
                                  f"--{protocol}")]


def asked(sock, word):
    sock.sendall(word)
    return sock.recv(100) == word


def two_tunnels(case):
    """globex has what is initech's elsewhere, too. Returns both ends when they reach the server."""
    case.start(objects=[], connect=False)
    place = case.place
    both = case.globex()
    both["prefixes"].append(place.initech.prefix)
    both["tunnels"].append({"name": "rack", "kind": "route", "via": "fe80::2", "interface": "tc0",
                            "prefixes": [place.initech.prefix]})
    case.gateway.put(both)
    place.globex_6in4()
    case.serve(place.in4, 80)
    for host in (place.globex, place.initech):
        pings.reaches(host, embedded(SERVER4[0]))
    return place.globex, place.initech


def test_a_prefix_that_goes_takes_its_sessions_along(case):
    """One of two tunnels is dropped: whoever gets its prefix has nothing of the former tenant's
    ports, and the other tunnel's connections live."""
    hosts = two_tunnels(case)
    place, gateway = case.place, case.gateway
    kept, dropped = (host.connect(embedded(SERVER4[0]), 80) for host in hosts)
    datagrams = [host.socket(socket.AF_INET6, socket.SOCK_DGRAM) for host in hosts]
    for sock in datagrams:
        sock.sendto(b"to nobody", (embedded(SERVER4[0]), 7))
    with kept, dropped, datagrams[0], datagrams[1]:
        assert asked(kept, b"one") and asked(dropped, b"one")
        for host in hosts:
            wait_for(lambda h=host: mappings(place.gateway, h.net) == ALL,
                     message="its mappings")
        gateway.put(case.globex(serial=2))
        wait_for(lambda: mappings(place.gateway, place.initech.net) == [],
                 message="its mappings gone")
        assert {"tcp", "udp"} <= set(mappings(place.gateway, place.globex.net))
        assert asked(kept, b"two")
        gateway.put(case.initech())
        pings.reaches(place.initech, embedded(SERVER4[0]))
        with place.initech.connect(embedded(SERVER4[0]), 80) as sock:
            assert asked(sock, b"one")  # the server knows it by then
            address, port = case.servers[0].peers[-1]
            assert "initech" in gateway.cli("who", address, str(port)).stdout
        assert asked(kept, b"three")
        gateway.remove("globex")  # its block goes, and all with it
        wait_for(lambda: mappings(place.gateway, place.globex.net) == [], message="all gone")
        assert mappings(place.gateway, place.initech.net)


def test_a_prefix_that_goes_while_nothing_runs(case):
    _, host = two_tunnels(case)
    with host.connect(embedded(SERVER4[0]), 80) as sock:
        assert asked(sock, b"one")
        case.gateway.stop()
        assert "tcp" in mappings(case.place.gateway, host.net)
        case.gateway.put(case.globex(serial=2))
        case.gateway.start()
        wait_for(lambda: mappings(case.place.gateway, host.net) == [],
                 message="its mappings gone")


def test_udp_exposed_by_a_static_mapping(case):
    case.start(connect=False, objects=[])
    place = case.place
    case.gateway.put(case.globex(services=[exposed(place.globex, 5300, 5353, "udp")]))
    place.globex_6in4()
    pings.reaches(place.globex, embedded(SERVER4[0]))
    assert datagram(place.in4, GATEWAY4, place.globex, place.globex.address(), 5300, 5353) == \
        embedded(SERVER4[0])


def test_udp_has_one_mapping_and_it_is_closed_to_others(case):
    gateway, place = globex_alone(case), case.place
    with udp(place.globex, place.globex.address()) as one, udp(place.home, HOME4) as third, \
            udp(place.in4, SERVER4[0], 7777) as first, udp(place.in4, SERVER4[1], 7778) as second:
        seen = set()
        for server in first, second:
            address, port = server.getsockname()
            one.sendto(b"hello", (embedded(address), port))
            data, outside = server.recvfrom(100)
            server.sendto(data, outside)
            data, source = one.recvfrom(100)
            assert data == b"hello" and source[:2] == (embedded(address), port)
            seen.add(outside)
        assert len(seen) == 1, seen
        is_in_the_block(case, outside)

        before = inbound_denied(gateway, "globex")
        third.sendto(b"third", outside)
        wait_for(lambda: inbound_denied(gateway, "globex") == before + 1, message="its count")
        second.sendto(b"known", outside)
        assert one.recv(100) == b"known"
        gateway.put(case.globex(serial=2, inbound={"policy": "open"}))
        one.settimeout(0.2)

        def comes():
            third.sendto(b"third", outside)
            try:
                return one.recvfrom(100)
            except TimeoutError:
                return None

        data, source = wait_for(comes, message="an open tenant")
        assert data == b"third" and source[0] == embedded(HOME4)
        one.sendto(b"back", source)
        assert third.recvfrom(100) == (b"back", outside)


def test_a_mapping_of_tcp_is_closed_to_others(case):
    gateway, place = globex_alone(case), case.place
    server = case.serve(place.in4, 80)
    with place.globex.connect(embedded(SERVER4[0]), 80, source=place.globex.address(),
                              SO_REUSEADDR=1) as one:
        inside = case.serve(place.globex, one.getsockname()[1])
        outside = server.wait_peers(1)[0]
        is_in_the_block(case, outside)
        before = inbound_denied(gateway, "globex")
        assert connected((place.home, *outside)) == []
        assert inbound_denied(gateway, "globex") > before
        assert works(one)
        gateway.put(case.globex(serial=2, inbound={"policy": "open"}))
        wait_for(lambda: connected((place.home, *outside)), message="an open tenant")
        assert inside.wait_peers(1)[0][0] == embedded(HOME4)
        assert works(one)


def test_a_tenant_reaches_what_another_one_exposes(case):
    """By its public address, as all the Internet does."""
    case.start(connect=False, objects=[])
    place, gateway = case.place, case.gateway
    gateway.put(case.acme())
    gateway.put(case.globex(services=[
        exposed(place.globex, 2222, 22), exposed(place.globex, 5300, 5353, "udp"),
        service("other", [place.globex.address()],
                {"protocol": "tcp", "ipv4": POOL4[1], "port": 8080, "to": 23, "via": "nat64"})]))
    place.acme_wireguard(case.acme_keys, gateway.keys.public)
    place.globex_6in4()
    for tenant in place.acme, place.globex:
        pings.reaches(tenant, embedded(SERVER4[0]))
    server = case.serve(place.globex, 22)
    assert exchange(place.acme, embedded(GATEWAY4), 2222, b"hello") == b"hello"
    address, port = server.peers[-1]
    assert address == embedded(GATEWAY4) and has_port(place.acme, port)
    assert datagram(place.acme, embedded(GATEWAY4), place.globex, place.globex.address(), 5300,
                    5353) == embedded(GATEWAY4)
    assert exchange(place.globex, embedded(GATEWAY4), 2222, b"mine") == b"mine"  # its own, too
    case.serve(place.globex, 23)
    assert exchange(place.acme, embedded(POOL4[1]), 8080, b"hello") == b"hello"
    assert connected((place.acme, place.globex.address(), 22)) == []


def test_special_use_addresses_are_no_way_out(case):
    """127.0.0.1 would be the gateway itself."""
    case.start(objects=[], connect=False)
    place = case.place
    case.gateway.put(case.globex())
    place.globex_6in4()
    pings.reaches(place.globex, embedded(SERVER4[0]))
    place.gateway.ip("addr add 10.0.0.1/32 dev lo")
    case.serve(place.gateway, 2200, address="0.0.0.0")
    addresses = [embedded(ipv4) for ipv4 in
                 ("127.0.0.1", "10.0.0.1", "169.254.169.254", "192.168.1.1")]
    assert connected(*((place.globex, address, 2200) for address in addresses)) == []
    assert pings.heard(*((place.globex, address) for address in addresses)) == []
    place.gateway.ip("addr del 10.0.0.1/32 dev lo")


def test_fq_with_an_old_jool_is_warned_of(case):
    """Jool 4.1.9 leaves the time of arrival on what it translates, which fq takes for another."""
    def warned(gateway):
        return [problem["text"] for problem in gateway.status()["problems"]
                if problem["what"] == "fq qdisc"]

    gateway, host = case.start(), case.place.gateway
    assert not warned(gateway)
    host.run("tc", "qdisc", "replace", "dev", "lo", "root", "fq")  # nothing leaves by it
    host.run("tc", "qdisc", "replace", "dev", "up0", "root", "fq")
    try:
        wait_for(lambda: warned(gateway), message="the warning")
        assert "up0 has an fq qdisc" in warned(gateway)[0]
        host.run("tc", "qdisc", "replace", "dev", "up0", "root", "fq_codel")
        wait_for(lambda: not warned(gateway), message="the warning's end")
    finally:
        host.run("sh", "-c", "tc qdisc del dev up0 root; tc qdisc del dev lo root")


def test_what_merges_packets_is_off_where_they_enter(case):
    """The uplink, and the link of a route tunnel."""
    host, links = case.place.gateway, ("up0", "tc0")

    def turn(value):
        for link in links:
            host.run("ethtool", "-K", link, "rx-gro-list", value)

    def merging():
        return [link for link in links
                if "rx-gro-list: on" in host.run("ethtool", "-k", link)]

    turn("on")
    gateway = case.start()
    assert merging() == []
    turn("on")
    wait_for(lambda: not merging(), 90, "a look")
    gateway.stop()
    gateway.cli("down")
    assert merging() == list(links)
    turn("off")


def test_without_rows_the_machines_own_ports_are_its_own(case):
    """Jool takes ports 61001-65535 of every address of the machine while its pool is empty."""
    gateway = case.start(objects=[], connect=False)
    place = case.place
    case.serve(place.gateway, 62000, address="0.0.0.0")
    assert json.loads(gateway.cli("nat64", "pool", "--json").stdout)["pool"] == []
    attempts = [(place.in4, address, 62000) for address in POOL4]
    assert len(connected(*attempts, within=AMPLE_S)) == len(attempts)
    gateway.nothing_to_do()
