/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The ClientHello reader. Whatever the bytes: fed one by one and in uneven steps they give what
 * they give at once, and what is called found is a normal name and a well-formed ALPN list.
 */
#include <stdlib.h>
#include <string.h>

#include "proxy/sni.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds)
{
	if (!holds) {
		abort();
	}
}

static bool is_final(enum sni_result result)
{
	return result != SNI_NEED_MORE;
}

/* Steps of 1 to max bytes, as the bytes themselves tell. */
static enum sni_result scan_steps(const uint8_t *data, size_t size, size_t max,
				  struct sni_hello *ret_hello)
{
	enum sni_result result = SNI_NEED_MORE;
	struct sni_scan scan = {0};
	size_t len = 0;

	while (len < size && !is_final(result)) {
		size_t step = max == 1 ? 1 : 1 + data[len] % max;

		len = size - len < step ? size : len + step;
		result = sni_scan_hello(&scan, data, len, ret_hello);
		check(is_final(result) || len < SNI_HELLO_MAX);
	}
	return result;
}

static void check_hello(enum sni_result result, const struct sni_hello *hello)
{
	char again[NAME_BUF_SIZE];
	struct str list = sni_hello_alpn(hello), protocol;
	size_t len;

	check((result == SNI_FOUND) == (hello->name_len > 0));
	if (result == SNI_FOUND) {
		check(strlen(hello->name) == hello->name_len);
		check(name_normalize(str_from(hello->name), again, &len) == NAME_OK);
		check(len == hello->name_len && memcmp(again, hello->name, len) == 0);
	}
	while (sni_alpn_next(&list, &protocol)) {
		check(protocol.len > 0);
		check(protocol.p + protocol.len <= (const char *)hello->alpn + hello->alpn_len);
	}
	check(list.len == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sni_scan scan = {0};
	struct sni_hello whole, steps;
	enum sni_result result;

	result = sni_scan_hello(&scan, data, size, &whole);
	if (result == SNI_FOUND || result == SNI_NONE) {
		check_hello(result, &whole);
	}
	for (size_t max = 1; max <= 256; max *= 16) {
		if (size == 0) {
			break;
		}
		check(scan_steps(data, size, max, &steps) == result);
		if (result == SNI_FOUND || result == SNI_NONE) {
			check(steps.name_len == whole.name_len && steps.alpn_len == whole.alpn_len);
			check(memcmp(steps.name, whole.name, whole.name_len + 1) == 0);
			check(memcmp(steps.alpn, whole.alpn, whole.alpn_len) == 0);
		}
	}
	return 0;
}
