/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The canned ClientHello of the bench. It holds what sniproxy, nginx, HAProxy and sixgate check:
 * one record, exact lengths, one host name.
 */
#include "tests/bench/hello.h"

#include <string.h>

struct writer {
	uint8_t *at;
};

static void put(struct writer *w, const void *data, size_t len)
{
	memcpy(w->at, data, len);
	w->at += len;
}

static void put_u16(struct writer *w, size_t value)
{
	*w->at++ = (uint8_t)(value >> 8);
	*w->at++ = (uint8_t)value;
}

static void put_filler(struct writer *w, size_t len)
{
	memset(w->at, 0xa5, len);
	w->at += len;
}

/* Opens a block with a length of two bytes; block_end() fills it in. */
static uint8_t *block(struct writer *w)
{
	uint8_t *start = w->at;

	w->at += 2;
	return start;
}

static void block_end(struct writer *w, uint8_t *start)
{
	struct writer length = {start};

	put_u16(&length, (size_t)(w->at - start) - 2);
}

static void put_server_name(struct writer *w, const char *name)
{
	uint8_t *extension, *list, *entry;

	put_u16(w, 0); /* server_name */
	extension = block(w);
	list = block(w);
	*w->at++ = 0; /* host_name */
	entry = block(w);
	put(w, name, strlen(name));
	block_end(w, entry);
	block_end(w, list);
	block_end(w, extension);
}

static void put_key_share(struct writer *w)
{
	uint8_t *extension, *list, *key;

	put_u16(w, 51);
	extension = block(w);
	list = block(w);
	put_u16(w, 0x11ec); /* X25519MLKEM768 */
	key = block(w);
	put_filler(w, 1216);
	block_end(w, key);
	put_u16(w, 0x001d); /* X25519 */
	key = block(w);
	put_filler(w, 32);
	block_end(w, key);
	block_end(w, list);
	block_end(w, extension);
}

static void put_extensions(struct writer *w, const char *name)
{
	static const uint8_t fixed[] = {
		0,   10,  0,   6,   0,   4,  0x11, 0xec, 0,   0x1d,         /* supported_groups */
		0,   11,  0,   2,   1,   0,                                 /* ec_point_formats */
		0,   13,  0,   8,   0,   6,  4,    3,    8,   4,    4,   1, /* signature_algorithms
									     */
		0,   16,  0,   14,  0,   12, 2,    'h',  '2', 8,    'h', 't', 't',
		'p', '/', '1', '.', '1',                    /* ALPN */
		0,   43,  0,   5,   4,   3,  4,    3,    3, /* supported_versions */
		0,   45,  0,   2,   1,   1,                 /* psk_key_exchange_modes */
	};
	uint8_t *all = block(w), *padding;

	put(w, fixed, sizeof(fixed));
	put_key_share(w);
	put_server_name(w, name);
	put_u16(w, 21); /* padding */
	padding = block(w);
	memset(w->at, 0, 300);
	w->at += 300;
	block_end(w, padding);
	block_end(w, all);
}

size_t hello_build(const char *name, uint8_t *out)
{
	static const uint8_t ciphers[] = {0, 6, 0x13, 1, 0x13, 2, 0x13, 3};
	struct writer w = {out};
	uint8_t *record, *message;

	put(&w, "\x16\x03\x01", 3);
	record = block(&w);
	put(&w, "\x01\x00", 2); /* client_hello, and the high byte of its length */
	message = block(&w);
	put(&w, "\x03\x03", 2);
	put_filler(&w, 32); /* random */
	*w.at++ = 32;
	put_filler(&w, 32); /* session id */
	put(&w, ciphers, sizeof(ciphers));
	put(&w, "\x01\x00", 2); /* no compression */
	put_extensions(&w, name);
	block_end(&w, message);
	block_end(&w, record);
	return (size_t)(w.at - out);
}
