/* gateway_wire.h: the messages between the daemon and its gateway processes, one per packet of a socket pair: a byte
 * for the type, then texts, each behind its length (4 bytes, least first). Pure. */
#ifndef CRAFT_GATEWAY_WIRE_H
#define CRAFT_GATEWAY_WIRE_H

#include "lib/buf.h"

/* Longest packet; what a socket pair takes at once by default. */
#define GATEWAY_WIRE_MAX 131072
#define GATEWAY_WIRE_MAX_TEXTS 10

enum gateway_wire_type {
	/* to the gateway, first; texts as in enum gateway_wire_setup */
	GATEWAY_WIRE_SETUP = 1,
	/* to the gateway: key, "oauth" or "" */
	GATEWAY_WIRE_MODEL_KEY = 2,
	/* from the gateway: "1" allowed or "0", kind, host, reason, how many times */
	GATEWAY_WIRE_EVENT = 3,
	/* to the gateway: the git token, which was renewed */
	GATEWAY_WIRE_GIT_TOKEN = 4,
	/* to the gateway: the repository of a submodule, owner/repo, and the token for it; empty: as anybody reads it
	 */
	GATEWAY_WIRE_SUBMODULE = 5
};

/* Repositories of submodules beside the sandbox's own. */
#define GATEWAY_WIRE_SUBMODULES 32

/* The reason of an event of kind git: the token is worth nothing (any more). */
#define GATEWAY_GIT_REFUSED "the git host refuses this repository's credential"
/* The same of a submodule's repository. */
#define GATEWAY_GIT_NOT_GRANTED                                                                                        \
	"this repository is not public, and this workspace has not been given access to it; access to the sandbox's "  \
	"own repository is not for others"

enum gateway_wire_setup {
	SETUP_MODEL_URL,
	SETUP_MODEL_CA, /* path, or empty */
	SETUP_GIT_URL,
	SETUP_GIT_CA,
	SETUP_REPO_KEY,
	SETUP_EGRESS,
	SETUP_GIT_TOKEN,
	SETUP_HEAD_TIMEOUT, /* ms, decimal */
	SETUP_MODEL_PROXY,  /* URL with its password, or empty, as the next */
	SETUP_GIT_PROXY,
	SETUP_COUNT
};

enum gateway_wire_event { EVENT_ALLOWED, EVENT_KIND, EVENT_HOST, EVENT_REASON, EVENT_TIMES, EVENT_COUNT };

/* Appends a message of these texts. Nothing of what it holds is left elsewhere in memory. */
void gateway_wire_write(struct buf *out, enum gateway_wire_type type, const struct slice *texts, size_t count);
/* Reads a message of that type and exactly that many texts; they lie in `in`. */
bool gateway_wire_read(struct slice in, enum gateway_wire_type type, struct slice *texts, size_t count);

#endif
