// SPDX-License-Identifier: MIT
#include "why.h"

#include <errno.h>
#include <linux/bpf.h>
#include <linux/capability.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Since 5.8; the headers may be older than the kernel. */
#ifndef CAP_PERFMON
#define CAP_PERFMON 38
#endif
#ifndef CAP_BPF
#define CAP_BPF 39
#endif

#define UPROBES "/sys/bus/event_source/devices/uprobe"

/* First line of a small file; empty if it cannot be read. */
static void read_line(const char *path, char *line, int size)
{
	FILE *file = fopen(path, "re");

	line[0] = '\0';
	if (!file)
		return;
	if (!fgets(line, size, file))
		line[0] = '\0';
	line[strcspn(line, "\n")] = '\0';
	fclose(file);
}

bool trace_has_capability(unsigned int capability)
{
	struct __user_cap_header_struct header = {
		.version = _LINUX_CAPABILITY_VERSION_3,
	};
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = { 0 };

	if (syscall(SYS_capget, &header, data))
		return false;
	return data[capability / 32].effective >> capability % 32 & 1;
}

/*
 * CAP_SYS_ADMIN includes all that is needed. The two finer ones were enough
 * from Linux 5.8 until 2025, when uprobes were taken back from CAP_PERFMON,
 * in stable releases as well: only trying tells.
 */
int trace_lacks_capability(char *why, size_t size)
{
	bool bpf = trace_has_capability(CAP_BPF);
	bool perfmon = trace_has_capability(CAP_PERFMON);
	char unprivileged[16];

	if (trace_has_capability(CAP_SYS_ADMIN) || (bpf && perfmon))
		return 0;
	read_line("/proc/sys/kernel/unprivileged_bpf_disabled", unprivileged,
		  sizeof(unprivileged));
	snprintf(why, size,
		 "not permitted: %s missing%s%s%s; run it as root",
		 bpf ? "CAP_PERFMON is" :
		 perfmon ? "CAP_BPF is" : "CAP_BPF and CAP_PERFMON are",
		 *unprivileged ? " (kernel.unprivileged_bpf_disabled is " : "",
		 unprivileged, *unprivileged ? ")" : "");
	return -1;
}

/* Errno of creating the simplest map there is, 0 if that works. */
static int try_bpf(void)
{
	union bpf_attr attr;
	int fd;

	memset(&attr, 0, sizeof(attr));
	attr.map_type = BPF_MAP_TYPE_ARRAY;
	attr.key_size = 4;
	attr.value_size = 8;
	attr.max_entries = 1;
	fd = (int)syscall(SYS_bpf, BPF_MAP_CREATE, &attr, sizeof(attr));
	if (fd < 0)
		return errno;
	close(fd);
	return 0;
}

/* Root inside a user namespace has all capabilities, but only there. */
static bool in_user_namespace(void)
{
	unsigned long inside, outside, count;
	char line[64];

	read_line("/proc/self/uid_map", line, sizeof(line));
	if (sscanf(line, "%lu %lu %lu", &inside, &outside, &count) != 3)
		return false;
	return inside != 0 || outside != 0 || count != UINT32_MAX;
}

int trace_lacks_feature(int error, char *why, size_t size)
{
	bool refused = error == EPERM || error == EACCES;
	char line[128];
	int bpf = try_bpf();

	if (bpf == ENOSYS) {
		snprintf(why, size,
			 "this kernel has no bpf() system call (CONFIG_BPF_SYSCALL), or a sandbox hides it");
		return -1;
	}
	read_line("/sys/kernel/security/lockdown", line, sizeof(line));
	if (strstr(line, "[confidentiality]")) {
		snprintf(why, size,
			 "kernel lockdown is in confidentiality mode, which forbids BPF to read memory (/sys/kernel/security/lockdown)");
		return -1;
	}
	if ((refused || bpf == EPERM || bpf == EACCES) && in_user_namespace()) {
		snprintf(why, size,
			 "not permitted: this is a user namespace, whose CAP_BPF and CAP_PERFMON do not count; run it outside of the container");
		return -1;
	}
	if (bpf == EPERM || bpf == EACCES) {
		snprintf(why, size,
			 "bpf() is refused in spite of the capabilities: by a seccomp filter or a security module");
		return -1;
	}
	if (refused && !trace_has_capability(CAP_SYS_ADMIN)) {
		snprintf(why, size,
			 "not permitted: CAP_SYS_ADMIN is missing, which this kernel demands for uprobes beside CAP_BPF and CAP_PERFMON; run it as root");
		return -1;
	}
	if (!access("/sys/bus/event_source/devices", F_OK)) {
		if (access(UPROBES, F_OK)) {
			snprintf(why, size,
				 "this kernel has no uprobes (CONFIG_UPROBE_EVENTS)");
			return -1;
		}
		if (access(UPROBES "/format/ref_ctr_offset", F_OK)) {
			snprintf(why, size,
				 "this kernel cannot raise the semaphore of a probe (Linux 4.20 or newer can)");
			return -1;
		}
	}
	return 0;
}
