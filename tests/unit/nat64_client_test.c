/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The client of Jool against replies in the form of 4.1.9, byte by byte, and against ones that lie.
 */
#include "nat64/jool.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "nat64/internal.h"
#include "nat64/table.h"

#define FAMILY 0x1f
#define ERROR  1
#define MORE   8

/* A module that answers each request with the next of some replies. */
struct script {
	_Alignas(struct nlmsghdr) uint8_t reply[4][512];
	size_t len[4];
	unsigned int n, at, times; /* times: each reply comes so often */
	_Alignas(struct nlmsghdr) uint8_t asked[1024];
	int rc;
};

static int play(void *ctx, const struct nlmsghdr *nlh, jool_reply_fn reply, void *arg,
		char text[JOOL_TEXT_MAX])
{
	struct script *s = ctx;
	int rc = s->rc;

	memcpy(s->asked, nlh, nlh->nlmsg_len);
	strcpy(text, s->rc < 0 ? "said by netlink" : "");
	for (unsigned int i = 0; i < s->times && s->at < s->n && rc == 0; i++) {
		rc = reply((const struct nlmsghdr *)s->reply[s->at], arg);
	}
	s->at++;
	return rc;
}

static struct jool jool_of(struct script *s, enum jool_translator translator)
{
	return (struct jool){.ops = {.ctx = s, .transact = play},
			     .family = FAMILY,
			     .translator = translator,
			     .instance = "sixgate"};
}

/* A reply with the header of Jool and raw attributes. */
static void add_reply(struct script *s, uint8_t flags, const void *attrs, size_t len)
{
	uint8_t *data = s->reply[s->n];
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(data);
	uint8_t *rest = mnl_nlmsg_put_extra_header(nlh, JOOL_ATTRIBUTES);
	static const uint8_t header[JOOL_HEADER] = "jool\x04\x01\x09\x00\x02\x00\x00\x00sixgate";

	nlh->nlmsg_type = FAMILY;
	memcpy(rest + 4, header, sizeof(header));
	rest[4 + 9] = flags;
	if (len > 0) {
		memcpy(mnl_nlmsg_get_payload_tail(nlh), attrs, len);
	}
	nlh->nlmsg_len += (uint32_t)len;
	s->n++;
	s->times = 1;
}

/* One row of pool4, as the module writes it: 203.0.113.10 16384-17407, mark 0x1001, TCP. */
static const uint8_t row[] = {
	72, 0, 1, 0x80, 8, 0, 1,    0,    0x01, 0x10, 0,   0,  8, 0, 2,    0,    0,  0,
	0,  0, 5, 0,    3, 0, 2,    0,    0,    0,    5,   0,  4, 0, 0,    0,    0,  0,
	20, 0, 5, 0x80, 8, 0, 1,    0,    203,  0,    113, 10, 5, 0, 2,    0,    32, 0,
	0,  0, 6, 0,    6, 0, 0x00, 0x40, 0,    0,    6,   0,  7, 0, 0xff, 0x43, 0,  0,
};

static int count(const struct jool_entry *e, void *arg)
{
	(void)e;
	(*(unsigned int *)arg)++;
	return 0;
}

static void row_is_read_and_the_next_page_asked_for(void **state)
{
	struct script s = {0};
	struct jool jool = jool_of(&s, JOOL_NAT64);
	struct jool_walk walk = {.protocol = IPPROTO_TCP};
	unsigned int n = 0;
	struct err err;
	bool more;

	(void)state;
	add_reply(&s, MORE, row, sizeof(row));
	add_reply(&s, 0, NULL, 0);
	assert_int_equal(jool_walk(&jool, JOOL_POOL4, &walk, count, &n, &more, &err), 0);
	assert_int_equal(n, 1);
	assert_true(more);
	assert_int_equal(walk.last.mark, 0x1001);
	assert_int_equal(walk.last.first, 16384);
	assert_int_equal(walk.last.last, 17407);
	assert_int_equal(walk.last.range.len, 128);
	assert_int_equal(walk.last.range.addr.b[15], 10);
	assert_int_equal(jool_walk(&jool, JOOL_POOL4, &walk, count, &n, &more, &err), 0);
	assert_false(more);
	/* the offset is the row as it came, but for its number */
	assert_memory_equal(s.asked + 16 + JOOL_ATTRIBUTES + 4, row + 4, sizeof(row) - 4);
	assert_int_equal(s.asked[16 + JOOL_ATTRIBUTES + 2], JOOL_ROOT_OFFSET);
}

static int walk_rows(struct script *s, struct err *err)
{
	struct jool jool = jool_of(s, JOOL_NAT64);
	struct jool_list list = {0};
	int rc = jool_list_read(&jool, JOOL_POOL4, IPPROTO_TCP, 100, &list, err);

	jool_list_fini(&list);
	return rc;
}

static void module_says_why(void **state)
{
	static const uint8_t refusal[] = {6, 0, 1,   0,   22,   0,    0, 0, 9, 0,
					  2, 0, 'n', 'o', '\n', '\n', 0, 0, 0, 0};
	struct script s = {0};
	struct err err;

	(void)state;
	add_reply(&s, ERROR, refusal, sizeof(refusal));
	assert_int_equal(walk_rows(&s, &err), -EINVAL);
	assert_string_equal(err.msg, "jool: no");
}

static void netlink_says_why(void **state)
{
	struct script s = {.rc = -EPERM};
	struct err err;

	(void)state;
	assert_int_equal(walk_rows(&s, &err), -EPERM);
	assert_string_equal(err.msg, "jool: said by netlink");
}

static void silence_and_too_many_replies_are_errors(void **state)
{
	struct script s = {0};
	struct err err;

	(void)state;
	assert_int_equal(walk_rows(&s, &err), -EPROTO);
	add_reply(&s, 0, row, sizeof(row));
	s.at = 0;
	s.times = 2;
	assert_int_equal(walk_rows(&s, &err), -EPROTO);
	assert_non_null(strstr(err.msg, "second reply"));
}

static void error_without_a_code_is_no_success(void **state)
{
	static const uint8_t zero[] = {6, 0, 1, 0, 0, 0, 0, 0},
			     huge[] = {6, 0, 1, 0, 0, 0xff, 0, 0};
	struct script s = {0};
	struct err err;

	(void)state;
	add_reply(&s, ERROR, zero, sizeof(zero));
	add_reply(&s, ERROR, huge, sizeof(huge));
	add_reply(&s, ERROR, NULL, 0);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(walk_rows(&s, &err), -EPROTO);
	}
}

static void pages_without_end_end(void **state)
{
	struct script s = {0};
	struct err err;

	(void)state;
	add_reply(&s, MORE, row, sizeof(row)); /* the same page again and again */
	add_reply(&s, MORE, row, sizeof(row));
	assert_int_equal(walk_rows(&s, &err), -EPROTO);
	s = (struct script){0};
	add_reply(&s, MORE, NULL, 0); /* more of nothing */
	assert_int_equal(walk_rows(&s, &err), -EPROTO);
}

/* Each byte of a good reply changed: what is read is read, or refused, and nothing else happens. */
static void damaged_replies_are_read_or_refused(void **state)
{
	unsigned int refused = 0;

	(void)state;
	for (size_t i = 0; i < 16 + JOOL_ATTRIBUTES + sizeof(row); i++) {
		for (unsigned int bit = 0; bit < 8; bit++) {
			struct script s = {0};
			struct err err;

			add_reply(&s, 0, row, sizeof(row));
			if (i < 4) {
				continue; /* the length, which netlink checks */
			}
			s.reply[0][i] ^= (uint8_t)(1u << bit);
			refused += walk_rows(&s, &err) < 0;
		}
	}
	assert_true(refused > 100);
}

static void cut_replies_are_refused(void **state)
{
	(void)state;
	for (uint32_t len = 16; len < 16 + JOOL_ATTRIBUTES; len++) {
		struct script s = {0};
		struct err err;

		add_reply(&s, 0, row, sizeof(row));
		((struct nlmsghdr *)s.reply[0])->nlmsg_len = len;
		assert_int_equal(walk_rows(&s, &err), -EPROTO);
	}
}

/* Old modules crash on an operation of the other translator. */
static void operations_of_the_other_translator_are_never_sent(void **state)
{
	struct script s = {0};
	struct jool nat64 = jool_of(&s, JOOL_NAT64), siit = jool_of(&s, JOOL_SIIT);
	struct jool_walk walk = {.protocol = IPPROTO_TCP};
	struct jool_entry e = {.protocol = IPPROTO_TCP};
	unsigned int n = 0;
	struct err err;
	bool more;

	(void)state;
	assert_int_equal(jool_walk(&siit, JOOL_POOL4, &walk, count, &n, &more, &err), -EINVAL);
	assert_int_equal(jool_walk(&siit, JOOL_BIB, &walk, count, &n, &more, &err), -EINVAL);
	assert_int_equal(jool_walk(&siit, JOOL_SESSION, &walk, count, &n, &more, &err), -EINVAL);
	assert_int_equal(jool_walk(&nat64, JOOL_EAMT, &walk, count, &n, &more, &err), -EINVAL);
	assert_int_equal(jool_entry_add(&siit, JOOL_BIB, &e, &err), -EINVAL);
	assert_int_equal(jool_entry_remove(&nat64, JOOL_EAMT, &e, &err), -EINVAL);
	assert_int_equal(jool_entry_add(&nat64, JOOL_SESSION, &e, &err), -EINVAL);
	assert_int_equal(s.at, 0);
}

static void numbers_that_are_no_globals_are_never_sent(void **state)
{
	struct script s = {0};
	struct jool jool = jool_of(&s, JOOL_NAT64);
	struct err err;

	(void)state;
	assert_int_equal(jool_global_set(&jool, 32, 1, &err), -EINVAL); /* 4.1.9 has none */
	assert_int_equal(jool_global_set(&jool, 0, 1, &err), -EINVAL);
	assert_int_equal(jool_global_set(&jool, 1, 256, &err), -EINVAL);
	assert_int_equal(s.at, 0);
}

static void versions(void **state)
{
	static const struct {
		const char *text;
		int rc;
	} cases[] = {{"4.1.9.0\n", 0},          {"4.1.15", 0},          {"4.1.8.0", -EOPNOTSUPP},
		     {"4.1.16.0", -EOPNOTSUPP}, {"4.2.9", -EOPNOTSUPP}, {"5.1.9", -EOPNOTSUPP},
		     {"4.1", -EOPNOTSUPP},      {"", -EOPNOTSUPP},      {"4.1.x", -EOPNOTSUPP},
		     {"4..9", -EOPNOTSUPP}};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct jool_version v;
		struct err err;

		assert_int_equal(jool_version_parse("jool", str_from(cases[i].text), &v, &err),
				 cases[i].rc);
	}
}

static void every_counter_has_a_name_and_a_sentence(void **state)
{
	(void)state;
	for (unsigned int i = 1; i < JOOL_STATS; i++) {
		assert_non_null(jool_stat_name(i));
		assert_non_null(jool_stat_text(i));
	}
	assert_null(jool_stat_name(0));
	assert_null(jool_stat_name(JOOL_STATS));
	assert_string_equal(jool_stat_name(JOOL_STAT_BIB6_NOT_FOUND), "bib6-not-found");
	assert_string_equal(jool_stat_name(68), "icmpext-big");
	assert_string_equal(jool_stat_name(60), "46-bad-mtu");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(row_is_read_and_the_next_page_asked_for),
		cmocka_unit_test(module_says_why),
		cmocka_unit_test(netlink_says_why),
		cmocka_unit_test(silence_and_too_many_replies_are_errors),
		cmocka_unit_test(error_without_a_code_is_no_success),
		cmocka_unit_test(pages_without_end_end),
		cmocka_unit_test(damaged_replies_are_read_or_refused),
		cmocka_unit_test(cut_replies_are_refused),
		cmocka_unit_test(operations_of_the_other_translator_are_never_sent),
		cmocka_unit_test(numbers_that_are_no_globals_are_never_sent),
		cmocka_unit_test(versions),
		cmocka_unit_test(every_counter_has_a_name_and_a_sentence),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
