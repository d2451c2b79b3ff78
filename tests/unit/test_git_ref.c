/* test_git_ref.c: names of branches, and that git itself says the same of each. */
#include <setjmp.h>
#include <spawn.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "git_ref.h"

static const char *const good[] = {
	"main",
	"x;id",
	"feature/x",
	"a/b/c/d",
	"$(id)",
	"`id`",
	"a'b\"c",
	"a|b&c<d>e",
	"%2e%2e",
	"a-",
	"a.b",
	"a@b",
	"@x",
	"x@",
	"a/@",
	"a@}",
	"a{b",
	"a]b",
	"head",
	"HEADS",
	"a/HEAD",
	"refs/heads/x",
	"lock",
	"alock",
	"x.lock2",
	"a.lockx/b",
	"a/-b",
	"\xc3\xa9t\xc3\xa9",
	"\xf0\x9f\x98\x80",
	"0",
	"!",
	"#1",
	"a=b",
	"a,b",
};

static const char *const bad[] = {
	"",	 "-u",	    "--upload-pack=id",
	"-",	 "../x",    "..",
	"a..b",	 "a/../b",  ".",
	".a",	 "a/.b",    "a.",
	"a/b.",	 "a.lock",  "a.lock/b",
	".lock", "a/.lock", "/a",
	"a/",	 "a//b",    "/",
	"HEAD",	 "a@{b",    "@{-1}",
	"@{",	 "a b",	    " a",
	"a ",	 "a~1",	    "a^",
	"a:b",	 "a?b",	    "a*",
	"a[b]",	 "a\\b",    "a\nb",
	"a\tb",	 "a\x01",   "a\x7f",
	"a\r",
};

/* Nothing of this program's user or of a repository around it may have a say. */
static int git_says(const char *name)
{
	char branch[] = "--branch", git[] = "git", check[] = "check-ref-format",
	     path[] = "PATH=/usr/local/bin:/usr/bin:/bin", dir[] = "GIT_DIR=/nonexistent";
	char *argv[] = { git, check, branch, strdup(name), NULL }, *env[] = { path, dir, NULL };
	posix_spawn_file_actions_t actions;
	pid_t pid;
	int wait_status = -1;
	assert_int_equal(posix_spawn_file_actions_init(&actions), 0);
	for (int fd = 1; fd <= 2; fd++)
		assert_int_equal(posix_spawn_file_actions_addopen(&actions, fd, "/dev/null", 1, 0), 0);
	if (posix_spawnp(&pid, git, &actions, NULL, argv, env) == 0)
		assert_int_equal(waitpid(pid, &wait_status, 0), pid);
	(void)posix_spawn_file_actions_destroy(&actions);
	free(argv[3]);
	return WIFEXITED(wait_status) && WEXITSTATUS(wait_status) != 127 ? WEXITSTATUS(wait_status) == 0 : -1;
}

static void compare(const char *const names[], size_t count, bool valid)
{
	if (git_says("main") != 1) {
		print_message("# git is not installed\n");
		skip();
	}
	for (size_t i = 0; i < count; i++) {
		if (git_says(names[i]) != valid)
			fail_msg("git %s: %s", valid ? "refuses" : "takes", names[i]);
	}
}

static void accepts(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++) {
		if (!branch_valid(slice_of(good[i])))
			fail_msg("refused: %s", good[i]);
	}
}

static void refuses(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		if (branch_valid(slice_of(bad[i])))
			fail_msg("not refused: %s", bad[i]);
	}
	assert_false(branch_valid(slice_make(NULL, 0)));
	assert_false(branch_valid(SLICE_LIT("a\0b")));
	assert_false(branch_valid(SLICE_LIT("@")));
}

static void knows_the_longest(void **state)
{
	char name[BRANCH_MAX + 1];
	(void)state;
	memset(name, 'a', sizeof(name));
	assert_true(branch_valid(slice_make(name, BRANCH_MAX)));
	assert_false(branch_valid(slice_make(name, BRANCH_MAX + 1)));
}

static void git_takes_the_good(void **state)
{
	(void)state;
	compare(good, sizeof(good) / sizeof(*good), true);
}

static void git_refuses_the_bad(void **state)
{
	(void)state;
	compare(bad, sizeof(bad) / sizeof(*bad), false);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(accepts),
		cmocka_unit_test(refuses),
		cmocka_unit_test(knows_the_longest),
		cmocka_unit_test(git_takes_the_good),
		cmocka_unit_test(git_refuses_the_bad),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
