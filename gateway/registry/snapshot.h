/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SIXGATE_GATEWAY_SNAPSHOT_H
#define SIXGATE_GATEWAY_SNAPSHOT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cursor.h"
#include "base/err.h"
#include "base/hash.h"
#include "base/str.h"
#include "gateway/registry/dir.h"

/*
 * The last-known-good snapshot of a registry folder: each tenant's object in force, packed, and
 * which state of which file it was read from. With it a start need not read what has not changed,
 * and knows what was in force where a file is broken. The bytes are in snapshot.c, pure; the file
 * in snapshot_file.c. Used by control.
 */
#define SNAPSHOT_MAX ((size_t)1 << 30) /* bytes */
/*
 * Another format, or another build, which may read or pack objects differently. The number is
 * raised with each change of the format, of what tenant_conf_pack_whole() writes, or of what is
 * right: an object whose file is known is not checked again under the same node config.
 */
#define SNAPSHOT_MAGIC "sixgate snapshot 5 of " PACKAGE_VERSION "\n"

struct snapshot_head {
	const char *folder;      /* the registry's path */
	struct str node;         /* text of the node config that objects were read with */
	struct hash_key keys[2]; /* of the digests */
};

/* A digest of text by keys. */
void snapshot_digest(const struct hash_key keys[2], struct str text, uint64_t ret_digest[2]);

struct snapshot_object {
	struct str file;         /* its name in the folder */
	struct file_identity id; /* all 0: not known */
	uint64_t digest[2];      /* of its text; 0: not known */
	struct cursor packed;    /* by tenant_conf_pack_whole() */
};

/* Appends to out, which is the caller's to take from; head first, then objects, then the end. */
struct snapshot_writer {
	struct buf out;
	uint64_t sum; /* of all blocks so far */
	uint32_t n;   /* objects */
};

void snapshot_writer_init(struct snapshot_writer *w);
void snapshot_writer_fini(struct snapshot_writer *w);
void snapshot_write_head(struct snapshot_writer *w, const struct snapshot_head *head);
void snapshot_write_object(struct snapshot_writer *w, const struct snapshot_object *object);
void snapshot_write_end(struct snapshot_writer *w);

struct snapshot;

/*
 * Takes data (malloc), also on failure. head: what it must be of: folder and node; its keys are
 * not looked at. Every length is checked and all of it must be there: -EINVAL is a file that is
 * torn, edited, of another build or of another folder; -ENOMEM. Objects are not unpacked yet.
 * On 0 ret_snapshot is the caller's.
 */
int snapshot_parse(uint8_t *data, size_t len, const struct snapshot_head *head,
		   struct snapshot **ret_snapshot, struct err *err) CHECKED;
void snapshot_free(struct snapshot *s); /* NULL allowed */
/* Its object of that file, borrowed; NULL: none. */
const struct snapshot_object *snapshot_find(const struct snapshot *s, struct str file);
size_t snapshot_count(const struct snapshot *s);
/* The i-th of them. */
const struct snapshot_object *snapshot_at(const struct snapshot *s, size_t i);
/* The digests' keys. */
const struct hash_key *snapshot_keys(const struct snapshot *s);
/* Whether it was written under that node config: else its objects would read differently. */
bool snapshot_same_node(const struct snapshot *s);

/*
 * Reads a whole file that we alone have written and nobody else may write. Returns 0 with ret_data
 * the caller's (free()); -ENOENT: there is none; another negative errno.
 */
int snapshot_file_read(const char *path, uint8_t **ret_data, size_t *ret_len,
		       struct err *err) CHECKED;

#endif
