// SPDX-License-Identifier: MIT
/*
 * A peer that does what it likes with the memory it owns. Whatever it writes,
 * whenever: the other side does not crash, does not hang, reads nothing but
 * that peer's memory, and says -EPROTO or takes nonsense for a message.
 */
#include "harness.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <linux/flowipc.h>

/* Whether the attack had any effect at all. */
struct progress {
	_Atomic uint64_t protocol_errors;
	_Atomic uint64_t messages;
};

static struct progress *progress;

/* What the attacker may write: its own memory, as the library mapped it. */
static struct map target;

static void find_target(const struct map *before, int count_before)
{
	struct map after[64];
	int count = test_shared_maps("rw", after, 64), i, j;

	check(count <= 64);
	for (i = 0; i < count; i++) {
		for (j = 0; j < count_before; j++)
			if (after[i].start == before[j].start)
				break;
		if (j == count_before) {
			target = after[i];
			return;
		}
	}
	check_msg(false, "no writable shared memory");
}

/* Near the beginning is what rules the rest, so hit that more often. */
static uint64_t place(uint64_t *random)
{
	uint64_t size = target.end - target.start;
	uint64_t limit;

	switch (test_random_below(random, 8)) {
	case 0:
		limit = 128;
		break;
	case 1:
	case 2:
		limit = 1024;
		break;
	case 3:
	case 4:
	case 5:
		limit = 32768;
		break;
	case 6:
		limit = 65536;
		break;
	default:
		limit = size;
	}
	return test_random_below(random, limit < size ? limit : size) &
	       ~(uint64_t)7;
}

static uint64_t value(uint64_t *random, uint64_t old)
{
	static const uint64_t interesting[] = {
		0, 1, 2, 3, 4, 5, 80, 81, 4095, 4096, 0x7fffffff, 0x80000000,
		0xffffffff, 0x100000000, INT64_MAX, 1ull << 63, UINT64_MAX,
		UINT64_MAX - 1, UINT64_MAX - 4095, UINT64_MAX - 63,
		0xfffffffe00000001, 0x0000000200000000, 0xffff000000000000,
	};

	switch (test_random_below(random, 8)) {
	case 0:
		return test_random(random);
	case 1:
		return interesting[test_random_below(random,
				sizeof(interesting) / sizeof(interesting[0]))];
	case 2:
		return old + 1;
	case 3:
		return old - 1;
	case 4:
		return old ^ 1ull << test_random_below(random, 64);
	case 5:
		return old + (1ull << test_random_below(random, 40));
	case 6:
		return test_random_below(random, 10000);
	default:
		return test_random(random) << 32 | (uint32_t)old;
	}
}

/* Races are what this is about, within the attacker's process as well. */
#define NO_TSAN __attribute__((no_sanitize("thread")))

/* Plain words in its own memory, written without any rule. */
NO_TSAN static void scribble(uint64_t *random, int count)
{
	while (count--) {
		volatile uint64_t *word =
			(uint64_t *)(target.start + place(random));

		if (test_random_below(random, 4))
			*word = value(random, *word);
		else
			((volatile uint32_t *)word)[count & 1] =
				(uint32_t)value(random, *word);
	}
}

static _Atomic bool attack_over;

/* Change words forth and back: whoever reads twice gets something else. */
NO_TSAN static void flip(void *arg)
{
	uint64_t random = *(uint64_t *)arg;
	volatile uint64_t *words[4];
	uint64_t values[4];
	int i, n;

	while (!atomic_load(&attack_over)) {
		for (i = 0; i < 4; i++) {
			words[i] = (uint64_t *)(target.start + place(&random));
			values[i] = value(&random, *words[i]);
		}
		for (n = 0; n < 200; n++) {
			for (i = 0; i < 4; i++) {
				uint64_t old = *words[i];

				*words[i] = values[i];
				values[i] = old;
			}
			if (n % 50 == 0)
				sched_yield();
		}
	}
}

/* Something honest now and then, or nobody would read the nonsense. */
static void act_honestly(struct flowipc_channel *channel, uint64_t *random)
{
	static char bytes[20000];
	struct flowipc_message *message;

	switch (test_random_below(random, 4)) {
	case 0:
	case 1:
		flowipc_send(channel, bytes, test_random_below(random,
				test_random_below(random, 2) ? 80 : 20000), 0);
		break;
	case 2:
		if (!flowipc_message_receive(channel, &message, 0))
			flowipc_message_release(message);
		break;
	default:
		flowipc_channel_reclaim(channel);
	}
}

static void attack(int sync, void *arg)
{
	uint64_t seed = *(uint64_t *)arg, random = seed;
	struct flowipc_session *session;
	struct flowipc_channel *channel;
	struct map before[64];
	struct thread flipper;
	int count, i, kind;

	(void)sync;
	count = test_shared_maps("rw", before, 64);
	ok(flowipc_connect("t", NULL, test_ms(5000), &session));
	ok(flowipc_channel_open(session, FLOWIPC_OPTS(channel,
			.slots = 2u << test_random_below(&random, 8),
			.payload_bytes = 1u << (12 +
					test_random_below(&random, 10))),
			test_ms(5000), &channel));
	find_target(before, count);
	kind = (int)test_random_below(&random, 3);
	for (i = 0; i < 20; i++)
		act_honestly(channel, &random);
	if (kind == 2)
		thread_start(&flipper, flip, &seed);
	for (i = 0; i < 200; i++) {
		act_honestly(channel, &random);
		/* once, often, or all the time by the thread */
		if (kind == 1 || (kind == 0 && i % 50 == 10))
			scribble(&random, 1 + i % 4);
		if (i % 16 == 0)
			sched_yield();
	}
	atomic_store(&attack_over, true);
	_exit(0);
}

/* A payload of that size lies in what the peer lent us, not anywhere else. */
static void check_place(const void *data, uint64_t size)
{
	struct map maps[64];
	uintptr_t at = (uintptr_t)data;
	int count = test_shared_maps("r-", maps, 64), i;

	check(count <= 64);
	for (i = 0; i < count; i++)
		if (at >= maps[i].start && at < maps[i].end &&
		    size <= maps[i].end - at)
			return;
	check_msg(false, "%" PRIu64 " bytes at %p are not the peer's", size,
		  data);
}

static uint64_t sum(const void *data, uint64_t size)
{
	const volatile unsigned char *at = data;
	uint64_t total = 0, i;

	for (i = 0; i < size; i++)
		total += at[i];
	return total;
}

/* Every call a program may make. */
static int suffer(struct flowipc_channel *channel,
		  struct flowipc_region *region, uint64_t *random)
{
	static char bytes[20000];
	struct flowipc_message *message, *held[8] = { NULL };
	int err = 0, i, quiet = 0, timeout;
	uint64_t size;

	for (i = 0; i < 2000 && quiet < 200; i++) {
		timeout = test_random_below(random, 8) ? 0 : 1;
		switch (test_random_below(random, 8)) {
		case 0:
		case 1:
		case 2:
		case 3:
			err = flowipc_message_receive(channel, &message,
						      timeout);
			if (err)
				break;
			quiet = 0;
			size = flowipc_message_size(message);
			if (size > 4096)
				check_place(flowipc_message_data(message),
					    size);
			sum(flowipc_message_data(message), size);
			flowipc_message_release(held[i % 8]);
			held[i % 8] = message;
			atomic_fetch_add(&progress->messages, 1);
			break;
		case 4:
			err = flowipc_send(channel, bytes,
					   test_random_below(random, 20000),
					   timeout);
			break;
		case 5:
			err = flowipc_message_from_region(channel, region, 0,
					100, timeout, &message);
			if (err)
				break;
			err = flowipc_message_send(message, timeout);
			if (err)
				flowipc_message_release(message);
			break;
		case 6:
			err = (int)flowipc_receive(channel, bytes, 50,
						   timeout);
			if (err == -EMSGSIZE)
				err = 0;
			break;
		default:
			err = (int)flowipc_channel_reclaim(channel);
		}
		if (err < 0) {
			gives_one_of(err, -EAGAIN, -ETIMEDOUT, -EPIPE,
				     -EPROTO);
			quiet++;
		}
		/* On with it for a while: broken must stay harmless, too. */
		if (err == -EPIPE || err == -EPROTO)
			quiet += 20;
		if (err == -EPROTO)
			atomic_fetch_add(&progress->protocol_errors, 1);
	}
	for (i = 0; i < 8; i++)
		flowipc_message_release(held[i]);
	return err;
}

static void victim(int sync, void *arg)
{
	uint64_t random = *(uint64_t *)arg;
	struct flowipc_session *session;
	struct flowipc_channel *channel;
	struct flowipc_region *region;
	struct flowipc_server *server;
	int fds, maps, err;

	ok(flowipc_listen("t", NULL, &server));
	ok(flowipc_region_create(4096, NULL, &region));
	sync_put(sync, 0);
	fds = test_count_fds();
	maps = test_count_shared_maps();
	while (sync_get(sync)) {
		ok(flowipc_accept(server, test_ms(10000), &session));
		err = flowipc_channel_accept(session, FLOWIPC_OPTS(channel,
				.wait_mode = test_random_below(&random, 3),
				.slots = 2u << test_random_below(&random, 8),
				.payload_bytes = 100000),
				test_ms(10000), &channel);
		gives_one_of(err, 0, -EPIPE, -EPROTO);
		if (!err) {
			suffer(channel, region, &random);
			flowipc_channel_close(channel);
		}
		flowipc_session_close(session);
		/* nothing of that peer is left */
		gives(test_count_fds(), fds);
		gives(test_count_shared_maps(), maps);
		gives(flowipc_region_lent(region), 0);
		sync_put(sync, 0);
	}
	flowipc_region_destroy(region);
	flowipc_server_close(server);
}

static void progress_create(void)
{
	progress = mmap(NULL, sizeof(*progress), PROT_READ | PROT_WRITE,
			MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	check(progress != MAP_FAILED);
}

/* How a process ended, in words. */
static const char *fate(struct peer *peer)
{
	static char text[80];
	int status;

	kill(peer->pid, SIGALRM);
	status = peer_wait(peer);
	if (WIFSIGNALED(status))
		snprintf(text, sizeof(text), "died of signal %d",
			 WTERMSIG(status));
	else
		snprintf(text, sizeof(text), "hung or failed a check (%d)",
			 WEXITSTATUS(status));
	return text;
}

static void nonsense_in_its_own_memory(void **state)
{
	uint64_t seed = test_seed(), round_seed, number;
	int round, rounds = test_loops(400);
	struct peer attacker, suffering;

	(void)state;
	progress_create();
	peer_start(&suffering, victim, &seed);
	sync_get(suffering.sync);
	for (round = 0; round < rounds; round++) {
		round_seed = seed + (uint64_t)round;
		peer_start(&attacker, attack, &round_seed);
		sync_put(suffering.sync, 1);
		check_msg(sync_try(suffering.sync, test_ms(20000), &number),
			  "in round %d of seed %" PRIu64 " the victim %s",
			  round, seed, fate(&suffering));
			kill(attacker.pid, SIGKILL);
		peer_wait(&attacker);
	}
	sync_put(suffering.sync, 0);
	peer_join(&suffering);
	print_message("%d rounds: %" PRIu64 " messages, %" PRIu64
		      " protocol errors\n", rounds,
		      atomic_load(&progress->messages),
		      atomic_load(&progress->protocol_errors));
	check(atomic_load(&progress->protocol_errors));
	check(atomic_load(&progress->messages));
	munmap(progress, sizeof(*progress));
}

/* One ring, by whatever makes a bell of this descriptor ring. */
static bool ring(int fd)
{
	static char bytes[65536];
	struct flowipc_kick kick = {
		.events = FLOWIPC_EVENT_MESSAGE | FLOWIPC_EVENT_SPACE,
	};

	return !ioctl(fd, FLOWIPC_IOC_KICK, &kick) ||
	       send(fd, bytes, sizeof(bytes), MSG_DONTWAIT | MSG_NOSIGNAL) > 0;
}

static void ring_for(uint64_t nanoseconds, int sync)
{
	uint64_t end = test_now_ns() + nanoseconds;
	int bells[8], count = 0, room = 64 << 20, fd, i;

	for (fd = 3; fd < 64 && count < 8; fd++) {
		/* as many rings ahead as the system allows */
		if (setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &room,
			       sizeof(room)))
			setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &room,
				   sizeof(room));
		if (fd != sync && ring(fd))
			bells[count++] = fd;
	}
	check(count);
	while (test_now_ns() < end)
		for (i = 0; i < count; i++)
			ring(bells[i]);
}

static void ring_without_end(struct link *far, void *arg)
{
	(void)arg;
	/* what goes by packets is not a bell */
	close(flowipc_session_fd(far->session));
	sync_put(far->sync, 0);
	ring_for((uint64_t)test_ms(20000) * 1000000u, far->sync);
	_exit(0);
}

/* Being woken does not make a wait longer. */
static void bells_that_never_stop(void **state)
{
	uint64_t start, i;
	struct link link;
	int err, round;

	(void)state;
	for (round = 0; round < 2; round++) {
		link_start(&link, FLOWIPC_OPTS(channel, .slots = 2,
				.wait_mode = round ? FLOWIPC_WAIT_SLEEP :
				FLOWIPC_WAIT_ADAPTIVE), NULL,
			   ring_without_end, NULL);
		sync_get(link.sync);
		start = test_now_ns();
		for (i = 0; i < 10; i++) {
			gives(flowipc_receive(link.channel, &i, 0, 20),
			      -ETIMEDOUT);
			gives(flowipc_receive(link.channel, &i, 0, 0),
			      -EAGAIN);
		}
		for (i = 0; !(err = flowipc_send(link.channel, &i, 8, 100));
		     i++)
			check(i < 2);
		gives(err, -ETIMEDOUT);
		check_msg(test_now_ns() - start <
			  (uint64_t)test_ms(10000) * 1000000u,
			  "300 ms of waiting took %" PRIu64 " ms",
			  (test_now_ns() - start) / 1000000);
		kill(link.peer.pid, SIGKILL);
		link_drop(&link);
	}
}

enum { SHARED_BYTES = 100000 };

/* By way of a new descriptor of what is mapped, as far as one can be had. */
static void write_by_descriptor(int fd)
{
	void *map;

	map = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	check_msg(map == MAP_FAILED, "a writable mapping was obtained");
	check_msg(pwrite(fd, "evil", 4, 0) < 0, "pwrite succeeded");
	check_msg(ftruncate(fd, 0) < 0, "it could be cut off");
	check_msg(ftruncate(fd, 1 << 30) < 0, "it could be enlarged");
	check_msg(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0,
			    4096) < 0, "a hole could be made in it");
	check_msg(fallocate(fd, FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE, 0,
			    4096) < 0, "it could be zeroed");
}

static void write_somehow(const struct map *map)
{
	void *at = (void *)map->start;
	size_t size = map->end - map->start;
	char path[80];
	int fd;

	check_msg(mprotect(at, size, PROT_READ | PROT_WRITE) < 0,
		  "mprotect made it writable");
	check_msg(madvise(at, size, MADV_REMOVE) < 0,
		  "madvise made a hole in it");
	fd = (int)sys(open("/proc/self/mem", O_RDWR | O_CLOEXEC));
	check_msg(pwrite(fd, "evil", 4, (off_t)map->start) < 0,
		  "it was written through /proc/self/mem");
	close(fd);
	/* needs a privilege; whoever passed the lock of the door may do it */
	snprintf(path, sizeof(path), "/proc/self/map_files/%lx-%lx",
		 (unsigned long)map->start, (unsigned long)map->end);
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd >= 0) {
		write_by_descriptor(fd);
		close(fd);
	}
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0) {
		check(fcntl(fd, F_GETFL) >= 0);
		write_by_descriptor(fd);
		close(fd);
	}
}

static void try_to_write(struct link *far, void *arg)
{
	struct flowipc_message *messages[3];
	struct map maps[64];
	int count, attacked = 0, i;

	(void)arg;
	for (i = 0; i < 3; i++) {
		ok(flowipc_message_receive(far->channel, &messages[i],
					   test_ms(10000)));
		pattern_check(flowipc_message_data(messages[i]),
			      flowipc_message_size(messages[i]), 8);
	}
	count = test_shared_maps("r-", maps, 64);
	check(count <= 64);
	for (i = 0; i < count; i++) {
		/* nobody else's, like caches of the C library */
		if (!strstr(maps[i].name, "flowipc"))
			continue;
		write_somehow(&maps[i]);
		attacked++;
	}
	/* the outbox, the user's region, and one for the large message */
	gives(attacked, 3);
	sync_put(far->sync, 0);
	sync_get(far->sync);
	for (i = 0; i < 3; i++) {
		pattern_check(flowipc_message_data(messages[i]),
			      flowipc_message_size(messages[i]), 8);
		flowipc_message_release(messages[i]);
	}
}

static void a_reader_stays_a_reader(void **state)
{
	struct flowipc_message *message, *mine[2];
	struct flowipc_region *region;
	struct link link;
	void *copies[2];
	int i;

	(void)state;
	check(test_has(FLOWIPC_HAS_READ_ONLY));
	ok(flowipc_region_create(SHARED_BYTES, NULL, &region));
	pattern_fill(flowipc_region_data(region), SHARED_BYTES, 8);
	link_start(&link, FLOWIPC_OPTS(channel, .payload_bytes = 200000),
		   NULL, try_to_write, NULL);
	for (i = 0; i < 2; i++) {
		ok(flowipc_message_new(link.channel, i ? 300000 : 100000, 0,
				       &mine[i]));
		copies[i] = flowipc_message_buffer(mine[i]);
		pattern_fill(copies[i], i ? 300000 : 100000, 8);
		ok(flowipc_message_send(mine[i], test_ms(5000)));
	}
	ok(flowipc_message_from_region(link.channel, region, 0, SHARED_BYTES,
				       0, &message));
	ok(flowipc_message_send(message, test_ms(5000)));
	sync_get(link.sync);
	/* lent, so still where it was and what it was */
	pattern_check(copies[0], 100000, 8);
	pattern_check(copies[1], 300000, 8);
	pattern_check(flowipc_region_data(region), SHARED_BYTES, 8);
	/* while the owner goes on writing */
	memset(flowipc_region_data(region), 0, SHARED_BYTES);
	pattern_fill(flowipc_region_data(region), SHARED_BYTES, 8);
	sync_put(link.sync, 0);
	link_stop(&link);
	flowipc_region_destroy(region);
}

static const struct CMUnitTest tests[] = {
	TEST(nonsense_in_its_own_memory),
	TEST(bells_that_never_stop),
	TEST(a_reader_stays_a_reader),
};

TEST_MAIN(tests, NULL)
