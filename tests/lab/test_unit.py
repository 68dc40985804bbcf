# SPDX-License-Identifier: GPL-3.0-or-later
"""The unit tests that ask the kernel for something, on the kernel we are made for. `unit-tests`
names them; ./dev lab builds them."""

import os
import subprocess

import pytest
from gateway import BUILD

with open(os.path.join(os.path.dirname(__file__), "unit-tests"), encoding="ascii") as names:
    NAMES = names.read().split()


@pytest.mark.parametrize("name", NAMES)
def test_unit(name):
    done = subprocess.run([f"./tests/unit/{name}_test"], cwd=BUILD, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          errors="backslashreplace", check=False)
    assert done.returncode == 0, done.stdout
    assert "SKIPPED" not in done.stdout, f"here nothing may be missing:\n{done.stdout}"
