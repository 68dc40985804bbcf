#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Shows the kernel side at work: IPv6-only tenants come in by tunnels, fetch from an IPv4-only
server by its name through DNS64 and NAT64, and are reached from an IPv4-only client.

    demo.py     exit 0 only if everything it showed was right

Needs WireGuard, SIT and Jool in the kernel: ./dev demo runs it in the lab's virtual machine where
this machine's kernel has them not.
"""

import contextlib
import os
import subprocess
import sys
import tempfile

sys.path[:0] = [os.path.dirname(os.path.abspath(__file__)),
                os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "net")]

import clients  # noqa: E402
import names  # noqa: E402
import peers  # noqa: E402
import state  # noqa: E402
from exitgate import Case  # noqa: E402
from gateway import service, tls  # noqa: E402
from topology import GATEWAY4, GLOBEX4, HOME4, SERVER4, Topology, embedded  # noqa: E402

DNS64 = "2001:db8:a000::53"
ZONE = "exit1.example.net"
SIZE = 5_000_000  # bytes of each exchange
SSH = {"acme": 2201, "globex": 2202}


class Demo:
    def __init__(self, stack):
        self.folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="sixgate-demo-"))
        os.chmod(self.folder, 0o755)
        self.place = Topology()
        stack.callback(self.place.close)
        self.place.fresh()
        self.data = clients.pattern(SIZE)
        with open(os.path.join(self.folder, "file"), "wb") as out:
            out.write(self.data)
        self.certificate = peers.Certificate(self.folder, "www.example", "acme.example",
                                             "globex.example")
        self.results = []
        self.case = Case(self.place)
        stack.callback(self.stop)
        self.web = {}
        self.ssh = {}
        self.start()
        for host in (self.place.in4, self.place.acme, self.place.globex):
            self.web[host.role] = peers.Nginx(host, 443, f"{self.folder}/{host.role}", self.folder,
                                              self.certificate)
            stack.callback(self.web[host.role].close)

    def services(self, tenant):
        return [service("web", [tenant.address()],
                        tls([f"{tenant.tenant}.example"], client_address="embed")),
                service("ssh", [tenant.address()],
                        {"protocol": "tcp", "ipv4": GATEWAY4, "port": SSH[tenant.tenant],
                         "to": 22, "via": "nat64"})]

    def start(self):
        place, case = self.place, self.case
        self.names = names.Names(place.in4, SERVER4[1], {"www.example": SERVER4[0]})
        case.prepare({"dns64": {"listen": "tenants", "upstream": [SERVER4[1]], "zone": ZONE}})
        case.gateway.put(case.acme(services=self.services(place.acme)))
        case.gateway.put(case.globex(services=self.services(place.globex)))
        case.gateway.start()
        place.acme_wireguard(case.acme_keys, case.gateway.keys.public)
        place.globex_6in4()
        for tenant in (place.acme, place.globex):
            self.ssh[tenant.tenant] = case.serve(tenant, 22)

    def stop(self):
        self.case.finish(not all(self.results))
        self.names.close()

    def curl(self, host, name, address):
        url_address = f"[{address}]" if ":" in address else address
        done = subprocess.run(
            host.argv("curl", "-sS", "--max-time", "60", "--cacert", self.certificate.chain,
                      "--resolve", f"{name}:443:{url_address}", f"https://{name}/file"),
            capture_output=True, check=False)
        if done.returncode != 0:
            print(f"    curl: {done.stderr.decode().strip()}")
        return done.stdout

    def show(self, title, asked, got, seen, right):
        same = clients.sha256(got) == clients.sha256(self.data)
        print(f"{title}\n    asked:           {asked}\n"
              f"    the server saw:  {seen}{'' if right else '   WRONG'}\n"
              f"    bytes:           {len(got)}, sha256 {clients.sha256(got)[:16]}..., "
              f"{'the same' if same else 'NOT THE SAME'}\n", flush=True)
        self.results.append(same and right)

    def out(self, tenant, how, dns64):
        """The tenant fetches from a server that has IPv4 only, whose name it asks for at dns64."""
        address = names.lookup(tenant, dns64, "www.example")
        got = self.curl(tenant, "www.example", address) if address else b""
        seen = (self.web["in4"].clients() or ["nobody"])[-1]
        self.show(f"{tenant.tenant} ({how}) fetches from {SERVER4[0]}, IPv4 only",
                  f"{dns64} for the address of www.example, then\n"
                  f"                     curl https://www.example/file       ({tenant.address()} -> "
                  f"{address})", got, seen, seen == GATEWAY4 and address == embedded(SERVER4[0]))

    def reached(self, tenant, how):
        """A client that has IPv4 only reaches the tenant, by name and by port."""
        name, client = f"{tenant.tenant}.example", self.place.in4
        farm_name = f"web.{tenant.tenant}.{ZONE}"
        address = names.lookup(client, GATEWAY4, farm_name, names.A)
        got = self.curl(client, name, address) if address else b""
        seen = (self.web[tenant.role].clients() or ["nobody"])[-1]
        self.show(f"{tenant.tenant} ({how}) is reached from {SERVER4[0]} by name",
                  f"{GATEWAY4} for the address of {farm_name}, then\n"
                  f"                     curl https://{name}/file       ({SERVER4[0]} -> {address}:443)",
                  got, seen,
                  seen == embedded(SERVER4[0], "2001:db8:a000:ff::") and address == GATEWAY4)
        port = SSH[tenant.tenant]
        got = self.echo(client, port)
        seen = (self.ssh[tenant.tenant].peers or [("nobody",)])[-1][0]
        self.show(f"{tenant.tenant} ({how}) is reached from {SERVER4[0]} by port, through NAT64",
                  f"{SIZE} bytes to {GATEWAY4}:{port} and back", got, seen,
                  seen == embedded(SERVER4[0]))

    def echo(self, host, port):
        got = b""
        try:
            with host.connect(GATEWAY4, port) as sock:
                for start in range(0, SIZE, 50_000):
                    piece = self.data[start:start + 50_000]
                    sock.sendall(piece)
                    got += peers.read_exactly(sock, len(piece))
        except (OSError, EOFError) as error:
            print(f"    FAILED: {error!r}")
        return got

    def run(self):
        place = self.place
        print(f"Linux    {os.uname().release}\n"
              f"gateway  {GATEWAY4}, 2001:db8:a000::/48\n"
              f"acme     {place.acme.address()}, IPv6 only, by WireGuard from behind the NAT of "
              f"{HOME4}\n"
              f"globex   {place.globex.address()}, IPv6 only, by 6in4 from {GLOBEX4}\n"
              f"Internet {SERVER4[0]}, IPv4 only\n", flush=True)
        tunnels = ((place.acme, "WireGuard"), (place.globex, "6in4"))
        # at the farm's address, and at that of the tenant's own network
        for (tenant, how), dns64 in zip(tunnels, (DNS64, f"{place.globex.net}53")):
            self.out(tenant, how, dns64)
        for tenant, how in tunnels:
            self.reached(tenant, how)
        print(f"{sum(self.results)} of {len(self.results)} as they should be")
        if not all(self.results):
            print(self.case.gateway.log(), state.report(place.gateway))
        return all(self.results)


def main():
    if sys.argv[1:]:
        sys.exit("usage: demo.py")
    with contextlib.ExitStack() as stack:
        return 0 if Demo(stack).run() else 1


if __name__ == "__main__":
    sys.exit(main())
