# SPDX-License-Identifier: GPL-3.0-or-later
# What ./dev bench runs: the bare relay, the load, the backend, and the scripts over them.
noinst_PROGRAMS += tests/bench/relay tests/bench/load tests/bench/sink tests/bench/parts
tests_bench_relay_SOURCES = %D%/relay.c %D%/net.c %D%/net.h
tests_bench_load_SOURCES = %D%/load.c %D%/load.h %D%/hello.c %D%/hello.h %D%/net.c %D%/net.h \
	%D%/witness.c %D%/witness.h
tests_bench_sink_SOURCES = %D%/sink.c %D%/net.c %D%/net.h
tests_bench_parts_SOURCES = %D%/parts.c tests/unit/hello.c tests/unit/hello.h
tests_bench_parts_LDADD = libproxy.a libworker.a libconf-model.a libbase.a
dist_noinst_SCRIPTS += %D%/dns64.py %D%/kernel.py %D%/proxy.py
dist_noinst_DATA += %D%/kernel_hosts.py %D%/kernel_script.py %D%/kernel_sixgate.py %D%/lab.py %D%/peers.py %D%/report.py \
	%D%/sixgate.py %D%/workloads.py
noinst_PROGRAMS += tests/bench/asker tests/bench/responder
tests_bench_asker_SOURCES = %D%/asker.c %D%/net.c %D%/net.h
tests_bench_asker_LDADD =
tests_bench_responder_SOURCES = %D%/responder.c
tests_bench_responder_LDADD =
