# SPDX-License-Identifier: GPL-3.0-or-later
"""`underlay_netns`: the gateway is in a network namespace that has no public address; the public
sockets of its tunnels are in another one."""

import pings
import pytest
import state
from otherexit import OtherExit
from topology import SERVER6, Host, cables, up

PUBLIC4 = "203.0.113.20"
CAP_SYS_ADMIN = 21


@pytest.fixture
def public(place):
    """The namespace with the public address, on the provider's wire instead of the gateway."""
    host = Host("public", PUBLIC4)
    place.gateway.ip("link set up0 down")
    cables((place.isp, "pub0", host, "up0"))
    place.isp.ip_batch("addr add 203.0.113.2/24 dev pub0", *up("pub0"),
                       f"route add {PUBLIC4}/32 dev pub0")
    host.ip_batch(*up("up0"), f"addr add {PUBLIC4}/24 dev up0",
                  "route add default via 203.0.113.2")
    yield host
    host.delete()


def test_wireguard_to_the_exit_is_in_another_namespace(case, public, later):
    """All that is in the gateway's own is the tunnel: what the exit sees comes from the other."""
    place = case.place
    exit_host = OtherExit(place)
    later(exit_host.delete)
    gateway = case.prepare()
    exit_host.configure(gateway, "wireguard", underlay_netns=public.name)
    exit_host.wireguard()
    before = state.snapshot(public)
    gateway.put(case.initech(inbound={"policy": "open"}))
    gateway.start()
    pings.reaches(place.initech, SERVER6)
    pings.reaches(place.in6, place.initech.address())
    assert f"{PUBLIC4}:51821" in exit_host.run("wg", "show", "wgx", "endpoints")
    link = place.gateway.ip("-d link show sg-up")
    assert ":51821" in public.run("ss", "-Hlnu")
    assert ":51821" not in place.gateway.run("ss", "-Hlnu")
    with pings.Stream(place.initech, SERVER6) as stream:
        assert gateway.stop() == 0
        gateway.start()
    assert stream.lost == 0 and place.gateway.ip("-d link show sg-up") == link
    gateway.nothing_to_do()
    assert gateway.stop() == 0
    gateway.cli("down")
    left = state.difference(before, state.snapshot(public))
    assert not left, left


def test_public_sockets_are_in_another_namespace(case, public, later):
    """Those of tenants' tunnels and of the uplink."""
    place = case.place
    exit_host = OtherExit(place)
    later(exit_host.delete)
    gateway = case.prepare({
        "six_in_four": {"local": PUBLIC4, "underlay_netns": public.name}})
    gateway.write_config({
        "wireguard": {**gateway.config["wireguard"], "underlay_netns": public.name}})
    exit_host.configure(gateway, "6in4", local=PUBLIC4, underlay_netns=public.name)
    exit_host.six_in_four(remote=PUBLIC4)
    before = state.snapshot(public)
    for tenant in case.objects():
        gateway.put(tenant)
    gateway.start()
    place.acme_wireguard(case.acme_keys, gateway.keys.public, gateway=PUBLIC4)
    place.globex_6in4(gateway=PUBLIC4)
    for tenant in place.tenants:
        pings.reaches(tenant, SERVER6)
        pings.reaches(place.in6, tenant.address())
    assert not gateway.has_capability(CAP_SYS_ADMIN)
    assert f"link-netns {public.name}" in place.gateway.ip("-d link show sg-up")
    assert ":51820" in public.run("ss", "-Hlnu")
    assert ":51820" not in place.gateway.run("ss", "-Hlnu")
    links = place.gateway.ip("-d link")
    assert gateway.problems() == []
    public.ip("link set sit0 up")
    with pings.Stream(place.acme, SERVER6) as acme, pings.Stream(place.globex, SERVER6) as globex:
        assert gateway.stop() == 0
        gateway.start()
    assert (acme.lost, globex.lost) == (0, 0)
    assert place.gateway.ip("-d link") == links
    [text] = gateway.problems()
    assert f"run 'ip -n {public.name} link set sit0 down'" in text
    public.ip("link set sit0 down")
    gateway.reload()
    assert gateway.problems() == []
    gateway.nothing_to_do()
    assert gateway.stop() == 0
    gateway.cli("down")
    left = state.difference(before, state.snapshot(public))
    assert not left, left
