# SPDX-License-Identifier: GPL-3.0-or-later
"""System calls that fail for want of descriptors, memory or ports, in the middle of the work."""

import errno
import os
import subprocess
import threading
import time

import pytest

import clients
import peers
from gateway import BUILD, service, tcp
from lab import CLIENT, POOL, embedded
from rest import cpu_seconds

COUNT = 3
HERE = os.path.dirname(__file__)


@pytest.fixture(scope="module")
def preload(tmp_path_factory):
    with open(os.path.join(BUILD, "sixgate-proxy"), "rb") as program:
        if b"__asan_init" in program.read():
            pytest.skip("a preloaded library comes before the sanitizer's")
    library = str(tmp_path_factory.mktemp("faults") / "faults.so")
    subprocess.run(["gcc", "-D_GNU_SOURCE", "-shared", "-fPIC", "-O1", "-o", library,
                    os.path.join(HERE, "faults.c")], check=True)
    return library


def exchange(case, data):
    """Sends data through an echo: "same", "ended", or what was wrong."""
    try:
        sock = case.lab.client.connect(POOL[1], 2222, timeout=20)
    except ConnectionResetError:
        return "ended"
    with sock:
        sender = threading.Thread(target=send, args=(sock, data))
        sender.start()
        try:
            got = peers.read_exactly(sock, len(data))
        except (ConnectionResetError, EOFError):
            return "ended"
        finally:
            sender.join()
    return "same" if got == data else "other bytes"


def send(sock, data):
    try:
        sock.sendall(data)
    except OSError:
        pass  # the reader sees it


FAULTS = {
    "accept4": ["EMFILE", "ENFILE", "ENOMEM", "ECONNABORTED", "EPROTO"],
    "socket": ["EMFILE", "ENFILE", "ENOMEM", "ENOBUFS"],
    "pipe2": ["EMFILE", "ENFILE", "ENOMEM"],
    "epoll_ctl": ["ENOMEM", "ENOSPC"],
    "connect": ["EADDRNOTAVAIL", "ENOMEM", "EHOSTUNREACH", "ENETUNREACH", "ETIMEDOUT"],
}


@pytest.mark.parametrize("call,code", [(call, code) for call in FAULTS for code in FAULTS[call]])
def test_e7_failing_call_spoils_no_bytes_and_is_recovered_from(case, preload, call, code):
    backend = case.backend(case.lab.acme, 22)
    data = clients.pattern(400_000)
    gateway = case.start(
        case.tenant(case.lab.acme, service("web", [backend.address],
                                           tcp(2222, 22, client_address="embed"))),
        settings={"workers": 1},
        environment={"LD_PRELOAD": preload,
                     "SIXGATE_FAULT": f"{call} {getattr(errno, code)} {COUNT}"})
    [pid] = gateway.workers()
    used, begin = cpu_seconds(pid), time.monotonic()
    results = [exchange(case, data) for _ in range(20)]
    assert set(results) <= {"same", "ended"}, results
    assert results[-3:] == ["same"] * 3, results
    assert cpu_seconds(pid) - used < max(1.0, (time.monotonic() - begin) / 2), "spins"
    assert {peer[0] for peer in backend.peers} == {embedded(CLIENT)}


def test_e4_source_that_cannot_be_bound_fails_the_session(case, preload):
    """setsockopt(IPV6_FREEBIND) fails: better no service than another client's address."""
    backend = case.backend(case.lab.acme, 22)
    gateway = case.start(
        case.tenant(case.lab.acme, service("web", [backend.address],
                                           tcp(2222, 22, client_address="embed"))),
        settings={"workers": 1},
        environment={"LD_PRELOAD": preload, "SIXGATE_FAULT": f"setsockopt {errno.EPERM} 1000"})
    results = [exchange(case, b"x" * 1000) for _ in range(10)]
    assert "ended" in results
    assert {peer[0] for peer in backend.peers} <= {embedded(CLIENT)}
    assert "source-address" in {line["reason"] for line in gateway.wait_log(10)}


def test_e11_clock_that_steps_by_days_ends_no_session(case, preload):
    """Time-outs and durations go by the monotonic clock."""
    case.backend(case.lab.acme, 22)
    gateway = case.start(
        case.tenant(case.lab.acme, service("web", [case.lab.acme.address()], tcp(2222, 22))),
        settings={"timeouts": {"idle": "5s"}},
        environment={"LD_PRELOAD": preload, "SIXGATE_FAULT": "clock 0 0"})
    begin = time.monotonic()
    with case.connect(2222) as sock:
        for _ in range(20):
            assert peers.works(sock)
            with case.connect(2222) as other:
                assert peers.works(other)
    lines = gateway.wait_log(21)
    took_ms = (time.monotonic() - begin) * 1000 + 100  # the worker's clock is that of its batch
    assert {line["reason"] for line in lines} == {"done"}
    assert all(line["total_ms"] <= took_ms for line in lines)
    assert len({line["time"][:10] for line in lines}) > 1, "the clock did not step"
