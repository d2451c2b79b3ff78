/* media_guess.h: the media type of a file that was sent without one, by the end of its name. */
#ifndef CRAFT_FCGI_MEDIA_GUESS_H
#define CRAFT_FCGI_MEDIA_GUESS_H

#include "buf.h"

/* MEDIA_TYPE_DEFAULT where the name tells nothing. */
const char *media_guess(struct slice name);

#endif
