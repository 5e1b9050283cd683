// SPDX-License-Identifier: GPL-2.0-only
/* Claims: who may have a grant, and that nobody else then has it. */
#include <pthread.h>

#include "harness.h"
#include "objects.h"

#define SIZE	(4 * PAGE)

FIXTURE(claim) {
	int device;
	int region;
	int grant;
};

FIXTURE_SETUP(claim)
{
	self->device = device_open();
	ASSERT_LE(0, self->device);
	self->region = region_create(self->device, SIZE);
	ASSERT_LE(0, self->region);
	self->grant = grant_create(self->region, PAGE, 2 * PAGE, READ);
	ASSERT_LE(0, self->grant);
}

FIXTURE_TEARDOWN(claim)
{
}

static char *map_claim(int claim)
{
	return map_at(claim, PAGE, PROT_READ, PAGE);
}

TEST_F(claim, tells_what_was_granted)
{
	struct flowipc_claim claim = {}, next = {};
	int rw = grant_create(self->region, 0, SIZE, READ | WRITE);

	ASSERT_EQ(0, ioctl(self->grant, FLOWIPC_IOC_CLAIM, &claim));
	EXPECT_EQ(READ, claim.rights);
	EXPECT_EQ(PAGE, claim.offset);
	EXPECT_EQ(2 * PAGE, claim.length);
	EXPECT_EQ(SIZE, claim.region_size);
	EXPECT_EQ(O_RDONLY, fcntl(claim.fd, F_GETFL) & O_ACCMODE);
	EXPECT_EQ(FD_CLOEXEC, fcntl(claim.fd, F_GETFD));

	ASSERT_EQ(0, ioctl(rw, FLOWIPC_IOC_CLAIM, &next));
	EXPECT_EQ(READ | WRITE, next.rights);
	EXPECT_EQ(0, next.offset);
	EXPECT_EQ(SIZE, next.length);
	EXPECT_EQ(O_RDWR, fcntl(next.fd, F_GETFL) & O_ACCMODE);
	EXPECT_LT(0, claim.id);
	EXPECT_LT(claim.id, next.id);
}

TEST_F(claim, again_by_the_same_process_is_another_one)
{
	int first = grant_claim(self->grant);
	int second = grant_claim(self->grant);

	EXPECT_NE(MAP_FAILED, map_claim(first));
	EXPECT_NE(MAP_FAILED, map_claim(second));
	ASSERT_EQ(0, close(first));
	EXPECT_NE(MAP_FAILED, map_claim(second));
}

TEST_F(claim, needs_the_grant_no_more)
{
	int claim = grant_claim(self->grant);
	char *memory;

	ASSERT_EQ(0, close(self->grant));
	memory = map_claim(claim);
	ASSERT_NE(MAP_FAILED, memory);
	EXPECT_EQ(0, touch_read(memory));
}

TEST_F(claim, by_a_second_process_is_refused)
{
	int claim = grant_claim(self->grant);
	pid_t child;

	ASSERT_LE(0, claim);
	child = fork();
	ASSERT_LE(0, child);
	if (!child) {
		EXPECT_ERRNO(EBUSY, grant_claim(self->grant));
		EXPECT_ERRNO(EACCES, map_claim(claim));
		/* Being an owner of the region does not help. */
		EXPECT_NE(MAP_FAILED, map(self->region, SIZE, PROT_READ));
		_exit(0);
	}
	ASSERT_EQ(0, reap(child));
	EXPECT_NE(MAP_FAILED, map_claim(claim));
}

TEST_F(claim, of_a_dead_process_does_not_come_back)
{
	int sockets[2], claim, i;
	pid_t child;

	ASSERT_TRUE(socket_pair(sockets));
	child = fork();
	ASSERT_LE(0, child);
	if (!child)
		_exit(send_fd(sockets[1], grant_claim(self->grant)) ? 0 : 1);
	ASSERT_EQ(0, reap(child));
	claim = recv_fd(sockets[0]);
	ASSERT_LE(0, claim);

	EXPECT_ERRNO(EBUSY, grant_claim(self->grant));
	EXPECT_ERRNO(EACCES, map_claim(claim));

	/* Nor does a later process get it which looks the same to the kernel. */
	for (i = 0; i < 64; i++) {
		child = fork();
		ASSERT_LE(0, child);
		if (!child) {
			EXPECT_ERRNO(EACCES, map_claim(claim));
			EXPECT_ERRNO(EBUSY, grant_claim(self->grant));
			_exit(0);
		}
		ASSERT_EQ(0, reap(child));
	}
}

#define RACERS	2

/* The exit status of a racer: 10 for the winner, 11 for the others. */
static int race(int grant, int *ready)
{
	int claim;

	__atomic_add_fetch(ready, 1, __ATOMIC_SEQ_CST);
	while (__atomic_load_n(ready, __ATOMIC_SEQ_CST) < RACERS)
		;
	claim = grant_claim(grant);
	if (claim == -1) {
		EXPECT_EQ(EBUSY, errno);
		return 11;
	}
	EXPECT_NE(MAP_FAILED, map_claim(claim));

	return 10;
}

TEST_F_TIMEOUT(claim, race_has_one_winner, 300)
{
	int *ready = mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
			  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int round, i, winners;
	pid_t child[RACERS];

	ASSERT_NE(MAP_FAILED, ready);
	for (round = 0; harness_once_more(round, 200); round++) {
		int grant = grant_create(self->region, PAGE, PAGE, READ);

		*ready = 0;
		for (i = 0; i < RACERS; i++) {
			child[i] = fork();
			ASSERT_LE(0, child[i]);
			if (!child[i])
				_exit(race(grant, ready));
		}
		for (i = 0, winners = 0; i < RACERS; i++)
			winners += reap(child[i]) == 10;
		ASSERT_EQ(1, winners);
		close(grant);
	}
}

/* Any number of processes, each with a claim that is its own. */
TEST_F(claim, by_many_at_once)
{
	int grant = grant_create_for(self->region, PAGE, PAGE, READ,
				     FLOWIPC_GRANT_MANY, 0, 0);
	int claim = grant_claim(grant), sockets[2], i;
	struct flowipc_region_info info;
	pid_t child[8];

	ASSERT_LE(0, claim);
	ASSERT_TRUE(socket_pair(sockets));
	for (i = 0; i < 8; i++) {
		child[i] = fork();
		ASSERT_LE(0, child[i]);
		if (!child[i]) {
			int mine = grant_claim(grant);
			char *memory = map_claim(mine);

			ASSERT_NE(MAP_FAILED, memory);
			EXPECT_EQ(0, touch_read(memory));
			EXPECT_ERRNO(EACCES, map_claim(claim));
			ASSERT_TRUE(send_fd(sockets[1], mine));
			ASSERT_TRUE(hear(sockets[1]));
			_exit(0);
		}
	}
	for (i = 0; i < 8; i++)
		EXPECT_ERRNO(EACCES, map_claim(recv_fd(sockets[0])));
	EXPECT_NE(MAP_FAILED, map_claim(claim));
	ASSERT_EQ(0, region_info(self->region, &info));
	EXPECT_EQ(9, info.claims);
	for (i = 0; i < 8; i++)
		ASSERT_TRUE(tell(sockets[0]));
	for (i = 0; i < 8; i++)
		ASSERT_EQ(0, reap(child[i]));
}

static int child_status(bool (*become_who)(void), int grant)
{
	pid_t child = fork();

	if (!child) {
		int claim;

		ASSERT_TRUE(become_who());
		claim = grant_claim(grant);
		if (claim == -1)
			_exit(errno);
		_exit(map_claim(claim) == MAP_FAILED ? 200 : 0);
	}

	return reap(child);
}

static bool become_root(void)
{
	return true;
}

static bool become_group_member(void)
{
	const gid_t group = GROUP;

	return become(USER, USER, 1, &group);
}

static bool become_group(void)
{
	return become(USER, GROUP, 0, NULL);
}

/* A set-uid program run by the user. */
static bool become_user_by_effect(void)
{
	return !setresuid(0, USER, 0);
}

static bool become_user_in_name(void)
{
	return !setresuid(USER, 0, USER);
}

static int grant_for(struct claim *self, uint32_t flags)
{
	int grant = grant_create_for(self->region, PAGE, PAGE, READ, flags,
				     flags & FLOWIPC_GRANT_UID ? USER : 0,
				     flags & FLOWIPC_GRANT_GID ? GROUP : 0);

	ASSERT_LE(0, grant);

	return grant;
}

TEST_F(claim, needs_the_uid)
{
	int grant = grant_for(self, FLOWIPC_GRANT_UID);

	/* Root is not the user either, whatever it may do elsewhere. */
	EXPECT_EQ(EPERM, child_status(become_root, grant));
	EXPECT_EQ(EPERM, child_status(become_user_in_name, grant));
	/* A refusal does not claim. */
	EXPECT_EQ(0, child_status(become_user, grant));
	EXPECT_EQ(EBUSY, child_status(become_user, grant));

	grant = grant_for(self, FLOWIPC_GRANT_UID);
	EXPECT_EQ(0, child_status(become_user_by_effect, grant));
}

TEST_F(claim, needs_the_gid)
{
	int grant = grant_for(self, FLOWIPC_GRANT_GID);

	EXPECT_EQ(EPERM, child_status(become_root, grant));
	EXPECT_EQ(EPERM, child_status(become_user, grant));
	EXPECT_EQ(0, child_status(become_group_member, grant));

	grant = grant_for(self, FLOWIPC_GRANT_GID);
	EXPECT_EQ(0, child_status(become_group, grant));
}

TEST_F(claim, by_many_needs_them_too)
{
	int grant = grant_for(self, FLOWIPC_GRANT_UID | FLOWIPC_GRANT_MANY);

	EXPECT_EQ(EPERM, child_status(become_root, grant));
	EXPECT_EQ(0, child_status(become_user, grant));
	EXPECT_EQ(0, child_status(become_user, grant));
	EXPECT_EQ(EPERM, child_status(become_root, grant));

	grant = grant_for(self, FLOWIPC_GRANT_GID | FLOWIPC_GRANT_MANY);
	EXPECT_EQ(EPERM, child_status(become_user, grant));
	EXPECT_EQ(0, child_status(become_group, grant));
	EXPECT_EQ(0, child_status(become_group_member, grant));
}

TEST_F(claim, needs_both_uid_and_gid)
{
	int grant = grant_for(self, FLOWIPC_GRANT_UID | FLOWIPC_GRANT_GID);

	EXPECT_EQ(EPERM, child_status(become_user, grant));
	EXPECT_EQ(EPERM, child_status(become_root, grant));
	EXPECT_EQ(0, child_status(become_group_member, grant));
}

TEST_F(claim, by_uid_0_is_a_condition_too)
{
	int grant = grant_create_for(self->region, PAGE, PAGE, READ,
				     FLOWIPC_GRANT_UID, 0, 0);

	ASSERT_LE(0, grant);
	EXPECT_EQ(EPERM, child_status(become_user, grant));
	EXPECT_EQ(0, child_status(become_root, grant));
}

TEST_F(claim, is_not_made_by_a_refused_call)
{
	struct flowipc_claim *claim = mmap(NULL, PAGE, PROT_READ,
					   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct flowipc_claim bad = { .flags = 1 };

	ASSERT_NE(MAP_FAILED, claim);
	EXPECT_ERRNO(EFAULT, ioctl(self->grant, FLOWIPC_IOC_CLAIM, claim));
	EXPECT_ERRNO(EINVAL, ioctl(self->grant, FLOWIPC_IOC_CLAIM, &bad));
	/* Somebody else can still have it. */
	EXPECT_EQ(0, child_status(become_root, self->grant));
}

TEST_F(claim, is_not_inherited_by_a_child)
{
	int claim = grant_claim(self->grant);
	char *memory = map_claim(claim);
	pid_t child;

	ASSERT_NE(MAP_FAILED, memory);
	ASSERT_EQ(0, touch_read(memory));

	child = fork();
	ASSERT_LE(0, child);
	if (!child) {
		EXPECT_EQ(SIGSEGV, touch_read(memory));
		EXPECT_ERRNO(EACCES, map_claim(claim));
		_exit(0);
	}
	ASSERT_EQ(0, reap(child));
	EXPECT_EQ(0, touch_read(memory));
}

/* The claimer can ask for the mapping to be inherited; it is of no use. */
TEST_F(claim, is_not_inherited_in_spite_of_madv_dofork)
{
	char *memory = map_claim(grant_claim(self->grant));
	pid_t child;

	ASSERT_NE(MAP_FAILED, memory);
	ASSERT_EQ(0, touch_read(memory));
	madvise(memory, PAGE, MADV_DOFORK);

	child = fork();
	ASSERT_LE(0, child);
	if (!child) {
		EXPECT_NE(0, touch_read(memory));
		_exit(0);
	}
	ASSERT_EQ(0, reap(child));
	EXPECT_EQ(0, touch_read(memory));
}

static void *map_in_thread(void *claim)
{
	return map_claim(*(int *)claim);
}

TEST_F(claim, holds_for_all_threads)
{
	int claim = grant_claim(self->grant);
	pthread_t thread;
	void *memory;

	ASSERT_EQ(0, pthread_create(&thread, NULL, map_in_thread, &claim));
	ASSERT_EQ(0, pthread_join(thread, &memory));
	ASSERT_NE(MAP_FAILED, memory);
	EXPECT_EQ(0, touch_read(memory));
}

/* The other half of this test, run by exec in the process of the claim. */
static int after_exec(int grant, int claim)
{
	if (map_claim(claim) != MAP_FAILED || errno != EACCES)
		return 1;
	if (grant_claim(grant) != -1 || errno != EBUSY)
		return 2;

	return 0;
}

TEST_F(claim, ends_at_exec)
{
	char grant[16], number[16];
	pid_t child = fork();

	ASSERT_LE(0, child);
	if (!child) {
		int claim = grant_claim(self->grant);

		ASSERT_NE(MAP_FAILED, map_claim(claim));
		ASSERT_EQ(0, fcntl(self->grant, F_SETFD, 0));
		ASSERT_EQ(0, fcntl(claim, F_SETFD, 0));
		snprintf(grant, sizeof(grant), "%d", self->grant);
		snprintf(number, sizeof(number), "%d", claim);
		execl("/proc/self/exe", "claim", "--after-exec", grant, number, NULL);
		ASSERT_TRUE(false);
	}
	EXPECT_EQ(0, reap(child));
}

TEST_F(claim, of_a_received_grant)
{
	int sockets[2];
	pid_t child;

	ASSERT_TRUE(socket_pair(sockets));
	child = fork();
	ASSERT_LE(0, child);
	if (!child) {
		char *memory;

		close(self->grant);
		close(self->region);
		close(self->device);
		memory = map_claim(grant_claim(recv_fd(sockets[1])));
		ASSERT_NE(MAP_FAILED, memory);
		EXPECT_EQ(0, touch_read(memory));
		_exit(0);
	}
	ASSERT_TRUE(send_fd(sockets[0], self->grant));
	ASSERT_EQ(0, reap(child));
	/* The sender's descriptor is of the same grant. */
	EXPECT_ERRNO(EBUSY, grant_claim(self->grant));
}

int main(int argc, char **argv)
{
	if (argc == 4 && !strcmp(argv[1], "--after-exec"))
		return after_exec(atoi(argv[2]), atoi(argv[3]));

	return harness_main(argc, argv);
}
