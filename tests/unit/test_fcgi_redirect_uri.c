/* test_fcgi_redirect_uri.c: where a browser may be sent, and appending parameters. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "redirect_uri.h"

static bool allowed(const char *uri)
{
	return redirect_uri_allowed(slice_of(uri), NULL);
}

static void allows_the_built_in_ones(void **state)
{
	static const char *const good[] = {
		"craft-agent://oauth/callback",
		"craft-agent://oauth/callback?a=b&c=d?/@:",
		"craft-agent://",
		"craft-agent:///x",
		"craft-agent://x",
		"CRAFT-Agent://oauth",
		"craft-agent://oauth/%0d%0a",
		"http://localhost",
		"http://localhost/",
		"http://localhost?x",
		"http://localhost:1",
		"http://localhost:65535/cb/x?y=z",
		"http://LocalHost:3000/",
		"HTTP://localhost",
		"http://127.0.0.1",
		"http://127.0.0.1:8080/a/b.c/...;x=1,2/@:$&'()*+=!~",
		"http://localhost//x//",
		"http://[::1]",
		"http://[::1]:49152/cb?x=1",
		"http://localhost/?../..",
	};
	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++) {
		if (!allowed(good[i]))
			fail_msg("refused: %s", good[i]);
	}
}

static void refuses_all_others(void **state)
{
	static const char *const bad[] = {
		"",
		"/",
		"://",
		"craft-agent",
		"craft-agent:",
		"craft-agent:x",
		"craft-agent:/x",
		"craft-agent:oauth/callback",
		"craft-agents://x",
		"xcraft-agent://x",
		" craft-agent://x",
		"javascript:alert(1)//localhost",
		"javascript://localhost/%0aalert(1)",
		"data:text/html,x",
		"//localhost/",
		"localhost",
		"https://localhost/",
		"http:localhost",
		"http:/localhost",
		"http:///localhost",
		"http://",
		"http://example.org/",
		/* another host */
		"http://localhost.evil.com/",
		"http://localhost.",
		"http://xlocalhost/",
		"http://localhost%2eevil.com/",
		"http://local%68ost/",
		"http://127.0.0.1.evil.com/",
		"http://127.0.0.10/",
		"http://127.1/",
		"http://0x7f000001/",
		"http://[::2]/",
		"http://[::1/",
		"http://::1/",
		"http://[::1].evil.com/",
		"http://[localhost]/",
		/* somebody in front of it */
		"http://localhost@evil.com/",
		"http://localhost:3000@evil.com/",
		"http://localhost:@evil.com/",
		"http://user@localhost/",
		"http://user:pw@localhost/",
		"http://@localhost/",
		"craft-agent://user@oauth/callback",
		/* ports */
		"http://localhost:",
		"http://localhost:/",
		"http://localhost:0/",
		"http://localhost:080/",
		"http://localhost:65536/",
		"http://localhost:99999999999999999999/",
		"http://localhost:x/",
		"http://localhost:+1/",
		"http://localhost:80:80/",
		/* characters that may not be there */
		"http://localhost/#",
		"http://localhost/x#y",
		"http://localhost#@evil.com/",
		"http://localhost\\@evil.com/",
		"http://localhost/\\evil.com",
		"http:\\\\localhost",
		"http://localhost/\r\nSet-Cookie: a=b",
		"http://localhost/\n",
		"http://localhost\r",
		"http://localhost/\t",
		"http://localhost/ x",
		"http://localhost/x ",
		"http://localhost/\x01",
		"http://localhost/\x7f",
		"http://localhost/\xc3\xa9",
		"http://localhost/\"x",
		"http://localhost/<x>",
		"http://localhost/[x]",
		"http://localhost/{x}",
		"http://localhost/|",
		"http://localhost/^",
		"http://localhost/`",
		"http://localhost/?\\",
		"http://localhost/?x=%",
		"http://localhost/%",
		"http://localhost/%2",
		"http://localhost/%z0",
		"http://localhost/%0z",
		"craft-agent://oauth/callback#x",
		"craft-agent://oauth/call back",
		"craft-agent://oa\\uth",
		"craft-agent://[x]",
		/* segments that a browser takes away */
		"http://localhost/.",
		"http://localhost/..",
		"http://localhost/a/../b",
		"http://localhost/a/%2e%2E/b",
		"http://localhost/a/.%2e",
		"craft-agent://oauth/..",
	};
	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		if (allowed(bad[i]))
			fail_msg("not refused: %s", bad[i]);
	}
	assert_false(redirect_uri_allowed(slice_make("http://localhost/\0", 18), NULL));
	assert_false(redirect_uri_allowed(slice_make("http://localhost\0.evil.com", 26), NULL));
	assert_false(redirect_uri_allowed(slice_make(NULL, 0), NULL));
}

static void has_a_longest_length(void **state)
{
	autobuf uri = { 0 };
	(void)state;
	buf_add_str(&uri, "http://localhost/");
	while (uri.len < REDIRECT_URI_MAX)
		buf_add_char(&uri, 'x');
	assert_true(redirect_uri_allowed(buf_slice(&uri), NULL));
	buf_add_char(&uri, 'x');
	assert_false(redirect_uri_allowed(buf_slice(&uri), NULL));
}

#define LIST                                                                                                           \
	"https://app.example/oauth/cb  https://any.example http://old.example:8080/a/\tmyapp://done junk "             \
	"https://u@user.example https://query.example/x?y https://[::1]:3000"

static void allows_what_is_listed(void **state)
{
	static const char *const good[] = {
		"https://app.example/oauth/cb",
		"https://APP.example/oauth/cb/",
		"https://app.example/oauth/cb/x/y?z",
		"https://app.example/oauth/cb?x=1",
		"https://app.example:443/oauth/cb",
		"https://any.example",
		"https://any.example/",
		"https://any.example/x",
		"https://any.example?x",
		"http://old.example:8080/a",
		"http://old.example:8080/a/b",
		"myapp://done",
		"myapp://done/x",
		"https://[::1]:3000/x",
		/* any port of this machine */
		"https://[::1]/",
		"https://[::1]:49152/x",
		"craft-agent://oauth/callback",
		"http://localhost:1/",
	};
	static const char *const bad[] = {
		"http://app.example/oauth/cb",
		"https://app.example/oauth/cbx",
		"https://app.example/oauth",
		"https://app.example/oauth/c",
		"https://app.example/OAuth/cb",
		"https://app.example/",
		"https://app.example/oauth/cb/../x",
		"https://app.example/oauth/cb/%2e%2e/x",
		"https://app.example/oauth%2fcb",
		"https://app.example:444/oauth/cb",
		"https://app.example.evil.com/oauth/cb",
		"https://app.example@evil.com/oauth/cb",
		"https://u@app.example/oauth/cb",
		"https://xany.example",
		"https://any.example:80",
		"http://old.example/a",
		"http://old.example:8080/ab",
		"myapp:done",
		"myapp://done2",
		"junk",
		"https://user.example",
		"https://u@user.example",
		"https://query.example/x?y",
		"https://query.example/x",
		"http://[::2]:3000/",
		"https://[::2]:3000/",
		"https://other.example/",
	};
	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++) {
		if (!redirect_uri_allowed(slice_of(good[i]), LIST))
			fail_msg("refused: %s", good[i]);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		if (redirect_uri_allowed(slice_of(bad[i]), LIST))
			fail_msg("not refused: %s", bad[i]);
	}
	assert_false(redirect_uri_allowed(SLICE_LIT("https://any.example"), ""));
	assert_false(redirect_uri_allowed(SLICE_LIT("https://any.example"), "  "));
}

static void appends_parameters(void **state)
{
	static const struct {
		const char *before, *after;
	} cases[] = {
		{ "craft-agent://oauth/callback", "craft-agent://oauth/callback?repo=a%2Fb&username=x%26y%20%C3%A9" },
		{ "http://localhost", "http://localhost?repo=a%2Fb&username=x%26y%20%C3%A9" },
		{ "http://localhost/?x=1", "http://localhost/?x=1&repo=a%2Fb&username=x%26y%20%C3%A9" },
		{ "http://localhost/?", "http://localhost/?repo=a%2Fb&username=x%26y%20%C3%A9" },
		{ "http://localhost/?x&", "http://localhost/?x&repo=a%2Fb&username=x%26y%20%C3%A9" },
	};
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		autobuf uri = { 0 };
		buf_add_str(&uri, cases[i].before);
		redirect_uri_add(&uri, "repo", SLICE_LIT("a/b"));
		redirect_uri_add(&uri, "username", SLICE_LIT("x&y \xc3\xa9"));
		assert_string_equal(buf_cstr(&uri), cases[i].after);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(allows_the_built_in_ones), cmocka_unit_test(refuses_all_others),
		cmocka_unit_test(has_a_longest_length),	    cmocka_unit_test(allows_what_is_listed),
		cmocka_unit_test(appends_parameters),
	};
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
