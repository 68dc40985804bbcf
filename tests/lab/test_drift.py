# SPDX-License-Identifier: GPL-3.0-or-later
"""What somebody else breaks is found, named and repaired; what is somebody else's stays."""

import collections
import json

import peers
import pings
import pytest
from exitgate import HEARD_S, POLLED_S, PORTS_PER_TENANT, SLOWER
from gateway import service
from netns import run
from otherexit import key_file
from patience import Patience
from test_siit import SETTINGS, SIIT64
from topology import GATEWAY4, MAPPED4, SERVER4, SERVER6, WireGuard, embedded, random_key

TRIES = 3  # a moment in which the machine does something else is not what a second is about

# a command in the gateway ({six}: globex's device, {key}: acme's), and what the repair names;
# tests/net has what needs no module
HEARD = {
    "link deleted": ("ip link del {six}", "link {six}"),
    "link with another MTU": ("ip link set {six} mtu 1300", "link {six} was"),
    "link with another end": ("ip link set {six} type sit remote 198.51.100.99", "link {six} was"),
    "link with another ttl": ("ip link set {six} type sit ttl 5", "link {six} was"),
    "link down": ("ip link set {six} down", "link {six} was"),
    "WireGuard's link with another MTU": ("ip link set sg-wg mtu 1300", "link sg-wg was"),
    "WireGuard's link down": ("ip link set sg-wg down", "link sg-wg was"),
    "WireGuard's link deleted": ("ip link del sg-wg", "link sg-wg"),
    "the translator's link deleted": ("ip link del sg-siit", "link sg-siit"),
    "address of the translator's link": ("ip addr del 169.254.64.0/31 dev sg-siit",
                                         "address 169.254.64.0/31"),
    "route deleted": ("ip -6 route del 2001:db8:a000:1002::/64", "route 2001:db8:a000:1002::/64"),
    "route replaced": ("ip -6 route replace 2001:db8:a000:1003::/64 via fe80::9 dev tc0",
                       "route 2001:db8:a000:1003::/64"),
    "route of IPv4 replaced": (f"ip route replace {MAPPED4} dev lo", f"route {MAPPED4}/32"),
}
# what nobody tells of: all at once, as it is looked for every so often
POLLED = {
    "peer removed": ("wg set sg-wg peer {key} remove", "wg-peer sg-wg {key}"),
    "peer's prefixes": ("wg set sg-wg peer {spare0} allowed-ips 2001:db8:a000:1077::/64",
                        "wg-peer sg-wg {spare0} was allowed 2001:db8:a000:1077::/64"),
    "peer's secret": ("wg set sg-wg peer {spare1} preshared-key {file}", "wg-peer sg-wg {spare1}"),
    "peer without its secret": ("wg set sg-wg peer {spare2} preshared-key /dev/null",
                                "wg-peer sg-wg {spare2}"),
    "peer's keepalive": ("wg set sg-wg peer {spare3} persistent-keepalive 77",
                         "wg-peer sg-wg {spare3} was"),
    "foreign peer": ("wg set sg-wg peer {foreign} allowed-ips 2001:db8:a000:1078::/64",
                     "wg-peer sg-wg {foreign} allowed 2001:db8:a000:1078::/64 was too much"),
    "key and port": ("wg set sg-wg private-key {file} listen-port 51999",
                     "wg-device sg-wg was port 51999, not port 51820"),
    "row removed": ("jool -i sixgate pool4 remove {row} --tcp --mark {mark}", "pool4 tcp {row}"),
    "row added": ("jool -i sixgate pool4 add 203.0.113.16 2000-2010 --udp --mark 7",
                  "pool4 udp 203.0.113.16 2000-2010 mark 0x7 was too much"),
    "mapping removed": (f"jool -i sixgate bib remove {GATEWAY4}#2222 --tcp",
                        f"[2001:db8:a000:1003::10]:22 at {GATEWAY4}:2222 was missing"),
    "mapping added": (f"jool -i sixgate bib add {GATEWAY4}#{{port}} 2001:db8:a000:1002::99#9 --tcp",
                      "bib tcp [2001:db8:a000:1002::99]:9"),
    "global": ("jool -i sixgate global update lowest-ipv6-mtu 1400",
               "global nat64 lowest-ipv6-mtu was = 1400"),
    "switched off": ("jool -i sixgate global update manually-enabled false",
                     "global nat64 enabled was = 0, not = 1"),
    "simultaneous opens": ("jool -i sixgate global update maximum-simultaneous-opens 9",
                           "global nat64 maximum-simultaneous-opens was = 9, not = 0"),
    "local ports": ("sysctl -q -w net.ipv4.ip_local_port_range='32768 60999'",
                    "sysctl net/ipv4/ip_local_port_range was = 32768 60999"),
    "migration": ("sysctl -q -w net.ipv4.tcp_migrate_req=0", "sysctl net/ipv4/tcp_migrate_req"),
    "proxy neighbour": (f"ip neigh del proxy {MAPPED4} dev up0", f"proxy-neighbour {MAPPED4}"),
    "translator's mapping": ("ip netns exec sixgate-siit jool_siit -i sixgate-siit eamt flush",
                             f"eam @siit {MAPPED4}/32"),
    "translator's route": (f"ip netns exec sixgate-siit ip route del unreachable {SIIT64}/96",
                           f"route @siit {SIIT64}/96"),
    "translator's forwarding": ("ip netns exec sixgate-siit sysctl -q -w net.ipv4.ip_forward=0",
                                "sysctl @siit net/ipv4/ip_forward"),
}


class Saboteur:
    """Breaks things, and reads what is told about it after that."""

    def __init__(self, case, spare):
        self.case, self.gateway = case, case.gateway
        six = next(link["ifname"] for link in json.loads(case.place.gateway.ip("-j -d link"))
                   if link.get("ifalias", "").startswith("sixgate:globex/"))
        self.words = {"six": six, "key": case.acme_keys.public, "foreign": random_key(),
                      "file": key_file(case.gateway, "other.key", WireGuard().private),
                      **spare, **self.row()}

    def row(self):
        """One of globex's rows of ports, as jool and as sixgate write it."""
        rows = self.case.place.gateway.run("jool", "-i", "sixgate", "pool4", "display", "--tcp",
                                           "--csv", "--no-headers").splitlines()
        first = {block["tenant"]: block["ports"].split("-")[0] for block in json.loads(
            self.gateway.cli("nat64", "pool", "--json").stdout)["pool"]}
        fields = next(row.split(",") for row in rows if first["globex"] in row)
        return {"mark": fields[0], "row": f"{GATEWAY4} {first['globex']}-"
                f"{int(first['globex']) + PORTS_PER_TENANT - 1}", "port": first["spare0"]}

    def told(self):
        return collections.Counter(line["text"] for line in self.gateway.ask("drift")
                                   if line["mended"])

    def breaks(self, command):
        """Returns what was told before it."""
        known = self.told()
        with self.case.place.gateway.inside():  # one program less than by its run()
            run("sh", "-ec", command.format(**self.words))
        return known

    def repaired(self, name, within, known):
        """How long it took until it was told."""
        patience, name = Patience(within), name.format(**self.words)
        peers.wait_for(lambda: any(name in text for text in self.told() - known), within,
                       f"'{name}' among what was mended")
        return patience.spent()

    def within_a_second(self, command, name):
        took = []
        while not took or (min(took) > HEARD_S and len(took) < TRIES):
            took.append(self.repaired(name, HEARD_S * SLOWER, self.breaks(command)))
            assert self.gateway.ask("plan") == []
        assert min(took) <= HEARD_S, took

    def all_is_well(self):
        place = self.case.place
        # not before: its end would find out in 15 s that its session is gone
        place.acme_wireguard(self.case.acme_keys, self.gateway.keys.public)
        for tenant in place.tenants:
            pings.reaches(tenant, SERVER6)
            pings.reaches(tenant, embedded(SERVER4[0]))
        pings.reaches(place.in4, MAPPED4)
        self.gateway.nothing_to_do()
        assert self.gateway.problems() == []


@pytest.fixture
def saboteur(case):
    """A gateway with objects of each kind, and tenants that nobody but WireGuard's peers is of."""
    place, gateway = case.place, case.prepare(SETTINGS)
    whole = service("all", [place.globex.address()], {"protocol": "address", "ipv4": MAPPED4})
    exposed = service("ssh", [place.initech.address()], {
        "protocol": "tcp", "ipv4": GATEWAY4, "port": 2222, "to": 22, "via": "nat64"})
    for tenant in (case.acme(), case.globex(services=[whole]), case.initech(services=[exposed])):
        gateway.put(tenant)
    spare = {f"spare{number}": random_key() for number in range(4)}
    for number, (name, key) in enumerate(spare.items()):
        net = f"2001:db8:a000:{0x1030 + number:x}::/64"
        gateway.put({"tenant": name, "serial": 1, "prefixes": [net], "services": [], "tunnels": [{
            "name": "main", "kind": "wireguard", "public_key": key, "prefixes": [net],
            "preshared_key_file": key_file(gateway, name + ".psk", random_key())}]})
    gateway.start()
    place.globex_6in4()
    return Saboteur(case, spare)


def test_all_that_is_broken_is_named_and_repaired(saboteur):
    failed = []
    for what, (command, name) in HEARD.items():
        try:
            saboteur.within_a_second(command, name)
        except (AssertionError, RuntimeError) as error:
            failed.append(f"{what}: {error}")
    assert not failed, "\n".join(failed)
    # with all that these tenants have: more than an emulated machine does in a second
    saboteur.repaired("ruleset", HEARD_S * SLOWER, saboteur.breaks("nft flush ruleset"))
    known = saboteur.breaks("; ".join(command for command, _ in POLLED.values()))
    patience = Patience(POLLED_S * SLOWER)
    for what, (_, name) in POLLED.items():
        try:
            saboteur.repaired(name, patience.left(), known)
        except AssertionError as error:
            failed.append(f"{what}: {error}")
    assert not failed, "\n".join(failed) + "\n".join(saboteur.told() - known)
    assert patience.spent() < POLLED_S
    saboteur.all_is_well()


def test_foreign_objects_stay(case):
    case.start()
    place = case.place
    foreign = ["link add foreign0 type dummy", "link set foreign0 up",
               "addr add 192.0.2.99/32 dev foreign0",
               "route add 2001:db8:a000:2222::/64 dev foreign0",
               "link add foreign6 type sit local 203.0.113.10 remote 198.51.100.55",
               "rule add pref 4000 lookup 99"]
    place.gateway.ip_batch(*foreign)
    place.gateway.run("nft", "add", "table", "inet", "foreign")
    before = [place.gateway.ip("-d link show foreign0"), place.gateway.ip("-d link show foreign6"),
              place.gateway.ip("-6 route show dev foreign0"), place.gateway.ip("rule")]
    for serial in range(2, 7):
        case.gateway.remove("acme")
        case.gateway.put(case.globex(serial=serial))
        peers.wait_for(lambda: case.acme_keys.public not in
                       place.gateway.run("wg", "show", "all", "peers"), message="acme gone")
        case.gateway.put(case.acme(serial=serial))
        peers.wait_for(lambda: case.acme_keys.public in
                       place.gateway.run("wg", "show", "all", "peers"), message="acme back")
    after = [place.gateway.ip("-d link show foreign0"), place.gateway.ip("-d link show foreign6"),
             place.gateway.ip("-6 route show dev foreign0"), place.gateway.ip("rule")]
    assert after == before
    assert "table inet foreign" in place.gateway.run("nft", "list", "tables")
    place.gateway.ip_batch("link del foreign0", "link del foreign6", "rule del pref 4000")
    place.gateway.run("nft", "delete", "table", "inet", "foreign")
