# SPDX-License-Identifier: GPL-3.0-or-later
"""The table `inet sixgate` by its driver, on this machine's kernel: what is there is adopted, what
was altered is found and mended, and a change keeps what it need not touch."""

import pytest
from firewall import Tool
from netns import Namespace, remove_stale

NODE = """
node: {name: exit1, farm: freefarm}
uplink:
  kind: direct
  interface: up0
  ipv4: [{range: 203.0.113.10/32, delivery: present}]
  ipv6: {prefix: "2001:db8:a000::/48", reserved: 256}
listeners: [{address: any, port: 443, protocol: tls}]
client_prefix: "2001:db8:a000:ff::/96"
resolvers: [192.0.2.53, "2001:db8::53"]
registry: {dir: REGISTRY}
"""
PREFIXES = {"acme": '"2001:db8:a000:1001::/64"', "globex": '"2001:db8:a000:1002::/64"'}


class Gateway:
    def __init__(self, folder):
        remove_stale()
        self.ns = Namespace("fwgateway")
        self.folder = folder
        self.write("node", NODE.replace("REGISTRY", str(folder)))
        for name, prefixes in PREFIXES.items():
            self.write(name, f"tenant: {name}\nserial: 1\nprefixes: [{prefixes}]\nservices: []\n")
        self.tool = self.start()

    def write(self, name, text):
        (self.folder / f"{name}.yaml").write_text(text)

    def start(self, *tenants):
        tool = Tool(self.ns)
        tool(f"node {self.folder}/node.yaml")
        for name in tenants or PREFIXES:
            tool(f"tenant {self.folder}/{name}.yaml")
        return tool

    def nft(self, *words):
        return self.ns.run("nft", *words)

    def table(self):
        return self.nft("list", "ruleset")

    def close(self):
        self.tool.end()
        self.ns.delete()


@pytest.fixture
def gw(tmp_path):
    one = Gateway(tmp_path)
    one.tool("apply")
    yield one
    one.close()


def test_what_an_earlier_run_left_is_adopted_without_a_step(gw):
    assert gw.tool.plan() == 0
    again = gw.start()
    assert again.plan() == 0
    again.end()


@pytest.mark.parametrize("how", [
    "add rule inet sixgate cpin accept",
    "insert rule inet sixgate workers accept",
    "flush chain inet sixgate cpfx",
    "add chain inet sixgate other",
    "add set inet sixgate other { type ipv4_addr; flags interval; }",
    "add counter inet sixgate other",
    "add table inet sixgate { flags dormant; }",
    "delete element inet sixgate tenants64 { 2001:db8:a000:1001:: }",
    "add element inet sixgate tenants64 { 2001:db8:a000:1003:: }",
    "flush table inet sixgate",
    "delete table inet sixgate",
])
def test_what_somebody_altered_is_found_and_mended(gw, how):
    before = gw.table()
    gw.nft(how)
    assert gw.tool.plan() > 0
    gw.tool("apply")
    assert gw.tool.plan() == 0
    assert gw.table() == before


def test_other_rules_keep_elements_and_counts_and_foreign_tables(gw):
    gw.nft("add table inet farmer; add chain inet farmer keep")
    gw.write("node", NODE.replace("REGISTRY", str(gw.folder)).replace(
        'client_prefix: "2001:db8:a000:ff::/96"\n', ""))
    gw.tool(f"node {gw.folder}/node.yaml")
    assert gw.tool("apply") == "ok 1"
    assert "cpfx" not in gw.table() and "2001:db8:a000:1001::" in gw.table()
    assert "chain keep" in gw.table()


def test_one_tenant_costs_its_own_elements(gw):
    gw.tool("remove acme")
    assert gw.tool("apply") == "ok 1"
    assert "1001::" not in gw.table() and "1002::" in gw.table()


def test_down_takes_the_table_and_nothing_else(gw):
    gw.nft("add table inet farmer; add chain inet farmer keep")
    gw.tool("down")
    assert "sixgate" not in gw.table() and "chain keep" in gw.table()
