# SPDX-License-Identifier: GPL-3.0-or-later
"""The drivers for rtnetlink on this machine's kernel: what is wanted comes, a second run plans
nothing, a failed request leaves everything as it was, and what is not ours stays."""

import os
import re
import subprocess

import pytest
from gateway import BUILD
from netns import Namespace, remove_stale, run
from patience import CLOCK_S
from peers import wait_for

OBJECTS = """
link kind=veth name=siit0 peer=main0 mtu=2000 alias=sixgate:siit
address link=siit0 address=169.254.64.0/31
address link=siit0 address=fe80::64:0/64
address link=up0 address=203.0.113.17/32
rule priority=100 from=2001:db8:a000::/48 iif=siit0 table=700
rule priority=101 from=100.64.0.0/10 table=700
rule priority=102 from=2001:db8:a000::/48 table=254 ignore_below=4
route to=2001:db8:a000:ff::/96 table=255 type=local link=lo
route to=203.0.113.24/29 table=255 type=local link=lo
route to=2001:db8:a000::/48 type=blackhole
route to=2001:db8:a000:1::/64 type=unreachable table=700
route to=2001:db8:a000:1001::/64 link=siit0 mtu=1420
route to=2001:db8:a000:1002::/64 link=up0 via=fe80::1
route to=2001:db8:a000:1003::/64 link=up0 via=2001:db8:77::9 metric=50
route to=100.64.16.1/32 link=siit0 source=203.0.113.17
route to=203.0.113.99/32 link=siit0 via=169.254.64.1
route to=0.0.0.0/0 link=siit0 via=169.254.64.1 table=700
neighbour link=up0 address=2001:db8:77::aaaa
neighbour link=up0 address=203.0.113.99
""".strip().splitlines()

FOREIGN = """
addr add 192.0.2.9/24 dev up0
addr add 2001:db8:99::9/64 dev up0
route add 2001:db8:5::/64 dev up0
route add blackhole 198.51.100.0/24
rule add from 198.51.100.7 lookup 33 priority 77
neigh add proxy 2001:db8:77::bbbb dev up0
link add mine0 type veth peer name mine1
""".strip().splitlines()


class Tool:
    """rt-tool in a namespace."""

    def __init__(self, ns):
        self.process = ns.popen(os.path.join(BUILD, "tests/tools/rt-tool"),
                                stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ask(self, command):
        """The lines of the answer; the last one begins with ok or err."""
        self.process.stdin.write(command + "\n")
        self.process.stdin.flush()
        lines = []
        while not lines or not lines[-1].startswith(("ok", "err")):
            lines.append(self.process.stdout.readline().rstrip("\n"))
            assert self.process.poll() is None
        return lines

    def __call__(self, command):
        lines = self.ask(command)
        assert lines[-1].startswith("ok"), lines
        return lines[:-1]

    def want(self, objects):
        self("forget")
        for o in objects:
            self("want " + o)

    def close(self):
        self.process.stdin.close()
        assert self.process.wait(CLOCK_S) == 0
        self.process.stdout.close()


class Site:
    def __init__(self):
        remove_stale()
        self.gateway, self.siit = Namespace("rtgw"), Namespace("rtsiit")
        self.gateway.ip("link add up0 type veth peer name up1")
        self.gateway.ip("link set up1 up")
        self.gateway.ip("link set up0 up")
        self.gateway.ip("addr add 2001:db8:77::1/64 dev up0")
        self.gateway.ip("addr add 203.0.113.10/24 dev up0")
        wait_for(self.settled, message="addresses")
        self.tool = Tool(self.gateway)
        self.tool("siit " + self.siit.name)

    def settled(self):
        shown = self.gateway.ip("-6 addr")
        return shown.count("scope link") == 2 and "tentative" not in shown

    def dump(self):
        """All that rtnetlink shows, without counters and what a new link changes by itself."""
        batches = [("-d", "link show\naddr show\nneigh show proxy\n"),
                   ("-4", "route show table all\nrule show\n"),
                   ("-6", "route show table all\nrule show\n")]
        return [self.cleaned(subprocess.run(
            ["ip", "-n", self.gateway.name, "-o", option, "-b", "-"], input=commands, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True).stdout)
            for option, commands in batches]

    @staticmethod
    def cleaned(text):
        for pattern in (r"@if\d+", r"^\d+: ", r"qdisc [a-z]* ", r"link-netnsid \d+",
                        r"(valid|preferred)_lft \S+", r"expires \S+"):
            text = re.sub(pattern, "", text, flags=re.M)
        return sorted(text.splitlines())

    def close(self):
        self.tool.close()
        self.gateway.delete()
        self.siit.delete()


@pytest.fixture
def site():
    s = Site()
    yield s
    s.close()


def test_all_comes_and_goes(site):
    before = site.dump()
    site.tool.want(OBJECTS)
    plan = site.tool("plan")
    assert len(plan) == len(OBJECTS) and all(line.startswith("+ ") for line in plan), plan
    site.tool("apply")
    assert site.tool("plan") == []
    routes = site.gateway.ip("-6 route show table all proto 206")
    assert "2001:db8:a000:1002::/64 via fe80::1 dev up0" in routes
    assert "local 2001:db8:a000:ff::/96 dev lo table local" in routes
    assert "blackhole 2001:db8:a000::/48" in routes
    assert "mtu 1420" in routes
    assert "100.64.16.1 dev siit0 scope link src 203.0.113.17" in site.gateway.ip(
        "route show proto 206")
    assert "mtu 2000" in site.siit.ip("link show main0") and ",UP" in site.siit.ip("link show main0")
    site.tool("forget")
    assert len(site.tool("plan")) == len(OBJECTS)
    site.tool("apply")
    assert site.dump() == before


def test_any_failed_request_leaves_all_as_it_was(site):
    before = site.dump()
    site.tool.want(OBJECTS)
    for n in range(1, 200):
        site.tool(f"fail {n}")
        answer = site.tool.ask("apply")
        if answer[-1].startswith("ok"):
            break
        assert "undo" not in " ".join(answer), (n, answer)
        site.tool("fail 0")
        assert site.dump() == before, n
    assert n > 10  # several requests, none of which may be skipped
    site.tool("fail 0")
    assert site.tool("plan") == []


def test_a_first_far_end_that_fails_leaves_no_namespace(site):
    path = "/run/netns/rtsiit-new"
    site.tool("siit rtsiit-new")
    before = site.dump()
    site.tool.want(["link kind=veth name=siit0 peer=main0 mtu=2000 alias=sixgate:siit"])
    for n in range(1, 50):
        site.tool(f"fail {n}")
        answer = site.tool.ask("apply")
        if answer[-1].startswith("ok"):
            break
        assert not os.path.exists(path), (n, answer)
        site.tool("fail 0")
        assert site.dump() == before, n
    # the tool has mounts of its own, by ip netns exec
    shown = run("nsenter", f"--net=/proc/{site.tool.process.pid}/root{path}",
                "ip", "link", "show", "main0")
    os.unlink(path)
    assert n > 5 and ",UP" in shown


def test_any_failed_request_of_a_removal_leaves_all_in_place(site):
    site.tool.want(OBJECTS)
    site.tool("apply")
    wait_for(lambda: "tentative" not in site.gateway.ip("-6 addr"), message="addresses")
    after = site.dump()
    for n in range(1, 200):
        site.tool("forget")
        site.tool(f"fail {n}")
        answer = site.tool.ask("apply")
        site.tool("fail 0")
        if answer[-1].startswith("ok"):
            break
        assert "undo" not in " ".join(answer), (n, answer)
        wait_for(lambda: site.dump() == after, message=f"all after failure {n}")
        site.tool.want(OBJECTS)
        assert site.tool("plan") == [], n
    assert n > 5


# what of OBJECTS is another value now, has gone, or is new
CHANGES = [("mtu=2000", "mtu=1900"), ("iif=siit0 table=700", "iif=siit0 table=701"),
           ("ignore_below=4", "ignore_below=8"), ("type=blackhole", "type=unreachable"),
           ("link=siit0 mtu=1420", "link=siit0 mtu=1380"), ("via=fe80::1", "via=fe80::2"),
           ("source=203.0.113.17", "source=203.0.113.10"), ("203.0.113.99/32", "203.0.113.98/32"),
           ("address=2001:db8:77::aaaa", "address=2001:db8:77::bbbb")]


def changed():
    text = "\n".join(OBJECTS)
    for before, after in CHANGES:
        assert before in text
        text = text.replace(before, after)
    return text.splitlines()


def test_any_failed_request_of_a_change_leaves_all_as_it_was(site):
    site.tool.want(OBJECTS)
    site.tool("apply")
    wait_for(lambda: "tentative" not in site.gateway.ip("-6 addr"), message="addresses")
    before = site.dump()
    for n in range(1, 200):
        site.tool.want(changed())
        site.tool(f"fail {n}")
        answer = site.tool.ask("apply")
        site.tool("fail 0")
        if answer[-1].startswith("ok"):
            break
        assert "undo" not in " ".join(answer), (n, answer)
        wait_for(lambda: site.dump() == before, message=f"all after failure {n}")
    assert n > 10 and site.tool("plan") == []
    assert site.dump() != before


def test_each_drift_is_seen_and_mended(site):
    site.tool.want(OBJECTS)
    site.tool("apply")
    wait_for(lambda: "tentative" not in site.gateway.ip("-6 addr"), message="addresses")
    after = site.dump()
    for words, what in [
            ("link set siit0 mtu 1500", "~ link siit0"),
            ("link set siit0 alias nobody", "+ link siit0"),
            ("addr del 203.0.113.17/32 dev up0", "+ address 203.0.113.17/32 dev up0"),
            ("route del 2001:db8:a000:1002::/64", "+ route 2001:db8:a000:1002::/64"),
            ("route replace 2001:db8:a000:1002::/64 via fe80::2 dev up0 proto 206",
             "~ route 2001:db8:a000:1002::/64"),
            ("route change 100.64.16.1/32 dev siit0 proto 206", "~ route 100.64.16.1/32"),
            ("route del local 203.0.113.24/29 dev lo table local", "+ route 203.0.113.24/29"),
            ("rule del priority 100 from 2001:db8:a000::/48 iif siit0 table 700", "+ rule"),
            ("neigh del proxy 2001:db8:77::aaaa dev up0", "+ proxy-neighbour"),
            ("link set siit0 down", "~ link siit0"),
            ("link del siit0", "+ link siit0")]:
        site.gateway.ip(("-6 " if words.startswith("rule") else "") + words)
        plan = site.tool("plan")
        if "alias" in words:  # a link that lost our name is not ours to take
            assert any(line.startswith(what) for line in plan), (words, plan)
            answer = site.tool.ask("apply")[-1]
            assert "not sixgate's" in answer
            site.gateway.ip("link set siit0 alias sixgate:siit")
            continue
        assert any(line.replace("proxy_", "proxy-").startswith(what) for line in plan), (words, plan)
        site.tool("apply")
        assert site.tool("plan") == [], words
        if words != "link del siit0":  # the kernel sets an address up a moment later
            wait_for(lambda: site.dump() == after, message=words)


def test_foreign_things_stay(site):
    for words in FOREIGN:
        site.gateway.ip(words)
    site.tool.want(OBJECTS)
    site.tool("apply")
    site.tool("forget")
    site.tool("apply")
    assert "192.0.2.9/24" in site.gateway.ip("addr show up0")
    assert "2001:db8:5::/64" in site.gateway.ip("-6 route")
    assert "blackhole 198.51.100.0/24" in site.gateway.ip("route")
    assert "from 198.51.100.7 lookup 33" in site.gateway.ip("rule")
    assert "2001:db8:77::bbbb" in site.gateway.ip("-6 neigh show proxy")
    assert "mine0" in site.gateway.ip("link")


def test_foreign_thing_in_the_way_is_an_error_and_all_is_taken_back(site):
    site.gateway.ip("route add 2001:db8:a000:1003::/64 dev up0 metric 50")
    before = site.dump()
    site.tool.want(OBJECTS)
    answer = site.tool.ask("apply")[-1]
    assert "err -17" in answer and "2001:db8:a000:1003::/64" in answer, answer
    assert "not sixgate's" in answer
    assert site.dump() == before


def test_unreachable_next_hop_takes_later_routes_of_its_bundle_back(site):
    before = site.dump()
    site.tool.want([f"route to=2001:db8:a000:{n:x}::/64 link=up0 via=fe80::1"
                    for n in range(1, 400)] +
                   ["route to=10.0.0.0/24 link=up0 via=192.0.2.77"])
    answer = site.tool.ask("apply")[-1]
    assert "10.0.0.0/24" in answer and "next hop is not reachable" in answer, answer
    assert site.dump() == before


def test_2000_routes_take_few_requests(site):
    site.tool.want([f"route to=2001:db8:a000:{n:x}::/64 link=up0" for n in range(0x1000, 0x17d0)])
    site.tool("fail 0")
    site.tool("apply")
    requests = int(site.tool.ask("plan")[-1].split()[1])
    assert len(site.gateway.ip("-6 route show proto 206").splitlines()) == 2000
    assert requests < 70, requests
    site.tool("forget")
    site.tool("apply")
    assert site.gateway.ip("-6 route show proto 206") == ""


SETTINGS = """
sysctl order=0 path=net/ipv6/conf/up0/accept_ra value=2
sysctl order=1 path=net/ipv6/conf/all/forwarding value=1
sysctl order=1 path=net/ipv4/ip_local_port_range value=49152,57343
offload link=up0 feature=rx-gro
offload link=up0 feature=rx-gro-list
""".strip().splitlines()


def settings(site):
    read = site.gateway.run("sysctl", "-n", "net.ipv6.conf.up0.accept_ra",
                            "net.ipv6.conf.all.forwarding", "net.ipv4.ip_local_port_range").split()
    return read + re.findall("(?:generic-receive-offload|rx-gro-list): (on|off)",
                             site.gateway.run("ethtool", "-k", "up0"))


def test_settings_are_recorded_and_put_back(site, tmp_path):
    site.gateway.run("ethtool", "-K", "up0", "rx-gro-list", "on")
    before = settings(site)
    assert before[-1] == "on"
    site.tool(f"record {tmp_path}")
    site.tool.want(SETTINGS)
    assert len(site.tool("plan")) == len(SETTINGS)
    site.tool("apply")
    assert settings(site) == ["2", "1", "49152", "57343", "off", "off"]
    assert site.tool("plan") == []
    site.gateway.sysctl("net.ipv6.conf.all.forwarding", 0)
    site.gateway.run("ethtool", "-K", "up0", "gro", "on", "rx-gro-list", "on")
    plan = site.tool("plan")
    assert len(plan) == 3 and any("net/ipv6/conf/all/forwarding" in line for line in plan), plan
    site.tool("apply")
    site.tool.close()
    site.tool = Tool(site.gateway)  # another run finds the record
    site.tool(f"record {tmp_path}")
    site.tool("apply")
    assert settings(site) == before
    assert (tmp_path / "former").read_text() == ""


def test_offloads_of_many_links_and_of_one_that_keeps_its_own(site, tmp_path):
    """So many are asked for all at once. That of lo is fixed: that is no failure."""
    links = [f"many{n}" for n in range(20)]
    site.gateway.ip_batch(*(f"link add {link} type veth peer name {link}p" for link in links))
    for link in links:
        site.gateway.run("ethtool", "-K", link, "rx-gro-list", "on")

    def merging():
        return [link for link in links
                if "rx-gro-list: on" in site.gateway.run("ethtool", "-k", link)]

    def want(some):
        site.tool.want([*(f"offload link={link} feature=rx-gro-list" for link in some),
                        "offload link=lo feature=loopback"])

    record = tmp_path / "former"
    site.tool(f"record {tmp_path}")
    want(links)
    assert len(site.tool("plan")) == 21
    site.tool("apply")
    assert merging() == [] and site.tool("plan") == []
    assert "offload lo loopback\tkept\n" in record.read_text()
    site.gateway.run("ethtool", "-K", "many7", "rx-gro-list", "on")
    [step] = site.tool("plan")
    assert "many7" in step
    site.tool("apply")
    site.gateway.ip("link del many3")
    links.remove("many3")
    want(links)
    assert merging() == [] and site.tool("plan") == []
    assert "many3 " not in record.read_text() and "many4 " in record.read_text()
    site.tool("forget")
    site.tool("apply")
    assert merging() == links and record.read_text() == ""


def test_settings_are_put_back_when_a_later_step_fails(site, tmp_path):
    before = settings(site)
    site.tool(f"record {tmp_path}")
    site.tool.want([*SETTINGS, "sysctl order=9 path=net/ipv4/no_such_thing value=1"])
    answer = site.tool.ask("apply")[-1]
    assert "net/ipv4/no_such_thing" in answer and "this kernel" in answer, answer
    assert settings(site) == before
    assert (tmp_path / "former").read_text() == ""


def test_changes_by_others_are_heard_of(site):
    site.tool.want(OBJECTS)
    site.tool("apply")
    site.tool("settle")
    for words, kind in [
            ("link set siit0 mtu 1500", "link"),
            ("addr del 203.0.113.17/32 dev up0", "address"),
            ("-6 route del 2001:db8:a000:1002::/64", "route"),
            ("-6 rule del priority 100 from 2001:db8:a000::/48 iif siit0 table 700", "rule"),
            ("link set siit0 down", "link"),
            ("link del siit0", "link")]:
        site.gateway.ip(words)
        assert kind in site.tool("heard"), words
    site.gateway.sysctl("net.ipv6.conf.all.forwarding", 1)
    assert "sysctl" in site.tool("heard")


def test_changes_of_others_things_are_not(site):
    site.tool.want([o for o in OBJECTS if "fe80::64:0" not in o])  # the kernel tells of it late
    site.tool("apply")
    site.tool("settle")
    for words in FOREIGN:
        if not words.startswith("link"):
            site.gateway.ip(words)
    assert site.tool("heard") == ["by "]


def test_own_changes_are_not_heard_of(site):
    site.tool.want([o for o in OBJECTS[1:] if "fe80::64:0" not in o])
    site.gateway.ip("link add siit0 type veth peer name main0")
    site.gateway.ip("link set main0 up")
    site.gateway.ip("link set siit0 up")
    site.tool("heard")
    site.tool("apply")
    assert site.tool("settle") == ["quiet"]
    assert site.tool("heard") == ["by "]


def test_who_changed_nftables_is_named(site):
    site.gateway.run("nft", "add table inet sixgate")
    site.tool("heard")
    site.gateway.run("nft", "add table inet other")
    assert site.tool("heard") == ["by "]
    site.gateway.run("nft", "flush ruleset")
    said = site.tool("heard")
    assert said[:-1] == ["ruleset", "element"], said
    assert re.fullmatch(r"by nft \(pid \d+\) changed nftables", said[-1])


def test_kernel_without_the_device_says_what_to_install(site):
    if subprocess.run(["ip", "link", "add", "sgprobe", "type", "wireguard"],
                      capture_output=True, check=False).returncode == 0:
        run("ip", "link", "del", "sgprobe")
        pytest.skip("this kernel has WireGuard")
    site.tool.want(["link kind=wireguard name=sg-wg alias=sixgate:wg mtu=1420"])
    answer = site.tool.ask("apply")[-1]
    assert "install the module wireguard" in answer, answer
