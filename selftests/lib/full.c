// SPDX-License-Identifier: MIT
/*
 * What a sender may do instead of waiting when there is no room: drop the oldest
 * message. Nothing that was received is ever dropped, and both sides count the
 * same.
 */
#include "harness.h"

#include <signal.h>
#include <stdatomic.h>

#include "outbox.h"

enum { LENT = 12000 };

/* Every third one is lent, every 50th from a region of its own. */
static uint64_t size_of(uint64_t number)
{
	if (number % 50 == 49)
		return 100000;
	return number % 3 ? 8 + number % 70 : 100 + number % 3000;
}

/* On a number: receive what there is, and say what was the first, and last. */
static void receive_when_told(struct link *far, void *arg)
{
	struct flowipc_message *message;
	uint64_t first, last, count;

	(void)arg;
	while (sync_get(far->sync)) {
		first = last = UINT64_MAX;
		count = 0;
		while (!flowipc_message_receive(far->channel, &message, 0)) {
			last = test_check_numbered(message);
			if (first == UINT64_MAX)
				first = last;
			flowipc_message_release(message);
			count++;
		}
		sync_put(far->sync, first);
		sync_put(far->sync, last);
		sync_put(far->sync, count);
		sync_put(far->sync, flowipc_channel_missed(far->channel));
	}
}

static void receives(struct link *link, uint64_t first, uint64_t last,
		     uint64_t missed)
{
	sync_put(link->sync, 1);
	gives(sync_get(link->sync), first);
	gives(sync_get(link->sync), last);
	gives(sync_get(link->sync), last - first + 1);
	gives(sync_get(link->sync), missed);
}

static void the_oldest_go(void **state)
{
	struct link link;
	uint64_t i;

	(void)state;
	link_start(&link, FLOWIPC_OPTS(channel, .slots = 8,
			.payload_bytes = 16384, .payload_max_bytes = 65536,
			.when_full = FLOWIPC_FULL_DROP_OLDEST), NULL,
		   receive_when_told, NULL);
	for (i = 0; i < 8; i++)
		ok(test_send_numbered(link.channel, i, size_of(i), 0));
	gives(flowipc_channel_dropped(link.channel), 0);
	receives(&link, 0, 7, 0);
	for (i = 8; i < 108; i++)
		ok(test_send_numbered(link.channel, i, size_of(i), 0));
	gives(flowipc_channel_dropped(link.channel), 92);
	receives(&link, 100, 107, 92);
	for (i = 108; i < 208; i++)
		ok(test_send_numbered(link.channel, i, size_of(i), -1));
	receives(&link, 200, 207, 184);
	gives(flowipc_channel_dropped(link.channel), 184);
	gives(flowipc_channel_reclaim(link.channel), 0);
	/* the other direction was not asked to */
	gives(flowipc_channel_missed(link.channel), 0);
	sync_put(link.sync, 0);
	link_stop(&link);
}

/* Payload memory is what there is too little of, not slots. */
static void for_payload_memory(void **state)
{
	struct flowipc_channel_memory memory = { .sz = sizeof(memory) };
	struct link link;
	uint64_t i;

	(void)state;
	link_start(&link, FLOWIPC_OPTS(channel, .slots = 64,
			.payload_bytes = 65536, .payload_max_bytes = 65536,
			.when_full = FLOWIPC_FULL_DROP_OLDEST), NULL,
		   receive_when_told, NULL);
	for (i = 0; i < 50; i++)
		ok(test_send_numbered(link.channel, i, LENT, 0));
	ok(flowipc_channel_memory(link.channel, &memory));
	check_msg(memory.lent_messages >= 3 && memory.lent_messages <= 5,
		  "%" PRIu64 " messages are lent", memory.lent_messages);
	gives(flowipc_channel_dropped(link.channel),
	      50 - memory.lent_messages);
	receives(&link, 50 - memory.lent_messages, 49,
		 50 - memory.lent_messages);
	sync_put(link.sync, 0);
	link_stop(&link);
}

enum { HELD = 5 };

static void hold_all(struct link *far, void *arg)
{
	struct flowipc_message *held[HELD];
	int i;

	(void)arg;
	for (i = 0; i < HELD; i++)
		ok(flowipc_message_receive(far->channel, &held[i],
					   test_ms(10000)));
	sync_put(far->sync, 0);
	sync_get(far->sync);
	for (i = 0; i < HELD; i++) {
		gives(test_check_numbered(held[i]), i);
		flowipc_message_release(held[i]);
	}
	sync_put(far->sync, 0);
	sync_get(far->sync);
}

/* What was received is not dropped; and small ones are not dropped in vain. */
static void nothing_that_was_received(void **state)
{
	struct link link;
	uint64_t i;

	(void)state;
	link_start(&link, FLOWIPC_OPTS(channel, .slots = 64,
			.payload_bytes = 65536, .payload_max_bytes = 65536,
			.when_full = FLOWIPC_FULL_DROP_OLDEST), NULL,
		   hold_all, NULL);
	for (i = 0; i < HELD; i++)
		ok(test_send_numbered(link.channel, i, LENT, 0));
	sync_get(link.sync);
	for (; i < HELD + 10; i++)
		ok(test_send_numbered(link.channel, i, 20, 0));
	gives(test_send_numbered(link.channel, i, LENT, 0), -EAGAIN);
	gives(test_send_numbered(link.channel, i, LENT, 20), -ETIMEDOUT);
	gives(flowipc_channel_dropped(link.channel), 0);
	sync_put(link.sync, 0);
	sync_get(link.sync);
	ok(test_send_numbered(link.channel, i, LENT, 0));
	gives(flowipc_channel_dropped(link.channel), 0);
	sync_put(link.sync, 0);
	link_stop(&link);
}

struct race {
	uint64_t count;
	uint32_t slots;
	size_t batch;
	enum flowipc_wait_mode mode;
};

/* Numbers rise, contents fit, also of those that are kept for a while. */
static void receive_in_a_race(struct link *far, void *arg)
{
	const struct race *race = arg;
	struct flowipc_message *messages[16], *kept[4] = { NULL };
	uint64_t next = 0, received = 0, number;
	int got, i;

	while ((got = flowipc_message_receive_batch(far->channel, messages,
			race->batch, test_ms(10000))) > 0) {
		for (i = 0; i < got; i++) {
			number = test_check_numbered(messages[i]);
			check_msg(number >= next, "%" PRIu64 " after %" PRIu64,
				  number, next - 1);
			next = number + 1;
			received++;
			if (flowipc_message_size(messages[i]) > 5000) {
				flowipc_message_release(messages[i]);
				continue;
			}
			if (kept[number % 4])
				test_check_numbered(kept[number % 4]);
			flowipc_message_release(kept[number % 4]);
			kept[number % 4] = messages[i];
		}
		if (received % 1024 == 0)
			test_sleep_ms(1);
	}
	gives(got, -EPIPE);
	check(flowipc_channel_was_shut_down(far->channel));
	for (i = 0; i < 4; i++) {
		if (kept[i])
			test_check_numbered(kept[i]);
		flowipc_message_release(kept[i]);
	}
	/* the last one is never dropped */
	gives(next, race->count);
	gives(received + flowipc_channel_missed(far->channel), race->count);
	sync_put(far->sync, flowipc_channel_missed(far->channel));
	sync_get(far->sync);
}

static uint64_t race_run(const struct race *race)
{
	struct link link;
	uint64_t missed, i;

	link_start(&link, FLOWIPC_OPTS(channel, .slots = race->slots,
			.payload_bytes = 65536, .payload_max_bytes = 65536,
			.when_full = FLOWIPC_FULL_DROP_OLDEST,
			.wait_mode = race->mode),
		   FLOWIPC_OPTS(channel, .wait_mode = race->mode),
		   receive_in_a_race, (void *)race);
	for (i = 0; i < race->count; i++)
		ok(test_send_numbered(link.channel, i, size_of(i), test_ms(10000)));
	ok(flowipc_channel_shutdown(link.channel));
	missed = sync_get(link.sync);
	/* what was contested last is settled by now, once looked at */
	gives(flowipc_channel_dropped(link.channel), missed);
	gives(flowipc_channel_reclaim(link.channel), 0);
	sync_put(link.sync, 0);
	link_stop(&link);
	return missed;
}

static void receiver_and_sender_race(void **state)
{
	struct race race = { .count = (uint64_t)test_loops(40000) };
	static const uint32_t slots[] = { 2, 4, 64 };
	uint64_t missed = 0;
	int i;

	(void)state;
	for (i = 0; i < 9; i++) {
		race.slots = slots[i / 3];
		race.mode = (enum flowipc_wait_mode)(i % 3);
		race.batch = i % 2 ? 1 : 16;
		missed += race_run(&race);
	}
	print_message("%" PRIu64 " of %" PRIu64 " messages were dropped\n",
		      missed, 9 * race.count);
	check(missed);
}

/* Take one, then sleep until told; then the rest. */
static void keep_maps(struct link *far, void *arg)
{
	struct flowipc_message *message;
	int maps = test_count_shared_maps(), waits;
	uint64_t received = 0;

	(void)arg;
	sync_get(far->sync);
	while (!flowipc_message_receive(far->channel, &message, 0)) {
		test_check_numbered(message);
		flowipc_message_release(message);
		received++;
	}
	sync_put(far->sync, received);
	sync_get(far->sync);
	/* all regions are withdrawn: looking for messages unmaps them */
	for (waits = 0; waits < 100; waits++) {
		gives(flowipc_message_receive(far->channel, &message, 10),
		      -ETIMEDOUT);
		if (test_count_shared_maps() == maps)
			break;
	}
	gives(test_count_shared_maps(), maps);
	sync_put(far->sync, 0);
}

/* Memory of dropped messages is given up on both sides. */
static void regions_of_dropped_messages(void **state)
{
	struct flowipc_message *message;
	struct flowipc_region *region;
	struct link link;
	uint64_t i;

	(void)state;
	link_start(&link, FLOWIPC_OPTS(channel, .slots = 4,
			.when_full = FLOWIPC_FULL_DROP_OLDEST), NULL,
		   keep_maps, NULL);
	ok(flowipc_region_create(65536, NULL, &region));
	pattern_fill(flowipc_region_data(region), 65536, 3);
	for (i = 0; i < 40; i++) {
		ok(flowipc_message_from_region(link.channel, region, 0, 65536,
					       0, &message));
		flowipc_message_set_type(message, 3);
		ok(flowipc_message_send(message, 0));
	}
	gives(flowipc_region_lent(region), 4);
	gives(flowipc_channel_reclaim(link.channel), 4);
	gives(flowipc_channel_dropped(link.channel), 36);
	sync_put(link.sync, 0);
	gives(sync_get(link.sync), 4);
	gives(flowipc_channel_reclaim(link.channel), 0);
	gives(flowipc_region_lent(region), 0);
	flowipc_region_destroy(region);
	sync_put(link.sync, 0);
	sync_get(link.sync);
	link_stop(&link);
}

/* Every message has a descriptor: those of dropped ones are passed over. */
static void compare_descriptors(struct link *far, void *arg)
{
	struct flowipc_message *message;
	int fds = test_count_fds(), fd, i;
	uint64_t number;

	(void)arg;
	sync_get(far->sync);
	for (i = 0; i < 4; i++) {
		ok(flowipc_message_receive(far->channel, &message, 0));
		gives(flowipc_message_fd_count(message), 1);
		fd = (int)sys(flowipc_message_take_fd(message, 0));
		gives(pread(fd, &number, sizeof(number), 0), sizeof(number));
		gives(number, test_check_numbered(message));
		close(fd);
		flowipc_message_release(message);
	}
	gives(test_count_fds(), fds);
	sync_put(far->sync, 0);
	sync_get(far->sync);
}

static void descriptors_of_dropped_messages(void **state)
{
	struct flowipc_message *message;
	struct link link;
	uint64_t i;
	FILE *file;

	(void)state;
	link_start(&link, FLOWIPC_OPTS(channel, .slots = 4,
			.when_full = FLOWIPC_FULL_DROP_OLDEST), NULL,
		   compare_descriptors, NULL);
	for (i = 0; i < 40; i++) {
		file = tmpfile();
		check(file);
		gives(fwrite(&i, sizeof(i), 1, file), 1);
		ok(fflush(file));
		ok(flowipc_message_new(link.channel, size_of(i), 0, &message));
		pattern_fill(flowipc_message_buffer(message), size_of(i), i);
		flowipc_message_set_type(message, i);
		ok(flowipc_message_attach_fd(message, fileno(file)));
		fclose(file);
		ok(flowipc_message_send(message, 0));
	}
	gives(flowipc_channel_dropped(link.channel), 36);
	sync_put(link.sync, 0);
	sync_get(link.sync);
	sync_put(link.sync, 0);
	link_stop(&link);
}

/* A peer that is stopped while it sleeps holds up nobody. */
static void wait_for_all(struct link *far, void *arg)
{
	struct flowipc_message *message;
	uint64_t count = *(uint64_t *)arg, number;

	sync_put(far->sync, 0);
	do {
		ok(flowipc_message_receive(far->channel, &message, -1));
		number = test_check_numbered(message);
		flowipc_message_release(message);
	} while (number + 1 < count);
	sync_put(far->sync, 0);
	sync_get(far->sync);
}

static void a_stopped_peer(void **state)
{
	uint64_t count = 10000, i;
	struct link link;

	(void)state;
	link_start(&link, FLOWIPC_OPTS(channel,
			.when_full = FLOWIPC_FULL_DROP_OLDEST),
		   FLOWIPC_OPTS(channel, .wait_mode = FLOWIPC_WAIT_SLEEP),
		   wait_for_all, &count);
	sync_get(link.sync);
	test_sleep_ms(50);
	sys(kill(link.peer.pid, SIGSTOP));
	test_sleep_ms(20);
	for (i = 0; i < count; i++)
		ok(test_send_numbered(link.channel, i, size_of(i), 0));
	check(flowipc_channel_dropped(link.channel) >= count - 256);
	sys(kill(link.peer.pid, SIGCONT));
	sync_get(link.sync);
	sync_put(link.sync, 0);
	link_stop(&link);
}

/* One who claims to be taking everything, and then does what it likes. */
static void never_let_go(struct link *far, void *arg)
{
	struct outbox_cursor *cursor = NULL;
	struct map maps[64];
	int count = test_shared_maps("rw", maps, 64), i;

	(void)arg;
	check(count <= 64);
	for (i = 0; i < count; i++)
		if (!memcmp((void *)maps[i].start, "flowbox", 7))
			cursor = (void *)(maps[i].start + FLOWIPC__LINE_PAIR);
	check(cursor);
	atomic_store(&cursor->taking, UINT64_MAX);
	sync_put(far->sync, 0);
	sync_get(far->sync);
	/* it skips the first one, and says it has released it, too */
	atomic_store(&cursor->skipped, 1);
	atomic_store(&cursor->consumed, 1);
	atomic_store(&cursor->released, 1);
	sync_put(far->sync, 0);
	sync_get(far->sync);
}

static void a_peer_that_lies(void **state)
{
	struct flowipc_message *message;
	struct link link;
	uint64_t i;

	(void)state;
	link_start(&link, FLOWIPC_OPTS(channel, .slots = 4,
			.when_full = FLOWIPC_FULL_DROP_OLDEST), NULL,
		   never_let_go, NULL);
	sync_get(link.sync);
	for (i = 0; i < 4; i++)
		ok(test_send_numbered(link.channel, i, LENT, 0));
	gives(test_send_numbered(link.channel, i, LENT, 0), -EAGAIN);
	gives(test_send_numbered(link.channel, i, LENT, 50), -ETIMEDOUT);
	gives(flowipc_channel_dropped(link.channel), 0);
	sync_put(link.sync, 0);
	sync_get(link.sync);
	gives(flowipc_channel_reclaim(link.channel), 3);
	/* what the first one lay in is another one's by now */
	ok(flowipc_message_new(link.channel, LENT, 0, &message));
	gives(flowipc_message_send(message, 0), -EPROTO);
	test_last_error_has("not received");
	flowipc_message_release(message);
	sync_put(link.sync, 0);
	link_drop(&link);
}

enum lie { NONE_DROPPED, TOO_MANY_DROPPED, LIES };

/* Six messages in four slots; what is said of the two that were dropped? */
static void drop_and_lie(struct link *far, void *arg)
{
	enum lie lie = *(enum lie *)arg;
	struct outbox_span *span;
	struct map maps[64];
	int count = test_shared_maps("rw", maps, 64), i;
	uint64_t number;

	for (number = 0; number < 6; number++)
		ok(test_send_numbered(far->channel, number, 8, test_ms(10000)));
	gives(flowipc_channel_dropped(far->channel), 2);
	check(count <= 64);
	for (i = 0; i < count; i++) {
		if (memcmp((void *)maps[i].start, "flowbox", 7))
			continue;
		span = (void *)(maps[i].start + 3 * FLOWIPC__LINE_PAIR);
		for (number = 0; number < 2; number++)
			atomic_store(&span->dropped[number],
				     lie == NONE_DROPPED ? 0 : 3);
	}
	sync_put(far->sync, 0);
	sync_get(far->sync);
}

static void a_sender_that_lies(void **state)
{
	struct flowipc_message *message;
	struct link link;
	enum lie lie;

	(void)state;
	for (lie = NONE_DROPPED; lie < LIES; lie++) {
		link_start(&link, NULL, FLOWIPC_OPTS(channel, .slots = 4,
				.when_full = FLOWIPC_FULL_DROP_OLDEST),
			   drop_and_lie, &lie);
		sync_get(link.sync);
		gives(flowipc_message_receive(link.channel, &message, 0),
		      -EPROTO);
		test_last_error_has("dropped");
		sync_put(link.sync, 0);
		link_drop(&link);
	}
}

/* Released, but not received: dropping it must not release another one. */
static void release_too_early(struct link *far, void *arg)
{
	struct map maps[64];
	int count = test_shared_maps("rw", maps, 64), i;

	(void)arg;
	check(count <= 64);
	sync_get(far->sync);
	for (i = 0; i < count; i++)
		if (!memcmp((void *)maps[i].start, "flowbox", 7))
			atomic_store(&((struct outbox_cursor *)(maps[i].start +
					FLOWIPC__LINE_PAIR))->released, 1);
	sync_put(far->sync, 0);
	sync_get(far->sync);
}

static void a_peer_in_a_hurry(void **state)
{
	struct flowipc_message *message;
	struct link link;
	uint64_t i;

	(void)state;
	link_start(&link, FLOWIPC_OPTS(channel, .slots = 4,
			.when_full = FLOWIPC_FULL_DROP_OLDEST), NULL,
		   release_too_early, NULL);
	for (i = 0; i < 4; i++)
		ok(test_send_numbered(link.channel, i, LENT, 0));
	sync_put(link.sync, 0);
	sync_get(link.sync);
	gives(flowipc_channel_reclaim(link.channel), 3);
	ok(flowipc_message_new(link.channel, LENT, 0, &message));
	gives(flowipc_message_send(message, 0), -EPROTO);
	test_last_error_has("not received");
	flowipc_message_release(message);
	sync_put(link.sync, 0);
	link_drop(&link);
}

static void options(void **state)
{
	struct flowipc_channel *channel;
	struct link link;
	uint64_t i;

	(void)state;
	link_start(&link, NULL, NULL, receive_when_told, NULL);
	gives(flowipc_channel_open(link.session, FLOWIPC_OPTS(channel,
			.when_full = 3), 0, &channel), -EINVAL);
	test_last_error_has("when_full");
	for (i = 0; i < 4; i++)
		ok(test_send_numbered(link.channel, i, 1, 0));
	gives(flowipc_channel_dropped(link.channel), 0);
	sync_put(link.sync, 0);
	link_stop(&link);
}

static const struct CMUnitTest tests[] = {
	TEST(the_oldest_go),
	TEST(for_payload_memory),
	TEST(nothing_that_was_received),
	TEST(receiver_and_sender_race),
	TEST(regions_of_dropped_messages),
	TEST(descriptors_of_dropped_messages),
	TEST(a_stopped_peer),
	TEST(a_peer_that_lies),
	TEST(a_sender_that_lies),
	TEST(a_peer_in_a_hurry),
	TEST(options),
};

TEST_MAIN(tests, NULL)
