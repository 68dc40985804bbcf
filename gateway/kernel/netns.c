/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Named network namespaces, and drivers that work inside one. Called by kernel.c alone. What is
 * done inside must come back before anything else runs: netns_leave() ends the process when it
 * cannot, because all later calls would reach the wrong network.
 */
#include "gateway/kernel/netns.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/capability.h>
#include <linux/magic.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/caps.h"
#include "base/log.h"

#define MOD        "netns"
#define NETNS_DIR  "/run/netns"
#define NETNS_SELF "/proc/thread-self/ns/net"

static char *netns_path(const struct netns *ns, char dst[PATH_MAX])
{
	(void)snprintf(dst, PATH_MAX, NETNS_DIR "/%s", ns->name); /* names of ours fit */
	return dst;
}

static int refused(const struct netns *ns, int rc, struct err *err)
{
	if (rc == -EPERM) {
		return err_set(err, rc,
			       "the network namespace %s needs CAP_SYS_ADMIN: with systemd put "
			       "siit.conf of the examples into "
			       "/etc/systemd/system/sixgated.service.d, see sixgated(8)",
			       ns->name);
	}
	return err_set_errno(err, rc, "network namespace %s", ns->name);
}

/* A file there that is no namespace is what is left of one: its mount is gone. */
static int netns_look(struct netns *ns)
{
	char path[PATH_MAX];
	struct statfs fs;
	int fd = open(netns_path(ns, path), O_RDONLY | O_CLOEXEC | O_NOFOLLOW);

	if (fd < 0) {
		return errno == ENOENT ? 0 : -errno;
	}
	if (fstatfs(fd, &fs) < 0 || fs.f_type != NSFS_MAGIC) {
		close(fd);
		return 0;
	}
	ns->fd = fd;
	return 0;
}

int netns_init(struct netns *ns, const struct kernel_ops *ops, const char *name, struct err *err)
{
	int rc;

	*ns = (struct netns){.name = name, .ops = ops, .fd = -1, .home_fd = -1};
	ns->home_fd = open(NETNS_SELF, O_RDONLY | O_CLOEXEC);
	if (ns->home_fd < 0) {
		return err_set_errno(err, -errno, NETNS_SELF);
	}
	rc = netns_look(ns);
	if (rc < 0) {
		netns_fini(ns);
		return err_set_errno(err, rc, NETNS_DIR "/%s", name);
	}
	return 0;
}

void netns_fini(struct netns *ns)
{
	if (ns->fd >= 0) {
		close(ns->fd);
	}
	if (ns->home_fd >= 0) {
		close(ns->home_fd);
	}
	ns->fd = -1;
	ns->home_fd = -1;
}

/* A new namespace is ours for a moment, so that it can be bound to path. Returns 0 or errno. */
static int netns_bind(struct netns *ns, const char *path)
{
	int rc = unshare(CLONE_NEWNET) < 0 ? -errno : 0;

	if (rc < 0) {
		return rc;
	}
	if (mount(NETNS_SELF, path, "none", MS_BIND, NULL) < 0) {
		rc = -errno;
	}
	netns_leave(ns);
	return rc < 0 ? rc : netns_look(ns);
}

/* What it is bound to. */
static int make_file(const char *path, struct err *err)
{
	int fd;

	if (mkdir(NETNS_DIR, 0755) < 0 && errno != EEXIST) {
		return err_set_errno(err, -errno, NETNS_DIR);
	}
	fd = open(path, O_RDONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0444);
	if (fd < 0) {
		return err_set_errno(err, -errno, "%s", path);
	}
	close(fd);
	return 0;
}

/*
 * Somebody took its name away (ip netns del): it is there as long as we are, and the next start
 * would not find it. Best effort.
 */
static void netns_keep_name(const struct netns *ns)
{
	char path[PATH_MAX], held[64];
	struct stat named, ours;

	netns_path(ns, path);
	if (fstat(ns->fd, &ours) < 0 || (stat(path, &named) == 0 && named.st_dev == ours.st_dev &&
					 named.st_ino == ours.st_ino)) {
		return;
	}
	(void)snprintf(held, sizeof(held), "/proc/self/fd/%d", ns->fd); /* fits */
	if (make_file(path, NULL) == 0 && mount(held, path, "none", MS_BIND, NULL) == 0) {
		log_info(MOD, "network namespace %s has its name again", ns->name);
	}
}

int netns_make(struct netns *ns, struct err *err)
{
	char path[PATH_MAX];
	int rc;

	if (ns->fd >= 0) {
		return 0;
	}
	netns_path(ns, path);
	rc = make_file(path, err);
	if (rc < 0) {
		return rc;
	}
	rc = netns_bind(ns, path);
	if (rc == 0 && ns->fd < 0) {
		rc = -ENOENT; /* somebody took it away again */
	}
	if (rc < 0) {
		(void)unlink(path); /* best effort: an empty file hurts nobody */
		return refused(ns, rc, err);
	}
	return 1;
}

int netns_remove(struct netns *ns, struct err *err)
{
	char path[PATH_MAX];

	netns_path(ns, path);
	if (ns->fd >= 0) {
		close(ns->fd);
		ns->fd = -1;
	}
	if (umount2(path, MNT_DETACH) < 0 && errno != EINVAL && errno != ENOENT) {
		return err_set_errno(err, -errno, "%s", path);
	}
	if (unlink(path) < 0 && errno != ENOENT) {
		return err_set_errno(err, -errno, "%s", path);
	}
	return 0;
}

void netns_unmake(struct netns *ns, int made, struct err *err)
{
	if (made > 0 && netns_remove(ns, NULL) < 0) {
		(void)err_prefix(err, "the network namespace %s is left: ", ns->name);
	}
}

int netns_enter(struct netns *ns, struct err *err)
{
	int rc;

	if (ns->fd < 0) {
		return err_set(err, -ENOENT, "there is no network namespace %s", ns->name);
	}
	rc = ns->ops->enter(ns->ops->ctx, ns->fd);
	return rc < 0 ? refused(ns, rc, err) : 0;
}

void netns_leave(struct netns *ns)
{
	if (setns(ns->home_fd, CLONE_NEWNET) < 0) {
		abort();
	}
}

static int inside_observe(void *ctx, uint32_t kinds, struct object_set *set, struct err *err)
{
	struct netns_driver *nd = ctx;
	size_t first = set->n;
	int rc;

	if (nd->netns->fd < 0) {
		/* else what needs the translator would be made without it */
		if (!caps_have(CAP_SYS_ADMIN)) {
			return refused(nd->netns, -EPERM, err);
		}
		return nd->can ? nd->can(nd->inner.ctx, err) : 0;
	}
	netns_keep_name(nd->netns);
	rc = netns_enter(nd->netns, err);
	if (rc < 0) {
		return rc;
	}
	rc = nd->inner.observe(nd->inner.ctx, kinds, set, err);
	netns_leave(nd->netns);
	for (size_t i = first; i < set->n; i++) {
		set->items[i].ns = NS_SIIT;
	}
	return rc;
}

static int inside_apply(void *ctx, const struct step *steps, size_t n_steps, size_t *ret_done,
			struct err *err)
{
	struct netns_driver *nd = ctx;
	int made = netns_make(nd->netns, err), rc;

	*ret_done = 0;
	if (made < 0) {
		return made;
	}
	rc = netns_enter(nd->netns, err);
	if (rc == 0) {
		rc = nd->inner.apply(nd->inner.ctx, steps, n_steps, ret_done, err);
		netns_leave(nd->netns);
	}
	if (rc < 0 && *ret_done == 0) {
		netns_unmake(nd->netns, made, err);
	}
	return rc;
}

struct driver netns_driver(struct netns_driver *nd, struct netns *netns, struct driver inner)
{
	assert(!inner.prepare); /* no kind of ours needs it there */
	*nd = (struct netns_driver){.netns = netns, .inner = inner};
	return (struct driver){.name = inner.name,
			       .kinds = inner.kinds,
			       .ns = NS_SIIT,
			       .ctx = nd,
			       .observe = inside_observe,
			       .apply = inside_apply};
}
