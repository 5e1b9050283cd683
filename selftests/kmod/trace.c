// SPDX-License-Identifier: GPL-2.0-only
/* Tracepoints: one for each change of state, and its numbers are right. */
#include <inttypes.h>

#include "channel.h"

#define TRACEFS		"/sys/kernel/tracing"

static const char * const events[] = {
	"region_create", "region_map", "region_free",
	"grant_create", "grant_revoke", "grant_free",
	"claim_create", "claim_revoke", "claim_free",
	"seal_create", "seal_break",
	"channel_create", "channel_claim", "channel_kick", "channel_wait",
	"channel_wake", "channel_shutdown", "channel_hup", "channel_free",
};

/* As a number the test does not depend on, and other processes cannot fake. */
static uint64_t fdinfo_number(int fd, const char *key)
{
	char path[64], text[2048], *found;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	read_text(path, text, sizeof(text));
	found = strstr(text, key);

	return found ? strtoull(found + strlen(key) + 1, NULL, 10) : UINT64_MAX;
}

FIXTURE(trace) {
	int device;
};

FIXTURE_SETUP(trace)
{
	if (access(TRACEFS "/events", F_OK))
		SKIP(exit(0), "no tracefs");
	self->device = device_open();
	ASSERT_LE(0, self->device);
	/* Opening it like this clears it. */
	ASSERT_LE(0, open(TRACEFS "/trace", O_WRONLY | O_TRUNC | O_CLOEXEC));
	ASSERT_TRUE(write_text(TRACEFS "/events/flowipc/enable", "1"));
}

FIXTURE_TEARDOWN(trace)
{
	write_text(TRACEFS "/events/flowipc/enable", "0");
}

/* How many times @event was seen with exactly the fields which are printed. */
static int seen(const char *event, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

static int seen(const char *event, const char *format, ...)
{
	char line[512], wanted[256];
	int count = 0, length;
	va_list args;
	FILE *trace;

	length = snprintf(wanted, sizeof(wanted), ": %s: ", event);
	va_start(args, format);
	vsnprintf(wanted + length, sizeof(wanted) - length, format, args);
	va_end(args);

	trace = fopen(TRACEFS "/trace", "r");
	ASSERT_NE(NULL, trace);
	while (fgets(line, sizeof(line), trace)) {
		line[strcspn(line, "\n")] = '\0';
		length = strlen(line) - strlen(wanted);
		count += length > 0 && !strcmp(line + length, wanted);
	}
	fclose(trace);

	return count;
}

TEST_F(trace, every_field_is_a_u64_in_its_place)
{
	char path[128], text[4096], *line;
	int offset, size, is_signed, fields;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(events); i++) {
		snprintf(path, sizeof(path), TRACEFS "/events/flowipc/%s/format", events[i]);
		read_text(path, text, sizeof(text));
		line = strstr(text, "\n\n");
		ASSERT_NE(NULL, line);
		fields = 0;
		while ((line = strstr(line + 1, "\tfield:"))) {
			EXPECT_EQ(0, strncmp(line, "\tfield:u64 ", 11));
			ASSERT_EQ(3, sscanf(strchr(line, ';'),
					    ";\toffset:%d;\tsize:%d;\tsigned:%d;",
					    &offset, &size, &is_signed));
			EXPECT_EQ(8 + 8 * fields, offset);
			EXPECT_EQ(8, size);
			EXPECT_EQ(0, is_signed);
			fields++;
		}
		EXPECT_LE(1, fields);
	}
}

TEST_F(trace, the_life_of_a_region)
{
	uint64_t region_id, grant_id, claim_id;
	int region, grant, claim;
	void *mapping;

	region = region_create(self->device, 4 * PAGE);
	ASSERT_LE(0, region);
	region_id = fdinfo_number(region, "flowipc-region:");
	EXPECT_EQ(1, seen("region_create",
			  "region=%" PRIu64 " size_bytes=16384 huge_bytes=0 flags=0x0",
			  region_id));
	mapping = map_at(region, 2 * PAGE, PROT_READ | PROT_WRITE, PAGE);
	ASSERT_NE(MAP_FAILED, mapping);
	EXPECT_EQ(1, seen("region_map",
			  "region=%" PRIu64 " claim=0 offset_bytes=4096 length_bytes=8192",
			  region_id));

	grant = grant_create(region, PAGE, 2 * PAGE, READ);
	ASSERT_LE(0, grant);
	grant_id = fdinfo_number(grant, "flowipc-grant:");
	EXPECT_EQ(1, seen("grant_create", "region=%" PRIu64 " grant=%" PRIu64
			  " offset_bytes=4096 length_bytes=8192 rights=0x1 flags=0x0",
			  region_id, grant_id));
	claim = grant_claim(grant);
	ASSERT_LE(0, claim);
	claim_id = fdinfo_number(claim, "flowipc-claim:");
	EXPECT_EQ(1, seen("claim_create", "region=%" PRIu64 " grant=%" PRIu64 " claim=%" PRIu64,
			  region_id, grant_id, claim_id));
	mapping = map_at(claim, PAGE, PROT_READ, 2 * PAGE);
	ASSERT_NE(MAP_FAILED, mapping);
	EXPECT_EQ(1, seen("region_map", "region=%" PRIu64 " claim=%" PRIu64
			  " offset_bytes=8192 length_bytes=4096", region_id, claim_id));

	ASSERT_EQ(0, grant_revoke(region, grant));
	ASSERT_EQ(0, grant_revoke(region, grant));
	EXPECT_EQ(1, seen("grant_revoke", "region=%" PRIu64 " grant=%" PRIu64,
			  region_id, grant_id));
	ASSERT_EQ(0, munmap(mapping, PAGE));
	ASSERT_EQ(0, close(claim));
	EXPECT_EQ(1, seen("claim_free", "region=%" PRIu64 " grant=%" PRIu64 " claim=%" PRIu64,
			  region_id, grant_id, claim_id));
	ASSERT_EQ(0, close(grant));
	EXPECT_EQ(1, seen("grant_free", "region=%" PRIu64 " grant=%" PRIu64,
			  region_id, grant_id));
	EXPECT_EQ(0, seen("claim_revoke", "region=%" PRIu64 " grant=%" PRIu64 " claim=%" PRIu64,
			  region_id, grant_id, claim_id));
}

TEST_F(trace, a_region_is_freed_once_and_only_if_it_was_made)
{
	int region = region_create(self->device, PAGE);
	uint64_t region_id = fdinfo_number(region, "flowipc-region:");
	struct flowipc_region_create *arg =
		mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	ASSERT_EQ(0, close(region));
	EXPECT_TRUE(EVENTUALLY(seen("region_free", "region=%" PRIu64 " size_bytes=4096",
				    region_id) == 1));

	/* Made, and gone again, as it could not be told. */
	ASSERT_NE(MAP_FAILED, arg);
	arg->size = PAGE;
	ASSERT_EQ(0, mprotect(arg, PAGE, PROT_READ));
	EXPECT_ERRNO(EFAULT, ioctl(self->device, FLOWIPC_IOC_REGION_CREATE, arg));
	region_id++;
	EXPECT_TRUE(EVENTUALLY(seen("region_free", "region=%" PRIu64 " size_bytes=4096",
				    region_id) ==
			       seen("region_create", "region=%" PRIu64
				    " size_bytes=4096 huge_bytes=0 flags=0x0", region_id)));
}

TEST_F(trace, the_life_of_a_seal)
{
	struct flowipc_seal seal = { .offset = PAGE, .length = 2 * PAGE };
	int region = region_create_as(self->device, 4 * PAGE, FLOWIPC_REGION_SEALABLE);
	struct flowipc_unseal unseal;
	uint64_t region_id, channel_id;
	int ends[2];

	ASSERT_LE(0, region);
	ASSERT_EQ(0, channel_create(self->device, ends));
	region_id = fdinfo_number(region, "flowipc-region:");
	channel_id = fdinfo_number(ends[0], "flowipc-channel:");
	seal.channel_fd = ends[0];
	ASSERT_EQ(0, ioctl(region, FLOWIPC_IOC_SEAL, &seal));
	EXPECT_EQ(1, fdinfo_number(region, "flowipc-seals:"));
	EXPECT_EQ(1, fdinfo_number(ends[1], "flowipc-seals:"));
	EXPECT_EQ(0, fdinfo_number(ends[0], "flowipc-seals:"));
	EXPECT_EQ(1, seen("seal_create", "region=%" PRIu64 " channel=%" PRIu64
			  " end=1 seal=%" PRIu64 " offset_bytes=4096 length_bytes=8192",
			  region_id, channel_id, (uint64_t)seal.id));
	unseal = (struct flowipc_unseal){ .id = seal.id };
	ASSERT_EQ(0, ioctl(ends[1], FLOWIPC_IOC_UNSEAL, &unseal));
	EXPECT_EQ(1, seen("seal_break", "region=%" PRIu64 " channel=%" PRIu64
			  " end=1 seal=%" PRIu64, region_id, channel_id, (uint64_t)seal.id));

	/* By the end of its holder. */
	ASSERT_EQ(0, ioctl(region, FLOWIPC_IOC_SEAL, &seal));
	ASSERT_EQ(0, close(ends[1]));
	EXPECT_EQ(1, seen("seal_break", "region=%" PRIu64 " channel=%" PRIu64
			  " end=1 seal=%" PRIu64, region_id, channel_id, (uint64_t)seal.id));
	/* What was not sealed, is not seen. */
	EXPECT_ERRNO(EPIPE, ioctl(region, FLOWIPC_IOC_SEAL, &seal));
	EXPECT_EQ(2, seen("seal_create", "region=%" PRIu64 " channel=%" PRIu64
			  " end=1 seal=1 offset_bytes=4096 length_bytes=8192",
			  region_id, channel_id) +
		     seen("seal_create", "region=%" PRIu64 " channel=%" PRIu64
			  " end=1 seal=2 offset_bytes=4096 length_bytes=8192",
			  region_id, channel_id));
}

TEST_F(trace, the_life_of_a_channel)
{
	struct waiter waiter;
	uint64_t id;
	int ends[2];

	ASSERT_EQ(0, channel_create(self->device, ends));
	id = fdinfo_number(ends[0], "flowipc-channel:");
	EXPECT_EQ(id, fdinfo_number(ends[1], "flowipc-channel:"));
	EXPECT_EQ(1, seen("channel_create", "channel=%" PRIu64, id));

	ASSERT_EQ(0, channel_claim(ends[1]));
	ASSERT_EQ(0, channel_claim(ends[1]));
	EXPECT_EQ(1, seen("channel_claim", "channel=%" PRIu64 " end=1", id));
	EXPECT_EQ(0, seen("channel_claim", "channel=%" PRIu64 " end=0", id));

	/* What is refused is not seen. */
	EXPECT_ERRNO(EINVAL, channel_kick(ends[0], 4));
	ASSERT_EQ(0, channel_kick(ends[0], SPACE));
	ASSERT_EQ(0, channel_kick(ends[0], SPACE));
	ASSERT_EQ(0, channel_kick(ends[1], MESSAGE | SPACE));
	EXPECT_EQ(2, seen("channel_kick", "channel=%" PRIu64 " end=1 events=0x2", id));
	EXPECT_EQ(1, seen("channel_kick", "channel=%" PRIu64 " end=0 events=0x3", id));

	/* Who finds something does not sleep. */
	ASSERT_EQ(SPACE, channel_wait(ends[1], MESSAGE | SPACE, FOREVER));
	EXPECT_EQ(0, seen("channel_wait", "channel=%" PRIu64 " end=1 events=0x3", id));
	waiter_start(&waiter, ends[1], MESSAGE | SPACE);
	EXPECT_EQ(1, seen("channel_wait", "channel=%" PRIu64 " end=1 events=0x3", id));
	ASSERT_EQ(0, channel_kick(ends[0], MESSAGE));
	ASSERT_EQ(MESSAGE, waiter_result(&waiter));

	ASSERT_EQ(0, channel_shutdown(ends[0]));
	EXPECT_EQ(1, seen("channel_shutdown", "channel=%" PRIu64 " end=0", id));
	EXPECT_ERRNO(EPIPE, channel_kick(ends[0], MESSAGE));
	EXPECT_EQ(1, seen("channel_kick", "channel=%" PRIu64 " end=1 events=0x1", id));
	ASSERT_EQ(0, close(ends[1]));
	EXPECT_EQ(1, seen("channel_hup", "channel=%" PRIu64 " end=1", id));
	EXPECT_EQ(0, seen("channel_free", "channel=%" PRIu64, id));
	ASSERT_EQ(0, close(ends[0]));
	EXPECT_EQ(1, seen("channel_hup", "channel=%" PRIu64 " end=0", id));
	EXPECT_EQ(1, seen("channel_free", "channel=%" PRIu64, id));
}

TEST_F(trace, how_long_a_sleeper_slept)
{
	char line[512], *found = NULL;
	uint64_t id, began, took, slept, seen_id, end, taken;
	struct waiter waiter;
	int ends[2];
	FILE *trace;

	ASSERT_EQ(0, channel_create(self->device, ends));
	id = fdinfo_number(ends[0], "flowipc-channel:");
	began = now_ns();
	waiter_start(&waiter, ends[1], MESSAGE);
	sleep_ms(50);
	ASSERT_EQ(0, channel_kick(ends[0], MESSAGE));
	ASSERT_EQ(MESSAGE, waiter_result(&waiter));
	took = now_ns() - began;

	trace = fopen(TRACEFS "/trace", "r");
	ASSERT_NE(NULL, trace);
	while (!found && fgets(line, sizeof(line), trace))
		found = strstr(line, ": channel_wake: ");
	fclose(trace);
	ASSERT_NE(NULL, found);
	ASSERT_EQ(4, sscanf(found, ": channel_wake: channel=%" SCNu64 " end=%" SCNu64
			    " events=0x%" SCNx64 " slept_ns=%" SCNu64,
			    &seen_id, &end, &taken, &slept));
	EXPECT_EQ(id, seen_id);
	EXPECT_EQ(1, end);
	EXPECT_EQ(MESSAGE, taken);
	EXPECT_LE(50000000, slept);
	EXPECT_LE(slept, took);
}

/* Each kick and each time to sleep, exactly. */
TEST_F(trace, every_kick_is_counted)
{
	uint64_t id;
	int ends[2], i;

	ASSERT_EQ(0, channel_create(self->device, ends));
	id = fdinfo_number(ends[0], "flowipc-channel:");
	for (i = 0; i < 500; i++)
		ASSERT_EQ(0, channel_kick(ends[0], MESSAGE));
	EXPECT_EQ(500, seen("channel_kick", "channel=%" PRIu64 " end=1 events=0x1", id));

	ASSERT_TRUE(write_text(TRACEFS "/events/flowipc/channel_kick/enable", "0"));
	ASSERT_EQ(0, channel_kick(ends[0], MESSAGE));
	EXPECT_EQ(500, seen("channel_kick", "channel=%" PRIu64 " end=1 events=0x1", id));
}

HARNESS_MAIN
