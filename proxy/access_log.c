/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Access log lines and their way out; see access_log.h. */
#include "proxy/access_log.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Where the next byte of a line goes; ACCESS_LINE_MAX holds the longest line there can be. */
struct pen {
	char *p;
};

static void put(struct pen *pen, const char *text)
{
	size_t len = strlen(text);

	memcpy(pen->p, text, len);
	pen->p += len;
}

static void put_u64(struct pen *pen, uint64_t v)
{
	char digits[20];
	size_t n = sizeof(digits);

	do {
		digits[--n] = (char)('0' + v % 10);
		v /= 10;
	} while (v > 0);
	memcpy(pen->p, digits + n, sizeof(digits) - n);
	pen->p += sizeof(digits) - n;
}

static char hex(unsigned int v)
{
	return "0123456789abcdef"[v & 15];
}

/* Groups of four hexadecimal digits, the longest run of zeros as "::" (RFC 5952 4). */
static void put_v6(struct pen *pen, const uint8_t b[16])
{
	unsigned int group[8], run = 0, best = 8, best_run = 1;

	for (unsigned int i = 0; i < 8; i++) {
		group[i] = (unsigned int)b[2 * i] << 8 | b[2 * i + 1];
		run = group[i] == 0 ? run + 1 : 0;
		if (run > best_run) {
			best_run = run;
			best = i + 1 - run;
		}
	}
	for (unsigned int i = 0; i < 8; i++) {
		if (i == best) {
			put(pen, "::");
			i += best_run - 1;
			continue;
		}
		if (i > 0 && i != best + best_run) {
			*pen->p++ = ':';
		}
		for (unsigned int shift = 16; shift > 0; shift -= 4) {
			if (shift == 4 || group[i] >> (shift - 4) > 0) {
				*pen->p++ = hex(group[i] >> (shift - 4));
			}
		}
	}
}

static void put_endpoint(struct pen *pen, const struct endpoint *e)
{
	if (addr_is_v4(&e->addr)) {
		for (unsigned int i = 12; i < 16; i++) {
			put_u64(pen, e->addr.b[i]);
			*pen->p++ = i < 15 ? '.' : ':';
		}
	} else {
		*pen->p++ = '[';
		put_v6(pen, e->addr.b);
		put(pen, "]:");
	}
	put_u64(pen, e->port);
}

/* Bytes that are not printable ASCII become \u00NN (JSON) or \xNN; quotes are escaped as well. */
static void put_escaped(struct pen *pen, struct str s, const char *escape, char quote)
{
	for (size_t i = 0; i < s.len; i++) {
		unsigned char c = (unsigned char)s.p[i];

		if (c >= 0x20 && c < 0x7f && c != (unsigned char)quote && c != '\\') {
			*pen->p++ = (char)c;
			continue;
		}
		put(pen, escape);
		*pen->p++ = hex(c >> 4u);
		*pen->p++ = hex(c);
	}
}

static void put_time(struct pen *pen, const char *second, uint64_t time_ms)
{
	unsigned int ms = (unsigned int)(time_ms % 1000);

	put(pen, second);
	*pen->p++ = '.';
	*pen->p++ = (char)('0' + ms / 100);
	*pen->p++ = (char)('0' + ms / 10 % 10);
	*pen->p++ = (char)('0' + ms % 10);
	*pen->p++ = 'Z';
}

/* NULL is null. Tenant and service names need no escape. */
static void put_name_json(struct pen *pen, const char *key, const char *value)
{
	put(pen, key);
	if (!value) {
		put(pen, "null");
		return;
	}
	*pen->p++ = '"';
	put(pen, value);
	*pen->p++ = '"';
}

static void put_number(struct pen *pen, const char *key, uint64_t value)
{
	put(pen, key);
	put_u64(pen, value);
}

static void put_endpoint_json(struct pen *pen, const char *key, const struct endpoint *e)
{
	put(pen, key);
	if (!e) {
		put(pen, "null");
		return;
	}
	*pen->p++ = '"';
	put_endpoint(pen, e);
	*pen->p++ = '"';
}

size_t access_line_json(const struct access_record *r, const char *second,
			char out[ACCESS_LINE_MAX])
{
	struct pen pen = {.p = out};

	put(&pen, "{\"time\":\"");
	put_time(&pen, second, r->time_ms);
	put_number(&pen, "\",\"session\":\"", r->worker);
	put_number(&pen, ".", r->number);
	put_name_json(&pen, "\",\"tenant\":", r->tenant);
	put_name_json(&pen, ",\"service\":", r->service);
	put(&pen, ",\"name\":\"");
	put_escaped(&pen, r->name, "\\u00", '"');
	put_endpoint_json(&pen, "\",\"listener\":", &r->listener);
	put_endpoint_json(&pen, ",\"client\":", &r->client);
	put_endpoint_json(&pen, ",\"backend\":", r->has_backend ? &r->backend : NULL);
	put_number(&pen, ",\"bytes_in\":", r->bytes_in);
	put_number(&pen, ",\"bytes_out\":", r->bytes_out);
	put_number(&pen, ",\"hello_ms\":", r->hello_ms);
	put_number(&pen, ",\"connect_ms\":", r->connect_ms);
	put_number(&pen, ",\"total_ms\":", r->total_ms);
	put(&pen, ",\"reason\":\"");
	put(&pen, close_reason_name(r->reason));
	put(&pen, "\"}\n");
	return (size_t)(pen.p - out);
}

size_t access_line_text(const struct access_record *r, const char *second,
			char out[ACCESS_LINE_MAX])
{
	struct pen pen = {.p = out};

	put_time(&pen, second, r->time_ms);
	put_number(&pen, " session=", r->worker);
	put_number(&pen, ".", r->number);
	put(&pen, " service=");
	put(&pen, r->tenant ? r->tenant : "-");
	put(&pen, "/");
	put(&pen, r->service ? r->service : "-");
	put(&pen, " name='");
	put_escaped(&pen, r->name, "\\x", '\'');
	put(&pen, "' listener=");
	put_endpoint(&pen, &r->listener);
	put(&pen, " client=");
	put_endpoint(&pen, &r->client);
	put(&pen, " backend=");
	if (r->has_backend) {
		put_endpoint(&pen, &r->backend);
	} else {
		put(&pen, "-");
	}
	put_number(&pen, " in=", r->bytes_in);
	put_number(&pen, " out=", r->bytes_out);
	put_number(&pen, " hello=", r->hello_ms);
	put_number(&pen, " connect=", r->connect_ms);
	put_number(&pen, " total=", r->total_ms);
	put(&pen, " ");
	put(&pen, close_reason_name(r->reason));
	put(&pen, "\n");
	return (size_t)(pen.p - out);
}

int access_log_init(struct access_log *log)
{
	*log = (struct access_log){.fd = -1, .buffer = malloc(ACCESS_BUFFER)};
	return log->buffer ? 0 : -ENOMEM;
}

void access_log_fini(struct access_log *log)
{
	access_log_set(log, -1, log->format);
	free(log->buffer);
	log->buffer = NULL;
}

void access_log_set(struct access_log *log, int fd, enum log_format format)
{
	access_log_flush(log);
	if (log->fd >= 0) {
		close(log->fd);
	}
	log->fd = fd;
	log->format = format;
}

static void log_compact(struct access_log *log)
{
	memmove(log->buffer, log->buffer + log->start, log->end - log->start);
	log->end -= log->start;
	log->start = 0;
}

void access_log_flush(struct access_log *log)
{
	ssize_t n;

	if (log->fd < 0 || log->start == log->end) {
		log->start = log->end = 0;
		return;
	}
	n = write(log->fd, log->buffer + log->start, log->end - log->start);
	if (n < 0 && errno != EAGAIN && errno != EINTR) {
		n = (ssize_t)(log->end - log->start); /* no reader: nothing can be kept for ever */
	}
	log->start += n > 0 ? (size_t)n : 0;
	if (log->start == log->end) {
		log->start = log->end = 0;
	}
}

static void put_two(struct pen *pen, unsigned int v)
{
	*pen->p++ = (char)('0' + v / 10 % 10);
	*pen->p++ = (char)('0' + v % 10);
}

void access_second_format(uint64_t second, char out[ACCESS_SECOND_MAX])
{
	/* days since 1 March of year 0, so that the leap day is the last of a year */
	uint64_t days = second / 86400 + 719468, rest = second % 86400;
	uint64_t era = days / 146097, day_of_era = days % 146097;
	uint64_t year_of_era =
		(day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
	uint64_t day = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
	uint64_t month = (5 * day + 2) / 153; /* 0 is March */
	uint64_t year = era * 400 + year_of_era + (month >= 10);
	struct pen pen = {.p = out};

	put_two(&pen, (unsigned int)(year / 100));
	put_two(&pen, (unsigned int)(year % 100));
	put(&pen, "-");
	put_two(&pen, (unsigned int)(month < 10 ? month + 3 : month - 9));
	put(&pen, "-");
	put_two(&pen, (unsigned int)(day - (153 * month + 2) / 5 + 1));
	put(&pen, "T");
	put_two(&pen, (unsigned int)(rest / 3600));
	put(&pen, ":");
	put_two(&pen, (unsigned int)(rest / 60 % 60));
	put(&pen, ":");
	put_two(&pen, (unsigned int)(rest % 60));
	*pen.p = '\0';
}

void access_log_add(struct access_log *log, const struct access_record *record)
{
	size_t waited;

	if (!access_log_is_on(log)) {
		return;
	}
	if (ACCESS_BUFFER - log->end < ACCESS_LINE_MAX) {
		log_compact(log);
	}
	if (ACCESS_BUFFER - log->end < ACCESS_LINE_MAX) {
		if (log->counters) {
			worker_counter_add(log->counters, WORKER_LOG_DROPPED, 1);
		}
		return;
	}
	if (log->second != record->time_ms / 1000) {
		log->second = record->time_ms / 1000;
		access_second_format(log->second, log->text);
	}
	waited = log->end - log->start;
	log->end += log->format == LOG_FORMAT_JSON
			    ? access_line_json(record, log->text, log->buffer + log->end)
			    : access_line_text(record, log->text, log->buffer + log->end);
	/* a full pipe is not tried again with each line */
	if (waited < ACCESS_BLOCK && log->end - log->start >= ACCESS_BLOCK) {
		access_log_flush(log);
	}
}
