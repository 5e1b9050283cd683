# SPDX-License-Identifier: MIT
include selftests/lib/local.mk
include selftests/examples/local.mk
include selftests/manual/local.mk
include selftests/model/local.mk
include selftests/packaging/local.mk
include selftests/stat/local.mk
include selftests/trace/local.mk
include selftests/kmod/local.mk
include selftests/fault/local.mk
include selftests/vm/local.mk

EXTRA_DIST += \
	selftests/ci/demo-vm \
	selftests/ci/run \
	selftests/ci/steps \
	selftests/ci/steps-run \
	selftests/tap.sh
