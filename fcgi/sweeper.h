/* sweeper.h: the periodic housekeeping of the blob directory, in a child process of the master's, one at a time. */
#ifndef CRAFT_FCGI_SWEEPER_H
#define CRAFT_FCGI_SWEEPER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "conf.h"
#include "metrics.h"

enum sweep_kind { SWEEP_DELETED, SWEEP_STRAY, SWEEP_ORPHAN, SWEEP_KINDS };

/* What is counted of the runs, in memory that the child shares: what it removes is its to count, how it ended the
 * master's. */
struct sweep_counts {
	struct counter files[SWEEP_KINDS], bytes[SWEEP_KINDS];
	struct counter ok, failed;
	_Atomic int64_t ok_at; /* when the last one that went well ended, seconds since 1970; 0: none did */
};

/* Times in ms of clock_ms(). */
struct sweeper {
	const struct conf *conf;
	pid_t pid;	  /* 0: none runs */
	int64_t start_at; /* when the next one is due */
	int64_t kill_at;  /* 0: not told to leave */
	bool stopped;	  /* no further runs */
	struct sweep_counts *counts;
};

/* counts: shared memory; NULL: nothing is counted. */
void sweeper_init(struct sweeper *s, const struct conf *conf, struct sweep_counts *counts, int64_t now);
/* Starts the run that is due, kills one that was told to leave and overstays. */
void sweeper_tend(struct sweeper *s, int64_t now);
/* When sweeper_tend() has something to do; INT64_MAX: never. */
int64_t sweeper_due(const struct sweeper *s);
/* A child has ended: takes note if it was the sweeper's. */
void sweeper_ended(struct sweeper *s, pid_t pid, int status, int64_t now);
/* Ends a run and starts no more. */
void sweeper_stop(struct sweeper *s, int64_t now);

#endif
