/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The tenants of a worker; see tenants.h. Changed by messages of control alone. */
#include "dns64/tenants.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/container.h"
#include "conf/model/node.h"
#include "conf/model/tenant.h"
#include "dns64/resolver.h"
#include "dns64/tenant_policy.h"
#include "dns64/zone.h"

/* A prefix of a tenant, or one of its hosts with a whole IPv4 address. */
struct claim {
	struct table_node node; /* tenants.by_prefix */
	struct tenant *tenant;
	struct prefix prefix;
	bool mapped;
};

struct tenant {
	struct table_node node;            /* tenants.by_id */
	uint32_t id;                       /* control's */
	uint32_t generation;               /* of the last full set it was in */
	struct tenant_conf *conf;          /* counted */
	struct dns_tenant *plain, *mapped; /* a reference each */
	struct query_rate rate;            /* of all its sources */
	struct claim *claims;              /* owned array */
	size_t n_claims;
};

static bool id_eq(const struct table_node *node, const void *key)
{
	return container_of(node, struct tenant, node)->id == *(const uint32_t *)key;
}

static bool prefix_eq(const struct table_node *node, const void *key)
{
	return prefix_cmp(&container_of(node, struct claim, node)->prefix, key) == 0;
}

static uint64_t id_hash(const struct tenants *ts, uint32_t id)
{
	return hash_bytes(&ts->key, &id, sizeof(id));
}

static uint64_t prefix_hash(const struct tenants *ts, const struct prefix *p)
{
	return hash_bytes(&ts->key, p->addr.b, sizeof(p->addr.b)) ^ p->len;
}

static struct tenant *find_id(const struct tenants *ts, uint32_t id)
{
	struct table_node *node = table_find(&ts->by_id, id_hash(ts, id), id_eq, &id);

	return node ? container_of(node, struct tenant, node) : NULL;
}

static struct claim *find_prefix(const struct tenants *ts, const struct prefix *p)
{
	struct table_node *node = table_find(&ts->by_prefix, prefix_hash(ts, p), prefix_eq, p);

	return node ? container_of(node, struct claim, node) : NULL;
}

void tenants_init(struct tenants *ts)
{
	*ts = (struct tenants){0};
	table_init(&ts->by_id);
	table_init(&ts->by_prefix);
	hash_key_init(&ts->key);
}

bool tenants_source(const struct tenants *ts, const struct addr *from, struct source *ret_source)
{
	for (unsigned int i = 0; i < ts->n_lens; i++) {
		struct prefix p = {.addr = *from, .len = ts->lens[i]};
		const struct claim *claim;

		addr_mask(&p.addr, p.len);
		claim = find_prefix(ts, &p);
		if (claim) {
			struct tenant *t = claim->tenant;

			*ret_source =
				(struct source){.tenant = claim->mapped ? t->mapped : t->plain,
						.rate = &t->rate,
						.id = t->id,
						.slot = t->conf->slot};
			return true;
		}
	}
	return false;
}

const struct tenant_conf *tenants_conf(const struct tenants *ts, uint32_t id)
{
	const struct tenant *t = find_id(ts, id);

	return t ? t->conf : NULL;
}

/* A prefix came or went. */
static void count_len(struct tenants *ts, uint8_t len, bool came)
{
	ts->n_of_len[len] += came ? 1 : (size_t)-1;
	ts->n_lens = 0;
	for (unsigned int i = 129; i-- > 0;) {
		if (ts->n_of_len[i] > 0) {
			ts->lens[ts->n_lens++] = (uint8_t)i;
		}
	}
}

static void claims_drop(struct tenants *ts, struct claim *claims, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		table_remove(&ts->by_prefix, &claims[i].node);
		count_len(ts, claims[i].prefix.len, false);
	}
}

/* Puts them into the table; all or none. */
static int claims_insert(struct tenants *ts, struct claim *claims, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (table_insert(&ts->by_prefix, &claims[i].node,
				 prefix_hash(ts, &claims[i].prefix)) < 0) {
			claims_drop(ts, claims, i);
			return -ENOMEM;
		}
		count_len(ts, claims[i].prefix.len, true);
	}
	return 0;
}

static void add_claim(struct tenant *t, struct prefix prefix, bool mapped)
{
	t->claims[t->n_claims++] = (struct claim){.tenant = t, .prefix = prefix, .mapped = mapped};
}

static bool service_is_mapped(const struct service_conf *service)
{
	for (size_t i = 0; i < service->n_exposes; i++) {
		if (service->exposes[i].protocol == PROTOCOL_ADDRESS) {
			return true;
		}
	}
	return false;
}

/* What t->conf claims. A suspended tenant is answered nothing. */
static int make_claims(struct tenant *t)
{
	const struct tenant_conf *conf = t->conf;
	size_t n = conf->n_prefixes;

	for (size_t i = 0; i < conf->n_services; i++) {
		n += service_is_mapped(&conf->services[i]) ? conf->services[i].n_backends : 0;
	}
	t->claims = calloc(n + 1, sizeof(*t->claims));
	if (!t->claims) {
		return -ENOMEM;
	}
	for (size_t i = 0; i < conf->n_prefixes && conf->state == TENANT_ACTIVE; i++) {
		add_claim(t, conf->prefixes[i], false);
	}
	for (size_t i = 0; i < conf->n_services && conf->state == TENANT_ACTIVE; i++) {
		const struct service_conf *service = &conf->services[i];

		for (size_t k = 0; service_is_mapped(service) && k < service->n_backends; k++) {
			if (!service->backends[k].is_name) {
				add_claim(t, (struct prefix){service->backends[k].address, 128},
					  true);
			}
		}
	}
	return 0;
}

static void give_back(struct dns_tenant *t)
{
	if (t) {
		dns_tenant_unref(t);
	}
}

/* What the node config and its object give t. On failure t has what it had. */
static int make_policies(struct tenant *t, const struct node_conf *node)
{
	struct dns_tenant *plain = tenant_policy_new(node, t->conf, false);
	struct dns_tenant *mapped = tenant_policy_new(node, t->conf, true);

	if (!plain || !mapped) {
		give_back(plain);
		give_back(mapped);
		return -ENOMEM;
	}
	give_back(t->plain);
	give_back(t->mapped);
	t->plain = plain;
	t->mapped = mapped;
	t->rate.per_second = t->conf->dns64.queries_per_second ? t->conf->dns64.queries_per_second
							       : node->dns64.queries_per_second;
	return 0;
}

static void tenant_free(struct tenant *t)
{
	give_back(t->plain);
	give_back(t->mapped);
	tenant_conf_unref(t->conf);
	free(t->claims);
	free(t);
}

/* Whether a claim is another tenant's. */
static bool collides(const struct tenants *ts, const struct tenant *t)
{
	for (size_t i = 0; i < t->n_claims; i++) {
		const struct claim *other = find_prefix(ts, &t->claims[i].prefix);

		if (other && other->tenant->id != t->id) {
			return true;
		}
	}
	return false;
}

/* A new object is no reason to begin anew. */
static void rate_go_on(struct query_rate *rate, const struct query_rate *former)
{
	uint32_t per_second = rate->per_second;

	*rate = *former;
	rate->per_second = per_second;
}

/* t takes the place of former (NULL: of none). Returns 0 or -ENOMEM, with all as it was. */
static int tenant_replace(struct tenants *ts, struct tenant *former, struct tenant *t)
{
	int rc;

	if (former) {
		rate_go_on(&t->rate, &former->rate);
		claims_drop(ts, former->claims, former->n_claims);
		table_remove(&ts->by_id, &former->node);
	}
	rc = table_insert(&ts->by_id, &t->node, id_hash(ts, t->id));
	if (rc == 0) {
		rc = claims_insert(ts, t->claims, t->n_claims);
		if (rc < 0) {
			table_remove(&ts->by_id, &t->node);
		}
	}
	if (rc == 0 && former) {
		tenant_free(former);
	} else if (rc < 0 && former) { /* the room it had is still there */
		if (table_insert(&ts->by_id, &former->node, id_hash(ts, former->id)) == 0) {
			rc |= claims_insert(ts, former->claims, former->n_claims);
		}
	}
	return rc;
}

/* As tenants_put(), but for the zone. */
static int tenant_put(struct tenants *ts, uint32_t id, struct tenant_conf *conf, bool swaps,
		      struct err *err)
{
	struct tenant *t = calloc(1, sizeof(*t));
	int rc = t ? 0 : -ENOMEM;

	if (!t) {
		tenant_conf_unref(conf);
		return err_set(err, rc, "out of memory");
	}
	*t = (struct tenant){.id = id, .generation = ts->generation, .conf = conf};
	rc = make_claims(t);
	if (rc == 0 && !swaps && collides(ts, t)) {
		tenant_free(t);
		return err_set(err, -EEXIST, "a prefix is another tenant's");
	}
	if (rc == 0) {
		rc = make_policies(t, ts->node);
	}
	if (rc == 0) {
		rc = tenant_replace(ts, find_id(ts, id), t);
	}
	if (rc < 0) {
		tenant_free(t);
		return err_set(err, rc, "out of memory");
	}
	return 0;
}

/* conf could not come in force: the zone has what was again (NULL: nothing). */
static void zone_back(struct zone *zone, struct tenant_conf *was, const struct tenant_conf *conf)
{
	if (!was || zone_put(zone, was) < 0) {
		zone_remove(zone, conf);
	}
}

int tenants_put(struct tenants *ts, uint32_t id, struct tenant_conf *conf, bool swaps,
		struct err *err)
{
	const struct tenant *former = find_id(ts, id);
	struct tenant_conf *was = former ? former->conf : NULL; /* stays when conf is refused */
	int rc;

	if (ts->zone && zone_put(ts->zone, conf) < 0) {
		tenant_conf_unref(conf);
		return err_set(err, -ENOMEM, "out of memory");
	}
	rc = tenant_put(ts, id, conf, swaps, err);
	if (rc < 0 && ts->zone) {
		zone_back(ts->zone, was, conf); /* which has a reference to conf */
	}
	return rc;
}

void tenants_remove(struct tenants *ts, uint32_t id)
{
	struct tenant *t = find_id(ts, id);

	if (t) {
		t->plain->slot = t->mapped->slot = 0; /* its counters will be another's */
		claims_drop(ts, t->claims, t->n_claims);
		table_remove(&ts->by_id, &t->node);
		if (ts->zone) {
			zone_remove(ts->zone, t->conf);
		}
		tenant_free(t);
	}
}

void tenants_begin(struct tenants *ts)
{
	ts->generation++;
	ts->filling = true;
}

/* Those of an earlier set; all: of any. */
static void tenants_sweep(struct tenants *ts, bool all)
{
	struct table_iter it = {0};
	struct table_node *node;

	while ((node = table_next(&ts->by_id, &it))) {
		const struct tenant *t = container_of(node, struct tenant, node);

		if (all || t->generation != ts->generation) {
			tenants_remove(ts, t->id);
		}
	}
}

void tenants_end(struct tenants *ts)
{
	ts->filling = false;
	tenants_sweep(ts, false);
}

void tenants_fini(struct tenants *ts)
{
	tenants_sweep(ts, true);
	table_fini(&ts->by_id);
	table_fini(&ts->by_prefix);
}

int tenants_set_node(struct tenants *ts, const struct node_conf *node)
{
	struct table_iter it = {0};
	struct table_node *at;
	int rc = 0;

	ts->node = node;
	while (rc == 0 && (at = table_next(&ts->by_id, &it))) {
		rc = make_policies(container_of(at, struct tenant, node), node);
	}
	return rc;
}

int tenants_fill_zone(const struct tenants *ts, struct zone *zone)
{
	struct table_iter it = {0};
	struct table_node *at;
	int rc = 0;

	while (rc == 0 && (at = table_next(&ts->by_id, &it))) {
		rc = zone_put(zone, container_of(at, struct tenant, node)->conf);
	}
	return rc;
}
