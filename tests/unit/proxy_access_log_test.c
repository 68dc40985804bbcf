/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/counters.h"
#include "proxy/access_log.h"

static struct access_record usual_record(void)
{
	struct access_record r = {
		.time_ms = 1795197600123, /* 2026-11-20 18:00 */
		.number = 42,
		.worker = 3,
		.tenant = "acme",
		.service = "web",
		.name = {.p = "shop.example", .len = 12},
		.listener = {.port = 443},
		.client = {.port = 50000},
		.backend = {.port = 8443},
		.has_backend = true,
		.bytes_in = 517,
		.bytes_out = UINT64_MAX,
		.hello_ms = 1,
		.connect_ms = 20,
		.total_ms = 600300,
		.reason = CLOSE_IDLE,
	};

	assert_int_equal(addr_parse(str_from("203.0.113.10"), &r.listener.addr), 0);
	assert_int_equal(addr_parse(str_from("198.51.100.7"), &r.client.addr), 0);
	assert_int_equal(addr_parse(str_from("2001:db8:a000:1001::10"), &r.backend.addr), 0);
	return r;
}

static void expect_line(size_t len, const char *line, const char *expected)
{
	assert_int_equal(len, strlen(expected));
	assert_memory_equal(line, expected, len);
}

static void test_a_line_of_each_format(void **state)
{
	struct access_record r = usual_record();
	char line[LOG_LINE_MAX];

	(void)state;
	expect_line(access_line_json(&r, "2026-11-20T18:00:00", line), line,
		    "{\"time\":\"2026-11-20T18:00:00.123Z\",\"session\":\"3.42\","
		    "\"tenant\":\"acme\",\"service\":\"web\",\"name\":\"shop.example\","
		    "\"listener\":\"203.0.113.10:443\",\"client\":\"198.51.100.7:50000\","
		    "\"backend\":\"[2001:db8:a000:1001::10]:8443\",\"bytes_in\":517,"
		    "\"bytes_out\":18446744073709551615,\"hello_ms\":1,\"connect_ms\":20,"
		    "\"total_ms\":600300,\"reason\":\"idle\"}\n");
	expect_line(access_line_text(&r, "2026-11-20T18:00:00", line), line,
		    "2026-11-20T18:00:00.123Z session=3.42 service=acme/web name='shop.example' "
		    "listener=203.0.113.10:443 client=198.51.100.7:50000 "
		    "backend=[2001:db8:a000:1001::10]:8443 in=517 out=18446744073709551615 "
		    "hello=1 connect=20 total=600300 idle\n");
}

static void test_a_session_that_was_not_routed_has_nulls(void **state)
{
	struct access_record r = usual_record();
	char line[LOG_LINE_MAX];

	(void)state;
	r.tenant = r.service = NULL;
	r.has_backend = false;
	r.name.len = 0;
	line[access_line_json(&r, "", line)] = '\0';
	assert_non_null(strstr(line, "\"tenant\":null,\"service\":null,\"name\":\"\","));
	assert_non_null(strstr(line, "\"backend\":null,"));
	line[access_line_text(&r, "", line)] = '\0';
	assert_non_null(strstr(line, " service=-/- name='' "));
	assert_non_null(strstr(line, " backend=- "));
}

static void test_hostile_bytes_stay_in_their_line(void **state)
{
	struct access_record r = usual_record();
	char line[LOG_LINE_MAX], name[256];
	size_t len;

	(void)state;
	for (size_t i = 0; i < sizeof(name); i++) {
		name[i] = (char)i;
	}
	r.name = (struct str){.p = name, .len = sizeof(name)};
	len = access_line_json(&r, "", line);
	for (size_t i = 0; i < len - 1; i++) {
		assert_in_range((unsigned char)line[i], 0x20, 0x7e);
	}
	line[len] = '\0';
	assert_non_null(strstr(line, "\\u0000\\u0001"));
	assert_non_null(strstr(line, "\\u000a"));
	assert_non_null(strstr(line, " !\\u0022#$%&'("));
	assert_non_null(strstr(line, "[\\u005c]"));
	assert_non_null(strstr(line, "~\\u007f\\u0080"));
	len = access_line_text(&r, "", line);
	for (size_t i = 0; i < len - 1; i++) {
		assert_in_range((unsigned char)line[i], 0x20, 0x7e);
	}
	line[len] = '\0';
	assert_non_null(strstr(line, "&\\x27("));
}

static void test_the_longest_line_fits(void **state)
{
	struct access_record r = usual_record();
	char *line = malloc(LOG_LINE_MAX); /* a sanitizer watches its end */
	char name[255], id[64];

	(void)state;
	memset(name, 0xff, sizeof(name));
	memset(id, 'a', 63);
	id[63] = '\0';
	r.name = (struct str){.p = name, .len = sizeof(name)};
	r.tenant = r.service = id;
	r.number = r.bytes_in = r.total_ms = UINT64_MAX;
	r.hello_ms = r.connect_ms = UINT32_MAX;
	memset(&r.client.addr, 0xff, 16);
	r.listener = r.backend = r.client;
	assert_true(access_line_json(&r, "2026-11-20T18:00:00", line) < LOG_LINE_MAX);
	assert_true(access_line_text(&r, "2026-11-20T18:00:00", line) < LOG_LINE_MAX);
	free(line);
}

static void test_addresses_are_written_as_the_system_writes_them(void **state)
{
	static const char *const addresses[] = {
		"::",
		"::1",
		"1::",
		"1:0:0:2::",
		"2001:db8:0:1:0:0:0:1",
		"1::2",
		"2001:db8::",
		"0:1::1:0:1",
		"fe80::1",
		"1:2:3:4:5:6:7:8",
		"ff02::1",
		"0:0:0:1::",
		"1:0:2:0:3:0:4:0",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(addresses) / sizeof(addresses[0]); i++) {
		struct access_record r = usual_record();
		char line[LOG_LINE_MAX], text[ENDPOINT_TEXT_MAX], expected[80];

		assert_int_equal(addr_parse(str_from(addresses[i]), &r.client.addr), 0);
		line[access_line_text(&r, "", line)] = '\0';
		(void)snprintf(expected, sizeof(expected), "client=%s ",
			       endpoint_format(&r.client, text));
		if (!strstr(line, expected)) {
			fail_msg("%s is not in %s", expected, line);
		}
	}
}

static void test_the_calendar_agrees_with_the_c_library(void **state)
{
	static const uint64_t seconds[] = {0,          951782399,  951782400,  951868800,
					   1709164799, 1709164800, 1735689599, 1735689600,
					   4107542399, 4107542400, 1795197600, 253402300799};

	(void)state;
	for (size_t i = 0; i < sizeof(seconds) / sizeof(seconds[0]); i++) {
		char text[PEN_SECOND_MAX], expected[32];
		time_t t = (time_t)seconds[i];
		struct tm tm;

		pen_second_format(seconds[i], text);
		assert_true(strftime(expected, sizeof(expected), "%Y-%m-%dT%H:%M:%S",
				     gmtime_r(&t, &tm)) > 0);
		assert_string_equal(text, expected);
	}
}

static void test_a_full_pipe_costs_whole_lines_only(void **state)
{
	static struct counters counters;
	struct access_record r = usual_record();
	struct log_lines log;
	static char text[1 << 20];
	size_t len = 0, lines = 0, waited;
	int fds[2];
	ssize_t n;

	(void)state;
	assert_int_equal(pipe2(fds, O_NONBLOCK), 0);
	assert_int_equal(log_lines_init(&log), 0);
	log_lines_set(&log, fds[1], LOG_FORMAT_TEXT);
	log.dropped = &counters.worker[WORKER_LOG_DROPPED];
	for (r.number = 1; r.number <= 3000; r.number++) {
		access_log_add(&log, &r);
	}
	assert_true(counters.worker[WORKER_LOG_DROPPED] > 0);
	do {
		waited = log.end - log.start;
		while ((n = read(fds[0], text + len, sizeof(text) - 1 - len)) > 0) {
			len += (size_t)n;
		}
		log_lines_flush(&log);
	} while (waited > 0);
	for (char *p = text, *end; (end = strchr(p, '\n')); p = end + 1) {
		char expected[32];

		lines++;
		(void)snprintf(expected, sizeof(expected), " session=3.%zu ", lines);
		assert_non_null(strstr(p, expected));
		assert_memory_equal(end - 5, " idle", 5);
	}
	assert_int_equal(lines, 3000 - counters.worker[WORKER_LOG_DROPPED]);
	log_lines_fini(&log);
	close(fds[0]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_line_of_each_format),
		cmocka_unit_test(test_a_session_that_was_not_routed_has_nulls),
		cmocka_unit_test(test_hostile_bytes_stay_in_their_line),
		cmocka_unit_test(test_the_longest_line_fits),
		cmocka_unit_test(test_addresses_are_written_as_the_system_writes_them),
		cmocka_unit_test(test_the_calendar_agrees_with_the_c_library),
		cmocka_unit_test(test_a_full_pipe_costs_whole_lines_only),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
