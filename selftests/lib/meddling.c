// SPDX-License-Identifier: MIT
/*
 * Somebody between client and server who changes what they tell each other:
 * packets that are cut, changed, doubled, lost or late, and descriptors that
 * are not what they should be. Both sides keep to their time limits, give
 * errors that are documented, and neither crashes nor keeps anything.
 */
#include "meddler.h"

#include <signal.h>

/* An error is fine, if it is one that the functions document. */
static int fine(int64_t result)
{
	if (result >= 0)
		return 0;
	return (int)gives_one_of(result, -EPROTO, -EPIPE, -ETIMEDOUT,
				 -EAGAIN, -ECONNREFUSED, -EPROTONOSUPPORT) ?
		-1 : 0;
}

static void read_all(struct flowipc_message *message)
{
	const volatile unsigned char *bytes;
	const void *data;
	unsigned int i;
	uint64_t size;

	for (i = 0; i < flowipc_message_piece_count(message); i++) {
		ok(flowipc_message_piece(message, i, &data, &size));
		for (bytes = data; size; size--)
			(void)*bytes++;
	}
	for (i = 0; i < flowipc_message_fd_count(message); i += 2)
		sys(close(flowipc_message_take_fd(message, i)));
	flowipc_message_release(message);
}

/* Of two pieces, and with two descriptors. */
static int send_more(struct flowipc_channel *channel, int limit)
{
	struct flowipc_message *message, *piece;

	if (fine(flowipc_message_new(channel, 10, limit, &message)))
		return -1;
	if (fine(flowipc_message_new(channel, 1000, limit, &piece))) {
		flowipc_message_release(message);
		return -1;
	}
	ok(flowipc_message_append(message, piece));
	ok(flowipc_message_attach_fd(message, STDIN_FILENO));
	ok(flowipc_message_attach_fd(message, STDERR_FILENO));
	if (fine(flowipc_message_send(message, limit))) {
		flowipc_message_release(message);
		return -1;
	}
	return 0;
}

/* Small, lent, larger, in pieces, from a region; then what the peer sends. */
static int talk(struct flowipc_channel *channel, struct flowipc_region *region,
		int limit)
{
	static char bytes[20000];
	struct flowipc_message *message;
	int i;

	if (fine(flowipc_send(channel, bytes, 50, limit)) ||
	    fine(flowipc_send(channel, bytes, 5000, limit)) ||
	    fine(flowipc_send(channel, bytes, 20000, limit)) ||
	    send_more(channel, limit))
		return -1;
	if (fine(flowipc_message_from_region(channel, region, 0, 4096, limit,
					     &message)))
		return -1;
	if (fine(flowipc_message_send(message, limit))) {
		flowipc_message_release(message);
		return -1;
	}
	/* time for the regions to come through the meddler, too */
	test_sleep_ms(test_wait_ms(5));
	for (i = 0; i < 5; i++) {
		if (fine(flowipc_message_receive(channel, &message, limit)))
			return -1;
		read_all(message);
	}
	if (fine(flowipc_channel_shutdown(channel)))
		return -1;
	return flowipc_message_receive(channel, &message, limit) == -EPIPE &&
		flowipc_channel_was_shut_down(channel) ? 0 : -1;
}

/* Short, since many will wait in vain; but not where all should work. */
static bool left_alone;

static int patience(void)
{
	return left_alone ? test_ms(5000) : test_wait_ms(100);
}

/* Both sides do the same, except for who begins. */
static int converse(struct flowipc_session *session, bool opens)
{
	const struct flowipc_channel_opts *opts = FLOWIPC_OPTS(channel,
			.payload_bytes = 16384,
			.metadata = opens ? "what it is for" : NULL,
			.metadata_size = opens ? 14 : 0);
	int limit = patience(), err;
	struct flowipc_channel *channel;
	struct flowipc_region *region;

	ok(flowipc_region_create(4096, NULL, &region));
	err = fine(opens ? flowipc_channel_open(session, opts, limit,
						&channel) :
			   flowipc_channel_accept(session, opts, limit,
						  &channel));
	if (!err) {
		err = talk(channel, region, limit);
		flowipc_channel_close(channel);
	}
	flowipc_region_destroy(region);
	return err;
}

static void client(int sync, void *arg)
{
	int fds = test_count_fds(), maps = test_count_shared_maps(), err;
	struct flowipc_session *session;

	(void)arg;
	sync_get(sync);
	err = fine(flowipc_connect(test_path("front"), NULL, 2 * patience(),
				   &session));
	if (!err) {
		err = converse(session, true);
		if (!err)
			err = converse(session, false);
		flowipc_session_close(session);
	}
	gives(test_count_fds(), fds);
	gives(test_count_shared_maps(), maps);
	sync_put(sync, err ? 1 : 0);
}

static void server(int sync, void *arg)
{
	int fds = test_count_fds(), maps = test_count_shared_maps(), err;
	struct flowipc_session *session;
	struct flowipc_server *server;

	(void)arg;
	ok(flowipc_listen(test_path("back"), NULL, &server));
	sync_put(sync, 0);
	err = fine(flowipc_accept(server, 3 * patience(), &session));
	if (!err) {
		err = converse(session, false);
		if (!err)
			err = converse(session, true);
		flowipc_session_close(session);
	}
	flowipc_server_close(server);
	gives(test_count_fds(), fds);
	gives(test_count_shared_maps(), maps);
	sync_put(sync, err ? 1 : 0);
}

/* Whether the two could talk. */
static bool try(struct plan *plan)
{
	struct peer peers[3];
	uint64_t failed = 0, number;
	int i;

	left_alone = plan->kind == NOTHING;
	unlink(test_path("front"));
	peer_start(&peers[0], server, NULL);
	peer_start(&peers[1], client, NULL);
	peer_start(&peers[2], meddler, plan);
	sync_get(peers[0].sync);
	sync_get(peers[2].sync);
	sync_put(peers[1].sync, 0);
	for (i = 0; i < 2; i++) {
		check_msg(sync_try(peers[i].sync, test_ms(20000), &number),
			  "the %s hangs or is dead: %s at packet %d, seed %"
			  PRIu64, i ? "client" : "server", meddling_names[plan->kind],
			  plan->packet, plan->seed);
		failed += number;
		peer_join(&peers[i]);
	}
	/* it may be waiting still; but it must not have failed by itself */
	kill(peers[2].pid, SIGKILL);
	number = (uint64_t)peer_wait(&peers[2]);
	check(!number || number == SIGKILL);
	return !failed;
}

static void left_alone_it_works(void **state)
{
	struct plan plan = { NOTHING, -1, 0 };
	int attempt = 0;

	(void)state;
	/*
	 * What goes through the meddler is sometimes late. Two sides that are
	 * alone know that a region arrives before its messages, so they call
	 * that a breach; but it does not happen each time.
	 */
	while (!try(&plan))
		check(++attempt < 30);
}

enum { PACKETS = 18 };

/* Every kind of meddling with every packet, as far as time allows. */
static void meddled_with(enum meddling first, enum meddling end)
{
	uint64_t random = test_seed();
	struct plan plan;
	int runs = 0, failures = 0;
	int skip_below = 100 - test_loops(100);

	for (plan.kind = first; plan.kind < end; plan.kind++) {
		for (plan.packet = 0; plan.packet < PACKETS; plan.packet++) {
			plan.seed = test_random(&random);
			if ((int)test_random_below(&random, 100) < skip_below)
				continue;
			failures += !try(&plan);
			runs++;
		}
	}
	print_message("%d of %d conversations failed\n", failures, runs);
	check(failures);
}

static void packets(void **state)
{
	(void)state;
	meddled_with(LOST, FDS_MISSING);
}

static void descriptors(void **state)
{
	(void)state;
	meddled_with(FDS_MISSING, PIPE);
}

static void wrong_descriptors(void **state)
{
	(void)state;
	meddled_with(PIPE, COPY_CHANGED);
}

/* Memory that is what it should be, but for what its owner wrote into it. */
static void wrong_contents(void **state)
{
	uint64_t random = test_seed();
	int round, failures = 0;
	struct plan plan;

	(void)state;
	if (test_backend() != FLOWIPC_BACKEND_MEMFD) {
		/* a grant is bound to its receiver: nothing to be copied */
		check(test_has(FLOWIPC_HAS_BOUND_GRANTS));
		return;
	}
	for (round = 0; round < test_loops(150); round++) {
		plan.kind = round % 3 ? COPY_CHANGED : COPY_CUT;
		plan.packet = (int)test_random_below(&random, 4);
		plan.seed = test_random(&random);
		failures += !try(&plan);
	}
	check(failures);
}

static const struct CMUnitTest tests[] = {
	TEST(left_alone_it_works),
	TEST(packets),
	TEST(descriptors),
	TEST(wrong_descriptors),
	TEST(wrong_contents),
};

TEST_MAIN(tests, NULL)
