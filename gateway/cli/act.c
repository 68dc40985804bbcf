/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The verbs that change something: sixgated says yes or why not. */
#include "gateway/cli/client.h"

#include <stdio.h>

#include "base/log.h"
#include "base/str.h"
#include "gateway/cli/text.h"

/* Asks for verb with the command line's first argument, if it has one. */
static enum cli_exit act(struct cli *cli, enum verb verb, const char *done)
{
	struct request req = {.verb = verb, .n_args = cli->n_args};
	enum client_result result;
	char escaped[TEXT_MAX];
	enum cli_exit code;
	json_t *object;
	struct client c;

	if (cli->n_args > 0) {
		req.args[0] = str_from(cli->args[0]);
	} else if (cli->confirm) {
		req.args[0] = str_from(cli->confirm);
		req.n_args = 1;
	}
	code = client_open(&c, cli, &req);
	while (code == CLI_OK && (result = client_next(&c, &object)) != CLIENT_END) {
		if (result == CLIENT_CUT) {
			code = CLI_CUT;
		} else {
			json_decref(object);
		}
	}
	client_close(&c);
	if (code == CLI_OK) {
		fprintf(cli->out, "%s%s%s\n", done, cli->n_args > 0 ? " " : "",
			cli->n_args > 0 ? str_escape(escaped, sizeof(escaped), req.args[0]) : "");
	}
	return code;
}

enum cli_exit cli_reload(struct cli *cli)
{
	return act(cli, VERB_RELOAD, "reloaded");
}

enum cli_exit cli_apply(struct cli *cli)
{
	char done[128];

	(void)snprintf(done, sizeof(done), "applied; say 'sixgate confirm' within %s s",
		       cli->confirm ? cli->confirm : ""); /* five digits */
	return act(cli, VERB_APPLY, cli->confirm ? done : "applied");
}

enum cli_exit cli_confirm(struct cli *cli)
{
	return act(cli, VERB_CONFIRM, "confirmed");
}

enum cli_exit cli_rollback(struct cli *cli)
{
	return act(cli, VERB_ROLLBACK, "rolled back");
}

enum cli_exit cli_drain(struct cli *cli)
{
	return act(cli, VERB_DRAIN, "draining");
}

enum cli_exit cli_kill(struct cli *cli)
{
	return act(cli, VERB_KILL, "killed");
}

enum cli_exit cli_log_level(struct cli *cli)
{
	enum log_level level;
	char escaped[128];

	if (log_level_parse(cli->args[0], &level) < 0) {
		str_escape(escaped, sizeof(escaped), str_from(cli->args[0]));
		cli_complain(cli, "'%s' is no log level: err, warn, info, debug", escaped);
		return cli_usage(cli);
	}
	return act(cli, VERB_LOG_LEVEL, "log level is now");
}
