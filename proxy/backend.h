/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SIXGATE_PROXY_BACKEND_H
#define SIXGATE_PROXY_BACKEND_H

#include <stdint.h>

#include "base/err.h"
#include "conf/model/tenant.h"

/* What the choice of a backend is made from. */
struct backend_choice {
	enum balance balance;
	uint64_t usable;      /* bits: the backends that may be taken */
	uint32_t *turn;       /* round robin's, and what settles equal loads; moves on */
	uint64_t source_hash; /* same source, same backend */
	const uint64_t *load; /* sessions by backend; least connections only */
};

/*
 * Picks one of the usable backends. A backend that falls away moves its own sources only to
 * others (highest random weight). Returns its index or -ENOENT. Pure but for *turn.
 */
int backend_pick(const struct backend_choice *choice) CHECKED;

#endif
