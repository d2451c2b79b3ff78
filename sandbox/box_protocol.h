/* box_protocol.h: what craft-sandboxd and craft-box, process 1 of a sandbox, tell each other over a pair of
 * SOCK_SEQPACKET sockets. A packet is one struct box_message, and texts behind it in BOX_RUN. Neither side believes the
 * other: what doesn't fit is dropped by craft-box, and ends the box at craft-sandboxd's. Timeouts are craft-sandboxd's
 * alone. */
#ifndef CRAFT_BOX_PROTOCOL_H
#define CRAFT_BOX_PROTOCOL_H

#include <stdint.h>

enum box_message_kind {
	/* To craft-box: start a program. argc + envc texts follow, each with a NUL behind it: its arguments, then
	 * NAME=value. With it come (SCM_RIGHTS) the ends of pipes for the streams named by pipes, lowest first; what
	 * isn't named is /dev/null. BOX_EXITED follows in any case. */
	BOX_RUN = 1,
	/* To craft-box: kill that program and all that it started. Unknown ids are ignored. */
	BOX_KILL = 2,
	/* From craft-box, once: programs can be started. */
	BOX_READY = 3,
	/* From craft-box: the program ended (what it left in the background may live on). It was killed: all of it
	   ended. */
	BOX_EXITED = 4,
	/* To craft-box: kill what that program has left behind of what it started in the last `age` milliseconds, not
	   the program, nor what belongs to it still. Unknown ids are ignored. */
	BOX_SWEEP = 5,
};

enum { BOX_STDIN = 1, BOX_STDOUT = 2, BOX_STDERR = 4 };

struct box_message {
	uint32_t kind;
	uint32_t id; /* of the program; craft-sandboxd chooses it, never one that is in use */
	uint32_t argc, envc;
	uint32_t pipes;
	/* Of BOX_RUN: how many processes and threads there may be in the box, when one more is started by this program
	 * or what comes from it (0: however many); and how many are left, when it has ended and left some behind. */
	uint32_t processes, left;
	uint32_t age;	   /* of BOX_SWEEP: ms */
	int32_t exit_code; /* 128+N when signal N ended it; 127: no such program */
};

#define BOX_MAX_RUNS 64
/* All arguments with their NULs, and all of the environment: more doesn't fit into a packet of the usual size. */
#define BOX_MAX_ARGUMENTS 100000
#define BOX_MAX_TEXTS 160000

#endif
