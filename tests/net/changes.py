# SPDX-License-Identifier: GPL-3.0-or-later
"""What the kernel tells of changes in a host."""

import os
import signal
import tempfile

from patience import CLOCK_S
from peers import wait_for


class Changes:
    """Sees each moment, as no comparison of before and after does: a thing that is replaced, too.

    with Changes(host) as changes: ...; then changes.lines: what the kernel told of links,
    addresses, routes, rules and nftables that came, went or were replaced meanwhile."""

    PROGRAMS = [("ip", "monitor", "link", "address", "route", "rule"), ("nft", "monitor")]
    MARKS = ["2001:db8:dead:1::/64", "2001:db8:dead:2::/64"]

    def __init__(self, host):
        self.host, self.lines = host, []

    def __enter__(self):
        self.said = [tempfile.TemporaryFile() for _ in self.PROGRAMS]
        self.processes = [self.host.popen(*argv, stdout=out, stderr=out)
                          for argv, out in zip(self.PROGRAMS, self.said)]
        self._mark(0)
        return self

    def __exit__(self, *failure):
        if failure == (None, None, None):
            self._mark(1)
        for process in self.processes:
            process.send_signal(signal.SIGTERM)
            process.wait(CLOCK_S)
        for text in self._texts():
            between = text[text.rfind(self._name(0)):].split(self._name(1))[0]
            self.lines += [line for line in between.splitlines()[1:-1]
                           if line.strip() and "dead" not in line and "generation" not in line]

    def _texts(self):
        return [os.pread(out.fileno(), 1 << 24, 0).decode(errors="replace") for out in self.said]

    def _name(self, which):
        return f"dead:{which + 1}::"

    def _mark(self, which):
        """Something of each kind that comes and goes, until all programs have seen it."""
        mark = self.MARKS[which]

        def seen():
            self.host.ip_batch(f"route add blackhole {mark}", f"route del blackhole {mark}")
            self.host.run("nft", "-f", "-", input=f"""
                add table inet dead
                add set inet dead marks {{ type ipv6_addr; flags interval; elements = {{ {mark} }}; }}
                delete table inet dead""")
            return all(self._name(which) in text for text in self._texts())
        wait_for(seen, message="the monitors")
