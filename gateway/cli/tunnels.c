/* SPDX-License-Identifier: GPL-3.0-or-later */
/* `sixgate tunnels`, `denied` and `nat64`: what the kernel has, as sixgated reads it. */
#include <inttypes.h>
#include <string.h>

#include "gateway/cli/list.h"
#include "gateway/cli/text.h"

#define N_COLUMNS(a) (sizeof(a) / sizeof((a)[0]))

static enum cli_exit run(struct cli *cli, const struct list *list, struct request *req)
{
	if (cli->tenant) {
		req->args[req->n_args++] = str_from(cli->tenant);
	}
	return list_run(cli, list, req);
}

/* "ALARM" where a tenant's ports run out. */
static const char *text_alarm(const json_t *object, const char *key, char *dst)
{
	(void)snprintf(dst, TEXT_MAX, "%s",
		       json_is_true(json_object_get(object, key)) ? "ALARM" : "-");
	return dst;
}

/* "1472 (path 1492)", "1400 (config)": what is not by default says why. */
static const char *text_mtu(const json_t *object, const char *key, char *dst)
{
	const char *from = json_string_value(json_object_get(object, "mtu_from"));

	if (text_u64(object, key) == 0) {
		return text_of(object, key, dst); /* "-" */
	}
	if (from && strcmp(from, "path") == 0) {
		(void)snprintf(dst, TEXT_MAX, "%" PRIu64 " (path %" PRIu64 ")",
			       text_u64(object, key), text_u64(object, "path_mtu"));
	} else {
		(void)snprintf(dst, TEXT_MAX, "%" PRIu64 "%s", text_u64(object, key),
			       from && strcmp(from, "config") == 0 ? " (config)" : "");
	}
	return dst;
}

enum cli_exit cli_tunnels(struct cli *cli)
{
	static const struct list_column columns[] = {
		{{"TENANT", false}, "tenant", text_of},
		{{"TUNNEL", false}, "tunnel", text_of},
		{{"KIND", false}, "kind", text_of},
		{{"LINK", false}, "link", text_of},
		{{"PREFIX", false}, "prefix", text_of},
		{{"REMOTE", false}, "remote", text_of},
		{{"HANDSHAKE", true}, "handshake_ms", text_duration},
		{{"IN", true}, "bytes_in", text_size},
		{{"OUT", true}, "bytes_out", text_size},
		{{"MTU", false}, "mtu", text_mtu},
	};
	static const struct list list = {"tunnels", columns, N_COLUMNS(columns)};
	struct request req = {.verb = VERB_TUNNELS};

	return run(cli, &list, &req);
}

enum cli_exit cli_denied(struct cli *cli)
{
	static const struct list_column columns[] = {
		{{"TENANT", false}, "tenant", text_of}, {{"LINK", false}, "link", text_of},
		{{"REASON", false}, "reason", text_of}, {{"PACKETS", true}, "packets", text_of},
		{{"BYTES", true}, "bytes", text_size},  {{"MEANING", false}, "text", text_of},
	};
	static const struct list list = {"denied", columns, N_COLUMNS(columns)};
	struct request req = {.verb = VERB_DENIED};

	return run(cli, &list, &req);
}

static const struct list_column session_columns[] = {
	{{"TENANT", false}, "tenant", text_of},
	{{"PROTOCOL", false}, "protocol", text_of},
	{{"INSIDE", false}, "inside", text_of},
	{{"OUTSIDE", false}, "outside", text_of},
	{{"REMOTE", false}, "remote", text_of},
	{{"STATE", false}, "state", text_of},
	{{"EXPIRES", true}, "expires_ms", text_duration},
};

static const struct list_column bib_columns[] = {
	{{"TENANT", false}, "tenant", text_of}, {{"PROTOCOL", false}, "protocol", text_of},
	{{"INSIDE", false}, "inside", text_of}, {{"OUTSIDE", false}, "outside", text_of},
	{{"KIND", false}, "kind", text_of},
};

static const struct list_column pool_columns[] = {
	{{"TENANT", false}, "tenant", text_of}, {{"ADDRESS", false}, "address", text_of},
	{{"PORTS", false}, "ports", text_of},   {{"TCP", true}, "tcp", text_of},
	{{"UDP", true}, "udp", text_of},        {{"ICMP", true}, "icmp", text_of},
	{{"%", true}, "percent", text_of},      {{"ALARM", false}, "alarm", text_alarm},
};

static const struct list_column stats_columns[] = {
	{{"COUNTER", false}, "counter", text_of},
	{{"VALUE", true}, "value", text_of},
	{{"MEANING", false}, "text", text_of},
};

static const struct list lists[] = {
	{"sessions", session_columns, N_COLUMNS(session_columns)},
	{"bib", bib_columns, N_COLUMNS(bib_columns)},
	{"pool", pool_columns, N_COLUMNS(pool_columns)},
	{"stats", stats_columns, N_COLUMNS(stats_columns)},
};

enum cli_exit cli_nat64(struct cli *cli)
{
	struct request req = {.verb = VERB_NAT64, .args = {str_from(cli->args[0])}, .n_args = 1};

	for (size_t i = 0; i < N_COLUMNS(lists); i++) {
		if (strcmp(lists[i].name, cli->args[0]) == 0) {
			return run(cli, &lists[i], &req);
		}
	}
	cli_complain(cli, "nat64 shows sessions, bib, pool or stats");
	return cli_usage(cli);
}
