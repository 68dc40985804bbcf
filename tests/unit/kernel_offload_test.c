/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Offloads of a card that merges packets, which few machines have: a fake of ethtool's netlink in
 * the kernel's place.
 */
#include "gateway/kernel/offload.h"

#include <errno.h>
#include <linux/ethtool_netlink.h>
#include <linux/genetlink.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "gateway/kernel/generic.h"

#define FAMILY     21
#define N_FEATURES 3

struct card {
	const char *name[N_FEATURES];
	bool on[N_FEATURES];
	bool fixed; /* its driver keeps them as they are */
	unsigned int n_sets;
};

static int answer_family(const struct kernel_request *req)
{
	_Alignas(struct nlmsghdr) char data[64];
	struct nlmsghdr *nlh = generic_message(data, GENL_ID_CTRL, 0, 1, CTRL_CMD_NEWFAMILY, 1, 0);

	mnl_attr_put_u16(nlh, CTRL_ATTR_FAMILY_ID, FAMILY);
	return req->reply(nlh, req->arg);
}

/* A set that lists what is in it. */
static void put_bitset(struct nlmsghdr *nlh, uint16_t type, const struct card *c, bool all)
{
	struct nlattr *set = mnl_attr_nest_start(nlh, type), *bits, *bit;

	mnl_attr_put(nlh, ETHTOOL_A_BITSET_NOMASK, 0, NULL);
	bits = mnl_attr_nest_start(nlh, ETHTOOL_A_BITSET_BITS);
	for (int i = 0; i < N_FEATURES; i++) {
		if (all || c->on[i]) {
			bit = mnl_attr_nest_start(nlh, ETHTOOL_A_BITSET_BITS_BIT);
			mnl_attr_put_u32(nlh, ETHTOOL_A_BITSET_BIT_INDEX, (uint32_t)i);
			mnl_attr_put_strz(nlh, ETHTOOL_A_BITSET_BIT_NAME, c->name[i]);
			mnl_attr_nest_end(nlh, bit);
		}
	}
	mnl_attr_nest_end(nlh, bits);
	mnl_attr_nest_end(nlh, set);
}

static int answer_features(const struct card *c, const struct kernel_request *req)
{
	_Alignas(struct nlmsghdr) char data[1024];
	struct nlmsghdr *nlh = generic_message(data, FAMILY, 0, 1, ETHTOOL_MSG_FEATURES_GET_REPLY,
					       ETHTOOL_GENL_VERSION, 0);

	put_bitset(nlh, ETHTOOL_A_FEATURES_HW, c, true);
	put_bitset(nlh, ETHTOOL_A_FEATURES_ACTIVE, c, false);
	return req->reply(nlh, req->arg);
}

/* The one bit that is asked for. */
static int set_feature(struct card *c, const struct nlmsghdr *nlh)
{
	const struct nlattr *attr, *bits, *bit, *part;
	const char *name = NULL;
	bool value = false;

	mnl_attr_for_each(attr, nlh, GENL_HDRLEN)
	{
		if (mnl_attr_get_type(attr) == ETHTOOL_A_FEATURES_WANTED) {
			bits = mnl_attr_get_payload(attr);
			bit = mnl_attr_get_payload(bits);
			mnl_attr_for_each_nested(part, bit)
			{
				if (mnl_attr_get_type(part) == ETHTOOL_A_BITSET_BIT_NAME) {
					name = mnl_attr_get_str(part);
				}
				value |= mnl_attr_get_type(part) == ETHTOOL_A_BITSET_BIT_VALUE;
			}
		}
	}
	assert_non_null(name);
	c->n_sets++;
	for (int i = 0; i < N_FEATURES; i++) {
		if (strcmp(c->name[i], name) == 0 && !c->fixed) {
			c->on[i] = value;
		}
	}
	return 0;
}

static int card_transact(void *ctx, const struct kernel_request *req, struct kernel_fault *fault)
{
	const struct nlmsghdr *nlh = req->data;
	const struct genlmsghdr *genl = mnl_nlmsg_get_payload(nlh);

	(void)fault;
	if (nlh->nlmsg_type == GENL_ID_CTRL) {
		return answer_family(req);
	}
	assert_int_equal(nlh->nlmsg_type, FAMILY);
	return genl->cmd == ETHTOOL_MSG_FEATURES_GET ? answer_features(ctx, req)
						     : set_feature(ctx, nlh);
}

struct rig {
	char dir[64];
	struct card card;
	struct kernel_ops ops;
	struct offloads offloads;
	struct driver driver;
};

static struct object want(const char *feature)
{
	struct object o = {.kind = OBJECT_OFFLOAD, .offload = {.link = "eth0"}};

	snprintf(o.offload.feature, sizeof(o.offload.feature), "%s", feature);
	return o;
}

static int setup(void **state)
{
	struct rig *r = calloc(1, sizeof(*r));

	assert_non_null(r);
	strcpy(r->dir, "/tmp/offload-XXXXXX");
	assert_non_null(mkdtemp(r->dir));
	r->card = (struct card){.name = {"rx-checksum", "rx-lro", "rx-gro-list"},
				.on = {true, true, false}};
	r->ops = (struct kernel_ops){.ctx = &r->card, .transact = card_transact};
	r->offloads.ops = &r->ops;
	assert_int_equal(record_new(r->dir, "former", &r->offloads.record, NULL), 0);
	r->driver = offload_driver(&r->offloads);
	*state = r;
	return 0;
}

static int teardown(void **state)
{
	struct rig *r = *state;
	char path[128];

	free(r->offloads.record);
	snprintf(path, sizeof(path), "%s/former", r->dir);
	(void)unlink(path);
	assert_int_equal(rmdir(r->dir), 0);
	free(r);
	return 0;
}

static int apply(struct rig *r, enum step_verb verb, const struct object *o, struct err *err)
{
	const struct step step = {.verb = verb,
				  .from = verb == STEP_REMOVE ? o : NULL,
				  .to = verb == STEP_REMOVE ? NULL : o};
	size_t done;

	return r->driver.apply(r->driver.ctx, &step, 1, &done, err);
}

static size_t observed(struct rig *r)
{
	struct object_set set;
	size_t n;

	object_set_init(&set);
	assert_int_equal(r->driver.observe(r->driver.ctx, DRIVER_KIND(OBJECT_OFFLOAD), &set, NULL),
			 0);
	n = set.n;
	object_set_fini(&set);
	return n;
}

static void lro_is_off_and_on_again_as_it_was(void **state)
{
	struct rig *r = *state;
	const struct object lro = want("rx-lro");

	assert_int_equal(observed(r), 0);
	assert_int_equal(apply(r, STEP_ADD, &lro, NULL), 0);
	assert_true(r->card.on[0]);
	assert_false(r->card.on[1]);
	assert_int_equal(observed(r), 1);
	r->card.on[1] = true; /* by somebody else: that is drift */
	assert_int_equal(observed(r), 0);
	assert_int_equal(apply(r, STEP_ADD, &lro, NULL), 0);
	assert_false(r->card.on[1]);
	assert_int_equal(apply(r, STEP_REMOVE, &lro, NULL), 0);
	assert_true(r->card.on[1]);
	assert_int_equal(observed(r), 0);
}

static void what_was_off_stays_off(void **state)
{
	struct rig *r = *state;
	const struct object list = want("rx-gro-list");

	assert_int_equal(apply(r, STEP_ADD, &list, NULL), 0);
	assert_int_equal(observed(r), 1);
	assert_int_equal(apply(r, STEP_REMOVE, &list, NULL), 0);
	assert_false(r->card.on[2]);
	assert_int_equal(r->card.n_sets, 0);
}

static void a_card_that_keeps_it_on_is_told_of(void **state)
{
	struct rig *r = *state;
	const struct object lro = want("rx-lro");
	struct err err;

	r->card.fixed = true;
	assert_int_equal(apply(r, STEP_ADD, &lro, &err), -EOPNOTSUPP);
	assert_non_null(strstr(err.msg, "turning off offload rx-lro of eth0"));
	assert_int_equal(observed(r), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(lro_is_off_and_on_again_as_it_was, setup, teardown),
		cmocka_unit_test_setup_teardown(what_was_off_stays_off, setup, teardown),
		cmocka_unit_test_setup_teardown(a_card_that_keeps_it_on_is_told_of, setup,
						teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
