/* test_fcgi_oauth_token.c: tickets and states: what they are good for, and nothing else. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base64.h"
#include "oauth_token.h"

#define NOW 1767225600
#define EXPIRES (NOW + 600)
/* Made with Python's hmac module, for the grant below and the first key; the nonce is 0 to 15. */
#define TICKET "AAAAAGlVu1iueJYfA3TNxv4sd7g1JPyYbCR9zqHj9GzwWz60OLApzQ"
#define STATE                                                                                                          \
	"AAAAAGlVu1gAAQIDBAUGBwgJCgsMDQ4PAAdteS10ZWFtAApvY3RvL2hlbGxvABxjcmFmdC1hZ2VudDovL29hdXRoL2"                   \
	"NhbGxiYWNrsJJ-U3EYxwLMoFUuWODfzZIy_Fz3UtjBZYD0CWmGke8"

static const struct seal_key keys[2] = { { "0123456789abcdef0123456789abcde" }, { "the key of before the rotation." } };
static const struct seal_key foreign = { "somebody else's key, not our own" };
#define GRANT(w, r, u) (&(const struct oauth_grant){ SLICE_LIT(w), SLICE_LIT(r), SLICE_LIT(u) })
#define MINE GRANT("my-team", "octo/hello", "craft-agent://oauth/callback")

static bool check(const struct oauth_grant *g, const char *ticket)
{
	return oauth_ticket_check(keys, 2, g, slice_of(ticket), NOW);
}

static void makes_the_known_ticket(void **state)
{
	autobuf t = { 0 };
	(void)state;
	buf_add_str(&t, "ticket=");
	assert_true(oauth_ticket_make(&keys[0], MINE, EXPIRES, &t));
	assert_string_equal(buf_cstr(&t), "ticket=" TICKET);
	assert_int_equal(t.len - 7, OAUTH_TICKET_LENGTH);
	assert_true(check(MINE, TICKET));
}

static void a_ticket_is_good_by_either_key(void **state)
{
	autobuf t = { 0 }, other = { 0 };
	(void)state;
	assert_true(oauth_ticket_make(&keys[1], MINE, EXPIRES, &t));
	assert_true(oauth_ticket_check(keys, 2, MINE, buf_slice(&t), NOW));
	assert_false(oauth_ticket_check(keys, 1, MINE, buf_slice(&t), NOW));
	assert_false(oauth_ticket_check(keys, 0, MINE, buf_slice(&t), NOW));
	assert_true(oauth_ticket_make(&foreign, MINE, EXPIRES, &other));
	assert_false(oauth_ticket_check(keys, 2, MINE, buf_slice(&other), NOW));
}

static void a_ticket_expires(void **state)
{
	(void)state;
	assert_true(oauth_ticket_check(keys, 2, MINE, SLICE_LIT(TICKET), 0));
	assert_true(oauth_ticket_check(keys, 2, MINE, SLICE_LIT(TICKET), EXPIRES));
	assert_false(oauth_ticket_check(keys, 2, MINE, SLICE_LIT(TICKET), EXPIRES + 1));
	assert_false(oauth_ticket_check(keys, 2, MINE, SLICE_LIT(TICKET), INT64_MAX));
}

static void a_ticket_is_for_one_grant(void **state)
{
	(void)state;
	assert_false(check(GRANT("my-tea", "mocto/hello", "craft-agent://oauth/callback"), TICKET));
	assert_false(check(GRANT("my-teamocto", "/hello", "craft-agent://oauth/callback"), TICKET));
	assert_false(check(GRANT("my-team", "octo/helloc", "raft-agent://oauth/callback"), TICKET));
	assert_false(check(GRANT("my-team", "octo/hello", "craft-agent://oauth/callback?"), TICKET));
	assert_false(check(GRANT("my-team", "octo/Hello", "craft-agent://oauth/callback"), TICKET));
	assert_false(check(GRANT("other", "octo/hello", "craft-agent://oauth/callback"), TICKET));
	assert_false(check(GRANT("octo/hello", "my-team", "craft-agent://oauth/callback"), TICKET));
	assert_false(check(GRANT("", "", ""), TICKET));
	assert_false(check(GRANT("my-team\0", "octo/hello", "craft-agent://oauth/callback"), TICKET));
}

/* Each bit of the bytes, and what isn't the text of bytes. */
static void a_changed_ticket_is_worth_nothing(void **state)
{
	static const char *const bad[] = { "", "=", TICKET "A", TICKET "=", TICKET "==", " " TICKET, TICKET "\n" };
	autobuf raw = { 0 }, text = { 0 };
	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		assert_false(check(MINE, bad[i]));
	for (size_t i = 0; i < OAUTH_TICKET_LENGTH; i++)
		assert_false(oauth_ticket_check(keys, 2, MINE, slice_make(TICKET, i), NOW));
	assert_true(base64_read(SLICE_LIT(TICKET), BASE64_URL, &raw));
	for (size_t bit = 0; bit < raw.len * 8; bit++) {
		raw.data[bit / 8] = (char)(raw.data[bit / 8] ^ 1 << bit % 8);
		buf_clear(&text);
		base64_add(&text, BASE64_URL, raw.data, raw.len);
		assert_false(oauth_ticket_check(keys, 2, MINE, buf_slice(&text), NOW));
		raw.data[bit / 8] = (char)(raw.data[bit / 8] ^ 1 << bit % 8);
	}
}

static enum oauth_state_result open_state(struct slice text, int64_t now)
{
	struct oauth_state s;
	enum oauth_state_result result = oauth_state_open(keys, 2, text, now, &s);
	assert_true(result != OAUTH_STATE_BAD || (s.text.data == NULL && s.grant.workspace.len == 0 && s.expires == 0));
	oauth_state_free(&s);
	return result;
}

static void a_state_carries_its_grant(void **state)
{
	struct oauth_state s;
	autobuf t = { 0 };
	(void)state;
	assert_true(oauth_state_make(&keys[0], OAUTH_STATE_OWN, MINE, EXPIRES, &t));
	assert_int_equal(oauth_state_open(keys, 2, buf_slice(&t), EXPIRES, &s), OAUTH_STATE_OK);
	assert_true(slice_eq_str(s.grant.workspace, "my-team"));
	assert_true(slice_eq_str(s.grant.repo_key, "octo/hello"));
	assert_true(slice_eq_str(s.grant.redirect_uri, "craft-agent://oauth/callback"));
	assert_int_equal(s.expires, EXPIRES);
	oauth_state_free(&s);
	assert_int_equal(oauth_state_open(keys, 2, buf_slice(&t), EXPIRES + 1, &s), OAUTH_STATE_EXPIRED);
	assert_true(slice_eq_str(s.grant.workspace, "my-team"));
	oauth_state_free(&s);
}

static void opens_the_known_state(void **state)
{
	struct oauth_state s;
	(void)state;
	assert_int_equal(oauth_state_open(keys, 2, SLICE_LIT(STATE), NOW, &s), OAUTH_STATE_OK);
	assert_memory_equal(s.nonce, "\0\1\2\3\4\5\6\7\10\11\12\13\14\15\16\17", OAUTH_NONCE_SIZE);
	assert_true(slice_eq_str(s.grant.redirect_uri, "craft-agent://oauth/callback"));
	oauth_state_free(&s);
}

static void every_state_has_a_nonce_of_its_own(void **state)
{
	struct oauth_state a, b;
	autobuf t = { 0 }, u = { 0 };
	(void)state;
	assert_true(oauth_state_make(&keys[0], OAUTH_STATE_OWN, MINE, EXPIRES, &t));
	assert_true(oauth_state_make(&keys[0], OAUTH_STATE_OWN, MINE, EXPIRES, &u));
	assert_int_equal(oauth_state_open(keys, 2, buf_slice(&t), NOW, &a), OAUTH_STATE_OK);
	assert_int_equal(oauth_state_open(keys, 2, buf_slice(&u), NOW, &b), OAUTH_STATE_OK);
	assert_memory_not_equal(a.nonce, b.nonce, OAUTH_NONCE_SIZE);
	oauth_state_free(&a);
	oauth_state_free(&b);
}

static void a_state_is_good_by_either_key(void **state)
{
	autobuf t = { 0 }, u = { 0 };
	struct oauth_state s;
	(void)state;
	assert_true(oauth_state_make(&keys[1], OAUTH_STATE_OWN, MINE, EXPIRES, &t));
	assert_int_equal(open_state(buf_slice(&t), NOW), OAUTH_STATE_OK);
	assert_int_equal(oauth_state_open(keys, 1, buf_slice(&t), NOW, &s), OAUTH_STATE_BAD);
	assert_true(oauth_state_make(&foreign, OAUTH_STATE_OWN, MINE, EXPIRES, &u));
	assert_int_equal(open_state(buf_slice(&u), NOW), OAUTH_STATE_BAD);
}

static void a_changed_state_is_worth_nothing(void **state)
{
	autobuf t = { 0 }, raw = { 0 }, text = { 0 };
	(void)state;
	assert_true(oauth_state_make(&keys[0], OAUTH_STATE_OWN, MINE, EXPIRES, &t));
	for (size_t i = 0; i < t.len; i++)
		assert_int_equal(open_state(slice_make(t.data, i), NOW), OAUTH_STATE_BAD);
	assert_true(base64_read(buf_slice(&t), BASE64_URL, &raw));
	for (size_t bit = 0; bit < raw.len * 8; bit++) {
		raw.data[bit / 8] = (char)(raw.data[bit / 8] ^ 1 << bit % 8);
		buf_clear(&text);
		base64_add(&text, BASE64_URL, raw.data, raw.len);
		assert_int_equal(open_state(buf_slice(&text), NOW), OAUTH_STATE_BAD);
		raw.data[bit / 8] = (char)(raw.data[bit / 8] ^ 1 << bit % 8);
	}
	buf_add_char(&t, 'A');
	assert_int_equal(open_state(buf_slice(&t), NOW), OAUTH_STATE_BAD);
	assert_int_equal(open_state(slice_make(NULL, 0), NOW), OAUTH_STATE_BAD);
}

static void tickets_and_states_are_no_substitutes(void **state)
{
	autobuf t = { 0 };
	(void)state;
	assert_true(oauth_state_make(&keys[0], OAUTH_STATE_OWN, GRANT("", "", ""), EXPIRES, &t));
	assert_false(oauth_ticket_check(keys, 2, GRANT("", "", ""), buf_slice(&t), NOW));
	assert_int_equal(open_state(SLICE_LIT(TICKET), NOW), OAUTH_STATE_BAD);
}

static void fields_have_a_longest_length(void **state)
{
	struct oauth_state s;
	autobuf x = { 0 }, t = { 0 };
	(void)state;
	memset(buf_reserve(&x, 4096), 0xff, 4096);
	struct oauth_grant g = { slice_make(x.data, OAUTH_WORKSPACE_MAX), slice_make(x.data, OAUTH_REPO_KEY_MAX),
				 slice_make(x.data, OAUTH_REDIRECT_MAX) };
	assert_true(oauth_state_make(&keys[0], OAUTH_STATE_OWN, &g, EXPIRES, &t));
	assert_int_equal(t.len, OAUTH_STATE_MAX_LENGTH);
	assert_int_equal(oauth_state_open(keys, 2, buf_slice(&t), NOW, &s), OAUTH_STATE_OK);
	assert_true(slice_eq(s.grant.redirect_uri, g.redirect_uri));
	oauth_state_free(&s);
	buf_clear(&t);
	struct slice *const fields[] = { &g.workspace, &g.repo_key, &g.redirect_uri };
	for (size_t i = 0; i < 3; i++) {
		fields[i]->len++;
		assert_false(oauth_state_make(&keys[0], OAUTH_STATE_OWN, &g, EXPIRES, &t));
		assert_false(oauth_ticket_make(&keys[0], &g, EXPIRES, &t));
		assert_int_equal(t.len, 0);
		fields[i]->len--;
	}
	memset(buf_reserve(&t, 100000), 'A', 100000);
	assert_int_equal(open_state(slice_make(t.data, 100000), NOW), OAUTH_STATE_BAD);
}

static void who_began_is_told(void **state)
{
	struct oauth_state s;
	autobuf own = { 0 }, asked = { 0 };
	(void)state;
	assert_true(oauth_state_make(&keys[0], OAUTH_STATE_OWN, MINE, EXPIRES, &own));
	assert_true(oauth_state_make(&keys[1], OAUTH_STATE_ASKED, MINE, EXPIRES, &asked));
	assert_int_equal(oauth_state_open(keys, 2, buf_slice(&own), NOW, &s), OAUTH_STATE_OK);
	assert_int_equal(s.kind, OAUTH_STATE_OWN);
	oauth_state_free(&s);
	assert_int_equal(oauth_state_open(keys, 2, buf_slice(&asked), NOW, &s), OAUTH_STATE_OK);
	assert_int_equal(s.kind, OAUTH_STATE_ASKED);
	oauth_state_free(&s);
}

static void a_consent_is_good_in_its_browser(void **state)
{
	autobuf consent = { 0 }, ticket = { 0 };
	struct slice browser = SLICE_LIT("a browser"), other = SLICE_LIT("another"), none = SLICE_LIT("");
	(void)state;
	assert_false(oauth_consent_make(&keys[0], MINE, none, EXPIRES, &consent));
	assert_true(oauth_consent_make(&keys[0], MINE, browser, EXPIRES, &consent));
	assert_true(oauth_consent_check(keys, 2, MINE, browser, buf_slice(&consent), EXPIRES));
	assert_false(oauth_consent_check(keys, 2, MINE, browser, buf_slice(&consent), EXPIRES + 1));
	assert_false(oauth_consent_check(keys, 2, MINE, other, buf_slice(&consent), NOW));
	assert_false(oauth_consent_check(keys, 2, MINE, none, buf_slice(&consent), NOW));
	assert_false(oauth_ticket_check(keys, 2, MINE, buf_slice(&consent), NOW));
	assert_true(oauth_ticket_make(&keys[0], MINE, EXPIRES, &ticket));
	assert_false(oauth_consent_check(keys, 2, MINE, browser, buf_slice(&ticket), NOW));
	assert_false(oauth_consent_check(keys, 2, MINE, none, buf_slice(&ticket), NOW));
}

static void a_proof_is_of_one_state(void **state)
{
	autobuf proof = { 0 };
	(void)state;
	assert_true(oauth_proof_make(&keys[0], SLICE_LIT("a state"), &proof));
	assert_true(oauth_proof_check(keys, 2, SLICE_LIT("a state"), buf_slice(&proof)));
	assert_false(oauth_proof_check(keys, 2, SLICE_LIT("a stat"), buf_slice(&proof)));
	assert_false(oauth_proof_check(&foreign, 1, SLICE_LIT("a state"), buf_slice(&proof)));
	assert_false(oauth_proof_check(keys, 2, SLICE_LIT("a state"), SLICE_LIT("")));
	proof.data[0] = proof.data[0] == 'A' ? 'B' : 'A';
	assert_false(oauth_proof_check(keys, 2, SLICE_LIT("a state"), buf_slice(&proof)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(makes_the_known_ticket),
		cmocka_unit_test(a_ticket_is_good_by_either_key),
		cmocka_unit_test(a_ticket_expires),
		cmocka_unit_test(a_ticket_is_for_one_grant),
		cmocka_unit_test(a_changed_ticket_is_worth_nothing),
		cmocka_unit_test(a_state_carries_its_grant),
		cmocka_unit_test(opens_the_known_state),
		cmocka_unit_test(every_state_has_a_nonce_of_its_own),
		cmocka_unit_test(a_state_is_good_by_either_key),
		cmocka_unit_test(a_changed_state_is_worth_nothing),
		cmocka_unit_test(who_began_is_told),
		cmocka_unit_test(a_consent_is_good_in_its_browser),
		cmocka_unit_test(a_proof_is_of_one_state),
		cmocka_unit_test(tickets_and_states_are_no_substitutes),
		cmocka_unit_test(fields_have_a_longest_length),
	};
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
