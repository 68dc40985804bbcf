/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A namespace is made, worked in, left, found again and taken away; needs root. */
#include "gateway/kernel/netns.h"

#include <errno.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static ino_t here(void)
{
	struct stat st;

	assert_int_equal(stat("/proc/thread-self/ns/net", &st), 0);
	return st.st_ino;
}

/* A driver that tells in which namespace it was called. */
struct witness {
	ino_t observed, applied;
	int rc;
};

static int witness_observe(void *ctx, uint32_t kinds, struct object_set *set, struct err *err)
{
	struct witness *w = ctx;
	const struct object o = {.kind = OBJECT_LINK_DOWN, .link_down = "sit0"};

	(void)kinds;
	(void)err;
	w->observed = here();
	(void)object_set_add(set, &o);
	return w->rc;
}

static int witness_apply(void *ctx, const struct step *steps, size_t n_steps, size_t *ret_done,
			 struct err *err)
{
	struct witness *w = ctx;

	(void)steps;
	w->applied = here();
	*ret_done = w->rc < 0 ? 0 : n_steps;
	return w->rc < 0 ? err_set(err, w->rc, "refused") : 0;
}

struct rig {
	char name[32];
	struct netlink *netlink;
	struct kernel_ops ops;
	struct netns ns;
	struct witness witness;
	struct netns_driver nd;
	struct driver driver;
	ino_t home;
};

static int rig_setup(void **state)
{
	static struct rig r;

	memset(&r, 0, sizeof(r));
	(void)snprintf(r.name, sizeof(r.name), "sixgate-test-%d", (int)getpid());
	assert_int_equal(netlink_new(&r.netlink, NULL), 0);
	r.ops = netlink_ops(r.netlink);
	assert_int_equal(netns_init(&r.ns, &r.ops, r.name, NULL), 0);
	r.home = here();
	r.driver = netns_driver(&r.nd, &r.ns,
				(struct driver){.name = "witness",
						.kinds = DRIVER_KIND(OBJECT_LINK_DOWN),
						.ctx = &r.witness,
						.observe = witness_observe,
						.apply = witness_apply});
	*state = &r;
	return 0;
}

static int rig_teardown(void **state)
{
	struct rig *r = *state;
	int rc = netns_remove(&r->ns, NULL);

	netns_fini(&r->ns);
	netlink_free(r->netlink);
	return rc;
}

static void nothing_is_observed_where_there_is_no_namespace(void **state)
{
	struct rig *r = *state;
	struct object_set set;
	struct err err;

	object_set_init(&set);
	if (geteuid() == 0) {
		assert_int_equal(r->driver.observe(r->driver.ctx, r->driver.kinds, &set, NULL), 0);
	} else { /* nobody could make it */
		assert_int_equal(r->driver.observe(r->driver.ctx, r->driver.kinds, &set, &err),
				 -EPERM);
		assert_non_null(strstr(err.msg, "siit.conf"));
	}
	assert_int_equal(set.n, 0);
	assert_int_equal(netns_enter(&r->ns, NULL), -ENOENT);
	assert_int_equal(r->witness.observed, 0);
	object_set_fini(&set);
}

static void steps_make_it_and_run_inside(void **state)
{
	struct rig *r = *state;
	struct object_set set;
	struct step step = {0};
	struct netns again;
	size_t done = 0;

	if (geteuid() != 0) {
		skip();
	}
	object_set_init(&set);
	assert_int_equal(r->driver.apply(r->driver.ctx, &step, 1, &done, NULL), 0);
	assert_int_equal(done, 1);
	assert_int_equal(here(), r->home);
	assert_int_not_equal(r->witness.applied, r->home);
	assert_int_equal(r->driver.observe(r->driver.ctx, r->driver.kinds, &set, NULL), 0);
	assert_int_equal(r->witness.observed, r->witness.applied);
	assert_int_equal(here(), r->home);
	assert_int_equal(set.items[0].ns, NS_SIIT);

	/* another process finds the same one */
	assert_int_equal(netns_init(&again, &r->ops, r->name, NULL), 0);
	assert_int_equal(netns_enter(&again, NULL), 0);
	assert_int_equal(here(), r->witness.applied);
	netns_leave(&again);
	netns_fini(&again);
	object_set_fini(&set);
}

static void a_failure_inside_comes_back_home(void **state)
{
	struct rig *r = *state;
	struct step step = {0};
	struct err err;
	size_t done = 1;
	char path[64];

	if (geteuid() != 0) {
		skip();
	}
	r->witness.rc = -EPERM;
	assert_int_equal(r->driver.apply(r->driver.ctx, &step, 1, &done, &err), -EPERM);
	assert_string_equal(err.msg, "refused");
	assert_int_equal(done, 0);
	assert_int_equal(here(), r->home);
	assert_int_equal(r->ns.fd, -1);                               /* it was made for nothing */
	(void)snprintf(path, sizeof(path), "/run/netns/%s", r->name); /* fits */
	assert_int_equal(access(path, F_OK), -1);
}

/* A socket would go on asking the first one. */
static void another_one_is_asked_when_it_was_made_anew(void **state)
{
	struct rig *r = *state;
	_Alignas(struct nlmsghdr) char data[64];
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(data);
	struct kernel_request req = {.bus = BUS_ROUTE, .data = nlh};
	struct ifinfomsg *ifi = mnl_nlmsg_put_extra_header(nlh, sizeof(*ifi));
	struct kernel_fault fault;

	if (geteuid() != 0) {
		skip();
	}
	nlh->nlmsg_type = RTM_NEWLINK;
	nlh->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
	mnl_attr_put_strz(nlh, IFLA_IFNAME, "lo");
	req.len = nlh->nlmsg_len;
	for (int round = 0; round < 2; round++) {
		struct ifreq loopback = {.ifr_name = "lo"};
		int fd;

		ifi->ifi_flags = ifi->ifi_change = round > 0 ? IFF_UP : 0;
		assert_int_equal(netns_make(&r->ns, NULL), 1);
		assert_int_equal(netns_enter(&r->ns, NULL), 0);
		fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
		assert_int_equal(r->ops.transact(r->ops.ctx, &req, &fault), 0);
		assert_int_equal(ioctl(fd, SIOCGIFFLAGS, &loopback), 0);
		close(fd);
		netns_leave(&r->ns);
		assert_int_equal(loopback.ifr_flags & IFF_UP, round > 0 ? IFF_UP : 0);
		assert_int_equal(netns_remove(&r->ns, NULL), 0);
	}
}

static int refuse_to_enter(void *ctx, int fd)
{
	(void)ctx, (void)fd;
	return -EPERM;
}

/* Nothing was asked of any namespace then, and one made for that is gone. */
static void entering_may_fail(void **state)
{
	struct rig *r = *state;
	struct object_set set;
	struct step step = {0};
	struct err err;
	size_t done = 1;

	if (geteuid() != 0) {
		skip();
	}
	object_set_init(&set);
	r->ops.enter = refuse_to_enter;
	assert_int_equal(r->driver.apply(r->driver.ctx, &step, 1, &done, &err), -EPERM);
	assert_int_equal(done, 0);
	assert_int_equal(r->ns.fd, -1);
	assert_int_equal(netns_make(&r->ns, NULL), 1);
	assert_int_equal(r->driver.apply(r->driver.ctx, &step, 1, &done, &err), -EPERM);
	assert_true(r->ns.fd >= 0); /* it was there */
	assert_int_equal(r->driver.observe(r->driver.ctx, r->driver.kinds, &set, &err), -EPERM);
	assert_int_equal(set.n, 0);
	assert_int_equal(r->witness.applied, 0);
	assert_int_equal(r->witness.observed, 0);
	assert_int_equal(here(), r->home);
	object_set_fini(&set);
}

static void removed_it_is_gone_and_may_be_made_again(void **state)
{
	struct rig *r = *state;
	struct netns again;

	if (geteuid() != 0) {
		skip();
	}
	assert_int_equal(netns_make(&r->ns, NULL), 1);
	assert_int_equal(netns_make(&r->ns, NULL), 0);
	assert_int_equal(netns_remove(&r->ns, NULL), 0);
	assert_int_equal(netns_remove(&r->ns, NULL), 0);
	assert_int_equal(netns_init(&again, &r->ops, r->name, NULL), 0);
	assert_int_equal(again.fd, -1);
	netns_fini(&again);
	assert_int_equal(netns_make(&r->ns, NULL), 1);
	assert_int_equal(here(), r->home);
}

static void a_name_that_was_taken_away_comes_back(void **state)
{
	struct rig *r = *state;
	struct object_set set;
	struct netns again;
	struct stat ours;
	char path[64];

	if (geteuid() != 0) {
		skip();
	}
	object_set_init(&set);
	(void)snprintf(path, sizeof(path), "/run/netns/%s", r->name); /* fits */
	assert_int_equal(netns_make(&r->ns, NULL), 1);
	assert_int_equal(fstat(r->ns.fd, &ours), 0);
	assert_int_equal(umount2(path, MNT_DETACH), 0);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(r->driver.observe(r->driver.ctx, r->driver.kinds, &set, NULL), 0);
	assert_int_equal(netns_init(&again, &r->ops, r->name, NULL), 0);
	assert_int_equal(netns_enter(&again, NULL), 0);
	assert_int_equal(here(), ours.st_ino);
	netns_leave(&again);
	netns_fini(&again);
	object_set_fini(&set);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(nothing_is_observed_where_there_is_no_namespace,
						rig_setup, rig_teardown),
		cmocka_unit_test_setup_teardown(steps_make_it_and_run_inside, rig_setup,
						rig_teardown),
		cmocka_unit_test_setup_teardown(a_failure_inside_comes_back_home, rig_setup,
						rig_teardown),
		cmocka_unit_test_setup_teardown(another_one_is_asked_when_it_was_made_anew,
						rig_setup, rig_teardown),
		cmocka_unit_test_setup_teardown(entering_may_fail, rig_setup, rig_teardown),
		cmocka_unit_test_setup_teardown(a_name_that_was_taken_away_comes_back, rig_setup,
						rig_teardown),
		cmocka_unit_test_setup_teardown(removed_it_is_gone_and_may_be_made_again, rig_setup,
						rig_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
