/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The answer to "sessions"; see sessions_dump.h. */
#include "proxy/sessions_dump.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/container.h"
#include "base/json.h"
#include "proxy/listener.h"
#include "proxy/worker.h"
#include "worker/stream.h"

#define DUMP_STEP 512 /* sessions looked at in one go */

struct sessions_dump {
	struct stream stream;
	struct worker *worker;
	size_t at;                        /* index of the next session */
	char tenant[TENANT_NAME_MAX + 1]; /* empty: all */
};

static struct sessions_dump *dump_of(struct stream *s)
{
	return container_of(s, struct sessions_dump, stream);
}

static void dump_free(struct stream *s)
{
	free(dump_of(s));
}

static const char *state_name(const struct session *s)
{
	switch ((enum session_state)s->state) {
	case SESSION_HELLO:
		return "hello";
	case SESSION_CONNECTING:
		return "connecting";
	case SESSION_RELAYING:
		return session_is_half_closed(s) ? "half-closed" : "relaying";
	case SESSION_CLOSED:
		break;
	}
	return "closed";
}

static void dump_endpoint(struct json *j, const char *key, const struct endpoint *e)
{
	char text[ENDPOINT_TEXT_MAX];

	json_text(j, key, endpoint_format(e, text));
}

static void dump_session(struct buf *out, const struct session *s)
{
	const struct endpoint client = {.addr = s->client_addr, .port = s->client_port};
	const struct worker *w = s->worker;
	struct json j = json_to(out);
	char number[48];

	(void)snprintf(number, sizeof(number), "%u.%llu", w->index, /* fits */
		       (unsigned long long)s->number);
	json_open(&j, NULL, '{');
	json_text(&j, "id", number);
	json_text(&j, "tenant", s->tenant ? s->tenant->name : NULL);
	json_text(&j, "service", s->conf ? s->conf->name : NULL);
	json_str(&j, "name", (struct str){.p = s->name, .len = s->name_len});
	dump_endpoint(&j, "local", &s->listener->local);
	dump_endpoint(&j, "client", &client);
	if (s->conf && s->tries > 0) {
		struct endpoint backend = {.addr = s->conf->backends[s->backend_index].address,
					   .port = s->to};

		dump_endpoint(&j, "backend", &backend);
	} else {
		json_text(&j, "backend", NULL);
	}
	json_text(&j, "state", state_name(s));
	json_u64(&j, "age_ms", w->loop.now_ms - s->started_ms);
	json_u64(&j, "idle_ms", w->loop.now_ms - s->active_ms);
	json_u64(&j, "bytes_in", flow_bytes(&s->up));
	json_u64(&j, "bytes_out", flow_bytes(&s->down));
	json_close(&j, '}');
	json_end_line(&j);
}

static enum stream_step dump_step(struct stream *stream)
{
	struct sessions_dump *dump = dump_of(stream);
	const struct session *s;

	for (unsigned int n = 0; n < DUMP_STEP && stream_has_room(stream); n++) {
		s = session_at(&dump->worker->pool, dump->at);
		if (!s) {
			return STREAM_DONE;
		}
		dump->at++;
		if (session_is_open(s) &&
		    (dump->tenant[0] == '\0' ||
		     (s->tenant && strcmp(s->tenant->name, dump->tenant) == 0))) {
			dump_session(&stream->out, s);
		}
	}
	return STREAM_MORE;
}

static const struct stream_ops dump_ops = {.step = dump_step, .free = dump_free};

int sessions_dump_start(struct worker *w, struct channel_msg *msg)
{
	struct sessions_dump *dump;
	int rc;

	if (msg->len > TENANT_NAME_MAX) {
		return -EINVAL;
	}
	dump = calloc(1, sizeof(*dump));
	if (!dump) {
		return -ENOMEM;
	}
	dump->worker = w;
	memcpy(dump->tenant, msg->data, msg->len);
	rc = stream_start(&dump->stream, &w->link, &dump_ops, msg);
	if (rc < 0) {
		free(dump);
	}
	return rc;
}
