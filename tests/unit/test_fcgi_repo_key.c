/* test_fcgi_repo_key.c: GitHub's rules for owner/repo, and which URLs name a repository. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "repo_key.h"

#define KEY "octo-org/Hello.World"
#define NAME_39 "a23456789012345678901234567890123456789"
#define NAME_100 "1234567890123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890"

static void accepts_keys(void **state)
{
	static const char *const good[] = {
		"a/b",		 "octocat/Hello-World",
		"1/2",		 "a-b-c/x",
		"octo_corp/x",	 "octo-cat_corp/x",
		"A/.github",	 "a/..x",
		"a/...",	 "a/-",
		"a/_",		 "a/x.wiki",
		"a/git",	 "a/.gitx",
		"a/x.git.y",	 (NAME_39 "/x"),
		("a/" NAME_100),
	};
	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++) {
		if (!repo_key_valid(slice_of(good[i])))
			fail_msg("refused: %s", good[i]);
	}
}

static void refuses_keys(void **state)
{
	static const char *const bad[] = {
		"",	   "/",	      "a",	 "a/",	       "/b",	     "a//b",	      "a/b/",
		"a/b/c",   "/a/b",    "a/.",	 "a/..",       "../b",	     "./b",	      "a/.git",
		"a/x.git", "a/x.GiT", "-a/b",	 "a-/b",       "a--b/c",     "_a/b",	      "a_/b",
		"a__b/c",  "a_b_c/d", "a_b-c/d", "a-_b/c",     "a.b/c",	     "a/b c",	      "a b/c",
		" a/b",	   "a/b ",    "a/b\n",	 "a/b?x",      "a/b#x",	     "a/b%2fc",	      "a\\b/c",
		"a/b\\c",  "a/b:c",   "a@b/c",	 "\xc3\xa9/b", "a/\xc3\xa9", (NAME_39 "0/x"), ("a/" NAME_100 "1"),
	};
	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		if (repo_key_valid(slice_of(bad[i])))
			fail_msg("not refused: %s", bad[i]);
	}
	assert_false(repo_key_valid(slice_make("a/b\0c", 5)));
	assert_false(repo_key_valid(slice_make("a\0/b", 4)));
	assert_false(repo_key_valid(slice_make(NULL, 0)));
}

static bool names(const char *url, const char *github_url)
{
	return repo_url_names(slice_of(url), github_url, SLICE_LIT(KEY));
}

static void knows_the_forms_of_urls(void **state)
{
	static const char *const good[] = {
		"https://github.com/octo-org/Hello.World",	    "https://github.com/octo-org/Hello.World/",
		"https://github.com/octo-org/Hello.World.git",	    "https://github.com/octo-org/Hello.World.git/",
		"HTTPS://GitHub.com/OCTO-ORG/hello.world.GIT",	    "git@github.com:octo-org/Hello.World",
		"git@github.com:octo-org/Hello.World.git",	    "git@GITHUB.com:octo-org/hello.world.git",
		"ssh://git@github.com/octo-org/Hello.World",	    "ssh://git@github.com/octo-org/Hello.World.git",
		"ssh://git@github.com:22/octo-org/Hello.World.git", "ssh://git@github.com:65535/octo-org/Hello.World",
	};
	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++) {
		if (!names(good[i], "https://github.com"))
			fail_msg("refused: %s", good[i]);
	}
	assert_true(names("http://127.0.0.1:3000/gh/octo-org/Hello.World.git", "http://127.0.0.1:3000/gh"));
	assert_true(names("git@127.0.0.1:octo-org/Hello.World.git", "http://127.0.0.1:3000/gh"));
	assert_true(names("https://[::1]:8443/octo-org/Hello.World", "https://[::1]:8443"));
	assert_true(names("ssh://git@[::1]:22/octo-org/Hello.World", "https://[::1]:8443"));
}

static void refuses_other_urls(void **state)
{
	static const char *const bad[] = {
		"",
		"/",
		"octo-org/Hello.World",
		"github.com/octo-org/Hello.World",
		"//github.com/octo-org/Hello.World",
		"http://github.com/octo-org/Hello.World",
		"git://github.com/octo-org/Hello.World",
		"file:///octo-org/Hello.World",
		"ext::sh -c id",
		"-uhttps://github.com/octo-org/Hello.World",
		" https://github.com/octo-org/Hello.World",
		"https://github.com/octo-org/Hello.World ",
		"https://github.com/octo-org/Hello.World\n",
		"https://github.com/octo-org/Hello.World\x7f",
		/* another repository */
		"https://github.com/octo-org/Hello.Worlds",
		"https://github.com/octo-org/Hello.Worl",
		"https://github.com/octo/org-Hello.World",
		"https://github.com/octo-org/Hello.World.wiki.git",
		"https://github.com/octo-org/Hello.World.git.git",
		"https://github.com/octo-org/Hello.World//",
		"https://github.com//octo-org/Hello.World",
		"https://github.com/octo-org//Hello.World",
		"https://github.com/x/../octo-org/Hello.World",
		"https://github.com/octo-org/Hello.World/tree/main",
		"https://github.com/octo-org%2FHello.World",
		"https://github.com/octo-org/Hello%2EWorld",
		"https://github.com/octo-org\\Hello.World",
		"https://github.com/octo-org/Hello.World?x",
		"https://github.com/octo-org/Hello.World#x",
		"https://github.com/octo-org/Hello.World/.git",
		"https://github.com",
		"https://github.com/",
		"https://github.comocto-org/Hello.World",
		/* another host, or somebody in front of it */
		"ssh://git@/octo-org/Hello.World",
		"https://github.com.evil.example/octo-org/Hello.World",
		"https://evil.example/octo-org/Hello.World",
		"https://evil.example/github.com/octo-org/Hello.World",
		"https://www.github.com/octo-org/Hello.World",
		"https://github.com:443/octo-org/Hello.World",
		"https://github.com@evil.example/octo-org/Hello.World",
		"https://u@github.com/octo-org/Hello.World",
		"https://u:p@github.com/octo-org/Hello.World",
		"https://\xd1\x96github.com/octo-org/Hello.World",
		"git@github.com:22/octo-org/Hello.World",
		"git@github.com:/octo-org/Hello.World",
		"git@github.com/octo-org/Hello.World",
		"git@github.com:octo-org/Hello.World/",
		"git@github.com.evil.example:octo-org/Hello.World",
		"git@evil.example:octo-org/Hello.World",
		"root@github.com:octo-org/Hello.World",
		"github.com:octo-org/Hello.World",
		"ssh://github.com/octo-org/Hello.World",
		"ssh://git@github.com:/octo-org/Hello.World",
		"ssh://git@github.com:x/octo-org/Hello.World",
		"ssh://git@github.com:654321/octo-org/Hello.World",
		"ssh://git@github.com:22:22/octo-org/Hello.World",
		"ssh://git@github.com:octo-org/Hello.World",
		"ssh://git@github.comx/octo-org/Hello.World",
		"ssh://git:p@github.com/octo-org/Hello.World",
		"ssh://git@-oProxyCommand=id/octo-org/Hello.World",
	};
	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		if (names(bad[i], "https://github.com"))
			fail_msg("not refused: %s", bad[i]);
	}
	assert_false(names("http://127.0.0.1:3001/gh/octo-org/Hello.World", "http://127.0.0.1:3000/gh"));
	assert_false(names("http://127.0.0.1:3000/octo-org/Hello.World", "http://127.0.0.1:3000/gh"));
	assert_false(names("http://127.0.0.1:3000/ghx/octo-org/Hello.World", "http://127.0.0.1:3000/gh"));
}

static void needs_a_good_key_and_a_url_of_bounded_size(void **state)
{
	autobuf url = { 0 };
	const char *const github = "https://github.com";
	(void)state;
	assert_false(repo_url_names(SLICE_LIT("https://github.com/a/.."), github, SLICE_LIT("a/..")));
	assert_false(repo_url_names(SLICE_LIT("https://github.com/a/b/c"), github, SLICE_LIT("a/b/c")));
	assert_false(repo_url_names(slice_make(NULL, 0), github, SLICE_LIT("a/b")));
	assert_false(repo_url_names(slice_make("git@github.com:a/b\0", 19), github, SLICE_LIT("a/b")));
	buf_add_str(&url, "https://github.com/a/b");
	while (url.len < 5000)
		buf_add_char(&url, '/');
	assert_false(repo_url_names(buf_slice(&url), github, SLICE_LIT("a/b")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(accepts_keys),
		cmocka_unit_test(refuses_keys),
		cmocka_unit_test(knows_the_forms_of_urls),
		cmocka_unit_test(refuses_other_urls),
		cmocka_unit_test(needs_a_good_key_and_a_url_of_bounded_size),
	};
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
