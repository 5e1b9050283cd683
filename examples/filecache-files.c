// SPDX-License-Identifier: MIT
/* Files on disk: opened once, named by their absolute path. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "filecache.h"

/*
 * Server and client may run in different folders and still mean the same
 * file, hence the absolute path.
 */
void file_open(struct file_list *list, const char *path)
{
	struct file *file = &list->files[list->count];
	struct stat status;

	if (list->count == MAX_FILES)
		die("more than %d files", MAX_FILES);
	file->fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (file->fd < 0)
		die("cannot open %s: %s", path, strerror(errno));
	if (fstat(file->fd, &status))
		die("cannot ask about %s: %s", path, strerror(errno));
	if (!S_ISREG(status.st_mode))
		die("%s is not a regular file", path);
	file->size = (uint64_t)status.st_size;
	file->name = realpath(path, NULL);
	if (!file->name)
		die("cannot resolve %s: %s", path, strerror(errno));
	if (strlen(file->name) > MAX_NAME)
		die("the name of %s is longer than %d bytes", path, MAX_NAME);
	list->count++;
}

void file_drop_last(struct file_list *list)
{
	struct file *file = &list->files[--list->count];

	close(file->fd);
	free(file->name);
}

void file_read(const struct file *file, void *buffer, size_t size,
	       uint64_t offset)
{
	size_t done = 0;

	while (done < size) {
		ssize_t n = pread(file->fd, (char *)buffer + done, size - done,
				  (off_t)(offset + done));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			die("cannot read %s: %s", file->name, strerror(errno));
		if (n == 0)
			die("%s became shorter while it was read", file->name);
		done += (size_t)n;
	}
}

const struct file *file_find(const struct file_list *list, const char *name,
			     size_t length)
{
	for (size_t i = 0; i < list->count; i++)
		if (strlen(list->files[i].name) == length &&
		    !memcmp(list->files[i].name, name, length))
			return &list->files[i];
	return NULL;
}
