# SPDX-License-Identifier: GPL-3.0-or-later
"""Another exit, of another operator: the farm's prefix is routed to it, and it hands it on by a
tunnel to the gateway, made with ip and wg."""

import os

from topology import FARM, GATEWAY4, GATEWAY6, Host, WireGuard, cables, up

EXIT4 = "198.51.100.30"
EXIT6 = "2001:db8:0:3::2"
EXIT_PORT = 51820
OWN6 = "2001:db8:0:5::2"  # the gateway's own address inside the tunnel
FARM_SEEN = f"""
    table inet watch {{
        chain pre {{
            type filter hook prerouting priority -400;
            iifname gw0 ip6 saddr {{ {FARM}, {OWN6} }} counter
        }}
    }}"""


class OtherExit(Host):
    def __init__(self, place):
        super().__init__("exit", EXIT4)
        self.place = place
        self.keys, self.gateway_keys = WireGuard(), WireGuard()
        self.secret = WireGuard().private
        cables((place.isp, "iexit", self, "eth0"), (place.isp, "iexit6", self, "eth1"))
        place.isp.ip_batch("link set iexit master br0", *up("iexit", "iexit6"),
                           "addr add 2001:db8:0:3::1/64 dev iexit6 nodad",
                           f"route replace {FARM} via {EXIT6} dev iexit6",
                           f"route add {OWN6}/128 via {EXIT6} dev iexit6")
        self.sysctl("net.ipv6.conf.all.forwarding", 1)
        self.ip_batch(*up("eth0", "eth1"), f"addr add {EXIT4}/24 dev eth0",
                      f"addr add {EXIT6}/64 dev eth1 nodad",
                      "route add default via 198.51.100.1",
                      "route add default via 2001:db8:0:3::1")
        # what the gateway's own provider sees of the farm's addresses
        place.isp.run("nft", "-f", "-", input=FARM_SEEN)

    def delete(self):
        self.place.isp.run("nft", "delete", "table", "inet", "watch")
        # the next one by that address has another link-layer address
        self.place.isp.ip_batch("link del iexit", "link del iexit6", f"neigh flush to {EXIT4}")
        super().delete()

    def leaked(self):
        """Packets with the farm's addresses that the gateway gave to its own provider."""
        text = self.place.isp.run("nft", "list", "table", "inet", "watch")
        return int(text.split("packets ")[1].split()[0])

    def configure(self, gateway, kind, local=GATEWAY4, endpoint=EXIT4, **more):
        """The gateway's end, in its node config. endpoint: as WireGuard writes an address."""
        if kind == "6in4":
            key, tunnel = "six_in_four", {"local": local, "remote": EXIT4}
        else:
            key, tunnel = "wireguard", {
                "private_key_file": key_file(gateway, "exit.key", self.gateway_keys.private),
                "preshared_key_file": key_file(gateway, "exit.psk", self.secret),
                "public_key": self.keys.public, "endpoint": f"{endpoint}:{EXIT_PORT}"}
        gateway.write_config({"uplink": {**gateway.config["uplink"], "kind": kind,
                                         key: {**tunnel, "address": OWN6, **more}}})

    def wireguard(self):
        self.ip("link add wgx type wireguard")
        self.run("sh", "-c", 'echo "$SECRET" | wg set wgx peer "$0" preshared-key /dev/stdin',
                 self.gateway_keys.public, env={**os.environ, "SECRET": self.secret})
        self.run("wg", "set", "wgx", "listen-port", str(EXIT_PORT), "private-key", "/dev/stdin",
                 "peer", self.gateway_keys.public, "allowed-ips", f"{FARM},{OWN6}/128",
                 input=self.keys.private)
        self._hand_on("wgx", 1420)

    def six_in_four(self, remote=GATEWAY4):
        self.ip(f"link add sitx type sit local {EXIT4} remote {remote} ttl 64")
        self._hand_on("sitx", 1480)

    def _hand_on(self, device, mtu):
        self.ip_batch(f"link set {device} up mtu {mtu}", f"route add {FARM} dev {device}",
                      f"route add {OWN6}/128 dev {device}")


def key_file(gateway, name, text):
    path = os.path.join(gateway.folder, name)
    with open(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600), "w", encoding="ascii") as out:
        out.write(text + "\n")
    return path


def without_ipv6(gateway):
    """A data centre that has none."""
    gateway.ip_batch("route del ::/0 via 2001:db8:0:1::1", f"addr del {GATEWAY6}/64 dev up0")


def with_ipv6(gateway):
    """And one that gives a little: an address, and a default route that is not for the farm."""
    gateway.ip_batch(f"addr add {GATEWAY6}/64 dev up0 nodad",
                     "route add ::/0 via 2001:db8:0:1::1 dev up0")
