/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Readers of single values, one for each type of the schema: text in, the struct's member out, or
 * an issue that says what would be right.
 */
#include <errno.h>
#include <stdio.h>

#include "conf/model/name.h"
#include "conf/model/tenant.h"
#include "conf/text/schema.h"

#define SHOWN_MAX 80 /* bytes of a value that a message repeats */

static const struct unit {
	const char *name;
	uint64_t ms;
} units[] = {{"ms", 1}, {"s", 1000}, {"min", 60000}, {"h", 3600000}};

#define N_UNITS (sizeof(units) / sizeof(units[0]))

static const char *shown(char *buf, const struct tree_node *node)
{
	return str_escape(buf, SHOWN_MAX, node->text);
}

static const char *keep(struct reader *r, struct str text)
{
	const char *copy = arena_strdup(r->arena, text);

	if (!copy) {
		r->no_memory = true;
	}
	return copy;
}

static const char *duration_format(char *buf, size_t size, uint64_t ms)
{
	size_t i = ms == 0 ? 1 : N_UNITS - 1; /* "0s" */

	while (i > 0 && ms % units[i].ms != 0) {
		i--;
	}
	(void)snprintf(buf, size, "%llu%s", (unsigned long long)(ms / units[i].ms), units[i].name);
	return buf;
}

static void read_number(struct reader *r, const struct tree_node *node, const struct key *key,
			uint64_t *ret_value)
{
	uint64_t value;
	char buf[SHOWN_MAX];
	int rc = str_to_u64(node->text, key->min, key->max, &value);

	*ret_value = 0;
	if (rc == -EINVAL) {
		reader_issue(r, node, "'%s' is not a number", shown(buf, node));
	} else if (rc == 0 && node->quoted) {
		reader_issue(r, node, "'%s' is text: a number stands without quotes",
			     shown(buf, node));
	} else if (rc < 0) {
		reader_issue(r, node, "%s is not %llu..%llu", shown(buf, node),
			     (unsigned long long)key->min, (unsigned long long)key->max);
	} else {
		*ret_value = value;
	}
}

static void read_duration(struct reader *r, const struct tree_node *node, const struct key *key,
			  uint32_t *out)
{
	char buf[SHOWN_MAX], min[24], max[24];
	struct str number = {node->text.p, 0};
	uint64_t value = 0;

	while (number.len < node->text.len && number.p[number.len] >= '0' &&
	       number.p[number.len] <= '9') {
		number.len++;
	}
	for (size_t i = 0; i < N_UNITS; i++) {
		struct str unit = {number.p + number.len, node->text.len - number.len};
		int rc;

		if (!str_eq(unit, str_from(units[i].name))) {
			continue;
		}
		rc = str_to_u64(number, 0, UINT32_MAX, &value);
		if (rc == -EINVAL) {
			break;
		}
		value *= units[i].ms;
		if (rc < 0 || value < key->min || value > key->max) {
			reader_issue(r, node, "%s is not %s..%s", shown(buf, node),
				     duration_format(min, sizeof(min), key->min),
				     duration_format(max, sizeof(max), key->max));
			return;
		}
		*out = (uint32_t)value;
		return;
	}
	reader_issue(r, node, "'%s' is not a duration like 500ms, 5s, 10min or 1h",
		     shown(buf, node));
}

static void read_word(struct reader *r, const struct tree_node *node, const struct key *key,
		      unsigned int *out)
{
	char list[160] = "", buf[SHOWN_MAX];
	const char *near = nearest_word(node->text, key->words);
	size_t len = 0;

	for (unsigned int i = 0; key->words[i]; i++) {
		if (str_eq(node->text, str_from(key->words[i]))) {
			*out = i;
			return;
		}
		if (len < sizeof(list)) {
			len += (size_t)snprintf(list + len, sizeof(list) - len, "%s%s",
						i > 0 ? ", " : "", key->words[i]);
		}
	}
	if (near) {
		reader_issue(r, node, "'%s' is not one of %s: did you mean '%s'?", shown(buf, node),
			     list, near);
	} else {
		reader_issue(r, node, "'%s' is not one of %s", shown(buf, node), list);
	}
}

static void read_bool(struct reader *r, const struct tree_node *node, bool *out)
{
	char buf[SHOWN_MAX];

	if (!node->quoted && str_eq(node->text, str_from("true"))) {
		*out = true;
	} else if (node->quoted || !str_eq(node->text, str_from("false"))) {
		reader_issue(r, node, "'%s' is not true or false", shown(buf, node));
	}
}

static void read_addr(struct reader *r, const struct tree_node *node, enum key_type type,
		      struct addr *out)
{
	char buf[SHOWN_MAX];
	struct addr a;

	if (addr_parse(node->text, &a) < 0) {
		reader_issue(r, node, "'%s' is not an %s", shown(buf, node),
			     type == KEY_ADDR4   ? "IPv4 address"
			     : type == KEY_ADDR6 ? "IPv6 address"
						 : "address");
	} else if (type == KEY_ADDR4 && !addr_is_v4(&a)) {
		reader_issue(r, node, "%s is not an IPv4 address", shown(buf, node));
	} else if (type == KEY_ADDR6 && addr_is_v4(&a)) {
		reader_issue(r, node, "%s is not an IPv6 address", shown(buf, node));
	} else if (addr_is_any(&a)) {
		reader_issue(r, node, "%s is no one's address", shown(buf, node));
	} else {
		*out = a;
	}
}

static void read_prefix(struct reader *r, const struct tree_node *node, const struct key *key,
			struct prefix *out)
{
	char buf[SHOWN_MAX];
	struct prefix p;
	struct err err = {0};

	if (prefix_parse(node->text, &p, &err) < 0) {
		reader_issue(r, node, "'%s' %s", shown(buf, node), err.msg);
	} else if (key->type == KEY_PREFIX4 && !prefix_is_v4(&p)) {
		reader_issue(r, node, "%s is not an IPv4 prefix", shown(buf, node));
	} else if (key->type == KEY_PREFIX6 && prefix_is_v4(&p)) {
		reader_issue(r, node, "%s is not an IPv6 prefix", shown(buf, node));
	} else if (key->max > 0 && key->min == key->max && p.len != key->min) {
		reader_issue(r, node, "%s is not a /%u", shown(buf, node), (unsigned int)key->min);
	} else if (key->max > 0 && (p.len < key->min || p.len > key->max)) {
		reader_issue(r, node, "%s is not a /%u to /%u", shown(buf, node),
			     (unsigned int)key->min, (unsigned int)key->max);
	} else {
		*out = p;
	}
}

static void read_ports(struct reader *r, const struct tree_node *node, struct port_range *out)
{
	const char *dash = memchr(node->text.p, '-', node->text.len);
	struct str first = {node->text.p, dash ? (size_t)(dash - node->text.p) : 0};
	struct str last = {dash ? dash + 1 : NULL, dash ? node->text.len - first.len - 1 : 0};
	uint64_t from, to;
	char buf[SHOWN_MAX];

	if (!dash || str_to_u64(first, 1, UINT16_MAX, &from) < 0 ||
	    str_to_u64(last, 1, UINT16_MAX, &to) < 0 || from > to) {
		reader_issue(r, node, "'%s' is not a range of ports like 16384-49151",
			     shown(buf, node));
		return;
	}
	out->first = (uint16_t)from;
	out->last = (uint16_t)to;
}

static void read_host(struct reader *r, const struct tree_node *node, const char **out)
{
	char name[NAME_BUF_SIZE], buf[SHOWN_MAX];
	size_t len;
	enum name_result result = name_normalize(node->text, name, &len);

	if (result != NAME_OK) {
		reader_issue(r, node, "'%s' %s", shown(buf, node), name_result_text(result));
		return;
	}
	*out = keep(r, (struct str){name, len});
}

static void read_pattern(struct reader *r, const struct tree_node *node, struct name_pattern *out)
{
	char name[NAME_BUF_SIZE], buf[SHOWN_MAX];
	size_t len;
	enum name_result result = name_pattern_parse(node->text, name, &len, &out->wildcard);

	if (result != NAME_OK) {
		reader_issue(r, node, "'%s' %s", shown(buf, node), name_result_text(result));
		return;
	}
	out->text = keep(r, (struct str){name, len});
}

/* An address, or else a name: what has a colon was meant as an address. */
static void read_backend(struct reader *r, const struct tree_node *node, struct backend_conf *out)
{
	struct str kind = str_from("name");
	const char *unbuilt = unbuilt_find(&schema_service, "backends", &kind);
	struct addr a;

	if (addr_parse(node->text, &a) == 0 || memchr(node->text.p, ':', node->text.len)) {
		read_addr(r, node, KEY_ADDR6, &out->address);
		return;
	}
	out->is_name = true;
	read_host(r, node, &out->name);
	if (out->name && unbuilt) {
		reader_issue(r, node, "%s is not in this build", unbuilt);
	}
}

static void read_service(struct reader *r, const struct tree_node *node, const char **ret_tenant,
			 const char **ret_service)
{
	const char *slash = memchr(node->text.p, '/', node->text.len);
	struct str tenant = {node->text.p, slash ? (size_t)(slash - node->text.p) : 0};
	struct str service = {slash ? slash + 1 : NULL,
			      slash ? node->text.len - tenant.len - 1 : 0};
	char buf[SHOWN_MAX];

	if (!name_is_id(tenant) || !name_is_id(service)) {
		reader_issue(r, node, "'%s' is not tenant/service", shown(buf, node));
		return;
	}
	*ret_tenant = keep(r, tenant);
	*ret_service = keep(r, service);
}

static void read_text(struct reader *r, const struct tree_node *node, const struct key *key,
		      const char **out)
{
	char buf[SHOWN_MAX];

	if (key->type == KEY_ID && !name_is_id(node->text)) {
		reader_issue(r, node,
			     "'%s' is not a name of a-z, 0-9 and inner '-', at most 63 long",
			     shown(buf, node));
	} else if (key->type == KEY_PATH && (node->text.len < 2 || node->text.p[0] != '/')) {
		reader_issue(r, node, "'%s' is not an absolute path", shown(buf, node));
	} else if (key->type == KEY_TEXT && key->min == key->max && node->text.len != key->min) {
		reader_issue(r, node, "is not %llu characters long", (unsigned long long)key->min);
	} else if (key->type == KEY_TEXT &&
		   (node->text.len < key->min || node->text.len > key->max)) {
		reader_issue(r, node, "is not %llu to %llu characters long",
			     (unsigned long long)key->min, (unsigned long long)key->max);
	} else {
		*out = keep(r, node->text);
	}
}

size_t value_size(const struct key *key)
{
	switch (key->type) {
	case KEY_MAP:
		return key->sub->size;
	case KEY_ID:
	case KEY_HOST:
	case KEY_PATH:
	case KEY_TEXT:
	case KEY_SERVICE:
		return sizeof(const char *);
	case KEY_BOOL:
	case KEY_FLAG:
		return sizeof(bool);
	case KEY_U16:
		return sizeof(uint16_t);
	case KEY_U32:
	case KEY_DURATION:
		return sizeof(uint32_t);
	case KEY_U64:
		return sizeof(uint64_t);
	case KEY_WORD:
		return sizeof(unsigned int);
	case KEY_ADDR:
	case KEY_ADDR4:
	case KEY_ADDR6:
	case KEY_ADDR_ANY:
		return sizeof(struct addr);
	case KEY_PREFIX:
	case KEY_PREFIX4:
	case KEY_PREFIX6:
		return sizeof(struct prefix);
	case KEY_PORTS:
		return sizeof(struct port_range);
	case KEY_PATTERN:
		return sizeof(struct name_pattern);
	case KEY_BACKEND:
		return sizeof(struct backend_conf);
	}
	return 0;
}

static void read_integer(struct reader *r, const struct tree_node *node, const struct key *key,
			 void *out)
{
	uint64_t value;

	read_number(r, node, key, &value);
	if (key->type == KEY_U16) {
		*(uint16_t *)out = (uint16_t)value;
	} else if (key->type == KEY_U32) {
		*(uint32_t *)out = (uint32_t)value;
	} else {
		*(uint64_t *)out = value;
	}
}

static void read_addr_any(struct reader *r, const struct tree_node *node, const struct key *key,
			  char *object, struct addr *out)
{
	if (str_eq(node->text, str_from("any"))) {
		*(bool *)(object + key->aux) = true;
	} else {
		read_addr(r, node, KEY_ADDR, out);
	}
}

void value_read(struct reader *r, const struct tree_node *node, const struct key *key, void *object,
		void *out)
{
	unsigned int word;

	switch (key->type) {
	case KEY_MAP:
		return; /* not a single value: schema_read() */
	case KEY_ID:
	case KEY_PATH:
	case KEY_TEXT:
		read_text(r, node, key, out);
		return;
	case KEY_HOST:
		read_host(r, node, out);
		return;
	case KEY_BOOL:
		read_bool(r, node, out);
		return;
	case KEY_U16:
	case KEY_U32:
	case KEY_U64:
		read_integer(r, node, key, out);
		return;
	case KEY_DURATION:
		read_duration(r, node, key, out);
		return;
	case KEY_WORD:
		read_word(r, node, key, out);
		return;
	case KEY_FLAG:
		*(bool *)out = str_eq(node->text, str_from(key->words[0]));
		read_word(r, node, key, &word);
		return;
	case KEY_ADDR:
	case KEY_ADDR4:
	case KEY_ADDR6:
		read_addr(r, node, key->type, out);
		return;
	case KEY_ADDR_ANY:
		read_addr_any(r, node, key, object, out);
		return;
	case KEY_PREFIX:
	case KEY_PREFIX4:
	case KEY_PREFIX6:
		read_prefix(r, node, key, out);
		return;
	case KEY_PORTS:
		read_ports(r, node, out);
		return;
	case KEY_PATTERN:
		read_pattern(r, node, out);
		return;
	case KEY_BACKEND:
		read_backend(r, node, out);
		return;
	case KEY_SERVICE:
		read_service(r, node, out, (const char **)((char *)object + key->aux));
		return;
	}
}
