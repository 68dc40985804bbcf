/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The farm's zone, where the world asks for it. */
#include "tests/unit/dns64_server.h"

#include <arpa/inet.h>
#include <string.h>
#include <unistd.h>

#include "conf/model/tenant.h"

/* With a zone, which is asked at IPv4 addresses. */
static void give_zone(struct fixture *f)
{
	static struct addr at = {.b = {[10] = 0xff, 0xff, 127, 0, 0, 1}};
	struct addr server = at;
	struct node_conf node = {.name = "exit1",
				 .nat64.on = true,
				 .dns64 = {.on = true,
					   .cache_bytes = NODE_DNS64_CACHE_DEFAULT,
					   .upstream = &server,
					   .n_upstream = 1,
					   .zone = "farm.example",
					   .zone_listen = &at,
					   .n_zone_listen = 1}};
	struct buf data;
	struct err err;

	assert_int_equal(prefix_parse(str_from("2001:db8:64::/96"), &node.nat64.prefix, &err), 0);
	buf_init(&data, 65536);
	node_conf_pack(&node, &data);
	order(f, MSG_NODE, 1, &data);
	buf_fini(&data);
}

/* A socket where the zone is asked, which the worker gets as listener id. Its port. */
static uint16_t give_zone_listener(struct fixture *f, uint32_t id, int type)
{
	struct listener_msg listener = {.local.addr.b = {[10] = 0xff, 0xff, 127, 0, 0, 1},
					.protocol =
						type == SOCK_DGRAM ? PROTOCOL_UDP : PROTOCOL_TCP,
					.zone = true};
	struct buf data;
	int fd = bound(AF_INET, type, &listener.local.port);

	assert_true(fd >= 0 && (type == SOCK_DGRAM || listen(fd, 256) == 0));
	buf_init(&data, 4096);
	listener_msg_pack(&listener, &data);
	order_fds(f, MSG_LISTENER, id, &data, &fd, 1);
	buf_fini(&data);
	close(fd);
	return listener.local.port;
}

/* From 127.0.PREFIX.1. */
static int connected_from(unsigned int prefix, uint16_t port, int type)
{
	const struct sockaddr_in from = {.sin_family = AF_INET,
					 .sin_addr.s_addr = htonl(INADDR_LOOPBACK + (prefix << 8))};
	struct sockaddr_in sa = {.sin_family = AF_INET,
				 .sin_port = htons(port),
				 .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (const struct sockaddr *)&from, sizeof(from)), 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
	return fd;
}

static int connected_v4(uint16_t port, int type)
{
	return connected_from(0, port, type);
}

/* A query for the zone's SOA with a cookie of len bytes. */
static void put_with_cookie(struct dgram *m, const uint8_t *cookie, uint8_t len)
{
	m->len = 0;
	put_u16(m, 7);
	put(m, "\0\0\0\1\0\0\0\0\0\1\4farm\7example\0\0\6\0\1", 28);
	put(m, "\0\0\51\4\320\0\0\0\0\0", 10);
	m->len--; /* the last of these is the first of the options' length */
	put_u16(m, 4u + len);
	put_u16(m, 10);
	put_u16(m, len);
	put(m, cookie, len);
}

/* The source's prefix is beyond its rate: who has our cookie is answered all the same. */
static void expect_cookie_to_help(int fd)
{
	uint8_t cookie[24] = "8 bytes!";
	struct dgram query, m;
	unsigned int n = 0;

	do { /* until one passes */
		put_with_cookie(&query, cookie, 8);
		assert_int_equal(send(fd, query.bytes, query.len, 0), query.len);
	} while (n++ < 10000 && !(receive(fd, &m, 100) && u16_at(&m, 10) == 1));
	memcpy(cookie, m.bytes + m.len - sizeof(cookie), sizeof(cookie));
	while (receive(fd, &m, 100)) {
		/* what is left of the flood */
	}
	put_with_cookie(&query, cookie, sizeof(cookie));
	for (n = 0; n < 200; n++) {
		assert_int_equal(send(fd, query.bytes, query.len, 0), query.len);
		assert_true(receive(fd, &m, WAIT_MS));
		assert_int_equal(u16_at(&m, 2), 0x8400); /* not cut short */
		assert_int_equal(u16_at(&m, 6), 1);
	}
	cookie[23] ^= 1; /* not ours any more */
	put_with_cookie(&query, cookie, sizeof(cookie));
	for (n = 0; n < 200; n++) {
		assert_int_equal(send(fd, query.bytes, query.len, 0), query.len);
		if (!receive(fd, &m, SILENT_MS) || u16_at(&m, 2) == 0x8600) {
			return;
		}
	}
	fail();
}

/* acme.farm.example is a name, and www.example none of the zone's. */
static void test_the_zone_is_answered_where_it_is_asked(void **state)
{
	struct fixture *f = *state;
	struct dgram query = {.len = 0}, foreign = {.len = 0}, m;
	int fd;

	give_zone(f);
	fd = connected_v4(give_zone_listener(f, 3, SOCK_DGRAM), SOCK_DGRAM);
	put_u16(&query, 7);
	put(&query, "\1\0\0\1\0\0\0\0\0\0\4acme\4farm\7example\0\0\1\0\1", 33);
	put_query(&foreign, 8, "www", TYPE_AAAA);
	assert_int_equal(send(fd, query.bytes, query.len, 0), query.len);
	assert_true(receive(fd, &m, WAIT_MS));
	assert_int_equal(u16_at(&m, 2), 0x8500); /* AA, RD as asked, no RA, NOERROR */
	assert_int_equal(u16_at(&m, 8), 1);      /* the SOA */
	assert_int_equal(send(fd, foreign.bytes, foreign.len, 0), foreign.len);
	assert_true(receive(fd, &m, WAIT_MS));
	assert_int_equal(u16_at(&m, 2), 0x8105);
	foreign.bytes[2] = 0x11; /* STATUS: an error, also without recursion */
	assert_int_equal(send(fd, foreign.bytes, foreign.len, 0), foreign.len);
	assert_true(receive(fd, &m, WAIT_MS));
	assert_int_equal(u16_at(&m, 2), 0x9104);
	assert_int_equal(counted(f, WORKER_DNS_ZONE), 3);
	assert_int_equal(counted(f, WORKER_DNS_QUERIES) + counted(f, WORKER_DNS_FOREIGN), 0);
	for (unsigned int i = 0; i < 1000; i++) { /* some are lost on the way, perhaps */
		assert_int_equal(send(fd, query.bytes, query.len, 0), query.len);
	}
	while (counted(f, WORKER_DNS_LIMITED) == 0) {
		assert_int_equal(send(fd, query.bytes, query.len, 0), query.len);
	}
	assert_true(counted(f, WORKER_DNS_SLIPPED) > 0);
	expect_cookie_to_help(fd);
	query.len = 0;
	put_local(&query, 9);
	ask_udp(f, &query, &m); /* at the tenants' socket that is another matter */
	assert_int_equal(rcode(&m), 0);
	close(fd);
}

/* web.TENANT.farm.example; its flags. */
static unsigned int ask_zone_for(int fd, const char *tenant)
{
	struct dgram query = {.len = 0}, m;
	uint8_t len = (uint8_t)strlen(tenant);

	put_u16(&query, 7);
	put(&query, "\0\0\0\1\0\0\0\0\0\0\3web", 14);
	put(&query, &len, 1);
	put(&query, tenant, len);
	put(&query, "\4farm\7example\0\0\34\0\1", 18);
	assert_int_equal(send(fd, query.bytes, query.len, 0), query.len);
	assert_true(receive(fd, &m, WAIT_MS));
	return u16_at(&m, 2);
}

/* Its prefix may be another's. */
static void give_tenant_with_a_service(struct fixture *f, uint32_t id, const char *name,
				       const char *prefix, enum message answer)
{
	struct backend_conf backend = {.slot = 0};
	struct service_conf service = {.name = "web", .backends = &backend, .n_backends = 1};
	struct tenant_conf conf = {.name = name,
				   .serial = 1,
				   .slot = SLOT,
				   .services = &service,
				   .n_services = 1};
	struct channel_msg msg = {.type = MSG_TENANT, .id = id, .serial = ++f->serial};
	struct prefix p;
	struct buf data;
	struct err err;

	assert_int_equal(prefix_parse(str_from(prefix), &p, &err), 0);
	backend.address = p.addr;
	backend.address.b[15] = 1;
	conf.prefixes = &p;
	conf.n_prefixes = 1;
	buf_init(&data, 65536);
	tenant_conf_pack(&conf, &data);
	msg.data = data.data;
	msg.len = data.len;
	assert_int_equal(channel_send(&f->channel, &msg), 0);
	answered(f, answer);
	buf_fini(&data);
}

static void test_a_refused_tenant_is_not_in_the_zone(void **state)
{
	struct fixture *f = *state;
	int fd;

	give_zone(f);
	fd = connected_v4(give_zone_listener(f, 3, SOCK_DGRAM), SOCK_DGRAM);
	give_tenant_with_a_service(f, 4, "other", "2001:db8:1::/64", MSG_ACK);
	assert_int_equal(ask_zone_for(fd, "other"), 0x8400);
	give_tenant_with_a_service(f, 5, "thief", "2001:db8:1::/64", MSG_NAK);
	assert_int_equal(ask_zone_for(fd, "thief"), 0x8403);
	give_tenant_with_a_service(f, 2, "acme", "2001:db8:1::/64", MSG_NAK);
	assert_int_equal(ask_zone_for(fd, "acme"), 0x8403); /* it has no service, as before */
	give_tenant_with_a_service(f, 2, "acme", "2001:db8:2::/64", MSG_ACK);
	assert_int_equal(ask_zone_for(fd, "acme"), 0x8400);
	order(f, MSG_TENANT_REMOVE, 2, NULL);
	assert_int_equal(ask_zone_for(fd, "acme"), 0x8403);
	close(fd);
}

/* Beyond it the connection ends. */
static void test_a_connection_to_the_zone_has_a_rate(void **state)
{
	struct fixture *f = *state;
	struct dgram query = {.len = 0}, one = {.len = 0}, m;
	unsigned int n = 0;
	int fd;

	give_zone(f);
	fd = connected_v4(give_zone_listener(f, 3, SOCK_STREAM), SOCK_STREAM);
	put_query(&query, 8, "www", TYPE_AAAA); /* it is refused */
	put_stream(&one, &query);
	while (n < 20000 && send(fd, one.bytes, one.len, MSG_NOSIGNAL) > 0 &&
	       receive(fd, &m, WAIT_MS)) {
		assert_int_equal(m.len, one.len);
		n++;
	}
	assert_in_range(n, 100, 19999);
	assert_int_equal(counted(f, WORKER_DNS_LIMITED), 1);
	close(fd);
}

static void test_connections_of_a_prefix_to_the_zone_are_few(void **state)
{
	struct fixture *f = *state;
	uint64_t most = 0;
	int fds[40];
	uint16_t port;

	give_zone(f);
	port = give_zone_listener(f, 3, SOCK_STREAM);
	for (size_t i = 0; i < 40; i++) {
		uint64_t n = counted(f, WORKER_DNS_CLIENTS);

		most = n > most ? n : most;
		fds[i] = connected_v4(port, SOCK_STREAM);
		order(f, MSG_STATS, 0, NULL); /* it has looked at its sockets since, too */
	}
	expect_end(fds[0]);
	assert_in_range(most, 4, 8);
	for (size_t i = 0; i < 40; i++) {
		close(fds[i]);
	}
}

/* It has sent the first byte of a query; the worker has read that. */
static int begun_from(struct fixture *f, unsigned int prefix, uint16_t port)
{
	int fd = connected_from(prefix, port, SOCK_STREAM);

	order(f, MSG_STATS, 0, NULL);
	assert_int_equal(send(fd, "\0", 1, MSG_NOSIGNAL), 1);
	order(f, MSG_STATS, 0, NULL);
	return fd;
}

static void expect_to_be_answered(int fd)
{
	struct dgram query = {.len = 0}, stream = {.len = 0}, m;

	put_query(&query, 8, "www", TYPE_AAAA); /* it is refused */
	put_stream(&stream, &query);
	assert_int_equal(send(fd, stream.bytes, stream.len, MSG_NOSIGNAL), stream.len);
	assert_true(receive(fd, &m, WAIT_MS));
	assert_int_equal(m.len, stream.len);
}

/* Whoever begins a query and does not end it gives way as an idle one does. */
static void test_begun_queries_keep_nobody_from_the_zone(void **state)
{
	struct fixture *f = *state;
	int fds[32][8], own, other;
	uint16_t port;

	give_zone(f);
	port = give_zone_listener(f, 3, SOCK_STREAM);
	for (unsigned int prefix = 0; prefix < 32; prefix++) {
		for (unsigned int i = 0; i < 8; i++) {
			fds[prefix][i] = begun_from(f, prefix, port);
		}
	}
	assert_int_equal(counted(f, WORKER_DNS_CLIENTS), 256);
	own = connected_from(31, port, SOCK_STREAM); /* its prefix has all it may */
	expect_to_be_answered(own);
	expect_end(fds[31][0]);
	other = connected_from(32, port, SOCK_STREAM);
	expect_to_be_answered(other);
	expect_end(fds[0][0]);
	assert_int_equal(counted(f, WORKER_DNS_CLIENTS), 256);
	close(own);
	close(other);
	for (unsigned int i = 0; i < 256; i++) {
		close(fds[i / 8][i % 8]);
	}
}

static void test_who_asks_for_the_zone_takes_no_tenants_place(void **state)
{
	struct fixture *f = *state;
	struct dgram query = {.len = 0}, stream = {.len = 0}, m;
	int tenants[NARROW_CLIENTS], fd, next;
	uint16_t port;

	put_local(&query, 3);
	put_stream(&stream, &query);
	give_zone(f);
	port = give_zone_listener(f, 3, SOCK_STREAM);
	for (size_t i = 0; i < NARROW_CLIENTS; i++) {
		tenants[i] = connected(f, SOCK_STREAM);
		order(f, MSG_STATS, 0, NULL);
	}
	fd = connected_v4(port, SOCK_STREAM);
	expect_end(fd);
	close(fd);
	close(tenants[0]);
	while (counted(f, WORKER_DNS_CLIENTS) == NARROW_CLIENTS) {
		order(f, MSG_STATS, 0, NULL);
	}
	fd = begun_from(f, 0, port);
	next = connected_from(1, port, SOCK_STREAM);
	expect_to_be_answered(next);
	expect_end(fd);
	for (size_t i = 1; i < NARROW_CLIENTS; i++) {
		assert_int_equal(send(tenants[i], stream.bytes, stream.len, MSG_NOSIGNAL),
				 stream.len);
		assert_true(receive(tenants[i], &m, WAIT_MS));
		close(tenants[i]);
	}
	close(fd);
	close(next);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH(test_the_zone_is_answered_where_it_is_asked),
		WITH(test_a_refused_tenant_is_not_in_the_zone),
		WITH(test_a_connection_to_the_zone_has_a_rate),
		WITH(test_connections_of_a_prefix_to_the_zone_are_few),
		PATIENT(test_begun_queries_keep_nobody_from_the_zone),
		cmocka_unit_test_setup_teardown(test_who_asks_for_the_zone_takes_no_tenants_place,
						setup_narrow, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
