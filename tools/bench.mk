# SPDX-License-Identifier: MIT
bin_PROGRAMS += tools/flowipc-bench

tools_flowipc_bench_SOURCES = \
	tools/bench/bench.h \
	tools/bench/cpus.c \
	tools/bench/main.c \
	tools/bench/map.c \
	tools/bench/peer-cacheline.c \
	tools/bench/peer-channel.c \
	tools/bench/peer-fd.c \
	tools/bench/peer-flowipc.c \
	tools/bench/peer-futex.c \
	tools/bench/peer-unix.c \
	tools/bench/peers.c \
	tools/bench/process.c \
	tools/bench/report.c \
	tools/bench/roundtrips.c \
	tools/bench/rtt.c \
	tools/bench/stats.c \
	tools/bench/wake.c
tools_flowipc_bench_LDADD = lib/libflowipc.la
