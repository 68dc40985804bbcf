/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SIXGATE_NAT64_INTERNAL_H
#define SIXGATE_NAT64_INTERNAL_H

#include "nat64/jool.h"

/* Messages of Jool: what jool.c and table.c share. wire.c. */

#define JOOL_HEADER      28                /* bytes, behind genlmsghdr */
#define JOOL_ATTRIBUTES  (4 + JOOL_HEADER) /* where attributes begin in a payload */
#define JOOL_MESSAGE_MAX 1024              /* bytes of a request, and more than any takes */

enum jool_op { /* as on the wire; not one that flushes */
	JOOL_OP_INSTANCE_ADD = 1,
	JOOL_OP_INSTANCE_HELLO = 2,
	JOOL_OP_INSTANCE_REMOVE = 3,
	JOOL_OP_STATS = 7,
	JOOL_OP_GLOBALS = 8,
	JOOL_OP_GLOBAL_UPDATE = 9,
	JOOL_OP_EAMT = 10,
	JOOL_OP_EAMT_ADD = 11,
	JOOL_OP_EAMT_REMOVE = 12,
	JOOL_OP_POOL4 = 18,
	JOOL_OP_POOL4_ADD = 19,
	JOOL_OP_POOL4_REMOVE = 20,
	JOOL_OP_BIB = 22,
	JOOL_OP_BIB_ADD = 23,
	JOOL_OP_BIB_REMOVE = 24,
	JOOL_OP_SESSION = 25,
};

enum jool_root {
	JOOL_ROOT_GLOBALS = 2,
	JOOL_ROOT_OFFSET = 8,
	JOOL_ROOT_OFFSET_U8 = 9,
	JOOL_ROOT_OPERAND = 10,
	JOOL_ROOT_PROTO = 11,
};

struct jool_message {
	_Alignas(struct nlmsghdr) char data[JOOL_MESSAGE_MAX];
	struct nlmsghdr *nlh; /* in data */
	enum jool_op op;
};

/*
 * Called with each attribute of a good reply. A negative return ends the request and is returned
 * with err as the callee set it.
 */
typedef int (*jool_attr_fn)(const struct nlattr *attr, void *arg, struct err *err);

/* -EINVAL, and nothing is to be sent, where the table does not allow op for the translator. */
int jool_begin(const struct jool *jool, struct jool_message *m, enum jool_op op,
	       struct err *err) CHECKED;
/*
 * Sends m, reads the one reply there is. fn may be NULL. ret_more (may be NULL): more pages.
 * Returns 0 or a negative errno with err set, text of the module first.
 */
int jool_exchange(const struct jool *jool, const struct jool_message *m, jool_attr_fn fn, void *arg,
		  bool *ret_more, struct err *err) CHECKED;

/* Attributes. The readers return false for another length, or a value that cannot be. */
void jool_put_prefix(struct nlmsghdr *nlh, uint16_t type, const struct prefix *p);
void jool_put_endpoint(struct nlmsghdr *nlh, uint16_t type, const struct endpoint *e);
bool jool_get_prefix(const struct nlattr *nest, struct prefix *ret_prefix);
bool jool_get_endpoint(const struct nlattr *nest, struct endpoint *ret_endpoint);
bool jool_get(const struct nlattr *attr, void *dst, size_t len);

#endif
