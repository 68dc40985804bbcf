# SPDX-License-Identifier: GPL-3.0-or-later
"""What sixgated can do with less than root's rights, and who may ask it for what."""

import grp
import os
import pwd
import re
import subprocess

import pytest

import peers
from gateway import BUILD, service, tcp
from lab import CLIENT, POOL, embedded
from peers import works
from test_neighbours import ON_LINK

STRANGER = 61004  # uids need no entry in passwd

WITHOUT = {
    "root": {"wrapper": ["setpriv", "--bounding-set=-net_admin"]},
    "user": {"user": STRANGER},
}


@pytest.fixture
def low_ports(lab):
    """Ports below 1024 are for everybody."""
    lab.gateway.sysctl("net.ipv4.ip_unprivileged_port_start", 0)
    yield
    lab.gateway.sysctl("net.ipv4.ip_unprivileged_port_start", 1024)


def down(lab):
    """Nothing of an earlier sixgated is in the kernel."""
    lab.gateway.run(os.path.join(BUILD, "sixgated"), "--down")


@pytest.mark.parametrize("who", WITHOUT)
def test_without_cap_net_admin_hide_and_proxy_headers_work_and_it_says_what_does_not(
        case, low_ports, who):
    down(case.lab)
    plain = case.backend(case.lab.acme, 22)
    header = case.backend(case.lab.acme, 23, peers.with_proxy_header(peers.echo))
    closed = case.backend(case.lab.acme, 24)
    gateway = case.start(
        case.tenant(case.lab.acme, service(
            "web", [case.lab.acme.address()], tcp(2222, 22, client_address="hide"),
            tcp(2223, 23, client_address="proxy-v2"), tcp(2224, 24, client_address="embed"),
            timeouts={"connect": "1s"})), **WITHOUT[who])
    assert ["CAP_NET_ADMIN" in text for text in gateway.problems()].count(True) == 1
    assert not gateway.status()["kernel"]["applied"]
    assert works(case.connect(2222)) and plain.peers[0][0] != embedded(CLIENT)
    sock = case.connect(2223)
    assert works(sock) and header.headers[0]["source"] == sock.getsockname()
    case.ends(2224)
    assert not closed.peers, "by an address that is not the client's"
    gateway.reload()
    assert works(case.connect(2222))
    assert not gateway.has_capability(12)  # CAP_NET_ADMIN


UNDERLAY = {"wireguard": {"listen_port": 51820, "private_key_file": "/none",
                          "underlay_netns": "outside"},
            "six_in_four": {"local": POOL[0], "underlay_netns": "outside"}}


@pytest.mark.parametrize("settings, more", [
    ({}, set()), (UNDERLAY, set()), ({"siit": {"prefix": "2001:db8:a000:fe::/96"}}, {21}),  # SYS_ADMIN
    (ON_LINK, {13})])  # NET_RAW
def test_control_keeps_six_capabilities_and_what_the_config_needs(case, settings, more):
    gateway = case.start(settings=settings)
    with open(f"/proc/{gateway.process.pid}/status", encoding="ascii") as status:
        fields = dict(line.split(":\t", 1) for line in status.read().splitlines() if ":\t" in line)
    names = {12, 10, 7, 6, 5, 18}  # NET_ADMIN, NET_BIND_SERVICE, SETUID, SETGID, KILL, SYS_CHROOT
    names |= more
    for kind in ("CapEff", "CapPrm", "CapBnd"):
        assert int(fields[kind], 16) == sum(1 << cap for cap in names), kind


def test_agent_may_read_and_change_nothing(case):
    """Even if its user were in the group of the socket."""
    case.backend(case.lab.acme, 22)
    gateway = case.start(case.tenant(case.lab.acme, service(
        "web", [case.lab.acme.address()], tcp(2222, 22))))
    sock = case.connect(2222)
    assert works(sock)
    [session] = gateway.sessions("acme")

    def as_agent(*argv):
        # a copy, because the build may lie where the agent may not look
        agent = pwd.getpwnam("sixgate-agent")
        return subprocess.run(
            [program, argv[0], "--socket", os.path.join(gateway.run_folder, "control.sock"),
             *argv[1:]], capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False,
            user=agent.pw_uid, group=agent.pw_gid,
            extra_groups=[grp.getgrnam("sixgate-admin").gr_gid])

    program = os.path.join(gateway.folder, "sixgate")
    with open(os.path.join(BUILD, "sixgate"), "rb") as built, open(program, "wb") as copy:
        copy.write(built.read())
    os.chmod(program, 0o755)
    for verb in (["status"], ["services"], ["sessions"]):
        assert as_agent(*verb).returncode == 0, verb
    for verb in (["reload"], ["drain", "acme/web"], ["kill", session["id"]],
                 ["log-level", "err"]):
        done = as_agent(*verb)
        assert (done.returncode, done.stdout) == (1, "") and "not permitted" in done.stderr, verb
    assert works(sock)
    assert "may not" in gateway.log()


def test_proxy_worker_cannot_open_the_control_socket(case):
    gateway = case.start()
    proxy = pwd.getpwnam("sixgate-proxy")
    assert proxy.pw_uid not in [pwd.getpwnam(name).pw_uid
                                for name in grp.getgrnam("sixgate-admin").gr_mem]
    probe = "import socket, sys; socket.socket(socket.AF_UNIX).connect(sys.argv[1])"
    for user in ("sixgate-proxy", "sixgate-agent"):
        done = subprocess.run(
            ["/usr/bin/python3", "-c", probe, os.path.join(gateway.run_folder, "control.sock")],
            capture_output=True, text=True, check=False, user=user, group=user, extra_groups=[])
        assert "PermissionError" in done.stderr, user


def test_descriptor_budget_is_said_at_the_start(case):
    """Two descriptors a session, two a pipe, listeners and some more: together within the limit."""
    gateway = case.start()
    said = re.findall(r"worker \d+: (\d+) descriptors: (\d+) sessions, (\d+) pipes", gateway.log())
    assert len(said) == len(gateway.workers())
    for pid, words in zip(gateway.workers(), said):
        limit, sessions, pipes = map(int, words)
        with open(f"/proc/{pid}/limits", encoding="ascii") as limits:
            [row] = [row.split() for row in limits if row.startswith("Max open files")]
        assert limit == int(row[3])
        assert 0.8 * limit < 2 * sessions + 2 * pipes < limit
        assert pipes * len(said) <= 1000
    assert all(worker["fds_budget"] > 0 for worker in gateway.status()["workers"])
