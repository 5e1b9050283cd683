// SPDX-License-Identifier: MIT
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "error.h"
#include "name.h"
#include "session.h"

#define SYSTEM_FOLDER "/run/flowipc"

static bool name_is_valid(const char *name)
{
	static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				      "abcdefghijklmnopqrstuvwxyz"
				      "0123456789._-";
	size_t length = strlen(name);

	return length > 0 && length <= FLOWIPC__NAME_MAX && name[0] != '.' &&
	       strspn(name, allowed) == length;
}

static int folder_create(const char *folder, mode_t mode)
{
	if (!mkdir(folder, mode)) {
		/* Whatever the umask is: others must be able to connect. */
		if (mode != 0700 && chmod(folder, mode))
			return flowipc__fail(-errno, "cannot open up %s: %s",
					     folder, strerror(errno));
		return 0;
	}
	if (errno == EEXIST)
		return 0;
	return flowipc__fail(-errno, "cannot make the folder %s: %s", folder,
			     strerror(errno));
}

/*
 * The folder in /tmp, where anybody could have made it first. A server must
 * not put its socket into, nor a client trust, the folder of another user.
 */
static int folder_check_owner(const char *folder)
{
	struct stat stat;

	if (lstat(folder, &stat))
		return errno == ENOENT ? 0 : -errno;
	if (S_ISDIR(stat.st_mode) && stat.st_uid == geteuid() &&
	    !(stat.st_mode & 022))
		return 0;
	return flowipc__fail(
		-EACCES,
		"%s does not belong to uid %u alone: remove it, or set XDG_RUNTIME_DIR",
		folder, geteuid());
}

static int folder_find(enum flowipc_policy policy, bool create, char *folder,
		       size_t size)
{
	const char *runtime = secure_getenv("XDG_RUNTIME_DIR");
	int err;

	if (policy == FLOWIPC_POLICY_SAME_USER && runtime &&
	    runtime[0] == '/') {
		if ((size_t)snprintf(folder, size, "%s/flowipc", runtime) >=
		    size)
			return flowipc__fail(
				-ENAMETOOLONG,
				"XDG_RUNTIME_DIR is too long for the path of a socket");
		return create ? folder_create(folder, 0700) : 0;
	}
	if (policy != FLOWIPC_POLICY_SAME_USER || !geteuid()) {
		snprintf(folder, size, "%s", SYSTEM_FOLDER);
		return create ? folder_create(folder, 0755) : 0;
	}
	snprintf(folder, size, "/tmp/flowipc-%u", geteuid());
	err = create ? folder_create(folder, 0700) : 0;
	return err ? err : folder_check_owner(folder);
}

int flowipc__name_resolve(const char *name, enum flowipc_policy policy,
			  bool create, struct sockaddr_un *address)
{
	char folder[sizeof(address->sun_path)];
	size_t room = sizeof(address->sun_path);
	int length, err;

	*address = (struct sockaddr_un){.sun_family = AF_UNIX};
	if (!name)
		return flowipc__fail(-EINVAL,
				     "the name of the service is NULL");
	if (strchr(name, '/')) {
		length = snprintf(address->sun_path, room, "%s", name);
	} else {
		if (!name_is_valid(name))
			return flowipc__fail(
				-EINVAL,
				"\"%.80s\" is not a name: use 1 to %d of A-Z a-z 0-9 . _ -, not beginning with a dot",
				name, FLOWIPC__NAME_MAX);
		err = folder_find(policy, create, folder, sizeof(folder));
		if (err)
			return err;
		length = snprintf(address->sun_path, room, "%s/%s.sock", folder,
				  name);
	}
	/* Room for the suffix of the lock file as well. */
	if ((size_t)length + sizeof(".lock") > room)
		return flowipc__fail(
			-ENAMETOOLONG,
			"the path of the socket for \"%.80s\" is too long",
			name);
	return 0;
}
