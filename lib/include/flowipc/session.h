/* SPDX-License-Identifier: MIT */
/**
 * @file session.h
 * @brief Finding a peer by name, and checking who it is.
 *
 * A name such as "cache" stands for a Unix socket that carries the session's
 * control messages: NAME.sock in $XDG_RUNTIME_DIR/flowipc for
 * FLOWIPC_POLICY_SAME_USER (without XDG_RUNTIME_DIR: /run/flowipc for root
 * and /tmp/flowipc-UID for others), and in /run/flowipc for the other
 * policies. A name with a slash in it is the path of the socket itself.
 *
 * A server that a service manager such as systemd starts by socket activation,
 * from a unit with ListenSequentialPacket=PATH, listens with the same call: a
 * socket that was passed to the process (LISTEN_PID, LISTEN_FDS) and is bound
 * to the path that the name stands for is used as it is, with the permissions
 * it has, and stays when the server is closed.
 */
#ifndef FLOWIPC_SESSION_H
#define FLOWIPC_SESSION_H

#include <flowipc/backend.h>

#ifdef __cplusplus
extern "C" {
#endif

struct flowipc_channel;
struct flowipc_channel_opts;
struct flowipc_server;
struct flowipc_session;

/** Whom to accept, by what the kernel says of the peer. Both sides check. */
enum flowipc_policy {
	/** The peer's effective uid is this process's effective uid, or 0. */
	FLOWIPC_POLICY_SAME_USER = 0,
	/** Or: the peer is in this process's effective group. */
	FLOWIPC_POLICY_SAME_GROUP = 1,
	/** Whoever can reach the socket. */
	FLOWIPC_POLICY_ANYONE = 2,
};

/**
 * Lists that a peer must be on as well, FLOWIPC_OPTS(allow, ...). The policy
 * and each list that is not empty must be satisfied, by root and by this very
 * user, too; so to allow two users by their uids, list them and take
 * FLOWIPC_POLICY_ANYONE. Lists are copied and may be freed after the call.
 *
 * An executable is a path to a file, looked up once, at the call; the peer must
 * run that very file. A file that takes its place later, as an update does, is
 * another one. Telling what a peer runs takes the right to trace it (ptrace(2)),
 * so root or the same user; else it is refused. This keeps out a wrong program,
 * not a malicious one of the same user, which can trace or preload a right one;
 * and a server that was started by a service manager's socket is, to its
 * clients, the service manager.
 */
struct flowipc_allow_opts {
	size_t sz;
	const uid_t *uids; /**< effective uid of the peer */
	size_t uid_count;
	const gid_t *gids; /**< effective or supplementary group of the peer */
	size_t gid_count;
	const char *const *executables;
	size_t executable_count;
};

/** Options of flowipc_listen(). */
struct flowipc_listen_opts {
	size_t sz;
	/** Default FLOWIPC_POLICY_SAME_USER. */
	enum flowipc_policy policy;
	/**
	 * Back end of the sessions. With AUTO each session gets the best that
	 * both sides can use; otherwise a client that cannot use it is refused.
	 */
	enum flowipc_backend backend;
	/** Lists that a client must be on as well; default none. */
	const struct flowipc_allow_opts *allow;
};

/** Options of flowipc_connect(). */
struct flowipc_connect_opts {
	size_t sz;
	/** Default FLOWIPC_POLICY_SAME_USER. */
	enum flowipc_policy policy;
	/** As in flowipc_listen_opts. */
	enum flowipc_backend backend;
	/** Lists that the server must be on as well; default none. */
	const struct flowipc_allow_opts *allow;
	/**
	 * Channels to open at once, each as by flowipc_channel_open() with
	 * timeout 0: how many, where to put them, and the options of each, in
	 * the order that the server sees. channel_opts or one of them can be
	 * NULL.
	 */
	size_t channel_count;
	struct flowipc_channel **channels;
	const struct flowipc_channel_opts *const *channel_opts;
};

/** Who is at the other end of a session, as the kernel knows it. */
struct flowipc_peer {
	pid_t pid; /**< in this process's pid namespace; 0 if not visible */
	uid_t uid; /**< effective; a server's is the one it listened with */
	gid_t gid; /**< effective */
};

/** Why a server refused a client. */
enum flowipc_refusal_reason {
	FLOWIPC_REFUSED_POLICY = 1, /**< the policy does not let it in */
	FLOWIPC_REFUSED_UID = 2, /**< not on the list of uids */
	FLOWIPC_REFUSED_GID = 3, /**< in no group of the list */
	FLOWIPC_REFUSED_EXECUTABLE =
		4, /**< not on the list, or not to be told */
	FLOWIPC_REFUSED_VERSION =
		5, /**< no version of the protocol in common */
	FLOWIPC_REFUSED_BACKEND = 6, /**< no back end in common */
	FLOWIPC_REFUSED_SILENT = 7, /**< it said nothing in time */
	FLOWIPC_REFUSED_PROTOCOL = 8, /**< what it said is not of a client */
};

/** A client that was refused. */
struct flowipc_refusal {
	size_t sz;
	struct flowipc_peer peer;
	enum flowipc_refusal_reason reason;
	uint64_t lost; /**< earlier refusals that nobody asked for in time */
	char text[192]; /**< one line, for people */
};

/**
 * @brief Offer a service under a name.
 * @param name 1 to 64 of the characters A-Z a-z 0-9 . _ -, not beginning with
 *        a dot; or a path.
 * @param server set to the server; release it with flowipc_server_close().
 * @return 0; -EINVAL bad name; -EADDRINUSE a live server has this name (one
 * left by a killed server is replaced); -EACCES, -ENOENT the folder, or an
 * executable that is to be allowed, cannot be used; -ENAMETOOLONG; -ENOMEM; -EMFILE; and what flowipc_backend_find()
 * returns.
 *
 * Thread-safe. Does not block. Since 0.1.
 */
FLOWIPC_API int flowipc_listen(const char *name,
			       const struct flowipc_listen_opts *opts,
			       struct flowipc_server **server);

/**
 * @brief Descriptor that is readable when flowipc_accept() has something to
 * do. For poll, epoll and the like; owned by the server, not to be read.
 * Since 0.1.
 */
FLOWIPC_API int flowipc_server_fd(const struct flowipc_server *server);

/**
 * @brief Wait for the next client that was admitted.
 * @param session set to the session; release it with flowipc_session_close().
 * @return 0; -EAGAIN; -ETIMEDOUT; -EINTR; -EMFILE; -ENOMEM.
 *
 * Clients that are refused, too slow or do not keep to the protocol are
 * dropped, and never delay others; see flowipc_server_refusal().
 *
 * Not thread-safe for one server. Blocks up to @p timeout_ms. Since 0.1.
 */
FLOWIPC_API int flowipc_accept(struct flowipc_server *server, int timeout_ms,
			       struct flowipc_session **session);

/**
 * @brief Take note of a client that was refused.
 * @param refusal set to who it was, and why; the client itself was told no more
 *        than -EACCES, or -EPROTONOSUPPORT and what this side supports. Its sz
 *        must be set.
 * @return 0; -EAGAIN there is none; -EINVAL sz.
 *
 * Refusals are made by flowipc_accept(), whatever that returns, and do not make
 * the descriptor readable: ask after each call of it, until -EAGAIN. The last
 * 64 are remembered.
 *
 * Not thread-safe for one server. Does not block. Since 0.1.
 */
FLOWIPC_API int flowipc_server_refusal(struct flowipc_server *server,
				       struct flowipc_refusal *refusal);

/**
 * @brief Stop listening and remove the name. Sessions stay as they are.
 * @param server may be NULL. Never waits. Since 0.1.
 */
FLOWIPC_API void flowipc_server_close(struct flowipc_server *server);

/**
 * @brief Connect to a service by name.
 * @param timeout_ms also waits for a server that is not there yet; with 0
 *        only the server's answer is waited for, a second at most.
 * @param session set to the session; release it with flowipc_session_close().
 * @return 0; -EINVAL bad name; -ENOENT, -ECONNREFUSED no server of that name;
 * -ETIMEDOUT it did not answer; -EACCES the socket or the server refused us,
 * or our policy refused the server; -EPROTONOSUPPORT the two sides have no
 * protocol version or no back end in common; -EPROTO it is not a flowipc
 * server; -ENOMEM; -EMFILE; -EINTR; and what flowipc_backend_find() and, for
 * channels of the options, flowipc_channel_open() return.
 *
 * Thread-safe. Blocks up to @p timeout_ms. Since 0.1.
 */
FLOWIPC_API int flowipc_connect(const char *name,
				const struct flowipc_connect_opts *opts,
				int timeout_ms,
				struct flowipc_session **session);

/**
 * @brief Descriptor that is readable when the peer opens a channel, and hung
 * up when the session has ended. For poll and the like; owned by the session,
 * not to be read. It stays readable until each open was taken, by
 * flowipc_channel_accept() or flowipc_session_next_offer(). Since 0.1.
 */
FLOWIPC_API int flowipc_session_fd(const struct flowipc_session *session);

/** Why a session has ended. */
enum flowipc_end_reason {
	/** The peer has closed it, and all its channels. */
	FLOWIPC_END_PEER_CLOSED = 1,
	/** The peer's process has ended, or called exec. */
	FLOWIPC_END_PEER_DIED = 2,
	/** The peer broke the protocol, in the session or in a channel. */
	FLOWIPC_END_PROTOCOL = 3,
	/** The peer received nothing for stuck_timeout_ms of a channel. */
	FLOWIPC_END_STUCK = 4,
	/** The peer has taken back what it lent: flowipc_session_revoke(). */
	FLOWIPC_END_REVOKED = 5,
	/** This process has ended it, by flowipc_session_revoke(). */
	FLOWIPC_END_LOCAL = 6,
};

/** The end of a session. */
struct flowipc_session_end {
	size_t sz;
	enum flowipc_end_reason reason;
	char text[192]; /**< one line, for people */
};

/**
 * @brief Has the session ended, and why?
 * @param end set to the reason, which is the same from then on; its sz must be
 *        set.
 * @return 0; -EAGAIN it has not ended; -EINVAL sz.
 *
 * A peer that breaks the protocol ends this session and no other: its channels
 * give -EPROTO from then on, and so do calls that wait in them. So it is with
 * -ECONNABORTED when it is stuck, and with -EACCES when this process has revoked
 * the session. After the other ends what was sent before can still be received,
 * and channels that were opened before be accepted.
 *
 * Thread-safe. Does not block. Since 0.1.
 */
FLOWIPC_API int flowipc_session_end(struct flowipc_session *session,
				    struct flowipc_session_end *end);

/**
 * @brief Take back, at once, the memory that the peer of this session was lent,
 * and end the session.
 * @return 0; -EOPNOTSUPP on the memfd back end, and nothing has happened.
 *
 * When it returns, the peer can read no region that a message of this session
 * was sent from: an access raises SIGBUS there. Other sessions that have the
 * same regions, as subscribers of a topic do, keep them. Channels of the session
 * give -EACCES from then on, and are to be closed as always; the peer learns
 * that the session was revoked, and can still receive what lies in the channels
 * themselves: messages of up to 80 bytes, and those that fit in payload_bytes
 * of the channel's options. What it has copied, or its kernel has begun I/O on,
 * is not reached.
 *
 * Thread-safe. Does not wait for the peer. Since 0.1.
 */
FLOWIPC_API int flowipc_session_revoke(struct flowipc_session *session);

/** @brief Who the peer is. Thread-safe. Since 0.1. */
FLOWIPC_API void flowipc_session_peer(const struct flowipc_session *session,
				      struct flowipc_peer *peer);

/** @brief Back end of the session, never AUTO. Thread-safe. Since 0.1. */
FLOWIPC_API enum flowipc_backend
flowipc_session_backend(const struct flowipc_session *session);

/**
 * @brief End the session for new channels.
 * @param session may be NULL. Not to be used afterwards.
 *
 * Channels already open keep working until they are closed; the peer sees the
 * session end when the last of them is. Never waits. Since 0.1.
 */
FLOWIPC_API void flowipc_session_close(struct flowipc_session *session);

#ifdef __cplusplus
}
#endif
#endif /* FLOWIPC_SESSION_H */
