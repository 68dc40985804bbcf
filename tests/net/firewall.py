# SPDX-License-Identifier: GPL-3.0-or-later
"""The gateway of the firewall's tests, driven by firewall-tool: no sixgated, no tunnels, no Jool.

    inet ---up0 gateway sg-wg---- acme    2001:db8:a000:1001::/64, 100.64.16.1
    lan ---lan0         sg-1002-- globex  2001:db8:a000:1002::/64
                        rack0---- branch  2001:db8:a000:1003::/64, acme's second prefix

Cables have the names of tunnels. inet also owns all of Pref64, so that what the translator would
get arrives there; the gateway itself sends what the translator would send.
"""

import contextlib
import json
import os
import re
import socket
import struct
import subprocess

import pytest
from gateway import BUILD
from netns import Namespace, link, remove_stale

PREF64 = "2001:db8:64::/96"
INET, INET4, GATEWAY6, GATEWAY4 = "2001:db8:77::2", "198.51.100.7", "2001:db8:77::1", "203.0.113.10"
REMOTE = "198.51.100.9"
LAN, LAN4 = "2001:db8:5::2", "192.0.2.66"
ACME, GLOBEX, BRANCH = (f"2001:db8:a000:100{n}::10" for n in (1, 2, 3))
ACME4 = "100.64.16.1"
IPV6_FREEBIND, IP_FREEBIND, SO_MARK = 78, 15, 36
MARK, MARK_GLOBEX = 0x10001001, 0x10001002
REASONS = {"tenant_nested": 6, "tenant_spoofed": 7, "special_ipv4": 9, "port25_denied": 12,
           "own_denied": 13, "lan_denied": 14, "inbound_denied": 15, "nat44_denied": 17,
           "flows_full": 20}

NODE = """
node: {{name: exit1, farm: freefarm}}
uplink:
  kind: direct
  interface: up0
  ipv4: [{{range: 203.0.113.10/32, delivery: present}}]
  ipv6: {{prefix: "2001:db8:a000::/48", reserved: 256}}
listeners: [{{address: any, port: 443, protocol: tls}}]
client_prefix: "2001:db8:a000:ff::/96"
resolvers: [192.0.2.53, "2001:db8::53"]
nat64: {{driver: jool, prefix: "{pref64}", pool: [203.0.113.10], ports: 16384-49151, ports_per_tenant: 1024,
        permit: [{permit}]}}
local_ports: 49152-57343
nat44: {{ports: 57344-65535}}
wireguard: {{listen_port: 51820, private_key_file: /etc/sixgate/wg.key}}
six_in_four: {{local: 203.0.113.10}}
registry: {{dir: {folder}}}
"""
ACME_OBJECT = """
tenant: acme
serial: 1
prefixes: ["2001:db8:a000:1001::/64", "2001:db8:a000:1003::/64"]
tunnels:
  - {{name: home, kind: wireguard, public_key: "AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA=",
     prefixes: ["2001:db8:a000:1001::/64"], ipv4: true}}
  - {{name: rack, kind: route, via: "fe80::2", interface: rack0, mtu: 1400,
     prefixes: ["2001:db8:a000:1003::/64"]}}
services:
  - {{name: web, backends: ["{acme}"],
     expose: [{{protocol: tls, names: [shop.example], port: 8448, to: 443}}]}}
inbound: {{{inbound}}}
{more}
"""
GLOBEX_OBJECT = """
tenant: globex
serial: 1
prefixes: ["2001:db8:a000:1002::/64"]
tunnels:
  - {name: dc, kind: 6in4, remote: 198.51.100.9, prefixes: ["2001:db8:a000:1002::/64"]}
services: []
"""


class Tool:
    """firewall-tool in a namespace: one command, one answer."""

    def __init__(self, ns):
        self.process = ns.popen(os.path.join(BUILD, "tests/tools/firewall-tool"),
                                stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def __call__(self, command):
        self.process.stdin.write(command + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline().strip()
        assert answer.startswith("ok"), f"{command}: {answer}"
        return answer

    def plan(self):
        """How many steps lack."""
        return int(self("plan").split()[1])

    def end(self):
        self.process.stdin.close()
        assert self.process.wait(10) == 0
        self.process.stdout.close()


class Net:
    """The hosts and the gateway's rules."""

    def __init__(self, folder):
        remove_stale()
        self.folder = folder
        self.gateway, self.inet, self.lan, self.acme, self.globex, self.branch = self.hosts = [
            Namespace(f"fw{name}") for name in ("gateway", "inet", "lan", "acme", "globex", "branch")]
        self._wire(self.inet, "up0", GATEWAY6, INET, 64)
        self._wire(self.lan, "lan0", "2001:db8:5::1", LAN, 64)
        self._wire_tenant(self.acme, "sg-wg", ACME)
        self._wire_tenant(self.globex, "sg-1002", GLOBEX)
        self._wire_tenant(self.branch, "rack0", BRANCH)
        self._wire_ipv4()
        for host in self.hosts[1:]:
            host.ip("-6 route add default via fe80::1 dev eth0")
        for key in ("net.ipv6.conf.all.forwarding", "net.ipv4.ip_forward"):
            self.gateway.sysctl(key, 1)
        self.pref64(PREF64)
        self.tool = Tool(self.gateway)
        self.node()
        self.tenants("policy: closed")

    def _wire(self, host, device, ours, theirs, length):
        link(self.gateway, device, host, "eth0")
        self.gateway.ip(f"addr add {ours}/{length} dev {device} nodad")
        self.gateway.ip(f"addr add fe80::1/64 dev {device} nodad")
        host.ip(f"addr add {theirs}/{length} dev eth0 nodad")
        host.ip("addr add fe80::2/64 dev eth0 nodad")

    def _wire_tenant(self, host, device, address):
        link(self.gateway, device, host, "eth0")
        self.gateway.ip(f"addr add fe80::1/64 dev {device} nodad")
        host.ip("addr add fe80::2/64 dev eth0 nodad")
        host.ip(f"addr add {address}/64 dev eth0 nodad")
        self.gateway.ip(f"route add {address.replace('::10', '::/64')} via fe80::2 dev {device}")

    def _wire_ipv4(self):
        self.gateway.ip("addr add 192.0.2.1/26 dev up0")
        self.gateway.ip(f"addr add {GATEWAY4}/32 dev up0")
        self.inet.ip("addr add 192.0.2.2/26 dev eth0")
        self.inet.ip(f"route add {GATEWAY4} via 192.0.2.1")
        for address in (INET4, REMOTE):
            self.inet.ip(f"addr add {address}/32 dev lo")
        self.gateway.ip("route add 198.51.100.0/24 via 192.0.2.2")
        self.gateway.ip("addr add 192.0.2.65/26 dev lan0")
        self.lan.ip(f"addr add {LAN4}/26 dev eth0")
        self.lan.ip(f"route add {GATEWAY4} via 192.0.2.65")
        self.acme.ip(f"addr add {ACME4}/32 dev eth0")
        self.acme.ip("-4 route add default via inet6 fe80::1 dev eth0")
        self.gateway.ip(f"-4 route add {ACME4}/32 via inet6 fe80::2 dev sg-wg")

    def pref64(self, prefix):
        self.gateway.ip(f"-6 route replace {prefix} via {INET} dev up0")
        self.inet.ip(f"-6 route replace local {prefix} dev lo")

    def node(self, pref64=PREF64):
        (self.folder / "node.yaml").write_text(NODE.format(
            pref64=pref64, folder=self.folder, permit="" if "ff9b" in pref64 else "198.51.100.0/24"))
        self.tool(f"node {self.folder}/node.yaml")

    def tenants(self, inbound, more=""):
        (self.folder / "acme.yaml").write_text(ACME_OBJECT.format(inbound=inbound, acme=ACME,
                                                                    more=more))
        (self.folder / "globex.yaml").write_text(GLOBEX_OBJECT)
        for name in ("acme", "globex"):
            self.tool(f"tenant {self.folder}/{name}.yaml")
        self.tool("apply")

    def nft(self, *words):
        return self.gateway.run("nft", *words)

    def counter(self, name):
        return int(re.search(r"packets (\d+)", self.nft("list", "counter", "inet", "sixgate",
                                                        name)).group(1))

    def elements(self, name):
        """Keys of a set with what nft tells of them."""
        listed = json.loads(self.nft("-j", "list", "set", "inet", "sixgate", name))
        return [element["elem"] if "elem" in element else {"val": element}
                for element in listed["nftables"][1]["set"].get("elem", [])]

    def denied(self, name="denied"):
        """{(mark or link, reason): packets}"""
        return {tuple(element["val"]["concat"]): element["counter"]["packets"]
                for element in self.elements(name)}

    @contextlib.contextmanager
    def without(self, *chains):
        """These chains accept everything for a moment."""
        for chain in chains:
            self.nft(f"flush chain inet sixgate {chain}; add rule inet sixgate {chain} accept")
        try:
            yield
        finally:
            self.tool("apply")

    def close(self):
        self.tool.end()
        for host in self.hosts:
            host.delete()


def embed(prefix, ipv4):
    """RFC 6052 2.2."""
    net, length = prefix.split("/")
    raw, at = bytearray(socket.inet_pton(socket.AF_INET6, net)), int(length) // 8
    for byte in socket.inet_aton(ipv4):
        at += at == 8
        raw[at] = byte
        at += 1
    return socket.inet_ntop(socket.AF_INET6, bytes(raw))


def sock(ns, address, kind=socket.SOCK_STREAM, source=None, port=0, mark=0, proto=0, timeout=1.0):
    """A socket of the family of address, from source."""
    v6 = ":" in address
    one = ns_socket(ns, socket.AF_INET6 if v6 else socket.AF_INET, kind, proto)
    one.settimeout(timeout)
    if v6:
        one.setsockopt(socket.IPPROTO_IPV6, IPV6_FREEBIND, 1)
    else:
        one.setsockopt(socket.IPPROTO_IP, IP_FREEBIND, 1)
    one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if mark:
        one.setsockopt(socket.SOL_SOCKET, SO_MARK, mark)
    if source or port:
        one.bind((source or ("::" if v6 else "0.0.0.0"), port))
    return one


def ns_socket(ns, family, kind, proto):
    with ns.inside():
        return socket.socket(family, kind, proto)


@contextlib.contextmanager
def server(ns, port, address="::", kind=socket.SOCK_STREAM):
    with sock(ns, address, kind, source=address, port=port) as one:
        if kind == socket.SOCK_STREAM:
            one.listen()
        yield one


def opens(ns, address, port, to, at=None, **how):
    """True when a TCP connection opens to the host `to`, False when it is refused or times out. The
    server is at all its addresses, or at one, as our listeners are."""
    with server(to, port, at or ("::" if ":" in address else "0.0.0.0")), \
            sock(ns, address, timeout=0.4, **how) as one:
        try:
            one.connect((address, port))
        except OSError:
            return False
        return True


def arrives(ns, address, to, port=9999, **how):
    """True when a datagram arrives at the host `to`."""
    with server(to, port, "::" if ":" in address else "0.0.0.0", socket.SOCK_DGRAM) as there, \
            sock(ns, address, socket.SOCK_DGRAM, **how) as one:
        there.settimeout(0.3)
        with contextlib.suppress(OSError):
            one.sendto(b"x", (address, port))
        try:
            there.recv(10)
        except TimeoutError:
            return False
        return True


def mss_of(ns, address, port, to, **how):
    """The MSS that the server at `to` was told by a client in ns."""
    with server(to, port) as there, sock(ns, address, **how) as one:
        one.connect((address, port))
        peer, _ = there.accept()
        with peer:
            info = peer.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 104)
            return struct.unpack_from("I", info, 16)[0] + 12  # tcpi_snd_mss, with timestamps


def from64(net, kind="udp", source="8.8.8.8", to=ACME, host=None):
    """True when what the translator hands over arrives: the gateway sends what it would."""
    address = embed(PREF64, source)
    net.gateway.ip(f"-6 route replace local {address} dev lo")
    try:
        attempt = opens if kind == "tcp" else arrives
        port = 22 if kind == "tcp" else 9999
        return attempt(net.gateway, to, to=host or net.acme, port=port, source=address)
    finally:
        net.gateway.ip(f"-6 route del local {address} dev lo")


# What a file of tests imports: one place for all of them, as each of them wants it


@pytest.fixture(scope="module")
def net(tmp_path_factory):
    one = Net(tmp_path_factory.mktemp("firewall"))
    yield one
    one.close()


@pytest.fixture(autouse=True)
def as_wanted(net):
    net.node()
    net.tenants("policy: closed")
    yield


def refused(net, counter, chains, attempt):
    before = net.counter(counter)
    assert not attempt()
    assert net.counter(counter) > before
    with net.without(*chains):
        assert attempt()
