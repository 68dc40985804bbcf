/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The tenant object's schema.
 */
#include "conf/text/schema.h"

#include "conf/model/tenant.h"

#define TENANT(member)  offsetof(struct tenant_conf, member)
#define SERVICE(member) offsetof(struct service_conf, member)
#define EXPOSE(member)  offsetof(struct expose_conf, member)
#define TUNNEL(member)  offsetof(struct tunnel_conf, member)
#define INBOUND(member) offsetof(struct inbound_rule, member)

#define SERIAL_MAX ((uint64_t)INT64_MAX)

static const char *const tunnel_kinds[] = {"wireguard", "6in4", "route", NULL};
static const char *const protocols[] = {"tcp", "udp", "tls", "http", "address", NULL};
static const char *const inbound_protocols[] = {"tcp", "udp", NULL};
static const char *const client_addresses[] = {"hide", "embed", "proxy-v1", "proxy-v2", NULL};
static const char *const vias[] = {"proxy", "nat64", NULL};
static const char *const balances[] = {"round-robin", "least-connections", "source-hash", NULL};
static const char *const checks[] = {"none", "tcp", "http", NULL};
static const char *const policies[] = {"closed", "open", NULL};
static const char *const states[] = {"active", "suspended", NULL};
static const char *const https[] = {"https", NULL};
static const char *const verifies[] = {"name", NULL};

static const struct key limits_keys[] = {
	{.name = "connections",
	 .type = KEY_U32,
	 .min = 1,
	 .max = 10000000,
	 .offset = offsetof(struct limits, connections)},
	{.name = "new_per_second",
	 .type = KEY_U32,
	 .min = 1,
	 .max = 10000000,
	 .offset = offsetof(struct limits, new_per_second)},
	{.name = "megabits",
	 .type = KEY_U32,
	 .min = 1,
	 .max = 1000000,
	 .offset = offsetof(struct limits, megabits)},
	{0},
};
const struct schema schema_limits = {
	.name = "connections, new_per_second, megabits",
	.keys = limits_keys,
};

static const struct key tunnel_keys[] = {
	{.name = "name", .type = KEY_ID, .mandatory = true, .offset = TUNNEL(name)},
	{.name = "kind",
	 .type = KEY_WORD,
	 .mandatory = true,
	 .words = tunnel_kinds,
	 .offset = TUNNEL(kind)},
	{.name = "public_key",
	 .type = KEY_TEXT,
	 .min = 44,
	 .max = TUNNEL_KEY_MAX,
	 .offset = TUNNEL(public_key)},
	{.name = "preshared_key_file", .type = KEY_PATH, .offset = TUNNEL(preshared_key_file)},
	{.name = "listen_port",
	 .type = KEY_U16,
	 .min = 1,
	 .max = 65535,
	 .offset = TUNNEL(listen_port),
	 .aux = TUNNEL(own_device)},
	{.name = "keepalive",
	 .type = KEY_U16,
	 .min = 1,
	 .max = 65535,
	 .offset = TUNNEL(keepalive_s)},
	{.name = "endpoint",
	 .type = KEY_ENDPOINT,
	 .offset = TUNNEL(endpoint),
	 .aux = TUNNEL(has_endpoint)},
	{.name = "mtu", .type = KEY_U32, .min = 1280, .max = 65535, .offset = TUNNEL(mtu)},
	{.name = "remote", .type = KEY_ADDR4, .offset = TUNNEL(remote), .aux = TUNNEL(has_remote)},
	{.name = "update_key_hash",
	 .type = KEY_TEXT,
	 .min = 1,
	 .max = TUNNEL_HASH_MAX,
	 .offset = TUNNEL(update_key_hash)},
	{.name = "via", .type = KEY_ADDR6, .offset = TUNNEL(via), .aux = TUNNEL(has_via)},
	{.name = "interface",
	 .type = KEY_TEXT,
	 .min = 1,
	 .max = TUNNEL_INTERFACE_MAX,
	 .offset = TUNNEL(interface)},
	{.name = "prefixes",
	 .type = KEY_PREFIX6,
	 .mandatory = true,
	 .n_max = TENANT_PREFIXES_MAX,
	 .min = TENANT_PREFIX_LEN_MIN,
	 .max = TENANT_PREFIX_LEN_MAX,
	 .offset = TUNNEL(prefixes),
	 .aux = TUNNEL(n_prefixes)},
	{.name = "ipv4", .type = KEY_BOOL, .offset = TUNNEL(ipv4)},
	{0},
};

/* Each kind has keys of its own. */
static void finish_tunnel(struct reader *r, const struct tree_node *map, void *object)
{
	static const struct {
		const char *key;
		enum tunnel_kind kind;
		bool mandatory;
	} own[] = {
		{"public_key", TUNNEL_WIREGUARD, true},
		{"ipv4", TUNNEL_WIREGUARD, false},
		{"preshared_key_file", TUNNEL_WIREGUARD, false},
		{"listen_port", TUNNEL_WIREGUARD, false},
		{"keepalive", TUNNEL_WIREGUARD, false},
		{"endpoint", TUNNEL_WIREGUARD, false},
		{"remote", TUNNEL_6IN4, true},
		{"update_key_hash", TUNNEL_6IN4, false},
		{"via", TUNNEL_ROUTE, false},
		{"interface", TUNNEL_ROUTE, true},
	};
	const struct tunnel_conf *tunnel = object;
	const struct tree_node *kind = tree_get(map, "kind");

	if (!kind || kind->kind != TREE_SCALAR ||
	    !str_eq(kind->text, str_from(tunnel_kinds[tunnel->kind]))) {
		return; /* which one it is is not known: nothing follows from it */
	}
	for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++) {
		const struct tree_node *node = tree_get(map, own[i].key);

		if (node && own[i].kind != tunnel->kind) {
			reader_issue(r, node, "is for tunnels of kind %s only",
				     tunnel_kinds[own[i].kind]);
		} else if (!node && own[i].kind == tunnel->kind && own[i].mandatory) {
			reader_issue(r, map, "a tunnel of kind %s needs %s",
				     tunnel_kinds[tunnel->kind], own[i].key);
		}
	}
}

const struct schema schema_tunnel = {
	.name = "name, kind, prefixes, ...",
	.keys = tunnel_keys,
	.size = sizeof(struct tunnel_conf),
	.finish = finish_tunnel,
};

static const struct key certificate_keys[] = {
	{.name = "chain", .type = KEY_PATH, .mandatory = true, .offset = EXPOSE(certificate_chain)},
	{.name = "key", .type = KEY_PATH, .mandatory = true, .offset = EXPOSE(certificate_key)},
	{0},
};
static const struct schema schema_certificate = {.name = "chain and key", .keys = certificate_keys};

static const struct key backend_tls_keys[] = {
	{.name = "verify",
	 .type = KEY_FLAG,
	 .mandatory = true,
	 .words = verifies,
	 .offset = EXPOSE(backend_tls)},
	{0},
};
static const struct schema schema_backend_tls = {.name = "verify", .keys = backend_tls_keys};

static const struct key expose_keys[] = {
	{.name = "protocol",
	 .type = KEY_WORD,
	 .mandatory = true,
	 .words = protocols,
	 .offset = EXPOSE(protocol)},
	{.name = "names",
	 .type = KEY_PATTERN,
	 .n_max = EXPOSE_NAMES_MAX,
	 .offset = EXPOSE(names),
	 .aux = EXPOSE(n_names)},
	{.name = "alpn",
	 .type = KEY_TEXT,
	 .n_max = EXPOSE_ALPN_MAX,
	 .min = 1,
	 .max = EXPOSE_ALPN_BYTES_MAX,
	 .offset = EXPOSE(alpn),
	 .aux = EXPOSE(n_alpn)},
	{.name = "ipv4", .type = KEY_ADDR4, .offset = EXPOSE(ipv4), .aux = EXPOSE(has_ipv4)},
	{.name = "port", .type = KEY_U16, .min = 1, .max = 65535, .offset = EXPOSE(port)},
	{.name = "to", .type = KEY_U16, .min = 1, .max = 65535, .offset = EXPOSE(to)},
	{.name = "client_address",
	 .type = KEY_WORD,
	 .words = client_addresses,
	 .offset = EXPOSE(client_address)},
	{.name = "allow",
	 .type = KEY_PREFIX,
	 .n_max = EXPOSE_ACL_MAX,
	 .offset = EXPOSE(allow),
	 .aux = EXPOSE(n_allow)},
	{.name = "deny",
	 .type = KEY_PREFIX,
	 .n_max = EXPOSE_ACL_MAX,
	 .offset = EXPOSE(deny),
	 .aux = EXPOSE(n_deny)},
	{.name = "via", .type = KEY_WORD, .words = vias, .offset = EXPOSE(via)},
	{.name = "redirect", .type = KEY_FLAG, .words = https, .offset = EXPOSE(redirect_https)},
	{.name = "certificate", .type = KEY_MAP, .sub = &schema_certificate},
	{.name = "backend_tls", .type = KEY_MAP, .sub = &schema_backend_tls},
	{0},
};

/* What each protocol must, and must not, be told. */
static const struct protocol_rule {
	enum protocol protocol;
	const char *key;
	bool needed; /* else not allowed */
} protocol_rules[] = {
	{PROTOCOL_TCP, "ipv4", true},      {PROTOCOL_TCP, "port", true},
	{PROTOCOL_TCP, "to", true},        {PROTOCOL_TCP, "names", false},
	{PROTOCOL_TCP, "alpn", false},     {PROTOCOL_UDP, "ipv4", true},
	{PROTOCOL_UDP, "port", true},      {PROTOCOL_UDP, "to", true},
	{PROTOCOL_UDP, "names", false},    {PROTOCOL_UDP, "alpn", false},
	{PROTOCOL_TLS, "to", true},        {PROTOCOL_TLS, "ipv4", false},
	{PROTOCOL_HTTP, "to", true},       {PROTOCOL_HTTP, "names", true},
	{PROTOCOL_HTTP, "ipv4", false},    {PROTOCOL_HTTP, "alpn", false},
	{PROTOCOL_ADDRESS, "ipv4", true},  {PROTOCOL_ADDRESS, "names", false},
	{PROTOCOL_ADDRESS, "alpn", false}, {PROTOCOL_ADDRESS, "port", false},
	{PROTOCOL_ADDRESS, "to", false},
};

static void check_expose_keys(struct reader *r, const struct tree_node *map,
			      const struct expose_conf *expose)
{
	const char *word = protocols[expose->protocol];

	for (size_t i = 0; i < sizeof(protocol_rules) / sizeof(protocol_rules[0]); i++) {
		const struct protocol_rule *rule = &protocol_rules[i];
		const struct tree_node *node;

		if (rule->protocol != expose->protocol) {
			continue;
		}
		node = tree_get(map, rule->key);
		if (!node && rule->needed) {
			reader_issue(r, map, "protocol %s needs %s", word, rule->key);
		} else if (node && !rule->needed) {
			reader_issue(r, node, "is not for protocol %s", word);
		}
	}
	if (expose->protocol == PROTOCOL_TLS && !tree_get(map, "names") && !tree_get(map, "alpn")) {
		reader_issue(r, map, "protocol tls needs names or alpn");
	}
}

static void finish_expose(struct reader *r, const struct tree_node *map, void *object)
{
	struct expose_conf *expose = object;
	const struct tree_node *protocol = tree_get(map, "protocol");

	if (!protocol || protocol->kind != TREE_SCALAR ||
	    !str_eq(protocol->text, str_from(protocols[expose->protocol]))) {
		return; /* which one it is is not known: nothing follows from it */
	}
	check_expose_keys(r, map, expose);
	if (expose->protocol == PROTOCOL_UDP && expose->via == VIA_PROXY) {
		reader_issue(r, protocol, "protocol: udp is in this build with via: nat64 only");
	}
	if (!tree_get(map, "port") && expose->protocol == PROTOCOL_TLS) {
		expose->port = 443;
	} else if (!tree_get(map, "port") && expose->protocol == PROTOCOL_HTTP) {
		expose->port = 80;
	}
	if (!tree_get(map, "client_address") && r->node && r->node->has_client_prefix) {
		expose->client_address = CLIENT_ADDRESS_EMBED;
	}
}

const struct schema schema_expose = {
	.name = "protocol, to, ...",
	.keys = expose_keys,
	.size = sizeof(struct expose_conf),
	.finish = finish_expose,
};

static const struct key check_keys[] = {
	{.name = "type",
	 .type = KEY_WORD,
	 .mandatory = true,
	 .words = checks,
	 .offset = SERVICE(check_type)},
	{.name = "interval",
	 .type = KEY_DURATION,
	 .min = 100,
	 .max = 3600000,
	 .dflt = 5000,
	 .offset = SERVICE(check_interval_ms)},
	{0},
};
static const struct schema schema_check = {.name = "type, interval", .keys = check_keys};

static const struct key service_keys[] = {
	{.name = "name", .type = KEY_ID, .mandatory = true, .offset = SERVICE(name)},
	{.name = "backends",
	 .type = KEY_BACKEND,
	 .mandatory = true,
	 .n_max = SERVICE_BACKENDS_MAX,
	 .offset = SERVICE(backends),
	 .aux = SERVICE(n_backends)},
	{.name = "balance", .type = KEY_WORD, .words = balances, .offset = SERVICE(balance)},
	{.name = "check", .type = KEY_MAP, .sub = &schema_check},
	{.name = "drain",
	 .type = KEY_DURATION,
	 .max = 24 * 3600000,
	 .dflt = 30000,
	 .offset = SERVICE(drain_ms)},
	{.name = "timeouts", .type = KEY_MAP, .sub = &schema_timeouts, .offset = SERVICE(timeouts)},
	{.name = "limits", .type = KEY_MAP, .sub = &schema_limits, .offset = SERVICE(limits)},
	{.name = "expose",
	 .type = KEY_MAP,
	 .n_max = SERVICE_EXPOSES_MAX,
	 .sub = &schema_expose,
	 .offset = SERVICE(exposes),
	 .aux = SERVICE(n_exposes)},
	{0},
};
/* Which service it is, is known when the hello is in: its time is the listener's. */
static void finish_service(struct reader *r, const struct tree_node *map, void *object)
{
	const struct tree_node *timeouts = tree_get(map, "timeouts");
	const struct tree_node *hello = timeouts ? tree_get(timeouts, "hello") : NULL;

	(void)object;
	if (hello) {
		reader_issue(r, hello, "is for the node and its listeners only");
	}
}

const struct schema schema_service = {
	.name = "name, backends, expose, ...",
	.keys = service_keys,
	.size = sizeof(struct service_conf),
	.finish = finish_service,
};

static const struct key inbound_rule_keys[] = {
	{.name = "protocol",
	 .type = KEY_WORD,
	 .mandatory = true,
	 .words = inbound_protocols,
	 .offset = INBOUND(protocol)},
	{.name = "ports",
	 .type = KEY_U16,
	 .mandatory = true,
	 .n_max = INBOUND_PORTS_MAX,
	 .min = 1,
	 .max = 65535,
	 .offset = INBOUND(ports),
	 .aux = INBOUND(n_ports)},
	{.name = "to", .type = KEY_ID, .offset = INBOUND(to)},
	{.name = "from",
	 .type = KEY_PREFIX6,
	 .n_max = EXPOSE_ACL_MAX,
	 .offset = INBOUND(from),
	 .aux = INBOUND(n_from)},
	{0},
};

static const struct schema schema_inbound_rule = {
	.name = "protocol, ports, to, from",
	.keys = inbound_rule_keys,
	.size = sizeof(struct inbound_rule),
};

static const struct key inbound_keys[] = {
	{.name = "policy", .type = KEY_WORD, .words = policies, .offset = TENANT(inbound_policy)},
	{.name = "allow",
	 .type = KEY_MAP,
	 .n_max = TENANT_INBOUND_MAX,
	 .sub = &schema_inbound_rule,
	 .offset = TENANT(inbound),
	 .aux = TENANT(n_inbound)},
	{0},
};
static const struct schema schema_inbound = {.name = "policy and allow", .keys = inbound_keys};

static const struct key outbound_keys[] = {
	{.name = "mail", .type = KEY_BOOL, .offset = TENANT(mail)},
	{0},
};
static const struct schema schema_outbound = {.name = "mail", .keys = outbound_keys};

static const struct key tenant_keys[] = {
	{.name = "tenant", .type = KEY_ID, .mandatory = true, .offset = TENANT(name)},
	{.name = "serial",
	 .type = KEY_U64,
	 .mandatory = true,
	 .min = 1,
	 .max = SERIAL_MAX,
	 .offset = TENANT(serial)},
	{.name = "prefixes",
	 .type = KEY_PREFIX6,
	 .mandatory = true,
	 .n_max = TENANT_PREFIXES_MAX,
	 .min = TENANT_PREFIX_LEN_MIN,
	 .max = TENANT_PREFIX_LEN_MAX,
	 .offset = TENANT(prefixes),
	 .aux = TENANT(n_prefixes)},
	{.name = "tunnels",
	 .type = KEY_MAP,
	 .n_max = TENANT_PREFIXES_MAX,
	 .sub = &schema_tunnel,
	 .offset = TENANT(tunnels),
	 .aux = TENANT(n_tunnels)},
	{.name = "services",
	 .type = KEY_MAP,
	 .n_max = TENANT_SERVICES_MAX,
	 .sub = &schema_service,
	 .offset = TENANT(services),
	 .aux = TENANT(n_services)},
	{.name = "inbound", .type = KEY_MAP, .sub = &schema_inbound},
	{.name = "outbound", .type = KEY_MAP, .sub = &schema_outbound},
	{.name = "dns64", .type = KEY_MAP, .sub = &schema_tenant_dns64},
	{.name = "limits", .type = KEY_MAP, .sub = &schema_limits, .offset = TENANT(limits)},
	{.name = "state", .type = KEY_WORD, .words = states, .offset = TENANT(state)},
	{0},
};

const struct schema schema_tenant = {
	.name = "a tenant object",
	.keys = tenant_keys,
	.size = sizeof(struct tenant_conf),
};
