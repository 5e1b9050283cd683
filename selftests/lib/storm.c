// SPDX-License-Identifier: MIT
/*
 * kill -9 at random instants, again and again, of a server, of clients that send
 * to it and of clients that receive from it, of a publisher and of subscribers,
 * while the others go on.
 *
 * Each session carries one stream, of which both sides keep account in memory
 * that outlives them; the sessions of a publisher carry the same. Messages are of
 * one piece or of several, and some bring descriptors. Whoever outlives the other
 * compares: all that a sender was told is sent has arrived, in order, once and as
 * it was, and what is held stays so; and nobody has kept a descriptor or a
 * mapping. Some leave by themselves, at once or after they have said that they
 * send no more. Then they meet again: whoever was killed is started anew, and a
 * new server takes over the name.
 *
 * FLOWIPC_TEST_KILLS: how many, instead of few enough for some seconds.
 */
#include "storm.h"

#include <sys/mman.h>

struct storm *storm;
enum role role;

static const struct {
	const char *name;
	void (*run)(int sync, void *arg);
} roles[] = {
	[SERVER] = { "server", server },
	[PUBLISHER] = { "publisher", publisher },
	[SENDER] = { "sender", client },
	[OTHER_SENDER] = { "other sender", client },
	[RECEIVER] = { "receiver", client },
	[OTHER_RECEIVER] = { "other receiver", client },
	[SUBSCRIBER] = { "subscriber", subscriber },
	[OTHER_SUBSCRIBER] = { "other subscriber", subscriber },
};

struct victim {
	struct peer peer;
	enum role role;
	uint64_t progress;
	uint64_t progress_ns; /* when there was some */
	uint64_t kills;
};

static void victim_start(struct victim *victim)
{
	victim->progress = atomic_load(&storm->progress[victim->role]);
	victim->progress_ns = test_now_ns();
	peer_start(&victim->peer, roles[victim->role].run, &victim->role);
}

/* Nobody has failed, and nobody stands still. */
static void victims_check(struct victim *victims)
{
	uint64_t progress, now = test_now_ns();
	int i;

	for (i = 0; i < ROLES; i++) {
		struct victim *victim = &victims[i];

		check_msg(!sync_poll(victim->peer.sync, 0), "the %s %s",
			  roles[i].name, peer_fate(&victim->peer));
		progress = atomic_load(&storm->progress[i]);
		if (progress != victim->progress) {
			victim->progress = progress;
			victim->progress_ns = now;
		}
		check_msg(now - victim->progress_ns <
			  (uint64_t)test_ms(15000) * 1000000u,
			  "the %s stands still", roles[i].name);
	}
}

/* Mostly in the middle of it, at times on the way there. */
static void victim_await(struct victim *victims, struct victim *victim,
			 uint64_t *random)
{
	bool in_traffic = test_random_below(random, 8);

	do {
		victims_check(victims);
		usleep((useconds_t)test_random_below(random,
				test_random_below(random, 4) ? 1000 : 8000));
	} while (in_traffic && victim->progress ==
		 atomic_load(&storm->progress[victim->role]));
}

static void kill_many(struct victim *victims, int kills, uint64_t *random)
{
	struct victim *victim;
	int i;

	for (i = 0; i < kills; i++) {
		test_arm_alarm();
		victim = &victims[test_random_below(random, ROLES)];
		victim->progress = atomic_load(&storm->progress[victim->role]);
		victim_await(victims, victim, random);
		peer_kill(&victim->peer);
		victim->kills++;
		victim_start(victim);
	}
}

static int kills_wanted(void)
{
	const char *value = getenv("FLOWIPC_TEST_KILLS");

	return value ? atoi(value) : test_loops(300);
}

/* Of the whole machine, on which others may be at work, too. */
static void shmem_returns_to(uint64_t bytes)
{
	uint64_t limit = test_now_ns() + (uint64_t)test_ms(5000) * 1000000u;

	while (test_shmem_bytes() > bytes + (64u << 20)) {
		check_msg(test_now_ns() < limit, "%" PRIu64
			  " bytes of shared memory, %" PRIu64 " before",
			  test_shmem_bytes(), bytes);
		test_sleep_ms(10);
	}
}

static void report(const struct victim *victims, int kills)
{
	int i;

	print_message("%d killed:", kills);
	for (i = 0; i < ROLES; i++)
		print_message(" %" PRIu64 " as %s,", victims[i].kills,
			      roles[i].name);
	print_message("\n%" PRIu64 " streams; of those whose other side ended %"
		      PRIu64 " to and %" PRIu64 " from the server and %" PRIu64
		      " from the publisher compared, %" PRIu64
		      " to a last word\n", atomic_load(&storm->next_stream),
		      atomic_load(&storm->compared[TO_SERVER]),
		      atomic_load(&storm->compared[FROM_SERVER]),
		      atomic_load(&storm->compared[FROM_PUBLISHER]),
		      atomic_load(&storm->shut_down));
	for (i = 0; kills >= 100 && i < DIRECTIONS; i++)
		check(atomic_load(&storm->compared[i]));
	check(kills < 100 || atomic_load(&storm->shut_down));
}

static void whoever_is_killed(void **state)
{
	uint64_t shmem = test_shmem_bytes(), device = test_device_bytes();
	struct victim victims[ROLES];
	uint64_t random;
	int kills = kills_wanted(), i;

	(void)state;
	storm = mmap(NULL, sizeof(*storm), PROT_READ | PROT_WRITE,
		     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	check(storm != MAP_FAILED);
	storm->seed = random = test_seed();
	memset(victims, 0, sizeof(victims));
	for (i = 0; i < ROLES; i++) {
		victims[i].role = (enum role)i;
		victim_start(&victims[i]);
	}
	kill_many(victims, kills, &random);
	atomic_store(&storm->over[CLIENTS_END], true);
	for (i = SENDER; i < ROLES; i++)
		peer_join(&victims[i].peer);
	/* one that sleeps wakes up */
	for (i = SERVER; i < SENDER; i++)
		sync_put(victims[i].peer.sync, 0);
	atomic_store(&storm->over[SERVERS_END], true);
	for (i = SERVER; i < SENDER; i++)
		peer_join(&victims[i].peer);
	report(victims, kills);
	munmap(storm, sizeof(*storm));
	test_device_bytes_return_to(device);
	shmem_returns_to(shmem);
}

static const struct CMUnitTest tests[] = {
	TEST(whoever_is_killed),
};

TEST_MAIN(tests, NULL)
