/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The part of the node config's schema that is about logs of what passes: sessions, and queries.
 */
#include "conf/text/schema.h"

#include <string.h>
#include <sys/un.h>

#define LOG(member)   offsetof(struct access_log_conf, member)
#define QUERY(member) offsetof(struct query_log_conf, member)

static const char *const formats[] = {"json", "text", NULL};

static const struct key access_log_keys[] = {
	{.name = "file", .type = KEY_PATH, .offset = LOG(file)},
	{.name = "syslog", .type = KEY_PATH, .offset = LOG(syslog)},
	{.name = "format", .type = KEY_WORD, .words = formats, .offset = LOG(format)},
	{0},
};

static void finish_log(struct reader *r, const struct tree_node *map, const char *what,
		       const struct access_log_conf *log)
{
	const struct tree_node *syslog = tree_get(map, "syslog");

	if (syslog && tree_get(map, "file")) {
		reader_issue(r, syslog, "the %s log goes to file or to syslog, not to both", what);
	}
	if (log->syslog && strlen(log->syslog) >= sizeof(((struct sockaddr_un *)NULL)->sun_path)) {
		reader_issue(r, syslog, "a socket's path has at most %zu bytes",
			     sizeof(((struct sockaddr_un *)NULL)->sun_path) - 1);
	}
}

static void finish_access_log(struct reader *r, const struct tree_node *map, void *object)
{
	finish_log(r, map, "access", object);
}

const struct schema schema_access_log = {
	.name = "file, syslog, format, or the word off",
	.keys = access_log_keys,
	.finish = finish_access_log,
};

static const struct key query_log_keys[] = {
	{.name = "file", .type = KEY_PATH, .offset = QUERY(to.file)},
	{.name = "syslog", .type = KEY_PATH, .offset = QUERY(to.syslog)},
	{.name = "format", .type = KEY_WORD, .words = formats, .offset = QUERY(to.format)},
	{.name = "one_in",
	 .type = KEY_U32,
	 .min = 1,
	 .max = 1000000,
	 .dflt = 1,
	 .offset = QUERY(one_in)},
	{0},
};

static void finish_query_log(struct reader *r, const struct tree_node *map, void *object)
{
	struct query_log_conf *log = object;

	log->to.on = true;
	finish_log(r, map, "query", &log->to);
}

const struct schema schema_query_log = {
	.name = "file, syslog, format, one_in, or the word off",
	.keys = query_log_keys,
	.finish = finish_query_log,
};
