/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The verb table and what is printed straight from it: --help, `sixgate help` and the usage line.
 * A verb that is not here does not exist; one that is here must be in sixgate(1), which
 * tests/check-manual compares with `sixgate help --json`.
 */
#include "gateway/cli/internal.h"

#include <string.h>

#include "base/json.h"
#include "base/str.h"
#include "conf/model/port_event.h"

#define BIT(option) (1u << (option))
#define LOCAL       BIT(CLI_OPTION_HELP)
#define ASKS        (LOCAL | BIT(CLI_OPTION_SOCKET) | BIT(CLI_OPTION_TIMEOUT))
#define READS       BIT(CLI_OPTION_JSON)

/* How far a word may be from the verb it was meant to be. */
#define VERB_TYPO_MAX 2

const struct cli_option cli_options[N_CLI_OPTIONS] = {
	[CLI_OPTION_ALL] = {"all", 0, NULL, "all there is, without NAME"},
	[CLI_OPTION_BELOW] = {"below", 0, NULL, "NAME with every name below it"},
	[CLI_OPTION_CONFIRM] = {"confirm", 0, "SECONDS",
				"go back to the former config unless it is confirmed in time"},
	[CLI_OPTION_HELP] = {"help", 'h', NULL, "show help and exit"},
	[CLI_OPTION_JSON] = {"json", 'j', NULL,
			     "print one JSON document, \"schema\":\"" CLI_SCHEMA "\""},
	[CLI_OPTION_SOCKET] = {"socket", 's', "PATH",
			       "sixgated's control socket (" SIXGATE_RUNDIR "/control.sock)"},
	[CLI_OPTION_TENANT] = {"tenant", 't', "TENANT",
			       "only what belongs to TENANT, or as it has it"},
	[CLI_OPTION_TIMEOUT] = {"timeout", 0, "SECONDS", "give up after SECONDS of silence (10)"},
};

const struct cli_verb cli_verbs[] = {
	{"check", "[FILE|DIR...]", 0, 1000, LOCAL | READS, "check configuration and tenant objects",
	 "Reads the node config and tenant objects as sixgated would and reports every error with its\n"
	 "place; nothing is changed. A FILE is a node config or a tenant object, told apart by its\n"
	 "keys; of a DIR each *.yaml, *.yml and *.json is read. Without arguments the installed\n"
	 "configuration is checked: " SIXGATE_SYSCONFDIR "/sixgate.yaml and its registry folder.\n",
	 cli_check},
	{"status", "", 0, 0, ASKS | READS, "show how the gateway is, what is wrong first",
	 "Shows problems first, then workers, tenants and totals, on one screen.\n", cli_status},
	{"services", "", 0, 0, ASKS | READS, "list services with their backends and counters",
	 "One line a service: tenant, sessions, bytes, and how its backends do.\n", cli_services},
	{"sessions", "", 0, 0, ASKS | READS | BIT(CLI_OPTION_TENANT), "list the running sessions",
	 "One line a session. Names come from clients: what is not printable ASCII is shown as \\xNN.\n",
	 cli_sessions},
	{"tunnels", "", 0, 0, ASKS | READS | BIT(CLI_OPTION_TENANT),
	 "list tunnels with their other ends and last handshakes",
	 "One line a tunnel. Of WireGuard: where the peer was last heard from, how long its last\n"
	 "handshake is ago, and bytes from and to it.\n",
	 cli_tunnels},
	{"denied", "", 0, 0, ASKS | READS | BIT(CLI_OPTION_TENANT),
	 "list the packets that rules refused, by tenant and reason",
	 "One line a tenant and reason, with how many packets since the first of them; the link where\n"
	 "they came in when they had a false source. Without a tenant: what is not one tenant's.\n",
	 cli_denied},
	{"nat64", "TABLE", 1, 1, ASKS | READS | BIT(CLI_OPTION_TENANT),
	 "list NAT64's sessions, mappings, ports or counters",
	 "TABLE is sessions, bib (the mappings of tenants' sockets to public ports), pool (each\n"
	 "tenant's ports, how many it uses, and an alarm from 90 percent on) or stats (the module's\n"
	 "counters, each with its meaning).\n",
	 cli_nat64},
	{"who", "ADDRESS PORT [TIME]", 2, 3, ASKS | READS, "name the tenant that has a NAT64 port",
	 "Says which tenant has the public ADDRESS and PORT, or had it at TIME, which is as\n"
	 "2026-11-20T12:00:00Z or in seconds since 1970: that is from the history in\n" PORT_HISTORY_FILE
	 " and needs no sixgated.\n",
	 cli_who},
	{"dns cache", "[NAME]", 0, 1, ASKS | READS | BIT(CLI_OPTION_BELOW),
	 "show how DNS64's cache does, or what it has of a name",
	 "One line a worker: how full its cache is, and how often it had the answer. With NAME a line\n"
	 "an entry of that name: what the answer was, and how long it is good for.\n",
	 cli_dns_cache},
	{"dns flush", "[NAME]", 0, 1, ASKS | READS | BIT(CLI_OPTION_ALL) | BIT(CLI_OPTION_BELOW),
	 "forget what DNS64 has cached of a name",
	 "The workers of DNS64 forget all they have cached of NAME, of every type, and say how many\n"
	 "entries that were; the next query asks an upstream.\n",
	 cli_dns_flush},
	{"dns query", "NAME [TYPE]", 1, 2, ASKS | READS | BIT(CLI_OPTION_TENANT),
	 "resolve a name as a tenant's client would, with each step",
	 "Asks one worker of DNS64 for NAME, of TYPE AAAA or another, and tells what is done for that:\n"
	 "policy, cache, upstreams, why addresses are made or not, and the answer. With --tenant as a\n"
	 "client of TENANT gets it, else as one of a tenant with nothing of its own.\n",
	 cli_dns_query},
	{"dns stats", "", 0, 0, ASKS | READS | BIT(CLI_OPTION_TENANT),
	 "list what became of each tenant's queries",
	 "One line a tenant, of all workers and since their counters began: queries, how many were\n"
	 "answered at once, questions to upstreams that it was the first to need, and answers that\n"
	 "were synthesised, NXDOMAIN or SERVFAIL; and queries over its rate.\n",
	 cli_dns_stats},
	{"dns zone", "", 0, 0, ASKS | READS, "print the farm's zone as a zone file",
	 "What is answered for dns64.zone now, a record a line, in no order but for the zone's own first.\n",
	 cli_dns_zone},
	{"reload", "", 0, 0, ASKS, "read the node config again",
	 "Reads the node config and the registry again. What stays keeps its sessions; an error in\n"
	 "the file changes nothing.\n",
	 cli_reload},
	{"plan", "", 0, 0, ASKS | READS, "show what apply would change in the kernel",
	 "Reads the node config as it is on disk and compares what it and the tenants want with what\n"
	 "is in the kernel. One line a step, in their order: + is added, ~ changed, - removed.\n",
	 cli_plan},
	{"apply", "", 0, 0, ASKS | BIT(CLI_OPTION_CONFIRM), "put the node config in force",
	 "As reload. With --confirm the former config comes back by itself after SECONDS, unless\n"
	 "`sixgate confirm` was said: a config that locks its operator out does not last.\n",
	 cli_apply},
	{"confirm", "", 0, 0, ASKS, "keep what apply --confirm has put in force",
	 "Nothing comes back after that.\n", cli_confirm},
	{"rollback", "", 0, 0, ASKS, "go back to the config before apply --confirm, now",
	 "The file is not touched: mend it before the next reload.\n", cli_rollback},
	{"drift", "", 0, 0, ASKS | READS, "show what others changed of sixgate's kernel state",
	 "What was found changed and mended since the start, the last hundred, and what is not as\n"
	 "wanted right now; with the program that did it, where the kernel tells.\n",
	 cli_drift},
	{"down", "", 0, 0, LOCAL | BIT(CLI_OPTION_SOCKET),
	 "take away all that sixgated left in the kernel",
	 "For when sixgated has ended for good: it leaves tunnels, routes, rules and sysctls in place, so\n"
	 "that the next start finds them. Needs root, and that sixgated is stopped.\n",
	 cli_down},
	{"drain", "SERVICE|BACKEND", 1, 1, ASKS, "end a service's or backend's sessions gently",
	 "Takes no new sessions for TENANT/SERVICE or the backend's address and ends the running ones\n"
	 "within the service's drain time. Holds until the tenant's object changes.\n",
	 cli_drain},
	{"kill", "SESSION", 1, 1, ASKS, "end one session now",
	 "SESSION is the id that `sixgate sessions` shows.\n", cli_kill},
	{"log-level", "LEVEL", 1, 1, ASKS, "set how much sixgated and its workers log",
	 "LEVEL is err, warn, info or debug. Holds until sixgated is started again.\n",
	 cli_log_level},
	{"version", "", 0, 0, LOCAL | READS, "print the version of this command", "", cli_version},
	{"help", "[VERB]", 0, 2, LOCAL | READS, "explain a verb, or list them all", "", cli_help},
};
const size_t n_cli_verbs = sizeof(cli_verbs) / sizeof(cli_verbs[0]);

static const struct {
	enum cli_exit code;
	const char *text;
} exit_codes[] = {
	{CLI_OK, "done"},
	{CLI_REFUSED, "refused by sixgated, or what was checked is wrong"},
	{CLI_USAGE, "the command line is wrong"},
	{CLI_UNREACHABLE, "sixgated cannot be reached"},
	{CLI_CUT, "the answer was cut short"},
};
#define N_EXIT_CODES (sizeof(exit_codes) / sizeof(exit_codes[0]))

const struct cli_verb *cli_verb_find(const char *name)
{
	for (size_t i = 0; i < n_cli_verbs; i++) {
		if (strcmp(cli_verbs[i].name, name) == 0) {
			return &cli_verbs[i];
		}
	}
	return NULL;
}

/* Whether name is "family ...". */
static bool is_of(const char *name, const char *family)
{
	size_t len = strlen(family);

	return strncmp(name, family, len) == 0 && name[len] == ' ';
}

bool cli_is_family(const char *name)
{
	for (size_t i = 0; i < n_cli_verbs; i++) {
		if (is_of(cli_verbs[i].name, name)) {
			return true;
		}
	}
	return false;
}

const char *cli_verb_join(char dst[CLI_VERB_MAX], const char *family, const char *word)
{
	(void)snprintf(dst, CLI_VERB_MAX, "%s %s", family, word);
	return dst;
}

const struct cli_verb *cli_verb_nearest(const char *name)
{
	const struct cli_verb *nearest = NULL;
	unsigned int best = VERB_TYPO_MAX + 1;

	for (size_t i = 0; i < n_cli_verbs; i++) {
		unsigned int distance = str_distance(name, cli_verbs[i].name);

		if (distance < best) {
			best = distance;
			nearest = &cli_verbs[i];
		}
	}
	return nearest;
}

static void usage_line(FILE *out, const struct cli_verb *verb, const char *family)
{
	if (!verb) {
		fprintf(out, "usage: sixgate %s%sVERB [OPTION...] [ARGUMENT...]\n",
			family ? family : "", family ? " " : "");
		return;
	}
	fprintf(out, "usage: sixgate %s", verb->name);
	for (size_t i = 0; i < N_CLI_OPTIONS; i++) {
		const struct cli_option *option = &cli_options[i];

		if (i != CLI_OPTION_HELP && (verb->options & BIT(i))) {
			fprintf(out, " [--%s%s%s]", option->name, option->arg ? " " : "",
				option->arg ? option->arg : "");
		}
	}
	fprintf(out, "%s%s\n", verb->args[0] ? " " : "", verb->args);
}

enum cli_exit cli_usage(const struct cli *cli)
{
	const char *about = cli->verb ? cli->verb->name : cli->family;

	usage_line(cli->err, cli->verb, cli->family);
	fprintf(cli->err, "Try 'sixgate help%s%s'.\n", about ? " " : "", about ? about : "");
	return CLI_USAGE;
}

static void print_options(FILE *out, unsigned int options)
{
	fprintf(out, "\nOptions:\n");
	for (size_t i = 0; i < N_CLI_OPTIONS; i++) {
		const struct cli_option *option = &cli_options[i];
		char left[40], letter[8] = "    ";

		if (!(options & BIT(i))) {
			continue;
		}
		if (option->letter) {
			snprintf(letter, sizeof(letter), "-%c, ", option->letter);
		}
		snprintf(left, sizeof(left), "%s--%s %s", letter, option->name,
			 option->arg ? option->arg : "");
		fprintf(out, "  %-22s %s\n", left, option->summary);
	}
}

static void print_verbs(FILE *out, const char *family)
{
	fprintf(out, "\nVerbs:\n");
	for (size_t i = 0; i < n_cli_verbs; i++) {
		char left[40];

		if (!family || is_of(cli_verbs[i].name, family)) {
			snprintf(left, sizeof(left), "%s %s", cli_verbs[i].name, cli_verbs[i].args);
			fprintf(out, "  %-22s %s\n", left, cli_verbs[i].summary);
		}
	}
}

void cli_help_print(FILE *out, const struct cli_verb *verb, const char *family)
{
	usage_line(out, verb, family);
	if (verb) {
		fprintf(out, "\n%c%s.\n", verb->summary[0] - 'a' + 'A', verb->summary + 1);
		fprintf(out, "%s", verb->text);
		print_options(out, verb->options);
	} else {
		print_verbs(out, family);
		print_options(out, BIT(N_CLI_OPTIONS) - 1);
	}
	fprintf(out, "\nExit status:\n");
	for (size_t i = 0; i < N_EXIT_CODES; i++) {
		fprintf(out, "  %d  %s\n", exit_codes[i].code, exit_codes[i].text);
	}
}

static void verb_document(struct json *j, const struct cli_verb *verb)
{
	json_open(j, NULL, '{');
	json_text(j, "name", verb->name);
	json_text(j, "arguments", verb->args);
	json_text(j, "summary", verb->summary);
	json_open(j, "options", '[');
	for (size_t i = 0; i < N_CLI_OPTIONS; i++) {
		if (verb->options & BIT(i)) {
			json_text(j, NULL, cli_options[i].name);
		}
	}
	json_close(j, ']');
	json_close(j, '}');
}

/* The whole table, for completion and the test of the manual page. */
static enum cli_exit help_document(struct cli *cli, const struct cli_verb *only, const char *family)
{
	enum cli_exit code = CLI_CUT;
	struct buf doc;
	struct json j;

	buf_init(&doc, 1 << 16);
	j = json_to(&doc);
	json_open(&j, NULL, '{');
	json_text(&j, "schema", CLI_SCHEMA);
	json_open(&j, "verbs", '[');
	for (size_t i = 0; i < n_cli_verbs; i++) {
		if (only ? only == &cli_verbs[i] : !family || is_of(cli_verbs[i].name, family)) {
			verb_document(&j, &cli_verbs[i]);
		}
	}
	json_close(&j, ']');
	json_open(&j, "exit_codes", '[');
	for (size_t i = 0; i < N_EXIT_CODES; i++) {
		json_open(&j, NULL, '{');
		json_u64(&j, "code", exit_codes[i].code);
		json_text(&j, "text", exit_codes[i].text);
		json_close(&j, '}');
	}
	json_close(&j, ']');
	json_close(&j, '}');
	json_end_line(&j);
	if (!doc.bad) {
		fwrite(doc.data, 1, doc.len, cli->out);
		code = CLI_OK;
	}
	buf_fini(&doc);
	return code;
}

enum cli_exit cli_help(struct cli *cli)
{
	const char *name = cli->n_args > 0 ? cli->args[0] : NULL;
	const struct cli_verb *verb = NULL;
	char words[CLI_VERB_MAX];
	bool family = false;

	if (cli->n_args > 1) {
		name = cli_verb_join(words, cli->args[0], cli->args[1]);
	}
	if (name) {
		verb = cli_verb_find(name);
		family = cli_is_family(name);
		if (!verb && !family) {
			return cli_unknown_verb(cli, name);
		}
	}
	if (cli->json) {
		return help_document(cli, verb, family ? name : NULL);
	}
	cli_help_print(cli->out, verb, family ? name : NULL);
	return CLI_OK;
}

enum cli_exit cli_version(struct cli *cli)
{
	fprintf(cli->out,
		cli->json ? "{\"schema\":\"" CLI_SCHEMA "\",\"version\":\"%s\"}\n" : "sixgate %s\n",
		PACKAGE_VERSION);
	return CLI_OK;
}
