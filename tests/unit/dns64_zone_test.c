/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The farm's zone: what each kind of name is answered, and that names come and go with tenants. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <libknot/libknot.h>

#include "base/cursor.h"
#include "conf/model/node.h"
#include "conf/model/tenant.h"
#include "dns64/request.h"
#include "dns64/zone.h"
#include "tests/unit/dns_text.h"

#define V4(w, x, y, z)                                         \
	{                                                      \
		.b = { [10] = 0xff, 0xff, (w), (x), (y), (z) } \
	}
#define TENANT(n)                                                    \
	{                                                            \
		.b = { 0x20, 0x01, 0x0d, 0xb8, [7] = 1, [15] = (n) } \
	}
#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static struct pool_range pool[] = {{.range = {.addr = V4(203, 0, 113, 16), .len = 96 + 31}}};
static struct listener_conf listeners[] = {
	{.any = true, .port = 443, .protocol = PROTOCOL_TLS},
	{.address = V4(203, 0, 113, 17), .port = 8448, .protocol = PROTOCOL_TLS},
	{.address = V4(203, 0, 113, 16), .port = 80, .protocol = PROTOCOL_HTTP},
};
static const struct node_conf node = {
	.pool = pool,
	.n_pool = COUNT(pool),
	.listeners = listeners,
	.n_listeners = COUNT(listeners),
	.dns64 = {.on = true, .zone = "exit1.Example.net"},
};

static struct backend_conf web_backends[] = {
	{.address = TENANT(0x10)},
	{.address = TENANT(0x11)},
	{.address = TENANT(0x12), .drained = true},
	{.is_name = true, .name = "inside.example"},
};
static struct backend_conf matrix_backends[] = {{.address = TENANT(0x20)}};
static struct name_pattern web_names[] = {
	{.text = "shop.exit1.example.net"},
	{.text = "apps.exit1.example.net", .wildcard = true},
	{.text = "deep.in.apps.exit1.example.net"},
	{.text = "shop.example"},
	{.text = "exit1.example.net.evil.example"},
};
static struct name_pattern plain_names[] = {{.text = "plain.exit1.example.net"}};
static struct name_pattern matrix_names[] = {{.text = "matrix.exit1.example.net"}};
static struct expose_conf web_exposes[] = {
	{.protocol = PROTOCOL_TLS, .names = web_names, .n_names = COUNT(web_names), .port = 443},
	{.protocol = PROTOCOL_HTTP, .names = plain_names, .n_names = COUNT(plain_names)},
};
static struct expose_conf matrix_exposes[] = {
	{.protocol = PROTOCOL_TLS,
	 .names = matrix_names,
	 .n_names = COUNT(matrix_names),
	 .port = 8448},
};
static struct expose_conf ssh_exposes[] = {
	{.protocol = PROTOCOL_TCP, .has_ipv4 = true, .ipv4 = V4(203, 0, 113, 17), .port = 2222},
	{.protocol = PROTOCOL_UDP, .has_ipv4 = true, .ipv4 = V4(203, 0, 113, 17), .port = 51000},
};
static struct service_conf acme_services[] = {
	{.name = "web",
	 .backends = web_backends,
	 .n_backends = COUNT(web_backends),
	 .exposes = web_exposes,
	 .n_exposes = COUNT(web_exposes)},
	{.name = "matrix",
	 .backends = matrix_backends,
	 .n_backends = 1,
	 .exposes = matrix_exposes,
	 .n_exposes = 1},
	{.name = "ssh",
	 .backends = matrix_backends,
	 .n_backends = 1,
	 .exposes = ssh_exposes,
	 .n_exposes = COUNT(ssh_exposes)},
	{.name = "inner", .backends = matrix_backends, .n_backends = 1},
	{.name = "down", .backends = matrix_backends, .n_backends = 1, .drained = true},
};
static struct name_pattern evil_names[] = {
	{.text = "web.acme.exit1.example.net"},
	{.text = "new.acme.exit1.example.net"},
	{.text = "evil.exit1.example.net"},
};
static struct backend_conf evil_backends[] = {{.address = TENANT(0x66)}};
static struct expose_conf evil_exposes[] = {
	{.protocol = PROTOCOL_TLS, .names = evil_names, .n_names = COUNT(evil_names), .port = 443},
};
static struct service_conf evil_services[] = {
	{.name = "x",
	 .backends = evil_backends,
	 .n_backends = 1,
	 .exposes = evil_exposes,
	 .n_exposes = 1},
};
/* The test's own reference is never given back. */
static struct tenant_conf acme = {.refs = 1,
				  .name = "acme",
				  .services = acme_services,
				  .n_services = COUNT(acme_services)};
static struct tenant_conf evil = {.refs = 1,
				  .name = "evil",
				  .services = evil_services,
				  .n_services = COUNT(evil_services)};

/* What a query is answered, as text: flags, then the records. */
static char *ask(const struct zone *z, const char *name, const char *type)
{
	struct request r = {.rd = true, .id = 7, .q = {.class = KNOT_CLASS_IN}};
	static uint8_t wire[REQUEST_UDP_MIN];
	char *text = NULL;
	size_t len = 0;
	knot_pkt_t *pkt;
	FILE *out;

	r.q.type = text_type(type);
	assert_int_equal(question_set_name(&r.q, name), 0);
	memcpy(r.name, r.q.name, r.q.len);
	pkt = knot_pkt_new(wire, (uint16_t)zone_query(z, &r, wire), NULL);
	assert_int_equal(knot_pkt_parse(pkt, KNOT_PF_NOCANON), KNOT_EOK);
	assert_false(knot_wire_get_ra(wire) || knot_wire_get_ad(wire));
	out = open_memstream(&text, &len);
	assert_non_null(out);
	(void)fprintf(out, "%s%s%s\n", rcode_text(knot_pkt_ext_rcode(pkt)),
		      knot_wire_get_aa(wire) ? " aa" : "", knot_wire_get_tc(wire) ? " tc" : "");
	section_text(pkt, KNOT_ANSWER, "answer", out);
	section_text(pkt, KNOT_AUTHORITY, "authority", out);
	section_text(pkt, KNOT_ADDITIONAL, "additional", out);
	assert_int_equal(fclose(out), 0);
	knot_pkt_free(pkt);
	return text;
}

static void expect(const struct zone *z, const char *name, const char *type, const char *want)
{
	char *got = ask(z, name, type);

	if (strcmp(got, want) != 0) {
		print_error("%s %s\n", name, type);
	}
	assert_string_equal(got, want);
	free(got);
}

#define Z          "exit1.example.net."
#define SOA(n)     Z " 60 SOA ns." Z " ns." Z " " #n " 3600 600 86400 60\n"
#define NODATA     "NOERROR aa\nauthority " SOA(3)
#define NXDOMAIN   "NXDOMAIN aa\nauthority " SOA(3)
#define A(name)    "answer " name " 60 A "
#define AAAA(name) "answer " name " 60 AAAA 2001:db8:0:1::"

static int setup(void **state)
{
	struct zone *z = NULL;

	assert_int_equal(zone_new(&node, 1, &z), 0);
	assert_int_equal(zone_put(z, &evil, 2), 0);
	assert_int_equal(zone_put(z, &acme, 3), 0);
	*state = z;
	return 0;
}

static int teardown(void **state)
{
	zone_free(*state);
	assert_int_equal(acme.refs, 1);
	assert_int_equal(evil.refs, 1);
	return 0;
}

static void the_zone_itself(void **state)
{
	const struct zone *z = *state;

	expect(z, Z, "SOA", "NOERROR aa\nanswer " SOA(3));
	expect(z, Z, "NS", "NOERROR aa\nanswer " Z " 60 NS ns." Z "\n");
	expect(z, Z, "A", NODATA);
	expect(z, "ns." Z, "A",
	       "NOERROR aa\n" A("ns." Z) "203.0.113.16\n" A("ns." Z) "203.0.113.17\n");
	expect(z, "none." Z, "A", NXDOMAIN);
	expect(z, "example.net.", "A", "REFUSED\n");
	expect(z, "www.example.com.", "A", "REFUSED\n");
	expect(z, Z, "AXFR", "NOTIMPL\n");
}

static void a_service_is_at_its_tenants_name(void **state)
{
	const struct zone *z = *state;

	expect(z, "web.acme." Z, "AAAA",
	       "NOERROR aa\n" AAAA("web.acme." Z) "10\n" AAAA("web.acme." Z) "11\n");
	expect(z, "web.acme." Z, "A",
	       "NOERROR aa\n" A("web.acme." Z) "203.0.113.16\n" A("web.acme." Z) "203.0.113.17\n");
	expect(z, "web.acme." Z, "HTTPS", NODATA); /* it is at 443 */
	expect(z, "matrix.acme." Z, "A", "NOERROR aa\n" A("matrix.acme." Z) "203.0.113.17\n");
	expect(z, "matrix.acme." Z, "HTTPS",
	       "NOERROR aa\nanswer matrix.acme." Z " 60 HTTPS 1 . port=8448\n");
	expect(z, "ssh.acme." Z, "A", "NOERROR aa\n" A("ssh.acme." Z) "203.0.113.17\n");
	expect(z, "inner.acme." Z, "A", NODATA); /* it is not exposed */
	expect(z, "inner.acme." Z, "AAAA", "NOERROR aa\n" AAAA("inner.acme." Z) "20\n");
	expect(z, "down.acme." Z, "AAAA", NODATA);
	expect(z, "web.acme." Z, "MX", NODATA);
	expect(z, "acme." Z, "A", NODATA); /* names lie below it */
	expect(z, "none.acme." Z, "A", NXDOMAIN);
	expect(z, "a.web.acme." Z, "A", NXDOMAIN);
	expect(z, "web.acme." Z, "ANY",
	       "NOERROR aa\nanswer web.acme." Z " 60 HINFO \"RFC8482\" \"\"\n");
}

static void names_of_exposures_are_there_when_they_lie_in_it(void **state)
{
	const struct zone *z = *state;

	expect(z, "shop." Z, "AAAA", "NOERROR aa\n" AAAA("shop." Z) "10\n" AAAA("shop." Z) "11\n");
	expect(z, "plain." Z, "A", "NOERROR aa\n" A("plain." Z) "203.0.113.16\n");
	expect(z, "matrix." Z, "HTTPS", "NOERROR aa\nanswer matrix." Z " 60 HTTPS 1 . port=8448\n");
	expect(z, "shop.example.", "A", "REFUSED\n");
}

static void a_wildcard_is_for_what_does_not_exist(void **state)
{
	const struct zone *z = *state;

	expect(z, "one.apps." Z, "AAAA",
	       "NOERROR aa\n" AAAA("one.apps." Z) "10\n" AAAA("one.apps." Z) "11\n");
	expect(z, "a.b.apps." Z, "AAAA",
	       "NOERROR aa\n" AAAA("a.b.apps." Z) "10\n" AAAA("a.b.apps." Z) "11\n");
	expect(z, "one.apps." Z, "MX", NODATA);
	expect(z, "apps." Z, "AAAA", NODATA);
	/* deep.in.apps exists, and in.apps as a name above it */
	expect(z, "in.apps." Z, "AAAA", NODATA);
	expect(z, "other.in.apps." Z, "AAAA", NXDOMAIN);
}

static void names_below_another_tenants_are_nobodys(void **state)
{
	struct zone *z = *state;

	expect(z, "new.acme." Z, "AAAA", NODATA); /* not evil's */
	expect(z, "evil." Z, "AAAA", "NOERROR aa\n" AAAA("evil." Z) "66\n");
	zone_remove(z, "acme", 4);
	expect(z, "new.acme." Z, "AAAA", "NOERROR aa\n" AAAA("new.acme." Z) "66\n");
}

static void names_go_with_their_tenant(void **state)
{
	struct zone *z = *state;
	struct tenant_conf less = acme;

	less.refs = 1;
	less.n_services = 1;
	assert_int_equal(zone_put(z, &less, 4), 0);
	expect(z, "matrix.acme." Z, "A", "NXDOMAIN aa\nauthority " SOA(4));
	expect(z, "matrix." Z, "A", "NXDOMAIN aa\nauthority " SOA(4));
	expect(z, "shop." Z, "AAAA", "NOERROR aa\n" AAAA("shop." Z) "10\n" AAAA("shop." Z) "11\n");
	less.state = TENANT_SUSPENDED;
	assert_int_equal(zone_put(z, &less, 5), 0);
	assert_int_equal(less.refs, 1);
	expect(z, "in.apps." Z, "AAAA", "NXDOMAIN aa\nauthority " SOA(5));
	expect(z, "web.acme." Z, "AAAA", "NOERROR aa\n" AAAA("web.acme." Z) "66\n");
	zone_remove(z, "evil", 6);
	expect(z, "acme." Z, "AAAA", "NXDOMAIN aa\nauthority " SOA(6));
	zone_remove(z, "evil", 7);
	expect(z, Z, "SOA", "NOERROR aa\nanswer " SOA(6)); /* there was no change */
}

static int line_cmp(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void it_is_printed_as_a_zone_file(void **state)
{
	static const char *const want[] = {
		Z " 60 NS ns." Z,
		Z " 60 SOA ns." Z " ns." Z " 3 3600 600 86400 60",
		"evil." Z " 60 A 203.0.113.16",
		"matrix.acme." Z " 60 AAAA 2001:db8:0:1::20",
		"matrix.acme." Z " 60 HTTPS 1 . port=8448",
		"*.apps." Z " 60 A 203.0.113.16",
	};
	char *lines[100], *rest;
	struct buf out;
	size_t n = 0;

	buf_init(&out, 1 << 16);
	zone_print(*state, &out);
	buf_u8(&out, 0);
	assert_false(out.bad);
	rest = (char *)out.data;
	while (n < COUNT(lines) && (lines[n] = strsep(&rest, "\n")) && *lines[n] != '\0') {
		n++;
	}
	for (size_t i = 0; i < n; i++) { /* each is a record */
		knot_rrset_t *rr = text_rrset(lines[i]);

		assert_non_null(strstr(lines[i], Z " 60 ")); /* of the zone */
		knot_rrset_free(rr, NULL);
	}
	qsort(lines, n, sizeof(lines[0]), line_cmp);
	for (size_t i = 0; i < COUNT(want); i++) {
		if (!bsearch(&want[i], lines, n, sizeof(lines[0]), line_cmp)) {
			print_error("%s\n", want[i]);
			fail();
		}
	}
	for (size_t i = 1; i < n; i++) {
		assert_string_not_equal(lines[i - 1], lines[i]);
	}
	buf_fini(&out);
}

static void a_zone_has_a_name(void **state)
{
	struct node_conf without = node;
	struct zone *z;

	(void)state;
	without.dns64.zone = NULL;
	assert_int_equal(zone_new(&without, 1, &z), -EINVAL);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_zone_itself),
		TEST(a_service_is_at_its_tenants_name),
		TEST(names_of_exposures_are_there_when_they_lie_in_it),
		TEST(a_wildcard_is_for_what_does_not_exist),
		TEST(names_below_another_tenants_are_nobodys),
		TEST(names_go_with_their_tenant),
		TEST(it_is_printed_as_a_zone_file),
		cmocka_unit_test(a_zone_has_a_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
