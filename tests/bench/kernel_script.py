# SPDX-License-Identifier: GPL-3.0-or-later
"""What an operator's script would do: the same tenants by ip -batch, wg setconf and nft -f."""
import base64
import hashlib

from kernel_sixgate import PUBLIC, key_of, prefix_of, remote_of


def _links(chain, n_tenants, n_sit):
    """ip -batch: the devices and a route for each tenant."""
    lines = ["link add sg-wg mtu 1420 type wireguard", "link set sg-wg up"]
    for number in range(1, n_tenants + 1):
        device = "sg-wg"
        if 1 < number <= n_sit + 1:
            device = f"six{number}"
            lines += [f"link add {device} mtu 1480 type sit local {PUBLIC} "
                      f"remote {remote_of(number)} ttl 64", f"link set {device} up"]
        elif number == 1 and n_sit == 0:
            device = "tc0"
        lines.append(f"route replace {prefix_of(number)} dev {device}")
    return "".join(f"{line}\n" for line in lines)


def _peers(n_tenants, n_sit):
    private = base64.b64encode(hashlib.sha256(b"gateway").digest()).decode()
    text = f"[Interface]\nPrivateKey = {private}\nListenPort = 51820\n"
    for number in range(1, n_tenants + 1):
        if not 1 < number <= n_sit + 1:
            text += f"[Peer]\nPublicKey = {key_of(number)}\nAllowedIPs = {prefix_of(number)}\n"
    return text


def _rules(n_tenants, n_sit):
    """Anti-spoofing and isolation, as few sets as that takes."""
    sources, marks = [], []
    for number in range(1, n_tenants + 1):
        device = f"six{number}" if 1 < number <= n_sit + 1 else "sg-wg"
        net = prefix_of(number).removesuffix("/64")
        sources.append(f'"{device}" . {net}')
        marks.append(f"{net} : {0x10000000 + number}")
    return f"""table inet hand {{
 set sources {{ type ifname . ipv6_addr; elements = {{ {', '.join(sources)} }}; }}
 map marks {{ type ipv6_addr : mark; elements = {{ {', '.join(marks)} }}; }}
 chain pre {{ type filter hook prerouting priority -150;
  iifname != {{ "lo", "up0" }} iifname . ip6 saddr & ffff:ffff:ffff:ffff:: != @sources drop
  meta mark set ip6 saddr & ffff:ffff:ffff:ffff:: map @marks
 }}
 chain forwarding {{ type filter hook forward priority 0;
  iifname "sg-wg" oifname "sg-wg" drop
 }}
}}
"""


def write_script(chain, work, n_tenants, n_sit):
    """Writes its files; returns what runs it in a chain's gateway."""
    batch, conf, rules = work / "ip.batch", work / "wg.conf", work / "rules.nft"
    batch.write_text(_links(chain, n_tenants, n_sit))
    conf.write_text(_peers(n_tenants, n_sit))
    rules.write_text(_rules(n_tenants, n_sit))

    def run_script(where):
        where.gateway.run("nft", "-f", str(rules))
        where.gateway.run("ip", "-batch", str(batch))
        where.gateway.run("wg", "setconf", "sg-wg", str(conf))

    return run_script
