# SPDX-License-Identifier: GPL-3.0-or-later
"""The module of NAT64 is taken away while all run, and comes back."""

import contextlib

import peers
import pings
import pytest
from exitgate import HEARD_S, SLOWER
from gateway import service
from netns import run
from test_modules import exchange
from test_nat44 import INSIDE
from topology import GATEWAY4, SERVER4, SERVER6, embedded

WHAT_TO_DO = ("the kernel's module jool is not loaded: run 'modprobe jool', and put 'jool' into "
              "/etc/modules-load.d/jool.conf")


def prepared(case):
    """Tenants by each kind of tunnel, one with IPv4 inside it, one with an exposure by NAT64."""
    place, gateway = case.place, case.prepare({"nat44": {"ports": "57344-65535"}})
    exposed = service("ssh", [place.globex.address()], {
        "protocol": "tcp", "ipv4": GATEWAY4, "port": 2222, "to": 22, "via": "nat64"})
    for tenant in (case.acme(tunnel={"ipv4": True}), case.globex(services=[exposed]),
                   case.initech()):
        gateway.put(tenant)
    gateway.start()
    place.acme_wireguard(case.acme_keys, gateway.keys.public, ipv4=INSIDE)
    place.acme.ip(f"route add {SERVER4[0]} dev wg0 src {INSIDE}")
    place.globex_6in4()
    case.serve(place.in4, 80)
    case.serve(place.globex, 22)
    return gateway, place


def all_translate(place):
    for tenant in place.tenants:
        pings.reaches(tenant, embedded(SERVER4[0]))
    assert exchange(place.in4, GATEWAY4, 2222, b"hello") == b"hello"


@pytest.mark.alone
def test_the_module_is_unloaded_and_loaded(case):
    gateway, place = prepared(case)
    for tenant in place.tenants:
        pings.reaches(tenant, SERVER6)
    all_translate(place)
    with contextlib.ExitStack() as stack:
        streams = [stack.enter_context(pings.Stream(tenant, address, 0.1)) for tenant, address in (
            (place.acme, SERVER6), (place.acme, SERVER4[0]), (place.globex, SERVER6),
            (place.initech, SERVER6))]
        run("rmmod", "jool")
        try:
            peers.wait_for(lambda: f"nat64: {WHAT_TO_DO}" in gateway.problems(), HEARD_S * SLOWER,
                           "what to do")
            assert WHAT_TO_DO in gateway.cli("status").stdout
            assert f"nat64 is off: {WHAT_TO_DO}" in gateway.log()
            assert pings.heard(*((tenant, embedded(SERVER4[0])) for tenant in place.tenants)) == []
            assert exchange(place.acme, SERVER4[0], 80, b"hello") == b"hello"
            assert [text for text in gateway.problems() if not text.startswith("nat64")] == []
            gateway.nothing_to_do()
        finally:
            run("modprobe", "jool")
        peers.wait_for(lambda: gateway.problems() == [], HEARD_S * SLOWER, "no problem")
        all_translate(place)
        gateway.nothing_to_do()
    assert "nat64 is back" in gateway.log()
    assert [(one.host.role, one.address) for one in streams if one.lost] == []
