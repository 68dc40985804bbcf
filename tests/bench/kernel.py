#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""./dev bench kernel: the kernel side beside Jool by hand, tayga, and scripts of ip, wg and nft.

Runs inside the lab's machine (tests/lab/boot), whose kernel has the modules; prints a table and
writes kernel.json to $LAB_OUT. Rounds are interleaved, values are medians, ratios are of medians
of one run. Under emulation only the ratios mean something. Nothing here fails on a time.
"""
import argparse
import base64
import contextlib
import json
import os
import pathlib
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time

from kernel_hosts import Chain, run
from kernel_script import write_script
from kernel_sixgate import PREF64, Sixgate, tenant_object

# workload, metric, compared with, limit of the ratio, and which side of it is good
NAT64_ROUNDS = 7  # for each of another workload
TARGETS = [
    ("nat64", "throughput", "jool", 0.90, "more"),
    ("change", "cpu", "10 tenants", 1.5, "less"),
    ("cold-start", "time", "script", 3.0, "less"),
    ("restart", "time", "cold start", 0.2, "less"),
    ("packet", "cost", "10 tenants", 1.1, "less"),
]


class Bench:
    """What is measured in one run."""

    def __init__(self, sizes):
        self.sizes = sizes
        self.rows = []
        self.work = pathlib.Path(tempfile.mkdtemp(prefix="sixgate-bench-"))
        os.chmod(self.work, 0o755)
        self.stack = contextlib.ExitStack()

    def row(self, workload, metric, unit, values, note=""):
        """Adds a row from {name: [value, ...]}."""
        medians = {name: statistics.median(v) for name, v in values.items()}
        self.rows.append({"workload": workload, "metric": metric, "unit": unit,
                          "values": {n: round(v, 3) for n, v in medians.items()},
                          "samples": {n: [round(s, 3) for s in v] for n, v in values.items()}})
        shown = "  ".join(f"{name} {value:.3f}" for name, value in medians.items())
        print(f"{workload:<12}{metric:<12}{unit:<12}{shown}  {note}", flush=True)

    def chain(self, name):
        """A tenant, a gateway and the Internet of their own."""
        return self.stack.enter_context(Chain(name))

    def sixgate(self, chain, n_tenants, n_sit=0, nat64=False):
        """A gateway with that many tenants, started."""
        gateway = Sixgate(chain, self.work / f"{chain.name}-{n_tenants}", nat64=nat64)
        gateway.fill(n_tenants, n_sit)
        self.stack.callback(gateway.stop)
        return gateway


def iperf(client, target, seconds):
    """Gbit/s of TCP from client to target, as the receiver counts."""
    out = client.run("iperf3", "-6", "-c", target, "-t", str(seconds), "-J")
    return json.loads(out)["end"]["sum_received"]["bits_per_second"] / 1e9


def start_jool(chain):
    """NAT64 as README of Jool has it: no firewall."""
    run("modprobe", "jool")
    chain.gateway.run("jool", "instance", "add", "hand", "--netfilter", "--pool6", PREF64)
    for proto in ("tcp", "udp", "icmp"):
        chain.gateway.run("jool", "-i", "hand", "pool4", "add", chain.PUBLIC, "16384-49151",
                          f"--{proto}")


def start_tayga(chain, work):
    """NAT64 by tayga with its own pool, behind the kernel's masquerade as its manual says."""
    run("modprobe", "tun")
    conf = work / "tayga.conf"
    conf.write_text(f"tun-device nat64\nipv4-addr 192.168.255.1\nprefix {PREF64}\n"
                    f"dynamic-pool 192.168.255.0/24\ndata-dir {work}\n")
    chain.gateway.run("tayga", "-c", str(conf), "--mktun")
    for words in ("link set nat64 up", f"-6 route add {PREF64} dev nat64",
                  "route add 192.168.255.0/24 dev nat64"):
        chain.gateway.ip(words)
    chain.gateway.nft("table ip nat { chain post { type nat hook postrouting priority srcnat; "
                      "oifname \"up0\" masquerade; }; }")
    return chain.gateway.popen("tayga", "-d", "-c", str(conf), stdout=subprocess.DEVNULL,
                               stderr=subprocess.DEVNULL)


def nat64(bench):
    """Throughput of one TCP flow through NAT64. Many short rounds: it varies by a half from one to
    the next, with the machine."""
    chains = {name: bench.chain(name) for name in ("sixgate", "jool", "tayga")}
    gateway = bench.sixgate(chains["sixgate"], 1, nat64=True)
    gateway.start()
    start_jool(chains["jool"])
    bench.stack.callback(start_tayga(chains["tayga"], bench.work).kill)
    for chain in chains.values():
        chain.start_iperf(bench.stack)
    target = f"{PREF64.removesuffix('/96')}{Chain.SERVER_4}"
    values = {name: [] for name in chains}
    for _ in range(bench.sizes.rounds * NAT64_ROUNDS):
        for name, chain in chains.items():
            values[name].append(iperf(chain.tenant, target, 1))
    bench.row("nat64", "throughput", "Gbit/s", values)


def cpu_ms(pid):
    """ms on a CPU so far of one process, user and system."""
    return int(pathlib.Path(f"/proc/{pid}/schedstat").read_text().split()[0]) / 1e6


def one_change(gateway, serial):
    """CPU of control, ms, from a tenant's new file until the kernel has its new key."""
    key = base64.b64encode(os.urandom(32)).decode()
    obj = tenant_object(1, serial, key=key)
    before = cpu_ms(gateway.process.pid)
    gateway.put(obj)
    gateway.wait_key(key)
    time.sleep(0.1)
    return cpu_ms(gateway.process.pid) - before


def change(bench):
    """One tenant's new WireGuard key among few and among many."""
    gateways = {n: bench.sixgate(bench.chain(f"change{n}"), n) for n in (10, bench.sizes.tenants)}
    values = {f"{n} tenants": [] for n in gateways}
    for gateway in gateways.values():
        gateway.start()
    for i in range(bench.sizes.changes):
        for n, gateway in gateways.items():
            values[f"{n} tenants"].append(one_change(gateway, i + 2))
    bench.row("change", "cpu", "ms", values)


def timed(fn):
    start = time.monotonic()
    fn()
    return time.monotonic() - start


def starts(bench):
    """Cold start and restart, beside a script that makes the same with ip, wg and nft."""
    tenants, n_sit = bench.sizes.tenants, bench.sizes.sit
    values = {"script": [], "cold start": [], "restart": []}
    for i in range(bench.sizes.starts):
        with Chain(f"hand{i}") as chain:
            script = write_script(chain, bench.work, tenants, n_sit)
            values["script"].append(timed(lambda: script(chain)))
        chain = bench.chain(f"start{i}")
        gateway = bench.sixgate(chain, tenants, n_sit)
        values["cold start"].append(timed(gateway.start))
        gateway.stop()
        values["restart"].append(timed(gateway.start))
        gateway.stop()
        gateway.down()
    bench.row("cold-start", "time", "s", {n: values[n] for n in ("script", "cold start")})
    bench.row("restart", "time", "s", {n: values[n] for n in ("cold start", "restart")})


def packet(bench):
    """What a small packet costs among few and among many tenants."""
    chains = {n: bench.chain(f"packet{n}") for n in (10, bench.sizes.tenants)}
    for n, chain in chains.items():
        bench.sixgate(chain, n).start()
        chain.prepare_pktgen()
    values = {f"{n} tenants": [] for n in chains}
    for _ in range(bench.sizes.rounds):
        for n, chain in chains.items():
            values[f"{n} tenants"].append(1e6 / chain.pktgen(bench.sizes.seconds))
    bench.row("packet", "cost", "us", values)


WORKLOADS = {"nat64": nat64, "change": change, "starts": starts, "packet": packet}


class Sizes:
    """How much is done; quick: for development."""

    def __init__(self, quick):
        self.rounds = 3 if quick else 5
        self.seconds = 1 if quick else 3
        self.tenants = 100 if quick else 2000
        self.sit = 5 if quick else 50
        self.changes = 5 if quick else 25
        self.starts = 1 if quick else 5


def say_targets(rows):
    for workload, metric, other, limit, better in TARGETS:
        for row in rows:
            ours = [n for n in row["values"] if n != other]
            if (row["workload"], row["metric"]) != (workload, metric) or other not in row["values"]:
                continue
            ratio = row["values"][ours[0] if workload != "nat64" else "sixgate"] / \
                row["values"][other]
            good = ratio >= limit if better == "more" else ratio <= limit
            print(f"{'met   ' if good else 'MISSED'} {workload} {metric} of {other}'s: "
                  f"{ratio:.3f}, target {limit}", flush=True)
            row["ratio"] = round(ratio, 3)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("workload", nargs="*", help=f"of {', '.join(WORKLOADS)}; all by default")
    parser.add_argument("--quick", action="store_true", help="small sizes, for development")
    args = parser.parse_args()
    out = pathlib.Path(os.environ.get("LAB_OUT", "build/bench"))
    rows = []
    for name, workload in WORKLOADS.items():
        if args.workload and name not in args.workload:
            continue
        bench = Bench(Sizes(args.quick))
        with bench.stack:
            workload(bench)
        shutil.rmtree(bench.work, ignore_errors=True)
        rows += bench.rows
    say_targets(rows)
    (out / "kernel.json").write_text(json.dumps({"rows": rows}, indent=1))


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    main()
