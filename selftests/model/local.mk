# SPDX-License-Identifier: MIT
#
# The protocols in shared memory as models for Spin; they do not depend on how
# the library is built.
dist_check_SCRIPTS += selftests/model/run
EXTRA_DIST += \
	selftests/model/drop.pml \
	selftests/model/memory.pml \
	selftests/model/ring.pml

if !ENABLE_ASAN
if !ENABLE_TSAN
TESTS += selftests/model/run
endif
endif
