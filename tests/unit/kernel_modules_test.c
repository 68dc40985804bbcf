/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The drivers of WireGuard and Jool against the kernel's own modules, in a network namespace of
 * the test's: what was asked for is what is observed, a second run does nothing, a peer that stays
 * keeps its handshake, and whatever request fails, undoing leaves the dump as it was. Where the
 * kernel lacks a module the test is skipped; ./dev lab runs it where it has them.
 */
#include <errno.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/base64.h"
#include "gateway/kernel/jool.h"
#include "gateway/kernel/wireguard.h"
#include "nat64/table.h"
#include "tests/unit/plan_text.h"

struct rig {
	struct netlink *netlink;
	struct kernel_ops real, ops; /* ops: real with the n-th request failing */
	unsigned int n_requests, fail_at;
	struct jool_context ctx;
	struct wireguard wg;
	struct driver driver;
};

static int shell(const char *command)
{
	return system(command);
}

static void shell_read(const char *command, char *dst, size_t size)
{
	FILE *f = popen(command, "r");

	assert_non_null(f);
	dst[0] = '\0';
	if (fgets(dst, (int)size, f)) {
		dst[strcspn(dst, "\n")] = '\0';
	}
	pclose(f);
}

static int failing_transact(void *ctx, const struct kernel_request *req, struct kernel_fault *fault)
{
	struct rig *r = ctx;

	if (++r->n_requests == r->fail_at) {
		memset(fault, 0, sizeof(*fault));
		return -ENOBUFS;
	}
	return r->real.transact(r->real.ctx, req, fault);
}

static struct rig *rig_new(void)
{
	struct rig *r = calloc(1, sizeof(*r));

	assert_int_equal(netlink_new(&r->netlink, NULL), 0);
	r->real = netlink_ops(r->netlink);
	r->ops = (struct kernel_ops){.ctx = r, .transact = failing_transact};
	r->ctx = (struct jool_context){.ops = &r->ops};
	return r;
}

static void rig_free(struct rig *r)
{
	netlink_free(r->netlink);
	free(r);
}

/* Whether the machine can do it at all; here in a namespace without anything else. */
static bool can(const char *command)
{
	return geteuid() == 0 && shell("ip link set lo up 2>/dev/null") == 0 && shell(command) == 0;
}

static void observe(struct rig *r, struct object_set *set)
{
	struct err err = {0};

	object_set_init(set);
	if (r->driver.observe(r->driver.ctx, r->driver.kinds, set, &err) < 0) {
		fail_msg("%s", err.msg);
	}
	assert_int_equal(object_set_sort(set, &err), 0);
}

static void assert_same(const struct object_set *a, const struct object_set *b)
{
	struct plan plan;
	struct buf text;

	assert_int_equal(plan_diff(a, b, &plan, NULL), 0);
	buf_init(&text, 1 << 20);
	plan_format(&plan, &text);
	buf_u8(&text, 0);
	assert_string_equal((const char *)text.data, "");
	buf_fini(&text);
	plan_fini(&plan);
}

static void reach(struct rig *r, struct object_set *desired)
{
	struct object_set observed;
	struct err err = {0};
	struct plan plan;
	size_t done;

	assert_int_equal(object_set_sort(desired, &err), 0);
	observe(r, &observed);
	assert_int_equal(plan_diff(&observed, desired, &plan, &err), 0);
	if (r->driver.apply(r->driver.ctx, plan.steps, plan.n, &done, &err) < 0) {
		fail_msg("%s", err.msg);
	}
	assert_int_equal(done, plan.n);
	plan_fini(&plan);
	object_set_fini(&observed);
	observe(r, &observed);
	assert_same(&observed, desired);
	object_set_fini(&observed);
}

static void want(struct object_set *set, const char *lines)
{
	char line[160];
	size_t len;

	object_set_init(set);
	for (; *lines; lines += len + 1) {
		len = strcspn(lines, "\n");
		snprintf(line, sizeof(line), "%.*s", (int)len, lines);
		plan_text_add(set, line);
	}
}

static void reach_text(struct rig *r, const char *lines)
{
	struct object_set desired;

	want(&desired, lines);
	reach(r, &desired);
	object_set_fini(&desired);
}

/* From the state that is there to lines, with each request failing once. */
static void assert_undone(struct rig *r, const char *lines)
{
	struct object_set before, desired, after;
	struct plan plan, undo;
	struct err err;
	size_t done;
	int rc = -1;

	observe(r, &before);
	want(&desired, lines);
	assert_int_equal(object_set_sort(&desired, &err), 0);
	for (unsigned int fail = 1; rc < 0; fail++) {
		assert_true(fail < 100);
		assert_int_equal(plan_diff(&before, &desired, &plan, &err), 0);
		r->n_requests = 0;
		r->fail_at = fail;
		rc = r->driver.apply(r->driver.ctx, plan.steps, plan.n, &done, &err);
		r->fail_at = 0;
		assert_int_equal(plan_undo(&plan, done, &undo, &err), 0);
		if (r->driver.apply(r->driver.ctx, undo.steps, undo.n, &done, &err) < 0) {
			fail_msg("undoing: %s", err.msg);
		}
		observe(r, &after);
		assert_same(&after, &before);
		plan_fini(&undo);
		plan_fini(&plan);
		object_set_fini(&after);
		/* a message that failed is sent again, so not each failure is seen */
		rc = r->n_requests >= fail ? -1 : rc;
	}
	object_set_fini(&before);
	object_set_fini(&desired);
}

static double now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

#define NODE                      \
	"instance 64:ff9b::/96\n" \
	"global 1 1\n"            \
	"global 3 1280\n"         \
	"global 14 0\n"           \
	"global 15 0\n"           \
	"global 26 0\n"
#define TENANTS                                     \
	"pool4 203.0.113.10 16384 17407 4097\n"     \
	"pool4 203.0.113.10 17408 18431 4098\n"     \
	"pool4 203.0.113.10 18432 19455 4099\n"     \
	"pool4 203.0.113.10 53 53 2147483701\n"     \
	"pool4 203.0.113.10 54 54 2147483702\n"     \
	"bib 2001:db8:1::1 80 203.0.113.10 16390\n" \
	"bib 2001:db8:1::1 53 203.0.113.10 53\n"    \
	"bib 2001:db8:1::2 53 203.0.113.10 54\n"    \
	"bib 2001:db8:2::1 80 203.0.113.10 17408\n"

static void jool_rows(struct rig *r)
{
	reach_text(r, NODE TENANTS);
	reach_text(r, NODE TENANTS);
	/* smaller blocks cut nothing; the one mapping moves, the other stays */
	reach_text(r, NODE "pool4 203.0.113.10 16384 16895 4097\n"
			   "pool4 203.0.113.10 16896 17407 4098\n"
			   "bib 2001:db8:1::1 80 203.0.113.10 16391\n"
			   "bib 2001:db8:2::1 80 203.0.113.10 16896\n");
	reach_text(r, NODE TENANTS);
	assert_undone(r, NODE "pool4 203.0.113.10 16384 16895 4097\n"
			      "pool4 203.0.113.10 40000 40099 4098\n"
			      "pool4 203.0.113.10 53 53 2147483701\n"
			      "bib 2001:db8:1::1 80 203.0.113.10 16391\n"
			      "bib 2001:db8:1::1 53 203.0.113.10 53\n"
			      "bib 2001:db8:2::1 80 203.0.113.10 40000\n");
	/* by hand: a row that merges, a mapping, a global, and the instance itself */
	assert_int_equal(shell("jool -i sixgate pool4 add 203.0.113.10 19456-19999 --tcp --mark "
			       "4099 && jool -i sixgate bib add 203.0.113.10#19000 "
			       "2001:db8:3::3#1 --tcp && jool -i sixgate global update "
			       "drop-externally-initiated-tcp 1"),
			 0);
	reach_text(r, NODE TENANTS);
	assert_int_equal(shell("jool instance remove sixgate"), 0);
	reach_text(r, NODE TENANTS);
	reach_text(r, "instance 2001:db8:64::/96\nglobal 1 1\nglobal 3 1280\nglobal 14 0\n"
		      "global 15 0\nglobal 26 0\n" TENANTS);
}

static void jool_stats_and_sizes(struct rig *r)
{
	struct object_set set, desired;
	uint64_t stats[JOOL_STATS];
	struct jool jool;
	struct err err;
	double start;

	assert_int_equal(jool_open(&r->ctx, &jool, &err), 0);
	assert_int_equal(jool_stats_read(&jool, stats, &err), 0);
	assert_int_equal(stats[JOOL_STAT_BIB_ENTRIES], 4);
	want(&desired, NODE);
	for (unsigned int i = 0; i < 2000; i++) {
		char line[96];

		snprintf(line, sizeof(line), "pool4 203.0.113.%u %u %u %u", 10 + i / 48,
			 16384 + i % 48 * 1024, 16384 + i % 48 * 1024 + 1023, 4096 + i);
		plan_text_add(&desired, line);
	}
	start = now_ms();
	reach(r, &desired);
	printf("2000 rows: %.0f ms\n", now_ms() - start);
	start = now_ms();
	observe(r, &set);
	printf("observed again: %.0f ms\n", now_ms() - start);
	object_set_fini(&set);
	object_set_fini(&desired);
}

/* A host behind a veth that talks by UDP from its port 5000, through a row without a mark. */
static void talk(void)
{
	assert_int_equal(
		shell("ip netns add jt && ip link add jv0 type veth peer name jv1 netns jt && "
		      "ip link set jv0 up && ip -n jt link set jv1 up && ip -n jt link set lo up && "
		      "ip addr add 2001:db8:1::1/64 dev jv0 nodad && "
		      "ip -n jt addr add 2001:db8:1::2/64 dev jv1 nodad && "
		      "ip -n jt -6 route add default via 2001:db8:1::1 && "
		      "ip link add jd0 type dummy && ip link set jd0 up && "
		      "ip addr add 203.0.113.10/24 dev jd0 && "
		      "sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1 && "
		      "jool -i sixgate pool4 add 203.0.113.10 16384-17407 --udp && "
		      "ip netns exec jt python3 -c 'import socket; s = "
		      "socket.socket(socket.AF_INET6, socket.SOCK_DGRAM); s.bind((\"\", 5000)); "
		      "s.sendto(b\"x\", (\"64:ff9b::203.0.113.77\", 99))'"),
		0);
}

static int keep_entry(const struct jool_entry *e, void *arg)
{
	*(struct jool_entry *)arg = *e;
	return 0;
}

/* The first mapping of UDP behind a place where none is, as the ports in use are counted. */
static struct jool_entry first_mapping(const struct jool *jool)
{
	struct jool_walk walk = {.protocol = IPPROTO_UDP, .begun = true};
	struct jool_entry first = {0};
	struct err err;
	bool more;

	assert_int_equal(addr_parse(str_from("203.0.113.10"), &walk.last.src4.addr), 0);
	walk.last.protocol = IPPROTO_UDP;
	walk.last.src4.port = 16383;
	walk.last.src6 = (struct endpoint){.addr = {.b = {[15] = 1}}, .port = 1};
	assert_int_equal(jool_walk(jool, JOOL_BIB, &walk, keep_entry, &first, &more, &err), 0);
	assert_false(more);
	return first;
}

static void jool_mapping_makes_way(struct rig *r)
{
	struct jool_list sessions = {0};
	struct object o = {.kind = OBJECT_BIB, .bib = {.protocol = IPPROTO_UDP}};
	struct step step = {.verb = STEP_ADD, .to = &o};
	struct jool_entry first;
	struct jool jool;
	struct err err = {0};
	size_t done;

	talk();
	assert_int_equal(jool_open(&r->ctx, &jool, &err), 0);
	first = first_mapping(&jool);
	assert_int_equal(first.src6.port, 5000);
	assert_false(first.is_static);
	assert_true(first.src4.port >= 16384 && first.src4.port <= 17407);
	assert_int_equal(jool_list_read(&jool, JOOL_SESSION, IPPROTO_UDP, 10, &sessions, &err), 0);
	assert_int_equal(sessions.n, 1);
	assert_int_equal(sessions.items[0].dst4.port, 99);
	assert_true(sessions.items[0].expires_ms > 0);
	jool_list_fini(&sessions);
	/* the socket has another port; then the port has another socket */
	o.bib.inside = first.src6;
	o.bib.outside = first.src4;
	o.bib.outside.port ^= 1;
	if (r->driver.apply(r->driver.ctx, &step, 1, &done, &err) < 0) {
		fail_msg("%s", err.msg);
	}
	first = first_mapping(&jool);
	assert_true(first.is_static && first.src4.port == o.bib.outside.port);
	o.bib.inside.port = 5001;
	assert_int_equal(r->driver.apply(r->driver.ctx, &step, 1, &done, &err), -EEXIST);
	first = first_mapping(&jool);
	assert_true(first.is_static && first.src6.port == 5000);
	shell("ip netns del jt; ip link del jd0");
}

static void eam_line(struct object_set *set, const char *pool6, const char *eam)
{
	char line[128];

	want(set, "");
	snprintf(line, sizeof(line), "instance %s", pool6);
	plan_text_add(set, line);
	if (eam) {
		snprintf(line, sizeof(line), "eam %s", eam);
		plan_text_add(set, line);
	}
	for (size_t i = 0; i < set->n; i++) {
		if (set->items[i].kind == OBJECT_INSTANCE) {
			set->items[i].instance.translator = TRANSLATOR_SIIT;
		}
	}
}

static void siit_module_does_what_is_asked(void **state)
{
	static const char *const eams[] = {"203.0.113.17/32 2001:db8:1::20/128",
					   "203.0.113.17/32 2001:db8:1::21/128", NULL};
	struct object_set desired;
	struct rig *r;

	(void)state;
	if (!can("modprobe -q jool_siit 2>/dev/null")) {
		skip();
	}
	r = rig_new();
	r->ctx.translator = TRANSLATOR_SIIT;
	r->driver = jool_driver(&r->ctx);
	for (size_t i = 0; i < 3; i++) {
		eam_line(&desired, "2001:db8:a000:fe::/96", eams[i]);
		reach(r, &desired);
		object_set_fini(&desired);
	}
	reach_text(r, "");
	rig_free(r);
}

static void jool_module_does_what_is_asked(void **state)
{
	struct rig *r;

	(void)state;
	if (!can("modprobe -q jool 2>/dev/null")) {
		skip();
	}
	r = rig_new();
	r->driver = jool_driver(&r->ctx);
	jool_rows(r);
	jool_stats_and_sizes(r);
	reach_text(r, NODE);
	jool_mapping_makes_way(r);
	reach_text(r, "");
	rig_free(r);
}

/* A peer of the other side, that shakes hands with our device over the loopback. */
static void other_side(const char *our_public, char their_public[64])
{
	char command[512], key[64];

	shell_read("wg genkey", key, sizeof(key));
	snprintf(command, sizeof(command), "echo %s | wg pubkey", key);
	shell_read(command, their_public, 64);
	snprintf(command, sizeof(command),
		 "ip link add wgc type wireguard && echo %s >/tmp/wgc.key && wg set wgc "
		 "listen-port 7000 private-key /tmp/wgc.key peer %s allowed-ips ::/0 endpoint "
		 "127.0.0.1:51820 persistent-keepalive 1; rm /tmp/wgc.key; ip link set wgc up",
		 key, our_public);
	assert_int_equal(shell(command), 0);
}

static void want_peers(struct object_set *set, const uint8_t *private_key, const uint8_t *real_peer,
		       unsigned int n, unsigned int n_allowed)
{
	struct object device = {.kind = OBJECT_WG_DEVICE,
				.wg_device = {.link = "sg-wg", .port = 51820}};

	object_set_init(set);
	memcpy(device.wg_device.private_key, private_key, WG_KEY_BYTES);
	object_set_add(set, &device);
	for (unsigned int i = 0; i < n; i++) {
		struct prefix allowed[64];
		struct object o = {.kind = OBJECT_WG_PEER,
				   .wg_peer = {.link = "sg-wg",
					       .public_key = {(uint8_t)i, (uint8_t)(i >> 8), 1},
					       .keepalive_s = (uint16_t)(i % 3 * 20),
					       .preshared_key = {(uint8_t)(i % 2)},
					       .allowed = allowed,
					       .n_allowed = i == 0 ? 1 : n_allowed}};

		if (i == 0) {
			memcpy(o.wg_peer.public_key, real_peer, WG_KEY_BYTES);
			o.wg_peer.preshared_key[0] = 0;
		}
		for (unsigned int k = 0; k < o.wg_peer.n_allowed; k++) {
			allowed[k] =
				(struct prefix){.addr = {.b = {0x20, 1, 0xd, 0xb8}}, .len = 64};
			allowed[k].addr.b[5] = (uint8_t)(i >> 8);
			allowed[k].addr.b[6] = (uint8_t)i;
			allowed[k].addr.b[7] = (uint8_t)k;
		}
		object_set_add(set, &o);
	}
}

static const struct object_wg_peer *peer_of(const struct object_set *set, const uint8_t *key)
{
	for (size_t i = 0; i < set->n; i++) {
		if (set->items[i].kind == OBJECT_WG_PEER &&
		    memcmp(set->items[i].wg_peer.public_key, key, WG_KEY_BYTES) == 0) {
			return &set->items[i].wg_peer;
		}
	}
	return NULL;
}

/* Waits until the peer has shaken hands, returns when. */
static uint64_t handshake_of(struct rig *r, const uint8_t *key)
{
	uint64_t when = 0;

	for (int tries = 0; when == 0 && tries < 200; tries++) {
		const struct timespec pause = {.tv_nsec = 50000000};
		struct object_set set;

		observe(r, &set);
		when = peer_of(&set, key)->handshake_s;
		object_set_fini(&set);
		nanosleep(&pause, NULL);
	}
	assert_true(when > 0);
	return when;
}

static void wireguard_changes(struct rig *r, const uint8_t *key, const uint8_t *peer)
{
	struct object_set desired, observed;
	uint64_t when;
	double start = now_ms();

	want_peers(&desired, key, peer, 2000, 2);
	reach(r, &desired);
	printf("2000 peers: %.0f ms\n", now_ms() - start);
	object_set_fini(&desired);
	assert_int_equal(shell("ip link set sg-wg up"), 0);
	when = handshake_of(r, peer);
	/* every peer but one is changed, then most go */
	want_peers(&desired, key, peer, 2000, 40);
	reach(r, &desired);
	object_set_fini(&desired);
	want_peers(&desired, key, peer, 3, 1);
	reach(r, &desired);
	observe(r, &observed);
	assert_true(peer_of(&observed, peer)->handshake_s == when);
	assert_true(peer_of(&observed, peer)->endpoint.port == 7000);
	object_set_fini(&observed);
	object_set_fini(&desired);
}

static void wireguard_module_does_what_is_asked(void **state)
{
	char text[64], their_public[64], command[256];
	uint8_t key[WG_KEY_BYTES], peer[WG_KEY_BYTES];
	struct object_set desired;
	struct rig *r;

	(void)state;
	if (!can("ip link add sg-wg type wireguard 2>/dev/null") ||
	    shell("ip link set sg-wg alias sixgate:wireguard") != 0) {
		skip();
	}
	r = rig_new();
	r->wg = (struct wireguard){.ops = &r->ops};
	r->driver = wireguard_driver(&r->wg);
	shell_read("wg genkey", text, sizeof(text));
	assert_int_equal(base64_decode(str_from(text), key, sizeof(key)), 0);
	snprintf(command, sizeof(command), "echo %s | wg pubkey", text);
	shell_read(command, text, sizeof(text));
	other_side(text, their_public);
	assert_int_equal(base64_decode(str_from(their_public), peer, sizeof(peer)), 0);
	wireguard_changes(r, key, peer);
	/* by hand */
	assert_int_equal(shell("wg set sg-wg listen-port 51999 peer "
			       "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAE= allowed-ips ::/0"),
			 0);
	want_peers(&desired, key, peer, 3, 1);
	reach(r, &desired);
	object_set_fini(&desired);
	assert_undone(r, "wg-device sg-wg 51821 07\nwg-peer sg-wg 08 2001:db8:ffff::/64\n"
			 "wg-peer sg-wg 09\n");
	rig_free(r);
}

/* Both tests in a namespace that goes with the process. */
static int setup(void **state)
{
	(void)state;
	return geteuid() == 0 && unshare(CLONE_NEWNET) < 0 ? -1 : 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(wireguard_module_does_what_is_asked),
		cmocka_unit_test(jool_module_does_what_is_asked),
		cmocka_unit_test(siit_module_does_what_is_asked),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
