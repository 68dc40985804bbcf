/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SIXGATE_GATEWAY_IDENTITY_H
#define SIXGATE_GATEWAY_IDENTITY_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/err.h"

struct node_conf;

/* What this process may do, and who its workers are. */
struct identity {
	bool root; /* workers get their own users, else ours */
	bool net_admin;
	uid_t proxy_uid, agent_uid;
	uid_t dns64_uid; /* (uid_t)-1: there is no such user */
	const char *proxy_user, *agent_user, *dns64_user;
};

/*
 * Finds out who we are; as root looks the workers' users up. -ENOENT when one does not exist; that
 * of DNS64 need not.
 */
int identity_find(struct identity *ret_identity, struct err *err) CHECKED;
/* Whether the users that conf needs are there. Returns 0 or -ENOENT. */
int identity_check(const struct identity *identity, const struct node_conf *conf,
		   struct err *err) CHECKED;
/*
 * Root keeps the capabilities that conf asks for, or the one that may come back (NULL: none), and
 * can never get another one.
 */
int identity_bound(const struct node_conf *conf, const struct node_conf *former,
		   struct err *err) CHECKED;
/* As many descriptors as we may have; workers inherit it. */
int raise_descriptors(struct err *err) CHECKED;

#endif
