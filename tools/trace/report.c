// SPDX-License-Identifier: MIT
#include "report.h"

#include "histogram.h"
#include "tools/common/escape.h"

#include <fnmatch.h>
#include <inttypes.h>
#include <time.h>

static void print_member(FILE *out, const char *name, const char *text)
{
	fprintf(out, "\"%s\":\"", name);
	print_escaped(out, text, ESCAPE_JSON);
	fputs("\",", out);
}

static void print_json(FILE *out, const struct stream *stream, uint64_t lost,
		       uint64_t duration_ns)
{
	static const unsigned int percents[] = { 50, 90, 99 };
	const struct latency_counts *counts = &stream->counts;
	uint64_t slots[HISTOGRAM_SLOTS];
	const char *comma = "";
	struct timespec now;
	unsigned int i;

	for (i = 0; i < HISTOGRAM_SLOTS; i++)
		slots[i] = counts->slots[i];
	clock_gettime(CLOCK_REALTIME, &now);
	fprintf(out, "{\"schema\":1,\"time_s\":%lld.%03ld,\"duration_ns\":%" PRIu64 ",",
		(long long)now.tv_sec, now.tv_nsec / 1000000, duration_ns);
	print_member(out, "channel", stream->name.label);
	/* a string: readers of JSON may keep no more than 53 bits of a number */
	fprintf(out, "\"stream\":\"%016" PRIx64 "\",\"receiver_pid\":%u,",
		(uint64_t)stream->key.stream, stream->key.receiver_pid);
	print_member(out, "receiver_comm", stream->name.receiver_comm);
	fprintf(out, "\"count\":%" PRIu64 ",\"sum_ns\":%" PRIu64 ",",
		histogram_count(slots), (uint64_t)counts->sum_ns);
	for (i = 0; i < sizeof(percents) / sizeof(*percents); i++) {
		fprintf(out, "\"p%u_le_ns\":", percents[i]);
		if (histogram_count(slots))
			fprintf(out, "%" PRIu64 ",",
				histogram_percentile(slots, percents[i]));
		else
			fputs("null,", out);
	}
	fputs("\"buckets\":[", out);
	for (i = 0; i < HISTOGRAM_SLOTS; i++) {
		if (!slots[i])
			continue;
		fprintf(out, "%s{\"ge_ns\":%" PRIu64 ",\"le_ns\":%" PRIu64
			",\"count\":%" PRIu64 "}", comma, histogram_low(i),
			histogram_high(i), slots[i]);
		comma = ",";
	}
	fprintf(out, "],\"untraced\":%" PRIu64 ",\"reversed\":%" PRIu64
		",\"lost\":%" PRIu64 "}\n", (uint64_t)counts->untraced,
		(uint64_t)counts->reversed, lost);
}

static void print_text(FILE *out, const struct trace_report *report,
		       const struct stream *stream)
{
	const struct latency_counts *counts = &stream->counts;
	uint64_t slots[HISTOGRAM_SLOTS], count;
	unsigned int i;

	for (i = 0; i < HISTOGRAM_SLOTS; i++)
		slots[i] = counts->slots[i];
	count = histogram_count(slots);

	fputs("\nchannel = ", out);
	/* empty if its page was not in memory when it was to be read */
	print_escaped(out, *stream->name.label ? stream->name.label : "?",
		      ESCAPE_TEXT);
	fprintf(out, ", receiver = %u (", stream->key.receiver_pid);
	print_escaped(out, stream->name.receiver_comm, ESCAPE_TEXT);
	fprintf(out, "), stream = %016" PRIx64 "\n",
		(uint64_t)stream->key.stream);
	histogram_print(out, slots, report->unit);
	if (count) {
		uint64_t sum = counts->sum_ns / report->unit_ns;

		fprintf(out, "avg = %" PRIu64 " %s, total: %" PRIu64
			" %s, count: %" PRIu64 "\n",
			sum / count, report->unit, sum, report->unit, count);
		fprintf(out, "p50 <= %" PRIu64 ", p90 <= %" PRIu64
			", p99 <= %" PRIu64 " %s\n",
			histogram_percentile(slots, 50),
			histogram_percentile(slots, 90),
			histogram_percentile(slots, 99), report->unit);
	}
	if (counts->untraced)
		fprintf(out, "untraced: %" PRIu64 " more, sent by a sender not traced at that time\n",
			(uint64_t)counts->untraced);
	if (counts->reversed)
		fprintf(out, "reversed: %" PRIu64 " more, received before they were sent\n",
			(uint64_t)counts->reversed);
}

static void print_time(FILE *out)
{
	time_t now = time(NULL);
	struct tm tm;
	char text[16];

	localtime_r(&now, &tm);
	strftime(text, sizeof(text), "%H:%M:%S", &tm);
	fprintf(out, "\n%-8s\n", text);
}

uint64_t trace_report_print(FILE *out, const struct trace_report *report,
			    const struct streams *growth, uint64_t lost,
			    uint64_t duration_ns)
{
	uint64_t sum = lost;
	size_t i;

	if (report->timestamp && !report->json)
		print_time(out);
	for (i = 0; i < growth->count; i++) {
		const struct stream *stream = &growth->streams[i];

		if (report->glob &&
		    fnmatch(report->glob, stream->name.label, 0))
			continue;
		sum += stream_messages(stream);
		if (report->json)
			print_json(out, stream, lost, duration_ns);
		else
			print_text(out, report, stream);
	}
	return sum;
}
