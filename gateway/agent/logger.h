/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SIXGATE_GATEWAY_AGENT_LOGGER_H
#define SIXGATE_GATEWAY_AGENT_LOGGER_H

#include "base/err.h"

/*
 * The log child: moves lines from the workers' pipes to the access log. What it reads was made by
 * workers, which strangers talk to: it looks at nothing in it but line ends.
 */

/*
 * Says HELLO on the channel and works until told to stop. Takes dir_fd (-1: standard output).
 * Returns 0 or a negative errno.
 */
int logger_run(int dir_fd, const char *file, struct err *err) CHECKED;

#endif
