/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Which of the kernel's events are about our modules, and what is looked at then. */
#include "gateway/kernel/uevent.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

/* As the kernel sends it: strings with their ends, the first of which counts. */
#define EVENT(first) first "\0ACTION=x\0SEQNUM=7"

static void modules_of_ours_are_looked_at(void **state)
{
	static const struct {
		const char *text;
		uint32_t kinds;
		const char *cause;
	} events[] = {
		{EVENT("remove@/module/jool"), UEVENT_JOOL_KINDS, "module jool was removed"},
		{EVENT("add@/module/jool"), UEVENT_JOOL_KINDS, "module jool was loaded"},
		{EVENT("remove@/module/jool_siit"), UEVENT_JOOL_KINDS,
		 "module jool_siit was removed"},
		{EVENT("add@/module/jool_common"), UEVENT_JOOL_KINDS,
		 "module jool_common was loaded"},
		{EVENT("remove@/module/wireguard"), UEVENT_WG_KINDS,
		 "module wireguard was removed"},
		{EVENT("add@/module/sit"), UEVENT_LINK_KINDS, "module sit was loaded"},
		{EVENT("remove@/module/veth"), UEVENT_LINK_KINDS, "module veth was removed"},
	};
	char cause[UEVENT_CAUSE_MAX];

	(void)state;
	for (size_t i = 0; i < sizeof(events) / sizeof(events[0]); i++) {
		size_t len = strlen(events[i].text) + sizeof("\0ACTION=x\0SEQNUM=7");

		assert_int_equal(uevent_kinds(events[i].text, len, cause), events[i].kinds);
		assert_string_equal(cause, events[i].cause);
	}
	assert_true(UEVENT_JOOL_KINDS & DRIVER_KIND(OBJECT_INSTANCE));
	assert_true(UEVENT_WG_KINDS & DRIVER_KIND(OBJECT_WG_PEER));
	assert_true(UEVENT_WG_KINDS & DRIVER_KIND(OBJECT_LINK));
}

static void other_events_are_not(void **state)
{
	static const char *const events[] = {
		"",
		"remove",
		"remove@",
		"remove@/module/",
		"remove@/module/joo",
		"remove@/module/jool2",
		"remove@/module/jool/holders",
		"remove@/devices/virtual/net/jool",
		"change@/module/jool",
		"xremove@/module/jool",
		"Remove@/module/jool",
		"add@/module/nf_tables",
		"add@remove@/module/jool",
	};
	char cause[UEVENT_CAUSE_MAX];

	(void)state;
	for (size_t i = 0; i < sizeof(events) / sizeof(events[0]); i++) {
		assert_int_equal(uevent_kinds(events[i], strlen(events[i]) + 1, cause), 0);
	}
}

/* Each cut of an event, without anything behind it. */
static void what_is_cut_short_is_not_read_on(void **state)
{
	static const char whole[] = "remove@/module/jool";
	char cause[UEVENT_CAUSE_MAX];

	(void)state;
	for (size_t len = 0; len < sizeof(whole); len++) {
		char *cut = test_malloc(len + 1); /* its end is guarded */

		memcpy(cut, whole, len);
		assert_int_equal(uevent_kinds(cut, len, cause), 0);
		test_free(cut);
	}
	assert_int_not_equal(uevent_kinds(whole, sizeof(whole), cause), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(modules_of_ours_are_looked_at),
		cmocka_unit_test(other_events_are_not),
		cmocka_unit_test(what_is_cut_short_is_not_read_on),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
