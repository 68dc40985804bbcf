/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SIXGATE_GATEWAY_KERNEL_RT_INTERNAL_H
#define SIXGATE_GATEWAY_KERNEL_RT_INTERNAL_H

#include <linux/rtnetlink.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gateway/kernel/rt.h"

/* What the drivers for rtnetlink share. */

#define RT_STEPS_MAX   128 /* that go in one sendmsg(2) */
#define RT_MESSAGE_MAX 512 /* bytes of one message */
#define RT_V4_OFFSET   12  /* bytes of ::ffff:0:0/96 before the IPv4 address */
#define RT_DUMP_TRIES  5   /* a dump that was interrupted by a change is asked for again */
#define RT_LINKS_MAX   65536

/* The kernel's answer to one step. */
struct rt_result {
	int rc;
	char text[96]; /* of the extended ACK */
};

/* Messages on their way; those of one step have one seq. */
struct rt_writer {
	struct rt *rt;
	char *data; /* owned, two messages a step */
	size_t len; /* bytes */
	struct nlmsghdr *last;
	uint32_t seq;
	struct rt_result *results; /* owned, RT_STEPS_MAX; by seq - 1 */
	char link[IFNAMSIZ];       /* the last one that was looked up */
	uint32_t index;
};

/*
 * Adds the message or two that make from (NULL: nothing) into to (NULL: nothing). A negative
 * return says that it cannot be: -ENODEV when the link is gone.
 */
typedef int (*rt_put_fn)(struct rt_writer *w, const struct object *from, const struct object *to,
			 struct err *err);
typedef int (*rt_observe_fn)(struct rt *rt, struct object_set *set, struct err *err);

/* struct driver's apply for things that one message makes or takes. */
struct rt_verbs {
	rt_put_fn put;
	rt_observe_fn observe;
};
int rt_apply(struct rt *rt, const struct rt_verbs *verbs, const struct step *steps, size_t n_steps,
	     size_t *ret_done, struct err *err) CHECKED;

/* A message with a zeroed header of its own behind nlmsghdr; ended by rt_message_end(). */
struct nlmsghdr *rt_message(struct rt_writer *w, uint16_t type, uint16_t flags, size_t header);
void rt_message_end(struct rt_writer *w, struct nlmsghdr *nlh);
/* The index of a link by name. -ENODEV, with err saying so. */
int rt_index(struct rt_writer *w, const char *link, uint32_t *ret_index, struct err *err) CHECKED;

/* One message alone, with its acknowledgement. */
int rt_ask(struct rt *rt, struct nlmsghdr *nlh, kernel_reply_fn reply, void *arg,
	   struct kernel_fault *fault) CHECKED;
/*
 * A dump of what nlh asks for. n counts what reply has collected; a try that was interrupted sets
 * it back.
 */
int rt_dump(struct rt *rt, struct nlmsghdr *nlh, kernel_reply_fn reply, void *arg, size_t *n,
	    struct kernel_fault *fault) CHECKED;
/* The same of addresses of a family; index 0: of all links. */
int rt_dump_addresses(struct rt *rt, uint8_t family, uint32_t index, kernel_reply_fn reply,
		      void *arg, size_t *n, struct kernel_fault *fault) CHECKED;
/* The same of routes that fit what is not 0 of wanted, and oif. */
int rt_dump_routes(struct rt *rt, const struct rtmsg *wanted, uint32_t oif, kernel_reply_fn reply,
		   void *arg, size_t *n, struct kernel_fault *fault) CHECKED;
/* Sets err from what the kernel said, with how to mend it. Returns rc. */
int rt_err(struct err *err, int rc, const char *text, const char *what);

/* The names of all links, sorted by index. */
struct rt_links {
	struct rt_link_name {
		uint32_t index;
		char name[IFNAMSIZ];
	} * items; /* owned */
	size_t n, size;
};
int rt_links_read(struct rt *rt, struct rt_links *ret_links, struct err *err) CHECKED;
void rt_links_fini(struct rt_links *links);
/* "" when there is none. */
const char *rt_links_name(const struct rt_links *links, uint32_t index);

/* Attributes of one message by number, of types up to max; payloads are checked by the readers. */
#define RT_ATTRS_MAX 64
struct rt_attrs {
	const struct nlattr *a[RT_ATTRS_MAX];
};
void rt_attrs_read(struct rt_attrs *attrs, const struct nlmsghdr *nlh, size_t header);
uint32_t rt_attr_u32(const struct rt_attrs *attrs, unsigned int type);
uint8_t rt_attr_u8(const struct rt_attrs *attrs, unsigned int type);
/* False when it is absent or of another length than the family's. */
bool rt_attr_addr(const struct rt_attrs *attrs, unsigned int type, uint8_t family,
		  struct addr *ret_addr);
/* Copies a terminated string that fits; else dst is empty. */
void rt_attr_name(const struct nlattr *attr, char *dst, size_t size);
/* Of a route's RTA_METRICS, which may be NULL; 0: it says none. */
uint32_t rt_route_mtu(const struct nlattr *metrics);

/* rt_route.c: the key of the route that a message is about. False when it has none that we use. */
bool rt_route_key(const struct nlmsghdr *nlh, struct object_route *ret_route);

uint8_t rt_family(const struct addr *a);
/* The unspecified address of a family. */
struct addr rt_any(uint8_t family);
void rt_put_addr(struct nlmsghdr *nlh, uint16_t type, const struct addr *a);
/* A prefix's length as the kernel counts it. */
uint8_t rt_prefix_len(const struct prefix *p);
struct prefix rt_prefix(const struct addr *a, uint8_t len);

#endif
