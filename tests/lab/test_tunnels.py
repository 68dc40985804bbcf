# SPDX-License-Identifier: GPL-3.0-or-later
"""Tunnels of tenant objects: they come up, they go, and nothing else notices."""

import json

import peers
import pings
from gateway import service
from netns import run
from otherexit import key_file
from test_modules import exchange
from topology import GATEWAY4, HOME4, SERVER6


def test_each_kind_comes_up_from_its_object(case):
    case.start()
    place = case.place
    for tenant in place.tenants:
        assert pings.answers(tenant, SERVER6) == 1
        assert pings.answers(place.in6, tenant.address()) == 1
    # the one behind a home router is known by that
    assert HOME4 + ":" in place.gateway.run("wg", "show", "all", "endpoints")
    case.gateway.nothing_to_do()


def proxied(case, name, tenant, port, tunnel=None):
    """A client's bytes reach a service of the tenant's by the proxy, and come back."""
    ssh = service("ssh", [tenant.address()],
                  {"protocol": "tcp", "ipv4": GATEWAY4, "port": port, "to": 22})
    case.gateway.put(getattr(case, name)(tunnel, serial=2, services=[ssh]))
    case.serve(tenant, 22)
    peers.wait_for(lambda: f"{name}/ssh" in case.gateway.services())
    assert exchange(case.place.in4, GATEWAY4, port, b"hello") == b"hello"


def test_the_proxy_reaches_tenants_in_tunnels(case):
    """The outer packets are the proxy's, too, for the rules of what it may send."""
    case.start()
    proxied(case, "acme", case.place.acme, 2300)
    proxied(case, "globex", case.place.globex, 2301)


def test_a_tunnel_has_a_port_and_a_preshared_key_of_its_own(case):
    """The proxy reaches it as well, and a reload takes the key's next version."""
    case.start(connect=False, objects=[])
    gateway, acme = case.gateway, case.place.acme
    psk = key_file(gateway, "acme.psk", run("wg", "genpsk").strip())
    own = {"listen_port": 51821, "preshared_key_file": psk}
    gateway.put(case.acme(own))
    case.place.acme_wireguard(case.acme_keys, gateway.keys.public, port=51821, psk_file=psk)
    pings.reaches(acme, SERVER6)
    proxied(case, "acme", acme, 2300, own)
    secret = run("wg", "genpsk").strip()
    key_file(gateway, "acme.psk", secret)
    gateway.reload()
    assert secret in case.place.gateway.run("wg", "show", "all", "preshared-keys")
    shakes_hands_again(acme)
    assert pings.answers(acme, SERVER6, within=0.5) == 0  # it has the former one
    acme.run("wg", "set", "wg0", "peer", gateway.keys.public, "preshared-key", psk)
    shakes_hands_again(acme)
    pings.reaches(acme, SERVER6)


def shakes_hands_again(host):
    host.ip_batch("link set wg0 down", "link set wg0 up", "route add ::/0 dev wg0",
                  f"addr add {host.address()}/64 dev wg0 nodad")


def test_objects_come_and_go_while_others_go_on(case):
    case.start()
    place, gateway = case.place, case.gateway
    with pings.Stream(place.initech, SERVER6) as other:
        gateway.remove("acme")
        gateway.remove("globex")
        peers.wait_for(lambda: "sixgate:globex/" not in place.gateway.ip("-d link") and
                       case.acme_keys.public not in place.gateway.run("wg", "show", "all", "peers"),
                       message="tunnels gone")
        for tenant in (place.acme, place.globex):
            assert pings.answers(tenant, SERVER6, within=1) == 0
            assert tenant.prefix not in place.gateway.ip("-6 route show proto 206")
        gateway.put(case.acme(serial=2))
        gateway.put(case.globex(serial=2))
        pings.reaches(place.globex, SERVER6)
        # its end has the old session yet, and asks for another one after 15 s
        pings.reaches(place.acme, SERVER6)
    assert other.lost == 0


def test_6in4_endpoint_moves_and_keeps_its_device(case):
    case.start()
    place, gateway = case.place, case.gateway
    device = link_of(place.gateway, "sixgate:globex/")
    place.globex.ip("addr add 198.51.100.19/24 dev eth0")
    gateway.put(case.globex(tunnel={"remote": "198.51.100.19"}, serial=2))
    place.globex.ip("link set six0 type sit local 198.51.100.19 remote 203.0.113.10")
    pings.reaches(place.globex, SERVER6)
    assert link_of(place.gateway, "sixgate:globex/") == device
    place.globex.ip("addr del 198.51.100.19/24 dev eth0")


def link_of(host, alias):
    """(index, name) of the device with this alias."""
    return next((link["ifindex"], link["ifname"]) for link in json.loads(host.ip("-j -d link"))
                if link.get("ifalias", "").startswith(alias))
