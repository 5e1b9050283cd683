// SPDX-License-Identifier: MIT
/* The client's side of the rendezvous. */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "clock.h"
#include "error.h"
#include "name.h"
#include "opening.h"
#include "options.h"
#include "policy.h"
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

/* What the server says of itself is only of interest if it is no nonsense. */
static int refused(const char *path, const struct control *packet,
		   uint16_t offered)
{
	if (packet->error != EPROTONOSUPPORT)
		return flowipc__fail(packet->error == EACCES ? -EACCES :
							       -EPROTO,
				     "the server at %s refused us", path);
	if (packet->oldest > FLOWIPC__PROTOCOL ||
	    packet->newest < FLOWIPC__PROTOCOL_OLDEST)
		return flowipc__fail(
			-EPROTONOSUPPORT,
			"the server at %s speaks %s of the protocol, we %s",
			path,
			flowipc__versions_name(packet->oldest, packet->newest)
				.text,
			flowipc__versions_name(FLOWIPC__PROTOCOL_OLDEST,
					       FLOWIPC__PROTOCOL)
				.text);
	return flowipc__fail(-EPROTONOSUPPORT,
			     "the server at %s can use %s, we %s", path,
			     flowipc__backends_name(packet->backends).text,
			     flowipc__backends_name(offered).text);
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
	err = flowipc__control_receive(control, &packet, NULL, fds, &count);
	if (err)
		return flowipc__fail(err == -EPIPE ? -ECONNREFUSED : -EPROTO,
				     err == -EPIPE ?
					     "the server at %s hung up" :
					     "%s is not of a flowipc server",
				     path);
	if (packet.kind == CONTROL_REFUSED) {
		flowipc__close_all(fds, count);
		return refused(path, &packet, offered);
	}
	if (packet.kind != CONTROL_WELCOME || count != 1 ||
	    !flowipc__is_unix_socket(fds[0], SOCK_SEQPACKET) ||
	    packet.newest < FLOWIPC__PROTOCOL_OLDEST ||
	    packet.newest > FLOWIPC__PROTOCOL ||
	    packet.features & ~FLOWIPC__FEATURES ||
	    !(packet.backends & offered) ||
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
		 const struct policy *policy, struct flowipc_peer *peer)
{
	struct control hello = {
		.kind = CONTROL_HELLO,
		.backends = offered,
		.oldest = FLOWIPC__PROTOCOL_OLDEST,
		.newest = FLOWIPC__PROTOCOL,
		.features = FLOWIPC__FEATURES,
	};
	enum flowipc_refusal_reason reason;
	struct error_line line;
	int err;

	err = flowipc__peer_identify(control, peer);
	if (err)
		return err;
	if (flowipc__policy_check(policy, control, peer, &reason)) {
		flowipc__error_keep(&line);
		return flowipc__fail(-EACCES, "we refuse the server at %s: %s",
				     path, line.text);
	}
	/* One that has refused us listens no more, but has said so. */
	flowipc__control_send(control, &hello, NULL, NULL, 0);
	return 0;
}

/* Open the channels that were asked for; all of them or none. */
static int channels_begin(struct flowipc_session *session,
			  const struct flowipc_connect_opts *opts,
			  uint64_t deadline)
{
	struct flowipc_channel **channels;
	size_t count;
	int err = 0;

	if (!opts->channel_count)
		return 0;
	channels = calloc(opts->channel_count, sizeof(*channels));
	if (!channels)
		return flowipc__fail(-ENOMEM, "out of memory");
	for (count = 0; count < opts->channel_count; count++) {
		err = flowipc__channel_begin(
			session,
			opts->channel_opts ? opts->channel_opts[count] : NULL,
			deadline, &channels[count]);
		if (err)
			break;
	}
	if (!err)
		memcpy(opts->channels, channels, count * sizeof(*channels));
	while (err && count)
		flowipc_channel_close(channels[--count]);
	free(channels);
	return err;
}

int flowipc_connect(const char *name, const struct flowipc_connect_opts *opts,
		    int timeout_ms, struct flowipc_session **session)
{
	uint64_t deadline = flowipc__deadline(timeout_ms);
	struct flowipc_connect_opts known;
	const struct backend *backend = NULL;
	struct flowipc_session *new;
	struct sockaddr_un address;
	struct policy policy;
	struct flowipc_peer peer;
	int control = -1, courier = -1, err;
	uint16_t offered;

	err = flowipc__options_read(&known, sizeof(known), opts, "connect");
	if (err)
		return err;
	if (known.channel_count && !known.channels)
		return flowipc__fail(
			-EINVAL, "connect options: channels is NULL, not %zu",
			known.channel_count);
	err = flowipc__policy_create(&policy, known.policy, known.allow);
	if (err)
		return err;
	err = flowipc__name_resolve(name, known.policy, false, &address);
	if (!err)
		err = flowipc__backends_offer(known.backend, &offered);
	if (!err) {
		control = connect_wait(&address, deadline);
		err = control < 0 ? control : 0;
	}
	if (!err)
		err = greet(control, address.sun_path, offered, &policy, &peer);
	flowipc__policy_clear(&policy);
	if (!deadline)
		deadline = flowipc__now() + ANSWER_NS;
	if (!err)
		err = answer_wait(control, address.sun_path, offered, deadline,
				  &backend, &courier);
	if (err) {
		if (control >= 0)
			close(control);
		return err;
	}
	err = flowipc__session_create(control, courier, backend, &peer, name,
				      true, &new);
	if (err)
		return err;
	err = channels_begin(new, &known, deadline);
	if (err) {
		flowipc_session_close(new);
		return err;
	}
	*session = new;
	return 0;
}
