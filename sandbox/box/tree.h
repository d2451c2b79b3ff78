/* tree.h: the end of a whole tree of processes. */
#ifndef CRAFT_BOX_TREE_H
#define CRAFT_BOX_TREE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Kills all descendants of root, but not the caller nor those spared, nor their descendants. It works on those that
 * have begun sessions of their own or forked twice, too, as long as root adopts orphans (PR_SET_CHILD_SUBREAPER, or
 * process 1). Reaps the caller's own children on the way. Blocks, for TREE_KILL_MS at most. False: some were left. */
#define TREE_KILL_MS 4000
bool tree_kill(pid_t root, const pid_t *spared, size_t count);
/* The same, but for program, a child of root, and children of root that are older than so many milliseconds, with their
 * descendants. */
bool tree_kill_strays(pid_t root, pid_t program, uint32_t age_ms);

/* What a program has left behind, all descendants of root, which is the caller, goes on with at most `left` processes
 * and threads in the box: none of them starts another where there are as many, and of more some are killed. Where they
 * are many they let others go first from then on. Blocks, for TREE_RESTRAIN_MS at most. */
#define TREE_RESTRAIN_MS 2000
void tree_restrain(pid_t root, unsigned left);
/* The same for what earlier commands have left behind of the program, a child of a process that adopts orphans, that
 * the caller comes from. False: there is nothing of that kind. */
bool tree_restrain_strays(unsigned left);

#endif
