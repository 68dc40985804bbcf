/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Main of a fuzz target without libFuzzer: runs each file of tests/fuzz/corpus/NAME, or the files
 * named on the command line. NAME is the program's name without "fuzz_".
 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int replay_file(const char *path)
{
	FILE *f = fopen(path, "rb");
	uint8_t *data = NULL;
	size_t len = 0, size = 1 << 20;
	int rc = -1;

	data = malloc(size);
	if (!f || !data) {
		perror(path);
		goto out;
	}
	len = fread(data, 1, size, f);
	/* an exact copy, so that a sanitizer sees the end */
	uint8_t *exact = malloc(len ? len : 1);
	if (!exact) {
		goto out;
	}
	memcpy(exact, data, len);
	LLVMFuzzerTestOneInput(exact, len);
	free(exact);
	rc = 0;
out:
	free(data);
	if (f) {
		fclose(f);
	}
	return rc;
}

static int replay_corpus(const char *name)
{
	const char *srcdir = getenv("SIXGATE_SRCDIR");
	char dir_path[512], path[1024];
	unsigned int n = 0;
	struct dirent *entry;
	DIR *dir;

	snprintf(dir_path, sizeof(dir_path), "%s/tests/fuzz/corpus/%s", srcdir ? srcdir : ".",
		 name);
	dir = opendir(dir_path);
	if (!dir) {
		perror(dir_path);
		return 1;
	}
	while ((entry = readdir(dir))) {
		if (entry->d_name[0] == '.') {
			continue;
		}
		snprintf(path, sizeof(path), "%s/%s", dir_path, entry->d_name);
		if (replay_file(path) < 0) {
			closedir(dir);
			return 1;
		}
		n++;
	}
	closedir(dir);
	printf("%s: %u files replayed\n", name, n);
	return n > 0 ? 0 : 1;
}

int main(int argc, char **argv)
{
	const char *base = strrchr(argv[0], '/');
	const char *name = base ? base + 1 : argv[0];

	for (int i = 1; i < argc; i++) {
		if (replay_file(argv[i]) < 0) {
			return 1;
		}
	}
	if (argc > 1) {
		return 0;
	}
	return replay_corpus(strncmp(name, "fuzz_", 5) == 0 ? name + 5 : name);
}
