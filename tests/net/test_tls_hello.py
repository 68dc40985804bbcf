# SPDX-License-Identifier: GPL-3.0-or-later
"""Category A of the bad inputs: what a client may send instead of a plain ClientHello.

Only a complete, well-formed hello is routed, and its bytes arrive untouched; everything else ends
by itself, with an alert where the client can still read one.
"""

import contextlib
import socket
import threading
import time

import pytest

import clients
import hello
import peers
from gateway import service, tls
from lab import POOL

ALERTS_MALFORMED = {10, 40, 47, 50, 70}  # RFC 8446 6.2
ALERT_UNRECOGNIZED_NAME = 112

# Longer ones may still be in flight when the gateway closes: then the client sees a reset.
ALERT_IS_CERTAIN_BYTES = 2000


@pytest.fixture(name="shop")
def fixture_shop(case):
    """A gateway with hello.NAME at an echoing backend."""
    return start(case)


def start(case, hello_timeout="5s", default=None):
    backend = case.backend(case.lab.acme, 443)
    listener = {"address": "any", "port": 443, "protocol": "tls"}
    if default:
        listener["default"] = default
    case.start(case.tenant(case.lab.acme,
                           service("web", [backend.address], tls([hello.NAME]))),
               settings={"timeouts": {"hello": hello_timeout}, "listeners": [listener]})
    return backend


def only(cases, *prefixes):
    """The cases of some hazards; there is at least one."""
    chosen = {name: stream for name, stream in cases.items() if name.startswith(prefixes)}
    assert chosen
    return chosen


def connect(case):
    sock = case.connect(443, address=POOL[0])
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock


def send(sock, data):
    """Sends what the gateway lets through."""
    with contextlib.suppress(ConnectionResetError, BrokenPipeError):
        sock.sendall(data)


def read_until_closed(sock):
    """What comes before the end or the reset."""
    data = b""
    with contextlib.suppress(ConnectionResetError):
        while True:
            more = sock.recv(65536)
            if not more:
                break
            data += more
    return data


def echoed(sock, data):
    """Sends data while reading, so that neither side is stuck; returns what came back."""
    sender = threading.Thread(target=send, args=(sock, data))
    sender.start()
    got = peers.read_exactly(sock, len(data))
    sender.join()
    return got


def assert_routed(case, cases):
    for name, stream in cases.items():
        with connect(case) as sock:
            assert clients.sha256(echoed(sock, stream)) == clients.sha256(stream), name


def assert_alert(answer, codes, name):
    assert len(answer) == 7, (name, answer)
    assert answer[:2] == b"\x15\x03" and answer[3:6] == b"\0\2\2", (name, answer)
    assert answer[6] in codes, (name, answer)


def assert_refused(case, cases, reason, codes=ALERTS_MALFORMED):
    """Each is answered by an alert and closed, without the client's doing."""
    case.gateway.wait_sessions(0)
    before = len(case.gateway.wait_log(case.gateway.status()["accepted"]))
    for count, (name, stream) in enumerate(cases.items(), before + 1):
        with connect(case) as sock:
            begun = time.monotonic()
            send(sock, stream)
            answer = read_until_closed(sock)
            assert time.monotonic() - begun < 4, f"{name} waited for the time-out"
        if answer or len(stream) < ALERT_IS_CERTAIN_BYTES:
            assert_alert(answer, codes, name)
        assert case.gateway.wait_log(count)[count - 1]["reason"] == reason, name


# A1: silence, and bytes that come too slowly

def test_a1_silence_is_ended(case):
    start(case, hello_timeout="3s")
    begun = time.monotonic()
    with case.lab.client.connect(POOL[0], 443, timeout=60) as sock:
        read_until_closed(sock)
    # in all: the second in which TCP_DEFER_ACCEPT keeps the client in the kernel is part of it
    assert 2.5 < time.monotonic() - begun < 6


def test_a1_one_byte_then_silence_ends_by_the_hello_timeout(case):
    start(case, hello_timeout="1s")
    sock = connect(case)
    sock.sendall(hello.Hello().stream()[:1])
    read_until_closed(sock)
    assert case.gateway.last_reason() == "hello-timeout"


def test_a1_dribbled_bytes_do_not_extend_the_deadline(case):
    start(case, hello_timeout="1500ms")
    sock = connect(case)
    begun = time.monotonic()
    sock.settimeout(0.2)  # the pace: a byte each time nothing came
    with contextlib.suppress(ConnectionResetError, BrokenPipeError):
        for byte in hello.Hello().stream():
            sock.sendall(bytes([byte]))
            with contextlib.suppress(TimeoutError):
                if not sock.recv(100):
                    break
    assert 1.2 < time.monotonic() - begun < 4
    assert case.gateway.last_reason() == "hello-timeout"


# A2: cut at every offset

def test_a2_hello_cut_anywhere_by_fin(shop, case):
    stream = hello.Hello().stream()
    for cut in range(1, len(stream)):
        with connect(case) as sock:
            sock.sendall(stream[:cut])
            sock.shutdown(socket.SHUT_WR)
            read_until_closed(sock)
    lines = case.gateway.wait_log(len(stream) - 1)
    assert {line["reason"] for line in lines} == {"client-gone"}
    assert not shop.peers


def test_a2_hello_cut_anywhere_by_reset(shop, case):
    stream = hello.Hello().stream()
    for cut in range(1, len(stream)):
        sock = connect(case)
        sock.sendall(stream[:cut])
        peers.reset(sock)
    case.gateway.wait_sessions(0)
    reasons = {line["reason"] for line in case.gateway.access_log()}
    assert reasons <= {"client-gone", "client-reset"}
    assert not shop.peers


def test_a2_hello_cut_anywhere_by_silence(case):
    backend = start(case, hello_timeout="2s")
    stream = hello.Hello().stream()
    socks = []
    for cut in range(1, len(stream)):
        sock = connect(case)
        sock.sendall(stream[:cut])
        socks.append(sock)
    for sock in socks:
        read_until_closed(sock)
    lines = case.gateway.wait_log(len(socks))
    assert {line["reason"] for line in lines} == {"hello-timeout"}
    assert not backend.peers


@pytest.mark.parametrize("ending", ["fin", "reset"])
def test_a2_nothing_at_all_and_then_the_end(shop, case, ending):
    for _ in range(20):
        sock = connect(case)
        if ending == "fin":
            sock.shutdown(socket.SHUT_WR)
            read_until_closed(sock)
        else:
            peers.reset(sock)
    case.gateway.wait_sessions(0)
    assert {line["reason"] for line in case.gateway.access_log()} <= {"client-gone", "client-reset"}
    assert not shop.peers


def test_a2_whole_hello_and_the_end_in_one_segment_is_served(shop, case):
    stream = hello.Hello().stream()
    for _ in range(20):
        with connect(case) as sock:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, 1)  # the end goes with the bytes
            sock.sendall(stream)
            sock.shutdown(socket.SHUT_WR)
            assert read_until_closed(sock) == stream
    assert {line["reason"] for line in case.gateway.wait_log(20)} == {"done"}
    assert len(shop.peers) == 20


def test_a2_whole_hello_and_a_reset_gives_all_back(shop, case):
    for _ in range(20):
        sock = connect(case)
        sock.sendall(hello.Hello().stream())
        peers.reset(sock)
    case.gateway.wait_sessions(0)
    assert {line["reason"] for line in case.gateway.access_log()} <= {"client-gone", "client-reset"}


# A3: segments

def test_a3_two_segments_at_every_boundary_are_routed(shop, case):
    stream = hello.Hello(alpn=(b"h2",)).stream()
    for cut in range(1, len(stream)):
        with connect(case) as sock:
            sock.sendall(stream[:cut])
            case.gateway.sessions()  # a round through the worker, which reads meanwhile
            sock.sendall(stream[cut:])
            assert peers.read_exactly(sock, len(stream)) == stream, cut
    assert len(shop.peers) == len(stream) - 1


@pytest.mark.parametrize("size", [1, 2, 5, 13])
def test_a3_segments_of_few_bytes_are_routed(shop, case, size):
    stream = hello.Hello(before=hello.extension(hello.PADDING, bytes(1500))).stream()
    sock = connect(case)
    for i in range(0, len(stream), size):
        sock.sendall(stream[i:i + size])
    assert peers.read_exactly(sock, len(stream)) == stream
    assert len(shop.peers) == 1


# A4: records

def test_a4_one_byte_records_are_routed(shop, case):
    assert_routed(case, only(hello.ROUTED, "a4-one-byte-records"))
    assert len(shop.peers) == 1


def test_a4_one_byte_records_in_one_byte_segments_are_routed(shop, case):
    stream = hello.Hello().stream(1)
    sock = connect(case)
    for byte in stream:
        sock.sendall(bytes([byte]))
    assert peers.read_exactly(sock, len(stream)) == stream
    assert len(shop.peers) == 1


def test_a4_cuts_and_versions_of_records_do_not_matter(shop, case):
    assert_routed(case, only(hello.ROUTED, "a4"))
    assert shop.peers


def test_a4_other_records_inside_the_hello_get_an_alert(shop, case):
    assert_refused(case, only(hello.MALFORMED, "a4"), "hello-malformed")
    assert not shop.peers


def test_a4_flood_of_records_is_refused(shop, case):
    assert_refused(case, only(hello.TOO_LARGE, "a4"), "hello-too-large")
    assert not shop.peers


# A5: lengths of the handshake message

def test_a5_hello_up_to_the_cap_is_routed(shop, case):
    assert_routed(case, only(hello.ROUTED, "a5"))
    assert shop.peers


def test_a5_claim_above_the_cap_is_refused_at_once(shop, case):
    assert_refused(case, only(hello.TOO_LARGE, "a5"), "hello-too-large")
    assert not shop.peers


def test_a5_lying_lengths_get_an_alert(shop, case):
    assert_refused(case, only(hello.MALFORMED, "a5"), "hello-malformed")
    assert not shop.peers


# A6: fields, extensions, names

def test_a6_unusual_but_right_hellos_are_routed(shop, case):
    assert_routed(case, only(hello.ROUTED, "plain", "a6"))
    assert len(shop.peers) == len(only(hello.ROUTED, "plain", "a6"))


def test_a6_broken_fields_and_names_get_an_alert(shop, case):
    assert_refused(case, only(hello.MALFORMED, "a6"), "hello-malformed")
    assert not shop.peers


def test_a6_nameless_hello_without_a_default_gets_unrecognized_name(shop, case):
    assert_refused(case, hello.NAMELESS, "name-unknown", {ALERT_UNRECOGNIZED_NAME})
    assert not shop.peers


def test_a6_wildcards_and_addresses_are_no_names_of_clients(shop, case):
    """Not even where a rule for "*.shop.example" or that address exists."""
    names = {key: hello.Hello(name=name).stream() for key, name in hello.BAD_NAMES.items()
             if key in ("star", "wildcard", "ipv4", "ipv6", "bracketed")}
    assert_refused(case, names, "hello-malformed")
    assert not shop.peers


def test_a6_default_is_for_the_nameless_and_never_for_the_malformed(case):
    backend = start(case, default="acme/web")
    assert_routed(case, hello.NAMELESS)
    served = len(backend.peers)
    assert served == len(hello.NAMELESS)
    assert_refused(case, hello.MALFORMED, "hello-malformed")
    assert_refused(case, hello.TOO_LARGE, "hello-too-large")
    assert_refused(case, hello.OTHER_PROTOCOLS, "hello-malformed")
    assert len(backend.peers) == served


# A7: ALPN

def test_a7_alpn_lists_are_routed(shop, case):
    assert_routed(case, only(hello.ROUTED, "a7"))
    assert shop.peers


def test_a7_broken_alpn_lists_get_an_alert(shop, case):
    assert_refused(case, only(hello.MALFORMED, "a7"), "hello-malformed")
    assert not shop.peers


# A8: other protocols

def test_a8_other_protocols_are_refused_at_once(shop, case):
    assert_refused(case, hello.OTHER_PROTOCOLS, "hello-malformed")
    assert not shop.peers


def test_a8_first_byte_of_another_protocol_is_enough(shop, case):
    first_bytes = {name: stream[:1] for name, stream in hello.OTHER_PROTOCOLS.items()
                   if stream[0] != 0x16}
    assert_refused(case, first_bytes, "hello-malformed")
    assert not shop.peers


def test_a8_sslv3_hello_is_routed(shop, case):
    assert_routed(case, only(hello.ROUTED, "a8"))
    assert shop.peers


# A9: what follows the hello

def test_a9_early_data_in_the_hellos_segment_arrives(shop, case):
    stream = hello.Hello().stream() + hello.record(23, clients.pattern(3000), b"\3\3")
    assert_routed(case, {"early-data": stream})
    assert len(shop.peers) == 1


def test_a9_a_mebibyte_before_the_backend_is_connected_arrives_whole(case):
    backend = case.backend(case.lab.acme, 443)
    silent = case.lab.acme.address(0x99)  # answers nothing: the first try takes its whole time
    case.start(case.tenant(case.lab.acme, service(
        "web", [silent, backend.address], tls([hello.NAME]))),
               settings={"timeouts": {"connect": "1s", "connect_tries": 2}})
    stream = hello.Hello().stream() + clients.pattern(1 << 20)
    for _ in range(2):  # round robin begins at either
        with connect(case) as sock:
            assert clients.sha256(echoed(sock, stream)) == clients.sha256(stream)


# A10: what browsers send

def test_a10_ech_grease_and_big_tickets_are_routed(shop, case):
    assert_routed(case, only(hello.ROUTED, "a10"))
    assert len(shop.peers) == len(only(hello.ROUTED, "a10"))


# A11: the hello is right, the backend is not

def test_a11_backend_that_refuses_ends_the_session(case):
    case.start(case.tenant(case.lab.acme, service(
        "web", [case.lab.acme.address(0x15)], tls([hello.NAME]))))
    sock = connect(case)
    send(sock, hello.Hello().stream())
    read_until_closed(sock)
    assert case.gateway.last_reason() == "connect-refused"


def test_a11_backend_that_is_a_black_hole_ends_the_session(case):
    silent = [case.lab.acme.address(host) for host in (0x98, 0x99)]
    case.start(case.tenant(case.lab.acme, service("web", silent, tls([hello.NAME]))),
               settings={"timeouts": {"connect": "1s", "connect_tries": 2}})
    sock = connect(case)
    begun = time.monotonic()
    send(sock, hello.Hello().stream())
    read_until_closed(sock)
    assert 1.5 < time.monotonic() - begun < 6  # both were tried
    assert case.gateway.last_reason() == "connect-timeout"


@pytest.mark.parametrize("ending", ["close", "reset"])
def test_a11_backend_that_accepts_and_ends_at_once(case, ending):
    def end_at_once(conn, _server):
        if ending == "reset":
            peers.reset(conn)

    case.backend(case.lab.acme, 443, end_at_once)
    case.start(case.tenant(case.lab.acme, service(
        "web", [case.lab.acme.address()], tls([hello.NAME]))))
    for _ in range(20):
        with connect(case) as sock:
            send(sock, hello.Hello().stream())
            read_until_closed(sock)
    lines = case.gateway.wait_log(20)
    # a reset that comes with the SYN-ACK is a connect that failed
    assert {line["reason"] for line in lines} <= {"done", "backend-reset", "connect-failed"}
