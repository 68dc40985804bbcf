/* SPDX-License-Identifier: GPL-3.0-or-later */
/* `sixgate dns ...`: what the workers of DNS64 say, each of what it has. */
#include "gateway/cli/client.h"

#include <inttypes.h>
#include <string.h>

#include "base/str.h"
#include "gateway/cli/list.h"
#include "gateway/cli/text.h"

/* As it was typed: a backslash is a name's own escape. */
static void print_name(FILE *out, struct str name)
{
	for (size_t i = 0; i < name.len; i++) {
		uint8_t c = (uint8_t)name.p[i];

		fprintf(out, c >= 0x20 && c < 0x7f ? "%c" : "\\x%02x", c);
	}
}

/* The sum of what the workers have forgotten. */
static enum cli_exit flush_told(struct cli *cli, struct client *c, struct str name)
{
	enum client_result result;
	json_t *object;
	uint64_t n = 0;

	while ((result = client_next(c, &object)) == CLIENT_OBJECT) {
		n += text_u64(object, "entries");
		json_decref(object);
	}
	if (result != CLIENT_END) {
		return CLI_CUT;
	}
	fprintf(cli->out, "forgot %" PRIu64 " %s", n, n == 1 ? "entry" : "entries");
	if (!cli->all) {
		fprintf(cli->out, " of ");
		print_name(cli->out, name);
		fprintf(cli->out, "%s", cli->below ? " and below" : "");
	}
	fprintf(cli->out, "\n");
	return CLI_OK;
}

enum cli_exit cli_dns_flush(struct cli *cli)
{
	bool below = cli->all || cli->below;
	struct request req = {.verb = VERB_DNS_FLUSH, .n_args = below ? 2 : 1};
	enum cli_exit code;
	struct client c;

	if ((cli->n_args > 0) == cli->all || (cli->all && cli->below)) {
		cli_complain(cli,
			     "'dns flush' needs NAME, with --below or without, or --all alone");
		return cli_usage(cli);
	}
	req.args[0] = str_from(cli->all ? "." : cli->args[0]);
	req.args[1] = str_from("below");
	code = client_open(&c, cli, &req);
	if (code == CLI_OK) {
		code = cli->json ? list_document(cli, "flushed", &c)
				 : flush_told(cli, &c, req.args[0]);
	}
	client_close(&c);
	return code;
}

/* The words of those members that are true. */
static const char *text_flags(const json_t *object, const char *key, char *dst)
{
	static const char *const flags[] = {"stale", "bogus", "authentic", "dnssec", "unchecked"};
	size_t len = 0;

	(void)key;
	for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++) {
		if (json_is_true(json_object_get(object, flags[i]))) {
			len += (size_t)snprintf(dst + len, TEXT_MAX - len, "%s%s",
						len > 0 ? "," : "", flags[i]);
		}
	}
	return len > 0 ? dst : "-";
}

enum cli_exit cli_dns_cache(struct cli *cli)
{
	static const struct list_column numbers[] = {
		{{"WORKER", true}, "worker", text_of}, {{"ENTRIES", true}, "entries", text_of},
		{{"BYTES", true}, "bytes", text_size}, {{"OF", true}, "bytes_max", text_size},
		{{"HITS", true}, "hits", text_of},     {{"MISSES", true}, "misses", text_of},
		{{"STALE", true}, "stale", text_of},   {{"EVICTED", true}, "evicted", text_of},
	};
	static const struct list_column entries[] = {
		{{"WORKER", true}, "worker", text_of},     {{"TYPE", false}, "type", text_of},
		{{"ANSWER", false}, "rcode", text_of},     {{"RECORDS", true}, "records", text_of},
		{{"TTL", true}, "ttl_s", text_of},         {{"AGE", true}, "age_s", text_of},
		{{"BYTES", true}, "bytes", text_of},       {{"IS", false}, NULL, text_flags},
		{{"NAME", false}, "name", text_printable},
	};
	static const struct list lists[] = {
		{"cache", numbers, sizeof(numbers) / sizeof(numbers[0])},
		{"entries", entries, sizeof(entries) / sizeof(entries[0])},
	};
	struct request req = {.verb = VERB_DNS_CACHE, .n_args = cli->n_args};

	if (cli->n_args > 0) {
		req.args[0] = str_from(cli->args[0]);
	} else if (cli->below) {
		cli_complain(cli, "--below needs NAME");
		return cli_usage(cli);
	}
	if (cli->below) {
		req.args[req.n_args++] = str_from("below");
	}
	return list_run(cli, &lists[cli->n_args > 0], &req);
}

/* A step as it comes: when, of what kind, and what. */
static void print_step(const struct cli *cli, const json_t *object)
{
	char step[TEXT_MAX], text[TEXT_MAX];

	text_of(object, "step", step);
	text_printable(object, "text", text);
	if (strcmp(step, "record") == 0) {
		fprintf(cli->out, "%21s%s\n", "", text);
	} else {
		fprintf(cli->out, "%6" PRIu64 " ms  %-8s  %s\n", text_u64(object, "at_ms"), step,
			text);
	}
}

static void print_record(const struct cli *cli, const json_t *object)
{
	char text[TEXT_MAX];

	fprintf(cli->out, "%s\n", text_printable(object, "record", text));
}

/* Asks, and prints a line of each object; or a document with that list. */
static enum cli_exit print_each(struct cli *cli, const struct request *req, const char *list,
				void (*print)(const struct cli *cli, const json_t *object))
{
	enum client_result result = CLIENT_END;
	struct client c;
	json_t *object;
	enum cli_exit code = client_open(&c, cli, req);

	if (code == CLI_OK && cli->json) {
		code = list_document(cli, list, &c);
	}
	while (code == CLI_OK && !cli->json &&
	       (result = client_next(&c, &object)) == CLIENT_OBJECT) {
		print(cli, object);
		json_decref(object);
	}
	client_close(&c);
	return code == CLI_OK && result == CLIENT_CUT ? CLI_CUT : code;
}

enum cli_exit cli_dns_query(struct cli *cli)
{
	struct request req = {
		.verb = VERB_DNS_QUERY,
		.args = {str_from(cli->args[0]), str_from(cli->n_args > 1 ? cli->args[1] : "AAAA")},
		.n_args = 2,
	};

	if (cli->tenant) {
		req.args[req.n_args++] = str_from(cli->tenant);
	}
	return print_each(cli, &req, "steps", print_step);
}

enum cli_exit cli_dns_zone(struct cli *cli)
{
	const struct request req = {.verb = VERB_DNS_ZONE};

	return print_each(cli, &req, "zone", print_record);
}

enum cli_exit cli_dns_stats(struct cli *cli)
{
	static const struct list_column columns[] = {
		{{"TENANT", false}, "tenant", text_of},
		{{"QUERIES", true}, "queries", text_of},
		{{"AT-ONCE", true}, "cached", text_of},
		{{"ASKED", true}, "asked", text_of},
		{{"SYNTHESISED", true}, "synthesised", text_of},
		{{"NXDOMAIN", true}, "nxdomain", text_of},
		{{"SERVFAIL", true}, "servfail", text_of},
		{{"OVER-RATE", true}, "over_rate", text_of},
	};
	static const struct list list = {"stats", columns, sizeof(columns) / sizeof(columns[0])};
	struct request req = {.verb = VERB_DNS_STATS};

	if (cli->tenant) {
		req.args[0] = str_from(cli->tenant);
		req.n_args = 1;
	}
	return list_run(cli, &list, &req);
}
