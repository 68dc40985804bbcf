/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "tests/unit/dns_text.h"

#include <stdlib.h>
#include <string.h>

#include <libzscanner/scanner.h>

static void die(const char *what, const char *text)
{
	fprintf(stderr, "%s: '%s'\n", what, text);
	exit(1);
}

knot_rrset_t *text_rrset(const char *line)
{
	static char text[4096];
	knot_rrset_t *rr;
	zs_scanner_t s;
	int len = snprintf(text, sizeof(text), "%s\n", line);

	if (zs_init(&s, ".", KNOT_CLASS_IN, 3600) != 0 ||
	    zs_set_input_string(&s, text, (size_t)len) != 0 || zs_parse_record(&s) != 0 ||
	    s.state != ZS_STATE_DATA) {
		die("no record", line);
	}
	rr = knot_rrset_new(s.r_owner, s.r_type, s.r_class, s.r_ttl, NULL);
	if (!rr || knot_rrset_add_rdata(rr, s.r_data, (uint16_t)s.r_data_length, NULL) != 0) {
		die("no record", line);
	}
	zs_deinit(&s);
	return rr;
}

void text_put(knot_pkt_t *pkt, knot_section_t section, const char *line)
{
	knot_rrset_t *rr = text_rrset(line);

	if (pkt->current != section && knot_pkt_begin(pkt, section) != KNOT_EOK) {
		die("sections are answer, authority, additional", line);
	}
	if (knot_pkt_put(pkt, KNOT_COMPR_HINT_NONE, rr, 0) != KNOT_EOK) {
		die("does not fit", line);
	}
	knot_rrset_free(rr, NULL);
}

uint16_t text_type(const char *name)
{
	uint16_t type;

	if (knot_rrtype_from_string(name, &type) != 0) {
		die("no type", name);
	}
	return type;
}

uint16_t text_rcode(const char *name)
{
	const knot_lookup_t *found = knot_lookup_by_name(knot_rcode_names, name);

	if (!found) {
		die("no rcode", name);
	}
	return (uint16_t)found->id;
}

const char *rcode_text(uint16_t rcode)
{
	const knot_lookup_t *found = knot_lookup_by_id(knot_rcode_names, rcode);

	return found ? found->name : "?";
}

static void rrset_text(const knot_rrset_t *rr, const char *prefix, FILE *out)
{
	size_t size = 4096;
	char *text = malloc(size), *at = text;

	if (!text || knot_rrset_txt_dump(rr, &text, &size, &KNOT_DUMP_STYLE_DEFAULT) < 0) {
		die("cannot be shown", prefix);
	}
	(void)fprintf(out, "%s ", prefix);
	for (at = text; *at != '\0'; at++) { /* of several blanks the last */
		bool blank = *at == '\t' || *at == ' ';

		if (!blank || (at[1] != '\t' && at[1] != ' ')) {
			(void)fputc(blank ? ' ' : *at, out);
		}
	}
	free(text);
}

void section_text(const knot_pkt_t *pkt, knot_section_t section, const char *prefix, FILE *out)
{
	const knot_pktsection_t *s = knot_pkt_section(pkt, section);

	for (uint16_t i = 0; i < s->count; i++) {
		const knot_rrset_t *rr = knot_pkt_rr(s, i);

		if (rr->type != KNOT_RRTYPE_OPT) {
			rrset_text(rr, prefix, out);
		}
	}
}

void record_text(const char *line, const char *prefix, FILE *out)
{
	knot_rrset_t *rr = text_rrset(line);

	rrset_text(rr, prefix, out);
	knot_rrset_free(rr, NULL);
}
