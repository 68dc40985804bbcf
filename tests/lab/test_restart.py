# SPDX-License-Identifier: GPL-3.0-or-later
"""sixgated ends, comes back and is replaced, and what runs in the kernel does not notice."""

import contextlib
import signal

import clients
import peers
import pings
from topology import SERVER4, SERVER6, embedded

ROUNDS, PIECE = 4, clients.pattern(20_000)


def download(sock):
    """More of a transfer that goes on through NAT64."""
    for _ in range(ROUNDS):
        sock.sendall(PIECE)
        assert peers.read_exactly(sock, len(PIECE)) == PIECE


def restart(gateway):
    assert gateway.stop() == 0
    gateway.start(60)


def kill(gateway):
    gateway.signal(signal.SIGKILL)
    gateway.process.wait(20)
    gateway.start(60)


def upgrade(gateway):
    workers, ready = gateway.workers(), gateway.keeper.n_ready
    gateway.signal(signal.SIGUSR2)
    gateway.keeper.wait_ready(ready + 1, 60)
    assert not set(workers) & set(gateway.workers())


def test_restart_and_upgrade_lose_no_packet_session_or_handshake(case):
    gateway = case.start(kept=True)
    place = case.place
    case.serve(place.in4, 80)

    def handshakes():
        return place.gateway.run("wg", "show", "sg-wg", "latest-handshakes")

    before, links = handshakes(), place.gateway.ip("-d link")
    assert int(before.split()[1]) > 0
    with contextlib.ExitStack() as stack:
        streams = [stack.enter_context(pings.Stream(tenant, address, 0.1)) for tenant, address in (
            (place.acme, SERVER6), (place.globex, SERVER6), (place.initech, SERVER6),
            (place.globex, embedded(SERVER4[0])))]
        sock = stack.enter_context(place.acme.connect(embedded(SERVER4[0]), 80, timeout=30))
        download(sock)
        for again in (restart, kill, upgrade):
            again(gateway)
            gateway.nothing_to_do()
            download(sock)
    assert [(one.host.role, one.address) for one in streams if one.lost] == []
    assert all(one.sent > 20 for one in streams)
    assert handshakes() == before and place.gateway.ip("-d link") == links
