// SPDX-License-Identifier: GPL-2.0-only
/* Lifetimes: an object goes with its last descriptor or mapping, not before. */
#include <sys/inotify.h>
#include <sys/stat.h>

#include "harness.h"
#include "objects.h"

#define SIZE	(16 * PAGE)

FIXTURE(lifetime) {
	int device;
	int region;
	uint64_t used;
};

FIXTURE_SETUP(lifetime)
{
	self->device = device_open();
	ASSERT_LE(0, self->device);
	self->used = used_total_bytes(self->device);
	self->region = region_create(self->device, SIZE);
	ASSERT_LE(0, self->region);
	ASSERT_EQ(self->used + SIZE, used_total_bytes(self->device));
}

FIXTURE_TEARDOWN(lifetime)
{
}

static bool all_given_back(struct lifetime *self)
{
	return EVENTUALLY(used_total_bytes(self->device) == self->used);
}

TEST_F(lifetime, closing_twice_is_an_error_of_the_caller)
{
	int grant = grant_create(self->region, 0, PAGE, READ);
	int ends[2];

	ASSERT_EQ(0, channel_create(self->device, ends));
	ASSERT_EQ(0, close(grant));
	EXPECT_ERRNO(EBADF, close(grant));
	ASSERT_EQ(0, close(ends[0]));
	EXPECT_ERRNO(EBADF, close(ends[0]));
	ASSERT_EQ(0, close(self->region));
	EXPECT_ERRNO(EBADF, close(self->region));
	EXPECT_ERRNO(EBADF, grant_create(self->region, 0, PAGE, READ));
	EXPECT_EQ(HUP, channel_wait(ends[1], MESSAGE, FOREVER));
	EXPECT_EQ(self->used, used_total_bytes(self->device));
}

TEST_F(lifetime, a_mapping_outlives_the_descriptor)
{
	char *memory = map(self->region, SIZE, PROT_READ | PROT_WRITE);

	ASSERT_NE(MAP_FAILED, memory);
	ASSERT_EQ(0, close(self->region));
	EXPECT_EQ(0, touch_write(memory));
	EXPECT_EQ(0, touch_write(memory + SIZE - 1));
	EXPECT_EQ(self->used + SIZE, used_total_bytes(self->device));

	/* Not even a part of it may go early. */
	ASSERT_EQ(0, munmap(memory, SIZE - PAGE));
	EXPECT_EQ(0, touch_write(memory + SIZE - 1));
	EXPECT_EQ(self->used + SIZE, used_total_bytes(self->device));
	ASSERT_EQ(0, munmap(memory + SIZE - PAGE, PAGE));
	EXPECT_EQ(self->used, used_total_bytes(self->device));
}

TEST_F(lifetime, a_grant_outlives_the_owner)
{
	int grant = grant_create(self->region, PAGE, 2 * PAGE, READ);
	char *memory = map(self->region, SIZE, PROT_READ | PROT_WRITE);
	char *peer;
	int claim;

	ASSERT_NE(MAP_FAILED, memory);
	memory[PAGE] = 42;
	ASSERT_EQ(0, munmap(memory, SIZE));
	ASSERT_EQ(0, close(self->region));

	/* What was sent can be read to the end. */
	claim = grant_claim(grant);
	ASSERT_EQ(0, close(grant));
	peer = map_at(claim, PAGE, PROT_READ, PAGE);
	ASSERT_NE(MAP_FAILED, peer);
	EXPECT_EQ(42, peer[0]);
	ASSERT_EQ(0, close(claim));
	EXPECT_EQ(42, peer[0]);
	EXPECT_EQ(self->used + SIZE, used_total_bytes(self->device));
	ASSERT_EQ(0, munmap(peer, PAGE));
	EXPECT_EQ(self->used, used_total_bytes(self->device));
}

TEST_F(lifetime, a_revoked_grant_still_holds_the_region)
{
	int grant = grant_create(self->region, 0, SIZE, READ);

	ASSERT_EQ(0, grant_revoke(self->region, grant));
	ASSERT_EQ(0, close(self->region));
	EXPECT_EQ(self->used + SIZE, used_total_bytes(self->device));
	ASSERT_EQ(0, close(grant));
	EXPECT_EQ(self->used, used_total_bytes(self->device));
}

TEST_F(lifetime, a_child_holds_what_it_inherited)
{
	char *memory = map(self->region, SIZE, PROT_READ | PROT_WRITE);
	int sockets[2];
	pid_t child;

	ASSERT_NE(MAP_FAILED, memory);
	memory[0] = 7;
	ASSERT_TRUE(socket_pair(sockets));
	child = fork();
	ASSERT_LE(0, child);
	if (!child) {
		close(self->region);
		ASSERT_TRUE(hear(sockets[1]));
		EXPECT_EQ(7, memory[0]);
		_exit(0);
	}
	ASSERT_EQ(0, munmap(memory, SIZE));
	ASSERT_EQ(0, close(self->region));
	EXPECT_EQ(self->used + SIZE, used_total_bytes(self->device));
	ASSERT_TRUE(tell(sockets[0]));
	ASSERT_EQ(0, reap(child));
	EXPECT_TRUE(all_given_back(self));
}

TEST_F(lifetime, exec_closes_all)
{
	pid_t child = fork();

	ASSERT_LE(0, child);
	if (!child) {
		ASSERT_NE(MAP_FAILED, map(self->region, SIZE, PROT_READ));
		/* Exec lets go of the descriptors and of the mapping. */
		execl("/proc/self/exe", "lifetime", "--sleep", NULL);
		ASSERT_TRUE(false);
	}
	ASSERT_EQ(0, close(self->region));
	EXPECT_TRUE(all_given_back(self));
	/* It is still there: the memory went before it did. */
	EXPECT_EQ(0, kill(child, SIGKILL));
	EXPECT_EQ(256 + SIGKILL, reap(child));
}

TEST_F(lifetime, kill_9_gives_all_back)
{
	int sockets[2], round;
	pid_t child;

	for (round = 0; round < 20; round++) {
		ASSERT_TRUE(socket_pair(sockets));
		child = fork();
		ASSERT_LE(0, child);
		if (!child) {
			int region = region_create(self->device, 4 * HUGE);
			char *memory = map(region, 4 * HUGE, PROT_READ | PROT_WRITE);
			int claim = grant_claim(grant_create(region, 0, HUGE, READ));
			int ends[2];

			ASSERT_NE(MAP_FAILED, memory);
			ASSERT_NE(MAP_FAILED, map(claim, HUGE, PROT_READ));
			ASSERT_EQ(0, channel_create(self->device, ends));
			ASSERT_TRUE(tell(sockets[1]));
			for (;;)
				memset(memory, round, 4 * HUGE);
		}
		ASSERT_TRUE(hear(sockets[0]));
		ASSERT_EQ(self->used + SIZE + 4 * HUGE, used_total_bytes(self->device));
		ASSERT_EQ(0, kill(child, SIGKILL));
		ASSERT_EQ(256 + SIGKILL, reap(child));
		ASSERT_TRUE(EVENTUALLY(used_total_bytes(self->device) == self->used + SIZE));
		close(sockets[0]);
		close(sockets[1]);
	}
}

TEST_F_TIMEOUT(lifetime, kill_9_during_creation_gives_all_back, 120)
{
	const uint64_t size = 128ULL << 20;
	bool seen = false;
	pid_t child;
	int round;

	for (round = 0; round < 10; round++) {
		child = fork();
		ASSERT_LE(0, child);
		if (!child) {
			for (;;)
				close(region_create(self->device, size));
		}
		seen |= EVENTUALLY(used_total_bytes(self->device) == self->used + SIZE + size);
		sleep_ms(round);
		ASSERT_EQ(0, kill(child, SIGKILL));
		ASSERT_EQ(256 + SIGKILL, reap(child));
		ASSERT_TRUE(EVENTUALLY(used_total_bytes(self->device) == self->used + SIZE));
	}
	EXPECT_TRUE(seen);
}

TEST_F(lifetime, the_last_closer_may_be_another_process)
{
	int sockets[2], grant;
	pid_t child;

	ASSERT_TRUE(socket_pair(sockets));
	child = fork();
	ASSERT_LE(0, child);
	if (!child) {
		int region;

		close(self->region);
		region = recv_fd(sockets[1]);
		grant = recv_fd(sockets[1]);
		ASSERT_LE(0, region);
		ASSERT_LE(0, grant);
		ASSERT_TRUE(tell(sockets[1]));
		ASSERT_TRUE(hear(sockets[1]));
		/* A received region is a region, with all its rights. */
		EXPECT_EQ(0, grant_revoke(region, grant));
		EXPECT_LE(0, grant_create(region, 0, PAGE, READ));
		EXPECT_NE(MAP_FAILED, map(region, SIZE, PROT_READ | PROT_WRITE));
		_exit(0);
	}
	grant = grant_create(self->region, 0, PAGE, READ);
	ASSERT_TRUE(send_fd(sockets[0], self->region));
	ASSERT_TRUE(send_fd(sockets[0], grant));
	ASSERT_TRUE(hear(sockets[0]));
	ASSERT_EQ(0, close(grant));
	ASSERT_EQ(0, close(self->region));
	EXPECT_EQ(self->used + SIZE, used_total_bytes(self->device));
	ASSERT_TRUE(tell(sockets[0]));
	ASSERT_EQ(0, reap(child));
	EXPECT_TRUE(all_given_back(self));
}

TEST_F(lifetime, a_descriptor_in_flight_holds_the_region)
{
	int sockets[2], again;

	ASSERT_TRUE(socket_pair(sockets));
	ASSERT_TRUE(send_fd(sockets[0], self->region));
	ASSERT_EQ(0, close(self->region));
	EXPECT_EQ(self->used + SIZE, used_total_bytes(self->device));
	again = recv_fd(sockets[1]);
	ASSERT_LE(0, again);
	EXPECT_NE(MAP_FAILED, map(again, SIZE, PROT_READ));

	/* And one that nobody will ever receive goes with its socket. */
	again = region_create(self->device, PAGE);
	ASSERT_LE(0, again);
	ASSERT_TRUE(send_fd(sockets[0], again));
	ASSERT_EQ(0, close(again));
	ASSERT_EQ(0, close(sockets[0]));
	ASSERT_EQ(0, close(sockets[1]));
	EXPECT_TRUE(EVENTUALLY(used_total_bytes(self->device) == self->used + SIZE));
}

/* A peer who watches the file does not keep the memory. */
TEST_F(lifetime, inotify_holds_nothing)
{
	int grant = grant_create(self->region, 0, PAGE, READ);
	/* Whatever ends only with the last region of all does not count. */
	int other = region_create(self->device, PAGE);
	int watch = inotify_init1(IN_CLOEXEC);
	char path[32];

	ASSERT_LE(0, watch);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", grant);
	if (inotify_add_watch(watch, path, IN_ALL_EVENTS) == -1)
		SKIP(return, "it cannot be watched at all: %s", strerror(errno));
	snprintf(path, sizeof(path), "/proc/self/fd/%d", self->region);
	ASSERT_LE(0, inotify_add_watch(watch, path, IN_ALL_EVENTS));
	ASSERT_EQ(0, close(self->region));
	ASSERT_EQ(0, close(grant));
	EXPECT_TRUE(EVENTUALLY(used_total_bytes(self->device) == self->used + PAGE));
	ASSERT_EQ(0, close(other));
}

int main(int argc, char **argv)
{
	if (argc == 2 && !strcmp(argv[1], "--sleep"))
		return pause();

	return harness_main(argc, argv);
}
