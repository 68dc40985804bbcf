/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Lines of the query log: what they say, and what clients cannot make of them. */
#include "dns64/query_log.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#define SECOND "2026-11-20T18:00:00"

static struct query_record usual_record(void)
{
	struct query_record r = {
		.time_ms = UINT64_C(1795197600042),
		.tenant = "acme",
		.protocol = "udp",
		.name = (const uint8_t *)"\3Www\7example",
		.type = 28,
		.from = "cache",
		.synthesis = "yes",
		.ms = 7,
	};

	r.client.port = 5353;
	assert_int_equal(addr_parse(str_from("2001:db8:a000:1001::10"), &r.client.addr), 0);
	return r;
}

static void expect_line(size_t len, const char *line, const char *expected)
{
	assert_int_equal(len, strlen(expected));
	assert_memory_equal(line, expected, len);
}

static void test_what_a_line_says(void **state)
{
	struct query_record r = usual_record();
	char line[LOG_LINE_MAX];

	(void)state;
	expect_line(query_line_json(&r, SECOND, line), line,
		    "{\"time\":\"2026-11-20T18:00:00.042Z\",\"tenant\":\"acme\","
		    "\"client\":\"[2001:db8:a000:1001::10]:5353\",\"protocol\":\"udp\","
		    "\"name\":\"Www.example.\",\"type\":\"AAAA\",\"rcode\":\"NOERROR\","
		    "\"from\":\"cache\",\"synthesis\":\"yes\",\"ms\":7}\n");
	expect_line(query_line_text(&r, SECOND, line), line,
		    "2026-11-20T18:00:00.042Z tenant=acme client=[2001:db8:a000:1001::10]:5353 "
		    "protocol=udp name='Www.example.' type=AAAA rcode=NOERROR from=cache "
		    "synthesis=yes ms=7\n");
}

static void test_root_unknown_type_and_rcode(void **state)
{
	struct query_record r = usual_record();
	char line[LOG_LINE_MAX];

	(void)state;
	r.name = (const uint8_t *)"";
	r.type = 65280;
	r.rcode = 14;
	r.synthesis = NULL;
	line[query_line_json(&r, SECOND, line)] = '\0';
	assert_non_null(
		strstr(line, "\"name\":\".\",\"type\":\"TYPE65280\",\"rcode\":\"RCODE14\""));
	assert_non_null(strstr(line, "\"synthesis\":null,"));
	line[query_line_text(&r, SECOND, line)] = '\0';
	assert_non_null(strstr(line, " name='.' type=TYPE65280 rcode=RCODE14 "));
	assert_non_null(strstr(line, " synthesis=- "));
	r.rcode = 23; /* the header has no room for it */
	line[query_line_text(&r, SECOND, line)] = '\0';
	assert_non_null(strstr(line, " rcode=BADCOOKIE "));
}

/* Nothing in a name ends a line, a string, or looks like another name. */
static void test_names_are_escaped(void **state)
{
	struct query_record r = usual_record();
	char line[LOG_LINE_MAX];

	(void)state;
	r.name = (const uint8_t *)"\13a.b\"'\\\n c\0\xff\3com";
	line[query_line_json(&r, SECOND, line)] = '\0';
	assert_non_null(strstr(line, "\"name\":\"a\\\\046b\\\\034\\\\039\\\\092\\\\010\\\\032c"
				     "\\\\000\\\\255.com.\","));
	line[query_line_text(&r, SECOND, line)] = '\0';
	assert_non_null(strstr(line, " name='a\\046b\\034\\039\\092\\010\\032c\\000\\255.com.' "));
}

static void test_the_longest_line_has_room(void **state)
{
	static uint8_t name[255];
	static char tenant[64];
	struct query_record r = usual_record();
	char *line = malloc(LOG_LINE_MAX); /* a sanitizer watches its end */
	size_t len;

	(void)state;
	assert_non_null(line);
	memset(name, 0xff, sizeof(name));
	name[0] = name[64] = name[128] = 63;
	name[192] = 61;
	name[254] = 0;
	memset(tenant, 'a', sizeof(tenant) - 1);
	memset(r.client.addr.b, 0xff, sizeof(r.client.addr.b));
	r.client.port = 65535;
	r.name = name;
	r.tenant = tenant;
	r.type = 65535;
	r.rcode = 15;
	r.from = "upstream";
	r.synthesis = "has-ipv6";
	r.ms = UINT64_MAX;
	len = query_line_json(&r, SECOND, line);
	assert_in_range(len, 4 * 250, LOG_LINE_MAX);
	assert_true(query_line_text(&r, SECOND, line) < len);
	free(line);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_a_line_says),
		cmocka_unit_test(test_root_unknown_type_and_rcode),
		cmocka_unit_test(test_names_are_escaped),
		cmocka_unit_test(test_the_longest_line_has_room),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
