# SPDX-License-Identifier: GPL-3.0-or-later
"""What the kernel has in a host: to compare, and to print when a test failed."""

import difflib
import glob
import os
import re
import subprocess

from peers import wait_for

LINKS = "links, addresses, routes, IPv4 rules"
COMPARED = [
    # one program: an emulated machine starts few a second
    (LINKS, "ip", "-d", "-batch", os.path.join(os.path.dirname(__file__), "compared.batch")),
    ("IPv6 rules", "ip", "-6", "rule"),
    ("nftables", "nft", "list", "ruleset"),
    # not `instance display`, which shows those of all namespaces
    ("Jool", "jool", "-i", "sixgate", "instance", "status"),
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
    links, *others = COMPARED
    texts = wait_for(lambda: settled(read(host, [links])), message="links as their carriers are")
    texts.update(read(host, others))
    texts["namespaces"] = "\n".join(glob.glob("/run/netns/sixgate*"))
    texts["sysctls"] = "".join(f"{key} = {host.sysctl(key)}\n" for key in SYSCTLS)
    return {title: without_fallback(text) for title, text in texts.items()}


def settled(texts):
    """texts, or None while the kernel has not followed a carrier yet: it does up to a second later
    (linkwatch), and only then a device has its state, its fe80:: address and the routes of that."""
    for name, flags, rest in re.findall(r"^\d+: (\S+): <(.*)>(.*)", texts[LINKS], re.M):
        flags = flags.split(",")
        end_of_cable = "@" in name and not name.endswith("@NONE")
        if "UP" in flags and (("NO-CARRIER" in flags) == ("LOWER_UP" in flags) or
                              end_of_cable and "state UNKNOWN" in rest):
            return None
    return None if " tentative" in texts[LINKS] else texts


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
    """What is not as before, as diff -u shows it; empty when all is."""
    return "\n".join(line for title in before for line in difflib.unified_diff(
        before[title].splitlines(), now[title].splitlines(), f"{title} before", f"{title} now",
        lineterm=""))


def report(host):
    """All of it, for the one who reads why a test failed."""
    return "\n".join(f"--- {title}\n{text}" for title, text in read(host, REPORTED).items()
                     if text.strip())
