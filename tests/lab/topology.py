# SPDX-License-Identifier: GPL-3.0-or-later
"""The hosts of the lab and how they are connected.

    in4     198.51.100.100, .101 (IPv4 only) --+              +-- wg0 -- acme, behind home's NAT44
    in6     2001:db8:77::2       (IPv6 only) --+              |
    home    198.51.100.77 (acme behind NAT44) -+-- isp --up0 gateway --- six0 -- globex
    globex  198.51.100.9 -----------------------+        tc0 |   | lan0
                                                     initech --+   +-- lan (the farmer's own)

acme has 2001:db8:a000:1001::/64 by WireGuard, globex 2001:db8:a000:1002::/64 by 6in4, initech
2001:db8:a000:1003::/64 on the wire. Here is only what exists without sixgate: cables, addresses,
the Internet's routes. A tenant's side of a tunnel is made by hand, as a tenant would.
"""

import base64
import ctypes
import os

import lab
from netns import Namespace, remove_stale, run
from peers import wait_for

GATEWAY4 = "203.0.113.10"
POOL4 = [GATEWAY4, "203.0.113.16"]   # on the uplink
MAPPED4 = "203.0.113.17"             # on no device: for protocol: address
GATEWAY6 = "2001:db8:0:1::2"
FARM = "2001:db8:a000::/48"
HOME4 = "198.51.100.77"
GLOBEX4 = "198.51.100.9"
SERVER4 = ["198.51.100.100", "198.51.100.101"]
SERVER6 = "2001:db8:77::2"
LAN4 = "192.0.2.2"
LAN6 = "2001:db8:1a::2"
# Not the well-known prefix: the lab's IPv4 addresses are special-use and refused below that.
PREF64 = "2001:db8:64::"
WG_PORT = 51820
SIIT_NETNS = "/run/netns/sixgate-siit"


def embedded(ipv4, prefix=PREF64):
    """An IPv4 address in a /96, as the kernel writes it."""
    a, b, c, d = (int(part) for part in ipv4.split("."))
    return f"{prefix}{a << 8 | b:x}:{c << 8 | d:x}"


def cables(*ends):
    """(host, device, host, device), ...: all in one program."""
    run("ip", "-batch", "-", input="".join(
        f"link add {a_dev} netns {a.name} type veth peer name {b_dev} netns {b.name}\n"
        for a, a_dev, b, b_dev in ends))


def up(*devices):
    return [f"link set {device} up" for device in devices]


class Host(Namespace):
    def __init__(self, role, *addresses):
        super().__init__(role)
        self.addresses = addresses

    def address(self):
        return self.addresses[0]


class Gateway(Host):
    def argv(self, *argv):
        """Started as a service of the machine is. By ip netns exec it would have mounts of its own,
        and the namespace that it makes and names for SIIT would end with it."""
        return ["nsenter", f"--net=/run/netns/{self.name}", *argv]


def random_key():
    """A secret, or the public key of somebody who is never heard of."""
    return base64.b64encode(os.urandom(32)).decode()


crypto = ctypes.CDLL("libcrypto.so.3")
crypto.EVP_PKEY_new_raw_private_key.restype = ctypes.c_void_p
X25519 = 1034  # NID_X25519


class WireGuard:
    """A key pair, as wg genkey and wg pubkey make it, without two programs."""

    def __init__(self):
        private, public = bytearray(os.urandom(32)), ctypes.create_string_buffer(32)
        private[0] &= 248
        private[31] = private[31] & 127 | 64
        key = ctypes.c_void_p(
            crypto.EVP_PKEY_new_raw_private_key(X25519, None, bytes(private), ctypes.c_size_t(32)))
        assert crypto.EVP_PKEY_get_raw_public_key(key, public, ctypes.byref(ctypes.c_size_t(32)))
        crypto.EVP_PKEY_free(key)
        self.private = base64.b64encode(private).decode()
        self.public = base64.b64encode(public.raw).decode()


class Topology:
    """All hosts. The gateway is made anew by fresh(), the others stay."""

    def __init__(self):
        remove_stale()
        self.isp = Host("isp", "203.0.113.1")
        self.in4 = Host("in4", *SERVER4)
        self.in6 = Host("in6", SERVER6)
        self.home = Host("home", HOME4)
        self.lan = Host("lan", LAN4)
        self.acme = lab.Tenant("acme", "1001")
        self.globex = lab.Tenant("globex", "1002")
        self.initech = lab.Tenant("initech", "1003")
        self.tenants = [self.acme, self.globex, self.initech]
        self.gateway = None
        self._wire_internet()
        self._wire_home()

    def hosts(self):
        return [self.isp, self.in4, self.in6, self.home, self.lan, *self.tenants,
                *([self.gateway] if self.gateway else [])]

    def close(self):
        for host in self.hosts():
            host.delete()
        self.gateway = None

    def fresh(self):
        """A gateway that knows nothing but its uplink, and tenants without tunnels."""
        if self.gateway:
            self.gateway.delete()
        if os.path.exists(SIIT_NETNS):  # of a test that failed
            run("ip", "netns", "del", os.path.basename(SIIT_NETNS))
        for tenant, device in ((self.acme, "wg0"), (self.globex, "six0")):
            if tenant.has(device):
                tenant.ip(f"link del {device}")
        # a namespace takes its devices, and with them the other ends, along after it is gone
        wait_for(lambda: not any(host.has(device) for host, device in (
            (self.isp, "gw0"), (self.initech, "eth0"), (self.lan, "eth0"))), message="no cables")
        self.gateway = Gateway("gateway", GATEWAY4, GATEWAY6)
        cables((self.gateway, "up0", self.isp, "gw0"), (self.gateway, "tc0", self.initech, "eth0"),
               (self.gateway, "lan0", self.lan, "eth0"))
        self.gateway.ip_batch(
            *up("up0", "tc0", "lan0"),
            *(f"addr add {address}/24 dev up0" for address in POOL4),
            f"addr add {GATEWAY6}/64 dev up0 nodad",
            "addr add fe80::1/64 dev tc0 nodad",
            "addr add 192.0.2.1/24 dev lan0",
            "addr add 2001:db8:1a::1/64 dev lan0 nodad",
            "route add default via 203.0.113.1",
            "route add default via 2001:db8:0:1::1")
        self.isp.ip_batch(
            *up("gw0"),
            "addr add 203.0.113.1/24 dev gw0",
            "addr add 2001:db8:0:1::1/64 dev gw0 nodad",
            f"route add {FARM} via {GATEWAY6}")
        self.lan.ip_batch(
            *up("eth0"),
            f"addr add {LAN4}/24 dev eth0",
            f"addr add {LAN6}/64 dev eth0 nodad",
            "route add default via 192.0.2.1",
            "route add default via 2001:db8:1a::1")
        self.initech.ip_batch(
            *up("eth0"),
            "addr add fe80::2/64 dev eth0 nodad",
            f"addr add {self.initech.address()}/64 dev eth0 nodad",
            "route add default via fe80::1 dev eth0")
        return self.gateway

    def _wire_internet(self):
        """The isp's switch for IPv4 hosts, and its other cables."""
        cables((self.isp, "i4", self.in4, "eth0"), (self.isp, "ihome", self.home, "wan0"),
               (self.isp, "iglobex", self.globex, "eth0"), (self.isp, "i6", self.in6, "eth0"),
               (self.home, "lan0", self.acme, "eth0"))
        ports = ("i4", "ihome", "iglobex")
        self.isp.ip_batch(
            "link add br0 type bridge", *(f"link set {port} master br0" for port in ports),
            *up("br0", "i6", *ports), "addr add 198.51.100.1/24 dev br0",
            "addr add 2001:db8:77::1/64 dev i6 nodad")
        self.isp.sysctl("net.ipv4.ip_forward", 1)
        self.isp.sysctl("net.ipv6.conf.all.forwarding", 1)
        self.in4.ip_batch(*up("eth0"), *(f"addr add {address}/24 dev eth0" for address in SERVER4),
                          "route add default via 198.51.100.1")
        self.in4.sysctl("net.ipv6.conf.all.disable_ipv6", 1)
        self.in6.ip_batch(*up("eth0"), f"addr add {SERVER6}/64 dev eth0 nodad",
                          "route add default via 2001:db8:77::1")
        self.globex.ip_batch(*up("eth0"), f"addr add {GLOBEX4}/24 dev eth0",
                             "route add default via 198.51.100.1")

    def _wire_home(self):
        """A home router with NAT44, and the tenant's box behind it."""
        self.home.ip_batch(*up("wan0", "lan0"), f"addr add {HOME4}/24 dev wan0",
                           "addr add 192.168.1.1/24 dev lan0",
                           "route add default via 198.51.100.1")
        self.home.sysctl("net.ipv4.ip_forward", 1)
        self.home.run("nft", "-f", "-", input="""
            table ip nat {
                chain postrouting {
                    type nat hook postrouting priority srcnat
                    oifname wan0 masquerade
                }
            }""")
        self.acme.ip_batch(*up("eth0"), "addr add 192.168.1.2/24 dev eth0",
                           "route add default via 192.168.1.1")

    def office(self, tenant):
        """A machine in a tenant's own network, behind its end of the tunnel: it knows nothing of
        the tunnel's MTU."""
        machine = Host(f"office-{tenant.tenant}", tenant.address(0x20))
        cables((tenant, "lan0", machine, "eth0"))
        tenant.sysctl("net.ipv6.conf.all.forwarding", 1)
        tenant.ip_batch(*up("lan0"), "addr add fe80::1/64 dev lan0 nodad",
                        f"route add {machine.address()}/128 dev lan0")
        machine.ip_batch(*up("eth0"), f"addr add {machine.address()}/128 dev eth0 nodad",
                         "route add default via fe80::1 dev eth0")
        return machine

    # What a tenant types

    def acme_wireguard(self, keys, gateway_key, port=WG_PORT, mtu=1420, psk_file=None, ipv4=None,
                       gateway=GATEWAY4, table=254):
        """table: where its default route goes, for a tenant that has another one."""
        acme = self.acme
        allowed = "::/0,0.0.0.0/0" if ipv4 else "::/0"
        # a handshake that nobody hears is tried again after five seconds
        wait_for(lambda: self.gateway.ip(f"-6 route show {acme.prefix}"), message="a way to acme")
        acme.ip("link add wg0 type wireguard")
        acme.run("wg", "set", "wg0", "private-key", "/dev/stdin", "peer", gateway_key,
                 "endpoint", f"{gateway}:{port}", "allowed-ips", allowed,
                 "persistent-keepalive", "25",
                 *(("preshared-key", psk_file) if psk_file else ()), input=keys.private)
        acme.ip_batch(f"addr add {acme.address()}/64 dev wg0 nodad",
                      f"link set wg0 up mtu {mtu}",
                      f"route add ::/0 dev wg0 table {table}",
                      *([f"addr add {ipv4}/32 dev wg0"] if ipv4 else []))

    def globex_6in4(self, mtu=1480, gateway=GATEWAY4):
        self.globex.ip_batch(
            f"link add six0 type sit local {GLOBEX4} remote {gateway} ttl 64",
            f"link set six0 up mtu {mtu}",
            f"addr add {self.globex.address()}/64 dev six0 nodad",
            "route add ::/0 dev six0")
