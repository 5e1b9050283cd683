// SPDX-License-Identifier: MIT
/*
 * Files for the demonstration: those that any machine has, and two of chosen
 * sizes made from them. Made files have no name on disk, so nothing is left
 * behind whichever way the demonstration ends.
 */
#include <errno.h>
#include <glob.h>
#include <inttypes.h>
#include <link.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <sys/vfs.h>
#include <unistd.h>
#include <linux/magic.h>

#include "filecache.h"

#define BLOCK (UINT64_C(1) << 20)
#define PAGE  4096

/* Smaller ones would make the small made file not the smallest. */
#define LEAST_SIZE (100 << 10)

/* The last match, which is the newest where a version is in the name. */
static bool add_match(struct file_list *list, const char *pattern)
{
	bool found = false;
	glob_t matches;

	if (glob(pattern, 0, NULL, &matches))
		return false;
	for (size_t i = matches.gl_pathc; i-- > 0 && !found;) {
		if (access(matches.gl_pathv[i], R_OK))
			continue;
		file_open(list, matches.gl_pathv[i]);
		if (list->files[list->count - 1].size >= LEAST_SIZE)
			found = true;
		else
			file_drop_last(list);
	}
	globfree(&matches);
	return found;
}

static bool add_first_of(struct file_list *list, const char *const *patterns)
{
	for (; *patterns; patterns++)
		if (add_match(list, *patterns))
			return true;
	return false;
}

/* Of all that is mapped here, the C library. */
static int add_libc(struct dl_phdr_info *info, size_t size, void *list)
{
	const char *base = strrchr(info->dlpi_name, '/');

	(void)size;
	if (!base || (strncmp(base, "/libc.", 6) && strncmp(base, "/libc-", 6) &&
		      strncmp(base, "/ld-musl", 8)))
		return 0;
	return add_match(list, info->dlpi_name);
}

void machine_files(struct file_list *list, char *remark, size_t room)
{
	static const char *const kernels[] = {
		"/boot/vmlinuz-*", "/boot/vmlinuz*", "/boot/Image*",
		"/lib/modules/*/vmlinuz", NULL,
	};
	static const char *const compilers[] = {
		"/usr/lib/gcc/*/*/cc1", "/usr/libexec/gcc/*/*/cc1",
		"/usr/lib/llvm-*/bin/clang", "/usr/bin/clang", "/usr/bin/gcc",
		NULL,
	};
	const struct {
		const char *what;
		bool found;
	} wanted[] = {
		{ "C library", dl_iterate_phdr(add_libc, list) },
		{ "kernel image", add_first_of(list, kernels) },
		{ "compiler", add_first_of(list, compilers) },
	};
	const char *before = "Left out, because not to be found here or not readable: ";
	FILE *out = fmemopen(remark, room, "w");

	if (!out)
		die("out of memory");
	/* A stream that nothing is written to leaves the buffer as it was. */
	*remark = '\0';
	for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++) {
		if (wanted[i].found)
			continue;
		fprintf(out, "%sa %s", before, wanted[i].what);
		before = ", ";
	}
	fputs(*before == ',' ? "." : "", out);
	fclose(out);
	if (!list->count)
		file_open(list, "/proc/self/exe");
}

/* --- is there room? ------------------------------------------------------ */

static uint64_t number_in(const char *path, const char *format)
{
	FILE *file = fopen(path, "re");
	uint64_t value = UINT64_MAX;
	char line[256];

	if (!file)
		return UINT64_MAX;
	while (fgets(line, sizeof(line), file))
		if (sscanf(line, format, &value) == 1)
			break;
	fclose(file);
	return value;
}

/*
 * The kernel promises memory that it does not have and kills whoever takes it
 * at its word, so ask first. Nothing is known: nothing is refused.
 */
void check_memory(const char *what, uint64_t bytes, const char *advice)
{
	uint64_t limit = number_in("/sys/fs/cgroup/memory.max", "%" SCNu64);
	uint64_t used = number_in("/sys/fs/cgroup/memory.current",
				  "%" SCNu64);
	uint64_t available = number_in("/proc/meminfo",
				       "MemAvailable: %" SCNu64);

	if (available < UINT64_MAX / 1024)
		available *= 1024;
	if (limit != UINT64_MAX && used != UINT64_MAX &&
	    limit - (used < limit ? used : limit) < available)
		available = limit - (used < limit ? used : limit);
	if (bytes > available)
		die("%s needs %s of memory and only %s are available%s", what,
		    size_text(bytes), size_text(available), advice);
}

/*
 * Before anything is made: @disk bytes of files, which are memory as well
 * where the folder is, and @memory bytes of memory.
 */
void check_room(const char *directory, uint64_t disk, uint64_t memory)
{
	struct statvfs room;
	struct statfs kind;

	if (statvfs(directory, &room) || statfs(directory, &kind))
		die("cannot make a file in %s: %s", directory, strerror(errno));
	/* Memory file systems may not tell a size. */
	if (room.f_blocks && room.f_bavail * (uint64_t)room.f_frsize < disk)
		die("%s has %s left and %s are needed there; "
		    "choose another folder with --directory, or a smaller --size",
		    directory, size_text(room.f_bavail * room.f_frsize),
		    size_text(disk));
	if (kind.f_type == TMPFS_MAGIC || kind.f_type == RAMFS_MAGIC)
		memory += disk;
	check_memory("this", memory,
		     "; choose a smaller --size, or a --directory on a disk");
}

/* --- making ----------------------------------------------------------------- */

/* Bytes of all sources, one after another and over again, from @offset on. */
static void read_sources(const struct file_list *sources, uint64_t offset,
			 unsigned char *buffer, size_t size)
{
	uint64_t total = 0;
	size_t i = 0;

	for (size_t j = 0; j < sources->count; j++)
		total += sources->files[j].size;
	offset %= total;
	while (offset >= sources->files[i].size)
		offset -= sources->files[i++].size;
	while (size) {
		const struct file *file = &sources->files[i];
		size_t n = file->size - offset < size ? file->size - offset :
							size;

		file_read(file, buffer, n, offset);
		buffer += n;
		size -= n;
		offset = 0;
		i = (i + 1) % sources->count;
	}
}

/* A number for each page, none of its bytes zero (splitmix64). */
static uint64_t page_key(uint64_t page)
{
	uint64_t z = page * UINT64_C(0x9e3779b97f4a7c15) +
		     UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return (z ^ (z >> 31)) | UINT64_C(0x0101010101010101);
}

/* So that no page repeats another one and none is zero. */
static void vary(unsigned char *buffer, size_t size, uint64_t offset)
{
	for (size_t at = 0; at < size; at += PAGE) {
		uint64_t key = page_key((offset + at) / PAGE), word;

		for (size_t i = at; i + 8 <= size && i < at + PAGE; i += 8) {
			memcpy(&word, buffer + i, 8);
			word ^= key;
			memcpy(buffer + i, &word, 8);
		}
	}
}

static void write_all(int fd, const char *directory,
		      const unsigned char *buffer, size_t size)
{
	while (size) {
		ssize_t n = write(fd, buffer, size);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			die("cannot write to a file in %s: %s", directory,
			    strerror(errno));
		buffer += n;
		size -= (size_t)n;
	}
}

static void progress(const char *name, uint64_t done, uint64_t size)
{
	bool terminal = isatty(STDERR_FILENO);

	if (!terminal && done)
		return;
	fprintf(stderr, "%sfilecache: making %s from the machine's own files",
		terminal ? "\r" : "", name);
	if (terminal)
		fprintf(stderr, ": %3.0f %%",
			100.0 * (double)done / (double)size);
	if (!terminal || done == size)
		fputc('\n', stderr);
}

void made_file(struct file_list *list, const struct file_list *sources,
	       const char *directory, uint64_t size)
{
	struct file *file = &list->files[list->count];
	unsigned char *block = malloc(BLOCK);
	char *path;

	if (list->count == MAX_FILES)
		die("more than %d files", MAX_FILES);
	/* A limit of file sizes is to be an error, not the end. */
	signal(SIGXFSZ, SIG_IGN);
	if (!block || asprintf(&path, "%s/filecache-XXXXXX", directory) < 0 ||
	    asprintf(&file->name, "(made, %s)", size_text(size)) < 0)
		die("out of memory");
	file->fd = mkstemp(path);
	if (file->fd < 0)
		die("cannot make a file in %s: %s", directory, strerror(errno));
	unlink(path);
	file->size = size;
	for (uint64_t done = 0; done < size;) {
		size_t n = size - done < BLOCK ? size - done : BLOCK;

		if (done % (64 * BLOCK) == 0)
			progress(file->name, done, size);
		read_sources(sources, done, block, n);
		vary(block, n, done);
		write_all(file->fd, directory, block, n);
		done += n;
	}
	progress(file->name, size, size);
	list->count++;
	free(path);
	free(block);
}
