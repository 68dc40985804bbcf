/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Plays tests/replay/NAME.dns: what clients ask and upstreams answer, without sockets and with a
 * clock of its own, against what is to come of it. A line a command:
 *
 *   case TEXT                begins anew: one tenant, Pref64 2001:db8:64::/96, empty cache
 *   prefix P [IPV4-RANGE...] another Pref64; the first one replaces the default
 *   exclude|permit P, never|always NAME, off, nohint, local RECORD   of the tenant's policy
 *   tenant                   another one, whose policy the next lines are of
 *   query NAME TYPE [do] [cd] [ad] [noedns] [nord] [ch] [tcp] [nsid] [keepalive] [ecs] [size=N]
 *   asked NAME TYPE [do] [cd]                 upstreams are asked that, and
 *   upstream RCODE [ad] [ede=N]...            answer with the records of the lines below
 *   silence                                   ... or do not
 *   wait SECONDS
 *   expect RCODE [ad] [tc] [ede=N] [nsid] [keepalive] [noopt]    with the records below, no others
 *          [log=WORD]                         what the query log says of synthesis
 *   nothing                                   no answer yet
 *     answer|authority|additional RECORD      as in a zone file
 *
 * At a case's end no question may be open, and no answer unexpected.
 */
#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <libknot/libknot.h>

#include "dns64/answer.h"
#include "dns64/cache.h"
#include "dns64/local_records.h"
#include "dns64/resolver.h"
#include "tests/unit/dns_text.h"

#define WORDS_MAX   16
#define MESSAGE_MAX 65535
#define FETCHES_MAX 16
#define ANSWERS_MAX 4
#define LIST_MAX    8

struct play {
	const char *file;
	unsigned int line;
	char title[128];
	struct resolver r;
	struct dns_tenant *tenant;
	uint64_t now_ms;
	/* of the tenant's policy */
	struct pref64 pref64s[LIST_MAX];
	struct prefix mapped[LIST_MAX][LIST_MAX], excluded[LIST_MAX], permitted[LIST_MAX];
	const uint8_t *never[LIST_MAX], *always[LIST_MAX];
	struct local_record local[LIST_MAX];
	knot_rrset_t *local_rrs[LIST_MAX]; /* owned: what local borrows */
	bool own_prefix;
	/* what goes on */
	struct fetch *fetches[FETCHES_MAX]; /* asked, oldest first */
	unsigned int n_fetches;
	struct fetch *asked; /* what `upstream` answers */
	uint8_t wire[MESSAGE_MAX];
	uint8_t messages[ANSWERS_MAX][MESSAGE_MAX]; /* answers nobody expected yet, oldest first */
	size_t len[ANSWERS_MAX];
	const char *synthesis[ANSWERS_MAX]; /* of the query log; set before the message */
	unsigned int n_messages;
	/* a block of records that is being read */
	knot_pkt_t *building;
	uint16_t building_rcode, building_ede[LIST_MAX];
	unsigned int n_building_ede;
	bool building_ad, expecting;
	char *want; /* text of what is expected */
	size_t want_len;
	FILE *want_file;
};

static void wrong(const struct play *p, const char *what, const char *text)
{
	print_error("%s:%u: case %s: %s: %s\n", p->file, p->line, p->title, what, text);
	fail();
}

static int play_ask(void *ctx, struct fetch *fetch)
{
	struct play *p = ctx;

	if (p->n_fetches == FETCHES_MAX) {
		return -1;
	}
	p->fetches[p->n_fetches++] = fetch;
	return 0;
}

static void take_answer(struct play *p, const uint8_t *wire, size_t len)
{
	if (p->n_messages == ANSWERS_MAX) {
		wrong(p, "one more answer", "those before were not expected");
	}
	memcpy(p->messages[p->n_messages], wire, len);
	p->len[p->n_messages++] = len;
}

static void play_answer(void *ctx, const struct dns_client *client, const uint8_t *wire, size_t len)
{
	(void)client;
	take_answer(ctx, wire, len);
}

static void play_report(void *ctx, const struct query_report *report)
{
	struct play *p = ctx;

	if (p->n_messages < ANSWERS_MAX) {
		p->synthesis[p->n_messages] = report->synthesis ? report->synthesis : "-";
	}
}

static const struct resolver_ops play_ops = {
	.ask = play_ask,
	.answer = play_answer,
	.report = play_report,
};

static struct prefix prefix_of(const struct play *p, const char *text)
{
	struct prefix prefix;
	struct err err;

	if (prefix_parse(str_from(text), &prefix, &err) < 0) {
		wrong(p, "no prefix", text);
	}
	return prefix;
}

static void tenant_new(struct play *p)
{
	p->tenant = calloc(1, sizeof(*p->tenant));
	assert_non_null(p->tenant);
	p->tenant->refs = 1;
	memset(p->pref64s, 0, sizeof(p->pref64s));
	p->pref64s[0].prefix = prefix_of(p, "2001:db8:64::/96");
	p->own_prefix = false;
	p->tenant->policy = (struct policy){
		.on = true,
		.pref64s = p->pref64s,
		.n_pref64s = 1,
		.excluded = policy_excluded,
		.n_excluded = 1,
		.permitted = p->permitted,
		.never = p->never,
		.always = p->always,
		.local = p->local,
	};
}

static void tenant_free(struct play *p)
{
	for (size_t i = 0; i < p->tenant->policy.n_local; i++) {
		knot_rrset_free(p->local_rrs[i], NULL);
	}
	dns_tenant_unref(p->tenant);
	p->tenant = NULL;
}

/* A record of the tenant's own. */
static void tenant_local(struct play *p, const char *line)
{
	size_t i = p->tenant->policy.n_local++;
	knot_rrset_t *rr = text_rrset(line);

	assert_true(i < LIST_MAX);
	p->local_rrs[i] = rr;
	p->local[i] = (struct local_record){
		.name = rr->owner,
		.type = rr->type,
		.data = rr->rrs.rdata->data,
		.len = rr->rrs.rdata->len,
		.ttl_s = rr->ttl,
	};
}

static void case_end(struct play *p)
{
	if (!p->tenant) {
		return;
	}
	if (p->n_fetches > 0 || p->asked) {
		wrong(p, "a question is open", "at its end");
	}
	if (p->n_messages > 0) {
		wrong(p, "an answer nobody expected", "at its end");
	}
	tenant_free(p);
	resolver_fini(&p->r);
}

static void case_begin(struct play *p, const char *title)
{
	case_end(p);
	(void)snprintf(p->title, sizeof(p->title), "%s", title);
	assert_int_equal(resolver_init(&p->r, &play_ops, p, 1 << 20), 0);
	p->r.report_one_in = 1;
	p->now_ms = 1000000;
	resolver_set_time(&p->r, p->now_ms);
	tenant_new(p);
}

static bool has(char *words[], unsigned int n, const char *word)
{
	for (unsigned int i = 0; i < n; i++) {
		if (strcmp(words[i], word) == 0) {
			return true;
		}
	}
	return false;
}

static unsigned int number(char *words[], unsigned int n, const char *key, unsigned int otherwise)
{
	size_t len = strlen(key);

	for (unsigned int i = 0; i < n; i++) {
		if (strncmp(words[i], key, len) == 0) {
			return (unsigned int)atoi(words[i] + len);
		}
	}
	return otherwise;
}

static void add_edns(const struct play *p, knot_pkt_t *pkt, char *words[], unsigned int n)
{
	knot_rrset_t opt;

	if (has(words, n, "noedns")) {
		return;
	}
	(void)p;
	assert_int_equal(knot_edns_init(&opt, (uint16_t)number(words, n, "size=", 1232), 0, 0,
					NULL),
			 0);
	if (has(words, n, "do")) {
		knot_edns_set_do(&opt);
	}
	if (has(words, n, "nsid")) {
		assert_int_equal(knot_edns_add_option(&opt, KNOT_EDNS_OPTION_NSID, 0, NULL, NULL),
				 0);
	}
	if (has(words, n, "ecs")) { /* 192.0.2.0/24 */
		assert_int_equal(knot_edns_add_option(&opt, KNOT_EDNS_OPTION_CLIENT_SUBNET, 7,
						      (const uint8_t *)"\0\1\30\0\300\0\2", NULL),
				 0);
	}
	if (has(words, n, "keepalive")) {
		assert_int_equal(knot_edns_add_option(&opt, KNOT_EDNS_OPTION_TCP_KEEPALIVE, 0, NULL,
						      NULL),
				 0);
	}
	assert_int_equal(knot_pkt_begin(pkt, KNOT_ADDITIONAL), 0);
	assert_int_equal(knot_pkt_put(pkt, KNOT_COMPR_HINT_NOCOMP, &opt, 0), 0);
	knot_rrset_clear(&opt, NULL);
}

/* A client's query, through what reads it. */
static void command_query(struct play *p, char *words[], unsigned int n)
{
	const struct dns_client client = {.connection = 0};
	knot_pkt_t *pkt = knot_pkt_new(NULL, 4096, NULL);
	uint8_t name[QUESTION_NAME_MAX];
	struct request request;
	size_t len;

	assert_non_null(knot_dname_from_str(name, words[1], sizeof(name)));
	knot_wire_set_id(pkt->wire, 0x1234);
	if (!has(words, n, "nord")) {
		knot_wire_set_rd(pkt->wire);
	}
	if (has(words, n, "cd")) {
		knot_wire_set_cd(pkt->wire);
	}
	if (has(words, n, "ad")) {
		knot_wire_set_ad(pkt->wire);
	}
	assert_int_equal(knot_pkt_put_question(pkt, name,
					       has(words, n, "ch") ? KNOT_CLASS_CH : KNOT_CLASS_IN,
					       text_type(words[2])),
			 0);
	add_edns(p, pkt, words, n);
	assert_int_equal(request_read(pkt->wire, pkt->size, &request), REQUEST_READ);
	request.over_tcp = has(words, n, "tcp");
	request.nsid = str_from("gate");
	request.keepalive_100ms = 100;
	len = resolver_query(&p->r, p->tenant, &client, &request, p->wire);
	if (len > 0) {
		take_answer(p, p->wire, len);
		assert_memory_equal(p->wire + DNS_HEADER_BYTES, name, request.q.len);
	}
	knot_pkt_free(pkt);
}

static void command_asked(struct play *p, char *words[], unsigned int n)
{
	uint8_t flags = (uint8_t)((has(words, n, "do") ? QUESTION_DO : 0) |
				  (has(words, n, "cd") ? QUESTION_CD : 0));
	struct question q = {.type = text_type(words[2]), .flags = flags};
	char text[512];

	q.class = has(words, n, "ch") ? KNOT_CLASS_CH : KNOT_CLASS_IN;
	assert_int_equal(question_set_name(&q, words[1]), 0);
	for (unsigned int i = 0; i < p->n_fetches; i++) {
		if (question_eq(&q, &p->fetches[i]->q)) {
			p->asked = p->fetches[i];
			p->n_fetches--;
			memmove(p->fetches + i, p->fetches + i + 1,
				(p->n_fetches - i) * sizeof(p->fetches[0]));
			return;
		}
	}
	(void)snprintf(text, sizeof(text), "%s %s; %u questions are open", words[1], words[2],
		       p->n_fetches);
	wrong(p, "upstreams are not asked", text);
}

/* The message of `upstream` is complete. */
static void upstream_end(struct play *p)
{
	enum answer_result result;
	struct fetch *fetch = p->asked;
	struct answer *answer = NULL;
	knot_rrset_t opt;
	uint8_t code[2];

	assert_int_equal(knot_edns_init(&opt, 1232, (uint8_t)(p->building_rcode >> 4), 0, NULL), 0);
	for (unsigned int i = 0; i < p->n_building_ede; i++) {
		knot_wire_write_u16(code, p->building_ede[i]);
		assert_int_equal(knot_edns_add_option(&opt, KNOT_EDNS_OPTION_EDE, 2, code, NULL),
				 0);
	}
	if (p->building->current != KNOT_ADDITIONAL) {
		assert_int_equal(knot_pkt_begin(p->building, KNOT_ADDITIONAL), 0);
	}
	assert_int_equal(knot_pkt_put(p->building, KNOT_COMPR_HINT_NOCOMP, &opt, 0), 0);
	knot_rrset_clear(&opt, NULL);
	knot_wire_set_qr(p->building->wire);
	knot_wire_set_rcode(p->building->wire, p->building_rcode & 0xf);
	if (p->building_ad) {
		knot_wire_set_ad(p->building->wire);
	}
	result = answer_read(&fetch->q, p->building->wire, p->building->size, &answer);
	if (result != ANSWER_READ) {
		answer = answer_failed(&fetch->q, KNOT_EDNS_EDE_INV_DATA); /* as upstream.c */
	}
	knot_pkt_free(p->building);
	p->building = NULL;
	p->asked = NULL;
	fetch_done(&p->r, fetch, answer);
}

static void command_upstream(struct play *p, char *words[], unsigned int n)
{
	if (!p->asked) {
		wrong(p, "upstream", "after `asked` alone");
	}
	p->building = knot_pkt_new(NULL, MESSAGE_MAX, NULL);
	assert_int_equal(knot_pkt_put_question(p->building, p->asked->q.name, p->asked->q.class,
					       p->asked->q.type),
			 0);
	assert_int_equal(knot_pkt_begin(p->building, KNOT_ANSWER), 0);
	p->building_rcode = text_rcode(words[1]);
	p->building_ad = has(words, n, "ad");
	p->n_building_ede = 0;
	for (unsigned int i = 2; i < n; i++) {
		if (strncmp(words[i], "ede=", 4) == 0 && p->n_building_ede < LIST_MAX) {
			p->building_ede[p->n_building_ede++] = (uint16_t)atoi(words[i] + 4);
		}
	}
}

static void command_silence(struct play *p)
{
	struct fetch *fetch = p->asked;

	if (!fetch) {
		wrong(p, "silence", "after `asked` alone");
	}
	p->asked = NULL;
	fetch_done(&p->r, fetch, NULL);
}

static void put_words(struct play *p, char *words[], unsigned int n)
{
	(void)fprintf(p->want_file, "%s%s%s", words[1], has(words, n, "ad") ? " ad" : "",
		      has(words, n, "tc") ? " tc" : "");
	if (number(words, n, "ede=", ANSWER_NO_EDE) != ANSWER_NO_EDE) {
		(void)fprintf(p->want_file, " ede=%u", number(words, n, "ede=", 0));
	}
	(void)fprintf(p->want_file, "%s%s%s\n", has(words, n, "nsid") ? " nsid" : "",
		      has(words, n, "keepalive") ? " keepalive" : "",
		      has(words, n, "noopt") ? " noopt" : "");
}

static void command_expect(struct play *p, char *words[], unsigned int n)
{
	if (p->n_messages == 0) {
		wrong(p, "no answer", words[1]);
	}
	for (unsigned int i = 2; i < n; i++) {
		if (strncmp(words[i], "log=", 4) == 0 &&
		    strcmp(words[i] + 4, p->synthesis[0]) != 0) {
			wrong(p, "the log has another word", p->synthesis[0]);
		}
	}
	p->expecting = true;
	p->want_file = open_memstream(&p->want, &p->want_len);
	put_words(p, words, n);
}

static void put_message(struct play *p, FILE *out)
{
	knot_pkt_t *pkt = knot_pkt_new(p->messages[0], (uint16_t)p->len[0], NULL);
	uint8_t *ede, *option;

	assert_int_equal(knot_pkt_parse(pkt, KNOT_PF_NOCANON), KNOT_EOK);
	assert_int_equal(pkt->parsed, pkt->size);
	assert_int_equal(knot_wire_get_id(pkt->wire), 0x1234);
	assert_true(knot_wire_get_qr(pkt->wire));
	assert_true(knot_wire_get_ra(pkt->wire));
	(void)fprintf(out, "%s%s%s", rcode_text(knot_pkt_ext_rcode(pkt)),
		      knot_wire_get_ad(pkt->wire) ? " ad" : "",
		      knot_wire_get_tc(pkt->wire) ? " tc" : "");
	ede = pkt->opt_rr ? knot_edns_get_option(pkt->opt_rr, KNOT_EDNS_OPTION_EDE, NULL) : NULL;
	if (ede) {
		(void)fprintf(out, " ede=%u", knot_wire_read_u16(knot_edns_opt_get_data(ede)));
	}
	option =
		pkt->opt_rr ? knot_edns_get_option(pkt->opt_rr, KNOT_EDNS_OPTION_NSID, NULL) : NULL;
	(void)fputs(option ? " nsid" : "", out);
	option = pkt->opt_rr
			 ? knot_edns_get_option(pkt->opt_rr, KNOT_EDNS_OPTION_TCP_KEEPALIVE, NULL)
			 : NULL;
	(void)fputs(option ? " keepalive" : "", out);
	option = pkt->opt_rr
			 ? knot_edns_get_option(pkt->opt_rr, KNOT_EDNS_OPTION_CLIENT_SUBNET, NULL)
			 : NULL;
	(void)fputs(option ? " ecs" : "", out);
	(void)fprintf(out, "%s\n", pkt->opt_rr ? "" : " noopt");
	section_text(pkt, KNOT_ANSWER, "answer", out);
	section_text(pkt, KNOT_AUTHORITY, "authority", out);
	section_text(pkt, KNOT_ADDITIONAL, "additional", out);
	knot_pkt_free(pkt);
}

static void expect_end(struct play *p)
{
	char *got = NULL, *text;
	size_t len = 0;
	FILE *out = open_memstream(&got, &len);

	put_message(p, out);
	(void)fclose(out);
	(void)fclose(p->want_file);
	p->expecting = false;
	p->n_messages--;
	memmove(p->messages[0], p->messages[1], sizeof(p->messages) - sizeof(p->messages[0]));
	memmove(p->len, p->len + 1, sizeof(p->len) - sizeof(p->len[0]));
	memmove(p->synthesis, p->synthesis + 1, sizeof(p->synthesis) - sizeof(p->synthesis[0]));
	if (strcmp(got, p->want) != 0) {
		assert_true(asprintf(&text, "\n--- expected\n%s--- got\n%s", p->want, got) > 0);
		wrong(p, "another answer", text);
	}
	free(got);
	free(p->want);
}

static void block_end(struct play *p)
{
	if (p->building) {
		upstream_end(p);
	} else if (p->expecting) {
		expect_end(p);
	}
}

static void record(struct play *p, char *line)
{
	static const char *const sections[] = {"answer", "authority", "additional"};
	char *rest = line + strcspn(line, " ");

	*rest++ = '\0';
	for (unsigned int i = 0; i < 3; i++) {
		if (strcmp(line, sections[i]) != 0) {
			continue;
		}
		if (p->building) {
			text_put(p->building, (knot_section_t)i, rest);
		} else if (p->expecting) {
			record_text(rest, line, p->want_file);
		}
		return;
	}
	wrong(p, "no section", line);
}

static void policy_command(struct play *p, char *words[], unsigned int n)
{
	struct policy *policy = &p->tenant->policy;

	if (strcmp(words[0], "prefix") == 0) {
		size_t at = p->own_prefix ? policy->n_pref64s++ : 0;

		p->own_prefix = true;
		p->pref64s[at] = (struct pref64){.prefix = prefix_of(p, words[1]),
						 .mapped = p->mapped[at],
						 .n_mapped = n - 2};
		for (unsigned int i = 2; i < n; i++) {
			p->mapped[at][i - 2] = prefix_of(p, words[i]);
		}
	} else if (strcmp(words[0], "exclude") == 0) {
		policy->n_excluded = policy->excluded == p->excluded ? policy->n_excluded : 0;
		policy->excluded = p->excluded;
		p->excluded[policy->n_excluded++] = prefix_of(p, words[1]);
	} else if (strcmp(words[0], "permit") == 0) {
		p->permitted[policy->n_permitted++] = prefix_of(p, words[1]);
	} else if (strcmp(words[0], "never") == 0) {
		p->never[policy->n_never++] = knot_dname_from_str_alloc(words[1]);
	} else if (strcmp(words[0], "always") == 0) {
		p->always[policy->n_always++] = knot_dname_from_str_alloc(words[1]);
	} else if (strcmp(words[0], "off") == 0) {
		policy->on = false;
	} else if (strcmp(words[0], "nohint") == 0) {
		policy->no_ipv4hint = true;
	} else if (strcmp(words[0], "tenant") == 0) {
		tenant_free(p);
		tenant_new(p);
	} else {
		wrong(p, "no command", words[0]);
	}
}

static void command(struct play *p, char *words[], unsigned int n)
{
	if (strcmp(words[0], "query") == 0 && n >= 3) {
		command_query(p, words, n);
	} else if (strcmp(words[0], "asked") == 0 && n >= 3) {
		command_asked(p, words, n);
	} else if (strcmp(words[0], "upstream") == 0 && n >= 2) {
		command_upstream(p, words, n);
	} else if (strcmp(words[0], "silence") == 0) {
		command_silence(p);
	} else if (strcmp(words[0], "wait") == 0) {
		p->now_ms += (uint64_t)(atof(words[1]) * 1000);
		resolver_set_time(&p->r, p->now_ms);
		resolver_work(&p->r);
	} else if (strcmp(words[0], "expect") == 0 && n >= 2) {
		command_expect(p, words, n);
	} else if (strcmp(words[0], "nothing") == 0) {
		if (p->n_messages > 0) {
			wrong(p, "an answer", "none was expected yet");
		}
	} else {
		policy_command(p, words, n);
	}
}

static void play_line(struct play *p, char *line)
{
	char *words[WORDS_MAX], *rest = line;
	unsigned int n = 0;
	bool indented = line[0] == ' ' || line[0] == '\t';

	line[strcspn(line, "\n")] = '\0';
	line += strspn(line, " \t");
	if (*line == '#' || *line == '\0') {
		return;
	}
	if (indented) {
		record(p, line);
		return;
	}
	block_end(p);
	if (strncmp(line, "case ", 5) == 0) {
		case_begin(p, line + 5);
		return;
	}
	if (strncmp(line, "local ", 6) == 0) {
		tenant_local(p, line + 6);
		return;
	}
	while (n < WORDS_MAX && (words[n] = strsep(&rest, " "))) {
		n += words[n][0] != '\0';
	}
	command(p, words, n);
}

static void play_file(void **state)
{
	const char *path = *state;
	FILE *f = fopen(path, "re");
	static struct play p;
	char *line = NULL;
	size_t size = 0;

	assert_non_null(f);
	memset(&p, 0, sizeof(p));
	p.file = path;
	while (getline(&line, &size, f) > 0) {
		p.line++;
		play_line(&p, line);
	}
	block_end(&p);
	case_end(&p);
	free(line);
	(void)fclose(f);
}

static int is_script(const struct dirent *entry)
{
	const char *dot = strrchr(entry->d_name, '.');

	return dot && strcmp(dot, ".dns") == 0;
}

int main(void)
{
	struct CMUnitTest tests[64];
	struct dirent **entries;
	const char *top = getenv("SIXGATE_SRCDIR");
	char folder[4096], *paths[64];
	int n, rc;

	(void)snprintf(folder, sizeof(folder), "%s/tests/replay", top ? top : ".");
	n = scandir(folder, &entries, is_script, alphasort);
	if (n <= 0 || n > 64) {
		fprintf(stderr, "%s: no scripts\n", folder);
		return 1;
	}
	for (int i = 0; i < n; i++) {
		if (asprintf(&paths[i], "%s/%s", folder, entries[i]->d_name) < 0) {
			return 1;
		}
		tests[i] = (struct CMUnitTest)cmocka_unit_test_prestate(play_file, paths[i]);
		tests[i].name = entries[i]->d_name;
	}
	rc = _cmocka_run_group_tests("replay", tests, (size_t)n, NULL, NULL);
	for (int i = 0; i < n; i++) {
		free(entries[i]);
		free(paths[i]);
	}
	free(entries);
	return rc;
}
