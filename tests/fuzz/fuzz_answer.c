/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Lines of an answer of sixgated's, as the command shows them. Workers write sessions themselves
 * and names are the clients', so: whatever a line holds, what is printed is printable ASCII, and
 * what --json prints is JSON with the same values.
 */
#include <assert.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/cli/text.h"

#define DEPTH_MAX 64 /* json_equal() recurses */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void assert_printable(const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		assert((text[i] >= 0x20 && text[i] < 0x7f) || text[i] == '\n');
	}
}

/* A value in a table or on the status screen. */
static void assert_cell(const char *text)
{
	assert_printable(text, strlen(text));
	assert(text[0] != '\0' && !strchr(text, '\n'));
}

static void show_values(json_t *object)
{
	const char *key;
	json_t *value;

	json_object_foreach(object, key, value) {
		char text[TEXT_MAX];

		assert_cell(text_of(object, key, text));
		assert_cell(text_line_of(object, key, text));
		assert_cell(text_size(object, key, text));
		assert_cell(text_duration(object, key, text));
	}
}

static void show_lines(const json_t *object)
{
	char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);

	text_print_lines(out, object, "error");
	fclose(out);
	assert_printable(text, len);
	free(text);
}

static void show_document(json_t *object)
{
	char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);
	json_t *again, *schema;

	assert(document_object(out, object) == 0);
	fclose(out);
	assert_printable(text, len);
	again = json_loadb(text, len, JSON_ALLOW_NUL, NULL);
	assert(again);
	schema = json_object_get(again, "schema");
	assert(strcmp(json_string_value(schema), CLI_SCHEMA) == 0);
	json_object_del(again, "schema");
	json_object_del(object, "schema");
	assert(json_equal(again, object));
	json_decref(again);
	free(text);
}

/* How deep the brackets go, those in strings counted as well. */
static int depth(const uint8_t *line, size_t len)
{
	int deep = 0, deepest = 0;

	for (size_t i = 0; i < len; i++) {
		deep += (line[i] == '{' || line[i] == '[') - (line[i] == '}' || line[i] == ']');
		deepest = deep > deepest ? deep : deepest;
	}
	return deepest;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	while (size > 0) {
		const uint8_t *end = memchr(data, '\n', size);
		size_t len = end ? (size_t)(end - data) : size;
		json_t *object = json_loadb((const char *)data, len, JSON_ALLOW_NUL, NULL);

		if (json_is_object(object) && depth(data, len) < DEPTH_MAX) {
			show_values(object);
			show_lines(object);
			show_document(object);
		}
		json_decref(object);
		len += end != NULL;
		data += len;
		size -= len;
	}
	return 0;
}
