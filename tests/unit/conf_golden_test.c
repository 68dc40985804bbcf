/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Each tests/golden/conf/NAME.yaml is read as control would, and what is said about it must be
 * NAME.expect to the byte; a good one has an empty .expect. What NAME begins with says how it is
 * read: see kind_of(). A folder claims-NAME is checked as a registry, with node.yaml, a folder
 * case-NAME with case-NAME.node.
 * With SIXGATE_GOLDEN_UPDATE=1 the .expect files are written instead: review the difference.
 */
#include <dirent.h>
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

#define CASES_MIN 80 /* bad ones */
#define TEXT_MAX  (1 << 20)

enum kind {
	NODE,
	TENANT,             /* on node.yaml */
	TENANT_WITHOUT,     /* nonode-: without knowing the node */
	TENANT_ON_SMALLEST, /* bare-: on a node that has nothing */
	REGISTRY,
	CASE, /* a registry with a node of its own */
};

static bool begins(const char *s, const char *prefix)
{
	return strncmp(s, prefix, strlen(prefix)) == 0;
}

static enum kind kind_of(const char *name)
{
	if (begins(name, "claims-")) {
		return REGISTRY;
	}
	if (begins(name, "case-")) {
		return CASE;
	}
	if (begins(name, "nonode-tenant-")) {
		return TENANT_WITHOUT;
	}
	if (begins(name, "bare-tenant-")) {
		return TENANT_ON_SMALLEST;
	}
	if (begins(name, "tenant-") || begins(name, "good-tenant-") ||
	    begins(name, "unbuilt-tenant")) {
		return TENANT;
	}
	return NODE;
}

static struct node_conf *load_node(const char *path)
{
	struct node_conf *node = NULL;
	struct issues issues;

	issues_init(&issues);
	assert_int_equal(conf_node_load(path, CONF_ANY_OWNER, &node, &issues), 0);
	issues_fini(&issues);
	return node;
}

static int read_tenant(const char *path, const char *node_path, struct issues *issues)
{
	struct node_conf *node = node_path ? load_node(node_path) : NULL;
	struct tenant_conf *tenant = NULL;
	int rc = conf_tenant_load(path, CONF_ANY_OWNER, node, &tenant, issues);

	assert_true(rc == 0 ? tenant != NULL : tenant == NULL);
	tenant_conf_unref(tenant);
	node_conf_free(node);
	return rc;
}

static int read_case(const char *path, struct issues *issues)
{
	const char *registry[] = {"node.yaml", path};
	char own_node[300];
	struct node_conf *node = NULL;
	int rc = 0;

	switch (kind_of(path)) {
	case NODE:
		rc = conf_node_load(path, CONF_ANY_OWNER, &node, issues);
		assert_true(rc == 0 ? node != NULL : node == NULL);
		node_conf_free(node);
		return rc;
	case TENANT:
		return read_tenant(path, "node.yaml", issues);
	case TENANT_WITHOUT:
		return read_tenant(path, NULL, issues);
	case TENANT_ON_SMALLEST:
		return read_tenant(path, "good-node-smallest.yaml", issues);
	case CASE:
		snprintf(own_node, sizeof(own_node), "%s.node", path);
		registry[0] = own_node;
		return conf_check_files(registry, 2, CONF_ANY_OWNER, issues, NULL);
	case REGISTRY:
		return conf_check_files(registry, 2, CONF_ANY_OWNER, issues, NULL);
	}
	return rc;
}

static void read_expect(const char *path, char *text)
{
	FILE *f = fopen(path, "r");
	size_t len = 0;

	if (f) {
		len = fread(text, 1, TEXT_MAX - 1, f);
		fclose(f);
	}
	text[len] = '\0';
	if (!f) {
		snprintf(text, TEXT_MAX, "%s is missing\n", path);
	}
}

static void write_expect(const char *path, const char *text)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	fputs(text, f);
	assert_int_equal(fclose(f), 0);
}

/* Returns whether what was said is what is expected. */
static bool check_case(const char *path, size_t *n_bad)
{
	char expect_path[300], *expect = malloc(TEXT_MAX);
	size_t stem = strlen(path);
	struct issues issues;
	struct buf said;
	bool same;
	int rc;

	if (stem > 5 && strcmp(path + stem - 5, ".yaml") == 0) {
		stem -= 5;
	}
	issues_init(&issues);
	buf_init(&said, TEXT_MAX);
	rc = read_case(path, &issues);
	issues_text(&issues, &said);
	buf_u8(&said, '\0');
	assert_false(said.bad);
	assert_int_equal(rc != 0, issues_count(&issues) != 0);
	*n_bad += rc != 0;
	snprintf(expect_path, sizeof(expect_path), "%.*s.expect", (int)stem, path);
	if (getenv("SIXGATE_GOLDEN_UPDATE")) {
		write_expect(expect_path, (const char *)said.data);
	}
	read_expect(expect_path, expect);
	same = strcmp((const char *)said.data, expect) == 0;
	if (!same) {
		print_error("%s:\n--- expected\n%s--- said\n%s", path, expect, said.data);
	}
	free(expect);
	buf_fini(&said);
	issues_fini(&issues);
	return same;
}

static int is_case(const struct dirent *entry)
{
	size_t len = strlen(entry->d_name);

	return begins(entry->d_name, "claims-") || begins(entry->d_name, "case-")
		       ? !strstr(entry->d_name, ".expect") && !strstr(entry->d_name, ".node")
		       : len > 5 && strcmp(entry->d_name + len - 5, ".yaml") == 0;
}

static void every_file_is_answered_as_expected(void **state)
{
	const char *srcdir = getenv("SIXGATE_SRCDIR");
	size_t n_wrong = 0, n_bad = 0;
	struct dirent **entries;
	char dir[512];
	int n;

	(void)state;
	snprintf(dir, sizeof(dir), "%s/tests/golden/conf", srcdir ? srcdir : ".");
	assert_int_equal(chdir(dir), 0);
	n = scandir(".", &entries, is_case, alphasort);
	assert_true(n > 0);
	for (int i = 0; i < n; i++) {
		n_wrong += !check_case(entries[i]->d_name, &n_bad);
		free(entries[i]);
	}
	free(entries);
	print_message("%d files, %zu of them bad\n", n, n_bad);
	assert_int_equal(n_wrong, 0);
	assert_true(n_bad >= CASES_MIN);
}

/* libfyaml prints on its own where it is not stopped. */
static void nothing_is_printed_on_standard_error(void **state)
{
	char path[] = "/tmp/sixgate-golden-XXXXXX";
	int fd = mkstemp(path), saved = dup(STDERR_FILENO);
	const char *const bad[] = {"%YAML 3.0\n---\na: b\n", "a: {b", "a: \"\\q\"", "\t"};
	struct stat st;

	(void)state;
	assert_true(fd >= 0 && saved >= 0);
	assert_int_equal(unlink(path), 0);
	assert_true(dup2(fd, STDERR_FILENO) >= 0);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct node_conf *node;
		struct issues issues;

		issues_init(&issues);
		assert_int_equal(conf_node_parse("x", str_from(bad[i]), &node, &issues), -EINVAL);
		assert_int_equal(issues_count(&issues), 1);
		issues_fini(&issues);
	}
	fflush(stderr);
	assert_true(dup2(saved, STDERR_FILENO) >= 0);
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(st.st_size, 0);
	close(fd);
	close(saved);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_file_is_answered_as_expected),
		cmocka_unit_test(nothing_is_printed_on_standard_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
