// SPDX-License-Identifier: GPL-2.0-only
/* Revocation: when REVOKE has returned, the peer has nothing left. */
#include <pthread.h>
#include <sys/epoll.h>

#include "harness.h"
#include "objects.h"

#define SIZE	(16 * PAGE)

/* A region whose pages 4 to 7 are granted, claimed and mapped by us. */
FIXTURE(revoke) {
	int device;
	int region;
	char *owner;
	int grant;
	uint64_t grant_id;
	int claim;
	uint64_t claim_id;
	char *peer;
};

FIXTURE_SETUP(revoke)
{
	struct flowipc_grant grant = {
		.offset = 4 * PAGE, .length = 4 * PAGE, .rights = READ | WRITE,
	};
	struct flowipc_claim claim = {};

	self->device = device_open();
	ASSERT_LE(0, self->device);
	self->region = region_create(self->device, SIZE);
	ASSERT_LE(0, self->region);
	self->owner = map(self->region, SIZE, PROT_READ | PROT_WRITE);
	ASSERT_NE(MAP_FAILED, self->owner);
	memset(self->owner, 1, SIZE);

	ASSERT_EQ(0, ioctl(self->region, FLOWIPC_IOC_GRANT, &grant));
	self->grant = grant.fd;
	self->grant_id = grant.id;
	ASSERT_EQ(0, ioctl(self->grant, FLOWIPC_IOC_CLAIM, &claim));
	self->claim = claim.fd;
	self->claim_id = claim.id;
	self->peer = map_at(self->claim, 4 * PAGE, PROT_READ | PROT_WRITE, 4 * PAGE);
	ASSERT_NE(MAP_FAILED, self->peer);
	ASSERT_EQ(0, touch_write(self->peer));
}

FIXTURE_TEARDOWN(revoke)
{
}

TEST_F(revoke, bad_arguments_are_refused)
{
	struct flowipc_revoke arg = {
		.flags = FLOWIPC_REVOKE_ALL, .grant_fd = self->grant,
	};
	int other = region_create(self->device, SIZE);
	int theirs = grant_create(other, 0, PAGE, READ);
	int ends[2], closed;

	ASSERT_LE(0, theirs);
	ASSERT_EQ(0, channel_create(self->device, ends));
	closed = dup(self->grant);
	ASSERT_EQ(0, close(closed));

	EXPECT_ERRNO(EINVAL, ioctl(self->region, FLOWIPC_IOC_REVOKE, &arg));
	EXPECT_ERRNO(EBADF, grant_revoke(self->region, -1));
	EXPECT_ERRNO(EBADF, grant_revoke(self->region, closed));
	EXPECT_ERRNO(EBADF, grant_revoke(self->region, 1 << 20));
	EXPECT_ERRNO(EBADF, grant_revoke(self->region, INT32_MIN));
	EXPECT_ERRNO(EINVAL, grant_revoke(self->region, theirs));
	EXPECT_ERRNO(EINVAL, grant_revoke(self->region, self->claim));
	EXPECT_ERRNO(EINVAL, grant_revoke(self->region, self->region));
	EXPECT_ERRNO(EINVAL, grant_revoke(self->region, self->device));
	EXPECT_ERRNO(EINVAL, grant_revoke(self->region, ends[0]));
	EXPECT_ERRNO(EINVAL, grant_revoke(self->region, STDOUT_FILENO));

	EXPECT_EQ(0, touch_read(self->peer));
	EXPECT_LE(0, grant_claim(theirs));
}

TEST_F(revoke, bad_combinations_are_refused)
{
	static const uint32_t flags[] = {
		FLOWIPC_REVOKE_ALL, FLOWIPC_REVOKE_GRANT, FLOWIPC_REVOKE_CLAIM,
	};
	struct flowipc_revoke arg;
	unsigned int i;

	for (i = 0; i < 3; i++) {
		/* Two at once. */
		EXPECT_ERRNO(EINVAL, revoke_number(self->region, flags[i] | flags[(i + 1) % 3],
						   self->grant_id));
		/* A number or a descriptor that does not belong to it. */
		arg = (struct flowipc_revoke){
			.flags = flags[i], .grant_fd = self->grant,
			.id = i ? self->grant_id : 0,
		};
		EXPECT_ERRNO(EINVAL, ioctl(self->region, FLOWIPC_IOC_REVOKE, &arg));
	}
	EXPECT_ERRNO(EINVAL, revoke_number(self->region, FLOWIPC_REVOKE_ALL, 1));
	arg = (struct flowipc_revoke){ .grant_fd = self->grant, .id = 1 };
	EXPECT_ERRNO(EINVAL, ioctl(self->region, FLOWIPC_IOC_REVOKE, &arg));

	EXPECT_EQ(0, touch_read(self->peer));
}

TEST_F(revoke, unknown_numbers_are_refused)
{
	int other = region_create(self->device, SIZE);
	struct flowipc_grant theirs = { .length = PAGE, .rights = READ };
	uint64_t id;

	ASSERT_EQ(0, ioctl(other, FLOWIPC_IOC_GRANT, &theirs));
	for (id = 0; id < 10; id++) {
		if (id != self->grant_id)
			EXPECT_ERRNO(ENOENT, revoke_number(self->region, FLOWIPC_REVOKE_GRANT, id));
		if (id != self->claim_id)
			EXPECT_ERRNO(ENOENT, revoke_number(self->region, FLOWIPC_REVOKE_CLAIM, id));
	}
	EXPECT_ERRNO(ENOENT, revoke_number(self->region, FLOWIPC_REVOKE_GRANT, UINT64_MAX));
	EXPECT_EQ(0, touch_read(self->peer));

	/* One that is gone. */
	ASSERT_EQ(0, close(theirs.fd));
	EXPECT_ERRNO(ENOENT, revoke_number(other, FLOWIPC_REVOKE_GRANT, theirs.id));
}

TEST_F(revoke, access_raises_sigbus)
{
	ASSERT_EQ(0, grant_revoke(self->region, self->grant));
	EXPECT_EQ(SIGBUS, touch_read(self->peer));
	EXPECT_EQ(SIGBUS, touch_write(self->peer));
	/* A page that was never touched before. */
	EXPECT_EQ(SIGBUS, touch_read(self->peer + 3 * PAGE));
}

TEST_F_SIGNAL(revoke, sigbus_kills, SIGBUS)
{
	ASSERT_EQ(0, grant_revoke(self->region, self->grant));
	*(volatile char *)self->peer = 1;
}

TEST_F(revoke, nothing_new_can_be_had)
{
	int copy = dup(self->claim);

	ASSERT_EQ(0, grant_revoke(self->region, self->grant));
	EXPECT_ERRNO(EACCES, map_at(self->claim, PAGE, PROT_READ, 4 * PAGE));
	EXPECT_ERRNO(EACCES, map_at(copy, PAGE, PROT_READ, 4 * PAGE));
	EXPECT_ERRNO(EACCES, grant_claim(self->grant));
	/* Old mappings do not come back by these. */
	madvise(self->peer, 4 * PAGE, MADV_DONTNEED);
	EXPECT_NE(0, madvise(self->peer, 4 * PAGE, MADV_POPULATE_READ));
	mprotect(self->peer, 4 * PAGE, PROT_READ);
	mprotect(self->peer, 4 * PAGE, PROT_READ | PROT_WRITE);
	EXPECT_EQ(SIGBUS, touch_read(self->peer));
	EXPECT_ERRNO(EFAULT, write(STDOUT_FILENO, self->peer, 1));
}

TEST_F(revoke, before_the_claim)
{
	int grant = grant_create(self->region, 0, PAGE, READ);

	ASSERT_LE(0, grant);
	ASSERT_EQ(0, grant_revoke(self->region, grant));
	EXPECT_ERRNO(EACCES, grant_claim(grant));
}

TEST_F(revoke, by_number)
{
	ASSERT_EQ(0, revoke_number(self->region, FLOWIPC_REVOKE_GRANT, self->grant_id));
	EXPECT_EQ(SIGBUS, touch_read(self->peer));
	EXPECT_EQ(SIGBUS, touch_write(self->peer + PAGE));
	EXPECT_ERRNO(EACCES, grant_claim(self->grant));
	EXPECT_ERRNO(EACCES, map_at(self->claim, PAGE, PROT_READ, 4 * PAGE));
}

/* The owner has no descriptor of it, nor has anybody else. */
TEST_F(revoke, by_number_without_a_ticket)
{
	struct flowipc_grant_next next;

	ASSERT_EQ(0, close(self->grant));
	ASSERT_EQ(0, close(self->claim));
	EXPECT_EQ(0, touch_read(self->peer));
	ASSERT_EQ(0, grant_next(self->region, 0, &next));
	ASSERT_EQ(0, revoke_number(self->region, FLOWIPC_REVOKE_GRANT, next.id));
	EXPECT_EQ(SIGBUS, touch_read(self->peer));
	ASSERT_EQ(0, munmap(self->peer, 4 * PAGE));
	EXPECT_ERRNO(ENOENT, revoke_number(self->region, FLOWIPC_REVOKE_GRANT, next.id));
}

/* Of three claims, the one in the middle. */
TEST_F(revoke, one_claim)
{
	int grant = grant_create_for(self->region, 0, SIZE, READ | WRITE,
				     FLOWIPC_GRANT_MANY, 0, 0);
	struct flowipc_region_info info;
	struct flowipc_claim claim[3];
	char *memory[3];
	int i;

	for (i = 0; i < 3; i++) {
		claim[i] = (struct flowipc_claim){};
		ASSERT_EQ(0, ioctl(grant, FLOWIPC_IOC_CLAIM, &claim[i]));
		memory[i] = map(claim[i].fd, SIZE, PROT_READ | PROT_WRITE);
		ASSERT_NE(MAP_FAILED, memory[i]);
		ASSERT_EQ(0, touch_write(memory[i]));
	}
	ASSERT_EQ(0, revoke_number(self->region, FLOWIPC_REVOKE_CLAIM, claim[1].id));

	EXPECT_EQ(SIGBUS, touch_read(memory[1]));
	EXPECT_EQ(SIGBUS, touch_write(memory[1] + SIZE - PAGE));
	EXPECT_ERRNO(EACCES, map(claim[1].fd, PAGE, PROT_READ));
	EXPECT_EQ(POLLHUP, poll_now(claim[1].fd, POLLIN));
	EXPECT_EQ(0, poll_now(grant, POLLIN));
	for (i = 0; i < 3; i += 2) {
		EXPECT_EQ(0, touch_write(memory[i]));
		EXPECT_EQ(0, poll_now(claim[i].fd, POLLIN));
	}
	EXPECT_EQ(0, touch_write(self->owner));
	EXPECT_EQ(0, touch_write(self->peer));
	ASSERT_EQ(0, region_info(self->region, &info));
	EXPECT_EQ(2, info.grants);
	EXPECT_EQ(3, info.claims);

	/* The grant is not revoked: its claimer can claim again, ... */
	EXPECT_NE(MAP_FAILED, map(grant_claim(grant), PAGE, PROT_READ));
	/* ... until it is. */
	ASSERT_EQ(0, revoke_number(self->region, FLOWIPC_REVOKE_CLAIM, claim[1].id));
	ASSERT_EQ(0, grant_revoke(self->region, grant));
	EXPECT_ERRNO(EACCES, grant_claim(grant));
	EXPECT_EQ(SIGBUS, touch_read(memory[0]));
	EXPECT_EQ(SIGBUS, touch_read(memory[2]));
	EXPECT_EQ(0, touch_read(self->peer));
	for (i = 0; i < 3; i++) {
		ASSERT_EQ(0, revoke_number(self->region, FLOWIPC_REVOKE_CLAIM, claim[i].id));
		ASSERT_EQ(0, close(claim[i].fd));
	}
	ASSERT_EQ(0, region_info(self->region, &info));
	EXPECT_EQ(1, info.grants);
	EXPECT_EQ(1, info.claims);
}

TEST_F(revoke, wakes_who_sleeps_at_the_claim)
{
	struct pollfd poll_claim = { .fd = self->claim, .events = POLLIN };
	pid_t child = fork();

	ASSERT_LE(0, child);
	if (!child)
		_exit(poll(&poll_claim, 1, -1) == 1 && poll_claim.revents == POLLHUP ? 0 : 1);
	sleep_ms(20);
	ASSERT_EQ(0, revoke_number(self->region, FLOWIPC_REVOKE_CLAIM, self->claim_id));
	EXPECT_EQ(0, reap(child));
}

TEST_F(revoke, twice_is_no_error)
{
	ASSERT_EQ(0, revoke_number(self->region, FLOWIPC_REVOKE_CLAIM, self->claim_id));
	EXPECT_EQ(0, revoke_number(self->region, FLOWIPC_REVOKE_CLAIM, self->claim_id));
	EXPECT_EQ(0, revoke_number(self->region, FLOWIPC_REVOKE_GRANT, self->grant_id));
	EXPECT_EQ(0, revoke_number(self->region, FLOWIPC_REVOKE_GRANT, self->grant_id));
	ASSERT_EQ(0, grant_revoke(self->region, self->grant));
	EXPECT_EQ(0, grant_revoke(self->region, self->grant));
	EXPECT_EQ(0, grant_revoke_all(self->region));
	EXPECT_EQ(0, grant_revoke_all(self->region));
}

TEST_F(revoke, leaves_the_owner_and_other_grants_alone)
{
	/* The same pages, and some more. */
	int claim = grant_claim(grant_create(self->region, 2 * PAGE, 8 * PAGE, READ));
	char *other;
	int i;

	other = map_at(claim, 8 * PAGE, PROT_READ, 2 * PAGE);
	ASSERT_NE(MAP_FAILED, other);
	ASSERT_EQ(0, touch_read(other + 3 * PAGE));

	ASSERT_EQ(0, grant_revoke(self->region, self->grant));
	for (i = 0; i < 8; i++)
		EXPECT_EQ(0, touch_read(other + i * PAGE));
	for (i = 0; i < 16; i++)
		EXPECT_EQ(0, touch_write(self->owner + i * PAGE));
	self->owner[5 * PAGE] = 55;
	EXPECT_EQ(55, other[3 * PAGE]);
	EXPECT_NE(MAP_FAILED, map_at(claim, PAGE, PROT_READ, 4 * PAGE));
}

TEST_F(revoke, all)
{
	int grants[8], claims[8], i;
	char *memory[8];
	struct flowipc_region_info info;

	for (i = 0; i < 8; i++) {
		grants[i] = grant_create(self->region, i * PAGE, PAGE, READ);
		claims[i] = grant_claim(grants[i]);
		memory[i] = map_at(claims[i], PAGE, PROT_READ, i * PAGE);
		ASSERT_NE(MAP_FAILED, memory[i]);
		ASSERT_EQ(0, touch_read(memory[i]));
	}
	ASSERT_EQ(0, grant_revoke_all(self->region));
	for (i = 0; i < 8; i++) {
		struct pollfd peer[] = {
			{ .fd = grants[i] }, { .fd = claims[i] },
		};

		EXPECT_EQ(SIGBUS, touch_read(memory[i]));
		EXPECT_EQ(2, poll(peer, 2, 0));
		EXPECT_EQ(POLLHUP, peer[0].revents);
		EXPECT_EQ(POLLHUP, peer[1].revents);
	}
	EXPECT_EQ(SIGBUS, touch_read(self->peer));
	EXPECT_EQ(0, touch_write(self->owner));
	ASSERT_EQ(0, region_info(self->region, &info));
	EXPECT_EQ(0, info.grants);

	/* The region can be granted again. */
	claims[0] = grant_claim(grant_create(self->region, 0, PAGE, READ));
	EXPECT_NE(MAP_FAILED, map(claims[0], PAGE, PROT_READ));
}

TEST_F(revoke, is_counted)
{
	struct flowipc_region_info info;

	ASSERT_EQ(0, region_info(self->region, &info));
	EXPECT_EQ(1, info.grants);
	EXPECT_EQ(1, info.claims);
	ASSERT_EQ(0, grant_revoke(self->region, self->grant));
	ASSERT_EQ(0, region_info(self->region, &info));
	EXPECT_EQ(0, info.grants);
	EXPECT_EQ(0, info.claims);
}

TEST_F(revoke, is_reported_by_poll)
{
	struct epoll_event event = { .events = EPOLLIN };
	struct pollfd poll_grant = { .fd = self->grant, .events = POLLIN };
	int epoll = epoll_create1(EPOLL_CLOEXEC);
	int sockets[2];
	pid_t child;

	ASSERT_EQ(0, poll(&poll_grant, 1, 0));
	ASSERT_EQ(0, epoll_ctl(epoll, EPOLL_CTL_ADD, self->grant, &event));
	ASSERT_EQ(0, epoll_wait(epoll, &event, 1, 0));

	ASSERT_TRUE(socket_pair(sockets));
	child = fork();
	ASSERT_LE(0, child);
	if (!child) {
		ASSERT_TRUE(tell(sockets[1]));
		/* Asleep, most likely; at a timeout it would look again. */
		ASSERT_EQ(1, poll(&poll_grant, 1, -1));
		EXPECT_EQ(POLLHUP, poll_grant.revents);
		_exit(0);
	}
	ASSERT_TRUE(hear(sockets[0]));
	sleep_ms(20);
	ASSERT_EQ(0, grant_revoke(self->region, self->grant));
	ASSERT_EQ(0, reap(child));
	ASSERT_EQ(1, epoll_wait(epoll, &event, 1, 0));
	EXPECT_EQ(EPOLLHUP, event.events);
}

TEST_F(revoke, reaches_another_process)
{
	int grant = grant_create(self->region, 0, SIZE, READ);
	int sockets[2];
	pid_t child;

	ASSERT_TRUE(socket_pair(sockets));
	child = fork();
	ASSERT_LE(0, child);
	if (!child) {
		char *memory = map(grant_claim(grant), SIZE, PROT_READ);
		int i;

		ASSERT_NE(MAP_FAILED, memory);
		for (i = 0; i < 8; i++)
			ASSERT_EQ(0, touch_read(memory + i * PAGE));
		ASSERT_TRUE(tell(sockets[1]));
		ASSERT_TRUE(hear(sockets[1]));
		for (i = 0; i < 16; i++)
			EXPECT_EQ(SIGBUS, touch_read(memory + i * PAGE));
		_exit(0);
	}
	ASSERT_TRUE(hear(sockets[0]));
	ASSERT_EQ(0, grant_revoke(self->region, grant));
	ASSERT_TRUE(tell(sockets[0]));
	ASSERT_EQ(0, reap(child));
}

TEST_F(revoke, reaches_2_mib_mappings)
{
	int region = region_create(self->device, 4 * HUGE);
	char *owner = map(region, 4 * HUGE, PROT_READ | PROT_WRITE);
	int left = grant_create(region, 0, 2 * HUGE, READ);
	int right = grant_create(region, 2 * HUGE, 2 * HUGE, READ);
	char *peer_left, *peer_right;

	ASSERT_NE(MAP_FAILED, owner);
	memset(owner, 3, 4 * HUGE);
	peer_left = map(grant_claim(left), 2 * HUGE, PROT_READ);
	peer_right = map_at(grant_claim(right), 2 * HUGE, PROT_READ, 2 * HUGE);
	ASSERT_NE(MAP_FAILED, peer_left);
	ASSERT_NE(MAP_FAILED, peer_right);
	ASSERT_EQ(0, touch_read(peer_left));
	ASSERT_EQ(0, touch_read(peer_left + HUGE));
	ASSERT_EQ(0, touch_read(peer_right));

	ASSERT_EQ(0, grant_revoke(region, left));
	EXPECT_EQ(SIGBUS, touch_read(peer_left));
	EXPECT_EQ(SIGBUS, touch_read(peer_left + HUGE + PAGE));
	EXPECT_EQ(0, touch_read(peer_right));
	EXPECT_EQ(3, owner[0]);
	EXPECT_EQ(3, owner[4 * HUGE - 1]);
}

/*
 * The race which a revocation without the folio locks loses: a fault that has
 * passed its check puts the page back after it was taken out.
 *
 * The peer takes its pages out and faults them in again, all the time, with two
 * threads. After the revocation the owner writes 2, which the peer must not see
 * however long it goes on looking.
 */
#define RACE_ROUNDS	150

struct race {
	char *memory;
	uint64_t size;
	volatile int started;
};

static void race_stop(int signal)
{
	(void)signal;
	_exit(0);
}

static void *race_peer(void *arg)
{
	struct race *race = arg;
	volatile char *memory = race->memory;
	uint64_t at;

	for (;;) {
		for (at = 0; at < race->size; at += PAGE)
			if (memory[at] != 1)
				_exit(1);
		race->started = 1;
		madvise(race->memory, race->size, MADV_DONTNEED);
	}

	return NULL;
}

static void race_child(int grant, uint64_t size, int socket)
{
	struct race race = { .size = size };
	pthread_t thread[2];

	signal(SIGBUS, race_stop);
	race.memory = map(grant_claim(grant), size, PROT_READ);
	ASSERT_NE(MAP_FAILED, race.memory);
	ASSERT_EQ(0, pthread_create(&thread[0], NULL, race_peer, &race));
	ASSERT_EQ(0, pthread_create(&thread[1], NULL, race_peer, &race));
	while (!race.started)
		sched_yield();
	ASSERT_TRUE(tell(socket));
	pthread_join(thread[0], NULL);
}

static int revoke_only_claim(int region)
{
	struct flowipc_claim_next next;

	return claim_next(region, 0, &next, NULL, 0) ? -1 :
	       revoke_number(region, FLOWIPC_REVOKE_CLAIM, next.id);
}

static int revoke_only_grant(int region)
{
	struct flowipc_grant_next next;

	return grant_next(region, 0, &next) ? -1 :
	       revoke_number(region, FLOWIPC_REVOKE_GRANT, next.id);
}

/* Without @revoke, by the grant's descriptor. */
static void race_run(int device, uint64_t size, int (*revoke)(int region))
{
	int region, sockets[2], grant, round;
	char *owner;
	pid_t child;

	region = region_create(device, size);
	ASSERT_LE(0, region);
	owner = map(region, size, PROT_READ | PROT_WRITE);
	ASSERT_NE(MAP_FAILED, owner);

	for (round = 0; harness_once_more(round, RACE_ROUNDS); round++) {
		memset(owner, 1, size);
		grant = grant_create(region, 0, size, READ);
		ASSERT_LE(0, grant);
		ASSERT_TRUE(socket_pair(sockets));
		child = fork();
		ASSERT_LE(0, child);
		if (!child) {
			race_child(grant, size, sockets[1]);
			_exit(2);
		}
		close(sockets[1]);
		ASSERT_TRUE(hear(sockets[0]));
		if (revoke)
			ASSERT_EQ(0, revoke(region));
		else
			ASSERT_EQ(0, grant_revoke(region, grant));
		memset(owner, 2, size);
		ASSERT_EQ(0, reap(child));
		close(sockets[0]);
		close(grant);
	}
}

TEST_F_TIMEOUT(revoke, wins_every_race_of_small_pages, 300)
{
	race_run(self->device, 8 * PAGE, NULL);
}

TEST_F_TIMEOUT(revoke, wins_every_race_by_the_number_of_a_claim, 300)
{
	race_run(self->device, 8 * PAGE, revoke_only_claim);
}

TEST_F_TIMEOUT(revoke, wins_every_race_by_the_number_of_a_grant, 300)
{
	race_run(self->device, 8 * PAGE, revoke_only_grant);
}

TEST_F_TIMEOUT(revoke, wins_every_race_of_huge_pages, 300)
{
	race_run(self->device, 2 * HUGE, grant_revoke_all);
}

/*
 * Two revocations at once: neither returns before the work is done. There is a
 * lot of it, as no page is mapped together with others, and the page looked at
 * comes last.
 */
#define REVOKERS_SIZE	(16 * HUGE)

struct revoker {
	int region;
	int grant;
	char *peer;
	pthread_barrier_t *start;
};

static void *revoke_and_look(void *arg)
{
	struct revoker *revoker = arg;
	int ends[2];

	if (pipe(ends))
		return "pipe";
	pthread_barrier_wait(revoker->start);
	if (grant_revoke(revoker->region, revoker->grant))
		return "revoke";
	/* write() looks without a signal, which threads would share. */
	if (write(ends[1], revoker->peer + REVOKERS_SIZE - PAGE, 1) != -1)
		return "readable";
	close(ends[0]);
	close(ends[1]);

	return NULL;
}

static void revoke_by_two(int region, char *where)
{
	int grant = grant_create(region, 0, REVOKERS_SIZE, READ);
	int claim = grant_claim(grant);
	pthread_barrier_t start;
	struct revoker revoker = { region, grant, where, &start };
	pthread_t thread[2];
	void *result[2];
	int i;

	ASSERT_EQ(where, mmap(where, REVOKERS_SIZE, PROT_READ,
			      MAP_SHARED | MAP_FIXED | MAP_POPULATE, claim, 0));
	pthread_barrier_init(&start, NULL, 2);
	for (i = 0; i < 2; i++)
		ASSERT_EQ(0, pthread_create(&thread[i], NULL, revoke_and_look, &revoker));
	for (i = 0; i < 2; i++) {
		ASSERT_EQ(0, pthread_join(thread[i], &result[i]));
		ASSERT_STREQ("", result[i] ? (char *)result[i] : "");
	}
	pthread_barrier_destroy(&start);
	ASSERT_EQ(0, close(claim));
	ASSERT_EQ(0, close(grant));
}

TEST_F_TIMEOUT(revoke, by_two_threads_at_once, 300)
{
	int region = region_create(self->device, REVOKERS_SIZE), round;
	char *where = mmap(NULL, REVOKERS_SIZE + 2 * HUGE, PROT_NONE,
			   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	ASSERT_LE(0, region);
	ASSERT_NE(MAP_FAILED, where);
	/* Never on a 2 MiB boundary. */
	where = (char *)(((uintptr_t)where | (HUGE - 1)) + 1 + PAGE);
	for (round = 0; harness_once_more(round, 30); round++)
		revoke_by_two(region, where);
}

TEST_F(revoke, while_the_grant_is_closed_and_made)
{
	int round, other;

	/* What walks the lists which another process changes. */
	other = fork();
	ASSERT_LE(0, other);
	if (!other) {
		for (;;) {
			int grant = grant_create(self->region, 0, PAGE, READ);
			int claim;

			if (grant == -1)
				_exit(1);
			claim = grant_claim(grant);
			munmap(map(claim, PAGE, PROT_READ), PAGE);
			close(claim);
			close(grant);
		}
	}
	for (round = 0; round < 2000; round++) {
		struct flowipc_grant_next grant = {};
		struct flowipc_claim_next claim = {};
		char exe[4096];

		while (!grant_next(self->region, grant.id, &grant))
			if (round % 4 == 1)
				revoke_number(self->region, FLOWIPC_REVOKE_GRANT, grant.id);
		while (!claim_next(self->region, claim.id, &claim, exe, sizeof(exe)))
			if (round % 4 == 2)
				revoke_number(self->region, FLOWIPC_REVOKE_CLAIM, claim.id);
		if (round % 4 == 3)
			ASSERT_EQ(0, grant_revoke_all(self->region));
	}
	ASSERT_EQ(0, kill(other, SIGKILL));
	ASSERT_EQ(256 + SIGKILL, reap(other));
}

HARNESS_MAIN
