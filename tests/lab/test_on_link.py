# SPDX-License-Identifier: GPL-3.0-or-later
"""Two gateways with little: one IPv4 address and one on-link /64, which tenants get slices of; one
IPv4 and one IPv6 address, where there is nothing to delegate."""

import contextlib
import json

import peers
import pings
from gateway import service
from test_modules import exchange
from topology import FARM, GATEWAY4, POOL4, SERVER4, SERVER6, embedded

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
