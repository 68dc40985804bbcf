/* SPDX-License-Identifier: GPL-3.0-or-later */
/* `sixgate plan` and `sixgate drift`: lines about objects in the kernel. */
#include <time.h>

#include "gateway/cli/client.h"
#include "gateway/cli/list.h"
#include "gateway/cli/text.h"

typedef void (*print_fn)(struct cli *cli, const json_t *object);

/* Prints each object by print, or none when there is nothing. */
static enum cli_exit print_lines(struct cli *cli, enum verb verb, print_fn print, const char *none)
{
	struct request req = {.verb = verb};
	enum client_result result = CLIENT_END;
	struct client c;
	json_t *object;
	bool any = false;
	enum cli_exit code = client_open(&c, cli, &req);

	while (code == CLI_OK && (result = client_next(&c, &object)) == CLIENT_OBJECT) {
		print(cli, object);
		json_decref(object);
		any = true;
	}
	client_close(&c);
	if (code == CLI_OK && result == CLIENT_CUT) {
		return CLI_CUT;
	}
	if (code == CLI_OK && !any) {
		fprintf(cli->out, "%s\n", none);
	}
	return code;
}

static void print_step(struct cli *cli, const json_t *object)
{
	char text[TEXT_MAX];

	fprintf(cli->out, "%s\n", text_of(object, "step", text));
}

static void print_drift(struct cli *cli, const json_t *object)
{
	time_t at = (time_t)text_u64(object, "at_s");
	char text[TEXT_MAX], when[32];
	struct tm tm;

	if (!json_is_true(json_object_get(object, "mended"))) {
		(void)snprintf(when, sizeof(when), "now"); /* fits */
	} else if (!localtime_r(&at, &tm) ||
		   strftime(when, sizeof(when), "%Y-%m-%d %H:%M:%S", &tm) == 0) {
		(void)snprintf(when, sizeof(when), "-"); /* fits */
	}
	fprintf(cli->out, "%-19s  %s\n", when, text_of(object, "text", text));
}

enum cli_exit cli_plan(struct cli *cli)
{
	static const struct list list = {.name = "steps"};
	struct request req = {.verb = VERB_PLAN};

	return cli->json ? list_run(cli, &list, &req)
			 : print_lines(cli, VERB_PLAN, print_step, "nothing to do");
}

enum cli_exit cli_drift(struct cli *cli)
{
	static const struct list list = {.name = "drift"};
	struct request req = {.verb = VERB_DRIFT};

	return cli->json ? list_run(cli, &list, &req)
			 : print_lines(cli, VERB_DRIFT, print_drift, "all is as wanted");
}
