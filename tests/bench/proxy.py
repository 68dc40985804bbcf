#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""./dev bench proxy: sixgate beside HAProxy, nginx, sniproxy and a bare relay, in one run.

Prints a table and writes build/bench/proxy.json. Rounds are interleaved (each proxy once a round,
the order turns), values are medians over the rounds, ratios are of medians. All proxies are started
anew twice on the way: where its memory lies makes a process faster or slower by a tenth, for as long
as it lives. Nothing here fails on a time: it measures, and says beside each number what issue and README promise.
"""
import argparse
import functools
import os
import pathlib
import shutil
import sys
import tempfile
import time

import peers
import sixgate
from lab import GATEWAY, BenchError, Lab, run
from report import Report
from workloads import OURS_ALONE, SLEEPING, WORKLOADS, Sizes, random_names

COLUMNS = ["sixgate", "haproxy", "haproxy-splice", "nginx", "sniproxy", "relay"]
LIVES = 3  # of each proxy, in the rounds of a workload
SIXGATE_LAST = 16  # of 203.0.113.0/24; the peers have the ones before

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


class Bench:
    """One run: the subjects, what is measured, the rows."""

    def __init__(self, lab, sizes):
        self.lab = lab
        self.sizes = sizes
        self.subjects = {}
        self.report = Report(COLUMNS, TARGETS, "relay")
        self.folder = None
        self.sink = None
        self.replaced = False
        self.names = random_names(10)
        self.embed_names = [f"embed.{name}" for name in self.names]
        self.names_file = self.write_names("names", self.names)
        self.embed_file = self.write_names("embed-names", self.embed_names)

    def write_names(self, name, names):
        path = self.lab.work / name
        path.write_text("".join(f"{n}\n" for n in names))
        return path

    def start(self, wanted):
        """Starts backend and proxies; all run at the same time, idle but for their turn."""
        self.start_sink(True)
        for name, last, starter, raw in peers.PEERS:
            if name in wanted:
                address = self.add_address(last)
                self.add(name, address, raw, functools.partial(
                    starter, self.lab, address, self.names))
        if "sixgate" in wanted:
            address = self.add_address(SIXGATE_LAST)
            self.folder = self.sixgate_folder("sixgate", [])
            self.add("sixgate", address, True, functools.partial(
                sixgate.start, self.lab, self.folder, "sixgate"))

    def start_sink(self, spin):
        """The backend anew, as the next workload wants it."""
        if self.sink:
            self.lab.stop(self.sink)
        self.sink = peers.start_sink(self.lab, spin)

    def sixgate_folder(self, name, tenants):
        """Files of a sixgate with the bench's tenant and those."""
        address = f"203.0.113.{SIXGATE_LAST}"
        folder = sixgate.Folder(self.lab, name, address)
        folder.put(sixgate.bench_tenant(address, self.names, self.embed_names))
        for tenant in tenants:
            folder.put(tenant)
        return folder

    def replace(self, folder, name):
        """Another sixgate in the place of the one that runs, as they share kernel state."""
        subject = self.subjects["sixgate"]
        self.start_anew(subject, functools.partial(sixgate.start, self.lab, folder, name))
        self.replaced = True
        return subject

    def start_anew(self, subject, start):
        """Until it serves."""
        if subject.process:
            self.lab.stop(subject.process)
        subject.process = start()
        self.lab.wait_for(subject.process, subject.tls("hold"), self.names_file)
        subject.process.settle()

    def restore(self):
        """The plain sixgate again, for the next workload."""
        if self.replaced:
            self.replace(self.folder, "sixgate")
            self.replaced = False

    def add_address(self, last):
        """One more public address of the gateway."""
        address = f"203.0.113.{last}"
        run("ip", "-n", GATEWAY, "address", "add", f"{address}/32", "dev", "lo")
        return address

    def add(self, name, address, raw, start):
        """One more proxy, once it serves."""
        self.subjects[name] = peers.Subject(name, address, start, raw)
        self.start_anew(self.subjects[name], start)

    def rounds(self, subjects, once, n=None):
        """Runs once(subject) for each, n times, in turning order; {name: [result, ...]}."""
        results = {s.name: [] for s in subjects}
        n = n or self.sizes.rounds
        for i in range(n):
            if i > 0 and n > LIVES and i % (n // LIVES) == 0:
                for subject in subjects:
                    self.start_anew(subject, subject.start)
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

    def rows_of(self, workload, results, metrics):
        """Adds a row for each (metric, unit, better) of results {name: [{metric: value}]}."""
        for metric, unit, better in metrics:
            samples = {name: [r[metric] for r in rs] for name, rs in results.items()}
            self.report.row(workload, metric, unit, samples, better=better)


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


def bench_run(args, work):
    sizes = Sizes.quick() if args.quick else Sizes.full()
    with Lab(args.build, work) as lab:
        bench = Bench(lab, sizes)
        bench.start(args.subject or COLUMNS)
        bench.report.print_head()
        for name in args.workload or WORKLOADS:
            if name not in OURS_ALONE or "sixgate" in bench.subjects:
                bench.start_sink(name not in SLEEPING)
                bench.restore()
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
    bench.report.write(args.build, "proxy", args.quick)
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except BenchError as error:
        sys.exit(f"bench: {error}")
