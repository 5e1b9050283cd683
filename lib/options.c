// SPDX-License-Identifier: MIT
#include <errno.h>
#include <string.h>

#include "error.h"
#include "options.h"

int flowipc__options_read(void *known, size_t known_size, const void *given,
			  const char *name)
{
	const unsigned char *bytes = given;
	size_t given_size, i;

	memset(known, 0, known_size);
	if (!given)
		return 0;
	memcpy(&given_size, given, sizeof(given_size));
	if (given_size < sizeof(given_size))
		return flowipc__fail(
			-EINVAL,
			"%s options: sz is %zu, not the size of the structure",
			name, given_size);
	for (i = known_size; i < given_size; i++) {
		if (bytes[i])
			return flowipc__fail(
				-E2BIG,
				"%s options: byte %zu is set, but this library knows %zu bytes",
				name, i, known_size);
	}
	memcpy(known, given, given_size < known_size ? given_size : known_size);
	return 0;
}

int flowipc__options_answer(void *asked, const void *known, size_t known_size,
			    const char *name)
{
	unsigned char *bytes = asked;
	size_t asked_size;

	memcpy(&asked_size, asked, sizeof(asked_size));
	if (asked_size < sizeof(asked_size))
		return flowipc__fail(
			-EINVAL, "%s: sz is %zu, not the size of the structure",
			name, asked_size);
	memset(bytes + sizeof(asked_size), 0, asked_size - sizeof(asked_size));
	if (known_size > asked_size)
		known_size = asked_size;
	memcpy(bytes + sizeof(asked_size),
	       (const unsigned char *)known + sizeof(asked_size),
	       known_size - sizeof(asked_size));
	return 0;
}
