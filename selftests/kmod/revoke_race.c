// SPDX-License-Identifier: GPL-2.0-only
/*
 * Revocation while others do their best to keep what they have, or revoke, grant
 * and claim at the same time.
 */
#include <pthread.h>

#include "harness.h"
#include "objects.h"

/* A region whose pages 4 to 7 are granted, claimed and mapped by us. */
FIXTURE(revoke) {
	int device;
	int region;
	int grant;
	int claim;
};

FIXTURE_SETUP(revoke)
{
	self->device = device_open();
	ASSERT_LE(0, self->device);
	self->region = region_create(self->device, 16 * PAGE);
	ASSERT_LE(0, self->region);
	self->grant = grant_create(self->region, 4 * PAGE, 4 * PAGE, READ | WRITE);
	ASSERT_LE(0, self->grant);
	self->claim = grant_claim(self->grant);
	ASSERT_LE(0, self->claim);
	ASSERT_NE(MAP_FAILED,
		  map_at(self->claim, 4 * PAGE, PROT_READ | PROT_WRITE, 4 * PAGE));
}

FIXTURE_TEARDOWN(revoke)
{
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
