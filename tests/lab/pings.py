# SPDX-License-Identifier: GPL-3.0-or-later
"""Pings from a host of the lab: a few, and a stream that goes on while something is done."""

import os
import re
import signal
import subprocess
import tempfile

from peers import wait_for


def answers(host, address, count=1, within=2, size=None):
    """How many of count pings are answered."""
    done = subprocess.run(
        host.argv("ping", "-n", "-c", str(count), "-i", "0.02", "-W", str(within),
                  *(("-M", "do", "-s", str(size)) if size else ()), address),
        stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    return received(done.stdout)[1]


def received(text):
    found = re.search(r"(\d+) packets transmitted, (\d+) received", text)
    return (int(found.group(1)), int(found.group(2))) if found else (0, 0)


def reaches(host, address, timeout=10):
    """Pings until one is answered: a tunnel or a neighbour may need a moment the first time."""
    wait_for(lambda: answers(host, address) == 1, timeout, f"{host.role} reaches {address}")


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

    def sent_by_now(self):
        self.process.send_signal(signal.SIGQUIT)
        told = wait_for(lambda: re.search(r"\d+/(\d+) packets, ", self.text()), message="its count")
        return int(told.group(1))

    def __exit__(self, *failure):
        # Those on their way at the end are not lost; how many that is depends on the machine. So
        # the end is an answer to a ping that was sent after all that happened.
        if failure == (None, None, None):
            last = self.sent_by_now()
            wait_for(lambda: max(self.came()) > last, 20, f"an answer of {self.address}, at last")
        self.process.send_signal(signal.SIGINT)
        self.process.wait(timeout=10)
        text, came = self.text(), self.came()
        self.said.close()
        if not came:
            raise AssertionError(f"ping {self.address} said: {text[-500:]}")
        self.sent = max(came)
        self.lost = self.sent - len(came)
