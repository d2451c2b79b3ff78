/* pace.h: patience in the time of a machine of its own: beside a load a second counts for less. The rule is that of
 * tests/harness/pace.mjs, and tests/harness/pace.txt holds both to it. */
#ifndef CRAFT_PACE_H
#define CRAFT_PACE_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <unistd.h>

#define PACE_MOST 32

/* How many times slower than alone things go, in percent, where /proc/loadavg says this. */
static inline unsigned pace_of(const char *loadavg, long cpus)
{
	double load = 0;
	unsigned running = 0;
	if (sscanf(loadavg, "%lf %*s %*s %u", &load, &running) != 2)
		return 100;
	double tasks = load > running ? load : running, percent = 100 * tasks / (double)(cpus > 0 ? cpus : 1);
	return percent < 100 ? 100 : percent > 100 * PACE_MOST ? 100 * PACE_MOST : (unsigned)percent;
}

static inline unsigned pace_slowness(void)
{
	char line[128] = "";
	FILE *file = fopen("/proc/loadavg", "re");
	if (file && !fgets(line, sizeof(line), file))
		line[0] = '\0';
	if (file)
		(void)fclose(file);
	return pace_of(line, sysconf(_SC_NPROCESSORS_ONLN));
}

/* So much on a machine of its own, by the clock. */
static inline uint64_t pace_ms(uint64_t ms)
{
	return ms * pace_slowness() / 100;
}

/* A deadline that is asked for again and again. */
struct pace {
	uint64_t last, left; /* ms */
};

/* Is it over? now: of any clock, in ms. */
static inline bool pace_over(struct pace *p, uint64_t now)
{
	unsigned slowness = pace_slowness();
	uint64_t passed = ((now - p->last) * 100 + slowness - 1) / slowness;
	p->last = now;
	p->left -= passed < p->left ? passed : p->left;
	return p->left == 0;
}

#endif
