/* supervise.h: one started program inside the box, and all that comes from it. */
#ifndef CRAFT_BOX_SUPERVISE_H
#define CRAFT_BOX_SUPERVISE_H

struct supervise {
	char **argv;
	char **environment; /* NAME=value, over what the box has */
	int stdio[3];	    /* -1: /dev/null */
	/* A pipe: at its end everything is to be killed, by a uint32_t what the program has left behind since so many
	 * milliseconds. */
	int order;
	unsigned processes; /* as many may there be in the box; 0: however many */
	unsigned left;	    /* the same, of what is there when the program has ended; 0: however many */
};

/* The rest of a forked process: runs the program with nothing but its three streams, and ends with the program's exit
 * code as soon as that is known (128+N for a signal); what the program left in the background goes on, starts no more
 * than may be left, and belongs to process 1. When it is told to kill, it ends after all of them did. */
_Noreturn void supervise(const struct supervise *s);
#endif
