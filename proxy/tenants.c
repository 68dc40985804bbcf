/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The tenants of a worker; see tenants.h. Changed by messages of control alone. */
#include "proxy/tenants.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/container.h"
#include "proxy/route.h"
#include "proxy/worker.h"

static struct tenant *tenant_by_id(struct table_node *node)
{
	return node ? container_of(node, struct tenant, by_id) : NULL;
}

static struct tenant *tenant_by_name(struct table_node *node)
{
	return node ? container_of(node, struct tenant, by_name) : NULL;
}

static bool id_eq(const struct table_node *node, const void *key)
{
	return ((const struct tenant *)node)->id == *(const uint32_t *)key;
}

static bool name_eq(const struct table_node *node, const void *key)
{
	const struct tenant *tenant = container_of(node, const struct tenant, by_name);

	return str_eq(str_from(tenant->conf->name), *(const struct str *)key);
}

static struct tenant *find_id(const struct tenants *tenants, uint32_t id)
{
	return tenant_by_id(table_find(&tenants->by_id,
				       hash_bytes(&tenants->hash_key, &id, sizeof(id)), id_eq,
				       &id));
}

struct tenant *tenants_find(const struct tenants *tenants, struct str name)
{
	return tenant_by_name(table_find(&tenants->by_name,
					 hash_bytes(&tenants->hash_key, name.p, name.len), name_eq,
					 &name));
}

int tenant_find_service(const struct tenant *tenant, struct str name)
{
	for (size_t i = 0; i < tenant->conf->n_services; i++) {
		if (str_eq(str_from(tenant->conf->services[i].name), name)) {
			return (int)i;
		}
	}
	return -ENOENT;
}

void tenants_init(struct tenants *tenants)
{
	*tenants = (struct tenants){0};
	table_init(&tenants->by_id);
	table_init(&tenants->by_name);
	hash_key_init(&tenants->hash_key);
	rules_init(&tenants->rules);
}

void tenants_fini(struct worker *w)
{
	struct table_iter it = {0};
	struct table_node *node;

	while ((node = table_next(&w->tenants.by_id, &it))) {
		tenants_remove(w, tenant_by_id(node)->id);
	}
	rules_fini(&w->tenants.rules);
	table_fini(&w->tenants.by_id);
	table_fini(&w->tenants.by_name);
}

/* A tenant without an object; in both tables. NULL when out of memory. */
static struct tenant *tenant_new(struct tenants *tenants, uint32_t id, const char *name)
{
	struct tenant *tenant = calloc(1, sizeof(*tenant));

	if (!tenant) {
		return NULL;
	}
	tenant->id = id;
	if (table_insert(&tenants->by_id, &tenant->by_id,
			 hash_bytes(&tenants->hash_key, &id, sizeof(id))) < 0) {
		free(tenant);
		return NULL;
	}
	if (table_insert(&tenants->by_name, &tenant->by_name,
			 hash_bytes(&tenants->hash_key, name, strlen(name))) < 0) {
		table_remove(&tenants->by_id, &tenant->by_id);
		free(tenant);
		return NULL;
	}
	return tenant;
}

static void tenant_free(struct tenants *tenants, struct tenant *tenant)
{
	table_remove(&tenants->by_id, &tenant->by_id);
	table_remove(&tenants->by_name, &tenant->by_name);
	free(tenant);
}

/*
 * A new object of a tenant while it is prepared: what may fail is done before anything of the
 * running one is touched.
 */
struct change {
	struct worker *w;
	struct tenant *tenant;
	struct tenant_conf *conf;
	struct service **services; /* as conf->services */
	bool *is_new;              /* of services */
	struct rule *rules;
	size_t n_rules;
};

/* Services mostly keep their order, so the search goes on where the last one ended. */
static struct service *find_running(const struct tenant *tenant, const char *name, size_t *from)
{
	size_t n = tenant->conf ? tenant->conf->n_services : 0;

	for (size_t k = 0; k < n; k++) {
		size_t i = (*from + k) % n;

		if (strcmp(tenant->services[i]->name, name) == 0) {
			*from = i + 1;
			return tenant->services[i];
		}
	}
	return NULL;
}

static int change_services(struct change *c)
{
	size_t n = c->conf->n_services, from = 0;

	c->services = calloc(n + 1, sizeof(struct service *));
	c->is_new = calloc(n + 1, sizeof(bool));
	if (!c->services || !c->is_new) {
		return -ENOMEM;
	}
	for (size_t i = 0; i < n; i++) {
		const char *name = c->conf->services[i].name;

		c->services[i] = find_running(c->tenant, name, &from);
		if (!c->services[i]) {
			c->services[i] = service_new(c->w, c->tenant, name);
			c->is_new[i] = true;
		}
		if (!c->services[i]) {
			return -ENOMEM;
		}
	}
	return 0;
}

/* Exposures by NAT64 and whole addresses are the kernel's; a suspended tenant has no rules. */
static int change_rules(struct change *c)
{
	size_t max = 0;

	for (size_t i = 0; i < c->conf->n_services; i++) {
		max += c->conf->services[i].n_exposes;
	}
	c->rules = calloc(max + 1, sizeof(*c->rules));
	if (!c->rules) {
		return -ENOMEM;
	}
	for (size_t i = 0; i < c->conf->n_services && c->conf->state == TENANT_ACTIVE; i++) {
		const struct service_conf *service = &c->conf->services[i];

		for (size_t k = 0; k < service->n_exposes; k++) {
			if (service->exposes[k].via != VIA_PROXY ||
			    service->exposes[k].protocol == PROTOCOL_ADDRESS) {
				continue;
			}
			c->rules[c->n_rules++] = (struct rule){.tenant = c->conf,
							       .service = service,
							       .expose = &service->exposes[k],
							       .runtime = c->services[i]};
		}
	}
	return 0;
}

static bool holds(struct service *const *services, size_t n, const struct service *service,
		  size_t *from)
{
	for (size_t k = 0; k < n; k++) {
		if (services[(*from + k) % n] == service) {
			*from += k + 1;
			return true;
		}
	}
	return false;
}

/* What the other workers admit from now on is known at the first session here. */
static void change_start_rates(struct change *c)
{
	const struct worker *w = c->w;
	uint64_t now_ms = w->loop.now_ms;

	if (!c->tenant->conf) {
		rate_init(&c->tenant->rate, route_admitted(w, c->conf->slot), now_ms);
	}
	for (size_t i = 0; i < c->conf->n_services; i++) {
		if (c->is_new[i]) {
			rate_init(&c->services[i]->rate,
				  route_admitted(w, c->conf->services[i].slot), now_ms);
		}
	}
}

/* Nothing can fail from here on. Takes c->conf and c->services. */
static void change_commit(struct change *c)
{
	struct tenant *tenant = c->tenant;
	struct tenant_conf *old = tenant->conf;
	size_t n = c->conf->n_services, from = 0;

	change_start_rates(c);
	for (size_t i = 0; old && i < old->n_services; i++) {
		if (!holds(c->services, n, tenant->services[i], &from)) {
			service_remove(tenant->services[i], false);
		}
	}
	free(tenant->services);
	tenant->services = c->services;
	tenant->conf = c->conf;
	for (size_t i = 0; i < n; i++) {
		service_update(c->services[i], &c->conf->services[i]);
	}
	tenant_conf_unref(old);
}

static void change_undo(struct change *c)
{
	for (size_t i = 0; c->services && c->is_new && i < c->conf->n_services; i++) {
		if (c->is_new[i]) {
			service_unref(c->services[i]);
		}
	}
	free(c->services);
	if (!c->tenant->conf) {
		tenant_free(&c->w->tenants, c->tenant);
	}
	tenant_conf_unref(c->conf);
}

/* The tenant of id and name, made if there is none. */
static int find_or_make(struct worker *w, uint32_t id, const char *name, struct tenant **ret_tenant,
			struct err *err)
{
	struct tenant *known = find_id(&w->tenants, id);
	struct tenant *named = tenants_find(&w->tenants, str_from(name));

	if (known != named) {
		return err_set(err, -EBUSY, "tenant %s has another id", name);
	}
	*ret_tenant = known ? known : tenant_new(&w->tenants, id, name);
	return *ret_tenant ? 0 : err_set(err, -ENOMEM, "out of memory");
}

int tenants_put(struct worker *w, uint32_t id, struct tenant_conf *conf, bool swaps,
		struct err *err)
{
	struct change c = {.w = w, .conf = conf};
	int rc = find_or_make(w, id, conf->name, &c.tenant, err);

	if (rc < 0) {
		tenant_conf_unref(conf);
		return rc;
	}
	rc = change_services(&c);
	if (rc == 0) {
		rc = change_rules(&c);
	}
	if (rc < 0) {
		(void)err_set(err, rc, "out of memory"); /* rc is the result */
	} else {
		w->tenants.rules.shared = swaps;
		rc = rules_replace(&w->tenants.rules, c.tenant->conf, c.rules, c.n_rules, err);
		w->tenants.rules.shared = false;
	}
	if (rc < 0) {
		change_undo(&c);
	} else {
		c.tenant->generation = w->tenants.generation;
		change_commit(&c);
	}
	free(c.rules);
	free(c.is_new);
	return rc;
}

void tenants_remove(struct worker *w, uint32_t id)
{
	struct tenant *tenant = find_id(&w->tenants, id);
	int rc;

	if (!tenant) {
		return;
	}
	rc = rules_replace(&w->tenants.rules, tenant->conf, NULL, 0, NULL);
	assert(rc == 0); /* taking out alone cannot fail */
	(void)rc;
	for (size_t i = 0; i < tenant->conf->n_services; i++) {
		service_remove(tenant->services[i], true);
	}
	free(tenant->services);
	table_remove(&w->tenants.by_id, &tenant->by_id);
	table_remove(&w->tenants.by_name, &tenant->by_name);
	tenant_conf_unref(tenant->conf);
	free(tenant);
}

void tenants_begin(struct tenants *tenants)
{
	tenants->generation++;
	tenants->filling = true;
}

void tenants_end(struct worker *w)
{
	struct table_iter it = {0};
	struct table_node *node;

	w->tenants.filling = false;
	while ((node = table_next(&w->tenants.by_id, &it))) {
		const struct tenant *tenant = tenant_by_id(node);

		if (tenant->generation != w->tenants.generation) {
			tenants_remove(w, tenant->id);
		}
	}
}

int tenants_drain(struct worker *w, struct str name, struct str what)
{
	const struct tenant *tenant = tenants_find(&w->tenants, name);
	struct addr address;
	int rc = -ENOENT, service;

	if (!tenant) {
		return rc;
	}
	service = tenant_find_service(tenant, what);
	if (service >= 0) {
		service_drain(tenant->services[service], -1);
		return 0;
	}
	if (addr_parse(what, &address) < 0) {
		return rc;
	}
	for (size_t i = 0; i < tenant->conf->n_services; i++) {
		const struct service_conf *conf = &tenant->conf->services[i];

		for (size_t k = 0; k < conf->n_backends; k++) {
			if (!conf->backends[k].is_name &&
			    addr_eq(&conf->backends[k].address, &address)) {
				service_drain(tenant->services[i], (int)k);
				rc = 0;
			}
		}
	}
	return rc;
}
