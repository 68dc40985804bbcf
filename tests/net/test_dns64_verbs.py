# SPDX-License-Identifier: GPL-3.0-or-later
"""`sixgate dns ...`: what an operator asks DNS64."""

import json
import os
import signal

from peers import wait_for
from test_dns64 import (  # pylint: disable=unused-import
    PREF64, dns, pids, short, start, tunnels, upstream)


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
