/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Access log lines; see access_log.h. */
#include "proxy/access_log.h"

size_t access_line_json(const struct access_record *r, const char *second, char out[LOG_LINE_MAX])
{
	struct pen pen = {.p = out};

	pen_text(&pen, "{\"time\":\"");
	pen_time(&pen, second, r->time_ms);
	pen_number(&pen, "\",\"session\":\"", r->worker);
	pen_number(&pen, ".", r->number);
	pen_name_json(&pen, "\",\"tenant\":", r->tenant);
	pen_name_json(&pen, ",\"service\":", r->service);
	pen_text(&pen, ",\"name\":\"");
	pen_escaped(&pen, r->name, "\\u00", '"');
	pen_endpoint_json(&pen, "\",\"listener\":", &r->listener);
	pen_endpoint_json(&pen, ",\"client\":", &r->client);
	pen_endpoint_json(&pen, ",\"backend\":", r->has_backend ? &r->backend : NULL);
	pen_number(&pen, ",\"bytes_in\":", r->bytes_in);
	pen_number(&pen, ",\"bytes_out\":", r->bytes_out);
	pen_number(&pen, ",\"hello_ms\":", r->hello_ms);
	pen_number(&pen, ",\"connect_ms\":", r->connect_ms);
	pen_number(&pen, ",\"total_ms\":", r->total_ms);
	pen_text(&pen, ",\"reason\":\"");
	pen_text(&pen, close_reason_name(r->reason));
	pen_text(&pen, "\"}\n");
	return (size_t)(pen.p - out);
}

size_t access_line_text(const struct access_record *r, const char *second, char out[LOG_LINE_MAX])
{
	struct pen pen = {.p = out};

	pen_time(&pen, second, r->time_ms);
	pen_number(&pen, " session=", r->worker);
	pen_number(&pen, ".", r->number);
	pen_text(&pen, " service=");
	pen_text(&pen, r->tenant ? r->tenant : "-");
	pen_text(&pen, "/");
	pen_text(&pen, r->service ? r->service : "-");
	pen_text(&pen, " name='");
	pen_escaped(&pen, r->name, "\\x", '\'');
	pen_text(&pen, "' listener=");
	pen_endpoint(&pen, &r->listener);
	pen_text(&pen, " client=");
	pen_endpoint(&pen, &r->client);
	pen_text(&pen, " backend=");
	if (r->has_backend) {
		pen_endpoint(&pen, &r->backend);
	} else {
		pen_text(&pen, "-");
	}
	pen_number(&pen, " in=", r->bytes_in);
	pen_number(&pen, " out=", r->bytes_out);
	pen_number(&pen, " hello=", r->hello_ms);
	pen_number(&pen, " connect=", r->connect_ms);
	pen_number(&pen, " total=", r->total_ms);
	pen_text(&pen, " ");
	pen_text(&pen, close_reason_name(r->reason));
	pen_text(&pen, "\n");
	return (size_t)(pen.p - out);
}

void access_log_add(struct log_lines *log, const struct access_record *record)
{
	char *line = log_lines_are_on(log) ? log_lines_room(log, record->time_ms) : NULL;

	if (line) {
		log_lines_added(log, log->format == LOG_FORMAT_JSON
					     ? access_line_json(record, log->text, line)
					     : access_line_text(record, log->text, line));
	}
}
