# SPDX-License-Identifier: GPL-3.0-or-later
"""Whose time-out holds: a service's before its listener's before the node's."""

import socket
import threading

import pytest

import peers
from gateway import service, tcp, tls
from lab import POOL

LONG = {"hello": "60s", "connect": "60s", "idle": "60s", "half_close": "60s"}


def start(case, backend, node=None, listener=None, of_service=None):
    """acme/web by a tcp listener with a default, so that a listener's time-outs are asked for."""
    of_node = {**LONG, **(node or {})}
    listeners = [{"address": POOL[1], "port": 2222, "protocol": "tcp", "default": "acme/web"},
                 {"address": "any", "port": 443, "protocol": "tls"}]
    for one in listeners:
        if listener:
            one["timeouts"] = listener
    more = {"timeouts": of_service} if of_service else {}
    return case.start(
        case.tenant(case.lab.acme, service("web", [backend], tls(["shop.example"]),
                                           tcp(9, 22, ipv4=POOL[2]), **more)),
        settings={"listeners": listeners, "timeouts": of_node})


def ended_after(case, gateway, reason):
    """How long the one session took to end for this reason."""
    line = gateway.wait_log(1, timeout=20)[0]
    assert line["reason"] == reason, line
    return line["total_ms"]


PLACES = {
    "node": ("1s", None, None),
    "listener": ("60s", "1s", None),
    "service": ("60s", "60s", "1s"),
    "service-longer": ("1s", "1s", "3s"),
    "listener-longer": ("1s", "3s", None),
}


@pytest.mark.parametrize("place", PLACES)
def test_idle_timeout_is_the_narrowest_places(case, place):
    backend = case.backend(case.lab.acme, 22, peers.hold)
    gateway = start(case, backend.address, *({"idle": t} if t else None for t in PLACES[place]))
    case.connect(2222)
    took = ended_after(case, gateway, "idle")
    assert (took >= 2900) == place.endswith("longer"), took


@pytest.mark.parametrize("place", PLACES)
def test_connect_timeout_is_the_narrowest_places(case, place):
    # one each: the kernel remembers for a while that nobody is there, and says so at once
    silent = case.lab.acme.address(0x90 + list(PLACES).index(place))
    gateway = start(case, silent, *({"connect": t} if t else None for t in PLACES[place]))
    case.ends(2222)
    took = ended_after(case, gateway, "connect-timeout")
    assert (took >= 2900) == place.endswith("longer"), took


@pytest.mark.parametrize("place", ["node", "listener", "listener-longer"])
def test_hello_timeout_is_the_listeners_before_the_nodes(case, place):
    backend = case.backend(case.lab.acme, 443)
    gateway = start(case, backend.address, *({"hello": t} if t else None for t in PLACES[place]))
    case.connect(443, address=POOL[0]).sendall(b"\x16")
    took = ended_after(case, gateway, "hello-timeout")
    assert (took >= 2900) == place.endswith("longer"), took


@pytest.mark.parametrize("place", PLACES)
def test_half_close_timeout_is_the_narrowest_places(case, place):
    over = threading.Event()
    backend = case.backend(case.lab.acme, 22, lambda _conn, _server: over.wait(30))
    gateway = start(case, backend.address,
                    *({"half_close": t} if t else None for t in PLACES[place]))
    case.connect(2222).shutdown(socket.SHUT_WR)
    took = ended_after(case, gateway, "half-close-timeout")
    assert (took >= 2900) == place.endswith("longer"), took
    over.set()
