# SPDX-License-Identifier: GPL-3.0-or-later
"""`sixgate dns query`: what becomes of a tenant's query, step by step, by the worker's own word."""

import re

from peers import wait_for
from test_dns64 import (  # pylint: disable=unused-import
    BINARY, DNS64, PREF64, UPSTREAM, dns, short, start, tunnels, upstream)
from test_dns64_verbs import told


def steps(gateway, *argv):
    """What kind, and the text; of records without their TTL."""
    return [(s["step"], re.sub(r"^(\S+) \d+ ", r"\1 ", s["text"]) if s["step"] == "record" else s["text"])
            for s in told(gateway, "query", *argv)]


def texts(gateway, *argv):
    return "\n".join(f"{step}: {text}" for step, text in steps(gateway, *argv))


def test_query_explains_each_step(case, upstream):  # pylint: disable=redefined-outer-name
    gateway = start(case)
    found = steps(gateway, "four.example", "--tenant", "acme")
    assert [step for step, _ in found] == [
        "policy", "policy", "cache", "upstream", "upstream", "decision", "cache", "upstream", "upstream",
        "decision", "answer", "record"]
    shown = dict(found)
    assert ("policy", f"Pref64 {PREF64}/96, for all of IPv4") in found
    assert ("cache", "AAAA of four.example.: is not there") in found
    assert ("upstream", f"{UPSTREAM} by UDP, 0 ms: asked") in found
    assert re.fullmatch(rf"{UPSTREAM} by UDP, \d+ ms: NOERROR, 1 record", shown["upstream"])
    assert shown["decision"] == "addresses are made of the A records"
    assert shown["answer"] == "NOERROR, 1 record, EDE 29"
    assert shown["record"] == f"four.example. AAAA {PREF64}c633:6414"
    # it is cached as a client's, counted for nobody, and a client's is seen by it
    assert dns(gateway)["queries"] == 0
    again = steps(gateway, "FOUR.example", "AAAA", "-t", "acme")
    assert "upstream" not in dict(again) and again[-1][1].startswith("four.example. ")
    text = gateway.cli("dns", "query", "six.example").stdout
    assert re.search(r" ms  policy    as for any tenant: synthesis is on\n", text)
    assert "1 of 1 addresses count (dns64.exclude): not synthesised\n" in text
    assert re.search(r"\n {21}six\.example\. \d+ AAAA 2001:db8:77::20\n$", text)
    assert "answer: NXDOMAIN, 0 records" in texts(gateway, "none.example")
    assert "decision: passed as it is, not synthesised: there is no such name" in texts(gateway, "none.example")
    assert "record: text.example. TXT \"a text\"" in texts(gateway, "text.example", "TXT")
    for name, text in (("quoted", r'"a\"b\\c"'), ("binary", BINARY)):
        shown = gateway.cli("dns", "query", f"{name}.example", "TXT").stdout.splitlines()[-1]
        assert re.fullmatch(rf" {{21}}{name}\.example\. \d+ TXT (.*)", shown)[1] == text
    assert re.search(r" TXT .{1700,1790}\.\.\.\n", gateway.cli("dns", "query", "long.example", "TXT").stdout)
    assert "is asked for is no AAAA" in texts(gateway, "four.example", "A")
    many = steps(gateway, "many.example")
    assert [step for step, _ in many].count("record") == 80


def test_query_follows_the_tenants_object(case, upstream):  # pylint: disable=redefined-outer-name
    gateway = start(case)
    acme = case.lab.acme
    own = {"prefixes": [{"prefix": "2001:db8:65::/96", "ipv4": ["203.0.113.0/24"]}],
           "never": ["n1.example"], "always": ["six.example"], "exclude": ["2001:db8:77::/48"],
           "records": [{"name": "printer.lan", "addresses": ["203.0.113.9"]}]}
    gateway.put(case.tenant(acme, serial=2, tunnels=tunnels(case, acme), dns64=own))
    wait_for(lambda: short(acme, "printer.lan", "A") == ["203.0.113.9"])
    found = texts(gateway, "printer.lan", "--tenant", "acme")
    assert "policy: Pref64 2001:db8:65::/96, for some of IPv4" in found
    assert "its own: 1 ranges excluded, 1 names never, 1 always synthesised, 1 local records" in found
    assert "decision: the name is of dns64.records" in found and "2001:db8:65::cb00:7109" in found
    found = texts(gateway, "n1.example", "--tenant", "acme")
    assert "not synthesised: the name is below one of dns64.never" in found
    found = texts(gateway, "six.example", "--tenant", "acme")
    assert "the name is below one of dns64.always" in found
    found = texts(gateway, "four.example", "--tenant", "acme")
    assert "198.51.100.20 is not put into 2001:db8:65::/96" in found
    assert "none of the A records is for this tenant" in found and "answer: NOERROR, 0 records" in found
    assert f"record: four.example. AAAA {PREF64}c633:6414" in texts(gateway, "four.example", "-t", "globex")
    assert "synthesis is on" in texts(gateway, "ipv4only.arpa")
    assert "(RFC 8880)" in texts(gateway, "ipv4only.arpa")
    gateway.put(case.tenant(acme, serial=3, state="suspended", dns64={"synthesis": "off"}))
    wait_for(lambda: "is suspended" in texts(gateway, "four.example", "-t", "acme"))
    assert "dns64.synthesis is off" in texts(gateway, "four.example", "-t", "acme")


def test_query_of_an_upstream_that_is_silent_ends(case):
    gateway = start(case)  # nobody is at its upstream
    found = texts(gateway, "four.example")
    assert found.count(f"upstream: {UPSTREAM} by UDP, 0 ms: asked") >= 2
    assert "ms: no answer" in found
    assert "decision: no upstream has answered in 1800 ms" in found
    assert "answer: SERVFAIL, 0 records" in found
    for argv, why in ((["a..b"], "that is no name of DNS"), (["four.example", "AAAAA"], "that is no type of records"),
                      (["four.example", "--tenant", "nobody"], "there is no such tenant")):
        done = gateway.cli("dns", "query", *argv, check=False)
        assert (done.returncode, done.stdout, done.stderr) == (1, "", f"sixgate: {why}\n")
