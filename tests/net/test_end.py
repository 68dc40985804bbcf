# SPDX-License-Identifier: GPL-3.0-or-later
"""The end of sixgated and what comes close to it: signals, starts, want of descriptors."""

import os
import resource
import signal
import socket
import threading

import pytest

import peers
from gateway import BUILD, Gateway, service, tcp
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


def refuses(case, address, port):
    try:
        case.lab.client.connect(address, port, timeout=5).close()
    except ConnectionRefusedError:
        return True
    except ConnectionResetError:
        pass  # in the queue when the port closed
    return False


def assert_stays(gateway, sock):
    """The only session goes on: control and its worker answer behind what came before."""
    for _ in range(20):
        assert len(gateway.sessions()) == 1
        assert works(sock)


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

    def is_listening():
        with socket.socket(socket.AF_UNIX) as client:
            return client.connect_ex(os.path.join(gateway.run_folder, "control.sock")) == 0

    peers.wait_for(is_listening, message="the control socket")
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
    assert_stays(gateway, sock)
    assert not opens(case, 2223)
    sock.close()
    assert gateway.process.wait(10) == 0
    case.gateway = None


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
    assert works(sock), "a session that was there before"
    resource.prlimit(gateway.process.pid, resource.RLIMIT_NOFILE, limits)
    peers.wait_for(lambda: opens(case, 2231), message="the last listener")
    assert works(sock) and gateway.workers() == pids


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
    child = gateway.log_child()
    os.kill(child, signal.SIGSTOP)
    gateway.write_config({"access_log": "off"})
    gateway.reload()
    gateway.signal(signal.SIGTERM)
    peers.wait_for(lambda: refuses(case, POOL[1], 2222), message="the port to close")
    os.kill(child, signal.SIGCONT)
    peers.wait_for(lambda: not os.path.exists(f"/proc/{child}"), message="the child's end")
    assert_stays(gateway, sock)
    sock.close()
    assert gateway.process.wait(10) == 0
    case.gateway = None


def test_e10_sigterm_during_a_reload_ends_cleanly(case):
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
