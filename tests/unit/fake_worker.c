/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A worker for control_workers_test.c: does with the channel what the file named by
 * SIXGATE_FAKE_WORKER says at its start, and writes what it is sent to its log, "type id" a line.
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/channel.h"
#include "conf/model/message.h"

struct fake {
	struct channel channel;
	int log_fd;
	char mode[32];
	bool refuses;
};

static void say(struct fake *f, const struct channel_msg *msg)
{
	if (channel_send(&f->channel, msg) < 0) {
		exit(4);
	}
}

static void say_hello(struct fake *f, int fd)
{
	struct channel_msg msg = {.type = MSG_HELLO};
	struct buf data;

	buf_init(&data, 64);
	buf_str(&data, str_from("fake"));
	buf_u32(&data, (uint32_t)getpid());
	msg.data = data.data;
	msg.len = data.len;
	if (fd >= 0) {
		msg.fds[msg.n_fds++] = fd;
	}
	say(f, &msg);
	buf_fini(&data);
}

static void answer(struct fake *f, const struct channel_msg *to, bool refuse)
{
	struct channel_msg msg = {.type = refuse ? MSG_NAK : MSG_ACK,
				  .id = to->id,
				  .serial = to->serial};
	struct buf data;

	buf_init(&data, 64);
	buf_u16(&data, to->type);
	if (refuse) {
		buf_str(&data, str_from("fake refusal"));
	}
	msg.data = data.data;
	msg.len = data.len;
	say(f, &msg);
	buf_fini(&data);
}

static bool answers(const struct fake *f, const struct channel_msg *msg)
{
	return strcmp(f->mode, "silent") != 0 &&
	       (strcmp(f->mode, "alive") != 0 || msg->type == MSG_STATS);
}

static bool refuses(const struct fake *f, const struct channel_msg *msg)
{
	return (strcmp(f->mode, "refuse") == 0 && msg->type == MSG_TENANT) ||
	       (strcmp(f->mode, "full") == 0 && msg->type == MSG_LEND);
}

static void note(struct fake *f, const struct channel_msg *msg)
{
	if (f->log_fd >= 0) {
		dprintf(f->log_fd, "%u %u\n", msg->type, msg->id);
	}
}

static void handle_set(struct fake *f, struct channel_msg *msg)
{
	struct cursor in = cursor_from(msg->data, msg->len);
	struct channel_msg one;

	msg->id = 0;
	while (set_entry_unpack(&in, &one) == 0) {
		note(f, &one);
		if (answers(f, &one) && refuses(f, &one)) {
			answer(f, &one, true);
		} else {
			msg->id++;
		}
	}
	if (in.left > 0) {
		exit(6);
	}
}

static void handle(struct fake *f, struct channel_msg *msg)
{
	if (msg->type == MSG_SET) {
		handle_set(f, msg);
	}
	if (msg->type == MSG_LOG) {
		f->log_fd = msg->fds[0];
		msg->n_fds = 0;
	} else if (msg->type == MSG_QUIT || msg->type == MSG_DRAIN) {
		exit(0);
	} else {
		note(f, msg);
	}
	for (size_t i = 0; i < msg->n_fds; i++) {
		close(msg->fds[i]);
	}
	if (answers(f, msg)) {
		answer(f, msg, refuses(f, msg));
	}
}

/* As the log child; then the mode's file goes, as a sign. */
static void say_many(struct fake *f)
{
	struct channel_msg msg = {.type = MSG_LOG_STATS};

	for (uint64_t lines = 1; lines <= 200; lines++) {
		struct buf data;

		buf_init(&data, 64);
		buf_u64(&data, lines);
		buf_u64(&data, 0);
		msg.data = data.data;
		msg.len = data.len;
		say(f, &msg);
		buf_fini(&data);
	}
	unlink(getenv("SIXGATE_FAKE_WORKER"));
}

/* What the mode wants said before anything else. */
static void begin(struct fake *f)
{
	struct channel_msg odd = {.type = 99};

	if (strcmp(f->mode, "exit") == 0) {
		exit(3);
	}
	if (strcmp(f->mode, "mute") == 0) {
		pause();
	}
	say_hello(f, strcmp(f->mode, "gift") == 0 ? STDERR_FILENO : -1);
	if (strcmp(f->mode, "babble") == 0) {
		say(f, &odd);
	} else if (strcmp(f->mode, "twice") == 0) {
		say_hello(f, -1);
	} else if (strcmp(f->mode, "unasked") == 0) {
		odd = (struct channel_msg){.type = MSG_TENANT, .id = 7, .serial = 7};
		answer(f, &odd, false);
	} else if (strcmp(f->mode, "flood") == 0) {
		say_many(f);
	} else if (strcmp(f->mode, "hangup") == 0) {
		close(CHANNEL_FD);
		pause();
	}
}

int main(void)
{
	const char *path = getenv("SIXGATE_FAKE_WORKER");
	FILE *file = path ? fopen(path, "re") : NULL;
	struct fake f = {.log_fd = -1};
	struct channel_msg msg;
	int rc;

	if (!file || !fgets(f.mode, sizeof(f.mode), file) ||
	    channel_init(&f.channel, CHANNEL_FD) < 0) {
		return 5;
	}
	fclose(file);
	begin(&f);
	while ((rc = channel_recv(&f.channel, &msg)) >= 0) {
		if (rc == 0) {
			usleep(1000);
		} else {
			handle(&f, &msg);
		}
	}
	return 0;
}
