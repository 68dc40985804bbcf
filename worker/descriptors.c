/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The limit of open files; see program.h. */
#include <sys/resource.h>

#include "worker/program.h"

size_t program_raise_descriptors(void)
{
	/* The soft limit is for programs that use select(2). */
	struct rlimit limit = {.rlim_cur = 1024, .rlim_max = 1024};

	(void)getrlimit(RLIMIT_NOFILE, &limit); /* cannot fail for this resource */
	limit.rlim_cur = limit.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &limit) < 0) {
		(void)getrlimit(RLIMIT_NOFILE, &limit);
	}
	return limit.rlim_cur;
}
