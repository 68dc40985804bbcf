/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * DOC: a tenant's change
 *
 * file -> text -> object -> checks (name, serial, claims) -> kernel -> workers -> settled. Up to
 * the checks a failure leaves everything as it was and is a problem in `status`. From then on the
 * new version is `current`: it has its counter slots and listeners, beside those of `good`, which
 * are let go when every worker has answered. One version at a time: what arrives meanwhile waits
 * in `next`, where the newest replaces the others.
 *
 * Nothing here looks at any other tenant, so a change costs the same with ten of them or 100,000.
 */
#include "gateway/control/tenants.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/container.h"
#include "base/log.h"
#include "conf/model/claims.h"
#include "conf/model/name.h"
#include "conf/text/conf.h"
#include "gateway/control/internal.h"
#include "gateway/control/listeners.h"
#include "gateway/control/problems.h"
#include "gateway/control/slots.h"
#include "gateway/registry/dir.h"
#include "gateway/registry/snapshot.h"

#define MOD "tenants"

/* A file to look at again when some tenant gives something up. */
struct conflict {
	struct conflict *next; /* tenants.conflicts */
	char file[];
};

int tenants_init(struct tenants *ts)
{
	hash_key_init(&ts->keys[0]);
	hash_key_init(&ts->keys[1]);
	table_init(&ts->by_name);
	ts->claims = claims_new();
	return ts->claims ? 0 : -ENOMEM;
}

static bool tenant_eq(const struct table_node *node, const void *key)
{
	const struct str *name = key;

	return str_eq(str_from(container_of(node, struct tenant, node)->name), *name);
}

struct tenant *tenants_lookup(const struct tenants *ts, struct str name)
{
	uint64_t hash = hash_bytes(&ts->keys[0], name.p, name.len);
	struct table_node *node = table_find(&ts->by_name, hash, tenant_eq, &name);

	return node ? container_of(node, struct tenant, node) : NULL;
}

/* A tenant without any version. NULL when out of memory. */
static struct tenant *tenant_new(struct tenants *ts, struct str name, const char *file)
{
	struct tenant *t = calloc(1, sizeof(*t));

	if (!t) {
		return NULL;
	}
	t->tenants = ts;
	t->file = strdup(file);
	memcpy(t->name, name.p, name.len);
	tenant_init_item(t);
	if (!t->file ||
	    table_insert(&ts->by_name, &t->node, hash_bytes(&ts->keys[0], name.p, name.len)) < 0) {
		free(t->file);
		free(t);
		return NULL;
	}
	return t;
}

void tenant_free(struct tenant *t)
{
	table_remove(&t->tenants->by_name, &t->node);
	tenant_conf_unref(t->good);
	tenant_conf_unref(t->current);
	tenant_conf_unref(t->next);
	tenant_conf_unref(t->refused);
	tenant_conf_unref(t->wanted);
	tenant_conf_unref(t->before);
	free(t->file);
	free(t);
}

void conflicts_retry(struct tenants *ts)
{
	while (ts->conflicts) {
		struct conflict *conflict = ts->conflicts;

		ts->conflicts = conflict->next;
		if (ts->dir) {
			dir_touch(ts->dir, conflict->file);
		}
		free(conflict);
	}
}

static void conflict_add(struct tenants *ts, const char *file)
{
	size_t len = strlen(file);
	struct conflict *conflict;

	for (conflict = ts->conflicts; conflict; conflict = conflict->next) {
		if (strcmp(conflict->file, file) == 0) {
			return;
		}
	}
	conflict = calloc(1, sizeof(*conflict) + len + 1);
	if (conflict) { /* else its next change is the next try */
		memcpy(conflict->file, file, len);
		conflict->next = ts->conflicts;
		ts->conflicts = conflict;
	}
}

void tenants_fini(struct tenants *ts)
{
	struct table_iter it = {0};
	struct table_node *node;

	while ((node = table_next(&ts->by_name, &it))) {
		tenant_free(container_of(node, struct tenant, node));
	}
	table_fini(&ts->by_name);
	claims_free(ts->claims);
	free(ts->swap);
	ts->dir = NULL;
	conflicts_retry(ts); /* frees them */
}

void file_refuse(struct tenants *ts, const char *file, const char *text)
{
	char safe[ERR_MSG_MAX];

	/* the text has escaped what it quotes */
	log_err(MOD, "%s refused: %.*s", str_escape(safe, sizeof(safe), str_from(file)),
		(int)strcspn(text, "\n"), text);
	ts->n_refused += !problem_has(ts->problems, file);
	problem_set(ts->problems, LOG_LEVEL_ERR, file, text);
}

void file_accept(struct tenants *ts, const char *file)
{
	ts->n_refused -= problem_has(ts->problems, file);
	problem_clear(ts->problems, file);
}

static void file_refuse_issues(struct tenants *ts, const char *file, const struct issues *issues)
{
	struct buf text;

	buf_init(&text, PROBLEM_TEXT_MAX * 4);
	issues_text(issues, &text);
	buf_u8(&text, '\0');
	file_refuse(ts, file, text.bad ? "many errors" : (const char *)text.data);
	buf_fini(&text);
}

/* Reads the object of a file; what is wrong with it is noted. NULL: refused. */
static struct tenant_conf *file_parse(struct tenants *ts, const char *file, struct str text,
				      struct str name)
{
	struct tenant_conf *conf = NULL;
	struct issues issues;
	char path[512];

	issues_init(&issues);
	(void)snprintf(path, sizeof(path), "%s/%s", ts->folder, file); /* for messages */
	if (conf_tenant_parse(path, text, ts->conf, &conf, &issues) < 0) {
		conf = NULL;
	} else if (!str_eq(str_from(conf->name), name)) {
		(void)issues_add(&issues, "/tenant", "'%s' is not the file's name", conf->name);
		issues_set_file(&issues, 0, path);
		tenant_conf_unref(conf);
		conf = NULL;
	}
	if (!conf) {
		file_refuse_issues(ts, file, &issues);
	}
	issues_fini(&issues);
	return conf;
}

/* An older serial, or other content under the same serial, is refused. */
static bool serial_fits(struct tenant *t, const struct tenant_conf *conf, bool same_text)
{
	const struct tenant_conf *newest = t->next ? t->next : t->current;
	char text[ERR_MSG_MAX];

	if (!newest || t->gone || conf->serial > newest->serial) {
		return true;
	}
	if (conf->serial == newest->serial && same_text) {
		return true; /* the same, read with another node config */
	}
	if (conf->serial < newest->serial) {
		(void)snprintf(text, sizeof(text),
			       "serial %llu is older than %llu, which is in force",
			       (unsigned long long)conf->serial,
			       (unsigned long long)newest->serial);
	} else {
		(void)snprintf(text, sizeof(text),
			       "other content under serial %llu, which is in force: raise it",
			       (unsigned long long)conf->serial);
	}
	file_refuse(t->tenants, t->file, text);
	return false;
}

/* A tenant may come back in a file with another suffix. */
static int tenant_set_file(struct tenant *t, const char *file)
{
	char *copy;

	if (strcmp(t->file, file) == 0) {
		return 0;
	}
	copy = strdup(file);
	if (!copy) {
		return -ENOMEM;
	}
	free(t->file);
	t->file = copy;
	return 0;
}

enum claim_result {
	CLAIM_TAKEN,
	CLAIM_REFUSED,
	CLAIM_SWAPPED, /* and conf is on its way */
};

/* What conf claims, other tenants must not; former versions keep their claims beside it. */
static enum claim_result claim(struct tenant *t, struct tenant_conf *conf,
			       const struct file_text *text)
{
	struct tenants *ts = t->tenants;
	struct issues issues;
	char path[512];
	int rc;

	issues_init(&issues);
	rc = claims_add_version(ts->claims, ts->conf, conf, &issues);
	if (rc == -EEXIST && swap_try(t, conf, text)) {
		issues_fini(&issues);
		return CLAIM_SWAPPED;
	}
	if (rc < 0) {
		(void)snprintf(path, sizeof(path), "%s/%s", ts->folder, t->file); /* for messages */
		conf_locate(path, 0, &issues, 0);
		issues_set_file(&issues, 0, path);
		file_refuse_issues(ts, t->file, &issues);
		conflict_add(ts, t->file);
	}
	issues_fini(&issues);
	return rc == 0 ? CLAIM_TAKEN : CLAIM_REFUSED;
}

void tenant_let_go(struct tenant *t, struct tenant_conf *conf)
{
	if (conf) {
		claims_remove(t->tenants->claims, conf);
		tenant_conf_unref(conf);
		conflicts_retry(t->tenants);
	}
}

void tenant_set_text(struct tenant *t, const struct file_text *text)
{
	memcpy(t->digest, text->digest, sizeof(t->digest));
	t->id = text->id;
	t->generation = t->tenants->generation;
}

void tenant_forget_text(struct tenant *t)
{
	struct file_text text = {0};

	if (t->good) {
		memcpy(text.digest, t->good->text, sizeof(text.digest));
	}
	tenant_set_text(t, &text);
	t->generation--; /* what comes next is read, also if it is that text: good may be older */
}

void file_apply(struct tenants *ts, const struct file_text *text, struct str name,
		struct tenant_conf *conf)
{
	struct tenant *t = tenants_lookup(ts, name);
	enum claim_result result = CLAIM_REFUSED;
	bool same_text = t && memcmp(t->digest, text->digest, sizeof(t->digest)) == 0;

	memcpy(conf->text, text->digest, sizeof(conf->text));
	if (!t) {
		t = tenant_new(ts, name, text->file);
	}
	if (!t || tenant_set_file(t, text->file) < 0) {
		file_refuse(ts, text->file, "out of memory");
		tenant_conf_unref(conf);
		return;
	}
	if (same_text && t->current && !t->gone) {
		tenant_keep_drained(t->next ? t->next : t->current, conf);
	}
	if (serial_fits(t, conf, same_text)) {
		result = claim(t, conf, text);
	}
	if (result != CLAIM_TAKEN) {
		tenant_conf_unref(conf);
		if (result == CLAIM_REFUSED && !t->current && !item_waiting(&t->item)) {
			tenant_free(t);
		}
		return;
	}
	tenant_set_text(t, text);
	t->gone = false;
	file_accept(ts, text->file);
	tenant_take(t, conf);
}

/* Whether it is the text that is in force, or on its way there, and was read like that. */
static bool file_is_known(struct tenant *t, const struct file_text *text)
{
	if (!t || t->gone || t->generation != t->tenants->generation ||
	    memcmp(t->digest, text->digest, sizeof(t->digest)) != 0) {
		return false;
	}
	t->tenants->n_changes += !file_identity_eq(&t->id, &text->id);
	t->id = text->id;
	return true;
}

/* Why a file is not looked at now; NULL: it is. */
static const char *file_in_the_way(struct tenants *ts, const struct tenant *t, const char *file,
				   struct str name)
{
	if (!name_is_id(name)) {
		return "the file's name is not a tenant's: 1 to 63 of a-z, 0-9, '-'";
	}
	if (t && !t->gone && strcmp(t->file, file) != 0) {
		conflict_add(ts, file);
		return "the tenant has another file already";
	}
	return NULL;
}

static int file_read(struct tenants *ts, struct file_text *ret_text, struct str *ret_content)
{
	const char *file = ret_text->file;
	char *text = NULL;
	struct err err;
	size_t len;

	if (dir_read(ts->dir, file, &text, &len, &ret_text->id, &err) < 0) {
		if (err.code != -ENOENT) { /* gone again: the folder says so next */
			file_refuse(ts, file, err.msg);
		}
		if (err.code == -EMFILE || err.code == -ENFILE || err.code == -ENOMEM) {
			dir_retry(ts->dir, file);
		}
		return err.code;
	}
	*ret_content = (struct str){.p = text, .len = len};
	snapshot_digest(ts->keys, *ret_content, ret_text->digest);
	return 0;
}

static void file_changed(struct tenants *ts, const char *file)
{
	struct str name = {.p = file, .len = conf_object_name_len(file)}, content = {0};
	struct tenant *t = tenants_lookup(ts, name);
	const char *why = file_in_the_way(ts, t, file, name);
	struct file_text text = {.file = file};
	struct tenant_conf *conf;

	if (why) {
		file_refuse(ts, file, why);
		return;
	}
	if (t && t->swapping) {
		conflict_add(ts, file); /* when that has ended */
		return;
	}
	if (t) {
		swap_forget(t);
	}
	if (file_read(ts, &text, &content) < 0) {
		return; /* and said why */
	}
	if (file_is_known(t, &text)) {
		file_accept(ts, file);
	} else {
		conf = file_parse(ts, file, content, name);
		if (conf) {
			file_apply(ts, &text, name, conf);
		}
	}
	free((char *)content.p);
}

void tenants_changed(struct tenants *ts, const char *file)
{
	struct str name = {.p = file, .len = conf_object_name_len(file)};
	struct tenant *t;

	file_changed(ts, file);
	t = tenants_lookup(ts, name);
	if (t && strcmp(t->file, file) == 0) {
		tenant_settle_tried(t);
	}
}

void tenants_gone(struct tenants *ts, const char *file)
{
	struct str name = {.p = file, .len = conf_object_name_len(file)};
	struct tenant *t = tenants_lookup(ts, name);

	file_accept(ts, file);
	if (t && strcmp(t->file, file) == 0) {
		swap_forget(t);
		tenant_drop(t);
	}
}

void tenants_set_node(struct tenants *ts, const struct node_conf *conf, bool reread)
{
	ts->conf = conf;
	ts->generation += reread;
	ts->n_changes++; /* as a snapshot is of its node config, too */
}

size_t tenants_count(const struct tenants *ts, enum tenant_state state)
{
	struct table_iter it = {0};
	struct table_node *node;
	size_t n = 0;

	while ((node = table_next(&ts->by_name, &it))) {
		const struct tenant *t = container_of(node, struct tenant, node);

		n += t->current && !t->gone && t->current->state == state;
	}
	return n;
}

size_t tenants_held(const struct tenants *ts)
{
	struct table_iter it = {0};
	struct table_node *node;
	size_t n = 0;

	while ((node = table_next(&ts->by_name, &it))) {
		const struct tenant *t = container_of(node, struct tenant, node);

		n += t->current && t->file && problem_has(ts->problems, t->file);
	}
	return n;
}

const struct tenant_conf *tenants_find(const struct tenants *ts, struct str name)
{
	const struct tenant *t = tenants_lookup(ts, name);

	return t && !t->gone ? t->current : NULL;
}

uint32_t tenants_id(const struct tenants *ts, struct str name)
{
	const struct tenant *t = tenants_lookup(ts, name);

	return t && !t->gone && t->current ? t->item.id : 0;
}
