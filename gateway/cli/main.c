/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The command `sixgate`: everything an operator types. All of it is in gateway/cli/cli.c. */
#include <stdio.h>

#include "gateway/cli/cli.h"

int main(int argc, char **argv)
{
	return cli_main(argc, argv, stdout, stderr);
}
