# SPDX-License-Identifier: GPL-3.0-or-later
"""A tenant, a gateway and a server on the Internet, as namespaces in a row."""
import json
import os
import pathlib
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "net"))
from netns import Namespace, link, run  # noqa: E402 (the folder of tests/net)

__all__ = ["Chain", "Host", "run"]


class Host(Namespace):
    """A namespace with nft."""

    def nft(self, text):
        self.run("nft", text)


class Chain:
    """tenant -- gateway -- server; the gateway forwards, nothing else is set."""

    PUBLIC = "203.0.113.10"
    SERVER_4, SERVER_6 = "9.0.0.2", "2001:db8:9::2"  # in a namespace: nobody's real 9.0.0.2
    TENANT = "2001:db8:a000:1001::10"

    def __init__(self, name):
        self.name = name
        self.tenant, self.gateway, self.server = (Host(f"{name}-{r}") for r in ("t", "g", "s"))
        link(self.gateway, "tc0", self.tenant, "gw0")
        link(self.gateway, "up0", self.server, "isp0")
        for host, words in (
                (self.gateway, f"addr add {self.PUBLIC}/24 dev up0"),
                (self.gateway, "addr add 2001:db8:0:1::2/64 dev up0"),
                (self.gateway, "addr add fe80::1/64 dev tc0"),
                (self.server, "addr add 203.0.113.1/24 dev isp0"),
                (self.server, "addr add 2001:db8:0:1::1/64 dev isp0"),
                (self.server, f"addr add {self.SERVER_4}/32 dev lo"),
                (self.server, f"addr add {self.SERVER_6}/128 dev lo"),
                (self.server, "-6 route add 2001:db8:a000::/48 via 2001:db8:0:1::2"),
                (self.gateway, "route add default via 203.0.113.1"),
                (self.gateway, "-6 route add default via 2001:db8:0:1::1"),
                (self.tenant, f"addr add {self.TENANT}/64 dev gw0"),
                (self.tenant, "addr add fe80::10/64 dev gw0"),
                (self.tenant, "-6 route add default via fe80::1 dev gw0")):
            host.ip(words)
        for key in ("net.ipv4.ip_forward", "net.ipv6.conf.all.forwarding"):
            self.gateway.sysctl(key, 1)
        self.gateway.ip("-6 route add 2001:db8:a000:1001::/64 via fe80::10 dev tc0")

    def __enter__(self):
        return self

    def __exit__(self, *what):
        for host in (self.tenant, self.gateway, self.server):
            host.delete()

    def start_iperf(self, stack):
        server = self.server.popen("iperf3", "-s", stdout=subprocess.DEVNULL)
        stack.callback(server.kill)
        time.sleep(0.5)

    def prepare_pktgen(self):
        """Counts what arrives at the server."""
        run("modprobe", "pktgen")
        self.server.nft(f"table inet count {{ counter seen {{ }}; chain in {{ type filter hook "
                        f"input priority 0; ip6 daddr {self.SERVER_6} udp dport 9 counter name seen "
                        f"drop; }}; }}")
        self.tenant.run("ping", "-c1", "-W5", self.SERVER_6)

    def pktgen(self, seconds):
        """Packets a second of 100 bytes that get from the tenant to the server."""
        mac = json.loads(self.gateway.ip("-j link show dev tc0"))[0]["address"]
        with self.tenant.inside():
            base = pathlib.Path("/proc/thread-self/net/pktgen")
            (base / "kpktgend_0").write_text("rem_device_all\n")
            (base / "kpktgend_0").write_text("add_device gw0\n")
            for word in ("count 0", "delay 0", "pkt_size 100", f"dst_mac {mac}",
                         f"dst6 {self.SERVER_6}", f"src6 {self.TENANT}", "udp_dst_min 9",
                         "udp_dst_max 9"):
                (base / "gw0").write_text(word + "\n")
        before = self._seen()
        start = time.monotonic()
        child = self.tenant.popen("timeout", "-s", "INT", str(seconds), "sh", "-c",
                                  "echo start >/proc/net/pktgen/pgctrl")
        child.wait()
        return (self._seen() - before) / (time.monotonic() - start)

    def _seen(self):
        words = self.server.run("nft", "list", "counter", "inet", "count", "seen").split()
        return int(words[words.index("packets") + 1])
