/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The snapshot's file: written beside its place and renamed into it, and read only when nobody
 * else can have written it.
 */
#include "gateway/registry/snapshot.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static int temporary_path(const char *path, char ret_path[PATH_MAX], struct err *err)
{
	return snprintf(ret_path, PATH_MAX, "%s.new", path) >= PATH_MAX
		       ? err_set(err, -ENAMETOOLONG, "%.200s: path is too long", path)
		       : 0;
}

static int read_all(int fd, size_t size, uint8_t **ret_data, size_t *ret_len)
{
	uint8_t *data = malloc(size > 0 ? size : 1);
	size_t len = 0;

	if (!data) {
		return -ENOMEM;
	}
	while (len < size) {
		ssize_t n = read(fd, data + len, size - len);

		if (n < 0 && errno != EINTR) {
			int rc = -errno;

			free(data);
			return rc;
		}
		if (n == 0) {
			break;
		}
		len += n > 0 ? (size_t)n : 0;
	}
	*ret_data = data;
	*ret_len = len;
	return 0;
}

int snapshot_file_read(const char *path, uint8_t **ret_data, size_t *ret_len, struct err *err)
{
	/* not blocking: a named pipe must not hold the start */
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	struct stat st;
	int rc;

	if (fd < 0) {
		return err_set_errno(err, -errno, "%.200s", path);
	}
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_uid != geteuid() ||
	    (st.st_mode & (S_IWGRP | S_IWOTH))) {
		rc = err_set(err, -EACCES, "%.200s: is not a file that we alone have written",
			     path);
	} else if ((uint64_t)st.st_size > SNAPSHOT_MAX) {
		rc = err_set(err, -EFBIG, "%.200s: is too large", path);
	} else {
		rc = read_all(fd, (size_t)st.st_size, ret_data, ret_len);
		rc = rc < 0 ? err_set_errno(err, rc, "%.200s", path) : 0;
	}
	close(fd);
	return rc;
}

int snapshot_file_open(const char *path, struct err *err)
{
	char temporary[PATH_MAX];
	int rc = temporary_path(path, temporary, err), fd;

	if (rc < 0) {
		return rc;
	}
	(void)unlink(temporary); /* of a run that ended while it wrote */
	fd = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	return fd < 0 ? err_set_errno(err, -errno, "%.200s", temporary) : fd;
}

int snapshot_file_append(int fd, const struct buf *bytes)
{
	size_t at = 0;

	while (at < bytes->len) {
		ssize_t n = write(fd, bytes->data + at, bytes->len - at);

		if (n < 0 && errno != EINTR) {
			return -errno;
		}
		at += n > 0 ? (size_t)n : 0;
	}
	return 0;
}

int snapshot_file_commit(const char *path, int fd, struct err *err)
{
	char temporary[PATH_MAX];
	int rc = temporary_path(path, temporary, err);

	if (rc < 0) {
		close(fd);
		return rc;
	}
	rc = fsync(fd) < 0 ? -errno : 0;
	if (close(fd) < 0 && rc == 0) {
		rc = -errno;
	}
	if (rc == 0 && rename(temporary, path) < 0) {
		rc = -errno;
	}
	if (rc < 0) {
		(void)unlink(temporary); /* the old file counts */
		return err_set_errno(err, rc, "%.200s", path);
	}
	return 0;
}

void snapshot_file_abort(const char *path, int fd)
{
	char temporary[PATH_MAX];

	close(fd);
	if (temporary_path(path, temporary, NULL) == 0) {
		(void)unlink(temporary); /* what is left of it is taken away next time */
	}
}
