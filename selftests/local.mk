# SPDX-License-Identifier: MIT
include selftests/lib/local.mk
include selftests/kmod/local.mk
include selftests/vm/local.mk
