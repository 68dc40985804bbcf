/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The file of a config on probation: a line with the time and two lengths, then both texts. Called
 * by main.c at the start and by confirm.c.
 */
#include "gateway/control/probation.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cursor.h"
#include "base/file.h"

#define FILE_NAME "probation"
#define HEAD      "sixgate probation 1"
#define HEAD_MAX  128
#define TEXT_MAX  ((size_t)16 << 20) /* bytes; as much as a node config may be, and more */

static int path_make(const char *run_dir, char path[PATH_MAX], struct err *err)
{
	return snprintf(path, PATH_MAX, "%s/" FILE_NAME, run_dir) >= PATH_MAX
		       ? err_set(err, -ENAMETOOLONG, "%s: path is too long", run_dir)
		       : 0;
}

int probation_write(const char *run_dir, uint64_t until_s, const char *former, const char *tried,
		    struct err *err)
{
	char path[PATH_MAX];
	struct buf text;
	int rc = path_make(run_dir, path, err);

	if (rc < 0) {
		return rc;
	}
	buf_init(&text, HEAD_MAX + 2 * TEXT_MAX);
	buf_printf(&text, HEAD " %" PRIu64 " %zu %zu\n", until_s, strlen(former), strlen(tried));
	buf_bytes(&text, former, strlen(former));
	buf_bytes(&text, tried, strlen(tried));
	rc = text.bad ? err_set(err, -ENOMEM, "out of memory")
		      : file_replace(path, text.data, text.len, err);
	buf_fini(&text);
	return rc;
}

void probation_remove(const char *run_dir)
{
	char path[PATH_MAX];

	if (path_make(run_dir, path, NULL) == 0) {
		(void)unlink(path); /* mostly it is not there */
	}
}

/* A text of that length, terminated; NULL: it is not there in full, or out of memory. */
static char *read_text(FILE *f, size_t len)
{
	char *text = len <= TEXT_MAX ? malloc(len + 1) : NULL;

	if (!text || fread(text, 1, len, f) != len) {
		free(text);
		return NULL;
	}
	text[len] = '\0';
	return text;
}

static int read_texts(FILE *f, struct probation *p)
{
	char head[HEAD_MAX];
	size_t former, tried;

	if (!fgets(head, sizeof(head), f) ||
	    sscanf(head, HEAD " %" SCNu64 " %zu %zu", &p->until_s, &former, &tried) != 3) {
		return -EINVAL;
	}
	p->former = read_text(f, former);
	p->tried = read_text(f, tried);
	return p->former && p->tried ? 0 : -EINVAL;
}

int probation_read(const char *run_dir, struct probation *ret_probation, struct err *err)
{
	char path[PATH_MAX];
	struct stat st;
	int rc = path_make(run_dir, path, err), fd;
	FILE *f;

	*ret_probation = (struct probation){0};
	if (rc < 0) {
		return rc;
	}
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (fd < 0) {
		return err_set_errno(err, -errno, "%.200s", path);
	}
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_uid != geteuid() ||
	    (st.st_mode & 022)) {
		close(fd);
		return err_set(err, -EACCES, "%.200s: is not a file that we have written", path);
	}
	f = fdopen(fd, "r");
	if (!f) {
		close(fd);
		return err_set(err, -ENOMEM, "out of memory");
	}
	rc = read_texts(f, ret_probation);
	(void)fclose(f); /* only read */
	if (rc < 0) {
		probation_fini(ret_probation);
		return err_set(err, rc, "%.200s: is spoilt", path);
	}
	return 0;
}

void probation_fini(struct probation *p)
{
	free(p->former);
	free(p->tried);
	*p = (struct probation){0};
}
