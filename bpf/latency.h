/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * What latency.bpf.c and the program that loads it share. Only types of
 * fixed width: the two are compiled for different machines.
 */
#ifndef FLOWIPC_BPF_LATENCY_H
#define FLOWIPC_BPF_LATENCY_H

#include <linux/types.h>

/* Directions of channels told apart; more are counted as lost. */
#define LATENCY_MAX_STREAMS 4096

/* Slot n counts latencies of 2^n to 2^(n+1)-1 units, slot 0 also those of 0. */
#define LATENCY_SLOTS 64

/* Room for the longest name of a socket, the channel's number and "<" or ">". */
#define LATENCY_LABEL_BYTES 128
#define LATENCY_COMM_BYTES 16

/*
 * The receiver is in the key because it chooses the stream number that its
 * probe reports: no process can add to the histogram of another one.
 */
struct latency_key {
	__u64 stream;
	__u32 receiver_pid;
	__u32 zero;
};

struct latency_name {
	char label[LATENCY_LABEL_BYTES];
	char receiver_comm[LATENCY_COMM_BYTES];
};

/*
 * All counters only ever grow. Whoever wants those of an interval subtracts
 * two readings, so none is lost between two intervals.
 */
struct latency_counts {
	__u64 slots[LATENCY_SLOTS];
	/* Sum of what is in the slots, always in nanoseconds. */
	__u64 sum_ns;
	/* Messages whose sender was not traced when it sent them. */
	__u64 untraced;
	/* Messages said to be received before they were sent. */
	__u64 reversed;
};

#endif
