/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SIXGATE_GATEWAY_KERNEL_SYSCTL_H
#define SIXGATE_GATEWAY_KERNEL_SYSCTL_H

#include <stdbool.h>

#include "gateway/kernel/driver.h"
#include "gateway/kernel/record.h"

/*
 * Driver for OBJECT_SYSCTL. A sysctl is ours from when its former value was recorded until that
 * is put back; observed is what it is now. Values are compared with single spaces between words.
 * For NS_SIIT it goes into netns_driver(), with a record of its own.
 */
struct sysctls {
	const char *root;      /* borrowed; "/proc/sys", the tests have another */
	struct record *record; /* borrowed; may be shared with offloads */
};
struct driver sysctl_driver(struct sysctls *s);

/*
 * Whether the kernel takes routes of link from router advertisements, and would cease to with
 * forwarding on (struct desired_facts, uplink_ra). Stays true once sixgate has seen to it.
 */
bool sysctl_learns_routes(const struct sysctls *s, const char *link);

/*
 * What a setting was before sixgate changed it, by what was recorded in run_dir; another process
 * may have. False: it was not changed, or the record cannot be read. value: OBJECT_SYSCTL_MAX.
 */
bool sysctl_former(const char *run_dir, const char *path, char *value);

#endif
