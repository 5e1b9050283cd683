# SPDX-License-Identifier: MIT
dist_check_SCRIPTS += selftests/packaging/run
TESTS += selftests/packaging/run
