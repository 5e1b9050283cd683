/* SPDX-License-Identifier: MIT */
#ifndef COMMON_ESCAPE_H
#define COMMON_ESCAPE_H

#include <stdio.h>

/*
 * Text that other processes chose, which need not be friends: nothing that a
 * terminal or a parser could take for its own gets through. A byte that is not
 * plain is printed by @escape, a format such as "\\x%02x". Returns the number
 * of characters printed.
 */
int print_escaped(FILE *out, const char *text, const char *escape);

#define ESCAPE_TEXT "\\x%02x"
#define ESCAPE_JSON "\\u%04x"

#endif /* COMMON_ESCAPE_H */
