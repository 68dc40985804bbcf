/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef SIXGATE_GATEWAY_CLI_CLI_H
#define SIXGATE_GATEWAY_CLI_CLI_H

#include <stdio.h>

/* What `sixgate` exits with; stable, documented in sixgate(1). */
enum cli_exit {
	CLI_OK = 0,
	CLI_REFUSED = 1,     /* sixgated said no, or what was checked is wrong */
	CLI_USAGE = 2,       /* the command line makes no sense */
	CLI_UNREACHABLE = 3, /* no answer from sixgated */
	CLI_CUT = 4,         /* the answer ended before its end, or could not be written */
};

/*
 * Runs one command line. The answer goes to out, diagnostics to err; argv is permuted.
 * Returns what the process is to exit with. Called by main and by tests.
 */
enum cli_exit cli_main(int argc, char **argv, FILE *out, FILE *err);

#endif
