# SPDX-License-Identifier: GPL-3.0-or-later
"""The query log of DNS64, end to end: what it says, and that it holds nothing up."""

import contextlib
import json
import os
import signal

from peers import wait_for
from test_dns64 import (  # pylint: disable=unused-import
    DNS64, PREF64, Stub, dns, named, pids, short, start, upstream)


def log_path(gateway):
    return os.path.join(gateway.log_folder, "queries.log")


def logging(gateway_or_path, **more):
    """The config with a query log."""
    return {"dns64": {**DNS64["dns64"], "query_log": {"file": gateway_or_path, **more}}}


def lines_of(path):
    with contextlib.suppress(FileNotFoundError), open(path, "rb") as log:
        data = log.read()
        return data[:data.rfind(b"\n") + 1].splitlines()
    return []


def wait_lines(path, count):
    wait_for(lambda: len(lines_of(path)) >= count, message=f"{count} lines in {path}")
    return lines_of(path)


def log_off(gateway):
    gateway.write_config({"dns64": {**DNS64["dns64"], "query_log": "off"}})
    gateway.reload()
    wait_for(lambda: not gateway.status()["query_log"]["running"])


@contextlib.contextmanager
def logged(case):
    """A gateway that has no query log, then one, and none again; and its path."""
    gateway = start(case)
    assert short(case.lab.acme, "n0.example", "AAAA") != []
    assert gateway.status()["query_log"] == {"on": False, "running": False, "lines": 0,
                                             "dropped": 0}
    path = log_path(gateway)
    gateway.write_config(logging(path))
    gateway.reload()
    assert lines_of(path) == []  # what was asked before is nowhere
    yield gateway, path
    log_off(gateway)
    before = lines_of(path)
    assert short(case.lab.acme, "n0.example", "AAAA") != []
    gateway.write_config(logging(path))  # what was asked meanwhile did not wait for this
    gateway.reload()
    assert short(case.lab.acme, "six.example", "AAAA") != []
    last, = wait_lines(path, len(before) + 1)[len(before):]
    assert b"six.example." in last
    log_off(gateway)


def test_a_line_a_query_says_what_became_of_it(case, upstream):  # pylint: disable=redefined-outer-name
    with logged(case) as (gateway, path):
        acme, globex = case.lab.tenants[:2]
        assert short(acme, "four.example", "AAAA") == [f"{PREF64}c633:6414"]
        assert short(acme, "+tcp", "four.example", "AAAA") == [f"{PREF64}c633:6414"]
        short(globex, "six.example", "AAAA")
        short(acme, "none.example", "AAAA")
        short(acme, "ipv4only.arpa", "A")
        short(acme, r"a\.b\010\"'.example", "AAAA")
        short(case.lab.internet, "four.example", "AAAA")  # no tenant's: counted alone
        found = sorted((json.loads(line) for line in wait_lines(path, 6)),
                       key=lambda line: line["time"])  # of two workers
        assert [{key: line[key] for key in ("tenant", "protocol", "name", "type", "rcode", "from",
                                            "synthesis")} for line in found] == [
            dict(zip(("tenant", "protocol", "name", "type", "rcode", "from", "synthesis"), words))
            for words in (
                ("acme", "udp", "four.example.", "AAAA", "NOERROR", "upstream", "yes"),
                ("acme", "tcp", "four.example.", "AAAA", "NOERROR", "cache", "yes"),
                ("globex", "udp", "six.example.", "AAAA", "NOERROR", "upstream", "has-ipv6"),
                ("acme", "udp", "none.example.", "AAAA", "NXDOMAIN", "upstream", "no-name"),
                ("acme", "udp", "ipv4only.arpa.", "A", "NOERROR", "here", None),
                ("acme", "udp", "a\\046b\\010\\034\\039.example.", "AAAA", "NXDOMAIN", "upstream",
                 "no-name"))]
        assert all(line["client"].startswith(f"[{host.prefix.split('::')[0]}:")
                   for line, host in zip(found, (acme, acme, globex)))
        assert all(line["time"].endswith("Z") and 0 <= line["ms"] < 5000 for line in found)
        status = wait_for(lambda: (gateway.status()["query_log"]["lines"] == 6
                                   and gateway.status()["query_log"]))
        assert status == {"on": True, "running": True, "lines": 6, "dropped": 0}
        assert "query log 6 lines" in gateway.cli("status").stdout


def test_rotation_then_one_in_ten_as_text(case, upstream):  # pylint: disable=redefined-outer-name
    with logged(case) as (gateway, path):
        stub = Stub(case.lab.acme)
        stub.send("four.example")
        stub.ids(1)
        wait_lines(path, 1)
        os.rename(path, path + ".1")
        gateway.signal(signal.SIGHUP)
        wait_for(lambda: os.path.exists(path), message="a new file")
        stub.send("four.example")
        stub.ids(1)
        assert len(wait_lines(path, 1)) == 1 and len(lines_of(path + ".1")) == 1
        gateway.write_config(logging(path, one_in=10, format="text"))
        gateway.reload()
        for _ in range(100):
            stub.send("four.example")
            stub.ids(1)
        lines = wait_lines(path, 11)
        assert len(lines) == 11 and b" tenant=acme " in lines[-1] and b" name='four.example.' " in lines[-1]


def test_a_log_that_nobody_reads_holds_no_query_up(case, upstream):  # pylint: disable=redefined-outer-name
    with logged(case) as (gateway, path):
        assert short(case.lab.acme, "four.example", "AAAA") != []
        wait_lines(path, 1)
        child = gateway.log_child(queries=True)
        os.kill(child, signal.SIGSTOP)
        stub = Stub(case.lab.acme)
        try:
            for _ in range(60):  # 256 KiB of pipe and 64 of the worker's
                for _ in range(50):
                    stub.send("four.example")
                stub.ids(50)
            dropped = gateway.status()["query_log"]["dropped"]
            assert dropped > 0 and gateway.status()["access_log"]["dropped"] == 0
        finally:
            os.kill(child, signal.SIGCONT)
        for line in wait_lines(path, 3001 - dropped):
            assert json.loads(line)["name"] == "four.example."
        assert len(lines_of(path)) == 3001 - dropped


def ask_fifty(host):
    stub = Stub(host)
    for _ in range(50):
        stub.send("four.example")
    stub.ids(50)
    return stub


def test_lines_outlive_the_workers_and_the_end(case, upstream):  # pylint: disable=redefined-outer-name
    with logged(case) as (gateway, path):
        stub = ask_fifty(case.lab.acme)
        assert gateway.stop() == 0
        assert len(lines_of(path)) == 50
        gateway.start()
        stub.send("four.example")
        stub.ids(1)
        wait_lines(path, 51)


def is_upgraded(gateway, before):
    with contextlib.suppress(OSError, json.JSONDecodeError, IndexError, AssertionError):
        return not set(before) & set(pids(gateway)) and not gateway.status()["former"]
    return False


def test_an_upgrade_loses_no_line_and_counts_on(case, upstream):  # pylint: disable=redefined-outer-name
    with logged(case) as (gateway, path):
        stub = ask_fifty(case.lab.acme)
        wait_lines(path, 50)
        wait_for(lambda: gateway.status()["query_log"]["lines"] == 50)
        before = pids(gateway)
        gateway.signal(signal.SIGUSR2)
        wait_for(lambda: is_upgraded(gateway, before), message="workers of the new image alone")
        stub.send("four.example")
        stub.ids(1)
        assert len(wait_lines(path, 51)) == 51
        wait_for(lambda: gateway.status()["query_log"]["lines"] == 51)
