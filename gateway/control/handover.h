/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SIXGATE_GATEWAY_HANDOVER_H
#define SIXGATE_GATEWAY_HANDOVER_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/addr.h"
#include "base/cursor.h"
#include "base/err.h"
#include "conf/model/node.h"
#include "gateway/control/fdstore.h"

struct former;
struct notify;

/*
 * Listening sockets that outlive this process image. They come from the service manager, which
 * kept them over a restart (LISTEN_FDS), or from the image before an upgrade (SIXGATE_HANDOVER, a
 * memfd with a line "descriptor name" for each). A socket's name is its address, port, worker slot
 * and number of slots: "203.0.113.10,443,0,2", in IPv6 addresses '-' for ':', with ",udp" behind it
 * if it is one of UDP.
 */
#define HANDOVER_VARIABLE "SIXGATE_HANDOVER"

struct handed; /* one socket */

struct handover {
	struct notify *notify; /* borrowed */
	bool upgrade;          /* what came is of the image before us */
	struct handed *handed; /* owned, by address, port and slot */
	size_t n_handed;
	size_t n_stored; /* sockets the service manager keeps */
};

/* What a name says. */
struct handover_name {
	struct endpoint local;
	bool udp;
	unsigned int slot, n_slots;
};

void handover_name_format(const struct handover_name *name, char dst[FDSTORE_NAME_MAX]);
/* Returns 0 or -EINVAL. */
int handover_name_parse(struct str text, struct handover_name *ret_name) CHECKED;

/*
 * Takes what is handed to us, and the variables out of the environment. What is not a TCP or UDP
 * socket of its name is warned about and closed. Processes go to former. Returns 0 or -ENOMEM;
 * -EINVAL when the list of an upgrade cannot be read.
 */
int handover_read(struct handover *h, struct notify *notify, struct former *former,
		  struct err *err) CHECKED;
/* Worker slots that the sockets of an upgrade are for; 0: none came. */
unsigned int handover_slots(const struct handover *h);
/*
 * Closes what does not make a full group: for each address and port one socket for each of n_slots
 * worker slots, made under one of these uids, of the proxy and of DNS64. The service manager has
 * let go of it on return.
 */
void handover_match(struct handover *h, unsigned int n_slots, const uid_t uids[2]);
/*
 * Closes the groups that no listener of conf has, of the proxy under the first uid, of DNS64 under
 * the second: they would stand in the way of what conf opens instead. The proxy's at IPv4 addresses
 * may be tenants', and are left to handover_close().
 */
void handover_match_conf(struct handover *h, const struct node_conf *conf, const uid_t uids[2]);
/* Hands out the group of that name (slot 0) and uid, in order of slots. False: there is none. */
bool handover_take(struct handover *h, const struct handover_name *group, uid_t uid, int *ret_fds);
/* Nobody wants what is left: closes it, also at the service manager. */
void handover_close(struct handover *h);
/* Closes what is left here only. */
void handover_fini(struct handover *h);

/* Gives a group to the service manager. False when it would be more than that keeps. */
bool handover_store(struct handover *h, const struct handover_name *group, const int *fds);
/* A stored group is closed. */
void handover_forget(struct handover *h, const struct handover_name *group);

/* What an upgrade hands on: descriptors and their names, borrowed. */
struct handover_list {
	struct buf text;
	int *fds; /* owned */
	size_t n, size;
};

/* A memfd that holds text. Returns it or a negative errno. */
int handover_memfd(const char *name, const struct buf *text) CHECKED;
void handover_list_init(struct handover_list *list);
void handover_list_fini(struct handover_list *list);
int handover_list_add(struct handover_list *list, const char *name, int fd) CHECKED;
/*
 * Makes the list a memfd and keeps it and its descriptors open over exec(3). Returns the memfd or
 * a negative errno; undo with handover_list_keep(list, false) and close(2).
 */
int handover_list_seal(struct handover_list *list) CHECKED;
void handover_list_keep(const struct handover_list *list, bool keep);

#endif
