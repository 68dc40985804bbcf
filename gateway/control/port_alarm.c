/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The alarm before a tenant's NAT64 ports run out. A round over thousands of tenants takes
 * minutes, so that no turn of the loop is long.
 */
#include "gateway/control/port_alarm.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/container.h"
#include "base/log.h"
#include "gateway/control/control.h"
#include "gateway/control/nat64.h"

#define TENANTS_A_TICK 2
#define TICK_MS        1000
#define ROUND_MS       5000 /* between rounds */
#define MOD            "nat64"
#define WHAT_MAX       (TENANT_NAME_MAX + 24)

struct port_alarm_tenant {
	TAILQ_ENTRY(port_alarm_tenant) near; /* port_alarm.near */
	uint32_t round;                      /* that met it last */
	char what[WHAT_MAX];                 /* its name among the problems */
};

static struct port_alarm_tenant *find(const struct port_alarm *alarm, const char *what)
{
	struct port_alarm_tenant *t = TAILQ_FIRST(&alarm->near);

	while (t && strcmp(t->what, what) != 0) {
		t = TAILQ_NEXT(t, near);
	}
	return t;
}

static void forget(struct port_alarm *alarm, struct port_alarm_tenant *t, struct problems *problems)
{
	problem_clear(problems, t->what);
	TAILQ_REMOVE(&alarm->near, t, near);
	free(t);
}

/* Out of memory: the next round tries again. */
static void begin(struct port_alarm *alarm, struct problems *problems, const char *what,
		  const char *text)
{
	struct port_alarm_tenant *t = calloc(1, sizeof(*t));

	if (t) {
		memcpy(t->what, what, strlen(what));
		t->round = alarm->round;
		TAILQ_INSERT_TAIL(&alarm->near, t, near);
		problem_set(problems, LOG_LEVEL_WARN, what, text);
		log_warn(MOD, "%s", text);
	}
}

void port_alarm_note(struct port_alarm *alarm, struct problems *problems,
		     const struct nat64_use *use)
{
	bool calm = (uint64_t)use->most * 100 < (uint64_t)use->size * NAT64_CALM_PERCENT;
	struct port_alarm_tenant *t;
	char what[WHAT_MAX], text[ERR_MSG_MAX];

	(void)snprintf(what, sizeof(what), "nat64 ports of %s", use->tenant); /* fits */
	(void)snprintf(text, sizeof(text),
		       "%s uses %u of its %u ports: see 'sixgate nat64 pool'; more ports a tenant "
		       "need more addresses in nat64.pool",
		       use->tenant, use->most, use->size); /* fits */
	if (!problem_has(problems, what)) {
		if (use->alarm) {
			begin(alarm, problems, what, text);
		}
		return;
	}
	t = find(alarm, what);
	if (t && calm) {
		forget(alarm, t, problems);
		log_info(MOD, "%s uses %u of its %u ports, and is no more near their end",
			 use->tenant, use->most, use->size);
	} else if (t) {
		t->round = alarm->round;
		problem_set(problems, LOG_LEVEL_WARN, what, text);
	}
}

void port_alarm_round(struct port_alarm *alarm, struct problems *problems)
{
	struct port_alarm_tenant *t = TAILQ_FIRST(&alarm->near), *next;

	for (; t; t = next) {
		next = TAILQ_NEXT(t, near);
		if (t->round != alarm->round) {
			forget(alarm, t, problems);
		}
	}
	alarm->round++;
}

static const struct tenant_conf *next_tenant(void *ctx, uint32_t *at)
{
	return tenants_next(ctx, at);
}

static void on_tick(struct timer *timer)
{
	struct control *c = container_of(timer, struct control, port_alarm.timer);
	struct nat64_view view = {.conf = c->conf, .next = next_tenant, .ctx = &c->tenants};
	struct port_alarm *alarm = &c->port_alarm;
	struct nat64_use use;
	struct err err;
	int rc = c->conf->nat64.on ? 1 : 0;

	for (int i = 0; i < TENANTS_A_TICK && rc > 0; i++) {
		rc = nat64_use(&view, &alarm->at, &use, &err);
		if (rc > 0) {
			port_alarm_note(alarm, &c->problems, &use);
		}
	}
	if (rc <= 0) {
		/* Without the module there is another problem, which is told elsewhere. */
		alarm->round += rc < 0;
		port_alarm_round(alarm, &c->problems);
		alarm->at = 0;
	}
	wheel_arm(&c->loop.wheel, timer, c->loop.now_ms + (rc > 0 ? TICK_MS : ROUND_MS));
}

void port_alarm_init(struct port_alarm *alarm)
{
	timer_init(&alarm->timer, on_tick);
	TAILQ_INIT(&alarm->near);
}

void port_alarm_fini(struct port_alarm *alarm)
{
	struct port_alarm_tenant *t;

	while ((t = TAILQ_FIRST(&alarm->near))) {
		TAILQ_REMOVE(&alarm->near, t, near);
		free(t);
	}
}
