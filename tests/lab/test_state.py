# SPDX-License-Identifier: GPL-3.0-or-later
"""What the other tests compare is the kernel's state when it has come to rest."""

import state
from netns import run
from peers import wait_for
from topology import Host, up


def cable(device, number, left, right):
    """Both ends have the same number. The kernel takes them for devices with nothing below then, of
    which it follows a carrier not at once, but once a second."""
    run("ip", "link", "add", device, "index", str(number), "netns", left.name, "type", "veth",
        "peer", "name", device, "index", str(number), "netns", right.name)
    for host in (right, left):
        host.ip_batch(*up(device))


def test_links_have_settled_in_a_snapshot(later):
    hosts = [Host("left"), Host("right")]
    for host in hosts:
        later(host.delete)
    cable("up0", 77, *hosts)  # at once, if it is the first one
    cable("up1", 78, *hosts)
    early = state.snapshot(hosts[0])
    wait_for(lambda: hosts[0].ip("addr show dev up1 scope link").count("inet6 fe80::") == 1,
             message="its address")
    assert early[state.LINKS].count("state UP") == 2 * 2  # in what links and addresses are
    left = state.difference(early, state.snapshot(hosts[0]))
    assert not left, left
