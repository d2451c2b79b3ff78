/* vault.c: keeps the model key and the git token. */
#include "vault.h"

#include <pthread.h>
#include <sys/mman.h>

struct secret {
	size_t len;
	char bytes[VAULT_SECRET_MAX];
};

struct vault {
	pthread_mutex_t lock;
	bool oauth;
	struct secret model_key, git_token;
};

struct vault *vault_new(void)
{
	struct vault *v = mmap(NULL, sizeof(*v), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (v == MAP_FAILED)
		return NULL;
	/* Where the limit on locked memory is too low, it may be swapped. */
	(void)mlock(v, sizeof(*v));
	(void)madvise(v, sizeof(*v), MADV_DONTDUMP);
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
}
