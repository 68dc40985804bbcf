# SPDX-License-Identifier: GPL-3.0-or-later
"""The matrix: each tenant, by its own kind of tunnel, and the Internet x all that is not theirs.

Everybody has daemons on all addresses, as careless as can be; what is reached is compared with a
table. The same with foreign rules beside ours."""

import pytest
from exitgate import CLIENT_PREFIX
from gateway import service
from peers import wait_for
from pings import reaches
from ports import reached
from scan import Daemons, scan
from test_isolation import refused
from test_modules import exchange
from topology import (GATEWAY4, GATEWAY6, LAN4, LAN6, POOL4, PREF64, SERVER4, SERVER6, embedded)

ROUTER6 = "2001:db8:0:1::1"  # on the uplink's own link; it goes on to be the way out
METADATA4, METADATA6 = "169.254.169.254", "fd00:ec2::254"
SIIT = "2001:db8:a000:fe::"
TUNNEL_ENDS = {"acme": "fe80::1%wg0", "globex": embedded(GATEWAY4, "fe80::") + "%six0",
               "initech": "fe80::1%eth0"}
EXPOSED = 2300
# One of each part of the port plan, and what machines have: ssh, mail, DNS, BGP, an agent; a tenant's
# block of NAT64 and others', local ports, NAT44's.
PORTS = [22, 25, 53, 111, 179, 2200, 6556, 9100, 16400, 17500, 18500, 19500,
         30000, 49151, 49200, 57343,
         57400, 65535]


class Matrix:
    def __init__(self, case, later):
        self.case, place = case, case.place
        for words in (f"addr add {METADATA4}/32 dev lo", f"addr add {METADATA6}/128 dev lo",
                      # from the Internet, too, Pref64 leads here
                      f"route add {PREF64}/96 via {GATEWAY6}"):
            place.isp.ip(words)
            later(place.isp.ip, words.replace(" add ", " del "))
        case.gateway.put(case.globex(serial=2, services=[service(
            "ssh", [place.globex.address()],
            {"protocol": "tcp", "ipv4": GATEWAY4, "port": EXPOSED, "to": 22})]))
        wait_for(lambda: "globex/ssh" in case.gateway.services(), message="the exposure")
        self.daemons = [Daemons(host, PORTS) for host in
                        (place.gateway, place.lan, place.isp, *place.tenants)]
        for one in self.daemons:
            later(one.close)

    def closed_to(self, tenant):
        """Where a tenant reaches nothing but listeners and exposures: their addresses."""
        own4 = ["127.0.0.1", GATEWAY4, POOL4[1], "192.0.2.1"]
        others = [other for other in self.case.place.tenants if other is not tenant]
        client = CLIENT_PREFIX.split("/")[0]
        return [*(other.address() for other in others),
                GATEWAY6, "2001:db8:1a::1", client + "1", client + "c633:6464",
                *(embedded(address) for address in own4), embedded("0.0.0.0"),
                TUNNEL_ENDS[tenant.tenant], embedded(GATEWAY4, SIIT), embedded("127.0.0.1", SIIT),
                ROUTER6, LAN6, embedded(LAN4), METADATA6, embedded(METADATA4), embedded("10.0.0.1")]

    def scan(self, host, addresses, ports=PORTS):
        return scan(host, addresses, [*ports, 443, EXPOSED], self.daemons)


def listeners(*addresses):
    return {("tcp", embedded(address), port) for address in addresses for port in (443, EXPOSED)
            if port == 443 or address == GATEWAY4}


@pytest.fixture
def matrix(case, later):
    case.start({"siit": {"prefix": SIIT + "/96"}})
    return Matrix(case, later)


def test_tenants_reach_listeners_and_exposures_and_nothing_else(matrix):
    for tenant in matrix.case.place.tenants:
        found = matrix.scan(tenant, matrix.closed_to(tenant))
        assert found == listeners(*POOL4), (tenant.tenant, found ^ listeners(*POOL4))
        # the scan sees what is open: all of its own host, by the same tunnel's device
        own = matrix.scan(matrix.case.place.gateway, [tenant.address()], PORTS[:3])
        assert {("tcp", tenant.address(), 22), ("udp", tenant.address(), 53)} <= own


def test_the_internet_reaches_no_tenant_and_nothing_of_ours(matrix):
    place = matrix.case.place
    client = CLIENT_PREFIX.split("/")[0]
    for host in (place.in6, place.lan):
        found = matrix.scan(host, [*(tenant.address() for tenant in place.tenants), client + "1",
                                   client + "c633:6464", embedded("127.0.0.1"), embedded(LAN4),
                                   embedded(GATEWAY4), embedded(METADATA4),
                                   embedded(GATEWAY4, SIIT)])
        assert found == set(), (host.role, found)
    # the farmer's own daemons are the farmer's matter, but ports of NAT64 are nobody's
    found = matrix.scan(place.in4, POOL4)
    taken = {port for _, _, port in found}
    assert {22, 443, EXPOSED} <= taken
    inside = {(kind, address, port) for kind, address, port in found
              if kind == "tcp" and address == GATEWAY4 and port in (17500, 18500, 19500)}
    assert inside == set()  # the three tenants' blocks


def test_every_port_below_those_of_nat64(case):
    """By the translator: what answers, open or not, is a listener's port. It would take half a
    minute here to try all; tests/net/test_every_port.py does that, with what the translator sends,
    and for the other addresses."""
    case.start(objects=[], connect=False)
    case.gateway.put(case.initech())
    reaches(case.place.initech, SERVER6)
    assert reached(case.place.initech, embedded(GATEWAY4), last=16383) == {
        embedded(GATEWAY4): {443}}


# Foreign rules

HARMLESS = {
    "lo accepted": "chain c { type filter hook input priority 0; iif lo accept; }",
    "invalid dropped": """
        chain p { type filter hook prerouting priority -100; ct state invalid drop; }
        chain i { type filter hook input priority 0; ct state invalid drop; }
        chain f { type filter hook forward priority 0; ct state invalid drop; }""",
    "IPv4 masqueraded": """chain c { type nat hook postrouting priority srcnat;
        oifname up0 meta nfproto ipv4 masquerade; }""",
}
HARMFUL = {
    "forward drops": ("chain f { type filter hook forward priority 0; policy drop; }",
                      "chain f: drops what it does not accept"),
    "all masqueraded": ("chain s { type nat hook postrouting priority srcnat;"
                        " oifname up0 masquerade; }", "chain s: gives tenants' packets"),
    "invalid dropped behind NAT64": (
        "chain o { type filter hook postrouting priority 0; ct state invalid drop; }",
        "chain o: drops what has no connection"),
}


def other_rules(case):
    return next((problem["text"] for problem in case.gateway.status()["problems"]
                 if problem["what"] == "other rules"), None)


def load(case, chains):
    case.place.gateway.run("nft", "-f", "-", input=f"table inet farmer {{\n{chains}\n}}\n")


def test_foreign_rules_that_cost_nothing(matrix):
    case, place = matrix.case, matrix.case.place
    server = case.serve(place.in4, 8000)
    case.serve(place.in6, 8000)
    for name, chains in HARMLESS.items():
        load(case, chains)
        found = matrix.scan(place.acme, matrix.closed_to(place.acme), [22, 111, 49200])
        assert found == listeners(*POOL4), (name, found ^ listeners(*POOL4))
        for tenant in place.tenants:
            assert exchange(tenant, embedded(SERVER4[0]), 8000, b"hello") == b"hello", name
            owner = case.gateway.cli("who", GATEWAY4, str(server.peers[-1][1])).stdout
            assert tenant.tenant in owner, name
            assert exchange(tenant, SERVER6, 8000, b"hello") == b"hello", name
        assert not other_rules(case), name
        place.gateway.run("nft", "delete", "table", "inet", "farmer")


def test_foreign_rules_that_cost_are_named(matrix):
    case, place = matrix.case, matrix.case.place
    server6 = case.serve(place.in6, 8000)
    case.serve(place.in4, 8000)
    whole = {"forward drops": lambda: refused(place.globex, SERVER6, 8000),
             "all masqueraded": lambda: (not refused(place.globex, SERVER6, 8000) and
                                         wait_for(lambda: server6.peers)[-1][0] == GATEWAY6),
             "invalid dropped behind NAT64":
                 lambda: refused(place.globex, embedded(SERVER4[0]), 8000)}
    for name, (chains, text) in HARMFUL.items():
        load(case, chains)
        assert whole[name](), f"{name}: costs nothing"
        wait_for(lambda text=text: text in (other_rules(case) or ""), message=name)
        assert "table inet farmer, " in other_rules(case)
        place.gateway.run("nft", "delete", "table", "inet", "farmer")
        wait_for(lambda: not other_rules(case), message=name)
