/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The one list of what the schema knows and this build cannot do yet. Whoever builds one of these
 * takes its line away.
 */
#include "conf/text/schema.h"

static const struct unbuilt {
	const struct schema *schema;
	const char *key;
	const char *value; /* NULL: the key as a whole */
	const char *what;
} unbuilt[] = {
	{&schema_node, "bgp", NULL, "bgp"},
	{&schema_listener, "protocol", "udp", "protocol: udp"},
	{&schema_listener, "protocol", "http", "protocol: http"},
	{&schema_listener, "protocol", "detect", "protocol: detect"},
	{&schema_registry, "etcd", NULL, "registry.etcd"},
	{&schema_service, "backends", "name", "a backend given by name"},
	{&schema_service, "check", NULL, "check"},
	{&schema_tunnel, "update_key_hash", NULL, "update_key_hash"},
	{&schema_expose, "protocol", "http", "protocol: http"},
	{&schema_expose, "redirect", NULL, "redirect"},
	{&schema_expose, "certificate", NULL, "certificate"},
	{&schema_expose, "backend_tls", NULL, "backend_tls"},
	{&schema_limits, "megabits", NULL, "megabits"},
};

const char *unbuilt_find(const struct schema *schema, const char *key, const struct str *value)
{
	for (size_t i = 0; i < sizeof(unbuilt) / sizeof(unbuilt[0]); i++) {
		const struct unbuilt *u = &unbuilt[i];

		if (u->schema != schema || strcmp(u->key, key) != 0) {
			continue;
		}
		if (value ? u->value && str_eq(*value, str_from(u->value)) : !u->value) {
			return u->what;
		}
	}
	return NULL;
}
