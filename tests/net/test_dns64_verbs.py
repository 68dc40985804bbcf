# SPDX-License-Identifier: GPL-3.0-or-later
"""`sixgate dns ...`: what an operator asks DNS64."""

import json

from test_dns64 import PREF64, dns, short, start, upstream  # pylint: disable=unused-import


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
