/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Who sixgated and its workers are. Root with six capabilities, the only ones control and the start
 * of its workers need: NET_ADMIN (netlink), NET_BIND_SERVICE (listeners below 1024), SETUID, SETGID
 * and SYS_CHROOT (the workers' way into their sandbox), KILL (workers of another uid); and where
 * the config needs it SYS_ADMIN (the stateless translator's namespace) and NET_RAW (neighbours of
 * an on-link uplink). Called by main before anything else is opened.
 */
#include "gateway/control/identity.h"

#include <errno.h>
#include <linux/capability.h>
#include <pwd.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/caps.h"
#include "conf/model/node.h"

#define PROXY_USER "sixgate-proxy"
#define AGENT_USER "sixgate-agent"
#define DNS64_USER "sixgate-dns64"

static int user_find(const char *name, uid_t *ret_uid, struct err *err)
{
	const struct passwd *pw = getpwnam(name);

	if (!pw) {
		return err_set(err, -ENOENT, "there is no user %s: make it as the package does",
			       name);
	}
	*ret_uid = pw->pw_uid;
	return 0;
}

int identity_find(struct identity *ret_identity, struct err *err)
{
	struct identity id = {
		.root = geteuid() == 0,
		.proxy_uid = geteuid(),
		.agent_uid = geteuid(),
		.dns64_uid = geteuid(),
		.proxy_user = PROXY_USER,
		.agent_user = AGENT_USER,
		.dns64_user = DNS64_USER,
	};
	struct err none;
	int rc = 0;

	id.net_admin = caps_have(CAP_NET_ADMIN);
	if (id.root) {
		rc = user_find(PROXY_USER, &id.proxy_uid, err);
		if (rc == 0) {
			rc = user_find(AGENT_USER, &id.agent_uid, err);
		}
		if (user_find(DNS64_USER, &id.dns64_uid, &none) < 0) {
			id.dns64_uid = (uid_t)-1; /* an older package has made the others */
		}
	}
	if (rc == 0) {
		*ret_identity = id;
	}
	return rc;
}

int identity_check(const struct identity *identity, const struct node_conf *conf, struct err *err)
{
	return conf->dns64.on && identity->dns64_uid == (uid_t)-1
		       ? err_set(err, -ENOENT,
				 "dns64: there is no user " DNS64_USER
				 ": make it as the package does")
		       : 0;
}

int identity_bound(const struct node_conf *conf, const struct node_conf *former, struct err *err)
{
	unsigned int wanted[8] = {CAP_NET_ADMIN, CAP_NET_BIND_SERVICE, CAP_SETUID, CAP_SETGID,
				  CAP_KILL,      CAP_SYS_CHROOT};
	size_t n = 6;

	/* to enter a namespace; an underlay_netns is only named to the kernel, by a descriptor */
	if (conf->has_siit_prefix || (former && former->has_siit_prefix)) {
		wanted[n++] = CAP_SYS_ADMIN;
	}
	if (conf->ipv6_on_link || (former && former->ipv6_on_link)) {
		wanted[n++] = CAP_NET_RAW;
	}
	return caps_bound(wanted, n, err);
}

int raise_descriptors(struct err *err)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0) {
		return err_set_errno(err, -errno, "RLIMIT_NOFILE");
	}
	limit.rlim_cur = limit.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &limit) < 0) {
		return err_set_errno(err, -errno, "RLIMIT_NOFILE");
	}
	return 0;
}
