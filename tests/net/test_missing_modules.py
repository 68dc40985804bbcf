# SPDX-License-Identifier: GPL-3.0-or-later
"""A module that is not there, not loaded or of a version that nobody knows: what has to be installed
is said, and all that needs it not goes on. The machine's folders of modules are other ones for
sixgated alone."""

import os
import shlex

import pytest

import peers
from gateway import service, tcp
from lab import POOL

RELEASE = os.uname().release
NODE = {
    "nat64": {"driver": "jool", "prefix": "2001:db8:64::/96", "pool": [POOL[0]],
              "ports": "16384-49151", "ports_per_tenant": 1024},
    "local_ports": "49152-57343",
    "siit": {"prefix": "2001:db8:a000:fe::/96"},
}
INSTALL = "run 'apt install jool-dkms linux-headers-amd64', then 'modprobe {0}'"
LOAD = ("the kernel's module {0} is not loaded: run 'modprobe {0}', and put '{0}' into "
        "/etc/modules-load.d/jool.conf")

# what the kernel says is loaded, what is built for it, and what status says
CASES = {
    "absent": ("", "", f"there is no module {{0}} for kernel {RELEASE}: {INSTALL}"),
    "built for another kernel":
        ("", "mkdir -p /lib/modules/5.10.0-1-amd64/updates/dkms; touch "
         "/lib/modules/5.10.0-1-amd64/updates/dkms/jool.ko "
         "/lib/modules/5.10.0-1-amd64/updates/dkms/jool_siit.ko",
         f"there is no module {{0}} for kernel {RELEASE}: {INSTALL}"),
    "not loaded": ("", f"mkdir -p /lib/modules/{RELEASE}/updates/dkms; cd "
                   f"/lib/modules/{RELEASE}/updates/dkms; touch jool.ko.xz jool_siit.ko.xz; cd /",
                   LOAD),
    "of a version to come":
        ("4.2.0.0", "", "the module {0} that is loaded has version '4.2.0.0'; sixgate speaks to "
         "4.1.9 to 4.1.15: install one of those (apt install jool-dkms), then modprobe -r {0} && "
         "modprobe {0}"),
    "too old": ("4.1.8.0", "", "the module {0} that is loaded has version '4.1.8.0'"),
}


def folders(loaded, built):
    """A command that runs the rest of its words with these in the place of the machine's own."""
    script = "mount -t tmpfs none /sys/module; mount -t tmpfs none /lib/modules\n" + built
    if loaded:
        script += "\nmkdir /sys/module/jool /sys/module/jool_siit; printf %s " + \
            shlex.quote(loaded) + " | tee /sys/module/jool/version >/sys/module/jool_siit/version"
    return ("unshare", "-m", "sh", "-c", script + '\nexec "$@"', "sixgated")


@pytest.mark.parametrize("what", CASES)
def test_what_to_install_is_said_and_the_rest_works(case, what):
    loaded, built, text = CASES[what]
    acme = case.lab.acme
    case.backend(acme, 22)
    gateway = case.start(
        case.tenant(acme, service("web", [acme.address()], tcp(2222, 22))), settings=NODE,
        wrapper=folders(loaded, built))
    problems = gateway.problems()
    for part, module in (("nat64", "jool"), ("siit", "jool_siit")):
        said = f"{part}: {text.format(module)}"
        assert any(one.startswith(said) for one in problems), (said, problems)
        assert said in gateway.cli("status").stdout
        assert f"{part} is off: {text.format(module)}" in gateway.log()
    assert len(problems) == 2, problems
    assert peers.works(case.connect(2222))
    assert gateway.cli("plan").stdout == "nothing to do\n"
