/* vault.c: keeps the model key and the git tokens. */
#include "vault.h"

#include <pthread.h>
#include <strings.h>
#include <sys/mman.h>

#include "sandbox/gateway_wire.h"

struct secret {
	size_t len;
	char bytes[VAULT_SECRET_MAX];
};

/* Of the few sandboxes that have submodules: memory only when there is one. */
struct submodule {
	char *repo_key;
	struct secret *token;
};

struct vault {
	pthread_mutex_t lock;
	bool oauth;
	struct secret model_key, git_token;
	struct submodule submodules[GATEWAY_WIRE_SUBMODULES];
	size_t submodule_count;
};

static void *memory_for_secrets(size_t size)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (p == MAP_FAILED)
		return NULL;
	/* Where the limit on locked memory is too low, it may be swapped. */
	(void)mlock(p, size);
	(void)madvise(p, size, MADV_DONTDUMP);
	return p;
}

struct vault *vault_new(void)
{
	struct vault *v = memory_for_secrets(sizeof(*v));
	if (v)
		(void)pthread_mutex_init(&v->lock, NULL);
	return v;
}

/* Visible ASCII only: so nothing can end a header's line. */
static bool is_sendable(struct slice text)
{
	for (size_t i = 0; i < text.len; i++)
		if (text.ptr[i] <= 0x20 || text.ptr[i] >= 0x7f)
			return false;
	return text.len <= VAULT_SECRET_MAX;
}

static bool set(struct secret *s, struct slice text)
{
	explicit_bzero(s, sizeof(*s));
	if (!is_sendable(text))
		return false;
	if (text.len)
		memcpy(s->bytes, text.ptr, text.len);
	s->len = text.len;
	return true;
}

static bool get(const struct secret *s, struct buf *out)
{
	buf_add(out, s->bytes, s->len);
	return s->len > 0;
}

bool vault_set_model_key(struct vault *v, struct slice key, bool oauth)
{
	(void)pthread_mutex_lock(&v->lock);
	bool good = set(&v->model_key, key);
	v->oauth = oauth;
	(void)pthread_mutex_unlock(&v->lock);
	return good;
}

bool vault_set_git_token(struct vault *v, struct slice token)
{
	(void)pthread_mutex_lock(&v->lock);
	bool good = set(&v->git_token, token);
	(void)pthread_mutex_unlock(&v->lock);
	return good;
}

/* ---- submodules ---- */

static struct submodule *find(struct vault *v, struct slice repo_key)
{
	for (size_t i = 0; i < v->submodule_count; i++) {
		struct submodule *m = &v->submodules[i];
		if (repo_key.len == strlen(m->repo_key) && strncasecmp(m->repo_key, repo_key.ptr, repo_key.len) == 0)
			return m;
	}
	return NULL;
}

static struct submodule *find_or_add(struct vault *v, struct slice repo_key)
{
	struct submodule *m = find(v, repo_key);
	if (m || !repo_key.len || v->submodule_count == GATEWAY_WIRE_SUBMODULES)
		return m;
	m = &v->submodules[v->submodule_count];
	m->token = memory_for_secrets(sizeof(*m->token));
	if (!m->token)
		return NULL;
	m->repo_key = slice_dup(repo_key);
	v->submodule_count++;
	return m;
}

bool vault_set_submodule(struct vault *v, struct slice repo_key, struct slice token)
{
	(void)pthread_mutex_lock(&v->lock);
	struct submodule *m = find_or_add(v, repo_key);
	bool good = m && set(m->token, token);
	(void)pthread_mutex_unlock(&v->lock);
	return good;
}

bool vault_submodule(struct vault *v, struct slice asked, struct buf *repo_key, struct buf *token)
{
	(void)pthread_mutex_lock(&v->lock);
	const struct submodule *m = find(v, asked);
	if (m) {
		buf_add_str(repo_key, m->repo_key);
		(void)get(m->token, token);
	}
	(void)pthread_mutex_unlock(&v->lock);
	return m;
}

/* ---- the sandbox's own ---- */

bool vault_model_key(struct vault *v, struct buf *out, bool *oauth)
{
	(void)pthread_mutex_lock(&v->lock);
	bool there = get(&v->model_key, out);
	*oauth = v->oauth;
	(void)pthread_mutex_unlock(&v->lock);
	return there;
}

bool vault_git_token(struct vault *v, struct buf *out)
{
	(void)pthread_mutex_lock(&v->lock);
	bool there = get(&v->git_token, out);
	(void)pthread_mutex_unlock(&v->lock);
	return there;
}

void vault_wipe(struct vault *v)
{
	(void)vault_set_model_key(v, SLICE_LIT(""), false);
	(void)vault_set_git_token(v, SLICE_LIT(""));
	(void)pthread_mutex_lock(&v->lock);
	for (size_t i = 0; i < v->submodule_count; i++)
		(void)set(v->submodules[i].token, SLICE_LIT(""));
	(void)pthread_mutex_unlock(&v->lock);
}
