# SPDX-License-Identifier: GPL-3.0-or-later
"""Control goes on while it looks at all of the kernel: a look is many small steps."""

import pytest

from guard import AGENT, PROXY, RESOLVER4, Tool
from netns import Namespace

N_TENANTS = 2000


def prefix(i):
    return f"2001:db8:a{i >> 12:03x}:{i & 0xfff:x}::/64"


@pytest.fixture
def farm(tmp_path):
    """A gateway of its own, with a route tunnel for each tenant, by kernel-tool."""
    ns = Namespace("farm")
    ns.ip_batch("link set lo up", "link add eth0 type veth peer name rack0", "link set eth0 up",
                "link set rack0 up")
    tool = Tool(ns, "env", f"--chdir={tmp_path}")  # keeps its record there
    tool("farm 2001:db8:a000::/36 eth0")
    tool(f"apply - {PROXY} {AGENT} {RESOLVER4}")
    for i in range(N_TENANTS):
        tool(f"tunnel t{i} {prefix(i)} rack0")
    yield ns, tool
    tool("down")
    tool.end()
    ns.delete()


def ask(tool, command):
    return {name: int(value) for name, value in
            (word.split("=") for word in tool(command).split()[1:])}


def look(tool):
    return ask(tool, "look")


def largest(runs):
    """The part that the largest step has in all, where others disturbed it least."""
    print(runs)
    return min(one["longest_us"] / one["all_us"] for one in runs)


def test_a_full_look_at_many_tenants_is_many_small_steps(farm):
    _, tool = farm
    looks = [look(tool) for _ in range(5)]
    assert {one["mended"] for one in looks} == {0}
    assert min(one["steps"] for one in looks) > 40
    # The largest step has one kind of all tenants' objects, of which there are five.
    assert largest(looks) < 0.4


def test_a_plan_for_many_tenants_is_many_small_steps(farm):
    ns, tool = farm
    plans = [ask(tool, "plan") for _ in range(5)]
    assert {one["bytes"] for one in plans} == {0}
    assert largest(plans) < 0.4
    ns.run("nft", "delete table inet sixgate")
    plans = [ask(tool, "plan") for _ in range(5)]
    assert min(one["bytes"] for one in plans) > 4 * N_TENANTS * 40
    assert largest(plans) < 0.4


def test_many_things_are_mended_in_small_steps(farm):
    ns, tool = farm
    runs = []
    for _ in range(5):
        ns.ip("-6 route flush proto 206")
        runs.append(look(tool))
    assert {one["mended"] for one in runs} == {N_TENANTS + 1}  # and the farm's own route
    assert largest(runs) < 0.4


def test_what_is_changed_among_many_is_found_by_the_steps(farm):
    ns, tool = farm
    ns.ip(f"-6 route del {prefix(7)} dev rack0")
    ns.run("nft", f"delete element inet sixgate tenants64 {{ {prefix(9)[:-3]} }}")
    ns.run("nft", "add element inet sixgate remotes { 192.0.2.1 }")
    assert look(tool)["mended"] == 3
    assert prefix(7) in ns.ip("-6 route show proto 206")
    assert look(tool)["mended"] == 0
    ns.run("nft", "delete table inet sixgate")
    assert look(tool)["mended"] > 4 * N_TENANTS
    assert look(tool)["mended"] == 0
