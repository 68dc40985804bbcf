# SPDX-License-Identifier: GPL-3.0-or-later
"""What the command tells of tunnels and NAT64 is what the kernel has."""

import contextlib
import json

import peers
import pings
from gateway import service
from topology import GATEWAY4, HOME4, PREF64, SERVER4, embedded


def document(gateway, *argv):
    return json.loads(gateway.cli(*argv, "--json").stdout)


BLOCK = 64
SMALL_BLOCKS = {"nat64": {"driver": "jool", "prefix": PREF64 + "/96", "pool": [GATEWAY4],
                          "ports": "16384-49151", "ports_per_tenant": BLOCK,
                          "permit": ["198.51.100.0/24"]}}


def test_tunnels_and_nat64_are_told(case):
    case.start(SMALL_BLOCKS)
    place, gateway = case.place, case.gateway
    gateway.put(case.acme(serial=2, services=[service("dns", [place.acme.address()], {
        "protocol": "udp", "ipv4": GATEWAY4, "port": 53, "to": 5353, "via": "nat64"})]))
    case.serve(place.in4, 80)
    peers.wait_for(lambda: "acme has udp" in gateway.cli("who", GATEWAY4, "53", check=False).stdout,
                   message="the exposure in force")
    pings.reaches(place.acme, embedded(SERVER4[0]))
    with place.acme.connect(embedded(SERVER4[0]), 80) as sock:
        sock.sendall(b"x")
        assert sock.recv(1) == b"x"
        ours = [s for s in document(gateway, "nat64", "sessions")["sessions"]
                if s["remote"] == f"{SERVER4[0]}:80"]
        assert [(s["tenant"], s["protocol"], s["state"]) for s in ours] == \
            [("acme", "tcp", "established")]
        public = ours[0]["outside"].rpartition(":")
    blocks = {b["tenant"]: b for b in document(gateway, "nat64", "pool")["pool"]}
    assert blocks["acme"]["tcp"] == 1 and not blocks["acme"]["alarm"]
    assert blocks["globex"]["tcp"] == 0
    assert "acme has" in gateway.cli("who", public[0], public[2]).stdout
    assert gateway.cli("who", GATEWAY4, "53").stdout == "acme has udp ports 53-53\n"
    bib = document(gateway, "nat64", "bib", "--tenant", "acme")["bib"]
    assert {(b["outside"], b["kind"]) for b in bib if b["protocol"] == "udp"} == \
        {(f"{GATEWAY4}:53", "static")}
    assert document(gateway, "nat64", "bib", "--tenant", "globex")["bib"] == []
    stats = {s["counter"]: s["value"] for s in document(gateway, "nat64", "stats")["stats"]}
    assert stats["success"] > 0 and stats["bib-entries"] >= 2
    tunnels = {t["tenant"]: t for t in document(gateway, "tunnels")["tunnels"]}
    assert tunnels["acme"]["remote"].startswith(HOME4 + ":")
    assert tunnels["acme"]["handshake_ms"] < 120000 and tunnels["acme"]["bytes_in"] > 0
    assert tunnels["globex"]["kind"] == "6in4"
    ports_run_out_and_come_back(case)


def ports_run_out_and_come_back(case):
    """At nine of ten: in status, in the log, and gone when the mappings are."""
    place, gateway = case.place, case.gateway

    def alarms():
        return [text for text in gateway.problems() if text.startswith("nat64 ports of ")]

    with contextlib.ExitStack() as stack:
        echoes = [stack.enter_context(pings.Echo(place.initech, embedded(SERVER4[0])))
                  for _ in range(BLOCK * 9 // 10 + 1)]

        def full():
            for echo in echoes:
                echo.ask()
            return alarms()

        assert alarms() == []
        [text] = peers.wait_for(full, message="the alarm")
    assert f"initech uses {len(echoes)} of its {BLOCK} ports: see 'sixgate nat64 pool'" in text
    assert text.partition(": ")[2] in gateway.log()
    assert f"warning  {text}" in gateway.cli("status").stdout
    blocks = {b["tenant"]: b for b in document(gateway, "nat64", "pool")["pool"]}
    assert blocks["initech"]["alarm"] and not blocks["globex"]["alarm"]
    place.gateway.run("jool", "-i", "sixgate", "global", "update", "icmp-timeout", "3")
    peers.wait_for(lambda: not alarms(), message="its end")
    assert "ports, and is no more near their end" in gateway.log()
