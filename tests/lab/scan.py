# SPDX-License-Identifier: GPL-3.0-or-later
"""Which of many sockets a host reaches: all of them are tried at once."""

import contextlib
import selectors
import socket
import threading

from attempts import attempt, opened
from patience import Patience

QUIET_S = 1.2  # for what is dropped nothing tells; a SYN that was lost is sent again in that time


class Daemons:
    """Sockets on all addresses of a host, both families, TCP and UDP, as careless daemons have.

    What arrives by UDP is kept: the answer of a socket on [::] would come from another address."""

    def __init__(self, host, ports):
        self.seen = set()
        self.sockets = []
        self.selector = selectors.DefaultSelector()
        for port in ports:
            self._open(host, socket.SOCK_STREAM, port).listen(64)
            udp = self._open(host, socket.SOCK_DGRAM, port)
            self.selector.register(udp, selectors.EVENT_READ)
        self.stop_r, self.stop_w = socket.socketpair()
        self.selector.register(self.stop_r, selectors.EVENT_READ)
        self.thread = threading.Thread(target=self._run)
        self.thread.start()

    def _open(self, host, kind, port):
        sock = host.socket(socket.AF_INET6, kind)
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(("::", port))
        sock.setblocking(False)
        self.sockets.append(sock)
        return sock

    def _run(self):
        while True:
            for key, _ in self.selector.select():
                if key.fileobj is self.stop_r:
                    return
                with contextlib.suppress(OSError):
                    self.seen.add(key.fileobj.recv(64))

    def close(self):
        self.stop_w.send(b"x")
        self.thread.join()
        self.selector.close()
        for sock in (*self.sockets, self.stop_r, self.stop_w):
            sock.close()


def scan(host, addresses, ports, daemons):
    """{(protocol, address, port)} that host reaches."""
    mine, found = {}, set()
    with contextlib.ExitStack() as stack:
        waiting = stack.enter_context(selectors.DefaultSelector())
        for address in addresses:
            for port in ports:
                tcp = attempt(host, socket.SOCK_STREAM, address, port)
                if tcp:
                    stack.enter_context(tcp)
                    waiting.register(tcp, selectors.EVENT_WRITE, ("tcp", address, port))
                word = f"{host.role} {address} {port}".encode()
                mine[word] = ("udp", address, port)
                udp = attempt(host, socket.SOCK_DGRAM, address, port)
                if udp:
                    with udp, contextlib.suppress(OSError):
                        udp.send(word)
        patience = Patience(QUIET_S)
        while patience.left():
            before = len(found)
            for key, _ in waiting.select(patience.step()):
                waiting.unregister(key.fileobj)
                if opened(key.fileobj):
                    found.add(key.data)
            for one in daemons:
                found |= {mine[word] for word in one.seen.copy() if word in mine}
            if len(found) > before:
                patience = Patience(QUIET_S)
    return found
