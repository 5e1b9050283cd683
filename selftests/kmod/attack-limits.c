// SPDX-License-Identifier: GPL-2.0-only
/* Attacks by quantity: more objects, references and memory than there may be. */
#include <sys/resource.h>

#include "harness.h"
#include "attack.h"
#include "cgroup.h"

#define SIZE		(16 * PAGE)
#define PARAMETERS	"/sys/module/flowipc/parameters/"
#define OBJECTS		PARAMETERS "max_objects_per_user"
#define TOTAL		PARAMETERS "max_total_bytes"
#define REGION		PARAMETERS "max_region_bytes"

FIXTURE(attack) {
	int device;
	uint64_t used;
	char objects[32];
	char total[32];
	char region[32];
};

FIXTURE_SETUP(attack)
{
	self->device = device_open();
	ASSERT_LE(0, self->device);
	self->used = used_total_bytes(self->device);
	read_text(OBJECTS, self->objects, sizeof(self->objects));
	read_text(TOTAL, self->total, sizeof(self->total));
	read_text(REGION, self->region, sizeof(self->region));
	ASSERT_TRUE(self->region[0]);
}

FIXTURE_TEARDOWN(attack)
{
	EXPECT_TRUE(write_text(OBJECTS, self->objects));
	EXPECT_TRUE(write_text(TOTAL, self->total));
	EXPECT_TRUE(write_text(REGION, self->region));
}

/*
 * Class 15, counts that overflow. Many processes of one user make objects until
 * they are refused, all at once: together they have as many as the limit says,
 * not one more. And when they are gone, there is room for as many again.
 */
#define LIMIT		1000
#define FLOODERS	4

/* Makes objects of all kinds; each one costs 1. How many there are now. */
static int flood(int device)
{
	int region = region_create(device, PAGE), made = 0, ends[2], grant;

	if (region == -1)
		return 0;
	made++;
	for (;;) {
		grant = grant_create_for(region, 0, PAGE, READ,
					 made % 2 ? FLOWIPC_GRANT_MANY : 0, 0, 0);
		if (grant == -1)
			break;
		made++;
		if (grant_claim(grant) == -1)
			break;
		made++;
		if (channel_create(device, ends))
			break;
		made++;
	}
	ASSERT_EQ(EDQUOT, errno);

	return made;
}

static void flooder(int device, int start, int result, int stop)
{
	int made;
	char byte;

	ASSERT_TRUE(become_user());
	ASSERT_EQ(1, read(start, &byte, 1));
	made = flood(device);
	ASSERT_EQ(sizeof(made), write(result, &made, sizeof(made)));
	/* Until all have counted. */
	ASSERT_EQ(1, read(stop, &byte, 1));
}

TEST_F_TIMEOUT(attack, flood_the_quota_with_objects, 300)
{
	struct rlimit files = { 4096, 4096 };
	int start[2], result[2], stop[2], round, i, made, sum;
	pid_t child[FLOODERS];

	ASSERT_EQ(0, setrlimit(RLIMIT_NOFILE, &files));
	ASSERT_TRUE(write_text(OBJECTS, "1000"));
	for (round = 0; round < 4; round++) {
		ASSERT_EQ(0, pipe(start));
		ASSERT_EQ(0, pipe(result));
		ASSERT_EQ(0, pipe(stop));
		for (i = 0; i < FLOODERS; i++) {
			child[i] = fork();
			ASSERT_LE(0, child[i]);
			if (!child[i]) {
				close(result[0]);
				flooder(self->device, start[0], result[1], stop[0]);
				_exit(0);
			}
		}
		close(result[1]);
		ASSERT_EQ(FLOODERS, write(start[1], "abcd", FLOODERS));
		sum = 0;
		for (i = 0; i < FLOODERS; i++) {
			ASSERT_EQ(sizeof(made), read(result[0], &made, sizeof(made)));
			sum += made;
		}
		EXPECT_EQ(LIMIT, sum);
		/* Half of the time they are killed. */
		if (round % 2)
			ASSERT_EQ(FLOODERS, write(stop[1], "abcd", FLOODERS));
		for (i = 0; i < FLOODERS; i++) {
			if (round % 2 == 0)
				ASSERT_EQ(0, kill(child[i], SIGKILL));
			ASSERT_EQ(round % 2 ? 0 : 256 + SIGKILL, reap(child[i]));
		}
		close(start[0]);
		close(start[1]);
		close(result[0]);
		close(stop[0]);
		close(stop[1]);
		ASSERT_TRUE(EVENTUALLY(used_total_bytes(self->device) == self->used));
	}
}

/* What is refused takes nothing, however often it is tried, from any count. */
/* Refused at the very last, when the answer cannot be written. */
static void flood_without_answers(struct attack *self, int region, int grant)
{
	struct flowipc_region_create create = { .size = PAGE };
	struct flowipc_grant make = { .length = PAGE, .rights = READ };
	char *page = pages_alloc(3);
	int round;

	ASSERT_NE(MAP_FAILED, page);
	memcpy(page + PAGE, &create, sizeof(create));
	memcpy(page + 2 * PAGE, &make, sizeof(make));
	ASSERT_EQ(0, mprotect(page, 3 * PAGE, PROT_READ));
	/* More than the quota: what is kept of each would add up to it. */
	for (round = 0; round < 1200; round++) {
		ASSERT_ERRNO(EFAULT, ioctl(grant, FLOWIPC_IOC_CLAIM, page));
		ASSERT_ERRNO(EFAULT, ioctl(self->device, FLOWIPC_IOC_CHANNEL_CREATE, page));
		ASSERT_ERRNO(EFAULT, ioctl(self->device, FLOWIPC_IOC_REGION_CREATE, page + PAGE));
		ASSERT_ERRNO(EFAULT, ioctl(region, FLOWIPC_IOC_GRANT, page + 2 * PAGE));
	}
	ASSERT_EQ(0, munmap(page, 3 * PAGE));
}

static void flood_with_errors(struct attack *self)
{
	int region = region_create(self->device, SIZE);
	int theirs = grant_create_for(region, 0, PAGE, READ, FLOWIPC_GRANT_UID, USER, 0);
	int revoked = grant_create(region, 0, PAGE, READ);
	int many = grant_create_for(region, 0, PAGE, READ, FLOWIPC_GRANT_MANY, 0, 0);
	struct flowipc_region_info info;
	struct rlimit files = { 64, 64 };
	int round, ends[2], claim;

	ASSERT_EQ(0, grant_revoke(region, revoked));
	ASSERT_EQ(0, setrlimit(RLIMIT_NOFILE, &files));
	for (round = 0; round < 5000; round++) {
		ASSERT_ERRNO(EPERM, grant_claim(theirs));
		ASSERT_ERRNO(EACCES, grant_claim(revoked));
		ASSERT_ERRNO(EINVAL, grant_create(region, SIZE, PAGE, READ));
		ASSERT_ERRNO(EFBIG, region_create(self->device, 1ULL << 62));
		/* And what is made and dropped at once leaves nothing. */
		claim = grant_claim(many);
		ASSERT_LE(0, claim);
		ASSERT_EQ(0, close(claim));
	}
	ASSERT_EQ(0, region_info(region, &info));
	EXPECT_EQ(2, info.grants);
	EXPECT_EQ(0, info.claims);
	EXPECT_EQ(5000, info.claimed);
	EXPECT_EQ(5000, info.dropped);
	flood_without_answers(self, region, many);
	/* Nor what is refused for the want of a descriptor. */
	while (dup(self->device) != -1)
		;
	for (round = 0; round < 2000; round++) {
		ASSERT_ERRNO(EMFILE, grant_claim(many));
		ASSERT_ERRNO(EMFILE, grant_create(region, 0, PAGE, READ));
		ASSERT_ERRNO(EMFILE, region_create(self->device, PAGE));
		ASSERT_ERRNO(EMFILE, channel_create(self->device, ends));
	}
	ASSERT_EQ(0, region_info(region, &info));
	EXPECT_EQ(2, info.grants);
	EXPECT_EQ(0, info.claims);
	EXPECT_EQ(self->used + SIZE, used_total_bytes(self->device));
}

TEST_F_TIMEOUT(attack, flood_with_what_is_refused, 300)
{
	pid_t child;

	ASSERT_TRUE(write_text(OBJECTS, "1000"));
	/* In a process of its own, which has no descriptor left at the end. */
	child = fork();
	ASSERT_LE(0, child);
	if (!child) {
		flood_with_errors(self);
		_exit(0);
	}
	EXPECT_EQ(0, reap(child));
	EXPECT_TRUE(EVENTUALLY(used_total_bytes(self->device) == self->used));
}

/* References to one object: descriptors in flight, mappings, children. */
#define MAPPERS		4
#define MAPPINGS	10000

TEST_F_TIMEOUT(attack, flood_one_object_with_references, 300)
{
	int region = region_create(self->device, SIZE), sockets[2], i;
	int grant = grant_create(region, 0, SIZE, READ);
	int claim = grant_claim(grant);
	void *memory = map(claim, PAGE, PROT_READ);
	struct flowipc_region_info info;
	pid_t child[MAPPERS];

	ASSERT_NE(MAP_FAILED, memory);
	ASSERT_TRUE(socket_pair(sockets));
	for (i = 0; i < MAPPERS; i++) {
		child[i] = fork();
		ASSERT_LE(0, child[i]);
		if (!child[i]) {
			for (i = 0; harness_once_more(i, MAPPINGS); i++)
				ASSERT_NE(MAP_FAILED, map(region, PAGE, PROT_READ));
			_exit(0);
		}
	}
	for (i = 0; harness_once_more(i, MAPPINGS); i++)
		ASSERT_NE(MAP_FAILED, map(claim, PAGE, PROT_READ));
	for (i = 0; i < 100; i++)
		ASSERT_TRUE(send_fd(sockets[0], claim));
	for (i = 0; i < MAPPERS; i++)
		ASSERT_EQ(0, reap(child[i]));
	ASSERT_EQ(0, region_info(region, &info));
	EXPECT_EQ(1, info.claims);
	EXPECT_EQ(1, info.claimed);
	ASSERT_EQ(0, grant_revoke(region, grant));
	EXPECT_EQ(SIGBUS, touch_read(memory));
	EXPECT_EQ(self->used + SIZE, used_total_bytes(self->device));
}

/*
 * Class 16, memory without end. Processes of a cgroup ask for many times what
 * it may have, again and again: each is refused, none is killed. One after the
 * other, since the cgroup is full to the brim for a moment: another process may
 * then be killed for a page of its own, which the module has no part in.
 */
#define MIB		(1ULL << 20)

static void glutton(const struct attack *self, const struct cgroup *cgroup,
		    uint32_t flags)
{
	int i, region;

	ASSERT_TRUE(cgroup_enter(cgroup));
	for (i = 0; i < 2; i++)
		EXPECT_ERRNO(ENOMEM, region_create_as(self->device, 512 * MIB, flags));
	/* In pieces: what it gets it has, and then it is refused, too. */
	for (i = 0; i < 100; i++) {
		region = region_create_as(self->device, 5 * MIB + PAGE, flags);
		if (region == -1)
			break;
	}
	EXPECT_EQ(ENOMEM, errno);
	EXPECT_LT(i, 100);
}

static void eat(struct attack *self, uint32_t flags)
{
	uint64_t kills = oom_kills();
	struct cgroup cgroup;
	pid_t child;
	int i;

	if (!cgroup_make(&cgroup))
		SKIP(return, "no cgroup2: %s", strerror(errno));
	if (!cgroup_write(&cgroup, "memory.max", "134217728")) {
		cgroup_unmake(&cgroup);
		SKIP(return, "no memory controller in cgroup2");
	}
	ASSERT_TRUE(write_text(TOTAL, "1099511627776"));
	ASSERT_TRUE(write_text(REGION, "1099511627776"));
	for (i = 0; i < 3; i++) {
		child = fork();
		ASSERT_LE(0, child);
		if (!child) {
			glutton(self, &cgroup, flags);
			_exit(0);
		}
		EXPECT_EQ(0, reap(child));
	}
	EXPECT_EQ(0, cgroup_number(&cgroup, "memory.events", "oom_kill "));
	EXPECT_EQ(kills, oom_kills());
	EXPECT_TRUE(EVENTUALLY(used_total_bytes(self->device) == self->used));
	cgroup_unmake(&cgroup);
}

TEST_F_TIMEOUT(attack, ask_for_512_mib_in_a_cgroup_of_128, 300)
{
	eat(self, 0);
}

TEST_F_TIMEOUT(attack, ask_for_512_strict_mib_in_a_cgroup_of_128, 300)
{
	eat(self, FLOWIPC_REGION_STRICT);
}

HARNESS_MAIN
