/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Lines of the history of ports, both ways, and what is none. */
#include "conf/model/port_event.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void line_comes_back(void **state)
{
	static const char *const lines[] = {
		"2026-11-20T12:00:00Z + tcp 203.0.113.10 16384-17407 acme",
		"1970-01-01T00:00:00Z - udp 203.0.113.10 53-53 -",
		"2024-02-29T23:59:59Z + icmp 203.0.113.10 0-65535 a",
		"2100-03-01T00:00:00Z + icmp 203.0.113.10 0-65535 a",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		struct port_event e;
		struct buf text;

		assert_int_equal(port_event_parse(str_from(lines[i]), &e), 0);
		buf_init(&text, PORT_EVENT_MAX);
		port_event_format(&e, &text);
		buf_u8(&text, 0);
		text.data[text.len - 2] = '\0';
		assert_string_equal((const char *)text.data, lines[i]);
		buf_fini(&text);
	}
}

static void what_is_no_line_is_refused(void **state)
{
	static const char long_name[] =
		"2026-11-20T12:00:00Z + tcp 203.0.113.10 16384-17407 "
		"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
	static const char *const lines[] = {
		"",
		"     ",
		"2026-11-20T12:00:00Z + tcp 203.0.113.10 16384-17407",
		"2026-11-20T12:00:00Z + tcp 203.0.113.10 16384-17407 ",
		"2026-11-20T12:00:00Z + tcp 203.0.113.10 16384-17407 acme more",
		"2026-11-20T12:00:00Z ! tcp 203.0.113.10 16384-17407 acme",
		"2026-11-20T12:00:00Z + gre 203.0.113.10 16384-17407 acme",
		"2026-11-20T12:00:00Z + tcp 203.0.113 16384-17407 acme",
		"2026-11-20T12:00:00Z + tcp 203.0.113.10 17407-16384 acme",
		"2026-11-20T12:00:00Z + tcp 203.0.113.10 16384-65536 acme",
		"2026-11-20T12:00:00Z + tcp 203.0.113.10 16384 acme",
		"2026-13-20T12:00:00Z + tcp 203.0.113.10 16384-17407 acme",
		"2026-11-20 12:00:00Z + tcp 203.0.113.10 16384-17407 acme",
		"2026-11-2xT12:00:00Z + tcp 203.0.113.10 16384-17407 acme",
		long_name,
	};
	struct port_event e;

	(void)state;
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		assert_int_equal(port_event_parse(str_from(lines[i]), &e), -EINVAL);
	}
}

static void times(void **state)
{
	uint64_t t;
	char text[24];

	(void)state;
	assert_int_equal(port_time_parse(str_from("2026-11-20T22:10:05Z"), &t), 0);
	assert_int_equal(t, 1795212605);
	assert_string_equal(port_time_format(t, text), "2026-11-20T22:10:05Z");
	assert_int_equal(port_time_parse(str_from("1795212605"), &t), 0);
	assert_int_equal(t, 1795212605);
	assert_int_equal(port_time_parse(str_from("noon"), &t), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(line_comes_back),
		cmocka_unit_test(what_is_no_line_is_refused),
		cmocka_unit_test(times),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
