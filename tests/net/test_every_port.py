# SPDX-License-Identifier: GPL-3.0-or-later
"""Every TCP port of every address that is not a tenant's own, from each tenant and from outside.

The gateway is firewall.py's: nobody listens, but what comes as far as the machine is reset, and
that is an answer."""

import pytest
from firewall import (ACME, ACME4, BRANCH, GATEWAY4, GATEWAY6, GLOBEX, INET, LAN, MARK, PREF64,
                      Net, embed, server)
from ports import ALL, answering, reached

OWN6 = [GATEWAY6, "2001:db8:5::1"]  # the gateway's: uplink, LAN
END = "fe80::1%eth0"                # and its end of the tunnel
OWN4 = [GATEWAY4, "192.0.2.1", "192.0.2.65"]
CLIENTS = "2001:db8:a000:ff::/96"
CLIENT = embed(CLIENTS, "0.0.0.1")
LOOPBACK = [embed(prefix, "127.0.0.1") for prefix in (PREF64, "2001:db8:a000:fe::/96")]
MAIL = 25
OPEN = {443, 8448}  # a listener, and a name that is exposed on a port of its own


@pytest.fixture(scope="module")
def net(tmp_path_factory):
    one = Net(tmp_path_factory.mktemp("ports"))
    one.gateway.ip(f"-6 route add local {CLIENTS} dev lo")
    yield one
    one.close()


def test_the_scan_sees_every_port(net):
    with server(net.gateway, 8080):
        opened, closed = answering(net.inet, GATEWAY6)[GATEWAY6]
    assert opened == {8080} and closed == ALL - {8080}
    assert reached(net.lan, GATEWAY4) == {GATEWAY4: ALL}


def test_tenants_reach_nothing_by_ipv6(net):
    assert reached(net.acme, *OWN6, END, CLIENT, *LOOPBACK, LAN, GLOBEX) == {}
    assert reached(net.globex, GATEWAY6, END, CLIENT, ACME) == {}
    # one's own, and the Internet but for mail
    assert reached(net.acme, BRANCH, INET) == {BRANCH: ALL, INET: ALL - {MAIL}}


def test_all_of_that_is_kept_closed_by_rules(net):
    with net.without("own6"):
        assert reached(net.acme, GATEWAY6) == {GATEWAY6: ALL}
    with net.without("own6", "tenant"):
        assert reached(net.acme, END) == {END: ALL}
    with net.without("through"):
        assert reached(net.acme, GLOBEX) == {GLOBEX: ALL}
    with net.without("cpin"):
        assert reached(net.acme, CLIENT) == {CLIENT: ALL}


def test_tenants_reach_listeners_alone_by_ipv4(net):
    """Through the translator, which hands packets over by lo with the tenant's mark and a source of
    the pool; and inside the tunnel."""
    assert reached(net.gateway, *OWN4, "127.0.0.1", mark=MARK, source=GATEWAY4) == {
        GATEWAY4: OPEN}
    assert reached(net.acme, *OWN4, source=ACME4) == {GATEWAY4: OPEN}
    with net.without("own4"):
        assert reached(net.gateway, OWN4[1], mark=MARK, source=GATEWAY4) == {OWN4[1]: ALL}


def test_from_outside_no_tenant_is_reached_and_nothing_between(net):
    assert reached(net.inet, ACME, CLIENT) == {}
    assert reached(net.lan, GLOBEX, CLIENT) == {}
