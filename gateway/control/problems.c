/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The list of what is wrong. Whoever finds something wrong also logs it once; this is for those who
 * ask later.
 */
#include "gateway/control/problems.h"

#include <stdlib.h>
#include <string.h>

#include "base/container.h"

struct problem {
	struct table_node node; /* problems.by_what */
	enum log_level level;
	char *text; /* owned */
	char what[];
};

void problems_init(struct problems *problems)
{
	*problems = (struct problems){0};
	hash_key_init(&problems->key);
	table_init(&problems->by_what);
}

static void problem_free(struct problem *problem)
{
	free(problem->text);
	free(problem);
}

void problems_fini(struct problems *problems)
{
	struct table_iter it = {0};
	struct table_node *node;

	while ((node = table_next(&problems->by_what, &it))) {
		table_remove(&problems->by_what, node);
		problem_free(container_of(node, struct problem, node));
	}
	table_fini(&problems->by_what);
}

static bool problem_eq(const struct table_node *node, const void *key)
{
	return strcmp(container_of(node, struct problem, node)->what, key) == 0;
}

static struct problem *problem_find(const struct problems *problems, const char *what)
{
	uint64_t hash = hash_bytes(&problems->key, what, strlen(what));
	struct table_node *node = table_find(&problems->by_what, hash, problem_eq, what);

	return node ? container_of(node, struct problem, node) : NULL;
}

/* NULL when out of memory: the log has the problem all the same. */
static struct problem *problem_new(struct problems *problems, const char *what)
{
	size_t len = strlen(what);
	struct problem *problem = calloc(1, sizeof(*problem) + len + 1);

	if (!problem || problems->by_what.count >= PROBLEMS_MAX) {
		free(problem);
		return NULL;
	}
	memcpy(problem->what, what, len);
	problem->level = LOG_LEVEL_INFO;
	if (table_insert(&problems->by_what, &problem->node,
			 hash_bytes(&problems->key, what, len)) < 0) {
		free(problem);
		return NULL;
	}
	return problem;
}

static void problem_set_level(struct problems *problems, struct problem *problem,
			      enum log_level level)
{
	problems->n_errors -= problem->level == LOG_LEVEL_ERR;
	problems->n_errors += level == LOG_LEVEL_ERR;
	problem->level = level;
}

void problem_set(struct problems *problems, enum log_level level, const char *what,
		 const char *text)
{
	struct problem *problem = problem_find(problems, what);

	if (!problem) {
		problem = problem_new(problems, what);
	}
	if (problem) {
		problem_set_level(problems, problem, level);
		free(problem->text);
		problem->text = strndup(text, PROBLEM_TEXT_MAX);
	}
}

void problem_clear(struct problems *problems, const char *what)
{
	struct problem *problem = problem_find(problems, what);

	if (problem) {
		problem_set_level(problems, problem, LOG_LEVEL_INFO);
		table_remove(&problems->by_what, &problem->node);
		problem_free(problem);
	}
}

bool problem_has(const struct problems *problems, const char *what)
{
	return problem_find(problems, what) != NULL;
}

size_t problems_count(const struct problems *problems)
{
	return problems->by_what.count;
}

static void problem_write(const struct problem *problem, struct json *j)
{
	json_open(j, NULL, '{');
	json_text(j, "level", problem->level == LOG_LEVEL_ERR ? "error" : "warning");
	json_text(j, "what", problem->what);
	json_text(j, "text", problem->text);
	json_close(j, '}');
}

/* Writes up to max problems of one kind; returns how many. */
static size_t problems_write_level(const struct problems *problems, bool errors, size_t max,
				   struct json *j)
{
	struct table_iter it = {0};
	struct table_node *node;
	size_t n = 0;

	while (n < max && (node = table_next(&problems->by_what, &it))) {
		const struct problem *problem = container_of(node, struct problem, node);

		if ((problem->level == LOG_LEVEL_ERR) == errors) {
			problem_write(problem, j);
			n++;
		}
	}
	return n;
}

void problems_write(const struct problems *problems, struct json *j, const char *key)
{
	size_t n;

	json_open(j, key, '[');
	n = problems_write_level(problems, true, PROBLEMS_SHOWN, j);
	(void)problems_write_level(problems, false, PROBLEMS_SHOWN - n, j); /* no more follow */
	json_close(j, ']');
}
