/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The ClientHello reader: a walk over records that finds where the handshake message ends, and a
 * parser of the complete message. Called for each TLS session before it is routed. All bytes
 * here are hostile; what is not complete and well-formed is never guessed at, because a guess
 * would route around a rule.
 */
#include "proxy/sni.h"

#include <string.h>

#include "base/cursor.h"

#define RECORD_HANDSHAKE     22
#define RECORD_VERSION_MAJOR 3
#define RECORD_HEADER_BYTES  5
#define RECORD_BYTES_MAX     16384 /* RFC 8446 5.1: 2^14 */

#define HANDSHAKE_CLIENT_HELLO 1
#define HANDSHAKE_HEADER_BYTES 4

#define HELLO_RANDOM_BYTES      32
#define HELLO_SESSION_BYTES_MAX 32

#define EXTENSION_SERVER_NAME 0
#define EXTENSION_ALPN        16
#define NAME_TYPE_HOST_NAME   0

/*
 * Opens the next record. SNI_FOUND here means that it is open.
 *
 * A record of another type between those of the hello is malformed (RFC 8446 5.1: no
 * interleaving), and so is one without content. What the header says is checked as its bytes
 * arrive, so that a client of another protocol does not hang until the time-out.
 */
static enum sni_result record_open(struct sni_scan *scan, const uint8_t *buf, size_t len)
{
	size_t at = scan->offset, left = len - at;
	uint16_t length;

	if (at + RECORD_HEADER_BYTES >= SNI_HELLO_MAX) {
		return SNI_TOO_LARGE;
	}
	if ((left > 0 && buf[at] != RECORD_HANDSHAKE) ||
	    (left > 1 && buf[at + 1] != RECORD_VERSION_MAJOR)) {
		return SNI_MALFORMED;
	}
	if (left < RECORD_HEADER_BYTES) {
		return SNI_NEED_MORE;
	}
	length = (uint16_t)(buf[at + 3] << 8 | buf[at + 4]);
	if (length == 0 || length > RECORD_BYTES_MAX) {
		return SNI_MALFORMED;
	}
	scan->joined = scan->hello_bytes > 0;
	scan->offset += RECORD_HEADER_BYTES;
	scan->record_left = length;
	return SNI_FOUND;
}

/* Takes the next byte of the handshake message's header. */
static enum sni_result header_take(struct sni_scan *scan, uint8_t byte)
{
	if (scan->hello_bytes == 0 && byte != HANDSHAKE_CLIENT_HELLO) {
		return SNI_MALFORMED;
	}
	scan->header = scan->header << 8 | byte;
	scan->hello_bytes++;
	scan->offset++;
	scan->record_left--;
	if (scan->hello_bytes == HANDSHAKE_HEADER_BYTES) {
		scan->hello_end = HANDSHAKE_HEADER_BYTES + (scan->header & 0xffffff);
	}
	return SNI_FOUND;
}

/* Walks on until the message is complete (SNI_FOUND), or cannot be, or the bytes end. */
static enum sni_result scan_records(struct sni_scan *scan, const uint8_t *buf, size_t len)
{
	enum sni_result result;
	size_t take;

	while (scan->hello_end == 0 || scan->hello_bytes < scan->hello_end) {
		if (scan->hello_end > 0 &&
		    scan->offset + (scan->hello_end - scan->hello_bytes) > SNI_HELLO_MAX) {
			return SNI_TOO_LARGE;
		}
		if (scan->record_left == 0) {
			result = record_open(scan, buf, len);
			if (result != SNI_FOUND) {
				return result;
			}
			continue;
		}
		if (scan->offset == len) {
			return SNI_NEED_MORE;
		}
		if (scan->hello_end == 0) {
			result = header_take(scan, buf[scan->offset]);
			if (result != SNI_FOUND) {
				return result;
			}
			continue;
		}
		take = len - scan->offset;
		take = take < scan->record_left ? take : scan->record_left;
		if (take > scan->hello_end - scan->hello_bytes) {
			take = scan->hello_end - scan->hello_bytes;
		}
		scan->offset += (uint32_t)take;
		scan->hello_bytes += (uint32_t)take;
		scan->record_left -= (uint16_t)take;
	}
	return SNI_FOUND;
}

/*
 * RFC 6066 3. Exactly one host name: no other type of name was ever defined, and a backend's TLS
 * library may read more than one in another order than we do.
 */
static enum sni_result parse_server_name(struct cursor ext, struct sni_hello *ret_hello)
{
	struct cursor list = cursor_sub(&ext, cursor_u16(&ext));
	uint8_t type = cursor_u8(&list);
	size_t name_bytes = cursor_u16(&list);
	const uint8_t *name = cursor_bytes(&list, name_bytes);
	size_t len;

	if (!cursor_done(&ext) || !cursor_done(&list) || type != NAME_TYPE_HOST_NAME) {
		return SNI_MALFORMED;
	}
	if (name_normalize((struct str){.p = (const char *)name, .len = name_bytes},
			   ret_hello->name, &len) != NAME_OK) {
		return SNI_MALFORMED;
	}
	ret_hello->name_len = (uint16_t)len;
	return SNI_FOUND;
}

/* RFC 7301 3.1: a list that is not empty, of names that are not empty. */
static enum sni_result parse_alpn(struct cursor ext, struct sni_hello *ret_hello)
{
	struct cursor list = cursor_sub(&ext, cursor_u16(&ext));
	const uint8_t *names = list.p;
	size_t kept = 0;

	if (!cursor_done(&ext) || list.left == 0) {
		return SNI_MALFORMED;
	}
	while (list.left > 0) {
		size_t name_bytes = cursor_u8(&list);

		(void)cursor_bytes(&list, name_bytes); /* only skipped; bad tells the rest */
		if (name_bytes == 0 || list.bad) {
			return SNI_MALFORMED;
		}
		if ((size_t)(list.p - names) <= SNI_ALPN_MAX) {
			kept = (size_t)(list.p - names);
		}
	}
	memcpy(ret_hello->alpn, names, kept);
	ret_hello->alpn_len = (uint16_t)kept;
	return SNI_FOUND;
}

static enum sni_result parse_extensions(struct cursor exts, struct sni_hello *ret_hello)
{
	bool has_name = false, has_alpn = false;
	enum sni_result result = SNI_FOUND;

	while (exts.left > 0 && result == SNI_FOUND) {
		uint16_t type = cursor_u16(&exts);
		struct cursor ext = cursor_sub(&exts, cursor_u16(&exts));

		if (exts.bad) {
			return SNI_MALFORMED;
		}
		/* RFC 8446 4.2: no two of the same type */
		if (type == EXTENSION_SERVER_NAME) {
			result = has_name ? SNI_MALFORMED : parse_server_name(ext, ret_hello);
			has_name = true;
		} else if (type == EXTENSION_ALPN) {
			result = has_alpn ? SNI_MALFORMED : parse_alpn(ext, ret_hello);
			has_alpn = true;
		}
	}
	if (result != SNI_FOUND) {
		return result;
	}
	return has_name ? SNI_FOUND : SNI_NONE;
}

/* RFC 8446 4.1.2, from legacy_version on. */
static enum sni_result parse_hello(struct cursor in, struct sni_hello *ret_hello)
{
	uint8_t major = cursor_u8(&in);
	size_t session_bytes, cipher_bytes, compression_bytes;
	struct cursor exts;

	ret_hello->name[0] = '\0';
	ret_hello->name_len = 0;
	ret_hello->alpn_len = 0;

	(void)cursor_u8(&in); /* the minor version is the backend's business, the random too */
	(void)cursor_bytes(&in, HELLO_RANDOM_BYTES);
	session_bytes = cursor_u8(&in);
	(void)cursor_bytes(&in, session_bytes); /* skipped */
	cipher_bytes = cursor_u16(&in);
	(void)cursor_bytes(&in, cipher_bytes); /* skipped */
	compression_bytes = cursor_u8(&in);
	(void)cursor_bytes(&in, compression_bytes); /* skipped */
	if (in.bad || major != RECORD_VERSION_MAJOR || session_bytes > HELLO_SESSION_BYTES_MAX ||
	    cipher_bytes == 0 || cipher_bytes % 2 != 0 || compression_bytes == 0) {
		return SNI_MALFORMED;
	}
	if (in.left == 0) {
		return SNI_NONE; /* before RFC 3546 there were no extensions */
	}
	exts = cursor_sub(&in, cursor_u16(&in));
	if (!cursor_done(&in)) {
		return SNI_MALFORMED;
	}
	return parse_extensions(exts, ret_hello);
}

/*
 * A hello in several records is put together first: on the stack, because memory that may be
 * absent would need a result of its own. Not inlined, so that the usual hello does not pay.
 */
__attribute__((noinline)) static enum sni_result
parse_joined(const struct sni_scan *scan, const uint8_t *buf, struct sni_hello *ret_hello)
{
	uint8_t hello[SNI_HELLO_MAX];
	size_t len = 0;

	for (size_t at = 0; at < scan->offset;) {
		size_t take = (size_t)(buf[at + 3] << 8 | buf[at + 4]);

		at += RECORD_HEADER_BYTES;
		take = take < scan->offset - at ? take : scan->offset - at;
		memcpy(hello + len, buf + at, take);
		len += take;
		at += take;
	}
	return parse_hello(cursor_from(hello + HANDSHAKE_HEADER_BYTES,
				       len - HANDSHAKE_HEADER_BYTES),
			   ret_hello);
}

enum sni_result sni_scan_hello(struct sni_scan *scan, const uint8_t *buf, size_t len,
			       struct sni_hello *ret_hello)
{
	enum sni_result result = scan_records(scan, buf, len);
	const size_t headers = RECORD_HEADER_BYTES + HANDSHAKE_HEADER_BYTES;

	if (result != SNI_FOUND) {
		return result;
	}
	if (scan->joined) {
		return parse_joined(scan, buf, ret_hello);
	}
	return parse_hello(cursor_from(buf + headers, scan->hello_end - HANDSHAKE_HEADER_BYTES),
			   ret_hello);
}

bool sni_alpn_next(struct str *list, struct str *ret_protocol)
{
	size_t len;

	if (list->len == 0) {
		return false;
	}
	len = (uint8_t)list->p[0];
	*ret_protocol = (struct str){.p = list->p + 1, .len = len};
	list->p += 1 + len;
	list->len -= 1 + len;
	return true;
}

void sni_alert(enum sni_alert alert, uint8_t out[SNI_ALERT_BYTES])
{
	/* record: alert, version TLS 1.0, which every client takes, 2 bytes; fatal */
	const uint8_t head[] = {21, 3, 1, 0, 2, 2};

	memcpy(out, head, sizeof(head));
	out[sizeof(head)] = (uint8_t)alert;
}
