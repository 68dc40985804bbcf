/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What tests of the handover share; see handover_rig.h. */
#include "tests/unit/handover_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/un.h>
#include <unistd.h>

#include "gateway/control/former.h"
#include "gateway/control/notify.h"
#include "gateway/control/socket.h"
#include "gateway/control/spawn.h"

static void on_changed(void *ctx)
{
	struct fixture *f = ctx;

	f->n_changed++;
	f->loop.stop = f->former.n == 0;
}

static const struct former_ops former_ops = {.changed = on_changed};

static void reserve(void)
{
	int null = open("/dev/null", O_RDONLY | O_CLOEXEC);

	assert_true(null >= 0);
	for (int fd = 3; fd < 3 + RESERVED; fd++) {
		assert_int_equal(dup2(null, fd), fd);
	}
	if (null >= 3 + RESERVED) {
		close(null);
	}
}

static struct fixture *fixture_new(int manager)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct err err = {0};

	assert_non_null(f);
	reserve();
	assert_int_equal(loop_init(&f->loop, &err), 0);
	assert_int_equal(notify_init(&f->notify, &f->loop, &err), 0);
	f->former = (struct former){.loop = &f->loop, .ops = &former_ops, .ctx = f};
	f->manager = manager;
	f->local = (struct endpoint){
		.addr = {.b = {[10] = 0xff, 0xff, 127, 0, 79, 1}},
		.port = (uint16_t)(10000 + getpid() % 50000),
	};
	return f;
}

int setup(void **state)
{
	*state = fixture_new(-1);
	return 0;
}

int setup_managed(void **state)
{
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	int manager = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), n;
	char path[64];

	n = snprintf(path, sizeof(path), "@sixgate-handover-test-%d", (int)getpid());
	memcpy(sa.sun_path + 1, path + 1, (size_t)n - 1);
	assert_int_equal(bind(manager, (struct sockaddr *)&sa,
			      (socklen_t)(offsetof(struct sockaddr_un, sun_path) + (size_t)n)),
			 0);
	manager = fcntl(manager, F_DUPFD_CLOEXEC, 3 + RESERVED);
	setenv("NOTIFY_SOCKET", path, 1);
	*state = fixture_new(manager);
	return 0;
}

int teardown(void **state)
{
	struct fixture *f = *state;

	handover_fini(&f->handover);
	former_fini(&f->former);
	notify_fini(&f->notify);
	loop_fini(&f->loop);
	if (f->manager >= 0) {
		close(f->manager);
	}
	for (int fd = 3; fd < 3 + RESERVED; fd++) {
		close(fd);
	}
	free(f);
	return 0;
}

void open_group(const struct fixture *f, int fds[WORKERS])
{
	const struct selector selector = {.n = WORKERS, .live = 3};
	const struct socket_group group = {.local = f->local,
					   .uid = geteuid(),
					   .selector = &selector};
	struct err err = {0};

	if (sockets_open(&group, fds, &err) < 0) {
		fail_msg("%s", err.msg);
	}
}

void name_of(const struct fixture *f, unsigned int slot, char text[FDSTORE_NAME_MAX])
{
	const struct handover_name name = {.local = f->local, .slot = slot, .n_slots = WORKERS};

	handover_name_format(&name, text);
}

bool is_open(int fd)
{
	return fcntl(fd, F_GETFD) >= 0;
}

void take_in(struct fixture *f)
{
	struct err err = {0};

	if (handover_read(&f->handover, &f->notify, &f->former, &err) < 0) {
		fail_msg("%s", err.msg);
	}
	assert_null(getenv("LISTEN_PID"));
	assert_null(getenv("LISTEN_FDS"));
	assert_null(getenv("LISTEN_FDNAMES"));
	assert_null(getenv(HANDOVER_VARIABLE));
}

struct handover_name group_of(const struct endpoint *local, unsigned int n_slots)
{
	return (struct handover_name){.local = *local, .n_slots = n_slots};
}

void match(struct fixture *f, unsigned int n_slots, uid_t uid)
{
	const uid_t uids[2] = {uid, uid};

	handover_match(&f->handover, n_slots, uids);
}

bool take(struct fixture *f, const struct endpoint *local, unsigned int n_slots, int *ret_fds)
{
	const struct handover_name group = group_of(local, n_slots);

	return handover_take(&f->handover, &group, geteuid(), ret_fds);
}
