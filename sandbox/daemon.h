/* daemon.h: what the parts of craft-sandboxd share. Owned by main(). */
#ifndef CRAFT_SANDBOX_DAEMON_H
#define CRAFT_SANDBOX_DAEMON_H

#include <sys/queue.h>
#include <uv.h>

#include "lib/auth.h"
#include "lib/client_key.h"
#include "lib/conf.h"
#include "lib/seal.h"
#include "lib/uuid.h"

struct counts;
struct sandbox;
struct store;

TAILQ_HEAD(sandbox_list, sandbox);

struct daemon {
	uv_loop_t *loop;
	struct conf conf;
	struct auth_keys api_keys;
	struct client_keys *client_keys;
	struct seal_key seal_keys[2]; /* ENCRYPTION_KEY, and the one before it */
	size_t seal_key_count;
	char host[UUID_SIZE];  /* this host's id: SANDBOX_DIR's */
	struct store *state;   /* jobs, claims, states */
	struct store *streams; /* messages: a connection of their own, so that they delay no job */
	struct store *big_streams; /* those of more than STREAM_BATCH bytes */
	struct sandbox_list sandboxes;
	size_t sandbox_count;
	struct counts *counts;
	struct sandbox **slots; /* SANDBOX_MAX of them; NULL: free */
	int seccomp_fd;
	char cgroup_parent[80];
	bool draining; /* nothing new is begun */
};

#endif
