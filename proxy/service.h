/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SIXGATE_PROXY_SERVICE_H
#define SIXGATE_PROXY_SERVICE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/wheel.h"
#include "conf/model/tenant.h"
#include "proxy/rate.h"
#include "proxy/session.h"

/*
 * What belongs to a service for longer than one version of its tenant's object. Counted: by its
 * tenant and by each of its sessions.
 */
struct service {
	unsigned int refs;
	struct worker *worker; /* borrowed */
	struct tenant *tenant; /* borrowed; NULL once the service was removed */
	struct session_list sessions;
	struct rate rate;
	struct timer drain;        /* armed: the first of its sessions that are drained ends */
	uint64_t drained_backends; /* bits of the present object: no new sessions */
	uint32_t next_backend;     /* round robin */
	bool drained;              /* no new sessions until the object changes */
	char name[TENANT_NAME_MAX + 1];
};

/* One reference; NULL when out of memory. */
struct service *service_new(struct worker *w, struct tenant *tenant, const char *name);
/* NULL allowed. */
void service_unref(struct service *service);

/*
 * The tenant has a new object, in which the service is conf: sessions go over to it where what
 * they use is still there. Those whose exposure is not, or all when the tenant is suspended, end
 * after the drain time.
 */
void service_update(struct service *service, struct tenant_conf *tenant,
		    const struct service_conf *conf);
/*
 * The service is gone: its sessions leave the slots that are gone with it (the tenant's too if
 * tenant_gone) and end after the drain time they know.
 */
void service_remove(struct service *service, bool tenant_gone);
/* Marks all sessions, or those of one backend (index of conf, -1: all), and starts the drain time.
 */
void service_drain(struct service *service, const struct service_conf *conf, int backend);

#endif
