/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What is said to the service manager about descriptors it keeps; called by handover.c. */
#include "gateway/control/fdstore.h"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include "gateway/control/notify.h"

#define POLL_MS 20

void fdstore_put(struct notify *n, const char *name, int fd)
{
	/* FDPOLL=0: it is we who say when a socket goes */
	notify_send_fd(n, fd, "FDSTORE=1\nFDNAME=%s\nFDPOLL=0", name);
}

void fdstore_remove(struct notify *n, const char *name)
{
	notify_send(n, "FDSTOREREMOVE=1\nFDNAME=%s", name);
}

/* The manager closes the descriptor of a barrier when it has come that far. */
bool fdstore_barrier(struct notify *n, int ms)
{
	struct pollfd wait = {.fd = n->fd, .events = POLLOUT};
	uint64_t now_ms = clock_ms(), until_ms = now_ms + (uint64_t)ms;
	bool done = false;
	int ends[2];

	if (n->fd < 0) {
		return true;
	}
	if (pipe2(ends, O_CLOEXEC) < 0) {
		return false;
	}
	notify_send_fd(n, ends[1], "BARRIER=1");
	close(ends[1]);
	for (; notify_busy(n) && now_ms < until_ms; now_ms = clock_ms()) {
		(void)poll(&wait, 1, POLL_MS); /* the queue says whether it helped */
		notify_flush(n);
	}
	wait = (struct pollfd){.fd = ends[0]};
	for (; !done && now_ms < until_ms; now_ms = clock_ms()) {
		done = poll(&wait, 1, (int)(until_ms - now_ms)) > 0;
	}
	close(ends[0]);
	return done;
}
