/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SIXGATE_TESTS_DNS_TEXT_H
#define SIXGATE_TESTS_DNS_TEXT_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <libknot/libknot.h>

/* DNS messages from text and to text, for tests. What is wrong with a text ends the process. */

/* The record that line says in the form of a zone file; knot_rrset_free(). */
knot_rrset_t *text_rrset(const char *line);
/* Adds the record that line says in the form of a zone file to a section: a, u or d. */
void text_put(knot_pkt_t *pkt, knot_section_t section, const char *line);
uint16_t text_type(const char *name);
uint16_t text_rcode(const char *name);
const char *rcode_text(uint16_t rcode);
/*
 * The records of a section, a line each in one form: lower case types, single spaces. ret_text has
 * room for size bytes.
 */
void section_text(const knot_pkt_t *pkt, knot_section_t section, const char *prefix, FILE *out);
/* The same of a text's record. */
void record_text(const char *line, const char *prefix, FILE *out);

#endif
