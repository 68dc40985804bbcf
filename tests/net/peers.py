# SPDX-License-Identifier: GPL-3.0-or-later
"""Tenants' services: python servers that note who came, and real ones (nginx, openssl, socat)."""

import os
import socket
import struct
import subprocess
import threading
import time

from netns import run
from patience import AMPLE_S, CLOCK_S, Patience

LINGER_RESET = struct.pack("ii", 1, 0)


def reset(sock):
    """Closes a socket so that the other side gets RST."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_RESET)
    sock.close()


def wait_for(what, timeout=AMPLE_S, message="condition"):
    """Calls what() until it returns something true, and returns that. It takes half of the time at
    most: what starts programs must not keep the machine from what it waits for."""
    patience = Patience(timeout)
    while True:
        asked = time.monotonic()
        value = what()
        if value:
            return value
        if not patience.left():
            raise AssertionError(f"{message} did not come true within {timeout} s")
        time.sleep(max(0.01, min(time.monotonic() - asked, 0.2)))


def data_segments_in(sock):
    """In how many segments the bytes came that were received so far (tcpi_data_segs_in)."""
    info = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 192)
    return struct.unpack_from("I", info, 152)[0]


def read_exactly(sock, size):
    data = bytearray(size)
    n = 0
    while n < size:
        more = sock.recv_into(memoryview(data)[n:])
        if not more:
            raise EOFError(f"end after {n} of {size} bytes")
        n += more
    return bytes(data)


def read_to_end(sock):
    """Everything until the other side has closed."""
    parts = []
    while True:
        more = sock.recv(1 << 16)
        if not more:
            return b"".join(parts)
        parts.append(more)


def assert_ended(sock):
    """The other side ends or resets without a byte, but for a TLS alert."""
    try:
        answer = sock.recv(1 << 16)
        assert answer == b"" or answer[0] == 0x15 and sock.recv(1) == b"", answer
    except ConnectionResetError:
        pass


def works(sock, data=b"x"):
    """The echo at the other end answers."""
    sock.sendall(data)
    return read_exactly(sock, len(data)) == data


# What a python backend does with a connection.

def echo(conn, _server):
    """Sends back what comes, closes after the other side did."""
    while True:
        data = conn.recv(1 << 16)
        if not data:
            return
        conn.sendall(data)


def sink(conn, server):
    """Keeps what comes in server.received."""
    data = read_to_end(conn)
    with server.lock:
        server.received.append(data)


def hold(conn, _server):
    """Says nothing, and closes after the other side did."""
    read_to_end(conn)


class Backend:
    """A TCP service of a tenant. handler(conn, server) runs in a thread for each connection."""

    def __init__(self, host, port, handler=echo, address=None):
        self.address = address or host.address()
        self.port = port
        self.handler = handler
        self.peers = []     # (address, port) of each connection, in order
        self.received = []  # what sink() read
        self.errors = []
        self.connections = []
        self.lock = threading.Lock()
        self.listener = host.listen(self.address, port)
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                conn, peer = self.listener.accept()
            except OSError:
                return
            with self.lock:
                self.peers.append(peer[:2])
                self.connections.append(conn)
            threading.Thread(target=self._serve, args=(conn,), daemon=True).start()

    def _serve(self, conn):
        try:
            self.handler(conn, self)
        except OSError as error:
            self.errors.append(error)
        finally:
            conn.close()
            with self.lock:
                self.connections.remove(conn)

    def wait_peers(self, count, timeout=AMPLE_S):
        wait_for(lambda: len(self.peers) >= count, timeout, f"{count} connections at the backend")
        return self.peers

    def wait_received(self, count, timeout=AMPLE_S):
        wait_for(lambda: len(self.received) >= count, timeout, f"{count} uploads at the backend")
        return self.received

    def close(self):
        with self.lock:
            for sock in [self.listener, *self.connections]:
                try:
                    sock.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass  # not connected any more
        self.listener.close()


class Certificate:
    """A self-signed certificate for some names, as files."""

    def __init__(self, folder, *names):
        self.chain = os.path.join(folder, names[0] + ".pem")
        self.key = os.path.join(folder, names[0] + ".key")
        run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
            "-nodes", "-days", "2", "-subj", f"/CN={names[0]}", "-keyout", self.key,
            "-out", self.chain, "-addext",
            "subjectAltName=" + ",".join("DNS:" + name for name in names))


class Process:
    """A real server in a namespace, ready when its port accepts."""

    def __init__(self, host, address, port, *argv, log):
        self.host, self.address, self.port, self.log = host, address, port, log
        with open(log, "wb") as out:
            self.process = host.popen(*argv, stdout=out, stderr=subprocess.STDOUT)
        wait_for(self._accepts, message=f"{argv[0]} on [{address}]:{port}")

    def _accepts(self):
        assert self.process.poll() is None, f"{self.process.args} ended, see {self.log}"
        try:
            self.host.connect(self.address, self.port, timeout=1).close()
        except OSError:
            return False
        return True

    def close(self):
        self.process.terminate()
        self.process.wait(CLOCK_S)


NGINX_CONF = """
daemon off; master_process off; pid {folder}/pid; error_log {folder}/error.log;
load_module /usr/lib/nginx/modules/ngx_stream_module.so;
events {{ worker_connections 4096; }}
http {{
    access_log off;
    log_format peer '$remote_addr $server_name $request_uri $status $body_bytes_sent';
    client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fcgi; uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
    server {{
        listen {address}:{port} {options};
        server_name {name};
        {certificate}
        root {root};
        access_log {folder}/access.log peer;
    }}
}}
"""


class Nginx(Process):
    """nginx with one site; its access log says who came."""

    def __init__(self, host, port, folder, root, certificate=None, proxy_protocol=False,
                 address=None):
        os.makedirs(folder, exist_ok=True)
        self.access_log = os.path.join(folder, "access.log")
        address = address or host.address()
        options = " ".join(word for word, on in (
            ("ssl", certificate), ("proxy_protocol", proxy_protocol)) if on)
        lines = ""
        if certificate:
            lines = f"ssl_certificate {certificate.chain}; ssl_certificate_key {certificate.key};"
        if proxy_protocol:
            lines += " set_real_ip_from ::/0; real_ip_header proxy_protocol;"
        conf = os.path.join(folder, "nginx.conf")
        with open(conf, "w", encoding="ascii") as out:
            out.write(NGINX_CONF.format(
                folder=folder, address=f"[{address}]" if ":" in address else address, port=port,
                name="site", options=options, certificate=lines, root=root))
        super().__init__(host, address, port, "nginx", "-c", conf, log=folder + "/stderr")

    def clients(self):
        """The client address of each request so far."""
        with open(self.access_log, encoding="ascii") as log:
            return [line.split()[0] for line in log]


class OpensslServer(Process):
    """openssl s_server that answers with what it was sent, reversed line by line (-rev)."""

    def __init__(self, host, port, folder, certificate, *options, address=None):
        address = address or host.address()
        super().__init__(host, address, port, "openssl", "s_server", "-accept",
                         f"[{address}]:{port}", "-6", "-cert", certificate.chain, "-key",
                         certificate.key, "-rev", *options,
                         log=os.path.join(folder, f"s_server-{port}.log"))


class SocatEcho(Process):
    """socat that sends everything back."""

    def __init__(self, host, port, folder, address=None):
        address = address or host.address()
        super().__init__(host, address, port, "socat",
                         f"TCP6-LISTEN:{port},bind=[{address}],fork,reuseaddr", "EXEC:cat",
                         log=os.path.join(folder, f"socat-{port}.log"))


def read_proxy_header(conn):
    """Reads a PROXY header v1 or v2 from the start of a connection.

    Returns a dict: version, source, destination (address, port), and for v2 tlvs {type: bytes}.
    """
    head = read_exactly(conn, 6)
    if head == b"PROXY ":
        line = head
        while not line.endswith(b"\r\n"):
            line += read_exactly(conn, 1)
            assert len(line) <= 107, line
        words = line.decode("ascii").split()
        return {"version": 1, "family": words[1], "source": (words[2], int(words[4])),
                "destination": (words[3], int(words[5])), "tlvs": {}}
    head += read_exactly(conn, 10)
    assert head[:12] == b"\r\n\r\n\0\r\nQUIT\n", head
    command, family, length = head[12], head[13], int.from_bytes(head[14:16], "big")
    body = read_exactly(conn, length)
    size, kind = {0x11: (4, socket.AF_INET), 0x21: (16, socket.AF_INET6)}[family]
    ports = struct.unpack("!HH", body[2 * size:2 * size + 4])
    header = {"version": 2, "command": command, "family": {4: "TCP4", 16: "TCP6"}[size],
              "source": (socket.inet_ntop(kind, body[:size]), ports[0]),
              "destination": (socket.inet_ntop(kind, body[size:2 * size]), ports[1]), "tlvs": {}}
    rest = body[2 * size + 4:]
    while rest:
        length = int.from_bytes(rest[1:3], "big")
        header["tlvs"][rest[0]] = rest[3:3 + length]
        rest = rest[3 + length:]
    return header


def with_proxy_header(handler):
    """A handler that first reads a PROXY header into server.headers."""
    def serve(conn, server):
        header = read_proxy_header(conn)
        with server.lock:
            if not hasattr(server, "headers"):
                server.headers = []
            server.headers.append(header)
        handler(conn, server)
    return serve
