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
#include "gateway/registry/dir_internal.h"

#define SCAN_STEP 64 /* entries between looks at the clock */

static bool file_eq(const struct table_node *node, const void *key)
{
	return strcmp(container_of(node, struct file, node)->name, key) == 0;
}

struct table_node *dir_find(const struct registry_dir *dir, const char *name)
{
	return table_find(&dir->files, hash_bytes(&dir->key, name, strlen(name)), file_eq, name);
}

struct file *dir_file(struct registry_dir *dir, const char *name)
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

void dir_say_unreadable(struct registry_dir *dir, const char *why)
{
	if (why || dir->unreadable) {
		dir->unreadable = why != NULL;
		dir->ops->unreadable(dir->ctx, why);
	}
}

void dir_say_ignored(struct registry_dir *dir)
{
	if (dir->n_ignored != dir->n_over) {
		dir->n_ignored = dir->n_over;
		dir->ops->ignored(dir->ctx, dir->n_ignored);
	}
}

void dir_scan(struct registry_dir *dir)
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
	wheel_arm(&loop->wheel, &dir->check, loop->now_ms + DIR_CHECK_MS);
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
	id = dir_identity(&st);
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
