# SPDX-License-Identifier: GPL-3.0-or-later
"""Fixtures: `place`, the hosts with a gateway that knows nothing yet; `hand`, the gateway made by
hand, without sixgate; `case`, the gateway that sixgated makes.

These tests need the modules of a real kernel: ./dev lab runs them in a virtual machine.
"""

import contextlib
import ctypes
import fcntl
import os
import signal
import sys

import pytest

sys.path[:0] = [os.path.dirname(__file__), os.path.join(os.path.dirname(__file__), "..", "net")]

import failures  # noqa: E402
import state  # noqa: E402
from byhand import ByHand  # noqa: E402
from exitgate import Case  # noqa: E402
from netns import libc  # noqa: E402
from topology import Topology  # noqa: E402

# a test that hangs fails, with the place
TEST_SECONDS_MAX = 600
LONG = ("test_change", "test_demo", "test_drift", "test_foreign_cycles", "test_mtu", "test_siit",
        "test_uplink")
CLONE_NEWNS, MS_REC, MS_PRIVATE = 0x20000, 0x4000, 1 << 18


def pytest_sessionstart():
    """A gateway names its namespace for SIIT, always the same: each process of the tests has names
    of namespaces of its own, so that several run beside one another."""
    os.makedirs("/run/netns", exist_ok=True)
    if libc.unshare(CLONE_NEWNS) or libc.mount(None, b"/", None, MS_REC | MS_PRIVATE, None) or \
            libc.mount(b"netns", b"/run/netns", b"tmpfs", 0, None):
        raise OSError(ctypes.get_errno(), "a mount namespace for the tests")


def pytest_configure(config):
    config.addinivalue_line("markers", "alone: takes a module away, which is the whole machine's")


def pytest_collection_modifyitems(items):
    """Those that take long come first, so that at the end no process is busy with one while the
    other has nothing to do; those that wait until no other test runs come last."""
    items.sort(key=lambda item: (item.get_closest_marker("alone") is not None,
                                 item.path.stem not in LONG))


@pytest.fixture(autouse=True)
def modules(request):
    alone = request.node.get_closest_marker("alone")
    with open("/run/sixgate-lab-modules", "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX if alone else fcntl.LOCK_SH)
        yield


@pytest.fixture(scope="session")
def topology():
    hosts = Topology()
    yield hosts
    hosts.close()


@pytest.fixture
def place(topology, request):
    topology.fresh()
    request.node.place = topology
    return topology


@pytest.fixture
def later():
    """What is to be done after the test, last first: later(host.ip, "addr del ...")."""
    with contextlib.ExitStack() as stack:
        yield stack.callback


@pytest.fixture
def hand(place):
    return ByHand(place)


@pytest.fixture
def case(place, request):
    request.node.case = one = Case(place)
    yield one
    one.finish(getattr(request.node, "failed", True))


def hangs(_number, _frame):
    raise AssertionError(f"still running after {TEST_SECONDS_MAX} s")


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_protocol():
    signal.signal(signal.SIGALRM, hangs)
    signal.alarm(TEST_SECONDS_MAX)
    yield
    signal.alarm(0)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """Of a test that failed, in its fixtures, too: what the gateway's kernel has, and its log."""
    outcome = yield
    result = outcome.get_result()
    if result.when == "call":
        item.failed = result.failed
    place, case = getattr(item, "place", None), getattr(item, "case", None)
    if result.failed and place and place.gateway:
        result.sections.append(("kernel of the gateway", state.report(place.gateway)))
    failures.tell(result, call, case and case.gateway)
