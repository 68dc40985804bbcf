# SPDX-License-Identifier: GPL-3.0-or-later
"""All TCP ports of an address, as a host sees them (tests/tools/syn-scan.c)."""

import json
import os

from gateway import BUILD

ALL = set(range(1, 65536))


def numbers(ranges):
    return {port for first, last in ranges for port in range(first, last + 1)}


def answering(host, *addresses, source=None, mark=0, last=65535):
    """{address: (open, closed)}, each a set of ports. Closed ones answer, too, with a reset: nothing
    keeps packets from reaching the machine there. fe80::1%eth0 is an address."""
    said = host.run(os.path.join(BUILD, "tests/tools/syn-scan"), "-m", str(mark), "-l", str(last),
                    *(("-s", source) if source else ()), *addresses)
    return {address: (numbers(found["open"]), numbers(found["closed"]))
            for address, found in json.loads(said).items()}


def reached(host, *addresses, **how):
    """{address: ports that answer}, without the addresses where none does."""
    return {address: opened | closed for address, (opened, closed)
            in answering(host, *addresses, **how).items() if opened or closed}
