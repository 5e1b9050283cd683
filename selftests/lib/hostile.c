// SPDX-License-Identifier: MIT
/*
 * A peer that rings without end, and one that wants to write what it may only
 * read. What one can write into its own memory is in scribble.c.
 */
#include "harness.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include <linux/flowipc.h>

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
	TEST(bells_that_never_stop),
	TEST(a_reader_stays_a_reader),
};

TEST_MAIN(tests, NULL)
