/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The backend of the bench: sink WORK=[ADDRESS]:PORT ... serves each port in its own way. A first
 * TLS record (the canned hello) is swallowed, so that one backend serves raw TCP and TLS by SNI:
 *   close   16 bytes for the first message (a record or 64 bytes), then it closes
 *   hold    the same, but the connection stays
 *   echo    each block of 64 bytes comes back
 *   stream  8 bytes, a big-endian number: that many bytes follow, then it closes
 * -b: it never sleeps, see wait_spinning() in net.h.
 */
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <unistd.h>

#include "tests/bench/net.h"

#define ANSWER_BYTES  16
#define MESSAGE_BYTES 64
#define RECORD_HEAD   5
#define STREAM_WRITE  (1024 * 1024)
#define FILE_BYTES    (64 * 1024 * 1024) /* more than a cache holds */

enum work {
	WORK_CLOSE,
	WORK_HOLD,
	WORK_ECHO,
	WORK_STREAM,
};

struct socket {
	int fd;
	enum work work;
	bool listening;
	uint8_t head[RECORD_HEAD + 8]; /* first bytes: a record's header, or the number */
	size_t n_head;
	size_t n_skip;     /* of the TLS record, still to come */
	size_t n_message;  /* of the running message */
	uint64_t n_stream; /* still to send */
	uint64_t n_sent;
};

static const char bytes[ANSWER_BYTES];
static int file_fd; /* what stream sends, FILE_BYTES again and again */

static enum work work_parse(const char *text, size_t len)
{
	static const char *const names[] = {"close", "hold", "echo", "stream"};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (strlen(names[i]) == len && memcmp(names[i], text, len) == 0) {
			return (enum work)i;
		}
	}
	errno = EINVAL;
	die(text);
}

/* A file in memory, each page written, so that sendfile(2) has something to send. */
static int file_make(void)
{
	static char page[65536];
	int fd = memfd_create("stream", MFD_CLOEXEC);

	if (fd < 0) {
		die("memfd_create");
	}
	memset(page, 'x', sizeof(page));
	for (size_t done = 0; done < FILE_BYTES; done += sizeof(page)) {
		if (write(fd, page, sizeof(page)) != (ssize_t)sizeof(page)) {
			die("memfd");
		}
	}
	return fd;
}

/* Puts fd into the loop with a new block, freed in serve(). */
static void socket_add(int epoll_fd, int fd, enum work work, bool listening)
{
	struct socket *s = calloc(1, sizeof(*s));
	struct epoll_event ev = {.events = EPOLLIN, .data.ptr = s};

	if (!listening) {
		ev.events |= EPOLLOUT | EPOLLRDHUP | EPOLLET;
	}
	if (s == NULL || epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &ev) != 0) {
		die("epoll_ctl");
	}
	s->fd = fd;
	s->work = work;
	s->listening = listening;
}

static void accept_all(int epoll_fd, const struct socket *listener)
{
	for (;;) {
		int fd = accept4(listener->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd < 0) {
			if (errno == ECONNABORTED) {
				continue;
			}
			if (errno != EAGAIN) {
				die("accept");
			}
			return;
		}
		socket_add(epoll_fd, fd, listener->work, false);
	}
}

/* Swallows a TLS record at the start; returns how many of len bytes at data belong to it. */
static size_t record_skip(struct socket *s, const uint8_t *data, size_t len)
{
	size_t used = 0, n;

	if (s->n_head < RECORD_HEAD) {
		if (s->n_head == 0 && data[0] != 0x16) {
			s->n_head = RECORD_HEAD; /* no TLS here */
			return 0;
		}
		while (s->n_head < RECORD_HEAD && used < len) {
			s->head[s->n_head++] = data[used++];
		}
		if (s->n_head < RECORD_HEAD) {
			return used;
		}
		s->n_skip = (size_t)(s->head[3] << 8 | s->head[4]);
		/* the record is the message of those that answer one */
		s->n_message = s->work == WORK_CLOSE || s->work == WORK_HOLD ? MESSAGE_BYTES : 0;
	}
	n = s->n_skip < len - used ? s->n_skip : len - used;
	s->n_skip -= n;
	return used + n;
}

/* True while the connection goes on. */
static bool stream_write(struct socket *s)
{
	while (s->n_stream > 0) {
		off_t at = (off_t)(s->n_sent % FILE_BYTES);
		uint64_t left = FILE_BYTES - (uint64_t)at;
		ssize_t n;

		left = left < s->n_stream ? left : s->n_stream;
		n = sendfile(s->fd, file_fd, &at, left < STREAM_WRITE ? left : STREAM_WRITE);
		if (n < 0) {
			return errno == EAGAIN;
		}
		s->n_sent += (uint64_t)n;
		s->n_stream -= (uint64_t)n;
		if (s->n_stream == 0) {
			return false;
		}
	}
	return true;
}

/* True while the connection goes on. */
static bool stream_start(struct socket *s, const uint8_t *data, size_t len)
{
	while (s->n_head < sizeof(s->head) && len > 0) {
		s->head[s->n_head++] = *data++;
		len--;
	}
	if (s->n_head < sizeof(s->head)) {
		return true;
	}
	for (size_t i = RECORD_HEAD; i < sizeof(s->head); i++) {
		s->n_stream = s->n_stream << 8 | s->head[i];
	}
	return stream_write(s);
}

/* Answers what has come; true while the connection goes on. */
static bool answer(struct socket *s, const uint8_t *data, size_t len)
{
	size_t skipped = record_skip(s, data, len);

	if (s->n_head < RECORD_HEAD || s->n_skip > 0) {
		return true;
	}
	data += skipped;
	len -= skipped;
	switch (s->work) {
	case WORK_ECHO:
		/* a full socket buffer would mean that the load does not read its answers */
		return len == 0 || send(s->fd, data, len, MSG_NOSIGNAL) == (ssize_t)len;
	case WORK_STREAM:
		return stream_start(s, data, len);
	case WORK_CLOSE:
	case WORK_HOLD:
		s->n_message += len;
		if (s->n_message < MESSAGE_BYTES) {
			return true;
		}
		s->n_message = 0;
		return send(s->fd, bytes, ANSWER_BYTES, MSG_NOSIGNAL) == ANSWER_BYTES &&
		       s->work == WORK_HOLD;
	}
	return false;
}

/* One event of a connection; true while it goes on. */
static bool serve(struct socket *s, uint32_t events)
{
	uint8_t data[16384];
	ssize_t n;

	if ((events & EPOLLOUT) != 0 && s->n_stream > 0 && !stream_write(s)) {
		return false;
	}
	if ((events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) == 0) {
		return true;
	}
	do {
		n = recv(s->fd, data, sizeof(data), 0);
		if (n < 0) {
			return errno == EAGAIN;
		}
		if (n == 0 || !answer(s, data, (size_t)n)) {
			return false;
		}
	} while (n == sizeof(data) || (events & (EPOLLRDHUP | EPOLLHUP)) != 0);
	return true;
}

int main(int argc, char **argv)
{
	struct epoll_event events[256];
	int epoll_fd = epoll_create1(EPOLL_CLOEXEC), n;
	bool spin = argc > 1 && strcmp(argv[1], "-b") == 0;

	if (epoll_fd < 0) {
		die("epoll_create1");
	}
	for (int i = spin ? 2 : 1; i < argc; i++) {
		size_t len = strcspn(argv[i], "=");
		enum work work = work_parse(argv[i], len);

		socket_add(epoll_fd, listen_on(argv[i] + len + 1), work, true);
	}
	if (argc < 2) {
		fprintf(stderr, "usage: sink [-b] close|hold|echo|stream=[ADDRESS]:PORT ...\n");
		return 2;
	}
	(void)signal(SIGPIPE, SIG_IGN); /* cannot fail; sendfile(2) has no flag against it */
	file_fd = file_make();
	while ((n = spin ? wait_spinning(epoll_fd, events, 256)
			 : epoll_wait(epoll_fd, events, 256, -1)) >= 0 ||
	       errno == EINTR) {
		for (int i = 0; i < n; i++) {
			struct socket *s = events[i].data.ptr;

			if (s->listening) {
				accept_all(epoll_fd, s);
			} else if (!serve(s, events[i].events)) {
				(void)close(s->fd); /* nothing is left to lose */
				free(s);
			}
		}
	}
	die("epoll_wait");
}
