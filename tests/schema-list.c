/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Prints every key of the schema's tables as sixgate.yaml(5) has to describe it: path, a tab, type,
 * range, default, and what of it this build cannot do. For tests/check-manual.
 */
#include <stdio.h>
#include <string.h>

#include "conf/text/schema.h"
#include "conf/text/value.h"

#define PATH_MAX_BYTES 256

static void print_quantity(const struct key *key, uint64_t value)
{
	char text[VALUE_QUANTITY_MAX];

	printf("%s", value_quantity(text, key->type, value));
}

static void print_words(const struct key *key)
{
	for (size_t i = 0; key->words[i]; i++) {
		printf("%s%s", i > 0 ? " | " : "", key->words[i]);
	}
}

static void print_type(const struct key *key)
{
	static const char *const names[] = {
		[KEY_MAP] = "map",
		[KEY_ID] = "name",
		[KEY_HOST] = "host name",
		[KEY_PATH] = "absolute path",
		[KEY_TEXT] = "text",
		[KEY_BOOL] = "true | false",
		[KEY_U16] = "number",
		[KEY_U32] = "number",
		[KEY_U64] = "number",
		[KEY_DURATION] = "duration",
		[KEY_BYTES] = "size",
		[KEY_WORD] = "",
		[KEY_FLAG] = "",
		[KEY_ADDR] = "address",
		[KEY_ADDR4] = "IPv4 address",
		[KEY_ADDR6] = "IPv6 address",
		[KEY_ADDR_ANY] = "address, or any",
		[KEY_PREFIX] = "prefix",
		[KEY_PREFIX4] = "IPv4 prefix",
		[KEY_PREFIX6] = "IPv6 prefix",
		[KEY_PORTS] = "range of ports",
		[KEY_ENDPOINT] = "address and port",
		[KEY_PATTERN] = "host name, or *. and one",
		[KEY_BACKEND] = "IPv6 address, or host name",
		[KEY_SERVICE] = "tenant/service",
	};

	if (key->n_max > 0) {
		printf("list of up to %u: ", key->n_max);
	}
	printf("%s", names[key->type]);
	if (key->n_max > 0 && key->words && key->type != KEY_WORD) {
		printf(", or ");
		print_words(key);
		return;
	}
	switch (key->type) {
	case KEY_TEXT:
		printf(" of %llu to %llu bytes", (unsigned long long)key->min,
		       (unsigned long long)key->max);
		break;
	case KEY_U16:
	case KEY_U32:
	case KEY_U64:
		printf(" %llu..%llu", (unsigned long long)key->min, (unsigned long long)key->max);
		break;
	case KEY_DURATION:
	case KEY_BYTES:
		printf(" ");
		print_quantity(key, key->min);
		printf("..");
		print_quantity(key, key->max);
		break;
	case KEY_MAP:
		if (key->words) {
			printf(", or ");
			print_words(key);
		}
		break;
	case KEY_WORD:
	case KEY_FLAG:
		print_words(key);
		break;
	default:
		break;
	}
}

static void print_default(const struct key *key)
{
	if (key->mandatory) {
		printf("; needed");
	} else if ((key->type == KEY_DURATION || key->type == KEY_BYTES) && key->dflt > 0) {
		printf("; default ");
		print_quantity(key, key->dflt);
	} else if (key->type == KEY_WORD) {
		printf("; default %s", key->words[key->dflt]);
	} else if (key->dflt > 0) {
		printf("; default %llu", (unsigned long long)key->dflt);
	}
}

static void print_unbuilt(const struct schema *schema, const struct key *key)
{
	static const struct str backend_name = {"name", 4};
	unsigned int n = 0;

	if (unbuilt_find(schema, key->name, NULL)) {
		printf("; not in this build");
		return;
	}
	for (size_t i = 0; key->type == KEY_WORD && key->words[i]; i++) {
		struct str word = {key->words[i], strlen(key->words[i])};

		if (unbuilt_find(schema, key->name, &word)) {
			printf("%s%s", n++ > 0 ? ", " : "; not in this build: ", key->words[i]);
		}
	}
	if (key->type == KEY_BACKEND && unbuilt_find(schema, key->name, &backend_name)) {
		printf("; not in this build: host name");
	}
}

/* The maps that stand in several places; described once, in the place returned, else NULL. */
static const char *described_at(const struct schema *schema)
{
	return schema == &schema_timeouts ? "timeouts" : schema == &schema_limits ? "limits" : NULL;
}

static void print_schema(const struct schema *schema, const char *above)
{
	for (const struct key *key = schema->keys; key->name; key++) {
		const char *elsewhere = described_at(key->sub);
		char path[PATH_MAX_BYTES];

		snprintf(path, sizeof(path), "%s%s%s", above, key->name,
			 key->n_max > 0 && key->type == KEY_MAP ? "[]" : "");
		printf("%s\t", path);
		print_type(key);
		if (elsewhere && strcmp(path, elsewhere) != 0) {
			printf(" as %s", elsewhere);
		}
		print_default(key);
		print_unbuilt(schema, key);
		printf("\n");
		if (key->sub && (!elsewhere || strcmp(path, elsewhere) == 0)) {
			strncat(path, ".", sizeof(path) - strlen(path) - 1);
			print_schema(key->sub, path);
		}
	}
}

int main(void)
{
	printf("NODE\n");
	print_schema(&schema_node, "");
	printf("TENANT\n");
	print_schema(&schema_tenant, "");
	return ferror(stdout) ? 1 : 0;
}
