# SPDX-License-Identifier: GPL-3.0-or-later
"""Restart, while a service manager keeps the sockets: nobody in a queue is lost."""

import os
import signal
import socket

import peers
import pytest
from gateway import tcp
from lab import POOL
from test_control import opens, web
from test_upgrade import Load, Transfer, lines_are, start


def test_restart_under_load_refuses_and_resets_nobody(case):
    gateway = start(case, kept=True)
    load, transfer = Load(case), Transfer(case)
    load.more()
    transfer.more()
    gateway.signal(signal.SIGTERM)
    peers.wait_for(lambda: gateway.status()["state"] == "draining", message="the drain")
    transfer.more()  # a running session has its time to end
    assert gateway.status()["active"] >= 1
    transfer.stop()
    assert gateway.process.wait(20) == 0, gateway.log()
    gateway.start()
    load.more()
    lines_are(gateway, load.stop() + 1)


def test_killed_sixgated_comes_back_on_the_same_sockets(case):
    gateway = start(case, kept=True)
    case.lines_lost = True  # those of before are written late
    load, transfer = Load(case), Transfer(case)
    load.more()
    gateway.signal(signal.SIGKILL)
    gateway.process.wait(20)
    transfer.more()  # its worker drains
    gateway.start()
    load.more()
    transfer.more()
    transfer.stop()
    load.stop()


def test_client_that_came_while_nothing_ran_is_served(case):
    gateway = start(case, kept=True)
    assert gateway.stop() == 0
    with case.lab.client.connect(POOL[1], 2222) as early:
        early.sendall(b"early")
        gateway.start()
        assert peers.read_exactly(early, 5) == b"early"


def test_port_given_up_while_nothing_ran_closes(case):
    gateway = start(case, kept=True)
    names = [name for name in gateway.keeper.names() if ",2222," in name]
    assert len(names) == 2, "one for each worker"
    assert gateway.stop() == 0
    gateway.remove("acme")
    gateway.start()
    peers.wait_for(lambda: not [name for name in gateway.keeper.names() if ",2222," in name],
                   message="the manager to let go")
    with pytest.raises(ConnectionRefusedError):
        case.lab.client.connect(POOL[1], 2222)


def test_port_given_up_while_running_closes_at_the_manager(case):
    gateway = start(case, kept=True)
    gateway.put(web(case, tcp(2223, 22), serial=2))
    peers.wait_for(lambda: opens(case, 2223), message="the new port")
    peers.wait_for(lambda: not [name for name in gateway.keeper.names() if ",2222," in name],
                   message="the manager to let go")
    with pytest.raises(ConnectionRefusedError):
        case.lab.client.connect(POOL[1], 2222)


def test_restart_with_other_workers_opens_sockets_anew(case):
    gateway = start(case, kept=True)
    assert gateway.stop() == 0
    gateway.write_config({"workers": 3})
    gateway.start()
    case.baseline = {}  # with two
    assert {name.rsplit(",", 1)[1] for name in gateway.keeper.names()} == {"3"}
    assert opens(case) and len(gateway.workers()) == 3


def test_wrong_descriptors_are_let_go_of_and_the_rest_serves(case):
    gateway = start(case, kept=True)
    assert gateway.stop() == 0
    host = case.lab.gateway
    udp = host.socket(socket.AF_INET, socket.SOCK_DGRAM)
    silent, elsewhere = host.socket(socket.AF_INET), host.listen("127.0.0.1", 2299)
    wrong = [(f"{POOL[0]},2290,0,2", udp), (f"{POOL[0]},2291,0,2", silent),
             (f"{POOL[0]},2292,0,2", elsewhere), ("stored", elsewhere), (f"{POOL[0]},0,9,2", udp),
             ("worker,0,1", udp)]
    for name, sock in wrong:
        gateway.keeper.stored.append((name, os.dup(sock.fileno())))
    # half a group: its port cannot be served by it
    half = next(entry for entry in gateway.keeper.stored if entry[0] == f"{POOL[1]},2222,1,2")
    gateway.keeper.stored.remove(half)
    os.close(half[1])
    for sock in (udp, silent, elsewhere):
        sock.close()
    gateway.start()
    assert opens(case)
    peers.wait_for(lambda: not set(gateway.keeper.names()) & {name for name, _ in wrong},
                   message="the manager to let go")
    assert gateway.log().count("is not a socket of ours") == len(wrong)
    assert [name for name in gateway.keeper.names() if ",2222," in name] == [
        f"{POOL[1]},2222,0,2", f"{POOL[1]},2222,1,2"]
