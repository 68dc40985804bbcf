/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Pool of splice pipes; see pipes.h. Called by the relay alone. */
#include "proxy/pipes.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

void pipes_init(struct pipes *pipes, unsigned int max)
{
	*pipes = (struct pipes){.max = max};
}

static void pipes_count(struct pipes *pipes, int n)
{
	pipes->n_open += (unsigned int)n;
	if (pipes->counters) {
		worker_counter_add(pipes->counters, WORKER_PIPES, (uint64_t)(int64_t)n);
	}
}

static void pipe_close(struct pipes *pipes, struct pipe *pipe)
{
	close(pipe->fds[0]);
	close(pipe->fds[1]);
	free(pipe);
	pipes_count(pipes, -1);
}

void pipes_fini(struct pipes *pipes)
{
	while (pipes->free) {
		struct pipe *pipe = pipes->free;

		pipes->free = pipe->next;
		pipe_close(pipes, pipe);
	}
}

struct pipe *pipes_get(struct pipes *pipes)
{
	struct pipe *pipe = pipes->free;

	if (pipe) {
		pipes->free = pipe->next;
		return pipe;
	}
	if (pipes->n_open >= pipes->max) {
		return NULL;
	}
	pipe = calloc(1, sizeof(*pipe));
	if (!pipe) {
		return NULL;
	}
	if (pipe2(pipe->fds, O_NONBLOCK | O_CLOEXEC) < 0) {
		free(pipe);
		return NULL;
	}
	pipes_count(pipes, 1);
	return pipe;
}

void pipes_put(struct pipes *pipes, struct pipe *pipe)
{
	if (!pipe) {
		return;
	}
	if (pipe->held > 0) {
		pipe_close(pipes, pipe);
		return;
	}
	pipe->next = pipes->free;
	pipes->free = pipe;
}
