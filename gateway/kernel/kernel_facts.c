/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What is wanted of the kernel and stands in no config: WireGuard's keys, in files of root's alone,
 * and MTU and prefixes of the operator's links.
 */
#include <errno.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/base64.h"
#include "gateway/kernel/internal.h"

#define KEY_FILE_MAX 64 /* bytes: a key in base64 and the end of its line */

static int check_owner(int fd, const char *file, struct err *err)
{
	struct stat st;

	if (fstat(fd, &st) < 0) {
		return err_set_errno(err, -errno, "%s", file);
	}
	if (!S_ISREG(st.st_mode)) {
		return err_set(err, -EINVAL, "%s: is no regular file", file);
	}
	if ((st.st_uid != 0 && st.st_uid != geteuid()) || (st.st_mode & 077) != 0) {
		return err_set(err, -EPERM,
			       "%s: others may read this key: chown root and chmod 600", file);
	}
	return 0;
}

static int key_read(const char *file, uint8_t ret_key[WG_KEY_BYTES], struct err *err)
{
	char text[KEY_FILE_MAX];
	ssize_t n = 0;
	int fd = open(file, O_RDONLY | O_CLOEXEC | O_NONBLOCK), rc;

	if (fd < 0) {
		return err_set_errno(err, -errno, "%s", file);
	}
	rc = check_owner(fd, file, err);
	if (rc == 0) {
		n = read(fd, text, sizeof(text));
		rc = n < 0 ? err_set_errno(err, -errno, "%s", file) : 0;
	}
	close(fd);
	while (n > 0 && (text[n - 1] == '\n' || text[n - 1] == '\r' || text[n - 1] == ' ')) {
		n--;
	}
	if (rc == 0 && base64_decode((struct str){.p = text, .len = n > 0 ? (size_t)n : 0}, ret_key,
				     WG_KEY_BYTES) < 0) {
		rc = err_set(err, -EINVAL, "%s: holds no key of 32 bytes in base64 (wg genkey)",
			     file);
	}
	explicit_bzero(text, sizeof(text));
	return rc;
}

static int exit_keys_read(const struct node_conf *node, struct desired_facts *facts,
			  struct err *err)
{
	int rc;

	if (node->uplink_kind != UPLINK_WIREGUARD) {
		return 0;
	}
	rc = key_read(node->exit.private_key_file, facts->exit_private_key, err);
	return rc == 0 && node->exit.preshared_key_file
		       ? key_read(node->exit.preshared_key_file, facts->exit_preshared_key, err)
		       : rc;
}

int kernel_facts_read(const struct node_conf *node, struct desired_facts *facts, struct err *err)
{
	int rc = node->wireguard.on && node->wireguard.private_key_file
			 ? key_read(node->wireguard.private_key_file, facts->wg_private_key, err)
			 : 0;

	return rc < 0 ? rc : exit_keys_read(node, facts, err);
}

bool kernel_preshared_key(void *ctx, const char *file, uint8_t ret_key[WG_KEY_BYTES])
{
	(void)ctx;
	return key_read(file, ret_key, NULL) == 0;
}

uint32_t kernel_link_mtu(const char *link)
{
	struct ifreq req = {0};
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), rc;

	if (fd < 0) {
		return 0;
	}
	memcpy(req.ifr_name, link, strnlen(link, IFNAMSIZ - 1));
	rc = ioctl(fd, SIOCGIFMTU, &req);
	close(fd);
	return rc < 0 || req.ifr_mtu < 0 ? 0 : (uint32_t)req.ifr_mtu;
}

static int prefix_cmp(const void *a, const void *b)
{
	const struct prefix *first = a, *second = b;
	int cmp = addr_cmp(&first->addr, &second->addr);

	return cmp != 0 ? cmp : (int)first->len - (int)second->len;
}

/* The prefix that an address of the link says is on it. False: none, or a link-local one. */
static bool address_prefix(const struct ifaddrs *ifa, struct prefix *ret_prefix)
{
	const struct sockaddr_in6 *address = (const void *)ifa->ifa_addr,
				  *mask = (const void *)ifa->ifa_netmask;
	unsigned int len = 0;

	if (!address || !mask || address->sin6_family != AF_INET6 ||
	    IN6_IS_ADDR_LINKLOCAL(&address->sin6_addr)) {
		return false;
	}
	while (len < 128 && (mask->sin6_addr.s6_addr[len / 8] & 0x80u >> len % 8) != 0) {
		len++;
	}
	*ret_prefix = (struct prefix){.len = (uint8_t)len};
	memcpy(ret_prefix->addr.b, address->sin6_addr.s6_addr, sizeof(ret_prefix->addr.b));
	addr_mask(&ret_prefix->addr, len);
	return len > 0 && len < 128;
}

size_t kernel_link_prefixes(const char *link, struct prefix *ret_prefixes, size_t max)
{
	struct ifaddrs *all = NULL;
	size_t n = 0;

	if (getifaddrs(&all) < 0) {
		return 0;
	}
	for (const struct ifaddrs *ifa = all; ifa && n < max; ifa = ifa->ifa_next) {
		bool known = false;

		if (strcmp(ifa->ifa_name, link) != 0 || !address_prefix(ifa, &ret_prefixes[n])) {
			continue;
		}
		for (size_t i = 0; i < n; i++) {
			known |= prefix_cmp(&ret_prefixes[i], &ret_prefixes[n]) == 0;
		}
		n += known ? 0 : 1;
	}
	freeifaddrs(all);
	qsort(ret_prefixes, n, sizeof(*ret_prefixes), prefix_cmp);
	return n;
}
