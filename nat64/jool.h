/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SIXGATE_NAT64_JOOL_H
#define SIXGATE_NAT64_JOOL_H

#include <libmnl/libmnl.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/err.h"

/*
 * A client of the generic netlink of Jool 4.1.9 to 4.1.15, for one instance. Old modules crash on
 * requests that are not made for them, so what is sent follows a fixed table: no operation of the
 * other translator, no flush, no QUICK, and each transport address with address and port.
 * Replies are checked as if a stranger had written them.
 */
enum jool_translator { /* as on the wire */
	JOOL_SIIT = 1,
	JOOL_NAT64 = 2,
};

#define JOOL_FAMILY       "Jool"
#define JOOL_INSTANCE_MAX 16 /* bytes, with the NUL */
#define JOOL_TEXT_MAX     128

struct jool_version {
	uint8_t major, minor, revision;
};

/* Called with each message that is no acknowledgement. A negative return ends the request. */
typedef int (*jool_reply_fn)(const struct nlmsghdr *nlh, void *arg);

/* How messages reach the module, and the seam at which tests take its place. */
struct jool_ops {
	void *ctx;
	/*
	 * Sends one message and hands on the answer. Returns 0, the first negative return of
	 * reply, or the negative errno of a bare error with the kernel's text, if it has one.
	 */
	int (*transact)(void *ctx, const struct nlmsghdr *nlh, jool_reply_fn reply, void *arg,
			char text[JOOL_TEXT_MAX]);
};

struct jool {
	struct jool_ops ops;
	uint16_t family; /* the kernel's number of JOOL_FAMILY */
	struct jool_version version;
	enum jool_translator translator;
	char instance[JOOL_INSTANCE_MAX];
};

/*
 * version.c: reads "4.1.9.0", the version of a module. -EOPNOTSUPP with the reason for one that we
 * do not know.
 */
int jool_version_parse(const char *module, struct str text, struct jool_version *ret_version,
		       struct err *err) CHECKED;
/*
 * The version of the translator's module, from below /sys. Where it is not loaded: -EOPNOTSUPP, err
 * says what to install or load for the kernel of that release, whose modules lie below modules_dir.
 */
int jool_version_read(const char *sys_dir, const char *modules_dir, const char *release,
		      enum jool_translator translator, struct jool_version *ret_version,
		      struct err *err) CHECKED;

/* The instance; pool6 is immutable while it lives. -ESRCH from remove: there is none. */
int jool_instance_exists(const struct jool *jool, bool *ret_exists, struct err *err) CHECKED;
int jool_instance_add(const struct jool *jool, const struct prefix *pool6, struct err *err) CHECKED;
int jool_instance_remove(const struct jool *jool, struct err *err) CHECKED;

#define JOOL_GLOBALS 33 /* ids are below */
enum jool_global {
	JOOL_ENABLED = 1,
	JOOL_POOL6 = 2,
	JOOL_LOWEST_IPV6_MTU = 3,
	JOOL_ADDRESS_DEPENDENT_FILTERING = 14,
	JOOL_DROP_EXTERNALLY_INITIATED_TCP = 15,
	JOOL_MAXIMUM_SIMULTANEOUS_OPENS = 26,
};
struct jool_globals {
	uint32_t value[JOOL_GLOBALS]; /* of those that are numbers */
	bool has[JOOL_GLOBALS];
	struct prefix pool6; /* has[JOOL_POOL6] */
};
int jool_globals_read(const struct jool *jool, struct jool_globals *ret_globals,
		      struct err *err) CHECKED;
/* Sets one number; the statistics go on. -EINVAL for an id that is none. */
int jool_global_set(const struct jool *jool, uint8_t id, uint32_t value, struct err *err) CHECKED;

#define JOOL_STATS 69 /* ids are below; the same in all versions */
enum jool_stat {
	JOOL_STAT_RECEIVED6 = 1,
	JOOL_STAT_RECEIVED4 = 2,
	JOOL_STAT_SUCCESS = 3,
	JOOL_STAT_BIB_ENTRIES = 4,
	JOOL_STAT_SESSIONS = 5,
	JOOL_STAT_BIB6_NOT_FOUND = 28, /* a block of ports was full */
};
/* 0 for what did not come. */
int jool_stats_read(const struct jool *jool, uint64_t ret_stats[JOOL_STATS],
		    struct err *err) CHECKED;
/* stats.c: name and sentence of a counter; NULL for a number that is none. */
const char *jool_stat_name(unsigned int id);
const char *jool_stat_text(unsigned int id);

#endif
