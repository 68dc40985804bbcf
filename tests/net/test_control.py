# SPDX-License-Identifier: GPL-3.0-or-later
"""Control: the registry, reload, verbs, the control socket."""

import contextlib
import grp
import os
import signal
import socket
import stat
import time

import pytest

import clients
import peers
from gateway import Refused, service, tcp, tls
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


def test_e10_reload_with_a_syntax_error_changes_nothing_and_says_where(case):
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


def test_e10_reload_that_removes_a_listener_keeps_its_sessions(case):
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


@pytest.mark.parametrize("what", ["service", "backend"])
def test_drain_holds_in_workers_that_are_started_later(case, what):
    case.lines_lost = True  # perhaps, of workers that are killed
    backend = case.backend(case.lab.acme, 22)
    gateway = case.start(web(case))
    gateway.ask("drain", "acme/web" if what == "service" else backend.address)
    assert not opens(case)
    for pid in gateway.workers():
        os.kill(pid, signal.SIGKILL)
    peers.wait_for(lambda: [(worker["state"], worker["restarts"])
                            for worker in gateway.status()["workers"]] == [("running", 1)] * 2,
                   message="new workers", timeout=30)
    assert not opens(case)
    gateway.write_config({"client_prefix": gateway.config["client_prefix"], "listeners": [
        {"address": "any", "port": port, "protocol": "tls"} for port in (443, 8443)]})
    gateway.reload()  # with which objects are read anew
    assert not opens(case)
    assert gateway.stop() == 0
    gateway.start()
    assert not opens(case)
    shown = gateway.services()["acme/web"]
    assert (shown["drained"], shown["backends"][0]["drained"]) == (what == "service",
                                                                   what == "backend")
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


def test_e10_reader_that_never_reads_does_not_stop_control(case):
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
