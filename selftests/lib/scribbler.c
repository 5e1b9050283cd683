// SPDX-License-Identifier: MIT
#include "scribbler-private.h"

#include <poll.h>
#include <sched.h>

/* The mapping that was not there before, NULL if none. */
static const struct map *new_map(const struct map *before, int count_before,
				 const char *rights)
{
	static struct map after[64];
	int count = test_shared_maps(rights, after, 64), i, j;

	check(count <= 64);
	for (i = 0; i < count; i++) {
		for (j = 0; j < count_before; j++)
			if (after[i].start == before[j].start)
				break;
		if (j == count_before)
			return &after[i];
	}
	return NULL;
}

/* As it was made; it is not read again. */
static void find_mine(struct attacker *attacker, const struct map *before,
		      int count_before)
{
	const struct map *map = new_map(before, count_before, "rw");
	const struct outbox_header *header;

	check_msg(map, "no writable shared memory");
	header = (void *)map->start;
	attacker->mine = (char *)map->start;
	attacker->size = map->end - map->start;
	attacker->cursor = (void *)(attacker->mine + FLOWIPC__LINE_PAIR);
	attacker->releases = (void *)(attacker->mine +
				      header->releases_offset);
	attacker->slots = (void *)(attacker->mine + header->slots_offset);
	attacker->slot_count = header->slots;
	attacker->payload_bytes = header->payload_bytes;
}

/* False as long as there is none. */
static bool find_theirs(struct attacker *attacker, const struct map *before,
			int count_before)
{
	const struct map *map = new_map(before, count_before, "r-");
	const struct outbox_header *header;

	if (!map)
		return false;
	header = (void *)map->start;
	attacker->their_cursor = (void *)(map->start + FLOWIPC__LINE_PAIR);
	attacker->their_slots = (void *)(map->start + header->slots_offset);
	attacker->their_slot_count = header->slots;
	return true;
}

uint64_t chosen(struct attacker *attacker, uint64_t old)
{
	static const uint64_t interesting[] = {
		0, 1, 2, 3, 4, 5, 80, 81, 4095, 4096, 0x7fffffff, 0x80000000,
		0xffffffff, 0x100000000, INT64_MAX, 1ull << 63, UINT64_MAX,
		UINT64_MAX - 1, UINT64_MAX - 4095, UINT64_MAX - 63,
		0xfffffffe00000001, 0x0000000200000000, 0xffff000000000000,
	};
	uint64_t *random = &attacker->random;

	switch (test_random_below(random, 10)) {
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
	case 7:
		return attacker->size - test_random_below(random, 200) + 100;
	case 8:
		return old + attacker->slot_count;
	default:
		return test_random(random) << 32 | (uint32_t)old;
	}
}

void count_word(const struct attacker *attacker, const void *at)
{
	uint64_t offset = (uint64_t)((const char *)at - attacker->mine);
	uint64_t slots = (uint64_t)((char *)attacker->slots - attacker->mine);
	uint64_t word = offset / 4, kind;

	if (word < HEADER_WORDS)
		kind = HEADER + word;
	else if (word < HEADER_WORDS + CURSOR_WORDS)
		kind = CURSOR + word - HEADER_WORDS;
	else if (word >= 2 * HEADER_WORDS &&
		 word < 2 * HEADER_WORDS + BELLS_WORDS)
		kind = BELLS + word - 2 * HEADER_WORDS;
	else if (word >= 3 * HEADER_WORDS &&
		 word < 3 * HEADER_WORDS + SPAN_WORDS)
		kind = SPAN + word - 3 * HEADER_WORDS;
	else if (offset >= slots)
		kind = SLOTS + word % SLOT_WORDS;
	else
		kind = RELEASES;
	atomic_fetch_add_explicit(&progress->hits[kind], 1,
				  memory_order_relaxed);
	atomic_fetch_add_explicit(&progress->words, 1, memory_order_relaxed);
}

/* Change 4 or 8 bytes: at most one of them counts. */
NO_TSAN static void spoil(struct attacker *attacker, uint64_t offset)
{
	volatile uint64_t *word;
	volatile uint32_t *half;

	if (test_random_below(&attacker->random, 2)) {
		word = (uint64_t *)(attacker->mine + (offset & ~7ull));
		*word = chosen(attacker, *word);
		count_word(attacker, (const void *)word);
	} else {
		half = (uint32_t *)(attacker->mine + (offset & ~3ull));
		*half = (uint32_t)chosen(attacker, *half);
		count_word(attacker, (const void *)half);
	}
}

/* Near the beginning is what rules the rest, so hit that more often. */
static uint64_t place(struct attacker *attacker)
{
	uint64_t slots = (uint64_t)((char *)attacker->slots - attacker->mine);
	uint64_t *random = &attacker->random;

	switch (test_random_below(random, 8)) {
	case 0:
		return test_random_below(random, FLOWIPC__LINE_PAIR);
	case 1:
		return FLOWIPC__LINE_PAIR + test_random_below(random,
				sizeof(struct outbox_cursor));
	case 2:
		return 2 * FLOWIPC__LINE_PAIR + test_random_below(random,
				sizeof(struct outbox_bells));
	case 3:
		if (test_random_below(random, 2))
			return test_random_below(random, slots);
		return 3 * FLOWIPC__LINE_PAIR + test_random_below(random,
				sizeof(struct outbox_span));
	default:
		return slots + test_random_below(random, attacker->slot_count *
						 sizeof(struct slot));
	}
}

/* In several pieces, and with descriptors. */
static int send_pieces(struct attacker *attacker)
{
	uint64_t *random = &attacker->random, further;
	struct flowipc_message *message, *piece;
	int err;

	err = flowipc_message_new(attacker->channel,
				  test_random_below(random, 5000), 0, &message);
	if (err)
		return err;
	for (further = test_random_below(random, 4); further; further--) {
		if (flowipc_message_new(attacker->channel,
					test_random_below(random, 200), 0,
					&piece))
			break;
		if (flowipc_message_append(message, piece))
			flowipc_message_release(piece);
	}
	if (test_random_below(random, 2))
		ok(flowipc_message_attach_fd(message, STDERR_FILENO));
	err = flowipc_message_send(message, 0);
	if (err)
		flowipc_message_release(message);
	return err;
}

/* What lies in a region, by itself or in the course of a topic. */
int send_from_region(struct attacker *attacker)
{
	static const char bytes[5000];
	struct flowipc_message *message;
	int err;

	if (attacker->topic && test_random_below(&attacker->random, 4))
		return flowipc_publish(attacker->topic, bytes,
				       test_random_below(&attacker->random,
							 sizeof(bytes)), 0);
	err = flowipc_message_from_region(attacker->channel, attacker->region,
					  0, 100, 0, &message);
	if (err)
		return err;
	err = flowipc_message_send(message, 0);
	if (err)
		flowipc_message_release(message);
	return err;
}

/* Something honest now and then, or nobody would read the nonsense. */
static int act_honestly(struct attacker *attacker)
{
	static char bytes[20000];
	struct flowipc_channel *channel = attacker->channel;
	struct flowipc_message *message;
	uint64_t *random = &attacker->random;
	int err;

	if (!test_random_below(random, 2000))
		return flowipc_channel_shutdown(channel);
	switch (test_random_below(random, 6)) {
	case 0:
	case 1:
		return flowipc_send(channel, bytes, test_random_below(random,
				test_random_below(random, 2) ? 80 : 20000), 0);
	case 2:
		err = flowipc_message_receive(channel, &message, 0);
		if (!err)
			flowipc_message_release(message);
		return err;
	case 3:
		return send_pieces(attacker);
	case 4:
		return send_from_region(attacker);
	default:
		err = (int)flowipc_channel_reclaim(channel);
		return err < 0 ? err : 0;
	}
}

bool is_alone(const struct attacker *attacker)
{
	struct pollfd end = { .fd = flowipc_channel_fd(attacker->channel) };

	return poll(&end, 1, 0) > 0 && end.revents & (POLLHUP | POLLERR);
}

/* Now and then, often, or one place again and again. */
static void scribble(struct attacker *attacker)
{
	uint64_t often = 1 + test_random_below(&attacker->random, 16);
	uint64_t offset = place(attacker);
	bool stays = test_random_below(&attacker->random, 3) == 0;
	uint64_t i;
	int err;

	for (i = 0; i < 200; i++) {
		err = act_honestly(attacker);
		if (err == -EPIPE || err == -EPROTO)
			return;
		if (i % often)
			continue;
		spoil(attacker, stays ? offset : place(attacker));
		if (i % 16 == 0)
			sched_yield();
	}
}

static _Atomic bool round_over;

/* Change words forth and back: whoever reads twice gets something else. */
NO_TSAN static void flip(void *arg)
{
	struct attacker attacker = *(struct attacker *)arg;
	volatile uint64_t *words[4];
	uint64_t values[4];
	int i, n;

	attacker.random++;
	while (!atomic_load(&round_over)) {
		for (i = 0; i < 4; i++) {
			words[i] = (uint64_t *)(attacker.mine +
						(place(&attacker) & ~7ull));
			values[i] = chosen(&attacker, *words[i]);
			count_word(&attacker, (const void *)words[i]);
		}
		for (n = 0; n < 201 && !atomic_load(&round_over); n++) {
			for (i = 0; i < 4; i++) {
				uint64_t old = *words[i];

				*words[i] = values[i];
				values[i] = old;
			}
			if (n % 50 == 0)
				sched_yield();
		}
		atomic_fetch_add(&progress->flips, 4 * (uint64_t)n);
	}
}

static void scribble_all_the_time(struct attacker *attacker)
{
	struct thread flipper;

	atomic_store(&round_over, false);
	thread_start(&flipper, flip, attacker);
	scribble(attacker);
	atomic_store(&round_over, true);
	thread_join(&flipper);
}

/*
 * Before the victim accepts, at times: what is read once, when it joins the two
 * halves of the channel, is the header.
 */
static void spoil_header(struct attacker *attacker)
{
	uint64_t count = 1 + test_random_below(&attacker->random, 3);

	while (count--)
		spoil(attacker, test_random_below(&attacker->random,
				sizeof(struct outbox_header)));
	sched_yield();
}

static void topic_begin(struct attacker *attacker)
{
	ok(flowipc_topic_create(NULL, &attacker->topic));
	gives_one_of(flowipc_topic_subscribe(attacker->topic,
					     attacker->channel), 0, -EPIPE,
		     -EPROTO);
}

static void attack(struct attacker *attacker)
{
	struct flowipc_session *session;
	struct map before[64];
	int count = test_shared_maps("r", before, 64);
	uint64_t *random = &attacker->random;
	bool early = test_random_below(random, 8) == 0;

	ok(flowipc_connect("t", NULL, test_ms(10000), &session));
	ok(flowipc_channel_open(session, FLOWIPC_OPTS(channel,
			.slots = 2u << test_random_below(random, 8),
			.payload_bytes = 1u << (12 +
					test_random_below(random, 10)),
			.when_full = test_random_below(random, 2)),
			early ? 0 : test_ms(10000), &attacker->channel));
	find_mine(attacker, before, count);
	ok(flowipc_region_create(4096, NULL, &attacker->region));
	attacker->topic = NULL;
	if (early) {
		spoil_header(attacker);
		/* until it has been accepted, or not */
		while (act_honestly(attacker) != -EPIPE &&
		       !is_alone(attacker) &&
		       !find_theirs(attacker, before, count))
			sched_yield();
	} else if (find_theirs(attacker, before, count)) {
		if (!test_random_below(random, 4))
			topic_begin(attacker);
		switch (test_random_below(random, 8)) {
		case 0:
		case 1:
			scribble(attacker);
			break;
		case 2:
			scribble_all_the_time(attacker);
			break;
		case 3:
		case 4:
			forge_progress(attacker);
			break;
		default:
			forge_messages(attacker);
		}
	}
	flowipc_channel_close(attacker->channel);
	flowipc_topic_destroy(attacker->topic);
	flowipc_region_destroy(attacker->region);
	flowipc_session_close(session);
	atomic_fetch_add(&progress->sessions, 1);
}

uint64_t words_wanted(void)
{
	const char *value = getenv("FLOWIPC_TEST_WORDS");

	return value ? strtoull(value, NULL, 0) :
		       (uint64_t)test_loops(1000000);
}

void scribbler(int sync, void *seed)
{
	struct attacker attacker = { .random = *(uint64_t *)seed };
	uint64_t wanted = words_wanted();

	(void)sync;
	while (atomic_load(&progress->words) < wanted) {
		test_arm_alarm();
		attack(&attacker);
	}
	atomic_store(&progress->over, true);
}
