/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The command line: finds the verb and its options by the verb table, runs it, and makes sure
 * that what it printed has left the process. Names are never completed: "stat" is not "status".
 */
#include "gateway/cli/internal.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/str.h"

#define BIT(option)   (1u << (option))
#define TIMEOUT_S     10
#define TIMEOUT_MAX_S 86400
#define CONFIRM_MAX_S 86400

struct parse {
	struct cli *cli;
	char **next, **end; /* words not yet read */
	unsigned int given; /* bits of enum cli_option_id */
};

void cli_complain(const struct cli *cli, const char *fmt, ...)
{
	va_list ap;

	/* what went out before comes first on a terminal too */
	(void)fflush(cli->out); /* a failure shows in finish() */
	fprintf(cli->err, "sixgate: ");
	va_start(ap, fmt);
	vfprintf(cli->err, fmt, ap);
	va_end(ap);
	fputc('\n', cli->err);
}

enum cli_exit cli_unknown_verb(const struct cli *cli, const char *name)
{
	const struct cli_verb *nearest = cli_verb_nearest(name);
	char escaped[128];

	str_escape(escaped, sizeof(escaped), str_from(name));
	if (nearest) {
		cli_complain(cli, "there is no verb '%s'; did you mean '%s'?", escaped,
			     nearest->name);
	} else {
		cli_complain(cli, "there is no verb '%s'", escaped);
	}
	return cli_usage(cli);
}

static const struct cli_option *option_find(const char *word, size_t len)
{
	for (size_t i = 0; i < N_CLI_OPTIONS; i++) {
		const struct cli_option *option = &cli_options[i];

		if (strlen(option->name) == len && strncmp(option->name, word, len) == 0) {
			return option;
		}
	}
	return NULL;
}

static const struct cli_option *option_find_letter(const char *word)
{
	for (size_t i = 0; i < N_CLI_OPTIONS; i++) {
		if (cli_options[i].letter && word[0] == cli_options[i].letter && word[1] == '\0') {
			return &cli_options[i];
		}
	}
	return NULL;
}

static int option_set(struct parse *parse, enum cli_option_id id, const char *value)
{
	struct cli *cli = parse->cli;
	uint64_t seconds;

	parse->given |= BIT(id);
	switch (id) {
	case CLI_OPTION_HELP:
	case N_CLI_OPTIONS:
		break;
	case CLI_OPTION_ALL:
		cli->all = true;
		break;
	case CLI_OPTION_BELOW:
		cli->below = true;
		break;
	case CLI_OPTION_CONFIRM:
		if (str_to_u64(str_from(value), 1, CONFIRM_MAX_S, &seconds) < 0) {
			cli_complain(cli, "--confirm takes 1..%d seconds", CONFIRM_MAX_S);
			return -EINVAL;
		}
		cli->confirm = value;
		break;
	case CLI_OPTION_JSON:
		cli->json = true;
		break;
	case CLI_OPTION_SOCKET:
		cli->socket_path = value;
		break;
	case CLI_OPTION_TENANT:
		cli->tenant = value;
		break;
	case CLI_OPTION_TIMEOUT:
		if (str_to_u64(str_from(value), 1, TIMEOUT_MAX_S, &seconds) < 0) {
			cli_complain(cli, "--timeout takes 1..%d seconds", TIMEOUT_MAX_S);
			return -EINVAL;
		}
		cli->timeout_s = seconds;
		break;
	}
	return 0;
}

/* word begins with '-'. */
static int parse_option(struct parse *parse, const char *word)
{
	const char *value = NULL;
	const struct cli_option *option;
	char escaped[128];

	if (word[1] == '-') {
		value = strchr(word, '=');
		option = option_find(word + 2,
				     value ? (size_t)(value - word - 2) : strlen(word + 2));
		value = value ? value + 1 : NULL;
	} else {
		option = option_find_letter(word + 1);
	}
	if (!option) {
		str_escape(escaped, sizeof(escaped), str_from(word));
		cli_complain(parse->cli, "there is no option '%s'", escaped);
		return -EINVAL;
	}
	if (option->arg && !value) {
		if (parse->next == parse->end) {
			cli_complain(parse->cli, "--%s needs %s", option->name, option->arg);
			return -EINVAL;
		}
		value = *parse->next++;
	} else if (!option->arg && value) {
		cli_complain(parse->cli, "--%s takes no value", option->name);
		return -EINVAL;
	}
	if (option->arg && (parse->given & BIT(option - cli_options))) {
		cli_complain(parse->cli, "--%s is given twice", option->name);
		return -EINVAL;
	}
	return option_set(parse, option - cli_options, value);
}

/* The next word of the verb. Returns 0, or -ENOENT: there is no such verb. */
static int parse_verb(struct cli *cli, const char *word)
{
	char name[CLI_VERB_MAX];

	if (!cli->family && cli_is_family(word)) {
		cli->family = word;
		return 0;
	}
	if (cli->family) {
		word = cli_verb_join(name, cli->family, word);
	}
	cli->verb = cli_verb_find(word);
	if (!cli->verb) {
		cli_unknown_verb(cli, word);
		return -ENOENT;
	}
	return 0;
}

/* Sorts the words of argv into options, verb and arguments. */
static int parse_words(struct parse *parse, char **words)
{
	struct cli *cli = parse->cli;
	bool options = true;
	int rc = 0;

	cli->args = words;
	while (rc == 0 && parse->next < parse->end) {
		char *word = *parse->next++;

		if (options && strcmp(word, "--") == 0) {
			options = false;
		} else if (options && strcmp(word, "--version") == 0 && !cli->verb &&
			   !cli->family) {
			rc = parse_verb(cli, "version");
		} else if (options && word[0] == '-' && word[1] != '\0') {
			rc = parse_option(parse, word);
		} else if (!cli->verb) {
			rc = parse_verb(cli, word);
		} else {
			cli->args[cli->n_args++] = word;
		}
	}
	return rc;
}

/* What was given has to suit the verb. */
static int parse_suits(const struct parse *parse)
{
	const struct cli *cli = parse->cli;
	unsigned int foreign = parse->given & ~cli->verb->options;

	for (size_t i = 0; i < N_CLI_OPTIONS; i++) {
		if (foreign & BIT(i)) {
			cli_complain(cli, "'%s' does not take --%s", cli->verb->name,
				     cli_options[i].name);
			return -EINVAL;
		}
	}
	if (cli->n_args < cli->verb->min_args) {
		cli_complain(cli, "'%s' needs %s", cli->verb->name, cli->verb->args);
		return -EINVAL;
	}
	if (cli->n_args > cli->verb->max_args) {
		cli_complain(cli, "'%s' takes %s", cli->verb->name,
			     cli->verb->max_args ? cli->verb->args : "no argument");
		return -EINVAL;
	}
	return 0;
}

static bool wants_color(FILE *out)
{
	const char *no_color = getenv("NO_COLOR"), *term = getenv("TERM");

	return (!no_color || !no_color[0]) && term && strcmp(term, "dumb") != 0 &&
	       isatty(fileno(out));
}

static enum cli_exit finish(const struct cli *cli, enum cli_exit code)
{
	if (fflush(cli->out) != 0 || ferror(cli->out)) {
		cli_complain(cli, "cannot write the answer: %s", strerror(errno));
		return CLI_CUT;
	}
	return code;
}

enum cli_exit cli_main(int argc, char **argv, FILE *out, FILE *err)
{
	struct cli cli = {
		.out = out,
		.err = err,
		.color = wants_color(out),
		.socket_path = SIXGATE_RUNDIR "/control.sock",
		.timeout_s = TIMEOUT_S,
	};
	struct parse parse = {.cli = &cli, .next = argv + (argc > 0), .end = argv + argc};
	int rc = parse_words(&parse, argv);

	if (rc == -ENOENT) {
		return CLI_USAGE;
	}
	if (rc < 0) {
		return cli_usage(&cli);
	}
	if (parse.given & BIT(CLI_OPTION_HELP)) {
		cli_help_print(out, cli.verb, cli.family);
		return finish(&cli, CLI_OK);
	}
	if (!cli.verb) {
		cli_help_print(err, NULL, cli.family);
		return CLI_USAGE;
	}
	if (parse_suits(&parse) < 0) {
		return cli_usage(&cli);
	}
	return finish(&cli, cli.verb->run(&cli));
}
