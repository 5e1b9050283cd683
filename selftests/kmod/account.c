// SPDX-License-Identifier: GPL-2.0-only
/* Limits: each one refuses with its own error, and gives back what it took. */
#include <sys/resource.h>

#include "cgroup.h"
#include "harness.h"
#include "objects.h"

#define PARAMETERS	"/sys/module/flowipc/parameters/"
#define MIB		(1ULL << 20)

static const char * const parameter[] = {
	"max_region_bytes", "max_total_bytes", "max_objects_per_user",
};

#define PARAMETER_COUNT	ARRAY_SIZE(parameter)

FIXTURE(account) {
	int device;
	uint64_t used;
	char saved[PARAMETER_COUNT][32];
};

static void parameter_path(char path[96], const char *name)
{
	snprintf(path, 96, PARAMETERS "%s", name);
}

static void set_parameter(const char *name, uint64_t value)
{
	char path[96], text[32];

	parameter_path(path, name);
	snprintf(text, sizeof(text), "%llu", (unsigned long long)value);
	ASSERT_TRUE(write_text(path, text));
}

static uint64_t get_parameter(const char *name)
{
	char path[96], text[32];

	parameter_path(path, name);
	read_text(path, text, sizeof(text));

	return strtoull(text, NULL, 10);
}

FIXTURE_SETUP(account)
{
	char path[96];
	unsigned int i;

	self->device = device_open();
	ASSERT_LE(0, self->device);
	self->used = used_total_bytes(self->device);
	for (i = 0; i < PARAMETER_COUNT; i++) {
		parameter_path(path, parameter[i]);
		read_text(path, self->saved[i], sizeof(self->saved[i]));
		ASSERT_TRUE(strchr(self->saved[i], '\n'));
	}
}

FIXTURE_TEARDOWN(account)
{
	char path[96];
	unsigned int i;

	for (i = 0; i < PARAMETER_COUNT; i++) {
		parameter_path(path, parameter[i]);
		EXPECT_TRUE(write_text(path, self->saved[i]));
	}
}

TEST_F(account, parameters_are_what_query_tells)
{
	struct flowipc_query query = {};

	set_parameter("max_region_bytes", 3 * MIB);
	set_parameter("max_total_bytes", 5 * MIB);
	set_parameter("max_objects_per_user", 77);
	ASSERT_EQ(0, ioctl(self->device, FLOWIPC_IOC_QUERY, &query));
	EXPECT_EQ(3 * MIB, query.max_region_bytes);
	EXPECT_EQ(5 * MIB, query.max_total_bytes);
	EXPECT_EQ(77, query.max_objects_per_user);

	/* 0 is the default, not nothing, and reading tells it. */
	set_parameter("max_region_bytes", 0);
	set_parameter("max_total_bytes", 0);
	ASSERT_EQ(0, ioctl(self->device, FLOWIPC_IOC_QUERY, &query));
	EXPECT_LT(16 * MIB, query.max_total_bytes);
	EXPECT_LT(16 * MIB, query.max_region_bytes);
	EXPECT_LE(query.max_region_bytes, query.max_total_bytes);
	EXPECT_EQ(query.max_region_bytes, get_parameter("max_region_bytes"));
	EXPECT_EQ(query.max_total_bytes, get_parameter("max_total_bytes"));

	/* What is said to be the limit is a size that can be asked for. */
	set_parameter("max_region_bytes", 3 * MIB + 5);
	ASSERT_EQ(0, ioctl(self->device, FLOWIPC_IOC_QUERY, &query));
	EXPECT_EQ(3 * MIB, query.max_region_bytes);
	EXPECT_EQ(3 * MIB, get_parameter("max_region_bytes"));
	set_parameter("max_region_bytes", UINT64_MAX);
	ASSERT_EQ(0, ioctl(self->device, FLOWIPC_IOC_QUERY, &query));
	EXPECT_EQ(0, query.max_region_bytes % PAGE);
	EXPECT_LE(0, query.max_region_bytes);
}

TEST_F(account, nonsense_is_no_parameter)
{
	static const char * const nonsense[] = {
		"1", "4095", "-1", "-4096", "x", "4096 4096", "64M", "1.5",
		"18446744073709551616",
	};
	static const char * const no_count[] = {
		"0", "-1", "x", "5 5", "1.5", "4294967296",
	};
	unsigned int i, k;
	char path[96];

	for (k = 0; k < 2; k++) {
		uint64_t before = get_parameter(parameter[k]);

		parameter_path(path, parameter[k]);
		for (i = 0; i < ARRAY_SIZE(nonsense); i++)
			EXPECT_FALSE(write_text(path, nonsense[i]));
		EXPECT_EQ(before, get_parameter(parameter[k]));
		EXPECT_TRUE(write_text(path, "4096"));
	}

	parameter_path(path, "max_objects_per_user");
	for (i = 0; i < ARRAY_SIZE(no_count); i++)
		EXPECT_FALSE(write_text(path, no_count[i]));
	EXPECT_EQ(strtoull(self->saved[2], NULL, 10), get_parameter("max_objects_per_user"));
}

TEST_F(account, memory_is_counted_and_given_back)
{
	int first = region_create(self->device, 4 * MIB);
	int second = region_create(self->device, MIB);

	ASSERT_LE(0, first);
	ASSERT_LE(0, second);
	EXPECT_EQ(self->used + 5 * MIB, used_total_bytes(self->device));
	ASSERT_EQ(0, close(first));
	EXPECT_EQ(self->used + MIB, used_total_bytes(self->device));
	ASSERT_EQ(0, close(second));
	EXPECT_EQ(self->used, used_total_bytes(self->device));
}

TEST_F(account, max_region_bytes)
{
	int region;

	set_parameter("max_region_bytes", 2 * MIB);
	EXPECT_ERRNO(EFBIG, region_create(self->device, 2 * MIB + PAGE));
	region = region_create(self->device, 2 * MIB);
	EXPECT_LE(0, region);
	set_parameter("max_region_bytes", MIB);
	EXPECT_ERRNO(EFBIG, region_create(self->device, 2 * MIB));
	/* The one that is there stays. */
	EXPECT_NE(MAP_FAILED, map(region, 2 * MIB, PROT_READ));
}

TEST_F(account, max_total_bytes)
{
	int region, i;

	set_parameter("max_total_bytes", self->used + 4 * MIB);
	for (i = 0; i < 100; i++) {
		EXPECT_ERRNO(ENOMEM, region_create(self->device, 4 * MIB + PAGE));
		EXPECT_EQ(self->used, used_total_bytes(self->device));
	}

	region = region_create(self->device, 3 * MIB);
	ASSERT_LE(0, region);
	EXPECT_ERRNO(ENOMEM, region_create(self->device, 2 * MIB));
	EXPECT_LE(0, region_create(self->device, MIB));
	EXPECT_ERRNO(ENOMEM, region_create(self->device, PAGE));
	ASSERT_EQ(0, close(region));
	EXPECT_LE(0, region_create(self->device, 3 * MIB));

	/* Below what is in use, nothing new can be had. */
	set_parameter("max_total_bytes", PAGE);
	EXPECT_ERRNO(ENOMEM, region_create(self->device, PAGE));
}

/* All of it belongs to USER, who has no other objects. */
static void objects_child(int device)
{
	int regions[6], grants[2], ends[2], i;

	ASSERT_TRUE(become_user());
	regions[0] = region_create(device, PAGE);
	ASSERT_LE(0, regions[0]);
	grants[0] = grant_create(regions[0], 0, PAGE, READ);
	ASSERT_LE(0, grants[0]);
	ASSERT_EQ(0, channel_create(device, ends));
	regions[1] = region_create(device, PAGE);
	ASSERT_LE(0, regions[1]);
	grants[1] = grant_create(regions[1], 0, PAGE, READ);
	ASSERT_LE(0, grants[1]);

	for (i = 0; i < 100; i++) {
		int more[2], fds = count_fds();

		EXPECT_ERRNO(EDQUOT, region_create(device, PAGE));
		EXPECT_ERRNO(EDQUOT, grant_create(regions[0], 0, PAGE, READ));
		EXPECT_ERRNO(EDQUOT, channel_create(device, more));
		EXPECT_EQ(fds, count_fds());
	}

	/* One end is not the channel. */
	ASSERT_EQ(0, close(ends[0]));
	EXPECT_ERRNO(EDQUOT, region_create(device, PAGE));
	ASSERT_EQ(0, close(ends[1]));
	regions[2] = region_create(device, PAGE);
	EXPECT_LE(0, regions[2]);
	EXPECT_ERRNO(EDQUOT, region_create(device, PAGE));

	/* A region stays as long as a grant of it. */
	ASSERT_EQ(0, close(regions[1]));
	EXPECT_ERRNO(EDQUOT, region_create(device, PAGE));
	ASSERT_EQ(0, close(grants[1]));
	EXPECT_LE(0, region_create(device, PAGE));
	EXPECT_LE(0, region_create(device, PAGE));
	EXPECT_ERRNO(EDQUOT, region_create(device, PAGE));
}

TEST_F(account, max_objects_per_user)
{
	int sockets[2], round;
	pid_t child, other;

	set_parameter("max_objects_per_user", 5);
	for (round = 0; round < 2; round++) {
		ASSERT_TRUE(socket_pair(sockets));
		child = fork();
		ASSERT_LE(0, child);
		if (!child) {
			objects_child(self->device);
			ASSERT_TRUE(tell(sockets[1]));
			ASSERT_TRUE(hear(sockets[1]));
			_exit(0);
		}
		ASSERT_TRUE(hear(sockets[0]));

		/* Another process of the user is the same user, ... */
		other = fork();
		ASSERT_LE(0, other);
		if (!other) {
			ASSERT_TRUE(become_user());
			EXPECT_ERRNO(EDQUOT, region_create(self->device, PAGE));
			_exit(0);
		}
		ASSERT_EQ(0, reap(other));

		/* ... and another user is not. */
		other = fork();
		ASSERT_LE(0, other);
		if (!other) {
			ASSERT_TRUE(become(USER + 1, USER, 0, NULL));
			EXPECT_LE(0, region_create(self->device, PAGE));
			_exit(0);
		}
		ASSERT_EQ(0, reap(other));

		ASSERT_TRUE(tell(sockets[0]));
		ASSERT_EQ(0, reap(child));
		EXPECT_EQ(self->used, used_total_bytes(self->device));
	}
}

/* Claims count for who makes them, in whatever way they are made. */
static void claims_child(int one, int many)
{
	int claims[3], i, fds;

	ASSERT_TRUE(become_user());
	for (i = 0; i < 3; i++) {
		claims[i] = grant_claim(i ? many : one);
		ASSERT_LE(0, claims[i]);
	}
	fds = count_fds();
	for (i = 0; i < 100; i++) {
		EXPECT_ERRNO(EDQUOT, grant_claim(one));
		EXPECT_ERRNO(EDQUOT, grant_claim(many));
	}
	EXPECT_EQ(fds, count_fds());

	/* A mapping keeps the claim. */
	ASSERT_NE(MAP_FAILED, map(claims[0], PAGE, PROT_READ));
	ASSERT_EQ(0, close(claims[0]));
	EXPECT_ERRNO(EDQUOT, grant_claim(many));
	ASSERT_EQ(0, close(claims[1]));
	EXPECT_LE(0, grant_claim(many));
	EXPECT_ERRNO(EDQUOT, grant_claim(many));
}

TEST_F(account, claims_count_for_the_claimer)
{
	int region = region_create(self->device, PAGE);
	int one = grant_create(region, 0, PAGE, READ);
	int many = grant_create_for(region, 0, PAGE, READ, FLOWIPC_GRANT_MANY, 0, 0);
	struct flowipc_region_info info;
	int round;
	pid_t child;

	ASSERT_LE(0, one);
	ASSERT_LE(0, many);
	set_parameter("max_objects_per_user", 3);
	for (round = 0; round < 2; round++) {
		child = fork();
		ASSERT_LE(0, child);
		if (!child) {
			claims_child(round ? many : one, many);
			_exit(0);
		}
		/* All is given back, and nothing was taken from the owner. */
		ASSERT_EQ(0, reap(child));
	}
	ASSERT_EQ(0, region_info(region, &info));
	EXPECT_EQ(0, info.claims);
	EXPECT_EQ(8, info.claimed);
	EXPECT_EQ(8, info.dropped);
	EXPECT_ERRNO(EDQUOT, region_create(self->device, PAGE));
	ASSERT_EQ(0, close(many));
	EXPECT_LE(0, region_create(self->device, PAGE));
}

static void limit_memlock(uint64_t bytes)
{
	struct rlimit limit = { bytes, bytes };

	ASSERT_EQ(0, setrlimit(RLIMIT_MEMLOCK, &limit));
}

TEST_F(account, rlimit_memlock)
{
	pid_t child, other;

	child = fork();
	ASSERT_LE(0, child);
	if (!child) {
		int region, i;

		limit_memlock(MIB);
		ASSERT_TRUE(become_user());
		for (i = 0; i < 100; i++)
			EXPECT_ERRNO(EDQUOT, region_create(self->device, MIB + PAGE));
		EXPECT_EQ(self->used, used_total_bytes(self->device));

		region = region_create(self->device, MIB / 2);
		ASSERT_LE(0, region);
		EXPECT_ERRNO(EDQUOT, region_create(self->device, MIB / 2 + PAGE));

		/* For all processes of the user together. */
		other = fork();
		ASSERT_LE(0, other);
		if (!other) {
			EXPECT_ERRNO(EDQUOT, region_create(self->device, MIB / 2 + PAGE));
			EXPECT_LE(0, region_create(self->device, MIB / 2));
			_exit(0);
		}
		ASSERT_EQ(0, reap(other));

		/* A grant keeps it locked, and its end unlocks it. */
		other = grant_create(region, 0, PAGE, READ);
		ASSERT_EQ(0, close(region));
		EXPECT_ERRNO(EDQUOT, region_create(self->device, MIB));
		ASSERT_EQ(0, close(other));
		EXPECT_LE(0, region_create(self->device, MIB));
		_exit(0);
	}
	ASSERT_EQ(0, reap(child));
	EXPECT_EQ(self->used, used_total_bytes(self->device));
}

TEST_F(account, rlimit_memlock_is_given_back_when_the_total_is_reached)
{
	pid_t child;

	set_parameter("max_total_bytes", self->used + MIB);
	child = fork();
	ASSERT_LE(0, child);
	if (!child) {
		int i;

		limit_memlock(4 * MIB);
		ASSERT_TRUE(become_user());
		for (i = 0; i < 100; i++)
			EXPECT_ERRNO(ENOMEM, region_create(self->device, 3 * MIB));
		EXPECT_LE(0, region_create(self->device, MIB));
		_exit(0);
	}
	ASSERT_EQ(0, reap(child));
}

TEST_F(account, rlimit_memlock_is_not_for_cap_ipc_lock)
{
	limit_memlock(0);
	EXPECT_LE(0, region_create(self->device, MIB));
}

TEST_F(account, descriptor_limit)
{
	struct rlimit limit;
	int grant = grant_create(region_create(self->device, PAGE), 0, PAGE, READ);
	int ends[2], next, fds;

	self->used = used_total_bytes(self->device);
	ASSERT_EQ(0, getrlimit(RLIMIT_NOFILE, &limit));
	next = dup(self->device);
	ASSERT_LE(0, next);
	ASSERT_EQ(0, close(next));
	fds = count_fds();

	limit.rlim_cur = next + 1;
	ASSERT_EQ(0, setrlimit(RLIMIT_NOFILE, &limit));
	EXPECT_ERRNO(EMFILE, channel_create(self->device, ends));
	EXPECT_EQ(next, region_create(self->device, PAGE));
	EXPECT_ERRNO(EMFILE, region_create(self->device, PAGE));
	EXPECT_ERRNO(EMFILE, grant_create(next, 0, PAGE, READ));
	EXPECT_ERRNO(EMFILE, grant_claim(grant));
	EXPECT_ERRNO(EMFILE, channel_create(self->device, ends));
	EXPECT_EQ(self->used + PAGE, used_total_bytes(self->device));
	ASSERT_EQ(0, close(next));
	EXPECT_EQ(fds, count_fds());
	EXPECT_EQ(self->used, used_total_bytes(self->device));
}

/* 512 MiB are not to be had in a cgroup of 128 MiB, and that is all. */
TEST_F_TIMEOUT(account, cgroup_memory_limit, 120)
{
	uint64_t kills = oom_kills();
	struct cgroup cgroup;
	pid_t child;

	if (!cgroup_make(&cgroup))
		SKIP(return, "no cgroup2: %s", strerror(errno));
	if (!cgroup_write(&cgroup, "memory.max", "134217728")) {
		cgroup_unmake(&cgroup);
		SKIP(return, "no memory controller in cgroup2");
	}

	/* No other limit is in the way. */
	set_parameter("max_total_bytes", 1ULL << 40);
	set_parameter("max_region_bytes", 1ULL << 40);
	child = fork();
	ASSERT_LE(0, child);
	if (!child) {
		int region, i;

		ASSERT_TRUE(cgroup_enter(&cgroup));
		for (i = 0; i < 3; i++)
			EXPECT_ERRNO(ENOMEM, region_create(self->device, 512 * MIB));
		EXPECT_EQ(self->used, used_total_bytes(self->device));
		region = region_create(self->device, 64 * MIB);
		ASSERT_LE(0, region);
		EXPECT_LE(64 * MIB, cgroup_number(&cgroup, "memory.current", ""));
		ASSERT_EQ(0, close(region));
		/* Freed pages are uncharged in batches. */
		EXPECT_TRUE(EVENTUALLY(cgroup_number(&cgroup, "memory.current", "") < 16 * MIB));
		_exit(0);
	}
	EXPECT_EQ(0, reap(child));
	EXPECT_EQ(0, cgroup_number(&cgroup, "memory.events", "oom_kill "));
	EXPECT_EQ(kills, oom_kills());
	cgroup_unmake(&cgroup);
}

/* Bytes that a creation which was killed had taken at most. */
static uint64_t peak_of_a_killed(struct account *self, const struct cgroup *cgroup,
				 uint64_t size)
{
	pid_t child = fork();

	ASSERT_LE(0, child);
	if (!child) {
		ASSERT_TRUE(cgroup_enter(cgroup));
		region_create(self->device, size);
		for (;;)
			pause();
	}
	/* It is counted first, then allocated. */
	ASSERT_TRUE(EVENTUALLY(used_total_bytes(self->device) == self->used + size));
	ASSERT_EQ(0, kill(child, SIGKILL));
	ASSERT_EQ(256 + SIGKILL, reap(child));
	ASSERT_TRUE(EVENTUALLY(used_total_bytes(self->device) == self->used));

	return cgroup_number(cgroup, "memory.peak", "");
}

/* At least one time in ten, should we be too slow to catch it at work. */
TEST_F_TIMEOUT(account, a_fatal_signal_ends_the_allocation, 120)
{
	const uint64_t size = 256 * MIB;
	uint64_t peak = size;
	struct cgroup cgroup;
	int round;

	for (round = 0; round < 10 && peak >= size; round++) {
		if (!cgroup_make(&cgroup))
			SKIP(return, "no cgroup2: %s", strerror(errno));
		peak = peak_of_a_killed(self, &cgroup, size);
		cgroup_unmake(&cgroup);
		/* Its own pages at least, unless there is no such file. */
		if (!peak)
			SKIP(return, "no memory.peak in cgroup2");
	}
	EXPECT_LT(peak, size);
}

/* More than there is, with the limits out of the way. */
TEST_F_TIMEOUT(account, no_memory_kills_nobody, 300)
{
	uint64_t total = number_after("/proc/meminfo", "MemTotal:") * 1024;
	uint64_t kills = oom_kills();

	if (total > 4ULL << 30)
		SKIP(return, "too much memory to fill: %llu bytes",
		     (unsigned long long)total);
	set_parameter("max_total_bytes", 1ULL << 50);
	set_parameter("max_region_bytes", 1ULL << 50);
	EXPECT_ERRNO(ENOMEM, region_create(self->device, (total / PAGE + 1) * PAGE));
	EXPECT_EQ(kills, oom_kills());
	EXPECT_EQ(self->used, used_total_bytes(self->device));
}

HARNESS_MAIN
