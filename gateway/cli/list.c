/* SPDX-License-Identifier: GPL-3.0-or-later */
/* `sixgate services` and `sixgate sessions`: answers of any length, printed as they come. */
#include "gateway/cli/list.h"

#include "gateway/cli/client.h"
#include "gateway/cli/text.h"

static int add_row(struct columns *table, const struct list *list, const json_t *object)
{
	char cell[TEXT_MAX];
	int rc = 0;

	for (size_t i = 0; i < list->n_columns && rc == 0; i++) {
		const struct list_column *column = &list->columns[i];

		rc = columns_cell(table, column->text(object, column->key, cell));
	}
	return rc;
}

static enum cli_exit print_table(struct cli *cli, const struct list *list, struct client *c)
{
	struct column columns[COLUMNS_MAX];
	enum client_result result;
	enum cli_exit code = CLI_OK;
	struct columns table;
	json_t *object;

	for (size_t i = 0; i < list->n_columns; i++) {
		columns[i] = list->columns[i].column;
	}
	columns_init(&table, cli->out, columns, list->n_columns, cli->color);
	while (code == CLI_OK && (result = client_next(c, &object)) != CLIENT_END) {
		if (result == CLIENT_CUT) {
			code = CLI_CUT;
			break;
		}
		if (add_row(&table, list, object) < 0) {
			cli_complain(cli, "out of memory");
			code = CLI_CUT;
		}
		json_decref(object);
	}
	columns_end(&table);
	columns_fini(&table);
	return code;
}

enum cli_exit list_document(struct cli *cli, const char *name, struct client *c)
{
	struct document doc = document_open(cli->out, name);
	enum client_result result;
	json_t *object;

	while ((result = client_next(c, &object)) == CLIENT_OBJECT) {
		document_item(&doc, object);
		json_decref(object);
	}
	document_close(&doc, result == CLIENT_END);
	return result == CLIENT_END ? CLI_OK : CLI_CUT;
}

enum cli_exit list_run(struct cli *cli, const struct list *list, const struct request *req)
{
	struct client c;
	enum cli_exit code = client_open(&c, cli, req);

	if (code == CLI_OK) {
		code = cli->json ? list_document(cli, list->name, &c) : print_table(cli, list, &c);
	}
	client_close(&c);
	return code;
}

/* How many there are. */
static const char *text_count(const json_t *object, const char *key, char *dst)
{
	snprintf(dst, TEXT_MAX, "%zu", json_array_size(json_object_get(object, key)));
	return dst;
}

/* What an operator took out of use: the service, some of its backends, or nothing. */
static const char *text_drained(const json_t *service, const char *key, char *dst)
{
	const json_t *backends = json_object_get(service, "backends");

	(void)dst;
	if (json_is_true(json_object_get(service, key))) {
		return "drained";
	}
	for (size_t i = 0; i < json_array_size(backends); i++) {
		if (json_is_true(json_object_get(json_array_get(backends, i), key))) {
			return "partly";
		}
	}
	return "active";
}

enum cli_exit cli_services(struct cli *cli)
{
	static const struct list_column columns[] = {
		{{"TENANT", false}, "tenant", text_of},
		{{"SERVICE", false}, "service", text_of},
		{{"STATE", false}, "drained", text_drained},
		{{"BACKENDS", true}, "backends", text_count},
		{{"NOW", true}, "active", text_of},
		{{"ACCEPTED", true}, "accepted", text_of},
		{{"REFUSED", true}, "refused", text_of},
		{{"DENIED", true}, "denied", text_of},
		{{"LIMITED", true}, "limited", text_of},
		{{"CONNECT-FAILED", true}, "connect_failed", text_of},
		{{"IN", true}, "bytes_in", text_size},
		{{"OUT", true}, "bytes_out", text_size},
	};
	static const struct list list = {"services", columns, sizeof(columns) / sizeof(columns[0])};
	struct request req = {.verb = VERB_SERVICES};

	return list_run(cli, &list, &req);
}

enum cli_exit cli_sessions(struct cli *cli)
{
	/* the name is the client's word and may be long: it comes last */
	static const struct list_column columns[] = {
		{{"SESSION", false}, "id", text_of},
		{{"TENANT", false}, "tenant", text_of},
		{{"SERVICE", false}, "service", text_of},
		{{"CLIENT", false}, "client", text_of},
		{{"BACKEND", false}, "backend", text_of},
		{{"STATE", false}, "state", text_of},
		{{"AGE", true}, "age_ms", text_duration},
		{{"IDLE", true}, "idle_ms", text_duration},
		{{"IN", true}, "bytes_in", text_size},
		{{"OUT", true}, "bytes_out", text_size},
		{{"NAME", false}, "name", text_of},
	};
	static const struct list list = {"sessions", columns, sizeof(columns) / sizeof(columns[0])};
	struct request req = {.verb = VERB_SESSIONS};

	if (cli->tenant) {
		req.args[0] = str_from(cli->tenant);
		req.n_args = 1;
	}
	return list_run(cli, &list, &req);
}
