/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * syn-scan [-l LAST] [-m MARK] [-s SOURCE] ADDRESS[%LINK]...
 *
 * Sends a TCP SYN to each port, 1 to LAST (65535), of each address, and says which ports answered:
 * with a SYN-ACK (open), or with RST (closed: no rule kept the packet from the host). Prints an
 * object:
 * {"ADDRESS": {"open": [[FIRST, LAST], ...], "closed": [[FIRST, LAST], ...]}, ...}
 *
 * All by raw sockets, so that a port costs one packet and no descriptor; the kernel, which knows of
 * no connection, resets what was opened. Where so many ports answered that some answers
 * may not have been kept, those that did not are tried once more. -m: the mark of the packets; -s:
 * their source, which the host need not have.
 */
#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define N_PORTS       65536
#define OWN_PORT      1025
#define ADDRESSES_MAX 32
#define BATCH         64 /* ports, then answers are read */
#define STEP_MS       20
#define QUIET_STEPS   20
#define MANY          1000 /* answers: the socket keeps more */
#define BUFFER_BYTES  (16 << 20)
#define HEADER_BYTES  (sizeof(struct tcphdr))
#define SEQUENCE      0x51c6a7e0u

enum answer {
	ANSWER_NONE,
	ANSWER_OPEN,
	ANSWER_CLOSED
};

struct scan {
	int fd;
	struct sockaddr_storage to, from;
	socklen_t len; /* of both */
	uint32_t n_answers;
	uint8_t answers[N_PORTS];
};

static bool is_v4(const struct scan *s)
{
	return s->to.ss_family == AF_INET;
}

static void *address_of(struct sockaddr_storage *sa)
{
	return sa->ss_family == AF_INET ? (void *)&((struct sockaddr_in *)sa)->sin_addr
					: (void *)&((struct sockaddr_in6 *)sa)->sin6_addr;
}

static size_t address_bytes(const struct scan *s)
{
	return is_v4(s) ? sizeof(struct in_addr) : sizeof(struct in6_addr);
}

static void parse(char *text, struct sockaddr_storage *ret_sa, socklen_t *ret_len)
{
	char *link = strchr(text, '%');

	memset(ret_sa, 0, sizeof(*ret_sa));
	ret_sa->ss_family = strchr(text, ':') ? AF_INET6 : AF_INET;
	*ret_len = ret_sa->ss_family == AF_INET ? sizeof(struct sockaddr_in)
						: sizeof(struct sockaddr_in6);
	if (link) {
		*link++ = '\0';
		((struct sockaddr_in6 *)ret_sa)->sin6_scope_id = if_nametoindex(link);
	}
	if (inet_pton(ret_sa->ss_family, text, address_of(ret_sa)) != 1) {
		errx(2, "%s is no address", text);
	}
	if (link) {
		link[-1] = '%';
	}
}

static void option(int fd, int level, int name, int value)
{
	if (setsockopt(fd, level, name, &value, sizeof(value)) < 0) {
		err(2, "setsockopt");
	}
}

/* The source the kernel would take, as an IPv4 checksum needs it. */
static void find_source(struct scan *s)
{
	struct sockaddr_storage to = s->to;
	int fd = socket(s->to.ss_family, SOCK_DGRAM, 0);

	((struct sockaddr_in *)&to)->sin_port = htons(9); /* where sockaddr_in6 has it, too */
	if (fd < 0 || connect(fd, (struct sockaddr *)&to, s->len) < 0 ||
	    getsockname(fd, (struct sockaddr *)&s->from, &s->len) < 0) {
		err(2, "no way there");
	}
	((struct sockaddr_in *)&s->from)->sin_port = 0;
	close(fd);
}

static void scan_open(struct scan *s, char *to, char *source, int mark)
{
	parse(to, &s->to, &s->len);
	s->fd = socket(s->to.ss_family, SOCK_RAW | SOCK_NONBLOCK, IPPROTO_TCP);
	if (s->fd < 0) {
		err(2, "socket");
	}
	option(s->fd, SOL_SOCKET, SO_RCVBUFFORCE, BUFFER_BYTES);
	option(s->fd, SOL_SOCKET, SO_MARK, mark);
	if (is_v4(s)) {
		option(s->fd, IPPROTO_IP, IP_FREEBIND, 1);
	} else {
		option(s->fd, IPPROTO_IPV6, IPV6_CHECKSUM, offsetof(struct tcphdr, check));
		option(s->fd, IPPROTO_IPV6, IPV6_FREEBIND, 1);
	}
	if (source) {
		parse(source, &s->from, &s->len);
	} else {
		find_source(s);
	}
	if (bind(s->fd, (struct sockaddr *)&s->from, s->len) < 0) {
		err(2, "bind");
	}
}

static uint32_t sum(const void *data, size_t n_bytes)
{
	const uint8_t *b = data;
	uint32_t total = 0;

	for (size_t i = 0; i < n_bytes; i += 2) {
		total += (uint32_t)b[i] << 8 | b[i + 1];
	}
	return total;
}

/* IPv6's is written by the kernel. */
static void sign(struct scan *s, struct tcphdr *tcp)
{
	uint32_t total = sum(address_of(&s->from), 4) + sum(address_of(&s->to), 4) + IPPROTO_TCP +
			 HEADER_BYTES + sum(tcp, HEADER_BYTES);

	total = (total & 0xffff) + (total >> 16);
	tcp->check = htons((uint16_t) ~(total + (total >> 16)));
}

static void send_to(struct scan *s, uint16_t port)
{
	struct tcphdr tcp = {.source = htons(OWN_PORT),
			     .dest = htons(port),
			     .seq = htonl(SEQUENCE),
			     .doff = HEADER_BYTES / 4,
			     .syn = 1,
			     .window = htons(1024)};

	if (is_v4(s)) {
		sign(s, &tcp);
	}
	/* what does not go now is tried again in the next round */
	(void)!sendto(s->fd, &tcp, sizeof(tcp), 0, (struct sockaddr *)&s->to, s->len);
}

static void take(struct scan *s, const uint8_t *packet, size_t n_bytes,
		 struct sockaddr_storage *from)
{
	size_t header = is_v4(s) && n_bytes > 0 ? (size_t)(packet[0] & 15) * 4 : 0;
	struct tcphdr tcp;

	if (n_bytes < header + sizeof(tcp) ||
	    memcmp(address_of(from), address_of(&s->to), address_bytes(s)) != 0) {
		return;
	}
	memcpy(&tcp, packet + header, sizeof(tcp));
	if (ntohs(tcp.dest) == OWN_PORT && (tcp.rst || (tcp.syn && tcp.ack))) {
		s->answers[ntohs(tcp.source)] = tcp.rst ? ANSWER_CLOSED : ANSWER_OPEN;
		s->n_answers++;
	}
}

static void read_answers(struct scan *s)
{
	uint8_t packet[256];
	struct sockaddr_storage from;
	ssize_t n = 0;

	while (n >= 0) {
		socklen_t len = sizeof(from);

		n = recvfrom(s->fd, packet, sizeof(packet), 0, (struct sockaddr *)&from, &len);
		if (n > 0) {
			take(s, packet, (size_t)n, &from);
		}
	}
}

/* Until nothing has come for a while: in steps, of which a machine that stood still had but one. */
static void read_all(struct scan *scans, int n)
{
	int quiet = 0;

	while (quiet < QUIET_STEPS) {
		struct pollfd ready[ADDRESSES_MAX];

		for (int i = 0; i < n; i++) {
			ready[i] = (struct pollfd){.fd = scans[i].fd, .events = POLLIN};
		}
		quiet = poll(ready, (nfds_t)n, STEP_MS) > 0 ? 0 : quiet + 1;
		for (int i = 0; i < n; i++) {
			read_answers(&scans[i]);
		}
	}
}

/* The end that it sends from. */
static bool is_itself(struct scan *s, uint32_t port)
{
	return port == OWN_PORT &&
	       memcmp(address_of(&s->from), address_of(&s->to), address_bytes(s)) == 0;
}

static void run_round(struct scan *scans, int n, uint32_t last, bool again)
{
	for (uint32_t port = 1; port <= last; port++) {
		for (int i = 0; i < n; i++) {
			if (scans[i].answers[port] == ANSWER_NONE &&
			    (!again || scans[i].n_answers > MANY) && !is_itself(&scans[i], port)) {
				send_to(&scans[i], (uint16_t)port);
			}
			if (port % BATCH == 0) {
				read_answers(&scans[i]);
			}
		}
	}
	read_all(scans, n);
}

static void print_ranges(const struct scan *s, const char *name, enum answer wanted)
{
	const char *comma = "";

	printf("\"%s\": [", name);
	for (uint32_t first = 1; first < N_PORTS; first++) {
		uint32_t last = first;

		if (s->answers[first] != wanted) {
			continue;
		}
		while (last + 1 < N_PORTS && s->answers[last + 1] == wanted) {
			last++;
		}
		printf("%s[%u, %u]", comma, first, last);
		comma = ", ";
		first = last;
	}
	printf("]");
}

int main(int argc, char **argv)
{
	static struct scan scans[ADDRESSES_MAX];
	char *source = NULL;
	uint32_t last = N_PORTS - 1;
	int mark = 0, c, n;

	while ((c = getopt(argc, argv, "l:m:s:")) != -1) {
		if (c == 'l') {
			last = (uint16_t)strtoul(optarg, NULL, 10);
		} else if (c == 'm') {
			mark = (int)strtoul(optarg, NULL, 0);
		} else if (c == 's') {
			source = optarg;
		} else {
			return 2;
		}
	}
	n = argc - optind;
	if (n > ADDRESSES_MAX) {
		errx(2, "more than %d addresses", ADDRESSES_MAX);
	}
	for (int i = 0; i < n; i++) {
		scan_open(&scans[i], argv[optind + i], source, mark);
	}
	run_round(scans, n, last, false);
	run_round(scans, n, last, true);
	for (int i = 0; i < n; i++) {
		printf("%s\"%s\": {", i == 0 ? "{" : ", ", argv[optind + i]);
		print_ranges(&scans[i], "open", ANSWER_OPEN);
		printf(", ");
		print_ranges(&scans[i], "closed", ANSWER_CLOSED);
		printf("}");
	}
	printf("}\n");
	return 0;
}
