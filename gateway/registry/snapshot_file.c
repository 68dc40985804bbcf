/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The snapshot's file, read only when nobody else can have written it.
 */
#include "gateway/registry/snapshot.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"

static int read_size(int fd, size_t size, uint8_t **ret_data, size_t *ret_len)
{
	uint8_t *data = malloc(size > 0 ? size : 1);
	int rc = data ? file_read(fd, data, size, ret_len) : -ENOMEM;

	if (rc < 0) {
		free(data);
		return rc;
	}
	*ret_data = data;
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
		rc = read_size(fd, (size_t)st.st_size, ret_data, ret_len);
		rc = rc < 0 ? err_set_errno(err, rc, "%.200s", path) : 0;
	}
	close(fd);
	return rc;
}
