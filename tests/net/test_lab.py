# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab itself: what every other test takes for granted."""

import errno
import os
import signal
import subprocess
import sys
import time

import pytest

import clients
import peers
from lab import INTERNET, POOL


def test_client_has_no_ipv6(lab):
    with pytest.raises(OSError) as caught:
        lab.client.connect(lab.acme.address(), 80, timeout=1)
    assert caught.value.errno in (errno.ENETUNREACH, errno.EADDRNOTAVAIL)


def test_tenants_have_no_ipv4(lab):
    for tenant in lab.tenants:
        with pytest.raises(OSError) as caught:
            tenant.connect(POOL[0], 443, timeout=1)
        assert caught.value.errno == errno.ENETUNREACH


def test_gateway_reaches_all(lab):
    for host, address in [(lab.acme, lab.acme.address()), (lab.globex, lab.globex.address(0x1f)),
                          (lab.internet, INTERNET), (lab.client, "198.51.100.99")]:
        server = peers.Backend(host, 4711, address=address)
        with lab.gateway.connect(address, 4711, timeout=5) as sock:
            sock.sendall(b"x")
            assert sock.recv(1) == b"x"
        server.close()


def test_client_has_many_sources(lab):
    server = peers.Backend(lab.gateway, 4711, address=POOL[0])
    for source in ("198.51.100.1", "198.51.100.254"):
        lab.client.connect(POOL[0], 4711, source=source, timeout=5).close()
    assert [peer[0] for peer in server.wait_peers(2)] == ["198.51.100.1", "198.51.100.254"]
    server.close()


def test_real_servers_answer(lab, tmp_path, certificate):
    (tmp_path / "index.html").write_text("hello")
    web = peers.Nginx(lab.acme, 443, str(tmp_path / "nginx"), str(tmp_path), certificate)
    echo = peers.SocatEcho(lab.acme, 4001, str(tmp_path))
    tls = peers.OpensslServer(lab.acme, 4002, str(tmp_path), certificate)
    with clients.tls_connect(lab.gateway, web.address, 443, "shop.example") as sock:
        sock.sendall(b"GET / HTTP/1.0\r\n\r\n")
        assert peers.read_to_end(sock).endswith(b"hello")
    with lab.gateway.connect(echo.address, 4001) as sock:
        sock.sendall(b"x")
        assert sock.recv(1) == b"x"
    with clients.tls_connect(lab.gateway, tls.address, 4002, "shop.example") as sock:
        sock.sendall(b"abc\n")
        assert peers.read_exactly(sock, 4) == b"cba\n"
    assert len(web.clients()) == 1
    for server in (web, echo, tls):
        server.close()


WAITS = """
import select, sys
from peers import wait_for
print("waits", flush=True)
wait_for(lambda: select.select([sys.stdin], [], [], 0)[0], 1)
"""


@pytest.fixture
def waiting():
    """Another process that waits a second for a line."""
    with subprocess.Popen([sys.executable, "-c", WAITS], cwd=os.path.dirname(__file__), text=True,
                          stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE) as one:
        assert one.stdout.readline() == "waits\n"
        yield one
        one.kill()


def test_a_wait_does_not_end_while_the_machine_stands_still(waiting):
    """As a stopped process does."""
    waiting.send_signal(signal.SIGSTOP)
    time.sleep(2)  # what is measured, as the next
    waiting.send_signal(signal.SIGCONT)
    time.sleep(0.2)
    assert waiting.communicate("it comes\n")[1] == ""
    assert waiting.returncode == 0


def test_a_wait_ends(waiting):
    assert "did not come true within 1 s" in waiting.stderr.read()
    assert waiting.wait() == 1


@pytest.mark.parametrize("version", [1, 2])
def test_proxy_header_reader(lab, version):
    header = {
        1: b"PROXY TCP4 198.51.100.7 203.0.113.10 1000 443\r\n",
        2: b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x12" + bytes([198, 51, 100, 7, 203, 0, 113, 10]) +
           b"\x03\xe8\x01\xbb" + b"\x02\0\x03a.b",
    }[version]
    server = peers.Backend(lab.acme, 4711, peers.with_proxy_header(peers.echo))
    with lab.gateway.connect(server.address, 4711) as sock:
        sock.sendall(header + b"x")
        assert sock.recv(1) == b"x"
    assert server.headers[0]["source"] == ("198.51.100.7", 1000)
    assert server.headers[0]["destination"] == ("203.0.113.10", 443)
    assert server.headers[0]["tlvs"] == ({} if version == 1 else {2: b"a.b"})
    server.close()
