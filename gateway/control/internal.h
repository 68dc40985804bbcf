/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SIXGATE_GATEWAY_CONTROL_INTERNAL_H
#define SIXGATE_GATEWAY_CONTROL_INTERNAL_H

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/err.h"
#include "base/loop.h"
#include "base/str.h"
#include "conf/model/node.h"
#include "gateway/registry/dir.h"

/* What files of this folder share among themselves. */

/* Changes the events of an io that is in the loop, which cannot fail. */
static inline void io_watch(struct loop *loop, struct io *io, uint32_t events)
{
	int rc = loop_mod(loop, io, events);

	assert(rc == 0);
	(void)rc; /* without assert */
}

/* control.c, for start.c */
struct control;
struct dir_ops;
struct item_ops;
struct workers_ops;

extern const struct workers_ops control_workers_ops;
extern const struct workers_ops control_dns64_ops;
extern const struct dir_ops control_dir_ops;

/* The log child has ended, as it was asked to. */
void control_log_ended(void *ctx);
int control_open_signals(struct control *c, struct err *err) CHECKED;

/* reload.c, for control.c and start.c */
extern const struct item_ops control_node_ops;
void control_reload_init(struct control *c);
/* The next step of a reload, if there is one: true when it was done. */
bool control_reload_step(struct control *c);

/* start.c, for control.c: what control_new() has set up comes to life */
int control_start(struct control *c, struct err *err) CHECKED;
/* The workers' users, for the packet filter. */
struct kernel_uids control_uids(const struct control *c);
/*
 * The full set is complete: workers may have it, and the kernel. Not before, because the former
 * run's table knows the tenants that workers of before us still serve.
 */
void control_release(struct control *c);

#define PROBLEM_KERNEL "kernel" /* its name among the problems */

/* confirm.c, for control.c and reload.c */
struct node_conf;

#define PROBLEM_CONFIRM "apply"
#define PROBLEM_RELOAD  "reload"

void control_confirm_init(struct control *c);
void control_confirm_fini(struct control *c);
/* Writes down what a restart has to know before conf comes in force on probation, or back. */
int control_confirm_note(struct control *c, const struct node_conf *conf, struct err *err) CHECKED;
/* former comes back after seconds. Takes it. */
void control_confirm_keep(struct control *c, struct node_conf *former, uint32_t seconds);
/* Hands out what comes back. */
struct node_conf *control_confirm_take(struct control *c);
/* It could not come back now, and will be tried again. Takes it. */
void control_confirm_return(struct control *c, struct node_conf *former);
/* The former one is in force, and the file's content is not. */
void control_confirm_is_back(struct control *c);

/* listener.c, for listeners.c */
struct listener;
struct listeners;

#define LISTENER_RETRY_MS 5000
#define LISTENER_WHAT_MAX (ENDPOINT_TEXT_MAX + 16)

/* A listener that waits to be opened. NULL when out of memory. */
struct listener *listener_new(struct listeners *ls, const struct endpoint *local,
			      enum protocol protocol, uint64_t hash);
void listener_free(struct listener *listener);
bool listener_wanted(const struct listener *listener);
/* Its name among the problems. */
const char *listener_what(const struct listener *listener, char dst[LISTENER_WHAT_MAX]);
int listener_open(struct listener *listener, struct err *err) CHECKED;
/* As listener_open(); what fails is a problem and tried again. */
void listener_try_open(struct listener *listener);
/* Nobody wants it any more; it may be gone on return. */
void listener_close(struct listener *listener);
void listener_set_protocol(struct listener *listener, enum protocol protocol);

/* rollout.c and tenants.c for each other */
struct tenant;
struct tenant_conf;
struct tenants;

/* A file's text, read and checked alone. */
struct file_text {
	const char *file;
	uint64_t digest[2];
	struct file_identity id;
};

/* Checks conf against what is in force and rolls it out. Takes conf, also when it is refused. */
void file_apply(struct tenants *ts, const struct file_text *text, struct str name,
		struct tenant_conf *conf);
/* Which text the newest version taken is of. NULL: of none that would not be tried again. */
void tenant_set_text(struct tenant *t, const struct file_text *text);
/* The newest version was refused, and may be tried again: what is in force counts. */
void tenant_forget_text(struct tenant *t);
/* The next tenant at or after object id *at, which is moved past it; NULL at the end. */
struct tenant *tenants_walk(const struct tenants *ts, uint32_t *at);
/* The file's newest content is not in force, and why. */
void file_refuse(struct tenants *ts, const char *file, const char *text);
/* Gives the reference to a version back, and what it claims. NULL allowed. */
void tenant_let_go(struct tenant *t, struct tenant_conf *conf);
void tenant_free(struct tenant *t);
void tenant_init_item(struct tenant *t);
/* Takes conf and rolls it out, at once or next. The tenant may be gone on return. */
void tenant_take(struct tenant *t, struct tenant_conf *conf);
/* Takes the tenant away from all; it may be gone on return. */
void tenant_drop(struct tenant *t);
/* Rolls conf out, which it takes; it has its counter slots. The tenant may be gone on return. */
void tenant_begin(struct tenant *t, struct tenant_conf *conf);
/* Current is what good is, here and in the kernel; workers are not told yet. */
void tenant_go_back(struct tenant *t);
/* Every worker has current: lets go what it replaces. The tenant may be gone on return. */
void tenant_finish(struct tenant *t);
/* The file's newest content is in force, or on its way there. */
void file_accept(struct tenants *ts, const char *file);
/* tried.c, for rollout.c, tenants.c and recall.c */
/* The tenant is about to get another version than good. */
void tenant_note_before(struct tenant *t);
/* Its version is none of a config on probation. */
void tenant_forget_before(struct tenant *t);
/* Its file was read again. The tenant may be gone on return. */
void tenant_settle_tried(struct tenant *t);
/* drained.c: conf is of the same text as former and keeps what was drained. */
void tenant_keep_drained(const struct tenant_conf *former, struct tenant_conf *conf);
/* NULL: there is none of that name. */
struct tenant *tenants_lookup(const struct tenants *ts, struct str name);
/* Hands the files in conflict out again: their claims may be free now. */
void conflicts_retry(struct tenants *ts);

/* swap.c, for rollout.c and tenants.c */
/*
 * conf, of that text, was refused for another tenant's claim. If that one wants to give it up for
 * what this one has, both go their way together and true is returned.
 */
bool swap_try(struct tenant *t, struct tenant_conf *conf, const struct file_text *text);
/* It no longer waits for a swap. */
void swap_forget(struct tenant *t);
/* Every worker has its current version. It may be gone on return. */
void swap_settled(struct tenant *t);
/* A worker refused its version, which is in status: all of the swap go back. */
void swap_go_back(struct tenant *t);

#endif
