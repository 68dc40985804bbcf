/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SIXGATE_GATEWAY_KERNEL_FEATURES_H
#define SIXGATE_GATEWAY_KERNEL_FEATURES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "gateway/kernel/ops.h"
#include "gateway/plan/object.h"

/* What a network card does by itself, and may be told to leave ("rx-lro"). */
struct feature {
	struct object_offload name;
	size_t item;   /* the caller's */
	bool seen, on; /* its link is there; it is on: not so with a card that has no such thing */
};

struct features {
	struct feature *items; /* by feature_by_link() */
	size_t n;
};

/* For qsort(3). */
int feature_by_link(const void *a, const void *b);
/* The number of ethtool's family. */
int features_family(const struct kernel_ops *ops, uint16_t *ret_family) CHECKED;
/* Fills seen and on, which begin false. n_links: how many different ones there are, 1 or more. */
int features_ask(const struct kernel_ops *ops, struct features *fs, size_t n_links,
		 struct err *err) CHECKED;
/* Of one. -ENODEV: there is no such link. */
int feature_get(const struct kernel_ops *ops, uint16_t family, const struct object_offload *want,
		bool *ret_on) CHECKED;
/* Asks for it; not every card does what it is asked for. */
int feature_set(const struct kernel_ops *ops, uint16_t family, const struct object_offload *want,
		bool on) CHECKED;

#endif
