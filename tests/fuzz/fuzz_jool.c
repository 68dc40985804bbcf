/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Replies of Jool: the first byte says what is asked for, the rest is cut into messages by lengths
 * of two bytes. Whatever they hold, a walk ends, and what it tells lies in its table.
 */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/cursor.h"
#include "nat64/internal.h"
#include "nat64/table.h"

#define FAMILY 0x1f

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int play(void *ctx, const struct nlmsghdr *asked, jool_reply_fn reply, void *arg,
		char text[JOOL_TEXT_MAX])
{
	struct cursor *c = ctx, part = cursor_sub(c, cursor_u16(c));
	struct nlmsghdr *nlh;
	int rc;

	text[0] = '\0';
	assert(asked->nlmsg_len <= JOOL_MESSAGE_MAX);
	if (part.bad || part.left == 0) {
		return 0;
	}
	nlh = calloc(1, sizeof(*nlh) + part.left); /* exact, so that a sanitizer sees the end */
	assert(nlh);
	nlh->nlmsg_len = (uint32_t)(sizeof(*nlh) + part.left);
	nlh->nlmsg_type = FAMILY;
	memcpy(nlh + 1, part.p, part.left);
	rc = reply(nlh, arg);
	free(nlh);
	return rc;
}

static int check_entry(const struct jool_entry *e, void *arg)
{
	assert(e->protocol == IPPROTO_TCP || *(const enum jool_table *)arg == JOOL_EAMT);
	assert(e->first <= e->last);
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct cursor c = cursor_from(data, size);
	uint8_t what = (uint8_t)(cursor_u8(&c) % 6);
	enum jool_table table = what < 4 ? (enum jool_table)what : JOOL_POOL4;
	struct jool jool = {.ops = {.ctx = &c, .transact = play},
			    .family = FAMILY,
			    .translator = table == JOOL_EAMT ? JOOL_SIIT : JOOL_NAT64,
			    .instance = "sixgate"};
	struct jool_walk walk = {.protocol = table == JOOL_EAMT ? 0 : IPPROTO_TCP};
	struct jool_globals globals;
	uint64_t stats[JOOL_STATS];
	struct err err = {0};
	bool more = true;
	int rc = 0;

	if (what == 4) {
		rc = jool_globals_read(&jool, &globals, &err);
	} else if (what == 5) {
		rc = jool_stats_read(&jool, stats, &err);
	} else {
		while (rc == 0 && more) {
			rc = jool_walk(&jool, table, &walk, check_entry, &table, &more, &err);
		}
	}
	assert(rc == 0 || err.code == rc);
	return 0;
}
