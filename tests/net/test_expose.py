# SPDX-License-Identifier: GPL-3.0-or-later
"""What a tenant gets: the right client, the right address, the same bytes."""

import itertools
import ssl
import subprocess

import pytest

import clients
import peers
from gateway import service, tcp, tls
from lab import CLIENT, POOL, embedded


def acme_tls(case, *expose, backend=0x10, **more):
    return case.tenant(case.lab.acme, service("web", [case.lab.acme.address(backend)], *expose,
                                              **more))


# Raw TCP

@pytest.mark.parametrize("mode", ["hide", "embed"])
def test_tcp_bytes_are_the_same_both_ways(case, mode):
    backend = case.backend(case.lab.acme, 22)
    case.start(acme_tls(case, tcp(2222, 22, client_address=mode)))
    sock = case.connect(2222)
    data = clients.pattern(3_000_000)
    got = bytearray()
    for start in range(0, len(data), 100_000):
        sock.sendall(data[start:start + 100_000])
        got += peers.read_exactly(sock, min(100_000, len(data) - start))
    assert clients.sha256(bytes(got)) == clients.sha256(data)
    address = backend.peers[0][0]
    assert (address == embedded(CLIENT)) == (mode == "embed")


def test_tcp_server_speaks_first(case):
    def greet(conn, _server):
        conn.sendall(b"220 ready\r\n")
        peers.read_to_end(conn)

    case.backend(case.lab.acme, 25, greet)
    case.start(acme_tls(case, tcp(25, 25)))
    assert peers.read_exactly(case.connect(25), 11) == b"220 ready\r\n"


def test_tcp_to_real_echo_by_socat(case):
    case.serve(peers.SocatEcho(case.lab.acme, 7000, case.folder))
    case.start(acme_tls(case, tcp(7000, 7000)))
    sock = case.connect(7000)
    data = clients.pattern(500_000)
    sock.sendall(data[:50_000])
    assert peers.read_exactly(sock, 50_000) == data[:50_000]


def test_an_address_of_a_routed_range_is_served_without_being_configured(case):
    routed = "203.0.113.33"
    backend = case.backend(case.lab.acme, 22)
    uplink = {"kind": "direct", "interface": "up0",
              "ipv4": [*({"range": f"{address}/32", "delivery": "present"} for address in POOL),
                       {"range": "203.0.113.32/30", "delivery": "routed"}],
              "ipv6": {"prefix": "2001:db8:a000::/48", "reserved": 256}}
    gateway = case.start(acme_tls(case, tcp(2222, 22, ipv4=routed)),
                         settings={"uplink": uplink})
    with case.connect(2222, address=routed) as sock:
        sock.sendall(b"hello")
        assert peers.read_exactly(sock, 5) == b"hello"
    assert backend.peers
    show = ["ip", "-4", "route", "show", "table", "local", "proto", "206"]
    assert "203.0.113.32/30" in case.lab.gateway.run(*show)
    # out of the config, out of the kernel
    gateway.remove("acme")
    peers.wait_for(lambda: len(gateway.services()) == 1, message="acme's service gone")
    gateway.write_config({"uplink": {**uplink, "ipv4": uplink["ipv4"][:3]}})
    gateway.reload()
    assert case.lab.gateway.run(*show) == ""


def test_one_port_on_two_addresses_is_two_services(case):
    one = case.backend(case.lab.acme, 22)
    two = case.backend(case.lab.globex, 22)
    case.start(acme_tls(case, tcp(2222, 22, ipv4=POOL[0])),
               case.tenant(case.lab.globex, service("ssh", [two.address], tcp(2222, 22))))
    case.connect(2222, address=POOL[0])
    one.wait_peers(1)
    case.connect(2222, address=POOL[1])
    two.wait_peers(1)
    assert (len(one.peers), len(two.peers)) == (1, 1)


# TLS by SNI and ALPN

def test_nginx_log_shows_embedded_client(case, certificate, tmp_path):
    (tmp_path / "index.html").write_text("from acme")
    web = case.serve(peers.Nginx(case.lab.acme, 443, str(tmp_path / "nginx"), str(tmp_path),
                                 certificate))
    case.start(acme_tls(case, tls(["shop.example"], client_address="embed")))
    said = case.lab.client.run(
        "curl", "-sS", "--cacert", certificate.chain, "--resolve", f"shop.example:443:{POOL[0]}",
        "https://shop.example/index.html", "--interface", "198.51.100.77")
    assert said == "from acme"
    assert web.clients()[-1] == embedded("198.51.100.77")


def test_openssl_client_and_server_through_sni(case, certificate):
    case.serve(peers.OpensslServer(case.lab.acme, 443, case.folder, certificate))
    case.start(acme_tls(case, tls(["shop.example"])))
    with case.lab.client.popen(
            "openssl", "s_client", "-quiet", "-connect", f"{POOL[0]}:443", "-servername",
            "shop.example", "-CAfile", certificate.chain, "-verify_return_error",
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as client:
        client.stdin.write(b"desrever\n")
        client.stdin.flush()
        assert client.stdout.readline() == b"reversed\n"
        client.terminate()


def routed_to(case, hello, backends, port=443):
    """Sends a hello and returns which of the backends got it."""
    before = [len(backend.peers) for backend in backends]
    sock = case.connect(port, address=POOL[0])
    sock.sendall(hello)
    assert peers.read_exactly(sock, len(hello)) == hello  # echo: the bytes were not touched
    return [i for i, backend in enumerate(backends) if len(backend.peers) > before[i]]


def test_exact_name_beats_longest_wildcard(case):
    hosts = [case.lab.acme.address(host) for host in (0x10, 0x11, 0x12)]
    backends = [case.backend(case.lab.acme, 443, address=host) for host in hosts]
    case.start(case.tenant(
        case.lab.acme,
        service("exact", [hosts[0]], tls(["a.shop.example"])),
        service("long", [hosts[1]], tls(["*.b.shop.example"])),
        service("short", [hosts[2]], tls(["*.shop.example"]))))
    for name, expected in [("a.shop.example", 0), ("A.SHOP.example", 0), ("x.b.shop.example", 1),
                           ("y.x.b.shop.example", 1), ("b.shop.example", 2),
                           ("z.a.shop.example", 2)]:
        assert routed_to(case, clients.hello(name), backends) == [expected], name


def test_unknown_name_gets_unrecognized_name_alert(case):
    case.backend(case.lab.acme, 443)
    gateway = case.start(acme_tls(case, tls(["shop.example"])))
    for name in ("other.example", "shop.example.evil.example", "xshop.example", "example"):
        sock = case.connect(443, address=POOL[0])
        sock.sendall(clients.hello(name))
        answer = peers.read_to_end(sock)
        assert answer[:2] == b"\x15\x03" and answer[3:] == b"\0\x02\x02\x70", (name, answer)
    assert {line["reason"] for line in gateway.wait_log(4)} == {"name-unknown"}


def test_no_name_goes_to_the_default_only_where_one_is(case):
    backend = case.backend(case.lab.acme, 443)
    gateway = case.start(
        acme_tls(case, tls(["shop.example"])),
        settings={"listeners": [
            {"address": POOL[0], "port": 443, "protocol": "tls", "default": "acme/web"},
            {"address": POOL[1], "port": 443, "protocol": "tls"}]})
    assert routed_to(case, clients.hello(), [backend]) == [0]
    sock = case.connect(443, address=POOL[1])
    sock.sendall(clients.hello())
    assert peers.read_to_end(sock)[5:] == b"\x02\x70"
    assert gateway.last_reason() == "name-unknown"


def test_alpn_chooses_second_and_never_falls_back_to_a_wider_name(case):
    hosts = [case.lab.acme.address(host) for host in (0x10, 0x11)]
    backends = [case.backend(case.lab.acme, 443, address=host) for host in hosts]
    case.start(case.tenant(
        case.lab.acme,
        service("h2", [hosts[0]], tls(["shop.example"], alpn=["h2"])),
        service("rest", [hosts[1]], tls(["shop.example"]))))
    assert routed_to(case, clients.hello("shop.example", ["h2", "http/1.1"]), backends) == [0]
    assert routed_to(case, clients.hello("shop.example", ["http/1.1"]), backends) == [1]
    assert routed_to(case, clients.hello("shop.example"), backends) == [1]


def test_alpn_without_a_rule_is_refused(case):
    case.backend(case.lab.acme, 443)
    gateway = case.start(acme_tls(case, tls(["a.shop.example"], alpn=["h2"]),
                                  tls(["*.shop.example"], alpn=["xmpp"])))
    sock = case.connect(443, address=POOL[0])
    sock.sendall(clients.hello("a.shop.example", ["xmpp"]))
    assert peers.read_to_end(sock)[:2] == b"\x15\x03"
    assert gateway.last_reason() == "alpn-unknown"


def test_alpn_without_names_is_for_clients_without_a_known_name(case):
    hosts = [case.lab.acme.address(host) for host in (0x10, 0x11)]
    backends = [case.backend(case.lab.acme, 443, address=host) for host in hosts]
    chat = service("chat", [hosts[0]], tls([], alpn=["xmpp-client"]))
    del chat["expose"][0]["names"]
    web = service("web", [hosts[1]], tls(["shop.example"]))
    gateway = case.start(case.tenant(case.lab.acme, chat, web))
    for name in (None, "nowhere.example"):
        assert routed_to(case, clients.hello(name, ["x", "xmpp-client"]), backends) == [0], name
    assert routed_to(case, clients.hello("shop.example", ["xmpp-client"]), backends) == [1]
    kept = case.connect(443, address=POOL[0])
    hello = clients.hello(None, ["xmpp-client"])
    kept.sendall(hello)
    assert peers.read_exactly(kept, len(hello)) == hello
    web["expose"].append(tcp(2222, 443))
    gateway.put(case.tenant(case.lab.acme, web, chat, serial=2))
    peers.wait_for(lambda: {"address": f"{POOL[1]}:2222", "protocol": "tcp"} in gateway.status()["listeners"], message="the new object")
    assert peers.works(case.connect(2222))
    assert peers.works(kept), "the new object has the same exposure"
    nobody = case.connect(443, address=POOL[0])
    nobody.sendall(clients.hello(None, ["imap"]))
    assert peers.read_to_end(nobody)[5:] == b"\x02\x70"


def test_tls_exposure_opens_its_port_by_itself(case):
    backend = case.backend(case.lab.acme, 8448)
    case.start(acme_tls(case, tls(["matrix.example"], port=8448, to=8448)))
    assert routed_to(case, clients.hello("matrix.example"), [backend], port=8448) == [0]


def test_handshake_through_sni_keeps_alpn(case, certificate):
    case.serve(peers.OpensslServer(case.lab.acme, 443, case.folder, certificate, "-alpn", "h2"))
    case.start(acme_tls(case, tls(["shop.example"])))
    sock = case.tls("shop.example", alpn=["h2"])
    assert sock.selected_alpn_protocol() == "h2"


# PROXY headers

PROXY_KINDS = [("proxy-v1", 1), ("proxy-v2", 2)]


@pytest.mark.parametrize("mode,version", PROXY_KINDS)
def test_proxy_header_of_tcp_names_client_and_service(case, mode, version):
    backend = case.backend(case.lab.acme, 22, peers.with_proxy_header(peers.echo))
    case.start(acme_tls(case, tcp(2222, 22, client_address=mode)))
    sock = case.connect(2222)
    sock.sendall(b"hi")
    assert peers.read_exactly(sock, 2) == b"hi"
    header = backend.headers[0]
    assert header["version"] == version and header["family"] == "TCP4"
    assert header["source"] == sock.getsockname()
    assert header["destination"] == (POOL[1], 2222)


@pytest.mark.parametrize("mode,version", PROXY_KINDS)
def test_proxy_header_comes_before_the_hello_in_one_write(case, mode, version):
    seen = []

    def first_read(conn, _server):
        data = conn.recv(1 << 16)
        seen.append((data, peers.data_segments_in(conn)))
        peers.read_to_end(conn)

    backend = case.backend(case.lab.acme, 443, first_read)
    case.start(acme_tls(case, tls(["shop.example"], client_address=mode)))
    hello = clients.hello("shop.example", ["h2"])
    case.connect(443, address=POOL[0]).sendall(hello)
    backend.wait_peers(1)
    peers.wait_for(lambda: seen, message="bytes at the backend")
    [(data, segments)] = seen
    assert data.endswith(hello) and len(data) > len(hello)
    assert data.startswith(b"PROXY TCP4 " if version == 1 else b"\r\n\r\n\0\r\nQUIT\n")
    assert segments == 1


def test_proxy_v2_carries_authority_and_alpn(case):
    backend = case.backend(case.lab.acme, 443, peers.with_proxy_header(peers.echo))
    case.start(acme_tls(case, tls(["*.shop.example"], client_address="proxy-v2")))
    hello = clients.hello("a.shop.example", ["h2", "http/1.1"])
    sock = case.connect(443, address=POOL[0])
    sock.sendall(hello)
    assert peers.read_exactly(sock, len(hello)) == hello
    tlvs = backend.headers[0]["tlvs"]
    assert tlvs[2] == b"a.shop.example"
    assert tlvs[1] == b"h2"


@pytest.mark.parametrize("mode", ["proxy-v1", "proxy-v2"])
def test_acme_challenge_reaches_the_backend_without_header(case, mode):
    backend = case.backend(case.lab.acme, 443)
    case.start(acme_tls(case, tls(["shop.example"], client_address=mode)))
    assert routed_to(case, clients.hello("shop.example", ["acme-tls/1"]), [backend]) == [0]


def test_nginx_with_proxy_protocol_logs_the_client(case, certificate, tmp_path):
    (tmp_path / "index.html").write_text("behind a header")
    web = case.serve(peers.Nginx(case.lab.acme, 443, str(tmp_path / "nginx"), str(tmp_path),
                                 certificate, proxy_protocol=True))
    case.start(acme_tls(case, tls(["shop.example"], client_address="proxy-v2")))
    said = case.lab.client.run(
        "curl", "-sS", "--cacert", certificate.chain, "--resolve", f"shop.example:443:{POOL[0]}",
        "https://shop.example/index.html", "--interface", "198.51.100.78")
    assert said == "behind a header"
    assert web.clients()[-1] == "198.51.100.78"


# Who may come

def test_deny_wins_and_an_empty_allow_lets_all_in(case):
    backend = case.backend(case.lab.acme, 22)
    gateway = case.start(acme_tls(case, tcp(2222, 22, allow=["198.51.100.0/28"],
                                            deny=["198.51.100.7/32"]),
                                  tcp(2223, 22, deny=["198.51.100.7/32"])))
    for port, source, served in [(2222, "198.51.100.7", False), (2222, "198.51.100.8", True),
                                 (2222, "198.51.100.99", False), (2223, "198.51.100.7", False),
                                 (2223, "198.51.100.99", True)]:
        if served:
            sock = case.connect(port, source=source)
            sock.sendall(b"x")
            assert sock.recv(1) == b"x", (port, source)
        else:
            case.ends(port, source=source)
    assert len(backend.peers) == 2
    counters = gateway.services()["acme/web"]
    assert counters["denied"] == 3
    assert [line["reason"] for line in gateway.wait_log(3)[:3]] == ["denied"] * 3


# Several backends

def three_backends(case, workers=1, **more):
    hosts = [case.lab.acme.address(host) for host in (0x10, 0x11, 0x12)]
    backends = [case.backend(case.lab.acme, 22, address=host) for host in hosts]
    case.start(case.tenant(case.lab.acme, service("ssh", hosts, tcp(2222, 22), **more)),
               settings={"workers": workers})
    return backends


def use(case, **options):
    sock = case.connect(2222, **options)
    sock.sendall(b"x")
    assert sock.recv(1) == b"x"
    return sock


def test_round_robin_visits_each_backend_equally(case):
    backends = three_backends(case, balance="round-robin")
    for _ in range(9):
        use(case)
    assert [len(backend.peers) for backend in backends] == [3, 3, 3]


def test_least_connections_fills_the_emptiest(case):
    """By turns, which this must not be, the new ones would go to two backends."""
    backends = three_backends(case, workers=2, balance="least-connections")
    sources = itertools.cycle(case.source_of_each_worker())
    socks = [[], [], []]
    for _ in range(6):
        before = [len(backend.peers) for backend in backends]
        sock = use(case, source=next(sources))
        [taken] = [i for i in range(3) if len(backends[i].peers) > before[i]]
        socks[taken].append(sock)
        sizes = [len(each) for each in socks]
        assert max(sizes) - min(sizes) <= 1, "what the other worker has is not counted"
    assert sizes == [2, 2, 2]
    for sock in socks[1]:
        sock.close()
    case.gateway.wait_sessions(4)
    use(case, source=next(sources))
    use(case, source=next(sources))
    assert [len(backend.peers) for backend in backends] == [2, 4, 2]


def test_source_hash_keeps_a_client_on_its_backend(case):
    backends = three_backends(case, balance="source-hash")
    for source in (f"198.51.100.{host}" for host in range(1, 41)):
        before = [len(backend.peers) for backend in backends]
        use(case, source=source).close()
        use(case, source=source).close()
        grown = [len(backend.peers) - was for backend, was in zip(backends, before)]
        assert sorted(grown) == [0, 0, 2], source
    assert all(backend.peers for backend in backends)


def test_next_backend_is_tried_when_one_refuses(case):
    hosts = [case.lab.acme.address(host) for host in (0x10, 0x11)]
    alive = case.backend(case.lab.acme, 22, address=hosts[1])
    gateway = case.start(case.tenant(case.lab.acme, service("ssh", hosts, tcp(2222, 22))))
    for _ in range(6):
        use(case)
    assert len(alive.peers) == 6
    counters = gateway.services()["acme/ssh"]
    assert counters["connect_failed"] > 0
    assert counters["refused"] == 0


def test_tls_handshake_fails_with_alert_in_openssl(case):
    case.start(acme_tls(case, tls(["shop.example"])))
    with pytest.raises(ssl.SSLError, match="UNRECOGNIZED_NAME"):
        case.tls("other.example")


# IPv6 clients

V6 = "2001:db8:77::1"


def test_ipv6_client_reaches_the_same_service(case):
    backend = case.backend(case.lab.acme, 443, peers.with_proxy_header(peers.echo))
    case.start(acme_tls(case, tls(["shop.example"], client_address="proxy-v2")),
               settings={"listeners": [{"address": V6, "port": 443, "protocol": "tls"},
                                       {"address": "any", "port": 443, "protocol": "tls"}]})
    sock = case.keep(case.lab.internet.connect(V6, 443))
    hello = clients.hello("shop.example")
    sock.sendall(hello)
    assert peers.read_exactly(sock, len(hello)) == hello
    assert backend.headers[0]["family"] == "TCP6"
    assert backend.headers[0]["source"] == sock.getsockname()[:2]


def test_ipv6_client_of_an_embed_service_is_hidden_and_takes_nobodys_address(case):
    """Only an IPv4 address fits into client_prefix."""
    backend = case.backend(case.lab.acme, 443)
    case.start(acme_tls(case, tls(["shop.example"], client_address="embed")),
               settings={"listeners": [{"address": V6, "port": 443, "protocol": "tls"}]})
    sock = case.keep(case.lab.internet.connect(V6, 443))
    hello = clients.hello("shop.example")
    sock.sendall(hello)
    assert peers.read_exactly(sock, len(hello)) == hello
    assert not backend.peers[0][0].startswith("2001:db8:a000:ff:")
