/* SPDX-License-Identifier: GPL-3.0-or-later */
/* sixgate-proxy: a worker process, see worker/program.h. */
#include <stdlib.h>

#include "base/log.h"
#include "proxy/worker.h"
#include "worker/program.h"

#define MOD "proxy"

static int proxy_init(void *worker, struct err *err)
{
	return worker_init(worker, err);
}

static struct link *proxy_link(void *worker)
{
	return &((struct worker *)worker)->link;
}

static int proxy_run(void *worker)
{
	return worker_run(worker);
}

static void proxy_fini(void *worker)
{
	worker_fini(worker);
}

int main(int argc, char **argv)
{
	static const struct program program = {
		.name = "sixgate-proxy",
		.mod = MOD,
		.sandbox = SANDBOX_PROXY,
		.init = proxy_init,
		.link = proxy_link,
		.run = proxy_run,
		.fini = proxy_fini,
	};
	struct worker *w = calloc(1, sizeof(*w));
	int status;

	if (!w) {
		log_err(MOD, "out of memory");
		return EXIT_FAILURE;
	}
	status = program_main(&program, w, argc, argv);
	free(w);
	return status;
}
