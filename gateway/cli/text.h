/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SIXGATE_GATEWAY_CLI_TEXT_H
#define SIXGATE_GATEWAY_CLI_TEXT_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

#include "gateway/cli/internal.h"

#define TEXT_MAX 2048  /* bytes of one value as text */
#define TEXT_CUT "..." /* ends one that is longer */

/*
 * Values of an answer as text for people; all are safe for a terminal and a line. Each returns
 * dst (TEXT_MAX bytes), "-" when the object has no such key, or it is null or empty.
 */
/* As it is, what is not printable ASCII as \xNN. */
const char *text_of(const json_t *object, const char *key, char *dst);
/* The same of what is text with escapes of its own, as DNS writes names: a backslash stays. */
const char *text_printable(const json_t *object, const char *key, char *dst);
/* The first line of a text that may have several. */
const char *text_line_of(const json_t *object, const char *key, char *dst);
/* All lines of a text, each escaped, with a line end behind each. */
void text_print_lines(FILE *out, const json_t *object, const char *key);
/* "1.2G", of bytes. */
const char *text_size(const json_t *object, const char *key, char *dst);
/* "3d04h", of milliseconds. */
const char *text_duration(const json_t *object, const char *key, char *dst);
/* 0 when the key is missing. */
uint64_t text_u64(const json_t *object, const char *key);

/*
 * The document of --json. A list is written item by item: document_open(), document_item()...,
 * document_close(), which says in "complete" whether the answer came whole.
 */
struct document {
	FILE *out; /* borrowed */
	bool any;
};
struct document document_open(FILE *out, const char *list);
void document_item(struct document *doc, const json_t *item);
void document_close(struct document *doc, bool complete);
/* A document that is one object, unchanged but for the schema. Returns 0 or -ENOMEM. */
int document_object(FILE *out, json_t *object) CHECKED;

#endif
