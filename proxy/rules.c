/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The rule set is one keyed hash table for all protocols: the key is the name (or address), the
 * port and a kind byte, in this order, so that the suffixes of a name are suffixes of its key
 * and a look-up builds one key only. An entry holds its key and first rule beside its hash: a
 * hit costs the bucket's cache line and the entry's.
 *
 * Changed between sessions only, by one message of control; looked up once a session.
 */
#include "proxy/rules.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/container.h"
#include "conf/model/name.h"
#include "proxy/sni.h"

enum key_kind {
	KEY_TCP,
	KEY_TLS,
	KEY_TLS_WILDCARD,
	KEY_TLS_ALPN, /* of exposures without names; in the name's place the protocol */
	KEY_HTTP,
	KEY_HTTP_WILDCARD,
};

#define KEY_TAIL_BYTES 3 /* port, kind */

struct rule_key {
	size_t len;
	uint8_t bytes[NAME_BUF_SIZE + KEY_TAIL_BYTES];
};

/* All rules of one key: of those without alpn one, of each protocol one. */
struct rule_entry {
	struct table_node node; /* rules.table */
	struct rule first;
	struct rule *more; /* owned: the n_rules - 1 others */
	uint32_t n_rules;
	uint32_t key_len;
	uint8_t key[];
};

struct key_ref {
	const uint8_t *bytes;
	size_t len;
};

void rules_init(struct rules *rules)
{
	*rules = (struct rules){0};
	hash_key_init(&rules->hash_key);
	table_init(&rules->table);
}

static struct rule_entry *entry_from_node(struct table_node *node)
{
	return node ? container_of(node, struct rule_entry, node) : NULL;
}

static void entry_free(struct rule_entry *entry)
{
	free(entry->more);
	free(entry);
}

void rules_fini(struct rules *rules)
{
	struct table_iter it = {0};
	struct table_node *node;

	while ((node = table_next(&rules->table, &it))) {
		table_remove(&rules->table, node);
		entry_free(entry_from_node(node));
	}
	table_fini(&rules->table);
}

static void key_make(struct rule_key *key, struct str name, uint16_t port, enum key_kind kind)
{
	size_t len = name.len < NAME_BUF_SIZE ? name.len : NAME_BUF_SIZE;

	memcpy(key->bytes, name.p, len);
	key->bytes[len++] = (uint8_t)(port >> 8);
	key->bytes[len++] = (uint8_t)port;
	key->bytes[len++] = (uint8_t)kind;
	key->len = len;
}

static struct str endpoint_name(const struct addr *addr)
{
	return (struct str){.p = (const char *)addr->b, .len = sizeof(addr->b)};
}

/* The i-th key of an exposure; false behind the last one. */
static bool expose_key(const struct expose_conf *expose, size_t i, struct rule_key *ret_key)
{
	const struct name_pattern *pattern;
	enum key_kind kind;

	if (expose->protocol == PROTOCOL_TCP) {
		key_make(ret_key, endpoint_name(&expose->ipv4), expose->port, KEY_TCP);
		return i == 0;
	}
	if (expose->protocol == PROTOCOL_TLS && expose->n_names == 0 && i < expose->n_alpn) {
		key_make(ret_key, str_from(expose->alpn[i]), expose->port, KEY_TLS_ALPN);
		return true;
	}
	if ((expose->protocol != PROTOCOL_TLS && expose->protocol != PROTOCOL_HTTP) ||
	    i >= expose->n_names) {
		return false;
	}
	pattern = &expose->names[i];
	kind = expose->protocol == PROTOCOL_TLS ? KEY_TLS : KEY_HTTP;
	if (pattern->wildcard) {
		kind++;
	}
	key_make(ret_key, str_from(pattern->text), expose->port, kind);
	return true;
}

static bool key_is_wildcard(struct key_ref key)
{
	uint8_t kind = key.bytes[key.len - 1];

	return kind == KEY_TLS_WILDCARD || kind == KEY_HTTP_WILDCARD;
}

static size_t count_labels(const uint8_t *name, size_t len)
{
	size_t n = 1;

	for (size_t i = 0; i < len; i++) {
		n += name[i] == '.';
	}
	return n;
}

static uint32_t *wildcard_count(struct rules *rules, struct key_ref key)
{
	size_t labels = count_labels(key.bytes, key.len - KEY_TAIL_BYTES);

	return &rules->n_wildcards[labels < RULES_LABELS_MAX ? labels : RULES_LABELS_MAX - 1];
}

static bool entry_eq(const struct table_node *node, const void *key)
{
	const struct rule_entry *entry = container_of(node, const struct rule_entry, node);
	const struct key_ref *ref = key;

	return entry->key_len == ref->len && memcmp(entry->key, ref->bytes, ref->len) == 0;
}

static struct rule_entry *entry_find(const struct rules *rules, struct key_ref key)
{
	uint64_t hash = hash_bytes(&rules->hash_key, key.bytes, key.len);

	return entry_from_node(table_find(&rules->table, hash, entry_eq, &key));
}

/* An entry without rules, in the table. NULL when out of memory. */
static struct rule_entry *entry_new(struct rules *rules, struct key_ref key)
{
	struct rule_entry *entry = calloc(1, sizeof(*entry) + key.len);
	uint64_t hash = hash_bytes(&rules->hash_key, key.bytes, key.len);

	if (!entry) {
		return NULL;
	}
	entry->key_len = (uint32_t)key.len;
	memcpy(entry->key, key.bytes, key.len);
	if (table_insert(&rules->table, &entry->node, hash) < 0) {
		entry_free(entry);
		return NULL;
	}
	if (key_is_wildcard(key)) {
		(*wildcard_count(rules, key))++;
	}
	return entry;
}

static void entry_drop(struct rules *rules, struct rule_entry *entry)
{
	struct key_ref key = {.bytes = entry->key, .len = entry->key_len};

	if (key_is_wildcard(key)) {
		(*wildcard_count(rules, key))--;
	}
	table_remove(&rules->table, &entry->node);
	entry_free(entry);
}

static struct rule *entry_rule(struct rule_entry *entry, uint32_t i)
{
	return i == 0 ? &entry->first : &entry->more[i - 1];
}

static int entry_append(struct rule_entry *entry, const struct rule *rule)
{
	struct rule *more;

	if (entry->n_rules > 0) {
		more = reallocarray(entry->more, entry->n_rules, sizeof(*more));
		if (!more) {
			return -ENOMEM;
		}
		entry->more = more;
	}
	*entry_rule(entry, entry->n_rules) = *rule;
	entry->n_rules++;
	return 0;
}

/* True when some client could be meant by both. */
static bool expose_clash(const struct expose_conf *a, const struct expose_conf *b)
{
	for (size_t i = 0; i < a->n_alpn; i++) {
		if (expose_has_alpn(b, str_from(a->alpn[i]))) {
			return true;
		}
	}
	return a->n_alpn == 0 && b->n_alpn == 0;
}

static int add_key(struct rules *rules, struct key_ref key, const struct rule *rule,
		   const struct tenant_conf *old)
{
	struct rule_entry *entry = entry_find(rules, key);
	int rc;

	for (uint32_t i = 0; entry && !rules->shared && i < entry->n_rules; i++) {
		const struct rule *other = entry_rule(entry, i);

		if (other->tenant != old && expose_clash(other->expose, rule->expose)) {
			return -EEXIST;
		}
	}
	if (!entry) {
		entry = entry_new(rules, key);
	}
	if (!entry) {
		return -ENOMEM;
	}
	rc = entry_append(entry, rule);
	if (rc < 0 && entry->n_rules == 0) {
		entry_drop(rules, entry);
	}
	return rc;
}

static int add_error(const struct expose_conf *expose, size_t i, int rc, struct err *err)
{
	struct endpoint local = {.addr = expose->ipv4, .port = expose->port};
	char text[ENDPOINT_TEXT_MAX];

	if (rc != -EEXIST) {
		return err_set_errno(err, rc, "rule set");
	}
	if (expose->protocol == PROTOCOL_TCP) {
		return err_set(err, rc, "%s has a rule already", endpoint_format(&local, text));
	}
	if (expose->n_names == 0) {
		return err_set(err, rc, "an ALPN without a name on port %u has a rule already",
			       expose->port);
	}
	return err_set(err, rc, "%s%s port %u has a rule already",
		       expose->names[i].wildcard ? "*." : "", expose->names[i].text, expose->port);
}

/* As rules_add(); rules of the tenant object old (NULL: none) do not stand in the way. */
static int add_beside(struct rules *rules, const struct rule *rule, const struct tenant_conf *old,
		      struct err *err)
{
	struct rule_key key;
	int rc = 0;

	if (rule->expose->protocol != PROTOCOL_TCP && rule->expose->protocol != PROTOCOL_TLS &&
	    rule->expose->protocol != PROTOCOL_HTTP) {
		return err_set(err, -EINVAL, "no rule for this protocol");
	}
	for (size_t i = 0; expose_key(rule->expose, i, &key); i++) {
		rc = add_key(rules, (struct key_ref){key.bytes, key.len}, rule, old);
		if (rc < 0) {
			rules_remove(rules, rule->expose);
			return add_error(rule->expose, i, rc, err);
		}
	}
	return 0;
}

int rules_add(struct rules *rules, const struct rule *rule, struct err *err)
{
	return add_beside(rules, rule, NULL, err);
}

static void remove_key(struct rules *rules, struct key_ref key, const struct expose_conf *expose)
{
	struct rule_entry *entry = entry_find(rules, key);

	for (uint32_t i = 0; entry && i < entry->n_rules; i++) {
		if (entry_rule(entry, i)->expose == expose) {
			for (; i + 1 < entry->n_rules; i++) { /* the first one stays the first */
				*entry_rule(entry, i) = *entry_rule(entry, i + 1);
			}
			entry->n_rules--;
			break;
		}
	}
	if (entry && entry->n_rules <= 1) {
		free(entry->more);
		entry->more = NULL;
	}
	if (entry && entry->n_rules == 0) {
		entry_drop(rules, entry);
	}
}

void rules_remove(struct rules *rules, const struct expose_conf *expose)
{
	struct rule_key key;

	for (size_t i = 0; expose_key(expose, i, &key); i++) {
		remove_key(rules, (struct key_ref){key.bytes, key.len}, expose);
	}
}

static void remove_tenant(struct rules *rules, const struct tenant_conf *tenant)
{
	for (size_t i = 0; i < tenant->n_services; i++) {
		const struct service_conf *service = &tenant->services[i];

		for (size_t k = 0; k < service->n_exposes; k++) {
			rules_remove(rules, &service->exposes[k]);
		}
	}
}

int rules_replace(struct rules *rules, const struct tenant_conf *old, const struct rule *add,
		  size_t n, struct err *err)
{
	for (size_t i = 0; i < n; i++) {
		int rc = add_beside(rules, &add[i], old, err);

		if (rc < 0) {
			while (i-- > 0) {
				rules_remove(rules, add[i].expose);
			}
			return rc;
		}
	}
	if (old) {
		remove_tenant(rules, old);
	}
	return 0;
}

/* Which rule of the entry is for a client that offers alpn. */
static enum rule_result entry_pick(struct rule_entry *entry, struct str alpn,
				   const struct rule **ret_rule)
{
	struct str protocol;

	if (entry->n_rules > 1 || entry->first.expose->n_alpn > 0) {
		while (sni_alpn_next(&alpn, &protocol)) {
			for (uint32_t i = 0; i < entry->n_rules; i++) {
				*ret_rule = entry_rule(entry, i);
				if (expose_has_alpn((*ret_rule)->expose, protocol)) {
					return RULE_FOUND;
				}
			}
		}
	}
	for (uint32_t i = 0; i < entry->n_rules; i++) {
		*ret_rule = entry_rule(entry, i);
		if ((*ret_rule)->expose->n_alpn == 0) {
			return RULE_FOUND;
		}
	}
	*ret_rule = NULL;
	return RULE_ALPN_UNKNOWN;
}

/* Whether there is any "*.x" with so many labels in x, on whatever port. */
static bool has_wildcards(const struct rules *rules, size_t labels)
{
	return labels < RULES_LABELS_MAX && rules->n_wildcards[labels] > 0;
}

/* The longest "*.x" that holds the name of key, which is changed. */
static struct rule_entry *find_wildcard(const struct rules *rules, struct rule_key *key)
{
	size_t name_len = key->len - KEY_TAIL_BYTES;
	size_t labels = count_labels(key->bytes, name_len);

	key->bytes[key->len - 1]++; /* the kind's wildcard twin */
	for (size_t i = 0; i < name_len; i++) {
		struct rule_entry *entry;

		if (key->bytes[i] != '.') {
			continue;
		}
		if (!has_wildcards(rules, --labels)) {
			continue;
		}
		entry = entry_find(rules, (struct key_ref){key->bytes + i + 1, key->len - i - 1});
		if (entry) {
			return entry;
		}
	}
	return NULL;
}

/* For a name that no rule has, or none: the first of the client's protocols that has one. */
static enum rule_result find_by_alpn(const struct rules *rules, const struct rule_query *query,
				     const struct rule **ret_rule)
{
	struct str alpn = query->alpn, protocol;

	while (query->protocol == PROTOCOL_TLS && sni_alpn_next(&alpn, &protocol)) {
		struct rule_entry *entry;
		struct rule_key key;

		key_make(&key, protocol, query->port, KEY_TLS_ALPN);
		entry = entry_find(rules, (struct key_ref){key.bytes, key.len});
		if (entry) {
			*ret_rule = &entry->first; /* the only one: others would clash */
			return RULE_FOUND;
		}
	}
	return RULE_NAME_UNKNOWN;
}

enum rule_result rules_find_name(const struct rules *rules, const struct rule_query *query,
				 const struct rule **ret_rule)
{
	struct rule_entry *entry;
	struct rule_key key;

	*ret_rule = NULL;
	key_make(&key, query->name, query->port,
		 query->protocol == PROTOCOL_HTTP ? KEY_HTTP : KEY_TLS);
	entry = entry_find(rules, (struct key_ref){key.bytes, key.len});
	if (!entry) {
		entry = find_wildcard(rules, &key);
	}
	if (!entry) {
		return find_by_alpn(rules, query, ret_rule);
	}
	return entry_pick(entry, query->alpn, ret_rule);
}

enum rule_result rules_find_endpoint(const struct rules *rules, const struct endpoint *local,
				     const struct rule **ret_rule)
{
	struct rule_entry *entry;
	struct rule_key key;

	key_make(&key, endpoint_name(&local->addr), local->port, KEY_TCP);
	entry = entry_find(rules, (struct key_ref){key.bytes, key.len});
	*ret_rule = entry ? &entry->first : NULL;
	return entry ? RULE_FOUND : RULE_NAME_UNKNOWN;
}

static bool same_alpn(const struct expose_conf *a, const struct expose_conf *b)
{
	if (a->n_alpn != b->n_alpn) {
		return false;
	}
	for (size_t i = 0; i < a->n_alpn; i++) {
		if (strcmp(a->alpn[i], b->alpn[i]) != 0) {
			return false;
		}
	}
	return true;
}

/* The rule of that key that is the service's and has the ALPN list of like (NULL: any). */
static const struct rule *find_like(const struct rules *rules, struct key_ref key,
				    const struct service_conf *service,
				    const struct expose_conf *like)
{
	struct rule_entry *entry = entry_find(rules, key);

	for (uint32_t i = 0; entry && i < entry->n_rules; i++) {
		const struct rule *rule = entry_rule(entry, i);

		if (rule->service == service && (!like || same_alpn(rule->expose, like))) {
			return rule;
		}
	}
	return NULL;
}

const struct rule *rules_find_like(const struct rules *rules, const struct service_conf *service,
				   const struct expose_conf *like, struct str name,
				   struct str protocol)
{
	bool by_name = like->protocol != PROTOCOL_TCP;
	const struct rule *rule;
	struct rule_key key;
	size_t labels;

	if (like->protocol == PROTOCOL_TLS && like->n_names == 0) {
		key_make(&key, protocol, like->port, KEY_TLS_ALPN);
		return find_like(rules, (struct key_ref){key.bytes, key.len}, service, NULL);
	}
	key_make(&key, by_name ? name : endpoint_name(&like->ipv4), like->port,
		 by_name ? (like->protocol == PROTOCOL_TLS ? KEY_TLS : KEY_HTTP) : KEY_TCP);
	rule = find_like(rules, (struct key_ref){key.bytes, key.len}, service, like);
	labels = by_name ? count_labels(key.bytes, name.len) : 0;
	key.bytes[key.len - 1]++; /* the kind's wildcard twin */
	for (size_t i = 0; !rule && by_name && i < name.len; i++) {
		if (key.bytes[i] == '.' && has_wildcards(rules, --labels)) {
			rule = find_like(rules,
					 (struct key_ref){key.bytes + i + 1, key.len - i - 1},
					 service, like);
		}
	}
	return rule;
}
