/* counts.h: what craft-sandboxd counts, and the text in which it tells it. */
#ifndef CRAFT_SANDBOX_COUNTS_H
#define CRAFT_SANDBOX_COUNTS_H

#include "job.h"
#include "lib/metrics.h"

struct daemon;

/* In the orders of the tables in counts.c; the last one of each is for all others. */
#define COUNTS_OUTCOMES 9
#define COUNTS_REASONS 9
#define COUNTS_KINDS (JOB_DIFF + 1)

struct counts {
	struct counter made, adopted, ended[COUNTS_REASONS];
	struct histogram clone_seconds;
	struct counter failed_clones;
	struct counter jobs[COUNTS_KINDS][COUNTS_OUTCOMES];
	struct histogram job_seconds[COUNTS_KINDS];
	struct counter messages, message_bytes;
	struct counter egress_refused;
};

/* A sandbox has ended for this reason, as app.sandbox_session.end_reason has it. */
void counts_sandbox_end(struct counts *c, const char *reason);
/* A clone has ended after so many ms. */
void counts_clone(struct counts *c, bool ok, uint64_t ms);
/* A job has ended, as app.sandbox_job.outcome has it, after so many ms; 0: it never began. */
void counts_job(struct counts *c, enum job_kind kind, const char *outcome, uint64_t ms);

/* All of it, and what there is now. */
void counts_print(const struct daemon *daemon, struct buf *out);

#endif
