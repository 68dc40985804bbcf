/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SIXGATE_TESTS_TENANTS_RIG_H
#define SIXGATE_TESTS_TENANTS_RIG_H

#include <stddef.h>
#include <stdint.h>

#include "tests/unit/control_rig.h"

/*
 * Files of a registry on their way to workers: the folder, the parser and the sockets are real;
 * the workers' side of the feeds is the test.
 */
#define WORKERS    2
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

struct fixture {
	struct rig rig;
	struct tenants *tenants; /* of rig.c, as the next four */
	struct items *items;
	struct problems *problems;
	struct listeners *listeners;
	struct slots *slots;
	unsigned int port;     /* of the node's listener; those above are free */
	unsigned int n_read;   /* times that a file was handed out */
	bool kept;             /* each run knows by a snapshot what the one before had in force */
	unsigned int reserved; /* of the node config: the first /64s that are no tenant's */
	char folder[64];
};

int setup(void **state);
int setup_kept(void **state);
int teardown(void **state);

/* The end of control, and its start: with `kept` all files were handed out on return. */
void run_end(struct fixture *f);
void run_begin(struct fixture *f);
/* As a reload, by f->reserved. */
void change_node(struct fixture *f);

/* While no run is to hear of it. */
void write_file(struct fixture *f, const char *file, const char *tenant, unsigned int serial,
		const char *more);
void remove_file(struct fixture *f, const char *file);
/* Hands a file's new text to tenants, as the folder does. more: keys of the object. */
void put(struct fixture *f, const char *file, const char *tenant, unsigned int serial,
	 const char *more);
/* The same without handing it out: several files may change in one step. */
void put_quietly(struct fixture *f, const char *file, const char *tenant, unsigned int serial,
		 const char *more);
void take_away(struct fixture *f, const char *file);

/* The services of a tenant in 2001:db8:a000:N::/64 with one exposure on port. */
const char *web(char dst[512], unsigned int n, const char *expose);
const char *tcp(char dst[128], unsigned int port);
const char *tls(char dst[128], const char *name, unsigned int port);

struct seen {
	unsigned int n_tenants, n_swaps, n_removed, n_listeners, n_listeners_removed;
	uint64_t tenant_serial; /* the object's own, of the last TENANT */
};

/*
 * Lets a worker take all it is sent. Tenants with this serial of their own are refused (0: none).
 */
struct seen work(struct fixture *f, unsigned int slot, uint64_t refuse);
void work_all(struct fixture *f);

uint64_t serial_in_force(struct fixture *f, const char *name);
size_t n_listeners(struct fixture *f);

#endif
