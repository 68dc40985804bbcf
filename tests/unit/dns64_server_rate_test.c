/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What a tenant may ask in a second. */
#include "tests/unit/dns64_server.h"

#include <string.h>
#include <unistd.h>

/* n queries at once, by UDP. How many are answered NOERROR, and in ret_refused how many REFUSED. */
static unsigned int flood(const struct fixture *f, unsigned int n, unsigned int *ret_refused)
{
	unsigned int n_answered = 0;
	struct dgram m;

	*ret_refused = 0;
	for (unsigned int i = 0; i < n; i++) {
		m.len = 0;
		put_local(&m, i);
		assert_int_equal(send(f->udp, m.bytes, m.len, 0), m.len);
	}
	while (receive(f->udp, &m, SILENT_MS)) {
		n_answered += rcode(&m) == 0;
		*ret_refused += rcode(&m) == RCODE_REFUSED;
	}
	return n_answered;
}

/* What a rate of 20 lets through since then. */
static unsigned int most_of_20(uint64_t since_ms)
{
	return 21 + (unsigned int)((clock_ms() - since_ms) * 20 / 1000);
}

static void test_over_its_rate_a_tenant_is_refused_then_not_answered(void **state)
{
	struct fixture *f = *state;
	uint64_t start_ms = clock_ms();
	unsigned int n, n_refused;

	give_tenant_with(f, "::/40", 20);
	n = flood(f, 200, &n_refused);
	assert_in_range(n, 20, most_of_20(start_ms));
	assert_in_range(n_refused, 20, most_of_20(start_ms));
	assert_int_equal(counted_of(f, COUNTER_QUERIES), 200);
	assert_int_equal(counted_of(f, COUNTER_OVER_RATE), 200 - n);
	assert_int_equal(counted(f, WORKER_DNS_OVER_RATE), 200 - n);
}

/* A new object does not begin anew; and by TCP nothing else is allowed. */
/* Asks so often with that cookie. How many get an answer, BADCOOKIE, REFUSED; *m is of the last. */
static void flood_with_cookie(const struct fixture *f, const uint8_t *cookie, uint8_t len,
			      unsigned int n_of[16], struct dgram *m)
{
	struct dgram query = {.len = 0}, got;

	put_local(&query, 7);
	query.bytes[11] = 1;
	put(&query, "\0\0\51\4\320\0\0\0\0", 9);
	put_u16(&query, 4u + len);
	put_u16(&query, 10);
	put_u16(&query, len);
	put(&query, cookie, len);
	memset(n_of, 0, 16 * sizeof(n_of[0]));
	for (unsigned int i = 0; i < 100; i++) {
		assert_int_equal(send(f->udp, query.bytes, query.len, 0), query.len);
	}
	while (receive(f->udp, &got, SILENT_MS)) {
		n_of[rcode(&got)]++;
		*m = got;
	}
}

/* RFC 7873 5.2.4: who has a cookie of ours is refused, who has not gets one first. */
static void test_over_its_rate_a_wrong_cookie_is_told(void **state)
{
	static const uint8_t extended[] = {0, 0, 41, 4, 208, 1}; /* 16 + 7 */
	uint8_t cookie[24] = "8 bytes!";
	struct fixture *f = *state;
	unsigned int n_of[16];
	struct dgram m;

	give_tenant_with(f, "::/40", 20);
	flood_with_cookie(f, cookie, 8, n_of, &m);
	assert_true(n_of[0] > 0 && n_of[7] > 0 && n_of[RCODE_REFUSED] == 0);
	assert_non_null(memmem(m.bytes, m.len, extended, sizeof(extended)));
	memcpy(cookie, m.bytes + m.len - sizeof(cookie), sizeof(cookie));
	assert_memory_equal(cookie, "8 bytes!", 8);
	flood_with_cookie(f, cookie, sizeof(cookie), n_of, &m);
	assert_true(n_of[0] > 0 && n_of[7] == 0 && n_of[RCODE_REFUSED] > 0);
	cookie[23] ^= 1;
	flood_with_cookie(f, cookie, sizeof(cookie), n_of, &m);
	assert_true(n_of[0] > 0 && n_of[7] > 0 && n_of[RCODE_REFUSED] == 0);
}

static void test_the_rate_holds_by_tcp_and_over_a_change(void **state)
{
	struct fixture *f = *state;
	struct dgram stream = {.len = 0}, query = {.len = 0};
	uint64_t start_ms = clock_ms();
	unsigned int n, n_refused;
	int fd;

	give_tenant_with(f, "::/40", 20);
	n = flood(f, 100, &n_refused);
	give_tenant_with(f, "::/40", 20);
	fd = connected(f, SOCK_STREAM);
	put_local(&query, 5);
	for (unsigned int i = 0; i < 200; i++) {
		put_stream(&stream, &query);
	}
	assert_int_equal(send(fd, stream.bytes, stream.len, 0), stream.len);
	while (readable(fd, WAIT_MS) && recv(fd, query.bytes, sizeof(query.bytes), 0) > 0) {
	}
	assert_in_range(n, 20, most_of_20(start_ms));
	assert_true(counted_of(f, COUNTER_QUERIES) < 300); /* it was closed before */
	assert_in_range(counted_of(f, COUNTER_QUERIES) - counted_of(f, COUNTER_OVER_RATE), n,
			most_of_20(start_ms));
	close(fd);
}

static void test_the_rate_is_that_of_all_workers(void **state)
{
	struct fixture *f = *state;
	uint64_t start_ms;
	unsigned int n, n_refused;

	give_tenant_with(f, "::/40", 20);
	(void)flood(f, 1, &n_refused);
	start_ms = clock_ms();
	counter_add(f->others, SLOT, COUNTER_QUERIES, 1000);
	counter_add(f->others, SLOT, COUNTER_OVER_RATE, 985);
	n = flood(f, 100, &n_refused);
	assert_in_range(n, 0, most_of_20(start_ms) - 15);
	assert_int_equal(counted_of(f, COUNTER_OVER_RATE), 100 - n);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH(test_over_its_rate_a_tenant_is_refused_then_not_answered),
		WITH(test_over_its_rate_a_wrong_cookie_is_told),
		WITH(test_the_rate_holds_by_tcp_and_over_a_change),
		WITH(test_the_rate_is_that_of_all_workers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
