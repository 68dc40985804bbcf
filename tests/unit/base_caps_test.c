/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Capabilities given up for good, as the kernel shows them in /proc. Needs root. */
#include <linux/capability.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/caps.h"

#define N_ELEMENTS(a) (sizeof(a) / sizeof((a)[0]))

/* One set of this process: "CapPrm", "CapBnd", ... */
static uint64_t own_set(const char *name)
{
	FILE *f = fopen("/proc/self/status", "r");
	char line[256];
	uint64_t set = UINT64_MAX;

	while (f && fgets(line, sizeof(line), f)) {
		if (strncmp(line, name, strlen(name)) == 0) {
			set = strtoull(line + strlen(name) + 1, NULL, 16);
		}
	}
	if (f) {
		fclose(f);
	}
	return set;
}

/* Runs in a child, because there is no way back. Returns its exit status. */
static int in_child(int (*run)(void))
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		_exit(run());
	}
	assert_true(pid > 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

static int keep_two(void)
{
	static const unsigned int wanted[] = {CAP_KILL, CAP_NET_BIND_SERVICE};
	const uint64_t want = UINT64_C(1) << CAP_KILL | UINT64_C(1) << CAP_NET_BIND_SERVICE;

	if (caps_bound(wanted, N_ELEMENTS(wanted), NULL) < 0) {
		return 1;
	}
	if (!caps_have(CAP_KILL) || caps_have(CAP_SYS_ADMIN)) {
		return 2;
	}
	return own_set("CapPrm:") == want && own_set("CapEff:") == want &&
			       own_set("CapBnd:") == want && own_set("CapInh:") == 0 &&
			       own_set("CapAmb:") == 0
		       ? 0
		       : 3;
}

static int keep_none(void)
{
	return caps_bound(NULL, 0, NULL) == 0 && own_set("CapPrm:") == 0 && own_set("CapBnd:") == 0
		       ? 0
		       : 1;
}

/* What a container has left out is not asked for again. */
static int keep_what_is_not_there(void)
{
	static const unsigned int first[] = {CAP_KILL, CAP_SETPCAP},
				  wanted[] = {CAP_KILL, CAP_NET_ADMIN};

	return caps_bound(first, N_ELEMENTS(first), NULL) == 0 &&
			       caps_bound(wanted, N_ELEMENTS(wanted), NULL) == 0 &&
			       own_set("CapPrm:") == UINT64_C(1) << CAP_KILL
		       ? 0
		       : 1;
}

static void root_keeps_what_it_wants_and_no_more(void **state)
{
	(void)state;
	if (geteuid() != 0) {
		skip();
	}
	assert_int_equal(in_child(keep_two), 0);
	assert_int_equal(in_child(keep_none), 0);
	assert_int_equal(in_child(keep_what_is_not_there), 0);
}

static void have_says_what_the_kernel_says(void **state)
{
	uint64_t effective = own_set("CapEff:");

	(void)state;
	for (unsigned int cap = 0; cap <= CAP_LAST_CAP; cap++) {
		assert_int_equal(caps_have(cap), effective >> cap & 1);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(root_keeps_what_it_wants_and_no_more),
		cmocka_unit_test(have_says_what_the_kernel_says),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
