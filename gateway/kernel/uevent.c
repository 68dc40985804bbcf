/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Reads the kernel's events about modules. The first string of one says all: "remove@/module/jool".
 */
#include "gateway/kernel/uevent.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/str.h"

static const struct {
	const char *module;
	uint32_t kinds;
} modules[] = {
	{"jool", UEVENT_JOOL_KINDS},        {"jool_siit", UEVENT_JOOL_KINDS},
	{"jool_common", UEVENT_JOOL_KINDS}, {"wireguard", UEVENT_WG_KINDS},
	{"sit", UEVENT_LINK_KINDS},         {"veth", UEVENT_LINK_KINDS},
};

static bool cut_prefix(struct str *text, const char *prefix)
{
	size_t n = strlen(prefix);

	if (text->len < n || memcmp(text->p, prefix, n) != 0) {
		return false;
	}
	text->p += n;
	text->len -= n;
	return true;
}

uint32_t uevent_kinds(const char *text, size_t len, char cause[UEVENT_CAUSE_MAX])
{
	struct str rest = {.p = text, .len = strnlen(text, len)};
	bool whole = rest.len < len, removed = cut_prefix(&rest, "remove@/module/");

	if (!whole || (!removed && !cut_prefix(&rest, "add@/module/"))) {
		return 0;
	}
	for (size_t i = 0; i < sizeof(modules) / sizeof(modules[0]); i++) {
		if (str_eq(rest, str_from(modules[i].module))) {
			(void)snprintf(cause, UEVENT_CAUSE_MAX, "module %s was %s",
				       modules[i].module,
				       removed ? "removed" : "loaded"); /* fits */
			return modules[i].kinds;
		}
	}
	return 0;
}
