// SPDX-License-Identifier: MIT
/*
 * The same service over a Unix stream socket, to compare with: a request is a
 * length and a name, a reply is a length and the bytes. The kernel copies
 * every byte twice on the way, into the socket and out of it.
 */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "filecache.h"

#define NOT_THERE UINT64_MAX

struct connection {
	int fd;
	const struct socket_file *files;
	size_t count;
};

/*
 * 0; -EPIPE at the end of the stream; negative errno. A read or write that
 * takes longer than the socket's time limit fails with -EAGAIN.
 */
static int read_all(int fd, void *buffer, uint64_t size)
{
	for (uint64_t done = 0; done < size;) {
		ssize_t n = read(fd, (char *)buffer + done, size - done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n ? -errno : -EPIPE;
		done += (uint64_t)n;
	}
	return 0;
}

static int write_all(int fd, const void *buffer, uint64_t size)
{
	for (uint64_t done = 0; done < size;) {
		ssize_t n = send(fd, (const char *)buffer + done, size - done,
				 MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		done += (uint64_t)n;
	}
	return 0;
}

/* --- server ----------------------------------------------------------------- */

/*
 * The kernel picks the address, outside of the file system: nothing to clean
 * up, and the client is told it by way of flowipc.
 */
int socket_listen(char *address, size_t *length)
{
	struct sockaddr_un name = { .sun_family = AF_UNIX };
	socklen_t size = sizeof(name);
	int fd;

	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0 || bind(fd, (struct sockaddr *)&name, sizeof(sa_family_t)) ||
	    listen(fd, 16) ||
	    getsockname(fd, (struct sockaddr *)&name, &size))
		die("cannot listen on a Unix socket: %s", strerror(errno));
	*length = size - offsetof(struct sockaddr_un, sun_path);
	memcpy(address, name.sun_path, *length);
	return fd;
}

static const struct socket_file *find(const struct connection *connection,
				      const char *name, size_t length)
{
	for (size_t i = 0; i < connection->count; i++)
		if (strlen(connection->files[i].name) == length &&
		    !memcmp(connection->files[i].name, name, length))
			return &connection->files[i];
	return NULL;
}

static void *serve(void *context)
{
	struct connection *connection = context;
	char name[MAX_NAME];
	uint32_t length;
	uint64_t size;

	while (!read_all(connection->fd, &length, sizeof(length)) &&
	       length <= sizeof(name) &&
	       !read_all(connection->fd, name, length)) {
		const struct socket_file *file = find(connection, name, length);

		size = file ? file->size : NOT_THERE;
		if (write_all(connection->fd, &size, sizeof(size)) ||
		    (file && write_all(connection->fd, file->data, size)))
			break;
	}
	close(connection->fd);
	free(connection);
	return NULL;
}

void socket_accept(int listener, const struct socket_file *files, size_t count)
{
	struct connection *connection;
	socklen_t size = sizeof(struct ucred);
	struct ucred peer;
	pthread_t thread;
	int fd;

	fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	if (fd < 0)
		return;
	connection = malloc(sizeof(*connection));
	/* An address that the kernel picks has no permissions of its own. */
	if (!connection ||
	    getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) ||
	    (peer.uid != geteuid() && peer.uid != 0))
		goto refuse;
	connection->fd = fd;
	connection->files = files;
	connection->count = count;
	if (pthread_create(&thread, NULL, serve, connection))
		goto refuse;
	pthread_detach(thread);
	return;
refuse:
	free(connection);
	close(fd);
}

/* --- client ----------------------------------------------------------------- */

int socket_connect(const void *address, size_t length, int timeout_ms)
{
	struct sockaddr_un name = { .sun_family = AF_UNIX };
	const struct timeval limit = {
		.tv_sec = timeout_ms / 1000,
		.tv_usec = timeout_ms % 1000 * 1000,
	};
	int fd;

	if (length > sizeof(name.sun_path))
		die("the server's socket address is too long");
	memcpy(name.sun_path, address, length);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)) ||
	    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit)) ||
	    connect(fd, (struct sockaddr *)&name,
		    (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length)))
		die("cannot connect to the server's Unix socket: %s",
		    strerror(errno));
	return fd;
}

void socket_get(int fd, const char *name, void *buffer, uint64_t size)
{
	struct {
		uint32_t length;
		char name[MAX_NAME];
	} request = { .length = (uint32_t)strlen(name) };
	uint64_t reply_size;
	int err;

	memcpy(request.name, name, request.length);
	err = write_all(fd, &request, sizeof(request.length) + request.length);
	if (!err)
		err = read_all(fd, &reply_size, sizeof(reply_size));
	if (!err && reply_size != size)
		die("the server's Unix socket does not serve %s as it is",
		    name);
	if (!err)
		err = read_all(fd, buffer, size);
	if (err)
		die("no reply over the server's Unix socket: %s",
		    err == -EAGAIN ? "timed out" : strerror(-err));
}
