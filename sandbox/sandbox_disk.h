/* sandbox_disk.h: what becomes of a sandbox whose disk is full. Used by sandbox.c and job_execute.c. */
#ifndef CRAFT_SANDBOX_DISK_H
#define CRAFT_SANDBOX_DISK_H

#include "sandbox.h"

/* Once a second, when it is ready: tells clients that the disk is full, gives the reserve to a task, and ends a task
 * that is silent because there is no room at all. */
void sandbox_disk_tick(struct sandbox *sb, uint64_t now);
/* Is there room for a task? False: *error says how full it is and what to do. */
bool sandbox_disk_for_task(struct sandbox *sb, struct buf *error);
/* Appends how full it is, and what to do. */
void sandbox_disk_words(const struct sandbox *sb, struct buf *out);

#endif
