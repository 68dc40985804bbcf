/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SIXGATE_DNS64_DNS_WORDS_H
#define SIXGATE_DNS64_DNS_WORDS_H

#include <stdint.h>

#include "base/err.h"
#include "base/str.h"

/* What is in messages as people write it, and back. */
struct question;

#define DNS_WORD_MAX 1100 /* a name of 255 bytes, each as \DDD, and dots */

/* Each returns dst (DNS_WORD_MAX bytes). */
const char *dns_name_text(const uint8_t *name, char *dst); /* "www.example." */
const char *dns_type_text(uint16_t type, char *dst);       /* "AAAA", "TYPE65280" */
const char *dns_class_text(uint16_t class, char *dst);     /* "IN" */
const char *dns_rcode_text(uint16_t rcode, char *dst);     /* "NXDOMAIN", "RCODE99" */
/* The name of an operator's word, with or without the last dot. -EINVAL with err. */
int question_read_name(struct question *q, struct str text, struct err *err) CHECKED;

#endif
