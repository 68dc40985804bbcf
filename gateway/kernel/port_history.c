/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The history of public ports, appended to as tenants get and lose them. One write a change; a
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
#include "gateway/plan/firewall.h"

#define MOD         "nat64"
#define HISTORY_MAX ((size_t)64 << 20) /* bytes of one change */

/* What of public ports the object gives its tenant; protocol 0: of all. False: nothing. */
static bool ports_of(const struct object *o, struct port_event *ret_event)
{
	const uint8_t *block = o->element.data; /* address, port, address, port; network order */

	*ret_event = (struct port_event){0};
	if (o->kind == OBJECT_POOL4 && addr_is_any(&o->pool4.address)) {
		return false; /* the guard of an empty pool4 */
	}
	if (o->kind == OBJECT_POOL4) {
		ret_event->protocol = o->pool4.protocol;
		ret_event->address = o->pool4.address;
		ret_event->ports = (struct port_range){o->pool4.first, o->pool4.last};
	} else if (o->kind == OBJECT_EAM) {
		ret_event->address = o->eam.outside.addr;
		ret_event->ports = (struct port_range){0, UINT16_MAX};
	} else if (o->kind == OBJECT_ELEMENT && o->element.set == FIREWALL_NAT44) {
		ret_event->address = (struct addr){.b = {[10] = 0xff, [11] = 0xff}};
		memcpy(ret_event->address.b + 12, block, 4);
		ret_event->ports = (struct port_range){(uint16_t)(block[4] << 8 | block[5]),
						       (uint16_t)(block[12] << 8 | block[13])};
	} else {
		return false;
	}
	return true;
}

/* Returns how many lines were due. */
static size_t add_events(const struct object *o, bool begins, uint64_t now_s, struct buf *out)
{
	static const uint8_t protocols[] = {IPPROTO_TCP, IPPROTO_UDP, IPPROTO_ICMP};
	struct port_event e;
	size_t n = 0;

	if (!o || !ports_of(o, &e)) {
		return 0;
	}
	e.time_s = now_s;
	e.begins = begins;
	(void)snprintf(e.tenant, sizeof(e.tenant), "%s", o->owner ? o->owner : ""); /* fits */
	if (e.protocol != 0) {
		port_event_format(&e, out);
		return 1;
	}
	for (; n < sizeof(protocols); n++) {
		e.protocol = protocols[n];
		port_event_format(&e, out);
	}
	return n;
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
	size_t n = 0;
	int rc = 0;

	buf_init(&text, HISTORY_MAX);
	for (size_t i = 0; i < n_steps; i++) {
		n += add_events(steps[i].from, false, now_s, &text);
		n += add_events(steps[i].to, true, now_s, &text);
	}
	if (text.bad) {
		rc = -ENOMEM;
	} else if (text.len > 0) {
		rc = append(path, &text);
	}
	if (rc < 0) {
		log_warn_errno(rc, MOD, "%s: 'sixgate who' will not know of %zu changes", path, n);
	}
	buf_fini(&text);
}
