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
static struct addr listen_at[] = {V4(203, 0, 113, 10), TENANT(0x53)};
static const struct node_conf node = {
	.pool = pool,
	.n_pool = COUNT(pool),
	.listeners = listeners,
	.n_listeners = COUNT(listeners),
	.dns64 = {.on = true,
		  .zone = "exit1.Example.net",
		  .zone_listen = listen_at,
		  .n_zone_listen = COUNT(listen_at)},
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

static void put(struct zone *z, struct tenant_conf *tenant, uint32_t serial)
{
	assert_int_equal(zone_put(z, tenant), 0);
	zone_set_serial(z, serial);
}

#define Z          "exit1.example.net."
#define SOA(n)     Z " 60 SOA ns." Z " hostmaster." Z " " #n " 3600 600 86400 60\n"
#define NODATA     "NOERROR aa\nauthority " SOA(3)
#define NXDOMAIN   "NXDOMAIN aa\nauthority " SOA(3)
#define A(name)    "answer " name " 60 A "
#define AAAA(name) "answer " name " 60 AAAA 2001:db8:0:1::"

static int setup(void **state)
{
	struct zone *z = NULL;

	assert_int_equal(zone_new(&node, &z), 0);
	put(z, &evil, 2);
	put(z, &acme, 3);
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
	expect(z, "ns." Z, "A", "NOERROR aa\n" A("ns." Z) "203.0.113.10\n"); /* where it is asked */
	expect(z, "ns." Z, "AAAA", "NOERROR aa\n" AAAA("ns." Z) "53\n");
	expect(z, "ns." Z, "MX", NODATA);
	expect(z, "a.ns." Z, "A", NXDOMAIN);
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

	expect(z, "new.acme." Z, "AAAA", NXDOMAIN); /* not evil's */
	expect(z, "evil." Z, "AAAA", "NOERROR aa\n" AAAA("evil." Z) "66\n");
	zone_remove(z, &acme);
	expect(z, "new.acme." Z, "AAAA", "NOERROR aa\n" AAAA("new.acme." Z) "66\n");
}

/* A tenant with one service and one exposure, of that name. */
struct one {
	struct name_pattern name;
	struct expose_conf expose;
	struct service_conf service;
	struct tenant_conf tenant;
};

static struct tenant_conf *one(struct one *o, const char *tenant, const char *name, uint16_t port)
{
	*o = (struct one){.name = {.text = name, .wildcard = name[0] == '*'},
			  .expose = {.protocol = PROTOCOL_TLS,
				     .names = &o->name,
				     .n_names = 1,
				     .port = port},
			  .service = {.name = "one",
				      .backends = evil_backends,
				      .n_backends = 1,
				      .exposes = &o->expose,
				      .n_exposes = 1},
			  .tenant = {.refs = 1,
				     .name = tenant,
				     .services = &o->service,
				     .n_services = 1}};
	if (o->name.wildcard) {
		o->name.text += 2;
	}
	return &o->tenant;
}

/* What it is answered with that tenant in it, and what is printed, is as without. */
static void expect_no_change(struct zone *z, struct tenant_conf *tenant, const char *name,
			     const char *type, const char *want)
{
	expect(z, name, type, want);
	put(z, tenant, 3);
	expect(z, name, type, want);
	zone_remove(z, tenant);
	assert_int_equal(tenant->refs, 1);
}

static void the_zones_own_server_is_nobodys(void **state)
{
	static const char *const names[] = {"ns.exit1.example.net", "*.exit1.example.net",
					    "*.ns.exit1.example.net", "a.ns.exit1.example.net",
					    "exit1.example.net"};
	static const char at_ns[] = "NOERROR aa\n" A("ns." Z) "203.0.113.10\n";
	static const char *const tenants[] = {"mallory", "ns"};
	struct one o;

	for (size_t t = 0; t < COUNT(tenants); t++) {
		for (size_t i = 0; i < COUNT(names); i++) {
			struct tenant_conf *tenant = one(&o, tenants[t], names[i], 443);

			expect_no_change(*state, tenant, "ns." Z, "A", at_ns);
			expect_no_change(*state, tenant, "ns." Z, "MX", NODATA);
			expect_no_change(*state, tenant, "a.ns." Z, "AAAA", NXDOMAIN);
			expect_no_change(*state, tenant, "one.ns." Z, "AAAA", NXDOMAIN);
			expect_no_change(*state, tenant, Z, "A", NODATA);
			expect_no_change(*state, tenant, Z, "NS",
					 "NOERROR aa\nanswer " Z " 60 NS ns." Z "\n");
		}
	}
}

static void a_tenants_subtree_is_its_own_also_without_a_service(void **state)
{
	struct zone *z = *state;
	struct tenant_conf empty = {.refs = 1, .name = "empty"};
	struct one o;
	struct tenant_conf *all = one(&o, "all", "*.exit1.example.net", 443);

	put(z, all, 3);
	expect(z, "x.empty." Z, "AAAA", "NOERROR aa\n" AAAA("x.empty." Z) "66\n");
	put(z, &empty, 3);
	expect(z, "x.empty." Z, "AAAA", NXDOMAIN);
	expect(z, "empty." Z, "AAAA", NODATA);
	expect(z, "none.acme." Z, "AAAA", NXDOMAIN);
	expect(z, "other." Z, "AAAA", "NOERROR aa\n" AAAA("other." Z) "66\n");
	zone_remove(z, &empty);
	zone_remove(z, all);
}

/* What is claimed below another's name does not even say that it exists. */
static void a_name_below_another_tenants_hides_nothing(void **state)
{
	struct zone *z = *state;
	struct one own, foreign;
	struct tenant_conf *owner = one(&own, "owner", "*.owner.exit1.example.net", 443);
	struct tenant_conf *other = one(&foreign, "other", "a.owner.exit1.example.net", 8449);
	static const char want[] = "NOERROR aa\n" AAAA("a.owner." Z) "66\n";

	put(z, owner, 3);
	expect_no_change(z, other, "a.owner." Z, "AAAA", want);
	expect_no_change(z, other, "a.owner." Z, "HTTPS", NODATA);
	other = one(&foreign, "other", "*.one.owner.exit1.example.net", 443);
	expect_no_change(z, other, "b.one.owner." Z, "AAAA", NXDOMAIN);
	zone_remove(z, owner);
}

static void what_two_tenants_have_at_a_name_is_not_mixed(void **state)
{
	struct zone *z = *state;
	struct one o;
	struct tenant_conf *other = one(&o, "other", "matrix.exit1.example.net", 443);

	expect_no_change(z, other, "matrix." Z, "AAAA", "NOERROR aa\n" AAAA("matrix." Z) "20\n");
	expect_no_change(z, other, "matrix." Z, "HTTPS",
			 "NOERROR aa\nanswer matrix." Z " 60 HTTPS 1 . port=8448\n");
}

static void a_port_without_a_listener_is_at_all_addresses(void **state)
{
	struct zone *z = *state;
	struct one o;

	put(z, one(&o, "more", "more.exit1.example.net", 8449), 3);
	expect(z, "more." Z, "A",
	       "NOERROR aa\n" A("more." Z) "203.0.113.16\n" A("more." Z) "203.0.113.17\n");
	zone_remove(z, &o.tenant);
}

static void an_address_that_is_a_tenants_is_no_one_elses(void **state)
{
	static struct expose_conf whole = {.protocol = PROTOCOL_ADDRESS,
					   .has_ipv4 = true,
					   .ipv4 = V4(203, 0, 113, 16)};
	static struct service_conf service = {.name = "host",
					      .backends = evil_backends,
					      .n_backends = 1,
					      .exposes = &whole,
					      .n_exposes = 1};
	struct tenant_conf mapped = {.refs = 1,
				     .name = "whole",
				     .services = &service,
				     .n_services = 1};
	struct zone *z = *state;

	put(z, &mapped, 3);
	expect(z, "host.whole." Z, "A", "NOERROR aa\n" A("host.whole." Z) "203.0.113.16\n");
	expect(z, "shop." Z, "A", "NOERROR aa\n" A("shop." Z) "203.0.113.17\n");
	put(z, &mapped, 3); /* its next version */
	expect(z, "shop." Z, "A", "NOERROR aa\n" A("shop." Z) "203.0.113.17\n");
	zone_remove(z, &mapped);
	expect(z, "shop." Z, "A",
	       "NOERROR aa\n" A("shop." Z) "203.0.113.16\n" A("shop." Z) "203.0.113.17\n");
}

/* However much of it there is, an answer is made of as much of it as is said. */
static void an_answer_is_made_from_so_many_exposures(void **state)
{
	static struct expose_conf exposes[ZONE_EXPOSES_MAX + 1];
	static struct name_pattern name = {.text = "many.exit1.example.net"};
	struct service_conf services[] = {
		{.name = "own", .exposes = exposes, .n_exposes = ZONE_EXPOSES_MAX + 1},
		{.name = "named", .exposes = exposes, .n_exposes = ZONE_USES_MAX + 1},
	};
	struct tenant_conf many = {.refs = 1,
				   .name = "many2",
				   .services = services,
				   .n_services = 1};
	struct zone *z = *state;

	for (size_t i = 0; i <= ZONE_EXPOSES_MAX; i++) {
		exposes[i] = (struct expose_conf){.protocol = PROTOCOL_TCP,
						  .has_ipv4 = true,
						  .ipv4 = V4(203, 0, 113, 17),
						  .port = 22};
	}
	exposes[ZONE_EXPOSES_MAX].ipv4 = (struct addr)V4(203, 0, 113, 16);
	put(z, &many, 3);
	expect(z, "own.many2." Z, "A", "NOERROR aa\n" A("own.many2." Z) "203.0.113.17\n");
	zone_remove(z, &many);
	for (size_t i = 0; i <= ZONE_USES_MAX; i++) {
		exposes[i] = (struct expose_conf){.protocol = PROTOCOL_TLS,
						  .names = &name,
						  .n_names = 1,
						  .port = 8448};
	}
	exposes[ZONE_USES_MAX].port = 443;
	many.services = &services[1];
	put(z, &many, 3);
	expect(z, "many." Z, "A", "NOERROR aa\n" A("many." Z) "203.0.113.17\n");
	zone_remove(z, &many);
}

/* However many a stranger has claimed there before. */
static void a_tenants_own_name_is_made_from_its_own_exposures(void **state)
{
	static struct expose_conf exposes[ZONE_USES_MAX];
	struct one own, foreign;
	struct tenant_conf *stranger =
		one(&foreign, "stranger", "one.owner.exit1.example.net", 443);
	struct tenant_conf *owner = one(&own, "owner", "owner.example", 443);
	struct zone *z = *state;

	for (size_t i = 0; i < ZONE_USES_MAX; i++) {
		exposes[i] = foreign.expose;
	}
	foreign.service.exposes = exposes;
	foreign.service.n_exposes = ZONE_USES_MAX;
	put(z, stranger, 3);
	for (unsigned int version = 0; version < 2; version++) {
		put(z, owner, 3);
		expect(z, "one.owner." Z, "AAAA", "NOERROR aa\n" AAAA("one.owner." Z) "66\n");
	}
	zone_remove(z, owner);
	zone_remove(z, stranger);
}

static void names_go_with_their_tenant(void **state)
{
	struct zone *z = *state;
	struct tenant_conf less = acme, suspended;

	less.refs = 1;
	less.n_services = 1;
	put(z, &less, 4);
	assert_int_equal(acme.refs, 1);
	zone_remove(z, &acme); /* which is not what is there */
	expect(z, "matrix.acme." Z, "A", "NXDOMAIN aa\nauthority " SOA(4));
	expect(z, "matrix." Z, "A", "NXDOMAIN aa\nauthority " SOA(4));
	expect(z, "shop." Z, "AAAA", "NOERROR aa\n" AAAA("shop." Z) "10\n" AAAA("shop." Z) "11\n");
	suspended = less;
	suspended.refs = 1;
	suspended.state = TENANT_SUSPENDED;
	put(z, &suspended, 5);
	assert_int_equal(less.refs, 1);
	expect(z, "in.apps." Z, "AAAA", "NXDOMAIN aa\nauthority " SOA(5));
	expect(z, "web.acme." Z, "AAAA", "NXDOMAIN aa\nauthority " SOA(5)); /* not evil's */
	expect(z, "acme." Z, "AAAA", "NOERROR aa\nauthority " SOA(5));
	zone_remove(z, &suspended);
	expect(z, "web.acme." Z, "AAAA", "NOERROR aa\n" AAAA("web.acme." Z) "66\n");
	zone_remove(z, &evil);
	expect(z, "acme." Z, "AAAA", "NXDOMAIN aa\nauthority " SOA(5));
	zone_remove(z, &evil);
}

static void another_config_has_other_addresses(void **state)
{
	struct zone *z = *state;
	struct node_conf less = node;

	less.dns64.n_zone_listen = 1;
	less.n_listeners = 2;
	less.n_pool = 0;
	zone_set_node(z, &less);
	expect(z, "ns." Z, "AAAA", NODATA);
	expect(z, "shop." Z, "A", NODATA);
	zone_set_node(z, &node);
	expect(z, "ns." Z, "AAAA", "NOERROR aa\n" AAAA("ns." Z) "53\n");
}

static int line_cmp(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void it_is_printed_as_a_zone_file(void **state)
{
	static const char *const want[] = {
		Z " 60 NS ns." Z,
		Z " 60 SOA ns." Z " hostmaster." Z " 3 3600 600 86400 60",
		"evil." Z " 60 A 203.0.113.16",
		"ns." Z " 60 A 203.0.113.10",
		"matrix.acme." Z " 60 AAAA 2001:db8:0:1::20",
		"matrix.acme." Z " 60 HTTPS 1 . port=8448",
		"*.apps." Z " 60 A 203.0.113.16",
	};
	char *lines[100], *rest;
	struct zone_walk walk;
	struct buf out;
	size_t n = 0, n_steps = 0;

	buf_init(&out, 1 << 16);
	zone_walk_begin(*state, &walk);
	while (zone_print_next(&walk, &out)) {
		/* the next name; those that have gone are passed over */
		n_steps++;
	}
	zone_walk_end(&walk);
	assert_true(n_steps > 10);
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

static void names_that_go_while_it_is_printed_are_left_out(void **state)
{
	struct zone *z = *state;
	struct zone_walk walk;
	struct buf out;

	buf_init(&out, 1 << 16);
	zone_walk_begin(z, &walk);
	assert_true(zone_print_next(&walk, &out));
	assert_true(zone_print_next(&walk, &out)); /* the server's; the next one is a tenant's */
	zone_remove(z, &acme);
	zone_remove(z, &evil);
	while (zone_print_next(&walk, &out)) {
	}
	zone_walk_end(&walk);
	buf_u8(&out, 0);
	assert_null(strstr((char *)out.data, "acme"));
	assert_non_null(strstr((char *)out.data, "ns." Z " 60 A 203.0.113.10\n"));
	buf_fini(&out);
}

static void a_zone_has_a_name(void **state)
{
	struct node_conf without = node;
	struct zone *z;

	(void)state;
	without.dns64.zone = NULL;
	assert_int_equal(zone_new(&without, &z), -EINVAL);
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
		TEST(the_zones_own_server_is_nobodys),
		TEST(a_tenants_subtree_is_its_own_also_without_a_service),
		TEST(a_name_below_another_tenants_hides_nothing),
		TEST(what_two_tenants_have_at_a_name_is_not_mixed),
		TEST(a_port_without_a_listener_is_at_all_addresses),
		TEST(an_address_that_is_a_tenants_is_no_one_elses),
		TEST(an_answer_is_made_from_so_many_exposures),
		TEST(a_tenants_own_name_is_made_from_its_own_exposures),
		TEST(names_go_with_their_tenant),
		TEST(another_config_has_other_addresses),
		TEST(it_is_printed_as_a_zone_file),
		TEST(names_that_go_while_it_is_printed_are_left_out),
		cmocka_unit_test(a_zone_has_a_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
