# SPDX-License-Identifier: GPL-3.0-or-later
"""A DNS server with a few names that have IPv4 addresses only, and a client's question."""

import contextlib
import socket
import struct
import threading

from netns import family_of

A, AAAA = 1, 28
SOA = b"\xc0\x0c\0\x06\0\x01\0\0\0\x3c\0\x16\0\0" + struct.pack("!5I", 1, 60, 60, 60, 60)


def encoded(name):
    return b"".join(bytes([len(part)]) + part.encode() for part in name.split(".")) + b"\0"


class Names:
    """Answers by UDP on an address of host: {name: IPv4 address}."""

    def __init__(self, host, address, names):
        self.names = {encoded(name): socket.inet_aton(v4) for name, v4 in names.items()}
        self.sock = host.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.sock.bind((address, 53))
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def close(self):
        with contextlib.suppress(OSError):  # it is not connected, but wakes up
            self.sock.shutdown(socket.SHUT_RDWR)
        self.thread.join()
        self.sock.close()

    def _run(self):
        while True:
            try:
                query, client = self.sock.recvfrom(2000)
            except OSError:
                return
            if not query:
                return
            self.sock.sendto(self.answer(query), client)

    def answer(self, query):
        end = query.index(b"\0", 12) + 5
        kind = struct.unpack("!H", query[end - 4:end - 2])[0]
        v4 = self.names.get(query[12:end - 4].lower())
        found = v4 and kind == A
        counts = struct.pack("!4H", 1, 1 if found else 0, 0 if found else 1, 0)
        record = b"\xc0\x0c\0\x01\0\x01\0\0\0\x3c\0\x04" + v4 if found else SOA
        code = 0x8180 if v4 else 0x8183
        return query[:2] + struct.pack("!H", code) + counts + query[12:end] + record


def lookup(host, server, name, kind=AAAA, timeout=5):
    """The first address that a client on host is told, or None."""
    query = struct.pack("!6H", 1, 0x100, 1, 0, 0, 0) + encoded(name) + struct.pack("!2H", kind, 1)
    with host.socket(family_of(server), socket.SOCK_DGRAM) as sock:
        sock.settimeout(timeout)
        sock.connect((server, 53))
        sock.send(query)
        answer = sock.recv(2000)
    if struct.unpack("!H", answer[6:8])[0] == 0:
        return None
    family, size = (socket.AF_INET6, 16) if kind == AAAA else (socket.AF_INET, 4)
    return socket.inet_ntop(family, answer[len(query) + 12:len(query) + 12 + size])
