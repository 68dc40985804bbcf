/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SIXGATE_PROXY_SERVICE_H
#define SIXGATE_PROXY_SERVICE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "base/wheel.h"
#include "conf/model/tenant.h"
#include "proxy/rate.h"
#include "proxy/session.h"

/*
 * What belongs to a service for longer than one version of its tenant's object. Counted: by its
 * tenant, by each of its sessions and by its walk.
 *
 * An order (a new object, a removal, a drain) holds for new sessions at once. The present ones,
 * perhaps very many, follow in a walk of bounded steps between turns of the loop; until its turn
 * comes a session keeps the object it has, and is counted in its slots. So the order is answered
 * at the end of the walk, and no other one is read meanwhile (orders.h).
 */
struct service {
	unsigned int refs;
	struct worker *worker;           /* borrowed */
	struct tenant *tenant;           /* borrowed; NULL once the service was removed */
	const struct service_conf *conf; /* of tenant->conf; NULL with it */
	struct session_list sessions;
	TAILQ_ENTRY(service) walk; /* worker.walks; while walking */
	struct session *walk_at;   /* looked at next; NULL: none is left */
	uint64_t walk_end_ms;      /* when the first one met so far ends; 0: none is drained */
	struct rate rate;
	struct timer drain;        /* armed: the first of its sessions that are drained ends */
	uint64_t drained_backends; /* bits of the present object: no new sessions */
	uint32_t next_backend;     /* round robin */
	bool drained;              /* no new sessions until the object changes */
	bool walking;
	bool ordered;     /* by control, which waits for the end of this walk */
	bool tenant_gone; /* once removed: so is its tenant */
	char name[TENANT_NAME_MAX + 1];
};

TAILQ_HEAD(service_list, service);

/* One reference; NULL when out of memory. */
struct service *service_new(struct worker *w, struct tenant *tenant, const char *name);
/* NULL allowed. */
void service_unref(struct service *service);

/* The session ends: takes it out of its service, which may be gone on return. */
void service_leave(struct session *s);

/*
 * The tenant has a new object, in which the service is conf: sessions go over to it where what
 * they use is still there. Those whose exposure is not, or all when the tenant is suspended, end
 * after the drain time.
 */
void service_update(struct service *service, const struct service_conf *conf);
/*
 * The service is gone: its sessions leave the slots that are gone with it (the tenant's too if
 * tenant_gone) and end after the drain time they know. Takes the tenant's reference.
 */
void service_remove(struct service *service, bool tenant_gone);
/* Drains all sessions, or those of one backend (index of conf, -1: all). */
void service_drain(struct service *service, int backend);

/* A bounded step of all walks under way. True when there is more. */
bool services_step(struct worker *w);
/* Ends the walks where they are. */
void services_fini(struct worker *w);

#endif
