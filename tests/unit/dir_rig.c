/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A registry folder and who listens to it; see dir_rig.h. */
#include "tests/unit/dir_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/container.h"
#include "conf/text/conf.h"

static void PRINTF_LIKE(2, 3) hear(struct fixture *f, const char *fmt, ...)
{
	va_list ap;

	if (f->deaf && (fmt[0] == '+' || fmt[0] == '-')) {
		return;
	}
	assert_true(f->n < HEARD_MAX);
	va_start(ap, fmt);
	vsnprintf(f->heard[f->n++], sizeof(f->heard[0]), fmt, ap);
	va_end(ap);
}

static void on_changed(void *ctx, const char *file)
{
	hear(ctx, "+%s", file);
}

static void on_gone(void *ctx, const char *file)
{
	hear(ctx, "-%s", file);
}

static void on_scanned(void *ctx, size_t n_files)
{
	hear(ctx, "scan %zu", n_files);
}

static void on_unreadable(void *ctx, const char *why)
{
	hear(ctx, why ? "bad" : "good");
}

static void on_ignored(void *ctx, size_t n)
{
	hear(ctx, "ignored %zu", n);
}

static bool on_recall(void *ctx, const char *file, const struct file_identity *id)
{
	struct fixture *f = ctx;

	assert_true(id->ino > 0);
	hear(f, "?%s", file);
	if (strcmp(file, "drop.yaml") == 0) {
		drop(f, file);
	}
	return strcmp(file, "known.yaml") == 0;
}

static const struct dir_ops ops = {on_changed, on_gone,   on_scanned, on_unreadable,
				   on_ignored, FILES_MAX, NULL};
static const struct dir_ops recall_ops = {on_changed, on_gone,   on_scanned, on_unreadable,
					  on_ignored, FILES_MAX, on_recall};

static void on_batch(struct loop *loop)
{
	struct fixture *f = container_of(loop, struct fixture, loop);

	if (f->dir) {
		loop->busy = dir_work(f->dir, clock_ms() + 4) || loop->busy;
	}
	if (f->quiet) {
		loop->stop = true;
	}
}

static void on_end(struct timer *timer)
{
	container_of(timer, struct fixture, end)->quiet = true;
}

/* Runs the loop until n things were heard, or, with a generous limit, not. */
void run_until(struct fixture *f, unsigned int n)
{
	uint64_t until = clock_ms() + 10000;

	while (f->n < n && clock_ms() < until) {
		f->loop.stop = false;
		f->quiet = false;
		wheel_arm(&f->loop.wheel, &f->end, clock_ms() + 50);
		assert_int_equal(loop_run(&f->loop), 0);
	}
	assert_int_equal(f->n, n);
}

/* Runs it for some turns in which nothing may be heard. */
void run_quiet(struct fixture *f)
{
	unsigned int n = f->n;

	for (int i = 0; i < 4; i++) {
		f->loop.stop = false;
		f->quiet = false;
		wheel_arm(&f->loop.wheel, &f->end, clock_ms() + 50);
		assert_int_equal(loop_run(&f->loop), 0);
	}
	assert_int_equal(f->n, n);
}

void expect(struct fixture *f, const char *what)
{
	for (unsigned int i = 0; i < f->n; i++) {
		if (strcmp(f->heard[i], what) == 0) {
			memmove(f->heard[i], f->heard[--f->n], sizeof(f->heard[0]));
			return;
		}
	}
	for (unsigned int i = 0; i < f->n; i++) {
		print_message("heard %s\n", f->heard[i]);
	}
	fail_msg("not heard: %s", what);
}

void put(struct fixture *f, const char *name, const char *text)
{
	char path[256];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", f->path, name);
	file = fopen(path, "w");
	assert_non_null(file);
	fputs(text, file);
	fclose(file);
}

void drop(struct fixture *f, const char *name)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/%s", f->path, name);
	assert_int_equal(unlink(path), 0);
}

void move(struct fixture *f, const char *from, const char *to)
{
	char a[256], b[256];

	snprintf(a, sizeof(a), "%s/%s", f->path, from);
	snprintf(b, sizeof(b), "%s/%s", f->path, to);
	assert_int_equal(rename(a, b), 0);
}

void begin(struct fixture *f)
{
	struct err err;

	assert_int_equal(dir_new(&f->loop, f->path, f->recalls ? &recall_ops : &ops, f, &f->dir,
				 &err),
			 0);
	f->loop.busy = true;
}

int dir_setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct err err;

	strcpy(f->top, "/tmp/registry-dir-test-XXXXXX");
	assert_non_null(mkdtemp(f->top));
	snprintf(f->path, sizeof(f->path), "%s/reg", f->top);
	assert_int_equal(mkdir(f->path, 0755), 0);
	assert_int_equal(loop_init(&f->loop, &err), 0);
	f->loop.batch_end = on_batch;
	timer_init(&f->end, on_end);
	*state = f;
	return 0;
}

int dir_teardown(void **state)
{
	struct fixture *f = *state;
	char command[128];

	dir_free(f->dir);
	loop_fini(&f->loop);
	snprintf(command, sizeof(command), "rm -rf %s", f->top);
	assert_int_equal(system(command), 0);
	free(f);
	return 0;
}
