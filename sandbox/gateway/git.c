/* git.c: a reverse proxy for git-upload-pack of the sandbox's repository and those of its submodules
 * (gitprotocol-http(5)). The URL that is asked is made from what the daemon told, not from the request. */
#include "git.h"

#include <strings.h>

#include "exchange.h"
#include "lib/base64.h"
#include "lib/cleanup.h"
#include "sandbox/gateway_wire.h"

#define MAX_BODY (64ULL << 20)
#define REFS "/info/refs?service=git-upload-pack"
#define PACK "/git-upload-pack"

/* ---- what is asked ---- */

static struct slice after(struct slice s, size_t n)
{
	return slice_make(s.ptr + n, s.len - n);
}

static bool skip(struct slice *s, const char *prefix)
{
	size_t length = strlen(prefix);
	if (s->len < length || strncasecmp(s->ptr, prefix, length) != 0)
		return false;
	*s = after(*s, length);
	return true;
}

static bool contains(struct slice s, const char *word)
{
	return s.len && memmem(s.ptr, s.len, word, strlen(word));
}

/* Which repository is asked for, and what stands behind "/owner/repo" or "/owner/repo.git". */
struct asked {
	bool own;
	struct buf repo_key; /* as the daemon told it */
	struct buf token;    /* of another one than the own; may be empty */
	struct slice rest;
};

static void asked_free(struct asked *a)
{
	buf_free(&a->repo_key);
	buf_wipe(&a->token);
}

static bool begins_part(struct slice rest)
{
	return rest.len > 0 && rest.ptr[0] == '/';
}

static bool names_own(const struct gate *gate, struct slice target, struct asked *a)
{
	a->rest = target;
	if (!skip(&a->rest, "/") || !skip(&a->rest, gate->repo_key))
		return false;
	(void)skip(&a->rest, ".git");
	buf_add_str(&a->repo_key, gate->repo_key);
	return begins_part(a->rest);
}

/* Up to the next slash, or to the end. */
static size_t part_of(struct slice s)
{
	const char *slash = s.len ? memchr(s.ptr, '/', s.len) : NULL;
	return slash ? (size_t)(slash - s.ptr) : s.len;
}

static bool names_submodule(const struct gate *gate, struct slice target, struct asked *a)
{
	if (!skip(&target, "/"))
		return false;
	size_t owner = part_of(target);
	size_t length = owner < target.len ? owner + 1 + part_of(after(target, owner + 1)) : owner;
	a->rest = after(target, length);
	if (length > 4 && strncasecmp(target.ptr + length - 4, ".git", 4) == 0)
		length -= 4;
	return begins_part(a->rest) &&
	       vault_submodule(gate->vault, slice_make(target.ptr, length), &a->repo_key, &a->token);
}

static bool names_repository(const struct gate *gate, struct slice target, struct asked *a)
{
	a->own = names_own(gate, target, a);
	if (a->own)
		return true;
	buf_clear(&a->repo_key);
	return names_submodule(gate, target, a);
}

/* ---- answers of our own ---- */

static struct slice path_of(struct slice target)
{
	const char *query = memchr(target.ptr, '?', target.len);
	return slice_make(target.ptr, query ? (size_t)(query - target.ptr) : target.len);
}

static void report(const struct exchange *x, bool allowed, const char *reason)
{
	report_decision(x->gate->report, allowed, "git", path_of(x->head.target), slice_of(reason));
}

static void answer(struct exchange *x, int status, const char *text)
{
	autobuf line = { 0 };
	buf_addf(&line, "%s\n", text);
	exchange_answer(x, status, TEXT_PLAIN, buf_slice(&line));
}

static void refuse(struct exchange *x, const char *text)
{
	report(x, false, text);
	answer(x, 403, text);
}

/* ---- passing on ---- */

static bool drops_nothing(struct slice name)
{
	(void)name;
	return false;
}

/* git would ask for a password, or go where the token must not go. */
static bool is_passed(long status)
{
	return status != 401 && (status < 300 || status >= 400 || status == 304);
}

static const char *refusal_of(const struct asked *a)
{
	return a->own ? GATEWAY_GIT_REFUSED : GATEWAY_GIT_NOT_GRANTED;
}

static void finish(struct exchange *x, const struct asked *a, enum upstream_result result, long status,
		   struct buf *error)
{
	autobuf text = { 0 };
	if (result == UPSTREAM_KEPT && status == 401)
		buf_add_str(&text, refusal_of(a));
	else if (result == UPSTREAM_KEPT)
		buf_add_str(&text, "the git host redirects to another place, which is not followed; "
				   "was the repository renamed?");
	else if (result == UPSTREAM_FAILED || result == UPSTREAM_CUT)
		buf_addf(&text, "the git host can't be reached: %s", buf_cstr(error));
	else if (result == UPSTREAM_PASSED && status >= 400)
		buf_addf(&text, "the git host answers %ld", status);
	report(x, true, buf_cstr(&text));
	if (result == UPSTREAM_KEPT || result == UPSTREAM_FAILED)
		answer(x, status == 401 ? 403 : 502, buf_cstr(&text));
	if (result != UPSTREAM_BODY)
		return;
	x->close = true;
	answer(x, x->body.state == BODY_TOO_LARGE ? 413 : 400, "the request can't be passed on");
}

/* Each repository has the token that was granted for it, and no other one: what a commit names as its submodules is for
 * whoever wrote it to say, and must not be read with what somebody has granted for another repository. */
static void add_credential(struct vault *vault, const struct asked *a, struct buf *field, struct buf *encoded)
{
	autowiped token = { 0 }, pair = { 0 };
	if (a->own)
		(void)vault_git_token(vault, &token);
	else
		buf_add_slice(&token, buf_slice(&a->token));
	if (!token.len)
		return;
	(void)buf_reserve(&pair, token.len + 32);
	(void)buf_reserve(encoded, 2 * token.len + 64);
	(void)buf_reserve(field, 2 * token.len + 96);
	buf_add_str(&pair, "x-access-token:");
	buf_add_slice(&pair, buf_slice(&token));
	base64_add(encoded, BASE64_STANDARD, pair.data, pair.len);
	buf_add_str(field, "Authorization: Basic ");
	buf_add_slice(field, buf_slice(encoded));
}

static void pass(struct exchange *x, struct asked *a, const char *what)
{
	autowiped field = { 0 }, encoded = { 0 };
	autobuf url = { 0 }, error = { 0 };
	long status;
	add_credential(x->gate->vault, a, &field, &encoded);
	buf_addf(&url, "%s/%s.git%s", x->gate->git_url, buf_cstr(&a->repo_key), what);
	const struct upstream_request request = { .url = buf_cstr(&url),
						  .ca_file = x->gate->git_ca,
						  .proxy = x->gate->git_proxy,
						  .post = slice_eq_str(x->head.method, "POST"),
						  .drops = drops_nothing,
						  .fields = &field,
						  .field_count = field.len ? 1 : 0,
						  .secret = buf_slice(&encoded),
						  .passes = is_passed };
	enum upstream_result result = upstream_pass(&x->gate->git_pool, x, &request, &status, &error);
	finish(x, a, result, status, &error);
}

static void handle(struct exchange *x)
{
	autocall(asked_free) struct asked a = { 0 };
	struct slice method = x->head.method;
	bool named = names_repository(x->gate, x->head.target, &a);
	bool get = slice_eq_str(method, "GET") && x->body.state == BODY_DONE;
	if (contains(x->head.target, "git-receive-pack"))
		refuse(x, "pushing is not possible from the sandbox: what you changed is handed over as a diff");
	else if (!named)
		refuse(x, "the sandbox can read its own repository only, and those that the commit it was made of has "
			  "as submodules");
	else if (get && slice_eq_str(a.rest, REFS))
		pass(x, &a, REFS);
	else if (slice_eq_str(method, "POST") && slice_eq_str(a.rest, PACK))
		pass(x, &a, PACK);
	else
		refuse(x, "the sandbox can fetch by git's smart HTTP protocol only");
}

void git_serve(struct gate *gate, struct conn *conn)
{
	exchange_run(gate, conn, MAX_BODY, handle);
}
