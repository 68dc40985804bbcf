/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Following the folder: inotify, and a look every two seconds at what inotify does not tell. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "base/container.h"
#include "base/file.h"
#include "conf/text/conf.h"
#include "gateway/registry/dir_internal.h"

#define WATCHED_EVENTS                                                                      \
	(IN_CLOSE_WRITE | IN_MOVED_TO | IN_CREATE | IN_ATTRIB | IN_DELETE | IN_MOVED_FROM | \
	 IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR)

void dir_unwatch(struct registry_dir *dir)
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

void dir_watch(struct registry_dir *dir)
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
void dir_check(struct timer *timer)
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
	wheel_arm(&dir->loop->wheel, timer, dir->loop->now_ms + DIR_CHECK_MS);
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

void dir_inotify_ready(struct io *io, uint32_t events)
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
