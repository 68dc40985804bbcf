/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Which elements of nftables' sets are wanted. */
#include "gateway/plan/firewall.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "conf/model/special.h"
#include "gateway/plan/derive.h"
#include "gateway/plan/desired.h"

struct rig {
	struct node_conf node;
	struct desired_facts facts;
	struct firewall firewall;
	struct object_set set;
};

static struct prefix prefix_of(const char *text)
{
	struct prefix p;

	assert_int_equal(prefix_parse(str_from(text), &p, NULL), 0);
	return p;
}

static int setup(void **state)
{
	struct rig *r = calloc(1, sizeof(*r));

	assert_non_null(r);
	r->node.has_ipv6_prefix = true;
	r->node.ipv6_prefix = prefix_of("2001:db8::/36");
	object_set_init(&r->set);
	*state = r;
	return 0;
}

static int teardown(void **state)
{
	struct rig *r = *state;

	object_set_fini(&r->set);
	free(r);
	return 0;
}

static uint32_t mtu_1492(void *ctx, const struct outer *outer)
{
	(void)ctx;
	assert_string_equal(outer->link, "tc0");
	return 1492;
}

/* The packets of a route tunnel are cut for its link, whose MTU is the operator's matter. */
static void a_links_mtu_decides_the_mss(void **state)
{
	struct rig *r = *state;
	struct prefix p = prefix_of("2001:db8:0:1001::/64");
	struct tunnel_conf tunnel = {.name = "rack",
				     .kind = TUNNEL_ROUTE,
				     .interface = "tc0",
				     .prefixes = &p,
				     .n_prefixes = 1};
	const struct tenant_conf tenant = {.name = "acme",
					   .prefixes = &p,
					   .n_prefixes = 1,
					   .tunnels = &tunnel,
					   .n_tunnels = 1};
	const uint8_t mss[] = {1432 >> 8, 1432 & 0xff};
	size_t n_found = 0;

	object_set_fini(&r->set);
	r->facts.path_mtu = mtu_1492;
	desired_firewall_tenant(&r->node, &r->facts, &tenant, &r->set);
	for (size_t i = 0; i < r->set.n; i++) {
		const struct object *o = &r->set.items[i];

		if (o->kind == OBJECT_ELEMENT && o->element.set == FIREWALL_MSS) {
			assert_memory_equal(o->element.key, "tc0", 4);
			assert_memory_equal(o->element.data, mss, sizeof(mss));
			n_found++;
		}
	}
	assert_int_equal(n_found, 1);
}

/* The MSS that the tenant's tunnels on a device ask for; 0: none. */
static unsigned int tenant_mss(struct rig *r, const struct tenant_conf *tenant, const char *link)
{
	const uint32_t mark = derive_mark(&r->node, tenant);
	unsigned int mss = 0;

	object_set_init(&r->set);
	desired_firewall_tenant(&r->node, &r->facts, tenant, &r->set);
	for (size_t i = 0; i < r->set.n; i++) {
		const struct object *o = &r->set.items[i];

		if (o->kind == OBJECT_ELEMENT && o->element.set == FIREWALL_MSS_TENANTS &&
		    strcmp((const char *)o->element.key, link) == 0) {
			assert_int_equal(mss, 0);
			assert_memory_equal(o->element.key + IFNAMSIZ, &mark, sizeof(mark));
			mss = (unsigned int)o->element.data[0] << 8 | o->element.data[1];
		}
	}
	object_set_fini(&r->set);
	return mss;
}

/* Who shares a device and has less than it decides for itself alone. */
static void tenants_mtu_on_a_shared_device_decides_its_mss(void **state)
{
	struct rig *r = *state;
	struct prefix p = prefix_of("2001:db8:0:1001::/64");
	struct tunnel_conf tunnels[] = {
		{.name = "a", .kind = TUNNEL_WIREGUARD},
		{.name = "b", .kind = TUNNEL_WIREGUARD, .mtu = 1380},
		{.name = "c", .kind = TUNNEL_WIREGUARD, .mtu = 1300},
		{.name = "d", .kind = TUNNEL_WIREGUARD, .mtu = 1280, .own_device = true},
		{.name = "e", .kind = TUNNEL_6IN4, .mtu = 1280},
		{.name = "f", .kind = TUNNEL_ROUTE, .interface = "tc0"},
		{.name = "g", .kind = TUNNEL_ROUTE, .interface = "tc0", .mtu = 1290},
	};
	struct tenant_conf tenant = {.name = "acme",
				     .prefixes = &p,
				     .n_prefixes = 1,
				     .tunnels = tunnels,
				     .n_tunnels = 1};

	for (size_t i = 0; i < sizeof(tunnels) / sizeof(tunnels[0]); i++) {
		tunnels[i].prefixes = &p;
		tunnels[i].n_prefixes = 1;
	}
	object_set_fini(&r->set);
	assert_int_equal(tenant_mss(r, &tenant, DERIVE_WG_LINK), 0);
	tenant.n_tunnels = 2;
	assert_int_equal(tenant_mss(r, &tenant, DERIVE_WG_LINK), 1320);
	tenant.n_tunnels = 6; /* devices of their own, and what a link says, are in FIREWALL_MSS */
	assert_int_equal(tenant_mss(r, &tenant, DERIVE_WG_LINK), 1240);
	assert_int_equal(tenant_mss(r, &tenant, "tc0"), 0);
	tenant.n_tunnels = 7; /* and its other tunnels carry as much as before */
	assert_int_equal(tenant_mss(r, &tenant, "tc0"), 1230);
	assert_int_equal(tenant_mss(r, &tenant, DERIVE_WG_LINK), 1240);
}

static bool has_octet(const struct rig *r, uint8_t octet)
{
	for (size_t i = 0; i < r->set.n; i++) {
		const struct object *o = &r->set.items[i];

		if (o->kind == OBJECT_ELEMENT && o->element.set == FIREWALL_OCTETS &&
		    o->element.key[0] == octet) {
			return true;
		}
	}
	return false;
}

/* What is special is looked for among those alone whose first byte is one of these. */
static void all_that_is_special_has_its_first_byte_in_the_set(void **state)
{
	static const uint8_t others[] = {1, 8, 9, 11, 128, 193, 199, 204, 223};
	struct rig *r = *state;

	desired_firewall_node(&r->node, &r->facts, &r->firewall, &r->set);
	for (unsigned int octet = 0; octet < 256; octet++) {
		bool special = false;

		for (size_t i = 0; i < n_special_ranges; i++) {
			const struct prefix *range = &special_ranges[i].range;
			const struct prefix all =
				{.addr = {{[10] = 0xff, [11] = 0xff, (uint8_t)octet}}, .len = 104};

			special |= prefix_overlaps(&all, range);
		}
		assert_int_equal(has_octet(r, (uint8_t)octet), special);
	}
	for (size_t i = 0; i < sizeof(others); i++) {
		assert_false(has_octet(r, others[i]));
	}
}

static void a_prefix_makes_the_elements_of_its_bits(void **state)
{
	static const struct {
		const char *prefix, *first, *last;
		uint32_t n;
		bool is_56;
	} vectors[] = {
		{"2001:db8:0:1001::/64", "2001:db8:0:1001::", "2001:db8:0:1001::", 1, false},
		{"2001:db8:0:1000::/63", "2001:db8:0:1000::", "2001:db8:0:1001::", 2, false},
		{"2001:db8:0:1000::/56", "2001:db8:0:1000::", "2001:db8:0:10ff::", 256, false},
		{"2001:db8:0:1000::/55", "2001:db8:0:1000::", "2001:db8:0:1100::", 2, true},
		{"2001:db8:5::/48", "2001:db8:5::", "2001:db8:5:ff00::", 256, true},
		{"2001:db8:100::/40", "2001:db8:100::", "2001:db8:1ff:ff00::", 65536, true},
		{"2001:db8::7:1001:0:0:0/80", "2001:db8::7:1001:0:0:0", "2001:db8::7:1001:0:0:0", 1,
		 false},
		{"2001:db8::7:1000:0:0:0/72", "2001:db8::7:1000:0:0:0", "2001:db8::7:10ff:0:0:0",
		 256, false},
		{"2001:db8::7:8000:0:0:0/65", "2001:db8::7:8000:0:0:0", "2001:db8::7:ff00:0:0:0",
		 128, true},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
		struct prefix p = prefix_of(vectors[i].prefix);
		struct addr a, expected;

		assert_int_equal(firewall_prefix_elements(&p), vectors[i].n);
		assert_int_equal(firewall_prefix_element(&p, 0, &a), vectors[i].is_56);
		assert_int_equal(addr_parse(str_from(vectors[i].first), &expected), 0);
		assert_true(addr_eq(&a, &expected));
		assert_int_equal(firewall_prefix_element(&p, vectors[i].n - 1, &a),
				 vectors[i].is_56);
		assert_int_equal(addr_parse(str_from(vectors[i].last), &expected), 0);
		assert_true(addr_eq(&a, &expected));
	}
}

/* RFC 6052 2.4. */
static void ipv4_is_embedded_as_the_standard_shows(void **state)
{
	static const struct {
		const char *prefix, *expected;
	} vectors[] = {
		{"2001:db8::/32", "2001:db8:c000:221::"},
		{"2001:db8:100::/40", "2001:db8:1c0:2:21::"},
		{"2001:db8:122::/48", "2001:db8:122:c000:2:2100::"},
		{"2001:db8:122:300::/56", "2001:db8:122:3c0:0:221::"},
		{"2001:db8:122:344::/64", "2001:db8:122:344:c0:2:2100:0"},
		{"2001:db8:122:344::/96", "2001:db8:122:344::c000:221"},
	};
	const struct addr v4 = {{[10] = 0xff, 0xff, 192, 0, 2, 33}};

	(void)state;
	for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
		struct prefix p = prefix_of(vectors[i].prefix);
		struct addr expected, a = firewall_embed(&p, &v4);

		assert_int_equal(addr_parse(str_from(vectors[i].expected), &expected), 0);
		assert_true(addr_eq(&a, &expected));
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_links_mtu_decides_the_mss),
		TEST(tenants_mtu_on_a_shared_device_decides_its_mss),
		TEST(all_that_is_special_has_its_first_byte_in_the_set),
		cmocka_unit_test(a_prefix_makes_the_elements_of_its_bits),
		cmocka_unit_test(ipv4_is_embedded_as_the_standard_shows),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
