/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SIXGATE_PROXY_SNI_H
#define SIXGATE_PROXY_SNI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"
#include "conf/model/name.h"

/*
 * Reader of the first bytes of a TLS connection: what host name and which protocols the client
 * asks for (RFC 8446 4.1.2 and 5.1, RFC 6066 3, RFC 7301 3.1). It decides on a complete
 * ClientHello only, however that is cut into records and segments, and changes nothing.
 */

/* Bytes of the stream, record headers included, in which the ClientHello has to end. */
#define SNI_HELLO_MAX 65536

/* What of the client's ALPN list is kept, in bytes. */
#define SNI_ALPN_MAX 512

#define SNI_ALERT_BYTES 7

enum sni_result {
	SNI_FOUND,     /* complete, with a host name */
	SNI_NONE,      /* complete, without server_name extension */
	SNI_NEED_MORE, /* incomplete; never with len >= SNI_HELLO_MAX */
	SNI_MALFORMED, /* not TLS, or a name no host can have */
	SNI_TOO_LARGE, /* cannot end within SNI_HELLO_MAX */
};

/* Where the scan of one connection stopped; starts zeroed. */
struct sni_scan {
	uint32_t offset;      /* bytes of the stream walked over */
	uint32_t hello_bytes; /* bytes of the handshake message among them */
	uint32_t hello_end; /* bytes the handshake message has, header included; 0: not yet known */
	uint32_t header;    /* the message's first bytes, up to four */
	uint16_t record_left; /* bytes of the open record still to come */
	bool joined;          /* the message lies in more than one record */
};

/* What a complete ClientHello asks for; all copied, so it may outlive the bytes. */
struct sni_hello {
	char name[NAME_BUF_SIZE]; /* normalised by name_normalize(), NUL-terminated; empty: none */
	uint16_t name_len;
	uint16_t alpn_len;
	uint8_t alpn[SNI_ALPN_MAX]; /* protocol names, each behind its length in one byte */
};

/*
 * Looks at the len bytes received so far, from the connection's first one on: the same bytes as
 * at the last call, and more. What an earlier call walked over is not walked over again, so
 * that a hello sent byte by byte costs no more than one sent at once. Bytes behind the
 * ClientHello are not looked at. No allocation.
 *
 * On SNI_FOUND and SNI_NONE ret_hello is filled; of an ALPN list longer than SNI_ALPN_MAX the
 * first names are kept. Any result but SNI_NEED_MORE is final.
 */
enum sni_result sni_scan_hello(struct sni_scan *scan, const uint8_t *buf, size_t len,
			       struct sni_hello *ret_hello) CHECKED;

/* The client's protocols in its order of preference, as rules_find_name() wants them. */
static inline struct str sni_hello_alpn(const struct sni_hello *hello)
{
	return (struct str){.p = (const char *)hello->alpn, .len = hello->alpn_len};
}

/*
 * Takes the first name off a list as in sni_hello.alpn. Returns false at its end. The list must
 * be well-formed.
 */
bool sni_alpn_next(struct str *list, struct str *ret_protocol);

/* Why a connection is refused (RFC 8446 6.2). */
enum sni_alert {
	SNI_ALERT_UNEXPECTED_MESSAGE = 10,
	SNI_ALERT_HANDSHAKE_FAILURE = 40,
	SNI_ALERT_ILLEGAL_PARAMETER = 47,
	SNI_ALERT_DECODE_ERROR = 50,
	SNI_ALERT_INTERNAL_ERROR = 80,
	SNI_ALERT_UNRECOGNIZED_NAME = 112,
	SNI_ALERT_NO_APPLICATION_PROTOCOL = 120,
};

/* Writes the fatal alert, a record of its own. */
void sni_alert(enum sni_alert alert, uint8_t out[SNI_ALERT_BYTES]);

#endif
