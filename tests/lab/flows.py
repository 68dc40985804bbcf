# SPDX-License-Identifier: GPL-3.0-or-later
"""A flow of datagrams to an echo and back, that goes on while something is done."""

import contextlib
import select
import socket
import threading

from netns import family_of
from peers import wait_for
from pings import missing


class Flow:
    """with Flow(client, address, server, bound, port) as flow: ...; then flow.sent, flow.lost, and
    flow.sources: who the server saw. bound: the server's own address."""

    def __init__(self, client, address, server, bound, port, source=None, interval=0.1):
        self.name, self.interval = f"{client.role} {address} {port}", interval
        self.sent = self.lost = self.number = self.first = 0
        self.came, self.sources = set(), set()
        self.ending = threading.Event()
        self.echo = server.socket(family_of(bound), socket.SOCK_DGRAM)
        self.echo.bind((bound, port))
        self.sock = client.socket(family_of(address), socket.SOCK_DGRAM)
        if source:
            self.sock.bind((source, 0))
        self.sock.connect((address, port))
        self.threads = [threading.Thread(target=run) for run in (self._answer, self._ask)]

    def _answer(self):
        while not self.ending.is_set():
            if select.select([self.echo], [], [], 0.1)[0]:
                data, source = self.echo.recvfrom(100)
                self.sources.add(source[:2])
                self.echo.sendto(data, source)

    def _ask(self):
        while not self.ending.wait(self.interval):
            self.number += 1
            with contextlib.suppress(OSError):  # an ICMP error: it is lost
                self.sock.send(str(self.number).encode())
            while select.select([self.sock], [], [], 0)[0]:
                with contextlib.suppress(OSError):
                    self.came.add(int(self.sock.recv(100)))

    def sends(self, count):
        """Waits until so many more were sent."""
        enough = self.number + count
        wait_for(lambda: self.number >= enough, message=f"{count} more of {self.name}")

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        wait_for(lambda: self.came, message=f"first answer of {self.name}")
        self.first = min(self.came)  # a tunnel or a neighbour may need a moment
        return self

    def __exit__(self, *failure):
        try:
            if failure == (None, None, None):  # as with pings
                number = self.number
                wait_for(lambda: max(self.came) > number,
                         message=f"an answer of {self.name}, at last")
                self.sent = number - self.first + 1
                self.lost = len(missing(self.first, number, self.came.copy))
        finally:
            self.ending.set()
            for thread in self.threads:
                thread.join()
            self.echo.close()
            self.sock.close()
