/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SIXGATE_GATEWAY_UPGRADE_H
#define SIXGATE_GATEWAY_UPGRADE_H

#include <limits.h>
#include <stdbool.h>

#include "base/loop.h"
#include "gateway/control/spawn.h"

struct control;

/* SIGUSR2: the program that lies at our own path now takes our place. */
struct upgrade {
	struct control *control; /* borrowed */
	char path[PATH_MAX];     /* of our program when we started; empty: not known */
	char *const *argv;       /* borrowed from main */
	struct child test;       /* its self-test; pidfd -1: none runs */
	struct io exited;
	struct timer timer;
	bool wanted; /* as soon as this start is over */
	bool passed; /* the self-test */
};

void upgrade_init(struct upgrade *u, struct control *control, char *const *argv);
void upgrade_fini(struct upgrade *u);
/*
 * Begins with the self-test of the new program. What fails is logged and shown in status, and we
 * go on as we are. When all is well this image ends within its loop, without a return.
 */
void upgrade_start(struct upgrade *u);
/* The start, or an upgrade, is over: one that was asked for meanwhile begins. */
void upgrade_ready(struct upgrade *u);

#endif
