# SPDX-License-Identifier: GPL-3.0-or-later
"""The command `sixgate` against a live gateway: every verb, as an operator types it."""

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess

import clients
import peers
from gateway import BUILD, service, tcp, tls
from lab import POOL
from peers import works

NOBODY = 65534
SOURCE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")


def web(case, serial=1, **more):
    return case.tenant(case.lab.acme, service(
        "web", [case.lab.acme.address()], tcp(2222, 22), tls(["shop.example"]), **more), serial=serial)


def document(gateway, *argv):
    """What a reading verb prints with --json."""
    found = json.loads(gateway.cli(*argv, "--json").stdout)
    assert found.pop("schema") == "sixgate/1"
    return found


def row(text, start):
    """The line of a table or screen that begins with start, in words."""
    [line] = [line for line in text.splitlines() if line.startswith(start)]
    return line.split()


def ended(sock):
    with contextlib.suppress(ConnectionResetError):
        return sock.recv(1) == b""
    return True


def check(*paths):
    """`check` talks to nobody: it has no --socket."""
    return subprocess.run([os.path.join(BUILD, "sixgate"), "check", *paths], capture_output=True, text=True,
                          stdin=subprocess.DEVNULL, check=False)


def test_status_of_a_quiet_gateway(case):
    gateway = case.start(web(case))
    shown = gateway.cli("status").stdout
    assert shown.startswith("sixgated ") and " on exit1 (farm testfarm), running, up " in shown
    assert row(shown, "no problems")
    assert row(shown, "workers")[1:5] == ["2", "of", "2", "running,"]
    assert row(shown, "tenants")[1:3] == ["2", "active,"]
    assert len(shown.splitlines()) <= 24
    found = document(gateway, "status")
    assert found["pid"] == gateway.process.pid
    assert {worker["state"] for worker in found["workers"]} == {"running"}


def test_status_shows_a_broken_object_first_until_it_is_mended(case):
    case.backend(case.lab.acme, 22)
    gateway = case.start(web(case))
    gateway.put_text("acme", json.dumps(web(case, serial=2)).replace("2222", "70000"))
    peers.wait_for(gateway.problems, message="the problem")
    lines = gateway.cli("status").stdout.splitlines()
    assert lines[1] == "1 problem:"
    assert lines[2].startswith("  error    ") and "acme" in lines[2] and "70000 is not 1..65535" in lines[2]
    assert document(gateway, "status")["tenants"]["refused"] == 1
    assert works(case.connect(2222))  # the former serial is in force
    gateway.put(web(case, serial=3))
    peers.wait_for(lambda: not gateway.problems(), message="no problem")
    assert row(gateway.cli("status").stdout, "no problems")


def test_status_shows_a_worker_that_died(case):
    gateway = case.start(web(case))
    os.kill(gateway.workers()[0], signal.SIGKILL)
    peers.wait_for(lambda: [w["restarts"] for w in document(gateway, "status")["workers"]] == [1, 0],
                   message="the restart")
    peers.wait_for(lambda: row(gateway.cli("status").stdout, "workers")[1:5] == ["2", "of", "2", "running,"],
                   message="both workers")


def test_services_count_what_happened(case):
    case.backend(case.lab.acme, 22)
    gateway = case.start(web(case))
    sock = case.connect(2222)
    assert works(sock, b"x" * 1000)
    head = gateway.cli("services").stdout.splitlines()[0].split()
    found = dict(zip(head, row(gateway.cli("services").stdout, "acme ")))
    assert (found["SERVICE"], found["BACKENDS"], found["NOW"], found["ACCEPTED"]) == ("web", "1", "1", "1")
    [item] = [s for s in document(gateway, "services")["services"] if s["tenant"] == "acme"]
    assert (item["active"], item["accepted"], item["refused"]) == (1, 1, 0)
    assert item["backends"][0]["address"] == case.lab.acme.address()
    peers.wait_for(lambda: [s["bytes_out"] for s in document(gateway, "services")["services"]
                            if s["tenant"] == "acme"] == [1000], message="the bytes")


def test_sessions_show_who_is_there(case):
    case.backend(case.lab.acme, 22)
    case.backend(case.lab.acme, 443)
    gateway = case.start(web(case))
    raw, named = case.connect(2222), case.connect(443, address=POOL[0])
    assert works(raw) and works(named, clients.hello("shop.example"))
    found = document(gateway, "sessions", "--tenant", "acme")
    assert found["complete"] is True
    assert {(s["client"], s["local"], s["name"]) for s in found["sessions"]} == {
        ("%s:%d" % raw.getsockname(), f"{POOL[1]}:2222", ""),
        ("%s:%d" % named.getsockname(), f"{POOL[0]}:443", "shop.example")}
    shown = gateway.cli("sessions").stdout
    assert [line.split()[-1] for line in shown.splitlines()[1:]].count("shop.example") == 1
    assert gateway.cli("sessions", "--tenant", "globex").stdout.splitlines()[1:] == []
    done = gateway.cli("sessions", "--tenant", "nobody", check=False)
    assert (done.returncode, done.stdout) == (1, "") and "tenant" in done.stderr


def members(value):
    """The names of all members of a document, but for what counts by reason."""
    if isinstance(value, list):
        return set().union(*map(members, value))
    if not isinstance(value, dict):
        return set()
    inner = {"applied": 0} if "applied" in value else value
    return set(inner).union(*map(members, inner.values()))


def test_manual_names_every_member_of_a_document_and_no_other(case):
    case.backend(case.lab.acme, 22)
    gateway = case.start(web(case))
    assert works(case.connect(2222))
    with open(os.path.join(SOURCE, "doc", "sixgate.1"), encoding="utf-8") as page:
        part = page.read().split(".Sh JSON OUTPUT")[1].split(".Sh ENVIRONMENT")[0]
    blocks = re.findall(r"^\.It Cm (status|services|sessions)\n(.*?)(?=^\.It|^\.El)", part,
                        re.MULTILINE | re.DOTALL)
    assert len(blocks) == 3
    for verb, block in blocks:
        told = {word for line in re.findall(r"^\.(?:Ic|Pq Ic) (.*)", block, re.MULTILINE)
                for word in re.findall(r"[a-z_0-9]+", line)}
        shown = members(document(gateway, verb))
        if verb == "status":  # of lists that are empty
            shown |= {"level", "what", "text", "clients"}
        assert told == shown, verb


def test_many_sessions_come_whole(case):
    case.backend(case.lab.acme, 22)
    gateway = case.start(web(case))
    socks = [case.connect(2222) for _ in range(300)]
    assert all(works(sock) for sock in socks)
    found = document(gateway, "sessions")
    assert found["complete"] is True
    assert {s["client"] for s in found["sessions"]} == {"%s:%d" % sock.getsockname() for sock in socks}
    assert len({s["id"] for s in found["sessions"]}) == 300
    assert len(gateway.cli("sessions").stdout.splitlines()) == 301


def test_kill_takes_the_id_that_sessions_shows(case):
    case.backend(case.lab.acme, 22)
    gateway = case.start(web(case))
    one, two = case.connect(2222), case.connect(2222)
    assert works(one) and works(two)
    victim = [line.split()[0] for line in gateway.cli("sessions").stdout.splitlines()
              if ":%d " % one.getsockname()[1] in line][0]
    assert gateway.cli("kill", victim).stdout == f"killed {victim}\n"
    assert ended(one) and works(two)
    for gone in (victim, "0.999999", "77.1", "x"):
        done = gateway.cli("kill", gone, check=False)
        assert (done.returncode, done.stdout) == (1, "") and done.stderr.startswith("sixgate: ")


def test_drain_ends_a_service_and_refuses_what_is_not_there(case):
    case.backend(case.lab.acme, 22)
    gateway = case.start(web(case, drain="1s"))
    sock = case.connect(2222)
    assert works(sock)
    for wrong in ("acme/nothing", "nobody/web", "web", "2001:db8::dead", ""):
        done = gateway.cli("drain", wrong, check=False)
        assert (done.returncode, done.stdout) == (1, ""), wrong
    assert state_of(gateway, "web") == "active"
    assert gateway.cli("drain", "acme/web").stdout == "draining acme/web\n"
    assert ended(sock)
    assert state_of(gateway, "web") == "drained"


def state_of(gateway, name):
    head, *lines = [line.split() for line in gateway.cli("services").stdout.splitlines()]
    [found] = [dict(zip(head, line)) for line in lines if line[:2] == ["acme", name]]
    return found["STATE"]


def test_a_drained_backend_is_a_part_of_its_service(case):
    acme = case.lab.acme
    gateway = case.start(case.tenant(acme, service(
        "web", [acme.address(0x10), acme.address(0x11)], tcp(2222, 22))))
    assert state_of(gateway, "web") == "active"
    gateway.cli("drain", f"acme/{acme.address(0x11)}")
    assert state_of(gateway, "web") == "partly"


def test_reload_takes_a_good_config_and_shows_what_is_wrong_with_a_bad_one(case):
    case.backend(case.lab.acme, 22)
    gateway = case.start(web(case))
    sock = case.connect(2222)
    assert works(sock)
    good = json.dumps(gateway.config, indent=1)
    gateway.write_config_text(good.replace('"port": 443', '"port": 70000'))
    done = gateway.cli("reload", check=False)
    assert (done.returncode, done.stdout) == (1, "")
    place, shown, caret = done.stderr.splitlines()[:3]
    assert place.startswith(f"sixgate: {gateway.config_path}:") and place.endswith("70000 is not 1..65535")
    assert shown[caret.index("^"):].startswith("70000")
    assert works(sock)
    gateway.write_config_text(good)
    assert gateway.cli("reload").stdout == "reloaded\n"
    assert works(sock)


def test_check_says_what_reload_would(case):
    gateway = case.start(web(case))
    assert check(gateway.config_path).returncode == 0
    gateway.put_text("acme", json.dumps(web(case, serial=2)).replace("2222", "0"))
    done = check(gateway.config_path)
    assert done.returncode == 1 and gateway.object_path("acme") in done.stderr
    gateway.put(web(case, serial=3))


def test_log_level_takes_a_level(case):
    gateway = case.start()
    assert gateway.cli("log-level", "debug").stdout == "log level is now debug\n"
    assert gateway.cli("log-level", "err").returncode == 0
    assert gateway.cli("log-level", "loud", check=False).returncode == 2


def test_who_is_not_in_the_group_is_told_so(case):
    gateway = case.start()
    program = shutil.copy(os.path.join(BUILD, "sixgate"), gateway.folder)
    socket = os.path.join(gateway.run_folder, "control.sock")
    done = subprocess.run([program, "status", "--socket", socket], capture_output=True, text=True,
                          user=NOBODY, group=NOBODY, extra_groups=[], check=False)
    assert (done.returncode, done.stdout) == (3, "")
    assert "Permission denied" in done.stderr and "sixgate-admin" in done.stderr


def test_stopped_gateway_cannot_be_reached(case):
    gateway = case.start()
    assert gateway.stop() == 0
    done = gateway.cli("status", check=False)
    assert (done.returncode, done.stdout) == (3, "") and "Is sixgated running?" in done.stderr
    case.gateway = None  # nothing is left to look at
