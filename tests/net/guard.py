# SPDX-License-Identifier: GPL-3.0-or-later
"""The guard of client_prefix by kernel-tool, and sockets of each uid that meets it."""

import contextlib
import errno
import os
import socket
import subprocess

import pytest
from gateway import BUILD
from lab import CLIENT, CLIENT_PREFIX, INTERNET, embedded
from netns import libc
from patience import CLOCK_S

PROXY, AGENT, STRANGER = 61001, 61002, 61003  # uids need no entry in passwd
RESOLVER4, RESOLVER6 = CLIENT, INTERNET       # hosts of the lab play the resolvers
IPV6_FREEBIND = 78
DAEMON_PORT = 2222
IN_PREFIX = embedded("0.0.0.1")
GATEWAY6 = "2001:db8:77::1"
GONE = (errno.EACCES, errno.EPERM, errno.EHOSTUNREACH, errno.ENETUNREACH, errno.ECONNREFUSED)


class Tool:
    """kernel-tool in a namespace: one command, one answer."""

    def __init__(self, ns, *wrapper):
        self.process = ns.popen(*wrapper, os.path.join(BUILD, "tests/tools/kernel-tool"),
                                stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ask(self, command):
        self.process.stdin.write(command + "\n")
        self.process.stdin.flush()
        return self.process.stdout.readline().strip()

    def __call__(self, command):
        answer = self.ask(command)
        assert answer.startswith("ok"), answer
        return answer

    def counters(self):
        return {name: int(value) for name, value in
                (word.split("=") for word in self("counters").split()[1:])}

    def end(self):
        self.process.stdin.close()
        assert self.process.wait(CLOCK_S) == 0
        self.process.stdout.close()


def apply(prefix=CLIENT_PREFIX):
    return f"apply {prefix} {PROXY} {AGENT} {RESOLVER4} {RESOLVER6}"


@pytest.fixture
def kernel(lab):
    """Table and route in the gateway, the tenants of the lab set; all gone afterwards."""
    tool = Tool(lab.gateway)
    tool("down")  # of an earlier sixgated
    for tenant in lab.tenants:
        tool(f"set {tenant.tenant} {tenant.prefix}")
    tool(apply())
    yield tool
    tool("down")
    tool.end()
    assert not routes(lab) and not table(lab)


def routes(lab):
    return lab.gateway.ip("-6 route show table local proto 206").split("\n")[:-1]


def table(lab):
    done = subprocess.run(lab.gateway.argv("nft", "list", "table", "inet", "sixgate"),
                          capture_output=True, text=True, check=False)
    return done.stdout if done.returncode == 0 else ""


@contextlib.contextmanager
def made_by(uid):
    """Sockets this thread makes in here are uid's for the kernel, as setfsuid(2) says."""
    libc.setfsuid(uid)
    try:
        yield
    finally:
        libc.setfsuid(0)


def sock(ns, uid=0, family=socket.AF_INET6, kind=socket.SOCK_STREAM, proto=0, timeout=5.0,
         source=None):
    with ns.inside(), made_by(uid):
        one = socket.socket(family, kind, proto)
    one.settimeout(timeout)
    if source:
        one.setsockopt(socket.IPPROTO_IPV6, IPV6_FREEBIND, 1)
        one.bind((source, 0))
    return one


@contextlib.contextmanager
def daemon(ns, address="::", port=DAEMON_PORT, uid=0):
    """A TCP and a UDP socket as any daemon has them."""
    with sock(ns, uid) as tcp, sock(ns, uid, kind=socket.SOCK_DGRAM) as udp:
        for one in (tcp, udp):
            one.setsockopt(socket.IPPROTO_IPV6, IPV6_FREEBIND, 1)
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            one.bind((address, port))
        tcp.listen()
        yield tcp, udp


def reaches(ns, address, port=DAEMON_PORT, **how):
    """True when a TCP connection opens; False when it is refused or nobody answers."""
    with sock(ns, timeout=0.5, **how) as one:
        try:
            one.connect((address, port))
        except (TimeoutError, OSError):
            return False
        return True


def datagrams_seen(udp, ns, address, known, **how):
    """What udp receives of one datagram to address, then one to a known good address."""
    with sock(ns, kind=socket.SOCK_DGRAM, **how) as one:
        with contextlib.suppress(OSError):
            one.sendto(b"prefix", (address, DAEMON_PORT))
    with sock(ns, kind=socket.SOCK_DGRAM) as one:
        one.sendto(b"known", (known, DAEMON_PORT))
    seen = []
    while b"known" not in seen:
        seen.append(udp.recv(100))
    return seen


def is_denied(ns, uid, address, port=80, **how):
    """True when the kernel refuses at once: neither silence nor a peer's answer."""
    echo_request = bytes([128 if ":" in address else 8, 0, 0, 0, 0, 1, 0, 1])
    with sock(ns, uid, timeout=5, **how) as one:
        try:
            one.connect((address, port))
            one.send(echo_request)
            return False
        except OSError as error:
            assert not isinstance(error, TimeoutError), "no answer, where a refusal was expected"
            return error.errno in GONE


def hosts_outside(lab):
    return {"tenant": lab.acme, "internet": lab.internet, "gateway itself": lab.gateway}


def proxy_reaches(lab, host):
    with daemon(host):
        return not is_denied(lab.gateway, PROXY, host.address(), DAEMON_PORT)
