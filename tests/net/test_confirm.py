# SPDX-License-Identifier: GPL-3.0-or-later
"""apply --confirm: the former config comes back unless somebody says that the new one works."""

import os
import signal
import subprocess
import time

import pytest

import peers
from test_neighbours import ON_LINK
from test_reload import listening
from test_upgrade import upgrade

from gateway import Refused, service, tcp
from lab import CLIENT_PREFIX, POOL

BEFORE = {"listeners": [{"address": POOL[0], "port": 443, "protocol": "tls"}]}
AFTER = {"listeners": [{"address": POOL[0], "port": 8443, "protocol": "tls"}]}


def apply(case, *how):
    gateway = case.start(settings=BEFORE)
    before = listening(gateway)
    gateway.write_config(AFTER)
    gateway.cli("apply", *how)
    assert f"{POOL[0]}:8443" in listening(gateway)
    return gateway, before


def test_what_nobody_confirms_goes_back_by_itself(case):
    gateway, before = apply(case, "--confirm", "1")
    assert any("then the former one comes back" in text for text in gateway.problems())
    peers.wait_for(lambda: set(listening(gateway)) == set(before), message="the former listeners")
    assert any("rolled back" in text for text in gateway.problems())
    gateway.reload()  # the file is as it was
    assert gateway.problems() == []
    assert f"{POOL[0]}:8443" in listening(gateway)


def test_what_is_confirmed_stays(case):
    gateway, _ = apply(case, "--confirm", "86400")
    for verb in ("reload", "apply"):
        done = gateway.cli(verb, check=False)
        assert done.returncode == 1 and "not confirmed yet" in done.stderr
    gateway.cli("confirm")
    assert gateway.problems() == []
    assert gateway.cli("confirm", check=False).returncode == 1
    assert gateway.cli("rollback", check=False).returncode == 1
    gateway.reload()
    assert f"{POOL[0]}:8443" in listening(gateway)


def test_rollback_is_at_once(case):
    gateway, before = apply(case, "--confirm", "86400")
    gateway.cli("rollback")
    peers.wait_for(lambda: set(listening(gateway)) == set(before), message="the former listeners")


def uplink(addresses):
    return {"kind": "direct", "interface": "up0",
            "ipv4": [{"range": f"{address}/32", "delivery": "present"} for address in addresses],
            "ipv6": {"prefix": "2001:db8:a000::/48", "reserved": 256}}


def test_what_is_right_with_it_alone_goes_back_along(case):
    """A tenant's change in the meantime, also when a restart brings the former config back."""
    acme = case.lab.acme

    def exposed(address, serial):
        return case.tenant(acme, service("web", [acme.address()], tcp(2222, 22, ipv4=address)),
                           serial=serial)

    def at(address):
        return {name for name in listening(gateway) if name.endswith(":2222")} == \
            {f"{address}:2222"}

    gateway = case.start(exposed(POOL[0], 1), settings={"uplink": uplink([POOL[0], POOL[2]])})
    for serial, restart in ((2, False), (3, True)):
        gateway.write_config({"uplink": uplink(POOL)})
        gateway.cli("apply", "--confirm", "86400")
        gateway.put(exposed(POOL[1], serial))
        peers.wait_for(lambda: at(POOL[1]), message="the change")
        if restart:
            gateway.stop()
            let_time_pass(gateway)
            gateway.start()
        else:
            gateway.cli("rollback")
        peers.wait_for(lambda: at(POOL[0]), message="what was before")
        assert any("acme.yaml" in text and POOL[1] in text for text in gateway.problems())
        gateway.put(exposed(POOL[0], 1))
        peers.wait_for(lambda: not [text for text in gateway.problems() if "acme.yaml" in text],
                       message="the former object")
    gateway.reload()
    assert gateway.problems() == []


def test_apply_alone_needs_no_word(case):
    gateway, _ = apply(case)
    assert gateway.problems() == []
    with pytest.raises(Refused, match="nothing to confirm"):
        gateway.ask("confirm")


def test_a_wrong_config_is_not_on_probation(case):
    gateway = case.start(settings=BEFORE)
    gateway.write_config({"listeners": [{"address": POOL[0], "port": 0, "protocol": "tls"}]})
    done = gateway.cli("apply", "--confirm", "60", check=False)
    assert done.returncode == 1 and "port" in done.stderr
    assert gateway.cli("confirm", check=False).returncode == 1


# The word does not come, and sixgated ends before


def waits_for_the_word(gateway):
    return any("then the former one comes back" in text for text in gateway.problems())


def rolled_back(gateway, before):
    peers.wait_for(lambda: set(listening(gateway)) == set(before), message="the former listeners")
    assert any("rolled back" in text for text in gateway.problems())


def end(case, gateway, how):
    if how == signal.SIGTERM:
        gateway.stop()
    else:
        case.lines_lost = True
        gateway.signal(signal.SIGKILL)
        gateway.process.wait(20)


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_a_restart_does_not_make_it_stay(case, how):
    gateway, before = apply(case, "--confirm", "3")
    end(case, gateway, how)
    gateway.start()
    rolled_back(gateway, before)
    # The file still has what nobody confirmed: neither does another restart put it in force.
    end(case, gateway, how)
    gateway.start()
    rolled_back(gateway, before)
    gateway.reload()  # that is a word
    assert gateway.problems() == []
    end(case, gateway, how)
    gateway.start()
    assert f"{POOL[0]}:8443" in listening(gateway) and gateway.problems() == []


def test_who_restarts_while_it_waits_can_still_confirm(case):
    gateway, _ = apply(case, "--confirm", "86400")
    gateway.stop()
    gateway.start()
    assert f"{POOL[0]}:8443" in listening(gateway) and waits_for_the_word(gateway)
    gateway.cli("confirm")
    gateway.stop()
    gateway.start()
    assert f"{POOL[0]}:8443" in listening(gateway) and gateway.problems() == []


def let_time_pass(gateway):
    """While it is stopped."""
    path = os.path.join(gateway.run_folder, "probation")
    with open(path, encoding="utf-8") as file:
        words, rest = file.read().split("\n", 1)
    with open(path, "w", encoding="utf-8") as file:
        file.write(" ".join([*words.split()[:3], str(int(time.time()) - 1), *words.split()[4:]]) +
                   "\n" + rest)


def test_time_that_is_over_before_the_start_counts(case):
    gateway, before = apply(case, "--confirm", "86400")
    gateway.stop()
    let_time_pass(gateway)
    gateway.start()
    rolled_back(gateway, before)
    assert gateway.cli("confirm", check=False).returncode == 1


def test_a_file_that_was_written_anew_is_not_on_probation(case):
    gateway, _ = apply(case, "--confirm", "86400")
    gateway.stop()
    gateway.write_config({"listeners": [{"address": POOL[0], "port": 9443, "protocol": "tls"}]})
    gateway.start()
    assert f"{POOL[0]}:9443" in listening(gateway) and gateway.problems() == []


@pytest.mark.parametrize("spoilt", ["", "sixgate probation 1 9 9 9\nx", "garbage"])
def test_a_spoilt_note_is_ignored(case, spoilt):
    gateway, _ = apply(case, "--confirm", "86400")
    gateway.stop()
    with open(os.path.join(gateway.run_folder, "probation"), "w", encoding="utf-8") as file:
        file.write(spoilt)
    gateway.start()
    assert f"{POOL[0]}:8443" in listening(gateway)
    assert "is spoilt, ignoring" in gateway.log()


def test_a_file_that_cannot_be_used_any_more_brings_the_former_config(case):
    gateway, before = apply(case, "--confirm", "86400")
    gateway.stop()
    gateway.write_config_text("listeners: [")
    gateway.start()
    rolled_back(gateway, before)


def test_a_second_sixgated_changes_nothing(case):
    """Started by mistake, beside the one that waits for the word, it finds a file that is new."""
    gateway, _ = apply(case, "--confirm", "86400")
    path = os.path.join(gateway.run_folder, "probation")
    with open(path, "rb") as file:
        before = file.read()
    for text in (None, "listeners: ["):
        if text:
            gateway.write_config_text(text)
        else:
            gateway.write_config(BEFORE)
        done = subprocess.run(
            case.lab.gateway.argv(*gateway._argv()),  # pylint: disable=protected-access
            capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False)
        assert done.returncode == 1 and "another sixgated is running" in done.stderr
        with open(path, "rb") as file:
            assert file.read() == before
    gateway.write_config(AFTER)
    gateway.stop()
    gateway.start()
    assert waits_for_the_word(gateway)


def test_an_upgrade_does_not_make_it_stay(case):
    gateway = case.start(settings=BEFORE, kept=True)
    before = listening(gateway)
    gateway.write_config(AFTER)
    gateway.cli("apply", "--confirm", "86400")
    upgrade(gateway)
    assert f"{POOL[0]}:8443" in listening(gateway) and waits_for_the_word(gateway)
    gateway.cli("rollback")
    rolled_back(gateway, before)
    upgrade(gateway)
    rolled_back(gateway, before)


def test_client_prefix_that_was_new_goes_again(case):
    """A reload may not take it away, as sessions use it; who has locked himself out may."""
    gateway = case.start(settings={"client_prefix": None})
    gateway.write_config({"client_prefix": CLIENT_PREFIX})
    gateway.cli("apply", "--confirm", "86400")
    assert CLIENT_PREFIX in case.lab.gateway.ip("-6 route show table local")
    gateway.cli("rollback")
    peers.wait_for(lambda: CLIENT_PREFIX not in case.lab.gateway.ip("-6 route show table local"),
                   message="the route's end")


def test_what_comes_back_has_the_capabilities_it_needs(case):
    """Control gives up at its start what it will not need: that is asked of both configs."""
    gateway = case.start(settings=ON_LINK)
    uplink = ON_LINK["uplink"]
    gateway.write_config({"uplink": {**uplink, "ipv6": {**uplink["ipv6"], "on_link": False}}})
    gateway.cli("apply", "--confirm", "86400")
    assert not gateway.status()["neighbours"]["on"]
    gateway.stop()
    gateway.start()
    gateway.cli("rollback")
    peers.wait_for(lambda: gateway.status()["neighbours"]["on"], message="the neighbour child")
    assert not any("CAP_NET_RAW" in text for text in gateway.problems())
