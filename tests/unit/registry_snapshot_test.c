/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The snapshot of a registry: its bytes and its file. */
#include "gateway/registry/snapshot.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/file.h"
static const struct snapshot_head head = {
	.folder = "/registry",
	.node = {.p = "node: 1", .len = 7},
	.keys = {{{1, 2}}, {{3, 4}}},
};

static void write_one(struct snapshot_writer *w, const char *file, uint64_t number)
{
	const struct snapshot_object object = {
		.file = str_from(file),
		.id = {number, number + 1, number + 2, number + 3, number + 4},
		.digest = {number + 5, number + 6},
		.packed = cursor_from(file[0] != '\0' ? file : "abc", 3),
	};

	snapshot_write_object(w, &object);
}

static struct buf make(const struct snapshot_head *of)
{
	struct snapshot_writer w;

	snapshot_writer_init(&w);
	snapshot_write_head(&w, of);
	write_one(&w, "acme.yaml", 100);
	write_one(&w, "blue.json", 200);
	snapshot_write_end(&w);
	assert_false(w.out.bad);
	return w.out;
}

/* Parses a copy of exactly these bytes. */
static int parse(const uint8_t *data, size_t len, const struct snapshot_head *of,
		 struct snapshot **ret_s, struct err *err)
{
	uint8_t *copy = malloc(len > 0 ? len : 1);

	assert_non_null(copy);
	memcpy(copy, data, len);
	return snapshot_parse(copy, len, of, ret_s, err);
}

static void refuse(const struct buf *bytes, const struct snapshot_head *of, const char *why)
{
	struct snapshot *s = NULL;
	struct err err = {0};

	assert_int_equal(parse(bytes->data, bytes->len, of, &s, &err), -EINVAL);
	assert_null(s);
	if (!strstr(err.msg, why)) {
		fail_msg("'%s' has no '%s'", err.msg, why);
	}
}

static void test_what_is_written_comes_back(void **state)
{
	struct buf bytes = make(&head);
	const struct snapshot_object *o;
	struct snapshot *s;
	struct err err;

	(void)state;
	assert_int_equal(parse(bytes.data, bytes.len, &head, &s, &err), 0);
	assert_int_equal(snapshot_count(s), 2);
	assert_true(snapshot_same_node(s));
	assert_memory_equal(snapshot_keys(s), head.keys, sizeof(head.keys));
	o = snapshot_find(s, str_from("blue.json"));
	assert_non_null(o);
	assert_ptr_equal(o, snapshot_at(s, 1));
	assert_true(file_identity_eq(&o->id, &(struct file_identity){200, 201, 202, 203, 204}));
	assert_int_equal(o->digest[1], 206);
	assert_int_equal(o->packed.left, 3);
	assert_memory_equal(o->packed.p, "blu", 3);
	assert_null(snapshot_find(s, str_from("blue.yaml")));
	snapshot_free(s);
	buf_fini(&bytes);
}

static void test_an_empty_registry_comes_back(void **state)
{
	struct snapshot_writer w;
	struct snapshot *s;
	struct err err;

	(void)state;
	snapshot_writer_init(&w);
	snapshot_write_head(&w, &head);
	snapshot_write_end(&w);
	assert_int_equal(parse(w.out.data, w.out.len, &head, &s, &err), 0);
	assert_int_equal(snapshot_count(s), 0);
	assert_null(snapshot_find(s, str_from("acme.yaml")));
	snapshot_free(s);
	snapshot_writer_fini(&w);
}

static void test_torn_or_longer_is_refused_as_a_whole(void **state)
{
	struct buf bytes = make(&head);
	size_t len = bytes.len;

	(void)state;
	for (bytes.len = 0; bytes.len < len; bytes.len++) {
		refuse(&bytes, &head, "");
	}
	buf_u8(&bytes, 0);
	refuse(&bytes, &head, "torn");
	buf_fini(&bytes);
}

static void test_any_bit_that_was_changed_is_refused(void **state)
{
	struct buf bytes = make(&head);

	(void)state;
	for (size_t i = 0; i < bytes.len * 8; i++) {
		bytes.data[i / 8] ^= (uint8_t)(1 << i % 8);
		refuse(&bytes, &head, "");
		bytes.data[i / 8] ^= (uint8_t)(1 << i % 8);
	}
	buf_fini(&bytes);
}

static void test_another_version_or_folder_is_refused(void **state)
{
	struct snapshot_head other = head;
	struct buf bytes = make(&head);

	(void)state;
	other.folder = "/registry2";
	refuse(&bytes, &other, "another registry");
	bytes.data[sizeof(SNAPSHOT_MAGIC) - 3]++;
	refuse(&bytes, &head, "another version");
	buf_fini(&bytes);
}

static void test_another_node_config_shows(void **state)
{
	struct snapshot_head other = head;
	struct buf bytes = make(&head);
	struct snapshot *s;
	struct err err;

	(void)state;
	other.node = str_from("node: 2");
	assert_int_equal(parse(bytes.data, bytes.len, &other, &s, &err), 0);
	assert_false(snapshot_same_node(s));
	assert_int_equal(snapshot_count(s), 2);
	snapshot_free(s);
	buf_fini(&bytes);
}

static void test_names_that_are_no_file_of_the_folder_are_refused(void **state)
{
	static const char *const names[] = {"../acme.yaml", "acme.txt", ".acme.yaml", ""};
	struct snapshot_writer w;

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		snapshot_writer_init(&w);
		snapshot_write_head(&w, &head);
		write_one(&w, names[i], 1);
		snapshot_write_end(&w);
		refuse(&w.out, &head, "object 0 is bad");
		snapshot_writer_fini(&w);
	}
	snapshot_writer_init(&w);
	snapshot_write_head(&w, &head);
	write_one(&w, "acme.yaml", 1);
	write_one(&w, "acme.yaml", 2);
	snapshot_write_end(&w);
	refuse(&w.out, &head, "twice");
	snapshot_writer_fini(&w);
}

/* The file */

struct fixture {
	char folder[64], path[96], fresh[96];
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	strcpy(f->folder, "/tmp/snapshot-test-XXXXXX");
	assert_non_null(mkdtemp(f->folder));
	snprintf(f->path, sizeof(f->path), "%s/snapshot", f->folder);
	snprintf(f->fresh, sizeof(f->fresh), "%s/snapshot.new", f->folder);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	char command[128];

	snprintf(command, sizeof(command), "rm -rf %s", f->folder);
	assert_int_equal(system(command), 0);
	free(f);
	return 0;
}

static void save(const struct fixture *f, const char *text)
{
	struct buf bytes = {.data = (uint8_t *)text, .len = strlen(text)};
	struct err err;
	int fd = file_replace_begin(f->path, &err);

	assert_true(fd >= 0);
	assert_int_equal(file_write(fd, bytes.data, bytes.len), 0);
	assert_int_equal(file_replace_commit(f->path, fd, &err), 0);
}

static int load(const struct fixture *f, const char *expected)
{
	uint8_t *data = NULL;
	struct err err;
	size_t len = 0;
	int rc = snapshot_file_read(f->path, &data, &len, &err);

	if (rc == 0) {
		assert_int_equal(len, strlen(expected));
		assert_memory_equal(data, expected, len);
		free(data);
	}
	return rc;
}

static void test_file_is_ours_alone_and_replaced_as_a_whole(void **state)
{
	struct fixture *f = *state;
	struct stat st;
	struct err err;

	assert_int_equal(load(f, ""), -ENOENT);
	save(f, "one");
	assert_int_equal(stat(f->path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(load(f, "one"), 0);
	file_replace_abort(f->path, file_replace_begin(f->path, &err));
	assert_int_equal(load(f, "one"), 0);
	assert_int_equal(access(f->fresh, F_OK), -1);
	save(f, "two");
	assert_int_equal(load(f, "two"), 0);
	assert_int_equal(access(f->fresh, F_OK), -1);
}

static void test_file_that_others_could_have_written_is_refused(void **state)
{
	struct fixture *f = *state;
	char other[128];

	save(f, "one");
	assert_int_equal(chmod(f->path, 0620), 0);
	assert_int_equal(load(f, ""), -EACCES);
	assert_int_equal(chmod(f->path, 0602), 0);
	assert_int_equal(load(f, ""), -EACCES);
	assert_int_equal(chmod(f->path, 0600), 0);
	assert_int_equal(load(f, "one"), 0);
	snprintf(other, sizeof(other), "%s/other", f->folder);
	assert_int_equal(rename(f->path, other), 0);
	assert_int_equal(symlink(other, f->path), 0);
	assert_int_equal(load(f, ""), -ELOOP);
	assert_int_equal(unlink(f->path), 0);
	assert_int_equal(mkfifo(f->path, 0600), 0);
	assert_int_equal(load(f, ""), -EACCES);
	assert_int_equal(unlink(f->path), 0);
	if (geteuid() == 0) {
		save(f, "one");
		assert_int_equal(chown(f->path, 65534, 65534), 0);
		assert_int_equal(load(f, ""), -EACCES);
	}
}

/* Whoever lays a file or a link where the new one is written gets nothing of it. */
static void test_what_lies_in_the_new_files_place_is_not_written_to(void **state)
{
	struct fixture *f = *state;
	char other[128];
	struct stat st;

	snprintf(other, sizeof(other), "%s/other", f->folder);
	assert_int_equal(close(open(other, O_WRONLY | O_CREAT, 0666)), 0);
	assert_int_equal(symlink(other, f->fresh), 0);
	save(f, "one");
	assert_int_equal(stat(other, &st), 0);
	assert_int_equal(st.st_size, 0);
	assert_int_equal(link(other, f->fresh), 0);
	save(f, "two");
	assert_int_equal(stat(other, &st), 0);
	assert_int_equal(st.st_size, 0);
	assert_int_equal(load(f, "two"), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_is_written_comes_back),
		cmocka_unit_test(test_an_empty_registry_comes_back),
		cmocka_unit_test(test_torn_or_longer_is_refused_as_a_whole),
		cmocka_unit_test(test_any_bit_that_was_changed_is_refused),
		cmocka_unit_test(test_another_version_or_folder_is_refused),
		cmocka_unit_test(test_another_node_config_shows),
		cmocka_unit_test(test_names_that_are_no_file_of_the_folder_are_refused),
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		TEST(test_file_is_ours_alone_and_replaced_as_a_whole),
		TEST(test_file_that_others_could_have_written_is_refused),
		TEST(test_what_lies_in_the_new_files_place_is_not_written_to),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
