/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The client of the bench: one process, one epoll loop, one of five kinds of load (load.h) against
 * one address. Prints one JSON object. Latency is counted from the moment a request was to leave,
 * not from when it left, so that a stalled proxy cannot hide behind a client that waits for it.
 *
 * load MODE TARGET [-s FIRST-SOURCE:0] [-S N-SOURCES] [-c CONNECTIONS] [-n UNITS] [-r PER-SECOND]
 *      [-f NAMES-FILE] [-b] [-w]
 */
#include "tests/bench/load.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/bench/hello.h"
#include "tests/bench/witness.h"

#define BATCH 256

static const char message[LOAD_MESSAGE_BYTES];

/* Local address of the n-th connection: addresses in turn, ports by the kernel. */
static void bind_source(const struct load *load, int fd)
{
	struct sockaddr_in local;
	int one = 1;

	if (load->options->n_sources == 0) {
		return;
	}
	memcpy(&local, &load->options->source.addr, sizeof(local));
	local.sin_addr.s_addr = htonl(ntohl(local.sin_addr.s_addr) +
				      (uint32_t)(load->n_started % load->options->n_sources));
	if (setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof(one)) != 0 ||
	    bind(fd, (struct sockaddr *)&local, sizeof(local)) != 0) {
		die("bind");
	}
}

static void connection_open(struct load *load, struct connection *c)
{
	const struct endpoint_arg *target = &load->options->target;
	struct epoll_event ev = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET,
				 .data.ptr = c};
	const int one = 1;

	c->fd = socket(target->addr.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (c->fd < 0 || setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)) != 0) {
		die("socket");
	}
	bind_source(load, c->fd);
	c->state = CONNECTION_OPENING;
	load->n_started++;
	load->n_open++;
	if ((connect(c->fd, (const struct sockaddr *)&target->addr, target->len) != 0 &&
	     errno != EINPROGRESS) ||
	    epoll_ctl(load->epoll_fd, EPOLL_CTL_ADD, c->fd, &ev) != 0) {
		die("connect");
	}
}

static void connection_end(struct load *load, struct connection *c, bool good)
{
	(void)close(c->fd); /* its bytes are counted */
	c->state = CONNECTION_CLOSED;
	load->n_open--;
	if (good) {
		load->n_done++;
	} else {
		load->n_errors++;
	}
	load->last_ns = clock_ns();
	if (load->options->mode == MODE_CONN && load->n_started < load->options->n_units) {
		connection_open(load, c);
	}
}

static const char *name_choose(struct load *load)
{
	load->random = load->random * 6364136223846793005u + 1442695040888963407u;
	return load->options->names[(load->random >> 33) % load->options->n_names];
}

/* Sends the next request of c; false when the connection is broken. */
static bool connection_ask(struct connection *c, uint64_t intended_ns)
{
	c->asked_ns = intended_ns;
	c->n_got = 0;
	c->n_want = LOAD_MESSAGE_BYTES;
	c->state = CONNECTION_WAITING;
	return send(c->fd, message, sizeof(message), MSG_NOSIGNAL) == (ssize_t)sizeof(message);
}

/* What c says once it is connected, in one write; false when the connection is broken. */
static bool connection_begin(struct load *load, struct connection *c)
{
	uint8_t out[HELLO_ROOM + LOAD_MESSAGE_BYTES];
	size_t len = load->options->n_names > 0 ? hello_build(name_choose(load), out) : 0;
	uint64_t each = load->options->n_units / load->options->n_connections;

	c->n_got = 0;
	c->n_want = LOAD_ANSWER_BYTES;
	c->state = CONNECTION_WAITING;
	switch (load->options->mode) {
	case MODE_RATE:
		c->state = CONNECTION_READY;
		load->ready[load->n_ready++] = (uint32_t)(c - load->connections);
		break;
	case MODE_RR:
		c->n_want = LOAD_MESSAGE_BYTES;
		c->asked_ns = clock_ns();
		memcpy(out + len, message, sizeof(message));
		len += sizeof(message);
		break;
	case MODE_BULK:
		c->n_want = each;
		for (int shift = 56; shift >= 0; shift -= 8) {
			out[len++] = (uint8_t)(each >> shift);
		}
		break;
	case MODE_CONN:
	case MODE_IDLE:
		if (len == 0) {
			memcpy(out, message, sizeof(message));
			len = sizeof(message);
		}
		break;
	}
	return len == 0 || send(c->fd, out, len, MSG_NOSIGNAL) == (ssize_t)len;
}

/* An answer is complete; false when the connection is broken. */
static bool answer_done(struct load *load, struct connection *c)
{
	uint64_t now_ns;

	switch (load->options->mode) {
	case MODE_CONN:
	case MODE_BULK:
		return true; /* counted at the end of the stream */
	case MODE_IDLE:
		c->state = CONNECTION_READY;
		load->n_done++;
		load->last_ns = clock_ns();
		return true;
	case MODE_RR:
	case MODE_RATE:
		break;
	}
	now_ns = clock_ns();
	if (load->latencies_us != NULL) {
		load->latencies_us[load->n_done] = (uint32_t)((now_ns - c->asked_ns) / 1000);
	}
	if (load->waits != NULL) {
		load->waits[load->n_done] = (struct wait){c->asked_ns, now_ns};
	}
	load->n_done++;
	load->last_ns = now_ns;
	if (load->options->mode == MODE_RATE) {
		c->state = CONNECTION_READY;
		load->ready[load->n_ready++] = (uint32_t)(c - load->connections);
		return true;
	}
	if (load->n_started >= load->options->n_units) {
		c->state = CONNECTION_READY;
		return true;
	}
	load->n_started++;
	return connection_ask(c, now_ns);
}

/* Reads all there is; false when the connection is over or broken. */
static bool connection_read(struct load *load, struct connection *c, bool until_eof)
{
	static char data[262144];
	ssize_t n;

	do {
		/* MSG_TRUNC: bulk is counted in the kernel, the client's core is not what is
		 * measured */
		n = recv(c->fd, data, sizeof(data),
			 load->options->mode == MODE_BULK ? MSG_TRUNC : 0);
		if (n <= 0) {
			return n < 0 && errno == EAGAIN;
		}
		load->n_bytes += (uint64_t)n;
		c->n_got += (uint64_t)n;
		if (c->n_got > c->n_want) {
			return false;
		}
		if (c->n_got == c->n_want && !answer_done(load, c)) {
			return false;
		}
	} while (until_eof || n == (ssize_t)sizeof(data));
	return true;
}

static void connection_event(struct load *load, struct connection *c, uint32_t events)
{
	bool until_eof = (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0;

	if (c->state == CONNECTION_CLOSED) {
		return;
	}
	if (c->state == CONNECTION_OPENING && (events & (EPOLLERR | EPOLLHUP)) != 0) {
		connection_end(load, c, false);
		return;
	}
	if (c->state == CONNECTION_OPENING && !connection_begin(load, c)) {
		connection_end(load, c, false);
		return;
	}
	if ((events & (EPOLLIN | EPOLLRDHUP)) != 0 && !connection_read(load, c, until_eof)) {
		connection_end(load, c,
			       (load->options->mode == MODE_CONN ||
				load->options->mode == MODE_BULK) &&
				       c->n_got == c->n_want);
	}
}

/* Sends what is due by now; returns ns until the next is due. */
static uint64_t rate_send(struct load *load)
{
	uint64_t now_ns = clock_ns(), due_ns;

	while (load->n_started < load->options->n_units) {
		due_ns = load->first_ns + load->n_started * 1000000000 / load->options->per_second;
		if (due_ns > now_ns) {
			return due_ns - now_ns;
		}
		if (load->n_ready == 0) {
			break; /* all wait: it leaves later, its clock runs */
		}
		load->n_started++;
		if (!connection_ask(&load->connections[load->ready[--load->n_ready]], due_ns)) {
			die("send");
		}
	}
	return 1000000000;
}

static bool load_finished(const struct load *load)
{
	const struct options *o = load->options;

	switch (o->mode) {
	case MODE_CONN:
	case MODE_BULK:
		return load->n_open == 0;
	case MODE_RR:
	case MODE_RATE:
		return load->n_done >= o->n_units || load->n_open == 0;
	case MODE_IDLE:
		return load->n_done + load->n_errors >= o->n_connections;
	}
	return true;
}

/* Waits for events once and serves them; wait_ns is the longest wait. */
static void load_step(struct load *load, uint64_t wait_ns)
{
	struct timespec wait = {(time_t)(wait_ns / 1000000000), (long)(wait_ns % 1000000000)};
	struct epoll_event events[BATCH];
	int n = load->options->spin ? wait_spinning(load->epoll_fd, events, BATCH)
				    : epoll_pwait2(load->epoll_fd, events, BATCH, &wait, NULL);

	if (n < 0 && errno != EINTR) {
		die("epoll_pwait2");
	}
	for (int i = 0; i < n; i++) {
		connection_event(load, events[i].data.ptr, events[i].events);
	}
}

/* Opens the connections, not all at once: nobody's accept queue is what is measured. */
static void load_open(struct load *load)
{
	unsigned int n = load->options->n_connections;

	if (load->options->mode == MODE_CONN && load->options->n_units < n) {
		n = (unsigned int)load->options->n_units;
	}
	for (unsigned int i = 0; i < n; i++) {
		connection_open(load, &load->connections[i]);
		if (i % 64 == 63 && !load->options->spin) {
			load_step(load, 1000000);
		}
	}
}

static void load_run(struct load *load)
{
	load->first_ns = clock_ns();
	load_open(load);
	if (load->options->mode == MODE_RATE) {
		while (load->n_ready < load->n_open) {
			load_step(load, 100000000);
		}
		load->n_started = 0;
		load->first_ns = clock_ns();
	}
	while (!load_finished(load)) {
		load_step(load, load->options->mode == MODE_RATE ? rate_send(load) : 1000000000);
	}
}

static int u32_compare(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

/* The longest wait for an answer, less what the machine stood still meanwhile. */
static uint64_t longest_stall_ns(const struct load *load)
{
	uint64_t longest_ns = 0;

	for (uint64_t i = 0; i < load->n_done; i++) {
		const struct wait *wait = &load->waits[i];
		uint64_t ns = wait->to_ns - wait->from_ns;

		if (ns > longest_ns) { /* else it cannot become the longest */
			ns -= witness_still_ns(load->witness, wait->from_ns, wait->to_ns);
			longest_ns = ns > longest_ns ? ns : longest_ns;
		}
	}
	return longest_ns;
}

static void load_print(struct load *load)
{
	double seconds = (double)(load->last_ns - load->first_ns) / 1e9;

	printf("{\"done\": %llu, \"errors\": %llu, \"bytes\": %llu, \"seconds\": %.6f",
	       (unsigned long long)load->n_done, (unsigned long long)load->n_errors,
	       (unsigned long long)load->n_bytes, seconds);
	if (load->latencies_us != NULL && load->n_done > 0) {
		qsort(load->latencies_us, load->n_done, sizeof(uint32_t), u32_compare);
		printf(", \"p50_us\": %u, \"p99_us\": %u, \"max_us\": %u",
		       load->latencies_us[load->n_done / 2],
		       load->latencies_us[load->n_done * 99 / 100],
		       load->latencies_us[load->n_done - 1]);
	}
	if (load->waits != NULL) {
		printf(", \"stall_us\": %llu", (unsigned long long)longest_stall_ns(load) / 1000);
	}
	printf("}\n");
	(void)fflush(stdout); /* a reader that is gone has its reasons */
}

/* Reads one name a line. */
static void names_read(struct options *o, const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;
	char *text;

	if (fd < 0 || fstat(fd, &st) != 0 || (text = malloc((size_t)st.st_size + 1)) == NULL ||
	    read(fd, text, (size_t)st.st_size) != st.st_size) {
		die(path);
	}
	(void)close(fd); /* read to its end */
	text[st.st_size] = '\0';
	o->names = calloc((size_t)st.st_size / 2 + 1, sizeof(*o->names));
	if (o->names == NULL) {
		die(path);
	}
	for (char *name = strtok(text, "\n"); name != NULL; name = strtok(NULL, "\n")) {
		o->names[o->n_names++] = name;
	}
}

static enum mode mode_parse(const char *text)
{
	static const char *const names[] = {"conn", "rr", "rate", "bulk", "idle"};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (strcmp(names[i], text) == 0) {
			return (enum mode)i;
		}
	}
	errno = EINVAL;
	die(text);
}

static void options_parse(struct options *o, int argc, char **argv)
{
	int c;

	if (argc < 3) {
		fprintf(stderr,
			"usage: load conn|rr|rate|bulk|idle ADDRESS:PORT [-s FIRST-SOURCE:0] "
			"[-S N] [-c CONNECTIONS] [-n UNITS] [-r PER-SECOND] [-f NAMES] [-b] "
			"[-w]\n");
		exit(2);
	}
	o->mode = mode_parse(argv[1]);
	o->target = endpoint_parse(argv[2]);
	optind = 3;
	while ((c = getopt(argc, argv, "s:S:c:n:r:f:bw")) != -1) {
		switch (c) {
		case 's':
			o->source = endpoint_parse(optarg);
			break;
		case 'S':
			o->n_sources = (unsigned int)number_parse(optarg, 0, 254);
			break;
		case 'c':
			o->n_connections = (unsigned int)number_parse(optarg, 1, 19000);
			break;
		case 'n':
			o->n_units = number_parse(optarg, 1, UINT64_MAX);
			break;
		case 'r':
			o->per_second = number_parse(optarg, 1, 10000000);
			break;
		case 'f':
			names_read(o, optarg);
			break;
		case 'b':
			o->spin = true;
			break;
		case 'w':
			o->watch = true;
			break;
		default:
			exit(2);
		}
	}
}

static void latencies_alloc(struct load *load)
{
	const struct options *o = load->options;
	size_t n = o->n_units + o->n_connections;

	if (o->mode != MODE_RR && o->mode != MODE_RATE) {
		return;
	}
	load->latencies_us = calloc(n, sizeof(*load->latencies_us));
	load->waits = o->watch ? calloc(n, sizeof(*load->waits)) : NULL;
	if (load->latencies_us == NULL || (o->watch && load->waits == NULL)) {
		die("calloc");
	}
}

int main(int argc, char **argv)
{
	struct options options = {.n_connections = 1, .n_units = 1, .per_second = 1};
	struct load load = {.options = &options, .random = 20250101};
	char byte;

	options_parse(&options, argc, argv);
	load.epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	load.connections = calloc(options.n_connections, sizeof(*load.connections));
	load.ready = calloc(options.n_connections, sizeof(*load.ready));
	latencies_alloc(&load);
	if (load.epoll_fd < 0 || load.connections == NULL || load.ready == NULL) {
		die("start");
	}
	load.witness = load.waits != NULL ? witness_start() : NULL;
	load_run(&load);
	if (load.witness != NULL) {
		witness_stop(load.witness);
	}
	load_print(&load);
	witness_free(load.witness);
	while (options.mode == MODE_IDLE && read(STDIN_FILENO, &byte, 1) > 0) {
		/* the connections stay until the script closes our standard input */
	}
	return load.n_errors == 0 ? 0 : 1;
}
