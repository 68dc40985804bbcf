/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * `apply --confirm SECONDS`: a node config that is in force on probation. The former one is kept
 * and comes back when nobody says `confirm` in time, by the same way as any reload: an operator who
 * has locked himself out waits, and is in again. Both are in a file, so that a restart or an
 * upgrade does not make the new one stay.
 */
#include <stdio.h>
#include <time.h>

#include "base/container.h"
#include "base/log.h"
#include "gateway/control/control.h"
#include "gateway/control/internal.h"
#include "gateway/control/probation.h"

#define MOD      "confirm"
#define RETRY_MS 5000 /* while something else is under way */

static void confirm_forget(struct control *c)
{
	node_conf_free(c->confirm.former);
	c->confirm.former = NULL;
	wheel_disarm(&c->loop.wheel, &c->confirm.timer);
	problem_clear(&c->problems, PROBLEM_CONFIRM);
}

/* Nobody has confirmed. */
static void confirm_late(struct timer *timer)
{
	struct control *c = container_of(timer, struct control, confirm.timer);

	if (control_rollback(c) == 0) {
		wheel_arm(&c->loop.wheel, timer, c->loop.now_ms + RETRY_MS);
	} else {
		log_warn(MOD, "nobody has confirmed %s: the former config comes back",
			 c->conf_path);
	}
}

void control_confirm_init(struct control *c)
{
	timer_init(&c->confirm.timer, confirm_late);
}

void control_confirm_fini(struct control *c)
{
	node_conf_free(c->confirm.former);
	c->confirm.former = NULL;
}

int control_confirm_note(struct control *c, const struct node_conf *conf, struct err *err)
{
	const uint64_t now_s = (uint64_t)time(NULL);
	int rc = 0;

	if (c->reload.confirm_s > 0) {
		rc = probation_write(c->run_dir, now_s + c->reload.confirm_s, c->conf->text,
				     conf->text, err);
	} else if (c->confirm.going_back) {
		rc = probation_write(c->run_dir, 0, conf->text, c->conf->text, err);
	}
	return rc;
}

void control_confirm_keep(struct control *c, struct node_conf *former, uint32_t seconds)
{
	char text[128];

	confirm_forget(c);
	c->confirm.former = former;
	tenants_probation(&c->tenants);
	wheel_arm(&c->loop.wheel, &c->confirm.timer, c->loop.now_ms + UINT64_C(1000) * seconds);
	(void)snprintf(text, sizeof(text),
		       "is in force for %u s, then the former one comes back: 'sixgate confirm'",
		       seconds); /* fits */
	problem_set(&c->problems, LOG_LEVEL_WARN, PROBLEM_CONFIRM, text);
	log_info(MOD, "%s %s", c->conf_path, text);
}

bool control_confirm(struct control *c)
{
	if (!c->confirm.former || c->confirm.going_back) {
		return false;
	}
	confirm_forget(c);
	tenants_keep_tried(&c->tenants);
	probation_remove(c->run_dir);
	problem_clear(&c->problems, PROBLEM_RELOAD); /* of those that had to wait for this */
	log_info(MOD, "%s is confirmed", c->conf_path);
	return true;
}

uint64_t control_rollback(struct control *c)
{
	if (!c->confirm.former || c->reload.phase != RELOAD_IDLE || c->reload.wanted) {
		return 0;
	}
	c->confirm.going_back = true;
	return control_reload(c);
}

struct node_conf *control_confirm_take(struct control *c)
{
	struct node_conf *former = c->confirm.former;

	c->confirm.former = NULL;
	confirm_forget(c);
	return former;
}

void control_confirm_return(struct control *c, struct node_conf *former)
{
	c->confirm.former = former;
	wheel_arm(&c->loop.wheel, &c->confirm.timer, c->loop.now_ms + RETRY_MS);
}

void control_confirm_is_back(struct control *c)
{
	problem_set(&c->problems, LOG_LEVEL_WARN, PROBLEM_CONFIRM,
		    "the file's content was rolled back: the former config is in force, until the "
		    "file is mended and read again");
}
