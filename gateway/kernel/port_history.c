/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The history of NAT64's ports, appended to as rows come into force and go. One write a change; a
 * line that a crash has cut is closed by the next.
 */
#include "gateway/kernel/port_history.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "conf/model/port_event.h"

#define MOD         "nat64"
#define HISTORY_MAX ((size_t)64 << 20) /* bytes of one change */

static void add_event(const struct object *row, bool begins, uint64_t now_s, struct buf *out)
{
	struct port_event e = {.time_s = now_s,
			       .begins = begins,
			       .protocol = row->pool4.protocol,
			       .address = row->pool4.address,
			       .ports = {.first = row->pool4.first, .last = row->pool4.last}};

	(void)snprintf(e.tenant, sizeof(e.tenant), "%s", row->owner ? row->owner : ""); /* fits */
	port_event_format(&e, out);
}

/* The file ends in the middle of a line. */
static bool is_cut(int fd)
{
	struct stat st;
	char last = '\n';

	return fstat(fd, &st) == 0 && st.st_size > 0 && pread(fd, &last, 1, st.st_size - 1) == 1 &&
	       last != '\n';
}

static int append(const char *path, const struct buf *text)
{
	int fd =
		open(path, O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0640);
	ssize_t n;
	int rc = 0;

	if (fd < 0) {
		return -errno;
	}
	if (is_cut(fd) && write(fd, "\n", 1) != 1) {
		rc = -EIO;
	}
	n = rc == 0 ? write(fd, text->data, text->len) : 0;
	if (rc == 0 && n != (ssize_t)text->len) {
		rc = n < 0 ? -errno : -ENOSPC;
	}
	close(fd);
	return rc;
}

void port_history_write(const char *path, const struct step *steps, size_t n_steps, uint64_t now_s)
{
	struct buf text;
	int rc = 0;

	buf_init(&text, HISTORY_MAX);
	for (size_t i = 0; i < n_steps; i++) {
		const struct step *step = &steps[i];

		if (step->from && step->from->kind == OBJECT_POOL4) {
			add_event(step->from, false, now_s, &text);
		}
		if (step->to && step->to->kind == OBJECT_POOL4) {
			add_event(step->to, true, now_s, &text);
		}
	}
	if (text.bad) {
		rc = -ENOMEM;
	} else if (text.len > 0) {
		rc = append(path, &text);
	}
	if (rc < 0) {
		log_warn_errno(rc, MOD, "%s: 'sixgate who' will not know of %zu changes", path,
			       n_steps);
	}
	buf_fini(&text);
}
