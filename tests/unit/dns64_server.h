/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A worker of DNS64 over its channel and real sockets on loopback: this process is its control, its
 * clients and its upstream. It runs in a process of its own, without the sandbox, which needs root
 * to be whole; tests/net has that.
 */
#ifndef SIXGATE_TESTS_DNS64_SERVER_H
#define SIXGATE_TESTS_DNS64_SERVER_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "dns64/worker.h"

#define WAIT_MS   10000
#define SILENT_MS 300
#define SLOT      7 /* counters of the tenant */
#define LISTENERS 2 /* ids 1 and 2: UDP and TCP */

enum {
	TYPE_A = 1,
	TYPE_AAAA = 28,
	RCODE_FORMERR = 1,
	RCODE_NOTIMP = 4,
	RCODE_REFUSED = 5,
};

struct fixture {
	pid_t pid;
	struct channel channel;
	struct counters *counters, *others;
	int listening[LISTENERS];
	int udp, upstream; /* ours: a client, and the one the worker asks */
	uint16_t port;     /* of the worker */
	uint64_t serial;
};

struct dgram {
	uint8_t bytes[65535 + 2];
	size_t len;
};

bool readable(int fd, int ms);
/* -1: somebody has that port. */
int bound(int family, int type, uint16_t *port);
int connected(const struct fixture *f, int type);
void answered(struct fixture *f, enum message type);
void order_fds(struct fixture *f, enum message type, uint32_t id, const struct buf *data,
	       const int *fds, size_t n_fds);
void order(struct fixture *f, enum message type, uint32_t id, const struct buf *data);
void give_node_with(struct fixture *f, const char *upstream, uint64_t cache_bytes);
void give_node(struct fixture *f, const char *upstream);
/* rate: queries a second; 0: as the node says, which is any. */
void give_tenant_with(struct fixture *f, const char *prefix, uint32_t rate);
/* The client here is a tenant, or (prefix is another one) not. */
void give_tenant(struct fixture *f, const char *prefix);
int setup(void **state);
/* Clients may be silent for longer than any test takes. */
int setup_patient(void **state);
/* The same, and there may be so many by TCP. */
#define NARROW_CLIENTS 4
int setup_narrow(void **state);
int wait_exit(struct fixture *f);
int teardown(void **state);
void put(struct dgram *m, const void *bytes, size_t len);
void put_u16(struct dgram *m, unsigned int v);
/* Appends a query; name is of one label, below example. */
void put_query(struct dgram *m, unsigned int id, const char *label, unsigned int type);
/* One that the worker answers by itself. */
void put_local(struct dgram *m, unsigned int id);
unsigned int u16_at(const struct dgram *m, size_t at);
unsigned int rcode(const struct dgram *m);
bool receive(int fd, struct dgram *m, int ms);
void ask_udp(const struct fixture *f, const struct dgram *query, struct dgram *answer);
/* As upstream: the next question is answered with n addresses 198.51.x.x, or of AAAA with none. */
unsigned int play_upstream(const struct fixture *f, unsigned int n);
/* An AAAA question goes to the upstream, then one for A. */
void play_synthesis(const struct fixture *f, unsigned int n);
uint64_t counted(const struct fixture *f, enum worker_counter which);
/* Of the tenant. */
uint64_t counted_of(const struct fixture *f, enum counter which);
void put_stream(struct dgram *stream, const struct dgram *query);
void expect_end(int fd);

#define WITH(name)    cmocka_unit_test_setup_teardown(name, setup, teardown)
#define PATIENT(name) cmocka_unit_test_setup_teardown(name, setup_patient, teardown)

#endif
