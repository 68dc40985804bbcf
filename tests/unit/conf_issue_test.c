/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The list of what is wrong: order, bounds, text and JSON. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "conf/model/issue.h"
#include "conf/text/conf.h"

static void said(const struct issues *issues, const char *expected)
{
	struct buf out;

	buf_init(&out, 1 << 20);
	issues_text(issues, &out);
	buf_u8(&out, '\0');
	assert_string_equal((const char *)out.data, expected);
	buf_fini(&out);
}

static void issues_come_in_the_files_order(void **state)
{
	struct issues issues;

	(void)state;
	issues_init(&issues);
	issues_add(&issues, "/c", "third")->line = 7;
	issues_add(&issues, "/a", "first")->line = 2;
	issues_add(&issues, "/b", "second")->line = 2;
	issues_sort(&issues, 0);
	issues_set_file(&issues, 0, "f");
	said(&issues, "f:2:0: /a: first\nf:2:0: /b: second\nf:7:0: /c: third\n");
	issues_fini(&issues);
}

static void a_file_may_have_no_place(void **state)
{
	struct issues issues;

	(void)state;
	issues_init(&issues);
	issues_add(&issues, "", "cannot be read");
	said(&issues, "cannot be read\n");
	issues_set_file(&issues, 0, "f");
	said(&issues, "f: cannot be read\n");
	issues_fini(&issues);
}

static void more_than_can_be_shown_are_counted(void **state)
{
	struct issues issues;

	(void)state;
	issues_init(&issues);
	for (int i = 0; i < ISSUES_MAX; i++) {
		assert_non_null(issues_add(&issues, "/x", "%d", i));
	}
	assert_null(issues_add(&issues, "/x", "one more"));
	assert_null(issues_add(&issues, "/x", "another"));
	assert_int_equal(issues.n, ISSUES_MAX);
	assert_int_equal(issues_count(&issues), ISSUES_MAX + 2);
	issues_fini(&issues);
}

static void a_config_with_thousands_of_errors_shows_a_hundred(void **state)
{
	struct node_conf *node = NULL;
	struct issues issues;
	struct buf text;

	(void)state;
	issues_init(&issues);
	buf_init(&text, 1 << 20);
	for (int i = 0; i < 5000; i++) {
		buf_printf(&text, "key%d: 1\n", i);
	}
	assert_int_equal(conf_node_parse("f", (struct str){(char *)text.data, text.len}, &node,
					 &issues),
			 -EINVAL);
	assert_null(node);
	assert_int_equal(issues.n, ISSUES_MAX);
	assert_int_equal(issues_count(&issues), 5001); /* and /node is missing */
	buf_fini(&text);
	issues_fini(&issues);
}

static void json_holds_the_parts(void **state)
{
	struct issues issues;
	struct buf out;
	struct json json;

	(void)state;
	issues_init(&issues);
	issues_add(&issues, "/a/0", "is \"bad\"")->line = 3;
	issues_set_file(&issues, 0, "f.yaml");
	buf_init(&out, 4096);
	json = json_to(&out);
	json_open(&json, NULL, '{');
	issues_json(&issues, "issues", &json);
	json_close(&json, '}');
	buf_u8(&out, '\0');
	assert_string_equal((const char *)out.data,
			    "{\"issues\":[{\"file\":\"f.yaml\",\"line\":3,\"column\":0,"
			    "\"path\":\"/a/0\",\"message\":\"is \\u0022bad\\u0022\"}]}");
	buf_fini(&out);
	issues_fini(&issues);
}

/* Who may make a file in some folder does not write to the terminal of who checks it. */
static void a_files_name_is_escaped_in_the_text(void **state)
{
	struct issues issues;
	struct buf out;

	(void)state;
	issues_init(&issues);
	issues_add(&issues, "", "is empty")->line = 1;
	issues_set_file(&issues, 0, "a\n\033[31m.yaml");
	buf_init(&out, 4096);
	issues_text(&issues, &out);
	buf_u8(&out, '\0');
	assert_string_equal((const char *)out.data, "a\\x0a\\x1b[31m.yaml:1:0: is empty\n");
	buf_fini(&out);
	issues_fini(&issues);
}

static void the_first_one_is_a_line_for_the_log(void **state)
{
	struct issues issues;
	struct err err = {0};

	(void)state;
	issues_init(&issues);
	issues_first(&issues, -EINVAL, &err);
	assert_int_equal(err.code, 0);
	issues_add(&issues, "/a", "is bad");
	issues_set_file(&issues, 0, "f");
	issues_first(&issues, -EINVAL, &err);
	assert_int_equal(err.code, -EINVAL);
	assert_string_equal(err.msg, "f: /a: is bad");
	issues.list[0].line = 2;
	issues.list[0].col = 4;
	issues_first(&issues, -EINVAL, &err);
	assert_string_equal(err.msg, "f:2:4: /a: is bad");
	issues_fini(&issues);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(issues_come_in_the_files_order),
		cmocka_unit_test(a_file_may_have_no_place),
		cmocka_unit_test(more_than_can_be_shown_are_counted),
		cmocka_unit_test(a_config_with_thousands_of_errors_shows_a_hundred),
		cmocka_unit_test(json_holds_the_parts),
		cmocka_unit_test(a_files_name_is_escaped_in_the_text),
		cmocka_unit_test(the_first_one_is_a_line_for_the_log),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
