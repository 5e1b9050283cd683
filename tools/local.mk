# SPDX-License-Identifier: MIT
include tools/trace.mk
include tools/bench.mk
include tools/stat.mk
