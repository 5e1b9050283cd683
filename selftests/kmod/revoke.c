// SPDX-License-Identifier: GPL-2.0-only
/* Revocation: when REVOKE has returned, the peer has nothing left. */
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

HARNESS_MAIN
