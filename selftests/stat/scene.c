// SPDX-License-Identifier: GPL-2.0-only
/*
 * Processes that hold objects of the module in every way there is, for
 * flowipc-stat to find: an owner, two claimers, a thief with the descriptor of
 * another's claim, mappings without a descriptor, both ends of a channel, and a
 * region in flight.
 *
 * Prints "NAME VALUE" for what they made, then "ready". A line on standard
 * input makes the owner revoke; its end ends all.
 */
#include <err.h>
#include <sys/eventfd.h>

#include "selftests/kmod/objects.h"

#define ALICE		1000
#define BOB		1001

#define SIZE		(4 * 1024 * 1024ULL)
#define STRICT_SIZE	(16 * PAGE)
#define FLIGHT_SIZE	(256 * PAGE)
#define GRANTED		(256 * PAGE)

/* What a terminal or a parser could take for its own. */
#define NASTY_NAME	"c\"2\\\n\x1b[2J"

/* Between the actors, and from the director to each. */
static int owner_claimer[2], owner_second[2], claimer_thief[2], done[2];

#define CHECK(condition)						\
	do {								\
		if (!(condition))					\
			err(1, "scene: %s", #condition);		\
	} while (0)

static void play(const char *name, uid_t uid)
{
	CHECK(!prctl(PR_SET_NAME, name));
	CHECK(become(uid, uid, 0, NULL));
	/* A change of the user would end it. */
	CHECK(!prctl(PR_SET_PDEATHSIG, SIGKILL));
}

static int create(int device, uint64_t size, uint32_t flags)
{
	struct flowipc_region_create arg = { .size = size, .flags = flags };

	CHECK(!ioctl(device, FLOWIPC_IOC_REGION_CREATE, &arg));

	return arg.fd;
}

static void tell_id(const char *name, int region)
{
	struct flowipc_region_info info;

	CHECK(!region_info(region, &info));
	printf("%s %llu\n", name, info.id);
}

static int grant(int region, const char *name, struct flowipc_grant arg)
{
	CHECK(!ioctl(region, FLOWIPC_IOC_GRANT, &arg));
	printf("%s %llu\n%s_fd %d\n", name, arg.id, name, arg.fd);

	return arg.fd;
}

static int claim(int grant_fd, const char *name)
{
	struct flowipc_claim arg = {};

	CHECK(!ioctl(grant_fd, FLOWIPC_IOC_CLAIM, &arg));
	printf("%s_claim %llu\n", name, arg.id);

	return arg.fd;
}

/* Like a region that is sent just now. */
static void send_on(int region)
{
	int sockets[2];

	CHECK(socket_pair(sockets));
	CHECK(send_fd(sockets[0], region));
	close(region);
}

static void owner(int director)
{
	int device = device_open(), region, strict, shared, ends[2];
	struct flowipc_bind_eventfd bind = { .events = MESSAGE };
	struct flowipc_seal seal = {
		.offset = SIZE / 2, .length = 2 * PAGE,
	};

	CHECK(device >= 0);
	play("owner", ALICE);
	region = create(device, SIZE, FLOWIPC_REGION_SEALABLE);
	tell_id("region", region);
	CHECK(map(region, SIZE, PROT_READ | PROT_WRITE) != MAP_FAILED);
	printf("owner %d\ndevice_fd %d\nregion_fd %d\n", getpid(), device,
	       region);

	strict = create(device, STRICT_SIZE, FLOWIPC_REGION_STRICT);
	tell_id("strict", strict);
	CHECK(map(strict, STRICT_SIZE, PROT_READ) != MAP_FAILED);
	close(strict);

	send_on(create(device, FLIGHT_SIZE, 0));

	shared = grant(region, "shared", (struct flowipc_grant){
		.length = GRANTED, .rights = READ | WRITE,
		.flags = FLOWIPC_GRANT_MANY,
	});
	grant(region, "reserved", (struct flowipc_grant){
		.offset = GRANTED, .length = PAGE, .rights = READ,
		.flags = FLOWIPC_GRANT_UID | FLOWIPC_GRANT_GID |
			 FLOWIPC_GRANT_EXPIRE,
		.uid = BOB, .gid = ALICE,
	});

	CHECK(!channel_create(device, ends));
	printf("end0_fd %d\n", ends[0]);
	seal.channel_fd = ends[0];
	CHECK(!ioctl(region, FLOWIPC_IOC_SEAL, &seal));
	bind.eventfd = eventfd(0, EFD_CLOEXEC);
	CHECK(!ioctl(ends[0], FLOWIPC_IOC_BIND_EVENTFD, &bind));
	CHECK(!channel_kick(ends[0], MESSAGE));

	CHECK(send_fd(owner_claimer[0], shared));
	CHECK(send_fd(owner_claimer[0], ends[1]));
	close(ends[1]);
	CHECK(send_fd(owner_second[0], shared));
	fflush(stdout);
	CHECK(tell(done[1]));

	CHECK(hear(director));
	CHECK(!grant_revoke(region, shared));
}

static void claimer(void)
{
	struct flowipc_channel_claim known = {};
	int shared, mine, end;

	play("claimer", ALICE);
	shared = recv_fd(owner_claimer[1]);
	end = recv_fd(owner_claimer[1]);
	CHECK(shared >= 0 && end >= 0);
	mine = claim(shared, "claimer");
	close(shared);
	CHECK(map_at(mine, 2 * PAGE, PROT_READ | PROT_WRITE, PAGE) !=
	      MAP_FAILED);
	CHECK(map(mine, PAGE, PROT_READ) != MAP_FAILED);
	CHECK(!ioctl(end, FLOWIPC_IOC_CHANNEL_CLAIM, &known));
	CHECK(send_fd(claimer_thief[0], mine));
	printf("claimer %d\nclaimer_fd %d\nend1_fd %d\n", getpid(), mine, end);
}

static void second(void)
{
	int shared, mine;

	play(NASTY_NAME, BOB);
	shared = recv_fd(owner_second[1]);
	CHECK(shared >= 0);
	mine = claim(shared, "second");
	close(shared);
	CHECK(map(mine, 16 * PAGE, PROT_READ) != MAP_FAILED);
	close(mine);
	printf("second %d\n", getpid());
}

static void thief(void)
{
	int stolen;

	play("thief", BOB);
	stolen = recv_fd(claimer_thief[1]);
	CHECK(stolen >= 0);
	CHECK(map(stolen, PAGE, PROT_READ) == MAP_FAILED);
	printf("thief %d\nthief_fd %d\n", getpid(), stolen);
}

static pid_t act(void (*actor)(void))
{
	pid_t pid = fork();

	CHECK(pid >= 0);
	if (!pid) {
		actor();
		fflush(stdout);
		CHECK(tell(done[1]));
		for (;;)
			pause();
	}

	return pid;
}

static int owner_director[2];

static void owner_acts(void)
{
	owner(owner_director[1]);
}

int main(void)
{
	void (*const actors[])(void) = { owner_acts, claimer, second, thief };
	pid_t pids[ARRAY_SIZE(actors)];
	char line[16];
	size_t i;

	CHECK(socket_pair(owner_claimer) && socket_pair(owner_second) &&
	      socket_pair(claimer_thief) && socket_pair(done) &&
	      socket_pair(owner_director));
	for (i = 0; i < ARRAY_SIZE(actors); i++)
		pids[i] = act(actors[i]);
	for (i = 0; i < ARRAY_SIZE(actors); i++)
		CHECK(hear(done[0]));
	puts("ready");
	fflush(stdout);

	if (fgets(line, sizeof(line), stdin)) {
		CHECK(tell(owner_director[0]) && hear(done[0]));
		puts("revoked");
		fflush(stdout);
		while (fgets(line, sizeof(line), stdin))
			;
	}
	for (i = 0; i < ARRAY_SIZE(actors); i++)
		kill(pids[i], SIGKILL);

	return 0;
}
