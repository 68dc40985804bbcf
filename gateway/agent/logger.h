/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SIXGATE_GATEWAY_AGENT_LOGGER_H
#define SIXGATE_GATEWAY_AGENT_LOGGER_H

#include <stdbool.h>

#include "base/err.h"

/*
 * The log child: moves lines from the workers' pipes to the access log. What it reads was made by
 * workers, which strangers talk to: it looks at nothing in it but line ends.
 */

/*
 * Says HELLO on the channel and works until told to stop. Takes dir_fd (-1: standard output, or
 * with syslog the system's log, by sockets that control opens).
 * Returns 0 or a negative errno.
 */
int logger_run(int dir_fd, const char *file, bool syslog, struct err *err) CHECKED;

#endif
