/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Error values: text, cause, context, and what happens when the text is too long. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/err.h"

static void set_holds_code_and_text(void **state)
{
	struct err err = {0};

	(void)state;
	assert_int_equal(err_set(&err, -EINVAL, "port %d", 70000), -EINVAL);
	assert_int_equal(err.code, -EINVAL);
	assert_string_equal(err.msg, "port 70000");
}

static void set_errno_adds_the_cause(void **state)
{
	struct err err;

	(void)state;
	assert_int_equal(err_set_errno(&err, -ENOENT, "%s", "/etc/x"), -ENOENT);
	assert_string_equal(err.msg, "/etc/x: No such file or directory");
}

static void prefix_puts_context_before(void **state)
{
	struct err err;

	(void)state;
	(void)err_set(&err, -EPERM, "no"); /* the code is looked at below */
	assert_int_equal(err_prefix(&err, "wg0: peer %d: ", 3), -EPERM);
	assert_string_equal(err.msg, "wg0: peer 3: no");
}

static void without_err_the_code_is_returned(void **state)
{
	(void)state;
	assert_int_equal(err_set(NULL, -EINVAL, "x"), -EINVAL);
	assert_int_equal(err_set_errno(NULL, -EIO, "x"), -EIO);
	assert_int_equal(err_prefix(NULL, "x"), 0);
}

static void long_text_is_cut_and_terminated(void **state)
{
	char text[2 * ERR_MSG_MAX];
	struct err err;

	(void)state;
	memset(text, 'a', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	assert_int_equal(err_set(&err, -EINVAL, "%s", text), -EINVAL);
	assert_int_equal(strlen(err.msg), ERR_MSG_MAX - 1);
	assert_int_equal(err_set_errno(&err, -EINVAL, "%s", text), -EINVAL);
	assert_int_equal(strlen(err.msg), ERR_MSG_MAX - 1);
	assert_int_equal(err_prefix(&err, "%s", text), -EINVAL);
	assert_int_equal(strlen(err.msg), ERR_MSG_MAX - 1);
	(void)err_prefix(&err, "short: "); /* the code is the same */
	assert_int_equal(strlen(err.msg), ERR_MSG_MAX - 1);
	assert_memory_equal(err.msg, "short: aaa", 10);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(set_holds_code_and_text),
		cmocka_unit_test(set_errno_adds_the_cause),
		cmocka_unit_test(prefix_puts_context_before),
		cmocka_unit_test(without_err_the_code_is_returned),
		cmocka_unit_test(long_text_is_cut_and_terminated),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
