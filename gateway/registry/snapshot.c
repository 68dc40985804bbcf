/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * DOC: the bytes of a snapshot
 *
 * A line that names the format, then blocks: a 32-bit length, a byte that says what it is, the sum
 * of all blocks before, and its content. The last block has the number of objects, and behind it
 * stands the sum of all. So a byte that is missing, too much or another spoils the file as a
 * whole. It is root's own file: the sums are against accidents, not against a forger.
 */
#include "gateway/registry/snapshot.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/container.h"
#include "conf/text/conf.h"

#define MAGIC_LEN  (sizeof(SNAPSHOT_MAGIC) - 1)
#define BLOCK_MIN  9 /* kind and sum */
#define FILE_MAX   255
#define HEAD       'h'
#define OBJECT     'o'
#define END        'e'
#define FIRST_SIZE 64 /* entries */

static const struct hash_key sum_key;

struct entry {
	struct table_node node; /* snapshot.by_file */
	struct snapshot_object object;
};

struct snapshot {
	uint8_t *data; /* owned: all strings and packed objects point into it */
	struct hash_key keys[2];
	uint64_t node[2];      /* digest of the node config */
	struct entry *entries; /* owned */
	size_t n, size;
	struct table by_file; /* of entries */
	bool same_node;
};

void snapshot_digest(const struct hash_key keys[2], struct str text, uint64_t ret_digest[2])
{
	ret_digest[0] = hash_bytes(&keys[0], text.p, text.len);
	ret_digest[1] = hash_bytes(&keys[1], text.p, text.len);
}

void snapshot_writer_init(struct snapshot_writer *w)
{
	*w = (struct snapshot_writer){0};
	buf_init(&w->out, SNAPSHOT_MAX);
}

void snapshot_writer_fini(struct snapshot_writer *w)
{
	buf_fini(&w->out);
}

/* Returns where it begins in out. */
static size_t block_begin(struct snapshot_writer *w, uint8_t kind)
{
	size_t at = w->out.len;

	buf_u32(&w->out, 0); /* by block_end() */
	buf_u8(&w->out, kind);
	buf_u64(&w->out, w->sum);
	return at;
}

static void block_end(struct snapshot_writer *w, size_t at)
{
	struct buf *out = &w->out;
	size_t len;

	if (out->bad) {
		return;
	}
	len = out->len - at - 4;
	for (int i = 0; i < 4; i++) {
		out->data[at + i] = (uint8_t)(len >> (24 - 8 * i));
	}
	w->sum = hash_bytes(&sum_key, out->data + at + 4, len);
}

static void write_digest(struct buf *out, const uint64_t digest[2])
{
	buf_u64(out, digest[0]);
	buf_u64(out, digest[1]);
}

void snapshot_write_head(struct snapshot_writer *w, const struct snapshot_head *head)
{
	uint64_t node[2];
	size_t at;

	snapshot_digest(head->keys, head->node, node);
	buf_bytes(&w->out, SNAPSHOT_MAGIC, MAGIC_LEN);
	at = block_begin(w, HEAD);
	for (int i = 0; i < 2; i++) {
		write_digest(&w->out, head->keys[i].k);
	}
	write_digest(&w->out, node);
	buf_str(&w->out, str_from(head->folder));
	block_end(w, at);
}

void snapshot_write_object(struct snapshot_writer *w, const struct snapshot_object *o)
{
	size_t at = block_begin(w, OBJECT);

	buf_str(&w->out, o->file);
	buf_u64(&w->out, o->id.dev);
	buf_u64(&w->out, o->id.ino);
	buf_u64(&w->out, o->id.size);
	buf_u64(&w->out, o->id.mtime_ns);
	buf_u64(&w->out, o->id.ctime_ns);
	write_digest(&w->out, o->digest);
	buf_bytes(&w->out, o->packed.p, o->packed.left);
	block_end(w, at);
	w->n++;
}

void snapshot_write_end(struct snapshot_writer *w)
{
	size_t at = block_begin(w, END);

	buf_u32(&w->out, w->n);
	block_end(w, at);
	buf_u64(&w->out, w->sum);
}

/* Cuts the next block off: its kind, 0 when there is no good one. sum goes on with it. */
static uint8_t block_next(struct cursor *in, uint64_t *sum, struct cursor *ret_content)
{
	uint32_t len = cursor_u32(in);
	struct cursor block = cursor_sub(in, len);
	const uint8_t *bytes = block.p;
	uint8_t kind;

	if (block.bad || len < BLOCK_MIN) {
		return 0;
	}
	kind = cursor_u8(&block);
	if (cursor_u64(&block) != *sum) {
		return 0;
	}
	*sum = hash_bytes(&sum_key, bytes, len);
	*ret_content = block;
	return kind;
}

static void read_digest(struct cursor *in, uint64_t ret_digest[2])
{
	ret_digest[0] = cursor_u64(in);
	ret_digest[1] = cursor_u64(in);
}

static int read_head(struct snapshot *s, struct cursor in, const struct snapshot_head *head,
		     struct err *err)
{
	uint64_t node[2];
	struct str folder;

	for (int i = 0; i < 2; i++) {
		read_digest(&in, s->keys[i].k);
	}
	read_digest(&in, s->node);
	folder = cursor_str(&in);
	if (!cursor_done(&in)) {
		return err_set(err, -EINVAL, "its head is bad");
	}
	if (!str_eq(folder, str_from(head->folder))) {
		return err_set(err, -EINVAL, "is of another registry");
	}
	snapshot_digest(s->keys, head->node, node);
	s->same_node = memcmp(node, s->node, sizeof(node)) == 0;
	return 0;
}

static bool name_ok(struct str file)
{
	char name[FILE_MAX + 1];

	if (file.len == 0 || file.len > FILE_MAX || memchr(file.p, '\0', file.len) ||
	    memchr(file.p, '/', file.len)) {
		return false;
	}
	memcpy(name, file.p, file.len);
	name[file.len] = '\0';
	return conf_object_name_len(name) > 0;
}

static int read_object(struct snapshot *s, struct cursor in, struct err *err)
{
	struct snapshot_object o;
	struct entry *entries;

	o.file = cursor_str(&in);
	o.id.dev = cursor_u64(&in);
	o.id.ino = cursor_u64(&in);
	o.id.size = cursor_u64(&in);
	o.id.mtime_ns = cursor_u64(&in);
	o.id.ctime_ns = cursor_u64(&in);
	read_digest(&in, o.digest);
	o.packed = in;
	if (in.bad || !name_ok(o.file) || s->n >= REGISTRY_FILES_MAX) {
		return err_set(err, -EINVAL, "object %zu is bad", s->n);
	}
	if (s->n == s->size) {
		s->size = s->size ? s->size * 2 : FIRST_SIZE;
		entries = reallocarray(s->entries, s->size, sizeof(*entries));
		if (!entries) {
			return err_set(err, -ENOMEM, "out of memory");
		}
		s->entries = entries;
	}
	s->entries[s->n++] = (struct entry){.object = o};
	return 0;
}

static bool entry_eq(const struct table_node *node, const void *key)
{
	return str_eq(container_of(node, struct entry, node)->object.file,
		      *(const struct str *)key);
}

static struct table_node *entry_find(const struct snapshot *s, struct str file)
{
	return table_find(&s->by_file, hash_bytes(&s->keys[0], file.p, file.len), entry_eq, &file);
}

/* Only now, because entries move while they grow. */
static int index_entries(struct snapshot *s, struct err *err)
{
	for (size_t i = 0; i < s->n; i++) {
		struct entry *e = &s->entries[i];
		struct str file = e->object.file;

		if (entry_find(s, file)) {
			return err_set(err, -EINVAL, "object %zu is there twice", i);
		}
		if (table_insert(&s->by_file, &e->node, hash_bytes(&s->keys[0], file.p, file.len)) <
		    0) {
			return err_set(err, -ENOMEM, "out of memory");
		}
	}
	return 0;
}

static int read_blocks(struct snapshot *s, struct cursor in, const struct snapshot_head *head,
		       struct err *err)
{
	struct cursor content;
	uint64_t sum = 0;
	uint8_t kind;
	int rc = 0;

	if (block_next(&in, &sum, &content) != HEAD) {
		return err_set(err, -EINVAL, "is torn or was edited");
	}
	rc = read_head(s, content, head, err);
	while (rc == 0 && (kind = block_next(&in, &sum, &content)) == OBJECT) {
		rc = read_object(s, content, err);
	}
	if (rc < 0) {
		return rc;
	}
	if (kind != END || cursor_u32(&content) != s->n || !cursor_done(&content) ||
	    cursor_u64(&in) != sum || !cursor_done(&in)) {
		return err_set(err, -EINVAL, "is torn or was edited");
	}
	return index_entries(s, err);
}

int snapshot_parse(uint8_t *data, size_t len, const struct snapshot_head *head,
		   struct snapshot **ret_snapshot, struct err *err)
{
	struct cursor in = cursor_from(data, len);
	struct snapshot *s = calloc(1, sizeof(*s));
	const uint8_t *magic = cursor_bytes(&in, MAGIC_LEN);
	int rc;

	if (!s) {
		free(data);
		return err_set(err, -ENOMEM, "out of memory");
	}
	s->data = data;
	table_init(&s->by_file);
	rc = magic && memcmp(magic, SNAPSHOT_MAGIC, MAGIC_LEN) == 0
		     ? read_blocks(s, in, head, err)
		     : err_set(err, -EINVAL, "is of another version");
	if (rc < 0) {
		snapshot_free(s);
		return rc;
	}
	*ret_snapshot = s;
	return 0;
}

void snapshot_free(struct snapshot *s)
{
	if (s) {
		table_fini(&s->by_file);
		free(s->entries);
		free(s->data);
		free(s);
	}
}

const struct snapshot_object *snapshot_find(const struct snapshot *s, struct str file)
{
	struct table_node *node = entry_find(s, file);

	return node ? &container_of(node, struct entry, node)->object : NULL;
}

size_t snapshot_count(const struct snapshot *s)
{
	return s->n;
}

const struct snapshot_object *snapshot_at(const struct snapshot *s, size_t i)
{
	return &s->entries[i].object;
}

const struct hash_key *snapshot_keys(const struct snapshot *s)
{
	return s->keys;
}

bool snapshot_same_node(const struct snapshot *s)
{
	return s->same_node;
}
