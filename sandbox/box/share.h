/* share.h: of the processes that may be in the box, those that a program may use. */
#ifndef CRAFT_BOX_SHARE_H
#define CRAFT_BOX_SHARE_H

#include <stdbool.h>

/* From now on this process, and what comes from it, starts another only where fewer than that are in the box (0:
 * however many are). False: not even what a program needs at least can be started; errno says why. */
bool share_take(unsigned processes);

/* What errno of fork() means to who asked for a program. */
const char *share_error(int why);

#endif
