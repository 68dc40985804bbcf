/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SIXGATE_GATEWAY_CONTROL_H
#define SIXGATE_GATEWAY_CONTROL_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/loop.h"
#include "conf/model/node.h"
#include "gateway/control/carry.h"
#include "gateway/control/drift.h"
#include "gateway/control/former.h"
#include "gateway/control/handover.h"
#include "gateway/control/identity.h"
#include "gateway/control/items.h"
#include "gateway/control/keeper.h"
#include "gateway/control/listeners.h"
#include "gateway/control/logchild.h"
#include "gateway/control/notify.h"
#include "gateway/control/port_alarm.h"
#include "gateway/control/problems.h"
#include "gateway/control/responder.h"
#include "gateway/control/serial.h"
#include "gateway/control/server.h"
#include "gateway/control/slots.h"
#include "gateway/control/tenants.h"
#include "gateway/control/upgrade.h"
#include "gateway/control/uplink.h"
#include "gateway/control/workers.h"

#define DRAIN_MS 30000 /* sessions' time to end after SIGTERM */

enum control_phase {
	CONTROL_STARTING, /* reading the registry, workers not ready yet */
	CONTROL_RUNNING,
	CONTROL_DRAINING, /* after SIGTERM: until the last worker has ended */
};

/* A new node config on its way, see reload.c. */
enum reload_phase {
	RELOAD_IDLE,
	RELOAD_SENT,    /* conf is with the workers */
	RELOAD_TAKEN,   /* by all of them */
	RELOAD_REFUSED, /* by one of them: why */
	RELOAD_TELLING, /* in force; the workers are told of the listeners it has changed */
};

struct reload {
	enum reload_phase phase;
	bool wanted;            /* begins when the one under way has ended */
	bool notified;          /* the service manager was told of it */
	uint64_t serial;        /* of the one under way, or the last */
	uint32_t confirm_s;     /* its config is to be confirmed within; 0: is not */
	uint64_t told;          /* while RELOAD_TELLING: items.serial of the last change */
	struct node_conf *conf; /* owned; NULL: none under way */
	struct timer late;
	char why[ERR_MSG_MAX + 64];
};

/* A config in force on probation, see confirm.c. */
struct confirm {
	struct node_conf *former; /* owned: what comes back; NULL: nothing to confirm */
	struct timer timer;
	bool going_back; /* the reload under way brings former back */
};

/* The one of each that sixgated has. */
struct control {
	struct loop loop;
	enum control_phase phase;
	uint64_t started_ms;
	const char *conf_path, *run_dir; /* borrowed from main */
	char proxy_path[PATH_MAX], agent_path[PATH_MAX], dns64_path[PATH_MAX], empty_dir[PATH_MAX];
	struct identity identity;
	struct io signals;
	struct timer deadline; /* of the drain */
	struct notify notify;
	struct handover handover;
	struct former former;
	struct carry carry;
	struct upgrade upgrade;

	struct node_conf *conf; /* owned: in force */
	struct item node;       /* conf, or that of reload, on its way to the workers */
	struct reload reload;
	struct confirm confirm;
	struct items items;
	struct serial serial; /* of items, with dns64.zone */
	struct slots slots;
	struct problems problems;
	struct listeners listeners;
	struct workers workers;
	struct listeners dns64_listeners; /* these two without dns64 are empty */
	struct workers dns64;
	struct counters *segments[WORKERS_MAX]; /* of all workers, for sums */
	struct logchild logchild, query_log;
	struct responder responder;
	struct registry_dir *dir; /* owned */
	unsigned int n_read;      /* its files, until all were handed out once */
	struct tenants tenants;
	struct keeper keeper;
	struct kernel *kernel; /* owned; NULL: we may not */
	struct drift drift;
	struct port_alarm port_alarm;
	struct uplink uplink;
	struct server server;
};

struct control_setup {
	const char *conf_path, *run_dir;
	char *const *argv;      /* of main */
	struct node_conf *conf; /* is taken over, also on failure */
	/* The same, when conf is on probation: what comes back in confirm_s seconds. NULL: none. */
	struct node_conf *former;
	uint32_t confirm_s;
	bool rolled_back; /* conf is not the file's: that was not confirmed */
	struct identity identity;
};

/*
 * Starts everything: control socket, workers, listeners, registry; the kernel when that was read.
 * On 0 ret_control is the caller's: control_run(), then control_free().
 */
int control_new(const struct control_setup *setup, struct control **ret_control,
		struct err *err) CHECKED;
/* Runs until a signal has ended it. Returns 0 or a negative errno of the loop. */
int control_run(struct control *c) CHECKED;
/* Ends the workers that are left; the kernel's state stays. NULL allowed. */
void control_free(struct control *c);

/*
 * Reads the node config again, soon, and puts it in force if every worker takes it. Returns the
 * serial that control_reloaded() is called with then.
 */
uint64_t control_reload(struct control *c);
/* confirm.c. False: there is nothing to confirm. */
bool control_confirm(struct control *c);
/* Brings the former config back. Returns as control_reload(); 0: there is none, or it is too late.
 */
uint64_t control_rollback(struct control *c);
/* Ends within DRAIN_MS; called again, at once. */
void control_stop(struct control *c);

/* What main.c and reload.c know of the config: reads it, and says what is wrong in text. */
int control_load_conf(const char *path, const char *run_dir, struct node_conf **ret_conf,
		      struct buf *text) CHECKED;
struct issues;
/* machine.c: adds what is wrong with it on this machine. Returns 0; a negative errno: unknown. */
int control_check_machine(const struct node_conf *node, const char *run_dir,
			  struct issues *issues) CHECKED;

/* verbs.c and calls.c: the control socket's requests. */
extern const struct server_ops control_server_ops;
void control_answered(struct control *c, const struct workers *whom, unsigned int slot,
		      uint16_t type, uint64_t serial, const struct str *refused);
void control_worker_gone(struct control *c, const struct workers *whom, unsigned int slot);
/* The same of a worker of before an upgrade; number: former_process.number. */
void control_former_answered(struct control *c, unsigned int number, uint16_t type, uint64_t serial,
			     const struct str *refused);
void control_former_gone(struct control *c, unsigned int number);
/* A reload has ended: in force, or why not. Called twice when who waits was told early. */
void control_reloaded(struct control *c, uint64_t serial, const char *why);

#endif
