# SPDX-License-Identifier: MIT
# Runs the examples and flowipc-bench as their users would.
dist_check_SCRIPTS += selftests/examples/run
TESTS += selftests/examples/run
