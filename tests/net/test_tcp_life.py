# SPDX-License-Identifier: GPL-3.0-or-later
"""The life of a TCP session: ends, resets, odd segments, and what the machine runs out of."""

import contextlib
import json
import os
import re
import select
import socket
import threading
import time

import pytest

import clients
import peers
from gateway import service, tcp, tls
from lab import POOL
from netns import run
from rest import cpu_seconds

MIB = 1 << 20


def start(case, *expose, settings=None, host=0x10, **more):
    """A gateway with one service acme/web on TCP port 2222 -> 22."""
    expose = expose or (tcp(2222, 22),)
    return case.start(case.tenant(case.lab.acme, service("web", [case.lab.acme.address(host)],
                                                         *expose, **more)), settings=settings)


def assert_reset(sock):
    with pytest.raises(ConnectionResetError):
        while sock.recv(1 << 16):
            pass


# E1: one side closes first, the other goes on

def test_e1_client_ends_first_and_the_answer_still_comes_whole(case):
    size = 100 * MIB

    def answer_after_end(conn, server):
        peers.sink(conn, server)
        for _ in range(size // MIB):
            conn.sendall(server.chunk)

    backend = case.backend(case.lab.acme, 22, answer_after_end)
    backend.chunk = clients.pattern(MIB)
    gateway = start(case)
    sock = case.connect(2222, timeout=60)
    sock.sendall(b"request")
    sock.shutdown(socket.SHUT_WR)
    assert clients.sha256(peers.read_to_end(sock)) == clients.sha256(backend.chunk * (size // MIB))
    assert backend.received == [b"request"]
    line = gateway.wait_log(1)[0]
    assert (line["reason"], line["bytes_in"], line["bytes_out"]) == ("done", 7, size)


def test_e1_backend_ends_first_and_the_upload_still_arrives_whole(case):
    size = 100 * MIB

    def end_then_read(conn, server):
        conn.sendall(b"go")
        conn.shutdown(socket.SHUT_WR)
        peers.sink(conn, server)

    backend = case.backend(case.lab.acme, 22, end_then_read)
    gateway = start(case)
    sock = case.connect(2222, timeout=60)
    assert peers.read_to_end(sock) == b"go"
    chunk = clients.pattern(MIB)
    for _ in range(size // MIB):
        sock.sendall(chunk)
    sock.close()
    received = backend.wait_received(1)[0]
    assert clients.sha256(received) == clients.sha256(chunk * (size // MIB))
    assert gateway.last_reason() == "done"


@pytest.mark.parametrize("first", ["client", "backend"])
def test_e1_half_closed_session_ends_after_the_half_close_timeout(case, first):
    over = threading.Event()

    def end_or_hold(conn, _server):
        if first == "backend":
            conn.shutdown(socket.SHUT_WR)
        over.wait(30)

    case.backend(case.lab.acme, 22, end_or_hold)
    gateway = start(case, timeouts={"half_close": "1s"})
    sock = case.connect(2222)
    if first == "client":
        sock.shutdown(socket.SHUT_WR)
    else:
        assert sock.recv(1) == b""
    begin = time.monotonic()
    assert gateway.last_reason() == "half-close-timeout"
    assert 0.5 < time.monotonic() - begin < 5
    over.set()


def test_e1_half_close_timeout_is_not_counted_while_bytes_flow(case):
    def trickle(conn, _server):
        peers.read_to_end(conn)
        for _ in range(30):
            conn.sendall(b"x")
            time.sleep(0.1)

    case.backend(case.lab.acme, 22, trickle)
    gateway = start(case, timeouts={"half_close": "2s"})
    sock = case.connect(2222)
    sock.shutdown(socket.SHUT_WR)
    assert peers.read_to_end(sock) == b"x" * 30
    assert gateway.last_reason() == "done"


# E2: FIN meets data

@pytest.mark.parametrize("size", [1, 1000, 16384, 65536, 65537, 3_000_001])
def test_e2_end_behind_data_in_the_pipe_loses_nothing(case, size):
    data = clients.pattern(size, seed=size)

    def send_and_close(conn, _server):
        conn.sendall(data)

    case.backend(case.lab.acme, 22, send_and_close)
    start(case)
    for _ in range(5):
        got = peers.read_to_end(case.connect(2222, timeout=30))
        assert clients.sha256(got) == clients.sha256(data)


@pytest.mark.parametrize("size", [1, 16384, 65537, 3_000_001])
def test_e2_slow_reader_gets_all_after_the_sender_has_gone(case, size):
    data = clients.pattern(size, seed=size)
    case.backend(case.lab.acme, 22, lambda conn, _server: conn.sendall(data))
    gateway = start(case)
    sock = case.connect(2222, timeout=30, SO_RCVBUF=4096)
    peers.wait_for(lambda: gateway.services()["acme/web"]["accepted"] == 1, message="session")
    got = b""
    while True:
        more = sock.recv(700 if len(got) < 20000 else 65536)
        if not more:
            break
        got += more
    assert clients.sha256(got) == clients.sha256(data)


def test_e2_both_ends_at_the_same_time(case):
    def send_and_end(conn, server):
        conn.sendall(b"b" * 5000)
        conn.shutdown(socket.SHUT_WR)
        peers.sink(conn, server)

    backend = case.backend(case.lab.acme, 22, send_and_end)
    gateway = start(case)
    for _ in range(20):
        sock = case.connect(2222)
        sock.sendall(b"c" * 5000)
        sock.shutdown(socket.SHUT_WR)
        assert peers.read_to_end(sock) == b"b" * 5000
    assert backend.wait_received(20) == [b"c" * 5000] * 20
    assert {line["reason"] for line in gateway.wait_log(20)} == {"done"}


def test_bulk_both_ways_at_once_is_byte_exact(case):
    case.serve(peers.SocatEcho(case.lab.acme, 22, case.folder))
    start(case)
    data = clients.pattern(40 * MIB)
    sock = case.connect(2222, timeout=60)
    sender = threading.Thread(target=lambda: (sock.sendall(data), sock.shutdown(socket.SHUT_WR)))
    sender.start()
    got = peers.read_to_end(sock)
    sender.join()
    assert clients.sha256(got) == clients.sha256(data)


@pytest.mark.parametrize("sender", ["backend", "client"])
def test_back_pressure_holds_the_sender(case, sender):
    """A reader that stops stops the sender: the gateway does not buffer for it."""
    sent = []
    released = threading.Event()

    def flood(conn):
        conn.settimeout(1)
        total = 0
        with contextlib.suppress(TimeoutError):
            while total < 200 * MIB:
                total += conn.send(bytes(1 << 16))
        sent.append(total)

    def serve(conn, _server):
        if sender == "backend":
            flood(conn)
        else:
            released.wait(30)

    case.backend(case.lab.acme, 22, serve)
    start(case)
    sock = case.connect(2222, SO_RCVBUF=65536)
    if sender == "client":
        flood(sock)
        released.set()
    peers.wait_for(lambda: sent, message="the sender to be stopped")
    assert sent[0] < 40 * MIB  # what fits into the kernels' socket buffers


# E3: RST in each state

def test_e3_reset_in_the_hello(case):
    gateway = start(case, tls(["shop.example"]))
    for part in (0, 1, 5, 40):
        sock = case.lab.client.connect(POOL[0], 443)
        sock.sendall(clients.hello("shop.example")[:part])
        peers.reset(sock)
    gateway.wait_sessions(0)
    reasons = {line["reason"] for line in gateway.access_log()}
    assert reasons <= {"client-gone", "client-reset"}, reasons


def test_e3_reset_while_connecting_ends_no_later_than_the_connect(case):
    gateway = start(case, host=0x99, timeouts={"connect": "2s", "connect_tries": 1})  # no answer
    sock = case.lab.client.connect(POOL[1], 2222)
    peers.wait_for(gateway.sessions, message="session")
    peers.reset(sock)
    assert gateway.last_reason() in ("client-gone", "client-reset", "connect-timeout")


def test_e3_reset_while_connecting_reaches_the_backend_as_a_reset(case):
    """The backend's SYN-ACK comes when the client has gone."""
    ends = []

    def note_end(conn, _server):
        try:
            peers.read_to_end(conn)
            ends.append("end")
        except ConnectionResetError:
            ends.append("reset")

    case.backend(case.lab.acme, 22, note_end)
    # on a slow machine the answers come back after some repetitions of the SYN-ACK
    gateway = start(case, timeouts={"connect": "40s", "connect_tries": 1})
    case.lab.acme.ip("-6 route add blackhole 2001:db8::/32")  # answers of the tenant get lost
    try:
        sock = case.lab.client.connect(POOL[1], 2222)
        peers.wait_for(gateway.sessions, message="session")
        peers.reset(sock)
    finally:
        case.lab.acme.ip("-6 route del blackhole 2001:db8::/32")
    assert gateway.last_reason() == "client-reset"
    peers.wait_for(lambda: ends, message="the backend's end")
    assert ends == ["reset"]


@pytest.mark.parametrize("state", ["idle", "after-data", "pipe-full"])
def test_e3_reset_by_the_client_reaches_the_backend(case, state):
    ends = []

    def note_end(conn, server):
        try:
            if state == "pipe-full":
                server.released.wait(10)
            peers.read_to_end(conn)
            ends.append("end")
        except ConnectionResetError:
            ends.append("reset")

    backend = case.backend(case.lab.acme, 22, note_end)
    backend.released = threading.Event()
    gateway = start(case)
    sock = case.lab.client.connect(POOL[1], 2222, timeout=0.5)
    backend.wait_peers(1)
    if state == "after-data":
        sock.sendall(b"x" * 100_000)
    if state == "pipe-full":
        with contextlib.suppress(TimeoutError):
            while True:
                sock.send(bytes(1 << 16))
    peers.reset(sock)
    gateway.wait_log(1)
    backend.released.set()
    peers.wait_for(lambda: ends, message="the backend's end")
    assert ends == ["reset"]
    assert gateway.last_reason() == "client-reset"


@pytest.mark.parametrize("state", ["idle", "after-data", "pipe-full"])
def test_e3_reset_by_the_backend_reaches_the_client(case, state):
    connected, filled = threading.Event(), threading.Event()

    def fill_and_reset(conn, _server):
        connected.wait(10)  # a reset that comes sooner meets connect() itself
        if state == "after-data":
            conn.sendall(b"x" * 1000)
            conn.recv(1)
        if state == "pipe-full":
            conn.settimeout(0.5)
            with contextlib.suppress(TimeoutError):
                while True:
                    conn.send(bytes(1 << 16))
        peers.reset(conn)
        filled.set()

    case.backend(case.lab.acme, 22, fill_and_reset)
    gateway = start(case)
    sock = case.connect(2222)
    connected.set()
    if state == "after-data":
        assert peers.read_exactly(sock, 1000) == b"x" * 1000
        sock.sendall(b"y")
    assert filled.wait(10)
    if state == "pipe-full":
        gateway.wait_log(1)
    assert_reset(sock)
    assert gateway.last_reason() == "backend-reset"


# E6: odd segments

@pytest.mark.parametrize("port,address,data", [
    (2222, POOL[1], b"early"), (443, POOL[0], clients.hello("shop.example"))], ids=["tcp", "tls"])
def test_e6_data_with_the_syn(case, port, address, data):
    """Without a cookie: the gateway need not take it, and gets it once more after the handshake."""
    def in_syns():
        with case.lab.client.inside(), open("/proc/thread-self/net/netstat",
                                            encoding="ascii") as counters:
            rows = [row.split() for row in counters if row.startswith("TcpExt:")]
        counts = dict(zip(*rows))
        return int(counts["TCPFastOpenActive"]) + int(counts["TCPFastOpenActiveFail"])

    case.backend(case.lab.acme, 22)
    case.backend(case.lab.acme, 443)
    start(case, tcp(2222, 22), tls(["shop.example"]))
    former = case.lab.client.sysctl("net.ipv4.tcp_fastopen")
    case.lab.client.sysctl("net.ipv4.tcp_fastopen", 5)  # as a client, without a cookie
    before = in_syns()
    try:
        sock = case.keep(case.lab.client.socket(socket.AF_INET))
        sock.settimeout(10)
        sock.sendto(data, socket.MSG_FASTOPEN, (address, port))
        assert peers.read_exactly(sock, len(data)) == data
    finally:
        case.lab.client.sysctl("net.ipv4.tcp_fastopen", former)
    assert in_syns() == before + 1, "the data did not go with the SYN"


def test_e6_urgent_data_does_no_harm(case):
    case.backend(case.lab.acme, 22)
    start(case)
    sock = case.connect(2222)
    sock.sendall(b"abc")
    sock.send(b"!", socket.MSG_OOB)
    sock.sendall(b"def")
    got = b""
    while len(got) < 6:
        got += sock.recv(100)
    assert got.replace(b"!", b"") == b"abcdef"


def test_e6_segments_of_one_byte(case):
    case.backend(case.lab.acme, 443)
    start(case, tls(["shop.example"]))
    sock = case.keep(case.lab.client.connect(POOL[0], 443))
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    data = clients.hello("shop.example") + clients.pattern(500)
    for byte in data:
        sock.send(bytes([byte]))
    assert peers.read_exactly(sock, len(data)) == data


@pytest.mark.parametrize("port,address", [(2222, POOL[1]), (443, POOL[0])])
def test_e6_reset_in_the_accept_queue(case, port, address):
    backend = case.backend(case.lab.acme, 22)
    gateway = start(case, tcp(2222, 22), tls(["shop.example"]))
    for _ in range(300):
        peers.reset(case.lab.client.connect(address, port))
    gateway.wait_sessions(0)
    if port == 2222:
        sock = case.connect(2222)
        sock.sendall(b"x")
        assert sock.recv(1) == b"x"
        assert backend.peers


# E7: nothing left to open

def limit_descriptors(pid, soft):
    """As the worker's own user: root without CAP_SYS_RESOURCE may not."""
    run("setpriv", "--reuid", "sixgate-proxy", "--regid", "sixgate-proxy", "--clear-groups",
        "prlimit", "--pid", str(pid), f"--nofile={soft}:")


@pytest.mark.parametrize("spare", [0, 1, 2, 3, 5])
def test_e7_out_of_descriptors_pauses_the_accept_and_recovers(case, spare):
    """With 0 spare accept4 fails, with 1 the backend's socket does, with 2 and 3 the pipes."""
    case.backend(case.lab.acme, 22)
    gateway = start(case, settings={"workers": 1})
    [pid] = gateway.workers()
    highest = max(int(fd) for fd in os.listdir(f"/proc/{pid}/fd"))
    with open(f"/proc/{pid}/limits", encoding="ascii") as limits:
        former = re.search(r"open files +(\d+)", limits.read()).group(1)
    limit_descriptors(pid, highest + 1 + spare)
    used = cpu_seconds(pid)
    begin = time.monotonic()
    socks = []
    for _ in range(10):
        with contextlib.suppress(ConnectionResetError):
            socks.append(case.connect(2222))
            socks[-1].send(b"x")
    while time.monotonic() - begin < 2.5:  # an interval to measure, not to wait for something
        time.sleep(0.1)
    assert cpu_seconds(pid) - used < 0.5, "spins"
    limit_descriptors(pid, former)
    for sock in socks:
        sock.close()

    def served():
        try:
            with case.lab.client.connect(POOL[1], 2222, timeout=3) as sock:
                sock.sendall(b"x")
                return sock.recv(1) == b"x"
        except OSError:
            return False
    peers.wait_for(served, message="a served connection")


# E12: logs

def test_e12_hostile_name_is_malformed_and_never_logged(case):
    gateway = start(case, tls(["shop.example"]), settings={"timeouts": {"hello": "1s"}})
    names = ["a\nb.example", "\x1b[31mred", "%s%n%x", "a\"b\\c", "x" * 4000, "\x00", "\xff\xfe"]
    for name in names:
        sock = case.connect(443, address=POOL[0])
        sock.sendall(clients.hello(name))
        peers.assert_ended(sock)
    lines = gateway.wait_log(len(names))
    assert len(lines) == len(names)
    assert {(line["reason"], line["name"]) for line in lines} == {("hello-malformed", "")}
    with open(gateway.access_log_path, "rb") as log:
        raw = log.read()
    assert not re.search(rb"[^\x20-\x7e\n]", raw)
    assert raw.count(b"\n") == len(names)
    assert not re.search(r"\x1b|\x00", gateway.log())


def test_e12_full_disk_loses_lines_but_no_session(case, tmp_path):
    case.backend(case.lab.acme, 22)
    case.lines_lost = True
    gateway = start(case, settings={"access_log": {"file": "/dev/full", "format": "json"}})
    for _ in range(20):
        with case.lab.client.connect(POOL[1], 2222) as sock:
            sock.sendall(b"x")
            assert sock.recv(1) == b"x"
    gateway.wait_sessions(0)


def test_e12_log_child_gone_loses_no_session(case):
    case.backend(case.lab.acme, 22)
    case.lines_lost = True
    gateway = start(case)
    agent = gateway.log_child()
    os.kill(agent, 9)
    for _ in range(50):
        with case.lab.client.connect(POOL[1], 2222) as sock:
            sock.sendall(b"x")
            assert sock.recv(1) == b"x"
    peers.wait_for(lambda: gateway.log_child() not in (agent, None), message="a new log child")
    before = len(gateway.access_log())
    with case.lab.client.connect(POOL[1], 2222) as sock:
        sock.sendall(b"x")
        assert sock.recv(1) == b"x"
    gateway.wait_log(before + 1)


def test_e12_log_folder_gone_is_a_problem_until_it_is_there_again(case):
    case.backend(case.lab.acme, 22)
    case.lines_lost = True
    gateway = start(case)
    os.rename(gateway.log_folder, gateway.log_folder + ".away")
    os.kill(gateway.log_child(), 9)
    why = "access log: its process ended, exit status 1: sixgated's log says why"
    peers.wait_for(lambda: gateway.problems() == [why], message="the problem")
    assert f"folder {gateway.log_folder}: No such file or directory" in gateway.log()
    serve_one(case)
    os.rename(gateway.log_folder + ".away", gateway.log_folder)
    peers.wait_for(lambda: gateway.problems() == [], message="no problem")


def serve_one(case):
    with case.lab.client.connect(POOL[1], 2222) as sock:
        assert peers.works(sock)


def test_e12_fifo_without_a_reader_loses_lines_but_no_session(case):
    case.backend(case.lab.acme, 22)
    case.lines_lost = True
    gateway = start(case)
    os.mkfifo(gateway.access_log_path)  # the log child opens it with its first line
    os.chmod(gateway.access_log_path, 0o666)
    reader = os.open(gateway.access_log_path, os.O_RDONLY | os.O_NONBLOCK)
    serve_one(case)
    assert json.loads(read_soon(reader))["reason"] == "done"
    os.close(reader)
    for lost in (1, 21):  # the first finds the reader gone, those behind it find none
        while gateway.status()["accepted"] < 1 + lost:
            serve_one(case)
        peers.wait_for(lambda lost=lost: gateway.status()["access_log"]["dropped"] == lost, 15,
                       f"{lost} lost lines")
    assert gateway.status()["access_log"]["lines"] == 1
    reader = os.open(gateway.access_log_path, os.O_RDONLY | os.O_NONBLOCK)
    try:
        # it is looked for once a second
        peers.wait_for(lambda: serve_one(case) or read_soon(reader, 0.2), 20, "a line")
        peers.wait_for(lambda: not read_soon(reader, 0.2), message="the lines before")
        serve_one(case)
        assert json.loads(read_soon(reader))["reason"] == "done"
    finally:
        os.close(reader)


def read_soon(fd, timeout=10):
    """What a FIFO has within timeout; nothing: b""."""
    readable = select.poll()
    readable.register(fd, select.POLLIN)
    return os.read(fd, 1 << 16) if readable.poll(timeout * 1000) else b""
