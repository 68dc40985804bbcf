# SPDX-License-Identifier: GPL-3.0-or-later
"""What the kernel has in a host: to compare, and to print when a test failed."""

import subprocess

COMPARED = [
    ("links", "ip", "-d", "link"),
    ("addresses", "ip", "addr"),
    ("IPv4 routes", "ip", "-4", "route", "show", "table", "all"),
    ("IPv6 routes", "ip", "-6", "route", "show", "table", "all"),
    ("IPv4 rules", "ip", "-4", "rule"),
    ("IPv6 rules", "ip", "-6", "rule"),
    ("proxy neighbours", "ip", "neigh", "show", "proxy"),
    ("nftables", "nft", "list", "ruleset"),
    ("Jool", "jool", "instance", "display"),
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
        done = subprocess.run(host.argv(*argv), stdin=subprocess.DEVNULL, text=True, check=False,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        texts[title] = done.stdout
    return texts


def snapshot(host):
    """What must be the same before sixgated and after `sixgate down`."""
    texts = read(host, COMPARED)
    texts["sysctls"] = "".join(f"{key} = {host.sysctl(key)}\n" for key in SYSCTLS)
    # what the module makes by itself in each namespace when it is loaded
    texts["links"] = without_fallback(texts["links"])
    return texts


def without_fallback(links):
    """ip link's text without sit0 and without the numbers of the devices."""
    kept, skip = [], False
    for line in links.splitlines():
        if line[:1].isdigit():
            line = line.split(": ", 1)[1]
            skip = line.startswith("sit0@")
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
