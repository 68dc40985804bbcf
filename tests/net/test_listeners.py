# SPDX-License-Identifier: GPL-3.0-or-later
"""Listeners of the node config: tcp and tls, any and one address, IPv4 and IPv6; text in the log."""

import re
import time

import pytest

import clients
import peers
from gateway import service, tcp, tls
from lab import CLIENT, INTERNET, POOL
from peers import works

V6 = "2001:db8:77::1"


def clients_by_address(case, port):
    """A connection to the port at each pool address and at the gateway's IPv6 address."""
    for address in POOL:
        yield address, case.connect(port, address=address)
    yield V6, case.keep(case.lab.internet.connect(V6, port))


@pytest.mark.parametrize("protocol", ["tcp", "tls"])
def test_any_is_each_pool_address_and_ipv6_is_named(case, protocol):
    backend = case.backend(case.lab.acme, 22)
    expose = {"tcp": tcp(9, 22, ipv4=POOL[2], client_address="hide"),
              "tls": tls(["shop.example"], port=2222, to=22, client_address="hide")}[protocol]
    listener = {"port": 2222, "protocol": protocol}
    if protocol == "tcp":
        listener["default"] = "acme/web"
    gateway = case.start(
        case.tenant(case.lab.acme, service("web", [backend.address], expose)),
        settings={"listeners": [{"address": "any", **listener}, {"address": V6, **listener}]})
    hello = clients.hello("shop.example")
    for address, sock in clients_by_address(case, 2222):
        assert works(sock, hello if protocol == "tls" else b"x"), address
    listeners = {one["address"] for one in gateway.status()["listeners"]
                 if one["address"].endswith(":2222")}
    assert listeners == {*(f"{address}:2222" for address in POOL), f"[{V6}]:2222"}
    # an address that is not the pool's has no listener, though it is this machine's
    with pytest.raises(ConnectionRefusedError):
        case.lab.client.connect("192.0.2.1", 2222)


def test_client_of_an_ipv6_listener_is_tcp6_in_the_header(case):
    backend = case.backend(case.lab.acme, 22, peers.with_proxy_header(peers.echo))
    case.start(
        case.tenant(case.lab.acme, service(
            "web", [backend.address], tcp(9, 22, ipv4=POOL[2], client_address="proxy-v1"))),
        settings={"listeners": [{"address": V6, "port": 2222, "protocol": "tcp",
                                 "default": "acme/web"}]})
    assert works(case.keep(case.lab.internet.connect(V6, 2222)))
    header = backend.headers[0]
    assert (header["family"], header["source"][0], header["destination"]) == (
        "TCP6", INTERNET, (V6, 2222))


TEXT_LINE = re.compile(
    r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z session=\d+\.\d+ service=(?P<service>\S+) "
    r"name='(?P<name>[^']*)' listener=(?P<listener>\S+) client=(?P<client>\S+) "
    r"backend=(?P<backend>\S+) in=(?P<bytes_in>\d+) out=(?P<bytes_out>\d+) hello=\d+ connect=\d+ "
    r"total=\d+ (?P<reason>[a-z-]+)\n")


def test_access_log_as_text_has_each_field(case):
    case.lines_lost = True  # rest.py reads JSON
    backend = case.backend(case.lab.acme, 443)
    gateway = case.start(
        case.tenant(case.lab.acme, service("web", [backend.address], tls(["shop.example"]))))
    path = gateway.access_log_path.replace("access.log", "access.txt")
    gateway.stop()
    gateway.write_config({"access_log": {"file": path, "format": "text"}})
    gateway.start()
    case.baseline = {}
    hello = clients.hello("shop.example")
    with case.connect(443, address=POOL[0]) as sock:
        port = sock.getsockname()[1]
        assert works(sock, hello)
    with case.connect(443, address=POOL[0]) as sock:
        sock.sendall(clients.hello("other.example"))
        peers.read_to_end(sock)

    def lines():
        try:
            with open(path, encoding="ascii") as log:
                return [TEXT_LINE.fullmatch(line) for line in log]
        except FileNotFoundError:
            return []

    both = peers.wait_for(lambda: len(lines()) >= 2 and lines(), message="two lines")
    served, refused = sorted(both, key=lambda line: line["reason"])  # whichever ended first
    assert served.groupdict() == {
        "service": "acme/web", "name": "shop.example", "listener": f"{POOL[0]}:443",
        "client": f"{CLIENT}:{port}", "backend": f"[{backend.address}]:443",
        "bytes_in": str(len(hello)), "bytes_out": str(len(hello)), "reason": "done"}
    assert (refused["service"], refused["name"], refused["reason"]) == (
        "-/-", "other.example", "name-unknown")


JSON_FIELDS = {"time", "session", "tenant", "service", "name", "listener", "client", "backend",
               "bytes_in", "bytes_out", "hello_ms", "connect_ms", "total_ms", "reason"}


def test_access_log_as_json_has_each_field(case):
    backend = case.backend(case.lab.acme, 443)
    gateway = case.start(
        case.tenant(case.lab.acme, service("web", [backend.address], tls(["shop.example"]))))
    hello = clients.hello("shop.example")
    with case.connect(443, address=POOL[0]) as sock:
        client = "%s:%d" % sock.getsockname()
        assert works(sock, hello)
    [line] = gateway.wait_log(1)
    assert set(line) == JSON_FIELDS
    assert {key: line[key] for key in ("tenant", "service", "name", "client", "backend", "bytes_in",
                                       "bytes_out", "reason")} == {
        "tenant": "acme", "service": "web", "name": "shop.example", "client": client,
        "backend": f"[{backend.address}]:443", "bytes_in": len(hello), "bytes_out": len(hello),
        "reason": "done"}
    assert 0 <= line["hello_ms"] + line["connect_ms"] <= line["total_ms"]


def test_access_log_tells_a_slow_hello_from_a_slow_connect(case):
    backend = case.backend(case.lab.acme, 443)
    silent = case.lab.acme.address(0x9b)
    gateway = case.start(case.tenant(
        case.lab.acme, service("web", [backend.address], tls(["shop.example"])),
        service("slow", [silent, backend.address], tls(["slow.example"]), balance="round-robin",
                timeouts={"connect": "400ms"})))
    hello = clients.hello("shop.example")
    with case.connect(443, address=POOL[0]) as sock:
        sock.sendall(hello[:40])
        time.sleep(0.5)  # what is measured, not a wait for something
        sock.sendall(hello[40:])
        assert peers.read_exactly(sock, len(hello)) == hello
    with case.connect(443, address=POOL[0]) as sock:
        assert works(sock, clients.hello("slow.example"))
    lines = {line["name"]: line for line in gateway.wait_log(2)}
    slow_hello, slow_connect = lines["shop.example"], lines["slow.example"]
    assert slow_hello["hello_ms"] >= 300 > 2 * slow_hello["connect_ms"], slow_hello
    assert slow_connect["connect_ms"] >= 300 > 2 * slow_connect["hello_ms"], slow_connect
    assert slow_connect["backend"] == f"[{backend.address}]:443"
