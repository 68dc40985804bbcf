/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SIXGATE_GATEWAY_CLI_CLIENT_H
#define SIXGATE_GATEWAY_CLI_CLIENT_H

#include <jansson.h>
#include <stddef.h>

#include "base/cursor.h"
#include "conf/model/request.h"
#include "gateway/cli/internal.h"

/* One line of an answer; control never writes a longer one. */
#define CLIENT_LINE_MAX (16u << 20)

enum client_result {
	CLIENT_OBJECT,
	CLIENT_END,
	CLIENT_CUT, /* the stream ended, fell silent or made no sense; said on cli->err */
};

/*
 * One request to sixgated and its answer (conf/model/request.h), read object by object: an answer
 * of any length holds one line in memory.
 */
struct client {
	const struct cli *cli; /* borrowed */
	int fd;                /* owned; -1 when closed */
	struct buf in;
	size_t pos;     /* bytes of in already read */
	size_t scanned; /* bytes behind pos known to hold no line end */
};

/*
 * Connects, sends req and reads sixgated's yes or no. On CLI_OK objects can be read; every other
 * result is said on cli->err. client_close() in each case.
 */
enum cli_exit client_open(struct client *c, const struct cli *cli,
			  const struct request *req) CHECKED;
/* On CLIENT_OBJECT ret_object is the caller's: json_decref(). */
enum client_result client_next(struct client *c, json_t **ret_object) CHECKED;
void client_close(struct client *c);

#endif
