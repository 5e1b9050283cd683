/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * DOC: tracepoints
 *
 * One for each change of state, in events/flowipc of tracefs, for tp/ and for
 * tp_btf programs. They are an interface: every field is a u64, at a multiple
 * of 8 bytes in the order given here, and keeps its name, place and meaning; a
 * new one is added at the end. An id is the number that REGION_INFO, GRANT,
 * CLAIM and fdinfo tell; a claim of 0 is the owner.
 *
 * They are called when what they tell has happened. A disabled one costs a nop,
 * for its arguments are only computed when it is enabled.
 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM flowipc

#if !defined(FLOWIPC_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define FLOWIPC_TRACE_H

#include <linux/tracepoint.h>
#include <linux/types.h>

/* A region was made and filled; flags are FLOWIPC_REGION_*. */
TRACE_EVENT(region_create,
	TP_PROTO(u64 region, u64 size_bytes, u64 huge_bytes, u64 flags),
	TP_ARGS(region, size_bytes, huge_bytes, flags),
	TP_STRUCT__entry(
		__field(u64, region)
		__field(u64, size_bytes)
		__field(u64, huge_bytes)
		__field(u64, flags)
	),
	TP_fast_assign(
		__entry->region = region;
		__entry->size_bytes = size_bytes;
		__entry->huge_bytes = huge_bytes;
		__entry->flags = flags;
	),
	TP_printk("region=%llu size_bytes=%llu huge_bytes=%llu flags=0x%llx",
		  __entry->region, __entry->size_bytes, __entry->huge_bytes,
		  __entry->flags)
);

/* A part of a region was mapped, by its owner or with a claim. */
TRACE_EVENT(region_map,
	TP_PROTO(u64 region, u64 claim, u64 offset_bytes, u64 length_bytes),
	TP_ARGS(region, claim, offset_bytes, length_bytes),
	TP_STRUCT__entry(
		__field(u64, region)
		__field(u64, claim)
		__field(u64, offset_bytes)
		__field(u64, length_bytes)
	),
	TP_fast_assign(
		__entry->region = region;
		__entry->claim = claim;
		__entry->offset_bytes = offset_bytes;
		__entry->length_bytes = length_bytes;
	),
	TP_printk("region=%llu claim=%llu offset_bytes=%llu length_bytes=%llu",
		  __entry->region, __entry->claim, __entry->offset_bytes,
		  __entry->length_bytes)
);

/* The last descriptor and mapping of a region is gone, and its memory free. */
TRACE_EVENT(region_free,
	TP_PROTO(u64 region, u64 size_bytes),
	TP_ARGS(region, size_bytes),
	TP_STRUCT__entry(
		__field(u64, region)
		__field(u64, size_bytes)
	),
	TP_fast_assign(
		__entry->region = region;
		__entry->size_bytes = size_bytes;
	),
	TP_printk("region=%llu size_bytes=%llu",
		  __entry->region, __entry->size_bytes)
);

/* A grant was made; rights and flags as in struct flowipc_grant. */
TRACE_EVENT(grant_create,
	TP_PROTO(u64 region, u64 grant, u64 offset_bytes, u64 length_bytes,
		 u64 rights, u64 flags),
	TP_ARGS(region, grant, offset_bytes, length_bytes, rights, flags),
	TP_STRUCT__entry(
		__field(u64, region)
		__field(u64, grant)
		__field(u64, offset_bytes)
		__field(u64, length_bytes)
		__field(u64, rights)
		__field(u64, flags)
	),
	TP_fast_assign(
		__entry->region = region;
		__entry->grant = grant;
		__entry->offset_bytes = offset_bytes;
		__entry->length_bytes = length_bytes;
		__entry->rights = rights;
		__entry->flags = flags;
	),
	TP_printk("region=%llu grant=%llu offset_bytes=%llu length_bytes=%llu rights=0x%llx flags=0x%llx",
		  __entry->region, __entry->grant, __entry->offset_bytes,
		  __entry->length_bytes, __entry->rights, __entry->flags)
);

DECLARE_EVENT_CLASS(grant,
	TP_PROTO(u64 region, u64 grant),
	TP_ARGS(region, grant),
	TP_STRUCT__entry(
		__field(u64, region)
		__field(u64, grant)
	),
	TP_fast_assign(
		__entry->region = region;
		__entry->grant = grant;
	),
	TP_printk("region=%llu grant=%llu", __entry->region, __entry->grant)
);

/* By the owner, or because the owner is gone; with it all of its claims. */
DEFINE_EVENT(grant, grant_revoke,
	TP_PROTO(u64 region, u64 grant),
	TP_ARGS(region, grant)
);

/* The last descriptor of a grant and the last of its claims are gone. */
DEFINE_EVENT(grant, grant_free,
	TP_PROTO(u64 region, u64 grant),
	TP_ARGS(region, grant)
);

DECLARE_EVENT_CLASS(claim,
	TP_PROTO(u64 region, u64 grant, u64 claim),
	TP_ARGS(region, grant, claim),
	TP_STRUCT__entry(
		__field(u64, region)
		__field(u64, grant)
		__field(u64, claim)
	),
	TP_fast_assign(
		__entry->region = region;
		__entry->grant = grant;
		__entry->claim = claim;
	),
	TP_printk("region=%llu grant=%llu claim=%llu",
		  __entry->region, __entry->grant, __entry->claim)
);

/* The current process has claimed a grant. */
DEFINE_EVENT(claim, claim_create,
	TP_PROTO(u64 region, u64 grant, u64 claim),
	TP_ARGS(region, grant, claim)
);

/* One claim was revoked, not its grant. */
DEFINE_EVENT(claim, claim_revoke,
	TP_PROTO(u64 region, u64 grant, u64 claim),
	TP_ARGS(region, grant, claim)
);

/* The last descriptor and mapping of a claim is gone. */
DEFINE_EVENT(claim, claim_free,
	TP_PROTO(u64 region, u64 grant, u64 claim),
	TP_ARGS(region, grant, claim)
);

/* A range was sealed; the channel's end holds the seal and may break it. */
TRACE_EVENT(seal_create,
	TP_PROTO(u64 region, u64 channel, u64 end, u64 seal, u64 offset_bytes,
		 u64 length_bytes),
	TP_ARGS(region, channel, end, seal, offset_bytes, length_bytes),
	TP_STRUCT__entry(
		__field(u64, region)
		__field(u64, channel)
		__field(u64, end)
		__field(u64, seal)
		__field(u64, offset_bytes)
		__field(u64, length_bytes)
	),
	TP_fast_assign(
		__entry->region = region;
		__entry->channel = channel;
		__entry->end = end;
		__entry->seal = seal;
		__entry->offset_bytes = offset_bytes;
		__entry->length_bytes = length_bytes;
	),
	TP_printk("region=%llu channel=%llu end=%llu seal=%llu offset_bytes=%llu length_bytes=%llu",
		  __entry->region, __entry->channel, __entry->end,
		  __entry->seal, __entry->offset_bytes, __entry->length_bytes)
);

/* A seal was broken: by UNSEAL, or since its holder or its region is gone. */
TRACE_EVENT(seal_break,
	TP_PROTO(u64 region, u64 channel, u64 end, u64 seal),
	TP_ARGS(region, channel, end, seal),
	TP_STRUCT__entry(
		__field(u64, region)
		__field(u64, channel)
		__field(u64, end)
		__field(u64, seal)
	),
	TP_fast_assign(
		__entry->region = region;
		__entry->channel = channel;
		__entry->end = end;
		__entry->seal = seal;
	),
	TP_printk("region=%llu channel=%llu end=%llu seal=%llu",
		  __entry->region, __entry->channel, __entry->end,
		  __entry->seal)
);

DECLARE_EVENT_CLASS(channel,
	TP_PROTO(u64 channel),
	TP_ARGS(channel),
	TP_STRUCT__entry(
		__field(u64, channel)
	),
	TP_fast_assign(
		__entry->channel = channel;
	),
	TP_printk("channel=%llu", __entry->channel)
);

/* A channel was made, by the current process. */
DEFINE_EVENT(channel, channel_create,
	TP_PROTO(u64 channel),
	TP_ARGS(channel)
);

/* Both ends are closed. */
DEFINE_EVENT(channel, channel_free,
	TP_PROTO(u64 channel),
	TP_ARGS(channel)
);

DECLARE_EVENT_CLASS(channel_end,
	TP_PROTO(u64 channel, u64 end),
	TP_ARGS(channel, end),
	TP_STRUCT__entry(
		__field(u64, channel)
		__field(u64, end)
	),
	TP_fast_assign(
		__entry->channel = channel;
		__entry->end = end;
	),
	TP_printk("channel=%llu end=%llu", __entry->channel, __entry->end)
);

/* The current process has claimed this end. */
DEFINE_EVENT(channel_end, channel_claim,
	TP_PROTO(u64 channel, u64 end),
	TP_ARGS(channel, end)
);

/* This end will ring MESSAGE no more. */
DEFINE_EVENT(channel_end, channel_shutdown,
	TP_PROTO(u64 channel, u64 end),
	TP_ARGS(channel, end)
);

/* The last descriptor of this end is closed. */
DEFINE_EVENT(channel_end, channel_hup,
	TP_PROTO(u64 channel, u64 end),
	TP_ARGS(channel, end)
);

DECLARE_EVENT_CLASS(channel_events,
	TP_PROTO(u64 channel, u64 end, u64 events),
	TP_ARGS(channel, end, events),
	TP_STRUCT__entry(
		__field(u64, channel)
		__field(u64, end)
		__field(u64, events)
	),
	TP_fast_assign(
		__entry->channel = channel;
		__entry->end = end;
		__entry->events = events;
	),
	TP_printk("channel=%llu end=%llu events=0x%llx",
		  __entry->channel, __entry->end, __entry->events)
);

/* The events became pending at this end: the other one has rung. */
DEFINE_EVENT(channel_events, channel_kick,
	TP_PROTO(u64 channel, u64 end, u64 events),
	TP_ARGS(channel, end, events)
);

/* A thread goes to sleep at this end, waiting for the events. */
DEFINE_EVENT(channel_events, channel_wait,
	TP_PROTO(u64 channel, u64 end, u64 events),
	TP_ARGS(channel, end, events)
);

/*
 * It woke, and has got the events, or none after a signal or the deadline.
 * slept_ns is 0 when this tracepoint was not enabled before.
 */
TRACE_EVENT(channel_wake,
	TP_PROTO(u64 channel, u64 end, u64 events, u64 slept_ns),
	TP_ARGS(channel, end, events, slept_ns),
	TP_STRUCT__entry(
		__field(u64, channel)
		__field(u64, end)
		__field(u64, events)
		__field(u64, slept_ns)
	),
	TP_fast_assign(
		__entry->channel = channel;
		__entry->end = end;
		__entry->events = events;
		__entry->slept_ns = slept_ns;
	),
	TP_printk("channel=%llu end=%llu events=0x%llx slept_ns=%llu",
		  __entry->channel, __entry->end, __entry->events,
		  __entry->slept_ns)
);

#endif /* FLOWIPC_TRACE_H */

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH .
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE trace
#include <trace/define_trace.h>
