/* gate.h: what all parts of this process share. */
#ifndef CRAFT_GATEWAY_GATE_H
#define CRAFT_GATEWAY_GATE_H

#include "allow.h"
#include "report.h"
#include "upstream.h"
#include "vault.h"

/* Set before any thread begins, and not changed after that; what changes is behind locks of its own. */
struct gate {
	char *model_url, *git_url;     /* without a slash at their ends */
	char *model_ca, *git_ca;       /* NULL: the system's */
	char *model_proxy, *git_proxy; /* NULL: none; they hold a password */
	char *repo_key;		       /* owner/repo */
	int64_t head_timeout;	       /* ms from the first byte that is waited for to the end of a request's head */
	struct allow_list allow;
	struct vault *vault;
	struct report *report;
	struct upstream_pool model_pool, git_pool;
};

#endif
