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

static unsigned int pipe_units(const struct pipe *pipe)
{
	return pipe->large ? PIPE_LARGE_UNITS : 1;
}

static void pipe_close(struct pipes *pipes, struct pipe *pipe)
{
	close(pipe->fds[0]);
	close(pipe->fds[1]);
	pipes->n_open--;
	pipes->units -= pipe_units(pipe);
	pipes->large_units -= pipe->large ? PIPE_LARGE_UNITS : 0;
	if (pipes->counters) {
		worker_counter_add(pipes->counters, WORKER_PIPES, (uint64_t)-1);
	}
	free(pipe);
}

void pipes_fini(struct pipes *pipes)
{
	for (unsigned int large = 0; large < 2; large++) {
		while (pipes->free[large]) {
			struct pipe *pipe = pipes->free[large];

			pipes->free[large] = pipe->next;
			pipe_close(pipes, pipe);
		}
	}
}

static bool wants_large(const struct pipes *pipes)
{
	return !pipes->only_usual && pipes->large_units + PIPE_LARGE_UNITS <= pipes->max / 2 &&
	       pipes->units + PIPE_LARGE_UNITS <= pipes->max;
}

static struct pipe *pipe_open(struct pipes *pipes)
{
	struct pipe *pipe;

	if (pipes->units >= pipes->max) {
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
	if (wants_large(pipes)) {
		pipe->large =
			fcntl(pipe->fds[1], F_SETPIPE_SZ, PIPE_LARGE_BYTES) >= PIPE_LARGE_BYTES;
		pipes->only_usual = !pipe->large; /* the system allows less */
	}
	pipes->n_open++;
	pipes->units += pipe_units(pipe);
	pipes->large_units += pipe->large ? PIPE_LARGE_UNITS : 0;
	if (pipes->counters) {
		worker_counter_add(pipes->counters, WORKER_PIPES, 1);
	}
	return pipe;
}

static struct pipe *pipes_take(struct pipes *pipes)
{
	for (unsigned int large = 2; large-- > 0;) {
		struct pipe *pipe = pipes->free[large];

		/* a new large one is better than a free usual one */
		if (pipe && (large || !wants_large(pipes))) {
			pipes->free[large] = pipe->next;
			return pipe;
		}
	}
	return pipe_open(pipes);
}

struct pipe *pipes_get(struct pipes *pipes, struct flow *holder, uint64_t now_ms)
{
	struct pipe *pipe = pipes_take(pipes);

	if (!pipe) {
		return NULL;
	}
	pipe->holder = holder;
	pipe->moved_ms = now_ms;
	pipe->prev = NULL;
	pipe->next = pipes->lent;
	if (pipe->next) {
		pipe->next->prev = pipe;
	}
	pipes->lent = pipe;
	return pipe;
}

void pipes_put(struct pipes *pipes, struct pipe *pipe)
{
	if (!pipe) {
		return;
	}
	if (pipe->prev) {
		pipe->prev->next = pipe->next;
	} else {
		pipes->lent = pipe->next;
	}
	if (pipe->next) {
		pipe->next->prev = pipe->prev;
	}
	if (pipe->held > 0) {
		pipe_close(pipes, pipe);
		return;
	}
	pipe->next = pipes->free[pipe->large];
	pipes->free[pipe->large] = pipe;
}
