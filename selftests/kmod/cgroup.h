/* SPDX-License-Identifier: GPL-2.0-only */
/* A cgroup of our own, in a version 2 hierarchy mounted already or by us. */
#ifndef CGROUP_H
#define CGROUP_H

#include <sys/mount.h>
#include <sys/stat.h>

#include "objects.h"

struct cgroup {
	char	root[64];
	char	path[128];
};

static inline void cgroup_file(const struct cgroup *cgroup, const char *name,
			       char path[192])
{
	snprintf(path, 192, "%s/%s", cgroup->path, name);
}

static inline bool cgroup_write(const struct cgroup *cgroup, const char *name,
				const char *text)
{
	char path[192];

	cgroup_file(cgroup, name, path);

	return write_text(path, text);
}

/* The number after @key in file @path, or UINT64_MAX. */
static inline uint64_t number_after(const char *path, const char *key)
{
	char text[16384], *found;

	read_text(path, text, sizeof(text));
	found = strstr(text, key);

	return found ? strtoull(found + strlen(key), NULL, 10) : UINT64_MAX;
}

static inline uint64_t cgroup_number(const struct cgroup *cgroup,
				     const char *name, const char *key)
{
	char path[192];

	cgroup_file(cgroup, name, path);

	return number_after(path, key);
}

/* How often the OOM killer has killed, anywhere. */
static inline uint64_t oom_kills(void)
{
	return number_after("/proc/vmstat", "\noom_kill ");
}

static inline bool cgroup_make(struct cgroup *cgroup)
{
	char path[128];

	strcpy(cgroup->root, "/sys/fs/cgroup");
	if (access("/sys/fs/cgroup/cgroup.controllers", F_OK)) {
		strcpy(cgroup->root, "/tmp/flowipc-cgroup-XXXXXX");
		if (!mkdtemp(cgroup->root) ||
		    mount("none", cgroup->root, "cgroup2", 0, NULL))
			return false;
	}
	snprintf(path, sizeof(path), "%s/cgroup.subtree_control", cgroup->root);
	write_text(path, "+memory");
	snprintf(cgroup->path, sizeof(cgroup->path), "%s/flowipc-test",
		 cgroup->root);

	return !mkdir(cgroup->path, 0755) || errno == EEXIST;
}

/* The calling process, and all it forks from now on, is in it. */
static inline bool cgroup_enter(const struct cgroup *cgroup)
{
	return cgroup_write(cgroup, "cgroup.procs", "0");
}

static inline void cgroup_unmake(const struct cgroup *cgroup)
{
	EVENTUALLY(!rmdir(cgroup->path));
	if (strcmp(cgroup->root, "/sys/fs/cgroup")) {
		umount(cgroup->root);
		rmdir(cgroup->root);
	}
}

#endif /* CGROUP_H */
