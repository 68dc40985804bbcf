# SPDX-License-Identifier: GPL-3.0-or-later
"""sixgated in the lab: its node config, tenant objects, and the comparison with the kernel's state
before it, when `sixgate down` has taken all of its own away."""

import functools
import os

import gateway
import peers
import pings
import pytest
import state
from netns import run
from topology import GATEWAY4, GLOBEX4, POOL4, PREF64, SERVER6, WG_PORT, WireGuard

CLIENT_PREFIX = "2001:db8:a000:ff::/96"
PORTS_FIRST, PORTS_PER_TENANT = 16384, 1024
HEARD_S, POLLED_S = 1, 30  # links, routes and nft are told by the kernel; the rest is asked for
SLOWER = 5                 # an emulated machine on a shared host
NOT_YET = None


class ExitGateway(gateway.Gateway):
    """settings: keys of the node config that differ from base_config(); None takes one away."""

    def __init__(self, place, settings=None, objects=(), **more):
        self.keys = WireGuard()
        super().__init__(place, settings, objects, **more)

    def base_config(self):
        key_path = os.path.join(self.folder, "wg.key")
        with open(os.open(key_path, os.O_WRONLY | os.O_CREAT, 0o600), "w", encoding="ascii") as out:
            out.write(self.keys.private + "\n")
        config = super().base_config()
        config.update({
            "uplink": {
                "kind": "direct", "interface": "up0",
                "ipv4": [{"range": f"{address}/32", "delivery": "present"} for address in POOL4],
                "ipv6": {"prefix": "2001:db8:a000::/48", "reserved": 256}},
            "client_prefix": CLIENT_PREFIX,
            "workers": 1,
            "nat64": {"driver": "jool", "prefix": PREF64 + "/96", "pool": [GATEWAY4],
                      "ports": "16384-49151", "ports_per_tenant": PORTS_PER_TENANT,
                      # what the lab has for the Internet, and for the farmer's network
                      "permit": ["198.51.100.0/24", "203.0.113.0/24", "192.0.2.0/24"]},
            "local_ports": "49152-57343",
            "wireguard": {"listen_port": WG_PORT, "private_key_file": key_path},
            "six_in_four": {"local": GATEWAY4}})
        return config

    def cli(self, *argv, check=True):
        """In the gateway's namespace: `sixgate down` works there by itself."""
        with self.lab.gateway.inside():
            return super().cli(*argv, check=check)

    def nothing_to_do(self):
        """A second run would change nothing."""
        steps = self.cli("plan").stdout
        assert steps == "nothing to do\n", steps

    def object(self, host, kind=None, serial=1, services=(), tunnel=None, **more):
        """A tenant object with one tunnel."""
        tunnel = {"name": "main", "kind": kind, "prefixes": [host.prefix], **(tunnel or {})}
        return {"tenant": host.tenant, "serial": serial, "prefixes": [host.prefix],
                "tunnels": [tunnel], "services": list(services), **more}


@functools.cache
def load_modules():
    run("modprobe", "-a", "jool", "jool_siit", "wireguard", "sit")


class Case:
    """One test with sixgated: start() it, and finish() takes it down and compares."""

    def __init__(self, place):
        self.place = place
        self.gateway = None
        self.acme_keys = WireGuard()
        self.before = None
        self.servers = []

    def prepare(self, settings=None, **more):
        """Written, not started."""
        if NOT_YET:
            pytest.skip(NOT_YET)
        load_modules()
        self.before = state.snapshot(self.place.gateway)
        self.gateway = ExitGateway(self.place, settings, **more)
        return self.gateway

    def start(self, settings=None, objects=None, connect=True, **more):
        """Starts sixgated with all three tenants, and connects their ends."""
        self.prepare(settings, **more)
        for tenant in self.objects() if objects is None else objects:
            self.gateway.put(tenant)
        self.gateway.start()
        if connect:
            self.place.acme_wireguard(self.acme_keys, self.gateway.keys.public)
            self.place.globex_6in4()
            for tenant in self.place.tenants:
                pings.reaches(tenant, SERVER6)
        return self.gateway

    # Tenant objects

    def objects(self):
        return [self.acme(), self.globex(), self.initech()]

    def acme(self, tunnel=None, **more):
        return self.gateway.object(self.place.acme, "wireguard", tunnel={
            "public_key": self.acme_keys.public, **(tunnel or {})}, **more)

    def globex(self, tunnel=None, **more):
        return self.gateway.object(self.place.globex, "6in4", tunnel={
            "remote": GLOBEX4, **(tunnel or {})}, **more)

    def initech(self, tunnel=None, **more):
        return self.gateway.object(self.place.initech, "route", tunnel={
            "via": "fe80::2", "interface": "tc0", **(tunnel or {})}, **more)

    def serve(self, host, port, handler=peers.echo, address=None):
        server = peers.Backend(host, port, handler, address)
        self.servers.append(server)
        return server

    # The end

    def finish(self, failed):
        for server in self.servers:
            server.close()
        if not self.gateway:
            return
        if self.gateway.process:
            self.gateway.stop()
        if self.gateway.keeper:
            self.gateway.keeper.close()  # its sockets would keep the namespace
        if self.gateway.process:
            if not failed:
                self.gateway.cli("down")
                left = state.difference(self.before, state.snapshot(self.place.gateway))
                assert not left, f"sixgate down left:\n{left}"
        if not failed:
            self.gateway.forget()
