# SPDX-License-Identifier: MIT
# The library's tests: one program per behaviour. selftests/lib/run runs them
# without automake, e.g. in a virtual machine.
EXTRA_DIST += selftests/lib/run

if HAVE_CMOCKA
lib_tests = \
	selftests/lib/backend \
	selftests/lib/region \
	selftests/lib/session \
	selftests/lib/admission

check_PROGRAMS += $(lib_tests)
TESTS += $(lib_tests)

lib_tests_harness = \
	selftests/lib/harness.c \
	selftests/lib/harness-peer.c \
	selftests/lib/harness.h \
	selftests/lib/harness-private.h
lib_tests_cflags = $(AM_CFLAGS) $(CMOCKA_CFLAGS) -pthread
lib_tests_libs = lib/libflowipc.la $(CMOCKA_LIBS)

selftests_lib_backend_SOURCES = selftests/lib/backend.c $(lib_tests_harness)
selftests_lib_backend_CFLAGS = $(lib_tests_cflags)
selftests_lib_backend_LDADD = $(lib_tests_libs)

selftests_lib_region_SOURCES = selftests/lib/region.c $(lib_tests_harness)
selftests_lib_region_CFLAGS = $(lib_tests_cflags)
selftests_lib_region_LDADD = $(lib_tests_libs)

selftests_lib_session_SOURCES = selftests/lib/session.c $(lib_tests_harness)
selftests_lib_session_CFLAGS = $(lib_tests_cflags)
selftests_lib_session_LDADD = $(lib_tests_libs)

selftests_lib_admission_SOURCES = selftests/lib/admission.c $(lib_tests_harness)
selftests_lib_admission_CFLAGS = $(lib_tests_cflags)
selftests_lib_admission_LDADD = $(lib_tests_libs)
endif
