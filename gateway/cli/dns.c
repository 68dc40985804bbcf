/* SPDX-License-Identifier: GPL-3.0-or-later */
/* `sixgate dns ...`: what the workers of DNS64 say, each of what it has. */
#include "gateway/cli/client.h"

#include <inttypes.h>

#include "base/str.h"
#include "gateway/cli/list.h"
#include "gateway/cli/text.h"

/* The sum of what the workers have forgotten. */
static enum cli_exit flush_told(struct cli *cli, struct client *c, struct str name)
{
	enum client_result result;
	char escaped[TEXT_MAX];
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
		fprintf(cli->out, " of %s%s", str_escape(escaped, sizeof(escaped), name),
			cli->below ? " and below" : "");
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

enum cli_exit cli_dns_zone(struct cli *cli)
{
	struct request req = {.verb = VERB_DNS_ZONE};
	enum client_result result = CLIENT_END;
	char text[TEXT_MAX];
	struct client c;
	json_t *object;
	enum cli_exit code = client_open(&c, cli, &req);

	if (code == CLI_OK && cli->json) {
		code = list_document(cli, "zone", &c);
	}
	while (code == CLI_OK && !cli->json &&
	       (result = client_next(&c, &object)) == CLIENT_OBJECT) {
		fprintf(cli->out, "%s\n", text_of(object, "record", text));
		json_decref(object);
	}
	client_close(&c);
	return code == CLI_OK && result == CLIENT_CUT ? CLI_CUT : code;
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
