/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Which names the farm's zone has, and what of which tenant is there. */
#include "dns64/zone.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <libknot/libknot.h>

#include "base/container.h"
#include "conf/model/node.h"
#include "conf/model/tenant.h"
#include "dns64/zone_internal.h"

static uint64_t bytes_hash(const struct zone *z, const void *bytes, size_t len)
{
	return hash_bytes(&z->key, bytes, len);
}

static bool name_eq(const struct table_node *node, const void *key)
{
	return knot_dname_is_equal(container_of(node, struct zone_name, node)->name, key);
}

struct zone_name *zone_name_find(const struct zone *z, const uint8_t *name)
{
	uint64_t hash = bytes_hash(z, name, knot_dname_size(name));
	struct table_node *node = table_find(&z->names, hash, name_eq, name);

	return node ? container_of(node, struct zone_name, node) : NULL;
}

static bool tenant_eq(const struct table_node *node, const void *key)
{
	return strcmp(container_of(node, struct zone_tenant, node)->conf->name, key) == 0;
}

static struct zone_tenant *tenant_find(const struct zone *z, const char *name)
{
	uint64_t hash = bytes_hash(z, name, strlen(name));
	struct table_node *node = table_find(&z->tenants, hash, tenant_eq, name);

	return node ? container_of(node, struct zone_tenant, node) : NULL;
}

/* The name it lies below, one label shorter. */
static const uint8_t *above(const uint8_t *name)
{
	return name + *name + 1;
}

static bool is_zone(const struct zone *z, const uint8_t *name)
{
	return knot_dname_is_equal(name, z->name);
}

/* NULL: it lies below the zone itself. */
static struct zone_name *name_parent(const struct zone *z, const struct zone_name *n)
{
	const uint8_t *up = above(n->name);

	return is_zone(z, up) ? NULL : zone_name_find(z, up);
}

static void name_free(struct zone *z, struct zone_name *n)
{
	struct zone_walk *walk;

	LIST_FOREACH(walk, &z->walks, link)
	{
		if (walk->next == n) {
			walk->next = TAILQ_NEXT(n, entry);
		}
	}
	TAILQ_REMOVE(&z->order, n, entry);
	table_remove(&z->names, &n->node);
	free(n);
}

static void name_drop(struct zone *z, struct zone_name *n, bool own)
{
	for (struct zone_name *at = n; own && at && --at->n_own == 0; at = name_parent(z, at)) {
	}
	while (n && --n->n_holds == 0) {
		struct zone_name *parent = name_parent(z, n);

		name_free(z, n);
		n = parent;
	}
}

static struct zone_name *name_new(struct zone *z, const uint8_t *name)
{
	size_t len = knot_dname_size(name);
	struct zone_name *n = calloc(1, sizeof(*n) + len);

	if (!n || table_insert(&z->names, &n->node, bytes_hash(z, name, len)) < 0) {
		free(n);
		return NULL;
	}
	TAILQ_INSERT_TAIL(&z->order, n, entry);
	TAILQ_INIT(&n->uses);
	n->n_holds = 1;
	n->len = (uint8_t)len;
	memcpy(n->name, name, len);
	return n;
}

/* A hold of a name, which is made with all that it lies below. NULL: out of memory. */
static struct zone_name *name_get(struct zone *z, const uint8_t *name)
{
	struct zone_name *n = zone_name_find(z, name);

	if (n) {
		n->n_holds++;
		return n;
	}
	n = name_new(z, name);
	if (n && !is_zone(z, above(name)) && !name_get(z, above(name))) {
		name_free(z, n);
		n = NULL;
	}
	return n;
}

/* The same; own: by whom it is below. */
static struct zone_name *name_hold(struct zone *z, const uint8_t *name, bool own)
{
	struct zone_name *n = name_get(z, name);

	for (struct zone_name *at = n; own && at && at->n_own++ == 0; at = name_parent(z, at)) {
	}
	return n;
}

/* The label next to the zone, as text. False: it is the zone itself, or the label is no text. */
static bool label_below(const struct zone *z, const uint8_t *name,
			char label[KNOT_DNAME_MAXLABELLEN + 1])
{
	if (is_zone(z, name)) {
		return false;
	}
	while (!is_zone(z, above(name))) {
		name = above(name);
	}
	memcpy(label, name + 1, *name);
	label[*name] = '\0';
	return strlen(label) == *name;
}

static void use_remove(struct zone *z, struct zone_use *use)
{
	TAILQ_REMOVE(&use->at->uses, use, link);
	name_drop(z, use->at, use->own);
}

static bool use_add(struct zone *z, struct zone_tenant *t, const uint8_t *name,
		    const struct service_conf *service, const struct expose_conf *expose)
{
	struct zone_use *use = &t->uses[t->n_uses];
	char label[KNOT_DNAME_MAXLABELLEN + 1];
	bool own = label_below(z, name, label) && strcmp(label, t->conf->name) == 0;
	struct zone_name *at = name_hold(z, name, own);

	if (!at) {
		return false;
	}
	*use = (struct zone_use){.at = at,
				 .tenant = t,
				 .service = service,
				 .expose = expose,
				 .own = own};
	if (own) { /* before all that strangers claim there */
		TAILQ_INSERT_HEAD(&at->uses, use, link);
	} else {
		TAILQ_INSERT_TAIL(&at->uses, use, link);
	}
	t->n_uses++;
	return true;
}

static size_t put_label(uint8_t *name, const char *text)
{
	size_t len = strlen(text);

	name[0] = (uint8_t)len;
	memcpy(name + 1, text, len);
	return len + 1;
}

/* It lies in the zone, and is not the name of its server or below that. */
static bool is_tenants(const struct zone *z, const uint8_t *name)
{
	return knot_dname_in_bailiwick(name, z->name) > 0 &&
	       knot_dname_in_bailiwick(name, z->server) < 0;
}

/* SERVICE.TENANT.ZONE, service NULL: TENANT.ZONE. False: too long for a name, or no tenant's. */
static bool own_name(const struct zone *z, const struct tenant_conf *tenant,
		     const struct service_conf *service, uint8_t name[QUESTION_NAME_MAX])
{
	size_t zone_len = knot_dname_size(z->name), len = 0;

	if (strlen(tenant->name) + (service ? strlen(service->name) + 1 : 0) + 1 + zone_len >
	    QUESTION_NAME_MAX) {
		return false;
	}
	if (service) {
		len = put_label(name, service->name);
	}
	len += put_label(name + len, tenant->name);
	memcpy(name + len, z->name, zone_len);
	return is_tenants(z, name);
}

/* The name of an exposure. False: it is no tenant's. */
static bool custom_name(const struct zone *z, const struct name_pattern *pattern,
			uint8_t name[QUESTION_NAME_MAX])
{
	size_t star = pattern->wildcard ? put_label(name, "*") : 0;

	if (!knot_dname_from_str(name + star, pattern->text, QUESTION_NAME_MAX - star)) {
		return false;
	}
	knot_dname_to_lower(name + star);
	return is_tenants(z, name);
}

static size_t n_uses_max(const struct tenant_conf *tenant)
{
	size_t n = 0;

	for (size_t s = 0; s < tenant->n_services; s++) {
		const struct service_conf *service = &tenant->services[s];

		n++;
		for (size_t e = 0; e < service->n_exposes; e++) {
			n += service->exposes[e].n_names;
		}
	}
	return n;
}

static bool add_customs(struct zone *z, struct zone_tenant *t, const struct service_conf *service)
{
	uint8_t name[QUESTION_NAME_MAX];

	for (size_t e = 0; e < service->n_exposes; e++) {
		const struct expose_conf *expose = &service->exposes[e];

		for (size_t i = 0; i < expose->n_names; i++) {
			if (custom_name(z, &expose->names[i], name) &&
			    !use_add(z, t, name, service, expose)) {
				return false;
			}
		}
	}
	return true;
}

static bool add_services(struct zone *z, struct zone_tenant *t)
{
	uint8_t name[QUESTION_NAME_MAX];

	for (size_t s = 0; s < t->conf->n_services; s++) {
		const struct service_conf *service = &t->conf->services[s];

		if ((own_name(z, t->conf, service, name) && !use_add(z, t, name, service, NULL)) ||
		    !add_customs(z, t, service)) {
			return false;
		}
	}
	return true;
}

static bool tenant_hold(struct zone *z, struct zone_tenant *t)
{
	uint8_t name[QUESTION_NAME_MAX];

	if (!own_name(z, t->conf, NULL, name)) {
		return true;
	}
	t->at = name_hold(z, name, true);
	return t->at != NULL;
}

static void tenant_free(struct zone *z, struct zone_tenant *t)
{
	for (size_t i = 0; i < t->n_uses; i++) {
		use_remove(z, &t->uses[i]);
	}
	name_drop(z, t->at, true);
	tenant_conf_unref(t->conf);
	free(t->uses);
	free(t);
}

/* A suspended one has its name alone. */
static struct zone_tenant *tenant_new(struct zone *z, struct tenant_conf *conf)
{
	struct zone_tenant *t = calloc(1, sizeof(*t));

	if (!t) {
		return NULL;
	}
	t->conf = tenant_conf_ref(conf);
	t->uses = calloc(n_uses_max(conf) + 1, sizeof(*t->uses));
	if (!t->uses || !tenant_hold(z, t) ||
	    (conf->state == TENANT_ACTIVE && !add_services(z, t))) {
		tenant_free(z, t);
		return NULL;
	}
	return t;
}

static void tenant_remove(struct zone *z, struct zone_tenant *t)
{
	zone_pool_drop(z, t->conf);
	table_remove(&z->tenants, &t->node);
	tenant_free(z, t);
}

void zone_remove(struct zone *z, const struct tenant_conf *tenant)
{
	struct zone_tenant *t = tenant_find(z, tenant->name);

	if (t && t->conf == tenant) {
		tenant_remove(z, t);
		zone_pool_update(z);
	}
}

int zone_put(struct zone *z, struct tenant_conf *tenant)
{
	uint64_t hash = bytes_hash(z, tenant->name, strlen(tenant->name));
	struct zone_tenant *old = tenant_find(z, tenant->name), *t = tenant_new(z, tenant);

	if (!t) {
		return -ENOMEM;
	}
	if (zone_pool_hold(z, tenant) < 0) {
		tenant_free(z, t);
		return -ENOMEM;
	}
	if (table_insert(&z->tenants, &t->node, hash) < 0) {
		zone_pool_drop(z, tenant);
		tenant_free(z, t);
		return -ENOMEM;
	}
	if (old) {
		tenant_remove(z, old);
	}
	zone_pool_update(z);
	return 0;
}

/* Whose name it is, or lies below. */
static const struct zone_tenant *tenant_above(const struct zone *z, const uint8_t *name)
{
	char label[KNOT_DNAME_MAXLABELLEN + 1];

	return label_below(z, name, label) ? tenant_find(z, label) : NULL;
}

bool zone_use_counts(const struct zone *z, const struct zone_use *use)
{
	const struct zone_tenant *t = tenant_above(z, use->at->name);

	return use->tenant == (t ? t : TAILQ_FIRST(&use->at->uses)->tenant);
}

/* under: below the name of a tenant, where others have nothing. */
static const struct zone_name *name_there(const struct zone *z, const uint8_t *name, bool under)
{
	const struct zone_name *n = zone_name_find(z, name);

	return n && (!under || n->n_own > 0) ? n : NULL;
}

const struct zone_name *zone_name_match(const struct zone *z, const uint8_t *name)
{
	bool under = tenant_above(z, name) != NULL;
	const struct zone_name *found = name_there(z, name, under);
	uint8_t wildcard[QUESTION_NAME_MAX] = {1, '*'};

	while (!found && !is_zone(z, name)) {
		/* what is nearest above it, and has it by a wildcard or not at all */
		name = above(name);
		if (!is_zone(z, name) && !name_there(z, name, under)) {
			continue;
		}
		if (knot_dname_size(name) + 2 > sizeof(wildcard)) {
			return NULL;
		}
		memcpy(wildcard + 2, name, knot_dname_size(name));
		return name_there(z, wildcard, under);
	}
	return found;
}

/* One label below the zone. False: that is too long. */
static bool below_zone(const struct zone *z, const char *label, uint8_t name[QUESTION_NAME_MAX])
{
	size_t len = knot_dname_size(z->name);

	if (strlen(label) + 1 + len > QUESTION_NAME_MAX) {
		return false;
	}
	memcpy(name + put_label(name, label), z->name, len);
	return true;
}

/* Sets the names of the zone itself. False: they are none. */
static bool set_names(struct zone *z)
{
	if (!z->node->dns64.zone ||
	    !knot_dname_from_str(z->name, z->node->dns64.zone, sizeof(z->name))) {
		return false;
	}
	knot_dname_to_lower(z->name);
	return below_zone(z, "ns", z->server) && below_zone(z, NODE_ZONE_HOST, z->mailbox);
}

void zone_set_node(struct zone *z, const struct node_conf *node)
{
	z->node = node;
	zone_pool_update(z);
}

void zone_set_serial(struct zone *z, uint32_t serial)
{
	z->serial = serial;
}

int zone_new(const struct node_conf *node, struct zone **ret_zone)
{
	struct zone *z = calloc(1, sizeof(*z));
	int rc;

	if (!z) {
		return -ENOMEM;
	}
	hash_key_init(&z->key);
	table_init(&z->names);
	TAILQ_INIT(&z->order);
	LIST_INIT(&z->walks);
	table_init(&z->tenants);
	table_init(&z->whole);
	zone_set_node(z, node);
	rc = set_names(z) ? 0 : -EINVAL;
	if (rc == 0 && !name_hold(z, z->server, true)) {
		rc = -ENOMEM;
	}
	if (rc < 0) {
		zone_free(z);
		return rc;
	}
	*ret_zone = z;
	return 0;
}

void zone_free(struct zone *z)
{
	struct table_iter it = {0};
	struct table_node *node;

	if (!z) {
		return;
	}
	while ((node = table_next(&z->tenants, &it))) {
		tenant_remove(z, container_of(node, struct zone_tenant, node));
	}
	table_fini(&z->tenants);
	if (!TAILQ_EMPTY(&z->order)) { /* the server's is left */
		name_drop(z, TAILQ_FIRST(&z->order), true);
	}
	while (!LIST_EMPTY(&z->walks)) {
		zone_walk_end(LIST_FIRST(&z->walks));
	}
	table_fini(&z->names);
	table_fini(&z->whole);
	free(z);
}
