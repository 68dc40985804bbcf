# SPDX-License-Identifier: GPL-3.0-or-later
"""`sixgate denied`: why a tenant's packets do not get through."""

import contextlib
import json
import socket
import time

import peers
from gateway import service, tcp
from lab import INTERNET, POOL
from rest import cpu_seconds


def denied(gateway, *argv):
    """{(tenant, link, reason): packets}"""
    rows = json.loads(gateway.cli("denied", "--json", *argv).stdout)["denied"]
    assert all(row["text"] and row["bytes"] >= 40 * row["packets"] for row in rows)
    return {(row["tenant"], row["link"], row["reason"]): row["packets"] for row in rows}


def refused(host, address, port, source=None):
    with contextlib.suppress(OSError):
        host.connect(address, port, timeout=0.3, source=source).close()
        raise AssertionError(f"{host.role} reached {address} port {port}")


def racks(case, serial=1):
    """Both tenants behind links of the farmer's."""
    objects = []
    for number, host in enumerate(case.lab.tenants, 1):
        case.lab.gateway.run("sh", "-c", f"ip -6 route del {host.prefix} 2>&- || true")
        objects.append(case.tenant(host, service(
            "web", [host.address()], tcp(2220 + number, 22)), serial=serial, tunnels=[{
                "name": "rack", "kind": "route", "via": "fe80::2", "interface": f"ten{number}",
                "prefixes": [host.prefix]}]))
    return objects


def test_what_is_refused_is_told_by_tenant_and_reason(case):
    place = case.lab
    place.gateway.run("nft", "flush", "ruleset")  # what an earlier sixgated has counted
    case.backend(place.acme, 22)
    gateway = case.start(*racks(case))
    try:
        assert denied(gateway) == {}
        refused(place.acme, INTERNET, 25)  # by up1, which is no way out
        refused(place.acme, "2001:db8:77::1", 22)
        refused(place.globex, place.acme.address(), 22)
        place.acme.ip("addr add 2001:db8:dead::1/128 dev eth0 nodad")
        refused(place.acme, INTERNET, 80, source="2001:db8:dead::1")
        counts = denied(gateway)
        assert {key for key in counts} == {
            ("acme", None, "lan_denied"), ("acme", None, "own_denied"),
            ("acme", None, "inbound_denied"), (None, "ten1", "tenant_spoofed")}
        assert denied(gateway, "--tenant", "acme") == {
            key: count for key, count in counts.items() if key[0] == "acme"}
        assert denied(gateway, "--tenant", "globex") == {}
        assert "no such tenant" in gateway.cli("denied", "--tenant", "none", check=False).stderr

        gateway.reload()
        assert denied(gateway) == counts
        gateway.stop()
        gateway.write_config({"six_in_four": {"local": POOL[0]}})
        gateway.start()
        rules = place.gateway.run("nft", "list", "chain", "inet", "sixgate", "pre")
        assert "outer_unknown" in rules, "the rules are other ones"
        assert denied(gateway) == counts

        gateway.remove("acme")
        peers.wait_for(lambda: "acme" not in {key[0] for key in denied(gateway)})
        gateway.put(racks(case, 2)[0])
        peers.wait_for(lambda: "acme/web" in gateway.services())
        assert "acme" not in {key[0] for key in denied(gateway)}, "the former one's counts"
    finally:
        place.acme.run("sh", "-c", "ip addr del 2001:db8:dead::1/128 dev eth0 2>&- || true")
        for number, host in enumerate(place.tenants, 1):
            place.gateway.ip(f"-6 route replace {host.prefix} via fe80::2 dev ten{number}")


def test_counts_do_not_stay_with_a_prefix_that_was_given_up(case):
    """Who gets it next is not told what the former one did."""
    place = case.lab
    place.gateway.run("nft", "flush", "ruleset")
    gateway = case.start(*racks(case))

    def moved(prefix, serial):
        one = racks(case, serial)[0]
        one["prefixes"] = one["tunnels"][0]["prefixes"] = [prefix]
        one["services"] = []
        gateway.put(one)
        peers.wait_for(lambda: prefix in place.gateway.ip("-6 route show proto 206 dev ten1"))

    try:
        moved(place.acme.prefix, 2)
        refused(place.acme, "2001:db8:77::1", 22)
        counts = {("acme", None, "own_denied")}
        assert set(denied(gateway)) == counts
        moved(place.acme.prefix, 3)
        assert set(denied(gateway)) == counts, "it has the same one"
        moved("2001:db8:a000:1009::/64", 4)
        assert denied(gateway) == {}
        moved(place.acme.prefix, 5)
        assert denied(gateway) == {}
    finally:
        for number, host in enumerate(place.tenants, 1):
            place.gateway.ip(f"-6 route replace {host.prefix} via fe80::2 dev ten{number}")


def test_a_long_answer_is_of_one_moment(case):
    """The kernel is read once, however slowly the answer is taken."""
    place, n_tenants, n_reasons = case.lab, 120, 20
    place.gateway.run("nft", "flush", "ruleset")
    gateway = case.start(*racks(case))
    prefixes = [f"2001:db8:a000:{0x2000 + number:x}::/64" for number in range(n_tenants)]
    try:
        for number, prefix in enumerate(prefixes):
            gateway.put({"tenant": f"t{number}", "serial": 1, "prefixes": [prefix], "services": [],
                         "tunnels": [{"name": "rack", "kind": "route", "via": "fe80::2",
                                      "interface": "ten1", "prefixes": [prefix]}]})
        peers.wait_for(lambda: place.gateway.ip("-6 route show proto 206").count(
            "2001:db8:a000:20") == n_tenants, 30, "the tenants")
        keys = [f"{0x10002000 + number} . {why}" for number in range(n_tenants)
                for why in range(n_reasons)]
        place.gateway.run("nft", "-f", "-", input="add element inet sixgate denied {" +
                          ", ".join(keys) + "}\n")
        with gateway.send("denied") as slow:
            first = slow.recv(1)
            place.gateway.run("nft", "flush set inet sixgate denied")
            lines = [json.loads(line) for line in
                     (first + peers.read_to_end(slow)).splitlines()]
        assert lines[0] == {"ok": True} and lines[-1] == {"end": True}
        assert len(lines) == n_tenants * n_reasons + 2
        assert gateway.ask("denied") == []
    finally:
        for number, host in enumerate(place.tenants, 1):
            place.gateway.ip(f"-6 route replace {host.prefix} via fe80::2 dev ten{number}")


def test_hosts_on_the_uplinks_own_link_are_closed(case):
    """As the farmer's network, whatever prefixes the link has, and when."""
    place = case.lab
    place.gateway.ip("addr add 2001:db8:9:1::1/64 dev up0 nodad")
    gateway = case.start(*racks(case))

    def closed():
        return place.gateway.run("nft", "list", "chain", "inet", "sixgate", "from_tenant")

    try:
        assert "2001:db8:9:1::" in closed() and "2001:db8:9:2::" not in closed()
        refused(place.acme, "2001:db8:9:1::77", 80)
        assert denied(gateway)[("acme", None, "lan_denied")] > 0
        place.gateway.ip("addr add 2001:db8:9:2::1/60 dev up0 nodad")
        peers.wait_for(lambda: "2001:db8:9:0::/60" in closed() or "2001:db8:9::" in closed(), 30)
        place.gateway.ip("addr del 2001:db8:9:1::1/64 dev up0")
        peers.wait_for(lambda: "2001:db8:9:1::" not in closed(), 30)
        assert gateway.cli("plan").stdout == "nothing to do\n"
    finally:
        for address in ("2001:db8:9:1::1/64", "2001:db8:9:2::1/60"):
            place.gateway.run("sh", "-c", f"ip addr del {address} dev up0 2>&- || true")
        for number, host in enumerate(place.tenants, 1):
            place.gateway.ip(f"-6 route replace {host.prefix} via fe80::2 dev ten{number}")


def test_a_link_that_becomes_the_uplink_is_no_tunnels_any_more(case):
    """As both, what comes from the Internet would be of a tenant and from false sources."""
    place = case.lab
    acme, globex = racks(case)
    acme["tunnels"][0].update(interface="up0", via="fe80::77")
    case.backend(place.globex, 22)
    try:
        gateway = case.start(acme, globex, settings={"uplink": {
            "kind": "direct", "interface": "up1",
            "ipv4": [{"range": f"{address}/32", "delivery": "present"} for address in POOL],
            "ipv6": {"prefix": "2001:db8:a000::/48", "reserved": 256}}})
        place.client.sysctl("net.ipv4.tcp_syn_retries", 1)
        with contextlib.suppress(OSError):
            case.connect(2222)
            raise AssertionError("nobody is behind acme's link but acme")
        gateway.write_config({"uplink": {**gateway.config["uplink"], "interface": "up0"}})
        gateway.reload()
        assert peers.works(case.connect(2222))
        peers.wait_for(lambda: any("is uplink.interface" in text for text in gateway.problems()))
        assert place.acme.prefix not in place.gateway.ip("-6 route show proto 206")
        gateway.put({**acme, "serial": 2, "tunnels": racks(case, 2)[0]["tunnels"]})
        peers.wait_for(lambda: place.acme.prefix in place.gateway.ip(
            "-6 route show proto 206 dev ten1"), message="its route")
        assert gateway.problems() == [] and gateway.cli("plan").stdout == "nothing to do\n"
    finally:
        for number, host in enumerate(place.tenants, 1):
            place.gateway.ip(f"-6 route replace {host.prefix} via fe80::2 dev ten{number}")


def test_hosts_beside_an_uplink_with_a_single_address_are_closed(case):
    """Its address is a /128, as by DHCPv6; that its neighbours are on the link is a route."""
    place = case.lab
    neighbour, lan = "2001:db8:9:3::77", "2001:db8:9:3::/64"
    place.client.sysctl("net.ipv6.conf.all.disable_ipv6", 0)
    place.client.ip(f"addr add {neighbour}/128 dev eth0 nodad")
    place.client.ip("addr add fe80::77/64 dev eth0 nodad")
    place.client.ip("route add 2001:db8:9:3::1/128 dev eth0")
    place.client.ip("route add 2001:db8:a000::/48 via 2001:db8:9:3::1")
    place.gateway.ip("addr add 2001:db8:9:3::1/128 dev up0 nodad")
    place.gateway.ip(f"route add {lan} via fe80::77 dev up0")
    server = peers.Backend(place.client, 8080, address=neighbour)
    gateway = case.start(*racks(case))
    try:
        place.acme.connect(neighbour, 8080).close()  # a router lies before it, as all says
        place.gateway.ip(f"route replace {lan} dev up0 proto ra expires 3600")

        def closed():
            with contextlib.suppress(OSError):
                place.acme.connect(neighbour, 8080, timeout=0.3).close()
                return False
            return ("acme", None, "lan_denied") in denied(gateway)

        peers.wait_for(closed, 10, "the rule")
        assert gateway.problems() == []
        assert gateway.cli("plan").stdout == "nothing to do\n"
    finally:
        server.close()
        place.gateway.ip("addr del 2001:db8:9:3::1/128 dev up0")
        place.gateway.run("sh", "-c", f"ip -6 route del {lan} 2>&- || true")
        place.client.ip(f"addr del {neighbour}/128 dev eth0")
        place.client.ip("addr del fe80::77/64 dev eth0")
        place.client.sysctl("net.ipv6.conf.all.disable_ipv6", 1)
        for number, host in enumerate(place.tenants, 1):
            place.gateway.ip(f"-6 route replace {host.prefix} via fe80::2 dev ten{number}")


def test_changes_of_a_full_table_of_bgp_are_no_matter(case):
    """Who is beside us is looked for among all routes; what has a next hop says nothing of it."""
    place = case.lab
    place.gateway.ip_batch("addr add 2001:db8:9:4::1/64 dev up0 nodad", *(
        f"route add 2a00:{i >> 8:x}:{i & 255:x}::/48 via 2001:db8:9:4::2 dev up0 proto bgp"
        for i in range(60000)))
    gateway = case.start(*racks(case))

    def cost(how):
        before = cpu_seconds(gateway.process.pid)
        for i in range(6):
            place.gateway.ip(f"route {'add' if i % 2 == 0 else 'del'} 2a01:1::/48 {how}")
            time.sleep(1.2)  # a look is once a second at most
        return cpu_seconds(gateway.process.pid) - before

    try:
        bgp, beside = cost("via 2001:db8:9:4::2 dev up0 proto bgp"), cost("dev ten1")
        print(bgp, beside)
        assert bgp < beside / 2
    finally:
        place.gateway.ip("-6 route flush proto bgp")
        place.gateway.ip("addr del 2001:db8:9:4::1/64 dev up0")
        for number, host in enumerate(place.tenants, 1):
            place.gateway.ip(f"-6 route replace {host.prefix} via fe80::2 dev ten{number}")


def raw(host, protocol):
    with host.inside():
        return socket.socket(socket.AF_INET6, socket.SOCK_RAW, protocol)


def error_of(host, address):
    """The type of the ICMPv6 error that a packet of SCTP gets."""
    with raw(host, socket.IPPROTO_SCTP) as one, raw(host, socket.IPPROTO_ICMPV6) as errors:
        errors.settimeout(5)
        one.sendto(bytes(40), (address, 0))
        while True:
            kind = errors.recv(200)[0]
            if kind in (1, 3):
                return kind


def test_what_is_not_translated_does_not_go_round(case):
    """The provider hands Pref64 to us, and our default route would give it back."""
    place, prefix = case.lab, "2001:db8:64::/96"
    place.gateway.ip(f"-6 route add default via {INTERNET} dev up1")
    place.internet.ip(f"route add {prefix} via 2001:db8:77::1")
    place.internet.sysctl("net.ipv6.conf.all.forwarding", 1)
    try:
        assert error_of(place.internet, "2001:db8:64::c633:6407") == 3
        case.start(*racks(case), settings={"nat64": {
            "driver": "jool", "prefix": prefix, "pool": [POOL[0]], "ports": "16384-32767"}})
        assert error_of(place.internet, "2001:db8:64::c633:6407") == 1
    finally:
        place.internet.sysctl("net.ipv6.conf.all.forwarding", 0)
        place.internet.ip(f"route del {prefix}")
        place.gateway.ip(f"-6 route del default via {INTERNET} dev up1")
        for number, host in enumerate(place.tenants, 1):
            place.gateway.ip(f"-6 route replace {host.prefix} via fe80::2 dev ten{number}")
