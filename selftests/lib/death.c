// SPDX-License-Identifier: MIT
/*
 * kill -9 of either side at any moment: the other one learns it soon, gets all
 * that was sent, goes on working with others, and everything is given back.
 */
#include "harness.h"

#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>

#define MIB (1024ull * 1024)

enum { ROUNDS = 50 };

/* What both processes know of, and what is left when one is killed. */
struct record {
	_Atomic uint64_t done;	/* calls that have returned in the victim */
};

static struct record *record_create(void)
{
	void *record = mmap(NULL, sizeof(struct record),
			    PROT_READ | PROT_WRITE,
			    MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	check(record != MAP_FAILED);
	return record;
}

/* A session that has nothing to do with the one in which somebody dies. */
static void echo(struct link *far, void *arg)
{
	uint64_t number;
	ssize_t size;

	(void)arg;
	while ((size = flowipc_receive(far->channel, &number, sizeof(number),
				       -1)) == sizeof(number))
		ok(flowipc_send(far->channel, &number, sizeof(number),
				test_ms(10000)));
	gives(size, -EPIPE);
}

static void companion_start(struct link *companion)
{
	link_start(companion, NULL, NULL, echo, NULL);
	/* the name is for the next one */
	flowipc_server_close(companion->server);
	companion->server = NULL;
}

static void companion_works(struct link *companion)
{
	uint64_t i, number;

	for (i = 0; i < 10; i++) {
		ok(flowipc_send(companion->channel, &i, sizeof(i),
				test_ms(10000)));
		gives(flowipc_receive(companion->channel, &number,
				      sizeof(number), test_ms(10000)),
		      sizeof(number));
		gives(number, i);
	}
}

struct killer {
	struct thread thread;
	pid_t victim;
	uint64_t delay_us;
	uint64_t killed_ns;
};

static void kill_later(void *arg)
{
	struct killer *killer = arg;

	usleep((useconds_t)killer->delay_us);
	killer->killed_ns = test_now_ns();
	kill(killer->victim, SIGKILL);
}

static void killer_start(struct killer *killer, const struct link *link,
			 uint64_t *random)
{
	killer->victim = link->peer.pid;
	killer->delay_us = test_random_below(random, 20000 *
					     (uint64_t)test_slow());
	thread_start(&killer->thread, kill_later, killer);
}

/* How long it took to learn of the deaths; printed at the end of a test. */
struct delays {
	uint64_t count;
	uint64_t sum_ns;
	uint64_t longest_ns;
};

static void learned(struct delays *delays, const struct killer *killer,
		    uint64_t now)
{
	uint64_t took = now > killer->killed_ns ? now - killer->killed_ns : 0;

	delays->count++;
	delays->sum_ns += took;
	if (took > delays->longest_ns)
		delays->longest_ns = took;
	check_msg(took < (uint64_t)test_ms(1000) * 1000000u,
		  "it took %" PRIu64 " ms to learn of the death",
		  took / 1000000);
}

static void print_delays(const char *who, const struct delays *delays)
{
	print_message("%s learns of a death within %.3f ms, %.3f ms on "
		      "average\n", who, (double)delays->longest_ns / 1e6,
		      (double)delays->sum_ns / 1e6 / (double)delays->count);
}

static uint64_t size_of(uint64_t number)
{
	uint64_t state = number;

	if (!test_random_below(&state, 200))
		return 5 * MIB;	/* a region of its own */
	return test_random_below(&state, number % 4 ? 300 : 60000);
}

static void send_until_killed(struct link *far, void *arg)
{
	struct flowipc_message *message;
	struct record *record = arg;
	uint64_t i, size;

	for (i = 0; ; i++) {
		size = size_of(i);
		ok(flowipc_message_new(far->channel, size, -1, &message));
		pattern_fill(flowipc_message_buffer(message), size, i);
		flowipc_message_set_type(message, i);
		ok(flowipc_message_send(message, -1));
		atomic_store(&record->done, i + 1);
	}
}

/* The sender dies. */
static void round_of_receiving(struct record *record, uint64_t *random,
			       struct delays *delays)
{
	struct flowipc_message *message;
	enum flowipc_wait_mode mode = test_random_below(random, 3);
	struct killer killer;
	struct link link;
	uint64_t received = 0, sent, now;
	int err;

	atomic_store(&record->done, 0);
	link_start(&link, FLOWIPC_OPTS(channel, .wait_mode = mode), NULL,
		   send_until_killed, record);
	killer_start(&killer, &link, random);
	while (!(err = flowipc_message_receive(link.channel, &message,
					       test_ms(10000)))) {
		gives(flowipc_message_type(message), received);
		gives(flowipc_message_size(message), size_of(received));
		pattern_check(flowipc_message_data(message),
			      flowipc_message_size(message), received);
		flowipc_message_release(message);
		received++;
	}
	now = test_now_ns();
	gives(err, -EPIPE);
	thread_join(&killer.thread);
	learned(delays, &killer, now);
	/* all of what was sent, and at most what was being sent */
	sent = atomic_load(&record->done);
	check_msg(received == sent || received == sent + 1, "%" PRIu64
		  " sent, %" PRIu64 " received", sent, received);
	gives(flowipc_message_receive(link.channel, &message, -1), -EPIPE);
	link_close(&link);
	peer_join_signalled(&link.peer, SIGKILL);
}

static void receive_until_killed(struct link *far, void *arg)
{
	struct flowipc_message *message, *held[8] = { NULL };
	struct record *record = arg;
	uint64_t i;

	for (i = 0; ; i++) {
		ok(flowipc_message_receive(far->channel, &message, -1));
		gives(flowipc_message_type(message), i);
		pattern_check(flowipc_message_data(message),
			      flowipc_message_size(message), i);
		/* it dies with some in its hands */
		flowipc_message_release(held[i % 8]);
		held[i % 8] = message;
		atomic_store(&record->done, i + 1);
	}
}

/* The receiver dies. */
static void round_of_sending(struct record *record, uint64_t *random,
			     struct delays *delays)
{
	struct flowipc_message *message;
	enum flowipc_wait_mode mode = test_random_below(random, 3);
	struct killer killer;
	struct link link;
	uint64_t i, size, now;
	int err = 0;

	atomic_store(&record->done, 0);
	link_start(&link, FLOWIPC_OPTS(channel, .wait_mode = mode,
			.slots = 2u << test_random_below(random, 8)), NULL,
		   receive_until_killed, record);
	killer_start(&killer, &link, random);
	for (i = 0; ; i++) {
		size = size_of(i);
		err = flowipc_message_new(link.channel, size, test_ms(10000),
					  &message);
		if (err)
			break;
		pattern_fill(flowipc_message_buffer(message), size, i);
		flowipc_message_set_type(message, i);
		err = flowipc_message_send(message, test_ms(10000));
		if (err) {
			flowipc_message_release(message);
			break;
		}
	}
	now = test_now_ns();
	gives(err, -EPIPE);
	thread_join(&killer.thread);
	learned(delays, &killer, now);
	check(atomic_load(&record->done) <= i);
	link_close(&link);
	peer_join_signalled(&link.peer, SIGKILL);
}

/* The same round many times; in the end there is as much as before. */
static void many_rounds(const char *who,
			void (*one)(struct record *record, uint64_t *random,
				    struct delays *delays))
{
	uint64_t random = test_seed(), device = test_device_bytes(), shmem;
	struct record *record = record_create();
	struct delays delays = { .count = 0 };
	struct link companion;
	int fds, maps, attempt, waits, i, rounds = test_loops(ROUNDS);
	bool returned = false;

	companion_start(&companion);
	fds = test_count_fds();
	maps = test_count_shared_maps();
	/*
	 * Shared memory is counted for the whole machine, and others use it as
	 * well. A leak shows each time, their noise does not.
	 */
	for (attempt = 0; attempt < 3 && !returned; attempt++) {
		shmem = test_shmem_bytes();
		for (i = 0; i < rounds; i++) {
			one(record, &random, &delays);
			companion_works(&companion);
			gives(test_count_fds(), fds);
			gives(test_count_shared_maps(), maps);
		}
		for (waits = 0; waits < 200 && !returned; waits++) {
			returned = test_shmem_bytes() < shmem + (uint64_t)
				rounds * MIB;
			if (!returned)
				usleep(10000);
		}
	}
	print_delays(who, &delays);
	check_msg(returned, "shared memory grew by more than %d MiB in %d "
		  "rounds, three times", rounds, rounds);
	link_stop(&companion);
	test_device_bytes_return_to(device);
	munmap(record, sizeof(*record));
}

static void the_sender_dies(void **state)
{
	(void)state;
	many_rounds("a receiver", round_of_receiving);
}

static void the_receiver_dies(void **state)
{
	(void)state;
	many_rounds("a sender", round_of_sending);
}

static void do_nothing(struct link *far, void *arg)
{
	(void)far;
	(void)arg;
	test_sleep_ms(60000);
}

/* Everybody sleeps for long when it happens. */
static void round_of_idling(struct record *record, uint64_t *random,
			    struct delays *delays)
{
	struct flowipc_channel *channel;
	struct flowipc_message *message;
	struct killer killer;
	struct link link;
	uint64_t now;

	(void)record;
	link_start(&link, FLOWIPC_OPTS(channel,
			.wait_mode = test_random_below(random, 2) ?
			FLOWIPC_WAIT_SLEEP : FLOWIPC_WAIT_ADAPTIVE), NULL,
		   do_nothing, NULL);
	killer_start(&killer, &link, random);
	if (test_random_below(random, 2))
		gives(flowipc_message_receive(link.channel, &message, -1),
		      -EPIPE);
	else
		gives(flowipc_channel_accept(link.session, NULL, -1, &channel),
		      -EPIPE);
	now = test_now_ns();
	thread_join(&killer.thread);
	learned(delays, &killer, now);
	link_close(&link);
	peer_join_signalled(&link.peer, SIGKILL);
}

static void an_idle_peer_dies(void **state)
{
	(void)state;
	many_rounds("an idle process", round_of_idling);
}

/* Connect, open and close without end. */
static void connect_until_killed(int sync, void *arg)
{
	struct flowipc_session *session;
	struct flowipc_channel *channel;

	(void)sync;
	(void)arg;
	for (;;) {
		ok(flowipc_connect("t", NULL, -1, &session));
		ok(flowipc_channel_open(session, NULL, -1, &channel));
		ok(flowipc_send(channel, "abc", 4, -1));
		flowipc_channel_close(channel);
		flowipc_session_close(session);
	}
}

static void a_client_dies_while_it_connects(void **state)
{
	uint64_t random = test_seed(), device = test_device_bytes();
	struct flowipc_session *session;
	struct flowipc_channel *channel;
	struct flowipc_server *server;
	struct killer killer;
	struct link link;
	int fds, maps, round, sessions = 0;
	char text[4];

	(void)state;
	ok(flowipc_listen("t", NULL, &server));
	fds = test_count_fds();
	maps = test_count_shared_maps();
	for (round = 0; round < test_loops(ROUNDS); round++) {
		peer_start(&link.peer, connect_until_killed, NULL);
		killer_start(&killer, &link, &random);
		while (!gives_one_of(flowipc_accept(server, test_wait_ms(100),
						    &session), 0, -ETIMEDOUT)) {
			sessions++;
			if (!gives_one_of(flowipc_channel_accept(session, NULL,
					test_ms(5000), &channel), 0, -EPIPE)) {
				gives_one_of(flowipc_receive(channel, text, 4,
						test_ms(5000)), 4, -EPIPE);
				flowipc_channel_close(channel);
			}
			flowipc_session_close(session);
		}
		thread_join(&killer.thread);
		peer_join_signalled(&link.peer, SIGKILL);
		gives(test_count_shared_maps(), maps);
		gives(test_count_fds(), fds);
	}
	check(sessions);
	flowipc_server_close(server);
	test_device_bytes_return_to(device);
}

static void accept_until_killed(int sync, void *arg)
{
	struct flowipc_session *session;
	struct flowipc_channel *channel;
	struct flowipc_server *server;

	(void)sync;
	(void)arg;
	ok(flowipc_listen("t", NULL, &server));
	for (;;) {
		ok(flowipc_accept(server, -1, &session));
		if (!gives_one_of(flowipc_channel_accept(session, NULL, -1,
							 &channel),
				  0, -EPIPE))
			flowipc_channel_close(channel);
		flowipc_session_close(session);
	}
}

static void a_server_dies_while_it_accepts(void **state)
{
	uint64_t random = test_seed() + 1, device = test_device_bytes();
	struct flowipc_session *session;
	struct flowipc_channel *channel;
	struct killer killer;
	struct link link;
	int fds = test_count_fds(), maps = test_count_shared_maps();
	int round, err, sessions = 0;

	(void)state;
	for (round = 0; round < test_loops(ROUNDS); round++) {
		peer_start(&link.peer, accept_until_killed, NULL);
		killer_start(&killer, &link, &random);
		for (;;) {
			err = (int)gives_one_of(flowipc_connect("t", NULL,
					test_wait_ms(100), &session), 0,
					-ENOENT, -ECONNREFUSED, -ETIMEDOUT);
			if (err)
				break;
			sessions++;
			if (!gives_one_of(flowipc_channel_open(session, NULL,
					test_ms(5000), &channel), 0, -EPIPE))
				flowipc_channel_close(channel);
			flowipc_session_close(session);
		}
		thread_join(&killer.thread);
		peer_join_signalled(&link.peer, SIGKILL);
		gives(test_count_shared_maps(), maps);
		gives(test_count_fds(), fds);
	}
	check(sessions);
	test_device_bytes_return_to(device);
}

static void send_and_wait(struct link *far, void *arg)
{
	struct flowipc_region *region = NULL;
	struct flowipc_message *message;
	char *buffer = malloc(6 * MIB);

	(void)arg;
	check(buffer);
	pattern_fill(buffer, 6 * MIB, 1);
	ok(flowipc_send(far->channel, buffer, 60, test_ms(5000)));
	ok(flowipc_send(far->channel, buffer, 60000, test_ms(5000)));
	ok(flowipc_send(far->channel, buffer, 6 * MIB, test_ms(5000)));
	ok(flowipc_region_create(MIB, NULL, &region));
	pattern_fill(flowipc_region_data(region), MIB, 1);
	ok(flowipc_message_from_region(far->channel, region, 0, MIB,
				       test_ms(5000), &message));
	ok(flowipc_message_send(message, test_ms(5000)));
	sync_put(far->sync, 0);
	test_sleep_ms(60000);
}

static void what_was_received_outlives_the_sender(void **state)
{
	static const uint64_t sizes[] = { 60, 60000, 6 * MIB, MIB };
	struct flowipc_message *messages[4];
	struct link link;
	int i;

	(void)state;
	link_start(&link, NULL, NULL, send_and_wait, NULL);
	for (i = 0; i < 2; i++)
		ok(flowipc_message_receive(link.channel, &messages[i],
					   test_ms(10000)));
	sync_get(link.sync);
	peer_kill(&link.peer);
	/* also what is received only after the death */
	for (; i < 4; i++)
		ok(flowipc_message_receive(link.channel, &messages[i],
					   test_ms(10000)));
	for (i = 0; i < 4; i++) {
		gives(flowipc_message_size(messages[i]), sizes[i]);
		pattern_check(flowipc_message_data(messages[i]), sizes[i], 1);
	}
	gives(flowipc_message_receive(link.channel, &messages[0], -1), -EPIPE);
	for (i = 0; i < 4; i++) {
		pattern_check(flowipc_message_data(messages[i]), sizes[i], 1);
		flowipc_message_release(messages[i]);
	}
	link_close(&link);
}

/* The program that exec has started: nothing of the library's is in it. */
static void sleep_on(int sync, void *arg)
{
	char path[32], target[128];
	ssize_t length;
	int fd;

	(void)sync;
	(void)arg;
	for (fd = 3; fd < 256; fd++) {
		snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
		length = readlink(path, target, sizeof(target) - 1);
		if (length < 0)
			continue;
		target[length] = '\0';
		check_msg(!strstr(target, "flowipc") &&
			  !strstr(target, "socket:"),
			  "descriptor %d is still %s", fd, target);
	}
	test_sleep_ms(60000);
}

static void exec_sleep_on(struct flowipc_channel *channel)
{
	ok(flowipc_send(channel, "abc", 4, test_ms(5000)));
	execl("/proc/self/exe", "peer", "--peer", "sleep_on", "0", NULL);
	check(false);
}

static void accept_and_exec(int sync, void *arg)
{
	struct flowipc_session *session = test_session_connect();
	struct flowipc_channel *channel;

	(void)sync;
	(void)arg;
	ok(flowipc_channel_accept(session, NULL, test_ms(5000), &channel));
	exec_sleep_on(channel);
}

static void open_and_exec(int sync, void *arg)
{
	struct flowipc_session *session = test_session_connect();
	struct flowipc_channel *channel;

	(void)sync;
	(void)arg;
	ok(flowipc_channel_open(session, NULL, test_ms(5000), &channel));
	exec_sleep_on(channel);
}

/* A process that calls exec has ended, as far as its peers are concerned. */
static void exec_is_an_end(void **state)
{
	struct flowipc_channel *channel;
	struct flowipc_message *message;
	struct link link;
	char text[4];
	int opens;

	(void)state;
	for (opens = 0; opens < 2; opens++) {
		test_session_start(&link, opens ? open_and_exec :
				   accept_and_exec, NULL);
		if (opens)
			ok(flowipc_channel_accept(link.session, NULL,
						  test_ms(5000), &channel));
		else
			ok(flowipc_channel_open(link.session, NULL,
						test_ms(5000), &channel));
		gives(flowipc_receive(channel, text, 4, test_ms(5000)), 4);
		gives(flowipc_message_receive(channel, &message,
					      test_ms(10000)), -EPIPE);
		flowipc_channel_close(channel);
		gives(flowipc_channel_accept(link.session, NULL,
					     test_ms(10000), &channel), -EPIPE);
		/* and yet it lives, unless it found something */
		test_sleep_ms(test_wait_ms(100));
		peer_kill(&link.peer);
		link_close(&link);
	}
}

static const struct peer_function functions[] = {
	{ "sleep_on", sleep_on },
	{ NULL, NULL },
};

static const struct CMUnitTest tests[] = {
	TEST(the_sender_dies),
	TEST(the_receiver_dies),
	TEST(an_idle_peer_dies),
	TEST(a_client_dies_while_it_connects),
	TEST(a_server_dies_while_it_accepts),
	TEST(what_was_received_outlives_the_sender),
	TEST(exec_is_an_end),
};

TEST_MAIN(tests, functions)
