# SPDX-License-Identifier: GPL-3.0-or-later
"""Pings from a host of the lab: a few, and a stream that goes on while something is done."""

import contextlib
import itertools
import os
import re
import select
import signal
import socket
import struct
import tempfile
import time

from netns import family_of
from patience import AMPLE_S, CLOCK_S, Patience
from peers import wait_for

IDENTIFIERS = itertools.count(os.getpid())
SOL_RAW, ICMP_FILTER, ICMP6_FILTER = 255, 1, 1
IP_MTU_DISCOVER, IPV6_MTU_DISCOVER, PMTUDISC_DO = 10, 23, 2


class Echo:
    """Asks one address as ping(8) does, without a program: an emulated machine starts few a second.

    size: of what a packet carries besides ICMP's header; it is not cut into fragments then."""

    def __init__(self, host, address, size=None):
        self.ipv6 = family_of(address) == socket.AF_INET6
        self.identifier = next(IDENTIFIERS) & 0xffff
        self.data = bytes(56 if size is None else size)
        self.number = 0
        with host.inside():
            self.sock = socket.socket(family_of(address), socket.SOCK_RAW, socket.IPPROTO_ICMPV6
                                      if self.ipv6 else socket.IPPROTO_ICMP)
        try:
            self._set_options(size is not None)
            self.sock.connect((address, 0))
        except OSError:
            self.sock.close()
            raise

    def _set_options(self, whole):
        if self.ipv6:
            passes = bytearray(b"\xff" * 32)
            struct.pack_into("=I", passes, 16, 0xffffffff & ~(1 << 129 % 32))
            self.sock.setsockopt(socket.IPPROTO_ICMPV6, ICMP6_FILTER, passes)
        else:
            self.sock.setsockopt(SOL_RAW, ICMP_FILTER, struct.pack("=I", 0xfffffffe))
        if whole and self.ipv6:
            self.sock.setsockopt(socket.IPPROTO_IPV6, IPV6_MTU_DISCOVER, PMTUDISC_DO)
        elif whole:
            self.sock.setsockopt(socket.IPPROTO_IP, IP_MTU_DISCOVER, PMTUDISC_DO)

    def ask(self):
        self.number += 1
        head = (128 if self.ipv6 else 8, 0, 0, self.identifier, self.number)
        packet = struct.pack("!BBHHH", *head) + self.data
        if not self.ipv6:  # the kernel fills in that of ICMPv6
            packet = packet[:2] + struct.pack("!H", checksum(packet)) + packet[4:]
        self.sock.send(packet)

    def answered(self, within, count=1):
        """Waits for this many answers, and returns how many came."""
        patience, n = Patience(within), 0
        while n < count:
            if select.select([self.sock], [], [], patience.step())[0]:
                n += self._is_answer(self.sock.recv(1 << 16))
            elif not patience.left():
                break
        return n

    def _is_answer(self, packet):
        if not self.ipv6:
            packet = packet[(packet[0] & 15) * 4:]
        return struct.unpack("!H", packet[4:6])[0] == self.identifier

    def __enter__(self):
        return self

    def __exit__(self, *_failure):
        self.sock.close()


def checksum(packet):
    total = sum(struct.unpack(f"!{len(packet) // 2}H", packet))  # an even number of bytes
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


def answers(host, address, count=1, within=AMPLE_S, size=None):
    """How many of count pings are answered; an error ends the wait, as with ping(8)."""
    with contextlib.suppress(OSError), Echo(host, address, size) as echo:
        for _ in range(count):
            echo.ask()
        return echo.answered(within, count)
    return 0


def heard(*pairs, within=1):
    """Those of (host, address) where a ping is answered within so many seconds."""
    found, asked = [], []
    with contextlib.ExitStack() as stack:
        for host, address in pairs:
            with contextlib.suppress(OSError):
                echo = stack.enter_context(Echo(host, address))
                echo.ask()
                asked.append((f"{host.role} {address}", echo))
        patience = Patience(within)
        for name, echo in asked:
            with contextlib.suppress(OSError):
                if echo.answered(patience.left()):
                    found.append(name)
    return found


def reaches(host, address, timeout=AMPLE_S):
    """Pings until one is answered: a tunnel or a neighbour may need a moment the first time."""
    patience = Patience(timeout)
    while patience.left():
        # after an error another one, which may have another source
        with contextlib.suppress(OSError), Echo(host, address) as echo:
            while patience.left():
                echo.ask()
                if echo.answered(0.2):
                    return
        time.sleep(0.05)
    raise AssertionError(f"{host.role} does not reach {address} within {timeout} s")


def missing(first, last, came):
    """Numbers of what was sent and has not come. One may be later than the next, which another
    processor had: lost is what has not come a second later either."""
    patience = Patience(1)
    while True:
        left = set(range(first, last + 1)) - came()
        if not left or not patience.left():
            return left
        time.sleep(patience.step())


class Stream:
    """with Stream(host, address) as stream: ...; then stream.sent, stream.lost."""

    def __init__(self, host, address, interval=0.01):
        self.host, self.address, self.interval = host, address, interval
        self.sent = self.lost = 0

    def __enter__(self):
        reaches(self.host, self.address)
        self.said = tempfile.TemporaryFile()
        self.process = self.host.popen("ping", "-n", "-i", str(self.interval), self.address,
                                       stdout=self.said, stderr=self.said)
        wait_for(lambda: "bytes from" in self.text(), message=f"first answer of {self.address}")
        return self

    def text(self):
        return os.pread(self.said.fileno(), 1 << 24, 0).decode(errors="replace")

    def came(self):
        """The numbers of the pings that were answered."""
        return {int(number) for number in re.findall(r"icmp_seq=(\d+) ttl", self.text())}

    def counts(self):
        """How many were sent, each time that ping was asked."""
        return [int(count) for count in re.findall(r"\d+/(\d+) packets, ", self.text())]

    def sent_by_now(self):
        before = len(self.counts())
        self.process.send_signal(signal.SIGQUIT)
        return wait_for(lambda: self.counts()[before:], message="its count")[0]

    def sends(self, count):
        """Waits until so many more were sent."""
        enough = self.sent_by_now() + count
        wait_for(lambda: self.sent_by_now() >= enough, message=f"{count} more pings")

    def __exit__(self, *failure):
        # Those on their way at the end are not lost; how many that is depends on the machine. So
        # the end is an answer to a ping that was sent after all that happened.
        try:
            if failure == (None, None, None):
                self.sent = self.sent_by_now()
                wait_for(lambda: max(self.came()) > self.sent,
                         message=f"an answer of {self.address}, at last")
                lost = missing(1, self.sent, self.came)
                self.lost = len(lost)
                if lost:
                    print(f"{self.host.role} {self.address}: of {self.sent} lost {sorted(lost)}")
        finally:
            self.process.send_signal(signal.SIGINT)
            self.process.wait(CLOCK_S)
            self.said.close()
