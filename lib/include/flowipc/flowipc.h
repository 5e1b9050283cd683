/* SPDX-License-Identifier: MIT */
/**
 * @file flowipc.h
 * @brief Everything of libflowipc, in reading order.
 *
 * A server listens under a name, a client connects to it: that is a session.
 * Either side opens channels in a session; a channel carries messages both
 * ways. A message of any size reaches the peer in the same time, because its
 * bytes stay where the sender wrote them and the peer reads them there.
 *
 * Conventions of every function
 * -----------------------------
 * - Returns 0 (or a count) on success and a negative errno on failure; errno
 *   itself is not set. flowipc_last_error() says in words what was wrong.
 * - A timeout is in milliseconds: negative waits without limit, 0 never
 *   waits. A call that would have had to wait gives -EAGAIN with timeout 0
 *   and -ETIMEDOUT after a positive timeout. A wait that a signal handler
 *   interrupted gives -EINTR, unless the handler was installed with
 *   SA_RESTART and the back end can resume by itself.
 * - On failure an output parameter is left alone.
 * - An options argument may be NULL, which means all defaults.
 * - Objects do not work in a forked child: what would use one there gives
 *   -EPERM, and memory that one owns is not there to be touched. Closing or
 *   destroying one frees what the child has of it and leaves the parent's
 *   untouched.
 * - The library starts no thread, installs no signal handler, never prints,
 *   never aborts, and never raises SIGPIPE.
 *
 * Errors that mean the same everywhere
 * ------------------------------------
 *   -EINVAL       an argument is wrong; flowipc_last_error() names it
 *   -ENOMEM       no memory
 *   -EMFILE       too many descriptors in this process
 *   -EDQUOT       a limit of this user would be exceeded (device back end)
 *   -EPERM        the object is of the process that this one was forked from
 *   -EPIPE        the peer is gone, and all it had sent was received
 *   -EPROTO       the peer broke the protocol; the object is of no more use
 *   -EOPNOTSUPP   the back end cannot do this (see flowipc_features())
 */
#ifndef FLOWIPC_FLOWIPC_H
#define FLOWIPC_FLOWIPC_H

#include <flowipc/common.h>
#include <flowipc/backend.h>
#include <flowipc/region.h>
#include <flowipc/session.h>
#include <flowipc/channel.h>
#include <flowipc/message.h>
#include <flowipc/call.h>
#include <flowipc/offer.h>
#include <flowipc/topic.h>

#endif /* FLOWIPC_FLOWIPC_H */
