/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SIXGATE_GATEWAY_KERNEL_JOOL_H
#define SIXGATE_GATEWAY_KERNEL_JOOL_H

#include "gateway/kernel/driver.h"
#include "gateway/kernel/ops.h"
#include "nat64/jool.h"

/*
 * Driver for OBJECT_INSTANCE, GLOBAL, POOL4, BIB and, for the stateless translator, EAM: all of
 * the instance that is ours by its name. A running instance is changed entry by entry, so its
 * sessions and statistics go on. Of the globals those that sixgate sets are observed, of the BIB
 * the static entries.
 *
 * Jool works in the namespace of the caller: one for the stateless translator is called in its
 * own (netns.h).
 */
#define JOOL_INSTANCE      "sixgate"
#define JOOL_INSTANCE_SIIT "sixgate-siit"

struct jool_context {
	const struct kernel_ops *ops; /* borrowed */
	enum translator translator;
	const char *sys_dir, *modules_dir; /* NULL: /sys, /lib/modules */
	const char *history;               /* file of who had which ports; NULL: none is kept */
};

/* ctx is borrowed. */
struct driver jool_driver(const struct jool_context *ctx);
/* struct netns_driver's can: the module is there. ctx: of the driver. */
int jool_can(void *ctx, struct err *err) CHECKED;
/* Of the translator's module. -EOPNOTSUPP as jool_open(). */
int jool_module_version(const struct jool_context *ctx, struct jool_version *ret_version,
			struct err *err) CHECKED;
/*
 * A client of the instance, for the time of one request. -EOPNOTSUPP: the module is absent, not
 * loaded, or of a version that we do not know; err says which and what to install.
 */
int jool_open(const struct jool_context *ctx, struct jool *ret_jool, struct err *err) CHECKED;

#endif
