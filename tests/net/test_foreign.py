# SPDX-License-Identifier: GPL-3.0-or-later
"""Rules of other tables beside ours: those that cost tenants something are named, none is touched."""

from peers import wait_for
from test_denied import racks

QUIET = """
    chain in { type filter hook input priority 0; iif lo accept; ct state invalid drop; }
    chain forth { type filter hook forward priority 0; ct state invalid drop; }
    chain four { type nat hook postrouting priority srcnat; meta nfproto ipv4 masquerade; }
    chain some { type nat hook postrouting priority srcnat; ip6 saddr fd00::/8 masquerade; }
    chain masked { masquerade; }
    chain inner { jump masked; }
    chain out4 { type nat hook postrouting priority srcnat; meta nfproto ipv4 jump inner; }
    chain spared { meta mark & 0xf0000000 == 0x10000000 accept; }
    chain last { type nat hook postrouting priority srcnat; jump spared; goto inner; }
    chain marked { type nat hook postrouting priority srcnat;
        meta mark & 0x4000 == 0 return; masquerade; }
    chain bare { drop; }
    chain ring_in { type filter hook input priority 0; ct state invalid jump bare; }
"""
LOUD = {
    "chain forth: drops what it does not accept":
        "chain forth { type filter hook forward priority 0; policy drop; }",
    "chain every: gives tenants' packets":
        "chain every { type nat hook postrouting priority srcnat; oifname up0 masquerade; }",
    "chain deep (from chain top): gives tenants' packets": """chain deep { masquerade; }
        chain middle { oifname "up0" goto deep; }
        chain top { type nat hook postrouting priority srcnat; jump middle; }""",
    "chain one: gives tenants' packets":
        "chain one { type nat hook postrouting priority 90; snat ip6 to 2001:db8:77::1; }",
}


def other_rules(gateway):
    return next((problem["text"] for problem in gateway.status()["problems"]
                 if problem["what"] == "other rules"), "")


def test_what_costs_tenants_something_is_named(case):
    host = case.lab.gateway
    gateway = case.start(*racks(case))
    try:
        for text, chain in LOUD.items():
            host.run("nft", "-f", "-", input=f"table inet farmer {{ {QUIET}\n{chain}\n}}\n")
            before = host.run("nft", "list", "table", "inet", "farmer")
            wait_for(lambda text=text: text in other_rules(gateway), 30, text)
            assert other_rules(gateway).count("\n") == 0, "the others cost nothing"
            assert "table inet farmer, " in gateway.cli("status").stdout
            assert host.run("nft", "list", "table", "inet", "farmer") == before
            host.run("nft", "delete", "table", "inet", "farmer")
            wait_for(lambda: not other_rules(gateway), 30, "gone")
    finally:
        host.run("sh", "-c", "nft delete table inet farmer 2>&- || true")
        for number, tenant in enumerate(case.lab.tenants, 1):
            host.ip(f"-6 route replace {tenant.prefix} via fe80::2 dev ten{number}")
