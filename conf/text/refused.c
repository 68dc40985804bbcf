/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What the schema will not have, and why: other gateways do it, so people write it down. Said in
 * the place of "unknown key".
 */
#include "conf/text/schema.h"

#define NAT66                                                                                        \
	"NAT66 is not done: behind it no tenant could be reached or told from another; let another " \
	"exit delegate a prefix by WireGuard or 6in4"
#define FALLBACK                                                                                     \
	"tunnels over TCP are not done: TCP in TCP stalls, and port 443 is the listeners'; let UDP " \
	"to wireguard.listen_port pass, which may be 443"

static const struct refused {
	const char *word;
	const char *why;
} refused[] = {
	{"nat66", NAT66},       {"nptv6", NAT66},           {"masquerade", NAT66},
	{"fallback", FALLBACK}, {"tcp_fallback", FALLBACK}, {"tcp_port", FALLBACK},
	{"tcp", FALLBACK},      {"tls", FALLBACK},          {"https", FALLBACK},
};

const char *refused_find(struct str word)
{
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
		if (str_eq(word, str_from(refused[i].word))) {
			return refused[i].why;
		}
	}
	return NULL;
}
