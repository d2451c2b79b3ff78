/* vault.h: the secrets of this process, and which repositories they are for: in memory that is not swapped and in no
 * dump, overwritten when replaced. Safe to call from any thread. */
#ifndef CRAFT_GATEWAY_VAULT_H
#define CRAFT_GATEWAY_VAULT_H

#include "lib/buf.h"

#define VAULT_SECRET_MAX 8192

struct vault;

/* NULL: no memory. Lives as long as the process. */
struct vault *vault_new(void);
void vault_wipe(struct vault *v);

/* False: longer than VAULT_SECRET_MAX, or with bytes that can't stand in a header; then there is none. Empty: none. */
bool vault_set_model_key(struct vault *v, struct slice key, bool oauth);
bool vault_set_git_token(struct vault *v, struct slice token);

/* The repository of a submodule may be read, too, by this token; empty: by none. False: there are too many of them, or
 * the token can't be used. */
bool vault_set_submodule(struct vault *v, struct slice repo_key, struct slice token);
/* Is it one, in letters of any case? Then *repo_key and *token, which must be empty, get what it was set to. Wipe the
 * token. */
bool vault_submodule(struct vault *v, struct slice asked, struct buf *repo_key, struct buf *token);

/* Copies the secret into *out, which must be empty; false: there is none. Wipe it. */
bool vault_model_key(struct vault *v, struct buf *out, bool *oauth);
bool vault_git_token(struct vault *v, struct buf *out);

#endif
