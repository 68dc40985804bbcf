/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * From a file of the registry to what workers are sent, and back when one refuses. The folder,
 * the parser and the sockets are real; the workers' side of the feeds is the test.
 */
#include "gateway/control/tenants.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/container.h"
#include "base/counters.h"
#include "conf/model/message.h"
#include "conf/text/conf.h"
#include "gateway/control/listeners.h"
#include "gateway/control/problems.h"
#include "gateway/control/slots.h"
#include "gateway/registry/dir.h"

#define WORKERS 2
#define NODE                                                                                         \
	"node: {name: exit1, farm: test}\n"                                                          \
	"uplink: {kind: direct, interface: lo, ipv4: [{range: 127.0.77.0/31, delivery: present}],\n" \
	" ipv6: {prefix: '2001:db8:a000::/48', reserved: 0}}\n"                                      \
	"listeners: [{address: any, port: %u, protocol: tls}]\n"                                     \
	"registry: {dir: /nowhere}\n"

struct fixture {
	struct loop loop;
	struct counters *segments[WORKERS];
	struct slots slots;
	struct objects objects;
	struct problems problems;
	struct listeners listeners;
	struct tenants tenants;
	struct node_conf *node;
	unsigned int port; /* of the node's listener; those above are free */
	char folder[64];
};

static void on_file(void *ctx, const char *file)
{
	tenants_changed(&((struct fixture *)ctx)->tenants, file);
}

static void on_gone(void *ctx, const char *file)
{
	tenants_gone(&((struct fixture *)ctx)->tenants, file);
}

static void on_scanned(void *ctx, size_t n_files)
{
	(void)ctx;
	(void)n_files;
}

static void on_unreadable(void *ctx, const char *why)
{
	(void)ctx;
	assert_null(why);
}

static const struct dir_ops dir_ops = {on_file, on_gone, on_scanned, on_unreadable};

static void load_node(struct fixture *f)
{
	struct issues issues;
	struct err err = {0};
	char text[1024];
	struct buf out;

	/* ports of this process, so that tests beside this one do not meet it */
	f->port = 20000 + (unsigned int)getpid() % 8000 * 5;
	snprintf(text, sizeof(text), NODE, f->port);
	issues_init(&issues);
	if (conf_node_parse("node", str_from(text), &f->node, &issues) < 0) {
		buf_init(&out, 65536);
		issues_text(&issues, &out);
		fail_msg("%.*s", (int)out.len, (char *)out.data);
	}
	issues_fini(&issues);
	if (listeners_configure(&f->listeners, f->node, &err) < 0) {
		fail_msg("%s", err.msg);
	}
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	const struct listeners_setup listeners = {
		.loop = &f->loop,
		.objects = &f->objects,
		.slots = &f->slots,
		.problems = &f->problems,
		.n_workers = WORKERS,
		.uid = geteuid(),
	};
	struct err err = {0};

	strcpy(f->folder, "/tmp/tenants-test-XXXXXX");
	assert_non_null(mkdtemp(f->folder));
	assert_int_equal(loop_init(&f->loop, &err), 0);
	for (int i = 0; i < WORKERS; i++) {
		int fd = counters_create(&err);

		assert_int_equal(counters_map(fd, 1, &f->segments[i], &err), 0);
		close(fd);
	}
	slots_init(&f->slots, f->segments, WORKERS);
	problems_init(&f->problems);
	assert_int_equal(objects_init(&f->objects, WORKERS), 0);
	assert_int_equal(listeners_init(&f->listeners, &listeners), 0);
	f->tenants.objects = &f->objects;
	f->tenants.listeners = &f->listeners;
	f->tenants.slots = &f->slots;
	f->tenants.problems = &f->problems;
	f->tenants.folder = f->folder;
	assert_int_equal(tenants_init(&f->tenants), 0);
	load_node(f);
	tenants_set_node(&f->tenants, f->node, true);
	assert_int_equal(dir_new(&f->loop, f->folder, &dir_ops, f, &f->tenants.dir, &err), 0);
	for (unsigned int i = 0; i < WORKERS; i++) {
		feed_start(&f->objects, i);
	}
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	char command[128];

	dir_free(f->tenants.dir);
	tenants_fini(&f->tenants);
	listeners_fini(&f->listeners);
	objects_fini(&f->objects);
	problems_fini(&f->problems);
	node_conf_free(f->node);
	for (int i = 0; i < WORKERS; i++) {
		counters_unmap(f->segments[i]);
	}
	loop_fini(&f->loop);
	snprintf(command, sizeof(command), "rm -rf %s", f->folder);
	assert_int_equal(system(command), 0);
	free(f);
	return 0;
}

/* Hands a file's new text to tenants, as the folder does. more: keys of the object. */
static void put(struct fixture *f, const char *file, const char *tenant, unsigned int serial,
		const char *more)
{
	char path[128];
	FILE *out;

	snprintf(path, sizeof(path), "%s/%s", f->folder, file);
	out = fopen(path, "w");
	assert_non_null(out);
	fprintf(out, "tenant: %s\nserial: %u\n%s", tenant, serial, more);
	fclose(out);
	dir_touch(f->tenants.dir, file);
	(void)dir_work(f->tenants.dir, UINT64_MAX);
}

static void take_away(struct fixture *f, const char *file)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/%s", f->folder, file);
	assert_int_equal(unlink(path), 0);
	dir_touch(f->tenants.dir, file);
	(void)dir_work(f->tenants.dir, UINT64_MAX);
}

/* The services of a tenant in 2001:db8:a000:N::/64 with one exposure on port. */
static const char *web(char dst[512], unsigned int n, const char *expose)
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

static const char *tcp(char dst[128], unsigned int port)
{
	snprintf(dst, 128,
		 "{protocol: tcp, ipv4: 127.0.77.1, port: %u, to: 22, client_address: hide}", port);
	return dst;
}

static const char *tls(char dst[128], const char *name, unsigned int port)
{
	snprintf(dst, 128, "{protocol: tls, names: [%s], port: %u, to: 443, client_address: hide}",
		 name, port);
	return dst;
}

struct seen {
	unsigned int n_tenants, n_removed, n_listeners, n_listeners_removed;
	uint64_t tenant_serial; /* the object's own, of the last TENANT */
};

/*
 * Lets a worker take all it is sent. Tenants with this serial of their own are refused (0: none).
 */
static struct seen work(struct fixture *f, unsigned int slot, uint64_t refuse)
{
	struct str why = str_from("no room");
	struct channel_msg msg;
	struct seen seen = {0};

	while (feed_next(&f->objects, slot, &msg)) {
		bool refused = false;

		switch (msg.type) {
		case MSG_BEGIN:
		case MSG_END:
			continue;
		case MSG_TENANT: {
			struct tenant_conf *conf;
			struct err err = {0};

			if (tenant_conf_unpack(cursor_from(msg.data, msg.len), &conf, &err) < 0) {
				fail_msg("%s", err.msg);
			}
			seen.n_tenants++;
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
		assert_int_equal(feed_answer(&f->objects, slot, msg.id, msg.serial,
					     refused ? &why : NULL),
				 0);
	}
	return seen;
}

static void work_all(struct fixture *f)
{
	for (int round = 0; round < 4; round++) {
		for (unsigned int i = 0; i < WORKERS; i++) {
			(void)work(f, i, 0);
		}
		(void)dir_work(f->tenants.dir, UINT64_MAX); /* files that had to wait */
	}
}

static uint64_t serial_in_force(struct fixture *f, const char *name)
{
	const struct tenant_conf *conf = tenants_find(&f->tenants, str_from(name));

	return conf ? conf->serial : 0;
}

static size_t n_listeners(struct fixture *f)
{
	struct table_iter it = {0};
	size_t n = 0;

	while (listeners_next(&f->listeners, &it)) {
		n++;
	}
	return n;
}

static void test_new_tenant_reaches_every_worker_once(void **state)
{
	struct fixture *f = *state;
	char a[512], b[128];
	struct seen seen;

	work_all(f);
	put(f, "acme.yaml", "acme", 1, web(a, 1, tls(b, "shop.example", f->port)));
	for (unsigned int i = 0; i < WORKERS; i++) {
		seen = work(f, i, 0);
		assert_int_equal(seen.n_tenants, 1);
		assert_int_equal(seen.tenant_serial, 1);
		assert_int_equal(seen.n_listeners, 0); /* its port is the node's */
	}
	assert_int_equal(serial_in_force(f, "acme"), 1);
	assert_int_equal(problems_count(&f->problems), 0);
}

static void test_change_of_one_sends_nothing_of_others(void **state)
{
	struct fixture *f = *state;
	char a[512], b[128], name[16], file[32];
	struct seen seen;

	for (unsigned int i = 0; i < 50; i++) {
		snprintf(name, sizeof(name), "t%u", i);
		snprintf(file, sizeof(file), "t%u.yaml", i);
		snprintf(b, sizeof(b),
			 "{protocol: tls, names: [t%u.example], port: %u, to: 443, "
			 "client_address: hide}",
			 i, f->port);
		put(f, file, name, 1, web(a, i, b));
	}
	work_all(f);
	put(f, "t7.yaml", "t7", 2, web(a, 7, tls(b, "other.example", f->port)));
	seen = work(f, 0, 0);
	assert_int_equal(seen.n_tenants, 1);
	assert_int_equal(seen.tenant_serial, 2);
	assert_int_equal(seen.n_listeners, 0);
}

static void test_older_serial_and_other_content_are_refused(void **state)
{
	struct fixture *f = *state;
	char a[512], b[128];

	put(f, "acme.yaml", "acme", 7, web(a, 1, tls(b, "shop.example", f->port)));
	work_all(f);
	put(f, "acme.yaml", "acme", 6, web(a, 1, tls(b, "shop.example", f->port)));
	assert_true(problem_has(&f->problems, "acme.yaml"));
	assert_int_equal(f->tenants.n_refused, 1);
	assert_int_equal(work(f, 0, 0).n_tenants, 0);
	put(f, "acme.yaml", "acme", 7, web(a, 1, tls(b, "other.example", f->port)));
	assert_true(problem_has(&f->problems, "acme.yaml"));
	assert_int_equal(work(f, 0, 0).n_tenants, 0);
	/* what is in force again is no problem any more */
	put(f, "acme.yaml", "acme", 7, web(a, 1, tls(b, "shop.example", f->port)));
	assert_false(problem_has(&f->problems, "acme.yaml"));
	assert_int_equal(f->tenants.n_refused, 0);
	assert_int_equal(work(f, 0, 0).n_tenants, 0);
	put(f, "acme.yaml", "acme", 8, web(a, 1, tls(b, "other.example", f->port)));
	assert_int_equal(work(f, 0, 0).tenant_serial, 8);
}

static void test_broken_object_keeps_the_former_one(void **state)
{
	struct fixture *f = *state;
	char a[512], b[128];

	put(f, "acme.yaml", "acme", 1, web(a, 1, tls(b, "shop.example", f->port)));
	work_all(f);
	put(f, "acme.yaml", "acme", 2, "services: [");
	assert_true(problem_has(&f->problems, "acme.yaml"));
	put(f, "acme.yaml", "globex", 3, web(a, 1, tls(b, "shop.example", f->port)));
	assert_true(problem_has(&f->problems, "acme.yaml"));
	assert_int_equal(serial_in_force(f, "acme"), 1);
	assert_int_equal(serial_in_force(f, "globex"), 0);
	assert_int_equal(work(f, 0, 0).n_tenants, 0);
}

static void test_refusal_by_one_worker_brings_the_former_back_to_all(void **state)
{
	struct fixture *f = *state;
	char a[512], b[128];
	uint32_t freed;

	put(f, "acme.yaml", "acme", 1, web(a, 1, tls(b, "shop.example", f->port)));
	work_all(f);
	freed = f->slots.n_freed;
	put(f, "acme.yaml", "acme", 2, web(a, 1, tcp(b, f->port + 1)));
	assert_int_equal(n_listeners(f), 3);
	assert_int_equal(work(f, 0, 0).tenant_serial, 2); /* takes it */
	assert_int_equal(work(f, 1, 2).n_tenants, 2);     /* refuses it, then gets 1 again */
	assert_int_equal(work(f, 0, 0).tenant_serial, 1);
	work_all(f);
	assert_int_equal(serial_in_force(f, "acme"), 1);
	assert_true(problem_has(&f->problems, "acme.yaml"));
	assert_int_equal(n_listeners(f), 2);
	(void)listeners_total(&f->listeners, COUNTER_ACTIVE); /* lets the resting slot go */
	assert_int_equal(f->slots.n_freed, freed + 1); /* the listener's; nothing else was new */
	/* a mended one gets through, and the same number may be tried again */
	put(f, "acme.yaml", "acme", 2, web(a, 1, tcp(b, f->port + 1)));
	work_all(f);
	assert_int_equal(serial_in_force(f, "acme"), 2);
	assert_false(problem_has(&f->problems, "acme.yaml"));
}

static void test_refusal_of_a_first_version_removes_the_tenant(void **state)
{
	struct fixture *f = *state;
	char a[512], b[128];
	struct seen seen;

	work_all(f);
	put(f, "acme.yaml", "acme", 1, web(a, 1, tcp(b, f->port + 1)));
	assert_int_equal(work(f, 0, 0).n_tenants, 1);
	(void)work(f, 1, 1);
	seen = work(f, 0, 0);
	assert_int_equal(seen.n_removed, 1);
	work_all(f);
	assert_int_equal(serial_in_force(f, "acme"), 0);
	assert_true(problem_has(&f->problems, "acme.yaml"));
	assert_int_equal(n_listeners(f), 2);
	assert_int_equal(f->tenants.by_name.count, 0);
	/* nothing of it is left: another tenant may have its prefix and port */
	put(f, "globex.yaml", "globex", 1, web(a, 1, tcp(b, f->port + 1)));
	work_all(f);
	assert_int_equal(serial_in_force(f, "globex"), 1);
}

static void test_newest_of_many_changes_wins(void **state)
{
	struct fixture *f = *state;
	char a[512], b[128];
	struct seen seen;

	work_all(f);
	for (unsigned int serial = 1; serial <= 100; serial++) {
		put(f, "acme.yaml", "acme", serial, web(a, 1, tls(b, "shop.example", f->port)));
	}
	seen = work(f, 0, 0);
	assert_int_equal(seen.n_tenants, 1);
	work_all(f);
	assert_int_equal(serial_in_force(f, "acme"), 100);
	assert_int_equal(work(f, 0, 0).n_tenants, 0);
	assert_int_equal(problems_count(&f->problems), 0);
}

static void test_removed_file_takes_everything_with_it(void **state)
{
	struct fixture *f = *state;
	char a[512], b[128];
	uint32_t before;

	work_all(f);
	before = f->slots.fresh - f->slots.n_freed;
	put(f, "acme.yaml", "acme", 1, web(a, 1, tcp(b, f->port + 1)));
	work_all(f);
	assert_int_equal(n_listeners(f), 3);
	take_away(f, "acme.yaml");
	assert_int_equal(serial_in_force(f, "acme"), 0);
	assert_int_equal(work(f, 0, 0).n_removed, 1);
	work_all(f);
	assert_int_equal(n_listeners(f), 2);
	assert_int_equal(f->tenants.by_name.count, 0);
	(void)listeners_total(&f->listeners, COUNTER_ACTIVE); /* lets the resting slot go */
	assert_int_equal(f->slots.fresh - f->slots.n_freed, before);
	/* the same number again is a new beginning */
	put(f, "acme.yaml", "acme", 1, web(a, 1, tcp(b, f->port + 1)));
	work_all(f);
	assert_int_equal(serial_in_force(f, "acme"), 1);
	assert_int_equal(n_listeners(f), 3);
}

static void test_removed_and_back_before_workers_answer(void **state)
{
	struct fixture *f = *state;
	char a[512], b[128];

	work_all(f);
	put(f, "acme.yaml", "acme", 5, web(a, 1, tcp(b, f->port + 1)));
	take_away(f, "acme.yaml");
	put(f, "acme.json", "acme", 1, web(a, 1, tcp(b, f->port + 1)));
	work_all(f);
	assert_int_equal(serial_in_force(f, "acme"), 1);
	assert_int_equal(problems_count(&f->problems), 0);
	assert_int_equal(n_listeners(f), 3);
	take_away(f, "acme.json");
	work_all(f);
	assert_int_equal(f->tenants.by_name.count, 0);
	assert_int_equal(n_listeners(f), 2);
}

static void test_second_file_for_a_tenant_is_refused(void **state)
{
	struct fixture *f = *state;
	char a[512], b[128];

	put(f, "acme.yaml", "acme", 1, web(a, 1, tls(b, "shop.example", f->port)));
	put(f, "acme.json", "acme", 2, web(a, 1, tls(b, "shop.example", f->port)));
	work_all(f);
	assert_true(problem_has(&f->problems, "acme.json"));
	assert_int_equal(serial_in_force(f, "acme"), 1);
	take_away(f, "acme.json");
	assert_false(problem_has(&f->problems, "acme.json"));
	assert_int_equal(serial_in_force(f, "acme"), 1);
}

static void test_second_file_is_taken_when_the_first_is_gone(void **state)
{
	struct fixture *f = *state;
	char a[512], b[128];

	put(f, "acme.yaml", "acme", 1, web(a, 1, tls(b, "shop.example", f->port)));
	put(f, "acme.json", "acme", 2, web(a, 1, tls(b, "shop.example", f->port)));
	work_all(f);
	take_away(f, "acme.yaml");
	work_all(f);
	assert_int_equal(serial_in_force(f, "acme"), 2);
	assert_int_equal(problems_count(&f->problems), 0);
}

static void test_second_claim_is_refused_and_taken_when_the_first_is_gone(void **state)
{
	struct fixture *f = *state;
	char a[512], b[128];

	put(f, "acme.yaml", "acme", 1, web(a, 1, tls(b, "shop.example", f->port)));
	put(f, "globex.yaml", "globex", 1, web(a, 2, tls(b, "shop.example", f->port)));
	work_all(f);
	assert_int_equal(serial_in_force(f, "globex"), 0);
	assert_true(problem_has(&f->problems, "globex.yaml"));
	take_away(f, "acme.yaml");
	work_all(f);
	assert_int_equal(serial_in_force(f, "globex"), 1);
	assert_false(problem_has(&f->problems, "globex.yaml"));
	assert_int_equal(f->tenants.n_refused, 0);
}

static void test_name_goes_to_another_when_no_worker_has_it_any_more(void **state)
{
	struct fixture *f = *state;
	char a[512], b[128];

	put(f, "acme.yaml", "acme", 1, web(a, 1, tls(b, "shop.example", f->port)));
	work_all(f);
	put(f, "acme.yaml", "acme", 2, web(a, 1, tls(b, "shop.example", f->port)));
	put(f, "acme.yaml", "acme", 3, web(a, 1, tls(b, "other.example", f->port))); /* waits */
	put(f, "globex.yaml", "globex", 1, web(a, 2, tls(b, "shop.example", f->port)));
	assert_int_equal(serial_in_force(f, "globex"), 0);
	(void)work(f, 0, 0);
	(void)work(f, 1, 0); /* the second of both, so the third follows, which this one has now */
	(void)dir_work(f->tenants.dir, UINT64_MAX);
	assert_int_equal(serial_in_force(f, "acme"), 3);
	assert_int_equal(serial_in_force(f, "globex"), 0);
	(void)work(f, 0, 0);
	(void)dir_work(f->tenants.dir, UINT64_MAX);
	assert_int_equal(serial_in_force(f, "globex"), 1);
	work_all(f);
	assert_int_equal(f->tenants.n_refused, 0);

	/* a removal as well */
	take_away(f, "globex.yaml");
	put(f, "acme.yaml", "acme", 4, web(a, 1, tls(b, "shop.example", f->port)));
	(void)work(f, 0, 0);
	assert_int_equal(serial_in_force(f, "acme"), 3);
	work_all(f);
	assert_int_equal(serial_in_force(f, "acme"), 4);
}

static void test_refused_version_keeps_the_name_it_gave_up(void **state)
{
	struct fixture *f = *state;
	char a[512], b[128];

	put(f, "acme.yaml", "acme", 1, web(a, 1, tls(b, "shop.example", f->port)));
	work_all(f);
	put(f, "acme.yaml", "acme", 2, web(a, 1, tls(b, "other.example", f->port)));
	put(f, "globex.yaml", "globex", 1, web(a, 2, tls(b, "shop.example", f->port)));
	(void)work(f, 0, 0);
	(void)work(f, 1, 2);
	work_all(f);
	assert_int_equal(serial_in_force(f, "acme"), 1);
	assert_int_equal(serial_in_force(f, "globex"), 0);
	assert_true(problem_has(&f->problems, "globex.yaml"));
	/* and what the refused version alone had is free again */
	put(f, "globex.yaml", "globex", 2, web(a, 2, tls(b, "other.example", f->port)));
	work_all(f);
	assert_int_equal(serial_in_force(f, "globex"), 2);
}

static void test_tls_port_has_a_listener_on_each_pool_address_while_needed(void **state)
{
	struct fixture *f = *state;
	char a[512], b[128];

	work_all(f);
	put(f, "acme.yaml", "acme", 1, web(a, 1, tls(b, "a.example.net", f->port + 1)));
	put(f, "globex.yaml", "globex", 1, web(a, 2, tls(b, "b.example.net", f->port + 1)));
	work_all(f);
	assert_int_equal(n_listeners(f), 4);
	take_away(f, "acme.yaml");
	work_all(f);
	assert_int_equal(n_listeners(f), 4);
	put(f, "globex.yaml", "globex", 2, web(a, 2, tls(b, "b.example.net", f->port)));
	work_all(f);
	assert_int_equal(n_listeners(f), 2);
}

static void test_suspended_tenant_has_no_listener(void **state)
{
	struct fixture *f = *state;
	char a[512], b[128], c[600];

	work_all(f);
	put(f, "acme.yaml", "acme", 1, web(a, 1, tcp(b, f->port + 1)));
	work_all(f);
	assert_int_equal(n_listeners(f), 3);
	snprintf(c, sizeof(c), "state: suspended\n%s", web(a, 1, tcp(b, f->port + 1)));
	put(f, "acme.yaml", "acme", 2, c);
	work_all(f);
	assert_int_equal(n_listeners(f), 2);
	assert_int_equal(tenants_count(&f->tenants, TENANT_SUSPENDED), 1);
	assert_int_equal(tenants_count(&f->tenants, TENANT_ACTIVE), 0);
}

static void test_change_keeps_the_sockets_of_its_listener(void **state)
{
	struct fixture *f = *state;
	char a[512], b[128];
	struct seen seen;

	work_all(f);
	put(f, "acme.yaml", "acme", 1, web(a, 1, tcp(b, f->port + 1)));
	work_all(f);
	put(f, "acme.yaml", "acme", 2, web(a, 1, tcp(b, f->port + 1)));
	seen = work(f, 0, 0);
	assert_int_equal(seen.n_tenants, 1);
	assert_int_equal(seen.n_listeners + seen.n_listeners_removed, 0);
	work_all(f);
	assert_int_equal(work(f, 0, 0).n_listeners_removed, 0);
}

static void test_walk_meets_each_tenant_in_force_once(void **state)
{
	struct fixture *f = *state;
	char a[512], b[128];
	const struct tenant_conf *tenant;
	unsigned int n = 0;
	uint32_t at = 0;

	put(f, "acme.yaml", "acme", 1, web(a, 1, tls(b, "a.example.net", f->port)));
	put(f, "globex.yaml", "globex", 1, web(a, 2, tls(b, "b.example.net", f->port)));
	work_all(f);
	put(f, "gone.yaml", "gone", 1, web(a, 3, tls(b, "c.example.net", f->port)));
	take_away(f, "gone.yaml");
	while ((tenant = tenants_next(&f->tenants, &at))) {
		assert_true(strcmp(tenant->name, "acme") == 0 ||
			    strcmp(tenant->name, "globex") == 0);
		n++;
	}
	assert_int_equal(n, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		TEST(test_new_tenant_reaches_every_worker_once),
		TEST(test_change_of_one_sends_nothing_of_others),
		TEST(test_older_serial_and_other_content_are_refused),
		TEST(test_broken_object_keeps_the_former_one),
		TEST(test_refusal_by_one_worker_brings_the_former_back_to_all),
		TEST(test_refusal_of_a_first_version_removes_the_tenant),
		TEST(test_newest_of_many_changes_wins),
		TEST(test_removed_file_takes_everything_with_it),
		TEST(test_removed_and_back_before_workers_answer),
		TEST(test_second_file_for_a_tenant_is_refused),
		TEST(test_second_file_is_taken_when_the_first_is_gone),
		TEST(test_second_claim_is_refused_and_taken_when_the_first_is_gone),
		TEST(test_name_goes_to_another_when_no_worker_has_it_any_more),
		TEST(test_refused_version_keeps_the_name_it_gave_up),
		TEST(test_tls_port_has_a_listener_on_each_pool_address_while_needed),
		TEST(test_suspended_tenant_has_no_listener),
		TEST(test_change_keeps_the_sockets_of_its_listener),
		TEST(test_walk_meets_each_tenant_in_force_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
