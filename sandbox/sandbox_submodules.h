/* sandbox_submodules.h: the repositories of a sandbox's submodules, which can be fetched from its box: each with the
 * credential that its workspace has for that very repository, or without one, as anybody reads a public one. The
 * credential of the sandbox's own repository isn't for them: which submodules a commit has is said by whoever wrote it.
 */
#ifndef CRAFT_SANDBOX_SUBMODULES_H
#define CRAFT_SANDBOX_SUBMODULES_H

#include "sandbox.h"

struct submodules;

/* Those that sb->absent names; NULL: there are none. Owned by the sandbox. */
struct submodules *submodules_new(struct sandbox *sb);
/* Not while they are busy. NULL is fine here and below. */
void submodules_free(struct submodules *s);
/* Tells a gateway that has just started, and asks for their credentials. */
void submodules_tell(struct submodules *s);
/* The git host didn't show one of them: somebody may have granted access meanwhile. Asks again, every 10 s at most. */
void submodules_ask_again(struct submodules *s);
/* Once a second. */
void submodules_tick(struct submodules *s, bool wanted);
/* A worker thread renews one of their tokens. */
bool submodules_busy(const struct submodules *s);

#endif
