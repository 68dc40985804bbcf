# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a session may go: never out of the tenant's own prefixes, never round in circles."""

import contextlib
import os
import signal
import socket
import time
import types

import pytest

import clients
import peers
from gateway import BUILD, Gateway, service, tcp, tls
from lab import INTERNET, POOL

V6 = "2001:db8:77::1"  # the gateway's own IPv6 address


def stays_refused(case, gateway, backend, tenant="acme"):
    """A new serial with this backend is refused by name; the former one keeps serving."""
    changed = case.tenant(case.lab.acme, service("web", [backend], tcp(2222, 22)), serial=2)
    gateway.put(changed)
    problem = peers.wait_for(
        lambda: [text for text in gateway.problems() if tenant in text], message="a problem")
    sock = case.connect(2222)
    sock.sendall(b"x")
    assert sock.recv(1) == b"x"
    sock.close()
    return problem[0]


# C1: backends outside the tenant's network

@pytest.mark.parametrize("backend", [
    "2001:db8:77::1",             # the gateway's own address
    "fe80::1", "fe80::2",         # link-local
    "::", "::1", "::ffff:127.0.0.1", "::ffff:203.0.113.10",
    "0.0.0.0", "127.0.0.1", "203.0.113.10", "198.51.100.7",
    "64:ff9b::7f00:1",            # 127.0.0.1 behind NAT64
    "2001:db8:a000:ff::c633:6407",  # client_prefix
    "2001:db8:a000:1002::10",     # another tenant
    "2001:db8:a000::1",           # the farm's own
    "ff02::1", "fd00:ec2::254", INTERNET,
], ids=lambda backend: backend.replace(":", "_"))
def test_c1_backend_outside_the_tenant_is_refused_and_the_former_serial_serves(case, backend):
    own = case.backend(case.lab.acme, 22)
    gateway = case.start(case.tenant(case.lab.acme, service("web", [own.address], tcp(2222, 22))))
    problem = stays_refused(case, gateway, backend)
    assert backend in problem or "address" in problem, problem
    assert len(own.peers) == 1


def test_two_tenants_cannot_claim_one_prefix(case):
    own = case.backend(case.lab.acme, 22)
    gateway = case.start(case.tenant(case.lab.acme, service("web", [own.address], tcp(2222, 22))))
    thief = case.tenant(case.lab.acme, service("web", [own.address], tcp(2223, 22)))
    gateway.put({**thief, "tenant": "thief"})
    peers.wait_for(lambda: [text for text in gateway.problems() if "thief" in text],
                   message="a problem")
    with pytest.raises(ConnectionRefusedError):
        case.connect(2223)


def test_second_claim_of_a_name_or_port_is_refused(case):
    one = case.backend(case.lab.acme, 443)
    two = case.backend(case.lab.globex, 443)
    gateway = case.start(case.tenant(
        case.lab.acme, service("web", [one.address], tls(["shop.example", "*.wild.example"]),
                               tcp(2222, 443))))
    for serial, expose in enumerate([
            tls(["shop.example"]), tls(["x.wild.example"]), tls(["*.x.wild.example"]),
            tls(["*.example"]), tcp(2222, 443)], 2):
        claim = case.tenant(case.lab.globex, service("web", [two.address], expose), serial=serial)
        canary = case.lab.globex.address(0x1f)
        claim["services"].append(service("canary", [canary], tcp(7, 7, ipv4=POOL[2])))
        gateway.put(claim)
        peers.wait_for(lambda: [text for text in gateway.problems() if "globex" in text],
                       message=f"a problem with {expose}")
        sock = case.connect(443, address=POOL[0])
        sock.sendall(clients.hello("shop.example"))
        assert sock.recv(1)
    assert two.peers == []


def test_two_tenants_swap_name_and_port_in_one_step(case):
    """Each new object is refused alone; both together go in, there and back again."""
    backends = [(tenant, case.backend(tenant, 22), case.backend(tenant, 443))
                for tenant in case.lab.tenants[:2]]
    canary = service("canary", [case.lab.globex.address(0x1f)], tcp(7, 7, ipv4=POOL[2]))

    def objects(serial, swapped):
        for (tenant, _, tls_backend), other in zip(backends, (swapped, not swapped)):
            yield case.tenant(tenant, service(
                "web", [tls_backend.address], tcp(2223 if other else 2222, 22),
                tls(["two.example" if other else "one.example"])),
                # start() gives globex one itself
                *([canary] if tenant == case.lab.globex and serial > 1 else []), serial=serial)

    def reaches(backend, port, first_bytes):
        before = len(backend.peers)
        # who meets the moment of the change is reset, perhaps as early as in connect()
        with contextlib.suppress(ConnectionResetError), \
                contextlib.closing(case.lab.client.connect(POOL[1], port)) as sock:
            sock.sendall(first_bytes)
            sock.recv(1)
        return len(backend.peers) == before + 1

    gateway = case.start(*objects(1, False))
    assert gateway.problems() == []
    for serial in range(2, 6):
        for changed in objects(serial, serial % 2 == 0):
            gateway.put(changed)
        first, second = backends if serial % 2 else reversed(backends)
        peers.wait_for(lambda who=first: reaches(who[1], 2222, b"x"), message="the first port")
        peers.wait_for(lambda who=second: reaches(who[1], 2223, b"x"), message="the other port")
        assert reaches(first[2], 443, clients.hello("one.example"))
        assert reaches(second[2], 443, clients.hello("two.example"))
        assert gateway.problems() == []


def test_name_is_handed_over_while_changes_are_under_way(case):
    """No worker meets the second owner's object before the first owner's last one."""
    owner, other = ((tenant, case.backend(tenant, 443)) for tenant in case.lab.tenants)
    canary = service("canary", [case.lab.globex.address(0x1f)], tcp(7, 7, ipv4=POOL[2]))

    def claim(who, serial, *names):
        tenant, backend = who
        web = service("web", [backend.address], tls(list(names)))
        also = [canary] if tenant == case.lab.globex else []
        return case.tenant(tenant, web, *also, serial=serial)

    def served_by(backend):
        before = len(backend.peers)
        with contextlib.suppress(ConnectionResetError), \
                contextlib.closing(case.lab.client.connect(POOL[0], 443)) as sock:
            sock.sendall(clients.hello("shop.example"))
            sock.recv(1)
        return len(backend.peers) == before + 1

    gateway = case.start(claim(owner, 1, "shop.example"))
    stopped = gateway.workers()[0]
    for serial in range(2, 10, 2):
        mine = f"{owner[0].tenant}.example"
        os.kill(stopped, signal.SIGSTOP)  # so that the first change stays under way
        for change in [claim(owner, serial, "shop.example", mine), claim(owner, serial + 1, mine),
                       claim(other, serial, "shop.example")]:
            gateway.put(change)
            time.sleep(0.1)  # or the folder's events become one
        os.kill(stopped, signal.SIGCONT)
        peers.wait_for(lambda backend=other[1]: served_by(backend), timeout=5,
                       message="the second owner")
        owner, other = other, owner
    assert not [text for text in gateway.problems() if "yaml" in text]


def test_service_is_reached_by_its_own_address_only(case):
    """A raw TCP exposure on one pool address is not there on the others."""
    own = case.backend(case.lab.acme, 22)
    case.start(case.tenant(case.lab.acme, service("web", [own.address], tcp(2222, 22))))
    for address in (POOL[0], POOL[2], "192.0.2.1"):
        with pytest.raises(ConnectionRefusedError):
            case.connect(2222, address=address)


def test_suspended_tenant_is_not_served(case):
    own = case.backend(case.lab.acme, 443)
    objects = service("web", [own.address], tcp(2222, 443), tls(["shop.example"]))
    gateway = case.start(case.tenant(case.lab.acme, objects))
    gateway.put(case.tenant(case.lab.acme, objects, serial=2, state="suspended"))

    def closed():
        try:
            case.lab.client.connect(POOL[1], 2222).close()
        except ConnectionRefusedError:
            return True
        except ConnectionResetError:
            pass  # in the queue when the port closed
        return False
    peers.wait_for(closed, message="the port to be closed")
    before = len(own.peers)
    sock = case.connect(443, address=POOL[0])
    sock.sendall(clients.hello("shop.example"))
    assert peers.read_to_end(sock)[5:] == b"\x02\x70"
    assert len(own.peers) == before


# C4: loops

def test_c4_loop_through_the_gateway_is_bounded(case):
    """A tenant's service that sends each session back to its own name: limits end it."""
    loops = []

    def send_back(conn, server):
        loops.append(1)
        data = conn.recv(1 << 16)
        if not data:
            return
        onward = case.lab.acme.connect(V6, 443, timeout=5)
        server.onward.append(onward)
        onward.sendall(data)
        pump(onward, conn)

    own = case.backend(case.lab.acme, 443, send_back)
    own.onward = []
    gateway = case.start(
        case.tenant(case.lab.acme, service("web", [own.address], tls(["loop.example"]),
                                           limits={"connections": 20})),
        settings={"listeners": [{"address": V6, "port": 443, "protocol": "tls"},
                                {"address": "any", "port": 443, "protocol": "tls"}]})
    sock = case.connect(443, address=POOL[0])
    sock.sendall(clients.hello("loop.example"))
    with contextlib.suppress(ConnectionResetError):
        assert sock.recv(1) == b""  # the end of the chain ends all of it
    sock.close()
    gateway.wait_sessions(0)
    assert 10 <= len(loops) <= 22
    reasons = [line["reason"] for line in gateway.wait_log(len(loops) + 1)]
    assert reasons.count("service-limit") == 1, reasons


@contextlib.contextmanager
def gateway_of_a_tenant(case, name):
    """A sixgated on acme's own host, which sends this name back to the other one."""
    address = case.lab.acme.address()
    back = {"tenant": "back", "serial": 1, "prefixes": ["2001:db8:77::/64"], "services": [
        service("back", [V6], tls([name], client_address="hide"))]}
    other = Gateway(types.SimpleNamespace(gateway=case.lab.acme), objects=[back], settings={
        "uplink": {"kind": "direct", "interface": "eth0",
                   "ipv4": [{"range": "192.0.2.99/32", "delivery": "present"}],
                   "ipv6": {"prefix": "2001:db8:77::/48", "reserved": 0}},
        "client_prefix": None, "workers": 1,
        "listeners": [{"address": address, "port": 443, "protocol": "tls"}]})
    route = "-6 route {} 2001:db8:77::/64 via fe80::1 dev eth0"  # of that tenant's prefix
    case.lab.acme.ip(route.format("add"))
    try:
        yield other.start()
        other.wait_sessions(0)
        assert other.stop() == 0, other.log()
    finally:
        if other.process.poll() is None:
            other.process.kill()
        case.lab.acme.run(os.path.join(BUILD, "sixgated"), "--down")
        case.lab.acme.ip(route.format("del"))
    other.forget()


def test_c4_loop_of_two_gateways_is_bounded(case):
    """Each has the other as its backend: the first one's limit ends it, and nothing is left."""
    name, limit = "loop.example", 20
    gateway = case.start(
        case.tenant(case.lab.acme, service("web", [case.lab.acme.address()], tls([name]),
                                           limits={"connections": limit})),
        settings={"listeners": [{"address": V6, "port": 443, "protocol": "tls"},
                                {"address": "any", "port": 443, "protocol": "tls"}]})
    with gateway_of_a_tenant(case, name) as other:
        with case.lab.client.connect(POOL[0], 443) as sock:
            sock.sendall(clients.hello(name))
            with pytest.raises(ConnectionResetError):
                sock.recv(1)
        gateway.wait_sessions(0)
        assert limit <= other.status()["accepted"] <= limit + 1  # one more for each worker
        reasons = [line["reason"] for line in gateway.wait_log(gateway.status()["accepted"])]
        assert reasons.count("service-limit") == 1, reasons


def pump(source, target):
    """Copies until the end, then closes both, as a relay would."""
    with contextlib.suppress(OSError):
        while data := source.recv(1 << 16):
            target.sendall(data)
    for sock in (source, target):
        with contextlib.suppress(OSError):
            sock.shutdown(socket.SHUT_RDWR)
    source.close()


def test_c4_tenant_reaches_another_tenants_service_through_the_gateway(case):
    """Not a loop: the hairpin has to work, and shows the tenant's own address."""
    shop = case.backend(case.lab.globex, 443)
    case.start(
        case.tenant(case.lab.globex, service("web", [shop.address], tls(["shop.example"]))),
        settings={"listeners": [{"address": V6, "port": 443, "protocol": "tls"}]})
    sock = case.keep(case.lab.acme.connect(V6, 443))
    hello = clients.hello("shop.example")
    sock.sendall(hello)
    assert peers.read_exactly(sock, len(hello)) == hello


# C7 belongs to the kernel's guards; here: the workers cannot leave the tenants' networks

def test_c1_proxy_user_cannot_connect_elsewhere(case):
    """The output chain: a process of the workers' user reaches tenants' prefixes only."""
    own = case.backend(case.lab.acme, 22)
    stray = case.backend(case.lab.internet, 22, address=INTERNET)
    case.start(case.tenant(case.lab.acme, service("web", [own.address], tcp(2222, 22))))
    probe = ("import socket,sys; s=socket.socket(socket.AF_INET6); s.settimeout(2)\n"
             "try: s.connect((sys.argv[1],22)); print('connected')\n"
             "except OSError as e: print('failed')")

    def connect_as_proxy(address):
        return case.lab.gateway.run("setpriv", "--reuid", "sixgate-proxy", "--regid",
                                    "sixgate-proxy", "--clear-groups", "/usr/bin/python3", "-c",
                                    probe, address).strip()
    assert connect_as_proxy(own.address) == "connected"
    assert connect_as_proxy(INTERNET) == "failed"
    assert stray.peers == []
    with case.lab.gateway.connect(INTERNET, 22) as sock:  # root is not touched
        sock.sendall(b"x")
        assert sock.recv(1) == b"x"
