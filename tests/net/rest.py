# SPDX-License-Identifier: GPL-3.0-or-later
"""What must hold once all connections of a test have ended, whatever the test was about."""

import array
import collections
import contextlib
import fcntl
import os
import re
import termios
import time

from peers import wait_for

RSS_GROWTH_MAX = 48 << 20  # bytes; the sanitizers' quarantine gets more
SANITIZED = re.compile(r"Sanitizer|runtime error:|Assertion|assert")


class Usage:
    """Descriptors and memory of one process; listeners: how many it is to have."""

    def __init__(self, pid, listeners):
        self.pid = pid
        self.listeners = listeners
        self.kinds = collections.Counter()
        self.filled_pipes = 0
        self.taken = time.monotonic()
        for name in os.listdir(f"/proc/{pid}/fd"):
            path = f"/proc/{pid}/fd/{name}"
            try:
                target = os.readlink(path)
            except FileNotFoundError:
                continue
            kind = "file" if target.startswith("/") else target.split(":")[0]
            self.kinds[kind] += 1
            if kind == "pipe":
                self.filled_pipes += pipe_bytes(path) > 0
        with open(f"/proc/{pid}/statm", encoding="ascii") as statm:
            self.rss = int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    def lasting(self):
        """What does not depend on sessions: all but listeners, and pipes kept for later use."""
        kinds = {kind: count for kind, count in self.kinds.items() if kind != "pipe"}
        kinds["socket"] = kinds.get("socket", 0) - self.listeners
        return kinds


def pipe_bytes(path):
    """How much lies in a pipe; 0 for the writing end."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    except OSError:
        return 0
    try:
        waiting = array.array("i", [0])
        fcntl.ioctl(fd, termios.FIONREAD, waiting)
        return waiting[0]
    finally:
        os.close(fd)


def cpu_seconds(pid):
    """What a process has used so far, of itself and in the kernel."""
    with open(f"/proc/{pid}/stat", encoding="ascii") as stat:
        fields = stat.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def at_start(gateway):
    """To be taken when the gateway is ready, before the first connection: of each worker by its
    pid, of sixgated and its log child by their names."""
    n_workers = len(gateway.workers())
    baseline = {}
    if gateway.status()["access_log"]["on"]:
        baseline["log child"] = wait_for(lambda: log_child_with_pipes(gateway, n_workers),
                                         message="the log child with a pipe of each worker")
    baseline["sixgated"] = control_usage(gateway)
    listeners = len(gateway.status()["listeners"])
    return {**baseline, **{pid: Usage(pid, listeners) for pid in gateway.workers()}}


def control_usage(gateway):
    """It has the listening sockets of all workers."""
    status = gateway.status()
    return Usage(gateway.process.pid, len(status["listeners"]) * len(status["workers"]))


def log_child_usage(gateway):
    pid = gateway.log_child()
    with contextlib.suppress(FileNotFoundError):  # it has just ended
        return Usage(pid, 0) if pid else None
    return None


def log_child_with_pipes(gateway, count):
    usage = log_child_usage(gateway)
    return usage if usage and usage.kinds["pipe"] >= count else None


def check(gateway, baseline, canary, lines_lost=False):
    """All of the assertions; canary() makes one exchange over another listener."""
    canary_in_time(canary)
    counters_settle(gateway)
    descriptors_return(gateway, baseline)
    control_has_no_more(gateway, baseline)
    if not lines_lost:
        log_is_complete(gateway)


def canary_in_time(canary):
    """Another listener serves within 100 ms; the best of five, as the machine is shared."""
    best = 1e9
    for _ in range(5):
        start = time.monotonic()
        canary()
        best = min(best, time.monotonic() - start)
        if best < 0.1:
            return
    raise AssertionError(f"the other listener took {best:.3f} s")


def counters_settle(gateway):
    """Nothing is active, and every accepted session was refused or closed."""
    def settled():
        return gateway.status()["active"] == 0 and not any(
            counters["active"] for counters in gateway.services().values())

    wait_for(settled, message="no active session")
    for name, counters in [("node", gateway.status()), *gateway.services().items()]:
        assert counters["accepted"] == counters["refused"] + counters["closed"], (name, counters)


def descriptors_return(gateway, baseline):
    """Descriptors as at the start; pipes may be kept for later use, but empty."""
    for pid, start in baseline.items():
        if pid not in gateway.workers():
            continue  # killed by the test
        now = None

        def settled(pid=pid, start=start):
            nonlocal now
            now = Usage(pid, len(gateway.status()["listeners"]))
            return now.lasting() == start.lasting() and now.filled_pipes == 0
        try:
            wait_for(settled, message=f"descriptors of worker {pid} at the baseline")
        except AssertionError as error:
            raise AssertionError(f"{error}: {start.lasting()} at start, now {now.lasting()}, "
                                 f"{now.filled_pipes} pipes hold data") from None
        growth = now.rss - start.rss
        allowed = RSS_GROWTH_MAX * (8 if is_sanitized(pid) else 1)
        assert growth < allowed, f"worker {pid} grew by {growth >> 20} MiB"


def control_has_no_more(gateway, baseline):
    """Neither sixgated nor its log child has a descriptor more than at the start, once control
    clients that were leaving have left."""
    more = {}

    def settled():
        for name, usage in (("sixgated", control_usage), ("log child", log_child_usage)):
            start, now = baseline.get(name), usage(gateway)
            more[name] = (gained(start, now) - may_gain(gateway, name, start)
                          if start and now else None)
        return not any(more.values())
    try:
        wait_for(settled, 15)
    except AssertionError:
        raise AssertionError(f"more descriptors than at the start: {more}") from None


def gained(start, now):
    """What one has more of; pipes count, as neither keeps them for later use."""
    before, after = ({**usage.lasting(), "pipe": usage.kinds["pipe"]} for usage in (start, now))
    return collections.Counter(after) - collections.Counter(before)


def may_gain(gateway, name, start):
    """The access log, which its first line opens; after an upgrade a segment for what the workers
    before it have counted."""
    age_ms = (time.monotonic() - start.taken) * 1000
    upgraded = gateway.status()["uptime_ms"] < age_ms
    return collections.Counter(file=int(name == "log child" or upgraded))


def is_sanitized(pid):
    with open(f"/proc/{pid}/maps", encoding="utf-8") as maps:
        return "libasan" in maps.read()


def log_is_complete(gateway):
    """One line for each session, with its close reason."""
    accepted = gateway.status()["accepted"]
    lines = gateway.wait_log(accepted + gateway.lines_before)[gateway.lines_before:]
    assert len(lines) == accepted, f"{len(lines)} lines for {accepted} sessions"
    for line in lines:
        assert line["reason"], line


def no_report(gateway):
    """After its end: no sanitizer report, no failed assertion."""
    found = [line for line in gateway.log().splitlines() if SANITIZED.search(line)]
    assert not found, "\n".join(found) + "\n" + gateway.log()
