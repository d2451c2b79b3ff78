/* pace.h: patience in the time of a machine of its own, as tests/harness/pace.mjs has it: beside a load a second counts
 * for less. */
#ifndef CRAFT_PACE_H
#define CRAFT_PACE_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <unistd.h>

#define PACE_MOST 32

/* How many times slower than alone things go at present. */
static inline unsigned pace_slowness(void)
{
	double load = 0;
	unsigned running = 0;
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);
	FILE *file = fopen("/proc/loadavg", "re");
	if (file && fscanf(file, "%lf %*s %*s %u", &load, &running) != 2)
		load = 0;
	if (file)
		(void)fclose(file);
	double tasks = load > running ? load : running, each = tasks / (double)(cpus > 0 ? cpus : 1);
	return each < 1 ? 1 : each > PACE_MOST ? PACE_MOST : (unsigned)(each + 0.5);
}

/* So much on a machine of its own, by the clock. */
static inline uint64_t pace_ms(uint64_t ms)
{
	return ms * pace_slowness();
}

/* A deadline that is asked for again and again. */
struct pace {
	uint64_t last, left; /* ms */
};

/* Is it over? now: of any clock, in ms. */
static inline bool pace_over(struct pace *p, uint64_t now)
{
	uint64_t passed = (now - p->last + pace_slowness() - 1) / pace_slowness();
	p->last = now;
	p->left -= passed < p->left ? passed : p->left;
	return p->left == 0;
}

#endif
