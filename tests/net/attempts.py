# SPDX-License-Identifier: GPL-3.0-or-later
"""Connections that are tried at once: of those that nobody answers each takes a second."""

import errno
import selectors
import socket

from netns import family_of
from patience import Patience


def destination(host, address, port):
    """For connect(); fe80::1%eth0 has the number of the host's own device."""
    address, _, device = address.partition("%")
    if not device:
        return (address, port)
    with host.inside():
        return (address, port, 0, socket.if_nametoindex(device))


def attempt(host, kind, address, port):
    """A socket that tries, or None where it was refused at once."""
    sock = host.socket(family_of(address), kind)
    sock.setblocking(False)
    try:
        sock.connect(destination(host, address, port))
    except BlockingIOError:
        pass
    except OSError as failed:
        assert failed.errno != errno.EMFILE
        sock.close()
        return None
    return sock


def opened(sock):
    """Also when it was reset since; a first packet that is answered by a reset is refused."""
    failed = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    if failed:
        return failed in (errno.ECONNRESET, errno.EPIPE)
    try:
        sock.getpeername()
        return True
    except OSError:
        return False


def connected(*attempts, within=1.0):
    """Those of (host, address, port) where a connection is made within so many seconds, all tried
    at once."""
    tries, found = {}, []
    with selectors.DefaultSelector() as waiting:
        for host, address, port in attempts:
            sock = attempt(host, socket.SOCK_STREAM, address, port)
            if sock:
                tries[f"{host.role} {address} {port}"] = sock
                waiting.register(sock, selectors.EVENT_WRITE)
        patience = Patience(within)
        while waiting.get_map() and patience.left():
            for key, _ in waiting.select(patience.step()):
                waiting.unregister(key.fileobj)
        for name, sock in tries.items():
            with sock:
                if opened(sock):
                    found.append(name)
    return found
