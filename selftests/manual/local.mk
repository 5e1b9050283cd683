# SPDX-License-Identifier: MIT
#
# "make check" compares flowipc(4) with the sources, "make check-manual" with
# the module in a virtual machine.
dist_check_SCRIPTS += selftests/manual/run
EXTRA_DIST += selftests/manual/extract selftests/manual/kernel
TESTS += selftests/manual/run

manual_examples = selftests/manual/ping selftests/manual/share

$(manual_examples): man/flowipc.4 selftests/manual/extract
	$(AM_V_GEN)$(MKDIR_P) $(@D) && \
	$(top_srcdir)/selftests/manual/extract $(top_srcdir)/man/flowipc.4 \
		$(@F).c >$@.c && \
	$(CC) $(AM_CPPFLAGS) $(AM_CFLAGS) $(CFLAGS) -o $@ $@.c

check-manual: $(manual_examples) selftests/stat/scene
	LIBTOOL='$(abs_top_builddir)/libtool' \
	$(top_srcdir)/selftests/vm/run --timeout 300 \
		--file $(top_srcdir)/man/flowipc.4:/tmp/flowipc.4 \
		--file $(top_srcdir)/selftests/tap.sh:$(abs_top_srcdir)/selftests/tap.sh \
		--file selftests/stat/scene $(manual_examples:%=--file %) \
		$(VM_FLAGS) -- $(top_srcdir)/selftests/manual/kernel \
		/tmp/flowipc.4 $(abs_top_builddir)/selftests/stat/scene \
		$(manual_examples:%=$(abs_top_builddir)/%)

CLEANFILES += $(manual_examples) $(manual_examples:%=%.c)
PHONY_TARGETS += check-manual
