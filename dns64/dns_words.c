/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Words of DNS, see dns_words.h; for what operators ask and are told. */
#include "dns64/dns_words.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <libknot/libknot.h>

#include "dns64/question.h"

const char *dns_name_text(const uint8_t *name, char *dst)
{
	if (!knot_dname_to_str(dst, name, DNS_WORD_MAX)) {
		dst[0] = '\0';
	}
	return dst;
}

const char *dns_type_text(uint16_t type, char *dst)
{
	if (knot_rrtype_to_string(type, dst, DNS_WORD_MAX) < 0) {
		dst[0] = '\0';
	}
	return dst;
}

const char *dns_class_text(uint16_t class, char *dst)
{
	if (knot_rrclass_to_string(class, dst, DNS_WORD_MAX) < 0) {
		dst[0] = '\0';
	}
	return dst;
}

const char *dns_rcode_text(uint16_t rcode, char *dst)
{
	const knot_lookup_t *word = knot_lookup_by_id(knot_rcode_names, rcode);

	if (word) {
		(void)snprintf(dst, DNS_WORD_MAX, "%s", word->name);
	} else {
		(void)snprintf(dst, DNS_WORD_MAX, "RCODE%u", rcode);
	}
	return dst;
}

int question_read_name(struct question *q, struct str text, struct err *err)
{
	char name[DNS_WORD_MAX];

	if (text.len > 0 && text.len < sizeof(name) && !memchr(text.p, '\0', text.len)) {
		memcpy(name, text.p, text.len);
		name[text.len] = '\0';
		if (question_set_name(q, name) == 0) {
			return 0;
		}
	}
	return err_set(err, -EINVAL, "that is no name of DNS");
}
