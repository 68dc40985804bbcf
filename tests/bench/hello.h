/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SIXGATE_TESTS_BENCH_HELLO_H
#define SIXGATE_TESTS_BENCH_HELLO_H

#include <stddef.h>
#include <stdint.h>

/* Room for a hello with the longest name. */
#define HELLO_ROOM 2304

/*
 * Writes a TLS 1.3 ClientHello as a browser of today sends it, about 1.8 KB because of its
 * X25519MLKEM768 key share, with name (at most 255 bytes) as SNI. The keys are no keys: nobody
 * answers this handshake. out has HELLO_ROOM bytes; returns the length.
 */
size_t hello_build(const char *name, uint8_t *out);

#endif
