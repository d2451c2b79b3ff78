/* oauth_token.c: tickets and states. Numbers are big-endian, each field has its length before it. */
#include "oauth_token.h"

#include <openssl/crypto.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>

#include "base64.h"

#define MAC_SIZE 32
#define EXPIRES_SIZE 8
#define LENGTH_SIZE 2
#define TICKET_SIZE (EXPIRES_SIZE + MAC_SIZE)
#define STATE_MAX                                                                                                      \
	(EXPIRES_SIZE + OAUTH_NONCE_SIZE + 3 * LENGTH_SIZE + OAUTH_WORKSPACE_MAX + OAUTH_REPO_KEY_MAX +                \
	 OAUTH_REDIRECT_MAX + MAC_SIZE)

_Static_assert((TICKET_SIZE * 8 + 5) / 6 == OAUTH_TICKET_LENGTH, "length of a ticket");
_Static_assert((STATE_MAX * 8 + 5) / 6 == OAUTH_STATE_MAX_LENGTH, "length of the longest state");

/* Each purpose has a key of its own, so that a ticket is never a state. */
static const char ticket_label[] = "oauth ticket";
static const char consent_label[] = "oauth consent";
static const char proof_label[] = "oauth proof";
static const char *const state_labels[] = {
	[OAUTH_STATE_OWN] = "oauth state", [OAUTH_STATE_ASKED] = "oauth state asked"
};

static bool sign(const struct seal_key *k, const char *label, struct slice text, unsigned char mac[static MAC_SIZE])
{
	unsigned char key[SEAL_KEY_SIZE];
	unsigned len = MAC_SIZE;
	bool ok = seal_derive(k, label, key) &&
		  HMAC(EVP_sha256(), key, sizeof(key), (const unsigned char *)text.ptr, text.len, mac, &len);
	OPENSSL_cleanse(key, sizeof(key));
	return ok;
}

/* All keys are tried, whichever it was. */
static bool is_signed(const struct seal_key *keys, size_t count, const char *label, struct slice text, const char *mac)
{
	bool good = false;
	for (size_t i = 0; i < count; i++) {
		unsigned char want[MAC_SIZE];
		bool made = sign(&keys[i], label, text, want);
		good |= made && CRYPTO_memcmp(want, mac, MAC_SIZE) == 0;
	}
	return good;
}

/* ---- writing and reading ---- */

static bool grant_fits(const struct oauth_grant *g)
{
	return g->workspace.len <= OAUTH_WORKSPACE_MAX && g->repo_key.len <= OAUTH_REPO_KEY_MAX &&
	       g->redirect_uri.len <= OAUTH_REDIRECT_MAX;
}

static void add_number(struct buf *out, uint64_t n, size_t bytes)
{
	while (bytes-- > 0)
		buf_add_char(out, (char)(n >> (8 * bytes) & 0xff));
}

static void add_field(struct buf *out, struct slice field)
{
	add_number(out, field.len, LENGTH_SIZE);
	buf_add_slice(out, field);
}

static void add_grant(struct buf *out, const struct oauth_grant *g)
{
	add_field(out, g->workspace);
	add_field(out, g->repo_key);
	add_field(out, g->redirect_uri);
}

static bool take(struct slice *in, size_t n, struct slice *out)
{
	if (in->len < n)
		return false;
	*out = slice_make(in->ptr, n);
	*in = slice_make(in->ptr + n, in->len - n);
	return true;
}

static bool take_number(struct slice *in, size_t bytes, uint64_t *n)
{
	struct slice s;
	if (!take(in, bytes, &s))
		return false;
	*n = 0;
	for (size_t i = 0; i < bytes; i++)
		*n = *n << 8 | (unsigned char)s.ptr[i];
	return true;
}

static bool take_field(struct slice *in, struct slice *field)
{
	uint64_t len;
	return take_number(in, LENGTH_SIZE, &len) && take(in, (size_t)len, field);
}

static bool take_grant(struct slice *in, struct oauth_grant *g)
{
	return take_field(in, &g->workspace) && take_field(in, &g->repo_key) && take_field(in, &g->redirect_uri);
}

/* ---- tickets: expires ‖ MAC(expires ‖ grant) ---- */

/* browser: empty in a ticket. */
static void add_signed(struct buf *text, uint64_t expires, const struct oauth_grant *g, struct slice browser)
{
	add_number(text, expires, EXPIRES_SIZE);
	add_grant(text, g);
	buf_add_slice(text, browser);
}

static bool make(const struct seal_key *k, const char *label, const struct oauth_grant *g, struct slice browser,
		 int64_t expires, struct buf *out)
{
	unsigned char mac[MAC_SIZE];
	autobuf text = { 0 };
	if (!grant_fits(g))
		return false;
	add_signed(&text, (uint64_t)expires, g, browser);
	if (!sign(k, label, buf_slice(&text), mac))
		return false;
	text.len = EXPIRES_SIZE;
	buf_add(&text, mac, sizeof(mac));
	base64_add(out, BASE64_URL, text.data, text.len);
	return true;
}

static bool check(const struct seal_key *keys, size_t key_count, const char *label, const struct oauth_grant *g,
		  struct slice browser, struct slice ticket, int64_t now)
{
	uint64_t expires;
	autobuf raw = { 0 }, text = { 0 };
	if (!grant_fits(g) || ticket.len != OAUTH_TICKET_LENGTH || !base64_read(ticket, BASE64_URL, &raw))
		return false;
	struct slice in = buf_slice(&raw);
	if (!take_number(&in, EXPIRES_SIZE, &expires) || in.len != MAC_SIZE)
		return false;
	add_signed(&text, expires, g, browser);
	return is_signed(keys, key_count, label, buf_slice(&text), in.ptr) && now <= (int64_t)expires;
}

bool oauth_ticket_make(const struct seal_key *k, const struct oauth_grant *g, int64_t expires, struct buf *out)
{
	return make(k, ticket_label, g, slice_make(NULL, 0), expires, out);
}

bool oauth_ticket_check(const struct seal_key *keys, size_t key_count, const struct oauth_grant *g, struct slice ticket,
			int64_t now)
{
	return check(keys, key_count, ticket_label, g, slice_make(NULL, 0), ticket, now);
}

/* ---- a user's consent, and the browser that it was given in ---- */

bool oauth_consent_make(const struct seal_key *k, const struct oauth_grant *g, struct slice browser, int64_t expires,
			struct buf *out)
{
	return browser.len > 0 && make(k, consent_label, g, browser, expires, out);
}

bool oauth_consent_check(const struct seal_key *keys, size_t key_count, const struct oauth_grant *g,
			 struct slice browser, struct slice consent, int64_t now)
{
	return browser.len > 0 && check(keys, key_count, consent_label, g, browser, consent, now);
}

bool oauth_proof_make(const struct seal_key *k, struct slice state, struct buf *out)
{
	unsigned char mac[MAC_SIZE];
	if (!sign(k, proof_label, state, mac))
		return false;
	base64_add(out, BASE64_URL, mac, sizeof(mac));
	return true;
}

bool oauth_proof_check(const struct seal_key *keys, size_t key_count, struct slice state, struct slice proof)
{
	autobuf raw = { 0 };
	return proof.len == (MAC_SIZE * 8 + 5) / 6 && base64_read(proof, BASE64_URL, &raw) && raw.len == MAC_SIZE &&
	       is_signed(keys, key_count, proof_label, state, raw.data);
}

/* ---- states: expires ‖ nonce ‖ grant ‖ MAC(all before) ---- */

bool oauth_state_make(const struct seal_key *k, enum oauth_state_kind kind, const struct oauth_grant *g,
		      int64_t expires, struct buf *out)
{
	unsigned char nonce[OAUTH_NONCE_SIZE], mac[MAC_SIZE];
	autobuf text = { 0 };
	if (!grant_fits(g) || RAND_bytes(nonce, sizeof(nonce)) != 1)
		return false;
	add_number(&text, (uint64_t)expires, EXPIRES_SIZE);
	buf_add(&text, nonce, sizeof(nonce));
	add_grant(&text, g);
	if (!sign(k, state_labels[kind], buf_slice(&text), mac))
		return false;
	buf_add(&text, mac, sizeof(mac));
	base64_add(out, BASE64_URL, text.data, text.len);
	return true;
}

static bool read_state(const struct seal_key *keys, size_t key_count, struct oauth_state *s)
{
	uint64_t expires;
	struct slice nonce;
	if (s->text.len < MAC_SIZE)
		return false;
	struct slice in = slice_make(s->text.data, s->text.len - MAC_SIZE);
	bool own = is_signed(keys, key_count, state_labels[OAUTH_STATE_OWN], in, in.ptr + in.len);
	if (!own && !is_signed(keys, key_count, state_labels[OAUTH_STATE_ASKED], in, in.ptr + in.len))
		return false;
	s->kind = own ? OAUTH_STATE_OWN : OAUTH_STATE_ASKED;
	if (!take_number(&in, EXPIRES_SIZE, &expires) || !take(&in, OAUTH_NONCE_SIZE, &nonce) ||
	    !take_grant(&in, &s->grant) || in.len || !grant_fits(&s->grant))
		return false;
	s->expires = (int64_t)expires;
	memcpy(s->nonce, nonce.ptr, sizeof(s->nonce));
	return true;
}

enum oauth_state_result oauth_state_open(const struct seal_key *keys, size_t key_count, struct slice state, int64_t now,
					 struct oauth_state *out)
{
	*out = (struct oauth_state){ 0 };
	if (state.len > OAUTH_STATE_MAX_LENGTH || !base64_read(state, BASE64_URL, &out->text) ||
	    !read_state(keys, key_count, out)) {
		oauth_state_free(out);
		return OAUTH_STATE_BAD;
	}
	return now <= out->expires ? OAUTH_STATE_OK : OAUTH_STATE_EXPIRED;
}

void oauth_state_free(struct oauth_state *s)
{
	buf_free(&s->text);
	*s = (struct oauth_state){ 0 };
}
