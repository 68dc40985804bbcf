/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SIXGATE_GATEWAY_WORKERS_H
#define SIXGATE_GATEWAY_WORKERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/channel.h"
#include "base/counters.h"
#include "base/cursor.h"
#include "base/log.h"
#include "base/loop.h"
#include "gateway/control/spawn.h"

struct former;
struct listeners;
struct items;
struct problems;
struct slots;

/*
 * The worker processes of one kind, the proxy's or DNS64's.
 *
 * MSG_COUNTERS carries a worker's own segment and one of each.
 */
#define WORKERS_USABLE (CHANNEL_FDS_MAX - 1)

enum worker_state {
	WORKER_DOWN,     /* ended; started again by the timer */
	WORKER_STARTING, /* no HELLO yet */
	WORKER_LOADING,  /* gets its first full set */
	WORKER_READY,
};

/*
 * A worker slot. What has to outlive the process is made once: the counter segment, and in
 * listeners.h the sockets.
 */
struct worker {
	struct workers *workers;
	unsigned int slot;
	unsigned int feed; /* of items */
	enum worker_state state;
	struct child child;
	struct io exited;   /* child.pidfd */
	struct io readable; /* channel.fd */
	struct channel channel;
	struct timer timer; /* the state's time limit, or the next proof of life */
	uint64_t started_ms, heard_ms;
	uint64_t ping;        /* serial of the STATS without an answer; 0: none */
	uint64_t ping_sent;   /* items that were sent before it */
	uint64_t loaded_ping; /* its answer says that the first full set is in force */
	bool died;            /* at least once: its sockets may need somebody */
	bool draining;
	bool told_refusal;  /* the log has it that loans are refused */
	bool refuses_loans; /* asked again, or another one is, by workers.loans */
	int covered_by;     /* worker slot that serves its sockets; -1 */
	unsigned int restarts, backoff_ms;
	int counters_fd, counters_ro_fd; /* owned */
	struct counters *counters;       /* owned mapping */
	int log_fd;                      /* owned: read end of its log; the write end is its own */
};

struct workers_times {
	unsigned int hello_ms;                   /* from start to HELLO */
	unsigned int ping_ms;                    /* between proofs of life */
	unsigned int silence_ms;                 /* without a word, though asked */
	unsigned int soon_ms;                    /* dying within this counts as dying again */
	unsigned int backoff_ms, backoff_max_ms; /* the second restart waits, and the longest */
	unsigned int loan_ms;                    /* until a loan is tried again */
};

extern const struct workers_times workers_times_default;

struct workers_ops {
	/* A worker came, went, or is ready. */
	void (*changed)(void *ctx);
	/* The answer to what a verb has asked; refused is NULL for ACK. As the next one NULL where
	 * nobody asks. */
	void (*answered)(void *ctx, unsigned int slot, uint16_t type, uint64_t serial,
			 const struct str *refused);
	/* It ended; what it was asked for will not be answered. */
	void (*gone)(void *ctx, unsigned int slot);
	/* It has a new log: workers.worker[slot].log_fd. */
	void (*logs)(void *ctx, unsigned int slot);
};

struct workers {
	struct loop *loop; /* borrowed, as the next four */
	struct items *items;
	struct listeners *listeners;
	struct slots *slots;
	struct problems *problems;
	const struct former *former; /* NULL: no segments of before an upgrade */
	const char *what;            /* one of them, for messages; NULL: "worker" */
	unsigned int first_feed;     /* of items, that of slot 0 */
	const struct workers_ops *ops;
	void *ctx;
	const struct workers_times *times; /* borrowed */
	const char *path;                  /* of the program; borrowed */
	const char *user;                  /* they become, if we are root; borrowed */
	const char *root;                  /* their root folder; borrowed */
	unsigned int n;
	bool released;                          /* there is a full set to send */
	enum log_level log_level;               /* theirs */
	bool stopping;                          /* who ends stays down */
	uint64_t serial;                        /* of questions */
	struct buf set;                         /* entries of the SET that is being made */
	struct timer loans;                     /* armed: one was refused */
	struct worker *worker;                  /* owned: n of them */
	struct counters *segments[WORKERS_MAX]; /* of each worker, for sums */
};

/* Makes n slots with segments and pipes; starts nothing. The borrowed members are set before. */
int workers_init(struct workers *ws, unsigned int n, struct err *err) CHECKED;
/* Ends what still runs, without waiting for sessions. */
void workers_fini(struct workers *ws);
/* Starts all. On failure none runs. */
int workers_start(struct workers *ws, struct err *err) CHECKED;
/* The full set is complete: workers may have it. */
void workers_release(struct workers *ws);
/* Sends what has changed, as far as channels take it, until until_ms. True when there is more. */
bool workers_pump(struct workers *ws, uint64_t until_ms);
/* All end within ms, when their last session does. */
void workers_drain(struct workers *ws, uint32_t ms);
void workers_quit(struct workers *ws);
/* For those that run and those to come. */
void workers_set_log_level(struct workers *ws, enum log_level level);
/* How many are in that state. */
unsigned int workers_count(const struct workers *ws, enum worker_state state);
const char *worker_state_name(const struct worker *w);
#define WORKER_WHAT_MAX 40
/* "worker 0" */
const char *worker_what(const struct worker *w, char dst[WORKER_WHAT_MAX]);
/*
 * Sends msg to one worker. Returns 0, -ENOTCONN when it is not up, or the channel's error, which
 * is logged.
 */
int worker_send(struct worker *w, const struct channel_msg *msg);

/* What the files of workers share. */
void worker_ready(struct worker *w);
void worker_kill(struct worker *w, const char *why);
int worker_open_channel(struct worker *w) CHECKED;
void worker_close_channel(struct worker *w);
void worker_ping(struct worker *w);

/*
 * Puts live workers in the place of those that died: new connections go to them, and what waits in
 * a dead worker's sockets is accepted by a sibling until it is back.
 */
void workers_cover(struct workers *ws);
/* A sibling did not take a socket that it was lent. */
void workers_loan_refused(struct worker *sibling);
void workers_lend_again(struct timer *timer);

#endif
