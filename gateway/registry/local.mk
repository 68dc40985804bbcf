# SPDX-License-Identifier: GPL-3.0-or-later
noinst_LIBRARIES += libregistry.a
libregistry_a_SOURCES = %D%/dir.c %D%/dir.h %D%/dir_internal.h \
	%D%/dir_read.c %D%/dir_watch.c %D%/snapshot.c %D%/snapshot.h %D%/snapshot_file.c
