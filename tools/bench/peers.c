// SPDX-License-Identifier: MIT
/* The tables of peers, and what they share. A new peer is a file and a row. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "bench.h"

const struct bench_peer *const bench_rtt_peers[] = {
	&bench_cacheline,
	&bench_futex,
	&bench_unix,
	&bench_flowipc,
	NULL,
};

const struct bench_peer *const bench_wake_peers[] = {
	&bench_futex,
	&bench_eventfd,
	&bench_pipe,
	&bench_kick,
	&bench_kick_and_wait,
	NULL,
};

void bench_ready(const struct bench_link *link)
{
	if (write(link->ready_fd, "r", 1) != 1)
		bench_die("the measuring process is gone: %s",
			  strerror(errno));
}

/* First and last byte, so that a message is known to be there as a whole. */
void bench_stamp(void *buffer, uint64_t size, uint64_t number)
{
	unsigned char *bytes = buffer;

	bytes[size - 1] = (unsigned char)~number;
	memcpy(bytes, &number, size < sizeof(number) ? size : sizeof(number));
}

void bench_check(const struct bench_peer *peer, const void *buffer,
		 uint64_t size, uint64_t number)
{
	const unsigned char *bytes = buffer;

	if (memcmp(bytes, &number,
		   size < sizeof(number) ? size : sizeof(number)) ||
	    (size > sizeof(number) &&
	     bytes[size - 1] != (unsigned char)~number))
		bench_die("%s: a reply is not the one that was asked for",
			  peer->name);
}
