# SPDX-License-Identifier: GPL-3.0-or-later
"""Workers: their privileges, who meets which, what one that dies costs."""

import os
import random
import signal
import threading
import time

import pytest

import peers
import rest
from gateway import service, tcp
from lab import POOL
from peers import works


def web(case, *expose, serial=1, **more):
    expose = expose or (tcp(2222, 22),)
    return case.tenant(case.lab.acme, service("web", [case.lab.acme.address()], *expose, **more),
                       serial=serial)


def opens(case, port=2222, address=POOL[1]):
    """True when the port is served now."""
    try:
        with case.lab.client.connect(address, port, timeout=5) as sock:
            return works(sock)
    except (OSError, EOFError):
        return False


def test_workers_are_unprivileged_and_in_an_empty_root(case):
    gateway = case.start()
    for pid in gateway.workers():
        with open(f"/proc/{pid}/status", encoding="ascii") as status:
            fields = dict(line.split(":\t", 1) for line in status.read().splitlines()
                          if ":\t" in line)
        assert "0" not in fields["Uid"].split() and "0" not in fields["Gid"].split()
        assert fields["Groups"].strip() == ""
        for kind in ("CapEff", "CapPrm", "CapInh", "CapAmb"):
            assert int(fields[kind], 16) == 0, kind
        assert fields["NoNewPrivs"].strip() == "1"
        if not rest.is_sanitized(pid):  # which reads /proc for its leak report
            assert fields["Seccomp"].strip() == "2"
            assert os.listdir(f"/proc/{pid}/root") == []


def test_one_client_meets_one_worker(case):
    case.backend(case.lab.acme, 22, peers.hold)
    gateway = case.start(web(case), settings={"workers": 2})
    for host in range(1, 41):
        for _ in range(2):
            case.connect(2222, source=f"198.51.100.{host}")
    gateway.wait_sessions(80)
    by_client = {}
    for session in gateway.sessions():
        by_client.setdefault(session["client"].rsplit(":", 1)[0], set()).add(
            session["id"].split(".")[0])
    assert all(len(workers) == 1 for workers in by_client.values())
    assert {next(iter(workers)) for workers in by_client.values()} == {"0", "1"}


class Load:
    """Short sessions without pause from many sources; notes each one that failed."""

    def __init__(self, case, port, threads=8):
        self.case, self.port = case, port
        self.failures = []  # (when it began, what happened)
        self.done = 0
        self.stop = threading.Event()
        self.random = random.Random(6)
        self.threads = [threading.Thread(target=self._run) for _ in range(threads)]
        for thread in self.threads:
            thread.start()

    def _run(self):
        while not self.stop.is_set():
            begin = time.monotonic()
            source = f"198.51.100.{self.random.randrange(1, 255)}"
            try:
                with self.case.lab.client.connect(POOL[1], self.port, source=source,
                                                  timeout=5) as sock:
                    if not works(sock):
                        self.failures.append((begin, "wrong answer"))
                self.done += 1
            except (OSError, EOFError) as error:
                self.failures.append((begin, repr(error)))

    def finish(self):
        self.stop.set()
        for thread in self.threads:
            thread.join()


def test_worker_killed_under_load(case):
    """Only the dead worker's sessions are lost; nothing that begins later fails or hangs."""
    case.backend(case.lab.acme, 22)
    case.lines_lost = True  # those of the sessions that died with their worker
    gateway = case.start(web(case), settings={
        "workers": 2, "source_limits": {"connections": 1000, "new_per_second": 100000}})
    held = [case.connect(2222, source=f"198.51.100.{host}") for host in range(1, 41)]
    assert all(works(sock) for sock in held)
    first, second = gateway.workers()
    owner = {session["client"].split(":")[0]: session["id"].split(".")[0]
             for session in gateway.sessions()}
    load = Load(case, 2222)
    try:
        peers.wait_for(lambda: load.done > 200, message="load")
        os.kill(first, signal.SIGKILL)
        killed = time.monotonic()
        peers.wait_for(lambda: len(gateway.workers()) == 2 and first not in gateway.workers(),
                       message="a new worker")
        done = load.done
        peers.wait_for(lambda: load.done > done + 500, message="more load")
    finally:
        load.finish()
    late = [failure for failure in load.failures if failure[0] > killed]
    assert not late, late
    assert second in gateway.workers()
    for sock in held:
        if owner[sock.getsockname()[0]] == "1":
            assert works(sock), "a session of the worker that lives"
        else:
            with pytest.raises((OSError, EOFError)):
                works(sock)
                works(sock)


def test_worker_killed_again_and_again_under_load(case):
    """During the back-off the sibling serves the dead worker's sockets."""
    case.backend(case.lab.acme, 22)
    case.lines_lost = True
    gateway = case.start(web(case), settings={
        "workers": 2, "source_limits": {"connections": 1000, "new_per_second": 100000}})
    load = Load(case, 2222, threads=4)
    kills = []
    try:
        for _ in range(5):
            pid = peers.wait_for(lambda: gateway.status()["workers"][0].get("pid"),
                                 message="worker 0")
            begin = time.monotonic()
            os.kill(pid, signal.SIGKILL)
            kills.append((begin, time.monotonic()))
            done = load.done
            peers.wait_for(lambda done=done: load.done > done + 100, message="load")
            peers.wait_for(lambda pid=pid: gateway.status()["workers"][0].get("pid") not in
                           (None, 0, pid), message="worker 0 again", timeout=30)
    finally:
        load.finish()
    # a session that had begun when its worker was killed is lost; each other one has to be served
    unexplained = [(begin, what) for begin, what in load.failures
                   if not any(begin <= end and begin > start - 5 for start, end in kills)]
    assert not unexplained, unexplained


def test_counters_do_not_step_back_when_a_worker_dies(case):
    case.backend(case.lab.acme, 22)
    case.lines_lost = True
    gateway = case.start(web(case))
    for host in range(1, 31):
        with case.lab.client.connect(POOL[1], 2222, source=f"198.51.100.{host}") as sock:
            assert works(sock)
    gateway.wait_sessions(0)
    before = gateway.services()["acme/web"]
    for pid in gateway.workers():
        os.kill(pid, signal.SIGKILL)
        peers.wait_for(lambda pid=pid: pid not in gateway.workers() and
                       len(gateway.workers()) == 2, message="a new worker", timeout=30)
    after = gateway.services()["acme/web"]
    assert after["accepted"] == before["accepted"] == 30
    assert after["bytes_in"] == before["bytes_in"] == 30
    assert opens(case)
