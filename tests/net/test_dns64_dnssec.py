# SPDX-License-Identifier: GPL-3.0-or-later
"""DNS64 behind an upstream that validates: unbound asks BIND, which has signed zones."""

import contextlib
import re
import subprocess

import pytest

from peers import wait_for
from test_dns64 import PREF64, UPSTREAM, dig, short, start, status_of

AUTHORITY_PORT = 5300
# of wrong.example the trust anchor is another zone's key; in altered.example addresses were changed
ZONES = ["signed.example", "wrong.example", "altered.example"]
ZONE = """$TTL 300
@ SOA ns root 1 3600 600 86400 60
@ NS ns
ns A 192.0.2.2
four A 198.51.100.20
six AAAA 2001:db8:77::20
both A 198.51.100.21
both AAAA 2001:db8:77::21
"""
NAMED = """
options {{ directory "{folder}"; listen-on port {port} {{ {address}; }}; listen-on-v6 {{ none; }};
  recursion no; pid-file none; session-keyfile none; managed-keys-directory "{folder}";
  dnssec-validation no; allow-query {{ any; }}; }};
controls {{ }};
"""
UNBOUND = """
server:
  interface: {address}
  access-control: 0.0.0.0/0 allow
  chroot: ""
  username: ""
  pidfile: ""
  use-syslog: no
  directory: "{folder}"
  module-config: "validator iterator"
  do-not-query-localhost: no
  val-log-level: 0
  ede: {ede}
remote-control:
  control-enable: no
"""


def run(host, folder, *argv):
    return subprocess.run(host.argv(*argv), cwd=folder, capture_output=True, text=True, check=True).stdout


def sign(host, folder, zone):
    """Writes ZONE.signed; the line of its key as a trust anchor."""
    (folder / zone).write_text(ZONE, encoding="ascii")
    key = run(host, folder, "dnssec-keygen", "-K", str(folder), "-f", "KSK", "-a", "ECDSAP256SHA256",
              zone).split()[-1]
    run(host, folder, "dnssec-signzone", "-S", "-z", "-K", str(folder), "-d", str(folder), "-o", zone,
        str(folder / zone))
    text = (folder / f"{key}.key").read_text(encoding="ascii")
    return [line for line in text.splitlines() if not line.startswith(";")][0]


def write_zones(host, folder):
    anchors = {zone: sign(host, folder, zone) for zone in ZONES}
    anchors["wrong.example"] = anchors["signed.example"].replace("signed", "wrong")
    altered = folder / "altered.example.signed"
    text = altered.read_text(encoding="ascii").replace("198.51.100.20", "198.51.100.66")
    altered.write_text(text.replace("2001:db8:77::21", "2001:db8:77::66"), encoding="ascii")
    return "".join(f"  trust-anchor: \"{anchor}\"\n".replace("\t", " ") for anchor in anchors.values())


@contextlib.contextmanager
def server(host, folder, *argv):
    with open(folder / f"{argv[0].rsplit('/', 1)[-1]}.log", "wb") as log:
        process = host.popen(*argv, stdout=log, stderr=log)
    try:
        yield
    finally:
        process.kill()
        process.wait()


@contextlib.contextmanager
def validating(host, folder, ede):
    anchors = write_zones(host, folder)
    named = NAMED.format(folder=folder, address=UPSTREAM, port=AUTHORITY_PORT)
    named += "".join(f'zone "{zone}" {{ type primary; file "{zone}.signed"; }};\n' for zone in ZONES)
    (folder / "named.conf").write_text(named, encoding="ascii")
    unbound = UNBOUND.format(folder=folder, address=UPSTREAM, ede=ede)
    head, control = unbound.split("remote-control:")
    stubs = "".join(f"stub-zone:\n  name: {zone}\n  stub-addr: {UPSTREAM}@{AUTHORITY_PORT}\n"
                    for zone in ZONES)
    (folder / "unbound.conf").write_text(f"{head}{anchors}remote-control:{control}{stubs}",
                                         encoding="ascii")
    with (server(host, folder, "/usr/sbin/named", "-g", "-n", "1", "-c", f"{folder}/named.conf"),
          server(host, folder, "/usr/sbin/unbound", "-d", "-c", f"{folder}/unbound.conf")):
        wait_for(lambda: short(host, "six.signed.example", "AAAA", at=UPSTREAM) != [],
                 message="an answer of unbound")
        yield


def flags(text):
    return re.search(r"flags: ([a-z ]*);", text).group(1).split()


@pytest.mark.parametrize("ede", ["yes", "no"], ids=["who says why", "who does not"])
def test_what_is_bogus_is_not_synthesised_over(case, tmp_path, ede):
    acme = case.lab.acme
    with validating(case.lab.client, tmp_path, ede):
        start(case)
        # both parts were checked
        answer = dig(acme, "+dnssec", "four.signed.example", "AAAA")
        assert f"{PREF64}c633:6414" in answer and "ad" in flags(answer), answer
        assert "RRSIG" not in answer
        answer = dig(acme, "+noadflag", "four.signed.example", "AAAA")
        assert f"{PREF64}c633:6414" in answer and "ad" not in flags(answer), answer
        answer = dig(acme, "+dnssec", "six.signed.example", "AAAA")
        assert "2001:db8:77::20" in answer and "ad" in flags(answer) and "RRSIG" in answer, answer
        # who checks for itself is told what there is
        answer = dig(acme, "+dnssec", "+cdflag", "four.signed.example", "AAAA")
        assert status_of(answer) == "NOERROR" and PREF64 not in answer, answer
        assert re.search(r"NSEC\s", answer) and re.search(r"RRSIG\s+SOA", answer), answer
        # of altered.example, four has a bogus A record, both a bogus AAAA and a good A
        for name in ("four.wrong.example", "six.wrong.example", "four.altered.example",
                     "both.altered.example"):
            answer = dig(acme, name, "AAAA")
            assert status_of(answer) == "SERVFAIL", answer
            assert PREF64 not in answer and "::66" not in answer, answer
        assert short(acme, "both.altered.example", "A") == ["198.51.100.21"]
        assert short(acme, "four.altered.example", "A") == []
