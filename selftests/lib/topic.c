// SPDX-License-Identifier: MIT
/* What is published once, all subscribers get. */
#include "audience.h"

/* Everything, in order, to all of those who are waited for. */
static void all_get_all(void **state)
{
	uint64_t count = (uint64_t)test_loops(10000), i;
	struct scene scene;
	int place;

	(void)state;
	scene_start(&scene, 3, 1 << 20);
	for (place = 0; place < SEATS; place++) {
		seat_take(&scene, place, FLOWIPC_OPTS(channel,
				.slots = place ? 16 : 256,
				.wait_mode = (enum flowipc_wait_mode)
					(place % 2 ? FLOWIPC_WAIT_SLEEP :
					 FLOWIPC_WAIT_ADAPTIVE)));
		tell(&scene.seats[place], LISTEN, 0);
	}
	for (i = 1; i <= count; i++)
		ok(publish(&scene, i, mixed(i), -1));
	gives(stats(&scene).published, count);
	gives(stats(&scene).subscribers, SEATS);
	gives(stats(&scene).history, 3);
	none_ended(&scene);
	for (place = 0; place < SEATS; place++)
		ok(flowipc_channel_shutdown(scene.seats[place].channel));
	for (place = 0; place < SEATS; place++)
		gives(sync_get(scene.seats[place].peer.sync), count);
	gives(stats(&scene).missed, 0);
	scene_stop(&scene);
}

/* However many they are, the payload is there once, and is free at the end. */
static void written_once(void **state)
{
	enum { SIZE = 8 << 20 };
	struct scene scene;
	int place;

	(void)state;
	scene_start(&scene, 0, 0);
	for (place = 0; place < SEATS; place++)
		seat_take(&scene, place, NULL);
	ok(publish(&scene, 1, SIZE, 0));
	for (place = 0; place < SEATS; place++)
		gives(ask(&scene.seats[place], HOLD, 1), 1);
	gives(stats(&scene).used, SIZE);
	check(stats(&scene).reserved < 2 * SIZE);
	for (place = 0; place < SEATS; place++) {
		gives(stats(&scene).used, SIZE);
		gives(ask(&scene.seats[place], RELEASE, 0), 1);
	}
	gives(stats(&scene).used, 0);
	/* what nobody wants is gone at once */
	for (place = 0; place < SEATS; place++)
		seat_leave(&scene, place);
	ok(publish(&scene, 2, SIZE, 0));
	gives(stats(&scene).used, 0);
	/* and after a while so is the memory */
	test_sleep_ms(100);
	stats(&scene);
	for (place = 0; place < 100 && stats(&scene).reserved; place++)
		test_sleep_ms(100);
	gives(stats(&scene).reserved, 0);
	scene_stop(&scene);
}

static void who_comes_late(void **state)
{
	struct scene scene;
	uint64_t i;

	(void)state;
	scene_start(&scene, 5, 0);
	seat_take(&scene, 0, NULL);
	for (i = 1; i <= 3; i++)
		ok(publish(&scene, i, mixed(i), 0));
	/* less than there may be */
	seat_take(&scene, 1, NULL);
	gives(ask(&scene.seats[1], TAKE_ALL, 0), 3);
	for (; i <= 10; i++)
		ok(publish(&scene, i, mixed(i), 0));
	seat_take(&scene, 2, NULL);
	/* fewer slots than history */
	seat_take(&scene, 3, FLOWIPC_OPTS(channel, .slots = 2));
	gives(stats(&scene).history, 5);
	gives(ask(&scene.seats[2], TAKE, 1), 6);
	gives(ask(&scene.seats[2], TAKE_ALL, 0), 4);
	gives(ask(&scene.seats[3], TAKE, 1), 9);
	gives(ask(&scene.seats[3], TAKE, 1), 10);
	ok(publish(&scene, 11, 5000, 0));
	gives(ask(&scene.seats[0], TAKE, 11), 11);
	gives(ask(&scene.seats[1], TAKE_ALL, 0), 8);
	gives(ask(&scene.seats[2], TAKE, 1), 11);
	gives(ask(&scene.seats[3], TAKE, 1), 11);
	gives(stats(&scene).missed, 0);
	scene_stop(&scene);
}

/* Room, but in pieces: that is no reason to wait for anybody. */
static void room_in_pieces(void **state)
{
	enum { PIECE = 16 << 10, COUNT = 8, WHOLE = 40 << 10 };
	struct flowipc_publication *pieces[COUNT], *whole;
	struct scene scene;
	int i;

	(void)state;
	scene_start(&scene, 0, COUNT * PIECE);
	seat_take(&scene, 0, NULL);
	for (i = 0; i < COUNT; i++)
		ok(write_one(&scene, 3, PIECE, 0, &pieces[i]));
	for (i = 0; i < COUNT; i++) {
		if (i % 4 != 1)
			flowipc_publication_release(pieces[i]);
	}
	gives(stats(&scene).used, 2 * PIECE);
	ok(write_one(&scene, 1, WHOLE, 0, &whole));
	gives(stats(&scene).used, 2 * PIECE + WHOLE);
	ok(flowipc_publication_send(whole, 0));
	gives(ask(&scene.seats[0], HOLD, 1), 1);
	/* the limit is one all the same */
	gives(publish(&scene, 2, WHOLE + 3 * PIECE, 0), -EAGAIN);
	ok(publish(&scene, 2, WHOLE, 0));
	gives(ask(&scene.seats[0], HOLD, 1), 2);
	gives(ask(&scene.seats[0], CHECK, 0), 2);
	gives(ask(&scene.seats[0], RELEASE, 0), 2);
	gives(stats(&scene).used, 2 * PIECE);
	ok(flowipc_publication_send(pieces[1], 0));
	gives(ask(&scene.seats[0], TAKE, 1), 3);
	flowipc_publication_release(pieces[5]);
	gives(stats(&scene).used, 0);
	scene_stop(&scene);
}

static void nothing_to_be_had(void **state)
{
	struct flowipc_publication *publication;
	struct scene scene;

	(void)state;
	scene_start(&scene, 0, 0);
	seat_take(&scene, 0, NULL);
	test_deny_fds(true);
	gives(flowipc_publication_new(scene.topic, LARGE, test_ms(10000),
				      &publication), -EMFILE);
	ok(publish(&scene, 1, 80, 0));
	test_deny_fds(false);
	ok(publish(&scene, 2, LARGE, 0));
	gives(ask(&scene.seats[0], TAKE, 1), 1);
	gives(ask(&scene.seats[0], HOLD, 1), 2);
	/* what there is, is waited for */
	test_deny_fds(true);
	gives(flowipc_publication_new(scene.topic, LARGE, 0, &publication),
	      -EAGAIN);
	gives(flowipc_publication_new(scene.topic, 10 * LARGE, 0,
				      &publication), -EMFILE);
	gives(ask(&scene.seats[0], RELEASE_LATE, 0), 1);
	ok(write_one(&scene, 3, LARGE, test_ms(10000), &publication));
	test_deny_fds(false);
	ok(flowipc_publication_send(publication, 0));
	gives(ask(&scene.seats[0], TAKE, 1), 3);
	scene_stop(&scene);
}

static void what_is_refused(void **state)
{
	struct flowipc_publication *publication;
	struct flowipc_channel *channel;
	struct flowipc_topic_stats odd = { .sz = 1 };
	struct flowipc_topic *other;
	struct scene scene;
	char word[LARGE];

	(void)state;
	gives(flowipc_topic_create(FLOWIPC_OPTS(topic, .history = 65537),
				   &other), -EINVAL);
	test_last_error_has("history");
	gives(flowipc_topic_create(FLOWIPC_OPTS(topic,
			.max_bytes = UINT64_MAX), &other), -EINVAL);
	test_last_error_has("max_bytes");
	gives(flowipc_topic_create(FLOWIPC_OPTS(topic,
			.backend = (enum flowipc_backend)99), &other), -EINVAL);
	flowipc_topic_destroy(NULL);
	flowipc_publication_release(NULL);
	scene_start(&scene, 0, LARGE);
	gives(flowipc_topic_stats(scene.topic, &odd), -EINVAL);
	none_ended(&scene);
	seat_take(&scene, 0, NULL);
	gives(flowipc_topic_subscribe(scene.topic, scene.seats[0].channel),
	      -EINVAL);
	test_last_error_has("already");
	ok(flowipc_channel_open(scene.seats[0].session, FLOWIPC_OPTS(channel,
			.threads = FLOWIPC_THREADS_MANY), 0, &channel));
	gives(flowipc_topic_subscribe(scene.topic, channel), -EINVAL);
	test_last_error_has("threads");
	flowipc_channel_close(channel);
	gives(flowipc_publication_new(scene.topic, (LARGE | 4095) + 2, 0,
				      &publication), -EMSGSIZE);
	test_last_error_has("max_bytes");
	/* shorter, and nothing at all */
	ok(write_one(&scene, 1, LARGE, 0, &publication));
	gives(flowipc_publication_truncate(publication, LARGE + 1), -EINVAL);
	ok(flowipc_publication_truncate(publication, 10));
	gives(stats(&scene).used, 64);
	ok(flowipc_publication_send(publication, 0));
	ok(publish(&scene, 2, 0, 0));
	gives(ask(&scene.seats[0], TAKE, 2), 2);
	gives(stats(&scene).used, 0);
	/* what was not sent, nobody sees */
	ok(write_one(&scene, 3, LARGE, 0, &publication));
	flowipc_publication_release(publication);
	gives(stats(&scene).published, 2);
	gives(ask(&scene.seats[0], TAKE_ALL, 0), 0);
	/* a topic that goes leaves the channels, and what was sent */
	ok(publish(&scene, 4, LARGE, 0));
	ok(write_one(&scene, 5, 80, 0, &publication));
	flowipc_topic_destroy(scene.topic);
	ok(flowipc_topic_create(NULL, &scene.topic));
	ok(flowipc_topic_subscribe(scene.topic, scene.seats[0].channel));
	ok(publish(&scene, 6, LARGE, 0));
	gives(ask(&scene.seats[0], TAKE, 1), 4);
	gives(ask(&scene.seats[0], TAKE, 1), 6);
	/* a channel that ends is not one to subscribe */
	flowipc_topic_destroy(scene.topic);
	ok(flowipc_channel_shutdown(scene.seats[0].channel));
	ok(flowipc_topic_create(NULL, &scene.topic));
	gives(flowipc_topic_subscribe(scene.topic, scene.seats[0].channel),
	      -EPIPE);
	memset(word, 0, sizeof(word));
	ok(flowipc_publish(scene.topic, word, sizeof(word), 0));
	scene_stop(&scene);
}

static void copies(void **state)
{
	char text[LARGE];
	struct scene scene;

	(void)state;
	scene_start(&scene, 1, 0);
	memset(text, 'x', sizeof(text));
	ok(flowipc_publish(scene.topic, text, sizeof(text), 0));
	ok(flowipc_publish(scene.topic, text, 3, 0));
	gives(stats(&scene).used, 0);
	ok(flowipc_publish(scene.topic, NULL, 0, 0));
	ok(flowipc_publish(scene.topic, text, sizeof(text), 0));
	gives(stats(&scene).published, 4);
	gives(stats(&scene).history, 1);
	check(stats(&scene).used >= LARGE);
	scene_stop(&scene);
}

static void other_back_end(void **state)
{
	struct flowipc_topic *topic;
	struct scene scene;

	(void)state;
	if (test_backend() != FLOWIPC_BACKEND_DEVICE) {
		print_message("skipped: there is no other back end here\n");
		return;
	}
	scene_start(&scene, 0, 0);
	seat_take(&scene, 0, NULL);
	ok(flowipc_topic_create(FLOWIPC_OPTS(topic,
			.backend = FLOWIPC_BACKEND_MEMFD), &topic));
	flowipc_channel_close(scene.seats[0].channel);
	ok(flowipc_channel_open(scene.seats[0].session, NULL, 0,
				&scene.seats[0].channel));
	gives(flowipc_topic_subscribe(topic, scene.seats[0].channel),
	      -EOPNOTSUPP);
	flowipc_topic_destroy(topic);
	scene_stop(&scene);
}

/* A child that lets go of everything concerns nobody else. */
static void let_go(int sync, void *arg)
{
	struct scene *scene = arg;

	(void)sync;
	flowipc_channel_close(scene->seats[0].channel);
	flowipc_topic_destroy(scene->topic);
	flowipc_channel_close(scene->seats[1].channel);
}

static void in_a_child(void **state)
{
	struct scene scene;
	struct peer child;

	(void)state;
	scene_start(&scene, 2, 0);
	seat_take(&scene, 0, NULL);
	seat_take(&scene, 1, NULL);
	ok(publish(&scene, 1, LARGE, 0));
	ok(publish(&scene, 2, LARGE, 0));
	gives(ask(&scene.seats[0], HOLD, 1), 1);
	peer_start(&child, let_go, &scene);
	peer_join(&child);
	ok(publish(&scene, 3, LARGE, 0));
	gives(ask(&scene.seats[0], CHECK, 0), 1);
	gives(ask(&scene.seats[0], TAKE, 2), 3);
	gives(ask(&scene.seats[1], TAKE, 3), 3);
	gives(stats(&scene).subscribers, 2);
	scene_stop(&scene);
}

static const struct CMUnitTest tests[] = {
	TEST(all_get_all),
	TEST(written_once),
	TEST(who_comes_late),
	TEST(room_in_pieces),
	TEST(nothing_to_be_had),
	TEST(what_is_refused),
	TEST(copies),
	TEST(other_back_end),
	TEST(in_a_child),
};

TEST_MAIN(tests, NULL)
