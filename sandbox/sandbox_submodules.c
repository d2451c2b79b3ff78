/* sandbox_submodules.c: the credentials of submodules' repositories, and telling the gateway of them. */
#include "sandbox_submodules.h"

#include <stdlib.h>

#include "gateway_wire.h"

#define AGAIN_MS 10000

_Static_assert(GIT_ABSENT_REPOSITORIES <= GATEWAY_WIRE_SUBMODULES, "a gateway takes all that a checkout may name");

struct submodule {
	struct sandbox *sb;
	char *repo_key;
	struct credential credential; /* its token only until the gateway has it */
};

struct submodules {
	struct sandbox *sb;
	uint64_t asked_at; /* ms of the loop's clock */
	size_t count;
	struct submodule all[GIT_ABSENT_REPOSITORIES];
};

static void on_credential(void *user, bool usable)
{
	struct submodule *m = user;
	struct slice token = usable ? buf_slice(&m->credential.token.access) : SLICE_LIT("");
	if (m->sb->state == SANDBOX_READY && m->sb->gateway)
		gateway_set_submodule(m->sb->gateway, m->repo_key, token);
	github_token_free(&m->credential.token);
}

static void add(struct submodules *s, struct slice repo_key)
{
	struct submodule *m = &s->all[s->count++];
	m->sb = s->sb;
	m->repo_key = slice_dup(repo_key);
	credential_init(&m->credential, s->sb->daemon, &s->sb->ids, s->sb->workspace, m->repo_key, on_credential, m);
}

struct submodules *submodules_new(struct sandbox *sb)
{
	struct slice rest = buf_slice(&sb->absent.repositories);
	if (!rest.len)
		return NULL;
	struct submodules *s = xcalloc(1, sizeof(*s));
	s->sb = sb;
	for (const char *eol;
	     rest.len && s->count < GIT_ABSENT_REPOSITORIES && (eol = memchr(rest.ptr, '\n', rest.len));) {
		size_t n = (size_t)(eol - rest.ptr);
		add(s, slice_make(rest.ptr, n));
		rest = slice_make(eol + 1, rest.len - n - 1);
	}
	return s;
}

void submodules_free(struct submodules *s)
{
	for (size_t i = 0; s && i < s->count; i++) {
		credential_end(&s->all[i].credential);
		free(s->all[i].repo_key);
	}
	free(s);
}

static void ask(struct submodules *s)
{
	s->asked_at = uv_now(s->sb->daemon->loop);
	for (size_t i = 0; i < s->count; i++)
		credential_ask(&s->all[i].credential);
}

/* A public one can be read before the database has answered. */
void submodules_tell(struct submodules *s)
{
	for (size_t i = 0; s && s->sb->gateway && i < s->count; i++)
		gateway_set_submodule(s->sb->gateway, s->all[i].repo_key, SLICE_LIT(""));
	if (s)
		ask(s);
}

void submodules_ask_again(struct submodules *s)
{
	if (s && uv_now(s->sb->daemon->loop) - s->asked_at >= AGAIN_MS)
		ask(s);
}

void submodules_tick(struct submodules *s, bool wanted)
{
	for (size_t i = 0; s && i < s->count; i++)
		credential_tick(&s->all[i].credential, wanted);
}

bool submodules_busy(const struct submodules *s)
{
	for (size_t i = 0; s && i < s->count; i++)
		if (s->all[i].credential.renewing)
			return true;
	return false;
}
