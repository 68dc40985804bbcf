# SPDX-License-Identifier: GPL-3.0-or-later
"""The unit that is installed, under Debian's systemd: what it forbids is forbidden, and sixgated
does all that it is for.

systemd is the first process of namespaces of its own, over an overlay of this machine's files with
what `make install` installs (./dev lab does that). Of the machine's own units those run that ours
needs, and the journal.
"""

import json
import os
import signal
import subprocess

import peers
import pytest
from gateway import BUILD, replace_file, service, tcp
from netns import Namespace
from patience import CLOCK_S

UNIT = "sixgated.service"
ETC, VAR = "/usr/local/etc/sixgate", "/usr/local/var"  # where a build without --prefix looks
POOL4, CLIENT, BACKEND = "203.0.113.10", "198.51.100.7", "2001:db8:a000:1001::10"
CONFIG = {
    "node": {"name": "exit1", "farm": "testfarm"},
    "uplink": {"kind": "direct", "interface": "lo",
               "ipv4": [{"range": POOL4 + "/32", "delivery": "present"}],
               "ipv6": {"prefix": "2001:db8:a000::/48", "reserved": 256}},
    "client_prefix": "2001:db8:a000:ff::/96",
    "workers": 1,
    "access_log": {"file": VAR + "/log/sixgate/access.log", "format": "json"}}
TENANT = {
    "tenant": "acme", "serial": 1, "prefixes": ["2001:db8:a000:1001::/64"],
    "services": [service("shell", [BACKEND], tcp(2222, 22, POOL4, client_address="hide"),
                         tcp(2223, 22, POOL4, client_address="embed"))]}
# by the numbers of capabilities(7): KILL, SETGID, SETUID, NET_BIND_SERVICE, NET_ADMIN, NET_RAW,
# SYS_CHROOT
CAPABILITIES = sum(1 << number for number in (5, 6, 7, 10, 12, 13, 18))
WATCHDOG_SECONDS = 20  # a start, too, has to be within it
BOOT = """\
set -e
mount -t tmpfs tmpfs "$0"
mkdir "$0/upper" "$0/work" "$0/root"
mount -t overlay -o "lowerdir=/,upperdir=$0/upper,workdir=$0/work" overlay "$0/root"
cd "$0/root"
cp -r "$1/." .
rm -rf lib/systemd/system/*.wants lib/systemd/system-generators etc/systemd/system
mkdir -p etc/systemd/system
printf '[Unit]\nDefaultDependencies=no\nWants=systemd-journald.service\n' \
    >etc/systemd/system/lab.target
echo 5197a7e05197a7e05197a7e05197a7e0 >etc/machine-id
mount -t proc proc proc
mount -t sysfs -o ro sysfs sys
mount -t tmpfs -o mode=755 dev dev
cp -a /dev/null /dev/zero /dev/full /dev/random /dev/urandom /dev/tty dev
ln -s pts/ptmx dev/ptmx
mount -t tmpfs -o mode=755 run run
mount -t tmpfs tmp tmp
mount --bind /lib/modules lib/modules
echo 0 >"$2/cgroup.procs"
pivot_root . mnt
umount -l /mnt
exec unshare --cgroup /lib/systemd/systemd --unit=lab.target --show-status=no
"""


class System:
    """systemd and what it runs. Everything in it ends with its first process."""

    def __init__(self):
        self.host = Namespace("system")
        self.host.ip_batch(*(f"addr add {address} dev lo" for address in (
            POOL4 + "/32", CLIENT + "/32", BACKEND + "/128")))
        self.cgroup = os.path.join("/sys/fs/cgroup", self.host.name)
        os.mkdir(self.cgroup)
        self.process = self.pid = None

    def boot(self, folder):
        self.process = subprocess.Popen(
            ["nsenter", f"--net=/run/netns/{self.host.name}", "unshare", "--mount", "--pid",
             "--uts", "--ipc", "--fork", "--kill-child", "sh", "-c", BOOT, str(folder),
             os.path.join(BUILD, "installed"), self.cgroup],
            stdin=subprocess.DEVNULL, env={"PATH": os.environ["PATH"], "container": "lab"})
        self.pid = int(peers.wait_for(self._children, message="the first process").split()[0])
        peers.wait_for(lambda: os.path.exists(self.path("/run/systemd/private")),
                       message="systemd")

    def _children(self):
        assert self.process.poll() is None, "the system did not boot"
        pid = self.process.pid
        with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as children:
            return children.read()

    def path(self, path):
        assert self.process.poll() is None, "the system has ended"
        return f"/proc/{self.pid}/root{path}"

    def read(self, path):
        with open(self.path(path), encoding="utf-8") as text:
            return text.read()

    def configure(self, config):
        replace_file(self.path(ETC + "/sixgate.yaml"), json.dumps(config, indent=1))

    def try_run(self, *argv):
        return subprocess.run(
            ["nsenter", f"--target={self.pid}", "--mount", "--net", "--pid", "--root", *argv],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            check=False)

    def run(self, *argv):
        done = self.try_run(*argv)
        assert done.returncode == 0, f"{argv}: {done.returncode}: {done.stdout}"
        return done.stdout

    def systemctl(self, verb):
        self.run("systemctl", verb, UNIT)

    def show(self, *names):
        said = self.run("systemctl", "show", UNIT, "--property=" + ",".join(names))
        values = dict(line.split("=", 1) for line in said.splitlines())
        return [values[name] for name in names]

    def listening(self, port):
        """The inodes of the sockets that listen on an IPv4 port."""
        with open(f"/proc/{self.pid}/net/tcp", encoding="ascii") as table:
            rows = [line.split() for line in table]
        return [row[9] for row in rows if row[3] == "0A" and row[1].endswith(f":{port:04X}")]

    def end(self):
        if self.pid:
            os.kill(self.pid, signal.SIGKILL)
        if self.process:
            self.process.wait(CLOCK_S)
        for folder, _, _ in os.walk(self.cgroup, topdown=False):
            os.rmdir(folder)
        self.host.delete()


@pytest.fixture
def system(tmp_path, request):
    one = System()
    try:
        one.boot(tmp_path)
        yield one
        if getattr(request.node, "failed", True):
            print(one.try_run("journalctl", "--no-pager", "--lines=200").stdout)
    finally:
        one.end()


@pytest.fixture
def backend(system):
    server = peers.Backend(system.host, 22, address=BACKEND)
    yield server
    server.close()


def install(system):
    """What is done by hand after make install, before the first start."""
    system.run("systemd-tmpfiles", "--create", "sixgate.conf")
    os.mkdir(system.path(ETC))
    system.configure(CONFIG)
    replace_file(system.path(VAR + "/lib/sixgate/registry/acme.yaml"), json.dumps(TENANT))
    # the unit sets no watchdog; an operator may
    drop_in = system.path(f"/etc/systemd/system/{UNIT}.d")
    os.mkdir(drop_in)
    replace_file(drop_in + "/watchdog.conf", f"[Service]\nWatchdogSec={WATCHDOG_SECONDS}\n")
    system.run("systemctl", "daemon-reload")


def serves(system, backend):
    """A connection by each way of telling, or hiding, the client's address."""
    assert system.show("ActiveState", "SubState") == ["active", "running"]
    for port in (2222, 2223):
        with system.host.connect(POOL4, port, source=CLIENT) as sock:
            assert peers.works(sock)
    hidden, embedded = (address for address, _ in backend.peers[-2:])
    assert hidden == BACKEND and embedded == "2001:db8:a000:ff::c633:6407"


def is_closed_in(system, pid):
    """The unit's restrictions are those of the process, whatever systemd made of them."""
    lines = system.read(f"/proc/{pid}/status").splitlines()
    status = {key: value.strip() for key, value in (line.split(":", 1) for line in lines)}
    assert (status["NoNewPrivs"], status["Seccomp"]) == ("1", "2")
    assert int(status["CapBnd"], 16) & ~CAPABILITIES == 0
    for path in ("/etc/new", "/usr/new", ETC + "/new", "/proc/sys/kernel/hostname"):
        done = system.try_run("nsenter", f"--target={pid}", "--mount", "touch", path)
        assert "Read-only file system" in done.stdout, f"{path}: {done.stdout}"


def complains_of_nothing(system):
    assert json.loads(system.run("sixgate", "status", "--json"))["problems"] == []
    system.run("journalctl", "--sync")
    journal = ("journalctl", "--quiet", "--no-pager", "--output=cat", f"--unit={UNIT}")
    assert "ready" in system.run(*journal)
    assert system.run(*journal, "--priority=warning") == ""


def refuses_a_broken_config(system, backend):
    """ExecReload checks it first, and what runs goes on."""
    replace_file(system.path(ETC + "/sixgate.yaml"), "node: [\n")
    assert system.try_run("systemctl", "reload", UNIT).returncode != 0
    serves(system, backend)
    system.configure(CONFIG)


def reloads_beside_a_broken_object(system, backend):
    """Which is its tenant's matter."""
    broken = system.path(VAR + "/lib/sixgate/registry/blue.yaml")
    replace_file(broken, "tenant: [\n")
    system.configure({**CONFIG, "listeners": [{"address": "any", "port": 8444, "protocol": "tls"}]})
    system.systemctl("reload")
    peers.wait_for(lambda: system.listening(8444), message="the new listener")
    os.unlink(broken)
    system.configure(CONFIG)
    serves(system, backend)


def test_unit_under_systemd(system, backend):
    install(system)
    system.systemctl("start")
    serves(system, backend)
    [pid] = system.show("MainPID")
    fed = system.show("WatchdogTimestampMonotonic")
    is_closed_in(system, pid)
    assert system.host.sysctl("net.ipv6.conf.all.forwarding") == "1"

    assert not system.listening(8443)
    system.configure({**CONFIG, "listeners": [{"address": "any", "port": 8443, "protocol": "tls"}]})
    system.systemctl("reload")
    peers.wait_for(lambda: system.listening(8443), message="the new listener")

    peers.wait_for(lambda: system.show("WatchdogTimestampMonotonic") != fed, WATCHDOG_SECONDS,
                   "a sign of life of the loop")
    sockets = system.listening(2222)
    assert len(sockets) == 1 and system.show("NFileDescriptorStore") == ["3"]
    system.systemctl("restart")
    assert system.show("MainPID") != [pid] and system.listening(2222) == sockets
    serves(system, backend)
    log = VAR + "/log/sixgate/access.log"
    peers.wait_for(lambda: system.read(log).count("\n") == 4, message="a line for each session")
    complains_of_nothing(system)

    reloads_beside_a_broken_object(system, backend)
    refuses_a_broken_config(system, backend)
    system.systemctl("stop")
    assert system.show("ActiveState", "Result") == ["inactive", "success"]
    assert not system.listening(2222)
    assert system.run("systemctl", "list-units", "--failed", "--no-legend", "--plain") == ""
