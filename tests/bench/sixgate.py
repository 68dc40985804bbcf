# SPDX-License-Identifier: GPL-3.0-or-later
"""sixgate as the bench runs it: node config, tenant objects, control with one worker."""
import json
import os
import pathlib
import shutil
import socket

from lab import BACKEND_ADDRESS, CLIENT_PREFIX, TENANT_PREFIX, BenchError
from peers import PORTS

# On, tested by each session, and out of reach.
LIMITS = {"connections": 15000, "new_per_second": 1000000}


def service(name, expose):
    return {"name": name, "backends": [BACKEND_ADDRESS], "limits": LIMITS, "expose": expose}


def tls(names, work, **more):
    return {"protocol": "tls", "names": names, "port": PORTS[work][2], "to": PORTS[work][0], **more}


def tenant(name, prefix, services):
    return {"tenant": name, "serial": 1, "prefixes": [prefix], "limits": LIMITS,
            "services": services}


def bench_tenant(address, names, embed_names):
    """The tenant that all loads go to: raw TCP, SNI, SNI with the client's address embedded."""
    raw = [{"protocol": "tcp", "ipv4": address, "port": ports[1], "to": ports[0],
            "client_address": "hide"} for ports in PORTS.values()]
    plain = [tls(names, work, client_address="hide") for work in PORTS]
    services = [service("raw", raw), service("plain", plain)]
    if embed_names:
        services.append(service("embed", [tls(embed_names, "close", client_address="embed")]))
    return tenant("bench", TENANT_PREFIX, services)


def filler_tenant(number, names):
    """One of the many tenants beside it, with names and a backend address of its own."""
    prefix = f"2001:db8:{0xa100 + number // 65536:x}:{number % 65536:x}"
    expose = tls(names, "close", client_address="hide")
    return tenant(f"t{number}", f"{prefix}::/64",
                  [{**service("web", [expose]), "backends": [f"{prefix}::10"]}])


class Folder:
    """The files of one sixgate: node config, registry, run and log folders."""

    def __init__(self, lab, name, address):
        self.path = lab.work / name
        self.registry = self.path / "registry"
        self.run = self.path / "run"
        self.log = self.path / "log"
        for folder in (self.path, self.registry, self.run, self.log):
            folder.mkdir(mode=0o755)
        try:
            shutil.chown(self.log, "sixgate-agent")
        except LookupError as error:
            raise BenchError("the user sixgate-agent is missing; ./dev setup makes it") from error
        self.config = self.path / "sixgate.yaml"
        self.config.write_text(json.dumps({
            "node": {"name": "exit1", "farm": "bench"},
            "uplink": {"kind": "direct", "interface": "client0",
                       "ipv4": [{"range": f"{address}/32", "delivery": "present"}],
                       "ipv6": {"prefix": "2001:db8:a000::/36", "reserved": 256}},
            "client_prefix": CLIENT_PREFIX,
            "workers": 1,
            "source_limits": LIMITS,
            "access_log": {"file": str(self.log / "access.log"), "format": "json"},
            "registry": {"dir": str(self.registry)},
        }, indent=1))

    def put(self, obj):
        """Writes a tenant object as the registry wants it, by rename."""
        fresh = self.registry / f".{obj['tenant']}.new"
        fresh.write_text(json.dumps(obj))
        os.rename(fresh, self.registry / f"{obj['tenant']}.yaml")


def start(lab, folder, name, seconds=60):
    """Starts control on folder and waits until it says that it is ready."""
    control = pathlib.Path(lab.build) / "sixgated"
    if not control.exists():
        raise BenchError(f"{control} is not built")
    notify = folder.path / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ready:
        ready.bind(str(notify))
        ready.settimeout(1)
        process = lab.start(name, [control, "--config", folder.config, "--run-dir", folder.run],
                            env={**os.environ, "NOTIFY_SOCKET": str(notify)})
        for _ in range(seconds):
            process.check()
            try:
                while b"READY=1" not in ready.recv(4096):
                    pass
                break
            except TimeoutError:
                continue
        else:
            raise BenchError(f"{name} did not become ready:\n{process.tail()}")
    notify.unlink()
    process.settle()
    return process
