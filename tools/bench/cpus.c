// SPDX-License-Identifier: MIT
/*
 * Which two processors to measure between. Latency between two cores of one
 * chip, two hyperthreads of one core and two sockets differ several times
 * over, so the choice is made once, said in the report, and the same for
 * every measurement of a run.
 */
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>

#include "bench.h"

/* A number from /sys/devices/system/cpu/cpuN/topology; -1 if not told. */
static int topology(int cpu, const char *name)
{
	char path[128];
	int value = -1;
	FILE *file;

	snprintf(path, sizeof(path),
		 "/sys/devices/system/cpu/cpu%d/topology/%s", cpu, name);
	file = fopen(path, "re");
	if (!file)
		return -1;
	if (fscanf(file, "%d", &value) != 1)
		value = -1;
	fclose(file);
	return value;
}

/* How far apart: the nearest two processors that are not one core are best. */
static int distance(int a, int b)
{
	if (topology(a, "physical_package_id") !=
	    topology(b, "physical_package_id"))
		return 1;
	if (topology(a, "core_id") >= 0 &&
	    topology(a, "core_id") == topology(b, "core_id"))
		return 2;
	return 0;
}

static void allowed_cpus(cpu_set_t *set)
{
	if (sched_getaffinity(0, sizeof(*set), set))
		bench_die("cannot ask which CPUs this process may use: %s",
			  strerror(errno));
}

/* Both the same when this process may use only one. */
void bench_pick_cpus(int cpus[2])
{
	int best = 3;
	cpu_set_t set;

	allowed_cpus(&set);
	cpus[0] = -1;
	for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
		if (!CPU_ISSET(cpu, &set))
			continue;
		if (cpus[0] < 0)
			cpus[0] = cpus[1] = cpu;
		else if (distance(cpus[0], cpu) < best) {
			best = distance(cpus[0], cpu);
			cpus[1] = cpu;
		}
	}
}

void bench_check_cpu(int cpu)
{
	cpu_set_t set;

	allowed_cpus(&set);
	if (cpu < 0 || cpu >= CPU_SETSIZE || !CPU_ISSET(cpu, &set))
		bench_die("this process may not run on CPU %d", cpu);
}

void bench_pin(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set))
		bench_die("cannot run on CPU %d: %s", cpu, strerror(errno));
}
