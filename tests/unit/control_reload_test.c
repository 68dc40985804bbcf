/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A reload from the request to its answer. The file, the sockets and the control socket's client
 * are real; the workers' side of the feeds is the test.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/container.h"
#include "conf/model/message.h"
#include "gateway/control/internal.h"
#include "gateway/control/keeper.h"
#include "gateway/kernel/internal.h"
#include "tests/unit/control_rig.h"

#define WORKERS    2
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

struct fixture {
	struct rig rig;
	char folder[64], path[80];
	unsigned int n_turns;
	unsigned int ports[2]; /* of the node config in the file */
	struct kernel_ops ops;
	unsigned int n_batches; /* of nftables, that are taken; then none is any more */
};

/* The node config in the file: its name, and a tls listener on the nth port. */
static void write_conf(struct fixture *f, const char *name, unsigned int nth)
{
	char text[1024];

	snprintf(text, sizeof(text),
		 "node: {name: %s, farm: test}\n"
		 "uplink: {kind: direct, interface: lo,\n"
		 " ipv4: [{range: 127.0.79.0/32, delivery: present}],\n"
		 " ipv6: {prefix: '2001:db8:a000::/48', reserved: 0}}\n"
		 "listeners: [{address: any, port: %u, protocol: tls}]\n"
		 "access_log: off\nworkers: %u\nregistry: {dir: /nowhere}\n",
		 name, f->ports[nth], WORKERS);
	rig_write(f->path, text);
}

static bool is_open(const struct fixture *f, unsigned int nth)
{
	const struct addr addr = {.b = {[10] = 0xff, 0xff, 127, 0, 79, 0}};

	return rig_listener(&f->rig, &addr, (uint16_t)f->ports[nth]) != NULL;
}

static void on_batch(struct loop *loop)
{
	struct fixture *f = container_of(loop, struct fixture, rig.c.loop);

	loop->busy = control_reload_step(&f->rig.c) || loop->busy || f->n_turns > 0;
	f->n_turns -= f->n_turns > 0;
	loop->stop = !loop->busy;
}

/* Enough turns of the loop for a request to be read and an answer to be written. */
static void turns(struct fixture *f)
{
	f->n_turns = 6;
	f->rig.c.loop.busy = true;
	f->rig.c.loop.stop = false;
	assert_int_equal(loop_run(&f->rig.c.loop), 0);
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct control *c = &f->rig.c;
	struct err err = {0};
	char path[80];
	struct buf text;

	strcpy(f->folder, "/tmp/reload-test-XXXXXX");
	assert_non_null(mkdtemp(f->folder));
	snprintf(f->path, sizeof(f->path), "%s/conf", f->folder);
	rig_init(&f->rig, WORKERS, NULL);
	f->ports[0] = f->rig.port;
	f->ports[1] = f->rig.port + 1;
	c->conf_path = f->path;
	c->notify.fd = -1;
	c->loop.batch_end = on_batch;
	c->logchild.helper.loop = &c->loop;
	c->logchild.helper.problems = &c->problems;
	c->query_log.helper.loop = &c->loop;
	c->query_log.helper.problems = &c->problems;
	logchild_init(&c->logchild, false);
	logchild_init(&c->query_log, true);
	c->responder.helper.loop = &c->loop;
	c->responder.helper.problems = &c->problems;
	responder_init(&c->responder);
	keeper_init(&c->keeper, c);
	snprintf(path, sizeof(path), "%s/sock", f->folder);
	c->server.ops = &control_server_ops;
	c->server.ctx = c;
	assert_int_equal(server_init(&c->server, &c->loop, path, (gid_t)-1, &err), 0);
	c->phase = CONTROL_RUNNING;
	c->workers.released = true;
	c->node.ops = &control_node_ops;
	control_reload_init(c);
	write_conf(f, "first", 0);
	buf_init(&text, 4096);
	if (control_load_conf(f->path, f->folder, &c->conf, &text) < 0) {
		fail_msg("%.*s", (int)text.len, (char *)text.data);
	}
	buf_fini(&text);
	assert_int_equal(items_add(&c->items, &c->node), 0);
	assert_int_equal(listeners_configure(&c->listeners, c->conf, &err), 0);
	for (unsigned int i = 0; i < WORKERS; i++) {
		feed_start(&c->items, i);
	}
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	struct control *c = &f->rig.c;

	kernel_free(c->kernel);
	server_fini(&c->server);
	node_conf_free(c->reload.conf);
	wheel_disarm(&c->loop.wheel, &c->reload.late);
	rig_fini(&f->rig);
	node_conf_free(c->conf);
	unlink(f->path);
	rmdir(f->folder);
	free(f);
	return 0;
}

/*
 * Lets a worker take all it is sent; why: NULL, or it refuses each node config. ret_name is that
 * of the last one.
 */
static unsigned int work(struct fixture *f, unsigned int slot, const char *why, char ret_name[32])
{
	struct items *items = &f->rig.c.items;
	struct channel_msg msg;
	unsigned int n = 0;

	ret_name[0] = '\0';
	while (feed_next(items, slot, &msg)) {
		bool is_node = msg.type == MSG_NODE;
		struct str text = str_from(why ? why : "");
		struct node_conf *node;
		struct err err = {0};

		if (msg.type == MSG_BEGIN || msg.type == MSG_END) {
			continue;
		}
		if (is_node) {
			n++;
			assert_int_equal(node_conf_unpack(cursor_from(msg.data, msg.len), &node,
							  &err),
					 0);
			snprintf(ret_name, 32, "%s", node->name);
			node_conf_free(node);
		}
		assert_int_equal(feed_answer(items, slot, msg.id, msg.serial,
					     is_node && why ? &text : NULL),
				 0);
	}
	return n;
}

static void work_all(struct fixture *f)
{
	char name[32];

	for (unsigned int i = 0; i < WORKERS; i++) {
		(void)work(f, i, NULL, name);
	}
}

/* A client of the control socket asks for a reload; returns its end of the connection. */
static int ask(struct fixture *f)
{
	const struct request req = {.verb = VERB_RELOAD};
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct buf out;

	memcpy(sa.sun_path, f->rig.c.server.path, sizeof(sa.sun_path));
	assert_int_equal(connect(fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
	buf_init(&out, REQUEST_MAX);
	request_pack(&req, &out);
	assert_int_equal(send(fd, out.data, out.len, 0), out.len);
	buf_fini(&out);
	turns(f);
	return fd;
}

/* What was answered so far, when workers take the listeners of a config; fd stays open. */
static const char *answer(struct fixture *f, int fd, char dst[512])
{
	ssize_t n;

	turns(f);
	if (f->rig.c.reload.phase == RELOAD_TELLING) {
		work_all(f);
		turns(f);
	}
	n = recv(fd, dst, 511, 0);
	dst[n > 0 ? n : 0] = '\0';
	return dst;
}

static void test_in_force_and_answered_when_all_workers_have_it(void **state)
{
	struct fixture *f = *state;
	struct control *c = &f->rig.c;
	char name[32], text[512];
	int fd;

	work_all(f);
	write_conf(f, "second", 1);
	fd = ask(f);
	assert_int_equal(work(f, 0, NULL, name), 1);
	assert_string_equal(name, "second");
	assert_string_equal(answer(f, fd, text), "");
	assert_string_equal(c->conf->name, "first");
	assert_true(is_open(f, 0) && !is_open(f, 1));
	assert_int_equal(work(f, 1, NULL, name), 1);
	turns(f);
	assert_string_equal(c->conf->name, "second");
	assert_int_equal(c->reload.phase, RELOAD_TELLING); /* of the new listener */
	(void)work(f, 0, NULL, name);
	turns(f);
	assert_int_equal(recv(fd, text, sizeof(text), 0), -1);
	assert_string_equal(answer(f, fd, text), "{\"ok\":true}\n{\"end\":true}\n");
	assert_true(is_open(f, 1) && !is_open(f, 0));
	assert_int_equal(problems_count(&c->problems), 0);
	close(fd);
}

static void test_one_refusal_and_all_have_the_former_one(void **state)
{
	struct fixture *f = *state;
	struct control *c = &f->rig.c;
	char name[32], text[512];
	int fd;

	work_all(f);
	write_conf(f, "second", 1);
	fd = ask(f);
	assert_int_equal(work(f, 0, NULL, name), 1);
	assert_int_equal(work(f, 1, "no room", name), 1);
	assert_non_null(strstr(answer(f, fd, text), "worker 1 refuses it: no room"));
	assert_non_null(strstr(text, "\"ok\":false"));
	assert_string_equal(c->conf->name, "first");
	assert_ptr_equal(c->listeners.node, c->conf);
	assert_true(is_open(f, 0) && !is_open(f, 1));
	assert_int_equal(work(f, 0, NULL, name), 1);
	assert_string_equal(name, "first");
	assert_int_equal(work(f, 1, NULL, name), 1);
	assert_string_equal(name, "first");
	assert_true(problem_has(&c->problems, "reload"));
	assert_int_equal(problems_count(&c->problems), 1);
	close(fd);
	fd = ask(f); /* the worker has room now */
	work_all(f);
	assert_non_null(strstr(answer(f, fd, text), "\"ok\":true"));
	assert_int_equal(problems_count(&c->problems), 0);
	close(fd);
}

static void test_worker_that_ends_is_not_waited_for(void **state)
{
	struct fixture *f = *state;
	char name[32], text[512];
	int fd;

	work_all(f);
	write_conf(f, "second", 1);
	fd = ask(f);
	(void)work(f, 0, NULL, name);
	feed_stop(&f->rig.c.items, 1);
	assert_non_null(strstr(answer(f, fd, text), "\"ok\":true"));
	feed_start(&f->rig.c.items, 1);
	(void)work(f, 1, NULL, name);
	assert_string_equal(name, "second");
	close(fd);
}

static void test_reload_asked_for_meanwhile_reads_the_file_anew(void **state)
{
	struct fixture *f = *state;
	char name[32], text[512];
	int first, second;

	work_all(f);
	write_conf(f, "second", 1);
	first = ask(f);
	write_conf(f, "third", 0);
	second = ask(f);
	work_all(f);
	assert_non_null(strstr(answer(f, first, text), "\"ok\":true"));
	assert_string_equal(answer(f, second, text), "");
	assert_string_equal(f->rig.c.conf->name, "second");
	(void)work(f, 0, NULL, name);
	assert_string_equal(name, "third");
	(void)work(f, 1, NULL, name);
	assert_non_null(strstr(answer(f, second, text), "\"ok\":true"));
	assert_string_equal(f->rig.c.conf->name, "third");
	close(first);
	close(second);
}

static void test_listener_that_cannot_be_had_gives_workers_the_former_one(void **state)
{
	struct fixture *f = *state;
	struct endpoint local = {.addr = {.b = {[10] = 0xff, 0xff, 127, 0, 79, 0}},
				 .port = (uint16_t)f->ports[1]};
	int taken = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	char name[32], text[512];
	struct sockaddr_storage sa;
	socklen_t len = endpoint_to_sockaddr(&local, false, &sa);
	int fd;

	work_all(f);
	assert_int_equal(bind(taken, (struct sockaddr *)&sa, len), 0);
	assert_int_equal(listen(taken, 1), 0);
	write_conf(f, "second", 1);
	fd = ask(f);
	work_all(f);
	assert_non_null(strstr(answer(f, fd, text), "in use"));
	(void)work(f, 0, NULL, name);
	assert_string_equal(name, "first");
	assert_true(is_open(f, 0));
	close(fd);
	close(taken);
}

/* A kernel where nothing is. */
static int fake_transact(void *ctx, const struct kernel_request *req, struct kernel_fault *fault)
{
	struct fixture *f = ctx;
	const struct nlmsghdr *nlh = req->data;
	_Alignas(struct nlmsghdr) char data[64] = {0};
	struct nlmsghdr *answer = mnl_nlmsg_put_header(data);

	memset(fault, 0, sizeof(*fault));
	if (req->bus == BUS_NETFILTER && nlh->nlmsg_type == NFNL_MSG_BATCH_BEGIN) {
		if (f->n_batches == 0) {
			return -EIO;
		}
		f->n_batches--;
		return 0;
	}
	if (req->bus != BUS_NETFILTER || (nlh->nlmsg_type & 0xff) != NFT_MSG_GETGEN) {
		return 0;
	}
	(void)mnl_nlmsg_put_extra_header(answer, sizeof(struct nfgenmsg)); /* zeroed */
	mnl_attr_put_u32(answer, NFTA_GEN_ID, 1);
	return req->reply(answer, req->arg);
}

static void never(struct io *io, uint32_t events)
{
	(void)io, (void)events;
	fail();
}

/* Settings as they are wanted: none of this machine's is touched. */
static const char *const settings[] = {
	"net/",      "net/ipv4/",      "net/ipv4/tcp_migrate_req", "net/ipv4/tcp_tw_reuse",
	"net/ipv6/", "net/ipv6/conf/", "net/ipv6/conf/all/",       "net/ipv6/conf/all/forwarding",
};
#define N_SETTINGS (sizeof(settings) / sizeof(settings[0]))

static void add_settings(const struct fixture *f)
{
	for (size_t i = 0; i < N_SETTINGS; i++) {
		char path[160];

		snprintf(path, sizeof(path), "%s/%s", f->folder, settings[i]);
		if (path[strlen(path) - 1] == '/') {
			assert_int_equal(mkdir(path, 0700), 0);
		} else {
			rig_write(path, "1\n");
		}
	}
}

static void remove_settings(const struct fixture *f)
{
	char path[160];

	snprintf(path, sizeof(path), "%s/settings", f->folder); /* the kernel's record */
	assert_int_equal(remove(path), 0);
	for (size_t i = N_SETTINGS; i > 0; i--) {
		snprintf(path, sizeof(path), "%s/%s", f->folder, settings[i - 1]);
		assert_int_equal(remove(path), 0);
	}
}

static void add_kernel(struct fixture *f)
{
	const struct kernel_uids uids = {.proxy = 101, .agent = 102};
	struct control *c = &f->rig.c;
	struct err err = {0};

	f->ops = (struct kernel_ops){.ctx = f, .transact = fake_transact};
	f->n_batches = 100;
	assert_int_equal(kernel_new(&f->ops, f->folder, &c->kernel, &err), 0);
	c->kernel->drivers.sysctls.root = f->folder;
	c->drift = (struct drift){.kernel = c->kernel, .problems = &c->problems};
	c->drift.watch.ready = never; /* it is watched */
	c->identity.proxy_uid = uids.proxy;
	c->identity.agent_uid = uids.agent;
	assert_int_equal(kernel_apply_node(c->kernel, c->conf, &uids, &err), 0);
	assert_true(kernel_applied(c->kernel));
}

/* The kernel had the new one when the listener could not be had. It borrows what it has. */
static void test_what_failed_half_way_is_no_more_the_kernels(void **state)
{
	struct fixture *f = *state;
	struct control *c = &f->rig.c;
	struct endpoint local = {.addr = {.b = {[10] = 0xff, 0xff, 127, 0, 79, 0}},
				 .port = (uint16_t)f->ports[1]};
	int taken = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), fd;
	struct sockaddr_storage sa;
	/* the former rules are put back; or not even that works, and they stay as they are */
	const unsigned int n_batches[] = {2, 1};
	socklen_t len = endpoint_to_sockaddr(&local, false, &sa);
	struct err err = {0};
	char text[512];

	add_settings(f);
	add_kernel(f);
	assert_null(kernel_failures(c->kernel));
	work_all(f);
	assert_int_equal(bind(taken, (struct sockaddr *)&sa, len), 0);
	assert_int_equal(listen(taken, 1), 0);
	write_conf(f, "second", 1);
	for (size_t i = 0; i < sizeof(n_batches) / sizeof(n_batches[0]); i++) {
		f->n_batches = n_batches[i];
		fd = ask(f);
		work_all(f);
		assert_non_null(strstr(answer(f, fd, text), "in use"));
		assert_int_equal(f->n_batches, 0);
		assert_string_equal(c->conf->name, "first");
		assert_ptr_equal(kernel_node(c->kernel), c->conf);
		assert_int_equal(kernel_look_around(c->kernel, &err), 0); /* it reads the config */
		work_all(f);
		close(fd);
	}
	remove_settings(f);
	close(taken);
}

static void test_who_waits_long_is_told_and_the_reload_goes_on(void **state)
{
	struct fixture *f = *state;
	struct control *c = &f->rig.c;
	char text[512];
	int fd;

	work_all(f);
	write_conf(f, "second", 1);
	fd = ask(f);
	wheel_run(&c->loop.wheel, c->loop.now_ms + 9000);
	assert_non_null(strstr(answer(f, fd, text), "not every worker has answered"));
	work_all(f);
	turns(f);
	assert_string_equal(c->conf->name, "second");
	close(fd);
}

static void test_wrong_file_is_answered_at_once_and_sends_nothing(void **state)
{
	struct fixture *f = *state;
	char name[32], text[512];
	int fd;

	work_all(f);
	rig_write(f->path, "node: [\n");
	fd = ask(f);
	assert_non_null(strstr(answer(f, fd, text), "\"ok\":false"));
	assert_int_equal(work(f, 0, NULL, name), 0);
	close(fd);
}

static void test_stopping_meanwhile_changes_nothing(void **state)
{
	struct fixture *f = *state;
	char text[512];
	int fd;

	work_all(f);
	write_conf(f, "second", 1);
	fd = ask(f);
	f->rig.c.phase = CONTROL_DRAINING;
	work_all(f);
	assert_non_null(strstr(answer(f, fd, text), "stopping"));
	assert_string_equal(f->rig.c.conf->name, "first");
	assert_true(!is_open(f, 1));
	close(fd);
}

static void test_listeners_told_of_after_they_were_closed_come_without_a_socket(void **state)
{
	struct fixture *f = *state;
	struct control *c = &f->rig.c;
	struct channel_msg msg;
	unsigned int n = 0;

	work_all(f);
	write_conf(f, "second", 0);
	close(ask(f));
	work_all(f);
	turns(f);
	listeners_close_all(&c->listeners);
	while (feed_next(&c->items, 0, &msg)) {
		n += msg.type == MSG_LISTENER;
		assert_int_equal(msg.n_fds, 0);
	}
	assert_int_equal(n, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_in_force_and_answered_when_all_workers_have_it),
		TEST(test_one_refusal_and_all_have_the_former_one),
		TEST(test_worker_that_ends_is_not_waited_for),
		TEST(test_reload_asked_for_meanwhile_reads_the_file_anew),
		TEST(test_listener_that_cannot_be_had_gives_workers_the_former_one),
		TEST(test_what_failed_half_way_is_no_more_the_kernels),
		TEST(test_who_waits_long_is_told_and_the_reload_goes_on),
		TEST(test_wrong_file_is_answered_at_once_and_sends_nothing),
		TEST(test_stopping_meanwhile_changes_nothing),
		TEST(test_listeners_told_of_after_they_were_closed_come_without_a_socket),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
