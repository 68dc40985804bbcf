# SPDX-License-Identifier: GPL-3.0-or-later
"""Very many changes: of others nothing is touched or lost, and nothing is left."""

import re
import signal
import subprocess

import peers
import pytest
from foreign import descriptors, everything, make_foreign
from gateway import service, tcp
from test_drift import drift, plan

CYCLES, CHANGES = 1000, 500


@pytest.fixture
def device(lab):
    """Where acme's next hop is, which sixgate may route to it by. Before `case`: the lab's own route
    comes back when no sixgated runs, which would put its own there again."""
    host, acme = lab.gateway, lab.acme
    [line] = [one for one in host.ip("-6 route show").splitlines() if one.startswith(acme.prefix)]
    name = line.split(" dev ")[1].split()[0]
    host.ip(f"-6 route del {acme.prefix} dev {name}")
    yield name
    host.ip(f"-6 route replace {acme.prefix} via fe80::2 dev {name}")


def acme_object(case, device, serial, port):
    acme = case.lab.acme
    return case.tenant(acme, service(f"s{serial}", [acme.address()], tcp(port, 22)), serial=serial,
                       tunnels=[{"name": "rack", "kind": "route", "via": "fe80::2",
                                 "interface": device, "prefixes": [acme.prefix]}])


def acme_services(gateway):
    return [name for name in gateway.services() if name.startswith("acme/")]


def test_foreign_objects_survive_1000_tenants_that_come_and_go(device, case):
    host = case.lab.gateway
    make_foreign(host)
    gateway = case.start()
    # the first tunnel brings chains that stay until a restart
    gateway.put(acme_object(case, device, 1, 2222))
    peers.wait_for(lambda: "acme/s1" in gateway.services(), message="the first")
    gateway.remove("acme")
    peers.wait_for(lambda: not acme_services(gateway), message="its end")
    before, open_before = everything(host), descriptors(gateway)
    for cycle in range(CYCLES):
        gateway.put(acme_object(case, device, cycle + 2, 2200 + cycle % 50))
        peers.wait_for(lambda: acme_services(gateway), message=f"tenant of cycle {cycle}")
        gateway.remove("acme")
        peers.wait_for(lambda: not acme_services(gateway), message=f"end of cycle {cycle}")
    peers.wait_for(lambda: descriptors(gateway) == open_before, message="the descriptors of before")
    assert everything(host) == before
    assert plan(gateway) == [] and drift(gateway) == []
    for words in ("link del foreign0", "rule del pref 4000", "-6 rule del pref 4000",
                  "-6 route del blackhole 2001:db8:f02::/48 proto 99"):
        host.ip(words)
    host.run("nft", "delete table inet farmer; delete table ip nat")


def test_500_changes_of_one_lose_no_packet_of_another(device, case):
    gateway = case.start()
    globex = case.lab.globex
    flood = case.lab.internet.popen("ping", "-n", "-q", "-f", globex.address(),
                                    stdout=subprocess.PIPE, text=True)
    for change in range(CHANGES):
        gateway.put(acme_object(case, device, change + 1, 2200 + change % 2))
        peers.wait_for(lambda: f"acme/s{change + 1}" in gateway.services(), message=str(change))
    flood.send_signal(signal.SIGINT)
    said = flood.communicate(timeout=20)[0]
    sent, received = map(int, re.search(r"(\d+) packets transmitted, (\d+) received", said).groups())
    assert sent > CHANGES and sent - received <= 1, said  # the last may be on its way
    assert plan(gateway) == [] and drift(gateway) == []
