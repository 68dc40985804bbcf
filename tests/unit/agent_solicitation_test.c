/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Neighbour solicitations: what is read, what is refused, and the answers. */
#include "gateway/agent/solicitation.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#define HEADER 40
#define TARGET "2001:db8:a000:1001::aa:bb77"
#define GROUP  "ff02::1:ffaa:bb77"

static const uint8_t source_mac[] = {1, 1, 2, 0xaa, 0xbb, 0xcc, 0xdd, 0xee};

static struct addr addr_of(const char *text)
{
	struct addr a;

	assert_int_equal(addr_parse(str_from(text), &a), 0);
	return a;
}

/* As RFC 1071 has it, byte by byte. */
static uint16_t sum_of(const uint8_t *packet, size_t len)
{
	uint32_t sum = (uint32_t)(len - HEADER) + 58;

	for (size_t i = 8; i < len; i++) {
		sum += i % 2 == 0 ? (uint32_t)packet[i] << 8 : packet[i];
	}
	return (uint16_t)((sum & 0xffff) + (sum >> 16) + (((sum & 0xffff) + (sum >> 16)) >> 16));
}

struct packet {
	uint8_t b[1024];
	size_t len;
};

static void sign(struct packet *p)
{
	uint16_t sum;

	p->b[42] = p->b[43] = 0;
	sum = (uint16_t)~sum_of(p->b, p->len);
	p->b[42] = (uint8_t)(sum >> 8);
	p->b[43] = (uint8_t)sum;
}

static struct packet make(const char *source, const char *destination, const char *target,
			  const void *options, size_t n_options)
{
	struct packet p = {.len = 64 + n_options};

	p.b[0] = 0x60;
	p.b[4] = (uint8_t)((24 + n_options) >> 8);
	p.b[5] = (uint8_t)(24 + n_options);
	p.b[6] = 58;
	p.b[7] = 255;
	memcpy(p.b + 8, addr_of(source).b, 16);
	memcpy(p.b + 24, addr_of(destination).b, 16);
	p.b[40] = 135;
	memcpy(p.b + 48, addr_of(target).b, 16);
	if (n_options > 0) {
		memcpy(p.b + 64, options, n_options);
	}
	sign(&p);
	return p;
}

static enum solicitation_result read_it(const struct packet *p, struct solicitation *s)
{
	uint8_t *exact = test_malloc(p->len > 0 ? p->len : 1); /* for the sanitizer */
	enum solicitation_result result;

	memcpy(exact, p->b, p->len);
	result = solicitation_read(exact, p->len, s);
	test_free(exact);
	return result;
}

static void assert_malformed(const struct packet *p)
{
	struct solicitation s;

	assert_int_equal(read_it(p, &s), SOLICITATION_MALFORMED);
}

static void all_that_is_right_is_read(void **state)
{
	/* nonce (RFC 3971 5.3.2), then an unknown one of two units */
	const uint8_t options[] = {14, 1, 1, 2, 3, 4, 5, 6, 99, 2, 0, 0,    0,    0,    0,    0,
				   0,  0, 0, 0, 0, 0, 0, 0, 1,  1, 2, 0xaa, 0xbb, 0xcc, 0xdd, 0xee};
	struct packet p = make("fe80::1", GROUP, TARGET, options, sizeof(options));
	struct solicitation s;
	struct addr target = addr_of(TARGET), source = addr_of("fe80::1");

	(void)state;
	assert_int_equal(read_it(&p, &s), SOLICITATION_FOUND);
	assert_true(addr_eq(&s.target, &target) && addr_eq(&s.source, &source));
	assert_true(s.has_mac);
	assert_memory_equal(s.mac.b, source_mac + 2, MAC_BYTES);
	p = make("2001:db8:a000::1", TARGET, TARGET, NULL, 0); /* is it still there? */
	assert_int_equal(read_it(&p, &s), SOLICITATION_FOUND);
	assert_false(s.has_mac);
	p = make("::", GROUP, TARGET, options, 8);
	assert_int_equal(read_it(&p, &s), SOLICITATION_FOUND);
	assert_true(addr_is_any(&s.source));
	p = make("fe80::1", GROUP, TARGET, NULL, 0);
	memset(p.b + 44, 0xff, 4); /* reserved: ignored by the receiver */
	sign(&p);
	assert_int_equal(read_it(&p, &s), SOLICITATION_FOUND);
}

static void each_byte_that_matters_is_looked_at(void **state)
{
	static const struct {
		size_t at;
		uint8_t value;
	} wrong[] = {
		{0, 0x40}, {5, 23}, {5, 25},   {4, 1},    {6, 17},
		{7, 254},  {7, 0},  {40, 136}, {40, 133}, {41, 1},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		struct packet p = make("fe80::1", GROUP, TARGET, NULL, 0);

		p.b[wrong[i].at] = wrong[i].value;
		sign(&p);
		assert_malformed(&p);
	}
	for (size_t at = 8; at < 64; at++) {
		struct packet p = make("fe80::1", GROUP, TARGET, NULL, 0);

		p.b[at] ^= 0x10; /* the checksum tells */
		assert_malformed(&p);
	}
}

static void cut_packets_are_refused(void **state)
{
	struct packet whole = make("fe80::1", GROUP, TARGET, source_mac, sizeof(source_mac));

	(void)state;
	for (size_t len = 0; len < whole.len; len++) {
		struct packet p = whole;

		p.len = len;
		assert_malformed(&p);
	}
	whole.len++;
	assert_malformed(&whole); /* what hangs behind it */
}

static void addresses_that_no_one_asks_by_are_refused(void **state)
{
	static const char *const wrong[][3] = {
		/* source, destination, target */
		{"ff02::5", GROUP, TARGET},
		{"::1", GROUP, TARGET},
		{"fe80::1", "ff02::1", TARGET},
		{"fe80::1", "ff02::1:ffaa:bb78", TARGET},
		{"fe80::1", "2001:db8::1", TARGET},
		{"fe80::1", "ff02::1:ff00:1", "ff02::1"},
		{"fe80::1", "ff02::1:ff00:0", "::"},
		{"fe80::1", "ff02::1:ff00:1", "::1"},
		{"::", TARGET, TARGET},
	};
	struct packet p;

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		p = make(wrong[i][0], wrong[i][1], wrong[i][2], NULL, 0);
		assert_malformed(&p);
	}
	p = make("::", GROUP, TARGET, source_mac, sizeof(source_mac));
	assert_malformed(&p);
}

static void options_that_lie_are_refused(void **state)
{
	static const uint8_t no_length[] = {14, 0, 0, 0, 0, 0, 0, 0},
			     long_one[] = {14, 2, 0, 0, 0, 0, 0, 0},
			     group[] = {1, 1, 3, 0, 0, 0, 0, 1};
	uint8_t many[960] = {0};
	struct packet p = make("fe80::1", GROUP, TARGET, no_length, sizeof(no_length));

	(void)state;
	assert_malformed(&p);
	p = make("fe80::1", GROUP, TARGET, long_one, sizeof(long_one));
	assert_malformed(&p);
	p = make("fe80::1", GROUP, TARGET, group, sizeof(group));
	assert_malformed(&p);
	p = make("fe80::1", GROUP, TARGET, long_one, 1);
	assert_malformed(&p);
	for (size_t i = 0; i < sizeof(many); i += 8) {
		many[i] = 99;
		many[i + 1] = 1;
	}
	p = make("fe80::1", GROUP, TARGET, many, SOLICITATION_BYTES_MAX - 64);
	assert_int_equal(read_it(&p, &(struct solicitation){0}), SOLICITATION_FOUND);
	p = make("fe80::1", GROUP, TARGET, many, sizeof(many));
	assert_malformed(&p);
}

static void assert_answer(const struct packet *asked, const char *to, uint8_t flags,
			  const uint8_t *mac)
{
	const struct addr source = addr_of("fe80::2");
	const struct mac own = {{2, 0, 0, 0, 0, 2}}, from = {{2, 0, 0, 0, 0, 9}};
	uint8_t answer[ADVERTISEMENT_BYTES];
	static const uint8_t head[] = {0x60, 0, 0, 0, 0, 32, 58, 255};
	struct solicitation s;
	struct mac to_mac;

	assert_int_equal(read_it(asked, &s), SOLICITATION_FOUND);
	advertisement_write(&s, &source, &own, &from, answer, &to_mac);
	assert_memory_equal(answer, head, sizeof(head));
	assert_memory_equal(answer + 8, source.b, 16);
	assert_memory_equal(answer + 24, addr_of(to).b, 16);
	assert_int_equal(sum_of(answer, sizeof(answer)), 0xffff);
	assert_int_equal(answer[40], 136);
	assert_int_equal(answer[41], 0);
	assert_int_equal(answer[44], flags);
	assert_memory_equal(answer + 48, s.target.b, 16);
	assert_int_equal(answer[64], 2);
	assert_int_equal(answer[65], 1);
	assert_memory_equal(answer + 66, own.b, MAC_BYTES);
	assert_memory_equal(to_mac.b, mac, MAC_BYTES);
}

static void answers_go_to_who_asked(void **state)
{
	static const uint8_t from[] = {2, 0, 0, 0, 0, 9}, all_nodes[] = {0x33, 0x33, 0, 0, 0, 1};
	struct packet p = make("fe80::1", GROUP, TARGET, source_mac, sizeof(source_mac));

	(void)state;
	assert_answer(&p, "fe80::1", 0xc0, source_mac + 2);
	p = make("fe80::1", TARGET, TARGET, NULL, 0);
	assert_answer(&p, "fe80::1", 0xc0, from);
	p = make("::", GROUP, TARGET, NULL, 0);
	assert_answer(&p, "ff02::1", 0x80, all_nodes);
}

static void switches_are_told_as_rfc_4286_has_it(void **state)
{
	static const uint8_t rest[] = {
		58,  0,  5, 2, 0, 0, 1, 0, /* router alert */
		151, 20, 0, 0, 0, 0, 0, 0, /* advertisement, each 20 s, no MLD of ours */
	};
	static const uint8_t group_mac[] = {0x33, 0x33, 0, 0, 0, 0x6a};
	struct addr source = addr_of("fe80::1"), group = addr_of("ff02::6a");
	uint8_t b[SNOOPERS_BYTES];
	uint32_t sum = 8 + 58;
	struct mac mac;

	(void)state;
	snoopers_write(&source, b, &mac);
	assert_int_equal(b[0], 0x60);
	assert_int_equal(b[5], SNOOPERS_BYTES - HEADER);
	assert_int_equal(b[6], 0); /* hop-by-hop options */
	assert_int_equal(b[7], 1);
	assert_memory_equal(b + 8, source.b, 16);
	assert_memory_equal(b + 24, group.b, 16);
	assert_memory_equal(mac.b, group_mac, MAC_BYTES);
	for (size_t i = 8; i < SNOOPERS_BYTES; i++) {
		bool counts = i < HEADER || i >= HEADER + 8;

		sum += !counts ? 0u : i % 2 == 0 ? (uint32_t)b[i] << 8 : b[i];
	}
	assert_int_equal((sum & 0xffff) + (sum >> 16), 0xffff);
	b[50] = b[51] = 0;
	assert_memory_equal(b + HEADER, rest, sizeof(rest));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(switches_are_told_as_rfc_4286_has_it),
		cmocka_unit_test(all_that_is_right_is_read),
		cmocka_unit_test(each_byte_that_matters_is_looked_at),
		cmocka_unit_test(cut_packets_are_refused),
		cmocka_unit_test(addresses_that_no_one_asks_by_are_refused),
		cmocka_unit_test(options_that_lie_are_refused),
		cmocka_unit_test(answers_go_to_who_asked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
