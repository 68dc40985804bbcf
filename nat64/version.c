/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Which module is loaded. A reply does not say: the module copies the client's version into it.
 */
#include "nat64/jool.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define MAJOR        4
#define MINOR        1
#define REVISION_MIN 9
#define REVISION_MAX 15
#define VERSION_MAX  32 /* bytes of the file */

int jool_version_parse(const char *module, struct str text, struct jool_version *ret_version,
		       struct err *err)
{
	uint64_t part[3] = {0};
	char shown[VERSION_MAX];
	bool good = true;

	while (text.len > 0 && text.p[text.len - 1] == '\n') {
		text.len--;
	}
	str_escape(shown, sizeof(shown), text);
	for (int i = 0; i < 3; i++) {
		const char *dot = text.len > 0 ? memchr(text.p, '.', text.len) : NULL;
		struct str number = {.p = text.p, .len = dot ? (size_t)(dot - text.p) : text.len};

		good = good && str_to_u64(number, 0, 255, &part[i]) == 0;
		text.p += dot ? number.len + 1 : text.len;
		text.len -= dot ? number.len + 1 : text.len;
	}
	if (!good || part[0] != MAJOR || part[1] != MINOR || part[2] < REVISION_MIN ||
	    part[2] > REVISION_MAX) {
		return err_set(err, -EOPNOTSUPP,
			       "the module %s that is loaded has version '%s'; sixgate speaks to "
			       "%d.%d.%d to %d.%d.%d: install one of those (apt install jool-dkms), "
			       "then modprobe -r %s && modprobe %s",
			       module, shown, MAJOR, MINOR, REVISION_MIN, MAJOR, MINOR,
			       REVISION_MAX, module, module);
	}
	*ret_version = (struct jool_version){.major = (uint8_t)part[0],
					     .minor = (uint8_t)part[1],
					     .revision = (uint8_t)part[2]};
	return 0;
}

/* The version of one module. Returns its length, 0 when it is not loaded. */
static size_t version_file(const char *sys_dir, const char *module, char dst[VERSION_MAX])
{
	char path[512];
	ssize_t got;
	int fd;

	(void)snprintf(path, sizeof(path), "%s/module/%s/version", sys_dir, module); /* fits */
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0) {
		return 0;
	}
	got = read(fd, dst, VERSION_MAX);
	close(fd);
	return got > 0 ? (size_t)got : 0;
}

/* Whether the module is there for the running kernel, wherever DKMS has put it. */
static bool module_built(const char *modules_dir, const char *release, const char *module)
{
	static const char *const places[] = {"updates/dkms", "updates", "extra", "kernel/net/jool"};
	static const char *const ends[] = {"ko", "ko.xz", "ko.zst", "ko.gz"};
	char path[512];

	for (size_t i = 0; i < 16; i++) {
		(void)snprintf(path, sizeof(path), "%s/%s/%s/%s.%s", modules_dir, release,
			       places[i / 4], module,
			       ends[i % 4]); /* one that is cut is not there */
		if (access(path, F_OK) == 0) {
			return true;
		}
	}
	return false;
}

int jool_version_read(const char *sys_dir, const char *modules_dir, const char *release,
		      enum jool_translator translator, struct jool_version *ret_version,
		      struct err *err)
{
	const char *module = translator == JOOL_SIIT ? "jool_siit" : "jool";
	char text[VERSION_MAX];
	size_t len = version_file(sys_dir, module, text);

	if (len > 0) {
		return jool_version_parse(module, (struct str){.p = text, .len = len}, ret_version,
					  err);
	}
	if (module_built(modules_dir, release, module)) {
		return err_set(err, -EOPNOTSUPP,
			       "the kernel's module %s is not loaded: run 'modprobe %s', and put "
			       "'%s' into /etc/modules-load.d/jool.conf",
			       module, module, module);
	}
	return err_set(err, -EOPNOTSUPP,
		       "there is no module %s for kernel %s: run 'apt install jool-dkms "
		       "linux-headers-amd64', then 'modprobe %s'",
		       module, release, module);
}
