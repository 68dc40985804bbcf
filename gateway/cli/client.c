/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The caller's end of the control socket. What comes back is hostile as far as strings go (names
 * are the clients', workers write sessions themselves), so each line goes through a JSON parser
 * and nothing of it is printed unescaped.
 */
#include "gateway/cli/client.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "gateway/cli/text.h"

#define READ_SIZE 65536

static enum cli_exit unreachable(const struct cli *cli, int rc)
{
	cli_complain(cli, "cannot reach sixgated at %s: %s", cli->socket_path, strerror(-rc));
	if (rc == -EACCES || rc == -EPERM) {
		fprintf(cli->err, "Are you in the group sixgate-admin? Joining it takes\n"
				  "'usermod -aG sixgate-admin USER' and a new login.\n");
	} else if (rc == -ENOENT || rc == -ECONNREFUSED) {
		fprintf(cli->err, "Is sixgated running? 'systemctl status sixgated' tells; "
				  "--socket PATH names another one.\n");
	}
	return CLI_UNREACHABLE;
}

static int client_connect(struct client *c)
{
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	struct timeval silence = {.tv_sec = c->cli->timeout_s};
	size_t len = strlen(c->cli->socket_path);

	if (len >= sizeof(sa.sun_path)) {
		return -ENAMETOOLONG;
	}
	memcpy(sa.sun_path, c->cli->socket_path, len + 1);
	c->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (c->fd < 0 ||
	    setsockopt(c->fd, SOL_SOCKET, SO_SNDTIMEO, &silence, sizeof(silence)) < 0 ||
	    setsockopt(c->fd, SOL_SOCKET, SO_RCVTIMEO, &silence, sizeof(silence)) < 0 ||
	    connect(c->fd, (const struct sockaddr *)&sa, sizeof(sa)) < 0) {
		return errno == EAGAIN ? -ETIMEDOUT : -errno;
	}
	return 0;
}

static int client_send(struct client *c, const struct buf *request)
{
	size_t sent = 0;

	while (sent < request->len) {
		ssize_t n = send(c->fd, request->data + sent, request->len - sent, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR) {
			continue;
		}
		if (n < 0) {
			return errno == EAGAIN ? -ETIMEDOUT : -errno;
		}
		sent += n;
	}
	return 0;
}

/* Reads more. Returns 0, -EPIPE at the end of the stream, -ETIMEDOUT or another errno. */
static int client_fill(struct client *c)
{
	uint8_t chunk[READ_SIZE];
	ssize_t n;

	do {
		n = recv(c->fd, chunk, sizeof(chunk), 0);
	} while (n < 0 && errno == EINTR);
	if (n <= 0) {
		return n == 0 ? -EPIPE : errno == EAGAIN ? -ETIMEDOUT : -errno;
	}
	buf_consume(&c->in, c->pos);
	c->pos = 0;
	buf_bytes(&c->in, chunk, n);
	return c->in.bad ? -EMSGSIZE : 0;
}

/* On 0 ret_line borrows from c until the next call. */
static int client_line(struct client *c, struct str *ret_line)
{
	for (;;) {
		const uint8_t *start = c->in.data + c->pos;
		size_t left = c->in.len - c->pos;
		const uint8_t *end = NULL;
		int rc;

		if (left > c->scanned) {
			end = memchr(start + c->scanned, '\n', left - c->scanned);
		}
		if (end) {
			*ret_line = (struct str){.p = (const char *)start, .len = end - start};
			c->pos += ret_line->len + 1;
			c->scanned = 0;
			return 0;
		}
		c->scanned = left;
		rc = client_fill(c);
		if (rc < 0) {
			return rc;
		}
	}
}

static const char *cut_text(int rc)
{
	switch (rc) {
	case -EPIPE:
		return "sixgated closed the connection";
	case -ETIMEDOUT:
		return "sixgated fell silent";
	case -EMSGSIZE:
		return "a line is too long";
	case -EPROTO:
		return "it is not what this version of sixgate understands";
	default:
		return strerror(-rc);
	}
}

static enum client_result answer_cut(struct client *c, int rc)
{
	cli_complain(c->cli, "the answer was cut short: %s", cut_text(rc));
	return CLIENT_CUT;
}

enum client_result client_next(struct client *c, json_t **ret_object)
{
	struct str line;
	json_t *object;
	int rc;

	do {
		rc = client_line(c, &line);
	} while (rc == 0 && line.len == 0); /* it is at work */
	if (rc < 0) {
		return answer_cut(c, rc);
	}
	/* writers turn a NUL byte of a hostile name into \u0000 */
	object = json_loadb(line.p, line.len, JSON_ALLOW_NUL, NULL);
	if (!json_is_object(object)) {
		json_decref(object);
		return answer_cut(c, -EPROTO);
	}
	if (json_is_true(json_object_get(object, "end"))) {
		json_decref(object);
		return CLIENT_END;
	}
	*ret_object = object;
	return CLIENT_OBJECT;
}

/* Reads {"ok":...}. */
static enum cli_exit client_verdict(struct client *c)
{
	enum cli_exit code = CLI_OK;
	json_t *verdict = NULL;

	switch (client_next(c, &verdict)) {
	case CLIENT_OBJECT:
		break;
	case CLIENT_END:
		(void)answer_cut(c, -EPROTO); /* it only says so */
		return CLI_CUT;
	case CLIENT_CUT:
		return CLI_CUT;
	}
	if (json_is_false(json_object_get(verdict, "ok"))) {
		(void)fflush(c->cli->out); /* a failure shows when the command ends */
		fprintf(c->cli->err, "sixgate: ");
		text_print_lines(c->cli->err, verdict, "error");
		code = CLI_REFUSED;
	} else if (!json_is_true(json_object_get(verdict, "ok"))) {
		(void)answer_cut(c, -EPROTO); /* it only says so */
		code = CLI_CUT;
	}
	json_decref(verdict);
	return code;
}

enum cli_exit client_open(struct client *c, const struct cli *cli, const struct request *req)
{
	enum cli_exit code = CLI_USAGE;
	struct buf request;
	int rc;

	*c = (struct client){.cli = cli, .fd = -1};
	buf_init(&c->in, CLIENT_LINE_MAX + READ_SIZE);
	buf_init(&request, REQUEST_MAX);
	request_pack(req, &request);
	if (request.bad) {
		cli_complain(cli, "the arguments are too long");
		goto out;
	}
	rc = client_connect(c);
	if (rc == 0) {
		rc = client_send(c, &request);
	}
	code = rc < 0 ? unreachable(cli, rc) : client_verdict(c);
out:
	buf_fini(&request);
	return code;
}

void client_close(struct client *c)
{
	if (c->fd >= 0) {
		close(c->fd);
		c->fd = -1;
	}
	buf_fini(&c->in);
}
