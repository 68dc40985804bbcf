# SPDX-License-Identifier: GPL-3.0-or-later
"""What a reload keeps, what it tries again, and what it makes tenants' objects be read anew for."""

import os
import signal
import threading

import pytest

import clients
import crowd
import peers
from gateway import BUILD, Refused, service, tcp, tls
from lab import CLIENT, CLIENT_PREFIX, POOL, embedded
from peers import works


def listening(gateway):
    """The listening sockets of the gateway's host: {(address, port): inodes}."""
    shown = gateway.lab.gateway.run("ss", "-tlneH")
    found = {}
    for line in shown.splitlines():
        words = line.split()
        if words[0] != "LISTEN":
            continue  # what ss says of the machine it is on
        [inode] = [word[4:] for word in words if word.startswith("ino:")]
        found.setdefault(words[3], set()).add(inode)
    return found


@pytest.mark.parametrize("name", ["tcp_migrate_req", "tcp_tw_reuse"])
def test_what_the_kernel_is_asked_for_is_set(case, name):
    case.lab.gateway.sysctl(f"net.ipv4.{name}", 0)
    gateway = case.start()
    assert case.lab.gateway.sysctl(f"net.ipv4.{name}").split()[-1] == "1"
    assert not [text for text in gateway.problems() if name in text]


def test_the_machines_own_ports_are_what_they_are_without_us(case):
    """They are ours while local_ports is given, and come back when it is not."""
    host, name = case.lab.gateway, "net.ipv4.ip_local_port_range"
    before = host.sysctl(name)
    host.sysctl(name, "10000 16000")
    try:
        gateway = case.start(settings={
            "local_ports": "49152-57343",
            "nat64": {"driver": "jool", "prefix": "2001:db8:64::/96", "pool": [POOL[0]],
                      "ports": "8192-24575", "ports_per_tenant": 1024}})
        assert host.sysctl(name).split()[-2:] == ["49152", "57343"]
        gateway.write_config({"local_ports": None})
        done = gateway.cli("reload", check=False)
        assert done.returncode == 1 and "meets the 10000-16000 that connections" in done.stderr
        gateway.stop()
        gateway.write_config({"local_ports": None, "nat64": None})
        gateway.start()
        assert host.sysctl(name).split()[-2:] == ["10000", "16000"]
    finally:
        host.sysctl(name, before)


def test_listeners_that_stay_keep_their_sockets(case):
    case.backend(case.lab.acme, 22)
    gateway = case.start(case.tenant(case.lab.acme, service(
        "web", [case.lab.acme.address()], tcp(2222, 22), tls(["shop.example"]))))
    before = listening(gateway)
    assert len(before[f"{POOL[1]}:2222"]) == len(gateway.workers())
    gateway.write_config({"timeouts": {"idle": "5min"}, "listeners": [
        {"address": "any", "port": 443, "protocol": "tls", "timeouts": {"hello": "2s"}},
        {"address": "any", "port": 8443, "protocol": "tls"}]})
    gateway.reload()
    after = listening(gateway)
    assert {name: after[name] for name in before} == before
    assert f"{POOL[0]}:8443" in after
    gateway.write_config({"listeners": [{"address": "any", "port": 443, "protocol": "tls"}]})
    gateway.reload()
    peers.wait_for(lambda: listening(gateway) == before, message="the former sockets alone")


def test_what_a_reload_changes_holds_for_new_sessions(case):
    """Of the node, and of a listener that stays."""
    backend = case.backend(case.lab.acme, 22, peers.hold)
    listener = {"address": POOL[1], "port": 2222, "protocol": "tcp"}
    gateway = case.start(
        case.tenant(case.lab.acme, service("web", [backend.address], tcp(9, 22, ipv4=POOL[2]))),
        settings={"listeners": [listener]})
    case.ends(2222)
    gateway.wait_log(1)
    listener["default"] = "acme/web"
    for settings in ({"listeners": [{**listener, "timeouts": {"idle": "1s"}}]},
                     {"listeners": [listener], "timeouts": {"idle": "1s"}},
                     {"timeouts": {"idle": "60s"}, "source_limits": {"connections": 1}}):
        gateway.write_config(settings)
        gateway.reload()
        before = len(gateway.access_log())
        if "source_limits" in settings:
            case.connect(2222)
            gateway.wait_sessions(1)
        case.ends(2222)
        gateway.wait_log(before + 1)
    reasons = [line["reason"] for line in gateway.access_log()]
    assert reasons == ["no-rule", "idle", "idle", "source-limit"]


def test_sighup_takes_the_new_config(case):
    case.backend(case.lab.acme, 22)
    gateway = case.start(case.tenant(case.lab.acme, service(
        "web", [case.lab.acme.address()], tcp(9, 22, ipv4=POOL[2]))))
    gateway.write_config({"listeners": [*gateway.config["listeners"], {
        "address": POOL[1], "port": 2222, "protocol": "tcp", "default": "acme/web"}]})
    with pytest.raises(ConnectionRefusedError):
        case.connect(2222)
    gateway.signal(signal.SIGHUP)
    peers.wait_for(lambda: f"{POOL[1]}:2222" in listening(gateway), message="the new listener")
    assert works(case.connect(2222))


def test_listener_that_takes_an_exposures_port_shows_as_a_problem(case):
    """As many listeners as before, but another port: objects have to be read again."""
    case.backend(case.lab.acme, 22)
    former = [{"address": POOL[1], "port": 443, "protocol": "tls"}]
    gateway = case.start(
        case.tenant(case.lab.acme, service("web", [case.lab.acme.address()], tcp(2222, 22))),
        settings={"listeners": former})
    assert gateway.problems() == []
    gateway.write_config({"listeners": [{"address": POOL[1], "port": 2222, "protocol": "tls"}]})
    gateway.reload()
    peers.wait_for(lambda: [text for text in gateway.problems()
                            if "the node's listener on port 2222 is of another protocol" in text],
                   message="the object's problem")
    gateway.write_config({"listeners": former})
    gateway.reload()
    peers.wait_for(lambda: gateway.problems() == [], message="no problem")
    # listeners follow a moment later: until then it is tls there
    peers.wait_for(lambda: works(case.connect(2222)), message="raw TCP")


def test_config_that_cannot_be_had_whole_changes_nothing(case):
    """The second listener's address is taken: the first one is not opened either."""
    case.backend(case.lab.acme, 22)
    gateway = case.start(case.tenant(case.lab.acme, service(
        "web", [case.lab.acme.address()], tcp(2222, 22))))
    before = listening(gateway)
    with case.lab.gateway.listen(POOL[0], 8444):
        gateway.write_config({"listeners": [
            {"address": POOL[0], "port": port, "protocol": "tls"} for port in (443, 8443, 8444)]})
        with pytest.raises(Refused, match=f"{POOL[0]}:8444.*in use"):
            gateway.reload()
    assert listening(gateway) == before
    assert works(case.connect(2222))


def test_what_the_kernel_refused_at_the_start_is_tried_again(case):
    """A route of somebody else's is in the way; until it is gone the rest goes on without embed."""
    backend = case.backend(case.lab.acme, 22)
    route = f"local {CLIENT_PREFIX} dev lo"
    host = case.lab.gateway
    host.run(os.path.join(BUILD, "sixgated"), "--down")
    host.ip(f"-6 route add {route}")
    try:
        gateway = case.start(case.tenant(case.lab.acme, service(
            "web", [backend.address], tcp(2222, 22, client_address="hide"),
            tcp(2223, 22, client_address="embed"))))
        assert "not sixgate's" in "".join(gateway.problems())
        assert works(case.connect(2222))
        gateway.reload()
        assert len(gateway.problems()) == 1 and not gateway.status()["kernel"]["applied"]
    finally:
        host.ip(f"-6 route del {route}")
    gateway.reload()
    assert gateway.problems() == [] and gateway.status()["kernel"]["applied"]
    del case.baseline["sixgated"]  # it watches the kernel since
    assert works(case.connect(2223), clients.pattern(1000))
    assert backend.peers[-1][0] == embedded(CLIENT)
    host.run("nft", "delete", "table", "inet", "sixgate")  # is watched from now on
    peers.wait_for(lambda: "put back" in gateway.log(), message="the table")


NAT64 = {"prefix": "2001:db8:64::/96", "pool": [POOL[0]], "ports": "16384-32767"}
OTHER_FARM = {"kind": "direct", "interface": "up0",
              "ipv4": [{"range": f"{address}/32", "delivery": "present"} for address in POOL],
              "ipv6": {"prefix": "2001:db8:a000::/48", "reserved": 300}}


@pytest.mark.parametrize("key, value", [
    ("workers", 3), ("registry", {"dir": "/tmp"}), ("uplink", OTHER_FARM), ("nat64", NAT64),
    ("siit", {"prefix": "2001:db8:a000:fe::/96"}), ("six_in_four", {"local": POOL[0]})])
def test_what_only_a_restart_can_change_is_refused_by_name(case, key, value):
    case.backend(case.lab.acme, 22)
    gateway = case.start(case.tenant(case.lab.acme, service(
        "web", [case.lab.acme.address()], tcp(2222, 22))))
    former = gateway.config.get(key)
    gateway.write_config({key: value, "listeners": [
        {"address": "any", "port": 8443, "protocol": "tls"}]})
    with pytest.raises(Refused, match=f"{key}.*restart sixgated"):
        gateway.reload()
    assert f"{POOL[0]}:8443" not in listening(gateway), "nothing of it was taken"
    assert works(case.connect(2222))
    gateway.write_config({key: former, "listeners": [
        {"address": "any", "port": 443, "protocol": "tls"}]})
    gateway.reload()
    assert gateway.problems() == []


def test_access_log_goes_off_and_on_again(case):
    case.lines_lost = True  # those of the time between
    case.backend(case.lab.acme, 22)
    gateway = case.start(case.tenant(case.lab.acme, service(
        "web", [case.lab.acme.address()], tcp(2222, 22))))
    on = gateway.config["access_log"]

    def one_session():
        with case.connect(2222) as sock:
            assert works(sock)
        gateway.wait_sessions(0)

    one_session()
    gateway.wait_log(1)
    gateway.write_config({"access_log": "off"})
    gateway.reload()
    peers.wait_for(lambda: not gateway.status()["access_log"]["running"], message="no log child")
    for _ in range(3):
        one_session()
    assert gateway.status()["access_log"]["dropped"] == 0
    gateway.write_config({"access_log": on})
    gateway.reload()
    peers.wait_for(lambda: gateway.status()["access_log"]["running"], message="the log child")
    one_session()
    peers.wait_for(lambda: len(gateway.access_log()) == 2, message="the second line alone")


def test_log_that_cannot_be_made_anew_says_why(case):
    """SIGHUP after a rotation gone wrong: a folder is where the file was."""
    gateway = case.start()
    os.unlink(gateway.access_log_path) if os.path.exists(gateway.access_log_path) else None
    os.mkdir(gateway.access_log_path)
    gateway.signal(signal.SIGHUP)
    peers.wait_for(lambda: "access.log: Is a directory" in gateway.log(), message="the reason")
    os.rmdir(gateway.access_log_path)


def test_e10_sigterm_behind_a_reload_leaves_sessions_their_time(case):
    """Both are there at once: the workers are told of a config that will not be in force."""
    case.backend(case.lab.acme, 22)
    gateway = case.start(case.tenant(case.lab.acme, service(
        "web", [case.lab.acme.address()], tcp(2222, 22))))
    sock = case.connect(2222)
    assert works(sock)
    gateway.signal(signal.SIGSTOP)
    gateway.signal(signal.SIGHUP)
    gateway.signal(signal.SIGTERM)
    gateway.signal(signal.SIGCONT)
    # a worker without a session ends at once
    peers.wait_for(lambda: sorted(worker["state"] for worker in gateway.status()["workers"]) ==
                   ["down", "draining"], message="the drain")
    assert works(sock)
    sock.close()
    assert gateway.process.wait(20) == 0
    assert "killing" not in gateway.log()
    case.gateway = None  # there is nothing left to look at


def test_e10_thousand_reloads_with_live_transfers(case):
    """Each changes the config that all workers are sent, every tenth a listener as well."""
    case.backend(case.lab.acme, 22)
    gateway = case.start(case.tenant(case.lab.acme, service(
        "web", [case.lab.acme.address()], tcp(2222, 22))))
    data = clients.pattern(200_000)
    stop, wrong, rounds = threading.Event(), [], []

    def transfer():
        while not stop.is_set():
            try:
                with case.lab.client.connect(POOL[1], 2222) as sock:
                    sender = threading.Thread(target=sock.sendall, args=(data,))
                    sender.start()
                    if peers.read_exactly(sock, len(data)) != data:
                        wrong.append("bytes")
                    sender.join()
                    rounds.append(1)
            except (OSError, EOFError) as error:
                wrong.append(repr(error))

    threads = [threading.Thread(target=transfer) for _ in range(4)]
    for thread in threads:
        thread.start()
    try:
        for number in range(1000):
            ports = (443, 8443) if number // 10 % 2 else (443,)
            gateway.write_config({"timeouts": {"idle": f"{60 + number}s"}, "listeners": [
                {"address": "any", "port": port, "protocol": "tls"} for port in ports]})
            gateway.reload()
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert not wrong, wrong[:3]
    assert len(rounds) > 40, len(rounds)
    assert gateway.problems() == []


def test_e10_hundred_thousand_idle_sessions_survive_reloads(case):
    """As many workers as have descriptors for them, however uneven the share of the sources."""
    count = 100_000
    addresses = [case.lab.acme.address(0x10 + number) for number in range(8)]
    with crowd.servers(case.lab.acme, addresses, 22):
        gateway = case.start(
            case.tenant(case.lab.acme, service("web", addresses, tcp(2222, 22))),
            settings={"workers": 24, "source_limits": {"connections": 5000,
                                                      "new_per_second": 1_000_000}})
        many = crowd.Crowd(case.lab.client, POOL[1], 2222, count,
                           [f"198.51.100.{host}" for host in range(1, 251)])
        try:
            many.wait_open()
            gateway.wait_sessions(count, timeout=60)
            for number in range(20):
                gateway.write_config({"timeouts": {"idle": f"{60 + number}min"}})
                gateway.reload()
            assert gateway.status()["active"] == count
            assert many.n_answering() == count
            listed = gateway.ask("sessions", timeout=60)
            assert len({session["id"] for session in listed}) == count
        finally:
            many.close()
        gateway.wait_sessions(0, timeout=60)
