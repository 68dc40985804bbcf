# SPDX-License-Identifier: GPL-3.0-or-later
"""What ./dev bench proxy measures. Each workload takes the Bench and adds its rows to it.

CPU is that of all processes of the proxy, log writer included, by unit of work done; see
Process.cpu_ns() in lab.py for what is in it.
"""
import dataclasses
import itertools
import json
import random
import time

import sixgate
from lab import BenchError


@dataclasses.dataclass(frozen=True)
class Sizes:
    """How much of each; full() is what README's numbers come from."""
    rounds: int
    bulk_bytes: int
    bulk_rounds: int
    connections: int
    requests: int
    rate_seconds: float
    idle_sessions: int
    many_names: int
    many_tenants: int

    @classmethod
    def full(cls):
        return cls(9, 4_000_000_000, 3, 20_000, 200_000, 0.15, 5_000, 100_000, 10_000)

    @classmethod
    def quick(cls):
        return cls(3, 1_000_000_000, 1, 5_000, 50_000, 0.6, 1_000, 10_000, 1_000)


def random_names(n, seed=1):
    """n names, the same in each run; none of another seed's."""
    chooser = random.Random(seed)
    letters = "abcdefghijklmnopqrstuvwxyz0123456789"
    return ["".join(chooser.choices(letters, k=chooser.randint(8, 20))) + f".bench{seed}.example"
            for _ in range(n)]


def bulk(bench):
    """One download at a time; sniproxy gets it through its TLS listener."""
    def once(subject):
        target = subject.tcp("stream") if subject.raw else subject.tls("stream")
        names = None if subject.raw else bench.names_file
        # sniproxy moves 1.4 KB a call: an eighth of it takes as long as all the others together
        n = bench.sizes.bulk_bytes if subject.raw else bench.sizes.bulk_bytes // 8
        ns, result = bench.cost(subject, lambda: bench.lab.load(
            "bulk", target, units=n, names=names, spin=True))
        return {"cpu": ns / result["bytes"], "throughput": result["bytes"] / result["seconds"] / 1e9}
    results = bench.rounds(list(bench.subjects.values()), once, bench.sizes.bulk_rounds)
    bench.rows_of("bulk", results, [("cpu", "s/GB", "less"), ("throughput", "GB/s", "more")])


def connections(bench):
    """New raw TCP connections: 64 bytes there, 16 back, closed by the backend."""
    def once(subject):
        n = bench.sizes.connections
        ns, result = bench.cost(subject, lambda: bench.lab.load(
            "conn", subject.tcp("close"), connections=32, units=n, spin=True))
        return {"cpu": ns / n / 1000, "rate": n / result["seconds"]}
    results = bench.rounds([s for s in bench.subjects.values() if s.raw], once)
    bench.rows_of("tcp-connections", results, [("cpu", "us/connection", "less"),
                                               ("rate", "1/s", "more")])


def sni(bench):
    """New TLS connections by SNI: a hello of 1.8 KB there, 16 bytes back, closed by the backend."""
    def once(subject):
        n = bench.sizes.connections
        ns, result = bench.cost(subject, lambda: bench.lab.load(
            "conn", subject.tls("close"), connections=32, units=n, names=bench.names_file,
            spin=True))
        return {"cpu": ns / n / 1000, "rate": n / result["seconds"]}
    results = bench.rounds(list(bench.subjects.values()), once)
    bench.rows_of("tls-sni", results, [("cpu", "us/connection", "less"), ("rate", "1/s", "more")])


def echo_of(bench, subject):
    """Where request/response goes: raw TCP, or for sniproxy a session begun with a hello."""
    if subject.raw:
        return {"target": subject.tcp("echo"), "names": None}
    return {"target": subject.tls("echo"), "names": bench.names_file}


def keepalive_once(bench, subject):
    n = bench.sizes.requests
    ns, result = bench.cost(subject, lambda: bench.lab.load(
        "rr", connections=64, units=n, spin=True, **echo_of(bench, subject)))
    return {"cpu": ns / n / 1000, "rate": n / result["seconds"]}


def keepalive(bench):
    """64 connections, each with one request of 64 bytes in flight."""
    results = bench.rounds(list(bench.subjects.values()), lambda s: keepalive_once(bench, s))
    bench.rows_of("keep-alive", results, [("cpu", "us/request", "less"), ("rate", "1/s", "more")])


def latency(bench):
    """Open loop at half the slowest peer's capacity."""
    subjects = list(bench.subjects.values())
    capacity = bench.rounds(subjects, lambda s: keepalive_once(bench, s)["rate"], 1)
    rate = int(min(min(rates) for rates in capacity.values()) / 2)
    def once(subject):
        time.sleep(0.2)  # the kernel stops real-time programs that use all of a second
        result = bench.lab.load("rate", connections=64, rate=rate,
                                units=int(rate * bench.sizes.rate_seconds),
                                **echo_of(bench, subject))
        return {"p50": result["p50_us"], "p99": result["p99_us"], "max": result["max_us"]}
    results = bench.rounds(subjects, once, 35)
    bench.report.notes.append(f"open-loop: {rate} requests/s")
    bench.rows_of("open-loop", results, [("p50", "us", "less"), ("p99", "us", "less"),
                                         ("max", "us", "less")])


def idle(bench):
    """User memory that an idle passthrough session adds."""
    def once(subject):
        n = bench.sizes.idle_sessions
        target = {"target": subject.tls("hold"), "names": bench.names_file}
        bench.lab.load("idle", connections=100, **target)  # what is allocated once, is
        before = subject.process.memory_bytes()
        held = [bench.lab.load_start("idle", connections=n // 4, **target) for _ in range(4)]
        try:
            for load in held:
                said = json.loads(load.stdout.readline())
                if said["errors"] != 0:
                    raise BenchError(f"{subject.name}: idle: {said}")
            time.sleep(2)  # buffers lent for the exchange go back
            after = subject.process.memory_bytes()
        finally:
            for load in held:
                load.communicate()
        time.sleep(0.5)
        return {"memory": (after - before) / n}
    results = bench.rounds(list(bench.subjects.values()), once, 1)
    bench.rows_of("idle", results, [("memory", "bytes/session", "less")])


def embed(bench):
    """tls-sni with the client's address in the source address, beside it without."""
    subject = bench.subjects["sixgate"]
    samples = {"sixgate": [], "without": []}
    for i in range(bench.sizes.rounds * 2):
        name, names = (("sixgate", bench.embed_file), ("without", bench.names_file))[i % 2]
        ns, _ = bench.cost(subject, lambda names=names: bench.lab.load(
            "conn", subject.tls("close"), connections=32, units=bench.sizes.connections,
            names=names, spin=True))
        samples[name].append(ns / bench.sizes.connections / 1000)
    bench.report.row("embed", "cpu", "us/connection", samples, floor="without")


def many_names(bench):
    """tls-sni where the gateway has that many names, beside one with ten.

    Ten tenants have them in both, so that only the names differ. The row many-tenants shows the
    same names with a hundred a tenant: there the backend addresses are many, too, for the kernel.
    """
    total = bench.sizes.many_names
    names = random_names(total, seed=2)
    cases = {"sixgate": (10, total // 10, total // 10), "ten": (10, 1, total // 10),
             "tenants": (total // 100, 100, 100)}
    ready = {}
    for name, (n_tenants, n_names, step) in cases.items():
        parts = [names[step * i:step * i + n_names] for i in range(n_tenants)]
        folder = bench.sixgate_folder(f"names-{name}", [
            sixgate.filler_tenant(i, part) for i, part in enumerate(parts)])
        ready[name] = folder, bench.write_names(f"{name}-names", itertools.chain(*parts))
    samples = {name: [] for name in cases}
    for i in range(bench.sizes.rounds):
        for name in (list(cases), list(reversed(cases)))[i % 2]:
            samples[name].append(names_once(bench, name, *ready[name]))
    bench.report.row("many-names", "cpu", "us/connection",
              {name: samples[name] for name in ("sixgate", "ten")}, floor="ten")
    bench.report.row("many-tenants", "cpu", "us/connection",
              {"sixgate": samples["tenants"], "ten": samples["ten"]}, floor="ten")


def names_once(bench, name, folder, names_file):
    """us of CPU a connection with that folder's tenants."""
    subject = bench.replace(folder, name)
    n = bench.sizes.connections

    def load():
        bench.lab.load("conn", subject.tls("close"), connections=32, units=n, names=names_file,
                       spin=True)
    load()  # each tenant's objects have been used once
    return bench.cost(subject, load)[0] / n / 1000


def add_tenant(bench):
    """One more tenant beside many: what it costs, and what a running load feels of it."""
    total = bench.sizes.many_tenants
    names = random_names(total + 100, seed=3)
    folder = bench.sixgate_folder("tenants", [
        sixgate.filler_tenant(i, names[i:i + 1]) for i in range(total)])
    subject = bench.replace(folder, "tenants")
    fresh = iter(range(total, total + 100))
    bench.report.row("add-tenant", "cpu", "ms/tenant", {"sixgate": [
        add_one(bench, subject, folder, next(fresh), names) for _ in range(10)]})
    waits, stalls = ({"sixgate": [], "without": []} for _ in range(2))
    for i in range(14):
        name = list(stalls)[i % 2]
        n = 0 if name == "without" else 5
        result = stall_once(bench, subject, folder, [
            sixgate.filler_tenant(k, names[k:k + 1]) for k in itertools.islice(fresh, n)])
        waits[name].append(result["max_us"] / 1000)
        stalls[name].append(result["stall_us"] / 1000)
    bench.report.row("add-tenant", "wait", "ms", waits, floor="without")
    bench.report.row("add-tenant", "stall", "ms", stalls, floor="without")


def add_one(bench, subject, folder, number, names):
    """ms of CPU from the file to all workers, less what the same time costs without it."""
    wait = 0.5
    start = subject.process.cpu_ns()
    time.sleep(wait)
    before = subject.process.cpu_ns()
    folder.put(sixgate.filler_tenant(number, names[number:number + 1]))
    time.sleep(wait)
    after = subject.process.cpu_ns()
    file = bench.write_names("added-name", names[number:number + 1])
    bench.lab.load("conn", subject.tls("close"), names=file)  # it is in force, or this fails
    return ((after - before) - (before - start)) / 1e6


def stall_once(bench, subject, folder, tenants):
    """2,000 requests/s for 3 s, tenants added meanwhile: the longest wait for an answer, and the
    longest stall, which is a wait less what the machine itself stood still (witness.h)."""
    load = bench.lab.load_start("rate", subject.tcp("echo"), connections=16, rate=2000, units=6000,
                                watch=True)
    time.sleep(0.7)
    for tenant in tenants:
        folder.put(tenant)
        time.sleep(0.3)
    return json.loads(load.communicate(timeout=60)[0])


WORKLOADS = {
    "bulk": bulk,
    "tcp-connections": connections,
    "tls-sni": sni,
    "keep-alive": keepalive,
    "open-loop": latency,
    "idle": idle,
    "embed": embed,
    "many-names": many_names,
    "add-tenant": add_tenant,
}
# Where backend and load sleep: what counts is time or memory, and a spinning core would be late.
SLEEPING = ("open-loop", "idle", "add-tenant")
OURS_ALONE = ("embed", "many-names", "add-tenant")
