# SPDX-License-Identifier: GPL-3.0-or-later
"""sixgated as the kernel's bench runs it, with tenants made from their number."""
import base64
import hashlib
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import time

PREF64 = "2001:db8:64::/96"
PUBLIC = "203.0.113.10"
FIRST = 0x1001  # number of the first tenant's /64 in the farm's prefix


def key_of(number):
    """A public key that no other tenant has."""
    return base64.b64encode(hashlib.sha256(f"tenant {number}".encode()).digest()).decode()


def prefix_of(number):
    return f"2001:db8:a000:{FIRST + number - 1:x}::/64"


def remote_of(number):
    """Outer IPv4 address of a 6in4 tenant: public, and in the bench's namespaces alone."""
    return f"9.1.{number // 250}.{number % 250 + 1}"


def tenant_object(number, serial=1, kind="wireguard", key=None):
    tunnel = {"name": "home", "kind": kind, "prefixes": [prefix_of(number)]}
    if kind == "wireguard":
        tunnel["public_key"] = key or key_of(number)
    elif kind == "6in4":
        tunnel["remote"] = remote_of(number)
    else:
        tunnel.update(via="fe80::10", interface="tc0")
    return {"tenant": f"t{number}", "serial": serial, "prefixes": [prefix_of(number)],
            "tunnels": [tunnel], "inbound": {"policy": "open"}, "services": []}


class Sixgate:
    """One gateway's files and process. Tenant 1 is on the link tc0 where packets are sent."""

    def __init__(self, chain, path, *, nat64):
        self.chain = chain
        self.path = pathlib.Path(path)
        self.build = pathlib.Path(os.environ.get("SIXGATE_BUILD", "build")).resolve()
        self.registry, self.run_folder = self.path / "registry", self.path / "run"
        for folder in (self.path, self.registry, self.run_folder):
            folder.mkdir(mode=0o755)
        (self.path / "wg.key").write_text(
            base64.b64encode(hashlib.sha256(b"gateway").digest()).decode() + "\n")
        os.chmod(self.path / "wg.key", 0o600)
        self.config = self.path / "sixgate.yaml"
        self.config.write_text(json.dumps(self.node(nat64), indent=1))
        self.process = None
        chain.gateway.ip("-6 route del 2001:db8:a000:1001::/64")  # this gateway sets its own

    def node(self, nat64):
        conf = {
            "node": {"name": "exit1", "farm": "bench"},
            "uplink": {"kind": "direct", "interface": "up0",
                       "ipv4": [{"range": f"{PUBLIC}/32", "delivery": "present"}],
                       "ipv6": {"prefix": "2001:db8:a000::/48", "reserved": 256}},
            "workers": 1,
            "wireguard": {"listen_port": 51820, "private_key_file": str(self.path / "wg.key")},
            "six_in_four": {"local": PUBLIC},
            "registry": {"dir": str(self.registry)}}
        if nat64:
            conf["nat64"] = {"driver": "jool", "prefix": PREF64, "pool": [PUBLIC],
                             "ports": "16384-49151", "ports_per_tenant": 1024}
            conf["local_ports"] = "49152-57343"
        return conf

    def fill(self, n_tenants, n_sit):
        """Tenant 1 on a plain route, then 6in4, then WireGuard; all by WireGuard but the first
        where only keys change."""
        for number in range(1, n_tenants + 1):
            kind = "route" if number == 1 and n_sit == 0 and "change" not in self.chain.name \
                else "6in4" if 1 < number <= n_sit + 1 else "wireguard"
            self.put(tenant_object(number, kind=kind))

    def put(self, obj):
        fresh = self.registry / f".{obj['tenant']}.new"
        fresh.write_text(json.dumps(obj))
        os.rename(fresh, self.registry / f"{obj['tenant']}.yaml")

    def start(self):
        """Returns when it says READY=1 and the kernel has everything."""
        notify = self.path / "notify"
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ready, \
                open(self.path / "log", "ab") as log:
            ready.bind(str(notify))
            os.chmod(notify, 0o666)
            ready.settimeout(300)
            self.process = self.chain.gateway.popen(
                str(self.build / "sixgated"), "--config", str(self.config), "--run-dir",
                str(self.run_folder), stdout=log, stderr=log,
                env={**os.environ, "NOTIFY_SOCKET": str(notify)})
            try:
                while b"READY=1" not in ready.recv(4096):
                    pass
            finally:
                notify.unlink()

    def wait_key(self, key, seconds=30):
        """Until the shared WireGuard device has that peer."""
        deadline = time.monotonic() + seconds
        while key not in self.chain.gateway.run("wg", "show", "sg-wg", "peers"):
            if time.monotonic() > deadline:
                raise RuntimeError(f"no peer {key}:\n{(self.path / 'log').read_text()[-3000:]}")
            time.sleep(0.05)

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(60)

    def down(self):
        """Takes all it made out of the kernel."""
        self.chain.gateway.run(str(self.build / "sixgated"), "--config", str(self.config),
                               "--down")
        shutil.rmtree(self.run_folder, ignore_errors=True)
        self.run_folder.mkdir(mode=0o755)
