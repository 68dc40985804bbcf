/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The filter in front of the neighbour child, run by the kernel over packets of the test. */
#include "gateway/control/solicited.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define PACKET 64

/* To 2001:db8:a000:1001::7, from fe80::1. */
static const uint8_t right[PACKET] = {
	0x60, 0,        0,           0,    0,        24,   58,       255,      0xfe,
	0x80, [23] = 1, [24] = 0xff, 2,    [35] = 1, 0xff, [39] = 7, 135,      [48] = 0x20,
	1,    0x0d,     0xb8,        0xa0, 0,        0x10, 1,        [63] = 7,
};

/* Whether the filter for this prefix lets len bytes through, and how many of them. */
static ssize_t passes(const char *prefix, const uint8_t *packet, size_t len)
{
	struct sock_filter program[SOLICITED_PROGRAM_MAX];
	struct sock_fprog filter = {.filter = program};
	uint8_t got[2048];
	struct prefix p;
	ssize_t n;
	int fds[2];

	assert_int_equal(prefix_parse(str_from(prefix), &p, NULL), 0);
	filter.len = (unsigned short)solicited_program(&p, program);
	assert_int_equal(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0, fds), 0);
	assert_int_equal(setsockopt(fds[1], SOL_SOCKET, SO_ATTACH_FILTER, &filter, sizeof(filter)),
			 0);
	(void)!send(fds[0], packet, len, 0); /* refused ones are an error here, or are not */
	n = recv(fds[1], got, sizeof(got), MSG_DONTWAIT);
	close(fds[0]);
	close(fds[1]);
	return n < 0 ? 0 : n;
}

static void solicitations_inside_the_prefix_pass(void **state)
{
	uint8_t large[1500];

	(void)state;
	assert_int_equal(passes("2001:db8:a000::/48", right, PACKET), PACKET);
	assert_int_equal(passes("2001:db8:a000:1001::/64", right, PACKET), PACKET);
	assert_int_equal(passes("2001:db8:a000::/36", right, PACKET), PACKET);
	assert_int_equal(passes("2001:db8:a000:1002::/64", right, PACKET), 0);
	assert_int_equal(passes("2001:db8:a001::/48", right, PACKET), 0);
	memset(large, 0, sizeof(large));
	memcpy(large, right, PACKET);
	assert_int_equal(passes("2001:db8:a000::/48", large, sizeof(large)), 513);
}

static void all_else_is_refused(void **state)
{
	static const struct {
		size_t at;
		uint8_t value;
	} wrong[] = {{0, 0x40}, {5, 23},   {6, 17},   {6, 0},  {7, 254},
		     {7, 0},    {40, 134}, {40, 136}, {41, 1}, {48, 0xff}};
	uint8_t packet[PACKET];

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		memcpy(packet, right, sizeof(packet));
		packet[wrong[i].at] = wrong[i].value;
		assert_int_equal(passes("2001:db8:a000::/48", packet, sizeof(packet)), 0);
	}
	for (size_t len = 0; len < 56; len++) { /* behind them nothing is looked at */
		assert_int_equal(passes("2001:db8:a000:1001::/64", right, len), 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(solicitations_inside_the_prefix_pass),
		cmocka_unit_test(all_else_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
