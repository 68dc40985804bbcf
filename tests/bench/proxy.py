#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""./dev bench proxy: sixgate beside HAProxy, nginx, sniproxy and a bare relay, in one run.

Prints a table and writes build/bench/proxy.json. Rounds are interleaved (each proxy once a round,
the order turns), values are medians over the rounds, ratios are of medians. Nothing here fails on
a time: it measures, and says beside each number what issue and README promise.
"""
import argparse
import contextlib
import dataclasses
import json
import os
import pathlib
import random
import shutil
import statistics
import sys
import tempfile
import time

import peers
import sixgate
from lab import GATEWAY, BenchError, Lab, run


@dataclasses.dataclass(frozen=True)
class Sizes:
    """How much of each; full() is what README's numbers come from."""
    rounds: int
    bulk_bytes: int
    bulk_rounds: int
    connections: int
    requests: int
    rate_seconds: int
    idle_sessions: int
    many_names: int
    many_tenants: int

    @classmethod
    def full(cls):
        return cls(7, 4_000_000_000, 3, 20_000, 200_000, 2, 5_000, 100_000, 10_000)

    @classmethod
    def quick(cls):
        return cls(3, 1_000_000_000, 1, 5_000, 50_000, 1, 1_000, 10_000, 1_000)


class Bench:
    """One run: the subjects, what is measured, the rows."""

    def __init__(self, lab, sizes):
        self.lab = lab
        self.sizes = sizes
        self.subjects = {}
        self.rows = []
        self.notes = []
        self.names = random_names(10)
        self.embed_names = [f"embed.{name}" for name in self.names]
        self.names_file = self.write_names("names", self.names)
        self.embed_file = self.write_names("embed-names", self.embed_names)

    def write_names(self, name, names):
        path = self.lab.work / name
        path.write_text("".join(f"{n}\n" for n in names))
        return path

    def start(self, wanted):
        """Starts backend and proxies; all run through the whole bench, idle but for their turn."""
        peers.start_sink(self.lab)
        for name, last, starter, raw in peers.PEERS:
            if name in wanted:
                address = self.add_address(last)
                self.add(name, address, starter(self.lab, address, self.names), raw)
        if "sixgate" in wanted:
            address = self.add_address(SIXGATE_LAST)
            folder = self.sixgate_folder("sixgate", [])
            self.add("sixgate", address, sixgate.start(self.lab, folder, "sixgate"), True)

    def sixgate_folder(self, name, tenants):
        """Files of a sixgate with the bench's tenant and those."""
        address = f"203.0.113.{SIXGATE_LAST}"
        folder = sixgate.Folder(self.lab, name, address)
        folder.put(sixgate.bench_tenant(address, self.names, self.embed_names))
        for tenant in tenants:
            folder.put(tenant)
        return folder

    @contextlib.contextmanager
    def instead(self, folder, name):
        """Another sixgate in the place of the one that runs: they share kernel state."""
        subject = self.subjects["sixgate"]
        self.lab.stop(subject.process)
        subject.process = sixgate.start(self.lab, folder, name)
        self.lab.wait_for(subject.process, subject.tls("hold"), self.names_file)
        subject.process.settle()
        yield subject

    def add_address(self, last):
        """One more public address of the gateway."""
        address = f"203.0.113.{last}"
        run("ip", "-n", GATEWAY, "address", "add", f"{address}/32", "dev", "lo")
        return address

    def add(self, name, address, process, raw):
        """A started proxy, once it serves."""
        subject = peers.Subject(name, address, process, raw)
        self.lab.wait_for(process, subject.tls("hold"), self.names_file)
        process.settle()
        self.subjects[name] = subject

    def rounds(self, subjects, once, n=None):
        """Runs once(subject) for each, n times, in turning order; {name: [result, ...]}."""
        results = {s.name: [] for s in subjects}
        for i in range(n or self.sizes.rounds):
            for j in range(len(subjects)):
                subject = subjects[(i + j) % len(subjects)]
                results[subject.name].append(once(subject))
        return results

    def cost(self, subject, work):
        """(ns of CPU of subject while work() runs, what work() returned)."""
        before = subject.process.cpu_ns()
        result = work()
        time.sleep(0.05)  # the last sessions' ends and log lines
        return subject.process.cpu_ns() - before, result

    def row(self, workload, metric, unit, samples, *, better="less", floor="relay"):
        """Adds a row from {name: [value, ...]}; floor is the name ratio_floor is to."""
        values = {name: statistics.median(s) for name, s in samples.items()}
        others = [v for name, v in values.items() if name not in ("sixgate", floor)]
        best = (min if better == "less" else max)(others) if others else None
        ours, floor = values.get("sixgate"), values.get(floor)
        self.rows.append({
            "workload": workload, "metric": metric, "unit": unit, "better": better,
            "values": {name: round(v, 3) for name, v in values.items()},
            "samples": {name: [round(v, 3) for v in s] for name, s in samples.items()},
            "floor": round(floor, 3) if floor is not None else None,
            "ratio_best": round(ours / best, 3) if ours is not None and best else None,
            "ratio_floor": round(ours / floor, 3) if ours is not None and floor else None,
        })
        print_row(self.rows[-1])

    def rows_of(self, workload, results, metrics):
        """Adds a row for each (metric, unit, better) of results {name: [{metric: value}]}."""
        for metric, unit, better in metrics:
            samples = {name: [r[metric] for r in rs] for name, rs in results.items()}
            self.row(workload, metric, unit, samples, better=better)


def random_names(n):
    """n names, the same in each run."""
    chooser = random.Random(2)
    letters = "abcdefghijklmnopqrstuvwxyz0123456789"
    return ["".join(chooser.choices(letters, k=chooser.randint(8, 20))) + ".bench.example"
            for _ in range(n)]


def bulk(bench):
    """One download at a time; sniproxy gets it through its TLS listener."""
    def once(subject):
        target = subject.tcp("stream") if subject.raw else subject.tls("stream")
        names = None if subject.raw else bench.names_file
        # sniproxy moves 1.4 KB a call: an eighth of it takes as long as all the others together
        n = bench.sizes.bulk_bytes if subject.raw else bench.sizes.bulk_bytes // 8
        ns, result = bench.cost(subject, lambda: bench.lab.load(
            "bulk", target, units=n, names=names))
        return {"cpu": ns / result["bytes"], "throughput": result["bytes"] / result["seconds"] / 1e9}
    results = bench.rounds(list(bench.subjects.values()), once, bench.sizes.bulk_rounds)
    bench.rows_of("bulk", results, [("cpu", "s/GB", "less"), ("throughput", "GB/s", "more")])


def connections(bench):
    """New raw TCP connections: 64 bytes there, 16 back, closed by the backend."""
    def once(subject):
        n = bench.sizes.connections
        ns, result = bench.cost(subject, lambda: bench.lab.load(
            "conn", subject.tcp("close"), connections=32, units=n))
        return {"cpu": ns / n / 1000, "rate": n / result["seconds"]}
    results = bench.rounds([s for s in bench.subjects.values() if s.raw], once)
    bench.rows_of("tcp-connections", results, [("cpu", "us/connection", "less"),
                                               ("rate", "1/s", "more")])


def sni(bench):
    """New TLS connections by SNI: a hello of 1.8 KB there, 16 bytes back, closed by the backend."""
    def once(subject):
        n = bench.sizes.connections
        ns, result = bench.cost(subject, lambda: bench.lab.load(
            "conn", subject.tls("close"), connections=32, units=n, names=bench.names_file))
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
        "rr", connections=64, units=n, **echo_of(bench, subject)))
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
        result = bench.lab.load("rate", connections=64, rate=rate,
                                units=rate * bench.sizes.rate_seconds, **echo_of(bench, subject))
        return {"p50": result["p50_us"], "p99": result["p99_us"], "max": result["max_us"]}
    with bench.lab.real_time():
        results = bench.rounds(subjects, once)
    bench.notes.append(f"open-loop: {rate} requests/s")
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
            names=names))
        samples[name].append(ns / bench.sizes.connections / 1000)
    bench.row("embed", "cpu", "us/connection", samples, floor="without")


def many_names(bench):
    """tls-sni where the gateway has that many names, in tenants of 100, beside one with ten."""
    total = bench.sizes.many_names
    names = random_names(total)
    few = names[:10]
    folders = {
        "sixgate": (bench.sixgate_folder("many", [
            sixgate.filler_tenant(i, names[100 * i:100 * i + 100]) for i in range(total // 100)]),
            bench.write_names("many-names", names)),
        "ten": (bench.sixgate_folder("few", [
            sixgate.filler_tenant(i, few[i:i + 1]) for i in range(10)]),
            bench.write_names("few-names", few)),
    }
    samples = {name: [] for name in folders}
    for i in range(bench.sizes.rounds):
        for name in (list(folders), list(reversed(folders)))[i % 2]:
            folder, names_file = folders[name]
            with bench.instead(folder, name) as subject:
                def load(subject=subject, names_file=names_file):
                    bench.lab.load("conn", subject.tls("close"), connections=32,
                                   units=bench.sizes.connections, names=names_file)
                load()  # each tenant's objects have been used once
                ns, _ = bench.cost(subject, load)
                samples[name].append(ns / bench.sizes.connections / 1000)
    bench.row("many-names", "cpu", "us/connection", samples, floor="ten")


def add_tenant(bench):
    """One more tenant beside many: what it costs, and what a running load feels of it."""
    total = bench.sizes.many_tenants
    names = random_names(total + 100)
    folder = bench.sixgate_folder("tenants", [
        sixgate.filler_tenant(i, names[i:i + 1]) for i in range(total)])
    with bench.instead(folder, "tenants") as subject:
        fresh = iter(range(total, total + 100))
        bench.row("add-tenant", "cpu", "ms/tenant", {"sixgate": [
            add_one(bench, subject, folder, next(fresh), names) for _ in range(10)]})
        samples = {"sixgate": [], "without": []}
        with bench.lab.real_time():
            for i in range(10):
                name = list(samples)[i % 2]
                samples[name].append(stall_once(bench, subject, [] if name == "without" else [
                    (folder, sixgate.filler_tenant(n, names[n:n + 1]))
                    for n in (next(fresh) for _ in range(5))]))
        bench.row("add-tenant", "stall", "ms", samples, floor="without")


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


def stall_once(bench, subject, objects):
    """Longest wait for an answer in ms, of 2,000 requests a second for 3 s, objects put meanwhile."""
    load = bench.lab.load_start("rate", subject.tcp("echo"), connections=16, rate=2000, units=6000)
    time.sleep(0.7)
    for folder, obj in objects:
        folder.put(obj)
        time.sleep(0.3)
    return json.loads(load.communicate(timeout=60)[0])["max_us"] / 1000


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
OURS_ALONE = ("embed", "many-names", "add-tenant")
SIXGATE_LAST = 16

COLUMNS = ["sixgate", "haproxy", "haproxy-splice", "nginx", "sniproxy", "relay"]


def print_head():
    print(f"{'workload':<17}{'metric':<11}{'unit':<15}" +
          "".join(f"{c:>15}" for c in COLUMNS) + f"{'/best':>8}{'/floor':>8}", flush=True)


def print_row(row):
    def shown(value):
        return "-" if value is None else f"{value:.3f}" if value < 100 else f"{value:.0f}"
    print(f"{row['workload']:<17}{row['metric']:<11}{row['unit']:<15}" +
          "".join(f"{shown(row['values'].get(c)):>15}" for c in COLUMNS) +
          f"{shown(row['ratio_best']):>8}{shown(row['ratio_floor']):>8}", flush=True)


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("workload", nargs="*", help=f"of {', '.join(WORKLOADS)}; all by default")
    parser.add_argument("--quick", action="store_true", help="small sizes, for development")
    parser.add_argument("--build", default=os.environ.get("SIXGATE_BUILD", "build"),
                        help="build directory")
    parser.add_argument("--subject", action="append", help=f"of {', '.join(COLUMNS)}; all by default")
    parser.add_argument("--keep", action="store_true", help="leave configs and logs, and say where")
    args = parser.parse_args()
    for name in args.workload:
        if name not in WORKLOADS:
            parser.error(f"no workload '{name}'")
    return args


# What issue and README promise: workload, metric, compared with, limit of the ratio (or value).
TARGETS = [
    ("bulk", "cpu", "haproxy-splice", 1.0),
    ("bulk", "cpu", "haproxy", 0.45),
    ("bulk", "cpu", "nginx", 0.45),
    ("bulk", "throughput", "best", 1.0),
    ("tcp-connections", "cpu", "best", 1.0),
    ("tcp-connections", "cpu", "floor", 1.10),
    ("tls-sni", "cpu", "best", 0.90),
    ("embed", "cpu", "floor", 1.05),
    ("keep-alive", "cpu", "floor", 1.05),
    ("keep-alive", "cpu", "best", 1.0),
    ("open-loop", "p99", "best", 1.0),
    ("idle", "memory", None, 600),
    ("many-names", "cpu", "floor", 1.03),
    ("add-tenant", "cpu", None, 10),
    ("add-tenant", "stall", None, 5),
]


def target_value(row, other):
    """What the target limits: sixgate's value, or its ratio to another's."""
    if other is None:
        return row["values"].get("sixgate")
    if other in ("best", "floor"):
        return row[f"ratio_{other}"]
    ours, theirs = row["values"].get("sixgate"), row["values"].get(other)
    return ours / theirs if ours is not None and theirs else None


def targets_of(rows):
    """The targets that these rows speak of, with what was reached."""
    reached = []
    for workload, metric, other, limit in TARGETS:
        for row in rows:
            value = target_value(row, other)
            if (row["workload"], row["metric"]) == (workload, metric) and value is not None:
                met = value >= limit if row["better"] == "more" else value <= limit
                reached.append({"workload": workload, "metric": metric, "to": other,
                                "limit": limit, "value": round(value, 3), "met": met})
    return reached


def print_targets(targets):
    for t in targets:
        of = f"of {t['to']}'s" if t["to"] else "itself"
        print(f"{'met   ' if t['met'] else 'MISSED'} {t['workload']} {t['metric']} {of}: "
              f"{t['value']:.3f}, target {t['limit']}")


def bench_run(args, work):
    sizes = Sizes.quick() if args.quick else Sizes.full()
    with Lab(args.build, work) as lab:
        bench = Bench(lab, sizes)
        bench.start(args.subject or COLUMNS)
        print_head()
        for name in args.workload or WORKLOADS:
            if name not in OURS_ALONE or "sixgate" in bench.subjects:
                WORKLOADS[name](bench)
        return bench


def main():
    args = arguments()
    work = pathlib.Path(tempfile.mkdtemp(prefix="sixgate-bench."))
    work.chmod(0o755)  # the proxies read their files as other users
    try:
        bench = bench_run(args, work)
    finally:
        if args.keep:
            print(f"configs and logs: {work}", file=sys.stderr)
        else:
            shutil.rmtree(work)
    targets = targets_of(bench.rows)
    print_targets(targets)
    out = pathlib.Path(args.build) / "bench"
    out.mkdir(parents=True, exist_ok=True)
    (out / "proxy.json").write_text(json.dumps(
        {"rows": bench.rows, "targets": targets, "notes": bench.notes}, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except BenchError as error:
        sys.exit(f"bench: {error}")
