# SPDX-License-Identifier: GPL-3.0-or-later
"""The demo's part that needs tunnels and NAT64, as a program: its end says whether all was right."""

import os
import subprocess
import sys

from gateway import BUILD
from topology import GATEWAY4, SERVER4, embedded

DEMO = os.path.join(os.path.dirname(os.path.abspath(__file__)), "demo.py")
INSIDE = embedded(SERVER4[0])  # the client as NAT64 shows it
SHOWN = [  # and what the server saw as its client
    ("acme (WireGuard) fetches from", GATEWAY4),
    ("globex (6in4) fetches from", GATEWAY4),
    ("acme (WireGuard) is reached from", embedded(SERVER4[0], "2001:db8:a000:ff::")),
    ("globex (6in4) is reached from", embedded(SERVER4[0], "2001:db8:a000:ff::")),
    ("acme (WireGuard) is reached from", INSIDE),
    ("globex (6in4) is reached from", INSIDE),
]


def run(build):
    done = subprocess.run([sys.executable, DEMO], stdin=subprocess.DEVNULL, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=200, check=False,
                          env={**os.environ, "SIXGATE_BUILD": build})
    return done.returncode, done.stdout


def test_demo_shows_both_tunnels_both_ways():
    code, told = run(BUILD)
    assert code == 0, told
    assert "6 of 6 as they should be" in told
    parts = [part for part in told.split("\n\n") if "the server saw:" in part]
    assert len(parts) == len(SHOWN) and all("the same" in part for part in parts), told
    for title, seen in SHOWN:
        assert [part for part in parts if title in part and f"saw:  {seen}\n" in part], told


def test_demo_without_a_gateway_fails(tmp_path):
    for name in ("sixgated", "sixgate"):
        program = tmp_path / name
        program.write_text("#!/bin/sh\nexit 1\n")
        program.chmod(0o755)
    code, told = run(str(tmp_path))
    assert code != 0, told
