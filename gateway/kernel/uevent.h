/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SIXGATE_GATEWAY_KERNEL_UEVENT_H
#define SIXGATE_GATEWAY_KERNEL_UEVENT_H

#include <stddef.h>
#include <stdint.h>

#include "gateway/kernel/driver.h"

/* Objects that come with a module, and go with it. */
#define UEVENT_JOOL_KINDS                                                                        \
	(DRIVER_KIND(OBJECT_INSTANCE) | DRIVER_KIND(OBJECT_GLOBAL) | DRIVER_KIND(OBJECT_POOL4) | \
	 DRIVER_KIND(OBJECT_BIB) | DRIVER_KIND(OBJECT_EAM))
#define UEVENT_LINK_KINDS (DRIVER_KIND(OBJECT_LINK) | DRIVER_KIND(OBJECT_LINK_DOWN))
#define UEVENT_WG_KINDS \
	(UEVENT_LINK_KINDS | DRIVER_KIND(OBJECT_WG_DEVICE) | DRIVER_KIND(OBJECT_WG_PEER))
#define UEVENT_KINDS (UEVENT_JOOL_KINDS | UEVENT_WG_KINDS)

#define UEVENT_CAUSE_MAX 48

/*
 * The kinds of objects to observe again after an event of the kernel's (NETLINK_KOBJECT_UEVENT),
 * with what happened in cause: "module jool was removed". 0 for what is none of our business. text
 * need not be terminated. Pure.
 */
uint32_t uevent_kinds(const char *text, size_t len, char cause[UEVENT_CAUSE_MAX]);

#endif
