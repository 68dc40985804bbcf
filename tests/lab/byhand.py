# SPDX-License-Identifier: GPL-3.0-or-later
"""A gateway made with ip, wg and jool, without sixgate: shows what the machine can do, and what
sixgate is compared with."""

from netns import run
from topology import GATEWAY4, GLOBEX4, MAPPED4, PREF64, WG_PORT, WireGuard

MARKS = {"acme": 0x1001, "globex": 0x1002, "initech": 0x1003}
SIIT64 = "2001:db8:a000:fe::"


class ByHand:
    def __init__(self, place):
        self.place = place
        self.gateway = place.gateway
        self.keys = WireGuard()
        self.gateway.sysctl("net.ipv4.ip_forward", 1)
        self.gateway.sysctl("net.ipv6.conf.all.forwarding", 1)

    def wireguard(self, tenant_key):
        acme = self.place.acme
        self.gateway.ip("link add wg0 type wireguard")
        self.gateway.run("wg", "set", "wg0", "listen-port", str(WG_PORT), "private-key",
                         "/dev/stdin", "peer", tenant_key, "allowed-ips", acme.prefix,
                         input=self.keys.private)
        self.gateway.ip_batch("link set wg0 up mtu 1420", f"route add {acme.prefix} dev wg0")

    def six_in_four(self):
        self.gateway.ip_batch(
            f"link add six-b type sit local {GATEWAY4} remote {GLOBEX4} ttl 64",
            "link set six-b up", f"route add {self.place.globex.prefix} dev six-b")

    def six_in_four_again(self):
        """After it was down, which took its routes."""
        self.gateway.ip_batch("link set six-b up", f"route replace {self.place.globex.prefix} dev six-b")

    def route(self):
        self.gateway.ip(f"route add {self.place.initech.prefix} via fe80::2 dev tc0")

    def all_tunnels(self):
        keys = WireGuard()
        self.wireguard(keys.public)
        self.six_in_four()
        self.route()
        self.place.acme_wireguard(keys, self.keys.public)
        self.place.globex_6in4()

    def nat64(self):
        """An instance with a block of 1024 ports for each tenant, by mark."""
        run("modprobe", "jool")
        self.jool("instance", "add", "sixgate", "--netfilter", "--pool6", PREF64 + "/96")
        marks = ""
        for number, tenant in enumerate(self.place.tenants):
            mark = MARKS[tenant.tenant]
            marks += f"{tenant.net} : {mark}, "
            first = 16384 + 1024 * number
            for protocol in ("--tcp", "--udp", "--icmp"):
                self.jool("-i", "sixgate", "pool4", "add", GATEWAY4, f"{first}-{first + 1023}",
                          protocol, "--mark", str(mark))
        self.gateway.run("nft", "-f", "-", input=f"""
            table inet byhand {{
                map marks {{ type ipv6_addr : mark; elements = {{ {marks} }}; }}
                chain pre {{
                    type filter hook prerouting priority -150;
                    meta mark set ip6 saddr & ffff:ffff:ffff:ffff:: map @marks
                }}
            }}""")

    def jool(self, *argv):
        return self.gateway.run("jool", *argv)

    def siit(self, host):
        """MAPPED4 is host, an address of a tenant; a namespace of its own translates."""
        run("modprobe", "jool_siit")
        gateway, name = self.gateway, self.gateway.name + "-siit"
        run("ip", "-batch", "-", input=f"""netns add {name}
            link add siit0 mtu 2000 netns {gateway.name} type veth peer name main0 mtu 2000 netns {name}
            """)
        run("ip", "-n", name, "-batch", "-", input=f"""link set lo up
            link set main0 up
            addr add 169.254.64.1/31 dev main0
            addr add fe80::64:1/64 dev main0 nodad
            route add default via 169.254.64.0
            route add ::/0 via fe80::64:0 dev main0
            route add unreachable {MAPPED4}/32
            route add unreachable {SIIT64}/96
            """)
        run("ip", "netns", "exec", name, "sysctl", "-q", "-w", "net.ipv4.ip_forward=1",
            "net.ipv6.conf.all.forwarding=1")
        run("ip", "netns", "exec", name, "jool_siit", "instance", "add", "siit", "--netfilter",
            "--pool6", SIIT64 + "/96")
        run("ip", "netns", "exec", name, "jool_siit", "-i", "siit", "eamt", "add", host + "/128",
            MAPPED4 + "/32")
        gateway.ip_batch(
            "link set siit0 up", "addr add 169.254.64.0/31 dev siit0",
            "addr add fe80::64:0/64 dev siit0 nodad",
            f"route add {MAPPED4}/32 via 169.254.64.1 dev siit0 src {GATEWAY4}",
            f"route add {SIIT64}/96 via fe80::64:1 dev siit0",
            f"neigh add proxy {MAPPED4} dev up0")
        return name
