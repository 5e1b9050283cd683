// SPDX-License-Identifier: GPL-2.0-only
/* BPF programs on the tracepoints, by name and by the module's BTF: exact. */
#include "harness.h"
#include "objects.h"
#include "trace_bpf.skel.h"

static uint64_t channel_id(int end)
{
	char path[64], text[1024], *found;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", end);
	read_text(path, text, sizeof(text));
	found = strstr(text, "flowipc-channel:\t");

	return found ? strtoull(strchr(found, '\t'), NULL, 10) : 0;
}

TEST(every_kick_is_counted_by_both)
{
	int device = device_open(), ends[2], other[2], i;
	struct trace_bpf *bpf;

	if (access("/sys/kernel/btf/vmlinux", F_OK))
		SKIP(return, "the kernel has no BTF");
	bpf = trace_bpf__open();
	ASSERT_LE(0, device);
	ASSERT_EQ(0, channel_create(device, ends));
	ASSERT_EQ(0, channel_create(device, other));
	ASSERT_NE(NULL, bpf);
	bpf->bss->channel = channel_id(ends[0]);
	bpf->bss->end = 1;
	ASSERT_NE(0, bpf->bss->channel);
	ASSERT_EQ(0, trace_bpf__load(bpf));
	ASSERT_EQ(0, channel_kick(ends[0], MESSAGE));
	ASSERT_EQ(0, trace_bpf__attach(bpf));

	for (i = 0; i < 1000; i++) {
		ASSERT_EQ(0, channel_kick(ends[0], i % 4 ? MESSAGE : MESSAGE | SPACE));
		/* Not what is looked at. */
		ASSERT_EQ(0, channel_kick(ends[1], MESSAGE));
		ASSERT_EQ(0, channel_kick(other[0], MESSAGE));
		EXPECT_ERRNO(EINVAL, channel_kick(ends[0], 0));
	}
	trace_bpf__detach(bpf);
	ASSERT_EQ(0, channel_kick(ends[0], MESSAGE));

	EXPECT_EQ(1000, bpf->bss->tp_kicks);
	EXPECT_EQ(1500, bpf->bss->tp_events);
	EXPECT_EQ(1000, bpf->bss->btf_kicks);
	EXPECT_EQ(1500, bpf->bss->btf_events);
	trace_bpf__destroy(bpf);
}

/* Without pahole where it was built, it has not, and the test above fails. */
TEST(the_module_has_btf)
{
	if (access("/sys/kernel/btf/vmlinux", F_OK))
		SKIP(return, "the kernel has no BTF");
	EXPECT_EQ(0, access("/sys/kernel/btf/flowipc", R_OK));
}

HARNESS_MAIN
