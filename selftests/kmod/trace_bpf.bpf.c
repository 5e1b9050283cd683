// SPDX-License-Identifier: GPL-2.0-only
/* Counts kicks, as a tp/ program and as a tp_btf program would. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

char LICENSE[] SEC("license") = "GPL";

/* Which channel and end to look at. */
__u64 channel;
__u64 end;

__u64 tp_kicks;
__u64 tp_events;
__u64 btf_kicks;
__u64 btf_events;

/* As events/flowipc/channel_kick/format tells, and for ever. */
struct channel_kick {
	__u64 common;
	__u64 channel;
	__u64 end;
	__u64 events;
};

SEC("tp/flowipc/channel_kick")
int tp_kick(struct channel_kick *kick)
{
	if (kick->channel == channel && kick->end == end) {
		__sync_fetch_and_add(&tp_kicks, 1);
		__sync_fetch_and_add(&tp_events, kick->events);
	}

	return 0;
}

/* Needs the module's BTF. */
SEC("tp_btf/channel_kick")
int BPF_PROG(btf_kick, __u64 of_channel, __u64 of_end, __u64 events)
{
	if (of_channel == channel && of_end == end) {
		__sync_fetch_and_add(&btf_kicks, 1);
		__sync_fetch_and_add(&btf_events, events);
	}

	return 0;
}
