# SPDX-License-Identifier: GPL-3.0-or-later
"""The hosts of the tests and how they are connected.

    client (IPv4 only) ---up0 gateway ten1--- acme   (IPv6 only, 2001:db8:a000:1001::/64)
    internet (IPv6)    ---up1         ten2--- globex (IPv6 only, 2001:db8:a000:1002::/64)

The client may use every address of 198.51.100.0/24 as its source.
"""

from netns import Namespace, link, remove_stale

CLIENT = "198.51.100.7"
CLIENT_NET = "198.51.100.0/24"
POOL = ["203.0.113.10", "203.0.113.16", "203.0.113.17"]  # the gateway's public addresses
CLIENT_PREFIX = "2001:db8:a000:ff::/96"
INTERNET = "2001:db8:77::2"


def embedded(ipv4):
    """How a client of this address appears to a tenant with client_address: embed."""
    a, b, c, d = (int(part) for part in ipv4.split("."))
    return f"2001:db8:a000:ff::{a << 8 | b:x}:{c << 8 | d:x}"


class Tenant(Namespace):
    """A tenant's host: addresses ::10 to ::1f of its /64, a default route to the gateway."""

    def __init__(self, name, number):
        super().__init__(name)
        self.tenant = name
        self.net = f"2001:db8:a000:{number}::"
        self.prefix = self.net + "/64"

    def address(self, host=0x10):
        return f"{self.net}{host:x}"


class Lab:
    def __init__(self):
        remove_stale()
        self.client = Namespace("client")
        self.gateway = Namespace("gateway")
        self.internet = Namespace("internet")
        self.tenants = [Tenant("acme", "1001"), Tenant("globex", "1002")]
        self.acme, self.globex = self.tenants
        self.routes = []
        self._wire_client()
        self._wire_internet()
        for number, tenant in enumerate(self.tenants, 1):
            self._wire_tenant(tenant, f"ten{number}")

    def hosts(self):
        return [self.client, self.gateway, self.internet, *self.tenants]

    def close(self):
        for host in self.hosts():
            host.delete()

    def _wire_client(self):
        link(self.gateway, "up0", self.client, "eth0")
        self.gateway.ip("addr add 192.0.2.1/24 dev up0")
        self.client.ip("addr add 192.0.2.2/24 dev eth0")
        for address in POOL:
            self.gateway.ip(f"addr add {address}/32 dev up0")
        self.client.ip(f"route add local {CLIENT_NET} dev lo")
        self.client.ip(f"addr add {CLIENT}/32 dev lo")
        self.client.ip(f"route add default via 192.0.2.1 src {CLIENT}")
        self.gateway.ip(f"route add {CLIENT_NET} via 192.0.2.2")
        # IPv4 only, as the people behind it are
        self.client.sysctl("net.ipv6.conf.all.disable_ipv6", 1)
        self.client.sysctl("net.ipv4.ip_local_port_range", "1024 65535")

    def _wire_internet(self):
        link(self.gateway, "up1", self.internet, "eth0")
        self.gateway.ip("addr add 2001:db8:77::1/64 dev up1 nodad")
        self.internet.ip(f"addr add {INTERNET}/64 dev eth0 nodad")
        self.internet.ip("route add 2001:db8:a000::/48 via 2001:db8:77::1")
        self.gateway.sysctl("net.ipv6.conf.all.forwarding", 1)
        self.gateway.sysctl("net.ipv4.ip_forward", 1)

    def _wire_tenant(self, tenant, device):
        link(self.gateway, device, tenant, "eth0")
        self.gateway.ip(f"addr add fe80::1/64 dev {device} nodad")
        tenant.ip("addr add fe80::2/64 dev eth0 nodad")
        for host in range(0x10, 0x20):
            tenant.ip(f"addr add {tenant.address(host)}/64 dev eth0 nodad")
        tenant.ip("route add default via fe80::1 dev eth0")
        self.gateway.ip(f"route add {tenant.prefix} via fe80::2 dev {device}")
        self.routes.append(f"route replace {tenant.prefix} via fe80::2 dev {device}")

    def routes_back(self):
        """The ways to the tenants as they were wired, when no sixgated runs: one that does has made
        its own of a tenant's with a tunnel, and would put that there again."""
        self.gateway.ip_batch(*self.routes)
