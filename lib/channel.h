/* SPDX-License-Identifier: MIT */
/* What a channel end consists of. */
#ifndef FLOWIPC_LIB_CHANNEL_H
#define FLOWIPC_LIB_CHANNEL_H

#include <flowipc/channel.h>
#include <flowipc/message.h>

#include "call.h"
#include "chunk.h"
#include "lane.h"
#include "opening.h"
#include "outbox.h"
#include "process.h"
#include "region.h"
#include "watch.h"

struct flowipc_publication;
struct flowipc_session;
struct import;
struct subscriber;

#define FLOWIPC__LABEL_MAX 96

struct flowipc_message {
	struct flowipc_channel *channel;
	struct flowipc_message *next; /* in a queue, or of unused ones */
	struct flowipc_message *rest; /* the next piece of this message */
	unsigned int further; /* of the first piece: how many there are behind */
	enum slot_kind kind;
	enum slot_role role;
	bool received;
	uint32_t loan;
	uint64_t size;
	uint64_t type;
	uint64_t correlation;
	uint64_t call; /* unless it is SLOT_PLAIN */
	const void *data;
	struct flowipc_region *region; /* to be sent: the region it is from */
	uint64_t offset; /* where in region or chunk */
	uint32_t chunk; /* received: which one of the peer's */
	uint32_t number; /* to be sent: what the courier calls its memory */
	bool to_be_sealed;
	uint64_t seal; /* number of its seal at the receiver's end; 0: none */
	struct flowipc_message *next_sealed; /* received: see seal.c */
	struct import *import; /* received: what it is in, if no chunk */
	void *copy; /* received and made private: what it is in */
	unsigned int fd_count;
	_Alignas(64) unsigned char bytes[FLOWIPC__INLINE_MAX];
	int fds[FLOWIPC_MESSAGE_FDS]; /* or why there is none: -EBADF, -EMFILE */
};

/* A message of ours that takes up memory until the peer releases it. */
struct loan {
	enum {
		LOAN_UNUSED,
		LOAN_HELD, /* by our user, not sent yet */
		LOAN_SENT,
	} state;
	uint32_t next; /* in the list of unused ones */
	bool in_payload; /* in @piece, else in @region */
	bool own_region; /* made for this message only */
	bool spoilt; /* own_region is not to be used once more */
	struct piece piece;
	struct flowipc_region *region;
	uint64_t bytes; /* that the peer reads, once sent */
	uint64_t position; /* of the message, once sent */
	uint64_t apart; /* of own_region, if there was room, but in pieces */
	struct flowipc_publication *publication; /* that is sent, or NULL */
};

/* A chunk of the peer's, mapped when the first message in it was received. */
struct view {
	struct import *import; /* NULL: none */
	struct mapping mapping;
	uint32_t number; /* what the courier calls it */
	uint32_t held; /* messages in our user's hands */
	uint64_t received;
};

/* A region that was made for one message, kept for the next such one. */
struct spare {
	struct flowipc_region *region; /* NULL: none */
	uint64_t ticks; /* since when */
};

/* What the sending thread uses. */
struct sender {
	struct lane lane;
	uint64_t position;
	uint64_t oldest; /* neither consumed, as last seen, nor dropped */
	uint64_t consumed; /* by the peer, as last seen */
	enum flowipc_when_full when_full;
	uint64_t contested; /* the position behind it, see drop.c; 0: none */
	uint64_t dropped;
	uint64_t released; /* releases of the peer that were taken note of */
	uint32_t lent; /* loans in state LOAN_SENT */
	uint64_t lent_bytes;
	uint32_t unused_loan;
	uint32_t fresh_loan; /* from here on they were never used, nor touched */
	struct loan *loans;
	struct chunks chunks;
	uint64_t max_message_bytes;
	bool shut; /* we send no more */
	bool corked; /* what is sent wakes nobody until it is flushed */
	unsigned int batches; /* that are being sent: the last one wakes */
	unsigned int waiting; /* threads that wait for the peer */
	uint64_t own_bytes; /* of regions made for one message, in use */
	uint64_t apart_bytes; /* of loans, see there */
	struct spare spares[2]; /* the last ones that were own_region */
	uint64_t tidied_ticks; /* when memory was last looked after */
	struct flowipc_message *unused;
	uint32_t held; /* messages in the user's hands */
	struct subscriber *subscriber; /* of a topic that cares for it, or NULL */
	char label[FLOWIPC__LABEL_MAX];
};

/* What the receiving thread uses. */
struct receiver {
	struct lane lane;
	uint64_t position;
	uint64_t released;
	struct view views[FLOWIPC__CHUNKS];
	uint32_t withdrawals; /* of the courier's, that were taken note of */
	struct queue kept; /* not handed out yet, though taken from the ring */
	uint32_t piled; /* room that these and replies take up, see pile.c */
	struct calls calls;
	struct flowipc_message *sealed; /* those that are held, see seal.c */
	uint64_t missed; /* messages that the peer has dropped */
	int owed; /* an error behind what the last batch had */
	struct flowipc_message *unused;
	uint32_t held;
	char label[FLOWIPC__LABEL_MAX];
};

struct flowipc_channel {
	struct flowipc_session *session;
	struct courier *courier;
	struct doorbell doorbell;
	struct flowipc_region *region; /* our outbox is in it */
	struct outbox mine;
	struct mapping theirs; /* the peer's outbox, see struct lane */
	struct opening opening;
	struct watch watches[2]; /* of the sender, of the receiver */
	void *metadata;
	size_t metadata_size;
	/* In the session's list, as long as it is not closed. */
	struct flowipc_channel *next_in_session;
	struct flowipc_channel **link_in_session;
	/* What ended the channel for both directions: -EPROTO. */
	_Atomic int broken;
	uint64_t process;
	bool closed;
	_Atomic bool cut; /* hung up, by us */
	bool unread; /* closed after the peer: what was sent, nobody receives */
	_Alignas(FLOWIPC__LINE_PAIR) struct sender sender;
	_Alignas(FLOWIPC__LINE_PAIR) struct receiver receiver;
};

/* Not in a forked child, which has neither outbox. */
static inline bool flowipc__channel_is_ours(const struct flowipc_channel *channel)
{
	return __builtin_expect(flowipc__process_is(channel->process), 1);
}

/* 0 as long as the channel is of use. */
static inline int flowipc__channel_error(struct flowipc_channel *channel)
{
	if (!flowipc__channel_is_ours(channel))
		return flowipc__process_refuse();
	return atomic_load_explicit(&channel->broken, memory_order_relaxed);
}

/* The books of a direction are for one thread at a time, see crowd.h. */
static inline void flowipc__sender_enter(struct flowipc_channel *channel)
{
	flowipc__crowd_enter(channel->sender.lane.crowd);
}

static inline void flowipc__sender_leave(struct flowipc_channel *channel)
{
	flowipc__crowd_leave(channel->sender.lane.crowd);
}

static inline void flowipc__receiver_enter(struct flowipc_channel *channel)
{
	flowipc__crowd_enter(channel->receiver.lane.crowd);
}

static inline void flowipc__receiver_leave(struct flowipc_channel *channel)
{
	flowipc__crowd_leave(channel->receiver.lane.crowd);
}

/* 0 as long as we may send on it. */
int flowipc__sender_error(struct flowipc_channel *channel);

/* Wait for the peer, as flowipc__lane_wait(), for something to send with. */
int flowipc__sender_wait(struct flowipc_channel *channel, lane_ready_fn *ready,
			 void *context, uint64_t deadline);

/* The same, for room in a socket to the peer. */
int flowipc__sender_wait_socket(struct flowipc_channel *channel, int socket,
				struct patience *patience);

/* See how far the peer has come. -EPROTO. */
int flowipc__consumed_look(struct flowipc_channel *channel);

static inline bool flowipc__sender_drops(const struct sender *sender)
{
	return sender->when_full == FLOWIPC_FULL_DROP_OLDEST;
}

/*
 * drop.c: drop the oldest message that the peer has not received. 1: done, or
 * there is room without; 0: none can be dropped now; -EPROTO.
 */
int flowipc__oldest_drop(struct flowipc_channel *channel);
/* Is there memory to be had by it? */
bool flowipc__dropping_frees(const struct flowipc_channel *channel);
/* How far the peer has dropped its messages, and how many. -EPROTO. */
int flowipc__drops_read(const struct outbox_span *span, uint64_t *first,
			uint64_t *dropped);
/* The peer has passed the contested message. -EPROTO. */
int flowipc__contest_settle(struct flowipc_channel *channel);

/* We send no more, and the peer can see it. */
void flowipc__sender_end(struct flowipc_channel *channel);

/* Wake whoever waits in it, at both ends, for good. */
void flowipc__channel_cut(struct flowipc_channel *channel);

/* The peer gets what was sent up to now, and the end. Gives -ECONNABORTED. */
int flowipc__channel_disconnect(struct flowipc_channel *channel);

/* The peer did what it must not: the channel is of no more use. */
int flowipc__channel_break(struct flowipc_channel *channel, int error);

/* Check the user's options and fill in the defaults. */
int flowipc__channel_options_read(struct flowipc_channel_opts *known,
				  const struct flowipc_channel_opts *opts);
/* Our half: the outbox and the books. */
int flowipc__channel_create(struct flowipc_session *session,
			    const struct flowipc_channel_opts *opts,
			    struct flowipc_channel **channel);
/* Keep a copy of what the opener says about it. */
int flowipc__channel_describe(struct flowipc_channel *channel,
			      const void *metadata, size_t size);
/* The peer's half has come: map it. */
int flowipc__channel_import(struct flowipc_channel *channel, int outbox_fd,
			    struct outbox *theirs);
/* Make both directions ready for use, to look at @theirs. */
void flowipc__channel_prepare(struct flowipc_channel *channel,
			      const struct outbox *theirs, uint32_t number,
			      uint64_t token, bool opener);
void flowipc__channel_free(struct flowipc_channel *channel);

/* Free a closed channel as soon as the user holds no message of it. */
void flowipc__channel_free_if_unused(struct flowipc_channel *channel);

/* topic.c: the channel leaves its topic */
void flowipc__subscriber_remove(struct subscriber *subscriber);

/* message.c: unused messages are kept, so that the hot path allocates nothing */
struct flowipc_message *flowipc__message_get(struct flowipc_channel *channel,
					     struct flowipc_message **unused);
void flowipc__message_put(struct flowipc_message *message,
			  struct flowipc_message **unused);

/* receive.c: flowipc_message_receive_batch(), for who has entered */
int flowipc__messages_receive(struct flowipc_channel *channel,
			      struct flowipc_message **messages, size_t count,
			      int timeout_ms);

/* receive.c: the peer gets back what it lent us */
void flowipc__message_give_back(struct flowipc_message *message);
/* The same at the end of a received message that our user has not got. */
void flowipc__message_discard(struct flowipc_message *message);
void flowipc__messages_discard(struct flowipc_channel *channel);

/*
 * pile.c: what was taken from the ring before somebody has asked for it. All of
 * these are for who has entered as a receiver.
 */
void flowipc__pile_add(struct flowipc_channel *channel, struct queue *queue,
		       struct flowipc_message *message);
/* The message is to be the next one again, so there must be room. */
void flowipc__pile_put_back(struct flowipc_channel *channel,
			    struct flowipc_message *message);
/* NULL: there is none. */
struct flowipc_message *flowipc__pile_take(struct flowipc_channel *channel,
					   struct queue *queue);
void flowipc__pile_discard(struct flowipc_channel *channel,
			   struct queue *queue);
bool flowipc__pile_is_full(const struct flowipc_channel *channel);
/*
 * A receiver or a caller was not served, though much has come: @err is -ENOBUFS,
 * the pile is full, or -EBUSY, it was all for others. 0: it may go on; else why
 * it must not.
 */
int flowipc__pile_wait(struct flowipc_channel *channel, int err,
		       struct patience *patience);

/*
 * receive.c: take what has arrived, until @call has what it waits for: replies
 * go to their calls, all else is kept. 0: there is nothing more; -ENOBUFS,
 * -EBUSY: for flowipc__pile_wait(); what receiving fails with.
 */
int flowipc__messages_keep(struct flowipc_channel *channel,
			   const struct flowipc_call *call);

/*
 * send.c: flowipc_message_send(), as a request or reply. On failure it is a
 * plain message again.
 */
int flowipc__message_send_as(struct flowipc_message *message,
			     enum slot_role role, uint64_t call,
			     struct patience *patience);

/* lend.c: -EAGAIN, -ETIMEDOUT; -EPIPE; errors as of making a region */
int flowipc__message_lend(struct flowipc_message *message, uint64_t deadline);
int flowipc__loan_wait(struct flowipc_channel *channel, uint64_t deadline,
		       uint32_t *loan);

/*
 * fds.c: send the descriptors of a message, as the last thing before it is
 * published; receive those that a slot speaks of
 */
int flowipc__fds_send(struct flowipc_message *message,
		      struct patience *patience);
int flowipc__fds_receive(struct flowipc_message *message, unsigned int count);
void flowipc__fds_close(struct flowipc_message *message);

/*
 * seal.c: seal the pieces that are to be; check the seal of one that was
 * received and break it
 */
int flowipc__seals_make(struct flowipc_message *message);
/* 0 if messages of this channel can be sealed. */
int flowipc__seals_check(const struct flowipc_channel *channel);
int flowipc__seal_accept(struct flowipc_message *piece,
			 const struct mapping *mapping);
void flowipc__seal_break(struct flowipc_message *piece);
/* Can a region of ours be written again? */
bool flowipc__region_is_unsealed(const struct flowipc_region *region);

/* loan.c */
struct spare *flowipc__spare_of(struct sender *sender, unsigned int flags);
int flowipc__loan_take(struct sender *sender, uint32_t *loan);
bool flowipc__loan_is_there(const struct sender *sender);
void flowipc__loan_sent(struct sender *sender, uint32_t loan, uint64_t bytes,
			uint64_t position);
void flowipc__loan_give(struct sender *sender, uint32_t loan);
/* The message at @position, which nobody will receive, was dropped. -EPROTO. */
int flowipc__loan_drop(struct flowipc_channel *channel, uint32_t loan,
		       uint64_t position);
int flowipc__loans_reclaim(struct flowipc_channel *channel);
/* Reclaim, and give up the memory that was not used for a while. */
int flowipc__loans_tidy(struct flowipc_channel *channel);
int flowipc__loans_init(struct sender *sender);
void flowipc__loans_free(struct sender *sender, bool unread);

/*
 * view.c: the mapping of the peer's chunk @place, which the courier calls
 * @number, held until flowipc__view_put()
 */
int flowipc__view_get(struct flowipc_channel *channel, uint32_t place,
		      uint32_t number, struct mapping *mapping);
void flowipc__view_put(struct flowipc_channel *channel, uint32_t place);
/* Unmap what the peer has given up. */
void flowipc__views_collect(struct flowipc_channel *channel);
void flowipc__views_free(struct flowipc_channel *channel);

#endif
