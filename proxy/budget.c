/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The arithmetic of descriptors; see budget.h. Pure. */
#include "proxy/budget.h"

#define SESSIONS_MAX 4000000u /* more than memory and ports allow */

struct budget budget_share(size_t limit, size_t n_workers, size_t n_own, size_t n_lent)
{
	size_t for_lent = n_own < limit / 16 ? n_own : limit / 16;
	size_t fixed = BUDGET_RESERVE + n_own + (n_lent > for_lent ? n_lent : for_lent);
	size_t pipes = BUDGET_PIPES_MAX / (n_workers > 0 ? n_workers : 1);
	size_t sessions;

	/* few descriptors: sessions come first, a flow without a pipe is copied */
	if (pipes > limit / 16) {
		pipes = limit / 16;
	}
	fixed += 2 * pipes;
	sessions = limit > fixed ? (limit - fixed) / 2 : 0;
	if (sessions > SESSIONS_MAX) {
		sessions = SESSIONS_MAX;
	}
	return (struct budget){.pipes = (unsigned int)pipes, .sessions = (unsigned int)sessions};
}
