# SPDX-License-Identifier: MIT
bin_PROGRAMS += tools/flowipc-stat

tools_flowipc_stat_SOURCES = \
	tools/common/arguments.c \
	tools/common/arguments.h \
	tools/common/escape.c \
	tools/common/escape.h \
	tools/stat/facts.c \
	tools/stat/facts.h \
	tools/stat/json.c \
	tools/stat/main.c \
	tools/stat/module.c \
	tools/stat/module.h \
	tools/stat/pinned.c \
	tools/stat/report.h \
	tools/stat/scan.c \
	tools/stat/scan.h \
	tools/stat/table.c \
	tools/stat/view.c \
	tools/stat/view.h
tools_flowipc_stat_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)
