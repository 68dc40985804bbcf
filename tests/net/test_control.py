# SPDX-License-Identifier: GPL-3.0-or-later
"""Control: the registry, reload, drain, supervision, the control socket, the end."""

import contextlib
import grp
import os
import random
import resource
import signal
import socket
import stat
import threading
import time

import pytest

import clients
import peers
import rest
from gateway import BUILD, Gateway, Refused, service, tcp, tls
from lab import CLIENT, POOL, embedded
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


def problem_with(gateway, word):
    return peers.wait_for(lambda: [text for text in gateway.problems() if word in text],
                          message=f"a problem with {word}")[0]


# The registry folder

def test_new_object_is_served_without_reload(case):
    case.backend(case.lab.acme, 22)
    gateway = case.start()
    assert not opens(case)
    gateway.put(web(case))
    peers.wait_for(lambda: opens(case), message="the new service")


def test_changed_object_changes_only_what_it_says(case):
    case.backend(case.lab.acme, 22)
    gateway = case.start(web(case))
    before = case.connect(2222)
    assert works(before)
    gateway.put(web(case, tcp(2222, 22), tcp(2223, 22), serial=2))
    peers.wait_for(lambda: opens(case, 2223), message="the added exposure")
    assert works(before), "the session of the former serial"
    assert opens(case)


def test_removed_object_ends_its_sessions_after_drain(case):
    case.backend(case.lab.acme, 22)
    gateway = case.start(web(case, drain="3s"))
    sock = case.connect(2222)
    assert works(sock)
    begin = time.monotonic()
    gateway.remove("acme")
    peers.wait_for(lambda: not opens(case), message="the port to close")
    assert works(sock), "still within its drain time"
    with contextlib.suppress(ConnectionResetError):
        assert sock.recv(1) == b""
    assert 2 < time.monotonic() - begin < 9
    peers.wait_for(lambda: [line for line in gateway.access_log() if line["reason"] == "drained"],
                   message="the reason in the log")


def test_removed_service_ends_and_the_other_stays(case):
    case.backend(case.lab.acme, 22)
    host = case.lab.acme.address()
    keep, go = service("keep", [host], tcp(2223, 22)), service("go", [host], tcp(2222, 22),
                                                               drain="1s")
    gateway = case.start(case.tenant(case.lab.acme, keep, go))
    kept, gone = case.connect(2223), case.connect(2222)
    assert works(kept) and works(gone)
    gateway.put(case.tenant(case.lab.acme, keep, serial=2))
    with contextlib.suppress(ConnectionResetError):
        assert gone.recv(1) == b""
    assert works(kept)


def test_older_serial_is_refused(case):
    case.backend(case.lab.acme, 22)
    gateway = case.start(web(case, serial=7))
    gateway.put(web(case, tcp(2223, 22), serial=6))
    assert "6" in problem_with(gateway, "acme")
    assert opens(case) and not opens(case, 2223)


def test_other_content_under_the_same_serial_is_refused(case):
    case.backend(case.lab.acme, 22)
    gateway = case.start(web(case, serial=7))
    gateway.put(web(case, tcp(2223, 22), serial=7))
    problem_with(gateway, "acme")
    assert opens(case) and not opens(case, 2223)


def test_same_content_under_the_same_serial_is_no_problem(case):
    case.backend(case.lab.acme, 22)
    gateway = case.start(web(case, serial=7))
    before = gateway.problems()
    gateway.put(web(case, serial=7))
    gateway.reload()
    assert gateway.problems() == before
    assert opens(case)


@pytest.mark.parametrize("text", [
    "tenant: acme\nserial: 8\nservices: [", "", "\0", "- a\n- b\n", "tenant: acme\nserial: 8\nfoo: 1\n",
    "tenant: acme\ntenant: acme\n", "x" * 100_000, '{"tenant": "other", "serial": 8}',
], ids=["syntax", "empty", "nul", "list", "unknown", "twice", "long", "other-name"])
def test_broken_object_keeps_the_former_serial_and_the_other_tenants(case, text):
    case.backend(case.lab.acme, 22)
    gateway = case.start(web(case))
    sock = case.connect(2222)
    gateway.put_text("acme", text)
    problem_with(gateway, "acme")
    assert works(sock) and opens(case)
    case.canary()
    gateway.put(web(case, tcp(2222, 22), tcp(2223, 22), serial=9))
    peers.wait_for(lambda: opens(case, 2223), message="the mended object")
    peers.wait_for(lambda: not [text for text in gateway.problems() if "acme" in text],
                   message="no problem any more")


def test_object_broken_at_the_start_does_not_stop_the_others(case):
    case.backend(case.lab.acme, 22)
    gateway = case.start(web(case))
    gateway.put_text("broken", "tenant: [")
    problem_with(gateway, "broken")
    gateway.stop()
    gateway.start()
    case.baseline = {}
    problem_with(gateway, "broken")
    assert opens(case)
    case.canary()
    gateway.remove("broken")
    peers.wait_for(lambda: not gateway.problems() or
                   not [text for text in gateway.problems() if "broken" in text],
                   message="no problem any more")


def test_hundred_changes_in_a_row_end_with_the_last(case):
    case.backend(case.lab.acme, 22)
    gateway = case.start(web(case))
    sock = case.connect(2222)
    for serial in range(2, 102):
        gateway.put(web(case, tcp(2222, 22), tcp(3000 + serial, 22), serial=serial))
    peers.wait_for(lambda: opens(case, 3101), message="the last serial")
    assert not opens(case, 3100)
    assert works(sock)


# Reload

def test_reload_keeps_listeners_and_sessions(case):
    case.backend(case.lab.acme, 22)
    gateway = case.start(web(case))
    sock = case.connect(2222)
    assert works(sock)
    workers = gateway.workers()
    gateway.write_config({"timeouts": {"idle": "5min"}})
    gateway.reload()
    assert gateway.workers() == workers
    assert works(sock) and opens(case)
    gateway.signal(signal.SIGHUP)
    assert works(sock) and opens(case)


def test_reload_with_a_syntax_error_changes_nothing_and_says_where(case):
    case.backend(case.lab.acme, 22)
    gateway = case.start(web(case))
    sock = case.connect(2222)
    gateway.write_config_text("listeners: [\n  nonsense")
    with pytest.raises(Refused, match=r"sixgate\.yaml:\d+:\d+"):
        gateway.reload()
    assert works(sock) and opens(case)
    gateway.write_config({})
    gateway.reload()
    assert works(sock) and opens(case)


def test_reload_does_not_take_the_prefix_away_from_running_sessions(case):
    case.backend(case.lab.acme, 22)
    gateway = case.start(web(case, tcp(2222, 22, client_address="embed")))
    sock = case.connect(2222)
    assert works(sock)
    for other in ("2001:db8:a000:fe::/96", None):
        gateway.write_config({"client_prefix": other})
        with pytest.raises(Refused, match="client_prefix cannot change while running"):
            gateway.reload()
        assert works(sock) and opens(case)


def test_reload_that_removes_a_listener_keeps_its_sessions(case):
    case.backend(case.lab.acme, 443)
    gateway = case.start(
        web(case, tls(["shop.example"])),
        settings={"listeners": [{"address": POOL[0], "port": 443, "protocol": "tls"},
                                {"address": POOL[0], "port": 444, "protocol": "tls",
                                 "default": "acme/web"}]})
    sock = case.connect(444, address=POOL[0])
    assert works(sock, clients.hello())
    gateway.write_config({"listeners": [{"address": POOL[0], "port": 443, "protocol": "tls"}]})
    gateway.reload()
    peers.wait_for(lambda: refuses(case, POOL[0], 444), message="the port to close")
    assert works(sock)


def refuses(case, address, port):
    try:
        case.lab.client.connect(address, port, timeout=5).close()
    except ConnectionRefusedError:
        return True
    except ConnectionResetError:
        pass  # in the queue when the port closed
    return False


# Verbs

def test_sessions_shows_who_is_there(case):
    case.backend(case.lab.acme, 443)
    gateway = case.start(web(case, tls(["*.shop.example"])))
    sock = case.connect(443, address=POOL[0])
    works(sock, clients.hello("a.shop.example"))
    [session] = gateway.sessions("acme")
    assert (session["tenant"], session["service"]) == ("acme", "web")
    assert session["name"] == "a.shop.example"
    assert session["client"] == "%s:%d" % sock.getsockname()
    assert session["backend"] == f"[{case.lab.acme.address()}]:443"
    assert gateway.sessions("globex") == []


def test_kill_ends_one_session(case):
    case.backend(case.lab.acme, 22)
    gateway = case.start(web(case))
    one, two = case.connect(2222), case.connect(2222)
    assert works(one) and works(two)
    victim = [s for s in gateway.sessions() if s["client"].endswith(f":{one.getsockname()[1]}")][0]
    gateway.ask("kill", victim["id"])
    with contextlib.suppress(ConnectionResetError):
        assert one.recv(1) == b""
    assert works(two)
    assert gateway.last_reason() == "killed"
    with pytest.raises(Refused):
        gateway.ask("kill", victim["id"])


def test_drain_service_takes_no_new_sessions_until_the_object_changes(case):
    case.backend(case.lab.acme, 22)
    gateway = case.start(web(case, drain="1s"))
    sock = case.connect(2222)
    assert works(sock)
    gateway.ask("drain", "acme/web")
    peers.wait_for(lambda: not opens(case), message="no new sessions")
    with contextlib.suppress(ConnectionResetError):
        assert sock.recv(1) == b""
    gateway.put(web(case, serial=2))
    peers.wait_for(lambda: opens(case), message="service again")


def test_drain_backend_leaves_the_others(case):
    hosts = [case.lab.acme.address(host) for host in (0x10, 0x11)]
    one, two = (case.backend(case.lab.acme, 22, address=host) for host in hosts)
    gateway = case.start(case.tenant(case.lab.acme, service("web", hosts, tcp(2222, 22),
                                                            drain="1s")))
    gateway.ask("drain", hosts[0])
    for _ in range(6):
        assert opens(case)
    assert (len(one.peers), len(two.peers)) == (0, 6)


def test_log_level_changes_what_is_logged(case):
    gateway = case.start(web(case))  # no backend listens
    told = ["acme: serial 2 is in force", f"backend [{case.lab.acme.address()}]:22: connect: "]
    with pytest.raises(Refused):
        gateway.ask("log-level", "loud")
    case.ends(2222)
    gateway.wait_log(1)
    gateway.ask("log-level", "debug")
    assert not [text for text in told if text in gateway.log()]
    gateway.put(web(case, serial=2))
    case.ends(2222)
    peers.wait_for(lambda: all(text in gateway.log() for text in told), message="both lines")
    gateway.ask("log-level", "err")
    before = len(gateway.log())
    gateway.reload()
    gateway.put(web(case, tcp(2223, 22), serial=3))
    peers.wait_for(lambda: refuses(case, POOL[1], 2222), message="the new object")
    assert len(gateway.log()) == before


def test_reader_that_never_reads_does_not_stop_control(case):
    case.backend(case.lab.acme, 22)
    gateway = case.start(web(case))
    with contextlib.ExitStack() as stack:
        for _ in range(20):
            sock = stack.enter_context(socket.socket(socket.AF_UNIX))
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
            sock.connect(os.path.join(gateway.run_folder, "control.sock"))
            sock.sendall(b"\0\0\0\x03\x01\x03\0")
        for _ in range(20):
            begin = time.monotonic()
            assert gateway.status()["node"]
            assert time.monotonic() - begin < 2
        assert opens(case)


def test_control_socket_is_for_the_admin_group_alone(case):
    gateway = case.start()
    mode = os.stat(os.path.join(gateway.run_folder, "control.sock"))
    assert stat.S_IMODE(mode.st_mode) == 0o660
    assert grp.getgrgid(mode.st_gid).gr_name == "sixgate-admin"


@pytest.mark.parametrize("data", [b"", b"\0", b"\xff" * 8, b"\0\0\0\x03\x01\xff\0", b"\0\0\0\0",
                                  b"\0\0\x10\x01" + b"x" * 5000])
def test_nonsense_on_the_control_socket_is_survived(case, data):
    gateway = case.start()
    for _ in range(50):
        with socket.socket(socket.AF_UNIX) as sock:
            sock.connect(os.path.join(gateway.run_folder, "control.sock"))
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                sock.sendall(data)
    assert gateway.status()["node"]


# Workers

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


# The end

def test_sigterm_lets_running_sessions_end(case):
    case.backend(case.lab.acme, 22)
    gateway = case.start(web(case, drain="10s"))
    sock = case.connect(2222)
    assert works(sock)
    gateway.signal(signal.SIGTERM)
    peers.wait_for(lambda: refuses(case, POOL[1], 2222), message="the port to close")
    assert works(sock), "a session that was there before"
    sock.close()
    assert gateway.process.wait(10) == 0
    assert gateway.access_log()[-1]["reason"] == "done"
    case.gateway = None


def test_closed_standard_descriptors_are_not_taken_by_others(case):
    """Else the log would be written into a socket or the counters."""
    gateway = Gateway(case.lab, None, [web(case)])
    case.services.callback(gateway.stop)
    gateway.process = case.lab.gateway.popen(
        "sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh", os.path.join(BUILD, "sixgated"),
        "--config", gateway.config_path, "--run-dir", gateway.run_folder)
    path = os.path.join(gateway.run_folder, "control.sock")
    peers.wait_for(lambda: os.path.exists(path), message="the control socket")
    peers.wait_for(lambda: len(gateway.workers()) == 2, message="the workers")
    for pid in [gateway.process.pid, *gateway.workers()]:
        for number in range(3):
            assert os.readlink(f"/proc/{pid}/fd/{number}") == "/dev/null"


def hang_up_when_listening(gateway):
    path = os.path.join(gateway.run_folder, "control.sock")
    peers.wait_for(lambda: os.path.exists(path), message="the control socket")
    gateway.signal(signal.SIGHUP)


def test_reload_while_starting_does_not_say_ready(case):
    """The registry takes some turns of the loop, and the signal is there before the first."""
    gateway = Gateway(case.lab, None, [web(case)])
    case.services.callback(gateway.stop)
    for number in range(3000):
        gateway.put_text(f"broken{number}", "nothing")
    thread = threading.Thread(target=hang_up_when_listening, args=(gateway,))
    thread.start()
    gateway.start()
    thread.join()
    assert "control: ready: " in gateway.log()


def test_changes_after_sigterm_end_no_session(case):
    """The listeners are closed by then: a change that sends one again must not count."""
    case.backend(case.lab.acme, 22)
    gateway = case.start(web(case, drain="10s"))
    sock = case.connect(2222)
    assert works(sock)
    gateway.signal(signal.SIGTERM)
    peers.wait_for(lambda: refuses(case, POOL[1], 2222), message="the port to close")
    gateway.signal(signal.SIGHUP)
    peers.wait_for(lambda: "refused" in gateway.log(), message="the reload's refusal")
    gateway.put(web(case, tcp(2222, 22), tcp(2223, 22), serial=2))
    time.sleep(0.5)
    assert works(sock), "a session that was there before"
    assert not opens(case, 2223)
    sock.close()
    assert gateway.process.wait(10) == 0
    case.gateway = None


def log_child(gateway):
    with open(f"/proc/{gateway.process.pid}/task/{gateway.process.pid}/children",
              encoding="ascii") as children:
        for pid in children.read().split():
            with open(f"/proc/{pid}/cmdline", "rb") as cmdline:
                if b"--log" in cmdline.read().split(b"\0"):
                    return int(pid)
    raise AssertionError("there is no log child")


@pytest.mark.parametrize("free", [2, 98])
def test_listeners_beyond_the_descriptors_cost_no_session(case, free):
    case.backend(case.lab.acme, 22)
    gateway = case.start(web(case))
    sock = case.connect(2222)
    assert works(sock)
    pids = gateway.workers()
    limits = resource.prlimit(gateway.process.pid, resource.RLIMIT_NOFILE)
    resource.prlimit(gateway.process.pid, resource.RLIMIT_NOFILE,
                     (descriptors_with_free(gateway.process.pid, free), limits[1]))
    gateway.put(web(case, *(tcp(port, 22) for port in range(2222, 2232)), serial=2))
    peers.wait_for(lambda: "open files" in gateway.log(), message="the refusal")
    time.sleep(0.5)
    assert works(sock), "a session that was there before"
    resource.prlimit(gateway.process.pid, resource.RLIMIT_NOFILE, limits)
    peers.wait_for(lambda: opens(case, 2231), message="the last listener")
    assert gateway.workers() == pids


def descriptors_with_free(pid, free):
    """The limit under which a process can open so many more."""
    used = {int(name) for name in os.listdir(f"/proc/{pid}/fd")}
    limit = 0
    while free > 0 or limit <= max(used):
        free -= limit not in used
        limit += 1
    return limit


def test_log_child_that_ends_late_does_not_end_the_drain(case):
    case.backend(case.lab.acme, 22)
    gateway = case.start(web(case, drain="10s"))
    sock = case.connect(2222)
    assert works(sock)
    child = log_child(gateway)
    os.kill(child, signal.SIGSTOP)
    gateway.write_config({"access_log": "off"})
    gateway.reload()
    gateway.signal(signal.SIGTERM)
    peers.wait_for(lambda: refuses(case, POOL[1], 2222), message="the port to close")
    os.kill(child, signal.SIGCONT)
    peers.wait_for(lambda: not os.path.exists(f"/proc/{child}"), message="the child's end")
    time.sleep(0.5)
    assert works(sock), "a session that was there before"
    sock.close()
    assert gateway.process.wait(10) == 0
    case.gateway = None


def test_sigterm_during_a_reload_ends_cleanly(case):
    gateway = case.start(web(case))
    for _ in range(20):
        gateway.signal(signal.SIGHUP)
    gateway.signal(signal.SIGTERM)
    assert gateway.process.wait(20) == 0
    case.gateway = None


def test_embed_works_again_after_a_restart(case):
    """The kernel's state stays when sixgated ends; the next start adopts it."""
    backend = case.backend(case.lab.acme, 22)
    gateway = case.start(web(case, tcp(2222, 22, client_address="embed")))
    assert opens(case)
    assert gateway.stop() == 0
    assert "2001:db8:a000:ff::/96" in case.lab.gateway.ip("-6 route show table local")
    gateway.start()
    case.baseline = {}
    assert opens(case)
    assert {peer[0] for peer in backend.peers} == {embedded(CLIENT)}
