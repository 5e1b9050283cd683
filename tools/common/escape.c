// SPDX-License-Identifier: MIT
#include "escape.h"

#include <stdbool.h>

static bool is_plain(char c)
{
	return c >= ' ' && c <= '~' && c != '\\' && c != '"';
}

int print_escaped(FILE *out, const char *text, const char *escape)
{
	int count = 0;

	for (; *text; text++)
		count += fprintf(out, is_plain(*text) ? "%c" : escape,
				 (unsigned char)*text);
	return count;
}
