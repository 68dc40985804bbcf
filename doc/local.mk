# SPDX-License-Identifier: GPL-3.0-or-later
dist_man_MANS += doc/sixgate.1 doc/sixgated.8 doc/sixgate.yaml.5

bashcompletiondir = $(datadir)/bash-completion/completions
dist_bashcompletion_DATA = doc/bash-completion/sixgate
