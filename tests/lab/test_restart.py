# SPDX-License-Identifier: GPL-3.0-or-later
"""sixgated ends, comes back and is replaced, and what runs in the kernel does not notice."""

import contextlib
import signal

import clients
import peers
import pings
from flows import Flow
from patience import CLOCK_S
from test_nat44 import INSIDE
from topology import SERVER4, SERVER6, embedded

ROUNDS, PIECE = 4, clients.pattern(20_000)
RENEWED_S = 120  # a handshake that is so old is, by who made it, and by nothing else here


def download(sock):
    """More of a transfer that goes on through NAT64."""
    for _ in range(ROUNDS):
        sock.sendall(PIECE)
        assert peers.read_exactly(sock, len(PIECE)) == PIECE


def restart(gateway):
    assert gateway.stop() == 0
    gateway.start()


def kill(gateway):
    gateway.signal(signal.SIGKILL)
    gateway.process.wait(CLOCK_S)
    gateway.start()


def upgrade(gateway):
    workers, ready = gateway.workers(), gateway.keeper.n_ready
    gateway.signal(signal.SIGUSR2)
    gateway.keeper.wait_ready(ready + 1)
    assert not set(workers) & set(gateway.workers())


def started(case):
    """acme has IPv4 inside its tunnel, too."""
    place, gateway = case.place, case.prepare({"nat44": {"ports": "57344-65535"}}, kept=True)
    for tenant in (case.acme(tunnel={"ipv4": True}), case.globex(), case.initech()):
        gateway.put(tenant)
    gateway.start()
    place.acme_wireguard(case.acme_keys, gateway.keys.public, ipv4=INSIDE)
    place.acme.ip(f"route add {SERVER4[0]} dev wg0 src {INSIDE}")
    place.globex_6in4()
    for tenant in place.tenants:
        pings.reaches(tenant, SERVER6)
    case.serve(place.in4, 80)
    return gateway, place


def streams_of(place, enter):
    """Pings by each tunnel and by both translators, and datagrams of one socket each."""
    return [enter(pings.Stream(tenant, address, 0.1)) for tenant, address in (
        (place.acme, SERVER6), (place.globex, SERVER6), (place.initech, SERVER6),
        (place.globex, embedded(SERVER4[0])), (place.acme, SERVER4[0]))], [
        enter(Flow(tenant, address, server, bound, port)) for tenant, address, server, bound, port
        in ((place.globex, embedded(SERVER4[0]), place.in4, SERVER4[0], 7001),
            (place.acme, embedded(SERVER4[0]), place.in4, SERVER4[0], 7002),
            (place.acme, SERVER4[0], place.in4, SERVER4[0], 7003),
            (place.initech, SERVER6, place.in6, SERVER6, 7004),
            (place.acme, SERVER6, place.in6, SERVER6, 7005))]


def test_restart_and_upgrade_lose_no_packet_session_or_handshake(case):
    gateway, place = started(case)

    def handshake():
        return int(place.gateway.run("wg", "show", "sg-wg", "latest-handshakes").split()[1])

    before, links = handshake(), place.gateway.ip("-d link")
    assert before > 0
    with contextlib.ExitStack() as stack:
        streams, flows = streams_of(place, stack.enter_context)
        # TCP by NAT64 and by NAT44
        socks = [stack.enter_context(place.acme.connect(address, 80))
                 for address in (embedded(SERVER4[0]), SERVER4[0])]
        for again in (None, restart, kill, upgrade):
            if again:
                again(gateway)
                gateway.nothing_to_do()
            for sock in socks:
                download(sock)
            for one in streams + flows:
                one.sends(5)
    assert [(one.host.role, one.address) for one in streams if one.lost] == []
    assert [(one.name, one.lost) for one in flows if one.lost] == []
    assert [one.sources for one in flows if len(one.sources) != 1] == []  # each kept its port
    assert handshake() == before or handshake() >= before + RENEWED_S
    assert place.gateway.ip("-d link") == links
