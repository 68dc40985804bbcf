# SPDX-License-Identifier: GPL-3.0-or-later
"""Very many connections that say nothing, each side in processes of its own.

    crowd.py serve ADDRESS PORT            takes connections and sends back what comes
    crowd.py connect ADDRESS PORT COUNT SOURCE...
                                           opens COUNT from these sources by turns; for each line
                                           on stdin tells how many of them still answer
    crowd.py hammer ADDRESS PORT COUNT SOURCE
                                           opens COUNT, one after the other, and closes each by a
                                           reset when it was answered or ended; tells how many were
                                           answered

A process has descriptors for some 19,000 of them; class Crowd starts as many as it takes.
"""

import contextlib
import os
import resource
import select
import socket
import struct
import subprocess
import sys

EACH_MAX = 15_000  # connections of one process


class Crowd:
    """count sessions from client to services at port and the addresses of backend's host."""

    def __init__(self, client, address, port, count, sources):
        self.processes = []
        self.count = count
        for at in range(0, count, EACH_MAX):
            self.processes.append(start(
                client, "connect", address, str(port), str(min(EACH_MAX, count - at)), *sources))

    def wait_open(self):
        for process in self.processes:
            assert process.stdout.readline() == "open\n", "a client could not connect"

    def n_answering(self):
        """How many of the sessions carry a byte there and back."""
        for process in self.processes:
            process.stdin.write("\n")
            process.stdin.flush()
        return sum(int(process.stdout.readline()) for process in self.processes)

    def close(self):
        for process in self.processes:
            process.stdin.close()
        for process in self.processes:
            process.wait(60)
            process.stdout.close()


@contextlib.contextmanager
def hammers(client, address, port, count, source, n_processes=4):
    """count connections in all from one source; yields the processes, which end by themselves."""
    processes = [start(client, "hammer", address, str(port), str(count // n_processes), source)
                 for _ in range(n_processes)]
    try:
        yield processes
    finally:
        for process in processes:
            process.kill()
            process.wait(60)
            process.stdin.close()
            process.stdout.close()


@contextlib.contextmanager
def servers(host, addresses, port):
    """One process for each address that takes what comes."""
    processes = [start(host, "serve", address, str(port)) for address in addresses]
    try:
        for process in processes:
            assert process.stdout.readline() == "open\n", "a server does not listen"
        yield
    finally:
        for process in processes:
            process.stdin.close()
            process.wait(60)
            process.stdout.close()


def start(host, *argv):
    return host.popen(sys.executable, os.path.abspath(__file__), *argv, text=True,
                      stdin=subprocess.PIPE, stdout=subprocess.PIPE)


def say(text):
    print(text, flush=True)


def serve(address, port):
    listener = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((address, port))
    listener.listen(4096)
    poll = select.epoll()
    poll.register(0, select.EPOLLIN)
    poll.register(listener, select.EPOLLIN)
    conns = {}
    say("open")
    while True:
        for fd, _ in poll.poll():
            if fd == 0:
                return
            if fd == listener.fileno():
                conn = listener.accept()[0]
                conns[conn.fileno()] = conn
                poll.register(conn, select.EPOLLIN)
                continue
            data = b""
            with contextlib.suppress(OSError):
                data = conns[fd].recv(4096)
                conns[fd].sendall(data)
            if not data:
                poll.unregister(fd)
                conns.pop(fd).close()


def connect(address, port, count, sources):
    socks = []
    for number in range(count):
        sock = socket.socket()
        sock.setsockopt(socket.IPPROTO_IP, 24, 1)  # IP_BIND_ADDRESS_NO_PORT
        sock.bind((sources[number % len(sources)], 0))
        sock.settimeout(30)
        sock.connect((address, port))
        socks.append(sock)
    say("open")
    for _ in sys.stdin:
        n_answering = 0
        for sock in socks:
            with contextlib.suppress(OSError):
                sock.sendall(b"x")
                n_answering += sock.recv(1) == b"x"
        say(n_answering)


def hammer(address, port, count, source):
    n_answered = 0
    for _ in range(count):
        sock = socket.socket()
        sock.setsockopt(socket.IPPROTO_IP, 24, 1)  # IP_BIND_ADDRESS_NO_PORT
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        sock.bind((source, 0))
        sock.settimeout(30)
        with sock, contextlib.suppress(ConnectionError):
            sock.connect((address, port))
            sock.sendall(b"x")
            n_answered += sock.recv(1) == b"x"
    say(n_answered)


if __name__ == "__main__":
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
    if sys.argv[1] == "serve":
        serve(sys.argv[2], int(sys.argv[3]))
    elif sys.argv[1] == "hammer":
        hammer(sys.argv[2], int(sys.argv[3]), int(sys.argv[4]), sys.argv[5])
    else:
        connect(sys.argv[2], int(sys.argv[3]), int(sys.argv[4]), sys.argv[5:])
