/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The kernel's state, while we run: what others change of it is mended.
 */
#include "gateway/control/drift.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/container.h"
#include "base/json.h"
#include "base/log.h"
#include "gateway/control/internal.h"
#include "gateway/control/problems.h"
#include "gateway/kernel/kernel.h"

#define MOD              "kernel"
#define SHOWN            5 /* things in one line of the log */
#define PROBLEM_STATE    "kernel state"
#define PROBLEM_FOREIGN  "other rules"
#define PROBLEM_ON_LINK  "uplink's link"
#define PROBLEM_FQ       "fq qdisc"
#define PROBLEM_UNDERLAY "underlay_netns"
#define PROBLEM_OFFLOAD  "offload"
#define PROBLEM_PSK      "preshared key"
#define TEXT_MAX         ((size_t)4 << 20) /* bytes */

static void keep(struct drift *d, struct str text)
{
	struct drift_line *line = &d->lines[d->n % DRIFT_KEPT];
	char *copy = strndup(text.p, text.len);

	if (!copy) {
		return; /* it was logged */
	}
	free(line->text);
	*line = (struct drift_line){.at_s = (uint64_t)time(NULL), .text = copy};
	d->n++;
}

/* Cuts the next line off. False at the end. */
static bool next_line(struct str *rest, struct str *ret_line)
{
	const char *end = rest->len > 0 ? memchr(rest->p, '\n', rest->len) : NULL;

	if (!end) {
		return false;
	}
	*ret_line = (struct str){.p = rest->p, .len = (size_t)(end - rest->p)};
	rest->len -= ret_line->len + 1;
	rest->p = end + 1;
	return true;
}

static void tell(struct drift *d, const struct buf *text)
{
	struct str rest = {.p = (const char *)text->data, .len = text->bad ? 0 : text->len}, line;
	struct buf shown;
	size_t n = 0;

	buf_init(&shown, TEXT_MAX);
	while (next_line(&rest, &line)) {
		if (n++ < SHOWN) {
			buf_printf(&shown, "%s%.*s", n > 1 ? "; " : "", (int)line.len, line.p);
		}
		keep(d, line);
	}
	if (n > SHOWN) {
		buf_printf(&shown, "; and %zu more", n - SHOWN);
	}
	if (n > 0) {
		log_warn(MOD, "put back what was changed: %.*s", shown.bad ? 0 : (int)shown.len,
			 (const char *)shown.data);
	}
	buf_fini(&shown);
}

/* text: NULL when nothing is wrong with it. */
static void warn(struct drift *d, const char *what, const char *text)
{
	if (!text) {
		problem_clear(d->problems, what);
		return;
	}
	if (!problem_has(d->problems, what)) {
		log_warn(MOD, "%s: %s", what, text);
	}
	problem_set(d->problems, LOG_LEVEL_WARN, what, text);
}

/* why: what the kernel lacks for it; NULL: nothing. */
static void part(struct drift *d, const char *name, const char *why)
{
	if (why) {
		if (!problem_has(d->problems, name)) {
			log_err(MOD, "%s is off: %s", name, why);
		}
		problem_set(d->problems, LOG_LEVEL_ERR, name, why);
	} else if (problem_has(d->problems, name)) {
		log_info(MOD, "%s is back", name);
		problem_clear(d->problems, name);
	}
}

/* What is none of ours: never touched, but told of. */
static void problems_around(struct drift *d)
{
	warn(d, PROBLEM_FOREIGN, kernel_foreign(d->kernel));
	warn(d, PROBLEM_ON_LINK, kernel_on_link_problem(d->kernel));
	warn(d, PROBLEM_FQ, kernel_fq_problem(d->kernel));
	warn(d, PROBLEM_UNDERLAY, kernel_underlay_problem(d->kernel));
	warn(d, PROBLEM_OFFLOAD, kernel_offload_problem(d->kernel));
}

void drift_problems(struct drift *d)
{
	if (!d->kernel) {
		return;
	}
	if (kernel_failures(d->kernel)) {
		if (!problem_has(d->problems, PROBLEM_STATE)) {
			log_err(MOD, "cannot be made as wanted: %s", kernel_failures(d->kernel));
		}
		problem_set(d->problems, LOG_LEVEL_ERR, PROBLEM_STATE, kernel_failures(d->kernel));
	} else {
		problem_clear(d->problems, PROBLEM_STATE);
	}
	problems_around(d);
	warn(d, PROBLEM_PSK, kernel_psk_problem(d->kernel));
	for (int i = 0; i < N_KERNEL_PARTS; i++) {
		enum kernel_part one = (enum kernel_part)i;

		part(d, kernel_part_name(one), kernel_part_missing(d->kernel, one));
	}
}

static void look(struct drift *d)
{
	struct buf text;
	struct err err;
	bool ended;
	int rc;

	buf_init(&text, TEXT_MAX);
	rc = kernel_look(d->kernel, &ended, &text, &err);
	if (rc < 0) {
		if (!problem_has(d->problems, PROBLEM_KERNEL)) {
			log_err(MOD, "%s; `embed` stops", err.msg);
		}
		problem_set(d->problems, LOG_LEVEL_ERR, PROBLEM_KERNEL, err.msg);
	} else if (ended && kernel_applied(d->kernel)) {
		problem_clear(d->problems, PROBLEM_KERNEL);
	}
	tell(d, &text);
	buf_fini(&text);
	if (ended) {
		drift_problems(d);
	}
}

static void look_around(struct drift *d)
{
	struct err err;

	if (kernel_look_around(d->kernel, &err) < 0) {
		log_warn(MOD, "%s, retrying", err.msg);
	}
	problems_around(d);
}

static void on_around(struct timer *timer)
{
	look_around(container_of(timer, struct drift, around));
}

static void on_change(struct io *io, uint32_t events)
{
	struct drift *d = container_of(io, struct drift, watch);

	(void)events;
	kernel_hear(d->kernel);
	if (!timer_armed(&d->around)) { /* others may change things all the time */
		wheel_arm(&d->loop->wheel, &d->around, d->loop->now_ms + DRIFT_AROUND_MS);
	}
}

/* What a tenant's change left in the translator. */
static void sweep(struct drift *d)
{
	struct err err;

	if (kernel_sweep(d->kernel, &err) < 0) {
		log_warn(MOD, "NAT64's mappings of a tenant's former prefix: %s, retrying",
			 err.msg);
	}
}

static void measure(struct drift *d)
{
	struct str rest, line;
	struct buf told;
	struct err err;

	buf_init(&told, TEXT_MAX);
	if (kernel_measure(d->kernel, &told, &err) < 0) {
		log_warn(MOD, "a tunnel's MTU: %s, retrying", err.msg);
	}
	rest = (struct str){.p = (const char *)told.data, .len = told.bad ? 0 : told.len};
	while (next_line(&rest, &line)) {
		log_info(MOD, "%.*s; tunnels follow", (int)line.len, line.p);
	}
	buf_fini(&told);
}

bool drift_work(struct drift *d)
{
	if (!d->kernel) {
		return false;
	}
	if (kernel_heard(d->kernel)) {
		kernel_hear(d->kernel);
	}
	d->sweep_turn =
		kernel_sweeping(d->kernel) &&
		(!d->sweep_turn || (!kernel_looking(d->kernel) && !kernel_measuring(d->kernel)));
	if (d->sweep_turn) {
		sweep(d);
	} else if (kernel_looking(d->kernel)) {
		look(d);
	} else if (kernel_measuring(d->kernel)) {
		measure(d);
	}
	return kernel_sweeping(d->kernel) || kernel_looking(d->kernel) ||
	       kernel_measuring(d->kernel);
}

static void on_poll(struct timer *timer)
{
	struct drift *d = container_of(timer, struct drift, poll);

	kernel_poll(d->kernel);
	look_around(d);
	wheel_arm(&d->loop->wheel, timer, d->loop->now_ms + DRIFT_POLL_MS);
}

void drift_init(struct drift *d)
{
	timer_init(&d->poll, on_poll);
	timer_init(&d->around, on_around);
}

void drift_fini(struct drift *d)
{
	for (size_t i = 0; i < DRIFT_KEPT; i++) {
		free(d->lines[i].text);
		d->lines[i].text = NULL;
	}
}

int drift_watch(struct drift *d, struct err *err)
{
	int fd, rc;

	if (d->watch.ready) {
		return 0;
	}
	wheel_arm(&d->loop->wheel, &d->poll, d->loop->now_ms + DRIFT_POLL_MS);
	fd = kernel_watch(d->kernel, err);
	if (fd < 0) {
		return fd;
	}
	d->watch = (struct io){.fd = fd, .ready = on_change};
	rc = loop_add(d->loop, &d->watch, EPOLLIN);
	if (rc < 0) {
		d->watch.ready = NULL;
		return err_set_errno(err, rc, "watching the kernel");
	}
	return 0;
}

static void write_line(struct buf *out, uint64_t at_s, struct str text, bool mended)
{
	struct json j = json_to(out);

	json_open(&j, NULL, '{');
	json_u64(&j, "at_s", at_s);
	json_str(&j, "text", text);
	json_bool(&j, "mended", mended);
	json_close(&j, '}');
	json_end_line(&j);
}

void drift_write(const struct drift *d, struct buf *out)
{
	for (size_t i = d->n > DRIFT_KEPT ? d->n - DRIFT_KEPT : 0; i < d->n; i++) {
		const struct drift_line *l = &d->lines[i % DRIFT_KEPT];

		write_line(out, l->at_s, str_from(l->text), true);
	}
}

void drift_write_now(const struct buf *lines, struct buf *out)
{
	struct str rest = {.p = (const char *)lines->data, .len = lines->len}, line;

	out->bad |= lines->bad;
	while (next_line(&rest, &line)) {
		write_line(out, (uint64_t)time(NULL), line, false);
	}
}
