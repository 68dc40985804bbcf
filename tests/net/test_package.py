# SPDX-License-Identifier: GPL-3.0-or-later
"""The Debian package: built, checked, installed on a throw-away copy of this system, used, purged.

The copy is an overlay over / in namespaces of its own (mount, net, pid): what a purge leaves
behind is what is in the overlay's upper folder.
"""

import json
import os
import signal
import subprocess
import textwrap

import pytest
from gateway import BUILD
from peers import wait_for

SOURCE = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))
CONFIG = {
    "node": {"name": "exit1", "farm": "testfarm"},
    "uplink": {"kind": "direct", "interface": "lo",
               "ipv4": [{"range": "203.0.113.10/32", "delivery": "present"}],
               "ipv6": {"prefix": "2001:db8:a000::/48", "reserved": 256}},
    "client_prefix": "2001:db8:a000:ff::/96",
    "workers": 1,
    "access_log": {"file": "/var/log/sixgate/access.log", "format": "json"},
    "registry": {"dir": "/var/lib/sixgate/registry"}}
TENANT = {
    "tenant": "acme", "serial": 1, "prefixes": ["2001:db8:a000:1001::/64"],
    "services": [{"name": "shell", "backends": ["2001:db8:a000:1001::10"], "expose": [
        {"protocol": "tcp", "ipv4": "203.0.113.10", "port": 2222, "to": 22,
         "client_address": "embed"}]}]}
# What the system's own programs keep: dpkg's and logrotate's state, the users, caches.
LEFT_BY_OTHERS = ("/var/lib/dpkg/", "/var/log/dpkg.log", "/var/log/alternatives.log", "/etc/passwd",
                  "/etc/group", "/etc/shadow", "/etc/gshadow", "/etc/.pwd.lock", "/etc/ld.so.cache",
                  "/var/cache/ldconfig/", "/var/lib/logrotate/", "/var/cache/man/",
                  "/etc/subuid", "/etc/subgid")


class Machine:
    """The throw-away copy. Everything in it ends with its first process."""

    def __init__(self, folder):
        self.folder = str(folder)
        script = textwrap.dedent("""\
            set -e
            mount -t tmpfs tmpfs "$0"
            mkdir "$0/upper" "$0/work" "$0/root"
            mount -t overlay -o "lowerdir=/,upperdir=$0/upper,workdir=$0/work" overlay "$0/root"
            mount -t proc proc "$0/root/proc"
            mount --rbind /dev "$0/root/dev"
            mount -t tmpfs tmpfs "$0/root/run"
            mount -t tmpfs tmpfs "$0/root/tmp"
            ip link set lo up
            ip addr add 203.0.113.10/32 dev lo
            ip addr add 198.51.100.7/32 dev lo
            ip addr add 2001:db8:a000:1001::10/128 dev lo
            echo ready
            exec sleep infinity""")
        self.process = subprocess.Popen(
            ["unshare", "--mount", "--net", "--pid", "--fork", "--kill-child", "sh", "-c", script,
             self.folder], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout.readline() == "ready\n"
        with open(f"/proc/{self.process.pid}/task/{self.process.pid}/children",
                  encoding="ascii") as children:
            self.pid = int(children.read())

    def argv(self, *argv, root=True):
        chroot = ["chroot", self.folder + "/root"] if root else []
        return ["nsenter", f"--target={self.pid}", "--mount", "--net", "--pid", *chroot, *argv]

    def run(self, *argv, **how):
        done = subprocess.run(self.argv(*argv, **how), stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, check=False,
                              env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"})
        assert done.returncode == 0, f"{argv}: {done.stdout}{done.stderr}"
        return done.stdout

    def path(self, path, below="root"):
        return f"/proc/{self.pid}/root{self.folder}/{below}{path}"

    def write(self, path, text):
        with open(self.path(path), "w", encoding="utf-8") as out:
            out.write(text)

    def read(self, path):
        with open(self.path(path), encoding="utf-8") as text:
            return text.read()

    def changed(self):
        """Files that are new, changed or gone."""
        upper = self.path("", below="upper")
        found = [os.path.join(folder, name)[len(upper):]
                 for folder, _, names in os.walk(upper) for name in names]
        return sorted(path for path in found if not path.startswith(LEFT_BY_OTHERS))

    def end(self):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()


@pytest.fixture(scope="module")
def package(tmp_path_factory):
    """The .deb, built from what a release would hold."""
    out = tmp_path_factory.mktemp("deb")
    left = signal.alarm(0)  # a whole build is not held to the time of a test
    done = subprocess.run([os.path.join(SOURCE, "packaging", "build-deb"), BUILD, str(out)],
                          stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
                          timeout=900)
    signal.alarm(left)
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-5000:]
    (deb,) = [name for name in os.listdir(out) if name.startswith("sixgate_") and
              name.endswith(".deb")]
    return os.path.join(out, deb)


@pytest.fixture
def machine(tmp_path):
    one = Machine(tmp_path)
    # where ./dev has made the users, the package has to make them again
    for user in ("sixgate-proxy", "sixgate-agent"):
        subprocess.run(one.argv("userdel", user), capture_output=True, check=False)
    subprocess.run(one.argv("groupdel", "sixgate-admin"), capture_output=True, check=False)
    yield one
    one.end()


def test_lintian_finds_no_error(package):
    done = subprocess.run(["lintian", "--allow-root", "--fail-on", "error", "--tag-display-limit",
                           "0", package], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_unit_is_right_closed_and_waits_for_a_config(package, machine):
    machine.run("dpkg", "-i", install(machine, package))
    unit = "/lib/systemd/system/sixgated.service"
    machine.run("systemd-analyze", "verify", "--man=no", unit)
    machine.run("systemd-analyze", "security", "--offline=true", "--threshold=30", unit)
    assert machine.run("systemctl", "is-enabled", "sixgated.service") == "enabled\n"
    assert "ConditionPathExists=/etc/sixgate/sixgate.yaml\n" in machine.read(unit)
    assert not os.path.exists(machine.path("/etc/sixgate/sixgate.yaml"))


def install(machine, package):
    """The package's path inside the machine."""
    with open(package, "rb") as deb, open(machine.path("/tmp/sixgate.deb"), "wb") as copy:
        copy.write(deb.read())
    return "/tmp/sixgate.deb"


def start(machine):
    """sixgated by hand, as there is no systemd; returns once it answers."""
    with open(machine.path("/tmp/stderr"), "ab") as log:
        process = subprocess.Popen(machine.argv("/usr/sbin/sixgated"), stdin=subprocess.DEVNULL,
                                   stdout=log, stderr=log)

    def answers():
        assert process.poll() is None, machine.read("/tmp/stderr")
        done = subprocess.run(machine.argv("sixgate", "status", "--json"), capture_output=True,
                              text=True, check=False)
        return done.returncode == 0 and json.loads(done.stdout)

    status = wait_for(answers, 20, "sixgated")
    return process, status


def sixgated_pid(machine):
    pids = machine.run("pidof", "sixgated").split()
    return pids[-1]


def ask_backend(machine):
    """One connection through the exposure; returns what the backend saw of the client."""
    script = textwrap.dedent("""\
        import socket
        backend = socket.socket(socket.AF_INET6)
        backend.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        backend.bind(("2001:db8:a000:1001::10", 22))
        backend.listen()
        client = socket.create_connection(("203.0.113.10", 2222), 10, ("198.51.100.7", 0))
        client.sendall(b"hello")
        there, peer = backend.accept()
        assert there.recv(5) == b"hello"
        print(peer[0])
        """)
    return machine.run("/usr/bin/python3", "-c", script).strip()


def test_install_use_rotate_and_purge(package, machine):
    before = machine.changed()
    machine.run("dpkg", "-i", install(machine, package))
    for user in ("sixgate-proxy", "sixgate-agent"):
        assert machine.run("getent", "passwd", user).split(":")[5:] == ["/", "/usr/sbin/nologin\n"]
    assert machine.run("getent", "group", "sixgate-admin").split(":")[3] == "\n"
    assert machine.run("stat", "-c", "%a %U %G", "/var/log/sixgate") == "2750 sixgate-agent adm\n"

    machine.write("/etc/sixgate/sixgate.yaml", json.dumps(CONFIG))
    machine.write("/var/lib/sixgate/registry/acme.yaml", json.dumps(TENANT))
    machine.run("sixgate", "check")
    process, _ = start(machine)
    assert ask_backend(machine) == "2001:db8:a000:ff::c633:6407"
    log = "/var/log/sixgate/access.log"
    wait_for(lambda: os.path.exists(machine.path(log)) and machine.read(log), 10, "a log line")
    assert json.loads(machine.read(log).splitlines()[0])["tenant"] == "acme"
    assert machine.run("stat", "-c", "%a %U %G", log) == "640 sixgate-agent adm\n"

    machine.run("logrotate", "--force", "/etc/logrotate.d/sixgate")
    machine.run("kill", "-HUP", sixgated_pid(machine))  # what the unit's postrotate does
    wait_for(lambda: os.path.exists(machine.path(log)), 10, "a new log")
    assert machine.read(log + ".1")
    ask_backend(machine)
    wait_for(lambda: machine.read(log), 10, "a line in the new log")

    machine.run("kill", "-TERM", sixgated_pid(machine))
    assert process.wait(40) == 0, machine.read("/tmp/stderr")
    assert "inet sixgate" in machine.run("nft", "list", "tables")

    machine.run("dpkg", "--purge", "sixgate")
    assert machine.run("nft", "list", "tables") == ""
    assert machine.run("ip", "-6", "route", "show", "table", "local", "proto", "206") == ""
    assert [path for path in machine.changed() if path not in before] == []


def test_removing_keeps_config_and_objects(package, machine):
    machine.run("dpkg", "-i", install(machine, package))
    machine.write("/etc/sixgate/sixgate.yaml", json.dumps(CONFIG))
    machine.write("/var/lib/sixgate/registry/acme.yaml", json.dumps(TENANT))
    machine.run("dpkg", "--remove", "sixgate")
    assert machine.read("/etc/sixgate/sixgate.yaml")
    assert machine.read("/var/lib/sixgate/registry/acme.yaml")
    machine.run("dpkg", "-i", install(machine, package))
    machine.run("sixgate", "check")
    machine.run("dpkg", "--purge", "sixgate")
    assert not os.path.exists(machine.path("/etc/sixgate"))
