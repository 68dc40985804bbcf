# SPDX-License-Identifier: GPL-3.0-or-later
"""The drivers for rtnetlink with WireGuard and SIT devices, and some of what tests/net asks of them
once more on this kernel."""

import pytest
from netns import Namespace, run
from test_kernel_objects import (  # noqa: F401
    site, test_all_comes_and_goes, test_changes_by_others_are_heard_of,
    test_foreign_thing_in_the_way_is_an_error_and_all_is_taken_back, test_foreign_things_stay,
    test_own_changes_are_not_heard_of, test_settings_are_recorded_and_put_back,
    test_who_changed_nftables_is_named)

TUNNELS = """
link kind=wireguard name=sg-wg mtu=1420 alias=sixgate:wireguard
link kind=sit name=sg-1002 local=203.0.113.10 remote=198.51.100.9 mtu=1480 alias=sixgate:globex/dc
link kind=sit name=sg-1004 local=203.0.113.10 remote=198.51.100.8 mtu=1280 alias=sixgate:globex/b
down link=sit0
route to=2001:db8:a000:1001::/64 link=sg-wg
route to=2001:db8:a000:1002::/64 link=sg-1002
route to=100.64.16.1/32 link=sg-wg
""".strip().splitlines()


def changed(before, after):
    assert before in TUNNELS[1]
    return [line.replace(before, after) if line == TUNNELS[1] else line for line in TUNNELS]


def index_of(site, name):
    return site.gateway.ip(f"-o link show {name}").split(":")[0]


def test_tunnels_come_change_and_go(site):
    run("modprobe", "sit")  # sit0 is there from now on
    before = site.dump()
    site.tool.want(TUNNELS)
    site.tool("apply")
    assert site.tool("plan") == []
    shown = site.gateway.ip("-d link show sg-1002")
    assert "sit ip6ip remote 198.51.100.9 local 203.0.113.10 ttl 64 pmtudisc" in shown
    assert "mtu 1480" in shown and "alias sixgate:globex/dc" in shown and ",UP" in shown
    was = index_of(site, "sg-1002")
    for line in (changed("198.51.100.9", "198.51.100.77"), changed("1480", "1472"),
                 changed("203.0.113.10", "203.0.113.11")):
        site.tool.want(line)
        plan = site.tool("plan")
        assert len(plan) == 1 and plan[0].startswith("~ link sg-1002"), plan
        site.tool("apply")
        assert site.tool("plan") == []
        assert index_of(site, "sg-1002") == was
        assert "2001:db8:a000:1002::/64 dev sg-1002" in site.gateway.ip("-6 route")
    site.tool("forget")
    site.tool("apply")
    assert site.dump() == before


def test_drift_of_tunnels_is_mended_in_place(site):
    site.tool.want(TUNNELS)
    site.tool("apply")
    was = index_of(site, "sg-1002")
    for words, what in [
            ("link set sg-1002 type sit remote 198.51.100.66", "~ link sg-1002"),
            ("link set sg-1002 mtu 1300", "~ link sg-1002"),
            ("link set sg-wg mtu 1300", "~ link sg-wg"),
            ("link set sg-wg down", "~ link sg-wg"),
            ("link set sit0 up", "+ link-down sit0"),
            ("link del sg-1004", "+ link sg-1004")]:
        site.tool("heard")
        site.gateway.ip(words)
        assert "link" in site.tool("heard"), words
        plan = site.tool("plan")
        assert any(line.startswith(what) for line in plan), (words, plan)
        site.tool("apply")
        assert site.tool("plan") == [], words
    assert index_of(site, "sg-1002") == was


def test_any_failed_request_about_tunnels_leaves_all_as_it_was(site):
    run("modprobe", "sit")
    before = site.dump()
    site.tool.want(TUNNELS)
    for n in range(1, 100):
        site.tool(f"fail {n}")
        answer = site.tool.ask("apply")
        site.tool("fail 0")
        if answer[-1].startswith("ok"):
            break
        assert site.dump() == before, n
    assert n > 10
    after = site.dump()
    for n in range(1, 100):
        site.tool.want(changed("198.51.100.9", "198.51.100.77")[:-1])
        site.tool(f"fail {n}")
        answer = site.tool.ask("apply")
        site.tool("fail 0")
        if answer[-1].startswith("ok"):
            break
        assert site.dump() == after, n
    assert n > 5


@pytest.mark.parametrize("kind", ["wireguard", "sit local=203.0.113.10 remote=198.51.100.9"])
def test_public_side_in_another_namespace(site, kind):
    outside = Namespace("rtout")
    try:
        site.tool.want([f"link kind={kind} name=sg-out underlay={outside.name} alias=sixgate:x/y"])
        site.tool("apply")
        assert site.tool("plan") == []
        assert outside.name in site.gateway.ip("-d link show sg-out")
        site.tool("forget")
        site.tool("apply")
        assert "sg-out" not in site.gateway.ip("link")
    finally:
        outside.delete()


def test_missing_namespace_is_named(site):
    site.tool.want(["link kind=wireguard name=sg-out underlay=nowhere alias=sixgate:x/y"])
    assert "ip netns add nowhere" in site.tool.ask("apply")[-1]


def test_half_made_link_of_a_crash_is_taken_over(site):
    site.gateway.ip("link add sg-wg group 206 type wireguard")
    site.tool.want(TUNNELS)
    site.tool("apply")
    assert site.tool("plan") == []
