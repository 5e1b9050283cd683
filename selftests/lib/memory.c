// SPDX-License-Identifier: MIT
/* The memory of a channel: it grows, has a limit, shrinks, and can be asked. */
#include "harness.h"

#include <stdatomic.h>

#include "../../lib/chunk.h"
#include "../../lib/outbox.h"

#define KIB 1024ull
#define MIB (1024ull * KIB)

static struct flowipc_channel_memory memory_of(struct flowipc_channel *channel)
{
	struct flowipc_channel_memory memory = { .sz = sizeof(memory) };

	ok(flowipc_channel_memory(channel, &memory));
	gives(memory.sz, sizeof(memory));
	check(memory.used <= memory.reserved);
	return memory;
}

/* What is sent from payload memory takes that up in multiples of 64 bytes. */
static int send_sized(struct flowipc_channel *channel, uint64_t size,
		      uint64_t number)
{
	struct flowipc_message *message;
	int err;

	err = flowipc_message_new(channel, size, 0, &message);
	if (err)
		return err;
	pattern_fill(flowipc_message_buffer(message), size, number);
	flowipc_message_set_type(message, number);
	ok(flowipc_message_send(message, test_ms(5000)));
	return 0;
}

static void receive_checked(struct flowipc_channel *channel, uint64_t number,
			    struct flowipc_message **message)
{
	ok(flowipc_message_receive(channel, message, test_ms(10000)));
	gives(flowipc_message_type(*message), number);
	pattern_check(flowipc_message_data(*message),
		      flowipc_message_size(*message), number);
}

/*
 * Take as many messages as told and keep them until told again, as often as
 * the other side wants; then say how many shared mappings are left beyond those
 * of the beginning, after some time of waiting in vain.
 */
static void keep_when_told(struct link *far, void *arg)
{
	static struct flowipc_message *kept[2000];
	int maps = test_count_shared_maps();
	struct flowipc_message *message;
	uint64_t count, i, seen = 0;

	(void)arg;
	while ((count = sync_get(far->sync))) {
		for (i = 0; i < count; i++)
			receive_checked(far->channel, seen++, &kept[i]);
		sync_put(far->sync, 0);
		sync_get(far->sync);
		for (i = 0; i < count; i++) {
			pattern_check(flowipc_message_data(kept[i]),
				      flowipc_message_size(kept[i]),
				      flowipc_message_type(kept[i]));
			flowipc_message_release(kept[i]);
		}
		sync_put(far->sync, 0);
	}
	for (i = 0; i < 25 && test_count_shared_maps() > maps; i++)
		gives(flowipc_message_receive(far->channel, &message, 20),
		      -ETIMEDOUT);
	sync_put(far->sync, (uint64_t)(test_count_shared_maps() - maps));
	sync_get(far->sync);
}

static void kept(struct link *link, uint64_t count)
{
	sync_put(link->sync, count);
	sync_get(link->sync);
}

static void released(struct link *link)
{
	sync_put(link->sync, 0);
	sync_get(link->sync);
}

/* The number of mappings that the far side has too many in the end. */
static uint64_t maps_of_the_far_side(struct link *link)
{
	uint64_t maps;

	sync_put(link->sync, 0);
	maps = sync_get(link->sync);
	sync_put(link->sync, 0);
	return maps;
}

static void told_of(void **state)
{
	struct {
		struct flowipc_channel_memory memory;
		uint64_t later[2];
	} longer = { .memory.sz = sizeof(longer), .later = { 1, 2 } };
	struct flowipc_channel_memory memory;
	struct flowipc_message *message;
	struct link link;

	(void)state;
	link_start(&link, NULL, NULL, keep_when_told, NULL);
	memory = memory_of(link.channel);
	gives(memory.reserved, 64 * KIB);
	gives(memory.used, 0);
	gives(memory.lent, 0);
	gives(memory.lent_messages, 0);
	gives(memory.chunks, 1);

	/* callers of another age */
	memory.sz = 0;
	gives(flowipc_channel_memory(link.channel, &memory), -EINVAL);
	test_last_error_has("sz");
	memory.sz = offsetof(struct flowipc_channel_memory, used);
	memory.used = 77;
	memory.reserved = 77;
	ok(flowipc_channel_memory(link.channel, &memory));
	gives(memory.reserved, 64 * KIB);
	gives(memory.used, 77);
	ok(flowipc_channel_memory(link.channel, &longer.memory));
	gives(longer.memory.chunks, 1);
	gives(longer.later[0], 0);
	gives(longer.later[1], 0);

	/* in hand, sent, kept, released */
	ok(flowipc_message_new(link.channel, 1000, 0, &message));
	memory = memory_of(link.channel);
	gives(memory.used, 1024);
	gives(memory.lent, 0);
	flowipc_message_release(message);
	gives(memory_of(link.channel).used, 0);
	ok(send_sized(link.channel, 1000, 0));
	ok(send_sized(link.channel, 80, 1)); /* copied, not lent */
	ok(send_sized(link.channel, 81, 2));
	kept(&link, 3);
	memory = memory_of(link.channel);
	gives(memory.used, 1024 + 128);
	gives(memory.lent, 1081);
	gives(memory.lent_messages, 2);
	released(&link);
	memory = memory_of(link.channel);
	gives(memory.used, 0);
	gives(memory.lent, 0);
	gives(memory.lent_messages, 0);
	gives(maps_of_the_far_side(&link), 0);
	link_stop(&link);
}

static void grows_and_shrinks(void **state)
{
	struct flowipc_channel_memory memory;
	uint64_t start, sent, device = test_device_bytes();
	struct link link;
	int fds, round;

	(void)state;
	link_start(&link, FLOWIPC_OPTS(channel, .payload_bytes = 4096,
			.payload_max_bytes = 4 * MIB), NULL, keep_when_told,
		   NULL);
	fds = test_count_fds();
	sent = 0;
	for (round = 0; round < 2; round++) {
		/* nobody takes anything, and yet there is room */
		for (start = sent; sent < start + 200; sent++)
			ok(send_sized(link.channel, 9000, sent));
		kept(&link, 200);
		memory = memory_of(link.channel);
		gives(memory.lent, 200 * 9000);
		check(memory.used >= 200 * 9000 && memory.used < 200 * 9100);
		check(memory.reserved <= 4 * MIB);
		check(memory.chunks > 2 && memory.chunks < 12);
		gives(test_count_fds(), fds + (int)memory.chunks - 1);
		released(&link);
		/* it stays for those to come */
		check(memory_of(link.channel).reserved == memory.reserved);
		start = test_now_ns();
		while (memory_of(link.channel).chunks > 1) {
			test_sleep_ms(50);
			check_msg(test_now_ns() - start <
				  (uint64_t)test_ms(20000) * 1000000u,
				  "it does not shrink");
		}
		check_msg(test_now_ns() - start > 200000000u,
			  "it shrinks at once");
		gives(memory_of(link.channel).reserved, 4096);
		gives(test_count_fds(), fds);
	}
	gives(maps_of_the_far_side(&link), 0);
	link_stop(&link);
	test_device_bytes_return_to(device);
}

/* Small messages need no payload memory, but sending them looks after it. */
static void shrinks_while_sending(void **state)
{
	uint64_t start, sent = 0;
	struct link link;
	int fds;

	(void)state;
	link_start(&link, FLOWIPC_OPTS(channel, .payload_bytes = 4096), NULL,
		   keep_when_told, NULL);
	fds = test_count_fds();
	ok(send_sized(link.channel, 100 * KIB, sent++));
	ok(send_sized(link.channel, 100 * MIB, sent++));
	kept(&link, 2);
	gives(test_count_fds(), fds + 2);
	released(&link);
	start = test_now_ns();
	while (test_count_fds() > fds) {
		ok(send_sized(link.channel, 8, sent++));
		kept(&link, 1);
		released(&link);
		test_sleep_ms(10);
		check_msg(test_now_ns() - start <
			  (uint64_t)test_ms(20000) * 1000000u,
			  "it does not shrink");
	}
	gives(maps_of_the_far_side(&link), 0);
	link_stop(&link);
}

/* One that sleeps without end gives up what it has mapped, too. */
static void sleeps_and_unmaps(struct link *far, void *arg)
{
	int maps = test_count_shared_maps();
	struct flowipc_message *message;

	(void)arg;
	receive_checked(far->channel, 0, &message);
	gives(test_count_shared_maps(), maps + 1);
	flowipc_message_release(message);
	sync_put(far->sync, (uint64_t)getpid());
	/* the other side counts what this one has mapped meanwhile */
	gives(flowipc_message_receive(far->channel, &message, -1), -EPIPE);
}

static int shared_maps_of(pid_t pid)
{
	char line[512], path[64];
	int count = 0;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/maps", pid);
	file = fopen(path, "r");
	check(file);
	while (fgets(line, sizeof(line), file))
		count += strstr(line, "flowipc") && line[strcspn(line, " ") +
							 4] == 's';
	fclose(file);
	return count;
}

static void a_sleeper_unmaps(void **state)
{
	struct link link;
	uint64_t start;
	int maps;

	(void)state;
	link_start(&link, NULL, FLOWIPC_OPTS(channel,
			.wait_mode = FLOWIPC_WAIT_SLEEP), sleeps_and_unmaps,
		   NULL);
	ok(send_sized(link.channel, 3 * MIB, 0));
	sync_get(link.sync);
	maps = shared_maps_of(link.peer.pid);
	check(maps >= 3);
	start = test_now_ns();
	while (shared_maps_of(link.peer.pid) >= maps) {
		check(flowipc_channel_reclaim(link.channel) >= 0);
		test_sleep_ms(20);
		check_msg(test_now_ns() - start <
			  (uint64_t)test_ms(20000) * 1000000u,
			  "the peer has it mapped still");
	}
	gives(shared_maps_of(link.peer.pid), maps - 1);
	link_stop(&link);
}

static void has_a_limit(void **state)
{
	struct flowipc_channel_memory memory;
	struct flowipc_message *message;
	uint64_t sent = 0, most;
	struct link link;

	(void)state;
	link_start(&link, FLOWIPC_OPTS(channel, .payload_bytes = 64 * KIB,
			.payload_max_bytes = MIB), NULL, keep_when_told, NULL);
	while (!send_sized(link.channel, 10000, sent))
		check(++sent < 105);
	gives(send_sized(link.channel, 10000, sent), -EAGAIN);
	gives(flowipc_message_new(link.channel, 10000, 20, &message),
	      -ETIMEDOUT);
	memory = memory_of(link.channel);
	check(memory.reserved >= MIB && memory.reserved <= 2 * MIB);
	check_msg(sent > 90, "%" PRIu64 " messages of 10000 bytes in 1 MiB",
		  sent);
	most = sent;
	/* what is larger than the limit is not under it */
	ok(send_sized(link.channel, MIB + 1, sent++));
	check(memory_of(link.channel).reserved > 2 * MIB);
	gives(send_sized(link.channel, 10000, sent), -EAGAIN);
	kept(&link, sent);
	released(&link);
	/* all of it can be used again, also for what is not small */
	ok(send_sized(link.channel, 900 * KIB, sent++));
	check(memory_of(link.channel).chunks == 2);
	/* the rest is there, but not in one piece */
	ok(send_sized(link.channel, 100 * KIB, sent++));
	gives(memory_of(link.channel).chunks, 2);
	gives(send_sized(link.channel, 100 * KIB, sent), -EAGAIN);
	kept(&link, 2);
	released(&link);
	for (memory.chunks = 0; memory.chunks < most; memory.chunks++)
		ok(send_sized(link.channel, 10000, sent++));
	kept(&link, most);
	released(&link);
	maps_of_the_far_side(&link);
	link_stop(&link);
}

static void bad_limits(void **state)
{
	struct flowipc_channel *channel = NULL;
	struct link link;

	(void)state;
	link_start(&link, NULL, NULL, keep_when_told, NULL);
	gives(flowipc_channel_open(link.session, FLOWIPC_OPTS(channel,
			.payload_bytes = 8192, .payload_max_bytes = 4096), 100,
			&channel), -EINVAL);
	test_last_error_has("payload_max_bytes");
	gives(flowipc_channel_open(link.session, FLOWIPC_OPTS(channel,
			.payload_max_bytes = UINT64_MAX), 100, &channel),
	      -EINVAL);
	check(!channel);
	maps_of_the_far_side(&link);
	link_stop(&link);
}

/* What cannot grow waits for what there is; what would never fit fails. */
static void cannot_grow(void **state)
{
	struct flowipc_message *message;
	uint64_t sent = 0;
	struct link link;

	(void)state;
	link_start(&link, FLOWIPC_OPTS(channel, .payload_bytes = 64 * KIB),
		   NULL, keep_when_told, NULL);
	test_deny_fds(true);
	while (sent < 6)
		ok(send_sized(link.channel, 10000, sent++));
	gives(flowipc_message_new(link.channel, 10000, 0, &message), -EAGAIN);
	gives(flowipc_message_new(link.channel, 10000, 20, &message),
	      -ETIMEDOUT);
	gives(flowipc_message_new(link.channel, 70000, 0, &message), -EMFILE);
	gives(flowipc_message_new(link.channel, 100 * MIB, 0, &message),
	      -EMFILE);
	gives(memory_of(link.channel).chunks, 1);
	kept(&link, 6);
	released(&link);
	ok(send_sized(link.channel, 60000, sent++));
	gives(flowipc_message_new(link.channel, 10000, 0, &message), -EAGAIN);
	test_deny_fds(false);
	ok(send_sized(link.channel, 10000, sent++));
	gives(memory_of(link.channel).chunks, 2);
	kept(&link, 2);
	released(&link);
	maps_of_the_far_side(&link);
	link_stop(&link);
}

enum { ROUNDS = 60 };

/* Close in the midst of what is sent; nothing of it may stay mapped. */
static void close_early(int sync, void *arg)
{
	struct flowipc_session *session = test_session_connect();
	struct flowipc_channel *first, *channel;
	struct flowipc_message *message;
	int maps, i;

	(void)arg;
	ok(flowipc_channel_open(session, NULL, test_ms(10000), &first));
	maps = test_count_shared_maps();
	for (i = 0; i < ROUNDS; i++) {
		ok(flowipc_channel_open(session, NULL, test_ms(10000),
					&channel));
		if (i % 3) {
			ok(flowipc_message_receive(channel, &message,
						   test_ms(5000)));
			flowipc_message_release(message);
		}
		flowipc_channel_close(channel);
		/* the other side notices, and closes its half */
		sync_put(sync, 0);
		sync_get(sync);
	}
	ok(flowipc_message_receive(first, &message, test_ms(5000)));
	flowipc_message_release(message);
	gives(flowipc_message_receive(first, &message, 1), -ETIMEDOUT);
	gives(test_count_shared_maps(), maps);
	flowipc_channel_close(first);
	flowipc_session_close(session);
}

static void sent_to_one_that_closes(void **state)
{
	struct flowipc_channel *first, *channel;
	struct link link;
	int i, number;

	(void)state;
	test_session_start(&link, close_early, NULL);
	ok(flowipc_channel_accept(link.session, NULL, test_ms(10000), &first));
	for (i = 0; i < ROUNDS; i++) {
		ok(flowipc_channel_accept(link.session, NULL, test_ms(10000),
					  &channel));
		for (number = 0; number < 30; number++) {
			struct flowipc_message *message;

			ok(flowipc_message_new(channel, 10000, test_ms(5000),
					       &message));
			if (flowipc_message_send(message, test_ms(5000)))
				flowipc_message_release(message);
		}
		sync_get(link.sync);
		flowipc_channel_close(channel);
		sync_put(link.sync, 0);
	}
	ok(flowipc_send(first, "end", 3, test_ms(5000)));
	peer_join(&link.peer);
	flowipc_channel_close(first);
	link_close(&link);
}

/* Forged slots: what is said of chunks. */
enum forgery { NO_SUCH_PLACE, NO_SUCH_REGION, TAKEN_BACK, BEYOND, BEFORE,
	       FORGERIES };

static struct slot *slots_of_this_process(void)
{
	struct map maps[64];
	int count = test_shared_maps("rw", maps, 64);
	const struct outbox_header *header;

	/* the one outbox, before anything has grown */
	gives(count, 1);
	header = (const void *)maps[0].start;
	return (void *)(maps[0].start + header->slots_offset);
}

static void forge(struct link *far, void *arg)
{
	enum forgery forgery = *(enum forgery *)arg;
	struct slot *slots = slots_of_this_process(), *forged = &slots[1];

	ok(send_sized(far->channel, 100 * KIB, 0));
	check(slots[0].chunk == 1);
	forged->kind = SLOT_PAYLOAD;
	forged->type = 1;
	forged->loan = 1;
	forged->size = 100;
	forged->offset = 0;
	forged->chunk = 1;
	forged->region = slots[0].region;
	switch (forgery) {
	case NO_SUCH_PLACE:
		forged->chunk = FLOWIPC__CHUNKS;
		break;
	case NO_SUCH_REGION:
		forged->chunk = 2;
		forged->region++;
		break;
	case TAKEN_BACK:
		forged->region++;
		break;
	case BEYOND:
		forged->offset = 200 * KIB;
		break;
	default:
		forged->offset = UINT64_MAX - 50;
		break;
	}
	atomic_store(&forged->sequence, 2);
	sync_put(far->sync, 0);
	sync_get(far->sync);
	_exit(0);
}

static void forged_chunks(void **state)
{
	struct flowipc_message *message, *none;
	enum forgery forgery;
	struct link link;
	int maps;

	(void)state;
	for (forgery = 0; forgery < FORGERIES; forgery++) {
		maps = test_count_shared_maps();
		link_start(&link, NULL, NULL, forge, &forgery);
		receive_checked(link.channel, 0, &message);
		sync_get(link.sync);
		gives(flowipc_message_receive(link.channel, &none,
					      test_ms(5000)), -EPROTO);
		check(*flowipc_last_error());
		/* what was received honestly is there nevertheless */
		pattern_check(flowipc_message_data(message), 100 * KIB, 0);
		flowipc_message_release(message);
		sync_put(link.sync, 0);
		link_drop(&link);
		gives(test_count_shared_maps(), maps);
	}
}

static const struct CMUnitTest tests[] = {
	TEST(told_of),
	TEST(grows_and_shrinks),
	TEST(shrinks_while_sending),
	TEST(a_sleeper_unmaps),
	TEST(has_a_limit),
	TEST(bad_limits),
	TEST(cannot_grow),
	TEST(sent_to_one_that_closes),
	TEST(forged_chunks),
};

TEST_MAIN(tests, NULL)
