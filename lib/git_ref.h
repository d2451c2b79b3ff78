/* git_ref.h: names of git's branches. */
#ifndef CRAFT_GIT_REF_H
#define CRAFT_GIT_REF_H

#include "buf.h"

#define BRANCH_MAX 255 /* bytes */

/* Is it a branch's name as git-check-ref-format(1) --branch takes it? Beyond that HEAD, which git before 2.16 took, "@"
 * alone, which stands for HEAD elsewhere, the names of earlier branches such as "@{-1}", and all beyond BRANCH_MAX
 * bytes are none. Shells' special characters are allowed: pass it as one argument, behind an option that takes one. */
bool branch_valid(struct slice name);

#endif
