# SPDX-License-Identifier: MIT
#
# latency.bpf.c is compiled to an object without debugging information but
# BTF, and that becomes a C header for the program that loads it. It needs no
# vmlinux.h. Nobody calls its functions, so they need no prototypes either.

EXTRA_DIST += bpf/latency.bpf.c bpf/latency.h

if BUILD_BPF

BUILT_SOURCES += bpf/latency.skel.h
CLEANFILES += bpf/latency.skel.h bpf/latency.skel.h.tmp bpf/latency.bpf.o \
	bpf/latency.tmp.bpf.o

# As the headers of libbpf name it: x86, arm64, ...
BPF_ARCH_SED = \
	s/^i.86$$/x86/; s/^x86_64$$/x86/; s/^aarch64$$/arm64/; \
	s/^arm.*/arm/; s/^ppc64.*/powerpc/; s/^powerpc64.*/powerpc/; \
	s/^riscv64$$/riscv/; s/^s390x$$/s390/; s/^mips.*/mips/; \
	s/^loongarch64$$/loongarch/

bpf/latency.bpf.o: bpf/latency.bpf.c bpf/latency.h
	$(AM_V_GEN)$(MKDIR_P) bpf
	$(AM_V_at)arch=`echo '$(host_cpu)' | $(SED) '$(BPF_ARCH_SED)'` && \
	$(CLANG) --target=bpf -g -O2 $(WARN_CFLAGS) -Wno-missing-prototypes \
		-D__TARGET_ARCH_$$arch $(BPF_CPPFLAGS) $(LIBBPF_CFLAGS) \
		-I$(top_srcdir)/bpf -c $(top_srcdir)/bpf/latency.bpf.c \
		-o bpf/latency.tmp.bpf.o
	$(AM_V_at)$(BPFTOOL) gen object $@ bpf/latency.tmp.bpf.o

bpf/latency.skel.h: bpf/latency.bpf.o
	$(AM_V_GEN)$(BPFTOOL) gen skeleton bpf/latency.bpf.o \
		name latency_bpf >$@.tmp && mv $@.tmp $@

endif
