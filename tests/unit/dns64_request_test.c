/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Messages of clients that are not as they should be (T4, T5, T10, T14), and what they are told. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <libknot/libknot.h>

#include "dns64/answer.h"
#include "dns64/internal.h"
#include "dns64/reply.h"
#include "dns64/request.h"

/* header: id, flags, four counts */
#define HEADER(flags, qd, an, ar) "\x12\x34" flags "\0" qd "\0" an "\0\0\0" ar
#define NAME                      "\1a\7example\0"
#define AAAA                      "\0\x1c\0\1"
#define OPT                       "\0\0\x29\x04\xd0\0\0\0\0\0\0"
#define WIRE(text)                (const uint8_t *)(text), sizeof(text) - 1

struct vector {
	const char *name;
	const uint8_t *wire;
	size_t len;
	enum request_result result;
};

static const struct vector vectors[] = {
	{"plain", WIRE(HEADER("\1\0", "\1", "\0", "\0") NAME AAAA), REQUEST_READ},
	{"EDNS", WIRE(HEADER("\1\0", "\1", "\0", "\1") NAME AAAA OPT), REQUEST_READ},
	{"empty", WIRE(""), REQUEST_DROP},
	{"half a header", WIRE("\x12\x34\1\0\0\1"), REQUEST_DROP},
	{"an answer", WIRE(HEADER("\x81\x80", "\1", "\0", "\0") NAME AAAA), REQUEST_DROP},
	{"an answer that is broken", WIRE(HEADER("\x81\x80", "\1", "\0", "\0")), REQUEST_DROP},
	{"opcode 5", WIRE(HEADER("\x28\0", "\1", "\0", "\0") NAME AAAA), REQUEST_NOTIMP},
	{"no question", WIRE(HEADER("\1\0", "\0", "\0", "\0")), REQUEST_FORMERR},
	{"two questions", WIRE(HEADER("\1\0", "\2", "\0", "\0") NAME AAAA NAME AAAA),
	 REQUEST_FORMERR},
	{"a count that lies", WIRE(HEADER("\1\0", "\1", "\0", "\1") NAME AAAA), REQUEST_FORMERR},
	{"an answer record",
	 WIRE(HEADER("\1\0", "\1", "\1", "\0") NAME AAAA NAME AAAA "\0\0\0\1\0\0"),
	 REQUEST_FORMERR},
	{"a name that is its own end", WIRE(HEADER("\1\0", "\1", "\0", "\0") "\xc0\x0c" AAAA),
	 REQUEST_FORMERR},
	{"a label of 64",
	 WIRE(HEADER(
		 "\1\0", "\1", "\0",
		 "\0") "\x40"
		       "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\0" AAAA),
	 REQUEST_FORMERR},
	{"no type", WIRE(HEADER("\1\0", "\1", "\0", "\0") NAME "\0"), REQUEST_FORMERR},
	{"bytes behind its end", WIRE(HEADER("\1\0", "\1", "\0", "\0") NAME AAAA "x"),
	 REQUEST_FORMERR},
	{"two OPT records", WIRE(HEADER("\1\0", "\1", "\0", "\2") NAME AAAA OPT OPT),
	 REQUEST_FORMERR},
	{"OPT with a name",
	 WIRE(HEADER("\1\0", "\1", "\0", "\1") NAME AAAA NAME "\0\x29\x04\xd0\0\0\0\0\0\0"),
	 REQUEST_FORMERR},
	{"an option that is longer than OPT",
	 WIRE(HEADER("\1\0", "\1", "\0", "\1") NAME AAAA "\0\0\x29\x04\xd0\0\0\0\0\0\4\0\3\0\1"),
	 REQUEST_FORMERR},
	{"a cookie of 5",
	 WIRE(HEADER("\1\0", "\1", "\0", "\1") NAME AAAA "\0\0\x29\x04\xd0\0\0\0\0\0\x9\0\x0a\0\5"
							 "abcde"),
	 REQUEST_FORMERR},
	{"EDNS version 1",
	 WIRE(HEADER("\1\0", "\1", "\0", "\1") NAME AAAA "\0\0\x29\x04\xd0\0\1\0\0\0\0"),
	 REQUEST_BADVERS},
};

static void each_message_is_told_what_is_wrong(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
		struct request r;
		enum request_result got = request_read(vectors[i].wire, vectors[i].len, &r);

		if (got != vectors[i].result) {
			print_error("%s: %d, not %d\n", vectors[i].name, (int)got,
				    (int)vectors[i].result);
			fail();
		}
	}
}

/* A message that is one byte off, or cut. */
static size_t mutate(uint8_t *wire, size_t len, unsigned int *seed)
{
	*seed = *seed * 1103515245u + 12345u;
	wire[(*seed >> 8) % len] = (uint8_t)(*seed >> 20);
	*seed = *seed * 1103515245u + 12345u;
	return (*seed >> 8) % 16 == 0 ? (*seed >> 12) % (len + 1) : len;
}

static void plain_queries_are_read_as_all_others_are(void **state)
{
	static const uint8_t queries[2][64] = {
		HEADER("\1\x30", "\1", "\0", "\0") "\1A\7eXample\0" AAAA,
		HEADER("\1\0", "\1", "\0", "\1") NAME AAAA "\0\0\x29\x04\xd0\0\0\x80\0\0\0",
	};
	static const size_t lens[2] = {12 + 11 + 4, 12 + 11 + 4 + 11};
	unsigned int seed = 7, n_plain = 0;

	(void)state;
	for (unsigned int i = 0; i < 200000; i++) {
		struct request plain, parsed;
		uint8_t wire[64];
		size_t len = lens[i % 2];

		memcpy(wire, queries[i % 2], len);
		memset(&plain, 0, sizeof(plain));
		memset(&parsed, 0, sizeof(parsed));
		len = i < 2 ? len : mutate(wire, len, &seed);
		if (request_plain(wire, len, &plain)) {
			n_plain++;
			assert_int_equal(request_parse(wire, len, &parsed), REQUEST_READ);
			assert_memory_equal(&plain.q, &parsed.q, sizeof(plain.q));
			assert_memory_equal(plain.name, parsed.name, plain.q.len);
			assert_memory_equal(&plain.id, &parsed.id,
					    sizeof(plain) - offsetof(struct request, id));
		} else {
			assert_true(i >= 2);
		}
	}
	assert_in_range(n_plain, 10000, 190000);
}

static void name_of_255_octets_is_read_and_answered(void **state)
{
	uint8_t wire[DNS_HEADER_BYTES + 300] = {0x12, 0x34, 1, 0, 0, 1}, out[REQUEST_UDP_MIN];
	size_t at = DNS_HEADER_BYTES;
	struct request r;

	(void)state;
	for (unsigned int i = 0; i < 4; i++) {
		size_t len = i < 3 ? 63 : 61;

		wire[at] = (uint8_t)len;
		memset(wire + at + 1, 'a', len);
		at += len + 1;
	}
	wire[at++] = 0;
	memcpy(wire + at, AAAA, 4);
	assert_int_equal(request_read(wire, at + 4, &r), REQUEST_READ);
	assert_int_equal(r.q.len, 255);
	assert_int_equal(reply_error(&r, KNOT_RCODE_REFUSED, ANSWER_NO_EDE, out), at + 4);
	/* one more is none */
	memmove(wire + DNS_HEADER_BYTES + 2, wire + DNS_HEADER_BYTES, at + 4 - DNS_HEADER_BYTES);
	memcpy(wire + DNS_HEADER_BYTES, "\1a", 2);
	assert_int_equal(request_read(wire, at + 6, &r), REQUEST_FORMERR);
}

static void wrong_version_is_answered_with_ours(void **state)
{
	static const uint8_t wire[] =
		HEADER("\1\0", "\1", "\0", "\1") NAME AAAA "\0\0\x29\x04\xd0\0\1\0\0\0\0";
	uint8_t out[REQUEST_UDP_MAX];
	struct request r;
	knot_pkt_t *pkt;

	(void)state;
	assert_int_equal(request_read(wire, sizeof(wire) - 1, &r), REQUEST_BADVERS);
	pkt = knot_pkt_new(out, (uint16_t)reply_error(&r, KNOT_RCODE_BADVERS, ANSWER_NO_EDE, out),
			   NULL);
	assert_int_equal(knot_pkt_parse(pkt, 0), KNOT_EOK);
	assert_int_equal(knot_pkt_ext_rcode(pkt), KNOT_RCODE_BADVERS);
	assert_int_equal(knot_edns_get_version(pkt->opt_rr), 0);
	assert_int_equal(knot_edns_get_payload(pkt->opt_rr), REQUEST_UDP_MAX);
	knot_pkt_free(pkt);
}

static void answers_are_as_long_as_a_client_can_take(void **state)
{
	static const struct {
		bool edns, over_tcp;
		uint16_t size;
		size_t max;
	} sizes[] = {
		{false, false, 0, 512},    {true, false, 0, 512},     {true, false, 511, 512},
		{true, false, 1000, 1000}, {true, false, 4096, 1232}, {true, true, 512, 65535},
		{false, true, 0, 65535},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct request r = {.edns = sizes[i].edns,
				    .over_tcp = sizes[i].over_tcp,
				    .udp_size = sizes[i].size};

		assert_int_equal(request_answer_max(&r), sizes[i].max);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_message_is_told_what_is_wrong),
		cmocka_unit_test(plain_queries_are_read_as_all_others_are),
		cmocka_unit_test(name_of_255_octets_is_read_and_answered),
		cmocka_unit_test(wrong_version_is_answered_with_ours),
		cmocka_unit_test(answers_are_as_long_as_a_client_can_take),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
