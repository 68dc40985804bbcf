# SPDX-License-Identifier: GPL-3.0-or-later
"""Who may not reach whom."""

import pings
from attempts import connected
from patience import AMPLE_S
from topology import GATEWAY4, GATEWAY6, LAN4, LAN6, PREF64, SERVER6, embedded


def refused(host, address, port):
    """True when a connection is not made within a second."""
    return not connected((host, address, port))


def test_tenants_reach_the_internet_and_not_one_another(case):
    case.start()
    place = case.place
    for tenant in place.tenants:
        case.serve(tenant, 80)
    case.serve(place.in6, 80)
    assert len(connected(*((tenant, SERVER6, 80) for tenant in place.tenants),
                         within=AMPLE_S)) == 3
    others = [(tenant, other.address()) for tenant in place.tenants for other in place.tenants
              if other is not tenant]
    assert connected(*((tenant, address, 80) for tenant, address in others)) == []
    assert pings.heard(*others) == []


def test_the_gateway_itself_is_closed(case):
    """A service of the machine that listens everywhere is for nobody behind a tunnel."""
    case.start()
    place = case.place
    case.serve(place.gateway, 2200, address="::")
    case.serve(place.gateway, 2201, address="0.0.0.0")
    assert len(connected((place.gateway, GATEWAY6, 2200), (place.gateway, GATEWAY4, 2201),
                         within=AMPLE_S)) == 2
    assert connected(
        *((tenant, address, 2200) for tenant in place.tenants
          for address in (GATEWAY6, "2001:db8:a000:ff::1")),
        *((tenant, embedded(address), 2201) for tenant in place.tenants
          for address in (GATEWAY4, "127.0.0.1", "192.0.2.1")),
        *((host, "2001:db8:a000:ff::1", 2200) for host in (place.in6, place.lan))) == []


def test_the_farmers_network_is_closed(case):
    case.start()
    place = case.place
    case.serve(place.lan, 80, address=LAN6)
    case.serve(place.lan, 81, address=LAN4)
    assert connected((place.gateway, LAN6, 80), within=AMPLE_S)
    assert connected(*((tenant, address, port) for tenant in place.tenants
                       for address, port in ((LAN6, 80), (embedded(LAN4), 81)))) == []


def test_false_sources_are_dropped(case):
    case.start(objects=[], connect=False)
    place = case.place
    case.gateway.put(case.globex())
    place.globex_6in4()
    pings.reaches(place.globex, SERVER6)
    sources = ["2001:db8:a000:1001::10", "2001:db8:77::99", "2002:a00:1::1", f"{PREF64}a00:1",
               "2001:db8:a000:ff::1"]
    place.globex.ip_batch(*(f"addr add {source}/128 dev six0 nodad" for source in sources))
    place.in6.run("nft", "-f", "-", input=f"""
        table inet watch {{
            chain input {{
                type filter hook input priority 0;
                ip6 saddr {{ {", ".join(sources)} }} counter
            }}
        }}""")
    try:
        place.globex.run("sh", "-c", "\n".join(
            f"ping -c 2 -i 0.05 -W 1 -I {source} {SERVER6} &" for source in sources) + "\nwait")
        # its own goes on, behind the others
        place.globex.ip_batch(*(f"addr del {source}/128 dev six0" for source in sources))
        assert pings.answers(place.globex, SERVER6) == 1
        assert "packets 0 " in place.in6.run("nft", "list", "table", "inet", "watch")
    finally:
        place.in6.run("nft", "delete", "table", "inet", "watch")
