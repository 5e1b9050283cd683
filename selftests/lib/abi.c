// SPDX-License-Identifier: MIT
/*
 * A library that is too new or too old for the module. There is one module
 * only, so it is the library whose number is changed here, by building its
 * device back end into this program.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static unsigned int library_abi;
#define LIBRARY_ABI library_abi

#include "../../lib/backend-device.c"
#include "../../lib/error.c"

/* The parts of the library that a probe does not come to. */
struct mapping flowipc__mapping(void *base, uint64_t size)
{
	return (struct mapping){ .base = base, .size = size };
}

int flowipc__packet_pair(int pair[2])
{
	(void)pair;
	return -ENOSYS;
}

bool flowipc__is_unix_socket(int fd, int wanted_type)
{
	(void)fd;
	(void)wanted_type;
	return false;
}

void flowipc__close_all(const int *fds, unsigned int fd_count)
{
	(void)fds;
	(void)fd_count;
}

static void expect(int status, const char *words)
{
	int err = flowipc__backend_device.probe();

	/* Without the module there is nothing to be too old for. */
	if (access(FLOWIPC_DEVICE_PATH, F_OK)) {
		assert_int_equal(err, -ENODEV);
		assert_non_null(strstr(flowipc_last_error(), "not loaded"));
		return;
	}
	assert_int_equal(err, status);
	if (status)
		assert_non_null(strstr(flowipc_last_error(), words));
}

static void module_fits(void **state)
{
	(void)state;
	library_abi = FLOWIPC_ABI_CURRENT;
	expect(0, "");
}

static void module_is_too_old(void **state)
{
	(void)state;
	library_abi = FLOWIPC_ABI_CURRENT + 1;
	expect(-ENOEXEC, "too old");
}

static void module_is_too_new(void **state)
{
	(void)state;
	library_abi = FLOWIPC_ABI_OLDEST - 1;
	expect(-ENOEXEC, "too new");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(module_fits),
		cmocka_unit_test(module_is_too_old),
		cmocka_unit_test(module_is_too_new),
	};

	return cmocka_run_group_tests_name("abi", tests, NULL, NULL);
}
