/* child.h: the master's child processes: how one begins, and how long it may take to end. */
#ifndef CRAFT_FCGI_CHILD_H
#define CRAFT_FCGI_CHILD_H

#include <sys/types.h>

#define CHILD_KILL_TIME 10000 /* ms that a child has to end after SIGTERM */

/* fork(2); returns twice as that. The child ends with the master, and SIGCHLD is as usual in it; all of the master's
 * signals stay blocked until it has set its own. */
pid_t child_start(void);

#endif
