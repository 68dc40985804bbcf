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
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "gateway/kernel/generic.h"

#define FAMILY     21
#define N_FEATURES 3
#define CARDS_MAX  64

struct card {
	char link[IFNAMSIZ];
	bool on[N_FEATURES];
	bool fixed;   /* its driver keeps them as they are */
	bool refuses; /* and says so */
	unsigned int n_sets;
};

static const char *const names[N_FEATURES] = {"rx-checksum", "rx-lro", "rx-gro-list"};

struct machine {
	struct card cards[CARDS_MAX];
	size_t n;
	unsigned int n_gets, n_dumps;
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
			mnl_attr_put_strz(nlh, ETHTOOL_A_BITSET_BIT_NAME, names[i]);
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
	struct nlattr *header = mnl_attr_nest_start(nlh, ETHTOOL_A_FEATURES_HEADER);

	mnl_attr_put_u32(nlh, ETHTOOL_A_HEADER_DEV_INDEX, 7);
	mnl_attr_put_strz(nlh, ETHTOOL_A_HEADER_DEV_NAME, c->link);
	mnl_attr_nest_end(nlh, header);
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
	if (c->refuses) {
		return -EOPNOTSUPP;
	}
	for (int i = 0; i < N_FEATURES; i++) {
		if (strcmp(names[i], name) == 0 && !c->fixed) {
			c->on[i] = value;
		}
	}
	return 0;
}

/* The one that the request names. NULL: it names none, or there is no such link. */
static struct card *card_of(struct machine *m, const struct nlmsghdr *nlh, bool *ret_named)
{
	const struct nlattr *attr, *part;
	const char *link = NULL;

	mnl_attr_for_each(attr, nlh, GENL_HDRLEN)
	{
		if (mnl_attr_get_type(attr) != ETHTOOL_A_FEATURES_HEADER) {
			continue;
		}
		mnl_attr_for_each_nested(part, attr)
		{
			if (mnl_attr_get_type(part) == ETHTOOL_A_HEADER_DEV_NAME) {
				link = mnl_attr_get_str(part);
			}
		}
	}
	*ret_named = link != NULL;
	for (size_t i = 0; link && i < m->n; i++) {
		if (strcmp(m->cards[i].link, link) == 0) {
			return &m->cards[i];
		}
	}
	return NULL;
}

static int answer_all(struct machine *m, const struct kernel_request *req)
{
	int rc = 0;

	m->n_dumps++;
	for (size_t i = 0; rc == 0 && i < m->n; i++) {
		rc = answer_features(&m->cards[i], req);
	}
	return rc;
}

static int machine_transact(void *ctx, const struct kernel_request *req, struct kernel_fault *fault)
{
	const struct nlmsghdr *nlh = req->data;
	const struct genlmsghdr *genl = mnl_nlmsg_get_payload(nlh);
	struct machine *m = ctx;
	struct card *card;
	bool named;

	(void)fault;
	if (nlh->nlmsg_type == GENL_ID_CTRL) {
		return answer_family(req);
	}
	assert_int_equal(nlh->nlmsg_type, FAMILY);
	card = card_of(m, nlh, &named);
	assert_int_equal(!named, (nlh->nlmsg_flags & NLM_F_DUMP) == NLM_F_DUMP);
	if (!named) {
		return answer_all(m, req);
	}
	if (!card) {
		return -ENODEV;
	}
	if (genl->cmd == ETHTOOL_MSG_FEATURES_GET) {
		m->n_gets++;
		return answer_features(card, req);
	}
	return set_feature(card, nlh);
}

struct rig {
	char dir[64];
	struct machine machine;
	struct card *card; /* eth0 */
	struct kernel_ops ops;
	struct offloads offloads;
	struct driver driver;
};

static struct object want_of(const char *link, const char *feature)
{
	struct object o = {.kind = OBJECT_OFFLOAD};

	snprintf(o.offload.link, sizeof(o.offload.link), "%s", link);
	snprintf(o.offload.feature, sizeof(o.offload.feature), "%s", feature);
	return o;
}

static struct object want(const char *feature)
{
	return want_of("eth0", feature);
}

static void add_card(struct machine *m)
{
	struct card *c = &m->cards[m->n];

	*c = (struct card){.on = {true, true, false}};
	snprintf(c->link, sizeof(c->link), "eth%zu", m->n++);
}

static int setup(void **state)
{
	struct rig *r = calloc(1, sizeof(*r));

	assert_non_null(r);
	strcpy(r->dir, "/tmp/offload-XXXXXX");
	assert_non_null(mkdtemp(r->dir));
	add_card(&r->machine);
	r->card = r->machine.cards;
	r->ops = (struct kernel_ops){.ctx = &r->machine, .transact = machine_transact};
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
	assert_true(r->card->on[0]);
	assert_false(r->card->on[1]);
	assert_int_equal(observed(r), 1);
	r->card->on[1] = true; /* by somebody else: that is drift */
	assert_int_equal(observed(r), 0);
	assert_int_equal(apply(r, STEP_ADD, &lro, NULL), 0);
	assert_false(r->card->on[1]);
	assert_int_equal(apply(r, STEP_REMOVE, &lro, NULL), 0);
	assert_true(r->card->on[1]);
	assert_int_equal(observed(r), 0);
}

static void what_was_off_stays_off(void **state)
{
	struct rig *r = *state;
	const struct object list = want("rx-gro-list");

	assert_int_equal(apply(r, STEP_ADD, &list, NULL), 0);
	assert_int_equal(observed(r), 1);
	assert_int_equal(apply(r, STEP_REMOVE, &list, NULL), 0);
	assert_false(r->card->on[2]);
	assert_int_equal(r->card->n_sets, 0);
}

static unsigned int n_records(const struct rig *r)
{
	char path[128], line[256];
	unsigned int n = 0;
	FILE *f;

	snprintf(path, sizeof(path), "%s/former", r->dir);
	f = fopen(path, "r");
	while (f && fgets(line, sizeof(line), f)) {
		n++;
	}
	if (f) {
		fclose(f);
	}
	return n;
}

/* Its tenant has its tunnels all the same. */
static void a_card_that_keeps_it_on_is_told_of(void **state)
{
	struct rig *r = *state;
	const struct object lro = want("rx-lro");

	r->card->fixed = true;
	assert_int_equal(apply(r, STEP_ADD, &lro, NULL), 0);
	assert_int_equal(r->offloads.kept.code, -EOPNOTSUPP);
	assert_non_null(strstr(r->offloads.kept.msg, "eth0 keeps its offload rx-lro on"));
	assert_int_equal(observed(r), 1); /* it is not tried for ever */
	assert_int_equal(r->offloads.kept.code, -EOPNOTSUPP);
	r->card->on[1] = false;
	assert_int_equal(observed(r), 1);
	assert_int_equal(r->offloads.kept.code, 0);
	r->card->on[1] = true;
	r->card->n_sets = 0;
	assert_int_equal(observed(r), 1);
	assert_int_equal(apply(r, STEP_REMOVE, &lro, NULL), 0);
	assert_int_equal(r->card->n_sets, 0);
	assert_int_equal(n_records(r), 0);
	assert_int_equal(observed(r), 0);
	assert_int_equal(r->offloads.kept.code, 0);
	r->card->refuses = true; /* to be asked at all */
	assert_int_equal(apply(r, STEP_ADD, &lro, NULL), 0);
	assert_int_equal(r->offloads.kept.code, -EOPNOTSUPP);
}

static void what_goes_with_its_link_leaves_the_record(void **state)
{
	struct rig *r = *state;
	const struct object lro = want_of("eth1", "rx-lro"), list = want("rx-gro-list");

	add_card(&r->machine);
	assert_int_equal(apply(r, STEP_ADD, &lro, NULL), 0);
	assert_int_equal(apply(r, STEP_ADD, &list, NULL), 0);
	assert_int_equal(observed(r), 2);
	assert_int_equal(n_records(r), 2);
	r->machine.n--;
	assert_int_equal(observed(r), 1);
	assert_int_equal(n_records(r), 1);
	add_card(&r->machine); /* another one by that name */
	assert_int_equal(observed(r), 1);
	assert_int_equal(apply(r, STEP_ADD, &lro, NULL), 0);
	assert_false(r->machine.cards[1].on[1]);
	assert_int_equal(observed(r), 2);
}

static void a_link_that_is_not_there_is_an_error_and_leaves_no_record(void **state)
{
	struct rig *r = *state;
	const struct object steps_to[] = {want("rx-lro"), want_of("eth9", "rx-lro"),
					  want("rx-gro-list")};
	struct step steps[3];
	struct err err;
	size_t done;

	for (size_t i = 0; i < 3; i++) {
		steps[i] = (struct step){.verb = STEP_ADD, .to = &steps_to[i]};
	}
	assert_int_equal(r->driver.apply(r->driver.ctx, steps, 3, &done, &err), -ENODEV);
	assert_int_equal(done, 1);
	assert_non_null(strstr(err.msg, "there is no such link"));
	assert_int_equal(n_records(r), 1);
	assert_int_equal(observed(r), 1);
}

/* How often the record was replaced; fd: of inotify(7), for files moved into its folder. */
static unsigned int n_writes(int fd)
{
	char events[4096] __attribute__((aligned(__alignof__(struct inotify_event))));
	ssize_t len = read(fd, events, sizeof(events));
	unsigned int n = 0;

	for (ssize_t at = 0; at < len; n++) {
		const struct inotify_event *event = (const struct inotify_event *)(events + at);

		at += (ssize_t)(sizeof(*event) + event->len);
	}
	return n;
}

/* One write before all of them are changed, one dump to look at them. */
static void many_cards_cost_one_write_and_one_dump(void **state)
{
	struct rig *r = *state;
	struct object to[2 * CARDS_MAX];
	struct step steps[2 * CARDS_MAX];
	int fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	char link[IFNAMSIZ];
	size_t done;

	assert_true(inotify_add_watch(fd, r->dir, IN_MOVED_TO) >= 0);
	while (r->machine.n < CARDS_MAX) {
		add_card(&r->machine);
	}
	for (size_t i = 0; i < 2 * CARDS_MAX; i++) {
		snprintf(link, sizeof(link), "eth%zu", i / 2);
		to[i] = want_of(link, i % 2 ? "rx-lro" : "rx-gro-list");
		steps[i] = (struct step){.verb = STEP_ADD, .to = &to[i]};
	}
	assert_int_equal(r->driver.apply(r->driver.ctx, steps, 2 * CARDS_MAX, &done, NULL), 0);
	assert_int_equal(done, 2 * CARDS_MAX);
	assert_int_equal(n_writes(fd), 1);
	assert_int_equal(n_records(r), 2 * CARDS_MAX);
	r->machine.n_gets = 0;
	assert_int_equal(observed(r), 2 * CARDS_MAX);
	assert_int_equal(r->machine.n_gets, 0);
	assert_int_equal(r->machine.n_dumps, 1);
	for (size_t i = 0; i < 2 * CARDS_MAX; i++) {
		steps[i] = (struct step){.verb = STEP_REMOVE, .from = &to[i]};
	}
	assert_int_equal(r->driver.apply(r->driver.ctx, steps, 2 * CARDS_MAX, &done, NULL), 0);
	assert_int_equal(n_writes(fd), 1);
	assert_int_equal(n_records(r), 0);
	assert_true(r->machine.cards[CARDS_MAX - 1].on[1]);
	close(fd);
}

/* What cannot be recorded is not changed: nobody could put it back. */
static void nothing_is_changed_that_cannot_be_recorded(void **state)
{
	struct rig *r = *state;
	const struct object lro = want("rx-lro");
	struct err err;
	char path[160];

	snprintf(path, sizeof(path), "%s/former.new", r->dir);
	assert_int_equal(mkdir(path, 0700), 0);
	assert_true(apply(r, STEP_ADD, &lro, &err) < 0);
	assert_int_equal(rmdir(path), 0);
	assert_true(r->card->on[1]);
	assert_int_equal(r->offloads.record->n, 0);
	assert_int_equal(apply(r, STEP_ADD, &lro, NULL), 0);
	assert_int_equal(observed(r), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(lro_is_off_and_on_again_as_it_was, setup, teardown),
		cmocka_unit_test_setup_teardown(what_was_off_stays_off, setup, teardown),
		cmocka_unit_test_setup_teardown(a_card_that_keeps_it_on_is_told_of, setup,
						teardown),
		cmocka_unit_test_setup_teardown(what_goes_with_its_link_leaves_the_record, setup,
						teardown),
		cmocka_unit_test_setup_teardown(
			a_link_that_is_not_there_is_an_error_and_leaves_no_record, setup, teardown),
		cmocka_unit_test_setup_teardown(many_cards_cost_one_write_and_one_dump, setup,
						teardown),
		cmocka_unit_test_setup_teardown(nothing_is_changed_that_cannot_be_recorded, setup,
						teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
