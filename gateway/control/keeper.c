/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * When the snapshot of the registry is read and written, and what goes into it: of each tenant
 * whose file is there the version that every worker has, or that from before a config on probation:
 * a start that puts the former config in force has no other use for it.
 *
 * Which file that was read from is noted only when it has not changed for a while: a file that is
 * written in place at the moment it is read could look the same before and after.
 */
#include "gateway/control/keeper.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/container.h"
#include "base/file.h"
#include "base/log.h"
#include "gateway/control/control.h"
#include "gateway/control/internal.h"

#define MOD         "snapshot"
#define FILE_NAME   "registry.snapshot"
#define QUIET_MS    5000 /* between looks whether something has changed */
#define UNQUIET_MAX 12   /* looks; then it is written although it still changes */
#define SECOND_NS   UINT64_C(1000000000)
#define PIECE_MAX   65536 /* bytes a write */

static void keeper_timer(struct timer *timer);

void keeper_init(struct keeper *k, struct control *control)
{
	*k = (struct keeper){.control = control, .fd = -1};
	timer_init(&k->timer, keeper_timer);
}

static void keeper_close(struct keeper *k)
{
	snapshot_writer_fini(&k->writer);
	k->fd = -1;
}

void keeper_fini(struct keeper *k)
{
	if (k->control) {
		wheel_disarm(&k->control->loop.wheel, &k->timer);
		keeper_stop(k);
		snapshot_free(k->former);
	}
}

static struct snapshot_head keeper_head(const struct control *c)
{
	return (struct snapshot_head){
		.folder = c->conf->registry.dir,
		.node = str_from(c->conf->text),
		.keys = {c->tenants.keys[0], c->tenants.keys[1]},
	};
}

void keeper_load(struct keeper *k)
{
	struct control *c = k->control;
	struct snapshot_head head = keeper_head(c);
	uint8_t *data;
	struct err err;
	size_t len;
	int rc;

	if (snprintf(k->path, sizeof(k->path), "%s/" FILE_NAME, c->run_dir) >=
	    (int)sizeof(k->path)) {
		k->path[0] = '\0';
		return;
	}
	rc = snapshot_file_read(k->path, &data, &len, &err);
	if (rc == 0) {
		rc = snapshot_parse(data, len, &head, &k->former, &err);
		if (rc < 0) {
			(void)err_prefix(&err, "%.200s: ", k->path); /* the code is rc */
		}
	}
	if (rc == -ENOENT) {
		return;
	}
	if (rc < 0) {
		log_warn(MOD, "%s, ignoring: all files are read", err.msg);
		return;
	}
	/* no tenant has been hashed yet */
	c->tenants.keys[0] = snapshot_keys(k->former)[0];
	c->tenants.keys[1] = snapshot_keys(k->former)[1];
	c->tenants.former = k->former;
}

/* All gone, or, of many, more than a fifth. */
static bool too_few(size_t n_former, size_t n_files)
{
	return (n_files == 0 && n_former > 0) || (n_former >= 10 && n_files * 5 < n_former * 4);
}

/*
 * So many files are not there that they may be on a file system that is not mounted: what is on
 * disk stays until something changes.
 */
static void keeper_hold(struct keeper *k, size_t n_former, size_t n_files)
{
	char text[128];

	(void)snprintf(text, sizeof(text), "%zu of the %zu files of the run before are there",
		       n_files, n_former); /* fits */
	log_warn(MOD, "%s: what is known of the others is kept until something changes", text);
	problem_set(&k->control->problems, LOG_LEVEL_WARN, MOD, text);
}

void keeper_scanned(struct keeper *k, size_t n_files)
{
	struct tenants *ts = &k->control->tenants;
	size_t n_former = k->former ? snapshot_count(k->former) : 0;

	if (k->path[0] == '\0' || timer_armed(&k->timer)) {
		return;
	}
	k->kept = ts->n_changes;
	if (too_few(n_former, n_files)) {
		keeper_hold(k, n_former, n_files);
	} else if (ts->n_recalled != n_files || n_former != n_files) {
		k->kept--;
	}
	k->seen = ts->n_changes;
	snapshot_free(k->former);
	k->former = NULL;
	ts->former = NULL;
	wheel_arm(&k->control->loop.wheel, &k->timer, k->control->loop.now_ms + QUIET_MS);
}

/* What is on disk is older than what is in force, and would be believed: none is better. */
static void keeper_failed(struct keeper *k, const char *why)
{
	struct problems *problems = &k->control->problems;

	(void)unlink(k->path);

	if (!problem_has(problems, MOD)) {
		log_warn(MOD, "%s: a restart would not know what is in force now", why);
	}
	problem_set(problems, LOG_LEVEL_WARN, MOD, why);
}

/*
 * Whether what is written into the file from now on shows in its identity: a file system's clock
 * has ticks of some milliseconds, or, when it is without fractions, of up to two seconds.
 */
static bool has_settled(const struct file_identity *id, uint64_t now_ns)
{
	uint64_t tick_ns = id->ctime_ns % SECOND_NS == 0 ? 2 * SECOND_NS : SECOND_NS / 10;

	return id->ctime_ns + tick_ns < now_ns;
}

/* What is in force of t, if its file is there. */
static void keeper_put(struct keeper *k, const struct tenant *t, uint64_t now_ns,
		       struct buf *packed)
{
	const struct tenant_conf *conf = t->tried ? t->before : t->good;
	struct snapshot_object object = {.file = str_from(t->file)};

	if (!conf || t->gone) {
		return;
	}
	packed->len = 0;
	packed->bad = false;
	tenant_conf_pack_whole(conf, packed);
	if (packed->bad) {
		return; /* it will be read */
	}
	object.packed = cursor_from(packed->data, packed->len);
	memcpy(object.digest, conf->text, sizeof(object.digest));
	if (conf == t->current && !t->next && t->generation == t->tenants->generation &&
	    has_settled(&t->id, now_ns)) {
		object.id = t->id;
	}
	snapshot_write_object(&k->writer, &object);
}

static int keeper_begin(struct keeper *k, struct err *err)
{
	struct snapshot_head head = keeper_head(k->control);

	k->fd = file_replace_begin(k->path, err);
	if (k->fd < 0) {
		return k->fd;
	}
	k->at = 0;
	k->n_bytes = 0;
	k->writing = k->control->tenants.n_changes;
	snapshot_writer_init(&k->writer);
	snapshot_write_head(&k->writer, &head);
	return 0;
}

/* Writes what has come together. */
static int keeper_write(struct keeper *k, struct err *err)
{
	int rc = k->writer.out.bad ? -ENOMEM
				   : file_write(k->fd, k->writer.out.data, k->writer.out.len);

	k->n_bytes += k->writer.out.len;
	k->writer.out.len = 0;
	if (rc == 0 && k->n_bytes > SNAPSHOT_MAX) {
		rc = -EFBIG;
	}
	return rc < 0 ? err_set_errno(err, rc, "%.200s", k->path) : 0;
}

/* Up to until_ms. Returns 1 when there is more, 0 at the end of all, or a negative errno. */
static int keeper_step(struct keeper *k, uint64_t until_ms, struct err *err)
{
	struct timespec now;
	const struct tenant *t;
	struct buf packed;
	uint64_t now_ns;
	int rc = 0;

	clock_gettime(CLOCK_REALTIME, &now);
	now_ns = (uint64_t)now.tv_sec * SECOND_NS + (uint64_t)now.tv_nsec;
	buf_init(&packed, TENANT_ARENA_MAX);
	while (rc == 0 && (t = tenants_walk(&k->control->tenants, &k->at))) {
		keeper_put(k, t, now_ns, &packed);
		if (k->writer.out.len >= PIECE_MAX) {
			rc = keeper_write(k, err);
		}
		if (clock_ms() >= until_ms) {
			rc = rc == 0 ? 1 : rc;
		}
	}
	buf_fini(&packed);
	if (rc != 0) {
		return rc;
	}
	snapshot_write_end(&k->writer);
	return keeper_write(k, err);
}

bool keeper_work(struct keeper *k, uint64_t until_ms)
{
	struct err err;
	int rc;

	if (k->fd < 0) {
		return false;
	}
	rc = keeper_step(k, until_ms, &err);
	if (rc > 0) {
		return true;
	}
	if (rc < 0) {
		file_replace_abort(k->path, k->fd);
	} else {
		rc = file_replace_commit(k->path, k->fd, &err);
	}
	keeper_close(k);
	if (rc < 0) {
		keeper_failed(k, err.msg);
		k->kept = rc == -EFBIG ? k->writing : k->kept; /* else it is tried again */
	} else {
		k->kept = k->writing;
		problem_clear(&k->control->problems, MOD);
	}
	return false;
}

static void keeper_start(struct keeper *k)
{
	struct err err;

	if (k->fd < 0 && keeper_begin(k, &err) < 0) {
		keeper_failed(k, err.msg);
	}
}

static void keeper_timer(struct timer *timer)
{
	struct keeper *k = container_of(timer, struct keeper, timer);
	uint64_t now = k->control->tenants.n_changes;

	wheel_arm(&k->control->loop.wheel, timer, k->control->loop.now_ms + QUIET_MS);
	k->n_unquiet = now != k->seen ? k->n_unquiet + 1 : 0;
	k->seen = now;
	if (now != k->kept && (k->n_unquiet == 0 || k->n_unquiet >= UNQUIET_MAX)) {
		k->n_unquiet = 0;
		keeper_start(k);
		k->control->loop.busy = true;
	}
}

void keeper_stop(struct keeper *k)
{
	if (k->fd >= 0) {
		file_replace_abort(k->path, k->fd);
		keeper_close(k);
	}
}

void keeper_forget(struct keeper *k)
{
	if (k->path[0] == '\0') {
		return;
	}
	keeper_stop(k);
	(void)unlink(k->path); /* it may not be there */
	k->kept = k->control->tenants.n_changes - 1;
}

void keeper_flush(struct keeper *k)
{
	if (!timer_armed(&k->timer)) {
		return; /* the registry was never read in full */
	}
	(void)keeper_work(k, UINT64_MAX); /* one that is under way */
	if (k->kept != k->control->tenants.n_changes) {
		keeper_start(k);
		(void)keeper_work(k, UINT64_MAX); /* there is no more after it */
	}
}
