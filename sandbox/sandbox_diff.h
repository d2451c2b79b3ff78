/* sandbox_diff.h: one diff of a sandbox after the other, for the jobs that want one. */
#ifndef CRAFT_SANDBOX_DIFF_H
#define CRAFT_SANDBOX_DIFF_H

#include "job.h"

/* Makes a diff for the job: job_diff_done() or job_execute_diff_done() gets it. */
void sandbox_diff_want(struct job *job);
/* The diff as it is sent: where it takes more than SANDBOX_DIFF_MAX as JSON, its beginning, made in *cut, and marked. */
struct slice sandbox_diff_bounded(const struct sandbox *sandbox, struct slice patch, struct buf *cut);
/* The job doesn't want it any more. */
void sandbox_diff_forget(struct job *job);

#endif
