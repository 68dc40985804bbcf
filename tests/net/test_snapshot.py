# SPDX-License-Identifier: GPL-3.0-or-later
"""The last-known-good snapshot of the registry: what a restart knows of the run before."""

import os
import re
import signal
import stat
import time

import peers
from gateway import service, tcp
from peers import works
from lab import POOL


def web(case, *expose, serial=1, **more):
    return case.tenant(case.lab.acme, service("web", [case.lab.acme.address()],
                                              *(expose or (tcp(2222, 22),)), **more),
                       serial=serial)


def opens(case, port=2222):
    try:
        with case.lab.client.connect(POOL[1], port, timeout=5) as sock:
            return works(sock)
    except (OSError, EOFError):
        return False


def read_files(gateway):
    """How many files each start has read, and how many were as in the snapshot."""
    return [(int(read), int(kept)) for read, kept in re.findall(
        r"(\d+) files read, (\d+) are as in the snapshot", gateway.log())]


def snapshot_of(gateway):
    return os.path.join(gateway.run_folder, "registry.snapshot")


def restart(gateway, end=signal.SIGTERM):
    gateway.signal(end)
    gateway.process.wait(20)
    gateway.start()


def settle():
    """Until the registry's files are older than what their clock may hide."""
    time.sleep(0.2)


def test_restart_reads_no_file_again(case):
    case.backend(case.lab.acme, 22)
    gateway = case.start(web(case))
    settle()
    assert gateway.stop() == 0
    mode = os.lstat(snapshot_of(gateway))
    assert stat.S_ISREG(mode.st_mode) and stat.S_IMODE(mode.st_mode) == 0o600
    gateway.start()
    assert read_files(gateway) == [(2, 0), (0, 2)]
    assert opens(case)
    # and the next change of one is read as ever
    gateway.put(web(case, tcp(2223, 22), serial=2))
    peers.wait_for(lambda: opens(case, 2223), message="the change after the restart")
    assert not opens(case)


def test_restart_reads_only_what_has_changed_meanwhile(case):
    case.backend(case.lab.acme, 22)
    gateway = case.start(web(case))
    settle()
    gateway.stop()
    gateway.put(web(case, tcp(2223, 22), serial=2))
    gateway.start()
    assert read_files(gateway)[-1] == (1, 1)
    assert opens(case, 2223) and not opens(case)
    assert gateway.problems() == []


def test_broken_object_keeps_its_former_serial_over_a_restart(case):
    case.backend(case.lab.acme, 22)
    gateway = case.start(web(case))
    settle()
    gateway.put_text("acme", "tenant: acme\nserial: 2\nservices: [\n")
    peers.wait_for(gateway.problems, message="the problem before the restart")
    for _ in range(2):  # nor does the second restart forget it
        restart(gateway)
        assert opens(case)
        assert [text for text in gateway.problems() if "acme.yaml:4:1" in text]
    gateway.put(web(case, tcp(2223, 22), serial=3))
    peers.wait_for(lambda: opens(case, 2223), message="the mended object")
    assert gateway.problems() == []


def test_older_serial_is_refused_over_a_restart(case):
    case.backend(case.lab.acme, 22)
    gateway = case.start(web(case, serial=7))
    settle()
    gateway.stop()
    gateway.put(web(case, tcp(2223, 22), serial=6))
    gateway.start()
    assert opens(case) and not opens(case, 2223)
    assert [text for text in gateway.problems() if "serial 6 is older than 7" in text]


def test_file_that_is_gone_is_a_tenant_removed(case):
    case.backend(case.lab.acme, 22)
    gateway = case.start(web(case))
    settle()
    gateway.stop()
    gateway.remove("acme")
    gateway.start()
    assert not opens(case)
    assert gateway.status()["tenants"]["active"] == 1
    assert gateway.problems() == []


def test_name_that_is_used_again_is_not_the_former_tenants(case):
    """Also when the end comes before the next snapshot."""
    case.backend(case.lab.acme, 22)
    gateway = case.start(web(case, serial=7))
    settle()
    assert gateway.stop() == 0
    gateway.start()
    gateway.remove("acme")
    peers.wait_for(lambda: not opens(case), message="it is gone")
    gateway.put(web(case, tcp(2223, 22), serial=1))
    peers.wait_for(lambda: opens(case, 2223), message="the next one")
    restart(gateway, signal.SIGKILL)
    assert opens(case, 2223) and not opens(case)
    assert gateway.problems() == []


def test_registry_that_is_empty_at_a_start_does_not_count(case):
    """As when its file system was not mounted."""
    case.backend(case.lab.acme, 22)
    gateway = case.start(web(case, serial=7))
    settle()
    assert gateway.stop() == 0
    away = gateway.registry + ".away"
    os.rename(gateway.registry, away)
    os.mkdir(gateway.registry)
    gateway.start()
    assert not opens(case)
    assert [p for p in gateway.problems() if "0 of the 2 files of the run before" in p]
    assert gateway.stop() == 0
    os.rmdir(gateway.registry)
    os.rename(away, gateway.registry)
    gateway.start()
    assert read_files(gateway)[-1] == (0, 2)
    assert opens(case) and gateway.problems() == []


def test_snapshot_is_written_while_it_runs(case):
    """So that a crash leaves one, too."""
    case.backend(case.lab.acme, 22)
    gateway = case.start(web(case))
    peers.wait_for(lambda: os.path.exists(snapshot_of(gateway)), 20, "the snapshot")
    before = os.stat(snapshot_of(gateway)).st_ino
    gateway.put(web(case, serial=2))
    peers.wait_for(lambda: os.stat(snapshot_of(gateway)).st_ino != before, 20, "the next one")
    restart(gateway, signal.SIGKILL)
    assert read_files(gateway)[-1] == (0, 2)
    assert opens(case)


def test_snapshot_of_somebody_else_is_not_believed(case):
    case.backend(case.lab.acme, 22)
    gateway = case.start(web(case, serial=7))
    settle()
    gateway.stop()
    os.chmod(snapshot_of(gateway), 0o644)  # which it could read
    os.chown(snapshot_of(gateway), 65534, 65534)
    gateway.put(web(case, tcp(2223, 22), serial=6))
    gateway.start()
    assert read_files(gateway)[-1] == (2, 0)
    assert opens(case, 2223)
    assert "is not a file that we alone have written, ignoring" in gateway.log()


def test_failed_write_is_a_warning_and_no_more(case):
    case.backend(case.lab.acme, 22)
    gateway = case.start(web(case))
    os.mkdir(snapshot_of(gateway))
    gateway.put(web(case, serial=2))
    peers.wait_for(lambda: [p for p in gateway.problems() if p.startswith("snapshot: ")], 20,
                   "the warning")
    assert opens(case)
    os.rmdir(snapshot_of(gateway))
    peers.wait_for(lambda: gateway.problems() == [], 20, "the next try")
