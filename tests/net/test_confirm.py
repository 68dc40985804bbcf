# SPDX-License-Identifier: GPL-3.0-or-later
"""apply --confirm: the former config comes back unless somebody says that the new one works."""

import signal

import pytest

import peers
from test_reload import listening

from gateway import Refused
from lab import POOL

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


def test_an_upgrade_waits_for_the_word(case):
    """The former config would not be known to the next program."""
    gateway, _ = apply(case, "--confirm", "86400")
    workers = gateway.workers()
    gateway.signal(signal.SIGUSR2)
    peers.wait_for(lambda: any("not confirmed yet" in text for text in gateway.problems()),
                   message="why there is no upgrade")
    assert gateway.workers() == workers
    gateway.cli("rollback")
