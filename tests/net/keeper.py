# SPDX-License-Identifier: GPL-3.0-or-later
"""A service manager in small: keeps the listening sockets of a sixgated that is being restarted.

It does what systemd does with FDSTORE=1, FDNAME=, FDSTOREREMOVE=1 and BARRIER=1 (sd_notify(3)), and
hands the descriptors to the next start as LISTEN_FDS (sd_listen_fds(3)).
"""

import os
import socket
import subprocess
import sys
import threading

from patience import AMPLE_S, CLOCK_S
from peers import wait_for

# Puts the descriptors argv[1] at 3 and up, names argv[2], and becomes argv[3:], under its own pid.
LAUNCHER = """
import fcntl, os, sys
fds = [fcntl.fcntl(int(fd), fcntl.F_DUPFD, 512) for fd in sys.argv[1].split()]
os.closerange(3, 512)
for place, fd in enumerate(fds, 3):
    os.dup2(fd, place, inheritable=True)
    os.close(fd)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS=str(len(fds)), LISTEN_FDNAMES=sys.argv[2])
os.execvp(sys.argv[3], sys.argv[3:])
"""


class Keeper:
    """Listens on a notify socket at path; stored: [(name, descriptor)]."""

    def __init__(self, path):
        self.path = path
        self.stored = []
        self.n_ready = 0
        self.lock = threading.Lock()
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.sock.bind(path)
        self.thread = threading.Thread(target=self._listen, daemon=True)
        self.thread.start()

    def close(self):
        # an empty datagram: the end
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
            sock.sendto(b"", self.path)
        self.thread.join(CLOCK_S)
        self.sock.close()
        os.unlink(self.path)
        self.drop()

    def drop(self):
        """Lets go of all descriptors, as when the service is stopped for good."""
        with self.lock:
            for _, fd in self.stored:
                os.close(fd)
            self.stored = []

    def names(self):
        with self.lock:
            return sorted(name for name, _ in self.stored)

    def _listen(self):
        while True:
            text, fds, _flags, _from = socket.recv_fds(self.sock, 4096, 16)
            if not text:
                return
            lines = text.decode().split("\n")
            with self.lock:
                self._take(lines, fds)

    def _take(self, lines, fds):
        name = next((line[7:] for line in lines if line.startswith("FDNAME=")), "stored")
        if "FDSTORE=1" in lines:
            assert len(fds) == 1 and ":" not in name and "FDPOLL=0" in lines, lines
            self.stored.append((name, fds.pop()))
        elif "FDSTOREREMOVE=1" in lines:
            for entry in [entry for entry in self.stored if entry[0] == name]:
                self.stored.remove(entry)
                os.close(entry[1])
        self.n_ready += "READY=1" in lines
        for fd in fds:  # BARRIER=1: this is the answer
            os.close(fd)

    def wait_ready(self, count, timeout=AMPLE_S):
        wait_for(lambda: self.n_ready >= count, timeout, f"{count} times READY=1")

    def popen(self, host, *argv, environment=None, **kwargs):
        """Starts a program in a namespace with what is stored."""
        with self.lock:
            fds = [fd for _, fd in self.stored]
            names = ":".join(name for name, _ in self.stored)
            command = [sys.executable, "-c", LAUNCHER, " ".join(str(fd) for fd in fds), names,
                       *host.argv(*argv)]
            return subprocess.Popen(
                command, pass_fds=fds, stdin=subprocess.DEVNULL,
                env={**os.environ, **(environment or {}), "NOTIFY_SOCKET": self.path}, **kwargs)
