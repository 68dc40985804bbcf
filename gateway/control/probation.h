/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SIXGATE_GATEWAY_PROBATION_H
#define SIXGATE_GATEWAY_PROBATION_H

#include <stdint.h>

#include "base/err.h"

/*
 * What has to be known of `apply --confirm` when sixgated ends before somebody has confirmed: a
 * file in the run folder, replaced as a whole, with the text of both configs. It stays after a
 * rollback, because the config's file still has the content that was not confirmed.
 */
#define PROBATION_MAX_S 86400

struct probation {
	uint64_t until_s; /* since the epoch, the former config comes back; 0: it has */
	char *former;     /* owned; text of the config that comes back */
	char *tried;      /* owned; text of the other one */
};

/* Writes it; borrows the texts. */
int probation_write(const char *run_dir, uint64_t until_s, const char *former, const char *tried,
		    struct err *err) CHECKED;
/* Nothing there is fine. */
void probation_remove(const char *run_dir);
/* Returns 0; -ENOENT: there is none; another negative errno: it cannot be used. */
int probation_read(const char *run_dir, struct probation *ret_probation, struct err *err) CHECKED;
void probation_fini(struct probation *p);

#endif
