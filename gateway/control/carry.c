/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Counters over an upgrade; see carry.h. The list is text, one line for each thing: "f FRESH", the
 * number of slots that were ever given out; "k SLOT KEY"; "n INDEX VALUE", what listeners that are
 * gone have counted; "a LINES DROPPED" of the access log. Its writer was control, so a line that
 * is wrong is passed over.
 */
#include "gateway/control/carry.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/log.h"
#include "gateway/control/control.h"

#define MOD      "upgrade"
#define LIST_MAX ((size_t)256 << 20) /* bytes; 262144 keys of usual length are 20 MB */

static void close_if_open(int *fd)
{
	if (*fd > 0) {
		close(*fd);
	}
	*fd = 0;
}

void carry_take_list(struct carry *carry, int fd)
{
	close_if_open(&carry->list_fd);
	carry->list_fd = fd;
}

void carry_take_base(struct carry *carry, int fd)
{
	close_if_open(&carry->base_fd);
	carry->base_fd = fd;
}

/* Cuts the next word off. */
static struct str next_word(struct str *rest)
{
	const char *space = rest->len > 0 ? memchr(rest->p, ' ', rest->len) : NULL;
	struct str word = {.p = rest->p, .len = space ? (size_t)(space - rest->p) : rest->len};
	size_t used = word.len + (space != NULL);

	*rest = (struct str){.p = rest->p + used, .len = rest->len - used};
	return word;
}

static void keep_slot(struct control *c, uint64_t slot, struct str key)
{
	char safe[SLOTS_KEY_MAX];
	int rc = slot < COUNTERS_SLOTS ? slots_keep(&c->slots, (uint32_t)slot, key) : -EINVAL;

	if (rc < 0) {
		log_warn_errno(rc, MOD, "counters of '%s' begin anew",
			       str_escape(safe, sizeof(safe), key));
	}
}

static void read_line(struct control *c, struct str line)
{
	struct str kind = next_word(&line), number = next_word(&line);
	uint64_t a, b = 0;

	if (kind.len != 1 || str_to_u64(number, 0, UINT64_MAX, &a) < 0 ||
	    (kind.p[0] != 'k' && line.len > 0 && str_to_u64(line, 0, UINT64_MAX, &b) < 0)) {
		return;
	}
	switch (kind.p[0]) {
	case 'f':
		slots_keep_first(&c->slots, a < COUNTERS_SLOTS ? (uint32_t)a : COUNTERS_SLOTS);
		break;
	case 'k':
		keep_slot(c, a, line);
		break;
	case 'n':
		if (a < N_COUNTERS) {
			c->listeners.totals.former[a] = b;
		}
		break;
	case 'a':
		c->logchild.lines_before = a;
		c->logchild.dropped_before = b;
		break;
	case 'q':
		c->query_log.lines_before = a;
		c->query_log.dropped_before = b;
		break;
	default: /* of a version after ours */
		break;
	}
}

static void read_list(struct carry *carry)
{
	char line[SLOTS_KEY_MAX + 32];
	FILE *f = fdopen(carry->list_fd, "re");

	if (!f) {
		log_err_errno(-errno, MOD, "counters begin anew");
		return;
	}
	rewind(f);
	while (fgets(line, sizeof(line), f)) {
		read_line(carry->control, (struct str){.p = line, .len = strcspn(line, "\n")});
	}
	(void)fclose(f); /* was read only */
	carry->list_fd = 0;
	slots_keep_end(&carry->control->slots);
}

/* Maps fd and lets it count. NULL when that fails, which is logged. */
static struct counters *segment_map(struct carry *carry, int fd, bool living)
{
	struct counters *segment = NULL;
	struct err err;
	int rc = counters_map(fd, 1, &segment, &err);

	if (rc == 0) {
		rc = slots_join(&carry->control->slots, segment, living);
		if (rc < 0) {
			counters_unmap(segment);
			err_set(&err, rc, "out of memory");
		}
	}
	if (rc < 0) {
		log_err(MOD, "what a former worker counted is lost: %s", err.msg);
		return NULL;
	}
	return segment;
}

void carry_start(struct carry *carry)
{
	if (carry->list_fd > 0) {
		read_list(carry);
	}
	if (carry->base_fd > 0) {
		carry->base = segment_map(carry, carry->base_fd, false);
	}
}

struct counters *carry_join(struct carry *carry, int fd)
{
	return segment_map(carry, fd, true);
}

/* Makes the base when it is needed first. */
static bool base_made(struct carry *carry)
{
	struct err err;

	if (carry->base) {
		return true;
	}
	close_if_open(&carry->base_fd);
	carry->base_fd = counters_create(&err);
	if (carry->base_fd < 0) {
		log_err(MOD, "what a former worker counted is lost: %s", err.msg);
		carry->base_fd = 0;
		return false;
	}
	carry->base = segment_map(carry, carry->base_fd, false);
	return carry->base != NULL;
}

void carry_fold(struct carry *carry, struct counters *segment)
{
	struct slots *slots = &carry->control->slots;
	bool base = base_made(carry);

	counters_settle(segment, slots->held);
	for (uint32_t slot = 0; base && slot < slots->held; slot++) {
		for (unsigned int i = 0; i < N_COUNTERS; i++) {
			counter_add(carry->base, slot, (enum counter)i,
				    counter_sum(&segment, 1, slot, (enum counter)i));
		}
	}
	for (unsigned int i = 0; base && i < WORKER_DNS_CLIENTS; i++) {
		if (i == WORKER_NUMBER) {
			continue;
		}
		worker_counter_add(carry->base, i,
				   atomic_load_explicit(&segment->worker[i], memory_order_relaxed));
	}
	slots_leave(slots, segment, true);
	counters_unmap(segment);
}

void carry_end(struct carry *carry)
{
	slots_kept_end(&carry->control->slots, &carry->control->listeners.totals);
}

static void write_tenant(const struct tenant_conf *tenant, struct buf *out)
{
	char key[SLOTS_KEY_MAX];

	slots_key_tenant(tenant->name, key);
	buf_printf(out, "k %u %s\n", tenant->slot, key);
	for (size_t i = 0; i < tenant->n_services; i++) {
		const struct service_conf *service = &tenant->services[i];

		slots_key_service(tenant->name, service->name, key);
		buf_printf(out, "k %u %s\n", service->slot, key);
		for (size_t n = 0; n < service->n_backends; n++) {
			slots_key_backend(tenant->name, service->name, &service->backends[n], key);
			buf_printf(out, "k %u %s\n", service->backends[n].slot, key);
		}
	}
}

static void write_log(char kind, const struct logchild *lc, struct buf *out)
{
	const unsigned long long lines = lc->lines_before + lc->lines,
				 dropped = lc->dropped_before + lc->dropped;

	buf_printf(out, "%c %llu %llu\n", kind, lines, dropped);
}

static void write_list(const struct control *c, struct buf *out)
{
	const struct tenant_conf *tenant;
	uint32_t at = 0;

	buf_printf(out, "f %u\n", c->slots.fresh);
	listeners_write_slots(&c->listeners, out);
	while ((tenant = tenants_next(&c->tenants, &at))) {
		write_tenant(tenant, out);
	}
	write_log('a', &c->logchild, out);
	write_log('q', &c->query_log, out);
}

int carry_pass(struct carry *carry, struct handover_list *list, int *ret_fd)
{
	struct buf out;
	int fd, rc = 0;

	buf_init(&out, LIST_MAX);
	write_list(carry->control, &out);
	fd = out.bad ? -ENOMEM : handover_memfd("sixgate-slots", &out);
	buf_fini(&out);
	if (fd < 0) {
		return fd;
	}
	rc = handover_list_add(list, "slots", fd);
	if (rc == 0 && carry->base) {
		rc = handover_list_add(list, "base", carry->base_fd);
	}
	if (rc < 0) {
		close(fd);
		return rc;
	}
	*ret_fd = fd;
	return 0;
}

void carry_fini(struct carry *carry)
{
	counters_unmap(carry->base);
	carry->base = NULL;
	close_if_open(&carry->base_fd);
	close_if_open(&carry->list_fd);
}
