/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SIXGATE_PROXY_TENANTS_H
#define SIXGATE_PROXY_TENANTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/hash.h"
#include "conf/model/tenant.h"
#include "proxy/rate.h"
#include "proxy/rules.h"
#include "proxy/service.h"

/*
 * The tenants a worker serves. A tenant's new object replaces the old one in one step; what
 * belongs to a service for longer than one object (its sessions, its turn in round robin) stays
 * under the service's name. Sessions keep the object they were routed by.
 */
struct tenant {
	struct table_node by_id;   /* tenants.by_id */
	struct table_node by_name; /* tenants.by_name */
	uint32_t id;               /* control's */
	uint32_t generation;       /* of the last full set it was in */
	struct tenant_conf *conf;  /* counted */
	struct service **services; /* owned array, each counted; as conf->services */
	struct rate rate;
};

struct worker;

struct tenants {
	struct table by_id, by_name;
	struct hash_key hash_key;
	struct rules rules;
	uint32_t generation;
	bool filling; /* between BEGIN and END */
};

/* Before the sandbox closes (getrandom). */
void tenants_init(struct tenants *tenants);
/* All sessions must have ended. */
void tenants_fini(struct worker *w);

/*
 * Puts conf in force for the tenant id, new or known. Takes conf, also on failure. With swaps it
 * may have what another tenant still has and will give up. On failure
 * (-EEXIST: a name or address is another tenant's; -EBUSY: the tenant has another id; -ENOMEM)
 * the former object stays in force.
 */
int tenants_put(struct worker *w, uint32_t id, struct tenant_conf *conf, bool swaps,
		struct err *err) CHECKED;
/* Sessions end after their services' drain time. Unknown ids are passed over. */
void tenants_remove(struct worker *w, uint32_t id);
/* A full set: what is not put between the two is removed by the second. */
void tenants_begin(struct tenants *tenants);
void tenants_end(struct worker *w);

/* NULL when there is none. */
struct tenant *tenants_find(const struct tenants *tenants, struct str name);
/* The index of a service in tenant->services, or -ENOENT. */
int tenant_find_service(const struct tenant *tenant, struct str name) CHECKED;

/*
 * Takes no new sessions for a service, or for a backend given by its address, and ends the present
 * ones when the drain time is over. Returns 0 or -ENOENT.
 */
int tenants_drain(struct worker *w, struct str tenant, struct str what) CHECKED;

#endif
