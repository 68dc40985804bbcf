/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What an operator has drained. Workers that run are told by calls.c; here it is noted in the
 * tenant's object, so that it goes to every worker that is started later, and into the snapshot.
 */
#include <string.h>

#include "base/str.h"
#include "gateway/control/internal.h"
#include "gateway/control/tenants.h"

/*
 * what is no address and a service's name at once: that has no '.' and no ':'. False: the tenant
 * has neither.
 */
static bool conf_drain(struct tenant_conf *conf, struct str what)
{
	struct addr address;
	bool is_address = addr_parse(what, &address) == 0, found = false;

	for (size_t i = 0; i < conf->n_services; i++) {
		struct service_conf *service = &conf->services[i];

		bool is_meant = str_eq(str_from(service->name), what);

		service->drained |= is_meant;
		found |= is_meant;
		for (size_t k = 0; is_address && k < service->n_backends; k++) {
			struct backend_conf *backend = &service->backends[k];

			is_meant = !backend->is_name && addr_eq(&backend->address, &address);
			backend->drained |= is_meant;
			found |= is_meant;
		}
	}
	return found;
}

bool tenants_drain(struct tenants *ts, struct str name, struct str what)
{
	struct tenant *t = tenants_lookup(ts, name);

	if (!t || !t->current || !conf_drain(t->current, what)) {
		return false;
	}
	if (t->good && t->good != t->current) { /* it may come back */
		(void)conf_drain(t->good, what);
	}
	if (t->before && t->before != t->good) { /* so may this */
		(void)conf_drain(t->before, what);
	}
	if (t->next && memcmp(t->next->text, t->current->text, sizeof(t->next->text)) == 0) {
		(void)conf_drain(t->next, what); /* the same, read with another node config */
	}
	if (t->item.id > 0 && !t->swapping) {
		items_change(ts->items, &t->item); /* those of DNS64 are not told by a message */
	}
	ts->n_changes++;
	return true;
}

void tenant_keep_drained(const struct tenant_conf *former, struct tenant_conf *conf)
{
	for (size_t i = 0; i < conf->n_services && i < former->n_services; i++) {
		const struct service_conf *was = &former->services[i];
		struct service_conf *service = &conf->services[i];

		service->drained = was->drained;
		for (size_t k = 0; k < service->n_backends && k < was->n_backends; k++) {
			service->backends[k].drained = was->backends[k].drained;
		}
	}
}
