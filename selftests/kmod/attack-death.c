// SPDX-License-Identifier: GPL-2.0-only
/* Attacks by sudden death: of owner and claimer at once, in each other's way. */
#include "attack-lifetime.h"

/*
 * Class 18, deadlocks at exit. Owner and claimer both fault all the time, the
 * one revokes and the other claims, and both are killed in the middle of it.
 * They must end, and nothing of them may stay.
 */
static void fault_all_the_time(void *argument)
{
	char *memory = argument;
	uint64_t at;

	/* A path in revoked memory gives EFAULT, where an access kills. */
	for (at = 0; at < HUGE; at += 16 * PAGE)
		access(memory + at, F_OK);
	madvise(memory, HUGE, MADV_DONTNEED);
}

static void peer_until_killed(int grant, int end, int socket)
{
	ASSERT_TRUE(tell(socket));
	for (;;) {
		int claim = grant_claim(grant);
		char *memory = map(claim, HUGE, PROT_READ | PROT_WRITE);

		close(claim);
		if (memory == MAP_FAILED)
			continue;
		channel_kick(end, MESSAGE);
		fault_all_the_time(memory);
		munmap(memory, HUGE);
	}
}

static void owner_until_killed(int region, int end)
{
	char *memory = map(region, HUGE, PROT_READ | PROT_WRITE);
	struct storm storm;

	ASSERT_NE(MAP_FAILED, memory);
	ASSERT_TRUE(storm_start(&storm, fault_all_the_time, memory));
	for (;;) {
		struct flowipc_claim_next next = {};

		if (ioctl(region, FLOWIPC_IOC_CLAIM_NEXT, &next))
			channel_wait(end, MESSAGE, in_ms(1));
		else
			revoke_number(region, FLOWIPC_REVOKE_CLAIM, next.id);
	}
}

static void kill_both(struct attack *self, uint32_t flags)
{
	int round;

	for (round = 0; round < 15; round++) {
		int region = region_create_as(self->device, HUGE, flags);
		int grant = grant_create_for(region, 0, HUGE, READ | WRITE,
					     FLOWIPC_GRANT_MANY, 0, 0);
		int sockets[2], ends[2];
		pid_t owner, peer;

		ASSERT_LE(0, grant);
		ASSERT_EQ(0, channel_create(self->device, ends));
		ASSERT_TRUE(socket_pair(sockets));
		peer = fork();
		ASSERT_LE(0, peer);
		if (!peer) {
			close(region);
			close(ends[0]);
			peer_until_killed(grant, ends[1], sockets[1]);
		}
		owner = fork();
		ASSERT_LE(0, owner);
		if (!owner) {
			close(grant);
			close(ends[1]);
			owner_until_killed(region, ends[0]);
		}
		ASSERT_EQ(0, close(region));
		ASSERT_EQ(0, close(grant));
		ASSERT_EQ(0, close(ends[0]));
		ASSERT_EQ(0, close(ends[1]));
		ASSERT_TRUE(hear(sockets[0]));
		sleep_ms(20 + round * 3);
		/* In either order, at the same moment. */
		ASSERT_EQ(0, kill(round % 2 ? owner : peer, SIGKILL));
		ASSERT_EQ(0, kill(round % 2 ? peer : owner, SIGKILL));
		ASSERT_EQ(256 + SIGKILL, reap(owner));
		ASSERT_EQ(256 + SIGKILL, reap(peer));
		close(sockets[0]);
		close(sockets[1]);
		ASSERT_TRUE(only_the_region_is_left(self));
	}
}

TEST_F_TIMEOUT(attack, kill_both_peers_in_a_fault, 300)
{
	kill_both(self, 0);
}

TEST_F_TIMEOUT(attack, kill_both_peers_in_a_fault_of_a_strict_region, 300)
{
	kill_both(self, FLOWIPC_REGION_STRICT);
}

HARNESS_MAIN
