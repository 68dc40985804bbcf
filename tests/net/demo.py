#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Shows sixgate at work: an IPv4-only client, a gateway, two IPv6-only tenants.

    demo.py [--keep]   exit 0 only if everything it showed was right; --keep leaves it running

Each host is a network namespace of this machine; nothing else of the machine is touched. The
services, the client's programs and the gateway are the real ones.
"""

import contextlib
import os
import signal
import subprocess
import sys
import tempfile

import clients
import peers
from gateway import Gateway, service, tcp, tls, tenant_object
from lab import CLIENT, POOL, Lab, embedded

SIZE = 5_000_000  # bytes of each exchange


class Show:
    """One exposure: what the client asks for, and what has to be seen."""

    def __init__(self, title, config, asked, run, seen, expected):
        self.title = title        # protocol and client_address
        self.config = config      # the line of the tenant object
        self.asked = asked        # what the client typed
        self.run = run            # -> the bytes that came back
        self.seen = seen          # -> the client address the tenant saw
        self.expected = expected  # -> True when that address is right


class Demo:
    def __init__(self):
        self.stack = contextlib.ExitStack()
        self.folder = self.stack.enter_context(tempfile.TemporaryDirectory(prefix="sixgate-demo-"))
        os.chmod(self.folder, 0o755)
        self.data = clients.pattern(SIZE)

    def start(self):
        """What this leaves half done, close() takes away as well."""
        self.lab = Lab()
        self.stack.callback(self.lab.close)
        with open(os.path.join(self.folder, "file"), "wb") as out:
            out.write(self.data)
        self.certificate = peers.Certificate(self.folder, "shop.example", "files.globex.example")
        self.start_services()
        self.start_gateway()

    def serve(self, server):
        self.stack.callback(server.close)
        return server

    def start_services(self):
        acme, globex = self.lab.acme, self.lab.globex
        self.shop = self.serve(peers.Nginx(acme, 443, self.folder + "/shop", self.folder,
                                           self.certificate))
        self.ssh = self.serve(peers.Backend(acme, 22))
        self.files = self.serve(peers.Nginx(globex, 443, self.folder + "/files", self.folder,
                                            self.certificate, proxy_protocol=True))
        self.mail = self.serve(peers.Backend(globex, 25, peers.with_proxy_header(peers.echo)))

    def start_gateway(self):
        acme, globex = self.lab.acme, self.lab.globex
        self.gateway = Gateway(self.lab, objects=[
            tenant_object(acme, 1, [
                service("shop", [acme.address()], tls(["shop.example"], client_address="embed")),
                service("ssh", [acme.address()], tcp(2222, 22, client_address="hide"))]),
            tenant_object(globex, 1, [
                service("files", [globex.address()],
                        tls(["*.globex.example"], client_address="proxy-v2")),
                service("mail", [globex.address()], tcp(25, 25, client_address="proxy-v1"))])])
        self.stack.callback(self.gateway.forget)
        self.gateway.start()
        self.stack.callback(self.gateway.stop)

    def curl(self, name):
        command = ["curl", "-sS", "--cacert", self.certificate.chain, "--resolve",
                   f"{name}:443:{POOL[0]}", "--interface", CLIENT, f"https://{name}/file"]
        done = subprocess.run(self.lab.client.argv(*command), capture_output=True, check=False)
        if done.returncode != 0:
            print(f"    curl: {done.stderr.decode().strip()}")
        return done.stdout

    def echo(self, port):
        with self.lab.client.connect(POOL[1], port, source=CLIENT) as sock:
            got = b""
            for start in range(0, SIZE, 50_000):
                piece = self.data[start:start + 50_000]
                sock.sendall(piece)
                got += peers.read_exactly(sock, len(piece))
        return got

    def shows(self):
        return [
            Show("TLS by SNI, client_address: embed",
                 "acme/shop: {protocol: tls, names: [shop.example], port: 443, to: 443}",
                 f"curl https://shop.example/file       ({CLIENT} -> {POOL[0]}:443)",
                 lambda: self.curl("shop.example"), lambda: self.shop.clients()[-1],
                 lambda address: address == embedded(CLIENT)),
            Show("TLS by SNI under a wildcard, client_address: proxy-v2",
                 "globex/files: {protocol: tls, names: ['*.globex.example'], port: 443, to: 443}",
                 f"curl https://files.globex.example/file       ({CLIENT} -> {POOL[0]}:443)",
                 lambda: self.curl("files.globex.example"), lambda: self.files.clients()[-1],
                 lambda address: address == CLIENT),
            Show("raw TCP, client_address: proxy-v1",
                 f"globex/mail: {{protocol: tcp, ipv4: {POOL[1]}, port: 25, to: 25}}",
                 f"{SIZE} bytes to {POOL[1]}:25 and back       ({CLIENT})",
                 lambda: self.echo(25), lambda: self.mail.headers[-1]["source"][0],
                 lambda address: address == CLIENT),
            Show("raw TCP, client_address: hide",
                 f"acme/ssh: {{protocol: tcp, ipv4: {POOL[1]}, port: 2222, to: 22}}",
                 f"{SIZE} bytes to {POOL[1]}:2222 and back       ({CLIENT})",
                 lambda: self.echo(2222), lambda: self.ssh.peers[-1][0],
                 lambda address: ":" in address and address != embedded(CLIENT)),
        ]

    def run(self):
        """Runs all exposures; True when each was right."""
        print(f"client   {CLIENT}, IPv4 only\ngateway  {', '.join(POOL)}\n"
              f"acme     {self.lab.acme.address()}, IPv6 only\n"
              f"globex   {self.lab.globex.address()}, IPv6 only\n")
        results = [self.run_one(show) for show in self.shows()]
        results.append(self.run_unknown_name())
        print(f"{sum(results)} of {len(results)} as they should be")
        return all(results)

    def run_one(self, show):
        print(f"{show.title}\n    {show.config}\n    client asked:    {show.asked}")
        try:
            got = show.run()
            address = show.seen()
        except (OSError, EOFError, IndexError, AttributeError) as error:
            print(f"    FAILED: {error!r}\n")
            return False
        same = clients.sha256(got) == clients.sha256(self.data)
        right = show.expected(address)
        print(f"    tenant saw:      client {address}{'' if right else '   WRONG'}\n"
              f"    bytes:           {len(got)}, sha256 {clients.sha256(got)[:16]}..., "
              f"{'the same' if same else 'NOT THE SAME'}\n")
        return same and right

    def run_unknown_name(self):
        """A name nobody claimed is answered by an alert, not by some tenant."""
        print("a name of no tenant\n    client asked:    nobody.example")
        with self.lab.client.connect(POOL[0], 443) as sock:
            sock.sendall(clients.hello("nobody.example"))
            answer = peers.read_to_end(sock)
        right = answer[:1] == b"\x15" and answer[-2:] == b"\x02\x70"
        print(f"    gateway said:    {'fatal alert unrecognized_name' if right else answer}\n")
        return right

    def explain(self):
        """How to talk to what --keep leaves running."""
        client = f"ip netns exec {self.lab.client.name}"
        sixgate = (f"{os.path.join(os.environ['SIXGATE_BUILD'], 'sixgate')} %s "
                   f"--socket {self.gateway.run_folder}/control.sock")
        print(f"""It is running. In another terminal, as root:

    {client} curl --cacert {self.certificate.chain} \\
        --resolve shop.example:443:{POOL[0]} https://shop.example/file -o /dev/null
    {client} socat - TCP4:{POOL[1]}:2222
    {sixgate % 'status'}
    {sixgate % 'sessions'}
    tail -f {self.gateway.access_log_path}
    edit {self.gateway.registry}/acme.yaml (raise its serial): it counts at once
    {sixgate % 'services'}

Stop it with Ctrl-C here, or: kill {os.getpid()}""", flush=True)

    def close(self):
        self.stack.close()


def main():
    keep = sys.argv[1:] == ["--keep"]
    if sys.argv[1:] and not keep:
        sys.exit("usage: ./dev demo [--keep]")
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    demo = Demo()
    try:
        demo.start()
        right = demo.run()
        if not right:
            print(demo.gateway.log())
        if keep:
            demo.explain()
            with contextlib.suppress(KeyboardInterrupt):
                signal.pause()
    finally:
        demo.close()
    return 0 if right else 1


if __name__ == "__main__":
    sys.exit(main())
