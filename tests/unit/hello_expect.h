/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SIXGATE_TESTS_UNIT_HELLO_EXPECT_H
#define SIXGATE_TESTS_UNIT_HELLO_EXPECT_H

#include "proxy/sni.h"
#include "tests/unit/hello.h"

/*
 * What the ClientHello reader says. Each stream is read at once, from memory that ends where the
 * bytes end, and byte by byte; both ways have to tell the same. The expect functions take it.
 */

/* The bytes of a string literal, NUL inside it and all. */
#define BYTES(literal)                       \
	{                                    \
		literal, sizeof(literal) - 1 \
	}

enum sni_result sni_at_once(const struct buf *in, struct sni_hello *ret_hello);

/* Returns how many bytes were enough to know. */
size_t expect_hello(struct buf *in, enum sni_result result, struct sni_hello *ret_hello);
size_t expect_result(struct buf *in, enum sni_result result);
void expect_name(struct buf *in, const char *name);

/* Streams; see hello.h. */
struct buf from_usual(const char *name, const char *alpn, size_t record_bytes);
/* A hello in one record. */
struct buf from_hello(const struct hello *hello);
/* The same with these extensions, which it takes. */
struct buf from_extensions(struct buf *extensions);
struct buf from_bytes(struct str bytes);

#endif
