# SPDX-License-Identifier: GPL-3.0-or-later
"""What a failed test tells: the places it came by, and what the gateway had then."""

import os

TESTS = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
LOG_MAX = 20000  # characters


def tell(report, call, gateway):
    """For the hook pytest_runtest_makereport: call is its own, gateway may be None."""
    if not report.failed:
        return
    crash = getattr(report.longrepr, "reprcrash", None)
    if crash:  # its message is all that the summary has
        crash.message = f"{places(call.excinfo.traceback)}: {crash.message}"
    if gateway and os.path.exists(gateway.log_path):
        report.sections.append(("connections", connections(gateway)))
        report.sections.append(("sixgated", gateway.log()[-LOG_MAX:]))


def places(traceback):
    """Where the test was, and where what it called was."""
    return " ".join(f"{entry.path.name}:{entry.lineno + 1}" for entry in traceback
                    if str(entry.path).startswith(TESTS))


def connections(gateway):
    """The kernel's and the proxy's."""
    try:
        return gateway.lab.gateway.run("ss", "-tanH") + "\n".join(map(str, gateway.sessions()))
    except Exception as error:  # pylint: disable=broad-except
        return f"not to be had: {error}"
