/* conf_value.h: storing the values of keys. For conf.c. */
#ifndef CRAFT_CONF_VALUE_H
#define CRAFT_CONF_VALUE_H

#include "conf_keys.h"

bool conf_is_text(const struct conf_key *key);
bool conf_is_secret(const struct conf_key *key); /* one of the texts that are never shown */

/* Where the text of such a key is. */
char **conf_text(struct conf *conf, const struct conf_key *key);

/* Stores one value; on failure *error says what the key wants. The value itself is never repeated. */
bool conf_set(struct conf *conf, const struct conf_key *key, const char *value, struct buf *error);

/* Overwrites a text. */
void conf_wipe(char *s);

#endif
