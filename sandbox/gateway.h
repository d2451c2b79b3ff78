/* gateway.h: the process craft-sandbox-gateway of one sandbox, seen from the daemon. It listens on three sockets in the
 * instance's run/ and holds the secrets that the box must not have; they reach it over a socket pair, never by argv,
 * environment or a file. */
#ifndef CRAFT_GATEWAY_H
#define CRAFT_GATEWAY_H

#include <uv.h>

#include "instance.h"
#include "lib/conf.h"

struct gateway;

/* A decision of the allow-list, or what became of a request to the model or the git host. */
struct gateway_event {
	bool allowed;
	struct slice kind;   /* egress, api or git */
	struct slice host;   /* host:port, or the path for api and git; printable, bounded */
	struct slice reason; /* why it was refused, or what went wrong with it then; empty when nothing did */
	bool refused;	     /* the git host takes the token no longer */
	bool not_granted;    /* the git host doesn't show a submodule's repository */
	uint64_t times;	     /* how many such there were since the last such event; 1 or more */
};

struct gateway_options {
	const struct conf *conf;
	const struct instance *instance;
	const char *request;  /* id of the one that asked for the sandbox, for log lines; must outlive it. NULL: none */
	const char *repo_key; /* owner/repo: what git.sock lets through */
	struct slice git_token; /* copied to the gateway, not kept; empty: none */
	unsigned head_timeout;	/* ms that a client has for the head of a request; 0: 30 s */
	void (*on_event)(void *user, const struct gateway_event *event);
	void (*on_end)(void *user, int exit_code); /* it ended, wanted or not; the struct is freed after */
	void *user;
};

/* Can the gateways work with this configuration? False: *error names the setting. */
bool gateway_check(const struct conf *conf, struct buf *error);

/* Makes the sockets, in the place of old ones, and starts the process; clients can connect when it returns. NULL:
 * *error. */
struct gateway *gateway_start(uv_loop_t *loop, const struct gateway_options *options, struct buf *error);
/* From now on the model API is called with this key (x-api-key) or OAuth token (Authorization: Bearer, anthropic-beta).
 * Empty: none, and api.sock answers 401 in Anthropic's error shape. */
void gateway_set_model_key(struct gateway *gateway, struct slice key, bool oauth);
/* From now on the repository is fetched with this token. */
void gateway_set_git_token(struct gateway *gateway, struct slice token);
/* From now on the repository of a submodule, owner/repo, may be read with this token; empty: without one. */
void gateway_set_submodule(struct gateway *gateway, const char *repo_key, struct slice token);
pid_t gateway_pid(const struct gateway *gateway);
/* Ends it; on_end still comes. Its sockets are removed. */
void gateway_stop(struct gateway *gateway);

#endif
