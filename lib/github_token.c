/* github_token.c: the plaintext of a GitHub credential, and sealing it. */
#include "github_token.h"

#include <errno.h>
#include <stdlib.h>

#include "cleanup.h"
#include "github.h"
#include "json.h"

void github_token_free(struct github_token *t)
{
	buf_wipe(&t->access);
	buf_wipe(&t->refresh);
	buf_free(&t->username);
	buf_free(&t->scope);
}

/* ---- reading ---- */

static bool get_text(struct slice object, const char *name, struct buf *out)
{
	struct slice value;
	buf_clear(out);
	if (!json_get(object, name, &value) || json_kind_of(value) != JSON_STRING)
		return false;
	/* Room for all of it at once: no copy is left behind when the buffer grows. */
	(void)buf_reserve(out, value.len + 1);
	return json_decode(value, out) && out->len > 0;
}

static int64_t get_number(struct slice object, const char *name)
{
	struct slice value;
	if (!json_get(object, name, &value) || json_kind_of(value) != JSON_NUMBER)
		return 0;
	autofree char *text = slice_dup(value);
	char *end;
	errno = 0;
	long long n = strtoll(text, &end, 10);
	return errno || *end || n < 0 ? 0 : n;
}

static bool read_plain(struct slice plain, struct github_token *t)
{
	if (!json_check(plain, NULL) || json_kind_of(json_trim(plain)) != JSON_OBJECT)
		return false;
	plain = json_trim(plain);
	if (!get_text(plain, "accessToken", &t->access))
		return false;
	if (!get_text(plain, "refreshToken", &t->refresh))
		buf_clear(&t->refresh);
	if (!get_text(plain, "username", &t->username))
		buf_clear(&t->username);
	if (!get_text(plain, "scope", &t->scope))
		buf_clear(&t->scope);
	t->user_id = get_number(plain, "userId");
	t->authenticated_ms = get_number(plain, "authenticatedAt");
	t->expires_ms = get_number(plain, "expiresAt");
	t->refresh_expires_ms = get_number(plain, "refreshTokenExpiresAt");
	return true;
}

/* GitHub takes names that differ in case for one, and so does the database. */
static void lower(struct slice text, struct buf *out)
{
	for (size_t i = 0; i < text.len; i++) {
		char c = text.ptr[i];
		buf_add_char(out, c >= 'A' && c <= 'Z' ? (char)(c + 32) : c);
	}
}

bool github_token_open(const struct seal_key *keys, size_t count, struct slice workspace, struct slice repo_key,
		       struct slice sealed, struct github_token *t)
{
	autowiped plain = { 0 };
	autobuf item = { 0 };
	lower(repo_key, &item);
	const struct seal_place place = { SEAL_CREDENTIAL, workspace, buf_slice(&item) };
	bool opened = false;
	(void)buf_reserve(&plain, sealed.len + 1);
	for (size_t i = 0; !opened && i < count; i++)
		opened = unseal_at(&keys[i], &place, sealed, &plain);
	return opened && read_plain(buf_slice(&plain), t);
}

/* ---- writing ---- */

static struct slice text_of(const struct buf *b)
{
	return b->len ? buf_slice(b) : SLICE_LIT("");
}

static void add_text(struct buf *plain, const char *name, const struct buf *value)
{
	buf_addf(plain, "%s\"%s\":", plain->len ? "," : "{", name);
	json_encode(plain, text_of(value));
}

static void add_number(struct buf *plain, const char *name, int64_t value)
{
	buf_addf(plain, ",\"%s\":%lld", name, (long long)value);
}

/* The plaintext that PROTOCOL section 5 names. */
static void write_plain(struct buf *plain, const struct github_token *t)
{
	add_text(plain, "accessToken", &t->access);
	add_text(plain, "username", &t->username);
	add_number(plain, "userId", t->user_id);
	add_text(plain, "scope", &t->scope);
	add_number(plain, "authenticatedAt", t->authenticated_ms);
	if (t->expires_ms)
		add_number(plain, "expiresAt", t->expires_ms);
	if (t->refresh.len)
		add_text(plain, "refreshToken", &t->refresh);
	if (t->refresh.len && t->refresh_expires_ms)
		add_number(plain, "refreshTokenExpiresAt", t->refresh_expires_ms);
	buf_add_char(plain, '}');
}

bool github_token_seal(const struct seal_key *key, enum seal_form form, struct slice workspace, struct slice repo_key,
		       const struct github_token *t, struct buf *sealed)
{
	autowiped plain = { 0 };
	autobuf item = { 0 };
	lower(repo_key, &item);
	const struct seal_place place = { SEAL_CREDENTIAL, workspace, buf_slice(&item) };
	(void)buf_reserve(&plain, 6 * (t->access.len + t->refresh.len + t->username.len + t->scope.len) + 512);
	write_plain(&plain, t);
	return seal_at(key, form, &place, buf_slice(&plain), sealed);
}

/* ---- its life ---- */

static void set(struct buf *to, const struct buf *from)
{
	buf_wipe(to);
	(void)buf_reserve(to, from->len + 1);
	buf_add_slice(to, text_of(from));
}

void github_token_take(struct github_token *t, const struct github_grant *grant, int64_t now)
{
	set(&t->access, &grant->token);
	t->expires_ms = grant->expires_in ? now + grant->expires_in * 1000 : 0;
	/* A refresh that is answered without a new one leaves the old one good. */
	if (grant->refresh_token.len || !t->refresh.len) {
		set(&t->refresh, &grant->refresh_token);
		t->refresh_expires_ms = grant->refresh_expires_in ? now + grant->refresh_expires_in * 1000 : 0;
	}
	if (grant->scope.len || !t->scope.len)
		set(&t->scope, &grant->scope);
}

bool github_token_good(const struct github_token *t, int64_t now)
{
	return t->access.len > 0 && (!t->expires_ms || now < t->expires_ms);
}

bool github_token_due(const struct github_token *t, int64_t now)
{
	return t->expires_ms && now >= t->expires_ms - (int64_t)GITHUB_RENEW_BEFORE * 1000;
}

bool github_token_renewable(const struct github_token *t, int64_t now)
{
	return t->refresh.len > 0 && (!t->refresh_expires_ms || now < t->refresh_expires_ms);
}
