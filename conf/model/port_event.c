/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Lines of the history of NAT64's ports. Those that are read may be cut short by a crash, or be
 * anything.
 */
#include "conf/model/port_event.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define WORDS      6
#define EPOCH_DAYS 719468 /* from 0000-03-01 to 1970-01-01 */

static const struct {
	uint8_t number;
	const char *name;
} protocols[] = {{IPPROTO_TCP, "tcp"}, {IPPROTO_UDP, "udp"}, {IPPROTO_ICMP, "icmp"}};
#define N_PROTOCOLS (sizeof(protocols) / sizeof(protocols[0]))

const char *port_protocol_name(uint8_t protocol)
{
	for (size_t i = 0; i < N_PROTOCOLS; i++) {
		if (protocols[i].number == protocol) {
			return protocols[i].name;
		}
	}
	return "?";
}

char *port_time_format(uint64_t time_s, char *dst)
{
	time_t t = (time_t)time_s;
	struct tm tm = {0};

	if (!gmtime_r(&t, &tm) || strftime(dst, 24, "%Y-%m-%dT%H:%M:%SZ", &tm) == 0) {
		dst[0] = '\0'; /* after the year 9999 */
	}
	return dst;
}

/* Two or four digits at a place of the text. */
static bool digits(struct str text, size_t at, size_t n, uint64_t max, uint64_t *ret)
{
	const struct str part = {.p = text.p + at, .len = n};

	for (size_t i = 0; i < n; i++) {
		if (part.p[i] < '0' || part.p[i] > '9') {
			return false;
		}
	}
	*ret = 0;
	for (size_t i = 0; i < n; i++) {
		*ret = *ret * 10 + (uint64_t)(part.p[i] - '0');
	}
	return *ret <= max;
}

int port_time_parse(struct str text, uint64_t *ret_time_s)
{
	static const char form[] = "dddd-dd-ddTdd:dd:ddZ";
	uint64_t y, m, d, h, min, s;

	if (str_to_u64(text, 0, UINT64_C(1) << 40, ret_time_s) == 0) {
		return 0;
	}
	if (text.len != sizeof(form) - 1) {
		return -EINVAL;
	}
	for (size_t i = 0; i < text.len; i++) {
		if (form[i] != 'd' && form[i] != text.p[i]) {
			return -EINVAL;
		}
	}
	if (!digits(text, 0, 4, 9999, &y) || !digits(text, 5, 2, 12, &m) ||
	    !digits(text, 8, 2, 31, &d) || !digits(text, 11, 2, 23, &h) ||
	    !digits(text, 14, 2, 59, &min) || !digits(text, 17, 2, 60, &s) || y < 1970 || m == 0 ||
	    d == 0) {
		return -EINVAL;
	}
	/* Days of the civil calendar; years begin in March. */
	y -= m <= 2;
	m = (m + 9) % 12;
	d += 365 * y + y / 4 - y / 100 + y / 400 + (153 * m + 2) / 5 - 1 - EPOCH_DAYS;
	*ret_time_s = ((d * 24 + h) * 60 + min) * 60 + s;
	return 0;
}

void port_event_format(const struct port_event *event, struct buf *out)
{
	char time[24], address[ADDR_TEXT_MAX];

	buf_printf(out, "%s %c %s %s %u-%u %s\n", port_time_format(event->time_s, time),
		   event->begins ? '+' : '-', port_protocol_name(event->protocol),
		   addr_format(&event->address, address), event->ports.first, event->ports.last,
		   event->tenant[0] != '\0' ? event->tenant : "-");
}

static bool parse_ports(struct str text, struct port_range *ret_ports)
{
	const char *dash = text.len > 0 ? memchr(text.p, '-', text.len) : NULL;
	uint64_t first, last;

	if (!dash ||
	    str_to_u64((struct str){.p = text.p, .len = (size_t)(dash - text.p)}, 0, UINT16_MAX,
		       &first) < 0 ||
	    str_to_u64((struct str){.p = dash + 1, .len = text.len - (size_t)(dash - text.p) - 1},
		       first, UINT16_MAX, &last) < 0) {
		return false;
	}
	*ret_ports = (struct port_range){.first = (uint16_t)first, .last = (uint16_t)last};
	return true;
}

static bool parse_protocol(struct str text, uint8_t *ret_protocol)
{
	for (size_t i = 0; i < N_PROTOCOLS; i++) {
		if (str_eq(text, str_from(protocols[i].name))) {
			*ret_protocol = protocols[i].number;
			return true;
		}
	}
	return false;
}

int port_event_parse(struct str line, struct port_event *ret_event)
{
	struct str word[WORDS];
	struct port_event e = {0};

	for (size_t i = 0; i < WORDS; i++) {
		const char *end = line.len > 0 ? memchr(line.p, ' ', line.len) : NULL;

		word[i] = (struct str){.p = line.p, .len = end ? (size_t)(end - line.p) : line.len};
		line.p += end ? word[i].len + 1 : line.len;
		line.len -= end ? word[i].len + 1 : line.len;
	}
	if (line.len > 0 || word[WORDS - 1].len == 0 || word[WORDS - 1].len > TENANT_NAME_MAX ||
	    word[1].len != 1 || (word[1].p[0] != '+' && word[1].p[0] != '-') ||
	    port_time_parse(word[0], &e.time_s) < 0 || !parse_protocol(word[2], &e.protocol) ||
	    addr_parse(word[3], &e.address) < 0 || !parse_ports(word[4], &e.ports)) {
		return -EINVAL;
	}
	e.begins = word[1].p[0] == '+';
	if (!str_eq(word[5], str_from("-"))) {
		memcpy(e.tenant, word[5].p, word[5].len);
	}
	*ret_event = e;
	return 0;
}
