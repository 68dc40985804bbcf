# SPDX-License-Identifier: GPL-3.0-or-later
"""The proxies of the bench, each with the configuration a sensible operator writes for the job.

Each serves the same eight ports of its own address: four of raw TCP and four of TLS by SNI, to the
backend's four ports. Access log to a file everywhere.
"""
import collections.abc
import dataclasses
import pathlib
import shutil

from lab import BACKEND, BACKEND_ADDRESS, CORE_LOAD, BenchError, Process

# work of the backend: port of the backend, of raw TCP, of TLS by SNI
PORTS = {
    "close": (9001, 7001, 8441),
    "echo": (9002, 7002, 8442),
    "stream": (9003, 7003, 8443),
    "hold": (9004, 7004, 8444),
}
MAX_SESSIONS = 6500


@dataclasses.dataclass
class Subject:
    """A running proxy: where it listens, and its processes."""
    name: str
    address: str
    start: collections.abc.Callable[[], Process]
    raw: bool = True  # serves raw TCP
    process: Process | None = None

    def tcp(self, work):
        """Its port of raw TCP for that work of the backend."""
        return f"{self.address}:{PORTS[work][1]}"

    def tls(self, work):
        return f"{self.address}:{PORTS[work][2]}"


def program(name):
    path = shutil.which(name, path="/usr/sbin:/usr/bin:/sbin:/bin")
    if path is None:
        raise BenchError(f"{name} is not installed; ./dev setup installs the peers")
    return path


def start_sink(lab, spin):
    """The backend; one that spins is not woken at the proxies' cost."""
    ports = [f"{work}=[::]:{ports[0]}" for work, ports in PORTS.items()]
    sink = lab.start("sink", [lab.build / "tests/bench/sink", *(["-b"] if spin else []), *ports],
                     namespace=BACKEND, core=CORE_LOAD)
    lab.wait_for(sink, f"[{BACKEND_ADDRESS}]:{PORTS['hold'][0]}")
    return sink


def start_relay(lab, address, _names):
    pairs = [f"{address}:{port}=[{BACKEND_ADDRESS}]:{ports[0]}"
             for ports in PORTS.values() for port in ports[1:]]
    log = lab.work / "relay.access"
    return lab.start("relay", [lab.build / "tests/bench/relay", "-l", log, *pairs])


def haproxy_config(lab, name, address, names, options):
    table = lab.work / f"{name}.map"
    lines = [
        "global",
        f"    maxconn {MAX_SESSIONS}",
        "    nbthread 1",
        "    log stdout format raw local0",
        "    user haproxy",
        "    group haproxy",
        "defaults",
        "    mode tcp",
        "    log global",
        "    option tcplog",
        "    timeout connect 5s",
        "    timeout client 10m",
        "    timeout server 10m",
        "    timeout client-fin 60s",
        "    timeout server-fin 60s",
        *(f"    {option}" for option in options),
    ]
    table.write_text("".join(f"{n} tls\n" for n in names))
    for work, (backend_port, tcp_port, tls_port) in PORTS.items():
        lines += [
            f"frontend tcp-{work}",
            f"    bind {address}:{tcp_port}",
            f"    default_backend {work}",
            f"frontend tls-{work}",
            f"    bind {address}:{tls_port}",
            "    tcp-request inspect-delay 5s",
            "    tcp-request content accept if { req.ssl_hello_type 1 }",
            f"    use_backend {work} if {{ req.ssl_sni,lower,map_str({table}) -m found }}",
            f"backend {work}",
            f"    server tenant [{BACKEND_ADDRESS}]:{backend_port}",
        ]
    path = lab.work / f"{name}.cfg"
    path.write_text("\n".join(lines) + "\n")
    return path


def start_haproxy(lab, address, names):
    config = haproxy_config(lab, "haproxy", address, names, [])
    return lab.start("haproxy", [program("haproxy"), "-db", "-f", config])


def start_haproxy_splice(lab, address, names):
    config = haproxy_config(lab, "haproxy-splice", address, names,
                            ["option splice-request", "option splice-response"])
    return lab.start("haproxy-splice", [program("haproxy"), "-db", "-f", config])


def start_nginx(lab, address, names):
    module = pathlib.Path("/usr/lib/nginx/modules/ngx_stream_module.so")
    if not module.exists():
        raise BenchError("nginx has no stream module (Debian: libnginx-mod-stream)")
    log = lab.work / "nginx.access"
    servers, maps = "", ""
    for work, (backend_port, tcp_port, tls_port) in PORTS.items():
        backend = f"[{BACKEND_ADDRESS}]:{backend_port}"
        maps += f"  map $ssl_preread_server_name $tls_{work} {{\n"
        maps += "".join(f"    {n} {backend};\n" for n in names) + "  }\n"
        servers += f"  server {{ listen {address}:{tcp_port} backlog=4096; proxy_pass {backend}; }}\n"
        servers += (f"  server {{ listen {address}:{tls_port} backlog=4096; ssl_preread on;"
                    f" proxy_pass $tls_{work}; }}\n")
    path = lab.work / "nginx.conf"
    path.write_text(f"""load_module {module};
daemon off;
user www-data;
worker_processes 1;
worker_rlimit_nofile 20000;
pid {lab.work}/nginx.pid;
error_log {lab.work}/nginx.error;
events {{ worker_connections 19000; }}
stream {{
  log_format basic '$remote_addr [$time_local] $protocol $status $bytes_sent $bytes_received '
                   '$session_time "$upstream_addr"';
  access_log {log} basic buffer=64k flush=1s;
  map_hash_bucket_size 128;
  proxy_timeout 10m;
  proxy_connect_timeout 5s;
  tcp_nodelay on;
{maps}{servers}}}
""")
    return lab.start("nginx", [program("nginx"), "-e", f"{lab.work}/nginx.error", "-c", path])


def start_sniproxy(lab, address, names):
    log = lab.work / "sniproxy.access"
    log.touch()
    shutil.chown(log, "daemon")
    text = f"user daemon\nerror_log {{\n  filename {log}\n}}\n"
    for work, (backend_port, _, tls_port) in PORTS.items():
        text += (f"listener {address}:{tls_port} {{\n  proto tls\n  table {work}\n"
                 f"  access_log {{\n    filename {log}\n  }}\n}}\ntable {work} {{\n")
        for name in names:
            pattern = name.replace(".", "\\\\.")
            text += f"  ^{pattern}$ [{BACKEND_ADDRESS}]:{backend_port}\n"
        text += "}\n"
    path = lab.work / "sniproxy.conf"
    path.write_text(text)
    return lab.start("sniproxy", [program("sniproxy"), "-f", "-c", path, "-n", "20000"])


# name, last byte of 203.0.113.0/24, how it starts, whether it serves raw TCP
PEERS = [
    ("relay", 11, start_relay, True),
    ("haproxy", 12, start_haproxy, True),
    ("haproxy-splice", 13, start_haproxy_splice, True),
    ("nginx", 14, start_nginx, True),
    ("sniproxy", 15, start_sniproxy, False),
]
