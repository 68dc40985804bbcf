/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Objects out of text; see plan_text.h. */
#include "tests/unit/plan_text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/plan/firewall.h"

#define WORDS_MAX 16

struct words {
	char text[512];
	char *word[WORDS_MAX];
	size_t n;
	const char *line;
};

static const char *word_at(const struct words *w, size_t i)
{
	if (i >= w->n) {
		fail_msg("'%s': word %zu is missing", w->line, i);
	}
	return w->word[i];
}

static uint32_t number_at(const struct words *w, size_t i)
{
	char *end;
	unsigned long v = strtoul(word_at(w, i), &end, 0);

	if (*end != '\0') {
		fail_msg("'%s': '%s' is no number", w->line, w->word[i]);
	}
	return (uint32_t)v;
}

static struct prefix prefix_at(const struct words *w, size_t i)
{
	struct prefix p = {0};

	if (prefix_parse(str_from(word_at(w, i)), &p, NULL) < 0) {
		fail_msg("'%s': '%s' is no prefix", w->line, w->word[i]);
	}
	return p;
}

static struct addr addr_at(const struct words *w, size_t i)
{
	return prefix_at(w, i).addr;
}

static void name_at(const struct words *w, size_t i, char dst[IFNAMSIZ])
{
	snprintf(dst, IFNAMSIZ, "%s", word_at(w, i));
}

static uint8_t hex_at(const struct words *w, size_t i, uint8_t *bytes, size_t max)
{
	const char *text = word_at(w, i);
	size_t n = strlen(text) / 2;

	assert_true(n <= max);
	for (size_t at = 0; at < n; at++) {
		unsigned int byte;

		assert_int_equal(sscanf(text + 2 * at, "%2x", &byte), 1);
		bytes[at] = (uint8_t)byte;
	}
	return (uint8_t)n;
}

static void key_at(const struct words *w, size_t i, uint8_t key[WG_KEY_BYTES])
{
	uint8_t byte = 0;

	hex_at(w, i, &byte, 1);
	memset(key, byte, WG_KEY_BYTES);
}

/* By the set's name, or for what looks at no more than the bytes by a number of none. */
static void read_element(const struct words *w, struct object_element *e)
{
	enum firewall_set set = firewall_set_find(word_at(w, 1));

	e->set = set < N_FIREWALL_SETS ? (uint8_t)set : (uint8_t)number_at(w, 1);
	e->key_len = hex_at(w, 2, e->key, sizeof(e->key));
	if (w->n > 3) {
		e->data_len = hex_at(w, 3, e->data, sizeof(e->data));
	}
}

static void read_link(const struct words *w, struct object_link *link)
{
	name_at(w, 1, link->name);
	snprintf(link->alias, sizeof(link->alias), OBJECT_ALIAS_PREFIX "t/%s", link->name);
	if (strcmp(word_at(w, 2), "sit") == 0) {
		link->kind = LINK_SIT;
		link->local = addr_at(w, 3);
		link->remote = addr_at(w, 4);
	}
}

static void read_route(const struct words *w, struct object_route *route)
{
	static const char *const types[] = {"unicast", "local", "blackhole", "unreachable"};
	size_t type = 0;

	while (type < 4 && strcmp(word_at(w, 2), types[type]) != 0) {
		type++;
	}
	assert_true(type < 4);
	route->to = prefix_at(w, 1);
	route->type = (enum route_type)type;
	route->table = 254;
	if (w->n > 3) {
		name_at(w, 3, route->link);
	}
	if (w->n > 4) {
		route->metric = number_at(w, 4);
	}
}

static void read_peer(const struct words *w, struct object_wg_peer *peer,
		      struct prefix allowed[WORDS_MAX])
{
	name_at(w, 1, peer->link);
	key_at(w, 2, peer->public_key);
	for (size_t i = 3; i < w->n; i++) {
		allowed[peer->n_allowed++] = prefix_at(w, i);
	}
	peer->allowed = allowed;
}

static void read_translation(const struct words *w, struct object *o)
{
	if (o->kind == OBJECT_INSTANCE) {
		o->instance.pool6 = prefix_at(w, 1);
	} else if (o->kind == OBJECT_GLOBAL) {
		o->global.id = (uint8_t)number_at(w, 1);
		o->global.value = number_at(w, 2);
	} else if (o->kind == OBJECT_POOL4) {
		o->pool4 = (struct object_pool4){.address = addr_at(w, 1),
						 .protocol = IPPROTO_TCP,
						 .first = (uint16_t)number_at(w, 2),
						 .last = (uint16_t)number_at(w, 3),
						 .mark = number_at(w, 4)};
	} else if (o->kind == OBJECT_BIB) {
		o->bib = (struct object_bib){.protocol = IPPROTO_TCP,
					     .inside = {.addr = addr_at(w, 1),
							.port = (uint16_t)number_at(w, 2)},
					     .outside = {.addr = addr_at(w, 3),
							 .port = (uint16_t)number_at(w, 4)}};
	} else {
		o->eam.outside = prefix_at(w, 1);
		o->eam.inside = prefix_at(w, 2);
	}
}

static void read_object(const struct words *w, struct object *o, struct prefix allowed[WORDS_MAX])
{
	switch (o->kind) {
	case OBJECT_RULESET:
		o->ruleset.digest = number_at(w, 1);
		break;
	case OBJECT_ELEMENT:
		read_element(w, &o->element);
		break;
	case OBJECT_SYSCTL:
		o->sysctl.order = (uint8_t)number_at(w, 1);
		snprintf(o->sysctl.path, sizeof(o->sysctl.path), "%s", word_at(w, 2));
		snprintf(o->sysctl.value, sizeof(o->sysctl.value), "%s", word_at(w, 3));
		break;
	case OBJECT_LINK_DOWN:
		name_at(w, 1, o->link_down);
		break;
	case OBJECT_OFFLOAD:
		name_at(w, 1, o->offload.link);
		snprintf(o->offload.feature, sizeof(o->offload.feature), "%s", word_at(w, 2));
		break;
	case OBJECT_LINK:
		read_link(w, &o->link);
		break;
	case OBJECT_WG_DEVICE:
		name_at(w, 1, o->wg_device.link);
		o->wg_device.port = (uint16_t)number_at(w, 2);
		key_at(w, 3, o->wg_device.private_key);
		break;
	case OBJECT_WG_PEER:
		read_peer(w, &o->wg_peer, allowed);
		break;
	case OBJECT_ADDRESS:
		name_at(w, 1, o->address.link);
		o->address.address = prefix_at(w, 2);
		break;
	case OBJECT_RULE:
		o->rule.priority = number_at(w, 1);
		o->rule.from = prefix_at(w, 2);
		o->rule.table = number_at(w, 3);
		break;
	case OBJECT_ROUTE:
		read_route(w, &o->route);
		break;
	case OBJECT_PROXY_NEIGHBOUR:
		name_at(w, 1, o->proxy_neighbour.link);
		o->proxy_neighbour.address = addr_at(w, 2);
		break;
	case OBJECT_PROXY_PREFIX:
		o->proxy_prefix = prefix_at(w, 1);
		break;
	case OBJECT_INSTANCE:
	case OBJECT_GLOBAL:
	case OBJECT_POOL4:
	case OBJECT_BIB:
	case OBJECT_EAM:
		read_translation(w, o);
		break;
	case N_OBJECT_KINDS:
		break;
	}
}

void plan_text_add(struct object_set *set, const char *line)
{
	struct prefix allowed[WORDS_MAX];
	struct object o = {0};
	struct words w = {.line = line};
	char *save, *word, *owner = NULL;
	int kind = 0;

	snprintf(w.text, sizeof(w.text), "%s", line);
	for (word = strtok_r(w.text, " \n", &save); word && w.n < WORDS_MAX;
	     word = strtok_r(NULL, " \n", &save)) {
		if (w.n == 0 && !owner && word[strlen(word) - 1] == ':') {
			owner = word;
			owner[strlen(owner) - 1] = '\0';
		} else {
			w.word[w.n++] = word;
		}
	}
	while (kind < N_OBJECT_KINDS &&
	       strcmp(word_at(&w, 0), object_kind_name((enum object_kind)kind)) != 0) {
		kind++;
	}
	assert_true(kind < N_OBJECT_KINDS);
	o.kind = (enum object_kind)kind;
	o.owner = owner;
	read_object(&w, &o, allowed);
	assert_non_null(object_set_add(set, &o));
}
