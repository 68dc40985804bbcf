# SPDX-License-Identifier: GPL-3.0-or-later
"""A running sixgated with its real workers in the gateway's namespace."""

import contextlib
import copy
import json
import os
import shutil
import signal
import socket
import struct
import subprocess
import tempfile

import lab as places
from keeper import Keeper
from netns import run
from patience import AMPLE_S, CLOCK_S, Patience
from peers import read_to_end, wait_for

BUILD = os.environ.get("SIXGATE_BUILD") or os.path.abspath(
    os.path.join(os.path.dirname(__file__), "..", "..", "build"))
VERBS = {"status": 1, "services": 2, "sessions": 3, "reload": 4, "drain": 5, "kill": 6,
         "log-level": 7, "apply": 8, "confirm": 9, "rollback": 10, "plan": 11, "drift": 12, "denied": 16,
         "dns cache": 20}


class Refused(Exception):
    """sixgated answered no."""


def tenant_object(tenant, serial, services, **more):
    """A tenant object for one of the lab's tenants."""
    return {
        "tenant": tenant.tenant, "serial": serial, "prefixes": [tenant.prefix],
        "services": services, **more}


def service(name, backends, *expose, **more):
    return {"name": name, "backends": backends, "expose": list(expose), **more}


def tls(names, port=443, to=443, **more):
    return {"protocol": "tls", "names": names, "port": port, "to": to, **more}


def tcp(port, to, ipv4=places.POOL[1], **more):
    return {"protocol": "tcp", "ipv4": ipv4, "port": port, "to": to, **more}


class Gateway:
    """sixgated, its node config and its registry folder.

    settings: keys of the node config that differ from base_config(); None takes one away.
    user: the id that sixgated runs as; wrapper: a command that runs it with less than root has.
    kept: a service manager keeps its listening sockets, see keeper.py.
    program: another sixgated than that of the build.
    """

    def __init__(self, lab, settings=None, objects=(), environment=None, user=0, wrapper=(),
                 kept=False, program=None):
        self.lab = lab
        self.wrapper = wrapper
        if user:
            self.wrapper = ("setpriv", "--reuid", str(user), "--regid", str(user),
                            "--clear-groups")
        self.folder = tempfile.mkdtemp(prefix="sixgate-test-")
        os.chmod(self.folder, 0o755)
        self.run_folder = self._make("run")
        self.registry = self._make("registry")
        self.log_folder = self._make("log")
        shutil.chown(self.log_folder, "sixgate-agent", "sixgate-agent")
        self.config_path = os.path.join(self.folder, "sixgate.yaml")
        self.access_log_path = os.path.join(self.log_folder, "access.log")
        self.log_path = os.path.join(self.folder, "stderr")
        self.environment = environment or {}
        self.config = self.base_config()
        self.write_config(settings or {})
        for tenant in objects:
            self.put(tenant)
        if user:
            run("chown", "-R", f"{user}:{user}", self.folder)
        self.program = program or os.path.join(BUILD, "sixgated")
        self.keeper = Keeper(os.path.join(self.folder, "keeper")) if kept else None
        self.process = None
        self.lines_before = 0  # access log lines of an earlier start

    def _make(self, name):
        path = os.path.join(self.folder, name)
        os.mkdir(path, 0o755)
        return path

    def base_config(self):
        return {
            "node": {"name": "exit1", "farm": "testfarm"},
            "uplink": {
                "kind": "direct", "interface": "up0",
                "ipv4": [{"range": f"{address}/32", "delivery": "present"}
                         for address in places.POOL],
                "ipv6": {"prefix": "2001:db8:a000::/48", "reserved": 256}},
            "listeners": [{"address": "any", "port": 443, "protocol": "tls"}],
            "client_prefix": places.CLIENT_PREFIX,
            "workers": 2,
            "access_log": {"file": self.access_log_path, "format": "json"},
            "registry": {"dir": self.registry}}

    def write_config(self, settings):
        """Changes keys of the node config and writes it; reload() makes it count."""
        self.config = copy.deepcopy(self.config)
        for key, value in settings.items():
            if value is None:
                self.config.pop(key, None)
            else:
                self.config[key] = value
        self.write_config_text(json.dumps(self.config, indent=1))

    def write_config_text(self, text):
        replace_file(self.config_path, text)

    # The registry

    def object_path(self, name):
        return os.path.join(self.registry, name + ".yaml")

    def put(self, tenant):
        """Writes a tenant object as the registry's contract says: by rename."""
        self.put_text(tenant["tenant"], json.dumps(tenant, indent=1))

    def put_text(self, name, text):
        replace_file(self.object_path(name), text)

    def remove(self, name):
        os.unlink(self.object_path(name))

    # The process

    def start(self, ready_within=AMPLE_S):
        """Starts sixgated and waits until it says READY=1."""
        self.lines_before = len(self.access_log())
        if self.keeper:
            return self._start_kept(ready_within)
        notify = os.path.join(self.folder, "notify")
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ready:
            ready.bind(notify)
            os.chmod(notify, 0o666)
            ready.settimeout(0.2)
            environment = {**os.environ, **self.environment, "NOTIFY_SOCKET": notify}
            with open(self.log_path, "ab") as log:
                self.process = self.lab.gateway.popen(
                    *self._argv(), stdout=log, stderr=log, env=environment)
            try:
                self._wait_ready(ready, Patience(ready_within))
            finally:
                os.unlink(notify)
        return self

    def _wait_ready(self, ready, patience):
        said = b""
        while b"READY=1" not in said:
            ended = self.process.poll() is not None
            try:
                said = ready.recv(4096)
            except TimeoutError:
                if ended or not patience.left():
                    self.process.kill()
                    raise AssertionError(f"sixgated did not become ready:\n{self.log()}") from None

    def _argv(self):
        return [*self.wrapper, self.program, "--config", self.config_path,
                "--run-dir", self.run_folder]

    def _start_kept(self, ready_within):
        before = self.keeper.n_ready
        with open(self.log_path, "ab") as log:
            self.process = self.keeper.popen(self.lab.gateway, *self._argv(), stdout=log,
                                             stderr=log, environment=self.environment)
        self.keeper.wait_ready(before + 1, ready_within)
        return self

    def stop(self, within=20.0):
        """SIGTERM; returns the exit code."""
        if self.process is None:
            return 0
        self.process.send_signal(signal.SIGTERM)
        try:
            wait_for(lambda: self.process.poll() is not None, within)
        except AssertionError:
            self.process.kill()
            self.process.wait()
            raise AssertionError(f"sixgated did not end:\n{self.log()}") from None
        return self.process.returncode

    def forget(self):
        """Removes its files; a failed test keeps them for the one who looks."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def signal(self, number):
        self.process.send_signal(number)

    def workers(self):
        """Process ids of the proxy workers, in order of their slots."""
        return [worker["pid"] for worker in self.status()["workers"] if worker.get("pid")]

    def log_child(self, queries=False):
        """The process id of sixgate-agent --log, that of queries.log or the other; None while there
        is none."""
        pid = self.process.pid
        with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as children:
            for child in children.read().split():
                with contextlib.suppress(FileNotFoundError), \
                        open(f"/proc/{child}/cmdline", "rb") as cmdline:
                    words = cmdline.read().split(b"\0")
                    if b"--log" in words and (b"queries.log" in words) == queries:
                        return int(child)
        return None

    def has_capability(self, number):
        with open(f"/proc/{self.process.pid}/status", encoding="ascii") as status:
            [line] = [line for line in status if line.startswith("CapEff")]
        return bool(int(line.split()[1], 16) >> number & 1)

    # What it says

    def ask(self, verb, *args, timeout=CLOCK_S):
        """One request on the control socket; returns the objects of the answer."""
        with self.send(verb, *args, timeout=timeout) as sock:
            lines = [json.loads(line) for line in read_to_end(sock).splitlines()]
        assert lines, f"{verb}: no answer"
        if not lines[0].get("ok"):
            raise Refused(lines[0].get("error"))
        assert lines[-1] == {"end": True}, f"{verb}: the answer was cut short: {lines[-1]}"
        return lines[1:-1]

    def send(self, verb, *args, timeout=CLOCK_S):
        """The connection that the answer comes by."""
        body = bytes([1, VERBS[verb], len(args)])
        for arg in args:
            body += struct.pack("!I", len(arg)) + arg.encode()
        sock = socket.socket(socket.AF_UNIX)
        sock.connect(os.path.join(self.run_folder, "control.sock"))
        sock.settimeout(timeout)
        sock.sendall(struct.pack("!I", len(body)) + body)
        return sock

    def status(self):
        return self.ask("status")[0]

    def problems(self):
        return [f"{p['what']}: {p['text']}" for p in self.status()["problems"]]

    def services(self):
        """{"tenant/service": its counters}"""
        return {f"{s['tenant']}/{s['service']}": s for s in self.ask("services")}

    def sessions(self, tenant=""):
        return self.ask("sessions", *([tenant] if tenant else []))

    def wait_sessions(self, count, timeout=AMPLE_S):
        wait_for(lambda: self.status()["active"] == count, timeout, f"{count} sessions")

    def cli(self, *argv, check=True):
        """The sixgate command, as an operator types it."""
        where = [] if argv[0] == "check" else [
            "--socket", os.path.join(self.run_folder, "control.sock")]
        if argv[0] not in ("check", "down"):  # those ask nobody
            where += ["--timeout", str(CLOCK_S)]
        done = subprocess.run(
            [os.path.join(BUILD, "sixgate"), argv[0], *where, *argv[1:]],
            capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False)
        if check:
            assert done.returncode == 0, f"sixgate {argv}: {done.returncode}: {done.stderr}"
        return done

    def reload(self):
        self.ask("reload")

    def log(self):
        with open(self.log_path, encoding="utf-8", errors="backslashreplace") as log:
            return log.read()

    def access_log(self):
        """The access log, one dict a session."""
        try:
            with open(self.access_log_path, "rb") as log:
                data = log.read()
        except FileNotFoundError:
            return []
        whole = data[:data.rfind(b"\n") + 1]
        return [json.loads(line) for line in whole.splitlines()]

    def wait_log(self, count, timeout=AMPLE_S):
        """Waits for count lines in the access log and returns them all."""
        wait_for(lambda: len(self.access_log()) >= count, timeout, f"{count} access log lines")
        return self.access_log()

    def last_reason(self, count=1):
        """The close reason of the count-th session."""
        return self.wait_log(count)[count - 1]["reason"]


def replace_file(path, text):
    folder, name = os.path.split(path)
    fresh = os.path.join(folder, "." + name + ".new")
    with open(fresh, "w", encoding="utf-8") as out:
        out.write(text)
    os.rename(fresh, path)


