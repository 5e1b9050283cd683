// SPDX-License-Identifier: GPL-2.0-only
/* What an owner is told: that grants are claimed and dropped, and by whom. */
#include <pthread.h>
#include <sched.h>
#include <sys/epoll.h>
#include <sys/sendfile.h>
#include <sys/stat.h>

#include "harness.h"
#include "objects.h"

#define SIZE	(16 * PAGE)

FIXTURE(owner) {
	int device;
	int region;
};

FIXTURE_SETUP(owner)
{
	self->device = device_open();
	ASSERT_LE(0, self->device);
	self->region = region_create(self->device, SIZE);
	ASSERT_LE(0, self->region);
}

FIXTURE_TEARDOWN(owner)
{
}

static int grant_page(struct owner *self, uint32_t flags)
{
	int grant = grant_create_for(self->region, 0, PAGE, READ, flags, 0, 0);

	ASSERT_LE(0, grant);

	return grant;
}

static bool has_news(struct owner *self)
{
	return poll_now(self->region, POLLIN) == POLLIN;
}

static struct flowipc_region_info info_of(struct owner *self)
{
	struct flowipc_region_info info;

	ASSERT_EQ(0, region_info(self->region, &info));

	return info;
}

/* A process which does what it is told, and keeps it. */
struct peer {
	pid_t pid;
	int socket;
};

static struct peer peer_start(void (*serve)(int socket))
{
	struct peer peer;
	int sockets[2];

	ASSERT_TRUE(socket_pair(sockets));
	peer.pid = fork();
	ASSERT_LE(0, peer.pid);
	if (!peer.pid) {
		close(sockets[0]);
		serve(sockets[1]);
		_exit(0);
	}
	close(sockets[1]);
	peer.socket = sockets[0];

	return peer;
}

/* Claims the grant it is sent, and holds nothing else of us. */
static void serve_claim(int socket)
{
	int grant, claim;

	ASSERT_EQ(0, close_range(3, socket - 1, 0));
	grant = recv_fd(socket);
	claim = grant_claim(grant);
	ASSERT_LE(0, claim);
	ASSERT_EQ(0, close(grant));
	ASSERT_NE(MAP_FAILED, map(claim, PAGE, PROT_READ));
	ASSERT_TRUE(tell(socket));
	hear(socket);
}

static struct peer peer_claims(int grant, void (*serve)(int socket))
{
	struct peer peer = peer_start(serve);

	ASSERT_TRUE(send_fd(peer.socket, grant));
	ASSERT_TRUE(hear(peer.socket));

	return peer;
}

static void peer_kill(struct peer *peer)
{
	ASSERT_EQ(0, kill(peer->pid, SIGKILL));
	ASSERT_EQ(256 + SIGKILL, reap(peer->pid));
	close(peer->socket);
}

TEST_F(owner, is_told_of_a_claim)
{
	int grant = grant_page(self, 0);

	/* Making one is no news to who makes it. */
	EXPECT_FALSE(has_news(self));
	ASSERT_LE(0, grant_claim(grant));
	EXPECT_TRUE(has_news(self));
	EXPECT_TRUE(has_news(self));
	EXPECT_EQ(1, info_of(self).claimed);
	EXPECT_FALSE(has_news(self));
	EXPECT_EQ(1, info_of(self).claimed);
	EXPECT_EQ(0, info_of(self).dropped);
}

TEST_F(owner, is_not_told_of_a_refused_claim)
{
	int grant = grant_create_for(self->region, 0, PAGE, READ,
				     FLOWIPC_GRANT_UID, USER, 0);
	struct flowipc_claim *unwritable = mmap(NULL, PAGE, PROT_READ,
						MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	EXPECT_ERRNO(EPERM, grant_claim(grant));
	EXPECT_ERRNO(EFAULT, ioctl(grant_page(self, 0), FLOWIPC_IOC_CLAIM, unwritable));
	EXPECT_FALSE(has_news(self));
	EXPECT_EQ(0, info_of(self).claimed);
	EXPECT_EQ(0, info_of(self).claims);
}

TEST_F(owner, is_told_of_a_dropped_claim)
{
	int claim = grant_claim(grant_page(self, 0));
	char *memory = map(claim, PAGE, PROT_READ);

	ASSERT_NE(MAP_FAILED, memory);
	EXPECT_EQ(1, info_of(self).claims);
	ASSERT_EQ(0, close(claim));
	EXPECT_FALSE(has_news(self));
	ASSERT_EQ(0, munmap(memory, PAGE));
	EXPECT_TRUE(has_news(self));
	EXPECT_EQ(1, info_of(self).dropped);
	EXPECT_EQ(0, info_of(self).claims);
	EXPECT_FALSE(has_news(self));
}

/* Whoever else still has the ticket. */
TEST_F(owner, is_told_of_a_killed_claimer)
{
	int grant = grant_page(self, 0);
	struct peer peer = peer_claims(grant, serve_claim);

	EXPECT_TRUE(has_news(self));
	EXPECT_EQ(1, info_of(self).claims);
	peer_kill(&peer);
	EXPECT_TRUE(has_news(self));
	EXPECT_EQ(0, info_of(self).claims);
	EXPECT_EQ(1, info_of(self).grants);
	EXPECT_EQ(1, info_of(self).dropped);
}

TEST_F(owner, is_told_of_a_dropped_grant)
{
	int grant = grant_page(self, 0);
	int copy = dup(grant);
	int claimed = grant_page(self, 0);
	int claim = grant_claim(claimed);

	EXPECT_EQ(1, info_of(self).claimed);
	ASSERT_EQ(0, close(grant));
	EXPECT_FALSE(has_news(self));
	ASSERT_EQ(0, close(copy));
	EXPECT_TRUE(has_news(self));
	EXPECT_EQ(1, info_of(self).dropped);

	/* The ticket of a claimed one is of no account, ... */
	ASSERT_EQ(0, close(claimed));
	EXPECT_FALSE(has_news(self));
	EXPECT_EQ(1, info_of(self).grants);
	/* ... and is not counted again when the claim is dropped. */
	ASSERT_EQ(0, close(claim));
	EXPECT_TRUE(has_news(self));
	EXPECT_EQ(2, info_of(self).dropped);
	EXPECT_EQ(0, info_of(self).grants);
}

TEST_F(owner, is_not_told_of_a_grant_that_was_not_made)
{
	struct flowipc_grant *unwritable = mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
						MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	*unwritable = (struct flowipc_grant){ .length = PAGE, .rights = READ };
	ASSERT_EQ(0, mprotect(unwritable, PAGE, PROT_READ));
	EXPECT_ERRNO(EFAULT, ioctl(self->region, FLOWIPC_IOC_GRANT, unwritable));
	EXPECT_FALSE(has_news(self));
	EXPECT_EQ(0, info_of(self).grants);
	EXPECT_EQ(0, info_of(self).dropped);
}

/* What @act does with @fd ends a poll, and is seen by epoll. */
static int expect_woken(struct owner *self, int (*act)(int fd), int fd)
{
	struct epoll_event event = { .events = EPOLLIN };
	struct pollfd poll_region = { .fd = self->region, .events = POLLIN };
	int epoll = epoll_create1(EPOLL_CLOEXEC);
	int sockets[2], result;
	pid_t child;

	ASSERT_EQ(0, epoll_ctl(epoll, EPOLL_CTL_ADD, self->region, &event));
	ASSERT_EQ(0, epoll_wait(epoll, &event, 1, 0));
	ASSERT_TRUE(socket_pair(sockets));
	child = fork();
	ASSERT_LE(0, child);
	if (!child) {
		/* Or it would not be closed by its last descriptor. */
		close(fd);
		ASSERT_TRUE(tell(sockets[1]));
		/* Asleep, most likely; at a timeout it would look again. */
		ASSERT_EQ(1, poll(&poll_region, 1, -1));
		EXPECT_EQ(POLLIN, poll_region.revents);
		_exit(0);
	}
	ASSERT_TRUE(hear(sockets[0]));
	sleep_ms(20);
	result = act(fd);
	ASSERT_LE(0, result);
	ASSERT_EQ(0, reap(child));
	ASSERT_EQ(1, epoll_wait(epoll, &event, 1, 0));
	EXPECT_EQ(EPOLLIN, event.events);
	info_of(self);
	close(epoll);

	return result;
}

TEST_F(owner, is_woken)
{
	int claim = expect_woken(self, grant_claim, grant_page(self, 0));

	expect_woken(self, close, claim);
	expect_woken(self, close, grant_page(self, 0));
}

/* Only what was told is no news: an unreadable answer ends nothing. */
TEST_F(owner, is_told_again_when_it_could_not_listen)
{
	struct flowipc_region_info *unwritable = mmap(NULL, PAGE, PROT_READ,
						      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	ASSERT_LE(0, grant_claim(grant_page(self, 0)));
	EXPECT_ERRNO(EFAULT, ioctl(self->region, FLOWIPC_IOC_REGION_INFO, unwritable));
	EXPECT_TRUE(has_news(self));
}

#define STORM	2000

/* A claimer which makes and drops as fast as it can. */
static void serve_storm(int socket)
{
	int grant = recv_fd(socket), i;

	ASSERT_TRUE(tell(socket));
	for (i = 0; i < STORM; i++)
		ASSERT_EQ(0, close(grant_claim(grant)));
	hear(socket);
}

/* Every one is counted, and the last of them is heard by who only listens. */
TEST_F_TIMEOUT(owner, misses_nothing, 120)
{
	int grant = grant_page(self, FLOWIPC_GRANT_MANY), i;
	struct pollfd poll_region = { .fd = self->region, .events = POLLIN };
	struct flowipc_region_info info = {};
	struct peer peer[2];

	for (i = 0; i < 2; i++)
		peer[i] = peer_claims(grant, serve_storm);
	while (info.dropped < 2 * STORM) {
		ASSERT_EQ(1, poll(&poll_region, 1, -1));
		info = info_of(self);
		ASSERT_LE(info.dropped, info.claimed);
		ASSERT_LE(info.claimed, info.dropped + 2);
	}
	EXPECT_EQ(2 * STORM, info.claimed);
	EXPECT_FALSE(has_news(self));
	for (i = 0; i < 2; i++)
		peer_kill(&peer[i]);
}

TEST_F(owner, lists_grants)
{
	struct flowipc_grant made[3] = {
		{ .offset = PAGE, .length = 2 * PAGE, .rights = READ },
		{
			.length = PAGE, .rights = READ | WRITE, .uid = USER,
			.flags = FLOWIPC_GRANT_UID | FLOWIPC_GRANT_EXPIRE,
		}, {
			.length = SIZE, .rights = READ, .gid = GROUP,
			.flags = FLOWIPC_GRANT_GID | FLOWIPC_GRANT_MANY,
		},
	};
	struct flowipc_grant_next next;
	uint64_t id = 0;
	int i;

	EXPECT_ERRNO(ENOENT, grant_next(self->region, 0, &next));
	for (i = 0; i < 3; i++)
		ASSERT_EQ(0, ioctl(self->region, FLOWIPC_IOC_GRANT, &made[i]));
	/* A revoked one is not shown. */
	ASSERT_EQ(0, grant_revoke(self->region, grant_page(self, 0)));
	ASSERT_LE(0, grant_claim(made[0].fd));
	ASSERT_LE(0, grant_claim(made[0].fd));

	for (i = 0; i < 3; i++) {
		ASSERT_EQ(0, grant_next(self->region, id, &next));
		EXPECT_LT(id, next.id);
		EXPECT_EQ(made[i].id, next.id);
		EXPECT_EQ(made[i].offset, next.offset);
		EXPECT_EQ(made[i].length, next.length);
		EXPECT_EQ(made[i].rights, next.rights);
		EXPECT_EQ(made[i].flags, next.grant_flags);
		EXPECT_EQ(made[i].uid, next.uid);
		EXPECT_EQ(made[i].gid, next.gid);
		EXPECT_EQ(i ? 0 : 2, next.claims);
		id = next.id;
	}
	EXPECT_ERRNO(ENOENT, grant_next(self->region, id, &next));
	EXPECT_ERRNO(ENOENT, grant_next(self->region, UINT64_MAX, &next));

	/* What it says can be given back to it as it is. */
	next = (struct flowipc_grant_next){};
	for (i = 0; i < 3; i++)
		EXPECT_EQ(0, ioctl(self->region, FLOWIPC_IOC_GRANT_NEXT, &next));
	EXPECT_ERRNO(ENOENT, ioctl(self->region, FLOWIPC_IOC_GRANT_NEXT, &next));
}

TEST_F(owner, lists_claims)
{
	struct flowipc_claim first = {}, second = {}, third = {};
	struct flowipc_grant grant = { .length = PAGE, .rights = READ };
	struct flowipc_claim_next next;

	EXPECT_ERRNO(ENOENT, claim_next(self->region, 0, &next, NULL, 0));
	ASSERT_EQ(0, ioctl(self->region, FLOWIPC_IOC_GRANT, &grant));
	ASSERT_EQ(0, ioctl(grant.fd, FLOWIPC_IOC_CLAIM, &first));
	ASSERT_EQ(0, ioctl(grant_page(self, 0), FLOWIPC_IOC_CLAIM, &second));
	ASSERT_EQ(0, ioctl(grant.fd, FLOWIPC_IOC_CLAIM, &third));
	EXPECT_LT(grant.id, first.id);
	EXPECT_LT(first.id, second.id);
	EXPECT_LT(second.id, third.id);

	ASSERT_EQ(0, claim_next(self->region, 0, &next, NULL, 0));
	EXPECT_EQ(first.id, next.id);
	EXPECT_EQ(grant.id, next.grant_id);
	ASSERT_EQ(0, claim_next(self->region, next.id, &next, NULL, 0));
	EXPECT_EQ(second.id, next.id);
	EXPECT_NE(grant.id, next.grant_id);
	ASSERT_EQ(0, claim_next(self->region, next.id, &next, NULL, 0));
	EXPECT_EQ(third.id, next.id);
	EXPECT_ERRNO(ENOENT, claim_next(self->region, next.id, &next, NULL, 0));

	/* Neither a revoked nor a dropped one is shown. */
	ASSERT_EQ(0, close(first.fd));
	ASSERT_EQ(0, revoke_number(self->region, FLOWIPC_REVOKE_CLAIM, third.id));
	ASSERT_EQ(0, claim_next(self->region, 0, &next, NULL, 0));
	EXPECT_EQ(second.id, next.id);
	EXPECT_ERRNO(ENOENT, claim_next(self->region, next.id, &next, NULL, 0));
}

TEST_F(owner, numbers_are_never_used_again)
{
	uint64_t id = 0;
	int i;

	for (i = 0; i < 100; i++) {
		struct flowipc_grant grant = { .length = PAGE, .rights = READ };
		struct flowipc_claim claim = {};

		ASSERT_EQ(0, ioctl(self->region, FLOWIPC_IOC_GRANT, &grant));
		ASSERT_EQ(0, ioctl(grant.fd, FLOWIPC_IOC_CLAIM, &claim));
		EXPECT_LT(id, grant.id);
		EXPECT_LT(grant.id, claim.id);
		id = claim.id;
		ASSERT_EQ(0, close(claim.fd));
		ASSERT_EQ(0, close(grant.fd));
	}
}

TEST_F(owner, regions_have_their_own_numbers)
{
	struct flowipc_region_info info;

	ASSERT_EQ(0, region_info(region_create(self->device, PAGE), &info));
	EXPECT_LT(0, info.id);
	EXPECT_NE(info.id, info_of(self).id);
}

/* Identities */

/* By effect alone, as a set-uid program: that is what counts for a condition. */
static void serve_claim_as_user(int socket)
{
	ASSERT_EQ(0, setresgid(0, USER + 1, 0));
	ASSERT_EQ(0, setresuid(0, USER, 0));
	serve_claim(socket);
}

TEST_F(owner, knows_who_claims)
{
	int grant = grant_page(self, 0);
	struct peer peer = peer_claims(grant, serve_claim_as_user);
	struct flowipc_claim_next next;
	char exe[4096] = {}, own_exe[4096] = {};
	struct stat status;
	ssize_t length = readlink("/proc/self/exe", own_exe, sizeof(own_exe) - 1);

	ASSERT_LT(0, length);
	ASSERT_EQ(0, stat("/proc/self/exe", &status));
	ASSERT_EQ(0, claim_next(self->region, 0, &next, exe, sizeof(exe)));
	EXPECT_EQ(peer.pid, next.who.pid);
	EXPECT_EQ(USER, next.who.uid);
	EXPECT_EQ(USER + 1, next.who.gid);
	EXPECT_EQ(length + 1, next.who.exe_bytes);
	EXPECT_STREQ(own_exe, exe);
	EXPECT_EQ(status.st_dev, next.who.exe_device);
	EXPECT_EQ(status.st_ino, next.who.exe_inode);
	peer_kill(&peer);
}

TEST_F(owner, gets_the_path_only_where_it_fits)
{
	struct flowipc_claim_next next;
	uint32_t bytes;
	char exe[4096];

	ASSERT_LE(0, grant_claim(grant_page(self, 0)));
	ASSERT_EQ(0, claim_next(self->region, 0, &next, NULL, 0));
	bytes = next.who.exe_bytes;
	ASSERT_LT(1, bytes);

	memset(exe, 'x', sizeof(exe));
	ASSERT_EQ(0, claim_next(self->region, 0, &next, exe, bytes - 1));
	EXPECT_EQ(bytes, next.who.exe_bytes);
	EXPECT_EQ('x', exe[0]);
	ASSERT_EQ(0, claim_next(self->region, 0, &next, exe, bytes));
	EXPECT_EQ(bytes - 1, strlen(exe));
	EXPECT_EQ('x', exe[bytes]);
	/* Where it does not fit, it is not missed that it cannot be written. */
	EXPECT_EQ(0, claim_next(self->region, 0, &next, (char *)8, bytes - 1));
	EXPECT_ERRNO(EFAULT, claim_next(self->region, 0, &next, (char *)8, bytes));
}

/* A thread other than the first is the same process. */
static void *claim_in_thread(void *grant)
{
	ASSERT_LE(0, grant_claim(*(int *)grant));

	return NULL;
}

TEST_F(owner, knows_the_process_of_a_thread)
{
	int grant = grant_page(self, 0);
	struct flowipc_claim_next next;
	pthread_t thread;

	ASSERT_EQ(0, pthread_create(&thread, NULL, claim_in_thread, &grant));
	ASSERT_EQ(0, pthread_join(thread, NULL));
	ASSERT_EQ(0, claim_next(self->region, 0, &next, NULL, 0));
	EXPECT_EQ(getpid(), next.who.pid);
}

/* The claim goes on in another process, and is then a dead one's. */
static void serve_claim_and_give(int socket)
{
	int claim = grant_claim(recv_fd(socket));

	ASSERT_TRUE(tell(socket));
	ASSERT_TRUE(send_fd(socket, claim));
}

TEST_F(owner, knows_that_a_claimer_is_gone)
{
	struct peer peer = peer_claims(grant_page(self, 0), serve_claim_and_give);
	int claim = recv_fd(peer.socket);
	struct flowipc_claim_next next;
	char exe[4096];

	ASSERT_LE(0, claim);
	ASSERT_EQ(0, reap(peer.pid));
	ASSERT_EQ(0, claim_next(self->region, 0, &next, exe, sizeof(exe)));
	EXPECT_EQ(-1, next.who.pid);
	EXPECT_EQ(geteuid(), next.who.uid);
	EXPECT_EQ(strlen(exe) + 1, next.who.exe_bytes);
}

/* What is told to a reader somewhere else. */
static void in_new_namespaces(int region, int socket)
{
	struct flowipc_claim_next next;
	pid_t child;

	/* Before the user namespace, in which we are nobody. */
	ASSERT_EQ(0, unshare(CLONE_NEWPID));
	if (unshare(CLONE_NEWUSER))
		SKIP(return, "no user namespaces: %s", strerror(errno));
	child = fork();
	ASSERT_LE(0, child);
	if (!child) {
		ASSERT_EQ(1, getpid());
		ASSERT_EQ(0, claim_next(region, 0, &next, NULL, 0));
		EXPECT_EQ(0, next.who.pid);
		EXPECT_EQ(65534, next.who.uid);
		EXPECT_EQ(65534, next.who.gid);
		/* One in it has a number there, and another one outside. */
		ASSERT_TRUE(send_fd(socket, grant_claim(recv_fd(socket))));
		ASSERT_EQ(0, claim_next(region, next.id, &next, NULL, 0));
		EXPECT_EQ(1, next.who.pid);
		ASSERT_TRUE(hear(socket));
		_exit(0);
	}
	ASSERT_EQ(0, reap(child));
}

TEST_F(owner, is_told_in_its_own_namespaces)
{
	int first = grant_page(self, 0), second = grant_page(self, 0);
	struct flowipc_claim_next next;
	int sockets[2], claim;
	pid_t child;

	ASSERT_LE(0, grant_claim(first));
	ASSERT_TRUE(socket_pair(sockets));
	ASSERT_TRUE(send_fd(sockets[0], second));
	child = fork();
	ASSERT_LE(0, child);
	if (!child) {
		close(sockets[0]);
		in_new_namespaces(self->region, sockets[1]);
		_exit(0);
	}
	close(sockets[1]);
	claim = recv_fd(sockets[0]);
	if (claim == -1) {
		ASSERT_EQ(0, reap(child));
		return;
	}
	ASSERT_EQ(0, claim_next(self->region, 0, &next, NULL, 0));
	EXPECT_EQ(getpid(), next.who.pid);
	ASSERT_EQ(0, claim_next(self->region, next.id, &next, NULL, 0));
	EXPECT_LT(1, next.who.pid);
	EXPECT_EQ(0, kill(next.who.pid, 0));
	EXPECT_NE(child, next.who.pid);
	ASSERT_TRUE(tell(sockets[0]));
	ASSERT_EQ(0, reap(child));
}

static bool copy_file(const char *from, const char *to)
{
	int in = open(from, O_RDONLY | O_CLOEXEC);
	int out = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0755);
	ssize_t copied;

	do {
		copied = sendfile(out, in, NULL, 1 << 20);
	} while (copied > 0);
	close(in);
	close(out);

	return !copied;
}

/* Below its own root, before it was moved. */
TEST_F(owner, is_told_the_path_which_the_claimer_saw)
{
	char directory[] = "/tmp/flowipc-owner-XXXXXX", path[64], moved[64], exe[4096];
	int grant = grant_page(self, 0), sockets[2];
	struct flowipc_claim_next next;
	char number[2][16];
	pid_t child;

	ASSERT_TRUE(mkdtemp(directory) != NULL);
	snprintf(path, sizeof(path), "%s/claimer", directory);
	snprintf(moved, sizeof(moved), "%s/moved", directory);
	ASSERT_TRUE(copy_file("/proc/self/exe", path));
	ASSERT_TRUE(socket_pair(sockets));
	child = fork();
	ASSERT_LE(0, child);
	if (!child) {
		ASSERT_EQ(0, fcntl(grant, F_SETFD, 0));
		ASSERT_EQ(0, fcntl(sockets[1], F_SETFD, 0));
		snprintf(number[0], sizeof(number[0]), "%d", grant);
		snprintf(number[1], sizeof(number[1]), "%d", sockets[1]);
		ASSERT_EQ(0, chroot(directory));
		execl("/claimer", "claimer", "--claim", number[0], number[1], NULL);
		_exit(2);
	}
	close(sockets[1]);
	ASSERT_TRUE(hear(sockets[0]));
	ASSERT_EQ(0, rename(path, moved));
	ASSERT_EQ(0, claim_next(self->region, 0, &next, exe, sizeof(exe)));
	EXPECT_EQ(child, next.who.pid);
	EXPECT_STREQ("/claimer", exe);
	ASSERT_EQ(0, unlink(moved));
	ASSERT_EQ(0, rmdir(directory));
	ASSERT_EQ(0, kill(child, SIGKILL));
	ASSERT_EQ(256 + SIGKILL, reap(child));
}

/* The other half of it. */
static int claim_and_wait(int grant, int socket)
{
	if (grant_claim(grant) == -1 || !tell(socket))
		return 1;

	return pause();
}

int main(int argc, char **argv)
{
	if (argc == 4 && !strcmp(argv[1], "--claim"))
		return claim_and_wait(atoi(argv[2]), atoi(argv[3]));

	return harness_main(argc, argv);
}
