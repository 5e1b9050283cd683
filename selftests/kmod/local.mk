# SPDX-License-Identifier: GPL-2.0-only
#
# The module's tests: one program for each behaviour, and selftests/kmod/run,
# which runs those beside it. They need root and may take the machine down with
# the module, so "make check" builds them and "make check-kmod" runs them in a
# virtual machine.
#
# Linked statically, to be brought along anywhere, and never with a sanitizer:
# it is the module that is tested.

EXTRA_DIST += selftests/kmod/run

kmod_selftests = \
	selftests/kmod/account \
	selftests/kmod/attack-death \
	selftests/kmod/attack-input \
	selftests/kmod/attack-leak \
	selftests/kmod/attack-lifetime \
	selftests/kmod/attack-limits \
	selftests/kmod/attack-mapping \
	selftests/kmod/channel \
	selftests/kmod/claim \
	selftests/kmod/compat \
	selftests/kmod/device \
	selftests/kmod/eventfd \
	selftests/kmod/expiry \
	selftests/kmod/fault_delay \
	selftests/kmod/grant \
	selftests/kmod/kick_and_wait \
	selftests/kmod/lifetime \
	selftests/kmod/namespaces \
	selftests/kmod/owner \
	selftests/kmod/peer \
	selftests/kmod/region \
	selftests/kmod/revoke \
	selftests/kmod/revoke_race \
	selftests/kmod/seal \
	selftests/kmod/seal_info \
	selftests/kmod/shutdown \
	selftests/kmod/strict \
	selftests/kmod/totals \
	selftests/kmod/trace \
	selftests/kmod/unload

if BUILD_BPF
kmod_selftests += selftests/kmod/trace_bpf
endif

check_PROGRAMS += $(kmod_selftests)

kmod_selftests_headers = selftests/kmod/harness.h selftests/kmod/objects.h
kmod_selftests_cflags = -std=gnu11 $(WARN_CFLAGS) -pthread
kmod_selftests_ldflags = -all-static -pthread

selftests_kmod_account_SOURCES = selftests/kmod/account.c selftests/kmod/cgroup.h $(kmod_selftests_headers)
selftests_kmod_account_CFLAGS = $(kmod_selftests_cflags)
selftests_kmod_account_LDFLAGS = $(kmod_selftests_ldflags)

selftests_kmod_attack_death_SOURCES = selftests/kmod/attack-death.c selftests/kmod/attack-lifetime.h selftests/kmod/attack.h $(kmod_selftests_headers)
selftests_kmod_attack_death_CFLAGS = $(kmod_selftests_cflags)
selftests_kmod_attack_death_LDFLAGS = $(kmod_selftests_ldflags)

selftests_kmod_attack_input_SOURCES = selftests/kmod/attack-input.c selftests/kmod/attack-input.h selftests/kmod/attack.h $(kmod_selftests_headers)
selftests_kmod_attack_input_CFLAGS = $(kmod_selftests_cflags)
selftests_kmod_attack_input_LDFLAGS = $(kmod_selftests_ldflags)

selftests_kmod_attack_leak_SOURCES = selftests/kmod/attack-leak.c selftests/kmod/attack-input.h selftests/kmod/attack.h $(kmod_selftests_headers)
selftests_kmod_attack_leak_CFLAGS = $(kmod_selftests_cflags)
selftests_kmod_attack_leak_LDFLAGS = $(kmod_selftests_ldflags)

selftests_kmod_attack_lifetime_SOURCES = selftests/kmod/attack-lifetime.c selftests/kmod/attack-lifetime.h selftests/kmod/attack.h $(kmod_selftests_headers)
selftests_kmod_attack_lifetime_CFLAGS = $(kmod_selftests_cflags)
selftests_kmod_attack_lifetime_LDFLAGS = $(kmod_selftests_ldflags)

selftests_kmod_attack_limits_SOURCES = selftests/kmod/attack-limits.c selftests/kmod/attack.h selftests/kmod/cgroup.h $(kmod_selftests_headers)
selftests_kmod_attack_limits_CFLAGS = $(kmod_selftests_cflags)
selftests_kmod_attack_limits_LDFLAGS = $(kmod_selftests_ldflags)

selftests_kmod_attack_mapping_SOURCES = selftests/kmod/attack-mapping.c selftests/kmod/attack.h selftests/kmod/pin.h $(kmod_selftests_headers)
selftests_kmod_attack_mapping_CFLAGS = $(kmod_selftests_cflags)
selftests_kmod_attack_mapping_LDFLAGS = $(kmod_selftests_ldflags)

selftests_kmod_channel_SOURCES = selftests/kmod/channel.c selftests/kmod/channel.h $(kmod_selftests_headers)
selftests_kmod_channel_CFLAGS = $(kmod_selftests_cflags)
selftests_kmod_channel_LDFLAGS = $(kmod_selftests_ldflags)

selftests_kmod_claim_SOURCES = selftests/kmod/claim.c $(kmod_selftests_headers)
selftests_kmod_claim_CFLAGS = $(kmod_selftests_cflags)
selftests_kmod_claim_LDFLAGS = $(kmod_selftests_ldflags)

selftests_kmod_compat_SOURCES = selftests/kmod/compat.c selftests/kmod/compat-layout.h $(kmod_selftests_headers)
selftests_kmod_compat_CFLAGS = $(kmod_selftests_cflags)
selftests_kmod_compat_LDFLAGS = $(kmod_selftests_ldflags)

selftests_kmod_device_SOURCES = selftests/kmod/device.c $(kmod_selftests_headers)
selftests_kmod_device_CFLAGS = $(kmod_selftests_cflags)
selftests_kmod_device_LDFLAGS = $(kmod_selftests_ldflags)

selftests_kmod_expiry_SOURCES = selftests/kmod/expiry.c $(kmod_selftests_headers)
selftests_kmod_expiry_CFLAGS = $(kmod_selftests_cflags)
selftests_kmod_expiry_LDFLAGS = $(kmod_selftests_ldflags)

selftests_kmod_eventfd_SOURCES = selftests/kmod/eventfd.c selftests/kmod/channel.h $(kmod_selftests_headers)
selftests_kmod_eventfd_CFLAGS = $(kmod_selftests_cflags)
selftests_kmod_eventfd_LDFLAGS = $(kmod_selftests_ldflags)

selftests_kmod_fault_delay_SOURCES = selftests/kmod/fault_delay.c $(kmod_selftests_headers)
selftests_kmod_fault_delay_CFLAGS = $(kmod_selftests_cflags)
selftests_kmod_fault_delay_LDFLAGS = $(kmod_selftests_ldflags)

selftests_kmod_grant_SOURCES = selftests/kmod/grant.c $(kmod_selftests_headers)
selftests_kmod_grant_CFLAGS = $(kmod_selftests_cflags)
selftests_kmod_grant_LDFLAGS = $(kmod_selftests_ldflags)

selftests_kmod_kick_and_wait_SOURCES = selftests/kmod/kick_and_wait.c selftests/kmod/channel.h $(kmod_selftests_headers)
selftests_kmod_kick_and_wait_CFLAGS = $(kmod_selftests_cflags)
selftests_kmod_kick_and_wait_LDFLAGS = $(kmod_selftests_ldflags)

selftests_kmod_lifetime_SOURCES = selftests/kmod/lifetime.c $(kmod_selftests_headers)
selftests_kmod_lifetime_CFLAGS = $(kmod_selftests_cflags)
selftests_kmod_lifetime_LDFLAGS = $(kmod_selftests_ldflags)

selftests_kmod_namespaces_SOURCES = selftests/kmod/namespaces.c selftests/kmod/cgroup.h $(kmod_selftests_headers)
selftests_kmod_namespaces_CFLAGS = $(kmod_selftests_cflags)
selftests_kmod_namespaces_LDFLAGS = $(kmod_selftests_ldflags)

selftests_kmod_owner_SOURCES = selftests/kmod/owner.c $(kmod_selftests_headers)
selftests_kmod_owner_CFLAGS = $(kmod_selftests_cflags)
selftests_kmod_owner_LDFLAGS = $(kmod_selftests_ldflags)

selftests_kmod_peer_SOURCES = selftests/kmod/peer.c selftests/kmod/channel.h $(kmod_selftests_headers)
selftests_kmod_peer_CFLAGS = $(kmod_selftests_cflags)
selftests_kmod_peer_LDFLAGS = $(kmod_selftests_ldflags)

selftests_kmod_region_SOURCES = selftests/kmod/region.c $(kmod_selftests_headers)
selftests_kmod_region_CFLAGS = $(kmod_selftests_cflags)
selftests_kmod_region_LDFLAGS = $(kmod_selftests_ldflags)

selftests_kmod_revoke_SOURCES = selftests/kmod/revoke.c $(kmod_selftests_headers)
selftests_kmod_revoke_CFLAGS = $(kmod_selftests_cflags)
selftests_kmod_revoke_LDFLAGS = $(kmod_selftests_ldflags)

selftests_kmod_revoke_race_SOURCES = selftests/kmod/revoke_race.c $(kmod_selftests_headers)
selftests_kmod_revoke_race_CFLAGS = $(kmod_selftests_cflags)
selftests_kmod_revoke_race_LDFLAGS = $(kmod_selftests_ldflags)

selftests_kmod_seal_SOURCES = selftests/kmod/seal.c selftests/kmod/seal.h selftests/kmod/pin.h $(kmod_selftests_headers)
selftests_kmod_seal_CFLAGS = $(kmod_selftests_cflags)
selftests_kmod_seal_LDFLAGS = $(kmod_selftests_ldflags)

selftests_kmod_seal_info_SOURCES = selftests/kmod/seal_info.c selftests/kmod/seal.h $(kmod_selftests_headers)
selftests_kmod_seal_info_CFLAGS = $(kmod_selftests_cflags)
selftests_kmod_seal_info_LDFLAGS = $(kmod_selftests_ldflags)

selftests_kmod_shutdown_SOURCES = selftests/kmod/shutdown.c selftests/kmod/channel.h $(kmod_selftests_headers)
selftests_kmod_shutdown_CFLAGS = $(kmod_selftests_cflags)
selftests_kmod_shutdown_LDFLAGS = $(kmod_selftests_ldflags)

selftests_kmod_strict_SOURCES = selftests/kmod/strict.c selftests/kmod/pin.h $(kmod_selftests_headers)
selftests_kmod_strict_CFLAGS = $(kmod_selftests_cflags)
selftests_kmod_strict_LDFLAGS = $(kmod_selftests_ldflags)

selftests_kmod_totals_SOURCES = selftests/kmod/totals.c $(kmod_selftests_headers)
selftests_kmod_totals_CFLAGS = $(kmod_selftests_cflags)
selftests_kmod_totals_LDFLAGS = $(kmod_selftests_ldflags)

selftests_kmod_trace_SOURCES = selftests/kmod/trace.c selftests/kmod/channel.h $(kmod_selftests_headers)
selftests_kmod_trace_CFLAGS = $(kmod_selftests_cflags)
selftests_kmod_trace_LDFLAGS = $(kmod_selftests_ldflags)

if BUILD_BPF
selftests_kmod_trace_bpf_SOURCES = selftests/kmod/trace_bpf.c $(kmod_selftests_headers)
selftests_kmod_trace_bpf_CFLAGS = $(kmod_selftests_cflags) $(LIBBPF_CFLAGS)
selftests_kmod_trace_bpf_CPPFLAGS = $(AM_CPPFLAGS) -Iselftests/kmod
selftests_kmod_trace_bpf_LDFLAGS = $(kmod_selftests_ldflags)
selftests_kmod_trace_bpf_LDADD = $(LIBBPF_LIBS) $(LIBELF_LIBS) -lz

BUILT_SOURCES += selftests/kmod/trace_bpf.skel.h
CLEANFILES += selftests/kmod/trace_bpf.skel.h \
	selftests/kmod/trace_bpf.skel.h.tmp selftests/kmod/trace_bpf.bpf.o \
	selftests/kmod/trace_bpf.tmp.bpf.o

selftests/kmod/trace_bpf-trace_bpf.$(OBJEXT): selftests/kmod/trace_bpf.skel.h
selftests/kmod/trace_bpf.skel.h: selftests/kmod/trace_bpf.bpf.c
	$(AM_V_GEN)$(MKDIR_P) selftests/kmod
	$(AM_V_at)arch=`echo '$(host_cpu)' | $(SED) '$(BPF_ARCH_SED)'` && \
	$(CLANG) --target=bpf -g -O2 $(WARN_CFLAGS) -Wno-missing-prototypes -Wno-unused-parameter \
		-D__TARGET_ARCH_$$arch $(BPF_CPPFLAGS) $(LIBBPF_CFLAGS) \
		-c $(top_srcdir)/selftests/kmod/trace_bpf.bpf.c \
		-o selftests/kmod/trace_bpf.tmp.bpf.o
	$(AM_V_at)$(BPFTOOL) gen object selftests/kmod/trace_bpf.bpf.o \
		selftests/kmod/trace_bpf.tmp.bpf.o
	$(AM_V_at)$(BPFTOOL) gen skeleton selftests/kmod/trace_bpf.bpf.o \
		name trace_bpf >$@.tmp && mv $@.tmp $@
endif

EXTRA_DIST += selftests/kmod/trace_bpf.bpf.c

selftests_kmod_unload_SOURCES = selftests/kmod/unload.c $(kmod_selftests_headers)
selftests_kmod_unload_CFLAGS = $(kmod_selftests_cflags)
selftests_kmod_unload_LDFLAGS = $(kmod_selftests_ldflags)

# A 32-bit program without a C library, which "compat" runs.
if HAVE_32BIT
kmod_selftests_32bit = selftests/kmod/compat32
check_PROGRAMS += $(kmod_selftests_32bit)
selftests_kmod_compat32_SOURCES = selftests/kmod/compat32.c selftests/kmod/compat-layout.h
selftests_kmod_compat32_CFLAGS = -std=gnu11 $(WARN_CFLAGS) $(FREESTANDING_32BIT)
selftests_kmod_compat32_LDFLAGS = -all-static -no-pie
endif

# The programs and run together in one directory, for who takes them elsewhere.
kmod-selftests: $(kmod_selftests) $(kmod_selftests_32bit)
	@test $(top_srcdir)/selftests/kmod -ef selftests/kmod || \
		cp -f $(top_srcdir)/selftests/kmod/run selftests/kmod/run

check-kmod: kmod-selftests
	LIBTOOL='$(abs_top_builddir)/libtool' \
	$(top_srcdir)/selftests/vm/run --no-insmod --timeout 900 $(VM_FLAGS) \
		$(kmod_selftests:%=--file %) $(kmod_selftests_32bit:%=--file %) -- selftests/kmod/run $(KMOD_TESTS)

kmod-selftests-clean:
	-test $(top_srcdir)/selftests/kmod -ef selftests/kmod || \
		rm -f selftests/kmod/run

PHONY_TARGETS += check-kmod kmod-selftests
clean_local += kmod-selftests-clean
