# SPDX-License-Identifier: GPL-3.0-or-later
"""Upgrade under load: no connection is refused, reset, or left without an answer."""

import collections
import os
import shutil
import signal
import socket
import threading

import pytest

import peers
import rest
from gateway import BUILD, Refused, service, tcp, tenant_object
from lab import POOL
from test_control import opens, problem_with, web, works

CHUNK = os.urandom(1 << 16)


class Load:
    """Clients that connect, are answered and leave, one after the other, until stop()."""

    def __init__(self, case, n_clients=4):
        self.case = case
        self.served = 0
        self.errors = []
        self.ending = threading.Event()
        self.lock = threading.Lock()
        self.threads = [threading.Thread(target=self._run, args=(number,), daemon=True)
                        for number in range(n_clients)]
        case.clients.callback(self.ending.set)  # a test that failed leaves no load to the next
        for thread in self.threads:
            thread.start()

    def _run(self, number):
        turn = 0
        while not self.ending.is_set():
            # many sources: the selector spreads them over all workers
            source = f"198.51.100.{10 + (number * 50 + turn) % 200}"
            turn += 1
            try:
                with self.case.lab.client.connect(POOL[1], 2222, source, timeout=40) as sock:
                    assert works(sock, b"hello")
                    sock.shutdown(socket.SHUT_WR)
                    assert sock.recv(1) == b""
                with self.lock:
                    self.served += 1
            except (OSError, EOFError, AssertionError) as error:
                with self.lock:
                    self.errors.append(f"{source}: {error!r}")

    def more(self, count=100):
        """Waits until so many more were served."""
        goal = self.served + count
        peers.wait_for(lambda: self.served >= goal or self.errors, 40, f"{count} more sessions")
        assert not self.errors, self.errors[:5]

    def stop(self):
        self.ending.set()
        for thread in self.threads:
            thread.join()
        assert not self.errors, (len(self.errors), self.errors[:5])
        return self.served


class Transfer:
    """One session that sends and checks its echo all the time, until stop()."""

    def __init__(self, case):
        self.sock = case.connect(2222, timeout=40)
        self.rounds = 0
        self.error = None
        self.ending = threading.Event()
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self):
        try:
            while not self.ending.is_set():
                self.sock.sendall(CHUNK)
                assert peers.read_exactly(self.sock, len(CHUNK)) == CHUNK
                self.rounds += 1
        except (OSError, EOFError, AssertionError) as error:
            self.error = error

    def more(self, count=50):
        goal = self.rounds + count
        peers.wait_for(lambda: self.rounds >= goal or self.error, 40, "the transfer to go on")
        assert not self.error, self.error

    def stop(self):
        self.ending.set()
        self.thread.join()
        self.sock.close()
        assert not self.error, self.error


@pytest.fixture
def program(tmp_path):
    """Programs of our own that a test may replace; their sixgated."""
    folder = tmp_path / "programs"
    folder.mkdir()
    for folder_up in [folder, *folder.parents]:
        if folder_up.stat().st_uid == 0 and folder_up != folder_up.parent:
            folder_up.chmod(folder_up.stat().st_mode | 0o055)
    for name in ("sixgate-proxy", "sixgate-agent"):
        os.symlink(os.path.join(BUILD, name), folder / name)
    return install(str(folder / "sixgated"))


def install(path, script=None):
    """Puts a program in place as a package does, by rename."""
    fresh = path + ".new"
    if script:
        with open(fresh, "w", encoding="ascii") as out:
            out.write(script)
    else:
        shutil.copy(os.path.join(BUILD, "sixgated"), fresh)
    os.chmod(fresh, 0o755)
    os.rename(fresh, path)
    return path


def start(case, **options):
    case.backend(case.lab.acme, 22)
    return case.start(web(case), **options)


def lines_are(gateway, count):
    """One access log line for each session on the port of the load."""
    def lines():
        return [line for line in gateway.access_log() if line["tenant"] == "acme"]

    peers.wait_for(lambda: len(lines()) >= count, 20, f"{count} lines of acme")
    assert len(lines()) == count
    assert {line["reason"] for line in lines()} == {"done"}


def upgrade(gateway):
    """SIGUSR2, until the new workers are ready."""
    before, ready = gateway.workers(), gateway.keeper.n_ready
    gateway.signal(signal.SIGUSR2)
    gateway.keeper.wait_ready(ready + 1)
    after = gateway.workers()
    assert not set(before) & set(after), "new workers"
    return before


def former(gateway):
    return [process["pid"] for process in gateway.status()["former"]]


def wait_former_gone(gateway):
    peers.wait_for(lambda: not former(gateway), 20, "the former workers to end")


def test_upgrades_in_a_row_under_load_cost_no_session(case):
    gateway = start(case, kept=True)
    pid = gateway.process.pid
    load, transfer = Load(case), Transfer(case)
    first = gateway.workers()
    for _ in range(5):
        load.more(50)
        upgrade(gateway)
    load.more(50)
    transfer.more()
    assert gateway.status()["pid"] == pid, "the service manager sees no other process"
    # only the worker of the transfer is left of those before
    peers.wait_for(lambda: len(former(gateway)) == 1, 20, "all but one to end")
    assert former(gateway)[0] in first
    transfer.stop()
    wait_former_gone(gateway)
    lines_are(gateway, load.stop() + 1)


def test_upgrade_with_many_tenants_keeps_the_kernel_open_for_former_workers(case):
    # while the new control reads them all, the packet filter must know those of before
    many = [{"tenant": f"t{number}", "serial": 1, "services": [],
             "prefixes": [f"2001:db8:a000:{0x2000 + number:x}::/64"]} for number in range(500)]
    case.backend(case.lab.acme, 22)
    gateway = case.start(web(case), *many, kept=True)
    denied = gateway.status()["kernel"]["proxy_denied"]  # a new table takes the counts over
    load = Load(case)
    for _ in range(2):
        load.more(20)
        upgrade(gateway)
        assert gateway.status()["kernel"]["proxy_denied"] == denied
    load.more(20)
    wait_former_gone(gateway)
    lines_are(gateway, load.stop())


def totals(gateway):
    """All counters that only grow, by name."""
    status, service = gateway.status(), gateway.services()["acme/web"]
    names = ("accepted", "refused", "closed", "bytes_in", "bytes_out")
    return {**{f"node {name}": status[name] for name in names},
            **{f"service {name}": service[name] for name in names},
            "backend": service["backends"][0]["accepted"], "lines": status["access_log"]["lines"]}


def test_counters_go_on_over_upgrades(case):
    gateway = start(case, kept=True)
    transfer, idle = Transfer(case), case.connect(2222)
    assert works(idle)
    for port in (2223, 2224):  # a listener that goes takes nothing from the node's totals
        gateway.put(web(case, tcp(2222, 22), tcp(port, 22), serial=port))
        peers.wait_for(lambda port=port: opens(case, port), message="the new port")
    # and so does a worker: the one without our sessions, as one source meets one worker
    victim = 1 - int(gateway.sessions("acme")[0]["id"].split(".")[0])
    os.kill(gateway.workers()[victim], signal.SIGKILL)
    peers.wait_for(lambda: gateway.status()["workers"][victim]["restarts"] == 1 and
                   gateway.status()["workers"][victim]["state"] == "running",
                   message="its restart")
    seen = totals(gateway)
    for _ in range(3):
        for _ in range(5):
            assert opens(case, 2224)
        upgrade(gateway)
        now = totals(gateway)
        assert not {name for name in now if now[name] < seen[name]}, (seen, now)
        assert now["node accepted"] >= seen["node accepted"] + 5
        assert gateway.services()["acme/web"]["active"] == 2, "of former workers"
        seen = now
    transfer.more()
    transfer.stop()
    idle.close()
    wait_former_gone(gateway)
    gateway.wait_sessions(0)
    now = totals(gateway)
    assert now["service closed"] == seen["service closed"] + 2
    assert now["service bytes_in"] > seen["service bytes_in"]
    assert now["service accepted"] == seen["service accepted"], "counted once"


def test_sessions_of_former_workers_are_listed_and_killed(case):
    gateway = start(case, kept=True)
    first = case.connect(2222)
    assert works(first)
    upgrade(gateway)
    second = case.connect(2222)
    assert works(second)
    upgrade(gateway)
    third = case.connect(2222)
    assert works(third)
    listed = gateway.sessions("acme")
    ids = {session["client"].rsplit(":", 1)[1]: session["id"] for session in listed}
    assert len(listed) == 3 and len(set(ids.values())) == 3, listed
    for sock in (second, first, third):  # each by its own number, and no other
        with pytest.raises(Refused):
            gateway.ask("kill", ids[str(sock.getsockname()[1])] + "0000")
        gateway.ask("kill", ids[str(sock.getsockname()[1])])
        peers.assert_ended(sock)
        gateway.wait_sessions(len(gateway.sessions()))
    wait_former_gone(gateway)
    names = [line["session"] for line in gateway.access_log()]
    assert len(names) == len(set(names)), "no number comes twice in the access log"


def test_drain_of_a_service_ends_its_sessions_in_former_workers(case):
    case.backend(case.lab.acme, 22)
    gateway = case.start(web(case, drain="1s"), kept=True)
    sock = case.connect(2222)
    assert works(sock)
    upgrade(gateway)
    assert works(sock)
    gateway.ask("drain", "acme/web")
    peers.assert_ended(sock)
    wait_former_gone(gateway)


def test_former_worker_that_hangs_holds_up_neither_lists_nor_the_end(case):
    gateway = start(case, kept=True)
    sock = case.connect(2222)
    assert works(sock)
    held = int(gateway.sessions("acme")[0]["id"].split(".")[0])
    stuck = upgrade(gateway)[held]
    os.kill(stuck, signal.SIGSTOP)
    assert gateway.status()["active"] == 1
    with pytest.raises(OSError), gateway.send("sessions", timeout=1) as answer:
        while answer.recv(4096):  # those of the others; its own would take as long as it hangs
            pass
    assert opens(case)
    gateway.signal(signal.SIGTERM)
    peers.wait_for(lambda: gateway.status()["state"] == "draining", message="the drain")
    gateway.signal(signal.SIGTERM)
    assert gateway.process.wait(20) == 0, gateway.log()
    case.lines_lost = True  # those of the killed one
    gateway.start()


def test_limits_count_the_sessions_of_former_workers(case):
    case.backend(case.lab.acme, 22)
    gateway = case.start(web(case, limits={"connections": 2}), kept=True)
    held = [case.connect(2222) for _ in range(2)]
    assert all(works(sock) for sock in held)
    for _ in range(2):
        upgrade(gateway)
        assert not opens(case), "the limit is reached"
    held[0].close()
    gateway.wait_sessions(1)
    assert opens(case)
    held[1].close()
    wait_former_gone(gateway)


def test_self_test_that_does_not_end_is_killed(case, program):
    gateway = start(case, kept=True, program=program)
    before = gateway.workers()
    install(program, "#!/bin/sh\nexec sleep 300\n")
    gateway.signal(signal.SIGUSR2)
    peers.wait_for(lambda: [text for text in gateway.problems() if "signal 9" in text], 40,
                   "the end of the self-test")
    assert gateway.workers() == before and opens(case)


def test_counters_of_a_tenant_that_went_during_an_upgrade_do_not_come_to_others(case):
    gateway = start(case, kept=True)
    for _ in range(7):
        assert opens(case)
    ready = gateway.keeper.n_ready
    gateway.process.send_signal(signal.SIGSTOP)  # it misses the change
    gateway.remove("acme")
    gateway.put(tenant_object(case.lab.acme, 1, [service("other", [case.lab.acme.address(1)],
                                                         tcp(2222, 22))]) | {"tenant": "newco"})
    gateway.signal(signal.SIGUSR2)
    gateway.process.send_signal(signal.SIGCONT)
    gateway.keeper.wait_ready(ready + 1)
    peers.wait_for(lambda: "newco/other" in gateway.services(), 20, "the new tenant")
    assert gateway.services()["newco/other"]["accepted"] == 0


def test_upgrades_asked_for_faster_than_they_are_done(case):
    gateway = start(case, kept=True)
    load = Load(case)
    load.more(20)
    before, ready = gateway.workers(), gateway.keeper.n_ready
    for _ in range(20):
        gateway.signal(signal.SIGUSR2)
    gateway.keeper.wait_ready(ready + 1)
    load.more(20)
    peers.wait_for(lambda: not former(gateway), 20, "the former workers to end")
    assert not set(before) & set(gateway.workers())
    load.stop()


def test_upgrade_to_a_replaced_program(case, program):
    gateway = start(case, kept=True, program=program)
    install(program)
    upgrade(gateway)
    assert os.readlink(f"/proc/{gateway.process.pid}/exe") == program, "not a deleted one"
    assert opens(case)
    wait_former_gone(gateway)


def test_upgrade_leaks_no_descriptor(case):
    def descriptors():
        folder = f"/proc/{gateway.process.pid}/fd"
        return collections.Counter(os.readlink(os.path.join(folder, fd)).split(":")[0]
                                   for fd in os.listdir(folder))

    gateway = start(case, kept=True)
    peers.wait_for(lambda: gateway.status()["access_log"]["running"], message="the log child")
    upgrade(gateway)  # the first one makes the segment of what former workers counted
    wait_former_gone(gateway)
    before = descriptors()
    for _ in range(3):
        upgrade(gateway)
        wait_former_gone(gateway)
    # "before" may have a control client that was just leaving
    peers.wait_for(lambda: not descriptors() - before, 10, "no descriptor more than before")


@pytest.mark.parametrize("script, why", [
    ("#!/bin/sh\nexit 3\n", "exit status 3"),
    ("#!/bin/sh\nkill -SEGV $$\n", "signal 11"),
    ("#!/nowhere\n", "No such file"),
    # passes its test, and then is not there
    ('#!/bin/sh\nrm "$0"\n', "No such file"),
], ids=["fails", "crashes", "no-program", "exec-fails"])
def test_e10_upgrade_to_a_bad_program_changes_nothing(case, program, script, why):
    gateway = start(case, kept=True, program=program)
    before, transfer = gateway.workers(), Transfer(case)
    install(program, script)
    gateway.signal(signal.SIGUSR2)
    assert why in problem_with(gateway, "upgrade")
    assert gateway.workers() == before and opens(case)
    gateway.reload()
    transfer.more()
    # and a good one is taken all the same, later
    install(program)
    upgrade(gateway)
    assert not [text for text in gateway.problems() if "upgrade" in text]
    transfer.more()
    transfer.stop()
    wait_former_gone(gateway)


@pytest.mark.parametrize("name", ["sixgate-proxy", "sixgate-agent"])
@pytest.mark.parametrize("script", [None, "#!/bin/sh\nexit 127\n"], ids=["missing", "broken"])
def test_upgrade_without_a_workers_program_changes_nothing(case, program, name, script):
    # as a package that is half installed leaves it: the new control could not start
    gateway = start(case, kept=True, program=program)
    before, transfer = gateway.workers(), Transfer(case)
    path = os.path.join(os.path.dirname(program), name)
    os.unlink(path)
    if script:
        install(path, script)
    gateway.signal(signal.SIGUSR2)
    problem_with(gateway, "self-test")
    assert gateway.workers() == before and opens(case)
    transfer.more()
    transfer.stop()


def test_worker_started_after_a_failed_upgrade_has_its_own_descriptors_only(case, program):
    gateway = start(case, kept=True, program=program)
    n_listeners = len(gateway.status()["listeners"])
    before = rest.Usage(gateway.workers()[0], n_listeners).kinds
    install(program, '#!/bin/sh\nrm "$0"\n')
    gateway.signal(signal.SIGUSR2)
    problem_with(gateway, "upgrade")
    killed = gateway.workers()[0]
    os.kill(killed, signal.SIGKILL)
    peers.wait_for(lambda: killed not in gateway.workers() and
                   [worker["state"] for worker in gateway.status()["workers"]] == ["running"] * 2,
                   message="its successor")
    peers.wait_for(lambda: rest.Usage(gateway.workers()[0], n_listeners).kinds == before,
                   message="the descriptors of its predecessor")


def test_upgrade_with_a_broken_config_changes_nothing(case):
    gateway = start(case, kept=True)
    before, transfer = gateway.workers(), Transfer(case)
    gateway.write_config_text("node: {name: [}\n")
    gateway.signal(signal.SIGUSR2)
    problem_with(gateway, "self-test")
    assert gateway.workers() == before and opens(case)
    transfer.more()
    transfer.stop()


def test_upgrade_would_lose_a_tenant_whose_newest_object_is_broken(case):
    gateway = start(case, kept=True)
    before = gateway.workers()
    gateway.put_text("acme", "tenant: acme\nserial: 2\nservices: [")
    problem_with(gateway, "acme")
    gateway.signal(signal.SIGUSR2)
    problem_with(gateway, "tenants are refused")
    assert gateway.workers() == before and opens(case)
    gateway.put(web(case, serial=2))
    peers.wait_for(lambda: not [text for text in gateway.problems() if "acme" in text],
                   message="the mended object")
    upgrade(gateway)
    assert opens(case)
    wait_former_gone(gateway)


def test_upgrade_with_a_taken_port_serves_the_others(case):
    gateway = start(case, kept=True)
    transfer = Transfer(case)
    taken = case.lab.gateway.listen(POOL[0], 9443)
    gateway.write_config({"listeners": [{"address": "any", "port": 9443, "protocol": "tls"}]})
    upgrade(gateway)
    assert "in use" in problem_with(gateway, "9443")
    transfer.more()
    assert opens(case)
    taken.close()
    peers.wait_for(lambda: not gateway.problems(), 20, "the port to be opened")
    transfer.stop()
    wait_former_gone(gateway)


def test_upgrade_takes_the_new_config(case):
    gateway = start(case, kept=True)
    gateway.write_config({"listeners": [{"address": "any", "port": 8443, "protocol": "tls"}]})
    upgrade(gateway)
    assert {entry["address"].rsplit(":", 1)[1] for entry in gateway.status()["listeners"]} == {
        "8443", "2222", "7"}
    peers.wait_for(lambda: not [name for name in gateway.keeper.names() if ",443," in name],
                   message="the manager to let go")
    wait_former_gone(gateway)
    with pytest.raises(ConnectionRefusedError):
        case.lab.client.connect(POOL[1], 443)


def test_upgrade_keeps_the_number_of_workers_and_says_so(case):
    gateway = start(case, kept=True)
    load = Load(case)
    gateway.write_config({"workers": 3})
    upgrade(gateway)
    assert "3 after a restart" in problem_with(gateway, "workers")
    assert len(gateway.workers()) == 2
    load.more(50)
    wait_former_gone(gateway)
    load.stop()


def test_stop_during_a_drain_waits_for_the_former_sessions(case):
    gateway = start(case, kept=True)
    transfer = Transfer(case)
    upgrade(gateway)
    gateway.signal(signal.SIGTERM)
    peers.wait_for(lambda: gateway.status()["state"] == "draining", message="the drain")
    transfer.more()
    transfer.stop()
    assert gateway.process.wait(20) == 0, gateway.log()
    lines_are(gateway, 1)
    gateway.start()


def test_upgrade_without_a_service_manager(case):
    gateway = start(case)
    before, transfer = gateway.workers(), Transfer(case)
    gateway.signal(signal.SIGUSR2)
    peers.wait_for(lambda: gateway.log().count("control: ready") == 2, 20, "the upgrade")
    peers.wait_for(lambda: len(former(gateway)) == 1, 20, "all but one to end")
    assert not set(before) & set(gateway.workers()) and opens(case)
    transfer.more()
    transfer.stop()
    wait_former_gone(gateway)
