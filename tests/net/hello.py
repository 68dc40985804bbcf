# SPDX-License-Identifier: GPL-3.0-or-later
"""ClientHellos of every shape, well-formed and hostile: category A of the bad inputs.

Each dict maps the name of a case to the bytes a client sends. As a program it writes them all
into a folder, which is how the corpus of tests/fuzz/fuzz_sni.c was made:

    python3 tests/net/hello.py tests/fuzz/corpus/sni
"""

import dataclasses
import os
import sys

from clients import extension, records

NAME = "shop.example"
HELLO_MAX = 65536  # SNI_HELLO_MAX: bytes in which the hello has to end

SERVER_NAME, ALPN, PADDING, KEY_SHARE, PRE_SHARED_KEY, ECH = 0, 16, 21, 51, 41, 0xfe0d
LABEL_63 = b"a" * 63


def u16(value):
    return value.to_bytes(2, "big")


def u24(value):
    return value.to_bytes(3, "big")


def filler(size):
    return bytes(i & 0xff for i in range(size))


def server_name(name, kind=0):
    """The extension's content for one name (bytes or str)."""
    raw = name if isinstance(name, bytes) else name.encode("latin-1")
    entry = bytes([kind]) + u16(len(raw)) + raw
    return u16(len(entry)) + entry


def alpn_list(*protocols):
    names = b"".join(bytes([len(p)]) + p for p in protocols)
    return u16(len(names)) + names


@dataclasses.dataclass
class Hello:
    """A ClientHello; the *_lie fields are added to a length that is sent."""

    name: object = NAME           # str, bytes, or None: without the extension
    alpn: tuple = ()              # bytes each
    before: bytes = b""           # extensions before server_name
    after: bytes = extension(43, b"\x02\x03\x04")
    version: bytes = b"\3\3"
    session: bytes = b""
    ciphers: bytes = b"\x13\x01"
    compression: bytes = b"\0"
    has_extensions: bool = True
    extensions_lie: int = 0
    message_lie: int = 0

    def extensions(self):
        parts = [self.before]
        if self.name is not None:
            parts.append(extension(SERVER_NAME, server_name(self.name)))
        if self.alpn:
            parts.append(extension(ALPN, alpn_list(*self.alpn)))
        return b"".join([*parts, self.after])

    def message(self):
        body = (self.version + filler(32) + bytes([len(self.session)]) + self.session +
                u16(len(self.ciphers)) + self.ciphers +
                bytes([len(self.compression)]) + self.compression)
        if self.has_extensions:
            extensions = self.extensions()
            body += u16((len(extensions) + self.extensions_lie) & 0xffff) + extensions
        return b"\1" + u24(len(body) + self.message_lie) + body

    def stream(self, size=16384):
        """In records of at most size bytes."""
        return records(self.message(), size)


def record(kind, body, version=b"\3\1", length=None):
    return bytes([kind]) + version + u16(len(body) if length is None else length) + body


def with_server_name(content):
    """A hello whose server_name extension has this content."""
    return Hello(name=None, before=extension(SERVER_NAME, content)).stream()


def with_alpn(content):
    return Hello(before=extension(ALPN, content)).stream()


def between_records(inserted):
    """A hello in two records with something between them."""
    message = Hello().message()
    return record(22, message[:60]) + inserted + record(22, message[60:])


def inside_name(message):
    """Where to cut a message so that the name is torn."""
    return message.index(NAME.encode()) + 4


def torn_name():
    message = Hello().message()
    cut = inside_name(message)
    return record(22, message[:cut]) + record(22, message[cut:])


def ending_at(size):
    """A hello of which the last byte is the size-th of the stream."""
    headers = 5 * -(-size // (16384 + 5))
    least = len(Hello(before=extension(PADDING, b"")).message())
    stream = Hello(before=extension(PADDING, bytes(size - headers - least))).stream()
    assert len(stream) == size
    return stream


# Complete and well-formed: routed by NAME.
ROUTED = {
    "plain": Hello().stream(),
    "a4-one-byte-records": Hello().stream(1),
    "a4-seven-byte-records": Hello().stream(7),
    "a4-record-boundary-inside-name": torn_name(),
    "a4-record-version-0300": record(22, Hello().message(), b"\3\0"),
    "a4-record-version-0304": record(22, Hello().message(), b"\3\4"),
    "a5-second-message-in-the-record": record(22, Hello().message() + b"\x0b\0\0\1\0"),
    "a5-post-quantum-1800": Hello(before=extension(KEY_SHARE, filler(1222)) +
                                  extension(ECH, filler(250)) + extension(35, filler(190)),
                                  session=filler(32)).stream(),
    "a5-sixteen-kib": ending_at(16384),
    "a5-at-the-cap": ending_at(HELLO_MAX),
    "a6-session-id-32": Hello(session=filler(32)).stream(),
    "a6-ten-thousand-extensions": Hello(before=b"".join(
        extension(1000 + i, b"") for i in range(10000))).stream(),
    "a6-upper-case": Hello(name="SHOP.Example").stream(),
    "a6-trailing-dot": Hello(name="shop.example.").stream(),
    "a7-alpn": Hello(alpn=(b"h2", b"http/1.1")).stream(),
    "a7-alpn-name-of-255": Hello(alpn=(b"p" * 255, b"h2")).stream(),
    "a7-alpn-acme": Hello(alpn=(b"acme-tls/1",)).stream(),
    "a8-sslv3-hello": Hello(version=b"\3\0").stream(),
    "a10-ech": Hello(before=extension(ECH, b"\0\0\1\0\1\x2a\0\x20" + filler(32) + b"\0\xb0" +
                                      filler(176))).stream(),
    "a10-grease": Hello(before=extension(0x0a0a, b""), after=extension(0x1a1a, b"\0"),
                        ciphers=b"\x2a\x2a\x13\x01").stream(),
    "a10-ticket-of-8-kib": Hello(after=extension(PRE_SHARED_KEY, filler(8300))).stream(),
}

# Complete and well-formed, without a name: the listener's default or unrecognized_name.
NAMELESS = {
    "a6-no-name": Hello(name=None).stream(),
    "a6-no-extensions": Hello(has_extensions=False).stream(),
    "a7-acme-without-name": Hello(name=None, alpn=(b"acme-tls/1",)).stream(),
}

# Names no host can have.
BAD_NAMES = {
    "nul": b"shop\0.example", "nul-at-end": b"shop.example\0", "bel": b"sh\7op.example",
    "esc": b"\x1b[31mshop.example", "newline": b"shop\r\n.example", "space": b"shop .example",
    "utf8": "sh\u00f6p.example".encode(), "0x80": b"\x80.example", "0xff": b"\xff.example",
    "256-bytes": b".".join([LABEL_63] * 4), "4-kib": b"a." * 2048 + b"example",
    "label-64": b"a" * 64 + b".example", "leading-dot": b".shop.example",
    "double-dot": b"shop..example", "two-trailing-dots": b"shop.example..", "dots": b"...",
    "star": b"*", "wildcard": b"*.shop.example", "ipv4": b"203.0.113.10",
    "ipv6": b"2001:db8::10", "bracketed": b"[2001:db8::10]",
    "bracketed-300": b"[" + b"a" * 298 + b"]", "path": b"a/../b", "percent": b"shop%00.example",
    "format": b"%s%s%n.example", "port": b"shop.example:443", "quote": b"\"shop\".example",
    "empty": b"",
}

MALFORMED = {
    "a4-alert-inside": between_records(record(21, b"\1\0")),
    "a4-appdata-inside": between_records(record(23, b"x")),
    "a4-ccs-inside": between_records(record(20, b"\1")),
    "a4-empty-record-inside": between_records(record(22, b"")),
    "a4-empty-record-first": record(22, b"") + Hello().stream(),
    "a4-record-of-16641": record(22, bytes([1]) + u24(20000) + filler(16637)),
    "a4-record-version-0201": record(22, Hello().message(), b"\2\1"),
    "a4-record-version-ffff": record(22, Hello().message(), b"\xff\xff"),
    "a5-handshake-length-0": record(22, b"\1\0\0\0"),
    "a5-handshake-short-by-one": Hello(message_lie=-1).stream(),
    "a5-server-hello": record(22, b"\2" + Hello().message()[1:]),
    "a6-session-id-33": Hello(session=filler(33)).stream(),
    "a6-session-id-255": Hello(session=filler(255)).stream(),
    "a6-ciphers-odd": Hello(ciphers=b"\x13\1\x13").stream(),
    "a6-ciphers-none": Hello(ciphers=b"").stream(),
    "a6-compression-none": Hello(compression=b"").stream(),
    "a6-extensions-past-end": Hello(extensions_lie=1).stream(),
    "a6-extensions-short-by-one": Hello(extensions_lie=-1).stream(),
    "a6-extension-length-ffff": Hello(after=b"\0\x17\xff\xff").stream(),
    "a6-two-server-names": Hello(before=extension(SERVER_NAME, server_name("other.example")))
    .stream(),
    "a6-list-empty": with_server_name(b"\0\0"),
    "a6-extension-empty": with_server_name(b""),
    "a6-list-short": with_server_name(u16(14) + server_name(NAME)[2:]),
    "a6-list-long": with_server_name(u16(16) + server_name(NAME)[2:]),
    "a6-name-ffff": with_server_name(u16(15) + b"\0\xff\xff" + NAME.encode()),
    "a6-type-1": with_server_name(server_name(NAME, kind=1)),
    "a6-two-names": with_server_name(u16(30) + server_name(NAME)[2:] * 2),
    "a7-alpn-empty-list": with_alpn(b"\0\0"),
    "a7-alpn-empty-name": with_alpn(b"\0\1\0"),
    "a7-alpn-trailing-byte": with_alpn(alpn_list(b"h2") + b"\0"),
    "a7-alpn-name-past-end": with_alpn(b"\0\3\5h2"),
    **{"a6-name-" + key: Hello(name=name).stream() for key, name in BAD_NAMES.items()},
}

TOO_LARGE = {
    "a4-flood-of-records": Hello(ciphers=filler(11000)).stream(1),
    "a5-one-over-the-cap": ending_at(HELLO_MAX + 1),
    "a5-sixteen-mib-claimed": record(22, b"\1\xff\xff\xff"),
}

# Not TLS: refused at the first or second byte, with an alert.
OTHER_PROTOCOLS = {
    "a8-sslv2": b"\x80\x2e\1\0\2\0\x15\0\0\0\x10\7\0\xc0" + filler(32),
    "a8-http": b"GET / HTTP/1.1\r\nHost: shop.example\r\n\r\n",
    "a8-http2-preface": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "a8-ssh": b"SSH-2.0-OpenSSH_9.2p1\r\n",
    "a8-smtp": b"EHLO mail.example\r\n",
    "a8-postgres": b"\0\0\0\x08\x04\xd2\x16\x2f",
    "a8-proxy-header": b"PROXY TCP4 192.0.2.1 192.0.2.2 1 443\r\n",
    "a8-alert": b"\x15\3\1\0\2\2\x28",
    "a8-dtls": b"\x16\xfe\xfd" + bytes(10) + b"\1\0\0\0",
    "a8-quic": b"\xc3\0\0\0\1\x08" + filler(40),
}


def main(folder):
    for cases in (ROUTED, NAMELESS, MALFORMED, TOO_LARGE, OTHER_PROTOCOLS):
        for name, stream in cases.items():
            with open(os.path.join(folder, name), "wb") as out:
                out.write(stream)


if __name__ == "__main__":
    main(sys.argv[1])
