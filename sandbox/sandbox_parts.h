/* sandbox_parts.h: what a sandbox is made of: files (made and removed by worker threads), gateway and box. Used by
 * sandbox.c. */
#ifndef CRAFT_SANDBOX_PARTS_H
#define CRAFT_SANDBOX_PARTS_H

#include "sandbox.h"

/* Makes or adopts the files; sandbox_made() is called when that is done. */
void parts_make(struct sandbox *sb);
void sandbox_made(struct sandbox *sb, bool ok, const char *error);

/* Starts gateway and box; what can't be started is tried again. */
void parts_start(struct sandbox *sb);
/* The credential was asked for again: it was renewed, or the gateway has died. */
void parts_renew_token(struct sandbox *sb, bool usable);
void sandbox_ask_credential(struct sandbox *sb);
/* Once a second: its disk, and what is to be tried again. */
void parts_tick(struct sandbox *sb);

/* Stops everything that runs; the parts become NULL one by one. */
void parts_stop(struct sandbox *sb);
/* Removes files and control groups; sets removed when that is done. */
void parts_remove(struct sandbox *sb);

#endif
