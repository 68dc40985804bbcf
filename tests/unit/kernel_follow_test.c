/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Who follows when the ways of the tunnels carry something else: first the node's own devices, then
 * each tenant, one a step; who cannot waits for the next look, behind all others.
 */
#include <errno.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
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

#define TENANTS 3
#define LINK    7 /* index of the uplink's */
#define PUBLIC  "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE="

static const char *const names[TENANTS] = {"acme", "beta", "gamma"};
static const struct kernel_uids uids = {.proxy = 1001, .agent = 1002};

/* A kernel of links and WireGuard; all ways carry the same. */
struct rig {
	struct fake_wireguard fake;
	struct wireguard wg;
	struct driver drivers[2];
	struct object_set links; /* that are there */
	struct kernel_ops ops;   /* for the ways */
	struct kernel k;
	uint32_t way_mtu;
	const char *refused;       /* whose links cannot be changed: "" the node's; NULL: nobody */
	char changed[8][IFNAMSIZ]; /* whose links, in the order in which they were */
	size_t n_changed;
	struct node_conf node;
	struct prefix prefixes[TENANTS + 1];
	struct tunnel_conf tunnels[TENANTS + 1];
	struct tenant_conf tenants[TENANTS];
	char dir[64], private[96], psk[96];
};

static int links_observe(void *ctx, uint32_t kinds, struct object_set *set, struct err *err)
{
	struct rig *r = ctx;

	(void)kinds, (void)err;
	object_set_add_all(set, &r->links);
	return 0;
}

/* The node has two, which change in one go. */
static void note_change(struct rig *r, const char *owner)
{
	const char *who = *owner ? owner : "node";

	if (r->n_changed == 0 || strcmp(r->changed[r->n_changed - 1], who) != 0) {
		assert_true(r->n_changed < 8);
		snprintf(r->changed[r->n_changed++], IFNAMSIZ, "%s", who);
	}
}

static int links_apply(void *ctx, const struct step *steps, size_t n_steps, size_t *ret_done,
		       struct err *err)
{
	struct rig *r = ctx;

	for (*ret_done = 0; *ret_done < n_steps; (*ret_done)++) {
		const struct object *to = steps[*ret_done].to;
		const char *owner = to && to->owner ? to->owner : "";

		if (r->refused && strcmp(owner, r->refused) == 0) {
			return err_set(err, -EIO, "%s: refused", owner);
		}
		if (steps[*ret_done].verb == STEP_CHANGE) {
			note_change(r, owner);
		}
	}
	return 0;
}

static int way_transact(void *ctx, const struct kernel_request *req, struct kernel_fault *fault)
{
	_Alignas(struct nlmsghdr) char data[256];
	const struct nlmsghdr *asked = req->data;
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(data);
	struct rig *r = ctx;

	*fault = (struct kernel_fault){0};
	if (asked->nlmsg_type == RTM_GETLINK) {
		struct ifinfomsg *ifi = mnl_nlmsg_put_extra_header(nlh, sizeof(*ifi));

		nlh->nlmsg_type = RTM_NEWLINK;
		ifi->ifi_index = LINK;
		mnl_attr_put_u32(nlh, IFLA_MTU, r->way_mtu);
	} else if (asked->nlmsg_type == RTM_GETROUTE) {
		struct rtmsg *rtm = mnl_nlmsg_put_extra_header(nlh, sizeof(*rtm));

		nlh->nlmsg_type = RTM_NEWROUTE;
		rtm->rtm_family = AF_INET;
		rtm->rtm_type = RTN_UNICAST;
		mnl_attr_put_u32(nlh, RTA_OIF, LINK);
	} else {
		return -EOPNOTSUPP;
	}
	return req->reply(nlh, req->arg);
}

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

static struct addr addr_of(const char *text)
{
	struct addr a;

	assert_int_equal(addr_parse(str_from(text), &a), 0);
	return a;
}

static void tenants_init(struct rig *r)
{
	char text[32];

	for (int i = 0; i <= TENANTS; i++) {
		snprintf(text, sizeof(text), "2001:db8:a000:100%d::", i);
		r->prefixes[i] = (struct prefix){.addr = addr_of(text), .len = 64};
		snprintf(text, sizeof(text), "198.51.100.%d", i + 1);
		r->tunnels[i] = (struct tunnel_conf){.name = "dc",
						     .kind = TUNNEL_6IN4,
						     .has_remote = true,
						     .remote = addr_of(text),
						     .prefixes = &r->prefixes[i],
						     .n_prefixes = 1};
	}
	for (int i = 0; i < TENANTS; i++) {
		r->tenants[i] = (struct tenant_conf){.refs = 1000, /* none is the last one */
						     .name = (char *)names[i],
						     .prefixes = &r->prefixes[i],
						     .n_prefixes = 1,
						     .tunnels = &r->tunnels[i],
						     .n_tunnels = 1};
	}
}

static void node_init(struct rig *r)
{
	r->node.has_ipv6_prefix = true;
	assert_int_equal(prefix_parse(str_from("2001:db8:a000::/48"), &r->node.ipv6_prefix, NULL),
			 0);
	r->node.six_in_four.on = true;
	r->node.six_in_four.local = addr_of("203.0.113.10");
	r->node.uplink_kind = UPLINK_6IN4;
	r->node.exit.local = addr_of("203.0.113.10");
	r->node.exit.remote = addr_of("192.0.2.1");
	r->node.wireguard.on = true;
	r->node.wireguard.listen_port = 51820;
	r->node.wireguard.private_key_file = r->private;
}

static int setup(void **state)
{
	struct rig *r = calloc(1, sizeof(*r));
	struct kernel *k = &r->k;

	fake_wireguard_init(&r->fake);
	r->wg = (struct wireguard){.ops = &r->fake.ops};
	r->drivers[0] = (struct driver){.name = "links",
					.kinds = DRIVER_KIND(OBJECT_LINK),
					.ctx = r,
					.observe = links_observe,
					.apply = links_apply};
	r->drivers[1] = wireguard_driver(&r->wg);
	r->way_mtu = 1500;
	r->ops = (struct kernel_ops){.ctx = r, .transact = way_transact};
	object_set_init(&r->links);
	k->ops = r->ops;
	k->drivers.rt.ops = &r->ops;
	hash_key_init(&k->key);
	table_init(&k->tenants);
	TAILQ_INIT(&k->sweep.due);
	TAILQ_INIT(&k->follow.due);
	paths_init(&k->paths, &k->drivers.rt);
	assert_int_equal(reconcile_new(r->drivers, 2, NULL, NULL, &k->reconcile, NULL), 0);
	strcpy(r->dir, "/tmp/sixgate-follow-XXXXXX");
	assert_non_null(mkdtemp(r->dir));
	snprintf(r->private, sizeof(r->private), "%s/wg.key", r->dir);
	snprintf(r->psk, sizeof(r->psk), "%s/psk", r->dir);
	write_key(r->private, 0x40);
	write_key(r->psk, 7);
	node_init(r);
	tenants_init(r);
	*state = r;
	return 0;
}

static int teardown(void **state)
{
	struct rig *r = *state;
	char command[128];

	r->refused = NULL;
	for (int i = 0; i < TENANTS; i++) {
		assert_int_equal(kernel_remove_tenant(&r->k, names[i], NULL), 0);
	}
	assert_true(TAILQ_EMPTY(&r->k.follow.due));
	reconcile_free(r->k.reconcile);
	table_fini(&r->k.tenants);
	paths_fini(&r->k.paths);
	buf_fini(&r->k.failures.lines);
	buf_fini(&r->k.failing.lines);
	buf_fini(&r->k.foreign);
	free(r->k.firewall);
	object_set_fini(&r->links);
	fake_wireguard_fini(&r->fake);
	snprintf(command, sizeof(command), "rm -r %s", r->dir);
	assert_int_equal(system(command), 0);
	free(r);
	return 0;
}

static void start(struct rig *r)
{
	struct err err;

	for (int i = 0; i < TENANTS; i++) {
		assert_int_equal(kernel_set_tenant(&r->k, &r->tenants[i], NULL), 0);
	}
	if (kernel_apply_node(&r->k, &r->node, &uids, &err) < 0) {
		fail_msg("%s", err.msg);
	}
	r->n_changed = 0;
}

/* Until there is nothing more to do. Returns how many steps failed. */
static unsigned int measure(struct rig *r)
{
	unsigned int n_failed = 0, n_steps = 0;
	struct buf told;
	struct err err;

	buf_init(&told, 65536);
	paths_look(&r->k.paths);
	while (kernel_measuring(&r->k)) {
		size_t before = r->n_changed;

		n_failed += kernel_measure(&r->k, &told, &err) < 0;
		assert_true(r->n_changed - before <= 1); /* one a step */
		assert_true(n_steps++ < 100);
	}
	buf_fini(&told);
	return n_failed;
}

static bool has_followed(const struct rig *r, const char *who)
{
	unsigned int n = 0;

	for (size_t i = 0; i < r->n_changed; i++) {
		n += strcmp(r->changed[i], who) == 0;
	}
	assert_true(n <= 1);
	return n == 1;
}

static void the_nodes_devices_follow_first_then_each_tenant_once(void **state)
{
	struct rig *r = *state;

	start(r);
	assert_int_equal(measure(r), 0);
	assert_int_equal(r->n_changed, 0); /* all is as it was */
	r->way_mtu = 1400;
	assert_int_equal(measure(r), 0);
	assert_int_equal(r->n_changed, 1 + TENANTS);
	assert_string_equal(r->changed[0], "node");
	for (int i = 0; i < TENANTS; i++) {
		assert_true(has_followed(r, names[i]));
	}
}

static void who_cannot_waits_for_the_next_look_and_holds_nobody_up(void **state)
{
	struct rig *r = *state;

	start(r);
	r->way_mtu = 1400;
	r->refused = "beta";
	assert_int_equal(measure(r), 1);
	assert_int_equal(r->n_changed, TENANTS);
	assert_false(has_followed(r, "beta"));
	r->n_changed = 0;
	assert_int_equal(measure(r), 1); /* once a look */
	assert_int_equal(r->n_changed, 0);
	r->refused = NULL;
	assert_int_equal(measure(r), 0);
	assert_int_equal(r->n_changed, 1);
	assert_true(has_followed(r, "beta"));
}

static void tenants_follow_when_the_node_cannot(void **state)
{
	struct rig *r = *state;

	start(r);
	r->way_mtu = 1400;
	r->refused = "";
	assert_int_equal(measure(r), 1);
	assert_int_equal(r->n_changed, TENANTS);
	assert_false(has_followed(r, "node"));
	r->refused = NULL;
	r->n_changed = 0;
	assert_int_equal(measure(r), 0);
	assert_int_equal(r->n_changed, 1);
	assert_true(has_followed(r, "node"));
}

static void who_is_removed_meanwhile_is_forgotten(void **state)
{
	struct rig *r = *state;

	start(r);
	r->way_mtu = 1400;
	r->refused = "beta";
	assert_int_equal(measure(r), 1);
	r->refused = NULL;
	assert_int_equal(kernel_remove_tenant(&r->k, "beta", NULL), 0);
	r->n_changed = 0;
	assert_int_equal(measure(r), 0);
	assert_int_equal(r->n_changed, 0);
}

/* It is not a new version: whatever became of the key's file, the peer has the key it has. */
static void a_tunnel_follows_with_the_key_it_has(void **state)
{
	struct rig *r = *state;
	struct tunnel_conf both[] = {r->tunnels[0], r->tunnels[TENANTS]};
	struct prefix prefixes[] = {r->prefixes[0], r->prefixes[TENANTS]};
	unsigned int touched;

	both[1] =
		(struct tunnel_conf){.name = "home",
				     .kind = TUNNEL_WIREGUARD,
				     .public_key = PUBLIC,
				     .preshared_key_file = r->psk,
				     .has_endpoint = true,
				     .endpoint = {.addr = addr_of("198.51.100.77"), .port = 51820},
				     .prefixes = &prefixes[1],
				     .n_prefixes = 1};
	r->tenants[0].prefixes = prefixes;
	r->tenants[0].n_prefixes = 2;
	r->tenants[0].tunnels = both;
	r->tenants[0].n_tunnels = 2;
	start(r);
	assert_int_equal(r->fake.n_peers, 1);
	assert_int_equal(r->fake.peers[0].psk[0], 7);
	touched = r->fake.peers[0].touched;
	write_key(r->psk, 8);
	r->way_mtu = 1400;
	assert_int_equal(measure(r), 0);
	assert_true(has_followed(r, "acme"));
	assert_int_equal(unlink(r->psk), 0);
	r->way_mtu = 1380;
	r->n_changed = 0;
	assert_int_equal(measure(r), 0);
	assert_true(has_followed(r, "acme"));
	assert_int_equal(r->fake.n_peers, 1);
	assert_int_equal(r->fake.peers[0].psk[0], 7);
	assert_int_equal(r->fake.peers[0].touched, touched);
	assert_int_equal(kernel_remove_tenant(&r->k, "acme", NULL), 0); /* its prefixes end here */
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_nodes_devices_follow_first_then_each_tenant_once),
		TEST(who_cannot_waits_for_the_next_look_and_holds_nobody_up),
		TEST(tenants_follow_when_the_node_cannot),
		TEST(who_is_removed_meanwhile_is_forgotten),
		TEST(a_tunnel_follows_with_the_key_it_has),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
