/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * asker rate ADDRESS NAMES RATE SECONDS: asks a server for AAAA of the names in that file at a
 * fixed rate, whatever its answers do. Prints how long they took as JSON: from when a query left to
 * when the kernel had its answer, so that it does not matter when this program itself got the CPU.
 * Where it was late it goes on from there, and makes no burst of what it has missed. One that is
 * not answered counts as a second.
 *
 * asker burst ADDRESS NAMES SOURCE...: for each line of standard input that has a number for each
 * source, sends so many queries from it at once and prints an empty line; for each empty one prints
 * how many were answered to each since. Between the two it does nothing: a server that was stopped
 * meanwhile works its queue off as if there were no load.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "tests/bench/net.h"

#define IDS         65536
#define QUERY_MAX   300
#define NAME_BYTES  255
#define LAST_NS     1000000000 /* how long the last ones are waited for */
#define LATE_NS     200000     /* this program was: the rest is that much later */
#define RATE_MAX    2000000
#define SECONDS_MAX 600
#define SOURCES_MAX 64
#define BURST_MAX   10000

struct query {
	uint8_t wire[QUERY_MAX];
	size_t len;
};

struct asker {
	int fd;
	struct query *queries;
	size_t n_queries;
	uint64_t from_ns[IDS]; /* when the one of that id left, by the clock of the day; 0: answered
				*/
	uint32_t *latencies_us;
	uint64_t n_sent, n_answers, n_failures;
};

/* An AAAA query for the name, without an id. */
static struct query query_of(const char *name)
{
	static const uint8_t head[12] = {0, 0, 1, 0, 0, 1}, tail[5] = {0, 0, 28, 0, 1};
	struct query q = {.len = sizeof(head)};

	memcpy(q.wire, head, sizeof(head));
	while (*name != '\0') {
		size_t label = strcspn(name, ".");

		if (label == 0 || label > 63 || q.len + label + 1 + sizeof(tail) > QUERY_MAX) {
			errno = EINVAL;
			die(name);
		}
		q.wire[q.len] = (uint8_t)label;
		memcpy(q.wire + q.len + 1, name, label);
		q.len += label + 1;
		name += label + (name[label] == '.');
	}
	memcpy(q.wire + q.len, tail, sizeof(tail));
	q.len += sizeof(tail);
	return q;
}

/* One name a line, as dnsperf has them: what is behind a space is passed over. */
static void read_names(struct asker *a, const char *path)
{
	FILE *file = fopen(path, "re");
	char line[NAME_BYTES + 32];
	size_t room = 0;

	if (file == NULL) {
		die(path);
	}
	while (fgets(line, sizeof(line), file) != NULL) {
		if (a->n_queries == room) {
			room = room * 2 + 1024;
			a->queries = realloc(a->queries, room * sizeof(*a->queries));
			if (a->queries == NULL) {
				die("names");
			}
		}
		line[strcspn(line, " \n")] = '\0';
		a->queries[a->n_queries++] = query_of(line);
	}
	(void)fclose(file); /* read to its end */
	if (a->n_queries == 0) {
		errno = ENODATA;
		die(path);
	}
}

/* source: NULL, the kernel's choice. */
static int open_socket(const char *address, const char *source)
{
	struct sockaddr_in6 sa = {.sin6_family = AF_INET6, .sin6_port = htons(53)};
	struct sockaddr_in6 own = {.sin6_family = AF_INET6};
	int fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), bytes = 16 << 20,
	    on = 1;

	errno = EINVAL;
	if (fd < 0 || inet_pton(AF_INET6, address, &sa.sin6_addr) != 1 ||
	    (source && inet_pton(AF_INET6, source, &own.sin6_addr) != 1) ||
	    bind(fd, (struct sockaddr *)&own, sizeof(own)) < 0 ||
	    connect(fd, (struct sockaddr *)&sa, sizeof(sa)) < 0) {
		die(source ? source : address);
	}
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof(bytes)); /* as it may */
	if (setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof(on)) < 0) {
		die("SO_TIMESTAMPNS");
	}
	return fd;
}

/* By the clock of the day, as the kernel's time of an answer is. */
static uint64_t day_ns(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_REALTIME, &ts); /* cannot fail with this clock */
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

static void send_one(struct asker *a)
{
	struct query *q = &a->queries[a->n_sent % a->n_queries];
	uint16_t id = (uint16_t)a->n_sent;

	q->wire[0] = (uint8_t)(id >> 8);
	q->wire[1] = (uint8_t)id;
	a->from_ns[id] = day_ns();
	a->n_sent++;
	(void)!send(a->fd, q->wire, q->len, 0); /* one that is not sent is one without an answer */
}

/* When the kernel got a message. */
static uint64_t received_ns(struct msghdr *m)
{
	struct cmsghdr *c = CMSG_FIRSTHDR(m);
	struct timespec ts;

	if (c == NULL || c->cmsg_level != SOL_SOCKET || c->cmsg_type != SO_TIMESTAMPNS) {
		errno = EPROTO;
		die("SO_TIMESTAMPNS");
	}
	memcpy(&ts, CMSG_DATA(c), sizeof(ts));
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

/* False: there is none. */
static bool receive_one(struct asker *a)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(struct timespec))];
	} control;
	uint8_t wire[1232];
	struct iovec part = {wire, sizeof(wire)};
	struct msghdr m = {.msg_iov = &part,
			   .msg_iovlen = 1,
			   .msg_control = &control,
			   .msg_controllen = sizeof(control)};
	uint64_t *from_ns, to_ns;

	if (recvmsg(a->fd, &m, 0) < 12) {
		return false;
	}
	from_ns = &a->from_ns[wire[0] << 8 | wire[1]];
	to_ns = received_ns(&m);
	if (*from_ns != 0) {
		a->latencies_us[a->n_answers++] =
			to_ns > *from_ns ? (uint32_t)((to_ns - *from_ns) / 1000) : 0;
		a->n_failures += (wire[3] & 0xf) != 0 || (wire[6] << 8 | wire[7]) == 0;
		*from_ns = 0;
	}
	return true;
}

/* For an answer, or so long. */
static void wait_until(const struct asker *a, uint64_t ns)
{
	struct pollfd p = {.fd = a->fd, .events = POLLIN};
	struct timespec left = {.tv_sec = (time_t)(ns / 1000000000),
				.tv_nsec = (long)(ns % 1000000000)};

	(void)ppoll(&p, 1, &left, NULL); /* whatever it was, the loop looks */
}

static void ask_all(struct asker *a, uint64_t rate, uint64_t n)
{
	uint64_t start_ns = clock_ns(), now_ns = start_ns, last_ns = start_ns;

	while (a->n_sent < n || (a->n_answers < n && now_ns - last_ns < LAST_NS)) {
		uint64_t due_ns = start_ns + a->n_sent * 1000000000 / rate;

		if (a->n_sent < n && due_ns <= now_ns) {
			start_ns += now_ns - due_ns > LATE_NS ? now_ns - due_ns : 0;
			send_one(a);
			last_ns = now_ns;
		} else if (!receive_one(a)) {
			wait_until(a, a->n_sent < n ? due_ns - now_ns : LAST_NS);
		}
		now_ns = clock_ns();
	}
}

static int usage(void)
{
	fprintf(stderr, "usage: asker rate ADDRESS NAMES RATE SECONDS\n"
			"       asker burst ADDRESS NAMES SOURCE...\n");
	return 1;
}

static int u32_compare(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

static int main_rate(int argc, char **argv)
{
	static struct asker a;
	uint64_t rate, n;

	if (argc != 6) {
		return usage();
	}
	rate = number_parse(argv[4], 1, RATE_MAX);
	n = rate * number_parse(argv[5], 1, SECONDS_MAX);
	read_names(&a, argv[3]);
	a.fd = open_socket(argv[2], NULL);
	a.latencies_us = calloc(n, sizeof(*a.latencies_us));
	if (a.latencies_us == NULL) {
		die("latencies");
	}
	ask_all(&a, rate, n);
	if (a.n_answers == 0) {
		errno = ETIMEDOUT;
		die(argv[2]);
	}
	for (uint64_t i = a.n_answers; i < n; i++) {
		a.latencies_us[i] = LAST_NS / 1000; /* of one that is lost */
	}
	qsort(a.latencies_us, n, sizeof(*a.latencies_us), u32_compare);
	printf("{\"sent\": %llu, \"answered\": %llu, \"failed\": %llu, \"p50_us\": %u, \"p99_us\": "
	       "%u, \"max_us\": %u}\n",
	       (unsigned long long)a.n_sent, (unsigned long long)a.n_answers,
	       (unsigned long long)a.n_failures, a.latencies_us[n / 2],
	       a.latencies_us[n * 99 / 100], a.latencies_us[n - 1]);
	return 0;
}

/* As many queries from each source as the line says. */
static void send_burst(struct asker *a, const int *fds, unsigned int n_fds, char *line)
{
	char *at = line, *word;

	for (unsigned int i = 0; i < n_fds; i++) {
		word = strsep(&at, " \n");
		for (uint64_t n = number_parse(word ? word : "", 0, BURST_MAX); n > 0; n--) {
			a->fd = fds[i];
			send_one(a);
		}
	}
	printf("\n");
}

static void print_answers(const int *fds, unsigned int n_fds)
{
	uint8_t wire[1232];

	for (unsigned int i = 0; i < n_fds; i++) {
		unsigned int n = 0;

		while (recv(fds[i], wire, sizeof(wire), 0) > 0) {
			n++;
		}
		printf("%s%u", i > 0 ? " " : "", n);
	}
	printf("\n");
}

static int main_burst(int argc, char **argv)
{
	static struct asker a;
	unsigned int n_fds = argc > 4 ? (unsigned int)argc - 4 : 0;
	int fds[SOURCES_MAX];
	char line[1024];

	if (n_fds == 0 || n_fds > SOURCES_MAX) {
		return usage();
	}
	read_names(&a, argv[3]);
	for (unsigned int i = 0; i < n_fds; i++) {
		fds[i] = open_socket(argv[2], argv[4 + i]);
	}
	while (fgets(line, sizeof(line), stdin) != NULL) {
		if (line[0] == '\n') {
			print_answers(fds, n_fds);
		} else {
			send_burst(&a, fds, n_fds, line);
		}
		(void)fflush(stdout); /* a reader that is gone has its reasons */
	}
	return 0;
}

int main(int argc, char **argv)
{
	if (argc > 1 && strcmp(argv[1], "rate") == 0) {
		return main_rate(argc, argv);
	}
	return argc > 1 && strcmp(argv[1], "burst") == 0 ? main_burst(argc, argv) : usage();
}
