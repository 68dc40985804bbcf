/* SPDX-License-Identifier: GPL-3.0-or-later */
/* sixgate-dns64: a worker process, see worker/program.h. */
#include <stdlib.h>

#include "base/log.h"
#include "dns64/worker.h"
#include "worker/program.h"

#define MOD "dns64"

static int dns64_init(void *worker, struct err *err)
{
	return dns_worker_init(worker, err);
}

static struct link *dns64_link(void *worker)
{
	return &((struct dns_worker *)worker)->link;
}

static int dns64_run(void *worker)
{
	return dns_worker_run(worker);
}

static void dns64_fini(void *worker)
{
	dns_worker_fini(worker);
}

int main(int argc, char **argv)
{
	static const struct program program = {
		.name = "sixgate-dns64",
		.mod = MOD,
		.sandbox = SANDBOX_DNS64,
		.init = dns64_init,
		.link = dns64_link,
		.run = dns64_run,
		.fini = dns64_fini,
	};
	struct dns_worker *w = calloc(1, sizeof(*w));
	int status;

	if (!w) {
		log_err(MOD, "out of memory");
		return EXIT_FAILURE;
	}
	status = program_main(&program, w, argc, argv);
	free(w);
	return status;
}
