/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Pack and unpack of what travels to the workers: what was packed comes back, and no byte string
 * that control would not have written is taken.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "conf/model/message.h"
#include "conf/text/conf.h"

static const char node_text[] =
	"node: {name: n1, farm: f1}\n"
	"client_prefix: \"2001:db8:ff::/96\"\n"
	"resolvers: [192.0.2.53, \"2001:db8::53\"]\n"
	"timeouts: {hello: 3s, connect: 4s, idle: 5s, half_close: 6s, connect_tries: 7}\n"
	"source_limits: {connections: 8, new_per_second: 9}\n"
	"access_log: {format: text}\n"
	"workers: 3\n";

static const char tenant_text[] =
	"tenant: acme\n"
	"serial: 9223372036854775807\n"
	"prefixes: [\"2001:db8:1::/64\", \"2001:db8:2::/48\"]\n"
	"services:\n"
	"  - name: web\n"
	"    backends: [\"2001:db8:1::10\", \"2001:db8:2:3::11\"]\n"
	"    balance: source-hash\n"
	"    drain: 7s\n"
	"    timeouts: {idle: 1h}\n"
	"    limits: {connections: 10}\n"
	"    expose:\n"
	"      - {protocol: tls, names: [a.example, \"*.b.example\"], alpn: [h2], to: 443,\n"
	"         allow: [192.0.2.0/24, \"2001:db8::/32\"], deny: [192.0.2.1]}\n"
	"      - {protocol: tcp, ipv4: 203.0.113.1, port: 22, to: 2222, client_address: proxy-v1}\n"
	"dns64:\n"
	"  synthesis: off\n"
	"  ipv4hint: drop\n"
	"  queries_per_second: 10000000\n"
	"  prefixes: [{prefix: \"2001:db8:64::/96\", ipv4: [192.0.2.0/24]}]\n"
	"  exclude: [\"2001:db8:bad::/48\"]\n"
	"  never: [a.example, b.example]\n"
	"  always: [c.example]\n"
	"  records: [{name: nas.lan, addresses: [192.0.2.9, \"2001:db8:1::9\"]}]\n"
	"limits: {connections: 11, new_per_second: 12}\n"
	"state: suspended\n";

static struct node_conf *parse_node(const char *text)
{
	struct node_conf *node = NULL;
	struct issues issues;

	issues_init(&issues);
	assert_int_equal(conf_node_parse("n", str_from(text), &node, &issues), 0);
	issues_fini(&issues);
	return node;
}

static struct tenant_conf *parse_tenant(const char *text)
{
	struct tenant_conf *tenant = NULL;
	struct issues issues;

	issues_init(&issues);
	assert_int_equal(conf_tenant_parse("t", str_from(text), NULL, &tenant, &issues), 0);
	issues_fini(&issues);
	return tenant;
}

static struct buf packed_tenant(const char *text)
{
	struct tenant_conf *tenant = parse_tenant(text);
	struct buf out;

	buf_init(&out, 1 << 20);
	tenant->slot = 77;
	tenant->services[0].drained = true;
	tenant->services[0].backends[1].drained = true;
	tenant_conf_pack(tenant, &out);
	tenant_conf_unref(tenant);
	assert_false(out.bad);
	return out;
}

static int unpack_tenant(const uint8_t *data, size_t len, struct tenant_conf **ret_tenant)
{
	return tenant_conf_unpack(cursor_from(data, len), ret_tenant, NULL);
}

static void a_node_comes_back(void **state)
{
	struct node_conf *before = parse_node(node_text), *after = NULL;
	struct buf out;

	(void)state;
	buf_init(&out, 1 << 20);
	node_conf_pack(before, &out);
	assert_int_equal(node_conf_unpack(cursor_from(out.data, out.len), &after, NULL), 0);
	assert_string_equal(after->name, "n1");
	assert_string_equal(after->farm, "f1");
	assert_true(after->has_client_prefix);
	assert_memory_equal(&after->client_prefix, &before->client_prefix,
			    sizeof(after->client_prefix));
	assert_int_equal(after->n_resolvers, 2);
	assert_true(addr_eq(&after->resolvers[1], &before->resolvers[1]));
	assert_int_equal(after->timeouts.hello_ms, 3000);
	assert_int_equal(after->timeouts.connect_ms, 4000);
	assert_int_equal(after->timeouts.idle_ms, 5000);
	assert_int_equal(after->timeouts.half_close_ms, 6000);
	assert_int_equal(after->timeouts.connect_tries, 7);
	assert_int_equal(after->source_limits.connections, 8);
	assert_int_equal(after->source_limits.new_per_second, 9);
	assert_true(after->access_log.on);
	assert_int_equal(after->access_log.format, LOG_FORMAT_TEXT);
	assert_int_equal(after->workers, 3);
	buf_fini(&out);
	node_conf_free(before);
	node_conf_free(after);
	node_conf_free(NULL);
}

static const char zone_text[] =
	"node: {name: n1}\n"
	"uplink: {interface: eth0, ipv4: [{range: 203.0.113.16/30, delivery: routed}],\n"
	"  ipv6: {prefix: \"2001:db8:a000::/48\", reserved: 256}}\n"
	"listeners: [{address: any, port: 443, protocol: tls}, {address: 203.0.113.17, port: 22, "
	"protocol: tcp}]\n"
	"nat64: {prefix: \"64:ff9b::/96\", pool: [203.0.113.16], ports: 16384-49151}\n"
	"local_ports: 49152-57343\n"
	"dns64: {listen: tenants, upstream: [192.0.2.53], zone: exit1.example.net}\n";

/* With what it needs of the node. */
static void the_zone_comes_back(void **state)
{
	struct node_conf *before = parse_node(zone_text), *after = NULL;
	struct addr own = node_conf_zone_addr(before);
	struct buf out;

	(void)state;
	assert_int_equal(before->dns64.n_listeners, 6);
	assert_false(before->dns64.listeners[1].zone);
	assert_true(before->dns64.listeners[2].zone && before->dns64.listeners[5].zone);
	buf_init(&out, 1 << 20);
	node_conf_pack(before, &out);
	assert_int_equal(node_conf_unpack(cursor_from(out.data, out.len), &after, NULL), 0);
	assert_string_equal(after->dns64.zone, "exit1.example.net");
	assert_int_equal(after->dns64.n_zone_listen, 2);
	assert_true(addr_eq(&after->dns64.zone_listen[0], &before->pool[0].range.addr));
	assert_true(addr_eq(&after->dns64.zone_listen[1], &own));
	assert_int_equal(after->n_pool, 1);
	assert_int_equal(prefix_cmp(&after->pool[0].range, &before->pool[0].range), 0);
	assert_int_equal(after->n_listeners, 2);
	assert_true(after->listeners[0].any && after->listeners[0].protocol == PROTOCOL_TLS);
	assert_int_equal(after->listeners[1].port, 22);
	assert_true(addr_eq(&after->listeners[1].address, &before->listeners[1].address));
	for (size_t len = 0; len < out.len; len++) {
		struct node_conf *cut;

		assert_int_equal(node_conf_unpack(cursor_from(out.data, len), &cut, NULL), -EPROTO);
	}
	buf_fini(&out);
	node_conf_free(before);
	node_conf_free(after);
}

static void a_node_cut_short_or_longer_is_refused(void **state)
{
	struct node_conf *node = parse_node(node_text), *after = NULL;
	struct err err = {0};
	struct buf out;

	(void)state;
	buf_init(&out, 1 << 20);
	node_conf_pack(node, &out);
	for (size_t len = 0; len < out.len; len++) {
		assert_int_equal(node_conf_unpack(cursor_from(out.data, len), &after, &err),
				 -EPROTO);
		assert_memory_equal(err.msg, "node: ", 6);
	}
	buf_u8(&out, 0);
	assert_int_equal(node_conf_unpack(cursor_from(out.data, out.len), &after, &err), -EPROTO);
	assert_string_equal(err.msg, "node: bytes behind the message: bad");
	buf_fini(&out);
	node_conf_free(node);
}

static void a_tenant_comes_back(void **state)
{
	struct buf out = packed_tenant(tenant_text);
	struct tenant_conf *tenant = NULL;
	const struct service_conf *web;

	(void)state;
	assert_int_equal(unpack_tenant(out.data, out.len, &tenant), 0);
	assert_int_equal(tenant->refs, 1);
	assert_string_equal(tenant->name, "acme");
	assert_int_equal(tenant->serial, INT64_MAX);
	assert_int_equal(tenant->slot, 77);
	assert_int_equal(tenant->state, TENANT_SUSPENDED);
	assert_int_equal(tenant->limits.new_per_second, 12);
	assert_int_equal(tenant->n_prefixes, 2);
	web = &tenant->services[0];
	assert_string_equal(web->name, "web");
	assert_true(web->drained);
	assert_int_equal(web->n_backends, 2);
	assert_false(web->backends[0].drained);
	assert_true(web->backends[1].drained);
	assert_int_equal(web->balance, BALANCE_SOURCE_HASH);
	assert_int_equal(web->drain_ms, 7000);
	assert_int_equal(web->timeouts.idle_ms, 3600000);
	assert_int_equal(web->timeouts.hello_ms, 0);
	assert_int_equal(web->limits.connections, 10);
	assert_int_equal(web->n_exposes, 2);
	assert_int_equal(web->exposes[0].port, 443);
	assert_string_equal(web->exposes[0].names[1].text, "b.example");
	assert_true(web->exposes[0].names[1].wildcard);
	assert_string_equal(web->exposes[0].alpn[0], "h2");
	assert_int_equal(web->exposes[0].n_allow, 2);
	assert_int_equal(web->exposes[0].deny[0].len, 128);
	assert_int_equal(web->exposes[0].client_address, CLIENT_ADDRESS_HIDE);
	assert_int_equal(web->exposes[1].client_address, CLIENT_ADDRESS_PROXY_V1);
	assert_int_equal(web->exposes[1].to, 2222);
	tenant_conf_unref(tenant);
	buf_fini(&out);
}

static void what_a_tenant_has_of_dns64_comes_back(void **state)
{
	struct buf out = packed_tenant(tenant_text);
	struct tenant_conf *tenant = NULL;
	const struct tenant_dns64 *dns64;

	(void)state;
	assert_int_equal(unpack_tenant(out.data, out.len, &tenant), 0);
	dns64 = &tenant->dns64;
	assert_int_equal(dns64->synthesis, DNS64_SYNTHESIS_OFF);
	assert_int_equal(dns64->ipv4hint, DNS64_HINT_DROP);
	assert_int_equal(dns64->queries_per_second, 10000000);
	assert_int_equal(dns64->n_prefixes, 1);
	assert_int_equal(dns64->prefixes[0].prefix.len, 96);
	assert_int_equal(dns64->prefixes[0].n_ipv4, 1);
	assert_int_equal(dns64->prefixes[0].ipv4[0].len, 96 + 24);
	assert_int_equal(dns64->n_exclude, 1);
	assert_int_equal(dns64->exclude[0].len, 48);
	assert_int_equal(dns64->n_never, 2);
	assert_string_equal(dns64->never[1], "b.example");
	assert_int_equal(dns64->n_always, 1);
	assert_string_equal(dns64->always[0], "c.example");
	assert_int_equal(dns64->n_records, 1);
	assert_string_equal(dns64->records[0].name, "nas.lan");
	assert_int_equal(dns64->records[0].n_addresses, 2);
	assert_true(addr_is_v4(&dns64->records[0].addresses[0]));
	tenant_conf_unref(tenant);
	buf_fini(&out);
}

static void a_tenant_lives_as_long_as_its_last_reference(void **state)
{
	struct tenant_conf *tenant = parse_tenant(tenant_text);

	(void)state;
	assert_ptr_equal(tenant_conf_ref(tenant), tenant);
	tenant_conf_unref(tenant);
	assert_string_equal(tenant->name, "acme");
	tenant_conf_unref(tenant);
	tenant_conf_unref(NULL);
}

static void a_tenant_cut_short_or_longer_is_refused(void **state)
{
	struct buf out = packed_tenant(tenant_text);
	struct tenant_conf *tenant = NULL;

	(void)state;
	for (size_t len = 0; len < out.len; len++) {
		uint8_t *exact = malloc(len > 0 ? len : 1); /* a sanitizer sees its end */

		assert_non_null(exact);
		memcpy(exact, out.data, len);
		assert_int_equal(unpack_tenant(exact, len, &tenant), -EPROTO);
		free(exact);
	}
	buf_u8(&out, 0);
	assert_int_equal(unpack_tenant(out.data, out.len, &tenant), -EPROTO);
	buf_fini(&out);
}

/* Whatever one byte becomes: refused, or an object that packs to these very bytes. */
static void any_byte_changed_is_refused_or_means_what_it_says(void **state)
{
	struct buf out = packed_tenant(tenant_text);

	(void)state;
	for (size_t i = 0; i < out.len; i++) {
		uint8_t was = out.data[i];

		for (unsigned int value = 0; value < 256; value++) {
			struct tenant_conf *tenant = NULL;
			struct buf again;

			out.data[i] = (uint8_t)value;
			if (unpack_tenant(out.data, out.len, &tenant) < 0) {
				continue;
			}
			buf_init(&again, 1 << 20);
			tenant_conf_pack(tenant, &again);
			assert_int_equal(again.len, out.len);
			assert_memory_equal(again.data, out.data, out.len);
			buf_fini(&again);
			tenant_conf_unref(tenant);
		}
		out.data[i] = was;
	}
	buf_fini(&out);
}

/* The one thing a worker must not get wrong, whatever control sends. */
static void a_backend_outside_its_tenant_is_refused(void **state)
{
	struct tenant_conf *tenant = parse_tenant(tenant_text), *after = NULL;
	static const char *const outside[] = {"2001:db8:3::1", "2001:db8:1:1::1", "::1",    "::",
					      "192.0.2.1",     "127.0.0.1",       "fe80::1"};
	struct err err = {0};

	(void)state;
	for (size_t i = 0; i < sizeof(outside) / sizeof(outside[0]); i++) {
		struct buf out;

		assert_int_equal(addr_parse(str_from(outside[i]),
					    &tenant->services[0].backends[1].address),
				 0);
		buf_init(&out, 1 << 20);
		tenant_conf_pack(tenant, &out);
		assert_int_equal(tenant_conf_unpack(cursor_from(out.data, out.len), &after, &err),
				 -EPROTO);
		assert_string_equal(err.msg, "tenant: backend outside the tenant's prefixes: bad");
		buf_fini(&out);
	}
	tenant_conf_unref(tenant);
}

static void a_prefix_of_another_length_is_refused(void **state)
{
	static const char *const wrong[] = {"::/0", "2001::/16", "2001:db8:1::/81", "192.0.2.0/24"};

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		struct tenant_conf *tenant = parse_tenant(tenant_text), *after = NULL;
		struct buf out;

		tenant->n_services = 0;
		assert_int_equal(prefix_parse(str_from(wrong[i]), &tenant->prefixes[1], NULL), 0);
		buf_init(&out, 1 << 20);
		tenant_conf_pack(tenant, &out);
		assert_int_equal(unpack_tenant(out.data, out.len, &after), -EPROTO);
		buf_fini(&out);
		tenant_conf_unref(tenant);
	}
}

/* A count that the message cannot hold must not become memory. */
static void a_huge_count_is_refused(void **state)
{
	struct tenant_conf *tenant = NULL;
	struct buf out;

	(void)state;
	buf_init(&out, 1 << 20);
	buf_str(&out, str_from("acme"));
	buf_u64(&out, 1);
	buf_u32(&out, 0);
	buf_u8(&out, TENANT_ACTIVE);
	for (int i = 0; i < 3; i++) {
		buf_u32(&out, 0);
	}
	buf_u32(&out, UINT32_MAX);
	assert_int_equal(unpack_tenant(out.data, out.len, &tenant), -EPROTO);
	buf_fini(&out);
}

static void a_listener_comes_back(void **state)
{
	struct listener_msg before = {.local = {.port = 443},
				      .protocol = PROTOCOL_TLS,
				      .slot = 5,
				      .default_tenant = str_from("acme"),
				      .default_service = str_from("web")};
	struct listener_msg after;
	struct buf out;

	(void)state;
	assert_int_equal(addr_parse(str_from("203.0.113.1"), &before.local.addr), 0);
	before.timeouts.hello_ms = 1;
	buf_init(&out, 4096);
	listener_msg_pack(&before, &out);
	assert_int_equal(listener_msg_unpack(cursor_from(out.data, out.len), &after), 0);
	assert_true(addr_eq(&after.local.addr, &before.local.addr));
	assert_int_equal(after.local.port, 443);
	assert_int_equal(after.protocol, PROTOCOL_TLS);
	assert_int_equal(after.slot, 5);
	assert_int_equal(after.timeouts.hello_ms, 1);
	assert_true(str_eq(after.default_tenant, before.default_tenant));
	assert_true(str_eq(after.default_service, before.default_service));
	for (size_t len = 0; len < out.len; len++) {
		assert_int_equal(listener_msg_unpack(cursor_from(out.data, len), &after), -EPROTO);
	}
	buf_fini(&out);
}

static void a_listener_that_cannot_be_is_refused(void **state)
{
	const struct listener_msg bad[] = {
		{.local = {.port = 0}, .protocol = PROTOCOL_TLS},
		{.local = {.port = 1}, .protocol = PROTOCOL_HTTP},
		{.local = {.port = 1}, .protocol = PROTOCOL_DETECT + 1},
		{.local = {.port = 1}, .protocol = PROTOCOL_TCP, .default_tenant = str_from("a")},
		{.local = {.port = 1}, .protocol = PROTOCOL_TCP, .default_service = str_from("a")},
		{.local = {.port = 1},
		 .protocol = PROTOCOL_TCP,
		 .default_tenant = str_from("A"),
		 .default_service = str_from("a")},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct listener_msg after;
		struct buf out;

		buf_init(&out, 4096);
		listener_msg_pack(&bad[i], &out);
		assert_int_equal(listener_msg_unpack(cursor_from(out.data, out.len), &after),
				 -EPROTO);
		buf_fini(&out);
	}
}

static void a_call_comes_back_and_no_part_of_it(void **state)
{
	const struct call_msg before = {.begins = true,
					.args = {str_from("a.example"), str_from("")},
					.n_args = 2};
	struct call_msg after;
	struct buf out;

	(void)state;
	buf_init(&out, 4096);
	call_msg_pack(&before, &out);
	for (size_t len = 0; len < out.len; len++) {
		assert_int_equal(call_msg_unpack(cursor_from(out.data, len), &after), -EPROTO);
	}
	assert_int_equal(call_msg_unpack(cursor_from(out.data, out.len), &after), 0);
	assert_true(after.begins);
	assert_int_equal(after.n_args, 2);
	assert_true(str_eq(after.args[0], before.args[0]));
	assert_int_equal(after.args[1].len, 0);
	out.data[1] = CALL_ARGS_MAX + 1;
	assert_int_equal(call_msg_unpack(cursor_from(out.data, out.len), &after), -EPROTO);
	out.data[1] = 2;
	out.data[0] = 2;
	assert_int_equal(call_msg_unpack(cursor_from(out.data, out.len), &after), -EPROTO);
	buf_fini(&out);
}

static void every_close_reason_has_its_own_word(void **state)
{
	(void)state;
	for (int i = 0; i < N_CLOSE_REASONS; i++) {
		const char *name = close_reason_name((enum close_reason)i);

		assert_non_null(name);
		assert_string_not_equal(name, "?");
		for (int j = 0; j < i; j++) {
			assert_string_not_equal(name, close_reason_name((enum close_reason)j));
		}
	}
	assert_string_equal(close_reason_name(N_CLOSE_REASONS), "?");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_node_comes_back),
		cmocka_unit_test(the_zone_comes_back),
		cmocka_unit_test(a_node_cut_short_or_longer_is_refused),
		cmocka_unit_test(a_tenant_comes_back),
		cmocka_unit_test(what_a_tenant_has_of_dns64_comes_back),
		cmocka_unit_test(a_tenant_lives_as_long_as_its_last_reference),
		cmocka_unit_test(a_tenant_cut_short_or_longer_is_refused),
		cmocka_unit_test(any_byte_changed_is_refused_or_means_what_it_says),
		cmocka_unit_test(a_backend_outside_its_tenant_is_refused),
		cmocka_unit_test(a_prefix_of_another_length_is_refused),
		cmocka_unit_test(a_huge_count_is_refused),
		cmocka_unit_test(a_listener_comes_back),
		cmocka_unit_test(a_listener_that_cannot_be_is_refused),
		cmocka_unit_test(a_call_comes_back_and_no_part_of_it),
		cmocka_unit_test(every_close_reason_has_its_own_word),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
