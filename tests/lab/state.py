# SPDX-License-Identifier: GPL-3.0-or-later
"""What the kernel has in a host: to compare, and to print when a test failed."""

import re
import subprocess

LINKS = "links, addresses, routes, IPv4 rules"
ALL_OF_IP = "link\\naddr\\nroute show table all\\nrule\\nneigh show proxy\\n"
COMPARED = [
    # one program: an emulated machine starts few a second
    (LINKS, "sh", "-c", f"printf '{ALL_OF_IP}' | ip -d -batch -"),
    ("IPv6 rules", "ip", "-6", "rule"),
    ("nftables", "nft", "list", "ruleset"),
    # not `instance display`, which shows those of all namespaces
    ("Jool", "jool", "-i", "sixgate", "instance", "status"),
    ("namespaces", "find", "/run/netns", "-name", "sixgate*"),
]
REPORTED = [
    *COMPARED,
    ("WireGuard", "wg", "show"),  # says "(hidden)" for keys
    ("pool4", "jool", "-i", "sixgate", "pool4", "display"),
    ("TCP BIB", "jool", "-i", "sixgate", "bib", "display", "--tcp", "--numeric"),
    ("UDP BIB", "jool", "-i", "sixgate", "bib", "display", "--udp", "--numeric"),
    ("Jool's counters", "jool", "-i", "sixgate", "stats", "display"),
    ("SIIT", "sh", "-c", "[ ! -e /run/netns/sixgate-siit ] || ip netns exec sixgate-siit sh -c '"
     "ip addr; ip route; ip -6 route; jool_siit instance display; "
     "jool_siit -i sixgate-siit eamt display; jool_siit -i sixgate-siit stats display'"),
]
SYSCTLS = [
    "net.ipv4.ip_forward", "net.ipv6.conf.all.forwarding", "net.ipv6.conf.up0.accept_ra",
    "net.ipv6.conf.up0.proxy_ndp", "net.ipv6.neigh.up0.proxy_delay",
    "net.ipv4.neigh.up0.proxy_delay",
    "net.ipv4.ip_local_port_range", "net.ipv4.tcp_migrate_req",
]


def read(host, what):
    """{title: text}"""
    texts = {}
    for title, *argv in what:
        with host.inside():
            done = subprocess.run(argv, stdin=subprocess.DEVNULL, text=True, check=False,
                                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        texts[title] = done.stdout
    return texts


def snapshot(host):
    """What must be the same before sixgated and after `sixgate down`."""
    texts = read(host, COMPARED)
    texts["sysctls"] = "".join(f"{key} = {host.sysctl(key)}\n" for key in SYSCTLS)
    return {title: without_fallback(text) for title, text in texts.items()}


def without_fallback(text):
    """ip's text without sit0, which the module makes by itself in each namespace when it is loaded,
    and without the numbers of the devices."""
    kept, skip = [], False
    for line in text.splitlines():
        device = re.match(r"\d+: (?=\S+: <)", line)
        if device:
            line = line[device.end():]
            skip = line.startswith("sit0@")
        elif line[:1] not in (" ", "\t"):
            skip = False
        if not skip:
            kept.append(line)
    return "\n".join(kept)


def difference(before, now):
    """A text that names what is not as before; empty when all is."""
    return "\n".join(f"{title} before:\n{before[title]}\n{title} now:\n{now[title]}"
                     for title in before if before[title] != now[title])


def report(host):
    """All of it, for the one who reads why a test failed."""
    return "\n".join(f"--- {title}\n{text}" for title, text in read(host, REPORTED).items()
                     if text.strip())
