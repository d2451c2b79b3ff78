/* init.h: process 1 of the box. */
#ifndef CRAFT_BOX_INIT_H
#define CRAFT_BOX_INIT_H

/* craft-box init CONTROL [FORWARD...]: serves box_protocol.h on the descriptor until its other side closes, then ends,
 * and with it the box. forwards: as of forward.h, NULL at the end; none: those of every sandbox; "none": really none.
 */
int init_main(const char *control, char **forwards);

#endif
