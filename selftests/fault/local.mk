# SPDX-License-Identifier: GPL-2.0-only
#
# Tests that go on until something breaks: fuzz, storm and inject. Like those of
# selftests/kmod, "make check" builds them and targets of their own run them in a
# virtual machine; VM_FLAGS goes to it after their own options.

fuzz_control_parts = \
	selftests/fault/fuzz-control.c \
	selftests/fault/fuzz-control.h \
	selftests/fault/fuzz-control-enemy.c \
	selftests/fault/fuzz-control-seeds.c \
	selftests/fault/fuzz-control-victim.c

EXTRA_DIST += selftests/fault/run $(fuzz_control_parts)

FUZZ_SECONDS = 60
STORM_COUNT = 10000

fault_selftests = \
	selftests/fault/fuzz \
	selftests/fault/inject \
	selftests/fault/storm

check_PROGRAMS += $(fault_selftests)

fault_selftests_headers = \
	selftests/fault/dice.h \
	selftests/fault/totals.h \
	$(kmod_selftests_headers)

selftests_fault_fuzz_SOURCES = \
	selftests/fault/fuzz.c \
	selftests/fault/fuzz.h \
	selftests/fault/fuzz-coverage.c \
	selftests/fault/fuzz-files.c \
	selftests/fault/fuzz-ioctls.c \
	selftests/fault/fuzz-memory.c \
	selftests/fault/fuzz-worker.c \
	$(fault_selftests_headers)
selftests_fault_fuzz_CFLAGS = $(kmod_selftests_cflags)
selftests_fault_fuzz_LDFLAGS = $(kmod_selftests_ldflags)

selftests_fault_inject_SOURCES = \
	selftests/fault/inject.c \
	$(fault_selftests_headers)
selftests_fault_inject_CFLAGS = $(kmod_selftests_cflags)
selftests_fault_inject_LDFLAGS = $(kmod_selftests_ldflags)

selftests_fault_storm_SOURCES = \
	selftests/fault/storm.c \
	selftests/fault/storm.h \
	selftests/fault/storm-roles.c \
	$(fault_selftests_headers)
selftests_fault_storm_CFLAGS = $(kmod_selftests_cflags)
selftests_fault_storm_LDFLAGS = $(kmod_selftests_ldflags)

# The programs and run together in one directory, as for selftests/kmod.
fault-selftests: $(fault_selftests)
	@test $(top_srcdir)/selftests/fault -ef selftests/fault || \
		cp -f $(top_srcdir)/selftests/fault/run selftests/fault/run

fault_vm = LIBTOOL='$(abs_top_builddir)/libtool' \
	$(top_srcdir)/selftests/vm/run --no-insmod --memory 2048 \
		$(fault_selftests:%=--file %)

check-fuzz: fault-selftests
	$(fault_vm) --timeout $$(($(FUZZ_SECONDS) + 300)) $(VM_FLAGS) \
		-- selftests/fault/run fuzz $(FUZZ_SECONDS) $(FUZZ_SEED)

check-storm: fault-selftests
	$(fault_vm) --timeout $$(($(STORM_COUNT) / 10 + 300)) $(VM_FLAGS) \
		-- selftests/fault/run storm $(STORM_COUNT)

# Other kernels skip most of it.
check-inject: fault-selftests
	$(fault_vm) --timeout 1800 --kernel debug $(VM_FLAGS) \
		-- selftests/fault/run inject

# The library's own fuzzer runs anywhere, and needs clang. What it has found to
# begin with stays in the corpus until make clean.
if HAVE_FUZZER
fuzz_control = selftests/fault/fuzz-control
fuzz_control_sources = \
	$(filter %.c,$(lib_libflowipc_la_SOURCES) $(fuzz_control_parts))

$(fuzz_control): $(fuzz_control_parts) $(lib_libflowipc_la_SOURCES)
	$(AM_V_CC)$(MKDIR_P) $(@D) && \
	$(CLANG) -std=gnu11 -Wall -Wextra $(DEFS) $(AM_CPPFLAGS) \
		-I$(top_srcdir)/lib $(FUZZER_CFLAGS) -o $@ \
		$(fuzz_control_sources:%=$(top_srcdir)/%) -lpthread

check-fuzz-control: $(fuzz_control)
	$(MKDIR_P) $(fuzz_control)-corpus
	$(fuzz_control) --seeds $(fuzz_control)-corpus
	$(fuzz_control) -max_total_time=$(FUZZ_SECONDS) -max_len=1024 \
		-artifact_prefix=$(fuzz_control)-found- $(fuzz_control)-corpus

fuzz-control-clean:
	-rm -rf $(fuzz_control) $(fuzz_control)-corpus $(fuzz_control)-found-*

PHONY_TARGETS += check-fuzz-control fuzz-control-clean
clean_local += fuzz-control-clean
endif

fault-selftests-clean:
	-test $(top_srcdir)/selftests/fault -ef selftests/fault || \
		rm -f selftests/fault/run

PHONY_TARGETS += check-fuzz check-inject check-storm fault-selftests
clean_local += fault-selftests-clean
