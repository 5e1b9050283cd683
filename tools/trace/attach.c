// SPDX-License-Identifier: MIT
#include "attach.h"

#include "bpf/latency.skel.h"
#include "why.h"

#include <bpf/libbpf.h>
#include <errno.h>
#include <error.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

_Static_assert(sizeof(struct latency_key) == 16, "as in the BPF program");

struct trace_attachment {
	struct latency_bpf *bpf;
	struct bpf_link **links;
	size_t link_count;
};

/*
 * libbpf explains a failure in several lines, the first of which is the
 * closest to the cause. It is shown only if we know no better.
 */
static char first_warning[512];
static bool show_libbpf;

static int __attribute__((format(printf, 2, 0)))
listen_to_libbpf(enum libbpf_print_level level, const char *format, va_list args)
{
	if (show_libbpf)
		return vfprintf(stderr, format, args);
	if (level == LIBBPF_WARN && !*first_warning) {
		vsnprintf(first_warning, sizeof(first_warning), format, args);
		first_warning[strcspn(first_warning, "\n")] = '\0';
	}
	return 0;
}

static void say_failed(const char *what, const char *path, int ret)
{
	char why[256];

	if (trace_lacks_feature(-ret, why, sizeof(why)))
		error(0, 0, "%s", why);
	else
		error(0, -ret, "cannot %s%s%s%s%s", what, path,
		      *first_warning ? " (" : "", first_warning,
		      *first_warning ? ")" : "");
	first_warning[0] = '\0';
}

static int attach(struct trace_attachment *attachment,
		  const struct bpf_program *program, const char *probe,
		  const struct trace_file *file, pid_t pid)
{
	struct bpf_link *link;
	char path[32], what[64];

	/* The file itself, whatever its path leads to by now. */
	snprintf(path, sizeof(path), "/proc/self/fd/%d", file->fd);
	link = bpf_program__attach_usdt(program, pid ? pid : -1, path,
					"flowipc", probe, NULL);
	if (!link) {
		int ret = -errno;

		snprintf(what, sizeof(what), "attach to probe %s of ", probe);
		say_failed(what, file->path, ret);
		return ret;
	}
	attachment->links[attachment->link_count++] = link;
	return 0;
}

static int attach_all(struct trace_attachment *attachment,
		      const struct trace_files *files, pid_t pid, bool verbose)
{
	size_t i, receivers = 0;

	attachment->links = calloc(files->count * 2, sizeof(struct bpf_link *));
	if (!attachment->links) {
		error(0, ENOMEM, "cannot attach");
		return -1;
	}
	/*
	 * Receivers first: what they get before the senders are traced is
	 * then reported as untraced rather than passed over.
	 */
	for (i = 0; i < files->count; i++) {
		const struct trace_file *file = &files->files[i];

		if (file->fd < 0 || !file->wanted)
			continue;
		if (attach(attachment, attachment->bpf->progs.handle_receive,
			   "receive", file, pid))
			continue;
		receivers++;
		if (verbose)
			error(0, 0, "tracing receivers in %s", file->path);
	}
	if (!receivers)
		return -1;
	for (i = 0; i < files->count; i++) {
		const struct trace_file *file = &files->files[i];

		if (file->fd < 0)
			continue;
		if (!attach(attachment, attachment->bpf->progs.handle_send,
			    "send", file, 0) && verbose)
			error(0, 0, "tracing senders in %s", file->path);
	}
	if (attachment->link_count == receivers)
		return -1;
	return 0;
}

struct trace_attachment *trace_attach(const struct trace_files *files,
				      pid_t pid, uint64_t unit_ns,
				      bool verbose)
{
	struct trace_attachment *attachment;
	int ret;

	show_libbpf = verbose;
	libbpf_set_print(listen_to_libbpf);
	attachment = calloc(1, sizeof(*attachment));
	if (!attachment) {
		error(0, ENOMEM, "cannot attach");
		return NULL;
	}
	attachment->bpf = latency_bpf__open();
	if (!attachment->bpf) {
		say_failed("open the BPF program", "", -errno);
		goto failed;
	}
	attachment->bpf->rodata->unit_ns = unit_ns;
	ret = latency_bpf__load(attachment->bpf);
	if (ret) {
		say_failed("load the BPF program", "", ret);
		goto failed;
	}
	if (attach_all(attachment, files, pid, verbose))
		goto failed;
	return attachment;

failed:
	trace_detach(attachment);
	return NULL;
}

void trace_detach(struct trace_attachment *attachment)
{
	size_t i;

	for (i = 0; i < attachment->link_count; i++)
		bpf_link__destroy(attachment->links[i]);
	free(attachment->links);
	latency_bpf__destroy(attachment->bpf);
	free(attachment);
}

int trace_read(const struct trace_attachment *attachment,
	       struct streams *streams)
{
	return streams_read(streams,
			    bpf_map__fd(attachment->bpf->maps.counts),
			    bpf_map__fd(attachment->bpf->maps.names));
}

uint64_t trace_lost(const struct trace_attachment *attachment)
{
	return __atomic_load_n(&attachment->bpf->bss->lost, __ATOMIC_RELAXED);
}
