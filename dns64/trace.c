/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What becomes of a query in words; see trace.h. */
#include "dns64/trace.h"

#include <stdarg.h>
#include <stdio.h>

#include "dns64/answer.h"
#include "dns64/dns_words.h"
#include "dns64/question.h"

#define NOTE_MAX 1536

void trace_note(struct trace *trace, const char *step, const char *fmt, ...)
{
	char text[NOTE_MAX];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap); /* cut if longer */
	va_end(ap);
	trace->note(trace, step, text);
}

const char *trace_answer(const struct answer *a, char *dst)
{
	char rcode[DNS_WORD_MAX], ede[24] = "";

	if (a->ede != ANSWER_NO_EDE) {
		(void)snprintf(ede, sizeof(ede), ", EDE %u", a->ede);
	}
	(void)snprintf(dst, TRACE_ANSWER_MAX, "%.40s, %u record%s%s%s%s",
		       dns_rcode_text(a->rcode, rcode), a->n_data, a->n_data == 1 ? "" : "s",
		       a->n_chain > 0 ? " behind aliases" : "", a->authentic ? ", authentic" : "",
		       ede);
	return dst;
}

void trace_found(struct trace *trace, const struct question *q, enum cache_found found,
		 const struct cached *cached)
{
	char type[DNS_WORD_MAX], name[DNS_WORD_MAX], answer[TRACE_ANSWER_MAX];
	const char *unchecked = q->flags & QUESTION_CD ? ", unchecked" : "";

	dns_type_text(q->type, type);
	dns_name_text(q->name, name);
	switch (found) {
	case CACHE_MISS:
		trace_note(trace, TRACE_CACHE, "%s of %s%s: is not there", type, name, unchecked);
		break;
	case CACHE_FRESH:
		trace_note(trace, TRACE_CACHE, "%s of %s%s: %s, for %u s more", type, name,
			   unchecked, trace_answer(cached->answer, answer),
			   cached->answer->ttl_s - cached->age_s);
		break;
	case CACHE_STALE:
	case CACHE_STALE_TRIED:
		trace_note(trace, TRACE_CACHE, "%s of %s%s: %s, out of date for %u s%s", type, name,
			   unchecked, trace_answer(cached->answer, answer),
			   cached->age_s - cached->answer->ttl_s,
			   found == CACHE_STALE ? "" : "; no upstream answered a moment ago");
		break;
	}
}
