// SPDX-License-Identifier: MIT
/* The client's side of the rendezvous. */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "clock.h"
#include "error.h"
#include "name.h"
#include "options.h"
#include "session.h"

/* How long a server may take to answer when the caller does not want to wait. */
#define ANSWER_NS 1000000000ULL

/* Between two looks whether the server is there now. */
#define RETRY_NS 5000000

static int connect_once(const struct sockaddr_un *address)
{
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK,
			0);
	int err;

	if (fd < 0)
		return -errno;
	if (!connect(fd, (const struct sockaddr *)address, sizeof(*address)))
		return fd;
	err = -errno;
	close(fd);
	return err;
}

/* Connect as soon as there is somebody to connect to. */
static int connect_wait(const struct sockaddr_un *address, uint64_t deadline)
{
	const struct timespec pause = {.tv_nsec = RETRY_NS};
	int fd;

	for (;;) {
		fd = connect_once(address);
		/* EAGAIN: its queue of clients is full. */
		if (fd != -ENOENT && fd != -ECONNREFUSED && fd != -EAGAIN)
			break;
		if (flowipc__now() >= deadline)
			break;
		if (nanosleep(&pause, NULL))
			return -EINTR;
	}
	if (fd >= 0)
		return fd;
	switch (fd) {
	case -ENOENT:
	case -ECONNREFUSED:
		return flowipc__fail(fd, "no server listens at %s",
				     address->sun_path);
	case -EAGAIN:
		return flowipc__fail(-ETIMEDOUT,
				     "the server at %s does not take clients",
				     address->sun_path);
	case -EACCES:
	case -EPERM:
		return flowipc__fail(-EACCES, "not permitted to connect to %s",
				     address->sun_path);
	case -EPROTOTYPE:
		return flowipc__fail(-EPROTO, "%s is not of a flowipc server",
				     address->sun_path);
	default:
		return flowipc__fail(fd, "cannot connect to %s: %s",
				     address->sun_path, strerror(-fd));
	}
}

static int refused(const char *path, int error)
{
	switch (error) {
	case EACCES:
		return flowipc__fail(
			-EACCES,
			"the server at %s refused us: uid %u is not permitted",
			path, geteuid());
	case EPROTONOSUPPORT:
		return flowipc__fail(
			-EPROTONOSUPPORT,
			"the server at %s has no protocol version or back end in common with us",
			path);
	default:
		return flowipc__fail(-EPROTO, "the server at %s refused us",
				     path);
	}
}

/* The server's answer to our hello: the back end and the courier's socket. */
static int answer_wait(int control, const char *path, uint16_t offered,
		       uint64_t deadline, const struct backend **backend,
		       int *courier)
{
	int fds[FLOWIPC__PACKET_FDS];
	struct control packet;
	unsigned int count;
	int err;

	err = flowipc__packet_wait(control, POLLIN, deadline);
	if (err == -ETIMEDOUT || err == -EAGAIN)
		return flowipc__fail(-ETIMEDOUT,
				     "the server at %s does not answer", path);
	if (err)
		return err;
	err = flowipc__control_receive(control, &packet, fds, &count);
	if (err)
		return flowipc__fail(err == -EPIPE ? -ECONNREFUSED : -EPROTO,
				     err == -EPIPE ?
					     "the server at %s hung up" :
					     "%s is not of a flowipc server",
				     path);
	if (packet.kind == CONTROL_REFUSED) {
		flowipc__close_all(fds, count);
		return refused(path, packet.error);
	}
	if (packet.kind != CONTROL_WELCOME || count != 1 ||
	    !flowipc__is_unix_socket(fds[0], SOCK_SEQPACKET) ||
	    packet.newest < FLOWIPC__PROTOCOL_OLDEST ||
	    packet.newest > FLOWIPC__PROTOCOL || !(packet.backends & offered) ||
	    (packet.backends & (packet.backends - 1))) {
		flowipc__close_all(fds, count);
		return flowipc__fail(
			-EPROTO,
			"the server at %s gave a welcome that makes no sense",
			path);
	}
	*backend = packet.backends == 1U << FLOWIPC_BACKEND_DEVICE ?
			   &flowipc__backend_device :
			   &flowipc__backend_memfd;
	*courier = fds[0];
	return 0;
}

static int greet(int control, const char *path, uint16_t offered,
		 enum flowipc_policy policy, struct flowipc_peer *peer)
{
	struct control hello = {
		.kind = CONTROL_HELLO,
		.backends = offered,
		.oldest = FLOWIPC__PROTOCOL_OLDEST,
		.newest = FLOWIPC__PROTOCOL,
	};
	int err;

	err = flowipc__peer_identify(control, peer);
	if (err)
		return err;
	if (!flowipc__peer_is_allowed(control, peer, policy))
		return flowipc__fail(
			-EACCES,
			"the server at %s runs as uid %u, which our policy does not allow",
			path, peer->uid);
	err = flowipc__control_send(control, &hello, NULL, 0);
	if (err)
		return flowipc__fail(-ECONNREFUSED, "the server at %s hung up",
				     path);
	return 0;
}

int flowipc_connect(const char *name, const struct flowipc_connect_opts *opts,
		    int timeout_ms, struct flowipc_session **session)
{
	uint64_t deadline = flowipc__deadline(timeout_ms);
	struct flowipc_connect_opts known;
	const struct backend *backend = NULL;
	struct sockaddr_un address;
	struct flowipc_peer peer;
	int control, courier = -1, err;
	uint16_t offered;

	err = flowipc__options_read(&known, sizeof(known), opts, "connect");
	if (err)
		return err;
	err = flowipc__name_resolve(name, known.policy, false, &address);
	if (err)
		return err;
	err = flowipc__backends_offer(known.backend, &offered);
	if (err)
		return err;

	control = connect_wait(&address, deadline);
	if (control < 0)
		return control;
	if (!deadline)
		deadline = flowipc__now() + ANSWER_NS;
	err = greet(control, address.sun_path, offered, known.policy, &peer);
	if (!err)
		err = answer_wait(control, address.sun_path, offered, deadline,
				  &backend, &courier);
	if (err) {
		close(control);
		return err;
	}
	return flowipc__session_create(control, courier, backend, &peer, name,
				       true, session);
}
