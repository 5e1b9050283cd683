// SPDX-License-Identifier: GPL-2.0-only
#include "fuzz-control.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

/* What a call gives is one of these, or a count. */
int64_t fine(int64_t result)
{
	static const int errors[] = {
		EAGAIN, ETIMEDOUT, EPIPE, EPROTO, ECONNREFUSED, EACCES,
		EPROTONOSUPPORT, EMSGSIZE, ENOMEM, EMFILE, EOPNOTSUPP,
		ECONNABORTED,
	};
	size_t i;

	if (result >= 0)
		return result;
	reached.violations += result == -EPROTO;
	for (i = 0; i < sizeof(errors) / sizeof(errors[0]); i++)
		if (result == -errors[i])
			return result;
	fprintf(stderr, "error %d: %s\n", (int)result, flowipc_last_error());
	abort();
}

void victim_start(struct victim *victim)
{
	memset(victim, 0, sizeof(*victim));
	MUST(!flowipc_region_create(4096, NULL, &victim->region));
}

void victim_end(struct victim *victim)
{
	int i;

	for (i = 0; i < HELD; i++)
		flowipc_message_release(victim->held[i]);
	for (i = 0; i < CHANNELS; i++)
		flowipc_channel_close(victim->channels[i]);
	flowipc_topic_destroy(victim->topic);
	flowipc_session_close(victim->session);
	flowipc_region_destroy(victim->region);
}

static void message_read(struct victim *victim, struct flowipc_message *message,
			 uint64_t place)
{
	unsigned int count = flowipc_message_piece_count(message), i;
	const volatile unsigned char *bytes;
	const void *data;
	uint64_t size;

	for (i = 0; i < count; i++) {
		MUST(!flowipc_message_piece(message, i, &data, &size));
		for (bytes = data; size; size--)
			(void)*bytes++;
	}
	flowipc_message_release(victim->held[place % HELD]);
	victim->held[place % HELD] = message;
	reached.messages++;
	reached.pieces += count - 1;
}

static void pieces_send(struct flowipc_channel *channel, uint64_t size)
{
	struct flowipc_message *message, *piece;

	if (fine(flowipc_message_new(channel, size, 0, &message)))
		return;
	if (fine(flowipc_message_new(channel, 500, 0, &piece))) {
		flowipc_message_release(message);
		return;
	}
	MUST(!flowipc_message_append(message, piece));
	if (fine(flowipc_message_send(message, 0)))
		flowipc_message_release(message);
}

/* To whoever subscribes, which is the first channel that is asked to. */
static void publish(struct victim *victim, struct flowipc_channel *channel,
		    uint64_t size)
{
	static const char bytes[UINT8_MAX * 80];

	if (!victim->topic) {
		MUST(!flowipc_topic_create(FLOWIPC_OPTS(topic, .history = 1,
							.max_bytes = 32768),
					   &victim->topic));
		if (fine(flowipc_topic_subscribe(victim->topic, channel)))
			return;
	}
	fine(flowipc_publish(victim->topic, bytes, size, 0));
}

static void ask(struct flowipc_channel *channel)
{
	struct flowipc_channel_memory memory = { .sz = sizeof(memory) };
	size_t size;

	fine(flowipc_channel_memory(channel, &memory));
	flowipc_channel_metadata(channel, &size);
	flowipc_channel_missed(channel);
	flowipc_channel_dropped(channel);
	flowipc_channel_was_shut_down(channel);
}

static void channel_call(struct victim *victim, enum call call, uint64_t which)
{
	static const char bytes[UINT8_MAX * 80];
	struct flowipc_channel **channel = &victim->channels[which % CHANNELS];
	struct flowipc_message *message;
	int fd;

	if (!*channel)
		return;
	switch (call) {
	case CALL_RECEIVE:
		if (!fine(flowipc_message_receive(*channel, &message, 0)))
			message_read(victim, message, which);
		break;
	case CALL_TAKE_FD:
		message = victim->held[which % HELD];
		if (!message || !flowipc_message_fd_count(message))
			break;
		fd = flowipc_message_take_fd(message, 0);
		if (fd >= 0)
			close(fd);
		break;
	case CALL_SEND:
		fine(flowipc_send(*channel, bytes, which * 80, 0));
		break;
	case CALL_SEND_FROM_REGION:
		if (fine(flowipc_message_from_region(*channel, victim->region,
						     0, 100, 0, &message)))
			break;
		if (fine(flowipc_message_send(message, 0)))
			flowipc_message_release(message);
		break;
	case CALL_SEND_FD:
		if (fine(flowipc_message_new(*channel, which, 0, &message)))
			break;
		MUST(!flowipc_message_attach_fd(message, STDERR_FILENO));
		if (fine(flowipc_message_send(message, 0)))
			flowipc_message_release(message);
		break;
	case CALL_SHUTDOWN:
		fine(flowipc_channel_shutdown(*channel));
		break;
	case CALL_RECLAIM:
		fine(flowipc_channel_reclaim(*channel));
		break;
	case CALL_SEND_PIECES:
		pieces_send(*channel, which);
		break;
	case CALL_PUBLISH:
		publish(victim, *channel, which * 80);
		break;
	case CALL_MAKE_PRIVATE:
		message = victim->held[which % HELD];
		if (message)
			fine(flowipc_message_make_private(message));
		break;
	case CALL_ASK:
		ask(*channel);
		break;
	default:
		flowipc_channel_close(*channel);
		*channel = NULL;
	}
}

/* The number says which channel, and what it does when it is full. */
void channel_begin(struct victim *victim, uint64_t which, bool opens)
{
	struct flowipc_channel **channel = &victim->channels[which % CHANNELS];
	const struct flowipc_channel_opts *opts = FLOWIPC_OPTS(channel,
			.slots = 4, .payload_bytes = 8192,
			.wait_mode = FLOWIPC_WAIT_SLEEP,
			.when_full = which / CHANNELS % 3);

	if (!fine(opens ? flowipc_channel_open(victim->session, opts, 0,
					       channel) :
			  flowipc_channel_accept(victim->session, opts, 0,
						 channel)))
		reached.channels++;
}

/* Look at what the peer offers, and take it or not. */
static void offer_hear(struct victim *victim, uint64_t which)
{
	struct flowipc_channel **channel = &victim->channels[which % CHANNELS];
	const volatile unsigned char *metadata;
	struct flowipc_offer *offer;
	size_t size, i;

	if (!victim->session ||
	    fine(flowipc_session_next_offer(victim->session, 0, &offer)))
		return;
	metadata = flowipc_offer_metadata(offer, &size);
	for (i = 0; metadata && i < size; i++)
		(void)metadata[i];
	reached.metadata += size > 0;
	if (*channel || which & 0x80)
		flowipc_offer_refuse(offer);
	else if (!fine(flowipc_offer_accept(offer, NULL, channel)))
		reached.channels++;
}

/* It ends once, and for one reason. */
static void end_look(struct victim *victim)
{
	struct flowipc_session_end end = { .sz = sizeof(end) };

	if (!victim->session ||
	    fine(flowipc_session_end(victim->session, &end)))
		return;
	MUST(end.reason && end.text[0]);
	MUST(!victim->reason || victim->reason == end.reason);
	reached.ends += !victim->reason;
	victim->reason = end.reason;
}

void call_step(struct input *input, struct victim *victim)
{
	enum call call = take(input, 1) % CALLS;
	uint64_t which = take(input, 1);
	struct flowipc_channel **channel = &victim->channels[which % CHANNELS];

	if (call == CALL_ACCEPT) {
		if (!victim->session &&
		    !fine(flowipc_accept(server, 0, &victim->session)))
			reached.sessions++;
	} else if (call == CALL_CHANNEL_ACCEPT || call == CALL_CHANNEL_OPEN) {
		if (victim->session && !*channel)
			channel_begin(victim, which, call == CALL_CHANNEL_OPEN);
	} else if (call == CALL_OFFER) {
		offer_hear(victim, which);
	} else if (call == CALL_SESSION_END) {
		end_look(victim);
	} else {
		channel_call(victim, call, which);
	}
}
