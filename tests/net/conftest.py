# SPDX-License-Identifier: GPL-3.0-or-later
"""Fixtures: `lab`, the hosts, once a run; `case`, what one test starts and connects.

At the end of each test case.finish() closes its clients, lets the gateway come to rest and makes
the assertions of rest.py. Start with: sudo ./dev test tests/net/test_x.py -k name
"""

import contextlib
import os
import signal
import sys

import pytest

sys.path.insert(0, os.path.dirname(__file__))

import clients  # noqa: E402
import failures  # noqa: E402
import peers  # noqa: E402
import rest  # noqa: E402
from gateway import Gateway, service, tcp, tenant_object  # noqa: E402
from lab import POOL, Lab  # noqa: E402

CANARY_PORT = 7
CANARY_SOURCE = "198.51.100.254"
# a test that hangs fails, with the place
TEST_SECONDS_MAX = 300


class Case:
    """One test: a gateway, backends and clients, all closed at its end."""

    def __init__(self, lab, folder):
        self.lab = lab
        self.folder = str(folder)
        self.gateway = None
        self.clients = contextlib.ExitStack()   # closed first
        self.services = contextlib.ExitStack()  # closed last
        self.baseline = {}
        self.lines_lost = False  # set by a test that makes the access log lose lines
        self.exit_code = 0       # what sixgated is expected to exit with
        self.objects = {}

    # The gateway

    def start(self, *objects, settings=None, **more):
        """Starts a gateway with these tenant objects; globex also carries the canary."""
        backend = self.backend(self.lab.globex, CANARY_PORT, address=self.lab.globex.address(0x1f))
        canary = service("canary", [backend.address],
                         tcp(CANARY_PORT, CANARY_PORT, ipv4=POOL[2], client_address="hide"))
        by_name = {tenant["tenant"]: tenant for tenant in objects}
        globex = by_name.get("globex") or tenant_object(self.lab.globex, 1, [])
        globex["services"] = [*globex["services"], canary]
        by_name["globex"] = globex
        self.gateway = Gateway(self.lab, settings, by_name.values(), **more)
        if self.gateway.keeper:
            self.services.callback(self.gateway.keeper.close)
        self.services.callback(self.gateway.stop)
        self.gateway.start()
        self.baseline = rest.at_start(self.gateway)
        return self.gateway

    def tenant(self, host, *services, serial=1, **more):
        """A tenant object; host: lab.acme or lab.globex."""
        return tenant_object(host, serial, list(services), **more)

    # Backends

    def backend(self, host, port, handler=peers.echo, address=None):
        return self.serve(peers.Backend(host, port, handler, address))

    def serve(self, server):
        """Closes server at the end of the test."""
        self.services.callback(server.close)
        return server

    # Clients

    def keep(self, sock):
        """Closes sock at the end of the test."""
        self.clients.callback(sock.close)
        return sock

    def connect(self, port, address=POOL[1], **options):
        return self.keep(self.lab.client.connect(address, port, **options))

    def ends(self, port, address=POOL[1], **options):
        """Connects where the session is refused: an end or a reset, which connect() may meet."""
        try:
            peers.assert_ended(self.connect(port, address, **options))
        except ConnectionResetError:
            pass

    def tls(self, name, port=443, address=POOL[0], alpn=(), **options):
        return self.keep(clients.tls_connect(self.lab.client, address, port, name, alpn, **options))

    def source_of_each_worker(self):
        """Addresses for clients, one for each worker in order: a source meets one worker only."""
        found = {}
        for host in range(1, 251):
            source = f"198.51.100.{host}"
            with self.lab.client.connect(POOL[2], CANARY_PORT, source=source) as sock:
                assert peers.works(sock)
                client = "%s:%d" % sock.getsockname()
                [worker] = [session["id"].split(".")[0] for session in self.gateway.sessions()
                            if session["client"] == client]
            found.setdefault(int(worker), source)
            if len(found) == self.gateway.config["workers"]:
                break
        self.gateway.wait_sessions(0)
        return [found[worker] for worker in range(self.gateway.config["workers"])]

    def canary(self):
        # from a source of its own: what a test did to its own must not count
        sock = self.lab.client.connect(POOL[2], CANARY_PORT, source=CANARY_SOURCE, timeout=5)
        with sock:
            sock.sendall(b"still there?")
            assert peers.read_exactly(sock, 12) == b"still there?"

    # The end

    def finish(self, failed):
        try:
            self.clients.close()
            if self.gateway and not failed:
                rest.check(self.gateway, self.baseline, self.canary, self.lines_lost)
                assert self.gateway.stop() == self.exit_code, self.gateway.log()
        finally:
            self.services.close()
        if self.gateway:
            rest.no_report(self.gateway)
            if not failed:
                self.gateway.forget()


@pytest.fixture(scope="session")
def lab():
    if os.geteuid() != 0:
        pytest.exit("network namespaces need root: sudo ./dev test", 2)
    hosts = Lab()
    yield hosts
    hosts.close()


@pytest.fixture(scope="session")
def certificate(tmp_path_factory):
    """One certificate for the names the tests use."""
    return peers.Certificate(str(tmp_path_factory.mktemp("certificates")), "shop.example",
                             "*.shop.example", "plain.example")


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
    outcome = yield
    report = outcome.get_result()
    if report.when == "call":
        item.failed = report.failed
        case = item.funcargs.get("case")
        failures.tell(report, call, case and case.gateway)


@pytest.fixture
def case(lab, tmp_path, request):
    one = Case(lab, tmp_path)
    yield one
    try:
        one.finish(getattr(request.node, "failed", True))
    finally:
        lab.routes_back()
