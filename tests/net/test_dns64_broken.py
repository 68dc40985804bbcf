# SPDX-License-Identifier: GPL-3.0-or-later
"""DNS64 behind an upstream that answers wrong, made for that: the name says in which way."""

import socket
import struct
import subprocess
import threading

import pytest

import names
from peers import read_exactly, wait_for
from test_dns64 import OWN, PREF64, UPSTREAM, dns, short, start, status_of

RIGHT, FORGED = "198.51.100.20", "198.51.100.66"
SYNTHESISED = f"{PREF64}c633:6414"
RECORDS = 1000  # of many.example
TC = 0x0200


def split(query):
    """Id, question and its type."""
    end = query.index(b"\0", 12) + 5
    return query[:2], query[12:end], struct.unpack("!H", query[end - 4:end - 2])[0]


def message(identifier, question, *records, flags=0x8180, n=None):
    counts = struct.pack("!4H", 1, len(records) if n is None else n, 0, 0)
    return identifier + struct.pack("!H", flags) + counts + question + b"".join(records)


def record(data, kind=names.A, name=b"\xc0\x0c", size=None):
    return name + struct.pack("!HHIH", kind, 1, 300, len(data) if size is None else size) + data


def forged(query):
    identifier, question, _ = split(query)
    return message(identifier, question, record(socket.inet_aton(FORGED)))


def other_question(query, *, name=None, kind=names.A, of_class=1):
    """The forged answer, to what was not asked."""
    identifier, question, _ = split(query)
    name = question[:-4] if name is None else name
    return message(identifier, name + struct.pack("!2H", kind, of_class),
                   record(socket.inet_aton(FORGED)))


# What comes before the right answer, from its address and port but for the last one.
BESIDE = {
    "id": lambda query: bytes([query[0] ^ 1]) + forged(query)[1:],
    "case": lambda query: other_question(query, name=split(query)[1][:-4].swapcase()),
    "name": lambda query: other_question(query, name=names.encoded("other.example")),
    "type": lambda query: other_question(query, kind=16),
    "class": lambda query: other_question(query, of_class=3),
    "query": lambda query: query,
    "port": forged,
}
# What comes instead of one.
INSTEAD = {
    "loop": lambda i, q: message(i, q, record(b"\1\2\3\4", name=b"\xc0" + bytes([12 + len(q)]))),
    "ahead": lambda i, q: message(i, q, record(b"\1\2\3\4", name=b"\xff\xff")),
    "counts": lambda i, q: message(i, q, record(socket.inet_aton(FORGED)), n=5),
    "cut": lambda i, q: message(i, q, record(b"\1\2", size=4)),
    "size": lambda i, q: message(i, q, record(b"\1\2\3\4\5")),
    "empty": lambda i, q: i + b"\x81\x80" + bytes(8),
    "alias": lambda i, q: message(i, q, record(b"\xc0\x0c", kind=5)),
    "never": lambda i, q: b"",
}


class Broken:
    """By UDP and TCP; heal() makes it answer well from then on."""

    def __init__(self, host, address):
        self.healed = False
        self.asked = set()
        self.udp, self.elsewhere = (host.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in "ab")
        self.udp.bind((address, 53))
        self.elsewhere.bind((address, 5353))
        self.tcp = host.listen(address, 53)
        self.threads = [threading.Thread(target=run, daemon=True)
                        for run in (self._run_udp, self._run_tcp)]
        for thread in self.threads:
            thread.start()

    def heal(self):
        self.healed = True

    def close(self):
        for sock in (self.udp, self.tcp):
            try:
                sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass  # not connected, but it wakes up
        for thread in self.threads:
            thread.join()
        for sock in (self.udp, self.elsewhere, self.tcp):
            sock.close()

    def _run_udp(self):
        while True:
            try:
                query, client = self.udp.recvfrom(2000)
            except OSError:
                return
            if not query:
                return
            way = self._way(query)
            if way in BESIDE:
                sock = self.elsewhere if way == "port" else self.udp
                sock.sendto(BESIDE[way](query), client)
            answer = self._answer(query, way)
            if answer:
                self.udp.sendto(answer, client)

    def _run_tcp(self):
        while True:
            try:
                conn, _ = self.tcp.accept()
            except OSError:
                return
            with conn:
                conn.settimeout(10)
                try:
                    query = read_exactly(conn, struct.unpack("!H", read_exactly(conn, 2))[0])
                    answer = self._answer(query, self._way(query), tcp=True)
                    conn.sendall(struct.pack("!H", len(answer)) + answer if answer else b"")
                except (OSError, EOFError):
                    pass  # that one is not asked further

    def _way(self, query):
        way = query[13:13 + query[12]].decode().lower()
        self.asked.add(way)
        return way

    def _answer(self, query, way, tcp=False):
        identifier, question, kind = split(query)
        if way in INSTEAD and not self.healed:
            return INSTEAD[way](identifier, question)
        if kind != names.A:
            return message(identifier, question)
        if way != "many":
            return message(identifier, question, record(socket.inet_aton(RIGHT)))
        if not tcp:
            return message(identifier, question, flags=0x8180 | TC)
        return message(identifier, question, *(
            record(bytes([198, 51, 100 + i // 200, i % 200 + 1])) for i in range(RECORDS)))


@pytest.fixture
def broken(lab):
    server = Broken(lab.client, UPSTREAM)
    yield server
    server.close()


@pytest.mark.parametrize("way", BESIDE)
def test_what_does_not_match_is_no_answer(case, broken, way):
    gateway = start(case)
    name = f"{way}.example"
    assert short(case.lab.acme, name, "AAAA") == [SYNTHESISED]
    assert short(case.lab.acme, name, "A") == [RIGHT], "what is cached"
    assert way in broken.asked
    assert FORGED not in gateway.cli("dns", "cache", name).stdout


def statuses(host, ways):
    """What is said to each, all asked at the same time."""
    asked = {way: host.popen("dig", f"@{OWN}", "+time=10", "+tries=1", f"{way}.example", "AAAA",
                             stdout=subprocess.PIPE, text=True) for way in ways}
    return {way: status_of(process.communicate()[0]) for way, process in asked.items()}


def test_what_is_wrong_is_a_failure_that_passes(case, broken):
    gateway = start(case)
    acme = case.lab.acme
    assert statuses(acme, INSTEAD) == dict.fromkeys(INSTEAD, "SERVFAIL")
    assert short(acme, "good.example", "AAAA") == [SYNTHESISED], "others are not kept from it"
    assert FORGED not in gateway.cli("dns", "cache", "example", "--below").stdout
    broken.heal()
    for way in INSTEAD:
        wait_for(lambda way=way: short(acme, f"{way}.example", "AAAA") == [SYNTHESISED],
                 message=way)


def test_a_thousand_records_come_whole(case, broken):
    gateway = start(case)
    assert len(short(case.lab.acme, "+tcp", "many.example", "AAAA")) == RECORDS
    assert "many" in broken.asked and dns(gateway)["queries"] >= 1
