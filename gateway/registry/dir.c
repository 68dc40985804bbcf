/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * DOC: registry folder
 *
 * Two sources say that a file may have changed: inotify, by name, and a scan of the folder at
 * start, after an overflow of inotify's queue and when the folder was replaced. Both only put the
 * file into the pending list; dir_work() takes files out, looks at each once more and hands it to
 * the caller. So a burst of events on one file is one read, and the caller never hears of a file
 * that is already gone. After a scan, files it did not meet are pending too.
 *
 * Called by control's loop. Never writes into the folder and follows no symbolic link out of it.
 */
#include "gateway/registry/dir.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/container.h"
#include "base/file.h"
#include "base/hash.h"
#include "conf/text/conf.h"

#define CHECK_MS  2000 /* is the folder still the one that is watched? */
#define SCAN_STEP 64   /* entries between looks at the clock */
#define WATCHED_EVENTS                                                                      \
	(IN_CLOSE_WRITE | IN_MOVED_TO | IN_CREATE | IN_ATTRIB | IN_DELETE | IN_MOVED_FROM | \
	 IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR)

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

static bool file_eq(const struct table_node *node, const void *key)
{
	return strcmp(container_of(node, struct file, node)->name, key) == 0;
}

static struct table_node *dir_find(const struct registry_dir *dir, const char *name)
{
	return table_find(&dir->files, hash_bytes(&dir->key, name, strlen(name)), file_eq, name);
}

/* Finds or makes the entry of a name. NULL when out of memory, or over files_max. */
static struct file *dir_file(struct registry_dir *dir, const char *name)
{
	size_t len = strlen(name);
	uint64_t hash = hash_bytes(&dir->key, name, len);
	struct table_node *node = dir_find(dir, name);
	struct file *file;

	if (node) {
		return container_of(node, struct file, node);
	}
	if (dir->files.count >= dir->ops->files_max) {
		dir->n_over++;
		return NULL;
	}
	file = calloc(1, sizeof(*file) + len + 1);
	if (!file || table_insert(&dir->files, &file->node, hash) < 0) {
		free(file);
		dir->again = true;
		return NULL;
	}
	memcpy(file->name, name, len);
	return file;
}

static void dir_pend(struct registry_dir *dir, struct file *file)
{
	if (!file->pending) {
		file->pending = true;
		file->next = NULL;
		*dir->last = file;
		dir->last = &file->next;
	}
}

static void dir_say_unreadable(struct registry_dir *dir, const char *why)
{
	if (why || dir->unreadable) {
		dir->unreadable = why != NULL;
		dir->ops->unreadable(dir->ctx, why);
	}
}

static void dir_say_ignored(struct registry_dir *dir)
{
	if (dir->n_ignored != dir->n_over) {
		dir->n_ignored = dir->n_over;
		dir->ops->ignored(dir->ctx, dir->n_ignored);
	}
}

/* Begins a scan anew. */
static void dir_scan(struct registry_dir *dir)
{
	int fd = openat(dir->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (dir->scanning) {
		closedir(dir->scanning);
	}
	dir->scanning = fd >= 0 ? fdopendir(fd) : NULL;
	if (!dir->scanning) {
		dir->again = true;
		dir_say_unreadable(dir, strerror(errno));
		if (fd >= 0) {
			close(fd);
		}
		return;
	}
	dir_say_unreadable(dir, NULL);
	dir->scan++;
	dir->n_over = 0;
	dir->loop->busy = true;
}

void dir_rescan(struct registry_dir *dir)
{
	struct table_iter it = {0};
	struct table_node *node;

	while ((node = table_next(&dir->files, &it))) {
		container_of(node, struct file, node)->force = true;
	}
	if (dir->fd >= 0) {
		dir_scan(dir);
	}
}

static void dir_unwatch(struct registry_dir *dir)
{
	if (dir->watch >= 0) {
		(void)inotify_rm_watch(dir->inotify.fd, dir->watch); /* may be gone by itself */
		dir->watch = -1;
	}
	if (dir->scanning) {
		closedir(dir->scanning);
		dir->scanning = NULL;
	}
	if (dir->fd >= 0) {
		close(dir->fd);
		dir->fd = -1;
	}
}

/* Opens and watches the folder that path names now. */
static void dir_watch(struct registry_dir *dir)
{
	dir->fd = open(dir->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir->fd >= 0) {
		dir->watch = inotify_add_watch(dir->inotify.fd, dir->path, WATCHED_EVENTS);
	}
	if (dir->watch < 0) {
		if (!dir->unreadable) {
			dir_say_unreadable(dir, strerror(errno));
		}
		dir_unwatch(dir);
		return;
	}
	dir_scan(dir);
}

static bool is_written(const struct registry_dir *dir, const char *name)
{
	int fd = openat(dir->fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	bool written = fd < 0 || file_is_written(fd);

	if (fd >= 0) {
		close(fd);
	}
	return written;
}

/* Hands out those that a writer has closed under another name, or under none (O_TMPFILE). */
static void dir_check_made(struct registry_dir *dir)
{
	struct table_iter it = {0};
	struct table_node *node;

	if (!dir->has_made) {
		return;
	}
	dir->has_made = false;
	while ((node = table_next(&dir->files, &it))) {
		struct file *file = container_of(node, struct file, node);

		if (file->made && is_written(dir, file->name)) {
			dir->has_made = true;
		} else if (file->made) {
			dir_touch(dir, file->name);
		}
	}
}

/* Notices a folder that was removed, made, or replaced by another of the same name. */
static void dir_check(struct timer *timer)
{
	struct registry_dir *dir = container_of(timer, struct registry_dir, check);
	struct stat now, watched;

	if (dir->fd >= 0 && (stat(dir->path, &now) < 0 || fstat(dir->fd, &watched) < 0 ||
			     now.st_ino != watched.st_ino || now.st_dev != watched.st_dev)) {
		dir_unwatch(dir);
	}
	if (dir->fd < 0) {
		dir_watch(dir);
	} else if (dir->again) {
		dir->again = false;
		dir_scan(dir);
	}
	if (dir->fd >= 0) {
		dir_check_made(dir);
	}
	wheel_arm(&dir->loop->wheel, timer, dir->loop->now_ms + CHECK_MS);
}

void dir_retry(struct registry_dir *dir, const char *name)
{
	struct file *file = dir_file(dir, name);

	if (file) {
		file->force = true;
		dir->again = true;
	}
}

void dir_touch(struct registry_dir *dir, const char *name)
{
	struct file *file = dir_file(dir, name);

	if (file) {
		file->force = true;
		file->made = false;
		dir_pend(dir, file);
		dir->loop->busy = true;
	}
}

/*
 * One that was just made may be read when its writer has closed it, which is another event. What
 * nobody will close is looked at now: a name more of a file, or no file at all, which is to be
 * refused. A file whose close is not heard of, dir_check_made() finds.
 */
static bool made_counts(struct registry_dir *dir, const char *name)
{
	struct file *file;
	struct stat st;

	if (dir->fd < 0 || fstatat(dir->fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
	    !S_ISREG(st.st_mode) || st.st_nlink > 1) {
		return true;
	}
	if (dir->files.count < dir->ops->files_max || dir_find(dir, name)) {
		file = dir_file(dir, name);
		if (file) {
			file->made = dir->has_made = true;
		}
	}
	return false;
}

/*
 * Whether the event says that a file may be read. Other rights may mend what was refused for them;
 * to a file that could be read they are nothing, and it may be being written.
 */
static bool event_counts(struct registry_dir *dir, const struct inotify_event *event)
{
	const struct table_node *node;

	if (event->mask & IN_CREATE) {
		return made_counts(dir, event->name);
	}
	if (event->mask & IN_ATTRIB) {
		node = dir_find(dir, event->name);
		return node && container_of(node, struct file, node)->denied;
	}
	return true;
}

static void dir_event(struct registry_dir *dir, const struct inotify_event *event)
{
	if (event->mask & IN_Q_OVERFLOW) {
		if (dir->fd >= 0) {
			dir_scan(dir);
		}
		return;
	}
	if (event->wd != dir->watch) {
		return; /* of a folder that was let go */
	}
	if (event->mask & (IN_DELETE_SELF | IN_MOVE_SELF | IN_IGNORED | IN_UNMOUNT)) {
		dir_unwatch(dir);
		wheel_arm(&dir->loop->wheel, &dir->check, dir->loop->now_ms);
		return;
	}
	if (event->len == 0 || conf_object_name_len(event->name) == 0 ||
	    !event_counts(dir, event)) {
		return;
	}
	dir_touch(dir, event->name);
	if (!dir->scanning) {
		dir_say_ignored(dir);
	}
}

static void dir_inotify_ready(struct io *io, uint32_t events)
{
	struct registry_dir *dir = container_of(io, struct registry_dir, inotify);
	char buf[16384] __attribute__((aligned(__alignof__(struct inotify_event))));
	ssize_t n = read(io->fd, buf, sizeof(buf)); /* level-triggered: the rest comes next time */
	const struct inotify_event *event;

	(void)events;
	for (ssize_t at = 0; at < n; at += (ssize_t)(sizeof(*event) + event->len)) {
		event = (const struct inotify_event *)(buf + at);
		dir_event(dir, event);
	}
}

int dir_new(struct loop *loop, const char *path, const struct dir_ops *ops, void *ctx,
	    struct registry_dir **ret_dir, struct err *err)
{
	struct registry_dir *dir = calloc(1, sizeof(*dir));
	int rc = -ENOMEM;

	if (!dir) {
		return err_set(err, -ENOMEM, "out of memory");
	}
	*dir = (struct registry_dir){.loop = loop, .ops = ops, .ctx = ctx, .fd = -1, .watch = -1};
	dir->last = &dir->first;
	dir->recalling = ops->recall != NULL;
	hash_key_init(&dir->key);
	table_init(&dir->files);
	timer_init(&dir->check, dir_check);
	dir->inotify = (struct io){.fd = -1, .ready = dir_inotify_ready};
	dir->path = strdup(path);
	if (!dir->path) {
		err_set(err, rc, "out of memory");
		goto out;
	}
	dir->inotify.fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	if (dir->inotify.fd < 0) {
		rc = err_set_errno(err, -errno, "inotify");
		goto out;
	}
	rc = loop_add(loop, &dir->inotify, EPOLLIN);
	if (rc < 0) {
		err_set_errno(err, rc, "epoll");
		goto out;
	}
	dir_watch(dir);
	wheel_arm(&loop->wheel, &dir->check, loop->now_ms + CHECK_MS);
	*ret_dir = dir;
	return 0;
out:
	dir_free(dir);
	return rc;
}

void dir_free(struct registry_dir *dir)
{
	struct table_iter it = {0};
	struct table_node *node;

	if (!dir) {
		return;
	}
	dir_unwatch(dir);
	wheel_disarm(&dir->loop->wheel, &dir->check);
	loop_close(dir->loop, &dir->inotify);
	while ((node = table_next(&dir->files, &it))) {
		table_remove(&dir->files, node);
		free(container_of(node, struct file, node));
	}
	table_fini(&dir->files);
	free(dir->path);
	free(dir);
}

/* What the scan did not meet has gone without an event. */
static void dir_scan_end(struct registry_dir *dir)
{
	struct table_iter it = {0};
	struct table_node *node;

	while ((node = table_next(&dir->files, &it))) {
		struct file *file = container_of(node, struct file, node);

		if (file->scan != dir->scan) {
			dir_pend(dir, file);
		}
	}
	closedir(dir->scanning);
	dir->scanning = NULL;
	dir->announce = true;
	dir_say_ignored(dir);
}

static void dir_scan_step(struct registry_dir *dir)
{
	for (int i = 0; i < SCAN_STEP; i++) {
		const struct dirent *entry = readdir(dir->scanning);
		struct file *file;

		if (!entry) {
			dir_scan_end(dir);
			return;
		}
		if (conf_object_name_len(entry->d_name) == 0) {
			continue;
		}
		file = dir_file(dir, entry->d_name);
		if (file) {
			file->scan = dir->scan;
			dir_pend(dir, file);
		}
	}
}

static struct file_identity identity_of(const struct stat *st)
{
	return (struct file_identity){
		.dev = st->st_dev,
		.ino = st->st_ino,
		.size = (uint64_t)st->st_size,
		.mtime_ns =
			(uint64_t)st->st_mtim.tv_sec * 1000000000 + (uint64_t)st->st_mtim.tv_nsec,
		.ctime_ns =
			(uint64_t)st->st_ctim.tv_sec * 1000000000 + (uint64_t)st->st_ctim.tv_nsec,
	};
}

bool file_identity_eq(const struct file_identity *a, const struct file_identity *b)
{
	return a->dev == b->dev && a->ino == b->ino && a->size == b->size &&
	       a->mtime_ns == b->mtime_ns && a->ctime_ns == b->ctime_ns;
}

/* What an earlier run has not read like that is looked at when all were asked for. */
static void dir_recall(struct registry_dir *dir, struct file *file, const struct file_identity *id)
{
	bool known = dir->ops->recall(dir->ctx, file->name, id);

	file->asked = true;
	file->known = true; /* also its end is to be told now */
	file->id = *id;
	if (!known) {
		file->force = true;
		dir_pend(dir, file);
	}
}

/* Looks at a file that may have changed and tells the caller what became of it. */
static void dir_hand_out(struct registry_dir *dir, struct file *file)
{
	struct file_identity id;
	struct stat st = {0};
	bool force = file->force;
	int rc = fstatat(dir->fd, file->name, &st, AT_SYMLINK_NOFOLLOW) < 0 ? -errno : 0;

	file->force = false;
	if (rc == -ENOENT) {
		table_remove(&dir->files, &file->node);
		dir->again |= dir->n_ignored > 0; /* there is room for one now */
		if (file->known) {
			dir->ops->gone(dir->ctx, file->name);
		}
		free(file);
		return;
	}
	id = identity_of(&st);
	if (dir->recalling && !file->asked) {
		dir_recall(dir, file, &id);
		return;
	}
	if (rc == 0 && file->known && !force && file_identity_eq(&id, &file->id)) {
		return;
	}
	/* one that cannot be looked at is not gone: reading it says why */
	file->known = true;
	file->id = id;
	dir->ops->changed(dir->ctx, file->name);
}

bool dir_work(struct registry_dir *dir, uint64_t until_ms)
{
	while (dir->fd >= 0 && (dir->scanning || dir->first)) {
		struct file *file = dir->first;

		if (dir->scanning) {
			dir_scan_step(dir);
		} else {
			dir->first = file->next;
			if (!dir->first) {
				dir->last = &dir->first;
			}
			file->pending = false;
			dir_hand_out(dir, file);
		}
		if (clock_ms() >= until_ms) {
			break;
		}
	}
	if (dir->fd >= 0 && !dir->scanning && !dir->first && dir->announce) {
		dir->announce = false;
		dir->recalling = false;
		dir->ops->scanned(dir->ctx, dir->files.count);
	}
	return dir->fd >= 0 && (dir->scanning || dir->first);
}

/* Opens what control may trust: a plain file, root's or ours, that nobody else may write. */
static int dir_open(const struct registry_dir *dir, const char *file, struct file_identity *ret_id,
		    struct err *err)
{
	/* not blocking: a named pipe must not hold the loop */
	int fd = openat(dir->fd, file, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	struct stat st;
	int rc;

	if (fd < 0 && errno == ELOOP) {
		rc = err_set(err, -ELOOP, "%s: is a symbolic link, which is not followed", file);
	} else if (fd < 0 || fstat(fd, &st) < 0) {
		rc = err_set_errno(err, -errno, "%s", file);
	} else if (!S_ISREG(st.st_mode)) {
		rc = err_set(err, -EINVAL, "%s: not a regular file", file);
	} else if (st.st_uid != 0 && st.st_uid != geteuid()) {
		rc = err_set(err, -EPERM, "%s: belongs neither to root nor to us", file);
	} else if (st.st_mode & (S_IWGRP | S_IWOTH)) {
		rc = err_set(err, -EPERM, "%s: may be written by others than its owner", file);
	} else if (st.st_size > (off_t)CONF_FILE_MAX_MIB << 20) {
		rc = err_set(err, -EFBIG, "%s: is larger than %d MiB", file, CONF_FILE_MAX_MIB);
	} else {
		*ret_id = identity_of(&st);
		return fd;
	}
	if (fd >= 0) {
		close(fd);
	}
	return rc;
}

/* Whether other rights may mend it. */
static void dir_note_denied(struct registry_dir *dir, const char *name, int rc)
{
	struct table_node *node = dir_find(dir, name);

	if (node) {
		container_of(node, struct file, node)->denied = rc == -EACCES || rc == -EPERM;
	}
}

int dir_read(struct registry_dir *dir, const char *file, char **ret_text, size_t *ret_len,
	     struct file_identity *ret_id, struct err *err)
{
	char *text;
	size_t size;
	int fd = dir_open(dir, file, ret_id, err);
	int rc;

	dir_note_denied(dir, file, fd);
	if (fd < 0) {
		return fd;
	}
	size = ret_id->size;
	text = malloc(size + 1);
	rc = text ? file_read(fd, text, size, ret_len) : -ENOMEM;
	close(fd);
	if (rc < 0) {
		free(text);
		return err_set_errno(err, rc, "%s", file);
	}
	text[*ret_len] = '\0';
	*ret_text = text;
	return 0;
}
