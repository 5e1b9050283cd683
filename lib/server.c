// SPDX-License-Identifier: MIT
/*
 * The server's side of the rendezvous.
 *
 * A client is heard on a socket of its own, next to all others, so that one
 * that says nothing delays nobody. All of them and the listening socket are
 * in one epoll instance, whose descriptor is the server's.
 *
 * The name is locked by a file beside the socket, which the kernel unlocks
 * when the server dies: whoever gets the lock knows that the socket is a dead
 * one's and may replace it.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "clock.h"
#include "error.h"
#include "name.h"
#include "options.h"
#include "session.h"

/* Clients that have connected and not said hello yet. */
#define GUESTS_MAX	  64
#define GUEST_PATIENCE_NS 5000000000ULL

struct guest {
	int socket; /* -1: this place is free */
	uint64_t since;
};

struct flowipc_server {
	int listener;
	int lock;
	int epoll;
	enum flowipc_policy policy;
	uint16_t backends;
	pid_t process;
	struct sockaddr_un address;
	char lock_path[sizeof(((struct sockaddr_un *)0)->sun_path)];
	char name[FLOWIPC__NAME_MAX + 1];
	struct guest guests[GUESTS_MAX];
};

/* Lock the name. The file may vanish between open and lock: then once more. */
static int server_lock(struct flowipc_server *server)
{
	struct stat by_fd, by_path;
	int err;

	for (;;) {
		server->lock =
			open(server->lock_path,
			     O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
		if (server->lock < 0)
			return flowipc__fail(-errno, "cannot make %s: %s",
					     server->lock_path,
					     strerror(errno));
		if (flock(server->lock, LOCK_EX | LOCK_NB)) {
			err = errno == EWOULDBLOCK ? -EADDRINUSE : -errno;
			return flowipc__fail(err, "%s belongs to a live server",
					     server->address.sun_path);
		}
		if (!fstat(server->lock, &by_fd) &&
		    !stat(server->lock_path, &by_path) &&
		    by_fd.st_ino == by_path.st_ino &&
		    by_fd.st_dev == by_path.st_dev)
			return 0;
		close(server->lock);
	}
}

static int server_bind(struct flowipc_server *server)
{
	const char *path = server->address.sun_path;
	struct stat stat;

	if (!lstat(path, &stat) && !S_ISSOCK(stat.st_mode))
		return flowipc__fail(-EADDRINUSE,
				     "%s is in the way and is not a socket",
				     path);
	unlink(path);
	server->listener = socket(
		AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (server->listener < 0)
		return flowipc__fail(-errno, "cannot make a socket: %s",
				     strerror(errno));
	if (bind(server->listener, (struct sockaddr *)&server->address,
		 sizeof(server->address)))
		return flowipc__fail(-errno, "cannot bind %s: %s", path,
				     strerror(errno));
	/* Others may knock where the policy may let them in. */
	if (chmod(path, server->policy == FLOWIPC_POLICY_ANYONE	    ? 0666 :
			server->policy == FLOWIPC_POLICY_SAME_GROUP ? 0660 :
								      0600) ||
	    listen(server->listener, GUESTS_MAX))
		return flowipc__fail(-errno, "cannot listen at %s: %s", path,
				     strerror(errno));
	return 0;
}

static int server_watch(struct flowipc_server *server, int fd)
{
	struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};

	return epoll_ctl(server->epoll, EPOLL_CTL_ADD, fd, &event) ? -errno : 0;
}

static int server_start(struct flowipc_server *server)
{
	int err;

	err = server_lock(server);
	if (err)
		return err;
	err = server_bind(server);
	if (err)
		return err;
	server->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (server->epoll < 0 || server_watch(server, server->listener))
		return flowipc__fail(-errno,
				     "cannot make an epoll instance: %s",
				     strerror(errno));
	return 0;
}

int flowipc_listen(const char *name, const struct flowipc_listen_opts *opts,
		   struct flowipc_server **server)
{
	struct flowipc_listen_opts known;
	struct flowipc_server *new;
	const char *slash;
	int i, err;

	err = flowipc__options_read(&known, sizeof(known), opts, "listen");
	if (err)
		return err;
	new = calloc(1, sizeof(*new));
	if (!new)
		return flowipc__fail(-ENOMEM, "out of memory");
	new->listener = -1;
	new->lock = -1;
	new->epoll = -1;
	new->policy = known.policy;
	new->process = getpid();
	for (i = 0; i < GUESTS_MAX; i++)
		new->guests[i].socket = -1;

	err = flowipc__name_resolve(name, known.policy, true, &new->address);
	if (!err)
		err = flowipc__backends_offer(known.backend, &new->backends);
	if (!err) {
		slash = strrchr(name, '/');
		strncpy(new->name, slash ? slash + 1 : name, FLOWIPC__NAME_MAX);
		strcpy(new->lock_path, new->address.sun_path);
		strcat(new->lock_path, ".lock");
		err = server_start(new);
	}
	if (err) {
		flowipc_server_close(new);
		return err;
	}
	*server = new;
	return 0;
}

void flowipc_server_close(struct flowipc_server *server)
{
	int i;

	if (!server)
		return;
	for (i = 0; i < GUESTS_MAX; i++) {
		if (server->guests[i].socket >= 0)
			close(server->guests[i].socket);
	}
	/*
	 * Whoever made the listener holds the lock. A forked child holds it,
	 * too, but the name is not the child's to take away.
	 */
	if (server->listener >= 0 && server->process == getpid()) {
		unlink(server->address.sun_path);
		unlink(server->lock_path);
	}
	if (server->listener >= 0)
		close(server->listener);
	if (server->lock >= 0)
		close(server->lock);
	if (server->epoll >= 0)
		close(server->epoll);
	free(server);
}

int flowipc_server_fd(const struct flowipc_server *server)
{
	return server->epoll;
}

static void guest_dismiss(struct guest *guest)
{
	/* Closing a socket takes it out of the epoll instance, too. */
	close(guest->socket);
	guest->socket = -1;
}

static void guest_refuse(struct guest *guest, int error)
{
	struct control packet = {.kind = CONTROL_REFUSED, .error = error};

	flowipc__control_send(guest->socket, &packet, NULL, 0);
	guest_dismiss(guest);
}

/* A place for one more guest: the one who was silent for longest must go. */
static struct guest *guest_place(struct flowipc_server *server)
{
	struct guest *oldest = &server->guests[0];
	int i;

	for (i = 0; i < GUESTS_MAX; i++) {
		struct guest *guest = &server->guests[i];

		if (guest->socket < 0)
			return guest;
		if (guest->since < oldest->since)
			oldest = guest;
	}
	guest_dismiss(oldest);
	return oldest;
}

static void guests_expire(struct flowipc_server *server)
{
	uint64_t now = flowipc__now();
	int i;

	for (i = 0; i < GUESTS_MAX; i++) {
		struct guest *guest = &server->guests[i];

		if (guest->socket >= 0 &&
		    now - guest->since > GUEST_PATIENCE_NS)
			guest_dismiss(guest);
	}
}

static int server_admit(struct flowipc_server *server)
{
	struct guest *guest;
	int socket;

	socket = accept4(server->listener, NULL, NULL,
			 SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (socket < 0) {
		if (errno == EMFILE || errno == ENFILE || errno == ENOMEM)
			return flowipc__fail(-errno,
					     "cannot accept a client: %s",
					     strerror(errno));
		return 0;
	}
	guest = guest_place(server);
	*guest = (struct guest){.socket = socket, .since = flowipc__now()};
	if (server_watch(server, socket))
		guest_dismiss(guest);
	return 0;
}

/* The best back end that both sides offer, or NULL. */
static const struct backend *backend_agree(uint16_t ours, uint16_t theirs)
{
	uint16_t common = ours & theirs;

	if (common & 1U << FLOWIPC_BACKEND_DEVICE)
		return &flowipc__backend_device;
	if (common & 1U << FLOWIPC_BACKEND_MEMFD)
		return &flowipc__backend_memfd;
	return NULL;
}

/* A guest is welcome: the socket becomes a session's. */
static int guest_welcome(struct flowipc_server *server, struct guest *guest,
			 const struct backend *backend,
			 const struct flowipc_peer *peer,
			 struct flowipc_session **session)
{
	struct control packet = {
		.kind = CONTROL_WELCOME,
		.newest = FLOWIPC__PROTOCOL,
		.backends = (uint16_t)(1U << backend->id),
	};
	int courier[2];
	int socket, err;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, courier)) {
		err = flowipc__fail(-errno, "cannot make a socket: %s",
				    strerror(errno));
		guest_dismiss(guest);
		return err;
	}
	err = flowipc__control_send(guest->socket, &packet, &courier[1], 1);
	close(courier[1]);
	if (err) {
		close(courier[0]);
		guest_dismiss(guest);
		return -EAGAIN;
	}
	socket = guest->socket;
	guest->socket = -1;
	epoll_ctl(server->epoll, EPOLL_CTL_DEL, socket, NULL);
	return flowipc__session_create(socket, courier[0], backend, peer,
				       server->name, false, session);
}

/* Hear what a guest has to say. -EAGAIN: no session comes of it (yet). */
static int guest_hear(struct flowipc_server *server, struct guest *guest,
		      struct flowipc_session **session)
{
	const struct backend *backend;
	int fds[FLOWIPC__PACKET_FDS];
	struct flowipc_peer peer;
	struct control packet;
	unsigned int count;
	int err;

	err = flowipc__control_receive(guest->socket, &packet, fds, &count);
	if (err == -EAGAIN)
		return err;
	flowipc__close_all(fds, count);
	if (err || packet.kind != CONTROL_HELLO) {
		guest_dismiss(guest);
		return -EAGAIN;
	}
	if (flowipc__peer_identify(guest->socket, &peer) ||
	    !flowipc__peer_is_allowed(guest->socket, &peer, server->policy)) {
		guest_refuse(guest, EACCES);
		return -EAGAIN;
	}
	backend = backend_agree(server->backends, packet.backends);
	if (!backend || packet.oldest > FLOWIPC__PROTOCOL ||
	    packet.newest < FLOWIPC__PROTOCOL_OLDEST) {
		guest_refuse(guest, EPROTONOSUPPORT);
		return -EAGAIN;
	}
	return guest_welcome(server, guest, backend, &peer, session);
}

static struct guest *guest_by_socket(struct flowipc_server *server, int socket)
{
	int i;

	for (i = 0; i < GUESTS_MAX; i++) {
		if (server->guests[i].socket == socket)
			return &server->guests[i];
	}
	return NULL;
}

/* Deal with one event. -EAGAIN: no session comes of it. */
static int server_serve(struct flowipc_server *server, int fd,
			struct flowipc_session **session)
{
	struct guest *guest;
	int err;

	if (fd == server->listener) {
		err = server_admit(server);
		return err ? err : -EAGAIN;
	}
	guest = guest_by_socket(server, fd);
	return guest ? guest_hear(server, guest, session) : -EAGAIN;
}

int flowipc_accept(struct flowipc_server *server, int timeout_ms,
		   struct flowipc_session **session)
{
	uint64_t deadline = flowipc__deadline(timeout_ms);
	struct epoll_event event;
	int budget, err;

	for (;;) {
		guests_expire(server);
		budget = 2 * GUESTS_MAX;
		while (budget-- &&
		       epoll_wait(server->epoll, &event, 1, 0) > 0) {
			err = server_serve(server, event.data.fd, session);
			if (err != -EAGAIN)
				return err;
		}
		err = flowipc__packet_wait(server->epoll, POLLIN, deadline);
		if (err == -ETIMEDOUT)
			flowipc__fail(err, "no client was admitted in time");
		if (err)
			return err;
	}
}
