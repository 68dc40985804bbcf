# SPDX-License-Identifier: GPL-3.0-or-later
"""One tenant's change is that tenant's alone."""

import peers
import pings
from gateway import service
from topology import GATEWAY4, GLOBEX4, SERVER4, embedded

CHANGES = 500
ENDS = ["198.51.100.19", GLOBEX4]


def test_500_changes_lose_nothing_of_another(case):
    """Its tunnel's end, its exposure, its row of ports: all of it changes each time."""
    case.start()
    place, gateway = case.place, case.gateway
    with pings.Stream(place.acme, embedded(SERVER4[0])) as flood:
        for change in range(CHANGES):
            name = f"change{change}"
            exposed = service(name, [place.globex.address()],
                              {"protocol": "tcp", "ipv4": GATEWAY4, "port": 2200 + change % 2,
                               "to": 22, "via": "nat64"})
            gateway.put(case.globex(tunnel={"remote": ENDS[change % 2]}, services=[exposed],
                                    serial=change + 2))
            peers.wait_for(lambda: f"globex/{name}" in gateway.services(), message=name)
    assert flood.lost == 0
    assert flood.sent > CHANGES / 4, "a change may take less time than a ping, but not by so much"
    assert ENDS[(CHANGES - 1) % 2] == GLOBEX4
    pings.reaches(place.globex, embedded(SERVER4[0]))
