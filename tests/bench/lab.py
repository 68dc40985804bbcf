# SPDX-License-Identifier: GPL-3.0-or-later
"""The ground the bench stands on: namespaces, pinned processes, and what a process has cost.

Three namespaces: clients (IPv4), the gateway with every proxy under test, and the backend (IPv6).
The proxies run on one core, clients and backend on another. Nothing outside the namespaces is
touched; only processes started here are ended.
"""
import fcntl
import ipaddress
import json
import os
import pathlib
import re
import signal
import subprocess
import time

CORE_LOAD = 0
CORE_PROXY = 1
MAX_FILES = 20000
# Before all else that runs on the machine: a proxy that is preempted finds its caches cold, and a
# latency is that of the scheduler's turns.
FIRST = ["chrt", "--rr", "10"]

LOCK = "/run/lock/sixgate-bench"  # the namespaces have one name for all runs
CLIENTS, GATEWAY, BACKEND = "bench-client", "bench-gateway", "bench-backend"
CLIENT_FIRST, N_CLIENTS = "198.51.100.10", 16
TENANT_PREFIX = "2001:db8:a000:1001::/64"
BACKEND_ADDRESS = "2001:db8:a000:1001::10"
FILLER_PREFIX = "2001:db8:a100::/40"  # of the many tenants; all of it is the one backend
CLIENT_PREFIX = "2001:db8:a000:ff::/96"

NETWORK = f"""
netns add {CLIENTS}
netns add {GATEWAY}
netns add {BACKEND}
-n {CLIENTS} link add gw0 type veth peer name client0 netns {GATEWAY}
-n {BACKEND} link add gw0 type veth peer name tenant0 netns {GATEWAY}
-n {CLIENTS} link set lo up
-n {GATEWAY} link set lo up
-n {BACKEND} link set lo up
-n {CLIENTS} link set gw0 up
-n {BACKEND} link set gw0 up
-n {GATEWAY} link set client0 up
-n {GATEWAY} link set tenant0 up
-n {GATEWAY} address add 198.51.100.1/24 dev client0
-n {GATEWAY} address add 2001:db8:a000:1001::1/64 dev tenant0 nodad
-n {BACKEND} address add {BACKEND_ADDRESS}/64 dev gw0 nodad
-n {BACKEND} route add default via 2001:db8:a000:1001::1
-n {BACKEND} route add local {FILLER_PREFIX} dev lo
-n {GATEWAY} route add {FILLER_PREFIX} via {BACKEND_ADDRESS}
"""

# No workload may end for want of a port.
SYSCTLS = {
    "net.ipv4.ip_local_port_range": "1024 65535",
    "net.ipv4.tcp_tw_reuse": "1",
    "net.core.somaxconn": "4096",
    "net.ipv4.tcp_max_syn_backlog": "4096",
}


class BenchError(Exception):
    """Said to the person at the terminal, without a traceback."""


def run(*argv):
    """Runs a command to its end; its output, or BenchError with what it said."""
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise BenchError(f"{' '.join(argv)}: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout


def set_congestion_control(namespace):
    """Debian's default, whatever the host's is: bbr's timer for each packet would be most of what a
    bulk transfer costs. Where a namespace may not have cubic it gets reno; nothing is lost here,
    so that they do the same."""
    for name in ("cubic", "reno"):
        done = subprocess.run(["ip", "netns", "exec", namespace, "sysctl", "-qw",
                               f"net.ipv4.tcp_congestion_control={name}"],
                              capture_output=True, check=False)
        if done.returncode == 0:
            return
    raise BenchError(f"{namespace}: neither cubic nor reno: {done.stderr.decode().strip()}")


def children_of(pid):
    """pid and everything below it that still runs."""
    parents = {}
    for entry in pathlib.Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                stat = (entry / "stat").read_text()
            except OSError:
                continue  # it ended meanwhile
            parents.setdefault(int(stat.rpartition(")")[2].split()[1]), []).append(int(entry.name))
    found = [pid]
    for parent in found:
        found.extend(parents.get(parent, []))
    return found


class Process:
    """A program of the bench with all its children: what it costs, and its end."""

    def __init__(self, name, argv, *, namespace, core, log, env=None):
        self.name = name
        self.log = log
        prefix = ["ip", "netns", "exec", namespace, "prlimit", f"--nofile={MAX_FILES}",
                  *FIRST, "taskset", "-c", str(core)]
        with open(log, "ab") as out:
            self.child = subprocess.Popen(prefix + argv, stdin=subprocess.DEVNULL, stdout=out,
                                          stderr=subprocess.STDOUT, env=env)
        self.pids = [self.child.pid]

    def tail(self):
        """The end of what it said."""
        return pathlib.Path(self.log).read_text(errors="replace")[-2000:]

    def check(self):
        """BenchError with the end of its log when it no longer runs."""
        if self.child.poll() is not None:
            raise BenchError(f"{self.name} ended with {self.child.returncode}:\n{self.tail()}")

    def settle(self):
        """Takes note of the processes it consists of; once it has started."""
        self.check()
        self.pids = children_of(self.child.pid)

    def cpu_by_process(self):
        """ns on a CPU so far, for each process by pid and name."""
        spent = {}
        for pid in self.pids:
            ns = 0
            for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
                ns += int((task / "schedstat").read_text().split()[0])
            name = pathlib.Path(f"/proc/{pid}/comm").read_text().strip()
            spent[f"{name}:{pid}"] = ns
        return spent

    def cpu_ns(self):
        """ns on a CPU so far, user and system, of all its processes.

        The scheduler's own account, exact where utime and stime count ticks of 4 ms. What the
        kernel does in softirq on behalf of a packet the process sends (veth hands it over in the
        sender's context) is in it; what it does for packets others send to it is in theirs.
        """
        return sum(self.cpu_by_process().values())

    def memory_bytes(self):
        """Proportional set size, user memory only: sockets are not in it."""
        total = 0
        for pid in self.pids:
            rollup = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text()
            total += int(re.search(r"^Pss:\s+(\d+) kB", rollup, re.M).group(1)) * 1024
        return total

    def stop(self):
        """Ends it and its children, politely first."""
        if self.child.poll() is None:
            pids = children_of(self.child.pid)
            self.child.send_signal(signal.SIGTERM)
            try:
                self.child.wait(5)
            except subprocess.TimeoutExpired:
                self.child.kill()
                self.child.wait()
            for pid in pids[1:]:
                if os.path.exists(f"/proc/{pid}"):
                    try:
                        os.kill(pid, signal.SIGKILL)
                    except ProcessLookupError:
                        pass  # it ended meanwhile


class Lab:
    """The namespaces and everything that runs in them; a context manager."""

    def __init__(self, build_dir, work_dir):
        self.build = pathlib.Path(build_dir)
        self.work = pathlib.Path(work_dir)
        self.processes = []
        self.lock = None

    def __enter__(self):
        if os.geteuid() != 0:
            raise BenchError("needs root, for network namespaces")
        if len(os.sched_getaffinity(0)) < 2:
            raise BenchError("needs two cores, one for the proxies and one for the load")
        self.lock = open(LOCK, "w", encoding="ascii")  # pylint: disable=consider-using-with
        try:
            fcntl.flock(self.lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise BenchError("another benchmark runs on this machine: wait for its end") from None
        self.remove_namespaces()
        try:
            for line in NETWORK.strip().splitlines():
                run("ip", *line.split())
            for i in range(N_CLIENTS):
                address = ipaddress.IPv4Address(CLIENT_FIRST) + i
                run("ip", "-n", CLIENTS, "address", "add", f"{address}/24", "dev", "gw0")
            run("ip", "-n", CLIENTS, "route", "add", "203.0.113.0/24", "via", "198.51.100.1")
            for namespace in (CLIENTS, GATEWAY, BACKEND):
                for key, value in SYSCTLS.items():
                    run("ip", "netns", "exec", namespace, "sysctl", "-qw", f"{key}={value}")
                set_congestion_control(namespace)
            run("ip", "netns", "exec", GATEWAY, "sysctl", "-qw", "net.ipv6.conf.all.forwarding=1")
        except BaseException:
            self.remove_namespaces()
            raise
        return self

    def __exit__(self, *exc):
        for process in reversed(self.processes):
            process.stop()
        self.remove_namespaces()
        self.lock.close()

    @staticmethod
    def remove_namespaces():
        for namespace in (CLIENTS, GATEWAY, BACKEND):
            subprocess.run(["ip", "netns", "delete", namespace], capture_output=True, check=False)

    def start(self, name, argv, *, namespace=GATEWAY, core=CORE_PROXY, env=None):
        process = Process(name, [str(a) for a in argv], namespace=namespace, core=core,
                          log=self.work / f"{name}.out", env=env)
        self.processes.append(process)
        return process

    def stop(self, process):
        process.stop()
        self.processes.remove(process)

    def wait_for(self, process, target, names=None, seconds=10):
        """Until process answers at target (work hold)."""
        probe = [str(self.build / "tests/bench/load"), "idle", target]
        if names is not None:
            probe += ["-f", str(names)]
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            process.check()
            done = subprocess.run(["ip", "netns", "exec", GATEWAY, "timeout", "1", *probe],
                                  stdin=subprocess.DEVNULL, capture_output=True, check=False)
            if done.returncode == 0:
                return
            time.sleep(0.05)
        raise BenchError(f"{process.name} does not answer at {target}:\n{process.tail()}")

    def load_argv(self, mode, target, *, spin=False, watch=False, **options):
        argv = ["ip", "netns", "exec", CLIENTS, "prlimit", f"--nofile={MAX_FILES}",
                *FIRST, "taskset", "-c", str(CORE_LOAD),
                str(self.build / "tests/bench/load"), mode, target,
                "-s", f"{CLIENT_FIRST}:0", "-S", str(N_CLIENTS)]
        letters = {"connections": "-c", "units": "-n", "rate": "-r", "names": "-f"}
        for key, value in options.items():
            if value is not None:
                argv += [letters[key], str(value)]
        return argv + (["-b"] if spin else []) + (["-w"] if watch else [])

    def load(self, mode, target, **options):
        """Runs the load to its end; what it says, errors are a BenchError."""
        done = subprocess.run(self.load_argv(mode, target, **options), stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, timeout=300, check=False)
        if done.returncode != 0:
            raise BenchError(f"load {mode} {target}: {done.stdout.strip()} {done.stderr.strip()}")
        return json.loads(done.stdout)

    def load_start(self, mode, target, **options):
        """The load as a running process; its first line of output says that it is under way."""
        return subprocess.Popen(self.load_argv(mode, target, **options), stdin=subprocess.PIPE,
                                stdout=subprocess.PIPE, text=True)
