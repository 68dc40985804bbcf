/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The serials of dns64.zone; see serial.h. Called by start.c and control.c. */
#include "gateway/control/serial.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "base/str.h"

#define MOD       "serial"
#define FILE_NAME "zone.serial"
#define AHEAD     1024
#define TEXT_MAX  32 /* bytes */

static int serial_read(const char *path, uint64_t *ret_serial)
{
	char text[TEXT_MAX];
	int fd = open(path, O_RDONLY | O_CLOEXEC), rc;
	size_t len;

	if (fd < 0) {
		return -errno;
	}
	rc = file_read(fd, text, sizeof(text), &len);
	close(fd);
	if (rc == 0 && (len == 0 || text[len - 1] != '\n')) {
		rc = -EINVAL;
	}
	return rc < 0 ? rc : str_to_u64((struct str){text, len - 1}, 0, UINT64_MAX / 2, ret_serial);
}

/* Reserves more, also when that cannot be noted: nothing else is to be done about it. */
static void serial_reserve(struct serial *s, uint64_t used)
{
	char text[TEXT_MAX];
	struct err err;
	int len;

	s->reserved = used + AHEAD;
	len = snprintf(text, sizeof(text), "%" PRIu64 "\n", s->reserved);
	if (file_replace(s->path, text, (size_t)len, &err) < 0) {
		log_warn(MOD, "%s: after a restart the zone's serial may be one of before",
			 err.msg);
	}
}

uint64_t serial_begin(struct serial *s, const char *run_dir)
{
	uint64_t serial = (uint64_t)time(NULL), before = 0;
	int rc;

	if (snprintf(s->path, sizeof(s->path), "%s/" FILE_NAME, run_dir) >= (int)sizeof(s->path)) {
		s->path[0] = '\0';
		return serial;
	}
	rc = serial_read(s->path, &before);
	if (rc < 0 && rc != -ENOENT) {
		log_warn_errno(rc, MOD, "%s, ignoring", s->path);
	}
	if (before > serial) {
		serial = before;
	}
	serial_reserve(s, serial);
	return serial;
}

void serial_keep(struct serial *s, uint64_t used)
{
	if (s->path[0] != '\0' && used + AHEAD / 2 > s->reserved) {
		serial_reserve(s, used);
	}
}
