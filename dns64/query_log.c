/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Lines of the query log; see query_log.h. */
#include "dns64/query_log.h"

#include "dns64/dns_words.h"

static void pen_byte(struct pen *pen, uint8_t c, const char *backslash)
{
	if (c > ' ' && c < 0x7f && c != '"' && c != '\'' && c != '\\' && c != '.') {
		*pen->p++ = (char)c;
		return;
	}
	pen_text(pen, backslash);
	*pen->p++ = (char)('0' + c / 100);
	*pen->p++ = (char)('0' + c / 10 % 10);
	*pen->p++ = (char)('0' + c % 10);
}

/* backslash: what one is in that format. */
static void pen_dname(struct pen *pen, const uint8_t *name, const char *backslash)
{
	if (name[0] == 0) {
		pen_text(pen, ".");
	}
	for (; name[0] > 0; name += name[0] + 1) {
		for (unsigned int i = 1; i <= name[0]; i++) {
			pen_byte(pen, name[i], backslash);
		}
		pen_text(pen, ".");
	}
}

size_t query_line_json(const struct query_record *r, const char *second, char out[LOG_LINE_MAX])
{
	struct pen pen = {.p = out};
	char word[DNS_WORD_MAX];

	pen_text(&pen, "{\"time\":\"");
	pen_time(&pen, second, r->time_ms);
	pen_name_json(&pen, "\",\"tenant\":", r->tenant);
	pen_endpoint_json(&pen, ",\"client\":", &r->client);
	pen_name_json(&pen, ",\"protocol\":", r->protocol);
	pen_text(&pen, ",\"name\":\"");
	pen_dname(&pen, r->name, "\\\\");
	pen_text(&pen, "\",\"type\":\"");
	pen_text(&pen, dns_type_text(r->type, word));
	pen_text(&pen, "\",\"rcode\":\"");
	pen_text(&pen, dns_rcode_text(r->rcode, word));
	pen_name_json(&pen, "\",\"from\":", r->from);
	pen_name_json(&pen, ",\"synthesis\":", r->synthesis);
	pen_number(&pen, ",\"ms\":", r->ms);
	pen_text(&pen, "}\n");
	return (size_t)(pen.p - out);
}

size_t query_line_text(const struct query_record *r, const char *second, char out[LOG_LINE_MAX])
{
	struct pen pen = {.p = out};
	char word[DNS_WORD_MAX];

	pen_time(&pen, second, r->time_ms);
	pen_text(&pen, " tenant=");
	pen_text(&pen, r->tenant);
	pen_text(&pen, " client=");
	pen_endpoint(&pen, &r->client);
	pen_text(&pen, " protocol=");
	pen_text(&pen, r->protocol);
	pen_text(&pen, " name='");
	pen_dname(&pen, r->name, "\\");
	pen_text(&pen, "' type=");
	pen_text(&pen, dns_type_text(r->type, word));
	pen_text(&pen, " rcode=");
	pen_text(&pen, dns_rcode_text(r->rcode, word));
	pen_text(&pen, " from=");
	pen_text(&pen, r->from);
	pen_text(&pen, " synthesis=");
	pen_text(&pen, r->synthesis ? r->synthesis : "-");
	pen_number(&pen, " ms=", r->ms);
	pen_text(&pen, "\n");
	return (size_t)(pen.p - out);
}

void query_log_add(struct log_lines *log, const struct query_record *record)
{
	char *line = log_lines_room(log, record->time_ms);

	if (line) {
		log_lines_added(log, log->format == LOG_FORMAT_JSON
					     ? query_line_json(record, log->text, line)
					     : query_line_text(record, log->text, line));
	}
}
