/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Preshared keys, from their files to WireGuard: a new one comes in force with a reload, and a file
 * that cannot be read is told of and changes nothing.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/base64.h"
#include "gateway/kernel/internal.h"
#include "tests/unit/fake_wireguard.h"

#define PUBLIC_1 "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE="
#define PUBLIC_2 "AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI="

/* A kernel that has WireGuard and nothing else; acme's first tunnel has a preshared key. */
struct rig {
	struct fake_wireguard fake;
	struct wireguard wg;
	struct driver driver;
	struct kernel k;
	struct node_conf node;
	struct prefix prefixes[2];
	struct tunnel_conf tunnels[2];
	struct tenant_conf acme, next;
	char dir[64], private[96], file[96];
};

static const struct kernel_uids uids = {.proxy = 1001, .agent = 1002};

static int nothing_else(void *ctx, const struct kernel_request *req, struct kernel_fault *fault)
{
	(void)ctx, (void)req;
	*fault = (struct kernel_fault){0};
	return -EOPNOTSUPP;
}

/* A key of 32 such bytes. */
static void write_key(const char *file, uint8_t byte)
{
	char text[BASE64_KEY_LEN + 1];
	uint8_t key[WG_KEY_BYTES];
	FILE *f = fopen(file, "w");

	assert_non_null(f);
	memset(key, byte, sizeof(key));
	fprintf(f, "%s\n", base64_encode(key, sizeof(key), text));
	fclose(f);
	assert_int_equal(chmod(file, 0600), 0);
}

static void acme_init(struct rig *r)
{
	for (int i = 0; i < 2; i++) {
		r->prefixes[i] = (struct prefix){.addr = {.b = {0x20, 0x01, 0x0d, 0xb8, 0xa0, 0x00,
								0x10, (uint8_t)i}},
						 .len = 64};
		r->tunnels[i] = (struct tunnel_conf){.name = i == 0 ? "home" : "office",
						     .kind = TUNNEL_WIREGUARD,
						     .public_key = i == 0 ? PUBLIC_1 : PUBLIC_2,
						     .prefixes = &r->prefixes[i],
						     .n_prefixes = 1};
	}
	r->tunnels[0].preshared_key_file = r->file;
	r->acme = (struct tenant_conf){.refs = 1000, /* none is the last one */
				       .name = "acme",
				       .prefixes = r->prefixes,
				       .n_prefixes = 2,
				       .tunnels = r->tunnels,
				       .n_tunnels = 2};
}

static int setup(void **state)
{
	struct rig *r = calloc(1, sizeof(*r));

	fake_wireguard_init(&r->fake);
	r->wg = (struct wireguard){.ops = &r->fake.ops};
	r->driver = wireguard_driver(&r->wg);
	r->k.ops = (struct kernel_ops){.transact = nothing_else};
	hash_key_init(&r->k.key);
	table_init(&r->k.tenants);
	TAILQ_INIT(&r->k.sweep.due);
	assert_int_equal(reconcile_new(&r->driver, 1, NULL, NULL, &r->k.reconcile, NULL), 0);
	strcpy(r->dir, "/tmp/sixgate-keys-XXXXXX");
	assert_non_null(mkdtemp(r->dir));
	snprintf(r->private, sizeof(r->private), "%s/wg.key", r->dir);
	snprintf(r->file, sizeof(r->file), "%s/psk", r->dir);
	write_key(r->private, 0x40);
	write_key(r->file, 7);
	r->node.has_ipv6_prefix = true;
	assert_int_equal(prefix_parse(str_from("2001:db8:a000::/48"), &r->node.ipv6_prefix, NULL),
			 0);
	r->node.wireguard.on = true;
	r->node.wireguard.listen_port = 51820;
	r->node.wireguard.private_key_file = r->private;
	acme_init(r);
	*state = r;
	return 0;
}

static int teardown(void **state)
{
	struct rig *r = *state;
	char command[128];

	assert_int_equal(kernel_remove_tenant(&r->k, "acme", NULL), 0);
	assert_int_equal(r->fake.n_peers, 0);
	reconcile_free(r->k.reconcile);
	table_fini(&r->k.tenants);
	buf_fini(&r->k.failures.lines);
	buf_fini(&r->k.failing.lines);
	buf_fini(&r->k.foreign);
	free(r->k.firewall);
	fake_wireguard_fini(&r->fake);
	snprintf(command, sizeof(command), "rm -r %s", r->dir);
	assert_int_equal(system(command), 0);
	free(r);
	return 0;
}

/* As a start, or a reload. */
static void apply(struct rig *r)
{
	struct err err;

	if (kernel_apply_node(&r->k, &r->node, &uids, &err) < 0) {
		fail_msg("%s", err.msg);
	}
}

static void start(struct rig *r)
{
	assert_int_equal(kernel_set_tenant(&r->k, &r->acme, NULL), 0);
	apply(r);
}

static struct fake_peer *peer(struct rig *r, uint8_t byte)
{
	uint8_t key[WG_KEY_BYTES];

	memset(key, byte, sizeof(key));
	return fake_find(&r->fake, key);
}

static void new_key_comes_with_a_reload_and_touches_no_other_peer(void **state)
{
	struct rig *r = *state;
	unsigned int touched;

	start(r);
	assert_int_equal(peer(r, 1)->psk[31], 7);
	assert_int_equal(peer(r, 2)->psk[31], 0);
	touched = peer(r, 2)->touched;
	write_key(r->file, 8);
	apply(r);
	assert_int_equal(peer(r, 1)->psk[31], 8);
	assert_int_equal(peer(r, 1)->n_allowed, 1);
	assert_int_equal(peer(r, 2)->touched, touched);
	touched = peer(r, 1)->touched;
	apply(r);
	assert_int_equal(peer(r, 1)->touched, touched);
	assert_null(kernel_psk_problem(&r->k));
}

static void file_that_cannot_be_read_any_more_leaves_the_tunnel_its_key(void **state)
{
	struct rig *r = *state;
	unsigned int touched;

	start(r);
	touched = peer(r, 1)->touched;
	write_key(r->file, 8);
	assert_int_equal(chmod(r->file, 0644), 0);
	apply(r);
	assert_int_equal(peer(r, 1)->psk[31], 7);
	assert_int_equal(peer(r, 1)->touched, touched);
	assert_non_null(strstr(kernel_psk_problem(&r->k), "acme: "));
	assert_non_null(strstr(kernel_psk_problem(&r->k), "psk: others may read this key"));
	assert_int_equal(chmod(r->file, 0600), 0);
	apply(r);
	assert_int_equal(peer(r, 1)->psk[31], 8);
	assert_null(kernel_psk_problem(&r->k));
}

static void object_with_a_file_that_cannot_be_read_is_refused(void **state)
{
	struct rig *r = *state;
	struct tunnel_conf tunnels[2];
	struct err err;

	start(r);
	memcpy(tunnels, r->tunnels, sizeof(tunnels));
	tunnels[0].preshared_key_file = "/nonexistent/psk";
	tunnels[1].keepalive_s = 25;
	r->next = r->acme;
	r->next.tunnels = tunnels;
	assert_int_equal(kernel_set_tenant(&r->k, &r->next, &err), -ENOENT);
	assert_non_null(strstr(err.msg, "preshared key: /nonexistent/psk: No such file"));
	assert_int_equal(peer(r, 1)->psk[31], 7);
	assert_int_equal(peer(r, 2)->keepalive, 0);
	apply(r);
	assert_null(kernel_psk_problem(&r->k));
}

static void file_that_is_not_there_at_the_start_costs_its_tunnel_alone(void **state)
{
	struct rig *r = *state;

	assert_int_equal(unlink(r->file), 0);
	start(r);
	assert_null(peer(r, 1));
	assert_non_null(peer(r, 2));
	assert_non_null(strstr(kernel_psk_problem(&r->k), "No such file"));
	write_key(r->file, 9);
	apply(r);
	assert_int_equal(peer(r, 1)->psk[31], 9);
	assert_null(kernel_psk_problem(&r->k));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(new_key_comes_with_a_reload_and_touches_no_other_peer),
		TEST(file_that_cannot_be_read_any_more_leaves_the_tunnel_its_key),
		TEST(object_with_a_file_that_cannot_be_read_is_refused),
		TEST(file_that_is_not_there_at_the_start_costs_its_tunnel_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
