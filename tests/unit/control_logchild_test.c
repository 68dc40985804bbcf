/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The log child as control sees it, played by fake_worker.c. */
#include "gateway/control/logchild.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "gateway/control/workers.h"
#include "tests/unit/control_rig.h"

static void test_child_that_says_much_is_read_in_batches(void **state)
{
	const struct access_log_conf conf = {.on = true};
	struct rig *rig = calloc(1, sizeof(*rig));
	struct logchild *lc = &rig->c.logchild;
	char mode[] = "/tmp/logchild-test-XXXXXX", path[512];
	uint64_t until_ms = clock_ms() + 10000;
	struct err err = {0};
	int fd = mkstemp(mode);

	(void)state;
	assert_int_equal(write(fd, "flood", 5), 5);
	close(fd);
	assert_int_equal(setenv("SIXGATE_FAKE_WORKER", mode, 1), 0);
	assert_int_equal(program_path("fake_worker", path, sizeof(path), &err), 0);
	rig_init(rig, 1, NULL);
	*lc = (struct logchild){
		.helper = {.loop = &rig->c.loop,
			   .problems = &rig->c.problems,
			   .path = path,
			   .user = "nobody",
			   .root = "/"},
		.workers = &rig->c.workers,
	};
	logchild_init(lc);
	assert_int_equal(logchild_configure(lc, &conf), 0);
	while (access(mode, F_OK) == 0 && clock_ms() < until_ms) {
		(void)poll(NULL, 0, 1);
	}
	lc->helper.readable.ready(&lc->helper.readable, EPOLLIN);
	assert_true(lc->lines > 0 && lc->lines < 200);
	lc->helper.readable.ready(&lc->helper.readable, EPOLLIN);
	assert_int_equal(lc->lines, 200);
	logchild_fini(lc);
	rig_fini(rig);
	free(rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_child_that_says_much_is_read_in_batches),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
