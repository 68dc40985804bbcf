#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""./dev bench dns64: sixgate beside unbound and BIND, and a bare responder as the floor, in one run.

Prints a table and writes build/bench/dns64.json. One core for each server in its turn, another for
the load (dnsperf, for latencies asker.c) and the authority they ask (BIND). Rounds are interleaved,
values are medians over them. Nothing here fails on a time: it measures, and says beside each number
what is wanted.
"""
import argparse
import json
import os
import pathlib
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time

from lab import (BACKEND, BACKEND_ADDRESS, CLIENT_FIRST, CLIENTS, CORE_LOAD, CORE_PROXY, FIRST,
                 GATEWAY, TENANT_PREFIX, BenchError, Lab, run)
from report import Report

N_NAMES = 10000
COLD_NAMES = 40000  # of a round, each asked once
PREF64 = "2001:db8:64::/96"
ADDRESS = {name: f"2001:db8:a000:{number}::53"
           for number, name in enumerate(("floor", "sixgate", "unbound", "bind"), 2)}
COLUMNS = ["sixgate", "unbound", "bind", "floor"]
TARGETS = [
    ("warm", "cpu", "floor", 1.15),
    ("warm", "cpu", "best", 1.0),
    ("warm", "user", "unbound", 0.5),
    ("cold", "cpu", "unbound", 0.9),
    ("half-load", "p99", "best", 1.0),
    ("memory", "name", None, 400),
    ("two-workers", "scale", None, 1.8),
]
N_SOURCES = 16  # networks of the tenant, of which there are some for each worker
BURST = 2000    # queries, less than a socket's queue holds
TICK_US = 1e6 / os.sysconf("SC_CLK_TCK")

ZONE = """$TTL 86400
@ SOA ns.example. root.example. 1 3600 600 864000 86400
@ NS ns
ns A {upstream}
*.cold A 198.51.100.77
"""
AUTHORITY = """
options {{ directory "{folder}"; listen-on {{ {upstream}; }}; listen-on-v6 {{ none; }};
  recursion no; pid-file none; session-keyfile none; managed-keys-directory "{folder}";
  dnssec-validation no; }};
controls {{ }};
zone "example" {{ type primary; file "zone"; }};
"""
BIND = """
options {{ directory "{folder}"; listen-on {{ none; }}; listen-on-v6 {{ {address}; }};
  recursion yes; allow-recursion {{ any; }}; forward only; forwarders {{ {upstream}; }};
  pid-file none; session-keyfile none; managed-keys-directory "{folder}";
  dnssec-validation no; max-cache-size 256m; recursive-clients 20000;
  dns64 {pref64} {{ clients {{ any; }}; }}; }};
controls {{ }};
"""
UNBOUND = """
server:
  interface: {address}
  access-control: ::/0 allow
  do-daemonize: no
  chroot: ""
  username: ""
  directory: "{folder}"
  pidfile: ""
  use-syslog: no
  verbosity: 0
  num-threads: 1
  module-config: "dns64 iterator"
  dns64-prefix: {pref64}
  msg-cache-size: 128m
  rrset-cache-size: 128m
  so-rcvbuf: 4m
  do-not-query-localhost: no
remote-control:
  control-enable: no
forward-zone:
  name: "."
  forward-addr: {upstream}
"""


class Subject:
    """A server: where it is asked, and the processes that answer there."""

    def __init__(self, name, process, pids):
        self.name = name
        self.process = process
        self.pids = pids

    def cpu(self):
        """Microseconds so far, of user space and of all."""
        user = total = 0.0
        for pid in self.pids:
            fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            user += int(fields[11]) * TICK_US
            for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
                total += int((task / "schedstat").read_text().split()[0]) / 1e3
        return user, total


def folder_of(lab, name):
    folder = lab.work / name
    folder.mkdir(mode=0o777)
    folder.chmod(0o777)
    return folder


def configured(lab, name, text, **more):
    """The file with a server's config."""
    folder = folder_of(lab, name)
    path = folder / f"{name}.conf"
    path.write_text(text.format(folder=folder, upstream=CLIENT_FIRST, pref64=PREF64, **more))
    return path


def start_authority(lab):
    conf = configured(lab, "authority", AUTHORITY)
    zone = ZONE.format(upstream=CLIENT_FIRST) + "".join(
        f"n{i} A 198.51.{100 + i // 20000}.{i % 250 + 1}\n" for i in range(N_NAMES))
    (conf.parent / "zone").write_text(zone)
    return lab.start("authority", [shutil.which("named"), "-g", "-n", "1", "-c", conf],
                     namespace=CLIENTS, core=CORE_LOAD)


def source_prefix(i):
    """Networks of the tenant, each of which is one worker's; their addresses are the backend's."""
    return f"2001:db8:a000:{0x2000 + i:x}::/64"


def start_sixgate(lab, workers=1):
    folder = folder_of(lab, f"sixgate{workers}")
    registry = folder / "registry"
    registry.mkdir()
    (registry / "bench.yaml").write_text(json.dumps(
        {"tenant": "bench", "serial": 1, "prefixes": [TENANT_PREFIX, *map(source_prefix, range(N_SOURCES))],
         "services": []}))
    config = folder / "sixgate.yaml"
    config.write_text(json.dumps({
        "node": {"name": "exit1"},
        "uplink": {"interface": "client0",
                   "ipv4": [{"range": "198.51.100.1/32", "delivery": "present"}],
                   "ipv6": {"prefix": "2001:db8:a000::/48", "reserved": 256}},
        "nat64": {"prefix": PREF64, "pool": ["198.51.100.1"], "ports": "16384-49151"},
        "local_ports": "49152-57343",
        "dns64": {"listen": [ADDRESS["sixgate"]], "upstream": [CLIENT_FIRST], "cache": "1GiB"},
        "workers": workers, "access_log": "off", "registry": {"dir": str(registry)}}))
    return lab.start(f"sixgated{workers}",
                     [lab.build / "sixgated", "-c", config, "--run-dir", folder / "run"])


def start(lab, name):
    """One server under test; sixgate is counted without control, which sleeps."""
    if name == "sixgate":
        process = start_sixgate(lab)
    else:
        run("ip", "-n", GATEWAY, "address", "add", f"{ADDRESS[name]}/128", "dev", "lo", "nodad")
        argv = {
            "floor": lambda: [lab.build / "tests/bench/responder", ADDRESS[name], "53"],
            "unbound": lambda: [shutil.which("unbound"), "-d", "-c",
                                configured(lab, "unbound", UNBOUND, address=ADDRESS[name])],
            "bind": lambda: [shutil.which("named"), "-g", "-n", "1", "-c",
                             configured(lab, "bind", BIND, address=ADDRESS[name])],
        }[name]()
        process = lab.start(name, argv)
    wait_answer(name, process)
    process.settle()
    return Subject(name, process, workers_of(process) if name == "sixgate" else process.pids)


def workers_of(process):
    return [pid for pid in process.pids
            if pathlib.Path(f"/proc/{pid}/comm").read_text().strip() == "sixgate-dns64"]


def wait_answer(name, process):
    end = time.monotonic() + 20
    while time.monotonic() < end:
        process.check()
        done = subprocess.run(
            ["ip", "netns", "exec", BACKEND, "dig", f"@{ADDRESS[name]}", "+short", "+time=1",
             "+tries=1", "n0.example", "AAAA"], capture_output=True, text=True, check=False)
        if ":" in done.stdout and not done.stdout.startswith(";"):
            return
        time.sleep(0.1)
    raise BenchError(f"{name} does not answer:\n{process.tail()}")


def load(name, queries, *options):
    """dnsperf from the tenant. How many queries were answered."""
    done = subprocess.run(
        ["ip", "netns", "exec", BACKEND, "taskset", "-c", str(CORE_LOAD), "dnsperf", "-f", "inet6",
         "-s", ADDRESS[name], "-d", str(queries), "-c", "8", *options],
        capture_output=True, text=True, check=False)
    completed = re.search(r"Queries completed:\s+(\d+)", done.stdout)
    if not completed or int(completed.group(1)) == 0:
        raise BenchError(f"dnsperf to {name}: {done.stdout}{done.stderr}")
    return int(completed.group(1))


def measure(subject, queries, *options):
    user, total = subject.cpu()
    completed = load(subject.name, queries, *options)
    user_after, total_after = subject.cpu()
    return {"cpu": (total_after - total) / completed, "user": (user_after - user) / completed}


def asker(lab, *argv):
    return ["ip", "netns", "exec", BACKEND, *FIRST, "taskset", "-c", str(CORE_LOAD),
            str(lab.build / "tests/bench/asker"), *[str(a) for a in argv]]


def latency(lab, subject, queries, rate, seconds):
    """At a fixed rate, which is far from what it is able to."""
    got = json.loads(run(*asker(lab, "rate", ADDRESS[subject.name], queries, rate, seconds)))
    if got["failed"] > 0 or got["answered"] < got["sent"] / 2:
        raise BenchError(f"{subject.name} at {rate} queries a second: {got}")
    return {"p50": got["p50_us"], "p99": got["p99_us"],
            "lost": 1e6 * (1 - got["answered"] / got["sent"])}


def write_names(lab, name, names):
    path = lab.work / name
    path.write_text("".join(f"{n}.example AAAA\n" for n in names))
    return path


def rounds(subjects, n, once):
    """Runs once(subject, number) for each, n times, in turning order; {name: [result, ...]}."""
    results = {subject.name: [] for subject in subjects}
    for number in range(n):
        turn = number % len(subjects)
        for subject in [*subjects[turn:], *subjects[:turn]]:
            results[subject.name].append(once(subject, number))
    return results


def add_rows(report, workload, results, metrics):
    for metric, unit, better in metrics:
        report.row(workload, metric, unit,
                   {name: [one[metric] for one in got] for name, got in results.items()},
                   better=better)


def warm(lab, report, subjects, names, args):
    """All from the cache, as much as the server can."""
    for subject in subjects:
        load(subject.name, names, "-n", "2", "-q", "100")
    results = rounds(subjects, args.rounds, lambda subject, _: measure(
        subject, names, "-l", str(args.seconds), "-q", "200"))
    add_rows(report, "warm", results, [("cpu", "us/query", "less"), ("user", "us/query", "less")])
    return results


def cold(lab, report, subjects, args):
    """Each name once: an upstream is asked for each."""
    def once(subject, number):
        names = write_names(lab, "cold", (f"{subject.name}-{number}-{i}.cold"
                                          for i in range(args.cold)))
        return measure(subject, names, "-n", "1", "-q", "100")
    results = rounds([s for s in subjects if s.name != "floor"], args.rounds, once)
    add_rows(report, "cold", results, [("cpu", "us/query", "less"), ("user", "us/query", "less")])


def half_load(lab, report, subjects, names, costs, args):
    """Latencies at half of what a core is able to with the slowest peer."""
    slowest = max(statistics.median(one["cpu"] for one in got) for name, got in costs.items()
                  if name != "floor")
    rate = int(1e6 / slowest / 2)
    report.notes.append(f"half-load: {rate} queries/s")
    results = rounds(subjects, args.rounds, lambda subject, _: latency(
        lab, subject, names, rate, max(1, int(args.seconds))))
    add_rows(report, "half-load", results, [("p50", "us", "less"), ("p99", "us", "less"),
                                            ("lost", "of a million", "less")])


class Bursts:
    """Queries that wait for stopped workers, which then work them off without any load beside."""

    def __init__(self, lab, names, pids):
        self.pids = pids
        for i in range(N_SOURCES):
            run("ip", "-n", BACKEND, "address", "add", self.source(i), "dev", "lo", "nodad")
            run("ip", "-n", GATEWAY, "route", "add", source_prefix(i), "via", BACKEND_ADDRESS)
            load("sixgate", names, "-n", "1", "-q", "100", "-a", self.source(i))  # into the cache
        self.child = subprocess.Popen(
            asker(lab, "burst", ADDRESS["sixgate"], names, *map(self.source, range(N_SOURCES))),
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        owners = [self.owner(i) for i in range(N_SOURCES)]
        self.sources = [owners.index(pid) for pid in pids]

    @staticmethod
    def source(i):
        return source_prefix(i).replace("/64", "10")

    def ask(self, line):
        self.child.stdin.write(line + "\n")
        self.child.stdin.flush()
        return self.child.stdout.readline().split()

    def once(self, counts):
        """So many queries from each source; {pid: microseconds of CPU}."""
        for pid in self.pids:
            os.kill(pid, signal.SIGSTOP)
        self.ask(" ".join(map(str, counts)))
        before = {pid: cpu_us(pid) for pid in self.pids}
        for pid in self.pids:
            os.kill(pid, signal.SIGCONT)
        time.sleep(0.1)
        spent = {pid: cpu_us(pid) - before[pid] for pid in self.pids}
        answered = [int(n) for n in self.ask("")]
        if answered != counts:
            raise BenchError(f"two workers: {counts} were asked and {answered} answered")
        return spent

    def owner(self, source):
        """The worker that answers a source."""
        spent = self.once([BURST if i == source else 0 for i in range(N_SOURCES)])
        return max(spent, key=spent.get)

    def cost(self, pids):
        """Microseconds a query of these workers, which all work at the same time."""
        busy = [self.sources[self.pids.index(pid)] for pid in pids]
        spent = self.once([BURST if i in busy else 0 for i in range(N_SOURCES)])
        return sum(spent[pid] for pid in pids) / (BURST * len(pids))

    def close(self):
        self.child.stdin.close()
        self.child.wait()


def cpu_us(pid):
    return int(pathlib.Path(f"/proc/{pid}/schedstat").read_text().split()[0]) / 1e3


def two_workers(lab, report, names, args):
    """What a query costs of two workers on two cores at the same time, and of each alone."""
    process = start_sixgate(lab, 2)
    wait_answer("sixgate", process)
    process.settle()
    pids = workers_of(process)
    for pid, core in zip(pids, (CORE_PROXY, CORE_LOAD)):
        os.sched_setaffinity(pid, [core])
    bursts = Bursts(lab, names, pids)
    alone, together = [], []
    for _ in range(args.rounds * 8):
        alone.append(statistics.mean(bursts.cost([pid]) for pid in pids))
        together.append(bursts.cost(pids))
    bursts.close()
    report.row("two-workers", "alone", "us/query", {"sixgate": alone})
    report.row("two-workers", "together", "us/query", {"sixgate": together})
    report.row("two-workers", "scale", "of one", {"sixgate": [
        2 * a / t for a, t in zip(alone, together)]}, better="more")


def anonymous_bytes(subject):
    text = "".join(pathlib.Path(f"/proc/{pid}/status").read_text() for pid in subject.pids)
    return sum(int(kib) * 1024 for kib in re.findall(r"RssAnon:\s+(\d+)", text))


def memory(lab, report, subject, n_names):
    """What sixgate's memory grows by with so many more names in the cache, each with both answers."""
    names = write_names(lab, "memory", (f"host-{i:07}.cold" for i in range(n_names)))
    before = anonymous_bytes(subject)
    completed = load("sixgate", names, "-n", "1", "-q", "100")
    report.row("memory", "name", "bytes", {
        "sixgate": [(anonymous_bytes(subject) - before) / completed]})
    report.notes.append(f"memory: {completed} names")


WORKLOADS = ["warm", "cold", "half-load", "memory", "two-workers"]


def bench_run(lab, report, args):
    start_authority(lab)
    subjects = [start(lab, name) for name in args.only]
    names = write_names(lab, "warm", (f"n{i}" for i in range(N_NAMES)))
    report.print_head()
    costs = warm(lab, report, subjects, names, args)
    if "cold" in args.workload:
        cold(lab, report, subjects, args)
    if "half-load" in args.workload:
        half_load(lab, report, subjects, names, costs, args)
    ours = [subject for subject in subjects if subject.name == "sixgate"]
    if "memory" in args.workload and ours:
        memory(lab, report, ours[0], args.names)
    if "two-workers" in args.workload and ours:
        lab.stop(ours[0].process)
        two_workers(lab, report, names, args)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("workload", nargs="*", default=WORKLOADS,
                        help=f"of {', '.join(WORKLOADS)}; all by default, warm always")
    parser.add_argument("--quick", action="store_true", help="small sizes, for development")
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--seconds", type=int)
    parser.add_argument("--cold", type=int, default=COLD_NAMES, help="names of a round")
    parser.add_argument("--names", type=int, help="cached ones, for their memory")
    parser.add_argument("--only", nargs="+", choices=COLUMNS, default=COLUMNS)
    args = parser.parse_args()
    for name in args.workload:
        if name not in WORKLOADS:
            parser.error(f"no workload '{name}'")
    args.rounds = args.rounds or (3 if args.quick else 7)
    args.seconds = args.seconds or (1 if args.quick else 3)
    args.names = args.names or (200000 if args.quick else 1000000)
    build = pathlib.Path(os.environ["SIXGATE_BUILD"])
    for program in ("dnsperf", "dig", "named", "unbound"):
        if not shutil.which(program):
            sys.exit(f"bench: {program} is missing: ./dev setup installs it")
    report = Report(COLUMNS, TARGETS, "floor")
    with tempfile.TemporaryDirectory(prefix="sixgate-bench-") as work:
        os.chmod(work, 0o755)
        try:
            with Lab(build, work) as lab:
                bench_run(lab, report, args)
        except BenchError as error:
            sys.exit(f"bench: {error}")
    report.write(build, "dns64", args.quick)


if __name__ == "__main__":
    main()
