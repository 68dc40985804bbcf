/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SIXGATE_GATEWAY_CLI_LIST_H
#define SIXGATE_GATEWAY_CLI_LIST_H

#include <jansson.h>

#include "conf/model/request.h"
#include "gateway/cli/columns.h"
#include "gateway/cli/internal.h"

/* A column of a list and how its cell is made: one of the text_ functions or one like them. */
struct list_column {
	struct column column;
	const char *key;
	const char *(*text)(const json_t *object, const char *key, char *dst);
};

struct list {
	const char *name; /* of the array in --json */
	const struct list_column *columns;
	size_t n_columns; /* up to COLUMNS_MAX */
};

struct client;

/* Prints what c has to tell as the document of --json, with an array of that name. */
enum cli_exit list_document(struct cli *cli, const char *name, struct client *c) CHECKED;
/* Asks for a list of objects and prints it as a table or a document, object by object. */
enum cli_exit list_run(struct cli *cli, const struct list *list, const struct request *req) CHECKED;

#endif
