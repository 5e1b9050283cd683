// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/*
 * Send-to-receive latency per channel and direction, from the USDT probes of
 * libflowipc.
 *
 * All of the work is done at the receiver. The sender has put its clock into
 * the message, which it does only while somebody is attached to its send
 * probe, so that is attached too, to a program that does nothing.
 *
 * No type of the kernel is used but pt_regs, and that only by libbpf, which
 * looks up where an argument lies when it attaches: the object needs neither
 * vmlinux.h nor the kernel's BTF and runs on any kernel with BPF cookies or
 * without.
 */
#include <stdbool.h>

#include <linux/bpf.h>
#include <linux/ptrace.h>
#include <bpf/bpf_helpers.h>
#include <bpf/usdt.bpf.h>

#include "latency.h"

/* Nanoseconds in a unit of the histogram; set before loading. */
const volatile __u64 unit_ns = 1;

/* Receives not counted because LATENCY_MAX_STREAMS was reached. */
__u64 lost;

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, LATENCY_MAX_STREAMS);
	__type(key, struct latency_key);
	__type(value, struct latency_counts);
} counts SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, LATENCY_MAX_STREAMS);
	__type(key, struct latency_key);
	__type(value, struct latency_name);
} names SEC(".maps");

/* Too large for the stack. */
static const struct latency_counts no_counts;

/* Position of the highest bit set; 0 for 0. */
static __always_inline __u32 log2_slot(__u64 value)
{
	__u32 slot = 0;

	if (value >> 32) {
		value >>= 32;
		slot += 32;
	}
	if (value >> 16) {
		value >>= 16;
		slot += 16;
	}
	if (value >> 8) {
		value >>= 8;
		slot += 8;
	}
	if (value >> 4) {
		value >>= 4;
		slot += 4;
	}
	if (value >> 2) {
		value >>= 2;
		slot += 2;
	}
	return slot + (value >> 1);
}

static __noinline struct latency_counts *
counts_of(const struct latency_key *key, const char *label)
{
	struct latency_counts *found;
	struct latency_name name = {};

	found = bpf_map_lookup_elem(&counts, key);
	if (found)
		return found;

	/*
	 * The name goes in first: whoever finds counters also finds their
	 * name. Both updates may lose to another thread of the receiver that
	 * does the same, and then what that one put in is used. A label that
	 * cannot be read stays empty.
	 */
	bpf_probe_read_user_str(name.label, sizeof(name.label), label);
	bpf_get_current_comm(name.receiver_comm, sizeof(name.receiver_comm));
	bpf_map_update_elem(&names, key, &name, BPF_NOEXIST);
	bpf_map_update_elem(&counts, key, &no_counts, BPF_NOEXIST);
	return bpf_map_lookup_elem(&counts, key);
}

SEC("usdt")
int handle_send(struct pt_regs *ctx)
{
	(void)ctx;
	return 0;
}

SEC("usdt")
int handle_receive(struct pt_regs *ctx)
{
	long stream, label, sent_ns, received_ns;
	struct latency_key key = {};
	struct latency_counts *found;
	__u64 latency_ns;
	__u32 slot;

	if (bpf_usdt_arg(ctx, 0, &stream) || bpf_usdt_arg(ctx, 1, &label) ||
	    bpf_usdt_arg(ctx, 4, &sent_ns) || bpf_usdt_arg(ctx, 5, &received_ns))
		goto not_counted;

	key.stream = stream;
	key.receiver_pid = bpf_get_current_pid_tgid() >> 32;
	found = counts_of(&key, (const char *)label);
	if (!found)
		goto not_counted;

	if (!sent_ns) {
		__sync_fetch_and_add(&found->untraced, 1);
		return 0;
	}
	if ((__u64)received_ns < (__u64)sent_ns) {
		__sync_fetch_and_add(&found->reversed, 1);
		return 0;
	}
	latency_ns = received_ns - sent_ns;
	slot = log2_slot(latency_ns / unit_ns);
	if (slot >= LATENCY_SLOTS)
		return 0; /* cannot be, but the verifier does not know */
	__sync_fetch_and_add(&found->slots[slot], 1);
	__sync_fetch_and_add(&found->sum_ns, latency_ns);
	return 0;
not_counted:
	__sync_fetch_and_add(&lost, 1);
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
