# SPDX-License-Identifier: GPL-3.0-or-later
"""A start takes over what is in the kernel: nothing goes and comes back, not for a moment."""

import signal

from changes import Changes
from peers import wait_for
from test_cycles import acme_object, device  # noqa: F401 pylint: disable=unused-import


def test_a_start_and_an_upgrade_replace_nothing(case, device):  # noqa: F811
    gateway = case.start(acme_object(case, device, 1, 2222), kept=True)
    with Changes(case.lab.gateway) as changes:
        assert gateway.stop() == 0
        gateway.start()
        gateway.signal(signal.SIGKILL)
        gateway.process.wait(20)
        gateway.start()
        ready = gateway.keeper.n_ready
        gateway.signal(signal.SIGUSR2)
        gateway.keeper.wait_ready(ready + 1, 20)
    assert changes.lines == []


def test_what_is_replaced_is_seen(case):
    gateway = case.start()
    with Changes(case.lab.gateway) as changes:
        case.lab.gateway.run("nft", "flush chain inet sixgate cpin")
        wait_for(lambda: "put back" in gateway.log(), message="it is put back")
    assert any("cpin" in line for line in changes.lines)
