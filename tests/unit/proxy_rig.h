/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SIXGATE_TESTS_UNIT_PROXY_RIG_H
#define SIXGATE_TESTS_UNIT_PROXY_RIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/channel.h"
#include "base/counters.h"
#include "conf/model/message.h"
#include "conf/model/tenant.h"

/*
 * A real sixgate-proxy with the test as its control: channel, counters, log pipe, listening
 * sockets on 127.0.0.1 and backends on ::1. Every call asserts that it succeeded, and whatever
 * waits gives up after RIG_WAIT_MS.
 */
#define RIG_WAIT_MS       10000
#define RIG_LOG_MAX       (1 << 20)
#define RIG_SLOT_LISTENER 1
#define RIG_SLOT_TENANT   2
#define RIG_SLOT_SERVICE  3  /* and on: one for each */
#define RIG_SLOT_BACKEND  10 /* and on */

struct rig {
	pid_t pid;
	struct channel channel;
	struct counters *counters; /* the worker's, as control sees them */
	int log_fd;                /* read end */
	char *log;                 /* what came so far, terminated */
	size_t log_len;
	uint64_t serial;
	uint32_t answered_id; /* of the last answer */
	unsigned int fds;     /* of the worker at rest */
	int sndbuf;           /* as in the options */
	uint8_t hello[128];   /* its first message, as it came */
	size_t hello_len;
	char root[64];
};

struct rig_options {
	size_t nofile;         /* RLIMIT_NOFILE of the worker; 0: as here */
	const char *preload;   /* LD_PRELOAD; NULL: none */
	char fault[64];        /* for that library; see fault.c */
	size_t log_pipe_bytes; /* 0: as the system has it */
	int sndbuf;            /* bytes, of clients' sockets; 0: as the system has it */
	uint64_t last_number;  /* of a session of the worker before */
	struct node_conf node; /* zeroed members get defaults */
};

void rig_start(struct rig *rig, const struct rig_options *options);
/* Ends the worker by QUIT, checks what must hold at rest, frees everything. */
void rig_stop(struct rig *rig);
/* Waits until the worker has ended by itself. Returns its exit status. */
int rig_wait_exit(struct rig *rig);

/* Sends a message with up to one descriptor (-1: none), which stays the caller's. */
void rig_send(struct rig *rig, enum message type, uint32_t id, const struct buf *data, int fd);
/* Waits for the answer to the last message. Returns MSG_ACK or MSG_NAK. */
enum message rig_answer(struct rig *rig);
/* Both, and the answer must be ACK. */
void rig_do(struct rig *rig, enum message type, uint32_t id, const struct buf *data, int fd);

/* A tenant "acme" with a service "web" on ::1, exposed as 127.0.0.1:port or as shop.example. */
struct rig_tenant {
	struct tenant_conf conf;
	struct service_conf service;
	struct backend_conf backends[4];
	struct expose_conf expose;
	struct name_pattern name;
	struct prefix prefix;
};
void rig_tenant_init(struct rig_tenant *t, enum protocol protocol, uint16_t port, uint16_t to);
enum message rig_put_tenant(struct rig *rig, uint32_t id, const struct tenant_conf *conf);

/* A listening socket on address, port 0: any. */
int rig_listen(const char *address, uint16_t *ret_port);
/* Makes a listener of protocol on 127.0.0.1 and hands it over. Returns its port. */
uint16_t rig_add_listener(struct rig *rig, uint32_t id, enum protocol protocol);
int rig_connect(const char *address, uint16_t port);
int rig_accept(int listen_fd);
/* All of len bytes, or the test fails. */
void rig_write(int fd, const void *data, size_t len);
void rig_read(int fd, void *data, size_t len);
/* The next read meets the end (0) or a reset (ECONNRESET). */
void rig_expect_eof(int fd);
void rig_expect_reset(int fd);
/* Who connects there is accepted and reset. */
void rig_expect_refused(const char *address, uint16_t port);
void rig_reset(int fd); /* closes fd by RST */

/* Waits until the log holds text. */
void rig_expect_log(struct rig *rig, const char *text);
uint64_t rig_count(const struct rig *rig, uint32_t slot, enum counter which);
/* Waits until a counter has a value. */
void rig_expect_count(const struct rig *rig, uint32_t slot, enum counter which, uint64_t value);
unsigned int rig_fds(const struct rig *rig);

/* A worker with one listener and that tenant, whose backend is played by the test. */
struct bench {
	struct rig rig;
	struct rig_tenant tenant;
	int backend_fd; /* listening */
	uint16_t port;  /* of the listener */
	uint16_t to;    /* of the backend */
};

void bench_start(struct bench *b, enum protocol protocol, const struct rig_options *options);
/* Puts b->tenant in force again, after a change. */
void bench_update(struct bench *b);
/* Asserts that no session and no descriptor is left. */
void bench_stop(struct bench *b);
void bench_open(const struct bench *b, int *ret_client, int *ret_backend);
/* text goes from one end to the other unchanged. */
void bench_exchange(int from, int to, const char *text);
/* Closes both ends, the client's first. */
void bench_end(int client, int backend);
/* Waits for a line of the log with this close reason. */
void bench_expect_closed(struct bench *b, const char *reason);
/* A new client is reset, for this reason. */
void bench_expect_refused(struct bench *b, const char *reason);

#endif
