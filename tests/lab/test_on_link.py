# SPDX-License-Identifier: GPL-3.0-or-later
"""Gateways with little: one IPv4 address and one on-link /64, which tenants get slices of; one IPv4
and one IPv6 address, where there is nothing to delegate, unless another exit gives a prefix; and a
proxy with nothing but its listeners."""

import contextlib
import json

import clients
import peers
import pings
import state
from exitgate import CLIENT_PREFIX
from gateway import service
from otherexit import EXIT6, EXIT_PORT, OtherExit
from test_modules import exchange
from topology import FARM, GATEWAY4, GATEWAY6, POOL4, SERVER4, SERVER6, embedded, up

LINK = "2001:db8:0:1"  # the uplink's own /64
ELSEWHERE = "2001:db8:c000:1::"  # a tenant's, whose IPv6 comes from another exit


def settings(ipv6, **more):
    uplink = {"kind": "direct", "interface": "up0",
              "ipv4": [{"range": GATEWAY4 + "/32", "delivery": "present"}], **ipv6}
    return {"uplink": uplink, **more}


def only_one_address(place):
    """What the other tests' gateway has besides."""
    place.gateway.ip_batch(f"addr del {POOL4[1]}/24 dev up0")
    place.isp.ip_batch(f"route del {FARM}")


@contextlib.contextmanager
def sliced(tenants):
    """The tenants have slices of the link instead of their /64s."""
    former = [(tenant.net, tenant.prefix) for tenant in tenants]
    for tenant in tenants:
        tenant.net = tenant.net.replace("2001:db8:a000", LINK)
        tenant.prefix = tenant.net + "/80"
    try:
        yield
    finally:
        for tenant, (net, prefix) in zip(tenants, former):
            tenant.net, tenant.prefix = net, prefix


def ssh(address, **more):
    return service("ssh", [address], {"protocol": "tcp", "ipv4": GATEWAY4, "port": 2222, "to": 22,
                                      **more})


def mac(host, device):
    return json.loads(host.ip(f"-j link show dev {device}"))[0]["address"]


def refusal(gateway, name):
    """What status says about a tenant's object."""
    return " ".join(text for text in gateway.problems() if name in text)


def test_one_ipv4_address_and_one_on_link_64(case):
    place = case.place
    acme, globex = place.acme, place.globex
    only_one_address(place)
    with sliced([acme, globex]):
        gateway = case.prepare(settings(
            {"ipv6": {"prefix": LINK + "::/64", "reserved": 16, "on_link": True}},
            client_prefix=LINK + ":f::/96"))
        gateway.put(case.acme(services=[ssh(acme.address())]))
        gateway.put(case.globex())
        gateway.put({**case.initech(), "prefixes": [LINK + "::/64"], "tunnels": []})
        gateway.start()
        assert "cannot be one tenant's" in refusal(gateway, "initech")
        place.acme_wireguard(case.acme_keys, gateway.keys.public)
        place.globex_6in4()
        for tenant in (acme, globex):
            pings.reaches(tenant, SERVER6)
            pings.reaches(place.in6, tenant.address(0x10))
        # in6 is not the one who asks: the router is, of whom nobody told where they are
        assert mac(place.gateway, "up0") in place.isp.ip(f"neigh show {globex.address()}")
        assert acme.address() in place.gateway.ip("neigh show proxy"), "a backend: by the kernel"
        assert globex.address() not in place.gateway.ip("neigh show proxy")
        assert pings.answers(place.isp, f"{LINK}:1003::10", within=1) == 0
        pings.reaches(acme, embedded(SERVER4[0]))
        case.serve(acme, 22)
        assert exchange(place.in4, GATEWAY4, 2222, b"hello") == b"hello"
        gateway.nothing_to_do()


@contextlib.contextmanager
def snooping_switch(place):
    """Between the gateway and its router; it hands multicast on only to who is known to want it."""
    place.isp.ip_batch(
        "link add brs type bridge mcast_snooping 1 mcast_query_response_interval 10",
        "addr flush dev gw0", "link set gw0 master brs", *up("brs"),
        "addr add 203.0.113.1/24 dev brs", f"addr add {LINK}::1/64 dev brs nodad")
    place.isp.ip("link set brs type bridge mcast_querier 1")  # it has an address to ask from now
    try:
        yield
    finally:
        place.isp.ip("link del brs")


def test_a_switch_with_mld_snooping_lets_the_router_ask(case):
    """It hears that multicast is wanted; for addresses of backends also without that."""
    place, initech = case.place, case.place.initech
    only_one_address(place)
    with sliced([initech]), snooping_switch(place):
        initech.ip(f"addr add {initech.address()}/80 dev eth0 nodad")
        initech.ip(f"addr add {initech.address(0x11)}/80 dev eth0 nodad")
        gateway = case.prepare(settings(
            {"ipv6": {"prefix": LINK + "::/64", "reserved": 16, "on_link": True}},
            client_prefix=LINK + ":f::/96"))
        gateway.put(case.initech(services=[ssh(initech.address())], inbound={"policy": "open"}))
        gateway.start()
        peers.wait_for(lambda: "gw0" in routers(place), message="the gateway's port")
        pings.reaches(place.in6, initech.address(0x11))
        pings.reaches(place.in6, initech.address())
        place.isp.ip_batch("link set gw0 type bridge_slave mcast_router 0", "neigh flush dev brs")
        assert pings.answers(place.in6, initech.address(0x11), within=1) == 0
        assert pings.answers(place.in6, initech.address()) == 1


def routers(place):
    return place.isp.run("bridge", "-d", "mdb", "show")


def tunnel_takes_its_own_way(place):
    """Without the machine's way to the exit its packets go nowhere, not round in the tunnel."""
    def sent():
        return json.loads(place.gateway.ip("-j -s link show sg-up"))[0]["stats64"]["tx"]["packets"]

    place.gateway.ip("route del ::/0 via 2001:db8:0:1::1")
    before = sent()
    assert pings.answers(place.initech, SERVER6, count=3, within=1) == 0
    assert sent() <= before + 10
    place.gateway.ip("route add ::/0 via 2001:db8:0:1::1 dev up0")
    pings.reaches(place.initech, SERVER6)


def test_one_address_of_each_and_a_prefix_of_another_exit(case, later):
    """The exit is reached over IPv6, and the farm's IPv6 inside of that; IPv4 goes in and out here,
    by the proxy and NAT64."""
    place, initech = case.place, case.place.initech
    only_one_address(place)
    exit_host = OtherExit(place)
    later(exit_host.delete)
    gateway = case.prepare()
    gateway.write_config({"uplink": {**gateway.config["uplink"], "ipv4": [
        {"range": GATEWAY4 + "/32", "delivery": "present"}]}})
    exit_host.configure(gateway, "wireguard", endpoint=f"[{EXIT6}]")
    exit_host.wireguard()
    mapped = service("mapped", [initech.address()], {
        "protocol": "tcp", "ipv4": GATEWAY4, "port": 19500, "to": 22, "via": "nat64"})
    gateway.put(case.initech(services=[ssh(initech.address()), mapped],
                             inbound={"policy": "open"}))
    gateway.start()
    pings.reaches(initech, SERVER6)
    pings.reaches(place.in6, initech.address())
    assert f"[{GATEWAY6}]:" in exit_host.run("wg", "show", "wgx", "endpoints")
    assert f"[{EXIT6}]:{EXIT_PORT}" in gateway.cli("tunnels").stdout
    # the largest packet that fits, and none of the farm's beside the tunnel
    assert pings.answers(place.in6, initech.address(), size=1420 - 48) == 1
    assert exit_host.leaked() == 0
    tunnel_takes_its_own_way(place)
    out, inside = case.serve(place.in4, 80), case.serve(initech, 22)
    assert exchange(initech, embedded(SERVER4[0]), 80, b"hello") == b"hello"
    assert out.peers[-1][0] == GATEWAY4
    for port, prefix in ((2222, CLIENT_PREFIX.split("/")[0]), (19500, None)):
        assert exchange(place.in4, GATEWAY4, port, b"hello") == b"hello"
        assert inside.peers[-1][0] == embedded(SERVER4[0], *([prefix] if prefix else []))
    gateway.nothing_to_do()


def test_proxy_alone(case, later):
    """Tenants' IPv6 is their provider's. No tunnel, no forwarding, no prefix of the farm's; clients
    are shown in one that is routed here."""
    place, initech = case.place, case.place.initech
    only_one_address(place)
    later(place.in6.ip, f"addr del {initech.address()}/128 dev eth0")
    later(place.isp.ip_batch, f"route del {initech.prefix}", f"route del {CLIENT_PREFIX}")
    place.in6.ip(f"addr add {initech.address()}/128 dev eth0 nodad")
    place.isp.ip_batch(f"route add {initech.prefix} via {SERVER6}",
                       f"route add {CLIENT_PREFIX} via {GATEWAY6}")
    gateway = case.prepare(settings({}, nat64=None, local_ports=None, six_in_four=None,
                                    wireguard=None))
    name = {"protocol": "tls", "names": ["shop.example"], "port": 443, "to": 443}
    web = ssh(initech.address(), client_address="embed")
    gateway.put({"tenant": "initech", "serial": 1, "prefixes": [initech.prefix],
                 "services": [{**web, "expose": [*web["expose"], name]}]})
    gateway.start()
    inside = [case.serve(place.in6, port, address=initech.address()) for port in (22, 443)]
    assert exchange(place.in4, GATEWAY4, 2222, b"hello") == b"hello"
    greeting = clients.hello("shop.example")
    assert exchange(place.in4, GATEWAY4, 443, greeting) == greeting
    for server in inside:
        assert server.peers[-1][0] == embedded(SERVER4[0], CLIENT_PREFIX.split("/")[0])
    # nothing of a gateway that has tunnels
    now = state.snapshot(place.gateway)
    for what in ("IPv6 rules", "Jool", "namespaces"):
        assert now[what] == case.before[what], what
    lines, before = now[state.LINKS].splitlines(), case.before[state.LINKS].splitlines()
    [added] = [line for line in lines if line not in before]
    assert added.split()[:2] == ["local", CLIENT_PREFIX]
    assert [line for line in lines if line != added] == before
    assert place.gateway.sysctl("net.ipv6.conf.all.forwarding") == "0"
    gateway.nothing_to_do()


def test_one_ipv4_and_one_ipv6_address(case):
    """The proxy works for a tenant whose IPv6 is another exit's; nothing is delegated."""
    place = case.place
    only_one_address(place)
    place.in6.ip_batch(f"addr add {ELSEWHERE}10/128 dev eth0 nodad")
    place.isp.ip_batch(f"route add {ELSEWHERE}/64 via {SERVER6}")
    try:
        gateway = case.prepare(settings({}, client_prefix=None, nat64=None, local_ports=None,
                                        six_in_four=None))
        gateway.put({"tenant": "initech", "serial": 1, "prefixes": [ELSEWHERE + "/64"],
                     "services": [ssh(ELSEWHERE + "10", client_address="hide")]})
        gateway.put(case.acme())
        gateway.start()
        reason = refusal(gateway, "acme")
        assert "acme.yaml" in reason and "/tunnels/0" in reason
        assert "a single IPv6 address cannot be shared out (NAT66 is not done)" in reason
        assert case.acme_keys.public not in place.gateway.run("wg", "show", "all", "peers")
        server = peers.Backend(place.in6, 22, address=ELSEWHERE + "10")
        try:
            assert exchange(place.in4, GATEWAY4, 2222, b"hello") == b"hello"
        finally:
            server.close()
        assert place.gateway.sysctl("net.ipv6.conf.all.forwarding") == "0"
        gateway.nothing_to_do()
    finally:
        place.in6.ip_batch(f"addr del {ELSEWHERE}10/128 dev eth0")
        place.isp.ip_batch(f"route del {ELSEWHERE}/64")
