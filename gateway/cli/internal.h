/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SIXGATE_GATEWAY_CLI_INTERNAL_H
#define SIXGATE_GATEWAY_CLI_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "base/err.h"
#include "gateway/cli/cli.h"

/* Version of the documents --json prints: grows when a field changes its meaning or goes. */
#define CLI_SCHEMA "sixgate/1"

enum cli_option_id {
	CLI_OPTION_ALL,
	CLI_OPTION_BELOW,
	CLI_OPTION_CONFIRM,
	CLI_OPTION_HELP,
	CLI_OPTION_JSON,
	CLI_OPTION_SOCKET,
	CLI_OPTION_TENANT,
	CLI_OPTION_TIMEOUT,
	N_CLI_OPTIONS,
};

struct cli_option {
	const char *name; /* without the dashes */
	char letter;      /* 0: none */
	const char *arg;  /* NULL: takes none */
	const char *summary;
};

struct cli;

/* A verb; parsing, --help, sixgate(1) and the completion all follow this table. */
struct cli_verb {
	const char *name; /* one word, or two: "dns flush" is of the family "dns" */
	const char *args; /* as shown in the usage line; "" for none */
	unsigned int min_args, max_args;
	unsigned int options; /* bits of enum cli_option_id */
	const char *summary;  /* one line */
	const char *text;     /* the paragraph of `sixgate help VERB` */
	enum cli_exit (*run)(struct cli *cli);
};

/* One command line, parsed. Everything is borrowed from argv and the environment. */
struct cli {
	FILE *out, *err;
	const struct cli_verb *verb;
	const char *family; /* of what is not a whole verb; NULL: none */
	char **args;
	size_t n_args;
	bool json;
	bool color; /* out is a terminal and NO_COLOR is not set */
	bool all, below;
	const char *socket_path;
	const char *tenant;     /* NULL: all */
	const char *confirm;    /* seconds, checked; NULL: none */
	unsigned int timeout_s; /* of silence */
};

extern const struct cli_verb cli_verbs[];
extern const size_t n_cli_verbs;
extern const struct cli_option cli_options[N_CLI_OPTIONS];

/* NULL when there is none of that name. */
const struct cli_verb *cli_verb_find(const char *name);
/* Whether there are verbs "name ...". */
bool cli_is_family(const char *name);
#define CLI_VERB_MAX 128 /* bytes of a verb's words, with the space between them */
/* "family word", cut if it is longer: then it is no verb. */
const char *cli_verb_join(char dst[CLI_VERB_MAX], const char *family, const char *word);
/* The verb that name was probably meant to be; NULL when nothing is near. */
const struct cli_verb *cli_verb_nearest(const char *name);

/* "sixgate: text" on cli->err. */
void cli_complain(const struct cli *cli, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* Says that name is no verb and which one is near. Returns CLI_USAGE. */
enum cli_exit cli_unknown_verb(const struct cli *cli, const char *name);
/* The usage line of cli->verb (or of all) behind a complaint. Returns CLI_USAGE. */
enum cli_exit cli_usage(const struct cli *cli);
/* What --help prints for verb; with NULL for those of family, or, NULL as well, for all. */
void cli_help_print(FILE *out, const struct cli_verb *verb, const char *family);

/* The verbs. */
enum cli_exit cli_apply(struct cli *cli);
enum cli_exit cli_check(struct cli *cli);
enum cli_exit cli_confirm(struct cli *cli);
enum cli_exit cli_dns_cache(struct cli *cli);
enum cli_exit cli_dns_flush(struct cli *cli);
enum cli_exit cli_dns_stats(struct cli *cli);
enum cli_exit cli_dns_query(struct cli *cli);
enum cli_exit cli_dns_zone(struct cli *cli);
enum cli_exit cli_down(struct cli *cli);
enum cli_exit cli_drain(struct cli *cli);
enum cli_exit cli_help(struct cli *cli);
enum cli_exit cli_kill(struct cli *cli);
enum cli_exit cli_log_level(struct cli *cli);
enum cli_exit cli_drift(struct cli *cli);
enum cli_exit cli_plan(struct cli *cli);
enum cli_exit cli_reload(struct cli *cli);
enum cli_exit cli_rollback(struct cli *cli);
enum cli_exit cli_services(struct cli *cli);
enum cli_exit cli_sessions(struct cli *cli);
enum cli_exit cli_status(struct cli *cli);
enum cli_exit cli_nat64(struct cli *cli);
enum cli_exit cli_tunnels(struct cli *cli);
enum cli_exit cli_denied(struct cli *cli);
enum cli_exit cli_version(struct cli *cli);
enum cli_exit cli_who(struct cli *cli);

#endif
