/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The proxy's parts by themselves, in ns of CPU each: reading a ClientHello, finding its rule,
 * counting its source. "cold" touches other memory before each call, as a session does. Build
 * with CFLAGS=-O2; run with nothing else on the core and compare within one run only.
 */
#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "proxy/rules.h"
#include "proxy/sni.h"
#include "proxy/source.h"
#include "tests/unit/hello.h"

#define CALLS      200000
#define COLD_BYTES (32 << 20)
#define COLD_LINES 500 /* touched before each cold call */

struct bench {
	uint8_t *junk;
	uint32_t seed;
	unsigned int cold_lines;
	uint64_t found;
	uint64_t sessions; /* the clock of run_source() */
};

static uint32_t next_random(struct bench *b)
{
	b->seed = b->seed * 1664525 + 1013904223;
	return b->seed >> 8;
}

static double now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec * 1e9 + (double)ts.tv_nsec;
}

/* Calls run CALLS times and prints what one call takes; prepare (NULL: none) is not timed. */
static void measure(struct bench *b, const char *what, void (*run)(struct bench *b, void *arg),
		    void (*prepare)(struct bench *b, void *arg), void *arg)
{
	double spent = 0, clock_cost = now_ns();

	for (unsigned int i = 0; i < CALLS; i++) {
		(void)now_ns(); /* only its time is of interest */
	}
	clock_cost = now_ns() - clock_cost;
	b->found = 0;
	for (unsigned int i = 0; i < CALLS; i++) {
		double start;

		if (prepare) {
			prepare(b, arg);
		}
		for (unsigned int k = 0; k < b->cold_lines; k++) {
			b->junk[(size_t)next_random(b) * 64 % COLD_BYTES]++;
		}
		start = now_ns();
		run(b, arg);
		spent += now_ns() - start;
	}
	printf("%-44s %-4s %7.0f ns\n", what, b->cold_lines ? "cold" : "warm",
	       (spent - clock_cost) / CALLS);
	if (b->found != CALLS) {
		errx(1, "%s: %llu of %u found", what, (unsigned long long)b->found, CALLS);
	}
}

static void run_scan(struct bench *b, void *arg)
{
	const struct buf *stream = arg;
	struct sni_scan scan = {0};
	struct sni_hello hello;

	b->found += sni_scan_hello(&scan, stream->data, stream->len, &hello) == SNI_FOUND;
}

static void run_scan_bytewise(struct bench *b, void *arg)
{
	const struct buf *stream = arg;
	struct sni_scan scan = {0};
	struct sni_hello hello;

	for (size_t len = 1; len <= stream->len; len++) {
		b->found += sni_scan_hello(&scan, stream->data, len, &hello) == SNI_FOUND;
	}
}

static void bench_hello(struct bench *b, size_t record_bytes, const char *what, bool bytewise)
{
	struct buf stream;

	buf_init(&stream, 1 << 20);
	hello_usual(&stream, "shop.example", "h2,http/1.1", record_bytes);
	measure(b, what, bytewise ? run_scan_bytewise : run_scan, NULL, &stream);
	buf_fini(&stream);
}

struct names {
	struct rules rules;
	struct tenant_conf tenant;
	struct expose_conf *exposes;
	struct name_pattern *patterns;
	char (*text)[40];
	char asked[40];
	uint32_t n;
};

/* The name that is asked for lies in a buffer of its own, as a hello's does. */
static void pick_name(struct bench *b, void *arg)
{
	struct names *names = arg;

	memcpy(names->asked, names->text[next_random(b) % names->n], sizeof(names->asked));
}

static void run_find(struct bench *b, void *arg)
{
	struct names *names = arg;
	const struct rule *rule;
	const struct rule_query query = {
		.protocol = PROTOCOL_TLS,
		.port = 443,
		.name = str_from(names->asked),
	};

	b->found += rules_find_name(&names->rules, &query, &rule) == RULE_FOUND;
}

static void bench_names(struct bench *b, uint32_t n)
{
	struct names names = {.n = n};
	char what[64];

	names.exposes = calloc(n, sizeof(*names.exposes));
	names.patterns = calloc(n, sizeof(*names.patterns));
	names.text = calloc(n, sizeof(*names.text));
	if (!names.exposes || !names.patterns || !names.text) {
		err(1, "names");
	}
	rules_init(&names.rules);
	for (uint32_t i = 0; i < n; i++) {
		struct rule rule = {.tenant = &names.tenant, .expose = &names.exposes[i]};

		(void)snprintf(names.text[i], sizeof(names.text[i]), "n%u-%x.example", i,
			       next_random(b));
		names.patterns[i] = (struct name_pattern){.text = names.text[i]};
		names.exposes[i] = (struct expose_conf){.protocol = PROTOCOL_TLS,
							.port = 443,
							.names = &names.patterns[i],
							.n_names = 1};
		if (rules_add(&names.rules, &rule, NULL) < 0) {
			errx(1, "rules_add");
		}
	}
	(void)snprintf(what, sizeof(what), "rule of %u names", n);
	measure(b, what, run_find, pick_name, &names);
	rules_fini(&names.rules);
	free(names.exposes);
	free(names.patterns);
	free(names.text);
}

/* One session from a random source of 16 million. */
static void run_source(struct bench *b, void *arg)
{
	const struct source_limits limits = {.connections = 100, .new_per_second = 50};
	uint32_t host = next_random(b);
	struct addr addr = {.b = {[10] = 0xff, 0xff, 10}};
	struct source *source;
	/* 50,000 sessions a second */
	uint64_t now_ms = 1000 + b->sessions++ / 50;

	memcpy(addr.b + 13, &host, 3);
	if (source_admit(arg, &addr, &limits, now_ms, &source) == SOURCE_ADMITTED) {
		b->found++;
		source_release(arg, source, now_ms);
	}
}

int main(void)
{
	struct bench b = {.seed = 1, .junk = calloc(1, COLD_BYTES)};
	struct source_table sources;

	if (!b.junk || source_table_init(&sources, 200000) < 0) {
		err(1, "memory");
	}
	for (int cold = 0; cold < 2; cold++) {
		b.cold_lines = cold ? COLD_LINES : 0;
		bench_hello(&b, 16384, "hello in one record", false);
		bench_hello(&b, 1, "hello in records of one byte", false);
		bench_hello(&b, 1, "the same, fed byte by byte", true);
		bench_names(&b, 10);
		bench_names(&b, 100000);
		measure(&b, "source counted and released", run_source, NULL, &sources);
	}
	source_table_fini(&sources);
	free(b.junk);
	return 0;
}
