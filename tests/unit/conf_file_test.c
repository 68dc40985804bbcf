/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Which files are read at all: kind, owner, mode, size. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "conf/text/conf.h"
#include "conf/text/tree.h"

static char dir[] = "/tmp/sixgate-conf-XXXXXX";

static const char *in_dir(const char *name)
{
	static char path[128];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	return path;
}

static const char *write_file(const char *name, const char *text, mode_t mode)
{
	const char *path = in_dir(name);
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	assert_int_equal(fchmod(fd, mode), 0);
	close(fd);
	return path;
}

/* Returns what the load returns; the message must hold part (NULL: there is none). */
static int load(const char *path, enum conf_flags flags, const char *part)
{
	struct node_conf *node = NULL;
	struct issues issues;
	int rc;

	issues_init(&issues);
	rc = conf_node_load(path, flags, &node, &issues);
	assert_int_equal(issues_count(&issues), part ? 1 : 0);
	if (part) {
		assert_string_equal(issues.list[0].file, path);
		assert_string_equal(issues.list[0].msg, part);
	}
	node_conf_free(node);
	issues_fini(&issues);
	return rc;
}

static void a_file_of_ones_own_is_read(void **state)
{
	(void)state;
	assert_int_equal(load(write_file("ok", "node: {name: n}\n", 0644), 0, NULL), 0);
	assert_int_equal(load(write_file("ok", "node: {name: n}\n", 0400), 0, NULL), 0);
}

static void a_file_that_others_may_write_is_refused(void **state)
{
	const char *why = "may be written by others than its owner";

	(void)state;
	assert_int_equal(load(write_file("w", "node: {name: n}\n", 0664), 0, why), -EINVAL);
	assert_int_equal(load(write_file("w", "node: {name: n}\n", 0646), 0, why), -EINVAL);
	assert_int_equal(load(write_file("w", "node: {name: n}\n", 0666), CONF_ANY_OWNER, NULL), 0);
}

static void a_file_of_someone_else_is_refused(void **state)
{
	const char *path = write_file("o", "node: {name: n}\n", 0644);

	(void)state;
	if (geteuid() != 0) {
		skip(); /* only root can give a file away */
	}
	assert_int_equal(chown(path, 65534, 65534), 0);
	assert_int_equal(load(path, 0, "belongs neither to root nor to the caller"), -EINVAL);
	assert_int_equal(load(path, CONF_ANY_OWNER, NULL), 0);
}

static void what_is_no_file_is_refused_without_waiting(void **state)
{
	const char *path;

	(void)state;
	assert_int_equal(load(dir, 0, "is not a file"), -EINVAL);
	assert_int_equal(load("/dev/zero", CONF_ANY_OWNER, "is not a file"), -EINVAL);
	path = in_dir("fifo");
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_int_equal(load(path, 0, "is not a file"), -EINVAL);
	assert_int_equal(load(in_dir("none"), 0, "cannot be read: No such file or directory"),
			 -ENOENT);
}

/* As sixgate.yaml(5) says. */
static void time_outs_that_are_not_given_have_their_defaults(void **state)
{
	struct node_conf *node = NULL;
	struct issues issues;

	(void)state;
	issues_init(&issues);
	assert_int_equal(conf_node_parse("f", str_from("node: {name: n}"), &node, &issues), 0);
	assert_int_equal(node->timeouts.hello_ms, 5000);
	assert_int_equal(node->timeouts.connect_ms, 5000);
	assert_int_equal(node->timeouts.connect_tries, 2);
	assert_int_equal(node->timeouts.idle_ms, 600000);
	assert_int_equal(node->timeouts.half_close_ms, 60000);
	node_conf_free(node);
	issues_fini(&issues);
}

static void a_file_larger_than_a_mebibyte_is_refused(void **state)
{
	char *text = malloc(TREE_TEXT_MAX + 2);

	(void)state;
	assert_non_null(text);
	memset(text, '#', TREE_TEXT_MAX + 1);
	text[TREE_TEXT_MAX + 1] = '\0';
	memcpy(text, "node: {name: n}\n", 16);
	assert_int_equal(load(write_file("large", text, 0600), 0, "is larger than 1 MiB"), -EINVAL);
	text[TREE_TEXT_MAX] = '\0';
	assert_int_equal(load(write_file("large", text, 0600), 0, NULL), 0);
	free(text);
}

static void many_values_in_a_small_file_are_bounded(void **state)
{
	struct node_conf *node = NULL;
	struct issues issues;
	struct buf text;

	(void)state;
	issues_init(&issues);
	buf_init(&text, TREE_TEXT_MAX);
	buf_printf(&text, "resolvers: [1");
	while (text.len < TREE_TEXT_MAX - 3) {
		buf_printf(&text, ",1");
	}
	buf_printf(&text, "]");
	assert_false(text.bad);
	assert_true(conf_node_parse("f", (struct str){(char *)text.data, text.len}, &node,
				    &issues) < 0);
	assert_true(issues_count(&issues) > 0);
	buf_fini(&text);
	issues_fini(&issues);
}

/* What conf_check_files() says first about these two files, and what it counted. */
static int check_two(const char *one, const char *two, char *ret_msg, struct conf_totals *totals)
{
	const char *paths[] = {one, two};
	struct issues issues;
	int rc;

	issues_init(&issues);
	rc = conf_check_files(paths, two ? 2 : 1, 0, &issues, totals);
	snprintf(ret_msg, ERR_MSG_MAX, "%s", issues.n > 0 ? issues.list[0].msg : "");
	issues_fini(&issues);
	return rc;
}

static void files_are_checked_in_any_order(void **state)
{
	char node[128], tenant[128], msg[ERR_MSG_MAX];
	struct conf_totals totals;

	(void)state;
	strcpy(node, write_file("ok", "node: {name: n}\n", 0644));
	strcpy(tenant,
	       write_file("t", "tenant: a\nserial: 1\nprefixes: [\"2001:db8:1::/64\"]\n", 0644));
	assert_int_equal(check_two(node, tenant, msg, &totals), 0);
	assert_int_equal(totals.n_tenants, 1);
	assert_true(totals.has_node);
	assert_int_equal(check_two(tenant, node, msg, &totals), 0);
	assert_int_equal(totals.n_tenants, 1);
	assert_int_equal(check_two(tenant, NULL, msg, &totals), 0);
	assert_false(totals.has_node);
}

static void two_of_the_same_are_refused(void **state)
{
	char node[128], tenant[128], msg[ERR_MSG_MAX], expected[ERR_MSG_MAX];
	struct conf_totals totals;

	(void)state;
	strcpy(node, write_file("ok", "node: {name: n}\n", 0644));
	strcpy(tenant,
	       write_file("t", "tenant: a\nserial: 1\nprefixes: [\"2001:db8:1::/64\"]\n", 0644));
	assert_int_equal(check_two(node, node, msg, &totals), -EINVAL);
	snprintf(expected, sizeof(expected), "a second node config: %s was given", node);
	assert_string_equal(msg, expected);
	assert_int_equal(check_two(tenant, tenant, msg, &totals), -EEXIST);
	assert_string_equal(msg, "there is a tenant a already");
	assert_int_equal(totals.n_tenants, 1);
}

static void what_cannot_be_read_is_said(void **state)
{
	struct conf_totals totals;
	char msg[ERR_MSG_MAX];

	(void)state;
	assert_int_equal(check_two(in_dir("none"), NULL, msg, &totals), -ENOENT);
	assert_string_equal(msg, "cannot be read: No such file or directory");
}

/* Control follows no link out of its registry folder; who names a file may name a link to it. */
static void a_link_in_a_folder_is_refused(void **state)
{
	const char *text = "tenant: a\nserial: 1\nprefixes: [\"2001:db8:1::/64\"]\n";
	char folder[128], object[128], msg[ERR_MSG_MAX];
	struct conf_totals totals;

	(void)state;
	strcpy(folder, in_dir("registry"));
	assert_int_equal(mkdir(folder, 0755), 0);
	strcpy(object, write_file("t", text, 0644));
	assert_int_equal(symlink(object, in_dir("registry/a.yaml")), 0);
	assert_int_equal(check_two(in_dir("registry/a.yaml"), NULL, msg, &totals), 0);
	assert_int_equal(check_two(folder, NULL, msg, &totals), -ELOOP);
	assert_string_equal(msg, "is a symbolic link, which is not followed in a registry folder");
	assert_int_equal(totals.n_tenants, 0);
	assert_int_equal(unlink(in_dir("registry/a.yaml")), 0);
	assert_int_equal(rmdir(folder), 0);
}

static int make_dir(void **state)
{
	(void)state;
	return mkdtemp(dir) ? 0 : -1;
}

static int remove_dir(void **state)
{
	static const char *const names[] = {"ok", "t", "w", "o", "fifo", "large"};

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		(void)unlink(in_dir(names[i])); /* may never have been made */
	}
	return rmdir(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_file_of_ones_own_is_read),
		cmocka_unit_test(a_file_that_others_may_write_is_refused),
		cmocka_unit_test(a_file_of_someone_else_is_refused),
		cmocka_unit_test(what_is_no_file_is_refused_without_waiting),
		cmocka_unit_test(time_outs_that_are_not_given_have_their_defaults),
		cmocka_unit_test(a_file_larger_than_a_mebibyte_is_refused),
		cmocka_unit_test(many_values_in_a_small_file_are_bounded),
		cmocka_unit_test(files_are_checked_in_any_order),
		cmocka_unit_test(two_of_the_same_are_refused),
		cmocka_unit_test(what_cannot_be_read_is_said),
		cmocka_unit_test(a_link_in_a_folder_is_refused),
	};

	return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
