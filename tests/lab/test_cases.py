# SPDX-License-Identifier: GPL-3.0-or-later
"""Where tenants and gateways are, each place with its own topology: data centres and homes.

A gateway with an allocation of both families is the topology of all other tests here; one in a data
centre that has IPv4 only is test_uplink.py's.
"""

import socket
import struct

import pings
import pytest
from gateway import service
from otherexit import OtherExit
from test_modules import exchange
from topology import (FARM, GATEWAY4, GATEWAY6, GLOBEX4, HOME4, LAN6, SERVER4, SERVER6, WireGuard,
                      cables, embedded, up)

ACCESS = "2001:db8:1f::"   # the provider's IPv6 for its customers
HOME6 = "2001:db8:1e::"    # the /64 that home has of it, and another day
HOME6_NEXT = "2001:db8:2e::"
HOME6_OWN = "2001:db8:1d::"
BEHIND4 = "192.168.7.10"   # a gateway behind home's NAT


def exposed(port, to, address, **more):
    return service("exposed", [address], {"protocol": "tcp", "ipv4": GATEWAY4, "port": port,
                                          "to": to, **more})


def spoofs(case, host, source, device):
    """The gateway drops and counts what comes from a source that is not the tenant's."""
    before = case.gateway.status()["kernel"]["tenant_spoofed"]
    host.ip(f"addr add {source}/128 dev {device} nodad")
    host.run("sh", "-c", f"ping -n -c 1 -W 1 -I {source} {SERVER6} >/dev/null || true")
    assert case.gateway.status()["kernel"]["tenant_spoofed"] == before + 1


def test_tenant_in_a_data_centre_with_ipv4_only(case, later):
    """6in4, as no NAT is in the way, and WireGuard that the gateway dials."""
    place, globex, keys = case.place, case.place.globex, WireGuard()
    gateway = case.prepare()
    vm = "2001:db8:a000:1004::"
    gateway.put({
        "tenant": "globex", "serial": 1, "prefixes": [globex.prefix, vm + "/64"],
        "tunnels": [
            {"name": "dc", "kind": "6in4", "remote": GLOBEX4, "prefixes": [globex.prefix]},
            {"name": "vm", "kind": "wireguard", "public_key": keys.public, "mtu": 1440,
             "endpoint": f"{GLOBEX4}:51820", "listen_port": 51830, "prefixes": [vm + "/64"]}],
        "services": [exposed(2222, 22, vm + "10")]})
    place.globex_6in4()
    globex.ip("link add wgv type wireguard")
    later(globex.ip, "link del wgv")
    globex.run("wg", "set", "wgv", "listen-port", "51820", "private-key", "/dev/stdin", "peer",
               gateway.keys.public, "allowed-ips", "::/0", input=keys.private)
    globex.ip_batch(f"addr add {vm}10/64 dev wgv nodad", "link set wgv up mtu 1440",
                    "route add ::/0 dev wgv table 78")
    globex.ip(f"-6 rule add from {vm}/64 lookup 78")
    later(globex.ip, f"-6 rule del from {vm}/64 lookup 78")
    gateway.start()
    pings.reaches(globex, SERVER6)
    pings.reaches(place.in6, vm + "10")
    for address, mtu in ((globex.address(), 1480), (vm + "10", 1440)):
        assert pings.answers(place.in6, address, size=mtu - 48) == 1
    case.serve(globex, 22, address=vm + "10")
    assert exchange(place.in4, GATEWAY4, 2222, b"hello") == b"hello"
    before = gateway.status()["kernel"]["outer_unknown"]
    send_6in4(place.in4, GATEWAY4)
    assert gateway.status()["kernel"]["outer_unknown"] == before + 1
    spoofs(case, globex, "2001:db8:a000:1001::66", "six0")


def send_6in4(host, to):
    """An IPv6 packet without a payload, in protocol 41 from an address that has no tunnel."""
    inner = struct.pack("!IHBB16x16x", 6 << 28, 0, 59, 64)
    with host.inside(), socket.socket(socket.AF_INET, socket.SOCK_RAW, 41) as sock:
        sock.sendto(inner, (to, 0))


def test_tenant_in_a_dual_stack_data_centre(case):
    """No tunnel: a /56 is routed to its node, the provider knows the farm's prefix alone."""
    place, initech = case.place, case.place.initech
    gateway = case.prepare()
    inside = ["2001:db8:a000:1101::10", "2001:db8:a000:11ff::10"]
    initech.ip_batch(*(f"addr add {address}/128 dev eth0 nodad" for address in inside))
    gateway.put({
        "tenant": "initech", "serial": 1, "prefixes": ["2001:db8:a000:1100::/56"],
        "tunnels": [{"name": "rack", "kind": "route", "via": "fe80::2", "interface": "tc0",
                     "prefixes": ["2001:db8:a000:1100::/56"]}],
        "services": [exposed(2222, 22, inside[1])], "inbound": {"policy": "open"}})
    gateway.start()
    server = case.serve(place.in6, 80)
    case.serve(initech, 22, address=inside[1])
    for address in inside:
        pings.reaches(place.in6, address)
        with initech.connect(SERVER6, 80, source=address):
            assert server.wait_peers(1)[-1][0] == address
        server.peers.clear()
    assert exchange(place.in4, GATEWAY4, 2222, b"hello") == b"hello"
    # what is assigned to nobody ends here and does not go round
    assert "exceeded" not in place.in6.run(
        "sh", "-c", "ping -n -c 1 -W 1 2001:db8:a000:2000::1 || true")
    spoofs(case, initech, "2001:db8:a000:1200::10", "eth0")


def test_tenant_at_home_behind_nat(case, later):
    """Dialled out from there, and wherever the home router's address goes; IPv4 literals, too."""
    place, acme, home = case.place, case.place.acme, case.place.home
    gateway = case.prepare({"nat44": {"ports": "57344-65535"}})
    gateway.put(case.acme(tunnel={"ipv4": True}, inbound={"policy": "open"},
                          services=[exposed(17410, 22, acme.address(), via="nat64")]))
    gateway.start()
    place.acme_wireguard(case.acme_keys, gateway.keys.public, ipv4="100.64.16.1")
    pings.reaches(acme, SERVER6)
    pings.reaches(place.in6, acme.address())
    server = case.serve(place.in4, 80, address=SERVER4[1])
    acme.ip(f"route add {SERVER4[1]}/32 dev wg0 src 100.64.16.1")
    assert exchange(acme, SERVER4[1], 80, b"hello") == b"hello"
    assert server.peers[-1][0] == GATEWAY4
    case.serve(acme, 22)
    assert exchange(place.in4, GATEWAY4, 17410, b"hello") == b"hello"
    assert pings.answers(acme, LAN6, within=1) == 0
    home.sysctl("net.ipv4.conf.wan0.promote_secondaries", 1)
    home.ip_batch("addr add 198.51.100.78/24 dev wan0", f"addr del {HOME4}/24 dev wan0")
    later(home.ip_batch, f"addr add {HOME4}/24 dev wan0", "addr del 198.51.100.78/24 dev wan0")
    pings.reaches(acme, SERVER6)
    pings.reaches(place.in6, acme.address())
    assert "198.51.100.78:" in place.gateway.run("wg", "show", "sg-wg", "endpoints")


@pytest.fixture
def access(place, later):
    """The provider gives its customers IPv6, and home a /64 of it."""
    isp, home = place.isp, place.home
    isp.ip_batch(f"addr add {ACCESS}1/64 dev br0 nodad",
                 *(f"route add {net}/64 via {ACCESS}7" for net in (HOME6, HOME6_NEXT)))
    later(isp.ip_batch, *(f"route del {net}/64" for net in (HOME6, HOME6_NEXT)),
          f"addr del {ACCESS}1/64 dev br0")
    home.sysctl("net.ipv6.conf.all.forwarding", 1)
    home.ip_batch(f"addr add {ACCESS}7/64 dev wan0 nodad", f"addr add {HOME6}1/64 dev lan0 nodad",
                  f"route add ::/0 via {ACCESS}1")
    later(home.ip_batch, f"route del ::/0 via {ACCESS}1", f"addr del {ACCESS}7/64 dev wan0",
          f"addr del {HOME6}1/64 dev lan0")
    return place


def test_tenant_at_home_with_one_64(case, access, later):
    """The tunnel runs over the provider's IPv6, whose /64 is nobody's here and may change; each
    source leaves by its own way."""
    place, acme = access, access.acme
    gateway = case.prepare()
    gateway.put(case.acme())
    gateway.start()
    acme.ip_batch(f"addr add {HOME6}a/64 dev eth0 nodad", f"route add ::/0 via {HOME6}1")
    acme.ip(f"-6 rule add from {acme.prefix} lookup 77")
    later(acme.ip, f"-6 rule del from {acme.prefix} lookup 77")
    later(acme.ip, f"-6 route del ::/0 via {HOME6}1")
    place.home.run("nft", "-f", "-", input=f"""
        table inet watch {{
            chain forward {{
                type filter hook forward priority 0;
                ip6 saddr {acme.prefix} counter
            }}
        }}""")
    later(place.home.run, "nft", "delete", "table", "inet", "watch")
    place.acme_wireguard(case.acme_keys, gateway.keys.public, gateway=f"[{GATEWAY6}]", table=77)
    pings.reaches(place.in6, acme.address())
    server = case.serve(place.in6, 80)
    for source in (acme.address(), HOME6 + "a"):
        with acme.connect(SERVER6, 80, source=source):
            assert server.wait_peers(1)[-1][0] == source
        server.peers.clear()
    # the provider gives another /64
    place.home.ip(f"addr add {HOME6_NEXT}1/64 dev lan0 nodad")
    later(place.home.ip, f"addr del {HOME6_NEXT}1/64 dev lan0")
    acme.ip_batch(f"addr add {HOME6_NEXT}a/64 dev eth0 nodad", f"addr del {HOME6}a/64 dev eth0")
    later(acme.ip, f"addr del {HOME6_NEXT}a/64 dev eth0")
    with acme.connect(SERVER6, 80, source=acme.address()):
        pass
    pings.reaches(place.in6, acme.address())
    assert f"[{HOME6_NEXT}a]:" in place.gateway.run("wg", "show", "sg-wg", "endpoints")
    assert "packets 0" in place.home.run("nft", "list", "table", "inet", "watch")


@pytest.fixture
def behind_nat(place):
    """The gateway is at home, by another cable; it has a private IPv4 address."""
    cables((place.gateway, "dsl0", place.home, "lan1"))
    place.home.ip_batch(*up("lan1"), "addr add 192.168.7.1/24 dev lan1",
                        f"addr add {HOME6_OWN}1/64 dev lan1 nodad")
    place.gateway.ip_batch("link set up0 down", *up("dsl0"), f"addr add {BEHIND4}/24 dev dsl0",
                           "route add default via 192.168.7.1")
    return place


def prepare_behind_nat(case, **uplink):
    """What the node config says there."""
    gateway = case.prepare()
    settings = {"kind": "direct", "interface": "dsl0",
                "ipv4": [{"range": f"{BEHIND4}/32", "delivery": "present"}],
                "ipv6": gateway.config["uplink"]["ipv6"], **uplink}
    gateway.write_config({"uplink": settings, "six_in_four": None,
                          "nat64": {**gateway.config["nat64"], "pool": [BEHIND4]}})
    return gateway


def nat64_leaves_by_the_nat(case, tenant):
    server = case.serve(case.place.in4, 80)
    assert exchange(tenant, embedded(SERVER4[0]), 80, b"hello") == b"hello"
    assert server.peers[-1][0] == HOME4


def test_gateway_behind_nat_without_ipv6(case, behind_nat, later):
    """It dials another exit, which is how its tenants are on the IPv6 Internet."""
    place = behind_nat
    exit_host = OtherExit(place)
    later(exit_host.delete)
    gateway = prepare_behind_nat(case)
    exit_host.configure(gateway, "wireguard")
    exit_host.wireguard()
    gateway.put(case.initech(inbound={"policy": "open"}))
    gateway.start()
    pings.reaches(place.initech, SERVER6)
    pings.reaches(place.in6, place.initech.address())
    nat64_leaves_by_the_nat(case, place.initech)
    assert HOME4 + ":" in exit_host.run("wg", "show", "wgx", "endpoints")


def test_gateway_behind_nat_with_ipv6(case, behind_nat, access, later):
    """Tunnels come over IPv6; IPv4 goes out, by NAT64, and does not come in."""
    place, globex, keys = behind_nat, behind_nat.globex, WireGuard()
    own = HOME6_OWN + "2"
    place.gateway.ip_batch(f"addr add {own}/64 dev dsl0 nodad", f"route add ::/0 via {HOME6_OWN}1")
    place.home.ip(f"route add {FARM} via {own}")
    place.isp.ip_batch(f"route del {FARM}", f"route add {FARM} via {ACCESS}7",
                       f"route add {HOME6_OWN}/64 via {ACCESS}7")
    later(place.isp.ip_batch, f"route del {FARM}", f"route del {HOME6_OWN}/64")
    gateway = prepare_behind_nat(case)
    gateway.put(gateway.object(globex, "wireguard", tunnel={"public_key": keys.public}))
    gateway.start()
    globex.ip_batch(f"addr add {ACCESS}9/64 dev eth0 nodad",
                    f"route add {HOME6_OWN}/64 via {ACCESS}1",
                    "link add wgv type wireguard")
    later(globex.ip_batch, "link del wgv", f"addr del {ACCESS}9/64 dev eth0")
    globex.run("wg", "set", "wgv", "private-key", "/dev/stdin", "peer", gateway.keys.public,
               "endpoint", f"[{own}]:51820", "allowed-ips", "::/0", input=keys.private)
    globex.ip_batch(f"addr add {globex.address()}/64 dev wgv nodad", "link set wgv up mtu 1420",
                    "route add ::/0 dev wgv")
    pings.reaches(globex, SERVER6)
    nat64_leaves_by_the_nat(case, globex)
