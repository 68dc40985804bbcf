/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Queries by UDP and TCP, whoever sends them, and what control orders. */
#include "tests/unit/dns64_server.h"

#include <arpa/inet.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "worker/stream.h"

static void test_synthesised_then_from_cache(void **state)
{
	static const uint8_t address[16] = {0x20, 1, 0xd, 0xb8, 0, 0x64, [12] = 198, 51, 100, 1};
	struct fixture *f = *state;
	struct dgram query = {.len = 0}, first, second;

	put_query(&query, 0x1234, "www", TYPE_AAAA);
	assert_int_equal(send(f->udp, query.bytes, query.len, 0), query.len);
	play_synthesis(f, 1);
	assert_true(receive(f->udp, &first, WAIT_MS));
	assert_int_equal(u16_at(&first, 0), 0x1234);
	assert_int_equal(rcode(&first), 0);
	assert_int_equal(u16_at(&first, 6), 1);
	assert_memory_equal(first.bytes + first.len - 16, address, 16);
	ask_udp(f, &query, &second);
	assert_int_equal(second.len, first.len);
	assert_int_equal(counted(f, WORKER_DNS_QUERIES), 2);
	assert_int_equal(counted(f, WORKER_DNS_ASKED), 2);
	assert_int_equal(counted_of(f, COUNTER_QUERIES), 2);
	assert_int_equal(counted_of(f, COUNTER_QUERIES_ASKED), 2);
	assert_int_equal(counted_of(f, COUNTER_QUERIES_CACHED), 1);
	assert_int_equal(counted_of(f, COUNTER_SYNTHESISED), 2);
	assert_int_equal(counted_of(f, COUNTER_NXDOMAIN), 0);
}

/* Its name is what NSID says, also of a query that has waited meanwhile (RFC 5001). */
static void test_nsid_outlives_a_new_node_config(void **state)
{
	static const uint8_t nsid[] = {0, 3, 0, 5, 'e', 'x', 'i', 't', '1'};
	struct fixture *f = *state;
	struct dgram query = {.len = 0}, answer;

	put_query(&query, 7, "slow", TYPE_AAAA);
	query.bytes[11] = 1;
	put(&query, "\0\0\51\4\320\0\0\0\0\0\4\0\3\0\0", 15); /* OPT with an empty NSID */
	assert_int_equal(send(f->udp, query.bytes, query.len, 0), query.len);
	assert_true(readable(f->upstream, WAIT_MS));
	for (unsigned int i = 0; i < 3; i++) {
		give_node(f, "127.0.0.1");
	}
	play_synthesis(f, 1);
	assert_true(receive(f->udp, &answer, WAIT_MS));
	assert_int_equal(u16_at(&answer, 6), 1);
	assert_non_null(memmem(answer.bytes, answer.len, nsid, sizeof(nsid)));
}

static void test_many_at_once_are_all_answered(void **state)
{
	struct fixture *f = *state;
	bool seen[200] = {false};
	struct dgram m;

	for (unsigned int i = 0; i < 200; i++) {
		m.len = 0;
		put_local(&m, i);
		assert_int_equal(send(f->udp, m.bytes, m.len, 0), m.len);
	}
	for (unsigned int i = 0; i < 200; i++) {
		assert_true(receive(f->udp, &m, WAIT_MS));
		assert_true(u16_at(&m, 0) < 200 && !seen[u16_at(&m, 0)]);
		seen[u16_at(&m, 0)] = true;
	}
}

static void test_too_big_for_udp_has_tc_and_comes_by_tcp(void **state)
{
	struct fixture *f = *state;
	struct dgram query = {.len = 0}, answer, stream = {.len = 0};
	int fd;

	put_query(&query, 1, "big", TYPE_AAAA);
	assert_int_equal(send(f->udp, query.bytes, query.len, 0), query.len);
	play_synthesis(f, 60);
	assert_true(receive(f->udp, &answer, WAIT_MS));
	assert_true(u16_at(&answer, 2) & 0x0200);
	assert_int_equal(u16_at(&answer, 6), 0);
	assert_true(answer.len <= 512);
	fd = connected(f, SOCK_STREAM);
	put_u16(&stream, (unsigned int)query.len);
	put(&stream, query.bytes, query.len);
	assert_int_equal(send(fd, stream.bytes, stream.len, 0), stream.len);
	answer.len = 0;
	assert_int_equal(recv(fd, answer.bytes, 2, MSG_WAITALL), 2);
	answer.len = 2;
	answer.len = u16_at(&answer, 0);
	assert_int_equal(recv(fd, answer.bytes, answer.len, MSG_WAITALL), answer.len);
	assert_false(u16_at(&answer, 2) & 0x0200);
	assert_int_equal(u16_at(&answer, 6), 60);
	close(fd);
}

/* Reads the next answer of a connection. Returns its id. */
static unsigned int next_id(int fd)
{
	struct dgram m;

	assert_true(readable(fd, WAIT_MS));
	assert_int_equal(recv(fd, m.bytes, 2, MSG_WAITALL), 2);
	m.len = 2;
	m.len = u16_at(&m, 0);
	assert_int_equal(recv(fd, m.bytes, m.len, MSG_WAITALL), m.len);
	return u16_at(&m, 0);
}

static void test_tcp_pipeline_is_answered_out_of_order(void **state)
{
	struct fixture *f = *state;
	struct dgram stream = {.len = 0}, query;
	bool seen[20] = {false};
	int fd = connected(f, SOCK_STREAM);

	query.len = 0;
	put_query(&query, 0, "slow", TYPE_AAAA);
	put_stream(&stream, &query);
	for (unsigned int i = 1; i < 20; i++) {
		query.len = 0;
		put_local(&query, i);
		put_stream(&stream, &query);
	}
	assert_int_equal(send(fd, stream.bytes, stream.len, 0), stream.len);
	for (unsigned int i = 1; i < 20; i++) {
		unsigned int id = next_id(fd);

		assert_true(id > 0 && id < 20 && !seen[id]);
		seen[id] = true;
	}
	play_synthesis(f, 1);
	assert_int_equal(next_id(fd), 0);
	close(fd);
}

static void test_tcp_more_than_may_wait_are_all_answered(void **state)
{
	struct fixture *f = *state;
	struct dgram *stream = calloc(1, sizeof(*stream)), query;
	bool seen[300] = {false};
	int fd = connected(f, SOCK_STREAM);

	for (unsigned int i = 0; i < 300; i++) {
		query.len = 0;
		put_query(&query, i, "same", TYPE_AAAA);
		put_stream(stream, &query);
	}
	assert_int_equal(send(fd, stream->bytes, stream->len, 0), stream->len);
	play_synthesis(f, 1);
	for (unsigned int i = 0; i < 300; i++) {
		unsigned int id = next_id(fd);

		assert_true(id < 300 && !seen[id]);
		seen[id] = true;
	}
	close(fd);
	free(stream);
}

static void test_tcp_dribbled_and_joined(void **state)
{
	struct fixture *f = *state;
	struct dgram stream = {.len = 0}, query = {.len = 0};
	int fd = connected(f, SOCK_STREAM);
	size_t cut;

	put_local(&query, 1);
	put_stream(&stream, &query);
	cut = stream.len + 1; /* the first length byte of the second goes with the first query */
	query.len = 0;
	put_local(&query, 2);
	put_stream(&stream, &query);
	for (size_t i = 0; i + 1 < cut; i++) {
		assert_int_equal(send(fd, stream.bytes + i, 1, 0), 1);
	}
	assert_int_equal(next_id(fd), 1);
	assert_int_equal(send(fd, stream.bytes + cut - 1, stream.len - cut + 1, 0),
			 stream.len - cut + 1);
	assert_int_equal(next_id(fd), 2);
	close(fd);
}

static void test_tcp_silent_and_slow_are_closed(void **state)
{
	struct fixture *f = *state;
	int silent = connected(f, SOCK_STREAM), slow = connected(f, SOCK_STREAM);
	unsigned int n = 0;

	/* a byte now and then does not keep it */
	while (n < 100 && !readable(slow, SILENT_MS / 10)) {
		(void)send(slow, "\0", n++ == 0 ? 1 : 0, MSG_NOSIGNAL);
	}
	assert_true(n < 100);
	expect_end(slow);
	expect_end(silent);
	close(silent);
	close(slow);
}

/* Answers to what was asked before it give a query no time (RFC 7766 6.2.3). */
static void test_tcp_dribbled_behind_others_is_closed(void **state)
{
	static const char *const names[] = {"a", "b", "c", "d", "e", "f", "g", "h", "i", "j"};
	struct fixture *f = *state;
	struct dgram stream = {.len = 0}, query;
	int fd = connected(f, SOCK_STREAM);
	unsigned int n = 0;
	uint8_t byte;

	for (unsigned int i = 0; i < 10; i++) {
		query.len = 0;
		put_query(&query, i, names[i], TYPE_A);
		put_stream(&stream, &query);
	}
	put(&stream, "\0", 1);
	assert_int_equal(send(fd, stream.bytes, stream.len, 0), stream.len);
	while (n < 10 && !readable(fd, SILENT_MS / 4)) {
		(void)play_upstream(f, 1);
		assert_true(readable(fd, WAIT_MS));
		if (recv(fd, &byte, 1, MSG_PEEK) <= 0) {
			break;
		}
		(void)next_id(fd);
		n++;
	}
	assert_in_range(n, 1, 9);
	expect_end(fd);
	close(fd);
}

#define HOLDERS 60

/* With buffers of the kernel that hold little, what is not read is soon the worker's. */
static int connected_to_hold(const struct fixture *f)
{
	struct sockaddr_in6 sa = {.sin6_family = AF_INET6,
				  .sin6_port = htons(f->port),
				  .sin6_addr = IN6ADDR_LOOPBACK_INIT};
	int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0), little = 4096;

	assert_int_equal(setsockopt(f->listening[1], SOL_SOCKET, SO_SNDBUF, &little,
				    sizeof(little)),
			 0);
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &little, sizeof(little)), 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
	return fd;
}

static void wait_clients(const struct fixture *f, unsigned int least, unsigned int most)
{
	uint64_t n = counted(f, WORKER_DNS_CLIENTS);

	for (int ms = 0; ms < WAIT_MS && (n < least || n > most); ms += 10) {
		(void)poll(NULL, 0, 10);
		n = counted(f, WORKER_DNS_CLIENTS);
	}
	assert_in_range(n, least, most);
}

static void test_tcp_unread_answers_of_a_tenant_have_a_bound(void **state)
{
	struct fixture *f = *state;
	struct dgram *stream = calloc(1, sizeof(*stream)), query = {.len = 0}, answer;
	int fds[HOLDERS];

	put_query(&query, 1, "big", TYPE_AAAA);
	assert_int_equal(send(f->udp, query.bytes, query.len, 0), query.len);
	play_synthesis(f, 60);
	assert_true(receive(f->udp, &answer, WAIT_MS));
	for (unsigned int i = 0; i < 100; i++) { /* 180 KB of answers */
		put_stream(stream, &query);
	}
	for (size_t i = 0; i < HOLDERS; i++) {
		fds[i] = connected_to_hold(f);
	}
	wait_clients(f, HOLDERS, HOLDERS);
	for (size_t i = 0; i < HOLDERS; i++) {
		assert_int_equal(send(fds[i], stream->bytes, stream->len, 0), stream->len);
	}
	wait_clients(f, 24, 32); /* a quarter of all there is: 8 MiB, in blocks of 256 KiB */
	for (unsigned int i = 0; i < 100; i++) {
		assert_int_equal(next_id(fds[0]), 1);
	}
	for (size_t i = 0; i < HOLDERS; i++) {
		close(fds[i]);
	}
	free(stream);
}

static void test_tcp_too_long_is_malformed_and_the_next_is_answered(void **state)
{
	struct fixture *f = *state;
	struct dgram *stream = calloc(1, sizeof(*stream)), query = {.len = 0};
	int fd = connected(f, SOCK_STREAM);

	put_u16(stream, 60000);
	put_query(stream, 7, "long", TYPE_AAAA);
	while (stream->len < 60002) {
		put(stream, "\0", 1);
	}
	put_local(&query, 8);
	put_stream(stream, &query);
	assert_int_equal(send(fd, stream->bytes, stream->len, 0), stream->len);
	assert_int_equal(next_id(fd), 7);
	assert_int_equal(next_id(fd), 8);
	assert_int_equal(counted(f, WORKER_DNS_MALFORMED), 1);
	close(fd);
	free(stream);
}

static void test_tcp_what_is_no_query_ends_the_connection(void **state)
{
	static const char *const texts[] = {"\0\0", "\0\5abcde", "GET / HTTP/1.0\r\n\r\n"};
	static const size_t lens[] = {2, 7, 18};
	struct fixture *f = *state;

	for (size_t i = 0; i < 3; i++) {
		int fd = connected(f, SOCK_STREAM);

		assert_int_equal(send(fd, texts[i], lens[i], 0), lens[i]);
		expect_end(fd);
		close(fd);
	}
}

static void test_tcp_more_connections_close_the_oldest_idle(void **state)
{
	struct fixture *f = *state;
	struct dgram stream = {.len = 0}, query = {.len = 0};
	int fds[140];

	put_local(&query, 3);
	put_stream(&stream, &query);
	for (size_t i = 0; i < 140; i++) {
		fds[i] = connected(f, SOCK_STREAM);
		assert_int_equal(send(fds[i], stream.bytes, stream.len, 0), stream.len);
		assert_int_equal(next_id(fds[i]), 3);
	}
	assert_int_equal(counted(f, WORKER_DNS_CLIENTS), 128);
	expect_end(fds[0]);
	for (size_t i = 0; i < 140; i++) {
		close(fds[i]);
	}
}

static void test_foreign_source_is_refused_at_a_rate(void **state)
{
	struct fixture *f = *state;
	struct dgram query = {.len = 0}, answer;
	unsigned int n = 0;

	give_tenant(f, "2001:db8:a000:1001::/64");
	put_local(&query, 9);
	ask_udp(f, &query, &answer);
	assert_int_equal(rcode(&answer), RCODE_REFUSED);
	/* one after the other, so that no queue loses any */
	for (unsigned int i = 0; i < 300; i++) {
		assert_int_equal(send(f->udp, query.bytes, query.len, 0), query.len);
		n += receive(f->udp, &answer, 10);
	}
	assert_in_range(n, 90, 290);
	assert_int_equal(counted(f, WORKER_DNS_FOREIGN), 301);
	assert_int_equal(counted(f, WORKER_DNS_QUERIES), 0);
}

static void test_malformed_messages(void **state)
{
	struct fixture *f = *state;
	struct dgram query = {.len = 0}, answer;

	put_local(&query, 10);
	query.bytes[2] |= 0x80; /* an answer */
	assert_int_equal(send(f->udp, query.bytes, query.len, 0), query.len);
	query.bytes[2] = 0x29; /* opcode UPDATE */
	ask_udp(f, &query, &answer);
	assert_int_equal(u16_at(&answer, 0), 10);
	assert_int_equal(rcode(&answer), RCODE_NOTIMP);
	query.bytes[2] = 1;
	query.bytes[5] = 2; /* questions */
	ask_udp(f, &query, &answer);
	assert_int_equal(rcode(&answer), RCODE_FORMERR);
	assert_int_equal(send(f->udp, "x", 1, 0), 1);
	query.bytes[5] = 1;
	query.len = 2000;
	ask_udp(f, &query, &answer);
	assert_int_equal(rcode(&answer), RCODE_FORMERR);
}

static void test_other_upstream_while_one_is_asked(void **state)
{
	struct fixture *f = *state;
	struct dgram query = {.len = 0}, answer;

	put_query(&query, 11, "moving", TYPE_A);
	assert_int_equal(send(f->udp, query.bytes, query.len, 0), query.len);
	assert_true(readable(f->upstream, WAIT_MS));
	give_node(f, "127.0.0.2");
	assert_int_equal(play_upstream(f, 1), TYPE_A);
	assert_true(receive(f->udp, &answer, WAIT_MS));
	assert_int_equal(u16_at(&answer, 6), 1);
}

static void test_drain_answers_what_waits_and_ends(void **state)
{
	static const uint8_t ms[4] = {0, 0, 0x75, 0x30};
	struct fixture *f = *state;
	struct dgram query = {.len = 0}, answer;
	struct buf data;

	put_query(&query, 12, "last", TYPE_A);
	assert_int_equal(send(f->udp, query.bytes, query.len, 0), query.len);
	assert_true(readable(f->upstream, WAIT_MS));
	buf_init(&data, 16);
	buf_bytes(&data, ms, sizeof(ms));
	order(f, MSG_DRAIN, 0, &data);
	buf_fini(&data);
	assert_int_equal(play_upstream(f, 1), TYPE_A);
	assert_true(receive(f->udp, &answer, WAIT_MS));
	assert_int_equal(u16_at(&answer, 0), 12);
	assert_int_equal(wait_exit(f), 0);
}

/* Where there is but one address nothing says which was asked: at once, and after a while. */
static void test_socket_of_one_address_answers_from_it(void **state)
{
	struct listener_msg listener = {.local.addr = {.b = {[15] = 1}}, .protocol = PROTOCOL_UDP};
	struct fixture *f = *state;
	struct dgram query = {.len = 0}, answer;
	struct sockaddr_in6 sa = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
	socklen_t len = sizeof(sa);
	struct buf data;
	int fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	assert_int_equal(bind(fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&sa, &len), 0);
	f->port = listener.local.port = ntohs(sa.sin6_port);
	buf_init(&data, 4096);
	listener_msg_pack(&listener, &data);
	order_fds(f, MSG_LISTENER, LISTENERS + 1, &data, &fd, 1);
	buf_fini(&data);
	close(f->udp);
	f->udp = connected(f, SOCK_DGRAM);
	put_local(&query, 14);
	ask_udp(f, &query, &answer);
	assert_int_equal(u16_at(&answer, 0), 14);
	query.len = 0;
	put_query(&query, 15, "later", TYPE_AAAA);
	assert_int_equal(send(f->udp, query.bytes, query.len, 0), query.len);
	play_synthesis(f, 1);
	assert_true(receive(f->udp, &answer, WAIT_MS));
	assert_int_equal(u16_at(&answer, 0), 15);
	close(fd);
}

static void test_lent_socket_is_served(void **state)
{
	struct fixture *f = *state;
	struct dgram query = {.len = 0}, answer;
	uint16_t port = 0;
	int lent = bound(AF_INET6, SOCK_DGRAM, &port);

	order_fds(f, MSG_LEND, 1, NULL, &lent, 1);
	f->port = port;
	close(f->udp);
	f->udp = connected(f, SOCK_DGRAM);
	put_local(&query, 13);
	ask_udp(f, &query, &answer);
	assert_int_equal(u16_at(&answer, 0), 13);
	order(f, MSG_LEND_END, 1, NULL);
	assert_int_equal(send(f->udp, query.bytes, query.len, 0), query.len);
	assert_false(receive(f->udp, &answer, 200)); /* it waits for its owner */
	assert_true(readable(lent, WAIT_MS));
	close(lent);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH(test_synthesised_then_from_cache),
		WITH(test_nsid_outlives_a_new_node_config),
		WITH(test_many_at_once_are_all_answered),
		WITH(test_too_big_for_udp_has_tc_and_comes_by_tcp),
		WITH(test_tcp_pipeline_is_answered_out_of_order),
		WITH(test_tcp_more_than_may_wait_are_all_answered),
		WITH(test_tcp_dribbled_and_joined),
		WITH(test_tcp_silent_and_slow_are_closed),
		WITH(test_tcp_dribbled_behind_others_is_closed),
		PATIENT(test_tcp_unread_answers_of_a_tenant_have_a_bound),
		WITH(test_tcp_too_long_is_malformed_and_the_next_is_answered),
		WITH(test_tcp_what_is_no_query_ends_the_connection),
		WITH(test_tcp_more_connections_close_the_oldest_idle),
		WITH(test_foreign_source_is_refused_at_a_rate),
		WITH(test_malformed_messages),
		WITH(test_other_upstream_while_one_is_asked),
		WITH(test_drain_answers_what_waits_and_ends),
		WITH(test_socket_of_one_address_answers_from_it),
		WITH(test_lent_socket_is_served),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
