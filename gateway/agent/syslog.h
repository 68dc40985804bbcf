/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SIXGATE_GATEWAY_AGENT_SYSLOG_H
#define SIXGATE_GATEWAY_AGENT_SYSLOG_H

#include <stddef.h>

#include "base/str.h"

/*
 * Sends whole lines to the system's log as syslog(3) does: each is a datagram, with priority, local
 * date and tag before it (RFC 3164 4.1) and without its end. fd: a connected datagram socket, not
 * blocking. Returns the number of bytes of lines that went; fewer than there are: ret_cause is the
 * negative errno.
 */
size_t syslog_write(int fd, struct str lines, int *ret_cause);

#endif
