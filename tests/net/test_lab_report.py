# SPDX-License-Identifier: GPL-3.0-or-later
"""A test of tests/lab that failed shows the kernel's state and the gateway's log: three are run that
fail, as ./dev lab does it, here where a run costs little."""

import os
import re
import subprocess
import sys

import pytest

LAB = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", "lab"))
TESTS = """
import exitgate
import pytest

exitgate.run = print  # instead of modprobe: what is made here needs no module


def start(case):
    case.prepare(dict.fromkeys(("nat64", "local_ports", "wireguard", "six_in_four")))
    case.gateway.start()


@pytest.fixture
def broken(case):
    start(case)
    assert False, "in a fixture"


def test_fails(case):
    start(case)
    assert False, "in the test"


def test_fails_early(broken):
    pass


def test_leaves_something(case):
    start(case)
    case.place.gateway.ip("route add 2001:db8:bad::/48 dev up0")


def test_passes(case):
    start(case)
"""


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    """{name of a test: all that is printed about it}"""
    folder = tmp_path_factory.mktemp("lab")
    tests = folder / "test_x.py"
    tests.write_text(TESTS)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "--color=no", "-p", "no:cacheprovider", "-p",
         "conftest", "-n", "1", "--rootdir", str(folder), str(tests)], cwd=folder, text=True,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False,
        env={**os.environ, "PYTHONPATH": LAB})
    # what leaves something has passed, and then fails
    assert "1 failed, 2 passed, 2 errors" in done.stdout, done.stdout
    parts = re.split(r"^__+ (?:ERROR at \w+ of )?(\w+) __+$", done.stdout, flags=re.M)
    return dict(zip(parts[1::2], parts[2::2]))


def test_those_that_failed_are_told_of(told):
    assert sorted(told) == ["test_fails", "test_fails_early", "test_leaves_something"]


@pytest.mark.parametrize("name", ["test_fails", "test_fails_early"])
def test_kernels_state_and_log_are_shown(told, name):
    text = told[name]
    kernel, log = text.index("kernel of the gateway"), text.rindex(" sixgated ---")
    shown = text[kernel:log]
    for what in ("--- links, addresses, routes", "203.0.113.10/24", "--- nftables",
                 "table inet sixgate", "local 2001:db8:a000:ff::/96"):
        assert what in shown, what
    assert "ready" in text[log:]


def test_what_is_left_is_shown_as_a_difference(told):
    text = told["test_leaves_something"]
    left = text[text.index("AssertionError: sixgate down left:"):]
    left = left[:left.index("kernel of the gateway")].splitlines()
    assert any(re.match(r"E +\+unicast 2001:db8:bad::/48 dev up0 ", line) for line in left), left
    assert len(left) < 20, left
