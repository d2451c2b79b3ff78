/* fuzz_oauth_token.c: any bytes as ticket and state open nothing; any grant comes back as it went in, and a changed
 * text is worth nothing. */
#include <assert.h>

#include "fcgi/oauth_token.h"
#include "lib/cleanup.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define NOW 1767225600

static const struct seal_key keys[2] = { { "the current key, of 32 bytes...." },
					 { "the key of before the rotation." } };

static bool fits(const struct oauth_grant *g)
{
	return g->workspace.len <= OAUTH_WORKSPACE_MAX && g->repo_key.len <= OAUTH_REPO_KEY_MAX &&
	       g->redirect_uri.len <= OAUTH_REDIRECT_MAX;
}

static bool same(const struct oauth_grant *a, const struct oauth_grant *b)
{
	return slice_eq(a->workspace, b->workspace) && slice_eq(a->repo_key, b->repo_key) &&
	       slice_eq(a->redirect_uri, b->redirect_uri);
}

static enum oauth_state_result open_state(struct slice text, const struct oauth_grant *want)
{
	struct oauth_state s;
	enum oauth_state_result result = oauth_state_open(keys, 2, text, NOW, &s);
	assert(result == OAUTH_STATE_BAD || (want && same(&s.grant, want) && s.expires == NOW));
	oauth_state_free(&s);
	return result;
}

/* Another character at one place: there is one spelling only. */
static void change(struct buf *text, size_t at)
{
	char *c = text->data + at % text->len;
	*c = *c == 'A' ? 'B' : 'A';
}

static void check_own(const struct oauth_grant *g, const struct oauth_grant *shifted, size_t at)
{
	autobuf ticket = { 0 }, state = { 0 };
	assert(oauth_ticket_make(&keys[at % 2], g, NOW, &ticket) && ticket.len == OAUTH_TICKET_LENGTH);
	assert(oauth_ticket_check(keys, 2, g, buf_slice(&ticket), NOW));
	assert(!oauth_ticket_check(keys, 2, g, buf_slice(&ticket), NOW + 1));
	assert(!fits(shifted) || same(g, shifted) || !oauth_ticket_check(keys, 2, shifted, buf_slice(&ticket), NOW));
	change(&ticket, at);
	assert(!oauth_ticket_check(keys, 2, g, buf_slice(&ticket), NOW));
	assert(oauth_state_make(&keys[at % 2], OAUTH_STATE_OWN, g, NOW, &state) && state.len <= OAUTH_STATE_MAX_LENGTH);
	assert(open_state(buf_slice(&state), g) == OAUTH_STATE_OK);
	change(&state, at);
	assert(open_state(buf_slice(&state), NULL) == OAUTH_STATE_BAD);
}

/* The same bytes, cut elsewhere. */
static struct oauth_grant cut(struct slice s, size_t first, size_t second)
{
	first = first < s.len ? first : s.len;
	second = second < s.len - first ? second : s.len - first;
	return (struct oauth_grant){ slice_make(s.ptr, first), slice_make(s.ptr + first, second),
				     slice_make(s.ptr + first + second, s.len - first - second) };
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 4)
		return 0;
	/* An exact copy, so that reading beyond the end is seen. */
	size_t len = size - 4;
	autofree char *copy = xmalloc(len + !len);
	memcpy(copy, data + 4, len);
	struct slice text = slice_make(copy, len);
	struct oauth_grant g = cut(text, data[0], data[1]), shifted = cut(text, data[2], data[1]);
	assert(!oauth_ticket_check(keys, 2, &g, text, NOW));
	assert(open_state(text, NULL) == OAUTH_STATE_BAD);
	autobuf none = { 0 };
	if (fits(&g))
		check_own(&g, &shifted, (size_t)data[3] * 19);
	else
		assert(!oauth_state_make(&keys[0], OAUTH_STATE_OWN, &g, NOW, &none) && !oauth_ticket_make(&keys[0], &g, NOW, &none));
	return 0;
}
