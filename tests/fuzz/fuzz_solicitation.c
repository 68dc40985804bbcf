/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Neighbour solicitations from strangers: the first byte says whether the checksum is put right, so
 * that the search gets behind it. What is found can be answered, and the answer is none of ours to
 * answer again.
 */
#include <stdlib.h>
#include <string.h>

#include "gateway/agent/solicitation.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds)
{
	if (!holds) {
		abort();
	}
}

static void put_checksum(uint8_t *packet, size_t len)
{
	uint32_t sum = (uint32_t)(len - 40) + 58;

	packet[42] = packet[43] = 0;
	for (size_t i = 8; i < len; i++) {
		sum += i % 2 == 0 ? (uint32_t)packet[i] << 8 : packet[i];
	}
	while (sum >> 16 != 0) {
		sum = (sum & 0xffff) + (sum >> 16);
	}
	packet[42] = (uint8_t)(~sum >> 8);
	packet[43] = (uint8_t)~sum;
}

static void answer(const struct solicitation *s)
{
	const struct addr source = {.b = {0xfe, 0x80, [15] = 2}};
	const struct mac own = {{2, 0, 0, 0, 0, 2}}, from = {{2, 0, 0, 0, 0, 9}};
	uint8_t packet[ADVERTISEMENT_BYTES];
	struct solicitation again;
	struct mac to;

	check(s->target.b[0] != 0xff && s->source.b[0] != 0xff);
	advertisement_write(s, &source, &own, &from, packet, &to);
	check(memcmp(packet + 48, s->target.b, sizeof(s->target.b)) == 0);
	check((to.b[0] & 1) == 0 || addr_is_any(&s->source));
	check(solicitation_read(packet, sizeof(packet), &again) == SOLICITATION_MALFORMED);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct solicitation s;
	uint8_t *packet;

	if (size < 1) {
		return 0;
	}
	packet = malloc(size); /* exact, for the sanitizer: one byte less is the packet */
	check(packet != NULL);
	memcpy(packet + 1, data + 1, size - 1);
	if ((data[0] & 1) != 0 && size - 1 >= 44) {
		put_checksum(packet + 1, size - 1);
	}
	if (solicitation_read(packet + 1, size - 1, &s) == SOLICITATION_FOUND) {
		answer(&s);
	}
	free(packet);
	return 0;
}
