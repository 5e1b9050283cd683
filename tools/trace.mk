# SPDX-License-Identifier: MIT

if BUILD_BPF

bin_PROGRAMS += tools/flowipc-trace

tools_flowipc_trace_SOURCES = \
	tools/common/arguments.c \
	tools/common/arguments.h \
	tools/common/escape.c \
	tools/common/escape.h \
	tools/trace/attach.c \
	tools/trace/attach.h \
	tools/trace/elf.c \
	tools/trace/files.c \
	tools/trace/files.h \
	tools/trace/histogram.c \
	tools/trace/histogram.h \
	tools/trace/main.c \
	tools/trace/report.c \
	tools/trace/report.h \
	tools/trace/streams.c \
	tools/trace/streams.h \
	tools/trace/why.c \
	tools/trace/why.h
nodist_tools_flowipc_trace_SOURCES = bpf/latency.skel.h
tools_flowipc_trace_CPPFLAGS = \
	$(AM_CPPFLAGS) \
	-I$(top_srcdir) \
	-DLIBDIR='"$(libdir)"'
tools_flowipc_trace_CFLAGS = $(AM_CFLAGS) $(LIBBPF_CFLAGS)
tools_flowipc_trace_LDADD = $(LIBBPF_LIBS)

tools/trace/flowipc_trace-attach.$(OBJEXT): bpf/latency.skel.h

endif
