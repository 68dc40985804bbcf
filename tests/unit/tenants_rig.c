/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What tests of tenants share; see tenants_rig.h. */
#include "tests/unit/tenants_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "conf/model/message.h"
#include "conf/text/conf.h"
#include "gateway/registry/dir.h"

#define NODE                                                                                         \
	"node: {name: exit1, farm: test}\n"                                                          \
	"uplink: {kind: direct, interface: lo, ipv4: [{range: 127.0.77.0/31, delivery: present}],\n" \
	" ipv6: {prefix: '2001:db8:a000::/48', reserved: %u}}\n"                                     \
	"listeners: [{address: any, port: %u, protocol: tls}]\n"                                     \
	"registry: {dir: /nowhere}\n"

static void on_file(void *ctx, const char *file)
{
	struct fixture *f = ctx;

	f->n_read++;
	tenants_changed(f->tenants, file);
}

static bool on_recall(void *ctx, const char *file, const struct file_identity *id)
{
	return tenants_recall(((struct fixture *)ctx)->tenants, file, id);
}

static void on_gone(void *ctx, const char *file)
{
	tenants_gone(((struct fixture *)ctx)->tenants, file);
}

static void on_scanned(void *ctx, size_t n_files)
{
	struct fixture *f = ctx;

	if (f->kept) {
		keeper_scanned(&f->rig.c.keeper, n_files);
	}
}

static void on_unreadable(void *ctx, const char *why)
{
	(void)ctx;
	assert_null(why);
}

static void on_ignored(void *ctx, size_t n)
{
	(void)ctx;
	assert_int_equal(n, 0);
}

static const struct dir_ops dir_ops = {on_file,       on_gone,    on_scanned,
				       on_unreadable, on_ignored, REGISTRY_FILES_MAX,
				       on_recall};

static void load_node(struct fixture *f)
{
	struct issues issues;
	struct err err = {0};
	char text[1024];
	struct buf out;

	snprintf(text, sizeof(text), NODE, f->reserved, f->port);
	issues_init(&issues);
	if (conf_node_parse("node", str_from(text), &f->rig.c.conf, &issues) < 0) {
		buf_init(&out, 65536);
		issues_text(&issues, &out);
		fail_msg("%.*s", (int)out.len, (char *)out.data);
	}
	issues_fini(&issues);
	if (listeners_configure(f->listeners, f->rig.c.conf, &err) < 0) {
		fail_msg("%s", err.msg);
	}
}

void change_node(struct fixture *f)
{
	struct node_conf *former = f->rig.c.conf;

	load_node(f);
	tenants_set_node(f->tenants, f->rig.c.conf, true);
	node_conf_free(former);
}

void run_begin(struct fixture *f)
{
	struct control *c = &f->rig.c;
	struct err err = {0};

	rig_init(&f->rig, WORKERS, NULL);
	f->port = f->rig.port;
	f->n_read = 0;
	f->tenants = &c->tenants;
	f->items = c->tenants.items = &c->items;
	f->listeners = c->tenants.listeners = &c->listeners;
	f->slots = c->tenants.slots = &c->slots;
	f->problems = c->tenants.problems = &c->problems;
	c->tenants.folder = f->folder;
	c->run_dir = f->folder;
	assert_int_equal(tenants_init(&c->tenants), 0);
	load_node(f);
	tenants_set_node(&c->tenants, c->conf, true);
	if (f->kept) {
		keeper_init(&c->keeper, c);
		keeper_load(&c->keeper);
	}
	assert_int_equal(dir_new(&c->loop, f->folder, &dir_ops, f, &c->tenants.dir, &err), 0);
	if (f->kept) {
		assert_false(dir_work(f->tenants->dir, UINT64_MAX)); /* the start is over */
	}
	for (unsigned int i = 0; i < WORKERS; i++) {
		feed_start(&c->items, i);
	}
}

void run_end(struct fixture *f)
{
	if (f->kept) {
		keeper_flush(&f->rig.c.keeper);
		keeper_fini(&f->rig.c.keeper);
	}
	dir_free(f->tenants->dir);
	tenants_fini(f->tenants);
	rig_fini(&f->rig);
	node_conf_free(f->rig.c.conf);
	memset(&f->rig, 0, sizeof(f->rig));
}

static int make(void **state, bool kept)
{
	struct fixture *f = calloc(1, sizeof(*f));

	f->kept = kept;
	strcpy(f->folder, "/tmp/tenants-test-XXXXXX");
	assert_non_null(mkdtemp(f->folder));
	run_begin(f);
	*state = f;
	return 0;
}

int setup(void **state)
{
	return make(state, false);
}

int setup_kept(void **state)
{
	return make(state, true);
}

int teardown(void **state)
{
	struct fixture *f = *state;
	char command[128];

	run_end(f);
	snprintf(command, sizeof(command), "rm -rf %s", f->folder);
	assert_int_equal(system(command), 0);
	free(f);
	return 0;
}

static void hand_out(struct fixture *f, const char *file)
{
	dir_touch(f->tenants->dir, file);
	(void)dir_work(f->tenants->dir, UINT64_MAX);
}

void write_file(struct fixture *f, const char *file, const char *tenant, unsigned int serial,
		const char *more)
{
	char path[128];
	FILE *out;

	snprintf(path, sizeof(path), "%s/%s", f->folder, file);
	out = fopen(path, "w");
	assert_non_null(out);
	fprintf(out, "tenant: %s\nserial: %u\n%s", tenant, serial, more);
	fclose(out);
}

void put_quietly(struct fixture *f, const char *file, const char *tenant, unsigned int serial,
		 const char *more)
{
	write_file(f, file, tenant, serial, more);
	dir_touch(f->tenants->dir, file);
}

void put(struct fixture *f, const char *file, const char *tenant, unsigned int serial,
	 const char *more)
{
	put_quietly(f, file, tenant, serial, more);
	hand_out(f, file);
}

void remove_file(struct fixture *f, const char *file)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/%s", f->folder, file);
	assert_int_equal(unlink(path), 0);
}

void take_away(struct fixture *f, const char *file)
{
	remove_file(f, file);
	hand_out(f, file);
}

const char *web(char dst[512], unsigned int n, const char *expose)
{
	snprintf(dst, 512,
		 "prefixes: ['2001:db8:a000:%x::/64']\n"
		 "services:\n"
		 "  - name: web\n"
		 "    backends: ['2001:db8:a000:%x::10']\n"
		 "    expose: [%s]\n",
		 n, n, expose);
	return dst;
}

const char *tcp(char dst[128], unsigned int port)
{
	snprintf(dst, 128,
		 "{protocol: tcp, ipv4: 127.0.77.1, port: %u, to: 22, client_address: hide}", port);
	return dst;
}

const char *tls(char dst[128], const char *name, unsigned int port)
{
	snprintf(dst, 128, "{protocol: tls, names: [%s], port: %u, to: 443, client_address: hide}",
		 name, port);
	return dst;
}

struct seen work(struct fixture *f, unsigned int slot, uint64_t refuse)
{
	struct str why = str_from("no room");
	struct channel_msg msg;
	struct seen seen = {0};

	while (feed_next(f->items, slot, &msg)) {
		bool refused = false;

		switch (msg.type) {
		case MSG_BEGIN:
		case MSG_END:
			continue;
		case MSG_TENANT:
		case MSG_TENANT_SWAP: {
			struct tenant_conf *conf;
			struct err err = {0};

			if (tenant_conf_unpack(cursor_from(msg.data, msg.len), &conf, &err) < 0) {
				fail_msg("%s", err.msg);
			}
			seen.n_tenants++;
			seen.n_swaps += msg.type == MSG_TENANT_SWAP;
			seen.tenant_serial = conf->serial;
			refused = refuse && conf->serial == refuse;
			tenant_conf_unref(conf);
			break;
		}
		case MSG_TENANT_REMOVE:
			seen.n_removed++;
			break;
		case MSG_LISTENER:
			seen.n_listeners++;
			break;
		case MSG_LISTENER_REMOVE:
			seen.n_listeners_removed++;
			break;
		}
		assert_int_equal(feed_answer(f->items, slot, msg.id, msg.serial,
					     refused ? &why : NULL),
				 0);
	}
	return seen;
}

void work_all(struct fixture *f)
{
	for (int round = 0; round < 4; round++) {
		for (unsigned int i = 0; i < WORKERS; i++) {
			(void)work(f, i, 0);
		}
		(void)dir_work(f->tenants->dir, UINT64_MAX); /* files that had to wait */
	}
}

uint64_t serial_in_force(struct fixture *f, const char *name)
{
	const struct tenant_conf *conf = tenants_find(f->tenants, str_from(name));

	return conf ? conf->serial : 0;
}

size_t n_listeners(struct fixture *f)
{
	return rig_listeners(&f->rig);
}
