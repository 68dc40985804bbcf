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
#include "conf/text/value.h"

struct unit {
	const char *name; /* NULL behind the last, which is the largest */
	uint64_t factor;
};

static const struct unit durations[] = {{"ms", 1},
					{"s", 1000},
					{"min", 60000},
					{"h", 3600000},
					{0}};
static const struct unit sizes[] = {{"KiB", 1024},
				    {"MiB", 1024 * 1024},
				    {"GiB", 1024 * 1024 * 1024},
				    {0}};

const char *value_shown(char *buf, const struct tree_node *node)
{
	return str_escape(buf, VALUE_SHOWN_MAX, node->text);
}

const char *value_keep(struct reader *r, struct str text)
{
	const char *copy = arena_strdup(r->arena, text);

	if (!copy) {
		r->no_memory = true;
	}
	return copy;
}

const char *value_quantity(char *buf, enum key_type type, uint64_t value)
{
	const struct unit *units = type == KEY_BYTES ? sizes : durations;
	size_t i = 1; /* "0s" */

	while (value > 0 && units[i].name) {
		i++;
	}
	while (i > 0 && (!units[i].name || value % units[i].factor != 0)) {
		i--;
	}
	(void)snprintf(buf, VALUE_QUANTITY_MAX, "%llu%s",
		       (unsigned long long)(value / units[i].factor), units[i].name);
	return buf;
}

static void read_number(struct reader *r, const struct tree_node *node, const struct key *key,
			uint64_t *ret_value)
{
	uint64_t value;
	char buf[VALUE_SHOWN_MAX];
	int rc = str_to_u64(node->text, key->min, key->max, &value);

	*ret_value = 0;
	if (rc == -EINVAL) {
		reader_issue(r, node, "'%s' is not a number", value_shown(buf, node));
	} else if (rc == 0 && node->quoted) {
		reader_issue(r, node, "'%s' is text: a number stands without quotes",
			     value_shown(buf, node));
	} else if (rc < 0) {
		reader_issue(r, node, "%s is not %llu..%llu", value_shown(buf, node),
			     (unsigned long long)key->min, (unsigned long long)key->max);
	} else {
		*ret_value = value;
	}
}

/* False: there is an issue. */
static bool read_quantity(struct reader *r, const struct tree_node *node, const struct key *key,
			  uint64_t *ret_value)
{
	const struct unit *unit = key->type == KEY_BYTES ? sizes : durations;
	char buf[VALUE_SHOWN_MAX], min[VALUE_QUANTITY_MAX], max[VALUE_QUANTITY_MAX];
	struct str number = {node->text.p, 0}, name;
	uint64_t value;
	int rc = -EINVAL;

	while (number.len < node->text.len && number.p[number.len] >= '0' &&
	       number.p[number.len] <= '9') {
		number.len++;
	}
	name = (struct str){number.p + number.len, node->text.len - number.len};
	while (unit->name && !str_eq(name, str_from(unit->name))) {
		unit++;
	}
	if (unit->name) {
		rc = str_to_u64(number, 0, UINT32_MAX, &value);
	}
	if (rc == -EINVAL) {
		reader_issue(r, node, "'%s' is not a %s", value_shown(buf, node),
			     key->type == KEY_BYTES ? "size like 512KiB, 64MiB or 1GiB"
						    : "duration like 500ms, 5s, 10min or 1h");
		return false;
	}
	if (rc < 0 || value * unit->factor < key->min || value * unit->factor > key->max) {
		reader_issue(r, node, "%s is not %s..%s", value_shown(buf, node),
			     value_quantity(min, key->type, key->min),
			     value_quantity(max, key->type, key->max));
		return false;
	}
	*ret_value = value * unit->factor;
	return true;
}

static void read_duration(struct reader *r, const struct tree_node *node, const struct key *key,
			  uint32_t *out)
{
	uint64_t value;

	if (read_quantity(r, node, key, &value)) {
		*out = (uint32_t)value;
	}
}

static void read_word(struct reader *r, const struct tree_node *node, const struct key *key,
		      unsigned int *out)
{
	char list[160] = "", buf[VALUE_SHOWN_MAX];
	const char *near = nearest_word(node->text, key->words);
	const char *refused = strcmp(key->name, "kind") == 0 ? refused_find(node->text) : NULL;
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
	if (refused) {
		reader_issue(r, node, "%s", refused);
	} else if (near) {
		reader_issue(r, node, "'%s' is not one of %s: did you mean '%s'?",
			     value_shown(buf, node), list, near);
	} else {
		reader_issue(r, node, "'%s' is not one of %s", value_shown(buf, node), list);
	}
}

static void read_bool(struct reader *r, const struct tree_node *node, bool *out)
{
	char buf[VALUE_SHOWN_MAX];

	if (!node->quoted && str_eq(node->text, str_from("true"))) {
		*out = true;
	} else if (node->quoted || !str_eq(node->text, str_from("false"))) {
		reader_issue(r, node, "'%s' is not true or false", value_shown(buf, node));
	}
}

static void read_text(struct reader *r, const struct tree_node *node, const struct key *key,
		      const char **out)
{
	char buf[VALUE_SHOWN_MAX];

	if (key->type == KEY_ID && !name_is_id(node->text)) {
		reader_issue(r, node,
			     "'%s' is not a name of a-z, 0-9 and inner '-', at most 63 long",
			     value_shown(buf, node));
	} else if (key->type == KEY_PATH && (node->text.len < 2 || node->text.p[0] != '/')) {
		reader_issue(r, node, "'%s' is not an absolute path", value_shown(buf, node));
	} else if (key->type == KEY_TEXT && key->min == key->max && node->text.len != key->min) {
		reader_issue(r, node, "is not %llu characters long", (unsigned long long)key->min);
	} else if (key->type == KEY_TEXT &&
		   (node->text.len < key->min || node->text.len > key->max)) {
		reader_issue(r, node, "is not %llu to %llu characters long",
			     (unsigned long long)key->min, (unsigned long long)key->max);
	} else {
		*out = value_keep(r, node->text);
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
	case KEY_BYTES:
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
	case KEY_ENDPOINT:
		return sizeof(struct endpoint);
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
		value_read_addr(r, node, KEY_ADDR, out);
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
		value_read_host(r, node, out);
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
	case KEY_BYTES:
		(void)read_quantity(r, node, key, out); /* the issue is noted */
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
		value_read_addr(r, node, key->type, out);
		return;
	case KEY_ADDR_ANY:
		read_addr_any(r, node, key, object, out);
		return;
	case KEY_PREFIX:
	case KEY_PREFIX4:
	case KEY_PREFIX6:
		value_read_prefix(r, node, key, out);
		return;
	case KEY_PORTS:
		value_read_ports(r, node, out);
		return;
	case KEY_ENDPOINT:
		value_read_endpoint(r, node, out);
		return;
	case KEY_PATTERN:
		value_read_pattern(r, node, out);
		return;
	case KEY_BACKEND:
		value_read_backend(r, node, out);
		return;
	case KEY_SERVICE:
		value_read_service(r, node, out, (const char **)((char *)object + key->aux));
		return;
	}
}
