/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What `status` says is not as wanted: objects that could not be made, and rules of others that are
 * in the way of ours. Texts only: what is tried again, and when, kernel.c and kernel_look.c know.
 */
#include <errno.h>

#include "gateway/kernel/batch.h"
#include "gateway/kernel/foreign.h"
#include "gateway/kernel/internal.h"
#include "gateway/plan/firewall.h"

#define FOREIGN_BYTES_MAX 16384
#define LINES_MAX         (1 << 20)
#define FAILURES_MAX      3072 /* bytes; the rest is told when these are mended */

void kernel_object_failed(void *ctx, const struct object *o, const char *text)
{
	struct kernel *k = ctx;
	struct failures *f = &k->failing;

	if (o->kind == OBJECT_ROUTE && o->route.type == ROUTE_LOCAL && f->no_anyip.code == 0) {
		(void)err_set(&f->no_anyip, -EEXIST, "%s", text);
		return;
	}
	if (f->lines.len > FAILURES_MAX) {
		return;
	}
	object_format(o, &f->lines);
	buf_printf(&f->lines, "%s%s%s: %s\n", o->owner ? " (" : "", o->owner ? o->owner : "",
		   o->owner ? ")" : "", text);
}

void kernel_failures_init(struct kernel *k)
{
	buf_init(&k->failures.lines, LINES_MAX);
	buf_init(&k->failing.lines, LINES_MAX);
	buf_init(&k->foreign, FOREIGN_BYTES_MAX);
}

void kernel_failures_fini(struct kernel *k)
{
	buf_fini(&k->failures.lines);
	buf_fini(&k->failing.lines);
	buf_fini(&k->foreign);
}

void kernel_failures_clear(struct kernel *k)
{
	buf_fini(&k->failing.lines);
	buf_init(&k->failing.lines, LINES_MAX);
	k->failing.no_anyip = (struct err){0};
}

const char *kernel_failures(const struct kernel *k)
{
	const struct buf *lines = &k->failures.lines;

	return lines->bad ? "many things" : lines->len > 0 ? (const char *)lines->data : NULL;
}

/* So that it can be read as a string. */
static void lines_end(struct buf *lines)
{
	if (lines->len > 0) {
		lines->data[lines->len - 1] = '\0'; /* the last line's end */
	}
}

void kernel_failures_settle(struct kernel *k)
{
	lines_end(&k->failing.lines);
	buf_fini(&k->failures.lines);
	k->failures = k->failing;
	buf_init(&k->failing.lines, LINES_MAX);
	k->failing.no_anyip = (struct err){0};
}

int kernel_failures_anyip(const struct kernel *k, int rc, struct err *err)
{
	return rc >= 0 && k->failures.no_anyip.code != 0
		       ? err_set(err, k->failures.no_anyip.code, "%s", k->failures.no_anyip.msg)
		       : rc;
}

void kernel_look_at_foreign(struct kernel *k)
{
	uint32_t generation_be;
	struct err err;

	if (!k->firewall || !k->firewall->has_tunnels ||
	    generation_get(&k->ops, &generation_be, NULL) < 0 || generation_be == k->foreign_be) {
		return;
	}
	buf_fini(&k->foreign);
	buf_init(&k->foreign, FOREIGN_BYTES_MAX);
	if (foreign_look(&k->ops, k->firewall, &k->foreign, &err) == 0) {
		k->foreign_be = generation_be;
	}
	lines_end(&k->foreign);
}
