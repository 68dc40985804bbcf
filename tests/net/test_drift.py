# SPDX-License-Identifier: GPL-3.0-or-later
"""What others change of sixgate's kernel state is named and put back; a restart changes nothing."""

import json
import re

import pytest

import peers
from gateway import service, tcp
from lab import CLIENT_PREFIX, POOL

ROUTE = f"local {CLIENT_PREFIX} dev lo table local proto 206"


def started(case, **settings):
    case.backend(case.lab.acme, 22)
    return case.start(case.tenant(case.lab.acme, service(
        "web", [case.lab.acme.address()], tcp(2222, 22))), **settings)


def drift(gateway):
    return json.loads(gateway.cli("drift", "--json").stdout)["drift"]


def plan(gateway):
    return json.loads(gateway.cli("plan", "--json").stdout)["steps"]


def state(host):
    """All of ours that a dump shows; a hash set's elements have no order."""
    nft = host.run("nft", "-s", "list", "table", "inet", "sixgate")
    # what the kernel fills by itself: who was refused, and how often, is not ours to restore
    nft = re.sub(r"(flags [^{}]*dynamic[^{}]*?)elements = \{[^{}]*\}", r"\1", nft)
    return (sorted(nft.replace(",", " ").split()), host.ip("-6 route show table all proto 206"),
            host.ip("-4 route show table all proto 206"), host.ip("-6 rule show"))


def test_at_rest_there_is_nothing_to_do(case):
    gateway = started(case)
    assert plan(gateway) == [] and drift(gateway) == []
    assert gateway.cli("plan").stdout == "nothing to do\n"
    assert gateway.cli("drift").stdout == "all is as wanted\n"


@pytest.mark.parametrize("command, named", [
    (f"ip -6 route del {ROUTE}", f"route {CLIENT_PREFIX} table 255 local dev lo was missing"),
    ("nft flush chain inet sixgate cpin", "ruleset was"),
    ("nft delete table inet sixgate", "was missing"),
])
def test_what_others_break_is_named_and_put_back_within_a_second(case, command, named):
    gateway = started(case)
    host = case.lab.gateway
    before = state(host)
    host.run(*command.split())
    peers.wait_for(lambda: drift(gateway), 1, "the drift")
    found = drift(gateway)
    assert all(line["mended"] for line in found)
    assert any(named in line["text"] for line in found)
    assert state(host) == before
    assert plan(gateway) == [] and gateway.problems() == []
    if command.startswith("nft"):
        assert any("nft" in line["text"].rpartition(", by ")[2] for line in found)


ON_LINK4 = "203.0.113.24"
ON_LINK = {"uplink": {
    "kind": "direct", "interface": "up1",
    "ipv4": [{"range": f"{address}/32", "delivery": "present"} for address in POOL] +
            [{"range": ON_LINK4 + "/32", "delivery": "onlink"}],
    "ipv6": {"prefix": "2001:db8:a000::/48", "reserved": 256, "on_link": True}}}


def test_what_others_break_of_the_uplink_is_named_and_put_back(case):
    """Addresses are told of; proxy neighbours and settings are looked for."""
    gateway = started(case, settings=ON_LINK)
    host, backend = case.lab.gateway, case.lab.acme.address()
    shown = [host.ip("-o addr show dev up1"), host.ip("-6 neigh show proxy")]
    assert ON_LINK4 in shown[0] and backend in shown[1]
    host.ip(f"addr del {ON_LINK4}/32 dev up1")
    peers.wait_for(lambda: any(f"address {ON_LINK4}/32" in line["text"] for line in drift(gateway)),
                   1, "the address")
    host.ip(f"-6 neigh del proxy {backend} dev up1")
    host.sysctl("net.ipv6.neigh.up1.proxy_delay", 80)
    host.sysctl("net.ipv6.conf.all.forwarding", 0)
    for name in (f"proxy-neighbour {backend}", "sysctl net/ipv6/neigh/up1/proxy_delay",
                 "sysctl net/ipv6/conf/all/forwarding"):
        peers.wait_for(lambda name=name: any(name in line["text"] and line["mended"]
                                             for line in drift(gateway)), 30, name)
    assert plan(gateway) == [] and gateway.problems() == []
    assert [host.ip("-o addr show dev up1"), host.ip("-6 neigh show proxy")] == shown


def test_foreign_objects_stay(case):
    host = case.lab.gateway
    host.ip("-6 route add 2001:db8:f00::/48 dev lo proto 99")
    host.run("nft", "add table inet farmer")
    gateway = started(case)
    gateway.reload()
    assert "2001:db8:f00::/48" in host.ip("-6 route show table all proto 99")
    assert "farmer" in host.run("nft", "list", "tables")
    assert drift(gateway) == []


def test_a_restart_adopts_what_is_there(case):
    gateway = started(case)
    before = state(case.lab.gateway)
    handles = case.lab.gateway.run("nft", "-a", "list", "table", "inet", "sixgate")
    gateway.stop()
    assert state(case.lab.gateway) == before
    gateway.start()
    assert state(case.lab.gateway) == before
    after = case.lab.gateway.run("nft", "-a", "list", "table", "inet", "sixgate")
    assert re.findall("handle .*", after) == re.findall("handle .*", handles)


def test_plan_shows_what_apply_would_do(case):
    gateway = started(case)
    gateway.write_config({"resolvers": ["2001:db8:77::53"]})
    steps = [line["step"] for line in plan(gateway)]
    assert steps and all(step[0] in "+-~" for step in steps)
    assert any(step.startswith("+ element") for step in steps)
    before = state(case.lab.gateway)
    assert [line["step"] for line in plan(gateway)] == steps and state(case.lab.gateway) == before
    gateway.cli("apply")
    assert plan(gateway) == [] and state(case.lab.gateway) != before


def test_tenants_that_come_and_go_leave_nothing(case):
    gateway = started(case)
    acme = case.lab.acme
    gateway.remove("acme")
    peers.wait_for(lambda: "acme/web" not in gateway.services(), message="no acme")
    before = state(case.lab.gateway)
    for serial in range(2, 22):
        gateway.put(case.tenant(acme, service("x", [acme.address()], tcp(2300, 22)), serial=serial))
        peers.wait_for(lambda: "acme/x" in gateway.services(), message="acme")
        assert state(case.lab.gateway) != before
        gateway.remove("acme")
        peers.wait_for(lambda: state(case.lab.gateway) == before, message="the state before")
    assert plan(gateway) == [] and drift(gateway) == []


def test_down_takes_all_away(case):
    gateway = started(case)
    host = case.lab.gateway
    done = gateway.cli("down", check=False)
    assert done.returncode == 1 and "another sixgated is running" in done.stderr
    gateway.stop()
    sixgate = gateway.cli.__globals__["BUILD"] + "/sixgate"
    host.run(sixgate, "down", "--socket", gateway.run_folder + "/control.sock")
    assert host.ip("-6 route show table all proto 206") == ""
    assert "sixgate" not in host.run("nft", "list", "tables")
    case.gateway = None


def test_a_tenant_whose_part_cannot_be_made_keeps_its_former_serial(case):
    """Its route is there already, and not sixgate's."""
    host, acme = case.lab.gateway, case.lab.acme
    gateway = started(case)
    [device] = [line.split(" dev ")[1].split()[0]
                for line in host.ip("-6 route show").splitlines() if line.startswith(acme.prefix)]
    before = state(host)
    tunnel = {"name": "rack", "kind": "route", "via": "fe80::2", "interface": device,
              "prefixes": [acme.prefix]}
    web = service("web", [acme.address()], tcp(2222, 22))
    gateway.put(case.tenant(acme, web, serial=2, tunnels=[tunnel]))
    peers.wait_for(lambda: any("kernel: " in text and "not sixgate's" in text
                               for text in gateway.problems()), message="why it is refused")
    assert state(host) == before and peers.works(case.connect(2222))
    host.ip(f"-6 route del {acme.prefix} dev {device}")
    gateway.put(case.tenant(acme, web, serial=3, tunnels=[tunnel]))
    peers.wait_for(lambda: acme.prefix in host.ip("-6 route show proto 206"), message="its route")
    assert gateway.problems() == [] and plan(gateway) == []
    assert peers.works(case.connect(2222))
    gateway.put(case.tenant(acme, web, serial=4))
    peers.wait_for(lambda: acme.prefix not in host.ip("-6 route show proto 206"), message="no route")
    host.ip(f"-6 route add {acme.prefix} via fe80::2 dev {device}")


def test_mss_follows_a_links_mtu(case):
    """And so does the tenant's route; a tenant's own `mtu` is not its neighbours' on that link."""
    host, acme = case.lab.gateway, case.lab.acme
    gateway = started(case)
    [device] = [line.split(" dev ")[1].split()[0]
                for line in host.ip("-6 route show").splitlines() if line.startswith(acme.prefix)]
    host.ip(f"-6 route del {acme.prefix} dev {device}")
    tunnel = {"name": "rack", "kind": "route", "via": "fe80::2", "interface": device, "mtu": 1400,
              "prefixes": [acme.prefix]}

    def mss(name):
        said = json.loads(host.run("nft", "-j", "list", "map", "inet", "sixgate", name))
        return [mss for _, mss in next(m["map"].get("elem", []) for m in said["nftables"]
                                       if "map" in m)]

    def told():
        [row] = json.loads(gateway.cli("tunnels", "--json").stdout)["tunnels"]
        return row["mtu"], row["mtu_from"], row["path_mtu"]
    gateway.put(case.tenant(acme, service("web", [acme.address()], tcp(2222, 22)), serial=2,
                            tunnels=[tunnel]))
    peers.wait_for(lambda: "mtu 1400" in host.ip(f"-6 route show {acme.prefix}"), message="its route")
    assert (mss("mss"), mss("mss_tenants"), told()) == ([1440], [1340], (1400, "config", 1500))
    host.sysctl(f"net.ipv6.conf.{device}.mtu", 1450)  # as a router's advertisement does
    host.ip(f"addr add 2001:db8:f::1/64 dev {device} nodad")  # a reason to look
    peers.wait_for(lambda: mss("mss") == [1390], message="the MSS by what a router advertises")
    host.ip(f"addr del 2001:db8:f::1/64 dev {device}")
    host.ip(f"link set {device} mtu 1300")
    peers.wait_for(lambda: mss("mss") == [1240], message="the link's MSS")
    peers.wait_for(lambda: mss("mss_tenants") == [], message="the tenant's, which is the same")
    assert told() == (1300, "path", 1300)
    host.ip(f"link set {device} mtu 1500")
    assert plan(gateway) == []
    gateway.put(case.tenant(acme, service("web", [acme.address()], tcp(2222, 22)), serial=3))
    peers.wait_for(lambda: acme.prefix not in host.ip("-6 route show proto 206"),
                   message="the tunnel's end")
    host.ip(f"-6 route add {acme.prefix} via fe80::2 dev {device}")
