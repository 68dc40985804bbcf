# SPDX-License-Identifier: GPL-3.0-or-later
"""The access log to the system's log: a socket of the test, at a path of its own."""

import contextlib
import json
import os
import re
import socket
import tempfile

import pytest

import peers
from gateway import service, tcp
from lab import POOL

DATAGRAM = re.compile(r"<134>[A-Z][a-z]{2} [ 1-3]\d \d\d:\d\d:\d\d sixgate: (\{.*\})")


class Syslog:
    """What reads from the system's log's socket."""

    def __init__(self, path):
        self.path = path
        self.sock = None

    def start(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        self.sock.bind(self.path)
        os.chmod(self.path, 0o666)

    def stop(self):
        self.sock.close()
        os.unlink(self.path)

    def lines(self):
        """The datagrams that are there, as the access log's objects."""
        found = []
        with contextlib.suppress(BlockingIOError):
            while True:
                text = self.sock.recv(65536).decode("ascii")
                match = DATAGRAM.fullmatch(text)
                assert match, text
                found.append(json.loads(match[1]))
        return found


@pytest.fixture
def syslog():
    with tempfile.TemporaryDirectory(prefix="sixgate-syslog-") as folder:
        os.chmod(folder, 0o755)
        reader = Syslog(os.path.join(folder, "log"))
        reader.start()
        yield reader
        reader.sock.close()


def session(case):
    with case.lab.client.connect(POOL[1], 2222) as sock:
        assert peers.works(sock)


def test_lines_go_to_syslog_and_to_the_one_started_after_it(case, syslog):
    case.lines_lost = True  # there is no file
    backend = case.backend(case.lab.acme, 22)
    gateway = case.start(
        case.tenant(case.lab.acme, service("web", [backend.address], tcp(2222, 22))),
        settings={"access_log": {"syslog": syslog.path}})
    session(case)
    [line] = peers.wait_for(syslog.lines, message="the session's line")
    assert (line["tenant"], line["service"], line["reason"]) == ("acme", "web", "done")

    syslog.stop()

    def said():
        session(case)  # its line is lost, and that is found out by it
        return [one for one in gateway.problems() if one.startswith("syslog: ")]

    [problem] = peers.wait_for(said, message="the problem")
    assert syslog.path in problem
    syslog.start()

    def heard():
        session(case)
        return syslog.lines()

    peers.wait_for(heard, message="a line after the restart")
    assert not [one for one in gateway.problems() if one.startswith("syslog: ")]
    peers.wait_for(lambda: gateway.status()["access_log"]["dropped"] > 0, message="lost lines")
    log = gateway.status()["access_log"]
    assert log["lines"] > 0 and log["running"]
