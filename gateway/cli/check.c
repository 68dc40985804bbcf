/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * `sixgate check`: reads node config and tenant objects as sixgated would and says what is wrong,
 * and what is not wrong but wants attention. Talks to nobody and changes nothing.
 */
#include "gateway/cli/internal.h"

#include <errno.h>
#include <stdarg.h>
#include <sys/resource.h>

#include "base/json.h"
#include "conf/model/check.h"
#include "conf/text/conf.h"

#define NOTES_MAX     8
#define REPORT_MAX    (1u << 20) /* bytes; issues are bounded */
#define FDS_A_SESSION 2
#define SESSIONS_FEW  1000 /* what a process should have descriptors for at least */

struct notes {
	char list[NOTES_MAX][ERR_MSG_MAX];
	size_t n;
};

struct report {
	struct issues issues;
	struct conf_totals totals;
	struct notes notes;
};

static void PRINTF_LIKE(2, 3) note(struct notes *notes, const char *fmt, ...)
{
	va_list ap;

	if (notes->n < NOTES_MAX) {
		va_start(ap, fmt);
		(void)vsnprintf(notes->list[notes->n++], ERR_MSG_MAX, fmt, ap); /* cut is fine */
		va_end(ap);
	}
}

static void note_descriptors(struct notes *notes, size_t n_sockets)
{
	struct rlimit fds;
	unsigned long long left;

	if (getrlimit(RLIMIT_NOFILE, &fds) < 0 || fds.rlim_max == RLIM_INFINITY) {
		return;
	}
	left = fds.rlim_max > n_sockets ? fds.rlim_max - n_sockets : 0;
	if (left < FDS_A_SESSION * SESSIONS_FEW) {
		note(notes,
		     "%llu descriptors a process, the limit here, leave room for %llu sessions",
		     (unsigned long long)fds.rlim_max, left / FDS_A_SESSION);
	}
}

/* What is right but may surprise. */
static void note_all(struct report *report)
{
	const struct conf_totals *totals = &report->totals;
	struct notes *notes = &report->notes;

	if (!totals->has_node) {
		return;
	}
	note(notes, "%zu listening sockets a worker, of at most %d", totals->n_sockets,
	     LISTEN_SOCKETS_MAX);
	note_descriptors(notes, totals->n_sockets);
	if (totals->no_registry) {
		note(notes, "the registry folder does not exist yet: no tenants");
	}
	if (!totals->has_client_prefix && totals->n_hidden > 0) {
		note(notes,
		     "client_prefix is not set: %zu tenants do not see their clients' addresses",
		     totals->n_hidden);
	}
	if (totals->n_suspended > 0) {
		note(notes, "suspended tenants: %zu", totals->n_suspended);
	}
}

static void print_json(const struct report *report, struct buf *out)
{
	struct json j = json_to(out);

	json_open(&j, NULL, '{');
	json_text(&j, "schema", CLI_SCHEMA);
	json_bool(&j, "ok", issues_count(&report->issues) == 0);
	issues_json(&report->issues, "errors", &j);
	json_u64(&j, "errors_total", issues_count(&report->issues));
	json_u64(&j, "tenants", report->totals.n_tenants);
	json_u64(&j, "suspended", report->totals.n_suspended);
	json_u64(&j, "listening_sockets", report->totals.n_sockets);
	json_open(&j, "notes", '[');
	for (size_t i = 0; i < report->notes.n; i++) {
		json_text(&j, NULL, report->notes.list[i]);
	}
	json_close(&j, ']');
	json_close(&j, '}');
	json_end_line(&j);
}

static void print_text(const struct report *report, struct buf *out)
{
	size_t n = report->totals.n_tenants;

	if (issues_count(&report->issues) > 0) {
		issues_text(&report->issues, out);
		return;
	}
	buf_printf(out, "ok: %s%zu tenant object%s\n",
		   report->totals.has_node ? "node config and " : "", n, n == 1 ? "" : "s");
	for (size_t i = 0; i < report->notes.n; i++) {
		buf_printf(out, "note: %s\n", report->notes.list[i]);
	}
}

/* Errors are diagnostics, unless a document is wanted. */
static enum cli_exit print_report(const struct cli *cli, const struct report *report)
{
	bool wrong = issues_count(&report->issues) > 0;
	enum cli_exit code = wrong ? CLI_REFUSED : CLI_OK;
	struct buf out;

	buf_init(&out, REPORT_MAX);
	if (cli->json) {
		print_json(report, &out);
	} else {
		print_text(report, &out);
	}
	if (out.bad) {
		cli_complain(cli, "out of memory");
		code = CLI_CUT;
	} else {
		fwrite(out.data, 1, out.len, wrong && !cli->json ? cli->err : cli->out);
	}
	buf_fini(&out);
	return code;
}

enum cli_exit cli_check(struct cli *cli)
{
	/* whose file it is matters where sixgated reads it */
	enum conf_flags flags = cli->n_args > 0 ? CONF_ANY_OWNER : 0;
	struct report report = {0};
	enum cli_exit code;
	int rc;

	issues_init(&report.issues);
	rc = conf_check_files((const char *const *)cli->args, cli->n_args, flags, &report.issues,
			      &report.totals);
	if (rc == 0) {
		note_all(&report);
	}
	code = print_report(cli, &report);
	issues_fini(&report.issues);
	return code;
}
