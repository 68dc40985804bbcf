/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SIXGATE_GATEWAY_KERNEL_PATHS_H
#define SIXGATE_GATEWAY_KERNEL_PATHS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "base/cursor.h"
#include "base/hash.h"
#include "gateway/plan/tunnel_mtu.h"

/*
 * What the ways of the tunnels' outer packets carry: each is read when it is first asked for, and
 * looked at again when something may have changed. Less is believed at once. More is believed when
 * it was there for PATHS_HOLD_S; where a router said that the way is narrow, for PATHS_LEARNT_S,
 * because the kernel forgets that after ten minutes, and the way is as narrow as before: MTU and
 * MSS would go up and down all the time. Not for longer, as anybody may have sent that word in a
 * router's name, and never for less than PATHS_LEARNT_MIN, which is what tunnels carry anyway. A
 * way by another link or next hop is another one. A way whose MTU goes to and fro is told of once
 * in PATHS_TELL_S.
 */
#define PATHS_HOLD_S     15
#define PATHS_LEARNT_S   1200
#define PATHS_LEARNT_MIN TUNNEL_MTU_MIN
#define PATHS_TELL_S     60

struct rt;
struct path;
TAILQ_HEAD(path_list, path);

struct paths {
	struct rt *rt; /* borrowed */
	struct hash_key key;
	struct table table;   /* of struct path, owned */
	struct path_list all; /* the same, in the order of the looks */
	struct path *at;      /* the next one of the look that is under way; NULL: none is */
	bool due;             /* another look is asked for */
};

void paths_init(struct paths *p, struct rt *rt);
void paths_fini(struct paths *p);
/*
 * desired_facts.path_mtu; ctx: the paths. What is in force, in bytes; 0: not known, as without a
 * way.
 */
uint32_t paths_mtu(void *ctx, const struct outer *outer);

/* Asks for a look at all of them. */
void paths_look(struct paths *p);
bool paths_looking(const struct paths *p);
/*
 * Looks at some; appends a line to told for each that another MTU is in force of, or was for a
 * while when nobody could be told. Returns true when there are more; after the last paths_settle()
 * is due. now_s: of a clock that does not go back.
 */
bool paths_look_step(struct paths *p, uint64_t now_s, struct buf *told);
/* Another MTU is in force since the last paths_settle(). The path is kept by the next one. */
bool paths_changed(struct paths *p, const struct outer *outer);
/* All changes are known; forgets what was not asked for since the last one. */
void paths_settle(struct paths *p);

#endif
