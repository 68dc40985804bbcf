/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Readers of single values that are addresses, prefixes, ports and names; value.c calls them.
 */
#include "conf/model/name.h"
#include "conf/model/tenant.h"
#include "conf/text/schema.h"
#include "conf/text/value.h"

void value_read_addr(struct reader *r, const struct tree_node *node, enum key_type type,
		     struct addr *out)
{
	char buf[VALUE_SHOWN_MAX];
	struct addr a;

	if (addr_parse(node->text, &a) < 0) {
		reader_issue(r, node, "'%s' is not an %s", value_shown(buf, node),
			     type == KEY_ADDR4   ? "IPv4 address"
			     : type == KEY_ADDR6 ? "IPv6 address"
						 : "address");
	} else if (type == KEY_ADDR4 && !addr_is_v4(&a)) {
		reader_issue(r, node, "%s is not an IPv4 address", value_shown(buf, node));
	} else if (type == KEY_ADDR6 && addr_is_v4(&a)) {
		reader_issue(r, node, "%s is not an IPv6 address", value_shown(buf, node));
	} else if (addr_is_any(&a)) {
		reader_issue(r, node, "%s is no one's address", value_shown(buf, node));
	} else {
		*out = a;
	}
}

void value_read_prefix(struct reader *r, const struct tree_node *node, const struct key *key,
		       struct prefix *out)
{
	char buf[VALUE_SHOWN_MAX];
	struct prefix p;
	struct err err = {0};

	if (prefix_parse(node->text, &p, &err) < 0) {
		reader_issue(r, node, "'%s' %s", value_shown(buf, node), err.msg);
	} else if (key->type == KEY_PREFIX4 && !prefix_is_v4(&p)) {
		reader_issue(r, node, "%s is not an IPv4 prefix", value_shown(buf, node));
	} else if (key->type == KEY_PREFIX6 && prefix_is_v4(&p)) {
		reader_issue(r, node, "%s is not an IPv6 prefix", value_shown(buf, node));
	} else if (key->max > 0 && key->min == key->max && p.len != key->min) {
		reader_issue(r, node, "%s is not a /%u", value_shown(buf, node),
			     (unsigned int)key->min);
	} else if (key->max > 0 && (p.len < key->min || p.len > key->max)) {
		reader_issue(r, node, "%s is not a /%u to /%u", value_shown(buf, node),
			     (unsigned int)key->min, (unsigned int)key->max);
	} else {
		*out = p;
	}
}

void value_read_ports(struct reader *r, const struct tree_node *node, struct port_range *out)
{
	const char *dash = memchr(node->text.p, '-', node->text.len);
	struct str first = {node->text.p, dash ? (size_t)(dash - node->text.p) : 0};
	struct str last = {dash ? dash + 1 : NULL, dash ? node->text.len - first.len - 1 : 0};
	uint64_t from, to;
	char buf[VALUE_SHOWN_MAX];

	if (!dash || str_to_u64(first, 1, UINT16_MAX, &from) < 0 ||
	    str_to_u64(last, 1, UINT16_MAX, &to) < 0 || from > to) {
		reader_issue(r, node, "'%s' is not a range of ports like 16384-49151",
			     value_shown(buf, node));
		return;
	}
	out->first = (uint16_t)from;
	out->last = (uint16_t)to;
}

/* "203.0.113.7:51820" or "[2001:db8::7]:51820". */
void value_read_endpoint(struct reader *r, const struct tree_node *node, struct endpoint *out)
{
	struct str text = node->text, address = {0}, port = {0};
	const char *colon = text.len > 0 ? memrchr(text.p, ':', text.len) : NULL;
	char buf[VALUE_SHOWN_MAX];
	struct addr a;
	uint64_t number;
	bool bracket;

	if (colon) {
		address = (struct str){text.p, (size_t)(colon - text.p)};
		port = (struct str){colon + 1, text.len - address.len - 1};
	}
	bracket = address.len >= 2 && address.p[0] == '[' && address.p[address.len - 1] == ']';
	if (bracket) {
		address = (struct str){address.p + 1, address.len - 2};
	}
	if (!colon || addr_parse(address, &a) < 0 || addr_is_v4(&a) == bracket || addr_is_any(&a) ||
	    str_to_u64(port, 1, UINT16_MAX, &number) < 0) {
		reader_issue(r, node,
			     "'%s' is not an address and port like 203.0.113.7:51820 or "
			     "\"[2001:db8::7]:51820\"",
			     value_shown(buf, node));
		return;
	}
	*out = (struct endpoint){.addr = a, .port = (uint16_t)number};
}

void value_read_host(struct reader *r, const struct tree_node *node, const char **out)
{
	char name[NAME_BUF_SIZE], buf[VALUE_SHOWN_MAX];
	size_t len;
	enum name_result result = name_normalize(node->text, name, &len);

	if (result != NAME_OK) {
		reader_issue(r, node, "'%s' %s", value_shown(buf, node), name_result_text(result));
		return;
	}
	*out = value_keep(r, (struct str){name, len});
}

void value_read_pattern(struct reader *r, const struct tree_node *node, struct name_pattern *out)
{
	char name[NAME_BUF_SIZE], buf[VALUE_SHOWN_MAX];
	size_t len;
	enum name_result result = name_pattern_parse(node->text, name, &len, &out->wildcard);

	if (result != NAME_OK) {
		reader_issue(r, node, "'%s' %s", value_shown(buf, node), name_result_text(result));
		return;
	}
	out->text = value_keep(r, (struct str){name, len});
}

/* An address, or else a name: what has a colon was meant as an address. */
void value_read_backend(struct reader *r, const struct tree_node *node, struct backend_conf *out)
{
	struct str kind = str_from("name");
	const char *unbuilt = unbuilt_find(&schema_service, "backends", &kind);
	struct addr a;

	if (addr_parse(node->text, &a) == 0 || memchr(node->text.p, ':', node->text.len)) {
		value_read_addr(r, node, KEY_ADDR6, &out->address);
		return;
	}
	out->is_name = true;
	value_read_host(r, node, &out->name);
	if (out->name && unbuilt) {
		reader_issue(r, node, "%s is not in this build", unbuilt);
	}
}

void value_read_service(struct reader *r, const struct tree_node *node, const char **ret_tenant,
			const char **ret_service)
{
	const char *slash = memchr(node->text.p, '/', node->text.len);
	struct str tenant = {node->text.p, slash ? (size_t)(slash - node->text.p) : 0};
	struct str service = {slash ? slash + 1 : NULL,
			      slash ? node->text.len - tenant.len - 1 : 0};
	char buf[VALUE_SHOWN_MAX];

	if (!name_is_id(tenant) || !name_is_id(service)) {
		reader_issue(r, node, "'%s' is not tenant/service", value_shown(buf, node));
		return;
	}
	*ret_tenant = value_keep(r, tenant);
	*ret_service = value_keep(r, service);
}
