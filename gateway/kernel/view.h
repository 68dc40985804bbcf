/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SIXGATE_GATEWAY_KERNEL_VIEW_H
#define SIXGATE_GATEWAY_KERNEL_VIEW_H

#include <libmnl/libmnl.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "gateway/kernel/ops.h"
#include "gateway/kernel/outline.h"
#include "gateway/plan/firewall.h"

/* The table `inet sixgate` as the kernel has it. */
struct view {
	uint32_t generation_be; /* at which all of it was read */
	bool has_table;
	struct outline outline;
};

/* One request of nftables that is answered by a dump; -EINTR is tried again. */
int view_dump(const struct kernel_ops *ops, const struct nlmsghdr *nlh, kernel_reply_fn reply,
	      void *arg) CHECKED;

/* Reads it. On 0 view_fini() is due. */
int view_read(const struct kernel_ops *ops, struct view *view, struct err *err) CHECKED;
void view_fini(struct view *view);

/* An element of a set; key and data are borrowed for the time of the call. */
struct view_element {
	enum firewall_set set;
	const void *key, *data;
	uint32_t key_len, data_len;
	uint64_t packets, bytes; /* of its counter, where it has one */
};
/* Called with each element of a set. A negative return ends the reading. */
typedef int (*view_element_fn)(const struct view_element *e, void *arg);
/* A set or table that is not there has no elements. Returns 0 or a negative errno. */
int view_elements(const struct kernel_ops *ops, enum firewall_set set, view_element_fn fn,
		  void *arg, struct err *err) CHECKED;

#endif
