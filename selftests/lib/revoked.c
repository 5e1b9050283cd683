// SPDX-License-Identifier: MIT
/* What the other side was lent, and is taken back, is gone at once. */
#include "harness.h"

#include <signal.h>

#define BYTES 300000ull

static struct flowipc_session_end end_of(struct flowipc_session *session)
{
	struct flowipc_session_end end = { .sz = sizeof(end) };
	int tries = 5000;

	while (flowipc_session_end(session, &end) == -EAGAIN && tries--)
		test_sleep_ms(1);
	check(end.reason);
	return end;
}

static void echo(struct link *far, void *arg)
{
	(void)arg;
	test_put(far->channel, test_take(far->channel));
}

static void not_on_every_back_end(void **state)
{
	struct flowipc_session_end end = { .sz = sizeof(end) };
	struct link link;

	(void)state;
	if (test_has(FLOWIPC_HAS_REVOKE)) {
		print_message("the back end can revoke\n");
		skip();
	}
	link_start(&link, NULL, NULL, echo, NULL);
	gives(flowipc_session_revoke(link.session), -EOPNOTSUPP);
	test_last_error_has("memfd");
	/* and nothing has happened */
	gives(flowipc_session_end(link.session, &end), -EAGAIN);
	test_put(link.channel, 7);
	gives(test_take(link.channel), 7);
	link_stop(&link);
}

static void need_revocation(void)
{
	if (test_has(FLOWIPC_HAS_REVOKE))
		return;
	print_message("the back end cannot revoke\n");
	skip();
}

static const struct flowipc_channel_opts few_bytes = {
	.sz = sizeof(few_bytes), .payload_max_bytes = BYTES * 3 / 2,
};

/* From a region, from a chunk behind the first, and alone in one. */
static void send_all_kinds(struct flowipc_channel *channel,
			   struct flowipc_region *region)
{
	struct flowipc_message *message;
	int i;

	ok(flowipc_message_from_region(channel, region, 0, BYTES, 0, &message));
	ok(flowipc_message_send(message, test_ms(5000)));
	for (i = 0; i < 2; i++) {
		ok(flowipc_message_new(channel, i ? 2 * BYTES : BYTES, 0,
				       &message));
		pattern_fill(flowipc_message_buffer(message), BYTES, 1);
		ok(flowipc_message_send(message, test_ms(5000)));
	}
	ok(flowipc_send(channel, "small", 5, test_ms(5000)));
}

static void lose_all(struct link *far, void *arg)
{
	struct flowipc_message *messages[3];
	char small[5];
	int i;

	(void)arg;
	for (i = 0; i < 3; i++) {
		ok(flowipc_message_receive(far->channel, &messages[i],
					   test_ms(5000)));
		gives(test_read_raises(flowipc_message_data(messages[i])), 0);
	}
	sync_put(far->sync, 0);
	sync_get(far->sync);
	for (i = 0; i < 3; i++) {
		gives(test_read_raises(flowipc_message_data(messages[i])), SIGBUS);
		flowipc_message_release(messages[i]);
	}
	/* what lies in the channel itself is still received, and then the end */
	gives(flowipc_receive(far->channel, small, 5, test_ms(5000)), 5);
	gives(flowipc_receive(far->channel, small, 5, test_ms(5000)), -EPIPE);
	gives(end_of(far->session).reason, FLOWIPC_END_REVOKED);
	gives(flowipc_send(far->channel, "x", 1, 0), -EPIPE);
}

static void takes_everything_back(void **state)
{
	struct flowipc_region *region;
	struct flowipc_session_end end;
	struct link link;

	(void)state;
	need_revocation();
	ok(flowipc_region_create(BYTES, NULL, &region));
	link_start(&link, &few_bytes, NULL, lose_all, NULL);
	send_all_kinds(link.channel, region);
	sync_get(link.sync);
	ok(flowipc_session_revoke(link.session));
	end = end_of(link.session);
	gives(end.reason, FLOWIPC_END_LOCAL);
	check(strstr(end.text, "revoked"));
	gives(flowipc_send(link.channel, "x", 1, 0), -EACCES);
	gives(flowipc_channel_accept(link.session, NULL, 0, &link.channel),
	      -EACCES);
	/* once more is no error */
	ok(flowipc_session_revoke(link.session));
	gives(end_of(link.session).reason, FLOWIPC_END_LOCAL);
	sync_put(link.sync, 0);
	/* the owner still has all of it */
	pattern_fill(flowipc_region_data(region), BYTES, 3);
	peer_join(&link.peer);
	link_close(&link);
	flowipc_region_destroy(region);
}

static void keep_what_is_lent(struct link *far, void *arg)
{
	struct flowipc_message *message;

	(void)arg;
	ok(flowipc_message_receive(far->channel, &message, test_ms(5000)));
	sync_put(far->sync, 0);
	sync_get(far->sync);
	pattern_check(flowipc_message_data(message), BYTES, 9);
	flowipc_message_release(message);
	ok(flowipc_message_receive(far->channel, &message, test_ms(5000)));
	pattern_check(flowipc_message_data(message), BYTES, 9);
	flowipc_message_release(message);
}

static void lose_it(struct link *far, void *arg)
{
	struct flowipc_message *message;

	(void)arg;
	ok(flowipc_message_receive(far->channel, &message, test_ms(5000)));
	sync_put(far->sync, 0);
	sync_get(far->sync);
	gives(test_read_raises(flowipc_message_data(message)), SIGBUS);
	flowipc_message_release(message);
}

static void region_send(struct link *link, struct flowipc_region *region)
{
	struct flowipc_message *message;

	ok(flowipc_message_from_region(link->channel, region, 0, BYTES, 0,
				       &message));
	ok(flowipc_message_send(message, test_ms(5000)));
}

/* Other sessions have the same region and keep it. */
static void from_one_peer_alone(void **state)
{
	struct flowipc_region *region;
	struct link good, bad;

	(void)state;
	need_revocation();
	ok(flowipc_region_create(BYTES, NULL, &region));
	pattern_fill(flowipc_region_data(region), BYTES, 9);
	link_start(&good, NULL, NULL, keep_what_is_lent, NULL);
	/* the name is free again, both sessions go on */
	flowipc_server_close(good.server);
	good.server = NULL;
	link_start(&bad, NULL, NULL, lose_it, NULL);
	region_send(&good, region);
	region_send(&bad, region);
	sync_get(good.sync);
	sync_get(bad.sync);
	ok(flowipc_session_revoke(bad.session));
	sync_put(bad.sync, 0);
	sync_put(good.sync, 0);
	region_send(&good, region);
	peer_join(&bad.peer);
	link_close(&bad);
	link_stop(&good);
	flowipc_region_destroy(region);
}

static void find_the_end(struct link *far, void *arg)
{
	struct flowipc_message *message;
	char small[5];
	int i;

	(void)arg;
	sync_get(far->sync);
	for (i = 0; i < 3; i++)
		gives(flowipc_message_receive(far->channel, &message,
					      test_ms(5000)), -EACCES);
	gives(flowipc_receive(far->channel, small, 5, test_ms(5000)), 5);
	gives(flowipc_message_receive(far->channel, &message, test_ms(5000)),
	      -EPIPE);
	gives(end_of(far->session).reason, FLOWIPC_END_REVOKED);
}

/* Whoever has not yet looked at what is taken back has broken no protocol. */
static void before_it_was_received(void **state)
{
	struct flowipc_region *region;
	struct link link;

	(void)state;
	need_revocation();
	ok(flowipc_region_create(BYTES, NULL, &region));
	link_start(&link, &few_bytes, NULL, find_the_end, NULL);
	send_all_kinds(link.channel, region);
	ok(flowipc_session_revoke(link.session));
	/* also when the owner is gone */
	link_close(&link);
	flowipc_region_destroy(region);
	sync_put(link.sync, 0);
	peer_join(&link.peer);
}

static void answer_and_revoke(struct link *far, void *arg)
{
	struct flowipc_message *request, *reply;
	struct flowipc_region *region;

	(void)arg;
	ok(flowipc_region_create(BYTES, NULL, &region));
	ok(flowipc_message_receive(far->channel, &request, test_ms(5000)));
	ok(flowipc_message_from_region(far->channel, region, 0, BYTES, 0,
				       &reply));
	ok(flowipc_reply(reply, flowipc_message_request(request), 0,
			 test_ms(5000)));
	ok(flowipc_region_revoke(region));
	sync_put(far->sync, 0);
	flowipc_message_release(request);
	ok(flowipc_message_receive(far->channel, &request, test_ms(5000)));
	ok(flowipc_message_new(far->channel, 1, 0, &reply));
	ok(flowipc_reply(reply, flowipc_message_request(request), 0,
			 test_ms(5000)));
	flowipc_message_release(request);
	flowipc_region_destroy(region);
}

/* A call whose reply is taken back fails, and no other. */
static void a_reply(void **state)
{
	struct flowipc_message *request, *reply;
	struct flowipc_call *call;
	struct link link;

	(void)state;
	need_revocation();
	link_start(&link, NULL, NULL, answer_and_revoke, NULL);
	ok(flowipc_message_new(link.channel, 1, 0, &request));
	ok(flowipc_call_start(request, NULL, test_ms(5000), &call));
	sync_get(link.sync);
	gives(flowipc_call_wait(call, test_ms(5000), &reply), -EACCES);
	flowipc_call_end(call);
	ok(flowipc_message_new(link.channel, 1, 0, &request));
	ok(flowipc_call(request, test_ms(5000), &reply));
	flowipc_message_release(reply);
	link_stop(&link);
}

static void wait_for_message(void *arg)
{
	struct flowipc_message *message;

	gives(flowipc_message_receive(arg, &message, test_ms(20000)), -EACCES);
}

static void wait_for_end(struct link *far, void *arg)
{
	char byte;

	(void)arg;
	sync_put(far->sync, 0);
	gives(flowipc_receive(far->channel, &byte, 1, test_ms(20000)), -EPIPE);
	gives(end_of(far->session).reason, FLOWIPC_END_REVOKED);
}

/* Who waits on either side is woken, although nothing is closed. */
static void wakes_who_waits(void **state)
{
	struct thread thread;
	struct link link;
	uint64_t start;

	(void)state;
	need_revocation();
	link_start(&link, NULL, NULL, wait_for_end, NULL);
	thread_start(&thread, wait_for_message, link.channel);
	sync_get(link.sync);
	test_sleep_ms(50);
	start = test_now_ns();
	ok(flowipc_session_revoke(link.session));
	thread_join(&thread);
	peer_join(&link.peer);
	check(test_now_ns() - start < (uint64_t)test_ms(10000) * 1000000u);
	link_close(&link);
}

static const struct CMUnitTest tests[] = {
	TEST(not_on_every_back_end),
	TEST(takes_everything_back),
	TEST(from_one_peer_alone),
	TEST(before_it_was_received),
	TEST(a_reply),
	TEST(wakes_who_waits),
};

TEST_MAIN(tests, NULL)
