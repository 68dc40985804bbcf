# SPDX-License-Identifier: GPL-3.0-or-later
"""Peers that cannot be reached, say nothing, or have lost the connection."""

import contextlib
import os
import socket
import stat
import threading
import time

import pytest

import clients
import peers
from gateway import service, tcp, tls
from lab import CLIENT, POOL, embedded
from netns import libc
from peers import works

TCP_REPAIR = 19  # option of the kernel; python has no name for it
PIDFD_GETFD = 438  # system call; nor for this


def start(case, *expose, settings=None, host=0x10, **more):
    """A gateway with one service acme/web on TCP port 2222 -> 22."""
    expose = expose or (tcp(2222, 22),)
    return case.start(case.tenant(case.lab.acme, service("web", [case.lab.acme.address(host)],
                                                         *expose, **more)), settings=settings)


def assert_reset(sock):
    with pytest.raises(ConnectionResetError):
        while sock.recv(1 << 16):
            pass


# E4: connects that fail

@contextlib.contextmanager
def route_to_backend(case, kind, host=0x10):
    """The gateway's route to the backend gives this error."""
    route = f"{kind} {case.lab.acme.address(host)}/128"
    case.lab.gateway.ip(f"-6 route add {route}")
    try:
        yield
    finally:
        case.lab.gateway.ip(f"-6 route del {route}")


@pytest.mark.parametrize("kind", ["unreachable", "prohibit", "blackhole"])
def test_e4_unroutable_backend_ends_the_session(case, kind):
    gateway = start(case)
    with route_to_backend(case, kind):
        case.ends(2222)
    assert gateway.last_reason() == "connect-failed"


def test_e4_refused_backend_ends_the_session_at_once(case):
    gateway = start(case)
    begin = time.monotonic()
    case.ends(2222)
    assert time.monotonic() - begin < 2
    assert gateway.last_reason() == "connect-refused"
    assert gateway.services()["acme/web"]["connect_failed"] >= 1


def test_e4_silent_backends_end_the_session_after_its_tries(case):
    silent = [case.lab.acme.address(host) for host in (0x97, 0x98, 0x99)]
    gateway = case.start(case.tenant(case.lab.acme, service(
        "web", silent, tcp(2222, 22), timeouts={"connect": "1s", "connect_tries": 2})))
    begin = time.monotonic()
    case.ends(2222)
    assert 1.5 < time.monotonic() - begin < 6
    assert gateway.last_reason() == "connect-timeout"
    assert gateway.services()["acme/web"]["connect_failed"] == 2


def test_e4_silent_backend_is_left_for_the_next(case):
    alive = case.backend(case.lab.acme, 22)
    gateway = case.start(case.tenant(case.lab.acme, service(
        "web", [case.lab.acme.address(0x99), alive.address], tcp(2222, 22),
        timeouts={"connect": "1s", "connect_tries": 2})))
    for _ in range(2):
        sock = case.connect(2222)
        sock.sendall(b"x")
        assert sock.recv(1) == b"x"
    assert gateway.services()["acme/web"]["refused"] == 0


def test_e4_backend_that_accepts_and_closes_at_once(case):
    case.backend(case.lab.acme, 443, lambda conn, _server: None)
    gateway = start(case, tls(["shop.example"]))
    sock = case.connect(443, address=POOL[0])
    sock.sendall(clients.hello("shop.example"))
    peers.assert_ended(sock)
    sock.close()
    assert gateway.last_reason() in ("done", "backend-reset", "client-reset")


# E8 and E4: no port left for this client's address

def test_e8_port_exhaustion_fails_closed_and_never_uses_another_source(case):
    backend = case.backend(case.lab.acme, 22)
    gateway = start(case, tcp(2222, 22, client_address="embed"))
    former = case.lab.gateway.run("sysctl", "-n", "net.ipv4.ip_local_port_range").split()
    case.lab.gateway.run("sysctl", "-q", "-w", "net.ipv4.ip_local_port_range=61000 61003")
    try:
        served = ended = 0
        for _ in range(10):
            try:
                sock = case.connect(2222)
                sock.sendall(b"x")
                answer = sock.recv(1)
            except ConnectionResetError:
                answer = b""
            served += answer == b"x"
            ended += answer == b""
        assert 1 <= served <= 4 and served + ended == 10
        assert {peer[0] for peer in backend.peers} == {embedded(CLIENT)}
        # another client's address has ports of its own
        other = case.connect(2222, source="198.51.100.200")
        other.sendall(b"y")
        assert other.recv(1) == b"y"
    finally:
        case.lab.gateway.run("sysctl", "-q", "-w",
                             f"net.ipv4.ip_local_port_range={' '.join(former)}")
    reasons = {line["reason"] for line in gateway.wait_log(ended)}
    assert reasons == {"source-address"}, reasons


def test_e8_ports_towards_a_backend_are_used_again_soon(case):
    """Not a minute later: who closes first leaves his port in TIME_WAIT."""
    case.backend(case.lab.acme, 22)
    start(case, tcp(2222, 22, client_address="hide"))
    former = case.lab.gateway.run("sysctl", "-n", "net.ipv4.ip_local_port_range").split()
    case.lab.gateway.run("sysctl", "-q", "-w", "net.ipv4.ip_local_port_range=61000 61003")

    def served():
        try:
            with case.lab.client.connect(POOL[1], 2222, source=CLIENT) as sock:
                sock.sendall(b"x")
                return sock.recv(1) == b"x"
        except ConnectionResetError:
            return False

    try:
        peers.wait_for(lambda: not served(), message="no port left")
        peers.wait_for(served, timeout=20, message="a port that can be used again")
    finally:
        case.lab.gateway.run("sysctl", "-q", "-w",
                             f"net.ipv4.ip_local_port_range={' '.join(former)}")


# E5: peers that stay but say nothing

def test_idle_session_ends_after_the_idle_timeout(case):
    case.backend(case.lab.acme, 22, peers.hold)
    gateway = start(case, timeouts={"idle": "1s"})
    case.ends(2222)
    assert gateway.last_reason() == "idle"


def test_busy_session_outlives_the_idle_timeout(case):
    case.backend(case.lab.acme, 22)
    start(case, timeouts={"idle": "2s"})
    sock = case.connect(2222)
    for _ in range(10):
        sock.sendall(b"x")
        assert sock.recv(1) == b"x"
        time.sleep(0.3)


def test_e5_reader_with_zero_window_ends_by_the_idle_timeout(case):
    def flood(conn, _server):
        with contextlib.suppress(OSError):
            while True:
                conn.send(bytes(1 << 16))

    case.backend(case.lab.acme, 22, flood)
    gateway = start(case, timeouts={"idle": "1s"})
    sock = case.connect(2222, SO_RCVBUF=4096)
    assert gateway.last_reason() == "idle"
    sock.close()


# E9: peers that are gone, and paths that have forgotten the connection

@pytest.mark.parametrize("gone", ["client", "backend"])
def test_e9_pulled_cable_gives_everything_back(case, gone):
    """No FIN ever comes: nothing passes to one side any more, with data in flight towards it."""
    backend = case.backend(case.lab.acme, 22)
    gateway = start(case, timeouts={"idle": "2s"})
    sock = case.connect(2222, source="198.51.100.44")
    sock.sendall(b"x")
    assert sock.recv(1) == b"x"
    family, route = (("-4", "198.51.100.44/32") if gone == "client"
                     else ("-6", f"{backend.address}/128"))
    case.lab.gateway.ip(f"{family} route add blackhole {route}")
    try:
        (backend.connections[0] if gone == "client" else sock).sendall(bytes(100_000))
        assert gateway.last_reason() == "idle"
    finally:
        case.lab.gateway.ip(f"{family} route del blackhole {route}")


def forget(sock):
    """The host has lost the connection: it is closed without a word to the other side."""
    sock.setsockopt(socket.IPPROTO_TCP, TCP_REPAIR, 1)
    sock.close()


@pytest.mark.parametrize("lost", ["client", "backend"])
def test_e9_peer_that_has_lost_the_connection_resets_the_session(case, lost):
    """As after a reboot: the next packet is answered by a reset, which the other side gets, too."""
    taken, ends = threading.Event(), []

    def note_end(conn, _server):
        conn.sendall(conn.recv(1))
        taken.wait(10)
        if lost == "backend":
            forget(conn)
            return
        conn.sendall(bytes(1000))
        try:
            peers.read_to_end(conn)
            ends.append("end")
        except ConnectionResetError:
            ends.append("reset")

    backend = case.backend(case.lab.acme, 22, note_end)
    gateway = start(case)
    sock = case.connect(2222)
    assert works(sock)
    if lost == "client":
        forget(sock)
        taken.set()
        peers.wait_for(lambda: ends, message="the backend's end")
        assert ends == ["reset"]
    else:
        taken.set()
        peers.wait_for(lambda: not backend.connections, message="the loss")
        sock.sendall(b"y")
        assert_reset(sock)
    assert gateway.last_reason() == f"{lost}-reset"


def test_e5_both_legs_have_keepalive(case):
    """The backend's leg gets it when the connect timer fires, so that short sessions save it."""
    case.backend(case.lab.acme, 22)
    start(case, timeouts={"connect": "1s"})
    sock = case.connect(2222)
    sock.sendall(b"x")
    sock.recv(1)

    def kept_alive():
        legs = case.lab.gateway.run("ss", "-tnoH", "state", "established",
                                    "( sport = :2222 or dport = :22 )")
        assert len(legs.splitlines()) == 2, legs
        return legs.count("timer:(keepalive") == 2
    peers.wait_for(kept_alive, message="keepalive on both legs")


def sockets_of(pid):
    """Copies of a process's TCP sockets."""
    process = os.pidfd_open(pid)
    for name in os.listdir(f"/proc/{pid}/fd"):
        fd = libc.syscall(PIDFD_GETFD, process, int(name), 0)
        if fd >= 0 and stat.S_ISSOCK(os.fstat(fd).st_mode):
            with socket.socket(fileno=fd) as sock:
                if sock.proto == socket.IPPROTO_TCP:
                    yield sock
        elif fd >= 0:
            os.close(fd)
    os.close(process)


def test_e5_both_legs_give_up_on_bytes_that_nobody_acknowledges(case):
    case.backend(case.lab.acme, 22)
    gateway = start(case, timeouts={"connect": "1s"})
    sock = case.connect(2222)
    sock.sendall(b"x")
    sock.recv(1)

    def limits():
        found = {}
        for pid in gateway.workers():
            for leg in sockets_of(pid):
                with contextlib.suppress(OSError):  # a listening socket has no peer
                    side = "backend" if leg.getpeername()[1] == 22 else "client"
                    found[side] = leg.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT)
        return found
    # The backend's comes with its keepalive, so that short sessions save it. As long as the idle
    # time-out is by default: the kernel counts a reader that pauses as one that is gone.
    peers.wait_for(lambda: limits() == {"client": 600000, "backend": 600000},
                   message="a user time-out on both legs")
