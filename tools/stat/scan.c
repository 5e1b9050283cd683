// SPDX-License-Identifier: MIT
#include "scan.h"

#include <dirent.h>
#include <errno.h>
#include <error.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <unistd.h>

#define FILE_SYSTEM_MAGIC 0x464c4f57
#define KERNEL_THREAD 0x00200000 /* PF_KTHREAD */

/* The names of our files, as the links in /proc/PID/fd and as in maps. */
static const struct {
	const char *link;
	enum kind kind;
} links[] = {
	{ "/dev/flowipc", KIND_DEVICE },
	{ "/flowipc-region (deleted)", KIND_REGION },
	{ "/flowipc-grant (deleted)", KIND_GRANT },
	{ "/flowipc-claim (deleted)", KIND_CLAIM },
	{ "anon_inode:[flowipc-channel]", KIND_CHANNEL },
	{ "/memfd:flowipc (deleted)", KIND_MEMFD },
};

/* A process while it is looked into. */
struct visit {
	struct scan *scan;
	/* /proc/PID: never another process, even if the number is used again */
	int directory;
	pid_t pid;
	/* Made when it turns out to hold something. */
	const struct process *process;
	/* The first of its holdings. */
	size_t first;
	/* The device number of the module's file system, when it is known. */
	dev_t device;
};

static enum kind link_kind(const char *link)
{
	size_t i;

	for (i = 0; i < sizeof(links) / sizeof(links[0]); i++)
		if (!strcmp(link, links[i].link))
			return links[i].kind;
	return KIND_NONE;
}

/* A file of /proc as a string, to be freed; NULL if it cannot be read. */
static char *read_text(int directory, const char *name)
{
	int fd = openat(directory, name, O_RDONLY | O_CLOEXEC);
	char *text = NULL;
	size_t size = 0;
	ssize_t length;
	FILE *file;

	if (fd < 0)
		return NULL;
	file = fdopen(fd, "r");
	if (!file)
		error(1, errno, "cannot read %s", name);
	length = getdelim(&text, &size, '\0', file);
	fclose(file);
	if (length > 0)
		return text;
	free(text);
	return NULL;
}

static void *grow(void *list, size_t count, size_t size)
{
	/* Doubled each time it is full. */
	if (count & (count - 1))
		return list;
	list = reallocarray(list, count ? 2 * count : 1, size);
	if (!list)
		error(1, ENOMEM, "cannot keep what was found");
	return list;
}

static void read_identity(const struct visit *visit, struct process *process)
{
	char *comm = read_text(visit->directory, "comm");
	char *status = read_text(visit->directory, "status");
	const char *line = status ? strstr(status, "\nUid:") : NULL;

	/* There may be more newlines than the one at the end. */
	if (comm)
		snprintf(process->comm, sizeof(process->comm), "%.*s",
			 (int)strlen(comm) - 1, comm);
	/* The effective one is the second. */
	if (line)
		sscanf(line, "\nUid: %*u %u", &process->uid);
	free(comm);
	free(status);
}

static const struct process *add_process(struct visit *visit)
{
	struct scan *scan = visit->scan;
	struct process *process = calloc(1, sizeof(*process));

	if (!process)
		error(1, ENOMEM, "cannot keep what was found");
	process->pid = visit->pid;
	read_identity(visit, process);
	scan->processes = grow(scan->processes, scan->process_count,
			       sizeof(*scan->processes));
	scan->processes[scan->process_count++] = process;
	return process;
}

static struct holding *add_holding(struct visit *visit,
				   const struct facts *facts, int fd)
{
	struct scan *scan = visit->scan;
	struct holding *holding;

	if (!visit->process)
		visit->process = add_process(visit);
	scan->holdings = grow(scan->holdings, scan->count,
			      sizeof(*scan->holdings));
	holding = &scan->holdings[scan->count++];
	*holding = (struct holding){
		.facts = *facts,
		.process = visit->process,
		.fd = fd,
	};
	return holding;
}

/* What stat tells; false if it is gone, or may not be asked for. */
static bool stat_facts(const struct visit *visit, const char *path,
		       struct facts *facts)
{
	struct stat st;

	if (fstatat(visit->directory, path, &st, 0))
		return false;
	facts->region = (int64_t)st.st_ino;
	facts->size_bytes = st.st_size;
	/* Who made it, for whom it is counted. */
	facts->user = st.st_uid;
	facts->resident_bytes = (int64_t)st.st_blocks * 512;
	return true;
}

/*
 * The claims that a region lists are held by somebody, who need not be visible:
 * until then by nobody in particular.
 */
static void add_listed_claims(struct visit *visit, const struct facts *region,
			      const char *text)
{
	struct facts claim;

	while ((text = facts_parse_claim(&claim, text))) {
		claim.region = region->region;
		add_holding(visit, &claim, -1)->process = NULL;
	}
}

static void visit_descriptor(struct visit *visit, const char *name)
{
	char path[64], link[64], *text;
	struct facts facts;
	enum kind kind;
	ssize_t length;
	struct stat st;
	bool is_file;

	snprintf(path, sizeof(path), "fd/%s", name);
	length = readlinkat(visit->directory, path, link, sizeof(link) - 1);
	if (length < 0)
		return;
	link[length] = '\0';
	kind = link_kind(link);
	facts_init(&facts);
	facts.kind = kind;
	if (kind == KIND_MEMFD && stat_facts(visit, path, &facts))
		add_holding(visit, &facts, atoi(name));
	if (kind == KIND_MEMFD || kind == KIND_NONE)
		return;

	is_file = !fstatat(visit->directory, path, &st, 0);
	/* The link said that it is worth a look, and this says what it is. */
	snprintf(path, sizeof(path), "fdinfo/%s", name);
	text = read_text(visit->directory, path);
	if (text && facts_parse(&facts, text)) {
		add_holding(visit, &facts, atoi(name));
		if (facts.kind == KIND_REGION)
			add_listed_claims(visit, &facts, text);
		if (is_file && facts.region != UNTOLD)
			visit->device = st.st_dev;
	}
	free(text);
}

/* False if it may not be looked into. */
static bool visit_descriptors(struct visit *visit)
{
	int fd = openat(visit->directory, "fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct dirent *entry;
	DIR *list;

	if (fd < 0)
		return errno != EACCES && errno != EPERM;
	list = fdopendir(fd);
	if (!list)
		error(1, errno, "cannot read /proc/%d/fd", (int)visit->pid);
	errno = 0;
	while ((entry = readdir(list)))
		if (entry->d_name[0] != '.')
			visit_descriptor(visit, entry->d_name);
	/* In /proc a directory opens, and then it turns out who may read it. */
	fd = errno;
	closedir(list);
	return fd != EACCES && fd != EPERM;
}

/*
 * Whether what is mapped at @range with the name of one of our files is one. A
 * name proves nothing where users have file systems of their own; map_files
 * does, but is for privileged eyes. For others the name has to do.
 */
static bool is_ours(struct visit *visit, const char *range, dev_t device)
{
	struct statfs fs;
	char path[96];
	int fd;

	if (device == visit->device)
		return true;
	snprintf(path, sizeof(path), "map_files/%s", range);
	fd = openat(visit->directory, path, O_PATH | O_CLOEXEC);
	if (fd < 0)
		return errno == EPERM || errno == EACCES;
	if (fstatfs(fd, &fs) || (uint64_t)fs.f_type != FILE_SYSTEM_MAGIC) {
		close(fd);
		return false;
	}
	close(fd);
	visit->device = device;
	return true;
}

/* What this process has mapped of a region so far, as @kind. */
static struct holding *find_mapping(struct visit *visit, enum kind kind,
				    int64_t region)
{
	struct scan *scan = visit->scan;
	size_t i;

	for (i = visit->first; i < scan->count; i++) {
		struct holding *holding = &scan->holdings[i];

		if (holding->fd < 0 && holding->process &&
		    holding->facts.kind == kind &&
		    holding->facts.region == region)
			return holding;
	}
	return NULL;
}

static void visit_mapping(struct visit *visit, char *line)
{
	unsigned int major, minor;
	struct holding *holding;
	uint64_t start, end;
	struct facts facts;
	char path[96], range[64];
	enum kind kind;
	int64_t inode;
	int name = 0;

	if (sscanf(line, "%63s %*s %*s %x:%x %" SCNd64 " %n", range, &major,
		   &minor, &inode, &name) != 4 ||
	    !name || sscanf(range, "%" SCNx64 "-%" SCNx64, &start, &end) != 2)
		return;
	line[strcspn(line, "\n")] = '\0';
	kind = link_kind(line + name);
	if (kind != KIND_REGION && kind != KIND_CLAIM && kind != KIND_MEMFD)
		return;
	if (kind != KIND_MEMFD && !is_ours(visit, range, makedev(major, minor)))
		return;

	holding = find_mapping(visit, kind, inode);
	if (!holding) {
		facts_init(&facts);
		facts.kind = kind;
		facts.region = inode;
		snprintf(path, sizeof(path), "map_files/%s", range);
		stat_facts(visit, path, &facts);
		holding = add_holding(visit, &facts, -1);
	}
	holding->mapped_bytes += end - start;
}

/* False if it may not be looked into. */
static bool visit_mappings(struct visit *visit)
{
	int fd = openat(visit->directory, "maps", O_RDONLY | O_CLOEXEC);
	char *line = NULL;
	size_t size = 0;
	FILE *maps;

	if (fd < 0)
		return errno != EACCES && errno != EPERM;
	maps = fdopen(fd, "r");
	if (!maps)
		error(1, errno, "cannot read /proc/%d/maps", (int)visit->pid);
	while (getline(&line, &size, maps) > 0)
		visit_mapping(visit, line);
	free(line);
	fclose(maps);
	return true;
}

/* Kernel threads and the dead hold nothing, whoever may not look at them. */
static bool can_hold(const struct visit *visit)
{
	char *text = read_text(visit->directory, "stat"), state = 'X';
	/* The name before it may be anything. */
	const char *rest = text ? strrchr(text, ')') : NULL;
	unsigned int flags = 0;

	if (rest)
		sscanf(rest, ") %c %*d %*d %*d %*d %*d %u", &state, &flags);
	free(text);
	return state != 'Z' && state != 'X' && !(flags & KERNEL_THREAD);
}

static void visit_process(struct scan *scan, int proc, const char *name,
			  dev_t *device)
{
	struct visit visit = {
		.scan = scan,
		.pid = atoi(name),
		.first = scan->count,
		.device = *device,
	};
	bool all;

	visit.directory = openat(proc, name, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (visit.directory < 0)
		return;
	scan->seen++;
	all = visit_descriptors(&visit);
	all &= visit_mappings(&visit);
	if (!all && can_hold(&visit))
		scan->hidden++;
	*device = visit.device;
	close(visit.directory);
}

/*
 * A claim without a descriptor is one that is mapped: held by the process that
 * made it, for no other can map it.
 */
static void find_claimer(const struct scan *scan, struct holding *listed)
{
	size_t i;

	for (i = 0; i < scan->count; i++) {
		const struct holding *holding = &scan->holdings[i];

		if (holding->mapped_bytes && holding->process &&
		    holding->facts.kind == KIND_CLAIM &&
		    holding->facts.region == listed->facts.region &&
		    holding->process->pid == listed->facts.claimer.pid)
			listed->process = holding->process;
	}
}

int scan_processes(struct scan *scan)
{
	DIR *proc = opendir("/proc");
	struct dirent *entry;
	dev_t device = 0;
	size_t i;

	*scan = (struct scan){ 0 };
	if (!proc)
		return -errno;
	while ((entry = readdir(proc)))
		if (entry->d_name[0] >= '1' && entry->d_name[0] <= '9')
			visit_process(scan, dirfd(proc), entry->d_name,
				      &device);
	closedir(proc);
	for (i = 0; i < scan->count; i++)
		if (!scan->holdings[i].process)
			find_claimer(scan, &scan->holdings[i]);
	return scan->seen ? 0 : -ENOENT;
}

void scan_free(struct scan *scan)
{
	size_t i;

	for (i = 0; i < scan->count; i++)
		facts_free(&scan->holdings[i].facts);
	for (i = 0; i < scan->process_count; i++)
		free(scan->processes[i]);
	free(scan->processes);
	free(scan->holdings);
}
