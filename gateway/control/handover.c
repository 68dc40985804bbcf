/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * DOC: sockets from one sixgated to the next
 *
 * A listening socket with its queue is worth keeping: closing it resets whoever waits in it. A
 * group is adopted whole or not at all, because the selector counts on one socket for each slot
 * in order of listen(2). What comes in is checked against its name, as the name decides who gets
 * the connections.
 */
#include "gateway/control/handover.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/counters.h"
#include "base/log.h"
#include "gateway/control/former.h"
#include "gateway/control/notify.h"

#define MOD        "handover"
#define FIRST_FD   3 /* SD_LISTEN_FDS_START */
#define BARRIER_MS 5000

struct handed {
	struct handover_name name;
	int fd; /* owned; -1: taken or closed */
	uid_t uid;
	ino_t inode;
};

void handover_name_format(const struct handover_name *name, char dst[FDSTORE_NAME_MAX])
{
	char text[ADDR_TEXT_MAX];

	addr_format(&name->local.addr, text);
	for (char *p = text; *p; p++) {
		*p = *p == ':' ? '-' : *p;
	}
	(void)snprintf(dst, FDSTORE_NAME_MAX, "%s,%u,%u,%u%s", text, name->local.port, name->slot,
		       name->n_slots, name->udp ? ",udp" : ""); /* fits */
}

/* Cuts off what stands before the next ',' or the end. */
static struct str next_field(struct str *text)
{
	const char *comma = text->len > 0 ? memchr(text->p, ',', text->len) : NULL;
	struct str field = {.p = text->p, .len = comma ? (size_t)(comma - text->p) : text->len};
	size_t used = field.len + (comma ? 1 : 0);

	*text = (struct str){.p = text->p + used, .len = text->len - used};
	return field;
}

int handover_name_parse(struct str text, struct handover_name *ret_name)
{
	struct str rest = text, addr = next_field(&rest), port = next_field(&rest);
	struct str slot = next_field(&rest), n_slots = next_field(&rest);
	struct str transport = next_field(&rest);
	char name[FDSTORE_NAME_MAX], again[FDSTORE_NAME_MAX];
	uint64_t port_v, slot_v, n_v;

	if (text.len >= sizeof(name) || str_to_u64(port, 1, UINT16_MAX, &port_v) < 0 ||
	    str_to_u64(n_slots, 1, WORKERS_MAX, &n_v) < 0 ||
	    str_to_u64(slot, 0, n_v - 1, &slot_v) < 0) {
		return -EINVAL;
	}
	memcpy(name, addr.p, addr.len);
	for (size_t i = 0; i < addr.len; i++) {
		name[i] = name[i] == '-' ? ':' : name[i];
	}
	*ret_name = (struct handover_name){.local.port = (uint16_t)port_v,
					   .udp = str_eq(transport, str_from("udp")),
					   .slot = (unsigned int)slot_v,
					   .n_slots = (unsigned int)n_v};
	if (addr_parse((struct str){.p = name, .len = addr.len}, &ret_name->local.addr) < 0) {
		return -EINVAL;
	}
	/* one name for one thing: no leading zeros, nothing behind it */
	handover_name_format(ret_name, again);
	return str_eq(str_from(again), text) ? 0 : -EINVAL;
}

static int option(int fd, int level, int name)
{
	socklen_t len = sizeof(int);
	int value = -1;

	return getsockopt(fd, level, name, &value, &len) < 0 ? -1 : value;
}

/* Whether fd listens where its name says, as a socket of ours would. */
static bool socket_is(int fd, const struct handover_name *name)
{
	struct sockaddr_storage sa;
	socklen_t len = sizeof(sa);
	struct endpoint local;
	bool v4 = addr_is_v4(&name->local.addr);

	return option(fd, SOL_SOCKET, SO_ACCEPTCONN) == (name->udp ? 0 : 1) &&
	       option(fd, SOL_SOCKET, SO_PROTOCOL) == (name->udp ? IPPROTO_UDP : IPPROTO_TCP) &&
	       option(fd, SOL_SOCKET, SO_DOMAIN) == (v4 ? AF_INET : AF_INET6) &&
	       option(fd, SOL_SOCKET, SO_REUSEPORT) == 1 &&
	       getsockname(fd, (struct sockaddr *)&sa, &len) == 0 &&
	       endpoint_from_sockaddr((struct sockaddr *)&sa, &local) == 0 &&
	       local.port == name->local.port && addr_eq(&local.addr, &name->local.addr);
}

/* One descriptor that was handed to us: takes it in, or closes it. Returns 0 or -ENOMEM. */
static int handover_add(struct handover *h, struct former *former, struct str text, int fd)
{
	char safe[2 * FDSTORE_NAME_MAX], name[FDSTORE_NAME_MAX];
	struct handed handed = {.fd = fd}, *more;
	struct stat st;

	if (h->upgrade && former_add(former, text, fd)) {
		return 0;
	}
	if (handover_name_parse(text, &handed.name) < 0 || !socket_is(fd, &handed.name) ||
	    fstat(fd, &st) < 0) {
		log_warn(MOD, "descriptor %d, '%s', is not a socket of ours, closing it", fd,
			 str_escape(safe, sizeof(safe), text));
		if (!h->upgrade && text.len > 0 && text.len < sizeof(name)) {
			memcpy(name, text.p, text.len);
			name[text.len] = '\0';
			fdstore_remove(h->notify, name);
		}
		close(fd);
		return 0;
	}
	handed.uid = st.st_uid;
	handed.inode = st.st_ino;
	more = reallocarray(h->handed, h->n_handed + 1, sizeof(*more));
	if (!more) {
		close(fd);
		return -ENOMEM;
	}
	more[h->n_handed++] = handed;
	h->handed = more;
	return 0;
}

/* The protocol of sd_listen_fds_with_names(3). What is meant for another process is left alone. */
static int read_listen_fds(struct handover *h, struct former *former)
{
	const char *pid = getenv("LISTEN_PID"), *fds = getenv("LISTEN_FDS");
	const char *names = getenv("LISTEN_FDNAMES");
	uint64_t for_pid, n = 0;
	int rc = 0;

	if (!pid || str_to_u64(str_from(pid), 1, INT32_MAX, &for_pid) < 0 ||
	    for_pid != (uint64_t)getpid() || !fds ||
	    str_to_u64(str_from(fds), 1, INT32_MAX - FIRST_FD, &n) < 0) {
		return 0;
	}
	for (int fd = FIRST_FD; rc == 0 && fd < FIRST_FD + (int)n; fd++) {
		size_t len = names ? strcspn(names, ":") : 0;

		rc = handover_add(h, former, (struct str){.p = names ? names : "", .len = len}, fd);
		names = names && names[len] == ':' ? names + len + 1 : NULL;
	}
	return rc;
}

/* A line of the list: "descriptor name". Returns 0, -EINVAL or -ENOMEM. */
static int read_line(struct handover *h, struct former *former, struct str line)
{
	const char *space = line.len > 0 ? memchr(line.p, ' ', line.len) : NULL;
	struct str number = {.p = line.p, .len = space ? (size_t)(space - line.p) : 0};
	uint64_t fd;

	if (!space || str_to_u64(number, FIRST_FD, INT32_MAX, &fd) < 0) {
		return -EINVAL;
	}
	return handover_add(h, former,
			    (struct str){.p = space + 1,
					 .len = line.len - (size_t)(space + 1 - line.p)},
			    (int)fd);
}

static int read_lines(struct handover *h, struct former *former, FILE *f)
{
	char line[FDSTORE_NAME_MAX + 16];
	int rc = 0;

	while (rc == 0 && fgets(line, sizeof(line), f)) {
		size_t len = strcspn(line, "\n");

		rc = line[len] == '\n' ? read_line(h, former, (struct str){.p = line, .len = len})
				       : -EINVAL;
	}
	return rc == 0 && ferror(f) ? -EIO : rc;
}

static int read_handover(struct handover *h, struct former *former, const char *value)
{
	uint64_t fd;
	FILE *f;
	int rc;

	if (str_to_u64(str_from(value), FIRST_FD, INT32_MAX, &fd) < 0) {
		return -EINVAL;
	}
	f = fdopen((int)fd, "re");
	if (!f) {
		return -errno;
	}
	h->upgrade = true;
	rewind(f);
	rc = read_lines(h, former, f);
	(void)fclose(f); /* was read only */
	return rc;
}

static int handed_cmp(const void *a, const void *b)
{
	const struct handover_name *x = &((const struct handed *)a)->name;
	const struct handover_name *y = &((const struct handed *)b)->name;
	int diff = addr_cmp(&x->local.addr, &y->local.addr);

	if (diff == 0) {
		diff = (int)x->local.port - (int)y->local.port;
	}
	if (diff == 0) {
		diff = (int)x->udp - (int)y->udp;
	}
	return diff != 0 ? diff : (int)x->slot - (int)y->slot;
}

int handover_read(struct handover *h, struct notify *notify, struct former *former, struct err *err)
{
	const char *value = getenv(HANDOVER_VARIABLE);
	int rc;

	*h = (struct handover){.notify = notify};
	rc = value ? read_handover(h, former, value) : read_listen_fds(h, former);
	(void)unsetenv(HANDOVER_VARIABLE); /* fails for bad names only */
	(void)unsetenv("LISTEN_PID");
	(void)unsetenv("LISTEN_FDS");
	(void)unsetenv("LISTEN_FDNAMES");
	if (rc < 0) {
		return err_set_errno(err, rc, "taking over sockets");
	}
	if (h->n_handed > 0) {
		qsort(h->handed, h->n_handed, sizeof(*h->handed), handed_cmp);
		log_info(MOD, "%zu listening sockets taken over", h->n_handed);
	}
	return 0;
}

unsigned int handover_slots(const struct handover *h)
{
	return h->upgrade && h->n_handed > 0 ? h->handed[0].name.n_slots : 0;
}

static bool same_group(const struct handed *a, const struct handed *b)
{
	return a->name.local.port == b->name.local.port && a->name.udp == b->name.udp &&
	       addr_eq(&a->name.local.addr, &b->name.local.addr);
}

/* How many, from the first on, are of one group. */
static size_t group_size(const struct handover *h, size_t first)
{
	size_t n = 1;

	while (first + n < h->n_handed && same_group(&h->handed[first + n], &h->handed[first])) {
		n++;
	}
	return n;
}

static bool group_is_full(const struct handed *group, size_t n, unsigned int n_slots,
			  const uid_t uids[2])
{
	bool full = n == n_slots && (group->uid == uids[0] || group->uid == uids[1]);

	for (size_t i = 0; full && i < n; i++) {
		full = group[i].name.slot == i && group[i].name.n_slots == n_slots &&
		       group[i].uid == group->uid;
		for (size_t k = 0; k < i; k++) {
			full = full && group[k].inode != group[i].inode;
		}
	}
	return full;
}

/* Closes a group, here and at the service manager. */
static void group_close(struct handover *h, struct handed *group, size_t n)
{
	char name[FDSTORE_NAME_MAX];

	for (size_t i = 0; i < n; i++) {
		if (group[i].fd >= 0) {
			handover_name_format(&group[i].name, name);
			fdstore_remove(h->notify, name);
			close(group[i].fd);
			group[i].fd = -1;
		}
	}
}

/* Or bind(2) would meet the manager's copy. */
static void wait_closed(struct handover *h, bool closed)
{
	if (closed && !fdstore_barrier(h->notify, BARRIER_MS)) {
		log_warn(MOD, "the service manager did not close sockets within %d ms", BARRIER_MS);
	}
}

void handover_match(struct handover *h, unsigned int n_slots, const uid_t uids[2])
{
	char text[ENDPOINT_TEXT_MAX];
	bool closed = false;
	size_t n;

	for (size_t i = 0; i < h->n_handed; i += n) {
		struct handed *group = &h->handed[i];

		n = group_size(h, i);
		if (!group_is_full(group, n, n_slots, uids)) {
			log_warn(MOD, "%s: not one socket for each of %u workers, opening it anew",
				 endpoint_format(&group->name.local, text), n_slots);
			group_close(h, group, n);
			closed = true;
		}
	}
	wait_closed(h, closed);
}

static bool names(const struct listener_conf *confs, size_t n, const struct endpoint *local)
{
	for (size_t i = 0; i < n; i++) {
		if (!confs[i].any && confs[i].port == local->port &&
		    addr_eq(&confs[i].address, &local->addr)) {
			return true;
		}
	}
	return false;
}

void handover_match_conf(struct handover *h, const struct node_conf *conf, const uid_t uids[2])
{
	char text[ENDPOINT_TEXT_MAX];
	bool closed = false;
	size_t n;

	for (size_t i = 0; i < h->n_handed; i += n) {
		struct handed *group = &h->handed[i];
		const struct endpoint *local = &group->name.local;

		n = group_size(h, i);
		if (group->fd < 0 || (group->uid == uids[0] && addr_is_v4(&local->addr)) ||
		    (group->uid == uids[0] && names(conf->listeners, conf->n_listeners, local)) ||
		    (group->uid == uids[1] && conf->dns64.on &&
		     names(conf->dns64.listeners, conf->dns64.n_listeners, local))) {
			continue;
		}
		log_info(MOD, "%s: no listener any more", endpoint_format(local, text));
		group_close(h, group, n);
		closed = true;
	}
	wait_closed(h, closed);
}

bool handover_take(struct handover *h, const struct handover_name *name, uid_t uid, int *ret_fds)
{
	const struct handed key = {.name = *name};
	struct handed *group;

	if (h->n_handed == 0) {
		return false;
	}
	group = bsearch(&key, h->handed, h->n_handed, sizeof(*h->handed), handed_cmp);
	if (!group || group->fd < 0 || group->uid != uid) {
		return false;
	}
	for (unsigned int i = 0; i < name->n_slots; i++) {
		ret_fds[i] = group[i].fd;
		group[i].fd = -1;
	}
	h->n_stored += name->n_slots;
	return true;
}

void handover_close(struct handover *h)
{
	char text[ENDPOINT_TEXT_MAX];
	size_t n;

	for (size_t i = 0; i < h->n_handed; i += n) {
		n = group_size(h, i);
		if (h->handed[i].fd >= 0) {
			log_info(MOD, "%s is not wanted any more, closing it",
				 endpoint_format(&h->handed[i].name.local, text));
			group_close(h, &h->handed[i], n);
		}
	}
	handover_fini(h);
}

void handover_fini(struct handover *h)
{
	for (size_t i = 0; i < h->n_handed; i++) {
		if (h->handed[i].fd >= 0) {
			close(h->handed[i].fd);
		}
	}
	free(h->handed);
	h->handed = NULL;
	h->n_handed = 0;
}

bool handover_store(struct handover *h, const struct handover_name *group, const int *fds)
{
	struct handover_name name = *group;
	char text[FDSTORE_NAME_MAX];

	if (h->n_stored + name.n_slots > FDSTORE_MAX && h->notify->fd >= 0) {
		return false;
	}
	h->n_stored += name.n_slots;
	for (; name.slot < name.n_slots; name.slot++) {
		handover_name_format(&name, text);
		fdstore_put(h->notify, text, fds[name.slot]);
	}
	return true;
}

void handover_forget(struct handover *h, const struct handover_name *group)
{
	struct handover_name name = *group;
	char text[FDSTORE_NAME_MAX];

	h->n_stored -= name.n_slots;
	for (; name.slot < name.n_slots; name.slot++) {
		handover_name_format(&name, text);
		fdstore_remove(h->notify, text);
	}
}
