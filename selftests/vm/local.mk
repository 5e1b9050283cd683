# SPDX-License-Identifier: MIT
EXTRA_DIST += \
	selftests/vm/dmesg-check \
	selftests/vm/init \
	selftests/vm/initramfs.sh \
	selftests/vm/kernel.sh \
	selftests/vm/module.sh \
	selftests/vm/run
