# SPDX-License-Identifier: GPL-3.0-or-later
"""The demo of README, as a program: its end says whether all it showed was right."""

import os
import signal
import subprocess
import sys

from gateway import BUILD

DEMO = os.path.join(os.path.dirname(os.path.abspath(__file__)), "demo.py")
SHOWN = [  # what the client asked for, and what the tenant saw as its address
    ("client_address: embed", "client 2001:db8:a000:ff::c633:6407"),
    ("client_address: proxy-v2", "client 198.51.100.7"),
    ("client_address: proxy-v1", "client 198.51.100.7"),
    ("client_address: hide", "client "),
]


def start(build, *argv):
    return subprocess.Popen([sys.executable, DEMO, *argv], stdin=subprocess.DEVNULL, text=True,
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                            env={**os.environ, "SIXGATE_BUILD": build})


def test_demo_shows_each_exposure_and_ends_well():
    with start(BUILD) as demo:
        told = demo.communicate(timeout=80)[0]
    assert demo.returncode == 0, told
    assert "5 of 5 as they should be" in told and "unrecognized_name" in told
    parts = told.split("\n\n")
    for title, seen in SHOWN:
        [part] = [part for part in parts if title in part]
        assert "client asked:" in part and seen in part and "the same" in part, part
    assert not leftovers(demo.pid)


def test_demo_fails_when_something_is_not_as_it_should_be(tmp_path):
    """Programs that do nothing: no exposure works."""
    for name in ("sixgated", "sixgate"):
        program = tmp_path / name
        program.write_text("#!/bin/sh\nexit 1\n")
        program.chmod(0o755)
    with start(str(tmp_path)) as demo:
        told = demo.communicate(timeout=80)[0]
    assert demo.returncode != 0, told
    assert not leftovers(demo.pid)


def test_demo_keep_leaves_it_running_and_says_how_to_talk_to_it():
    with start(BUILD, "--keep") as demo:
        commands = []
        for line in demo.stdout:
            commands.append(line.strip())
            if line.startswith("Stop it"):
                break
        [status] = [command for command in commands if " status " in command]
        shown = subprocess.run(status.split(), capture_output=True, text=True, check=False)
        assert shown.returncode == 0 and "no problems" in shown.stdout, shown
        demo.send_signal(signal.SIGTERM)
        assert demo.wait(30) == 0
    assert not leftovers(demo.pid)


def leftovers(pid):
    return [name for name in os.listdir("/run/netns") if name.startswith(f"sg{pid}-")]
