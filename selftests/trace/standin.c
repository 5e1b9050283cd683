// SPDX-License-Identifier: GPL-2.0-only
/*
 * A process that says through the probes of libflowipc what no honest one
 * would, and has them in its own executable:
 *
 *	standin
 *
 * waits for a line on standard input after saying "ready PID", and then claims
 * to have received, on a channel whose label is a trap for terminals and
 * parsers, 5 messages of 5000 ns, 3 that were not stamped and 2 from the
 * future; and then one message of 7 ns on each of 5000 further channels.
 */
#include "probes.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define STREAMS 5000

static void claim(uint64_t stream, const char *label, uint64_t sent_ns,
		  uint64_t received_ns)
{
	uint64_t type = 0, size = 64;

	if (FLOWIPC__TRACED(receive))
		FLOWIPC__PROBE(receive, stream, label, type, size, sent_ns,
			       received_ns);
}

int main(void)
{
	uint64_t type = 0, size = 64, now = 1000000000;
	/* on the stack, because it must be in memory when it is traced */
	char label[64];
	char line[8];
	uint64_t i;

	printf("ready %d\n", (int)getpid());
	fflush(stdout);
	if (!fgets(line, sizeof(line), stdin))
		return 1;

	strcpy(label, "trap\"\n\x1b[2J\\\xff#1>");
	if (FLOWIPC__TRACED(send))
		FLOWIPC__PROBE(send, size, label, type, size, now);
	for (i = 0; i < 5; i++)
		claim(1, label, now, now + 5000);
	for (i = 0; i < 3; i++)
		claim(1, label, 0, now);
	for (i = 0; i < 2; i++)
		claim(1, label, now + 1, now);
	strcpy(label, "many#1>");
	for (i = 0; i < STREAMS; i++)
		claim(1000 + i, label, now, now + 7);
	return 0;
}
