# SPDX-License-Identifier: GPL-3.0-or-later
"""Network namespaces of one run: made, entered, removed.

Their names begin with "sg" and the process id, so that runs do not meet and what a killed run
left behind is found by the next one.
"""

import contextlib
import ctypes
import glob
import os
import re
import signal
import socket
import subprocess

from patience import CLOCK_S

CLONE_NEWNET = 0x40000000
libc = ctypes.CDLL(None, use_errno=True)


def run(*argv, **kwargs):
    """Runs a command to its end and returns its output; a failure raises with what it said."""
    if "input" not in kwargs:
        kwargs["stdin"] = subprocess.DEVNULL
    done = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          check=False, **kwargs)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(argv)}: exit {done.returncode}: {done.stdout}")
    return done.stdout


def _setns(path):
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        if libc.setns(fd, CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), f"setns {path}")
    finally:
        os.close(fd)


def remove_stale():
    """Removes namespaces of runs whose process is gone."""
    for path in glob.glob("/run/netns/sg[0-9]*-*"):
        name = os.path.basename(path)
        owner = re.match(r"sg(\d+)-", name)
        if owner and not os.path.exists(f"/proc/{owner.group(1)}"):
            _delete(name)


def _delete(name):
    with contextlib.suppress(FileNotFoundError):
        number = os.stat(f"/run/netns/{name}").st_ino
        for pid in filter(str.isdigit, os.listdir("/proc")):
            with contextlib.suppress(OSError):  # it may have ended, or be nobody that we may look at
                if os.stat(f"/proc/{pid}/ns/net").st_ino == number:
                    os.kill(int(pid), signal.SIGKILL)
    subprocess.run(["ip", "netns", "del", name], capture_output=True, check=False)


class Namespace:
    """One host of the lab."""

    def __init__(self, role):
        self.role = role
        self.name = f"sg{os.getpid()}-{role}"
        run("ip", "netns", "add", self.name)
        # no duplicate address detection: an address is usable as soon as it is there
        self.sysctl("net.ipv6.conf.all.accept_dad", 0)
        self.sysctl("net.ipv6.conf.default.accept_dad", 0)
        self.ip("link set lo up")

    def delete(self):
        _delete(self.name)

    def ip(self, words):
        """ip(8) in this namespace: ns.ip("addr add 192.0.2.1/24 dev eth0")."""
        return run("ip", "-n", self.name, *words.split())

    def ip_batch(self, *lines):
        """Many of them in one program: an emulated machine starts few programs a second."""
        return run("ip", "-n", self.name, "-batch", "-", input="\n".join(lines) + "\n")

    def has(self, device):
        with self.inside():
            return device in (name for _, name in socket.if_nameindex())

    def sysctl(self, key, value=None):
        """Writes a key of net, or reads it."""
        with self.inside(), open("/proc/sys/" + key.replace(".", "/"),
                                 "r" if value is None else "w", encoding="ascii") as entry:
            return entry.read().strip() if value is None else entry.write(str(value))

    def argv(self, *argv):
        return ["ip", "netns", "exec", self.name, *argv]

    def run(self, *argv, **kwargs):
        """Runs a program here, to its end. Not by ip netns exec, which were another one to start:
        what it finds in /sys is not of this namespace."""
        with self.inside():
            return run(*argv, **kwargs)

    def popen(self, *argv, **kwargs):
        """Starts a program here; its pid is that of the program itself."""
        kwargs.setdefault("stdin", subprocess.DEVNULL)
        return subprocess.Popen(self.argv(*argv), **kwargs)

    @contextlib.contextmanager
    def inside(self):
        """Sockets this thread makes in here belong to this namespace, for good."""
        home = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        try:
            _setns(f"/run/netns/{self.name}")
            yield
        finally:
            libc.setns(home, CLONE_NEWNET)
            os.close(home)

    def socket(self, family, kind=socket.SOCK_STREAM):
        with self.inside():
            return socket.socket(family, kind)

    def listen(self, address, port, backlog=1024):
        """A listening TCP socket on an address of this host."""
        sock = self.socket(family_of(address))
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((address, port))
        sock.listen(backlog)
        return sock

    def connect(self, address, port, source=None, timeout=CLOCK_S, **options):
        """A connected TCP socket; source: the address to come from."""
        sock = self.socket(family_of(address))
        try:
            sock.settimeout(timeout)
            for option, value in options.items():
                sock.setsockopt(socket.SOL_SOCKET, getattr(socket, option), value)
            if source:
                sock.bind((source, 0))
            sock.connect((address, port))
        except BaseException:
            sock.close()
            raise
        return sock


def family_of(address):
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def link(a, a_dev, b, b_dev):
    """A cable between two namespaces."""
    run("ip", "link", "add", a_dev, "netns", a.name, "type", "veth", "peer", "name", b_dev,
        "netns", b.name)
    a.ip(f"link set {a_dev} up")
    b.ip(f"link set {b_dev} up")
