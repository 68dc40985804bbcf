# SPDX-License-Identifier: GPL-3.0-or-later
"""What clients send: ClientHellos by hand and by OpenSSL, data with a known sum."""

import hashlib
import ssl

from netns import Namespace


def extension(kind, body):
    return kind.to_bytes(2, "big") + len(body).to_bytes(2, "big") + body


def hello(name=None, alpn=(), padding=0, more=b""):
    """A ClientHello as one record: the least that is complete and well-formed."""
    extensions = b""
    if name is not None:
        raw = name.encode("latin-1")
        entry = b"\0" + len(raw).to_bytes(2, "big") + raw
        extensions += extension(0, len(entry).to_bytes(2, "big") + entry)
    if alpn:
        names = b"".join(bytes([len(a)]) + a.encode() for a in alpn)
        extensions += extension(16, len(names).to_bytes(2, "big") + names)
    extensions += extension(43, b"\x02\x03\x04") + more
    if padding:
        extensions += extension(21, bytes(padding))
    body = (b"\x03\x03" + bytes(range(32)) + b"\0" + b"\0\x02\x13\x01" + b"\x01\0" +
            len(extensions).to_bytes(2, "big") + extensions)
    message = b"\x01" + len(body).to_bytes(3, "big") + body
    return records(message)


def records(message, size=16384):
    """A handshake message cut into TLS records of at most size bytes."""
    return b"".join(b"\x16\x03\x01" + len(message[i:i + size]).to_bytes(2, "big") +
                    message[i:i + size] for i in range(0, len(message), size))


def client_context(alpn=()):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    if alpn:
        context.set_alpn_protocols(list(alpn))
    return context


def tls_connect(host: Namespace, address, port, name, alpn=(), **options):
    """A TLS connection by OpenSSL; closes its socket when the handshake fails."""
    sock = host.connect(address, port, **options)
    try:
        return client_context(alpn).wrap_socket(sock, server_hostname=name)
    except BaseException:
        sock.close()
        raise


def pattern(size, seed=1):
    """Bytes that do not repeat in step with any buffer."""
    block = b"".join(hashlib.sha256(b"%d %d" % (seed, i)).digest() for i in range(1021))
    return (block * (size // len(block) + 1))[:size]


def sha256(data):
    return hashlib.sha256(data).hexdigest()
