#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""./dev bench dns64: sixgate beside unbound and BIND, and a bare responder as the floor, in one run.

Prints a table and writes build/bench/dns64.json. One core for each server in its turn, another for
the load (dnsperf) and the authority they ask (BIND). Rounds are interleaved, values are medians over
them. Nothing here fails on a time: it measures, and says beside each number what is wanted.
"""
import argparse
import json
import os
import pathlib
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

from lab import BACKEND, CLIENT_FIRST, CLIENTS, CORE_LOAD, GATEWAY, TENANT_PREFIX, BenchError, Lab, run

N_NAMES = 10000
COLD_NAMES = 40000  # of a round, each asked once
PREF64 = "2001:db8:64::/96"
ADDRESS = {name: f"2001:db8:a000:{number}::53"
           for number, name in enumerate(("floor", "sixgate", "unbound", "bind"), 2)}
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


def start_sixgate(lab):
    folder = folder_of(lab, "sixgate")
    registry = folder / "registry"
    registry.mkdir()
    (registry / "bench.yaml").write_text(json.dumps(
        {"tenant": "bench", "serial": 1, "prefixes": [TENANT_PREFIX], "services": []}))
    config = folder / "sixgate.yaml"
    config.write_text(json.dumps({
        "node": {"name": "exit1"},
        "uplink": {"interface": "client0",
                   "ipv4": [{"range": "198.51.100.1/32", "delivery": "present"}],
                   "ipv6": {"prefix": "2001:db8:a000::/48", "reserved": 256}},
        "nat64": {"prefix": PREF64, "pool": ["198.51.100.1"], "ports": "16384-49151"},
        "local_ports": "49152-57343",
        "dns64": {"listen": [ADDRESS["sixgate"]], "upstream": [CLIENT_FIRST], "cache": "1GiB"},
        "workers": 1, "access_log": "off", "registry": {"dir": str(registry)}}))
    return lab.start("sixgated", [lab.build / "sixgated", "-c", config, "--run-dir", folder / "run"])


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
    comm = {"sixgate": "sixgate-dns64"}.get(name)
    pids = [pid for pid in process.pids if comm is None
            or pathlib.Path(f"/proc/{pid}/comm").read_text().strip() == comm]
    return Subject(name, process, pids)


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
    """dnsperf from the tenant. How many queries were answered, and how many a second."""
    done = subprocess.run(
        ["ip", "netns", "exec", BACKEND, "taskset", "-c", str(CORE_LOAD), "dnsperf", "-f", "inet6",
         "-s", ADDRESS[name], "-d", str(queries), "-c", "8", *options],
        capture_output=True, text=True, check=False)
    completed = re.search(r"Queries completed:\s+(\d+)", done.stdout)
    rate = re.search(r"Queries per second:\s+([\d.]+)", done.stdout)
    if not completed or int(completed.group(1)) == 0:
        raise BenchError(f"dnsperf to {name}: {done.stdout}{done.stderr}")
    return int(completed.group(1)), float(rate.group(1))


def measure(subject, queries, *options):
    user, total = subject.cpu()
    completed, rate = load(subject.name, queries, *options)
    user_after, total_after = subject.cpu()
    return {"total_us": (total_after - total) / completed,
            "user_us": (user_after - user) / completed, "rate": rate, "completed": completed}


def anonymous_bytes(subject):
    text = "".join(pathlib.Path(f"/proc/{pid}/status").read_text() for pid in subject.pids)
    return sum(int(kib) * 1024 for kib in re.findall(r"RssAnon:\s+(\d+)", text))


def measure_memory(lab, subjects, n_names):
    """What sixgate's memory grows by with so many more names in the cache, each with both answers."""
    found = [subject for subject in subjects if subject.name == "sixgate"]
    if not found or n_names == 0:
        return None
    names = write_names(lab, "memory", (f"host-{i:07}.cold" for i in range(n_names)))
    before = anonymous_bytes(found[0])
    completed, _ = load("sixgate", names, "-n", "1", "-q", "100")
    per_name = (anonymous_bytes(found[0]) - before) / completed
    print(f"memory: {per_name:.0f} bytes a cached name at {completed} names, wanted at most 400")
    return {"names": completed, "bytes_a_name": round(per_name, 1), "wanted": 400}


def write_names(lab, name, names):
    path = lab.work / name
    path.write_text("".join(f"{n}.example AAAA\n" for n in names))
    return path


def run_rounds(lab, subjects, args):
    """All rounds of both workloads: {workload: {subject: [measured]}}"""
    warm = write_names(lab, "warm", (f"n{i}" for i in range(N_NAMES)))
    results = {"warm": {}, "cold": {}}
    for subject in subjects:
        load(subject.name, warm, "-n", "2", "-q", "100")
    for number in range(args.rounds):
        turn = number % len(subjects)
        for subject in [*subjects[turn:], *subjects[:turn]]:
            results["warm"].setdefault(subject.name, []).append(
                measure(subject, warm, "-l", str(args.seconds), "-q", "200"))
            if subject.name != "floor":
                cold = write_names(lab, "cold", (f"{subject.name}-{number}-{i}.cold"
                                                 for i in range(args.cold)))
                results["cold"].setdefault(subject.name, []).append(
                    measure(subject, cold, "-n", "1", "-q", "100"))
        print(f"round {number + 1} of {args.rounds}", file=sys.stderr)
    return results


def median(measured, key):
    return statistics.median(one[key] for one in measured)


def table(results):
    """What is printed, and the ratios that are wanted."""
    names = list(results["warm"])
    print("| | " + " | ".join(names) + " |")
    print("|---" * (len(names) + 1) + "|")
    rows = [("warm, CPU us a query", "warm", "total_us"), ("of it in user space", "warm", "user_us"),
            ("cold, CPU us a query", "cold", "total_us")]
    for title, workload, key in rows:
        cells = [f"{median(results[workload][n], key):.2f}" if n in results[workload] else "-"
                 for n in names]
        print(f"| {title} | " + " | ".join(cells) + " |")
    wanted = [("warm", "total_us", "floor", 1.15), ("warm", "total_us", "unbound", 1.0),
              ("warm", "total_us", "bind", 1.0), ("warm", "user_us", "unbound", 0.5),
              ("cold", "total_us", "unbound", 0.9)]
    ratios = []
    for workload, key, other, limit in wanted:
        if other in results[workload] and "sixgate" in results[workload]:
            base = median(results[workload][other], key)
            ratio = median(results[workload]["sixgate"], key) / base if base else 0.0
            ratios.append({"workload": workload, "of": key, "to": other, "ratio": round(ratio, 2),
                           "wanted": limit})
            print(f"{workload} {key}: {ratio:.2f} of {other}, wanted at most {limit}")
    return ratios


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=3)
    parser.add_argument("--cold", type=int, default=COLD_NAMES, help="names of a round")
    parser.add_argument("--names", type=int, default=1000000, help="cached ones, for their memory")
    parser.add_argument("--only", nargs="+", choices=list(ADDRESS), default=list(ADDRESS))
    args = parser.parse_args()
    build = pathlib.Path(os.environ["SIXGATE_BUILD"])
    for program in ("dnsperf", "dig", "named", "unbound"):
        if not shutil.which(program):
            sys.exit(f"bench: {program} is missing: ./dev setup installs it")
    with tempfile.TemporaryDirectory(prefix="sixgate-bench-") as work:
        os.chmod(work, 0o755)
        try:
            with Lab(build, work) as lab:
                start_authority(lab)
                subjects = [start(lab, name) for name in args.only]
                results = run_rounds(lab, subjects, args)
                memory = measure_memory(lab, subjects, args.names)
        except BenchError as error:
            sys.exit(f"bench: {error}")
    ratios = table(results)
    out = build / "bench" / "dns64.json"
    out.parent.mkdir(exist_ok=True)
    out.write_text(json.dumps({"rounds": args.rounds, "seconds": args.seconds, "cold": args.cold,
                               "results": results, "ratios": ratios, "memory": memory}, indent=1) + "\n")
    print(out)


if __name__ == "__main__":
    main()
