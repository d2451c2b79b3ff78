/* vault.h: the secrets of this process: in memory that is not swapped and in no dump, overwritten when replaced. Safe
 * to call from any thread. */
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

/* Copies the secret into *out, which must be empty; false: there is none. Wipe it. */
bool vault_model_key(struct vault *v, struct buf *out, bool *oauth);
bool vault_git_token(struct vault *v, struct buf *out);

#endif
