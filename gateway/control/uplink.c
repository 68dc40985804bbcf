/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The health of an uplink of kind wireguard. Keepalives go all the time, and a session without a
 * new handshake ends after three minutes, so that an old handshake is a dead tunnel. 6in4 has
 * nothing of the kind.
 */
#include "gateway/control/uplink.h"

#include <stdio.h>
#include <time.h>

#include "base/container.h"
#include "base/log.h"
#include "gateway/control/control.h"
#include "gateway/control/tunnels.h"
#include "gateway/plan/object.h"

#define MOD       "uplink"
#define WHAT      "uplink"
#define TICK_MS   5000 /* WireGuard asks for a handshake as often */
#define SILENT_MS 1000 /* while there is no answer */

static void tell(struct control *c, uint64_t handshake_s)
{
	const struct node_conf *conf = c->conf;
	uint64_t now_s = (uint64_t)time(NULL);
	char text[ERR_MSG_MAX], exit[ENDPOINT_TEXT_MAX], since[48] = "never answered";

	if (handshake_s != 0 && (now_s <= handshake_s || now_s - handshake_s < WG_SESSION_S)) {
		if (problem_has(&c->problems, WHAT)) {
			log_info(MOD, "the exit answers");
		}
		problem_clear(&c->problems, WHAT);
		return;
	}
	if (handshake_s != 0) {
		(void)snprintf(since, sizeof(since), "has not answered for %llu s",
			       (unsigned long long)(now_s - handshake_s)); /* fits */
	}
	(void)snprintf(text, sizeof(text),
		       "the exit %s %s (no WireGuard handshake): tenants have no IPv6 beyond this "
		       "gateway. Is UDP to it let through, and does it know this gateway's key?",
		       endpoint_format(&conf->exit.endpoint, exit), since); /* cut is fine */
	if (!problem_has(&c->problems, WHAT)) {
		log_err(MOD, "%s", text);
	}
	problem_set(&c->problems, LOG_LEVEL_ERR, WHAT, text);
}

static void on_tick(struct timer *timer)
{
	struct control *c = container_of(timer, struct control, uplink.timer);
	uint64_t handshake_s;
	struct err err;

	/* Without the module there is another problem, which is told elsewhere. */
	if (c->conf->uplink_kind != UPLINK_WIREGUARD ||
	    tunnels_exit_handshake(&handshake_s, &err) < 0) {
		problem_clear(&c->problems, WHAT);
	} else {
		tell(c, handshake_s);
	}
	wheel_arm(&c->loop.wheel, timer,
		  c->loop.now_ms + (problem_has(&c->problems, WHAT) ? SILENT_MS : TICK_MS));
}

void uplink_init(struct uplink *uplink)
{
	timer_init(&uplink->timer, on_tick);
}

void uplink_arm(struct uplink *uplink, struct loop *loop)
{
	wheel_arm(&loop->wheel, &uplink->timer, loop->now_ms + TICK_MS);
}
