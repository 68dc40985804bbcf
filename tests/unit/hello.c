/* SPDX-License-Identifier: GPL-3.0-or-later */
/* ClientHello builder for the tests. */
#include "tests/unit/hello.h"

#include <string.h>

void hello_ext(struct buf *out, uint16_t type, const void *data, size_t len)
{
	buf_u16(out, type);
	buf_u16(out, (uint16_t)len);
	buf_bytes(out, data, len);
}

void hello_ext_name(struct buf *out, struct str name)
{
	buf_u16(out, 0);
	buf_u16(out, (uint16_t)(name.len + 5));
	buf_u16(out, (uint16_t)(name.len + 3));
	buf_u8(out, 0);
	buf_u16(out, (uint16_t)name.len);
	buf_bytes(out, name.p, name.len);
}

void hello_ext_alpn(struct buf *out, const char *protocols)
{
	size_t list = strlen(protocols) + 1; /* each comma becomes a length, one is missing */

	buf_u16(out, 16);
	buf_u16(out, (uint16_t)(list + 2));
	buf_u16(out, (uint16_t)list);
	for (const char *p = protocols, *end; p; p = end ? end + 1 : NULL) {
		end = strchr(p, ',');
		buf_u8(out, (uint8_t)(end ? (size_t)(end - p) : strlen(p)));
		buf_bytes(out, p, end ? (size_t)(end - p) : strlen(p));
	}
}

static void fill(struct buf *out, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		buf_u8(out, (uint8_t)i);
	}
}

void hello_ext_filler(struct buf *out, uint16_t type, size_t len)
{
	buf_u16(out, type);
	buf_u16(out, (uint16_t)len);
	fill(out, len);
}

void hello_message(struct buf *out, const struct hello *hello)
{
	unsigned int ciphers = hello->cipher_bytes ? hello->cipher_bytes : 2;
	size_t len;

	ciphers = hello->no_ciphers ? 0 : ciphers;
	len = 2 + 32 + 1 + hello->session_bytes + 2 + ciphers + (hello->no_compression ? 1 : 2) +
	      (hello->no_extensions ? 0 : 2 + hello->extensions.len);
	buf_u32(out, 1U << 24 | (uint32_t)((int)len + hello->message_lie));
	buf_u16(out, hello->version ? hello->version : 0x0303);
	fill(out, 32);
	buf_u8(out, (uint8_t)hello->session_bytes);
	fill(out, hello->session_bytes);
	buf_u16(out, (uint16_t)ciphers);
	fill(out, ciphers);
	buf_u8(out, hello->no_compression ? 0 : 1);
	if (!hello->no_compression) {
		buf_u8(out, 0);
	}
	if (!hello->no_extensions) {
		buf_u16(out, (uint16_t)((int)hello->extensions.len + hello->extensions_lie));
		buf_bytes(out, hello->extensions.p, hello->extensions.len);
	}
}

void hello_record(struct buf *out, uint8_t type, uint16_t version, const void *data, size_t len)
{
	buf_u8(out, type);
	buf_u16(out, version);
	buf_u16(out, (uint16_t)len);
	buf_bytes(out, data, len);
}

void hello_records(struct buf *out, const struct buf *message, size_t record_bytes)
{
	for (size_t at = 0; at < message->len; at += record_bytes) {
		size_t left = message->len - at;

		hello_record(out, 22, 0x0301, message->data + at,
			     left < record_bytes ? left : record_bytes);
	}
}

void hello_usual(struct buf *out, const char *name, const char *alpn, size_t record_bytes)
{
	struct buf exts, message;

	buf_init(&exts, 1 << 20);
	buf_init(&message, 1 << 20);
	hello_ext_filler(&exts, 43, 7); /* supported_versions */
	if (name) {
		hello_ext_name(&exts, str_from(name));
	}
	hello_ext_filler(&exts, 10, 8); /* supported_groups */
	if (alpn) {
		hello_ext_alpn(&exts, alpn);
	}
	hello_ext_filler(&exts, 51, 38); /* key_share */
	hello_message(&message, &(struct hello){
					.session_bytes = 32,
					.cipher_bytes = 8,
					.extensions = {(const char *)exts.data, exts.len},
				});
	hello_records(out, &message, record_bytes);
	buf_fini(&exts);
	buf_fini(&message);
}
