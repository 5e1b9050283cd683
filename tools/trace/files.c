// SPDX-License-Identifier: MIT
#include "files.h"

#include "why.h"

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <error.h>
#include <fcntl.h>
#include <limits.h>
#include <link.h>
#include <linux/capability.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define LIBRARY "libflowipc.so"
#define SONAME LIBRARY ".0"
#define DELETED " (deleted)"

/* What a search is about, and what it came across. */
struct search {
	struct trace_files *files;
	pid_t pid;
	/* @pid uses the library, though perhaps one without probes. */
	bool pid_uses_it;
	/* A file was said to be of no use. */
	bool without_probes;
	/* Processes whose memory map we may not read, and is @pid one? */
	unsigned int hidden;
	bool pid_is_hidden;
};

static int open_file(const char *path)
{
	/* O_NONBLOCK: a FIFO under the name of a library shall not stop us */
	return open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
}

static bool same_file(const char *path, const struct stat *st)
{
	struct stat other;

	return !stat(path, &other) && other.st_dev == st->st_dev &&
	       other.st_ino == st->st_ino;
}

static struct trace_file *known_file(struct trace_files *files,
				     const struct stat *st)
{
	size_t i;

	for (i = 0; i < files->count; i++)
		if (files->files[i].dev == st->st_dev &&
		    files->files[i].ino == st->st_ino)
			return &files->files[i];
	return NULL;
}

static void say_unusable(const char *path, int ret)
{
	if (ret == 0)
		error(0, 0,
		      "%s has no probes: built without sys/sdt.h (package systemtap-sdt-dev)",
		      path);
	else if (ret == -ENOEXEC)
		error(0, 0, "%s is not a 64-bit ELF file of this machine",
		      path);
	else
		error(0, -ret, "cannot read %s", path);
}

/*
 * Take the file that is open as @fd, which is closed or kept. Without probes
 * it is only remembered, and, unless it is @optional, said to be of no use.
 */
static struct trace_file *add_file(struct search *search, int fd,
				   const char *path, bool optional)
{
	struct trace_files *files = search->files;
	struct trace_file *file;
	struct stat st;
	int ret;

	if (fstat(fd, &st)) {
		error(0, errno, "cannot read %s", path);
		close(fd);
		return NULL;
	}
	file = known_file(files, &st);
	if (file) {
		close(fd);
		return file->fd < 0 ? NULL : file;
	}

	file = reallocarray(files->files, files->count + 1, sizeof(*file));
	if (!file)
		error(1, ENOMEM, "cannot trace %s", path);
	files->files = file;
	file += files->count++;
	*file = (struct trace_file){
		.path = strdup(path),
		.fd = fd,
		.dev = st.st_dev,
		.ino = st.st_ino,
	};
	if (!file->path)
		error(1, ENOMEM, "cannot trace %s", path);

	ret = S_ISREG(st.st_mode) ? trace_file_has_probes(fd) : -ENOEXEC;
	if (ret == 1)
		return file;
	if (!optional) {
		say_unusable(path, ret);
		search->without_probes = true;
	}
	close(fd);
	file->fd = -1;
	return NULL;
}

/*
 * One file that a process has mapped. Seen from here its path may lead
 * elsewhere, for the process may live in a container or the file have been
 * replaced: map_files is exact, but needs more privilege.
 */
static void add_mapped(struct search *search, pid_t pid, const char *range,
		       char *path)
{
	size_t length = strlen(path), deleted = strlen(DELETED);
	bool is_deleted = false;
	struct trace_file *file;
	char *name = NULL;
	struct stat st;
	int fd;

	if (length > deleted && !strcmp(path + length - deleted, DELETED)) {
		path[length - deleted] = '\0';
		is_deleted = true;
	}
	if (asprintf(&name, "/proc/%d/map_files/%s", (int)pid, range) < 0)
		return;
	fd = open_file(name);
	free(name);
	if (asprintf(&name, "/proc/%d/root%s", (int)pid, path) < 0)
		name = NULL;
	if (fd < 0 && name && !is_deleted)
		fd = open_file(name);
	if (fd < 0) {
		error(0, errno, "cannot open %s of process %d", path, (int)pid);
	} else if (fstat(fd, &st) == 0) {
		file = add_file(search, fd,
				same_file(path, &st) || !name ? path : name,
				false);
		if (file) {
			file->in_use = true;
			file->wanted |= !search->pid || search->pid == pid;
		}
	} else {
		close(fd);
	}
	free(name);
}

static bool is_library(const char *path)
{
	const char *base = strrchr(path, '/');

	return base && !strncmp(base + 1, LIBRARY, strlen(LIBRARY));
}

static void search_process(struct search *search, pid_t pid)
{
	char last[PATH_MAX] = "", name[64];
	char *line = NULL;
	size_t size = 0;
	FILE *maps;

	snprintf(name, sizeof(name), "/proc/%d/maps", (int)pid);
	maps = fopen(name, "re");
	if (!maps) {
		if (errno == EACCES) {
			search->hidden++;
			search->pid_is_hidden |= pid == search->pid;
		}
		return;
	}
	while (getline(&line, &size, maps) > 0) {
		char range[64];
		int at = 0;

		line[strcspn(line, "\n")] = '\0';
		if (sscanf(line, "%63s %*s %*s %*s %*s %n", range, &at) != 1 ||
		    !at || !is_library(line + at) || !strcmp(last, line + at))
			continue;
		snprintf(last, sizeof(last), "%s", line + at);
		if (pid == search->pid)
			search->pid_uses_it = true;
		add_mapped(search, pid, range, line + at);
	}
	free(line);
	fclose(maps);
}

static void search_processes(struct search *search)
{
	struct dirent *entry;
	DIR *proc = opendir("/proc");

	if (!proc) {
		error(0, errno, "cannot read /proc");
		return;
	}
	while ((entry = readdir(proc))) {
		char *end;
		long pid = strtol(entry->d_name, &end, 10);

		if (!*end && pid > 0 && pid <= INT_MAX)
			search_process(search, (pid_t)pid);
	}
	closedir(proc);
}

/* The library may be linked into the executable of the process asked for. */
static void search_executable(struct search *search)
{
	struct trace_file *file;
	char link[64];
	char path[PATH_MAX];
	ssize_t length;
	int fd;

	snprintf(link, sizeof(link), "/proc/%d/exe", (int)search->pid);
	length = readlink(link, path, sizeof(path) - 1);
	if (length < 0)
		return;
	path[length] = '\0';
	fd = open_file(link);
	if (fd < 0)
		return;
	file = add_file(search, fd, path, true);
	if (file) {
		file->wanted = true;
		file->in_use = true;
		search->pid_uses_it = true;
	}
}

static bool has_usable(const struct trace_files *files)
{
	size_t i;

	for (i = 0; i < files->count; i++)
		if (files->files[i].fd >= 0)
			return true;
	return false;
}

static bool add_installed(struct search *search, const char *path)
{
	char *real = realpath(path, NULL);
	int fd;

	if (!real)
		return false;
	fd = open_file(real);
	if (fd >= 0) {
		struct trace_file *file =
			add_file(search, fd, real, has_usable(search->files));

		if (file)
			file->wanted |= !search->pid;
	}
	free(real);
	return fd >= 0;
}

/* The library that programs started from now on are likely to use. */
static void search_installed(struct search *search)
{
	static const char *const beside[] = {
		"../lib/.libs/" SONAME, /* in the build directory */
		"../lib/" SONAME,
		SONAME,
	};
	char tool[PATH_MAX], path[PATH_MAX + 64];
	struct link_map *map;
	ssize_t length;
	void *library;
	size_t i;

	length = readlink("/proc/self/exe", tool, sizeof(tool) - 1);
	if (length > 0) {
		tool[length] = '\0';
		*strrchr(tool, '/') = '\0';
		for (i = 0; i < sizeof(beside) / sizeof(*beside); i++) {
			snprintf(path, sizeof(path), "%s/%s", tool, beside[i]);
			if (add_installed(search, path))
				return;
		}
	}
	if (add_installed(search, LIBDIR "/" SONAME))
		return;
	/* Only the dynamic linker knows all of its ways. */
	library = dlopen(SONAME, RTLD_LAZY | RTLD_LOCAL);
	if (library && !dlinfo(library, RTLD_DI_LINKMAP, &map))
		add_installed(search, map->l_name);
	if (library)
		dlclose(library);
}

static int nothing_found(const struct search *search)
{
	if (search->pid && search->pid_uses_it)
		error(0, 0, "process %d cannot be traced", (int)search->pid);
	else if (search->pid_is_hidden)
		error(0, 0,
		      "may not see what process %d uses%s; name its libflowipc with --library",
		      (int)search->pid,
		      trace_has_capability(CAP_SYS_PTRACE) ?
		      "" : ": CAP_SYS_PTRACE is missing");
	else if (search->pid)
		error(0, 0, "process %d does not use libflowipc",
		      (int)search->pid);
	else if (!search->without_probes)
		error(0, 0,
		      "no process uses libflowipc, and %s was not found: name it with --library",
		      SONAME);
	return -1;
}

static int find_named(struct search *search, char *const *libraries)
{
	for (; *libraries; libraries++) {
		struct trace_file *file;
		int fd = open_file(*libraries);

		if (fd < 0) {
			error(0, errno, "cannot open %s", *libraries);
			return -1;
		}
		file = add_file(search, fd, *libraries, false);
		if (!file)
			return -1;
		file->wanted = true;
		file->in_use = true;
	}
	return 0;
}

int trace_files_find(struct trace_files *files, char *const *libraries,
		     pid_t pid)
{
	struct search search = { .files = files, .pid = pid };
	bool in_use = false, wanted = false;
	size_t i;

	if (libraries)
		return find_named(&search, libraries);

	search_processes(&search);
	if (pid)
		search_executable(&search);
	search_installed(&search);
	for (i = 0; i < files->count; i++) {
		wanted |= files->files[i].wanted;
		in_use |= files->files[i].in_use;
	}
	if (!wanted)
		return nothing_found(&search);
	/* Even root may be kept from some, by a security module. */
	if (search.hidden && !trace_has_capability(CAP_SYS_PTRACE))
		error(0, 0,
		      "may not look into %u processes: CAP_SYS_PTRACE is missing; name their %s with --library",
		      search.hidden, LIBRARY);
	if (!in_use)
		error(0, 0,
		      "no process uses libflowipc yet; those that start now are traced");
	return 0;
}

void trace_files_free(struct trace_files *files)
{
	size_t i;

	for (i = 0; i < files->count; i++) {
		if (files->files[i].fd >= 0)
			close(files->files[i].fd);
		free(files->files[i].path);
	}
	free(files->files);
	*files = (struct trace_files){ 0 };
}
