/* conf_keys.h: the table of configuration keys. For conf.c. */
#ifndef CRAFT_CONF_KEYS_H
#define CRAFT_CONF_KEYS_H

#include "conf.h"

/* DIRECTORY: an absolute path that nginx's configuration can hold in quotes. REGULAR_FILE: an absolute path.
 * BASE_URL: http(s)://host[:port], with a path or without. LISTEN: a unix socket's path or ADDRESS:PORT. SECRET:
 * never shown. PROXY_URL: http(s)://[user[:password]@]host:port, a secret. KEY: a secret of printable characters.
 * HEX_KEY: a secret of 32 bytes in hex. */
enum conf_type {
	TEXT,
	DIRECTORY,
	REGULAR_FILE,
	BASE_URL,
	LISTEN,
	SECRET,
	PROXY_URL,
	KEY,
	HEX_KEY,
	COUNT,
	SIZE,
	OCTAL,
	LEVEL,
	FORMAT
};

struct conf_key {
	const char *name;
	enum conf_type type;
	int programs; /* that read it */
	int required; /* programs that can't start without it */
	size_t at;    /* of the field in struct conf */
	const char *fallback;
	int64_t min, max;
	const char *help;
};

extern const struct conf_key conf_keys[];
extern const size_t conf_key_count;

#endif
