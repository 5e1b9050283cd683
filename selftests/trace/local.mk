# SPDX-License-Identifier: MIT
EXTRA_DIST += selftests/trace/run

if BUILD_BPF

check_PROGRAMS += selftests/trace/histogram
TESTS += selftests/trace/histogram
selftests_trace_histogram_SOURCES = \
	selftests/trace/histogram.c \
	tools/trace/histogram.c \
	tools/trace/histogram.h
selftests_trace_histogram_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)

if HAVE_SDT

check_PROGRAMS += \
	selftests/trace/refuse \
	selftests/trace/standin \
	selftests/trace/traffic
TESTS += selftests/trace/run

selftests_trace_refuse_SOURCES = selftests/trace/refuse.c

selftests_trace_standin_SOURCES = \
	selftests/trace/standin.c \
	lib/probes.c \
	lib/probes.h
selftests_trace_standin_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/lib

selftests_trace_traffic_SOURCES = selftests/trace/traffic.c
selftests_trace_traffic_LDADD = lib/libflowipc.la

endif
endif
