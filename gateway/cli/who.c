/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * `sixgate who`: the tenant that has a public port, which sixgated knows, or had it at a time, from
 * the history that it keeps; for that it need not run.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/json.h"
#include "conf/model/port_event.h"
#include "gateway/cli/client.h"
#include "gateway/cli/text.h"

static const uint8_t protocols[] = {IPPROTO_TCP, IPPROTO_UDP, IPPROTO_ICMP};
#define N_PROTOCOLS (sizeof(protocols) / sizeof(protocols[0]))

struct question {
	struct addr address;
	uint16_t port;
	uint64_t time_s;
};

/* The last word on each protocol at the time, and when that changed again. */
struct holder {
	struct port_event last; /* time_s 0: none */
	uint64_t until_s;       /* 0: it did not */
};

static int take_question(struct cli *cli, struct question *ret)
{
	uint64_t port;

	if (addr_parse(str_from(cli->args[0]), &ret->address) < 0) {
		cli_complain(cli, "ADDRESS is an address, as 203.0.113.10");
		return -EINVAL;
	}
	if (str_to_u64(str_from(cli->args[1]), 0, UINT16_MAX, &port) < 0) {
		cli_complain(cli, "PORT is 0 to 65535");
		return -EINVAL;
	}
	ret->port = (uint16_t)port;
	ret->time_s = (uint64_t)time(NULL);
	if (cli->n_args > 2 && port_time_parse(str_from(cli->args[2]), &ret->time_s) < 0) {
		cli_complain(cli, "TIME is as 2026-11-20T12:00:00Z, or seconds since 1970");
		return -EINVAL;
	}
	return 0;
}

static void take_line(const struct question *q, struct str line, struct holder *holders)
{
	struct port_event e;

	if (port_event_parse(line, &e) < 0 || !addr_eq(&e.address, &q->address) ||
	    q->port < e.ports.first || q->port > e.ports.last) {
		return;
	}
	for (size_t i = 0; i < N_PROTOCOLS; i++) {
		if (protocols[i] != e.protocol) {
			continue;
		}
		if (e.time_s <= q->time_s) {
			holders[i] = (struct holder){.last = e};
		} else if (holders[i].until_s == 0) {
			holders[i].until_s = e.time_s;
		}
	}
}

static int read_history(const struct question *q, const char *path, struct holder *holders)
{
	FILE *f = fopen(path, "re");
	size_t size = 0;
	char *line = NULL;
	ssize_t len;

	if (!f) {
		return -errno;
	}
	while ((len = getline(&line, &size, f)) > 0) {
		len -= line[len - 1] == '\n';
		take_line(q, (struct str){.p = line, .len = (size_t)len}, holders);
	}
	free(line);
	fclose(f);
	return 0;
}

static void holder_write(const struct holder *h, struct json *j)
{
	char text[64];

	json_open(j, NULL, '{');
	json_text(j, "tenant", h->last.tenant[0] != '\0' ? h->last.tenant : NULL);
	json_text(j, "protocol", port_protocol_name(h->last.protocol));
	json_u64(j, "first", h->last.ports.first);
	json_u64(j, "last", h->last.ports.last);
	json_text(j, "from", port_time_format(h->last.time_s, text));
	json_text(j, "until", h->until_s ? port_time_format(h->until_s, text) : NULL);
	json_close(j, '}');
}

static void print_document(struct cli *cli, const struct holder *holders)
{
	struct buf out;
	struct json j;

	buf_init(&out, 65536);
	j = json_to(&out);
	json_open(&j, NULL, '{');
	json_text(&j, "schema", CLI_SCHEMA);
	json_open(&j, "holders", '[');
	for (size_t i = 0; i < N_PROTOCOLS; i++) {
		if (holders[i].last.begins) {
			holder_write(&holders[i], &j);
		}
	}
	json_close(&j, ']');
	json_close(&j, '}');
	json_end_line(&j);
	fwrite(out.data, 1, out.len, cli->out);
	buf_fini(&out);
}

static void print_holders(struct cli *cli, const struct holder *holders)
{
	char from[24], until[24], tenant[4 * TENANT_NAME_MAX + 1];

	for (size_t i = 0; i < N_PROTOCOLS; i++) {
		const struct holder *h = &holders[i];

		if (h->last.begins) {
			fprintf(cli->out, "%s had %s ports %u-%u from %s%s%s\n",
				str_escape(tenant, sizeof(tenant), str_from(h->last.tenant)),
				port_protocol_name(h->last.protocol), h->last.ports.first,
				h->last.ports.last, port_time_format(h->last.time_s, from),
				h->until_s ? " to " : " on",
				h->until_s ? port_time_format(h->until_s, until) : "");
		}
	}
}

static enum cli_exit who_then(struct cli *cli, const struct question *q)
{
	const char *path = getenv("SIXGATE_PORTS"); /* for tests */
	struct holder holders[N_PROTOCOLS] = {0};
	bool any = false;
	int rc;

	path = path ? path : PORT_HISTORY_FILE;
	rc = read_history(q, path, holders);
	if (rc < 0) {
		cli_complain(cli, "%s: %s%s", path, strerror(-rc),
			     rc == -ENOENT ? ": no tenant has had NAT64's ports here" : "");
		return CLI_REFUSED;
	}
	for (size_t i = 0; i < N_PROTOCOLS; i++) {
		any |= holders[i].last.begins;
	}
	if (cli->json) {
		print_document(cli, holders);
	} else if (any) {
		print_holders(cli, holders);
	} else {
		cli_complain(cli, "nobody had that port then");
	}
	return any ? CLI_OK : CLI_REFUSED;
}

static void print_now(struct cli *cli, const json_t *holder)
{
	char tenant[TEXT_MAX], protocol[TEXT_MAX], first[TEXT_MAX], last[TEXT_MAX];

	text_of(holder, "protocol", protocol);
	fprintf(cli->out, "%s has %s ports %s-%s\n", text_of(holder, "tenant", tenant),
		strcmp(protocol, "all") == 0 ? "tcp, udp and icmp" : protocol,
		text_of(holder, "first", first), text_of(holder, "last", last));
}

static enum cli_exit who_now(struct cli *cli)
{
	struct request req = {.verb = VERB_WHO,
			      .args = {str_from(cli->args[0]), str_from(cli->args[1])},
			      .n_args = 2};
	struct document doc = {.out = cli->out};
	enum client_result result = CLIENT_CUT;
	struct client c;
	enum cli_exit code = client_open(&c, cli, &req);
	json_t *holder;
	size_t n = 0;

	if (code != CLI_OK) {
		client_close(&c);
		return code;
	}
	if (cli->json) {
		doc = document_open(cli->out, "holders");
	}
	while ((result = client_next(&c, &holder)) == CLIENT_OBJECT) {
		if (cli->json) {
			document_item(&doc, holder);
		} else {
			print_now(cli, holder);
		}
		json_decref(holder);
		n++;
	}
	if (cli->json) {
		document_close(&doc, result == CLIENT_END);
	} else if (n == 0 && result == CLIENT_END) {
		cli_complain(cli, "nobody has that port");
	}
	client_close(&c);
	return result != CLIENT_END ? CLI_CUT : n > 0 ? CLI_OK : CLI_REFUSED;
}

enum cli_exit cli_who(struct cli *cli)
{
	struct question q;

	if (take_question(cli, &q) < 0) {
		return cli_usage(cli);
	}
	return cli->n_args > 2 ? who_then(cli, &q) : who_now(cli);
}
