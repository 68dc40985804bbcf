/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Whole files, read and replaced. They are local and small: nothing here waits for long. */
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <unistd.h>

int file_read(int fd, void *data, size_t len, size_t *ret_len)
{
	uint8_t *at = data;

	*ret_len = 0;
	while (*ret_len < len) {
		ssize_t n = read(fd, at + *ret_len, len - *ret_len);

		if (n < 0 && errno != EINTR) {
			return -errno;
		}
		if (n == 0) {
			break;
		}
		*ret_len += n > 0 ? (size_t)n : 0;
	}
	return 0;
}

/*
 * A lease is refused for a writer. One that comes while we have it makes us a signal: one that
 * nobody minds, as the usual one ends the process.
 */
bool file_is_written(int fd)
{
	if (fcntl(fd, F_SETSIG, SIGURG) < 0 || fcntl(fd, F_SETLEASE, F_RDLCK) < 0) {
		return errno == EAGAIN; /* else there are no leases here, or not for us */
	}
	(void)fcntl(fd, F_SETLEASE, F_UNLCK); /* it ends with fd, else */
	return false;
}

int file_write(int fd, const void *data, size_t len)
{
	const uint8_t *at = data;

	for (size_t done = 0; done < len;) {
		ssize_t n = write(fd, at + done, len - done);

		if (n < 0 && errno != EINTR) {
			return -errno;
		}
		done += n > 0 ? (size_t)n : 0;
	}
	return 0;
}

static int temporary_path(const char *path, char ret_path[PATH_MAX], struct err *err)
{
	return snprintf(ret_path, PATH_MAX, "%s.new", path) >= PATH_MAX
		       ? err_set(err, -ENAMETOOLONG, "%.200s: path is too long", path)
		       : 0;
}

int file_replace_begin(const char *path, struct err *err)
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

int file_replace_commit(const char *path, int fd, struct err *err)
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

void file_replace_abort(const char *path, int fd)
{
	char temporary[PATH_MAX];

	close(fd);
	if (temporary_path(path, temporary, NULL) == 0) {
		(void)unlink(temporary); /* what is left of it is taken away next time */
	}
}

int file_replace(const char *path, const void *data, size_t len, struct err *err)
{
	int fd = file_replace_begin(path, err), rc;

	if (fd < 0) {
		return fd;
	}
	rc = file_write(fd, data, len);
	if (rc < 0) {
		file_replace_abort(path, fd);
		return err_set_errno(err, rc, "%.200s", path);
	}
	return file_replace_commit(path, fd, err);
}
