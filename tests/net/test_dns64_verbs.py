# SPDX-License-Identifier: GPL-3.0-or-later
"""`sixgate dns ...`: what an operator asks DNS64."""

import contextlib
import json
import os
import signal

from peers import wait_for
from test_dns64 import (  # pylint: disable=unused-import
    DNS64, PREF64, Stub, dns, pids, short, start, tunnels, upstream)


def told(gateway, *argv):
    """The list in the document of a verb."""
    document = json.loads(gateway.cli("dns", *argv, "--json").stdout)
    assert document.pop("schema") == "sixgate/1" and document.pop("complete") is True
    [found] = document.values()
    return found


def asked(gateway, case, name):
    """How many questions to the upstream it takes that all tenants resolve name."""
    before = dns(gateway)["asked"]
    for host in case.lab.tenants:
        assert short(host, name, "AAAA") == [f"{PREF64}c633:6414"]
    return dns(gateway)["asked"] - before


def test_flush_forgets_a_name_in_all_workers(case, upstream):  # pylint: disable=redefined-outer-name
    gateway = start(case)
    questions = asked(gateway, case, "n1.example")
    assert questions in (2, 4)  # of AAAA and A; by one worker, or by each of two
    assert asked(gateway, case, "n2.example") == questions
    assert asked(gateway, case, "n1.example") == 0
    flushed = told(gateway, "flush", "N1.example")
    assert [worker["worker"] for worker in flushed] == [0, 1]
    assert sum(worker["entries"] for worker in flushed) == questions
    assert asked(gateway, case, "n2.example") == 0
    assert asked(gateway, case, "n1.example") == questions
    assert gateway.cli("dns", "flush", "example", "--below").stdout == (
        f"forgot {2 * questions} entries of example and below\n")
    assert asked(gateway, case, "n2.example") == questions
    assert gateway.cli("dns", "flush", "--all").stdout == f"forgot {questions} entries\n"
    assert gateway.cli("dns", "flush", "n1.example").stdout == "forgot 0 entries of n1.example\n"
    done = gateway.cli("dns", "flush", "a..b", check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "sixgate: that is no name of DNS\n"


def test_without_dns64_it_is_said(case):
    gateway = case.start(*(case.tenant(host) for host in case.lab.tenants))
    done = gateway.cli("dns", "flush", "--all", check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "sixgate: dns64 is not configured\n"


def test_stats_tell_what_became_of_each_tenants_queries(case, upstream):  # pylint: disable=redefined-outer-name
    gateway = start(case)
    acme, globex = case.lab.tenants[:2]
    for _ in range(2):
        assert short(acme, "n3.example", "AAAA") == [f"{PREF64}c633:6414"]
    assert short(acme, "none.example", "AAAA") == []
    assert short(globex, "six.example", "AAAA") == ["2001:db8:77::20"]
    stats = {tenant["tenant"]: tenant for tenant in told(gateway, "stats")}
    assert stats["acme"] == {"tenant": "acme", "queries": 3, "cached": 1, "asked": 3,
                             "synthesised": 2, "nxdomain": 1, "servfail": 0, "over_rate": 0}
    assert stats["globex"] == {"tenant": "globex", "queries": 1, "cached": 0, "asked": 1,
                               "synthesised": 0, "nxdomain": 0, "servfail": 0, "over_rate": 0}
    assert told(gateway, "stats", "--tenant", "globex") == [stats["globex"]]
    counts = dns(gateway)
    assert all(counts[name] == sum(tenant[name] for tenant in stats.values())
               for name in stats["acme"] if name != "tenant")
    lines = gateway.cli("dns", "stats").stdout.splitlines()
    assert [line.split()[:4] for line in sorted(lines)] == [
        ["TENANT", "QUERIES", "AT-ONCE", "ASKED"], ["acme", "3", "1", "3"], ["globex", "1", "0", "1"]]
    done = gateway.cli("dns", "stats", "--tenant", "nobody", check=False)
    assert (done.returncode, done.stderr) == (1, "sixgate: there is no such tenant\n")
    # a change, and the death of the workers, are no reason to begin anew
    gateway.put(case.tenant(acme, serial=2, tunnels=tunnels(case, acme)))
    for pid in pids(gateway):
        os.kill(pid, signal.SIGKILL)
    wait_for(lambda: all(w["state"] == "running" and w["restarts"] for w in dns(gateway)["workers"]))
    assert told(gateway, "stats") == list(stats.values())


def cached(gateway, *argv):
    """The entries of all workers, as the set of what is always the same."""
    return {(e["name"], e["type"], e["rcode"], e["records"], e["stale"])
            for e in told(gateway, "cache", *argv)}


def test_cache_shows_what_it_holds_and_follows_its_size(case, upstream):  # pylint: disable=redefined-outer-name
    gateway = start(case)
    assert [w["bytes_max"] for w in told(gateway, "cache")] == [128 << 20] * 2
    entries = asked(gateway, case, "four.example")
    assert short(case.lab.acme, "none.example", "AAAA") == []
    assert sum(w["entries"] for w in told(gateway, "cache")) == entries + 1
    assert cached(gateway, "FOUR.example") == {("four.example.", "AAAA", "NOERROR", 0, False),
                                               ("four.example.", "A", "NOERROR", 1, False)}
    assert all(0 < e["ttl_s"] <= 300 and e["bytes"] <= 250 for e in told(gateway, "cache", "four.example"))
    assert cached(gateway, "none.example") == {("none.example.", "AAAA", "NXDOMAIN", 0, False)}
    assert len(cached(gateway, "example", "--below")) == 3
    assert cached(gateway, "example") == set()
    table = gateway.cli("dns", "cache", "four.example").stdout.splitlines()
    assert table[0].split() == ["WORKER", "TYPE", "ANSWER", "RECORDS", "TTL", "AGE", "BYTES", "IS", "NAME"]
    assert len(table) == 1 + entries
    # a name as it is shown is one that can be asked for
    short(case.lab.acme, r"dotted\.name.example", "TXT")
    shown = gateway.cli("dns", "cache", r"dotted\046name.example").stdout.splitlines()[1].split()[-1]
    assert gateway.cli("dns", "flush", shown).stdout == f"forgot 1 entry of {shown}\n"
    # nothing is taken away by a reload but what has no room
    gateway.write_config({"dns64": {**DNS64["dns64"], "cache": "4MiB"}})
    gateway.reload()
    numbers = told(gateway, "cache")
    assert [w["bytes_max"] for w in numbers] == [2 << 20] * 2
    assert sum(w["entries"] for w in numbers) == entries + 1
    assert all(w["bytes"] < 2000 and w["evicted"] == 0 for w in numbers)


def test_a_smaller_cache_loses_what_has_no_room(case, upstream):  # pylint: disable=redefined-outer-name
    """By a client that asks for names until it is full."""
    gateway = start(case, {"dns64": {**DNS64["dns64"], "cache": "16MiB"}})
    stub = Stub(case.lab.acme)
    for first in range(0, 26000, 100):  # each is NXDOMAIN: one question to the upstream
        numbers = {stub.send(f"x{i}.example") % 65536 for i in range(first, first + 100)}
        assert stub.ids(100) == numbers
    full = max(told(gateway, "cache"), key=lambda w: w["entries"])
    assert full["bytes"] > 4 << 20 and full["evicted"] == 0
    gateway.write_config({"dns64": {**DNS64["dns64"], "cache": "4MiB"}})
    gateway.reload()
    wait_for(lambda: told(gateway, "cache")[full["worker"]]["bytes"] <= 2 << 20)
    less = told(gateway, "cache")[full["worker"]]
    assert less["entries"] + less["evicted"] == full["entries"] and less["entries"] > 5000
    assert short(case.lab.acme, "four.example", "AAAA") == [f"{PREF64}c633:6414"]


def test_a_worker_that_dies_cuts_the_answer_short(case, upstream):  # pylint: disable=redefined-outer-name
    gateway = start(case)
    last = pids(gateway)[-1]
    os.kill(last, signal.SIGSTOP)
    try:
        with gateway.send("dns cache") as sock, sock.makefile("r") as answer:
            assert json.loads(answer.readline()) == {"ok": True}
            assert json.loads(answer.readline())["worker"] == 0
            told(gateway, "query", "four.example")  # of the same worker: so the last one has been asked
            os.kill(last, signal.SIGKILL)
            assert answer.read() == ""  # neither the second worker's nor the end
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(last, signal.SIGKILL)
    wait_for(lambda: all(w["state"] == "running" for w in dns(gateway)["workers"]))
    assert len(told(gateway, "cache")) == 2
