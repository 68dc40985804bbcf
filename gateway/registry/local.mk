# SPDX-License-Identifier: GPL-3.0-or-later
noinst_LIBRARIES += libregistry.a
libregistry_a_SOURCES = %D%/dir.c %D%/dir.h %D%/snapshot.c %D%/snapshot.h %D%/snapshot_file.c
