# SPDX-License-Identifier: MIT
#
# "make check" runs what needs no module, "make check-stat" all of it in a
# virtual machine.
EXTRA_DIST += selftests/stat/run

check_PROGRAMS += \
	selftests/stat/facts \
	selftests/stat/library \
	selftests/stat/scene
TESTS += selftests/stat/facts selftests/stat/run

selftests_stat_facts_SOURCES = \
	selftests/stat/facts.c \
	tools/stat/facts.c \
	tools/stat/facts.h
selftests_stat_facts_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)

selftests_stat_library_SOURCES = selftests/stat/library.c
selftests_stat_library_LDADD = lib/libflowipc.la

selftests_stat_scene_SOURCES = \
	selftests/stat/scene.c \
	selftests/kmod/objects.h
selftests_stat_scene_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)

check-stat: tools/flowipc-stat selftests/stat/library selftests/stat/scene
	LIBTOOL='$(abs_top_builddir)/libtool' \
	$(top_srcdir)/selftests/vm/run --timeout 300 \
		--file tools/flowipc-stat --file selftests/stat/library \
		--file $(top_srcdir)/selftests/tap.sh:$(abs_top_srcdir)/selftests/tap.sh \
		--file selftests/stat/scene \
		--file "$$(command -v jq)" --env jq="$$(command -v jq)" \
		--env abs_top_builddir='$(abs_top_builddir)' \
		$(VM_FLAGS) -- $(top_srcdir)/selftests/stat/run

PHONY_TARGETS += check-stat
