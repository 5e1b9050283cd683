// SPDX-License-Identifier: MIT
/* Subscribers that are slow, hoard, leave and die, and do not disturb others. */
#include "audience.h"

#include <signal.h>

/* The slow one loses the oldest, the other one nothing. */
static void slow_one_drops(void **state)
{
	struct scene scene;
	uint64_t i;

	(void)state;
	scene_start(&scene, 0, 0);
	seat_take(&scene, 0, FLOWIPC_OPTS(channel, .slots = 4,
			.when_full = FLOWIPC_FULL_DROP_OLDEST));
	seat_take(&scene, 1, NULL);
	for (i = 1; i <= 100; i++)
		ok(publish(&scene, i, mixed(i), 0));
	gives(flowipc_channel_dropped(scene.seats[0].channel), 96);
	gives(ask(&scene.seats[1], TAKE, 100), 100);
	gives(ask(&scene.seats[0], TAKE, 1), 97);
	gives(ask(&scene.seats[0], TAKE_ALL, 0), 3);
	none_ended(&scene);
	gives(stats(&scene).used, 0);
	scene_stop(&scene);
}

/*
 * The slow one is told the end, and what it got stays as it was for as long as
 * it has it, whatever is published after that.
 */
static void slow_one_is_disconnected(void **state)
{
	struct scene scene;
	uint64_t i;

	(void)state;
	scene_start(&scene, 0, 4 * LARGE);
	seat_take(&scene, 0, FLOWIPC_OPTS(channel, .slots = 2,
			.when_full = FLOWIPC_FULL_DISCONNECT));
	seat_take(&scene, 1, NULL);
	ok(publish(&scene, 1, LARGE, 0));
	gives(ask(&scene.seats[0], HOLD, 1), 1);
	for (i = 2; i <= 4; i++) {
		gives(ask(&scene.seats[1], TAKE, 1), i - 1);
		ok(publish(&scene, i, LARGE, 0));
	}
	ended(&scene, 0, -ECONNABORTED);
	none_ended(&scene);
	gives(stats(&scene).subscribers, 1);
	for (; i <= 20; i++) {
		gives(ask(&scene.seats[1], TAKE, 1), i - 1);
		ok(publish(&scene, i, LARGE, 0));
	}
	gives(ask(&scene.seats[0], CHECK, 0), 1);
	gives(ask(&scene.seats[0], HOLD, 2), 3);
	flowipc_channel_close(scene.seats[0].channel);
	scene.seats[0].channel = NULL;
	gives(ask(&scene.seats[0], END, 0), false);
	for (; i <= 40; i++) {
		gives(ask(&scene.seats[1], TAKE, 1), i - 1);
		ok(publish(&scene, i, LARGE, 0));
	}
	gives(ask(&scene.seats[0], CHECK, 0), 3);
	scene_stop(&scene);
}

/* One that is waited for holds up nobody but the publisher, and as told. */
static void slow_one_is_waited_for(void **state)
{
	struct flowipc_publication *publication;
	struct scene scene;
	uint64_t start;
	int place, i;

	(void)state;
	scene_start(&scene, 0, 0);
	for (place = 0; place < 3; place++)
		seat_take(&scene, place, FLOWIPC_OPTS(channel,
				.slots = place == 1 ? 2 : 64));
	for (i = 1; i <= 2; i++)
		ok(publish(&scene, (uint64_t)i, mixed((uint64_t)i), 0));
	ok(write_one(&scene, 3, mixed(3), 0, &publication));
	gives(flowipc_publication_send(publication, 0), -EAGAIN);
	gives(flowipc_publication_truncate(publication, 1), -EINVAL);
	test_last_error_has("sent");
	start = test_now_ns();
	gives(flowipc_publication_send(publication, 20), -ETIMEDOUT);
	check(test_now_ns() - start >= 19000000u);
	/* the others have it, once */
	gives(ask(&scene.seats[0], TAKE_ALL, 0), 3);
	gives(ask(&scene.seats[2], TAKE_ALL, 0), 3);
	gives(ask(&scene.seats[1], TAKE, 1), 1);
	ok(flowipc_publication_send(publication, 0));
	gives(ask(&scene.seats[1], TAKE_ALL, 0), 2);
	/* without patience, it has missed something */
	for (i = 4; i <= 5; i++)
		ok(publish(&scene, (uint64_t)i, mixed((uint64_t)i), 0));
	gives(publish(&scene, 6, mixed(6), 0), -EAGAIN);
	gives(publish(&scene, 7, mixed(7), 1), -ETIMEDOUT);
	gives(ask(&scene.seats[1], TAKE_ALL, 0), 2);
	gives(stats(&scene).missed, 0);
	ok(publish(&scene, 8, mixed(8), 0));
	gives(stats(&scene).missed, 2);
	gives(ask(&scene.seats[1], TAKE, 1), 8);
	gives(ask(&scene.seats[0], TAKE_ALL, 0), 5);
	gives(ask(&scene.seats[2], TAKE_ALL, 0), 5);
	gives(stats(&scene).used, 0);
	scene_stop(&scene);
}

/* One that has closed its channel may still read what it has. */
static void who_leaves_with_messages(void **state)
{
	struct scene scene;
	uint64_t i;

	(void)state;
	scene_start(&scene, 0, 4 * LARGE);
	seat_take(&scene, 0, NULL);
	seat_take(&scene, 1, NULL);
	for (i = 1; i <= 2; i++)
		ok(publish(&scene, i, LARGE, 0));
	gives(ask(&scene.seats[0], HOLD, 1), 1);
	gives(ask(&scene.seats[0], CLOSE, 0), 0);
	for (; i <= 20; i++) {
		gives(ask(&scene.seats[1], TAKE, i == 3 ? 2 : 1), i - 1);
		ok(publish(&scene, i, LARGE, test_ms(10000)));
		test_sleep_ms(5);
	}
	ended(&scene, 0, -EPIPE);
	gives(ask(&scene.seats[0], CHECK, 0), 1);
	/* so may one whose channel the publisher closes */
	gives(ask(&scene.seats[1], HOLD, 1), 20);
	ok(publish(&scene, 21, LARGE, 0));
	flowipc_channel_close(scene.seats[1].channel);
	scene.seats[1].channel = NULL;
	gives(stats(&scene).subscribers, 0);
	for (i = 22; i < 40; i++)
		ok(publish(&scene, i, LARGE, 0));
	gives(ask(&scene.seats[1], CHECK, 0), 1);
	gives(ask(&scene.seats[1], TAKE, 1), 21);
	gives(ask(&scene.seats[1], END, 0), true);
	none_ended(&scene);
	scene_stop(&scene);
}

/* One that dies gives back all at once, and nobody else notices. */
static void who_dies(void **state)
{
	uint64_t reserved, i;
	struct scene scene;

	(void)state;
	scene_start(&scene, 0, 4 * LARGE);
	seat_take(&scene, 0, NULL);
	seat_take(&scene, 1, NULL);
	for (i = 1; i <= 3; i++)
		ok(publish(&scene, i, LARGE, 0));
	gives(ask(&scene.seats[0], HOLD, 2), 2);
	gives(ask(&scene.seats[1], TAKE, 3), 3);
	gives(stats(&scene).used > 2 * LARGE, true);
	reserved = stats(&scene).reserved;
	peer_kill(&scene.seats[0].peer);
	/* enough for a look at who is there */
	test_sleep_ms(100);
	ok(publish(&scene, 4, 1, 0));
	ended(&scene, 0, -EPIPE);
	gives(stats(&scene).used, 0);
	gives(stats(&scene).reserved, reserved);
	seat_clear(&scene, 0);
	gives(ask(&scene.seats[1], TAKE, 1), 4);
	/* also when it is its memory that is wanted */
	seat_take(&scene, 2, NULL);
	for (i = 5; i <= 8; i++)
		ok(publish(&scene, i, LARGE, 0));
	gives(ask(&scene.seats[1], TAKE, 4), 8);
	gives(publish(&scene, 9, LARGE, 0), -EAGAIN);
	peer_kill(&scene.seats[2].peer);
	test_sleep_ms(100);
	ok(publish(&scene, 9, LARGE, 0));
	ended(&scene, 2, -EPIPE);
	seat_clear(&scene, 2);
	gives(ask(&scene.seats[1], TAKE, 1), 9);
	scene_stop(&scene);
}

/* One that breaks the rules ends, and nobody else. */
static void who_lies(void **state)
{
	struct flowipc_session_end end = { .sz = sizeof(end) };
	struct scene scene;
	uint64_t i;

	(void)state;
	scene_start(&scene, 1, 4 * LARGE);
	seat_take(&scene, 0, FLOWIPC_OPTS(channel,
			.when_full = FLOWIPC_FULL_DROP_OLDEST));
	seat_take(&scene, 1, NULL);
	ok(publish(&scene, 1, LARGE, 0));
	ok(publish(&scene, 2, LARGE, 0));
	gives(ask(&scene.seats[0], HOLD, 1), 1);
	gives(ask(&scene.seats[0], SCRIBBLE, 0), 0);
	gives(ask(&scene.seats[1], TAKE, 2), 2);
	for (i = 3; i <= 20; i++) {
		ok(publish(&scene, i, LARGE, 0));
		gives(ask(&scene.seats[1], TAKE, 1), i);
	}
	ended(&scene, 0, -EPROTO);
	none_ended(&scene);
	ok(flowipc_session_end(scene.seats[0].session, &end));
	gives(end.reason, FLOWIPC_END_PROTOCOL);
	gives(flowipc_session_end(scene.seats[1].session, &end), -EAGAIN);
	peer_kill(&scene.seats[0].peer);
	seat_clear(&scene, 0);
	gives(stats(&scene).history, 1);
	scene_stop(&scene);
}

/* Who is furthest behind makes room, and nobody else. */
static void who_is_behind(void **state)
{
	struct scene scene;
	int place;
	uint64_t i;

	(void)state;
	scene_start(&scene, 0, 8 * LARGE);
	for (place = 0; place < 3; place++)
		seat_take(&scene, place, FLOWIPC_OPTS(channel,
				.when_full = FLOWIPC_FULL_DROP_OLDEST));
	for (i = 1; i <= 30; i++) {
		ok(publish(&scene, i, LARGE, 0));
		/* these have two to receive, that one all */
		for (place = 0; place < 3 && i > 2; place += 2)
			gives(ask(&scene.seats[place], TAKE, 1), i - 2);
	}
	none_ended(&scene);
	gives(flowipc_channel_dropped(scene.seats[0].channel), 0);
	gives(flowipc_channel_dropped(scene.seats[2].channel), 0);
	gives(flowipc_channel_dropped(scene.seats[1].channel) +
	      ask(&scene.seats[1], TAKE_ALL, 0), 30);
	scene_stop(&scene);
}

/* Memory is what one may not keep from the others. */
static void who_hoards(void **state)
{
	struct scene scene;
	uint64_t i;

	(void)state;
	scene_start(&scene, 2, 8 * LARGE);
	seat_take(&scene, 0, FLOWIPC_OPTS(channel,
			.when_full = FLOWIPC_FULL_DROP_OLDEST));
	seat_take(&scene, 1, FLOWIPC_OPTS(channel,
			.when_full = FLOWIPC_FULL_DROP_OLDEST));
	seat_take(&scene, 2, NULL);
	for (i = 1; i <= 30; i++) {
		ok(publish(&scene, i, LARGE, 0));
		/* received, and never released */
		if (i <= 6)
			gives(ask(&scene.seats[0], HOLD, 1), i);
		if (i == 1)
			gives(ask(&scene.seats[1], HOLD, 1), i);
		gives(ask(&scene.seats[2], TAKE, 1), i);
		if (i == 15)
			none_ended(&scene);
	}
	/* as long as dropping helps, nobody is disconnected */
	none_ended(&scene);
	check(flowipc_channel_dropped(scene.seats[0].channel) > 20);
	/* but then it is the one with most */
	gives(ask(&scene.seats[0], HOLD, 2), 30);
	for (; i <= 40; i++) {
		ok(publish(&scene, i, LARGE, 0));
		gives(ask(&scene.seats[2], TAKE, 1), i);
	}
	ended(&scene, 0, -ECONNABORTED);
	none_ended(&scene);
	gives(ask(&scene.seats[0], CHECK, 0), 8);
	gives(ask(&scene.seats[1], CHECK, 0), 1);
	gives(ask(&scene.seats[1], RELEASE, 0), 1);
	check(ask(&scene.seats[1], TAKE_ALL, 0) > 0);
	gives(stats(&scene).subscribers, 2);
	scene_stop(&scene);
}

/* It misses what it cannot hold, and is not waited for. */
static void who_holds_all_it_can(void **state)
{
	enum { STEP = 64 };
	struct scene scene;
	uint64_t i, start;

	(void)state;
	scene_start(&scene, 0, 0);
	seat_take(&scene, 0, FLOWIPC_OPTS(channel,
			.when_full = FLOWIPC_FULL_DROP_OLDEST));
	for (i = 1; i <= HELD_MAX; i++) {
		ok(publish(&scene, i, 100, 0));
		if (i % STEP == 0)
			gives(ask(&scene.seats[0], HOLD, STEP), i);
	}
	seat_take(&scene, 1, FLOWIPC_OPTS(channel, .slots = 2));
	seat_take(&scene, 2, FLOWIPC_OPTS(channel,
			.when_full = FLOWIPC_FULL_DISCONNECT));
	for (; i <= HELD_MAX + 2; i++)
		ok(publish(&scene, i, 100, -1));
	gives(ask(&scene.seats[1], TAKE_LATE, 3), 0);
	start = test_now_ns();
	ok(publish(&scene, i, 100, test_ms(10000)));
	check(test_now_ns() - start < (uint64_t)test_ms(5000) * 1000000);
	gives(stats(&scene).missed, 0);
	gives(ask(&scene.seats[0], CHECK, 0), HELD_MAX);
	gives(ask(&scene.seats[0], RELEASE, 0), HELD_MAX);
	ok(publish(&scene, i + 1, 100, test_ms(10000)));
	gives(stats(&scene).missed, 3);
	gives(ask(&scene.seats[0], TAKE, 1), i + 1);
	gives(ask(&scene.seats[1], TAKE, 1), i + 1);
	gives(ask(&scene.seats[2], TAKE, 4), i + 1);
	none_ended(&scene);
	scene_stop(&scene);
}

/* Those who are waited for are, for memory as well. */
static void all_memory_is_held(void **state)
{
	struct flowipc_publication *publication, *others[4];
	struct scene scene;
	uint64_t start;
	int i;

	(void)state;
	scene_start(&scene, 2, 4 * LARGE);
	seat_take(&scene, 0, NULL);
	seat_take(&scene, 1, FLOWIPC_OPTS(channel,
			.when_full = FLOWIPC_FULL_DROP_OLDEST));
	for (i = 1; i <= 4; i++)
		ok(publish(&scene, (uint64_t)i, LARGE, 0));
	gives(ask(&scene.seats[0], HOLD, 4), 4);
	gives(flowipc_publication_new(scene.topic, LARGE, 0, &publication),
	      -EAGAIN);
	start = test_now_ns();
	gives(flowipc_publication_new(scene.topic, LARGE, 35, &publication),
	      -ETIMEDOUT);
	check(test_now_ns() - start >= 34900000u);
	/* nothing was taken from anybody in vain */
	gives(stats(&scene).history, 2);
	gives(ask(&scene.seats[1], TAKE_ALL, 0), 4);
	/* what is small needs none */
	ok(publish(&scene, 5, 80, 0));
	gives(ask(&scene.seats[0], RELEASE_LATE, 0), 4);
	ok(publish(&scene, 6, LARGE, test_ms(10000)));
	gives(ask(&scene.seats[0], TAKE, 2), 6);
	gives(ask(&scene.seats[1], TAKE, 2), 6);
	/* the publisher's own hands can be full, too */
	for (i = 0; i < 3; i++)
		ok(write_one(&scene, 7, LARGE, 0, &others[i]));
	ok(write_one(&scene, 7, LARGE, 0, &publication));
	gives(flowipc_publication_new(scene.topic, LARGE, test_ms(10000),
				      &others[3]), -EAGAIN);
	test_last_error_has("hands");
	for (i = 0; i < 3; i++)
		flowipc_publication_release(others[i]);
	ok(flowipc_publication_send(publication, 0));
	gives(ask(&scene.seats[0], TAKE, 1), 7);
	scene_stop(&scene);
}

/* They come and are killed, at random, and one sees it all. */
static void coming_and_dying(void **state)
{
	static const enum flowipc_when_full kinds[] = {
		FLOWIPC_FULL_WAIT, FLOWIPC_FULL_DROP_OLDEST,
		FLOWIPC_FULL_DISCONNECT,
	};
	uint64_t random = test_seed(), number = 0, for_all = 0, until, seen;
	uint64_t fds = 0;
	int kills = test_loops(60), i, reason, place;
	struct flowipc_channel *channel;
	struct scene scene;

	(void)state;
	scene_start(&scene, 8, 1 << 20);
	seat_take(&scene, 0, NULL);
	tell(&scene.seats[0], LISTEN, 0);
	for (i = 0; i < kills; i++) {
		if (i == 2)
			fds = (uint64_t)test_count_fds();
		place = 1 + (int)test_random_below(&random, SEATS - 1);
		seat_take(&scene, place, FLOWIPC_OPTS(channel, .slots = 16,
				.when_full = kinds[i % 3]));
		tell(&scene.seats[place],
		     test_random_below(&random, 4) ? LISTEN : HOARD, 0);
		until = test_random_below(&random, 200);
		while (until--) {
			number++;
			/* one that hoards is waited for in vain */
			while (publish(&scene, number, mixed(number), 5)) {
				sys(kill(scene.seats[place].peer.pid, SIGKILL));
				number++;
			}
			for_all++;
		}
		sys(kill(scene.seats[place].peer.pid, SIGKILL));
		peer_wait(&scene.seats[place].peer);
		if (!flowipc_topic_next_end(scene.topic, &channel, &reason))
			check(channel == scene.seats[place].channel);
		seat_clear(&scene, place);
	}
	/* besides those of memory that has come and gone meanwhile */
	check((uint64_t)test_count_fds() <= fds + 16);
	gives(stats(&scene).subscribers, 1);
	ok(flowipc_channel_shutdown(scene.seats[0].channel));
	/* and it may have got some that were given up for want of others */
	seen = sync_get(scene.seats[0].peer.sync);
	check_msg(seen >= for_all && seen <= number,
		  "%" PRIu64 " seen, of %" PRIu64 " that all got and %" PRIu64
		  " that were tried", seen, for_all, number);
	scene_stop(&scene);
}

/* One loses what it has, at once; the others have the same memory, and keep it. */
static void who_is_revoked(void **state)
{
	struct scene scene;
	uint64_t i;

	(void)state;
	if (!test_has(FLOWIPC_HAS_REVOKE)) {
		print_message("the back end cannot revoke\n");
		skip();
	}
	scene_start(&scene, 0, 8 * LARGE);
	seat_take(&scene, 0, NULL);
	seat_take(&scene, 1, NULL);
	for (i = 1; i <= 2; i++)
		ok(publish(&scene, i, LARGE, 0));
	gives(ask(&scene.seats[0], HOLD, 2), 2);
	gives(ask(&scene.seats[1], HOLD, 2), 2);
	ok(flowipc_session_revoke(scene.seats[0].session));
	gives(ask(&scene.seats[0], LOSE, 0), 2);
	gives(ask(&scene.seats[1], CHECK, 0), 2);
	ok(publish(&scene, 3, LARGE, 0));
	ended(&scene, 0, -EACCES);
	gives(ask(&scene.seats[0], END, 0), false);
	gives(ask(&scene.seats[0], RELEASE, 0), 2);
	seat_leave(&scene, 0);
	gives(ask(&scene.seats[1], TAKE, 1), 3);
	gives(ask(&scene.seats[1], CHECK, 0), 2);
	gives(ask(&scene.seats[1], RELEASE, 0), 2);
	for (; i <= 20; i++) {
		ok(publish(&scene, i + 1, LARGE, 0));
		gives(ask(&scene.seats[1], TAKE, 1), i + 1);
	}
	gives(stats(&scene).used, 0);
	scene_stop(&scene);
}

static const struct CMUnitTest tests[] = {
	TEST(slow_one_drops),
	TEST(slow_one_is_disconnected),
	TEST(slow_one_is_waited_for),
	TEST(who_leaves_with_messages),
	TEST(who_dies),
	TEST(who_is_revoked),
	TEST(who_lies),
	TEST(who_is_behind),
	TEST(who_hoards),
	TEST(who_holds_all_it_can),
	TEST(all_memory_is_held),
	TEST(coming_and_dying),
};

TEST_MAIN(tests, NULL)
