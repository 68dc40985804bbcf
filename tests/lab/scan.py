# SPDX-License-Identifier: GPL-3.0-or-later
"""Which of many sockets a host reaches: all of them are tried at once."""

import contextlib
import selectors
import socket
import threading
import time

from attempts import attempt, opened

WAIT_S = 1.2          # for what is dropped: nothing tells


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
    tries, mine = {}, {}
    for address in addresses:
        for port in ports:
            tries["tcp", address, port] = attempt(host, socket.SOCK_STREAM, address, port)
            word = f"{host.role} {address} {port}".encode()
            mine[word] = ("udp", address, port)
            udp = attempt(host, socket.SOCK_DGRAM, address, port)
            if udp:
                with udp, contextlib.suppress(OSError):
                    udp.send(word)
    time.sleep(WAIT_S)  # nothing else says that nothing comes
    found = {key for key, sock in tries.items() if sock and opened(sock)}
    for sock in tries.values():
        if sock:
            sock.close()
    for one in daemons:
        found |= {mine[word] for word in one.seen if word in mine}
    return found
