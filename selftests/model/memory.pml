/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * DOC: memory between two processes, for Spin
 *
 * A weak one: a store waits in its process's buffer for an unknown time, and
 * only a release store waits for those before it. Loads are in order. Whoever
 * includes this says how many WORDS there are.
 */

#define SENDER	 0
#define RECEIVER 1
#define NOBODY	 2

/* What both can see. */
byte memory[WORDS];

/* The stores of a process that nobody else sees yet, oldest first. */

#define DEPTH 2

typedef store_buffer {
	byte count;
	byte at[DEPTH];
	byte value[DEPTH];
	bit release[DEPTH];
};

store_buffer buffers[2];

inline store(who, at_, value_, release_)
{
	d_step {
		buffers[who].count < DEPTH ->
		buffers[who].at[buffers[who].count] = at_;
		buffers[who].value[buffers[who].count] = value_;
		buffers[who].release[buffers[who].count] = release_;
		buffers[who].count++;
	}
}

/* May the second store of a buffer overtake the first? */
#define MAY_OVERTAKE(who)                                      \
	(buffers[who].count > 1 && !buffers[who].release[1] && \
	 buffers[who].at[1] != buffers[who].at[0])

/* Store i of a buffer becomes visible. */
inline drain(who, i)
{
	memory[buffers[who].at[i]] = buffers[who].value[i];
	if
	:: i == 0 ->
		buffers[who].at[0] = buffers[who].at[1];
		buffers[who].value[0] = buffers[who].value[1];
		buffers[who].release[0] = buffers[who].release[1]
	:: else
	fi;
	buffers[who].at[1] = 0;
	buffers[who].value[1] = 0;
	buffers[who].release[1] = 0;
	buffers[who].count--;
}

active proctype memory_system()
{
end:	do
	:: d_step { buffers[SENDER].count > 0 -> drain(SENDER, 0) }
	:: d_step { MAY_OVERTAKE(SENDER) -> drain(SENDER, 1) }
	:: d_step { buffers[RECEIVER].count > 0 -> drain(RECEIVER, 0) }
	:: d_step { MAY_OVERTAKE(RECEIVER) -> drain(RECEIVER, 1) }
	od
}

#define IS_FENCED(who) (buffers[who].count == 0)

/* Who is to be killed, and who is gone, which the other one learns. */
byte killed = NOBODY;
bit gone[2];

active proctype killer()
{
	if
	:: killed = SENDER
	:: killed = RECEIVER
	:: true
	fi
}
