// SPDX-License-Identifier: GPL-2.0-only
/* The end of the owner: who keeps the memory, who loses it, who is told. */
#include "harness.h"
#include "objects.h"

#define SIZE	(16 * PAGE)

/* A region whose first pages are claimed by us twice: @lost expires. */
FIXTURE(expiry) {
	int device;
	int region;
	char *owner;
	int lost_grant;
	int lost_claim;
	char *lost;
	int kept_grant;
	int kept_claim;
	char *kept;
};

FIXTURE_SETUP(expiry)
{
	self->device = device_open();
	ASSERT_LE(0, self->device);
	self->region = region_create(self->device, SIZE);
	ASSERT_LE(0, self->region);
	self->owner = map(self->region, SIZE, PROT_READ | PROT_WRITE);
	ASSERT_NE(MAP_FAILED, self->owner);
	memset(self->owner, 1, SIZE);

	self->lost_grant = grant_create_for(self->region, 0, 4 * PAGE, READ,
					    FLOWIPC_GRANT_EXPIRE, 0, 0);
	self->lost_claim = grant_claim(self->lost_grant);
	self->lost = map(self->lost_claim, 4 * PAGE, PROT_READ);
	ASSERT_NE(MAP_FAILED, self->lost);
	ASSERT_EQ(0, touch_read(self->lost));

	self->kept_grant = grant_create(self->region, 0, 4 * PAGE, READ);
	self->kept_claim = grant_claim(self->kept_grant);
	self->kept = map(self->kept_claim, 4 * PAGE, PROT_READ);
	ASSERT_NE(MAP_FAILED, self->kept);
	ASSERT_EQ(0, touch_read(self->kept));
}

FIXTURE_TEARDOWN(expiry)
{
}

static void expect_owner(struct expiry *self)
{
	EXPECT_EQ(0, touch_read(self->lost));
	EXPECT_EQ(0, touch_read(self->kept));
	EXPECT_EQ(0, poll_now(self->lost_grant, POLLIN | POLLRDHUP));
	EXPECT_EQ(0, poll_now(self->lost_claim, POLLIN | POLLRDHUP));
	EXPECT_EQ(0, poll_now(self->kept_grant, POLLIN | POLLRDHUP));
	EXPECT_EQ(0, poll_now(self->kept_claim, POLLIN | POLLRDHUP));
}

/* Poll may tell of it while the pages are still being taken out. */
static bool is_over(struct expiry *self)
{
	int i;

	for (i = 0; i < 4; i++)
		if (touch_read(self->lost + i * PAGE) != SIGBUS)
			return false;
	return poll_now(self->lost_claim, 0) == POLLHUP;
}

static void expect_no_owner(struct expiry *self)
{
	int i;

	for (i = 0; i < 4; i++) {
		EXPECT_EQ(SIGBUS, touch_read(self->lost + i * PAGE));
		EXPECT_EQ(0, touch_read(self->kept + i * PAGE));
	}
	EXPECT_EQ(1, self->kept[0]);

	EXPECT_ERRNO(EACCES, map(self->lost_claim, PAGE, PROT_READ));
	EXPECT_ERRNO(EACCES, grant_claim(self->lost_grant));
	EXPECT_NE(MAP_FAILED, map(self->kept_claim, PAGE, PROT_READ));
	EXPECT_LE(0, grant_claim(self->kept_grant));

	EXPECT_EQ(POLLHUP | POLLRDHUP, poll_now(self->lost_grant, POLLIN | POLLRDHUP));
	EXPECT_EQ(POLLHUP | POLLRDHUP, poll_now(self->lost_claim, POLLIN | POLLRDHUP));
	EXPECT_EQ(POLLRDHUP, poll_now(self->kept_grant, POLLIN | POLLRDHUP));
	EXPECT_EQ(POLLRDHUP, poll_now(self->kept_claim, POLLIN | POLLRDHUP));
	/* Who did not ask is told of a revocation alone. */
	EXPECT_EQ(POLLHUP, poll_now(self->lost_claim, POLLIN));
	EXPECT_EQ(0, poll_now(self->kept_claim, POLLIN));
}

TEST_F(expiry, by_the_last_of_descriptor_and_mapping)
{
	int copy = dup(self->region);

	ASSERT_EQ(0, close(self->region));
	expect_owner(self);
	ASSERT_EQ(0, munmap(self->owner, SIZE));
	expect_owner(self);
	ASSERT_EQ(0, close(copy));
	/* Not later than close() returns. */
	expect_no_owner(self);
}

TEST_F(expiry, by_munmap)
{
	ASSERT_EQ(0, close(self->region));
	ASSERT_EQ(0, munmap(self->owner, SIZE - PAGE));
	expect_owner(self);
	ASSERT_EQ(0, munmap(self->owner + SIZE - PAGE, PAGE));
	expect_no_owner(self);
}

/* An owner in another process, which has nothing of ours but the region. */
static pid_t pass_on(struct expiry *self, const char *how)
{
	int sockets[2];
	pid_t child;

	ASSERT_TRUE(socket_pair(sockets));
	child = fork();
	ASSERT_LE(0, child);
	if (!child) {
		ASSERT_TRUE(tell(sockets[1]));
		ASSERT_TRUE(hear(sockets[1]));
		if (!strcmp(how, "exec"))
			execl("/proc/self/exe", "expiry", "--sleep", NULL);
		while (strcmp(how, "exit"))
			pause();
		_exit(0);
	}
	ASSERT_TRUE(hear(sockets[0]));
	ASSERT_EQ(0, munmap(self->owner, SIZE));
	ASSERT_EQ(0, close(self->region));
	expect_owner(self);
	ASSERT_TRUE(tell(sockets[0]));

	return child;
}

TEST_F(expiry, by_exit)
{
	pid_t child = pass_on(self, "exit");

	ASSERT_EQ(0, reap(child));
	expect_no_owner(self);
}

TEST_F(expiry, by_kill_9)
{
	pid_t child = pass_on(self, "sleep");

	ASSERT_EQ(0, kill(child, SIGKILL));
	ASSERT_EQ(256 + SIGKILL, reap(child));
	expect_no_owner(self);
}

TEST_F(expiry, by_exec)
{
	pid_t child = pass_on(self, "exec");

	EXPECT_TRUE(EVENTUALLY(is_over(self)));
	expect_no_owner(self);
	ASSERT_EQ(0, kill(child, SIGKILL));
	ASSERT_EQ(256 + SIGKILL, reap(child));
}

TEST_F(expiry, not_by_the_end_of_one_of_two_owners)
{
	pid_t child = fork();

	ASSERT_LE(0, child);
	if (!child)
		_exit(0);
	ASSERT_EQ(0, reap(child));
	expect_owner(self);
}

/* A region on its way to somebody has an owner, until nobody can get it. */
TEST_F(expiry, by_a_socket_with_the_region_in_it)
{
	int sockets[2];

	ASSERT_TRUE(socket_pair(sockets));
	ASSERT_TRUE(send_fd(sockets[0], self->region));
	ASSERT_EQ(0, munmap(self->owner, SIZE));
	ASSERT_EQ(0, close(self->region));
	expect_owner(self);
	ASSERT_EQ(0, close(sockets[0]));
	ASSERT_EQ(0, close(sockets[1]));
	EXPECT_TRUE(EVENTUALLY(is_over(self)));
	expect_no_owner(self);
}

TEST_F(expiry, wakes_who_sleeps_in_poll)
{
	struct pollfd peer[2] = {
		{ .fd = self->kept_claim, .events = POLLRDHUP },
		{ .fd = self->kept_grant, .events = POLLRDHUP },
	};
	pid_t owner = pass_on(self, "sleep"), child[2];
	int i;

	for (i = 0; i < 2; i++) {
		child[i] = fork();
		ASSERT_LE(0, child[i]);
		if (!child[i])
			_exit(poll(&peer[i], 1, -1) == 1 &&
			      peer[i].revents == POLLRDHUP ? 0 : 1);
	}
	sleep_ms(20);
	ASSERT_EQ(0, kill(owner, SIGKILL));
	for (i = 0; i < 2; i++)
		EXPECT_EQ(0, reap(child[i]));
	ASSERT_EQ(256 + SIGKILL, reap(owner));
}

TEST_F(expiry, of_what_was_never_claimed_or_is_revoked)
{
	int unclaimed = grant_create_for(self->region, 0, SIZE, READ,
					 FLOWIPC_GRANT_EXPIRE, 0, 0);

	ASSERT_EQ(0, grant_revoke(self->region, self->lost_grant));
	ASSERT_EQ(0, close(self->region));
	ASSERT_EQ(0, munmap(self->owner, SIZE));
	expect_no_owner(self);
	EXPECT_ERRNO(EACCES, grant_claim(unclaimed));
}

int main(int argc, char **argv)
{
	if (argc == 2 && !strcmp(argv[1], "--sleep"))
		return pause();

	return harness_main(argc, argv);
}
