/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What the nftables driver sends, against a kernel that has no table. That the real one takes it,
 * and adopts it, is tests/net/test_firewall.py.
 */
#include "gateway/kernel/ruleset.h"

#include <arpa/inet.h>
#include <errno.h>
#include <libnftnl/rule.h>
#include <libnftnl/set.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "gateway/plan/desired.h"
#include "gateway/plan/firewall.h"

#define STEPS_MAX 200000

struct fake {
	struct kernel_ops ops;
	unsigned int n_batches, n_begins, n_ends, n_rules, n_new, n_deleted, n_stale, n_missing;
	unsigned int generation;
	unsigned int n_cut; /* so many dumps of the set are interrupted */
	bool has_table;     /* with one element in FIREWALL_TENANTS_64 */
	size_t longest;     /* bytes of a message */
	const char *shown;  /* a chain whose rules are kept as text; NULL: none */
	char rules[4096];
};

static void show_rule(struct fake *f, const struct nlmsghdr *nlh)
{
	struct nftnl_rule *rule = nftnl_rule_alloc();
	size_t at = strlen(f->rules);

	assert_non_null(rule);
	assert_int_equal(nftnl_rule_nlmsg_parse(nlh, rule), 0);
	if (f->shown && strcmp(nftnl_rule_get_str(rule, NFTNL_RULE_CHAIN), f->shown) == 0) {
		int n = nftnl_rule_snprintf(f->rules + at, sizeof(f->rules) - at, rule,
					    NFTNL_OUTPUT_DEFAULT, 0);

		assert_in_range(n, 1, sizeof(f->rules) - at - 1);
	}
	nftnl_rule_free(rule);
}

static unsigned int count_elements(const struct nlmsghdr *nlh)
{
	const struct nlattr *attr, *item;
	unsigned int n = 0;

	mnl_attr_for_each(attr, nlh, sizeof(struct nfgenmsg))
	{
		if (mnl_attr_get_type(attr) == NFTA_SET_ELEM_LIST_ELEMENTS) {
			mnl_attr_for_each_nested(item, attr)
			{
				n++;
			}
		}
	}
	return n;
}

static void on_message(struct fake *f, const struct nlmsghdr *nlh)
{
	if (nlh->nlmsg_len > f->longest) {
		f->longest = nlh->nlmsg_len;
	}
	if (nlh->nlmsg_type >> 8 != NFNL_SUBSYS_NFTABLES) {
		f->n_begins += nlh->nlmsg_type == NFNL_MSG_BATCH_BEGIN;
		f->n_ends += nlh->nlmsg_type == NFNL_MSG_BATCH_END;
		return;
	}
	switch (nlh->nlmsg_type & 0xff) {
	case NFT_MSG_NEWRULE:
		f->n_rules++;
		show_rule(f, nlh);
		break;
	case NFT_MSG_NEWSETELEM:
		f->n_new += count_elements(nlh);
		break;
	case NFT_MSG_DELSETELEM:
		f->n_deleted += count_elements(nlh);
		break;
	default:
		break;
	}
}

static const struct prefix element = {.addr = {{0x20, 0x01, 0x0d, 0xb8}}, .len = 64};

static int say_table(const struct kernel_request *req)
{
	_Alignas(struct nlmsghdr) char data[64] = {0};
	struct nlmsghdr *answer = mnl_nlmsg_put_header(data);
	struct nfgenmsg *nfg = mnl_nlmsg_put_extra_header(answer, sizeof(*nfg));

	nfg->nfgen_family = NFPROTO_INET;
	mnl_attr_put_strz(answer, NFTA_TABLE_NAME, "sixgate");
	return req->reply(answer, req->arg);
}

static int say_elements(struct fake *f, const struct kernel_request *req)
{
	const char *name = firewall_set_type(FIREWALL_TENANTS_64)->name;
	_Alignas(struct nlmsghdr) char data[512] = {0};
	struct nlmsghdr *answer = mnl_nlmsg_put_header(data);
	struct nftnl_set_elem *e = nftnl_set_elem_alloc();
	struct nftnl_set *set = nftnl_set_alloc();
	const struct nlattr *attr;
	int rc;

	(void)mnl_nlmsg_put_extra_header(answer, sizeof(struct nfgenmsg)); /* zeroed */
	nftnl_set_elem_set(e, NFTNL_SET_ELEM_KEY, element.addr.b, sizeof(element.addr.b));
	nftnl_set_elem_add(set, e);
	nftnl_set_elems_nlmsg_build_payload(answer, set);
	nftnl_set_free(set);
	mnl_attr_for_each(attr, (const struct nlmsghdr *)req->data, sizeof(struct nfgenmsg))
	{
		if (mnl_attr_get_type(attr) == NFTA_SET_ELEM_LIST_SET &&
		    strcmp(mnl_attr_get_str(attr), name) == 0) {
			rc = req->reply(answer, req->arg);
			if (rc == 0 && f->n_cut > 0) {
				f->n_cut--;
				rc = -EINTR;
			}
			return rc;
		}
	}
	return 0;
}

static int fake_transact(void *ctx, const struct kernel_request *req, struct kernel_fault *fault)
{
	struct fake *f = ctx;
	const struct nlmsghdr *nlh = req->data;
	int left = (int)req->len;

	memset(fault, 0, sizeof(*fault));
	if (nlh->nlmsg_type != NFNL_MSG_BATCH_BEGIN) {
		_Alignas(struct nlmsghdr) char data[64] = {0};
		struct nlmsghdr *answer = mnl_nlmsg_put_header(data);

		if (f->has_table && (nlh->nlmsg_type & 0xff) == NFT_MSG_GETTABLE) {
			return say_table(req);
		}
		if (f->has_table && (nlh->nlmsg_type & 0xff) == NFT_MSG_GETSETELEM) {
			return say_elements(f, req);
		}
		if ((nlh->nlmsg_type & 0xff) != NFT_MSG_GETGEN) {
			return 0; /* nothing there */
		}
		(void)mnl_nlmsg_put_extra_header(answer, sizeof(struct nfgenmsg)); /* zeroed */
		mnl_attr_put_u32(answer, NFTA_GEN_ID, htonl(f->generation));
		return req->reply(answer, req->arg);
	}
	f->n_batches++;
	if (f->n_stale > 0) {
		f->n_stale--;
		f->generation++;
		return -ERESTART;
	}
	if (f->n_missing > 0) {
		f->n_missing--;
		return -ENOENT;
	}
	for (; mnl_nlmsg_ok(nlh, left); nlh = mnl_nlmsg_next(nlh, &left)) {
		on_message(f, nlh);
	}
	assert_int_equal(left, 0);
	return 0;
}

struct rig {
	struct fake fake;
	struct ruleset *ruleset;
	struct driver driver;
	struct node_conf node;
	struct desired_facts facts;
	struct firewall firewall;
	struct object_set set;
	struct step *steps;
	struct err err;
};

static struct prefix prefix_of(const char *text)
{
	struct prefix p;

	assert_int_equal(prefix_parse(str_from(text), &p, NULL), 0);
	return p;
}

static int setup(void **state)
{
	static struct rig r;
	static struct addr pool[1] = {{{[10] = 0xff, 0xff, 203, 0, 113, 10}}};

	memset(&r, 0, sizeof(r));
	r.fake.ops = (struct kernel_ops){.ctx = &r.fake, .transact = fake_transact};
	r.facts = (struct desired_facts){.proxy_uid = 101, .agent_uid = 102};
	r.node = (struct node_conf){.has_ipv6_prefix = true,
				    .ipv6_prefix = prefix_of("2001:db8::/36"),
				    .has_client_prefix = true,
				    .client_prefix = prefix_of("2001:db8:0:ff::/96")};
	r.node.nat64.on = true;
	r.node.nat64.prefix = prefix_of("64:ff9b::/96");
	r.node.nat64.pool = pool;
	r.node.nat64.n_pool = 1;
	r.node.nat64.ports = (struct port_range){16384, 49151};
	r.node.nat64.ports_per_tenant = 1024;
	object_set_init(&r.set);
	r.steps = test_calloc(STEPS_MAX, sizeof(*r.steps));
	*state = &r;
	assert_int_equal(ruleset_new(&r.fake.ops, &r.ruleset, &r.err), 0);
	r.driver = ruleset_driver(r.ruleset);
	return 0;
}

static int teardown(void **state)
{
	struct rig *r = *state;

	test_free(r->steps);
	object_set_fini(&r->set);
	ruleset_free(r->ruleset);
	return 0;
}

static uint64_t digest_of(struct rig *r)
{
	uint64_t digest;

	object_set_fini(&r->set);
	desired_firewall_node(&r->node, &r->facts, &r->firewall, &r->set);
	assert_int_equal(r->set.items[0].kind, OBJECT_RULESET);
	assert_int_equal(r->driver.prepare(r->driver.ctx, &r->set.items[0], &r->err), 0);
	digest = r->set.items[0].ruleset.digest;
	assert_true(digest != 0);
	return digest;
}

static void the_digest_follows_the_rules_alone(void **state)
{
	struct rig *r = *state;
	uint64_t first = digest_of(r);
	struct addr resolver = {{[10] = 0xff, 0xff, 192, 0, 2, 53}};

	assert_true(digest_of(r) == first);
	r->node.resolvers = &resolver; /* an element */
	r->node.n_resolvers = 1;
	assert_true(digest_of(r) == first);
	r->facts.proxy_uid = 103;
	assert_true(digest_of(r) != first);
	r->facts.proxy_uid = 101;
	r->node.client_prefix = prefix_of("2001:db8:0:fe::/96");
	assert_true(digest_of(r) != first);
	r->node.client_prefix = prefix_of("2001:db8:0:ff::/96");
	assert_true(digest_of(r) == first);
	r->node.nat64.on = false;
	assert_true(digest_of(r) != first);
}

static void tenant_add(struct rig *r, const char *prefix)
{
	struct prefix p = prefix_of(prefix);
	const struct tenant_conf tenant = {.name = "acme", .prefixes = &p, .n_prefixes = 1};

	desired_firewall_tenant(&r->node, &r->facts, &tenant, &r->set);
}

static size_t steps_of(struct rig *r, bool add)
{
	assert_true(r->set.n <= STEPS_MAX);
	for (size_t i = 0; i < r->set.n; i++) {
		r->steps[i] = (struct step){.verb = add ? STEP_ADD : STEP_REMOVE,
					    .from = add ? NULL : &r->set.items[i],
					    .to = add ? &r->set.items[i] : NULL};
	}
	return r->set.n;
}

static void rules_and_elements_are_one_transaction(void **state)
{
	struct rig *r = *state;
	size_t n_steps, done = 0;

	(void)digest_of(r);
	tenant_add(r, "2001:db8:100::/40");
	n_steps = steps_of(r, true);
	assert_true(n_steps > 65536);
	assert_int_equal(r->driver.apply(r->driver.ctx, r->steps, n_steps, &done, &r->err), 0);
	assert_int_equal(done, n_steps);
	assert_int_equal(r->fake.n_batches, 1);
	assert_int_equal(r->fake.n_begins, 1);
	assert_int_equal(r->fake.n_ends, 1);
	assert_true(r->fake.n_rules > 100);
	assert_int_equal(r->fake.n_new, n_steps - 1);
	assert_int_equal(r->fake.n_deleted, 0);
	assert_true(r->fake.longest < 65536);
}

static const char *rules_of(struct rig *r, const char *chain)
{
	size_t n_steps, done = 0;

	r->fake.shown = chain;
	r->fake.rules[0] = '\0';
	(void)digest_of(r);
	n_steps = steps_of(r, true);
	assert_int_equal(r->driver.apply(r->driver.ctx, r->steps, n_steps, &done, &r->err), 0);
	return r->fake.rules;
}

static void blocks_of_nat44_are_history(void **state)
{
	struct rig *r = *state;
	struct prefix p = prefix_of("2001:db8:0:1001::/64");
	struct tunnel_conf tunnel = {.name = "home",
				     .kind = TUNNEL_WIREGUARD,
				     .ipv4 = true,
				     .prefixes = &p,
				     .n_prefixes = 1};
	const struct tenant_conf tenant = {.name = "acme",
					   .prefixes = &p,
					   .n_prefixes = 1,
					   .tunnels = &tunnel,
					   .n_tunnels = 1};
	char path[] = "/tmp/sixgate-history-XXXXXX", text[512] = "";
	int fd = mkstemp(path);
	size_t n_steps, done;

	assert_true(fd >= 0);
	r->node.nat44_ports = (struct port_range){57344, 65535};
	ruleset_keep_history(r->ruleset, path);
	desired_firewall_tenant(&r->node, &r->facts, &tenant, &r->set);
	object_set_own(&r->set, 0, tenant.name);
	n_steps = steps_of(r, true);
	assert_int_equal(r->driver.apply(r->driver.ctx, r->steps, n_steps, &done, &r->err), 0);
	assert_true(read(fd, text, sizeof(text) - 1) > 0);
	assert_non_null(strstr(text, "Z + tcp 203.0.113.10 57600-57855 acme\n"));
	assert_non_null(strstr(text, "Z + icmp 203.0.113.10 57600-57855 acme\n"));
	close(fd);
	assert_int_equal(unlink(path), 0);
}

/* As the nft program makes them of `dnat ip6 prefix to` and `ip saddr set`. */
static void mapped_hosts_keep_pref64(void **state)
{
	struct rig *r = *state;
	static struct pool_range pool[1];

	assert_string_equal(rules_of(r, "eamd"), ""); /* nothing without siit */
	pool[0] = (struct pool_range){prefix_of("203.0.113.10/32"), DELIVERY_PRESENT};
	r->node.pool = pool;
	r->node.n_pool = 1;
	r->node.has_siit_prefix = true;
	r->node.siit_prefix = prefix_of("2001:db8:0:fe::/96");
	assert_string_equal(rules_of(r, "eamd"),
			    "inet sixgate eamd\n"
			    "  [ meta load nfproto => reg 1 ]\n"
			    "  [ cmp eq reg 1 0x0000000a ]\n"
			    "  [ payload load 12b @ network header + 24 => reg 1 ]\n"
			    "  [ cmp eq reg 1 0x9bff6400 0x00000000 0x00000000 ]\n"
			    "  [ payload load 16b @ network header + 8 => reg 1 ]\n"
			    "  [ lookup reg 1 set mapped6 0x0 ]\n"
			    "  [ immediate reg 1 0xb80d0120 0xfe000000 0x00000000 0x00000000 ]\n"
			    "  [ immediate reg 2 0xb80d0120 0xfe000000 0x00000000 0xffffffff ]\n"
			    "  [ nat dnat ip6 addr_min reg 1 addr_max reg 2 flags 0x41 ]\n");
	assert_string_equal(rules_of(r, "eams"),
			    "inet sixgate eams\n"
			    "  [ meta load nfproto => reg 1 ]\n"
			    "  [ cmp eq reg 1 0x0000000a ]\n"
			    "  [ payload load 12b @ network header + 8 => reg 1 ]\n"
			    "  [ cmp eq reg 1 0xb80d0120 0xfe000000 0x00000000 ]\n"
			    "  [ payload load 16b @ network header + 24 => reg 1 ]\n"
			    "  [ lookup reg 1 set mapped6 0x0 ]\n"
			    "  [ immediate reg 1 0x9bff6400 0x00000000 0x00000000 0x00000000 ]\n"
			    "  [ immediate reg 2 0x9bff6400 0x00000000 0x00000000 0xffffffff ]\n"
			    "  [ nat snat ip6 addr_min reg 1 addr_max reg 2 flags 0x41 ]\n");
	assert_string_equal(
		rules_of(r, "siiterr"),
		"inet sixgate siiterr\n"
		"  [ meta load oifname => reg 1 ]\n"
		"  [ cmp neq reg 1 0x732d6773 0x00746969 0x00000000 0x00000000 ]\n"
		"  [ meta load nfproto => reg 1 ]\n"
		"  [ cmp eq reg 1 0x00000002 ]\n"
		"  [ meta load l4proto => reg 1 ]\n"
		"  [ cmp eq reg 1 0x00000001 ]\n"
		"  [ payload load 4b @ network header + 12 => reg 1 ]\n"
		"  [ bitwise reg 1 = ( reg 1 & 0xfeffffff ) ^ 0x00000000 ]\n"
		"  [ cmp eq reg 1 0x0040fea9 ]\n"
		"  [ immediate reg 1 0x0a7100cb ]\n"
		"  [ payload write reg 1 => 4b @ network header + 12 csum_type 1 csum_off 10 csum_flags 0x0 ]\n");
	r->node.nat64.prefix =
		prefix_of("2001:db8:64::/64"); /* its addresses are of another form */
	assert_string_equal(rules_of(r, "eamd"), "");
}

static void one_tenant_that_goes_costs_its_elements(void **state)
{
	struct rig *r = *state;
	size_t n_steps, done = 0;

	tenant_add(r, "2001:db8:0:1001::/64");
	n_steps = steps_of(r, false);
	assert_int_equal(r->driver.apply(r->driver.ctx, r->steps, n_steps, &done, &r->err), 0);
	assert_int_equal(done, n_steps);
	assert_int_equal(r->fake.n_rules + r->fake.n_new, 0);
	assert_int_equal(r->fake.n_deleted, n_steps);
}

static void elements_that_others_took_away_are_no_failure(void **state)
{
	struct rig *r = *state;
	size_t n_steps, done = 0;

	tenant_add(r, "2001:db8:0:1001::/64");
	n_steps = steps_of(r, false);
	r->fake.n_missing = 1; /* then the sets are read, which are empty */
	assert_int_equal(r->driver.apply(r->driver.ctx, r->steps, n_steps, &done, &r->err), 0);
	assert_int_equal(done, n_steps);
	assert_int_equal(r->fake.n_deleted, 0);
	/* what comes is sent, whatever was there */
	r->fake.n_missing = 1;
	n_steps = steps_of(r, true);
	assert_int_equal(r->driver.apply(r->driver.ctx, r->steps, n_steps, &done, &r->err), 0);
	assert_int_equal(r->fake.n_new, n_steps);
}

static void a_batch_for_a_past_generation_is_made_again(void **state)
{
	struct rig *r = *state;
	size_t n_steps, done = 0;

	(void)digest_of(r);
	n_steps = steps_of(r, true);
	r->fake.n_stale = 3;
	assert_int_equal(r->driver.apply(r->driver.ctx, r->steps, n_steps, &done, &r->err), 0);
	assert_int_equal(r->fake.n_batches, 4);
	r->fake.n_stale = 1000;
	assert_int_equal(r->driver.apply(r->driver.ctx, r->steps, n_steps, &done, &r->err),
			 -ERESTART);
	assert_int_equal(done, 0);
}

/* What was read before the interruption is not there twice. */
static void a_dump_that_others_interrupt_is_read_again(void **state)
{
	struct rig *r = *state;
	struct object before = {.kind = OBJECT_RULESET};

	r->fake.has_table = true;
	assert_true(object_set_add(&r->set, &before));
	r->fake.n_cut = 3;
	assert_int_equal(r->driver.observe_set(r->driver.ctx, FIREWALL_TENANTS_64, &r->set,
					       &r->err),
			 0);
	assert_int_equal(r->set.n, 2);
	assert_int_equal(r->set.items[0].kind, OBJECT_RULESET);
	assert_memory_equal(r->set.items[1].element.key, element.addr.b, sizeof(element.addr.b));
	r->fake.n_cut = 3;
	assert_int_equal(r->driver.observe(r->driver.ctx, DRIVER_KIND(OBJECT_ELEMENT), &r->set,
					   &r->err),
			 0);
	assert_int_equal(r->set.n, 3);
	r->fake.n_cut = 1000;
	assert_int_equal(r->driver.observe_set(r->driver.ctx, FIREWALL_TENANTS_64, &r->set,
					       &r->err),
			 -EINTR);
	assert_int_equal(r->driver.observe(r->driver.ctx, DRIVER_KIND(OBJECT_ELEMENT), &r->set,
					   &r->err),
			 -EINTR);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(the_digest_follows_the_rules_alone, setup,
						teardown),
		cmocka_unit_test_setup_teardown(rules_and_elements_are_one_transaction, setup,
						teardown),
		cmocka_unit_test_setup_teardown(blocks_of_nat44_are_history, setup, teardown),
		cmocka_unit_test_setup_teardown(mapped_hosts_keep_pref64, setup, teardown),
		cmocka_unit_test_setup_teardown(one_tenant_that_goes_costs_its_elements, setup,
						teardown),
		cmocka_unit_test_setup_teardown(elements_that_others_took_away_are_no_failure,
						setup, teardown),
		cmocka_unit_test_setup_teardown(a_batch_for_a_past_generation_is_made_again, setup,
						teardown),
		cmocka_unit_test_setup_teardown(a_dump_that_others_interrupt_is_read_again, setup,
						teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
