/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The parts of the objects' wire forms. Integers are in network order, enums and booleans one
 * byte, counts 32 bits. Each value has one form only: what unpacks, packs to the same bytes.
 */
#include "conf/model/internal.h"

#include <errno.h>
#include <string.h>

#include "conf/model/name.h"

void pack_bool(struct buf *out, bool value)
{
	buf_u8(out, value ? 1 : 0);
}

void pack_text(struct buf *out, const char *text)
{
	buf_str(out, str_from(text));
}

void pack_addr(struct buf *out, const struct addr *a)
{
	buf_bytes(out, a->b, sizeof(a->b));
}

void pack_prefix(struct buf *out, const struct prefix *p)
{
	pack_addr(out, &p->addr);
	buf_u8(out, p->len);
}

void pack_prefixes(struct buf *out, const struct prefix *prefixes, size_t n)
{
	buf_u32(out, (uint32_t)n);
	for (size_t i = 0; i < n; i++) {
		pack_prefix(out, &prefixes[i]);
	}
}

void pack_timeouts(struct buf *out, const struct timeouts *t)
{
	buf_u32(out, t->hello_ms);
	buf_u32(out, t->connect_ms);
	buf_u32(out, t->idle_ms);
	buf_u32(out, t->half_close_ms);
	buf_u32(out, t->connect_tries);
}

/* Stops the reader: what follows the first failure is not looked at. */
static void stop(struct unpack *u, int rc, const char *what)
{
	if (u->rc == 0) {
		u->rc = err_set(u->err, rc, rc == -ENOMEM ? "%s: out of memory" : "%s: bad", what);
	}
	u->in.bad = true;
	u->in.left = 0;
}

void unpack_fail(struct unpack *u, const char *what)
{
	stop(u, -EPROTO, what);
}

bool unpack_bool(struct unpack *u, const char *what)
{
	return unpack_enum(u, 2, what) != 0;
}

unsigned int unpack_enum(struct unpack *u, unsigned int n, const char *what)
{
	unsigned int value = cursor_u8(&u->in);

	if (value >= n) {
		unpack_fail(u, what);
		return 0;
	}
	return value;
}

const char *unpack_text(struct unpack *u, size_t min, size_t max, const char *what)
{
	struct str s = cursor_str(&u->in);
	const char *copy;

	if (u->in.bad || s.len < min || s.len > max || (s.len > 0 && memchr(s.p, '\0', s.len))) {
		unpack_fail(u, what);
		return NULL;
	}
	if (s.len == 0) {
		return NULL;
	}
	copy = arena_strdup(u->arena, s);
	if (!copy) {
		stop(u, -ENOMEM, what);
	}
	return copy;
}

const char *unpack_id(struct unpack *u, const char *what)
{
	const char *id = unpack_text(u, 1, TENANT_NAME_MAX, what);

	if (id && !name_is_id(str_from(id))) {
		unpack_fail(u, what);
	}
	return id;
}

struct addr unpack_addr(struct unpack *u)
{
	struct addr a = {0};
	const uint8_t *bytes = cursor_bytes(&u->in, sizeof(a.b));

	if (bytes) {
		memcpy(a.b, bytes, sizeof(a.b));
	}
	return a;
}

struct prefix unpack_prefix(struct unpack *u, const char *what)
{
	struct prefix p = {.addr = unpack_addr(u)};
	struct addr masked = p.addr;

	p.len = cursor_u8(&u->in);
	if (p.len <= 128) {
		addr_mask(&masked, p.len);
	}
	if (p.len > 128 || !addr_eq(&masked, &p.addr)) {
		unpack_fail(u, what);
		return (struct prefix){0};
	}
	return p;
}

struct timeouts unpack_timeouts(struct unpack *u)
{
	struct timeouts t;

	t.hello_ms = cursor_u32(&u->in);
	t.connect_ms = cursor_u32(&u->in);
	t.idle_ms = cursor_u32(&u->in);
	t.half_close_ms = cursor_u32(&u->in);
	t.connect_tries = cursor_u32(&u->in);
	return t;
}

void *unpack_array(struct unpack *u, size_t max, size_t size, size_t *ret_n, const char *what)
{
	size_t n = cursor_u32(&u->in);
	void *array;

	*ret_n = 0;
	if (n > max || n > u->in.left) {
		unpack_fail(u, what);
		return NULL;
	}
	if (n == 0) {
		return NULL;
	}
	array = arena_array(u->arena, n, size);
	if (!array) {
		stop(u, -ENOMEM, what);
		return NULL;
	}
	*ret_n = n;
	return array;
}

struct prefix *unpack_prefixes(struct unpack *u, size_t max, size_t *ret_n, const char *what)
{
	struct prefix *prefixes = unpack_array(u, max, sizeof(*prefixes), ret_n, what);

	for (size_t i = 0; i < *ret_n; i++) {
		prefixes[i] = unpack_prefix(u, what);
	}
	return prefixes;
}

int unpack_end(struct unpack *u)
{
	if (u->rc == 0 && u->in.bad) {
		unpack_fail(u, "message cut short");
	} else if (u->rc == 0 && u->in.left > 0) {
		unpack_fail(u, "bytes behind the message");
	}
	return u->rc;
}
