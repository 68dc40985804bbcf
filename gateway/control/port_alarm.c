/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The alarm before a tenant's NAT64 ports run out. A round over thousands of tenants takes
 * minutes, so that no turn of the loop is long.
 */
#include "gateway/control/port_alarm.h"

#include <stdio.h>

#include "base/container.h"
#include "base/log.h"
#include "gateway/control/control.h"
#include "gateway/control/nat64.h"

#define TENANTS_A_TICK 2
#define TICK_MS        1000
#define ROUND_MS       5000 /* between rounds */
#define MOD            "nat64"
#define WHAT           "nat64 ports"

void port_alarm_note(struct port_alarm *alarm, const struct nat64_use *use)
{
	if (!use->alarm) {
		return;
	}
	if (alarm->n_alarm++ == 0 ||
	    (uint64_t)use->most * alarm->size > (uint64_t)alarm->worst * use->size) {
		alarm->worst = use->most;
		alarm->size = use->size;
		(void)snprintf(alarm->tenant, sizeof(alarm->tenant), "%s", use->tenant); /* fits */
	}
}

char *port_alarm_text(const struct port_alarm *alarm, char *dst, size_t size)
{
	char others[48] = "";

	if (alarm->n_alarm > 1) {
		(void)snprintf(others, sizeof(others), " and %u more tenants are near it",
			       alarm->n_alarm - 1); /* fits */
	}
	dst[0] = '\0';
	if (alarm->n_alarm > 0) {
		(void)snprintf(dst, size,
			       "%s uses %u of its %u ports%s: see 'sixgate nat64 pool'; more ports "
			       "a tenant need more addresses in nat64.pool",
			       alarm->tenant, alarm->worst, alarm->size, others); /* cut is fine */
	}
	return dst;
}

static const struct tenant_conf *next_tenant(void *ctx, uint32_t *at)
{
	return tenants_next(ctx, at);
}

static void round_end(struct control *c)
{
	struct port_alarm *alarm = &c->port_alarm;
	char text[ERR_MSG_MAX];

	if (port_alarm_text(alarm, text, sizeof(text))[0] != '\0') {
		if (!problem_has(&c->problems, WHAT)) {
			log_warn(MOD, "%s", text);
		}
		problem_set(&c->problems, LOG_LEVEL_WARN, WHAT, text);
	} else if (problem_has(&c->problems, WHAT)) {
		log_info(MOD, "no tenant is near the end of its ports any more");
		problem_clear(&c->problems, WHAT);
	}
	alarm->at = 0;
	alarm->n_alarm = 0;
}

static void on_tick(struct timer *timer)
{
	struct control *c = container_of(timer, struct control, port_alarm.timer);
	struct nat64_view view = {.conf = c->conf, .next = next_tenant, .ctx = &c->tenants};
	struct nat64_use use;
	struct err err;
	int rc = c->conf->nat64.on ? 1 : 0;

	for (int i = 0; i < TENANTS_A_TICK && rc > 0; i++) {
		rc = nat64_use(&view, &c->port_alarm.at, &use, &err);
		if (rc > 0) {
			port_alarm_note(&c->port_alarm, &use);
		}
	}
	/* Without the module there is another problem, which is told elsewhere. */
	if (rc <= 0) {
		round_end(c);
	}
	wheel_arm(&c->loop.wheel, timer, c->loop.now_ms + (rc > 0 ? TICK_MS : ROUND_MS));
}

void port_alarm_init(struct port_alarm *alarm)
{
	timer_init(&alarm->timer, on_tick);
}
