# SPDX-License-Identifier: MIT
#
# flowipc.ko is built by kbuild, which writes beside the sources it is given.
# A build outside the source tree therefore gives it copies.

kmod_sources = \
	kmod/Kbuild \
	kmod/account.c \
	kmod/btf.sh \
	kmod/channel.c \
	kmod/claim.c \
	kmod/compat.h \
	kmod/debugfs.c \
	kmod/eventfd.c \
	kmod/fdinfo.c \
	kmod/flowipc.h \
	kmod/grant.c \
	kmod/identity.c \
	kmod/kunit.c \
	kmod/main.c \
	kmod/mapping.c \
	kmod/peer.c \
	kmod/probe.sh \
	kmod/quota.h \
	kmod/range.h \
	kmod/region.c \
	kmod/seal.c \
	kmod/revoke.c \
	kmod/sleeper.c \
	kmod/trace.c \
	kmod/trace.h \
	kmod/uapi/linux/flowipc.h

EXTRA_DIST += $(kmod_sources) kmod/dkms.conf

uapidir = $(includedir)/linux
uapi_HEADERS = kmod/uapi/linux/flowipc.h

kmod_make = $(MAKE) -C $(KERNEL_BUILD_DIR) M=$(abs_top_builddir)/kmod

if BUILD_KMOD
noinst_DATA += kmod/flowipc.ko

# The prerequisites name the source tree, because VPATH would find the copies;
# config.status may name another kernel.
kmod/flowipc.ko: $(kmod_sources:%=$(top_srcdir)/%) config.status
	$(AM_V_GEN)for file in $(kmod_sources); do \
		cmp -s "$(top_srcdir)/$$file" "$$file" && continue; \
		$(MKDIR_P) "$${file%/*}" && \
		cp -f "$(top_srcdir)/$$file" "$$file" || exit 1; \
	done
	$(AM_V_at)$(kmod_make) modules
	$(AM_V_at)$(SHELL) kmod/btf.sh $@ "$(KERNEL_BUILD_DIR)"
	$(AM_V_at)touch $@

# Apart from "install", which must not write outside the prefix.
kmod-install: kmod/flowipc.ko
	$(kmod_make) INSTALL_MOD_PATH="$(DESTDIR)" modules_install

PHONY_TARGETS += kmod-install
endif BUILD_KMOD

# By hand, so that it works when the kernel's headers are gone.
kmod-clean:
	-test ! -d kmod || (cd kmod && rm -rf probed.h *.ko *.o *.mod *.mod.c .*.cmd \
		.*.d .*.o .tmp_versions modules.order Module.symvers)
	-test "$(top_srcdir)/kmod" -ef kmod || rm -f $(kmod_sources)

clean_local += kmod-clean
