# SPDX-License-Identifier: GPL-3.0-or-later
"""An uplink whose default route comes by router advertisements: a router that forwards takes none
unless it is told to, and loses the route that it has."""

import json
import os
import struct

import pytest

from gateway import BUILD, Gateway
from netns import Namespace, link, remove_stale
from peers import wait_for
from test_neighbours import Router, binary, checksum, link_local

ACCEPT, FORWARD = "net.ipv6.conf.up0.accept_ra", "net.ipv6.conf.all.forwarding"


class Site:
    """A gateway that has learned its way out, and its router."""

    def __init__(self):
        remove_stale()
        self.gateway, self.router = Namespace("ra-gateway"), Namespace("ra-router")
        link(self.gateway, "up0", self.router, "eth0")
        assert self.settings() == ("1", "0")
        wait_for(lambda: all(self.has_link_local(*end) for end in (
            (self.gateway, "up0"), (self.router, "eth0"))))
        self.ends = Router(self.router, self.gateway, uplink="up0")

    @staticmethod
    def has_link_local(host, device):
        return "scope link" in host.ip(f"-6 addr show dev {device} -tentative")

    def settings(self):
        return self.gateway.sysctl(ACCEPT), self.gateway.sysctl(FORWARD)

    def advertise(self, lifetime_s):
        """RFC 4861 4.2: a router, no prefix."""
        body = struct.pack("!BBHBBHII", 134, 0, 0, 64, 0, lifetime_s, 0, 0)
        source, group = binary(self.ends.address), binary("ff02::1")
        pseudo = source + group + struct.pack("!II", len(body), 58)
        body = body[:2] + struct.pack("!H", checksum(pseudo + body)) + body[4:]
        self.ends.socket.sendto(
            struct.pack("!IHBB", 6 << 28, len(body), 58, 255) + source + group + body,
            ("eth0", 0x86dd, 0, 0, bytes.fromhex("333300000001")))

    def default(self):
        """Router and seconds left of the route that was learned, or None."""
        routes = [one for one in json.loads(self.gateway.ip("-j -6 route show default"))
                  if one.get("protocol") == "ra"]
        return (routes[0]["gateway"], routes[0]["expires"]) if routes else None

    def close(self):
        self.ends.socket.close()
        self.gateway.delete()
        self.router.delete()


@pytest.fixture
def site():
    one = Site()
    yield one
    one.close()


def test_the_learned_default_route_stays_and_all_is_put_back(site):
    site.advertise(1000)
    wait_for(site.default, message="the route")
    router, left = site.default()
    assert router == link_local(site.router, "eth0") and left <= 1000
    gateway = Gateway(site, {
        "listeners": [], "client_prefix": None, "workers": 1,
        "uplink": {"kind": "direct", "interface": "up0",
                   "ipv6": {"prefix": "2001:db8:a000::/48", "reserved": 256}}})
    gateway.start()
    assert site.settings() == ("2", "1")
    assert site.default() and site.default()[0] == router
    # and it goes on learning
    site.advertise(5000)
    wait_for(lambda: site.default()[1] > 1000, message="a later end")
    assert gateway.stop() == 0
    gateway.start()  # which finds both as they are to be
    assert site.settings() == ("2", "1") and gateway.problems() == []
    is_put_back_in_order(site, gateway)
    assert gateway.stop() == 0
    assert site.settings() == ("2", "1")
    site.gateway.run(os.path.join(BUILD, "sixgated"), "--down", "--run-dir", gateway.run_folder)
    assert site.settings() == ("1", "0")
    assert site.default()[0] == router
    gateway.forget()


def is_put_back_in_order(site, gateway):
    """Of one the kernel tells nobody, of the other it does; the route that was learned stays."""
    site.gateway.sysctl(ACCEPT, 1)
    site.gateway.sysctl(FORWARD, 0)
    for name in ("up0/accept_ra was = 1, not = 2", "all/forwarding was = 0, not = 1"):
        wait_for(lambda name=name: any(name in line["text"] and line["mended"]
                                       for line in gateway.ask("drift")), 1, name)
    assert site.settings() == ("2", "1")
    site.advertise(6000)
    wait_for(lambda: site.default() and site.default()[1] > 5000, message="a route still learned")


def test_without_the_setting_the_route_would_go(site):
    """What the order is for: this kernel does as others do."""
    site.advertise(1000)
    wait_for(site.default, message="the route")
    site.gateway.sysctl(FORWARD, 1)
    wait_for(lambda: site.default() is None, message="the route's end")
    site.advertise(1000)
    site.gateway.sysctl(ACCEPT, 2)
    site.advertise(1000)
    wait_for(site.default, message="the route")
