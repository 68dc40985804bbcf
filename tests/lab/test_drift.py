# SPDX-License-Identifier: GPL-3.0-or-later
"""What somebody else breaks is found, named and repaired; what is somebody else's stays."""

import collections
import json

import peers
import pings
from topology import SERVER4, SERVER6, embedded

HEARD_S, POLLED_S = 1, 30  # links, routes and nft are told by the kernel; the rest is asked for
SLOWER = 5                 # an emulated machine on a shared host

# a command in the gateway ({six}: globex's device, {key}: acme's), and what the repair names
HEARD = {
    "link deleted": ("ip link del {six}", "link {six}"),
    "link with another MTU": ("ip link set {six} mtu 1300", "link {six}"),
    "link with another end": ("ip link set {six} type sit remote 198.51.100.99", "link {six}"),
    "link down": ("ip link set {six} down", "{six}"),
    "route deleted": ("ip -6 route del 2001:db8:a000:1002::/64", "route"),
    "ruleset flushed": ("nft flush ruleset", "ruleset"),
    "chains flushed": ("nft flush table inet sixgate", "ruleset"),
    "forwarding off": ("sysctl -q -w net.ipv6.conf.all.forwarding=0", "sysctl"),
}
POLLED = {
    "peer removed": ("wg set sg-wg peer {key} remove", "peer"),
    "rows removed": ("jool -i sixgate pool4 flush", "pool4"),
    "local ports": ("sysctl -q -w net.ipv4.ip_local_port_range='32768 60999'", "sysctl"),
}


class Saboteur:
    """Breaks things, and reads what is told about it after that."""

    def __init__(self, case):
        self.case = case
        six = next(link["ifname"] for link in json.loads(case.place.gateway.ip("-j -d link"))
                   if link.get("ifalias", "").startswith("sixgate:globex/"))
        self.words = {"six": six, "key": case.acme_keys.public}
        self.known = collections.Counter()

    def drift(self):
        return collections.Counter(self.case.gateway.cli("drift").stdout.splitlines())

    def breaks(self, command):
        self.known = self.drift()
        self.case.place.gateway.run("sh", "-c", command.format(**self.words))

    def repaired(self, name, within):
        name = name.format(**self.words)
        peers.wait_for(lambda: any(name in line and not line.startswith("now")
                                   for line in self.drift() - self.known), within * SLOWER,
                       f"'{name}' among what was mended")

    def all_is_well(self):
        place = self.case.place
        for tenant in place.tenants:
            pings.reaches(tenant, SERVER6, timeout=30)
            pings.reaches(tenant, embedded(SERVER4[0]))
        self.case.gateway.nothing_to_do()


def test_repaired_at_once(case):
    case.start()
    saboteur = Saboteur(case)
    failed = []
    for what, (command, name) in HEARD.items():
        try:
            saboteur.breaks(command)
            saboteur.repaired(name, HEARD_S)
            saboteur.all_is_well()
        except (AssertionError, RuntimeError) as error:
            failed.append(f"{what}: {error}")
    assert not failed, "\n".join(failed)


def test_repaired_when_looked_for(case):
    case.start()
    saboteur = Saboteur(case)
    saboteur.breaks("; ".join(command for command, _ in POLLED.values()))
    for _, name in POLLED.values():
        saboteur.repaired(name, POLLED_S)
    saboteur.all_is_well()


def test_jool_is_unloaded(case):
    """Its instance is gone with it; the module is loaded by who took it away."""
    case.start()
    saboteur = Saboteur(case)
    saboteur.breaks("jool instance remove sixgate")
    saboteur.repaired("instance", POLLED_S)
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
