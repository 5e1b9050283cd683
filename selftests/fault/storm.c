// SPDX-License-Identifier: GPL-2.0-only
/*
 * DOC: storm
 *
 * Kills thousands of processes with SIGKILL at random instants, in each of the
 * roles of storm-roles.c. Each time those who live on must have been told, and
 * be able to go on; at the end it must be as if nothing had been:
 *
 * - the module's totals: bytes, regions, grants, claims, seals and channels,
 * - Unevictable and Mlocked of /proc/meminfo,
 * - the memory cgroup of the storm: nothing of "file" and "unevictable", and
 *   nothing that keeps it alive after rmdir. Its memory.current is not compared,
 *   since up to 64 pages for each processor are charged in advance, and that of
 *   a cgroup which is gone is nothing at all,
 *
 * and slabs are left to kmemleak: the module has no caches of its own.
 *
 * Where a victim died is told by a word in shared memory, which it sets before a
 * call and clears after it, so a few instructions around the call count as the
 * call. Each role must have been hit in the call it is about.
 *
 * Exit status 0 or 1, or 4 when there is no module. "--seed" decides roles and
 * delays, and not what they meet.
 */
#include <getopt.h>
#include <inttypes.h>
#include <sys/stat.h>

#include "storm.h"

#define CGROUP		"/sys/fs/cgroup/flowipc-storm"
#define LINE_SECONDS	10
#define SILENCE_MS	60000

struct shared *shared;

static unsigned int count = 10000, lanes = 6, delay_us = 3000;
static uint64_t seed;

static const char * const places[] = {
	"between calls", "REGION_CREATE", "GRANT", "CLAIM", "mmap", "a fault",
	"munmap", "REVOKE", "SEAL", "UNSEAL", "WAIT", "KICK_AND_WAIT", "poll",
	"CHANNEL_CREATE", "close",
};

void storm_fail(const struct lane *lane, const char *file, int line,
		const char *what)
{
	int error = errno;

	atomic_fetch_add(&shared->failures, 1);
	printf("# %s:%d: lane %d: not so: %s (errno %d: %s)\n", file, line,
	       lane->number, what, error, strerror(error));
	fflush(stdout);
}

static void fail(const char *what)
{
	atomic_fetch_add(&shared->failures, 1);
	printf("not ok %s - again: storm --seed %" PRIu64 " --count %u\n", what,
	       seed, count);
}

/* The partner adds one to what it finds and answers, until the lane ends. */
static bool partner_run(struct lane *lane, int grant, int end)
{
	int claim = grant_claim(grant);
	uint64_t *word;
	int events;

	MUST(lane, claim >= 0);
	word = map(claim, PAGE, PROT_READ | PROT_WRITE);
	MUST(lane, word != MAP_FAILED);
	for (;;) {
		events = channel_wait(end, MESSAGE, FOREVER);
		if (events != MESSAGE)
			break;
		word[1] = word[0] + 1;
		if (channel_kick(end, MESSAGE))
			break;
	}
	MUST(lane, events == -1 || events & HUP);

	return true;
}

static bool partner_start(struct lane *lane)
{
	int ends[2], grant = grant_create(lane->region, 0, PAGE, READ | WRITE);
	pid_t pid;

	MUST(lane, grant >= 0);
	MUST(lane, !channel_create(lane->device, ends));
	pid = fork();
	MUST(lane, pid >= 0);
	if (!pid) {
		close(ends[0]);
		_exit(!partner_run(lane, grant, ends[1]));
	}
	close(ends[1]);
	close(grant);
	lane->partner = ends[0];

	return true;
}

/* Those who live on can still work with each other. */
static bool partner_answers(struct lane *lane, uint64_t number)
{
	uint64_t *word = (uint64_t *)lane->memory;

	word[0] = number;
	MUST(lane, !channel_kick(lane->partner, MESSAGE));
	MUST(lane, channel_wait(lane->partner, MESSAGE, in_ms(SILENCE_MS)) ==
		   MESSAGE);
	MUST(lane, word[1] == number + 1);

	return true;
}

static bool lane_start(struct lane *lane)
{
	struct flowipc_region_create arg = {
		.size = SIZE, .flags = FLOWIPC_REGION_SEALABLE,
	};
	struct timeval silence = { .tv_sec = SILENCE_MS / 1000 };

	lane->device = device_open();
	MUST(lane, lane->device >= 0);
	MUST(lane, !ioctl(lane->device, FLOWIPC_IOC_REGION_CREATE, &arg));
	lane->region = arg.fd;
	lane->memory = map(lane->region, SIZE, PROT_READ | PROT_WRITE);
	MUST(lane, lane->memory != MAP_FAILED);
	lane->huge = region_create(lane->device, HUGE_SIZE);
	MUST(lane, lane->huge >= 0);
	MUST(lane, socket_pair(lane->sockets));
	/* A victim that never says a word is not waited for. */
	MUST(lane, !setsockopt(lane->sockets[0], SOL_SOCKET, SO_RCVTIMEO,
			       &silence, sizeof(silence)));

	/* Answered once, it has made its claim. */
	return partner_start(lane) && partner_answers(lane, 0);
}

static void victim_run(struct lane *lane, const struct role *role)
{
	role->victim(lane);
	_exit(1);
}

static bool victim_kill(struct lane *lane, const struct role *role)
{
	/* Some die before they have begun. */
	bool met = !one_in(&lane->dice, 8);
	char rest[64];
	int ended;
	pid_t pid;

	MUST(lane, role->prepare(lane));
	atomic_store(&shared->place[lane->number], PLACE_BETWEEN);
	pid = fork();
	MUST(lane, pid >= 0);
	if (!pid)
		victim_run(lane, role);
	if (met && !role->meet(lane)) {
		kill(pid, SIGKILL);
		reap(pid);
		return false;
	}
	usleep(roll(&lane->dice, delay_us));
	MUST(lane, !kill(pid, SIGKILL));
	ended = reap(pid);
	MUST(lane, ended == 256 + SIGKILL);

	atomic_fetch_add(&shared->killed[role - roles], 1);
	atomic_fetch_add(&shared->died[atomic_load(&shared->place[lane->number])],
			 1);
	/* What it said and nobody heard, with the descriptors in it. */
	while (recv(lane->sockets[0], rest, sizeof(rest), MSG_DONTWAIT) > 0)
		;

	return role->mourn(lane, met);
}

static void lane_run(int number)
{
	struct lane lane = { .number = number, .partner = -1 };
	unsigned int victim;
	bool going;

	going = lane_start(&lane);
	while (going) {
		victim = atomic_fetch_add(&shared->next, 1);
		if (victim >= count)
			break;
		lane.dice = dice_of(seed, 0, victim);
		going = victim_kill(&lane, &roles[victim % roles_count]) &&
			partner_answers(&lane, victim);
	}
	/* The partner's wait ends with this. */
	close(lane.partner);
	while (wait(NULL) > 0)
		;
	_exit(!going);
}

static uint64_t number_in(const char *path, const char *key)
{
	char line[256];
	uint64_t number = 0;
	FILE *file = fopen(path, "r");

	while (file && fgets(line, sizeof(line), file))
		if (!strncmp(line, key, strlen(key)) &&
		    strchr(" :", line[strlen(key)]))
			number = strtoull(line + strlen(key) + 1, NULL, 10);
	if (file)
		fclose(file);

	return number;
}

struct machine {
	uint64_t	unevictable;
	uint64_t	mlocked;
	uint64_t	dying;
};

static struct machine machine_now(void)
{
	return (struct machine){
		number_in("/proc/meminfo", "Unevictable"),
		number_in("/proc/meminfo", "Mlocked"),
		number_in("/sys/fs/cgroup/cgroup.stat",
			  "nr_dying_descendants"),
	};
}

static bool machine_equal(const struct machine *before)
{
	struct machine now = machine_now();

	return !memcmp(&now, before, sizeof(now));
}

static bool cgroup_start(void)
{
	return !mkdir(CGROUP, 0755) || errno == EEXIST;
}

/* Every page of a region is a page of a file for the cgroup. */
static void cgroup_check(void)
{
	if (!EVENTUALLY(!number_in(CGROUP "/memory.stat", "file") &&
			!number_in(CGROUP "/memory.stat", "unevictable")))
		fail("the cgroup is still charged for pages");
	if (number_in(CGROUP "/memory.events", "oom_kill"))
		fail("the OOM killer was called");
	printf("# cgroup: file %" PRIu64 ", unevictable %" PRIu64
	       ", kernel %" PRIu64 " bytes\n",
	       number_in(CGROUP "/memory.stat", "file"),
	       number_in(CGROUP "/memory.stat", "unevictable"),
	       number_in(CGROUP "/memory.stat", "kernel"));
	if (!EVENTUALLY(!rmdir(CGROUP)))
		fail("the cgroup is still in use");
}

static void lanes_start(void)
{
	char pid[16];
	unsigned int i;

	for (i = 0; i < lanes; i++) {
		fflush(stdout);
		if (fork())
			continue;
		snprintf(pid, sizeof(pid), "%d", getpid());
		if (!access(CGROUP, F_OK) &&
		    !write_text(CGROUP "/cgroup.procs", pid))
			_exit(1);
		lane_run(i);
	}
}

static void lanes_await(uint64_t started)
{
	uint64_t line = started;
	unsigned int done = 0;
	int status;

	while (done < lanes) {
		if (waitpid(-1, &status, WNOHANG) > 0) {
			done++;
			if (status)
				fail("a lane has ended");
			continue;
		}
		if (now_ns() - line >= LINE_SECONDS * 1000000000ULL) {
			line += LINE_SECONDS * 1000000000ULL;
			printf("# %3" PRIu64 " s: %u of %u\n",
			       (now_ns() - started) / 1000000000,
			       atomic_load(&shared->next), count);
			fflush(stdout);
		}
		sleep_ms(10);
	}
}

static void verdict_hits(void)
{
	unsigned int i, killed = 0;

	for (i = 0; i < roles_count; i++) {
		printf("# %6u killed as: %s\n",
		       atomic_load(&shared->killed[i]), roles[i].name);
		killed += atomic_load(&shared->killed[i]);
	}
	for (i = 0; i < PLACES; i++)
		printf("# %6u died in: %s\n", atomic_load(&shared->died[i]),
		       places[i]);
	/* A short storm need not hit everything. */
	for (i = 0; i < roles_count && count >= 500; i++)
		if (!atomic_load(&shared->died[roles[i].place]))
			fail(places[roles[i].place]);
	printf("# %u killed\n", killed);
	if (killed != count)
		fail("not all were killed");
}

static unsigned int number_of(const char *text)
{
	char *end;
	unsigned long number = strtoul(text, &end, 0);

	if (!*text || *end || number > UINT32_MAX) {
		fprintf(stderr, "storm: not a number: %s\n", text);
		exit(2);
	}

	return number;
}

static void usage(FILE *out)
{
	fputs("Usage: storm [OPTION...]\n"
	      "Kill users of flowipc.ko at random instants.\n\n"
	      "  --count N     kill so many (default 10000)\n"
	      "  --lanes N     so many at a time, 1 to 16 (default 6)\n"
	      "  --delay US    within so many microseconds (default 3000)\n"
	      "  --seed S      roles and delays (default: random)\n"
	      "  --help        show this\n", out);
}

static void options_parse(int argc, char **argv)
{
	static const struct option options[] = {
		{ "count", required_argument, NULL, 'c' },
		{ "lanes", required_argument, NULL, 'l' },
		{ "delay", required_argument, NULL, 'd' },
		{ "seed", required_argument, NULL, 's' },
		{ "help", no_argument, NULL, 'h' },
		{},
	};
	int option;

	seed = now_ns() % UINT32_MAX;
	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (option) {
		case 'c':
			count = number_of(optarg);
			break;
		case 'l':
			lanes = number_of(optarg);
			break;
		case 'd':
			delay_us = number_of(optarg);
			break;
		case 's':
			seed = number_of(optarg);
			break;
		case 'h':
			usage(stdout);
			exit(0);
		default:
			usage(stderr);
			exit(2);
		}
	}
	if (optind < argc || !count || !lanes || lanes > LANES_MAX || !delay_us) {
		usage(stderr);
		exit(2);
	}
}

int main(int argc, char **argv)
{
	uint64_t started = now_ns();
	struct machine machine;
	struct totals totals;
	int device;

	options_parse(argc, argv);
	device = device_open();
	if (device == -1 || geteuid()) {
		printf("1..0 # SKIP needs root and %s\n", FLOWIPC_DEVICE_PATH);
		return 4;
	}
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED)
		return 1;
	/* Here, so that it is not the cgroup which is charged for it. */
	memset(shared, 0, sizeof(*shared));
	if (!cgroup_start())
		printf("# no cgroup: %s\n", strerror(errno));
	totals = totals_now(device);
	machine = machine_now();
	printf("# storm --seed %" PRIu64 " --count %u --lanes %u\n", seed, count,
	       lanes);

	lanes_start();
	lanes_await(started);
	verdict_hits();
	if (!access(CGROUP, F_OK))
		cgroup_check();
	if (!EVENTUALLY(totals_equal(device, &totals))) {
		fail("the module counts something");
		totals_print(device, &totals);
	}
	if (!EVENTUALLY(machine_equal(&machine)))
		fail("Unevictable, Mlocked or a dying cgroup is left");
	printf("%s storm\n", atomic_load(&shared->failures) ? "not ok" : "ok");

	return atomic_load(&shared->failures) != 0;
}
