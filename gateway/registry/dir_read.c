/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Reading one file of the folder, and what tells that it is as it was read. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/container.h"
#include "base/file.h"
#include "conf/text/conf.h"
#include "gateway/registry/dir_internal.h"

struct file_identity dir_identity(const struct stat *st)
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
		*ret_id = dir_identity(&st);
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
