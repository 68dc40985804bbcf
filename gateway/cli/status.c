/* SPDX-License-Identifier: GPL-3.0-or-later */
/* `sixgate status`: the gateway on one screen, the worst thing first. */
#include "gateway/cli/client.h"

#include <errno.h>
#include <string.h>

#include "gateway/cli/text.h"

/* What fits on a screen of 24 lines beside the rest. */
#define PROBLEMS_SHOWN  12
#define LISTENERS_SHOWN 4

static bool is_error(const json_t *problem)
{
	const char *level = json_string_value(json_object_get(problem, "level"));

	return !level || strcmp(level, "warning") != 0;
}

static void print_problem(const struct cli *cli, const json_t *problem)
{
	bool error = is_error(problem);
	char what[TEXT_MAX], text[TEXT_MAX];

	fprintf(cli->out, "  %s%-7s%s  %s: %s\n",
		!cli->color ? ""
		: error     ? "\033[31m"
			    : "\033[33m",
		error ? "error" : "warning", cli->color ? "\033[0m" : "",
		text_of(problem, "what", what), text_line_of(problem, "text", text));
}

/* Errors before warnings, each in sixgated's order. Returns how many were printed. */
static size_t print_problems_of(const struct cli *cli, const json_t *problems, bool errors,
				size_t max)
{
	size_t n = 0, i;
	json_t *problem;

	json_array_foreach((json_t *)problems, i, problem) {
		if (n < max && is_error(problem) == errors) {
			print_problem(cli, problem);
			n++;
		}
	}
	return n;
}

static void print_problems(const struct cli *cli, const json_t *status)
{
	const json_t *problems = json_object_get(status, "problems");
	/* sixgated lists the first hundred */
	size_t listed = json_array_size(problems), counted = text_u64(status, "n_problems");
	size_t total = counted > listed ? counted : listed, shown;

	if (total == 0) {
		fprintf(cli->out, "no problems\n");
		return;
	}
	fprintf(cli->out, "%zu problem%s:\n", total, total == 1 ? "" : "s");
	shown = print_problems_of(cli, problems, true, PROBLEMS_SHOWN);
	shown += print_problems_of(cli, problems, false, PROBLEMS_SHOWN - shown);
	if (shown < total) {
		fprintf(cli->out, "  and %zu more: 'sixgate status --json'\n", total - shown);
	}
}

static void print_head(const struct cli *cli, const json_t *status)
{
	char version[TEXT_MAX], node[TEXT_MAX], farm[TEXT_MAX], up[TEXT_MAX], pid[TEXT_MAX];
	char state[TEXT_MAX];

	fprintf(cli->out, "sixgated %s on %s (farm %s), %s, up %s, pid %s\n",
		text_of(status, "version", version), text_of(status, "node", node),
		text_of(status, "farm", farm), text_of(status, "state", state),
		text_duration(status, "uptime_ms", up), text_of(status, "pid", pid));
}

static void print_workers(const struct cli *cli, const json_t *status)
{
	const json_t *workers = json_object_get(status, "workers");
	size_t n_former = json_array_size(json_object_get(status, "former"));
	uint64_t restarts = 0, budget = 0;
	size_t running = 0, i;
	json_t *worker;

	json_array_foreach((json_t *)workers, i, worker) {
		const char *state = json_string_value(json_object_get(worker, "state"));

		running += state && strcmp(state, "running") == 0;
		restarts += text_u64(worker, "restarts");
		budget += text_u64(worker, "fds_budget");
	}
	fprintf(cli->out,
		"workers    %zu of %zu running, %llu restart%s, descriptors for %llu sessions\n",
		running, json_array_size(workers), (unsigned long long)restarts,
		restarts == 1 ? "" : "s", (unsigned long long)budget);
	if (n_former > 0) {
		fprintf(cli->out,
			"           %zu of before an upgrade, ending with their sessions\n",
			n_former);
	}
}

static void print_listeners(const struct cli *cli, const json_t *status)
{
	const json_t *listeners = json_object_get(status, "listeners");
	size_t total = json_array_size(listeners), i;
	char address[TEXT_MAX], protocol[TEXT_MAX];
	json_t *listener;

	fprintf(cli->out, "listeners  ");
	json_array_foreach((json_t *)listeners, i, listener) {
		if (i == LISTENERS_SHOWN) {
			fprintf(cli->out, " and %zu more", total - i);
			break;
		}
		fprintf(cli->out, "%s%s %s", i > 0 ? ", " : "",
			text_of(listener, "address", address),
			text_of(listener, "protocol", protocol));
	}
	fprintf(cli->out, "%s\n", total == 0 ? "none" : "");
}

static void print_totals(const struct cli *cli, const json_t *status)
{
	const json_t *tenants = json_object_get(status, "tenants");
	char a[TEXT_MAX], b[TEXT_MAX], c[TEXT_MAX];

	fprintf(cli->out, "sessions   %s now, %s accepted, %s refused\n",
		text_of(status, "active", a), text_of(status, "accepted", b),
		text_of(status, "refused", c));
	fprintf(cli->out, "traffic    %s from clients, %s to clients\n",
		text_size(status, "bytes_in", a), text_size(status, "bytes_out", b));
	fprintf(cli->out, "tenants    %s active, %s suspended, %s refused\n",
		text_of(tenants, "active", a), text_of(tenants, "suspended", b),
		text_of(tenants, "refused", c));
}

static void print_logs(const struct cli *cli, const json_t *status)
{
	const json_t *sessions = json_object_get(status, "access_log"),
		     *queries = json_object_get(status, "query_log");
	char lines[TEXT_MAX], dropped[TEXT_MAX];

	if (json_is_false(json_object_get(sessions, "on"))) {
		fprintf(cli->out, "access log off");
	} else {
		fprintf(cli->out, "access log %s lines, %s dropped",
			text_of(sessions, "lines", lines), text_of(sessions, "dropped", dropped));
	}
	if (json_is_true(json_object_get(queries, "on"))) {
		fprintf(cli->out, "; query log %s lines, %s dropped",
			text_of(queries, "lines", lines), text_of(queries, "dropped", dropped));
	}
	fprintf(cli->out, "\n");
}

static bool asked_nothing(const json_t *neighbours)
{
	static const char *const counts[] = {"answered", "foreign", "malformed", "limited"};

	for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
		if (json_integer_value(json_object_get(neighbours, counts[i])) != 0) {
			return false;
		}
	}
	return true;
}

/* Of an on-link uplink; else there is nothing to say. */
static void print_neighbours(const struct cli *cli, const json_t *status)
{
	const json_t *n = json_object_get(status, "neighbours");
	char a[TEXT_MAX], b[TEXT_MAX], c[TEXT_MAX], d[TEXT_MAX];

	if (!json_is_true(json_object_get(n, "on"))) {
		return;
	}
	if (asked_nothing(n)) {
		fprintf(cli->out,
			"neighbours asked for nothing yet: where a switch has MLD snooping, see "
			"on_link in sixgate.yaml(5)\n");
	} else {
		fprintf(cli->out,
			"neighbours %s answered, %s asked for nobody, %s malformed, %s over the "
			"rate\n",
			text_of(n, "answered", a), text_of(n, "foreign", b),
			text_of(n, "malformed", c), text_of(n, "limited", d));
	}
}

static void print_dns64(const struct cli *cli, const json_t *status)
{
	const json_t *dns64 = json_object_get(status, "dns64");
	const json_t *workers = json_object_get(dns64, "workers");
	char a[TEXT_MAX], b[TEXT_MAX], c[TEXT_MAX], d[TEXT_MAX], e[TEXT_MAX];
	size_t n_running = 0, i;
	json_t *worker;

	if (!json_is_true(json_object_get(dns64, "on"))) {
		return;
	}
	json_array_foreach((json_t *)workers, i, worker) {
		n_running += strcmp(text_of(worker, "state", a), "running") == 0;
	}
	fprintf(cli->out,
		"dns64      %zu of %zu workers running; %s queries, %s answered at once, %s "
		"questions to upstreams, %s queries of no tenant, %s over a rate\n",
		n_running, json_array_size(workers), text_of(dns64, "queries", a),
		text_of(dns64, "cached", b), text_of(dns64, "asked", c),
		text_of(dns64, "foreign", d), text_of(dns64, "over_rate", e));
	if (json_is_string(json_object_get(dns64, "zone"))) {
		fprintf(cli->out,
			"zone       %s: %s queries, over the rate %s cut short and %s left out\n",
			text_of(dns64, "zone", a), text_of(dns64, "zone_queries", b),
			text_of(dns64, "slipped", c), text_of(dns64, "limited", d));
	}
}

/* What the rules in the kernel have stopped; not there without the right to set them. */
static void print_kernel(const struct cli *cli, const json_t *status)
{
	const json_t *kernel = json_object_get(status, "kernel");
	char a[TEXT_MAX], b[TEXT_MAX], c[TEXT_MAX], d[TEXT_MAX];

	if (!json_is_true(json_object_get(kernel, "applied"))) {
		fprintf(cli->out, "kernel     no rules of ours\n");
		return;
	}
	fprintf(cli->out,
		"kernel     dropped: %s spoofed, %s unexpected, %s by proxy workers, %s by those of "
		"dns64\n",
		text_of(kernel, "spoofed", a), text_of(kernel, "unexpected", b),
		text_of(kernel, "proxy_denied", c), text_of(kernel, "dns64_denied", d));
}

static enum cli_exit show(const struct cli *cli, json_t *status)
{
	if (cli->json) {
		if (document_object(cli->out, status) < 0) {
			cli_complain(cli, "out of memory");
			return CLI_CUT;
		}
		return CLI_OK;
	}
	print_head(cli, status);
	print_problems(cli, status);
	print_workers(cli, status);
	print_totals(cli, status);
	print_listeners(cli, status);
	print_logs(cli, status);
	print_neighbours(cli, status);
	print_dns64(cli, status);
	print_kernel(cli, status);
	return CLI_OK;
}

enum cli_exit cli_status(struct cli *cli)
{
	struct request req = {.verb = VERB_STATUS};
	json_t *status = NULL, *rest = NULL;
	struct client c;
	enum cli_exit code = client_open(&c, cli, &req);

	if (code == CLI_OK) {
		switch (client_next(&c, &status)) {
		case CLIENT_OBJECT:
			code = show(cli, status);
			break;
		case CLIENT_END:
			cli_complain(cli, "sixgated sent no status");
			code = CLI_CUT;
			break;
		case CLIENT_CUT:
			code = CLI_CUT;
			break;
		}
	}
	if (status && code == CLI_OK && client_next(&c, &rest) == CLIENT_CUT) {
		code = CLI_CUT;
	}
	json_decref(status);
	json_decref(rest);
	client_close(&c);
	return code;
}
