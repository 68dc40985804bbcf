/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the sources of dir.h share. */
#ifndef SIXGATE_REGISTRY_DIR_INTERNAL_H
#define SIXGATE_REGISTRY_DIR_INTERNAL_H

#include <dirent.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include "base/hash.h"
#include "base/loop.h"
#include "gateway/registry/dir.h"

#define DIR_CHECK_MS 2000 /* is the folder still the one that is watched? */

struct file {
	struct table_node node; /* registry_dir.files */
	struct file *next;      /* registry_dir.pending */
	bool pending;
	bool force;              /* inotify named it: hand it out even if it looks the same */
	bool known;              /* was handed out as changed */
	bool denied;             /* dir_read() could not for its rights */
	bool made;               /* under this name, and nobody was heard to close it */
	uint32_t scan;           /* last scan that met it */
	bool asked;              /* whether it is known from an earlier run */
	struct file_identity id; /* when it was handed out */
	char name[];
};

struct registry_dir {
	struct loop *loop;         /* borrowed */
	const struct dir_ops *ops; /* borrowed */
	void *ctx;
	char *path; /* owned */
	int fd;     /* the folder; -1 while there is none */
	struct io inotify;
	int watch; /* of fd; -1 */
	struct timer check;
	struct hash_key key;
	struct table files;         /* owned */
	struct file *first, **last; /* pending */
	DIR *scanning;              /* owned; NULL when no scan runs */
	uint32_t scan;
	size_t n_over;    /* files that the scan had no room for */
	size_t n_ignored; /* the same of the last one, as was said */
	bool has_made;    /* some files may be `made` */
	bool announce;    /* scanned() is due when pending is empty */
	bool recalling;   /* the first scan is not through */
	bool unreadable;  /* said so */
	bool again;       /* something could not be looked at: scan when the timer comes */
};

/* dir.c */
/* NULL: no file of that name is known. */
struct table_node *dir_find(const struct registry_dir *dir, const char *name);
/* Finds or makes the entry of a name. NULL when out of memory, or over files_max. */
struct file *dir_file(struct registry_dir *dir, const char *name);
/* Begins a scan anew. */
void dir_scan(struct registry_dir *dir);
/* Tells the caller, when it is news. why: NULL when the folder can be read. */
void dir_say_unreadable(struct registry_dir *dir, const char *why);
void dir_say_ignored(struct registry_dir *dir);

/* dir_watch.c */
/* Opens and watches the folder that path names now. */
void dir_watch(struct registry_dir *dir);
void dir_unwatch(struct registry_dir *dir);
/* For registry_dir.check and .inotify. */
void dir_check(struct timer *timer);
void dir_inotify_ready(struct io *io, uint32_t events);

/* dir_read.c */
struct file_identity dir_identity(const struct stat *st);

#endif
