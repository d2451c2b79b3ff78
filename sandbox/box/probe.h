/* probe.h: the inside half of the daemon's self-check (see ../probe.h). */
#ifndef CRAFT_BOX_PROBE_H
#define CRAFT_BOX_PROBE_H

/* craft-box probe USERNS PIDNS IPCNS NETNS PORT DIR: tries to get out and to use too much, as a hostile program would.
 * The first four are the host's namespaces (what /proc/self/ns links to), PORT listens on the host's 127.0.0.1, DIR is
 * a directory of the host. Prints a line "NAME yes" for each protection that held, "NAME no REASON" for the others. */
int probe_main(char **argv);

#endif
