/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Sysctls: written as wanted, with what they were before in the record, and put back from there.
 * The kernel's answer to a write is not the value it takes, so it is read again.
 */
#include "gateway/kernel/sysctl.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/str.h"

#define KEY_PREFIX "sysctl" /* "sysctl 1 net/ipv6/conf/all/forwarding" */

static int sysctl_open(const struct sysctls *s, const char *path, int flags)
{
	char full[256];
	int fd;

	if (strstr(path, "..") ||
	    snprintf(full, sizeof(full), "%s/%s", s->root, path) >= (int)sizeof(full)) {
		return -ENAMETOOLONG;
	}
	fd = open(full, flags | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

/* One line, with each run of white space a single space. */
static int sysctl_read(const struct sysctls *s, const char *path, char value[OBJECT_SYSCTL_MAX])
{
	int fd = sysctl_open(s, path, O_RDONLY);
	char raw[256];
	ssize_t got;
	size_t n = 0;

	if (fd < 0) {
		return fd;
	}
	got = read(fd, raw, sizeof(raw));
	got = got < 0 ? -errno : got;
	close(fd);
	for (ssize_t i = 0; i < got && raw[i] != '\n'; i++) {
		bool space = raw[i] == ' ' || raw[i] == '\t';

		if (space && (n == 0 || value[n - 1] == ' ')) {
			continue;
		}
		if (n + 1 == OBJECT_SYSCTL_MAX) {
			return -E2BIG;
		}
		value[n++] = space ? ' ' : raw[i];
	}
	value[n > 0 && value[n - 1] == ' ' ? n - 1 : n] = '\0';
	return got < 0 ? (int)got : 0;
}

static int sysctl_write(const struct sysctls *s, const char *path, const char *value)
{
	int fd = sysctl_open(s, path, O_WRONLY | O_TRUNC), rc = 0;

	if (fd < 0) {
		return fd;
	}
	if (write(fd, value, strlen(value)) < 0) {
		rc = -errno;
	}
	close(fd);
	return rc;
}

static int sysctl_err(struct err *err, int rc, const struct object_sysctl *o, const char *doing)
{
	const char *hint = "";

	switch (-rc) {
	case ENOENT:
		hint = "; this kernel, or this link, has none";
		break;
	case EROFS:
		hint = "; /proc/sys/net must be writable for sixgated, as its systemd unit has it";
		break;
	case EACCES:
	case EPERM:
		hint = "; sixgated has to run as root";
		break;
	default:
		break;
	}
	return err_set(err, rc, "%s sysctl %s: %s%s", doing, o->path, strerror(-rc), hint);
}

static char *sysctl_key(const struct object_sysctl *o, char key[RECORD_KEY_MAX])
{
	(void)snprintf(key, RECORD_KEY_MAX, KEY_PREFIX " %u %s", o->order, o->path); /* fits */
	return key;
}

static bool key_read(const char *key, struct object_sysctl *o)
{
	const char *order = key + sizeof(KEY_PREFIX), *path;
	uint64_t number;

	if (strncmp(key, KEY_PREFIX " ", sizeof(KEY_PREFIX)) != 0) {
		return false;
	}
	path = strchr(order, ' ');
	if (!path || strlen(path + 1) >= sizeof(o->path) ||
	    str_to_u64((struct str){.p = order, .len = (size_t)(path - order)}, 0, UINT8_MAX,
		       &number) < 0) {
		return false;
	}
	*o = (struct object_sysctl){.order = (uint8_t)number};
	memcpy(o->path, path + 1, strlen(path + 1));
	return true;
}

static int sysctls_observe(void *ctx, uint32_t kinds, struct object_set *set, struct err *err)
{
	struct sysctls *s = ctx;

	for (size_t i = 0; (kinds & DRIVER_KIND(OBJECT_SYSCTL)) != 0 && i < s->record->n; i++) {
		struct object o = {.kind = OBJECT_SYSCTL};
		int rc;

		if (!key_read(s->record->items[i].key, &o.sysctl)) {
			continue;
		}
		rc = sysctl_read(s, o.sysctl.path, o.sysctl.value);
		if (rc == -ENOENT) {
			continue; /* it went with its link */
		}
		if (rc < 0) {
			return sysctl_err(err, rc, &o.sysctl, "reading");
		}
		if (!object_set_add(set, &o)) {
			return err_set(err, -ENOMEM, "sysctls: out of memory");
		}
	}
	return 0;
}

static int sysctl_make(struct sysctls *s, const struct object_sysctl *o, struct err *err)
{
	char former[OBJECT_SYSCTL_MAX], key[RECORD_KEY_MAX];
	bool is_new = !record_find(s->record, sysctl_key(o, key));
	int rc = sysctl_read(s, o->path, former);

	if (rc < 0) {
		return sysctl_err(err, rc, o, "reading");
	}
	rc = record_add(s->record, key, former, err);
	if (rc < 0) {
		return rc;
	}
	rc = sysctl_write(s, o->path, o->value);
	if (rc < 0) {
		(void)sysctl_err(err, rc, o, "writing"); /* its code is rc */
		if (is_new && record_remove(s->record, key, NULL) < 0) {
			(void)err_prefix(err, "could not be taken back: ");
		}
	}
	return rc;
}

static int sysctl_unmake(struct sysctls *s, const struct object_sysctl *o, struct err *err)
{
	char key[RECORD_KEY_MAX];
	const struct record_item *item = record_find(s->record, sysctl_key(o, key));
	int rc = item ? sysctl_write(s, o->path, item->former) : 0;

	if (rc < 0 && rc != -ENOENT) {
		return sysctl_err(err, rc, o, "putting back");
	}
	return record_remove(s->record, key, err);
}

static bool link_sysctl_is(const struct sysctls *s, const char *link, const char *name,
			   const char *wanted)
{
	char path[OBJECT_SYSCTL_MAX], value[OBJECT_SYSCTL_MAX];

	(void)snprintf(path, sizeof(path), "net/ipv6/conf/%s/%s", link, name); /* fits */
	return sysctl_read(s, path, value) == 0 && strcmp(value, wanted) == 0;
}

/* NULL: it is as it was. */
static const struct record_item *recorded(const struct record *r, const char *path)
{
	for (size_t i = 0; i < r->n; i++) {
		struct object_sysctl o;

		if (key_read(r->items[i].key, &o) && strcmp(o.path, path) == 0) {
			return &r->items[i];
		}
	}
	return NULL;
}

bool sysctl_former(const char *run_dir, const char *path, char *value)
{
	const struct record_item *item;
	struct record *r;

	if (record_new(run_dir, RECORD_MAIN, &r, NULL) < 0) {
		return false;
	}
	item = recorded(r, path);
	if (item) {
		(void)snprintf(value, OBJECT_SYSCTL_MAX, "%s", item->former); /* was read so */
	}
	free(r);
	return item;
}

bool sysctl_learns_routes(const struct sysctls *s, const char *link)
{
	char path[OBJECT_SYSCTL_MAX];

	(void)snprintf(path, sizeof(path), "net/ipv6/conf/%s/accept_ra", link); /* fits */
	if (recorded(s->record, path)) {
		return true;
	}
	return link_sysctl_is(s, link, "accept_ra", "1") &&
	       link_sysctl_is(s, link, "forwarding", "0");
}

static int sysctls_apply(void *ctx, const struct step *steps, size_t n_steps, size_t *ret_done,
			 struct err *err)
{
	int rc = 0;

	for (*ret_done = 0; *ret_done < n_steps; (*ret_done)++) {
		const struct step *step = &steps[*ret_done];

		rc = step->to ? sysctl_make(ctx, &step->to->sysctl, err)
			      : sysctl_unmake(ctx, &step->from->sysctl, err);
		if (rc < 0) {
			break;
		}
	}
	return rc;
}

struct driver sysctl_driver(struct sysctls *s)
{
	return (struct driver){
		.name = "sysctl",
		.kinds = DRIVER_KIND(OBJECT_SYSCTL),
		.ns = NS_MAIN,
		.ctx = s,
		.observe = sysctls_observe,
		.apply = sysctls_apply,
	};
}
