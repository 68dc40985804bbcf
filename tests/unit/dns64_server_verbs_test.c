/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What control has asked for operators: sixgate dns flush, cache and query. */
#include "tests/unit/dns64_server.h"

#include <string.h>
#include <unistd.h>

#include "worker/stream.h"

/* A caller of `sixgate dns ...`: what the worker writes to it comes by the socket. */
static int begin_call(struct fixture *f, enum message type, uint32_t tenant,
		      const struct call_msg *call)
{
	struct channel_msg msg = {.type = (uint16_t)type,
				  .id = tenant,
				  .serial = ++f->serial,
				  .n_fds = 1};
	struct buf data;
	int fds[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	buf_init(&data, 4096);
	call_msg_pack(call, &data);
	msg.data = data.data;
	msg.len = data.len;
	msg.fds[0] = fds[1];
	assert_int_equal(channel_send(&f->channel, &msg), 0);
	buf_fini(&data);
	close(fds[1]);
	return fds[0];
}

/* The same, and what it has read once the worker has answered so. */
static void call(struct fixture *f, enum message type, const struct call_msg *call,
		 enum message answer, char text[4096])
{
	int fd = begin_call(f, type, 0, call);
	size_t len = 0;

	answered(f, answer);
	for (ssize_t n = 1; n > 0; len += (size_t)n) {
		assert_true(readable(fd, WAIT_MS));
		n = recv(fd, text + len, 4095 - len, 0);
		assert_true(n >= 0);
	}
	text[len] = '\0';
	close(fd);
}

static void resolve(struct fixture *f, const char *label, bool asks)
{
	struct dgram query = {.len = 0}, answer;

	put_query(&query, 1, label, TYPE_AAAA);
	assert_int_equal(send(f->udp, query.bytes, query.len, 0), query.len);
	if (asks) {
		play_synthesis(f, 1);
	}
	assert_true(receive(f->udp, &answer, WAIT_MS));
	assert_int_equal(u16_at(&answer, 6), 1);
}

static void test_flush_forgets_both_answers_of_a_name_and_says_so(void **state)
{
	struct fixture *f = *state;
	struct call_msg flush = {.begins = true, .args = {str_from("WWW.example")}, .n_args = 1};
	char text[4096];

	resolve(f, "www", true);
	resolve(f, "mail", true);
	call(f, MSG_DNS_FLUSH, &flush, MSG_ACK, text);
	assert_string_equal(text, "{\"ok\":true}\n{\"worker\":0,\"entries\":2}\n");
	resolve(f, "mail", false);
	resolve(f, "www", true);
	flush = (struct call_msg){.args = {str_from("."), str_from("below")}, .n_args = 2};
	call(f, MSG_DNS_FLUSH, &flush, MSG_ACK, text);
	assert_string_equal(text, "{\"worker\":0,\"entries\":4}\n");
	call(f, MSG_DNS_FLUSH, &flush, MSG_ACK, text);
	assert_string_equal(text, "{\"worker\":0,\"entries\":0}\n");
}

static void test_what_is_no_name_is_refused_without_a_word(void **state)
{
	static const char *const names[] = {"", "a..b", "\\999.example", "a\\"};
	struct call_msg flush = {.begins = true, .n_args = 1};
	char text[4096], name[1200];
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		flush.args[0] = str_from(names[i]);
		call(f, MSG_DNS_FLUSH, &flush, MSG_NAK, text);
		assert_string_equal(text, "");
	}
	memset(name, 'a', sizeof(name));
	for (size_t len = 64; len <= sizeof(name); len += 284) {
		flush.args[0] = (struct str){.p = name, .len = len};
		call(f, MSG_DNS_FLUSH, &flush, MSG_NAK, text);
		assert_string_equal(text, "");
	}
	flush.args[0] = (struct str){.p = "a\0b", .len = 3};
	call(f, MSG_DNS_FLUSH, &flush, MSG_NAK, text);
	assert_string_equal(text, "");
}

static void test_cache_tells_numbers_and_the_entries_of_a_name(void **state)
{
	static const char numbers[] = "{\"worker\":0,\"entries\":4,\"bytes\":";
	struct fixture *f = *state;
	struct call_msg cache = {.begins = true};
	char text[4096];

	resolve(f, "www", true);
	resolve(f, "mail", true);
	call(f, MSG_DNS_CACHE, &cache, MSG_ACK, text);
	assert_memory_equal(text, "{\"ok\":true}\n", 12);
	assert_memory_equal(text + 12, numbers, sizeof(numbers) - 1);
	assert_non_null(strstr(text, ",\"bytes_max\":134217728,\"hits\":0,\"misses\":"));
	give_node_with(f, "127.0.0.1", NODE_DNS64_CACHE_MIN);
	cache = (struct call_msg){.args = {str_from("www.example.")}, .n_args = 1};
	call(f, MSG_DNS_CACHE, &cache, MSG_ACK, text);
	assert_non_null(strstr(text, "\"name\":\"www.example.\",\"type\":\"AAAA\",\"class\":\"IN\","
				     "\"dnssec\":false,\"unchecked\":false,\"rcode\":\"NOERROR\","
				     "\"records\":0,\"ttl_s\":"));
	assert_non_null(strstr(text, "\"type\":\"A\""));
	assert_null(strstr(text, "mail"));
	cache = (struct call_msg){.args = {str_from("example"), str_from("below")}, .n_args = 2};
	call(f, MSG_DNS_CACHE, &cache, MSG_ACK, text);
	assert_non_null(strstr(text, "www"));
	assert_non_null(strstr(text, "mail"));
	cache = (struct call_msg){.n_args = 0};
	call(f, MSG_DNS_CACHE, &cache, MSG_ACK, text);
	assert_non_null(strstr(text, ",\"bytes_max\":2097152,")); /* half of the new config's: there
								     are two workers */
}

/* A query's caller, who reads as the steps come. */
static int begin_query(struct fixture *f, const char *name, const char *type)
{
	struct call_msg call = {.begins = true,
				.args = {str_from(name), str_from(type)},
				.n_args = 2};

	return begin_call(f, MSG_DNS_QUERY, 2, &call);
}

/* What has come up to and with those words. */
static void read_until(int fd, const char *words, char text[8192])
{
	size_t len = strlen(text);

	while (!strstr(text, words)) {
		ssize_t n;

		assert_true(readable(fd, WAIT_MS));
		n = recv(fd, text + len, 8191 - len, 0);
		assert_true(n > 0);
		len += (size_t)n;
		text[len] = '\0';
	}
}

static void test_query_tells_each_step_as_it_comes(void **state)
{
	struct fixture *f = *state;
	char text[8192] = "";
	int fd = begin_query(f, "WWW.example", "AAAA");

	read_until(fd, "by UDP, 0 ms: asked", text);
	assert_non_null(strstr(text, "\"text\":\"tenant acme: synthesis is on\""));
	assert_non_null(strstr(text, "Pref64 2001:db8:64::/96, for all of IPv4"));
	assert_non_null(strstr(text, "AAAA of www.example.: is not there"));
	assert_int_equal(play_upstream(f, 1), TYPE_AAAA);
	read_until(fd, "A of www.example.: is not there", text);
	assert_int_equal(play_upstream(f, 1), TYPE_A);
	read_until(fd, "\"record\"", text);
	assert_non_null(strstr(text, "NOERROR, 0 records"));
	assert_non_null(strstr(text, "0 of 0 addresses count (dns64.exclude): A records"));
	assert_non_null(strstr(text, "addresses are made of the A records"));
	assert_non_null(strstr(text, "\"answer\",\"text\":\"NOERROR, 1 record, EDE 29\""));
	assert_non_null(strstr(text, "\"www.example. 60 AAAA 2001:db8:64::c633:6401\""));
	answered(f, MSG_ACK);
	close(fd);
	text[0] = '\0';
	fd = begin_query(f, "www.example", "A"); /* what a client would find in the cache, too */
	read_until(fd, "\"record\"", text);
	assert_non_null(strstr(text, "A of www.example.: NOERROR, 1 record, authentic, for "));
	assert_null(strstr(text, "upstream"));
	assert_non_null(strstr(text, "what is asked for is no AAAA records"));
	answered(f, MSG_ACK);
	close(fd);
	assert_int_equal(counted(f, WORKER_DNS_QUERIES), 0);
	assert_int_equal(atomic_load(&f->counters->slots[SLOT].v[COUNTER_SYNTHESISED]), 0);
}

/* Its answer is cached as any, and it does not end the worker. */
static void test_a_querys_caller_may_leave_and_others_join_it(void **state)
{
	struct fixture *f = *state;
	struct dgram query = {.len = 0}, answer;
	char text[8192] = "";
	int fd = begin_query(f, "www.example", "AAAA"), second;

	read_until(fd, "asked", text);
	text[0] = '\0';
	second = begin_query(f, "www.example", "AAAA");
	read_until(second, "is being asked already", text);
	put_query(&query, 7, "www", TYPE_AAAA);
	assert_int_equal(send(f->udp, query.bytes, query.len, 0), query.len);
	close(fd);
	answered(f, MSG_NAK);
	play_synthesis(f, 1);
	assert_true(receive(f->udp, &answer, WAIT_MS));
	assert_int_equal(u16_at(&answer, 6), 1);
	read_until(second, "\"record\"", text);
	answered(f, MSG_ACK);
	close(second);
	fd = begin_query(f, "never.example", "AAAA"); /* and is under way at the worker's end */
	text[0] = '\0';
	read_until(fd, "asked", text);
	close(fd);
	answered(f, MSG_NAK);
}

static void test_a_query_for_nothing_is_refused(void **state)
{
	static const char *const types[] = {"", "AAAAA", "TYPE65536", "A\n",
					    "a very long word indeed, no type"};
	struct fixture *f = *state;
	struct call_msg call_msg = {.begins = true, .args = {str_from("www.example")}, .n_args = 2};
	char text[4096];

	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		call_msg.args[1] = str_from(types[i]);
		call(f, MSG_DNS_QUERY, &call_msg, MSG_NAK, text);
		assert_string_equal(text, "");
	}
	call_msg.args[0] = str_from("a..b");
	call_msg.args[1] = str_from("A");
	call(f, MSG_DNS_QUERY, &call_msg, MSG_NAK, text);
	assert_string_equal(text, "");
}

/* More callers than may be at a time, none of whom reads: the worker serves on. */
static void test_callers_that_do_not_read_are_few(void **state)
{
	struct call_msg flush = {.args = {str_from(".")}, .n_args = 1};
	struct fixture *f = *state;
	char text[4096];
	int fds[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	memset(text, ' ', sizeof(text));
	while (send(fds[1], text, sizeof(text), MSG_DONTWAIT) > 0) {
	}
	for (int i = 0; i < STREAMS_MAX; i++) {
		struct channel_msg msg = {.type = MSG_DNS_FLUSH, .serial = ++f->serial};
		struct buf data;

		buf_init(&data, 4096);
		call_msg_pack(&flush, &data);
		msg.data = data.data;
		msg.len = data.len;
		msg.fds[msg.n_fds++] = fds[1];
		assert_int_equal(channel_send(&f->channel, &msg), 0);
		buf_fini(&data);
	}
	call(f, MSG_DNS_FLUSH, &flush, MSG_NAK, text);
	assert_string_equal(text, "");
	resolve(f, "www", true);
	close(fds[0]); /* they leave */
	for (int i = 0; i < STREAMS_MAX; i++) {
		answered(f, MSG_NAK);
	}
	close(fds[1]);
	call(f, MSG_DNS_FLUSH, &flush, MSG_ACK, text);
	assert_string_equal(text, "{\"worker\":0,\"entries\":0}\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH(test_flush_forgets_both_answers_of_a_name_and_says_so),
		WITH(test_cache_tells_numbers_and_the_entries_of_a_name),
		WITH(test_what_is_no_name_is_refused_without_a_word),
		WITH(test_query_tells_each_step_as_it_comes),
		WITH(test_a_querys_caller_may_leave_and_others_join_it),
		WITH(test_a_query_for_nothing_is_refused),
		WITH(test_callers_that_do_not_read_are_few),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
