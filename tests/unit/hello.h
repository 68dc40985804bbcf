/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SIXGATE_TESTS_UNIT_HELLO_H
#define SIXGATE_TESTS_UNIT_HELLO_H

#include <stdint.h>

#include "base/cursor.h"

/* Builds ClientHellos, well-formed ones and such that lie, into a struct buf. */

struct hello {
	uint16_t version; /* legacy_version; 0: 0x0303 */
	unsigned int session_bytes;
	unsigned int cipher_bytes; /* 0: 2, unless no_ciphers */
	bool no_ciphers;
	bool no_compression;
	bool no_extensions; /* the field is absent */
	int extensions_lie; /* added to the length of the extensions */
	int message_lie;    /* added to the length of the message */
	struct str extensions;
};

/* Extensions; text is what stands on the wire, any byte. */
void hello_ext(struct buf *out, uint16_t type, const void *data, size_t len);
void hello_ext_name(struct buf *out, struct str name);
/* protocols: comma-separated. */
void hello_ext_alpn(struct buf *out, const char *protocols);
/* len bytes of no meaning. */
void hello_ext_filler(struct buf *out, uint16_t type, size_t len);

/* The handshake message, without records. */
void hello_message(struct buf *out, const struct hello *hello);
/* One record of the given type and version. */
void hello_record(struct buf *out, uint8_t type, uint16_t version, const void *data, size_t len);
/* The message in handshake records of record_bytes each. */
void hello_records(struct buf *out, const struct buf *message, size_t record_bytes);

/* A usual hello in one record: server_name (NULL: none), some others, alpn (NULL: none). */
void hello_usual(struct buf *out, const char *name, const char *alpn, size_t record_bytes);

#endif
