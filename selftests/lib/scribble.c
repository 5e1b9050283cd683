// SPDX-License-Identifier: MIT
/*
 * A peer that writes anything into its own outbox: every field, with chosen and
 * with random values, before, between and while the other side reads it. The
 * other side does not crash, does not hang, reads nothing but that peer's
 * memory, says -EPROTO or takes nonsense for a message, and serves somebody
 * else as if nothing was.
 *
 * FLOWIPC_TEST_WORDS: how many words to change at least, instead of few enough
 * for a few seconds.
 */
#include "scribbler.h"

#include <sched.h>
#include <sys/mman.h>

struct progress *progress;

/* Enough for every field, and every complaint. */
#define WORDS_FOR_ALL 700000

struct victim {
	struct flowipc_channel *channel;
	struct flowipc_topic *topic; /* NULL: the peer does not subscribe */
	struct flowipc_region *region;
	uint64_t random;
	struct flowipc_message *held[8];
	struct flowipc_call *calls[4];
	/* What may be read and not written, as of the last look. */
	struct map maps[64];
	int map_count;
};

static bool is_in_maps(const struct victim *victim, const void *data,
		       uint64_t size)
{
	uintptr_t at = (uintptr_t)data;
	int i;

	for (i = 0; i < victim->map_count; i++)
		if (at >= victim->maps[i].start && at < victim->maps[i].end &&
		    size <= victim->maps[i].end - at)
			return true;
	return false;
}

/* A payload of that size lies in what the peer lent us, not anywhere else. */
static void check_place(struct victim *victim, const void *data, uint64_t size)
{
	if (is_in_maps(victim, data, size))
		return;
	victim->map_count = test_shared_maps("r-", victim->maps, 64);
	check(victim->map_count <= 64);
	check_msg(is_in_maps(victim, data, size), "%" PRIu64
		  " bytes at %p are not the peer's", size, data);
}

/* Each of its cache lines, and the end. */
static uint64_t sum(const void *data, uint64_t size)
{
	const volatile unsigned char *at = data;
	uint64_t total = size ? at[size - 1] : 0, i;

	for (i = 0; i < size; i += 64)
		total += at[i];
	return total;
}

/* All pieces of it, and what came with it. */
static void look_at(struct victim *victim, struct flowipc_message *message)
{
	unsigned int i;
	const void *data;
	uint64_t size;
	int fd;

	for (i = 0; i < flowipc_message_piece_count(message); i++) {
		ok(flowipc_message_piece(message, i, &data, &size));
		if (size > FLOWIPC__INLINE_MAX)
			check_place(victim, data, size);
		sum(data, size);
	}
	for (i = 0; i < flowipc_message_fd_count(message); i += 2) {
		fd = (int)sys(flowipc_message_take_fd(message, i));
		sys(close(fd));
	}
	progress->messages++;
	progress->pieces += flowipc_message_piece_count(message) - 1;
	progress->fds += flowipc_message_fd_count(message);
}

/* Look at a message, and keep it for a while. */
static void hold(struct victim *victim, struct flowipc_message *message, int i)
{
	look_at(victim, message);
	flowipc_message_release(victim->held[i % 8]);
	victim->held[i % 8] = message;
}

static int receive_some(struct victim *victim, int timeout)
{
	struct flowipc_message *message;
	int i, err;

	for (i = 0; i < 64; i++) {
		err = flowipc_message_receive(victim->channel, &message,
					      timeout);
		if (err)
			return i ? 0 : err;
		hold(victim, message, i);
	}
	return 0;
}

/* Start a call, or wait for it, or end it; or reply to what was received. */
static int call_or_reply(struct victim *victim, int timeout)
{
	int i = (int)test_random_below(&victim->random, 4), err;
	struct flowipc_call **call = &victim->calls[i];
	struct flowipc_message *message;
	uint64_t request = victim->held[i] ?
			   flowipc_message_request(victim->held[i]) : 0;

	if (*call && test_random_below(&victim->random, 8)) {
		err = flowipc_call_wait(*call, timeout, &message);
		if (!err)
			hold(victim, message, i);
		return err == -ENODATA || err == -ENOBUFS || err == -EINTR ?
			0 : err;
	}
	flowipc_call_end(*call);
	*call = NULL;
	err = flowipc_message_new(victim->channel, 50, timeout, &message);
	if (err)
		return err;
	err = request ? flowipc_reply(message, request, request % 2, timeout) :
			flowipc_call_start(message, NULL, timeout, call);
	if (err)
		flowipc_message_release(message);
	return err == -EOPNOTSUPP ? 0 : err;
}

static int send_from_region(struct victim *victim, int timeout)
{
	struct flowipc_message *message;
	int err;

	err = flowipc_message_from_region(victim->channel, victim->region, 0,
					  100, timeout, &message);
	if (err)
		return err;
	err = flowipc_message_send(message, timeout);
	if (err)
		flowipc_message_release(message);
	return err;
}

/* A publication has no pieces, and goes to whoever subscribes. */
static int send_pieces_or_publish(struct victim *victim, int timeout)
{
	static const char bytes[5000];
	struct flowipc_message *message, *piece;
	int err;

	if (victim->topic)
		return flowipc_publish(victim->topic, bytes,
				       test_random_below(&victim->random,
							 sizeof(bytes)),
				       timeout);
	err = flowipc_message_new(victim->channel, 3000, timeout, &message);
	if (err)
		return err;
	err = flowipc_message_new(victim->channel, 10, timeout, &piece);
	if (!err) {
		ok(flowipc_message_append(message, piece));
		ok(flowipc_message_attach_fd(message, STDERR_FILENO));
		err = flowipc_message_send(message, timeout);
	}
	if (err)
		flowipc_message_release(message);
	return err;
}

/* What the peer says of itself, and what that comes to. */
static int ask(struct victim *victim)
{
	struct flowipc_channel_memory memory = { .sz = sizeof(memory) };
	int err = (int)flowipc_channel_reclaim(victim->channel);

	flowipc_channel_was_shut_down(victim->channel);
	flowipc_channel_missed(victim->channel);
	flowipc_channel_dropped(victim->channel);
	return err < 0 ? err : flowipc_channel_memory(victim->channel, &memory);
}

/* Every call a program may make. */
static int act(struct victim *victim, int timeout)
{
	static char bytes[20000];
	int err;

	if (!test_random_below(&victim->random, 3000))
		return flowipc_channel_shutdown(victim->channel);
	switch (test_random_below(&victim->random, 12)) {
	case 0:
	case 1:
	case 2:
		err = receive_some(victim, timeout);
		return err == -ENOBUFS || err == -EINTR ? 0 : err;
	case 8:
	case 9:
	case 10:
		return call_or_reply(victim, timeout);
	case 3:
	case 4:
		return flowipc_send(victim->channel, bytes,
				    test_random_below(&victim->random, 20000),
				    timeout);
	case 5:
		return send_from_region(victim, timeout);
	case 6:
		err = (int)flowipc_receive(victim->channel, bytes, 50,
					   timeout);
		return err == -EMSGSIZE || err == -ENOBUFS || err == -EINTR ?
			0 : err;
	case 7:
		return send_pieces_or_publish(victim, timeout);
	default:
		return ask(victim);
	}
}

/* What was wrong, up to the numbers in it. */
static void complaint_note(void)
{
	char text[COMPLAINT_BYTES];
	int i;

	snprintf(text, sizeof(text), "%.*s",
		 (int)strcspn(flowipc_last_error(), "0123456789"),
		 flowipc_last_error());
	for (i = 0; i < COMPLAINTS; i++) {
		if (!progress->complaints[i][0])
			memcpy(progress->complaints[i], text, sizeof(text));
		if (strcmp(progress->complaints[i], text))
			continue;
		progress->complaint_count[i]++;
		return;
	}
	check_msg(false, "more than %d kinds of complaints", COMPLAINTS);
}

/* Whether the peer broke the protocol. */
static bool suffer(struct victim *victim)
{
	bool ended = false;
	int i, quiet, err;

	for (i = 0, quiet = 0; i < 4000 && quiet < 400; i++) {
		err = act(victim, test_random_below(&victim->random, 64) ? 0 :
			  1);
		if (err >= 0) {
			quiet = 0;
			continue;
		}
		gives_one_of(err, -EAGAIN, -ETIMEDOUT, -EPIPE, -EPROTO);
		quiet++;
		if (err == -EAGAIN)
			sched_yield();
		if (err == -EPROTO && !ended) {
			progress->protocol_errors++;
			complaint_note();
		}
		/* On with it for a while: broken must stay harmless, too. */
		ended = ended || err == -EPROTO;
		if (err == -EPIPE || err == -EPROTO)
			quiet += 40;
	}
	for (i = 0; i < 8; i++)
		flowipc_message_release(victim->held[i]);
	for (i = 0; i < 4; i++)
		flowipc_call_end(victim->calls[i]);
	return ended;
}

/* A session that was broken has ended for that reason, and says so. */
static void check_end(const struct victim *victim,
		      struct flowipc_session *session, bool broken)
{
	struct flowipc_session_end end = { .sz = sizeof(end) };
	int err = flowipc_session_end(session, &end);

	if (!broken) {
		gives_one_of(err, 0, -EAGAIN);
		return;
	}
	ok(err);
	/* a topic may have seen that the peer had left, and with what behind it */
	if (!victim->topic || end.reason != FLOWIPC_END_PEER_CLOSED)
		gives(end.reason, FLOWIPC_END_PROTOCOL);
	check(end.text[0]);
}

/* From now on the peer gets publications, too; if it has not broken all by now. */
static void subscribe(struct victim *victim)
{
	ok(flowipc_topic_create(FLOWIPC_OPTS(topic, .history = 2,
					     .max_bytes = 1 << 20),
				&victim->topic));
	gives_one_of(flowipc_topic_subscribe(victim->topic, victim->channel), 0,
		     -EPIPE, -EPROTO);
}

static int one_session(struct flowipc_server *server, struct victim *victim)
{
	struct flowipc_session *session;
	bool broken = false;
	int err;

	err = flowipc_accept(server, 100, &session);
	if (err)
		return err;
	memset(victim->held, 0, sizeof(victim->held));
	memset(victim->calls, 0, sizeof(victim->calls));
	victim->map_count = 0;
	victim->topic = NULL;
	err = flowipc_channel_accept(session, FLOWIPC_OPTS(channel,
			.wait_mode = test_random_below(&victim->random, 3),
			.slots = 2u << test_random_below(&victim->random, 8),
			.payload_bytes = 100000,
			/* wait, or drop */
			.when_full = test_random_below(&victim->random, 2)),
			test_ms(10000), &victim->channel);
	gives_one_of(err, 0, -EPIPE, -EPROTO);
	if (!err) {
		if (!test_random_below(&victim->random, 4))
			subscribe(victim);
		broken = suffer(victim);
		check_end(victim, session, broken);
		flowipc_channel_close(victim->channel);
		flowipc_topic_destroy(victim->topic);
	} else if (err == -EPROTO) {
		progress->protocol_errors++;
		complaint_note();
	}
	flowipc_session_close(session);
	return 0;
}

/* Somebody else's session, which goes on whatever the attacker does. */
static void echo(int sync, void *arg)
{
	struct link far = { .sync = sync };
	uint64_t number;

	(void)arg;
	link_connect(&far, NULL);
	do {
		test_arm_alarm();
		number = test_take(far.channel);
		test_put(far.channel, number + 1);
	} while (number);
	link_close(&far);
}

static void victim(int sync, void *arg)
{
	struct victim victim = { .random = *(uint64_t *)arg + 1 };
	struct link other = { .channel = NULL };
	uint64_t number = 0;
	int fds, maps;

	ok(flowipc_listen("t", NULL, &other.server));
	ok(flowipc_region_create(4096, NULL, &victim.region));
	peer_start(&other.peer, echo, NULL);
	ok(flowipc_accept(other.server, test_ms(10000), &other.session));
	ok(flowipc_channel_accept(other.session, NULL, test_ms(10000),
				  &other.channel));
	sync_put(sync, 0);
	fds = test_count_fds();
	maps = test_count_shared_maps();
	while (!atomic_load(&progress->over)) {
		test_arm_alarm();
		if (one_session(other.server, &victim))
			continue;
		test_put(other.channel, ++number);
		gives(test_take(other.channel), number + 1);
		if (number % 16)
			continue;
		/* nothing of the attacker is left */
		gives(test_count_fds(), fds);
		gives(test_count_shared_maps(), maps);
		gives(flowipc_region_lent(victim.region), 0);
	}
	test_put(other.channel, 0);
	gives(test_take(other.channel), 1);
	link_stop(&other);
	flowipc_region_destroy(victim.region);
}

static void report(void)
{
	int i;

	print_message("%" PRIu64 " words changed in %" PRIu64
		      " sessions, and %" PRIu64 " flipped forth and back\n",
		      atomic_load(&progress->words),
		      atomic_load(&progress->sessions),
		      atomic_load(&progress->flips));
	print_message("%" PRIu64 " messages, %" PRIu64 " further pieces and %"
		      PRIu64 " descriptors of them, %" PRIu64
		      " protocol errors:\n", progress->messages,
		      progress->pieces, progress->fds,
		      progress->protocol_errors);
	for (i = 0; i < COMPLAINTS && progress->complaints[i][0]; i++)
		print_message("%8" PRIu64 " %s\n", progress->complaint_count[i],
			      progress->complaints[i]);
}

static bool complained(const char *what)
{
	int i;

	for (i = 0; i < COMPLAINTS; i++)
		if (strstr(progress->complaints[i], what))
			return true;
	return false;
}

/* Everything a field can be checked for was wrong at least once. */
static void check_reach(void)
{
	static const char *const wanted[] = {
		"geometry",
		"not of version",
		"of unknown kind",
		"of unknown role",
		"a request without a number",
		"of too many pieces",
		"without all its pieces",
		"message without the ",
		"sent from chunk",
		"gave up memory that it has lent",
		"not sealed as it says",
		"not in its slot",
		"not in its region",
		"sent from region",
		"consumed more messages",
		"released more messages",
		"released a message that it does not have",
		"messages after its end",
	};
	size_t i;

	for (i = 0; i < KINDS; i++)
		check_msg(atomic_load(&progress->hits[i]),
			  "words of kind %zu were never changed", i);
	for (i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++)
		check_msg(complained(wanted[i]), "nobody complained of \"%s\"",
			  wanted[i]);
}

static void every_word(void **state)
{
	uint64_t seed = test_seed();
	struct peer attacking, suffering;

	(void)state;
	progress = mmap(NULL, sizeof(*progress), PROT_READ | PROT_WRITE,
			MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	check(progress != MAP_FAILED);
	peer_start(&suffering, victim, &seed);
	sync_get(suffering.sync);
	peer_start(&attacking, scribbler, &seed);
	while (!atomic_load(&progress->over)) {
		test_arm_alarm();
		/* neither says anything unless it dies */
		check_msg(!sync_poll(suffering.sync, 50) ||
			  atomic_load(&progress->over), "the victim %s",
			  peer_fate(&suffering));
		check_msg(!sync_poll(attacking.sync, 0) ||
			  atomic_load(&progress->over), "the attacker %s",
			  peer_fate(&attacking));
	}
	peer_join(&attacking);
	peer_join(&suffering);
	report();
	check(atomic_load(&progress->words) >= words_wanted());
	check(progress->messages && progress->pieces && progress->fds);
	/* what is rare may be missing in a short run */
	if (words_wanted() >= WORDS_FOR_ALL)
		check_reach();
	munmap(progress, sizeof(*progress));
}

static const struct CMUnitTest tests[] = {
	TEST(every_word),
};

TEST_MAIN(tests, NULL)
