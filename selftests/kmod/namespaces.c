// SPDX-License-Identifier: GPL-2.0-only
/*
 * Namespaces, containers and confined processes: the device is needed to make
 * objects, and nothing but a socket to be given them.
 */
#include <linux/bpf.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stddef.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "harness.h"
#include "cgroup.h"
#include "objects.h"

#define SIZE		(4 * PAGE)
#define OVERFLOW_ID	65534

FIXTURE(namespaces) {
	int device;
	int region;
	char *memory;
	int sockets[2];
	struct stat node;
};

FIXTURE_SETUP(namespaces)
{
	self->device = device_open();
	ASSERT_LE(0, self->device);
	self->region = region_create(self->device, SIZE);
	ASSERT_LE(0, self->region);
	self->memory = map(self->region, SIZE, PROT_READ | PROT_WRITE);
	ASSERT_NE(MAP_FAILED, self->memory);
	ASSERT_TRUE(socket_pair(self->sockets));
	ASSERT_EQ(0, stat(FLOWIPC_DEVICE_PATH, &self->node));
}

FIXTURE_TEARDOWN(namespaces)
{
	EXPECT_EQ(0, chown(FLOWIPC_DEVICE_PATH, self->node.st_uid, self->node.st_gid));
}

/* What is not in this kernel, or not allowed, ends a child with this. */
#define CANNOT	77

static void enter_namespaces(int flags)
{
	if (unshare(flags))
		_exit(CANNOT);
}

/* Of the new user namespace: @uid inside is the user we are outside. */
static void map_ids(uid_t uid_inside, uid_t uid_outside, gid_t gid_inside,
		    gid_t gid_outside)
{
	char text[64];

	snprintf(text, sizeof(text), "%u %u 1\n", uid_inside, uid_outside);
	ASSERT_TRUE(write_text("/proc/self/uid_map", text));
	ASSERT_TRUE(write_text("/proc/self/setgroups", "deny"));
	snprintf(text, sizeof(text), "%u %u 1\n", gid_inside, gid_outside);
	ASSERT_TRUE(write_text("/proc/self/gid_map", text));
}

static struct flowipc_claim_next claim_after(int region, uint64_t id)
{
	struct flowipc_claim_next next = { .id = id };

	ASSERT_EQ(0, ioctl(region, FLOWIPC_IOC_CLAIM_NEXT, &next));

	return next;
}

static struct flowipc_claim_next first_claim(int region)
{
	return claim_after(region, 0);
}

/* Process ids: each reader sees that of its own namespace. */
TEST_F(namespaces, the_pid_is_that_of_the_readers_namespace)
{
	int grant = grant_create(self->region, 0, PAGE, READ), status;
	pid_t outer, inner;

	outer = fork();
	ASSERT_LE(0, outer);
	if (!outer) {
		enter_namespaces(CLONE_NEWPID);
		inner = fork();
		ASSERT_LE(0, inner);
		if (inner) {
			ASSERT_EQ(sizeof(inner), write(self->sockets[1], &inner, sizeof(inner)));
			_exit(reap(inner));
		}
		ASSERT_EQ(1, getpid());
		/* What is told here must not come before the number. */
		ASSERT_TRUE(hear(self->sockets[1]));
		ASSERT_LE(0, grant_claim(grant));
		EXPECT_EQ(1, first_claim(self->region).who.pid);
		ASSERT_TRUE(tell(self->sockets[1]));
		ASSERT_TRUE(hear(self->sockets[1]));
		/* Then a claim of the outside, which has no number in here. */
		EXPECT_EQ(0, first_claim(self->region).who.pid);
		_exit(0);
	}
	close(self->sockets[1]);
	if (read(self->sockets[0], &inner, sizeof(inner)) != sizeof(inner)) {
		ASSERT_EQ(CANNOT, reap(outer));
		SKIP(return, "no pid namespaces");
	}
	ASSERT_TRUE(tell(self->sockets[0]));
	ASSERT_TRUE(hear(self->sockets[0]));
	EXPECT_EQ(inner, first_claim(self->region).who.pid);
	ASSERT_EQ(0, grant_revoke(self->region, grant));
	grant = grant_create(self->region, 0, PAGE, READ);
	ASSERT_LE(0, grant_claim(grant));
	ASSERT_TRUE(tell(self->sockets[0]));
	status = reap(outer);
	EXPECT_EQ(0, status);
}

TEST_F(namespaces, the_pid_of_a_claimer_that_is_gone_is_nobodys)
{
	int grant = grant_create_for(self->region, 0, PAGE, READ,
				     FLOWIPC_GRANT_MANY, 0, 0);
	int claim;
	pid_t child;

	child = fork();
	ASSERT_LE(0, child);
	if (!child) {
		/* The descriptor stays, with us; of its claimer nothing does. */
		ASSERT_TRUE(send_fd(self->sockets[1], grant_claim(grant)));
		ASSERT_TRUE(hear(self->sockets[1]));
		_exit(0);
	}
	claim = recv_fd(self->sockets[0]);
	ASSERT_LE(0, claim);
	EXPECT_EQ(child, first_claim(self->region).who.pid);
	ASSERT_TRUE(tell(self->sockets[0]));
	ASSERT_EQ(0, reap(child));
	EXPECT_EQ(-1, first_claim(self->region).who.pid);
	EXPECT_ERRNO(EACCES, map(claim, PAGE, PROT_READ));
}

/* User ids: conditions and identities, each in the namespace of who asks. */
TEST_F(namespaces, a_uid_condition_is_that_of_the_granters_namespace)
{
	int theirs, nobodys;
	pid_t child;

	child = fork();
	ASSERT_LE(0, child);
	if (!child) {
		ASSERT_TRUE(become_user());
		enter_namespaces(CLONE_NEWUSER);
		map_ids(0, USER, 0, USER);
		ASSERT_EQ(0, getuid());
		/* Its root is USER to all others. */
		ASSERT_TRUE(send_fd(self->sockets[1],
				    grant_create_for(self->region, 0, PAGE, READ,
						     FLOWIPC_GRANT_UID, 0, 0)));
		ASSERT_TRUE(send_fd(self->sockets[1],
				    grant_create_for(self->region, 0, PAGE, READ,
						     FLOWIPC_GRANT_GID, 0, 0)));
		/* Who has no id in here cannot be named, not even as nobody. */
		EXPECT_ERRNO(EINVAL, grant_create_for(self->region, 0, PAGE, READ,
						      FLOWIPC_GRANT_UID, 1, 0));
		EXPECT_ERRNO(EINVAL, grant_create_for(self->region, 0, PAGE, READ,
						      FLOWIPC_GRANT_UID, OVERFLOW_ID, 0));
		EXPECT_ERRNO(EINVAL, grant_create_for(self->region, 0, PAGE, READ,
						      FLOWIPC_GRANT_GID, 0, OVERFLOW_ID));
		_exit(0);
	}
	close(self->sockets[1]);
	theirs = recv_fd(self->sockets[0]);
	if (theirs == -1) {
		ASSERT_EQ(CANNOT, reap(child));
		SKIP(return, "no user namespaces");
	}
	nobodys = recv_fd(self->sockets[0]);
	ASSERT_EQ(0, reap(child));

	EXPECT_ERRNO(EPERM, grant_claim(theirs));
	child = fork();
	ASSERT_LE(0, child);
	if (!child) {
		ASSERT_TRUE(become_user());
		EXPECT_LE(0, grant_claim(theirs));
		_exit(0);
	}
	EXPECT_EQ(0, reap(child));
	/* The same of a group. */
	EXPECT_ERRNO(EPERM, grant_claim(nobodys));
	child = fork();
	ASSERT_LE(0, child);
	if (!child) {
		ASSERT_TRUE(become_user());
		EXPECT_LE(0, grant_claim(nobodys));
		_exit(0);
	}
	EXPECT_EQ(0, reap(child));
}

/* A namespace's root is not the machine's, whatever number it has. */
TEST_F(namespaces, root_of_a_namespace_does_not_pass_for_root)
{
	int grant = grant_create_for(self->region, 0, PAGE, READ,
				     FLOWIPC_GRANT_UID, 0, 0);
	int group = grant_create_for(self->region, 0, PAGE, READ,
				     FLOWIPC_GRANT_GID, 0, 0);
	pid_t child;

	child = fork();
	ASSERT_LE(0, child);
	if (!child) {
		ASSERT_TRUE(become_user());
		enter_namespaces(CLONE_NEWUSER);
		map_ids(0, USER, 0, USER);
		ASSERT_EQ(0, geteuid());
		EXPECT_ERRNO(EPERM, grant_claim(grant));
		EXPECT_ERRNO(EPERM, grant_claim(group));
		_exit(0);
	}
	if (reap(child) == CANNOT)
		SKIP(return, "no user namespaces");
	EXPECT_LE(0, grant_claim(grant));
}

TEST_F(namespaces, an_identity_has_the_ids_of_the_readers_namespace)
{
	int grant = grant_create_for(self->region, 0, PAGE, READ,
				     FLOWIPC_GRANT_MANY, 0, 0);
	struct flowipc_claim_next next;
	int claim = grant_claim(grant), other;
	pid_t child;

	ASSERT_LE(0, claim);
	child = fork();
	ASSERT_LE(0, child);
	if (!child) {
		ASSERT_TRUE(become_user());
		enter_namespaces(CLONE_NEWUSER);
		map_ids(7, USER, 8, USER);
		/* The machine's root has no name in here. */
		next = first_claim(self->region);
		EXPECT_EQ(OVERFLOW_ID, next.who.uid);
		EXPECT_EQ(OVERFLOW_ID, next.who.gid);
		other = grant_claim(grant);
		ASSERT_LE(0, other);
		next = claim_after(self->region, next.id);
		EXPECT_EQ(7, next.who.uid);
		EXPECT_EQ(8, next.who.gid);
		ASSERT_TRUE(tell(self->sockets[1]));
		ASSERT_TRUE(hear(self->sockets[1]));
		_exit(0);
	}
	close(self->sockets[1]);
	if (!hear(self->sockets[0])) {
		ASSERT_EQ(CANNOT, reap(child));
		SKIP(return, "no user namespaces");
	}
	next = first_claim(self->region);
	EXPECT_EQ(0, next.who.uid);
	next = claim_after(self->region, next.id);
	EXPECT_EQ(USER, next.who.uid);
	EXPECT_EQ(USER, next.who.gid);
	ASSERT_TRUE(tell(self->sockets[0]));
	EXPECT_EQ(0, reap(child));
}

/* Quotas count who one is on the machine: a namespace is no second account. */
TEST_F(namespaces, a_namespace_gives_no_new_quota)
{
	static const char path[] = "/sys/module/flowipc/parameters/max_objects_per_user";
	char saved[32];
	pid_t child;

	read_text(path, saved, sizeof(saved));
	ASSERT_TRUE(write_text(path, "5"));
	child = fork();
	ASSERT_LE(0, child);
	if (!child) {
		int i;

		ASSERT_TRUE(become_user());
		for (i = 0; i < 3; i++)
			ASSERT_LE(0, region_create(self->device, PAGE));
		enter_namespaces(CLONE_NEWUSER);
		map_ids(0, USER, 0, USER);
		for (i = 0; i < 2; i++)
			EXPECT_LE(0, region_create(self->device, PAGE));
		EXPECT_ERRNO(EDQUOT, region_create(self->device, PAGE));
		_exit(0);
	}
	child = reap(child);
	EXPECT_TRUE(write_text(path, saved));
	if (child == CANNOT)
		SKIP(return, "no user namespaces");
	EXPECT_EQ(0, child);
}

/* Who may open the device. */
TEST_F(namespaces, the_group_of_the_node_opens_it_and_nobody_else)
{
	const gid_t flowipc = 900;
	pid_t child;
	int fd;

	ASSERT_EQ(0, chown(FLOWIPC_DEVICE_PATH, 0, flowipc));
	EXPECT_EQ(0660, self->node.st_mode & 07777);
	child = fork();
	ASSERT_LE(0, child);
	if (!child) {
		ASSERT_TRUE(become(1000, 1000, 1, &flowipc));
		fd = device_open();
		EXPECT_LE(0, fd);
		EXPECT_LE(0, region_create(fd, PAGE));
		_exit(0);
	}
	EXPECT_EQ(0, reap(child));
	child = fork();
	ASSERT_LE(0, child);
	if (!child) {
		ASSERT_TRUE(become(1001, 1001, 0, NULL));
		EXPECT_ERRNO(EACCES, device_open());
		EXPECT_ERRNO(EACCES, open(FLOWIPC_DEVICE_PATH, O_RDONLY));
		EXPECT_ERRNO(EACCES, open(FLOWIPC_DEVICE_PATH, O_WRONLY));
		_exit(0);
	}
	EXPECT_EQ(0, reap(child));
}

/*
 * The two sides of a conversation over @socket: each makes what it can and uses
 * what it is given. The outside has the device, and passes a region of its own,
 * a grant, and an end of a channel.
 */
static void outside_gives(struct namespaces *self)
{
	int grant = grant_create(self->region, PAGE, 2 * PAGE, READ | WRITE);
	int ends[2], own = region_create(self->device, SIZE);

	strcpy(self->memory + PAGE, "from outside");
	ASSERT_EQ(0, channel_create(self->device, ends));
	ASSERT_TRUE(send_fd(self->sockets[0], grant));
	ASSERT_TRUE(send_fd(self->sockets[0], ends[1]));
	ASSERT_EQ(0, close(ends[1]));
	ASSERT_TRUE(send_fd(self->sockets[0], own));
	EXPECT_EQ(MESSAGE, channel_wait(ends[0], MESSAGE, in_ms(20000)));
	EXPECT_STREQ("from inside", self->memory + 2 * PAGE);
	ASSERT_EQ(0, channel_kick(ends[0], SPACE));
	/* Its end is the last descriptor there. */
	EXPECT_EQ(HUP, channel_wait(ends[0], SPACE, in_ms(20000)));
	close(ends[0]);
	close(grant);
	close(own);
}

static void inside_uses(int socket)
{
	int grant = recv_fd(socket), end = recv_fd(socket), region = recv_fd(socket);
	int claim = grant_claim(grant), peer;
	char *memory = map_at(claim, 2 * PAGE, PROT_READ | PROT_WRITE, PAGE);

	ASSERT_LE(0, end);
	ASSERT_NE(MAP_FAILED, memory);
	EXPECT_STREQ("from outside", memory);
	strcpy(memory + PAGE, "from inside");
	/* A region that was passed can be granted on, without the device. */
	ASSERT_LE(0, region);
	EXPECT_NE(MAP_FAILED, map(region, SIZE, PROT_READ | PROT_WRITE));
	peer = grant_create(region, 0, PAGE, READ);
	EXPECT_LE(0, peer);
	EXPECT_LE(0, grant_claim(peer));
	ASSERT_EQ(0, channel_kick(end, MESSAGE));
	EXPECT_EQ(SPACE, channel_wait(end, SPACE, in_ms(20000)));
	close(end);
}

/* And what the inside makes is used outside, in the same way. */
static void inside_gives(int socket)
{
	int device = device_open();
	int region = region_create(device, SIZE), ends[2];
	int grant = grant_create(region, 0, SIZE, READ);
	char *memory = map(region, SIZE, PROT_READ | PROT_WRITE);

	ASSERT_LE(0, device);
	ASSERT_NE(MAP_FAILED, memory);
	strcpy(memory, "made inside");
	ASSERT_EQ(0, channel_create(device, ends));
	ASSERT_TRUE(send_fd(socket, grant));
	ASSERT_TRUE(send_fd(socket, ends[1]));
	EXPECT_EQ(MESSAGE, channel_wait(ends[0], MESSAGE, in_ms(20000)));
	/* The claimer has no id in here, of any kind. */
	EXPECT_EQ(0, first_claim(region).who.pid);
	EXPECT_EQ(OVERFLOW_ID, first_claim(region).who.uid);
	ASSERT_EQ(0, grant_revoke(region, grant));
	ASSERT_EQ(0, channel_kick(ends[0], MESSAGE));
	ASSERT_TRUE(hear(socket));
}

static void outside_uses(struct namespaces *self)
{
	int grant = recv_fd(self->sockets[0]), end = recv_fd(self->sockets[0]);
	char *memory = map(grant_claim(grant), SIZE, PROT_READ);

	ASSERT_NE(MAP_FAILED, memory);
	EXPECT_STREQ("made inside", memory);
	ASSERT_EQ(0, channel_kick(end, MESSAGE));
	EXPECT_EQ(MESSAGE, channel_wait(end, MESSAGE, in_ms(20000)));
	EXPECT_EQ(SIGBUS, touch_read(memory));
	ASSERT_TRUE(tell(self->sockets[0]));
	close(grant);
	close(end);
}

/*
 * Makes a root with nothing in it but, where wanted, the device's node, and goes
 * there. By pivot_root, or where the root is the initial one, which cannot be
 * pivoted, by a move over it.
 */
static void enter_new_root(bool with_device)
{
	const char *root = "/tmp";

	if (mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
	    mount("flowipc-root", root, "tmpfs", 0, "mode=755"))
		_exit(CANNOT);
	ASSERT_EQ(0, chdir(root));
	ASSERT_EQ(0, mkdir("dev", 0755));
	ASSERT_EQ(0, mkdir("old", 0755));
	if (with_device) {
		ASSERT_EQ(0, close(open("dev/flowipc", O_CREAT | O_WRONLY, 0600)));
		ASSERT_EQ(0, mount(FLOWIPC_DEVICE_PATH, "dev/flowipc", NULL, MS_BIND, NULL));
	}
	if (!syscall(SYS_pivot_root, ".", "old")) {
		ASSERT_EQ(0, chroot("."));
		ASSERT_EQ(0, umount2("/old", MNT_DETACH));
	} else {
		ASSERT_EQ(EINVAL, errno);
		ASSERT_EQ(0, mount(".", "/", NULL, MS_MOVE, NULL));
		ASSERT_EQ(0, chroot("."));
	}
	ASSERT_EQ(0, chdir("/"));
	ASSERT_ERRNO(ENOENT, access("/proc", F_OK));
	ASSERT_ERRNO(ENOENT, access("/sys", F_OK));
	ASSERT_ERRNO(ENOENT, access("/tmp", F_OK));
}

/* As an ordinary user, in the group of the node or not. */
static void enter_container(bool with_device)
{
	const gid_t flowipc = 900;
	pid_t inner;

	ASSERT_TRUE(become(1000, 1000, with_device, &flowipc));
	enter_namespaces(CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET |
			 CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWCGROUP);
	map_ids(0, 1000, 0, 1000);
	inner = fork();
	ASSERT_LE(0, inner);
	if (inner)
		_exit(reap(inner));
	enter_new_root(with_device);
}

/* Closes all of ours but the socket, so that nothing is inherited. */
static pid_t fork_without_objects(struct namespaces *self)
{
	pid_t child = fork();

	ASSERT_LE(0, child);
	if (child) {
		close(self->sockets[1]);
		return child;
	}
	munmap(self->memory, SIZE);
	close(self->device);
	close(self->region);
	close(self->sockets[0]);

	return 0;
}

TEST_F(namespaces, a_container_with_the_device_alone)
{
	pid_t child;

	ASSERT_EQ(0, chown(FLOWIPC_DEVICE_PATH, 0, 900));
	child = fork_without_objects(self);
	if (!child) {
		enter_container(true);
		ASSERT_TRUE(tell(self->sockets[1]));
		inside_uses(self->sockets[1]);
		inside_gives(self->sockets[1]);
		_exit(0);
	}
	if (!hear(self->sockets[0])) {
		ASSERT_EQ(CANNOT, reap(child));
		SKIP(return, "no containers for users");
	}
	outside_gives(self);
	outside_uses(self);
	EXPECT_EQ(0, reap(child));
}

TEST_F(namespaces, a_container_without_the_device)
{
	pid_t child = fork_without_objects(self);

	if (!child) {
		enter_container(false);
		ASSERT_TRUE(tell(self->sockets[1]));
		EXPECT_ERRNO(ENOENT, device_open());
		/* Nor can it make the node: it is not the machine's root. */
		EXPECT_ERRNO(EPERM, mknod("/dev/flowipc", S_IFCHR | 0666,
					  self->node.st_rdev));
		inside_uses(self->sockets[1]);
		_exit(0);
	}
	if (!hear(self->sockets[0])) {
		ASSERT_EQ(CANNOT, reap(child));
		SKIP(return, "no containers for users");
	}
	outside_gives(self);
	EXPECT_EQ(0, reap(child));
}

/* A user who may not open it works with what he is given. */
TEST_F(namespaces, a_user_without_the_group)
{
	pid_t child = fork_without_objects(self);

	if (!child) {
		ASSERT_TRUE(become(1001, 1001, 0, NULL));
		EXPECT_ERRNO(EACCES, device_open());
		inside_uses(self->sockets[1]);
		_exit(0);
	}
	outside_gives(self);
	EXPECT_EQ(0, reap(child));
}

/* The device cgroup of a container: a program which allows nothing. */
static int deny_all_devices(const struct cgroup *cgroup)
{
	const struct bpf_insn program[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 0, .imm = 0 },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	union bpf_attr load = {
		.prog_type = BPF_PROG_TYPE_CGROUP_DEVICE,
		.insns = (uintptr_t)program, .insn_cnt = ARRAY_SIZE(program),
		.license = (uintptr_t)"GPL",
	};
	union bpf_attr attach = { .attach_type = BPF_CGROUP_DEVICE };

	attach.attach_bpf_fd = syscall(SYS_bpf, BPF_PROG_LOAD, &load, sizeof(load));
	attach.target_fd = open(cgroup->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if ((int)attach.attach_bpf_fd == -1 || (int)attach.target_fd == -1)
		return -1;

	return syscall(SYS_bpf, BPF_PROG_ATTACH, &attach, sizeof(attach));
}

TEST_F(namespaces, a_device_cgroup_that_denies_it)
{
	struct cgroup cgroup;
	pid_t child;

	if (!cgroup_make(&cgroup))
		SKIP(return, "no cgroup2: %s", strerror(errno));
	if (deny_all_devices(&cgroup)) {
		cgroup_unmake(&cgroup);
		SKIP(return, "no device programs in cgroup2: %s", strerror(errno));
	}
	child = fork_without_objects(self);
	if (!child) {
		ASSERT_TRUE(cgroup_enter(&cgroup));
		EXPECT_ERRNO(EPERM, device_open());
		inside_uses(self->sockets[1]);
		_exit(0);
	}
	outside_gives(self);
	EXPECT_EQ(0, reap(child));
	cgroup_unmake(&cgroup);
}

/* A filter with which nothing can be opened, created or connected any more. */
static bool confine(void)
{
	static const int denied[] = {
		SYS_open, SYS_openat, SYS_openat2, SYS_socket, SYS_connect,
		SYS_execve, SYS_execveat, SYS_clone, SYS_fork, SYS_ptrace,
		SYS_prctl, SYS_kill,
	};
	struct sock_filter filter[ARRAY_SIZE(denied) + 3];
	struct sock_fprog program = { ARRAY_SIZE(filter), filter };
	const unsigned int count = ARRAY_SIZE(denied);
	unsigned int i;

	filter[0] = (struct sock_filter)
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
	for (i = 0; i < count; i++)
		filter[1 + i] = (struct sock_filter)
			BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, denied[i], count - i, 0);
	filter[1 + count] = (struct sock_filter)
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
	filter[2 + count] = (struct sock_filter)
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM);

	return !prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) &&
	       !prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0);
}

TEST_F(namespaces, a_seccomp_filter_and_no_new_privileges)
{
	pid_t child = fork_without_objects(self);

	if (!child) {
		ASSERT_TRUE(become(1001, 1001, 0, NULL));
		if (!confine())
			_exit(CANNOT);
		EXPECT_ERRNO(EPERM, device_open());
		inside_uses(self->sockets[1]);
		_exit(0);
	}
	outside_gives(self);
	EXPECT_EQ(0, reap(child));
}

HARNESS_MAIN
