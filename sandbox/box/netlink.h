/* netlink.h: a bound on the AF_NETLINK sockets of the box. What waits in them is memory of the kernel that no control
 * group counts. */
#ifndef CRAFT_BOX_NETLINK_H
#define CRAFT_BOX_NETLINK_H

/* So many there may be at least and at most: as many as, all full, take NETLINK_BYTES. */
#define NETLINK_LEAST 16
#define NETLINK_MOST 128
#define NETLINK_BYTES (128 << 20)

/* From now on this process, and what comes from it, gets such sockets only by netlink_answer(). A descriptor that is
 * readable when somebody waits for one; -1: this kernel can't, and there is no bound. */
int netlink_guard(void);
/* Opens a socket for one who waits; where there are too many, it is told ENOBUFS. */
void netlink_answer(int guard);

#endif
