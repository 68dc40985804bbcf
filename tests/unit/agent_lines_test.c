/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Lines out of a pipe, in pieces of every size; lines that never end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/agent/lines.h"

struct collected {
	char text[2 * LINES_BUFFER];
	size_t len;
	unsigned int n_dropped;
};

/* Feeds data in pieces of n bytes; what comes out whole is collected. */
static void feed(struct lines *l, struct collected *c, const char *data, size_t len, size_t n)
{
	while (len > 0) {
		size_t room, now;
		struct str whole;
		uint8_t *space = lines_space(l, &room);

		now = n < len ? n : len;
		now = now < room ? now : room;
		assert_true(now > 0);
		memcpy(space, data, now);
		c->n_dropped += lines_take(l, now, &whole);
		assert_true(whole.len == 0 || whole.p[whole.len - 1] == '\n');
		memcpy(c->text + c->len, whole.p, whole.len);
		c->len += whole.len;
		lines_next(l, whole);
		data += now;
		len -= now;
	}
}

static void pieces_of_every_size_give_the_same_lines(void **state)
{
	static const char text[] = "first\n\nthird line\nlast\n";
	size_t len = sizeof(text) - 1;

	(void)state;
	for (size_t n = 1; n <= len; n++) {
		struct collected c = {.len = 0};
		struct lines l;

		assert_int_equal(lines_init(&l), 0);
		feed(&l, &c, text, len, n);
		assert_int_equal(c.len, len);
		assert_memory_equal(c.text, text, len);
		assert_int_equal(c.n_dropped, 0);
		assert_int_equal(lines_end(&l), 0);
		lines_fini(&l);
	}
}

static void half_a_line_at_the_end_is_one_lost(void **state)
{
	struct collected c = {.len = 0};
	struct lines l;

	(void)state;
	assert_int_equal(lines_init(&l), 0);
	feed(&l, &c, "whole\nhal", 9, 9);
	assert_int_equal(c.len, 6);
	assert_int_equal(lines_end(&l), 1);
	lines_fini(&l);
}

/* len bytes without an end, then "x\n", another line, and the start of one more. */
static void check_long_line(size_t len, unsigned int n_dropped, size_t kept)
{
	char *text = malloc(len);
	struct collected c = {.len = 0};
	struct lines l;

	assert_non_null(text);
	memset(text, 'a', len);
	assert_int_equal(lines_init(&l), 0);
	feed(&l, &c, text, len, 1000);
	feed(&l, &c, "x\nshort\npart", 12, 12);
	feed(&l, &c, "\n", 1, 1);
	assert_int_equal(c.n_dropped, n_dropped);
	assert_int_equal(c.len, kept + 11);
	assert_memory_equal(c.text + kept, "short\npart\n", 11);
	lines_fini(&l);
	free(text);
}

static void a_line_that_just_fits_is_kept(void **state)
{
	(void)state;
	check_long_line(LINES_BUFFER - 12, 0, LINES_BUFFER - 10);
}

static void a_line_longer_than_the_buffer_is_dropped_whole(void **state)
{
	(void)state;
	check_long_line(LINES_BUFFER, 1, 0);
	check_long_line(LINES_BUFFER + 1, 1, 0);
	check_long_line(5 * LINES_BUFFER, 1, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pieces_of_every_size_give_the_same_lines),
		cmocka_unit_test(half_a_line_at_the_end_is_one_lost),
		cmocka_unit_test(a_line_that_just_fits_is_kept),
		cmocka_unit_test(a_line_longer_than_the_buffer_is_dropped_whole),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
