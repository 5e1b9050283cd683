# SPDX-License-Identifier: MIT
EXTRA_DIST += \
	selftests/vm/bugs/Kbuild \
	selftests/vm/bugs/bugs.c \
	selftests/vm/debug-kernel.sh \
	selftests/vm/debug.config \
	selftests/vm/dmesg-check \
	selftests/vm/init \
	selftests/vm/initramfs.sh \
	selftests/vm/kcsan.config \
	selftests/vm/kernel.sh \
	selftests/vm/module.sh \
	selftests/vm/run \
	selftests/vm/small.config \
	selftests/vm/test \
	selftests/vm/test-debug

# The harness's own tests; what runs in it has targets of its own.
PHONY_TARGETS += check-vm-debug check-vm-harness
check-vm-harness:
	LIBTOOL='$(abs_top_builddir)/libtool' $(srcdir)/selftests/vm/test

# VM_DEBUG: debug or kcsan, to test only that kernel.
check-vm-debug:
	$(srcdir)/selftests/vm/test-debug $(VM_DEBUG)
