/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SIXGATE_GATEWAY_CARRY_H
#define SIXGATE_GATEWAY_CARRY_H

#include <stddef.h>

#include "base/counters.h"
#include "base/err.h"

/*
 * Counters over an upgrade, so that they never step back. The image before hands on the segment of
 * each worker that still runs, one more with the sums of those that have ended (the base), and a
 * list of who has which slot. The same keys get the same slots, the segments count in all sums,
 * and one whose worker has ended is added to the base.
 */
struct control;
struct handover_list;

struct carry {
	struct control *control; /* borrowed */
	int list_fd, base_fd;    /* owned; 0: none */
	struct counters *base;   /* owned mapping; NULL: none yet */
};

/* A descriptor of the image before, which is taken. */
void carry_take_list(struct carry *carry, int fd);
void carry_take_base(struct carry *carry, int fd);
/* After slots and workers are made: puts the slots back. What cannot be read begins anew. */
void carry_start(struct carry *carry);
/*
 * Maps the segment of a worker of before, which counts from now on. NULL when that fails; fd stays
 * the caller's.
 */
struct counters *carry_join(struct carry *carry, int fd);
/* Its worker has ended: adds it to the base and unmaps it. */
void carry_fold(struct carry *carry, struct counters *segment);
/* Tenants and listeners are back: nobody else will claim a slot. */
void carry_end(struct carry *carry);
/*
 * Puts list and base on the list for the next image. On 0 *ret_fd is the list's memfd, to be
 * closed by the caller if he is still there after exec(3).
 */
int carry_pass(struct carry *carry, struct handover_list *list, int *ret_fd) CHECKED;
void carry_fini(struct carry *carry);

#endif
