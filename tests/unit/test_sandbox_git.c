/* test_sandbox_git.c: git's command lines, its words on stderr, and what of its output is read. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "sandbox/git_diff_look.h"
#include "sandbox/git_diff_settle.h"
#include "sandbox/git_error.h"
#include "sandbox/git_run.h"
#include "sandbox/git_steps.h"

/* ---- stderr ---- */

#define GITHUB "https://github.test"

struct said {
	enum git_stage stage;
	enum git_outcome outcome;
	const char *errors;
	const char *text;
};

/* As git 2.39 said it. */
static const struct said said[] = {
	{ GIT_STAGE_FETCH, GIT_NO_ACCESS,
	  "error: unable to read askpass response from '/bin/false'\n"
	  "fatal: could not read Username for 'https://127.0.0.1:45593': terminal prompts disabled\n",
	  "No access to o/r: there is no such repository on " GITHUB ", or the stored credential may not read it." },
	{ GIT_STAGE_FETCH, GIT_UNAUTHORIZED,
	  "remote: Invalid username or token. Password authentication is not supported for Git operations.\n"
	  "fatal: Authentication failed for 'https://127.0.0.1:45593/alice/big.git/'\n",
	  GITHUB " refused the stored credential for o/r: access has to be granted again. It says: Invalid username or "
		 "token. Password authentication is not supported for Git operations." },
	{ GIT_STAGE_FETCH, GIT_NO_ACCESS,
	  "remote: Repository not found.\nfatal: repository 'https://127.0.0.1:45593/alice/nothing.git/' not found\n",
	  "No access to o/r: there is no such repository on " GITHUB ", or the stored credential may not read it." },
	{ GIT_STAGE_FETCH, GIT_NO_ACCESS,
	  "remote: The `octo' organization has enabled or enforced SAML SSO.\n"
	  "fatal: unable to access 'https://github.test/o/r.git/': The requested URL returned error: 403\n",
	  "No access to o/r: there is no such repository on " GITHUB
	  ", or the stored credential may not read it. It says: "
	  "The `octo' organization has enabled or enforced SAML SSO." },
	{ GIT_STAGE_FETCH, GIT_NO_BRANCH, "fatal: couldn't find remote ref refs/heads/nope\n",
	  "There is no branch b in o/r." },
	{ GIT_STAGE_FETCH, GIT_NETWORK,
	  "fatal: unable to access 'https://127.0.0.1:1/a/b.git/': Failed to connect to 127.0.0.1 port 1 after 0 ms: "
	  "Couldn't connect to server\n",
	  "o/r could not be fetched from " GITHUB
	  ": Failed to connect to 127.0.0.1 port 1 after 0 ms: Couldn't connect to server" },
	{ GIT_STAGE_FETCH, GIT_NETWORK,
	  "fatal: unable to access 'https://no.such.host.invalid/a/b.git/': Could not resolve host: "
	  "no.such.host.invalid\n",
	  "o/r could not be fetched from " GITHUB ": Could not resolve host: no.such.host.invalid" },
	{ GIT_STAGE_FETCH, GIT_NETWORK,
	  "fatal: unable to access 'https://127.0.0.1:4/a.git/': server certificate verification failed. CAfile: "
	  "/etc/ssl/certs/ca-certificates.crt CRLfile: none\n",
	  "o/r could not be fetched from " GITHUB
	  ": server certificate verification failed. CAfile: /etc/ssl/certs/ca-certificates.crt CRLfile: none" },
	{ GIT_STAGE_FETCH, GIT_NETWORK,
	  "fatal: unable to access 'https://github.test/o/r.git/': The requested URL returned error: 502\n",
	  "o/r could not be fetched from " GITHUB ": The requested URL returned error: 502" },
	{ GIT_STAGE_FETCH, GIT_NETWORK,
	  "error: RPC failed; curl 18 transfer closed with outstanding read data remaining\n"
	  "error: 1460 bytes of body are still expected\nfetch-pack: unexpected disconnect while reading sideband "
	  "packet\n"
	  "fatal: early EOF\nfatal: fetch-pack: invalid index-pack output\n",
	  "o/r could not be fetched from " GITHUB
	  ": RPC failed; curl 18 transfer closed with outstanding read data remaining" },
	{ GIT_STAGE_FETCH, GIT_TOO_LARGE, "fatal: fetch-pack: invalid index-pack output\n",
	  "o/r is too large: it doesn't fit into what a repository may take (SANDBOX_REPO_MAX, 2 GiB)." },
	{ GIT_STAGE_FETCH, GIT_FAILED,
	  "fatal: write error: No space left on device\nfatal: fetch-pack: invalid index-pack output\n",
	  "Cloning o/r failed: write error: No space left on device" },
	{ GIT_STAGE_FETCH, GIT_FAILED,
	  "error: object 0123: badTree: cannot be parsed as a tree\nfatal: fsck error in packed object\n"
	  "fatal: fetch-pack: invalid index-pack output\n",
	  "Cloning o/r failed: object 0123: badTree: cannot be parsed as a tree" },
	{ GIT_STAGE_CHECKOUT, GIT_TOO_LARGE, "error: unable to write file 'a'\n",
	  "o/r is too large: it doesn't fit into the disk of a sandbox (SANDBOX_DISK, 1.5 GiB)." },
	{ GIT_STAGE_CHECKOUT, GIT_FAILED,
	  "error: inflate: data stream error (incorrect data check)\nfatal: bad tree\n\x1b[31m",
	  "Cloning o/r failed: inflate: data stream error (incorrect data check)" },
	{ GIT_STAGE_CHECKOUT, GIT_FAILED, "", "Cloning o/r failed" },
	{ GIT_STAGE_CHECKOUT, GIT_FAILED, "fatal: \x1b[31mred\xff\n", "Cloning o/r failed: ?[31mred?" },
};

static const struct git_error about = { .repo_key = "o/r",
					.branch = "b",
					.url = GITHUB,
					.repo_max = 2LL << 30,
					.disk = 3LL << 29,
					.timeout = 600,
					.has_token = true };

static void git_is_understood(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(said) / sizeof(*said); i++) {
		struct git_error error = about;
		autobuf text = { 0 };
		error.errors = slice_of(said[i].errors);
		assert_int_equal(git_error_outcome(said[i].stage, error.errors), said[i].outcome);
		git_error_text(said[i].outcome, said[i].stage, &error, &text);
		assert_string_equal(buf_cstr(&text), said[i].text);
	}
}

static void expect_size(int64_t bytes, const char *wanted)
{
	autobuf text = { 0 };
	git_error_size(bytes, &text);
	assert_string_equal(buf_cstr(&text), wanted);
}

static void other_sentences(void **state)
{
	struct git_error error = about;
	autobuf text = { 0 };
	(void)state;
	git_error_text(GIT_OK, GIT_STAGE_FETCH, &error, &text);
	assert_int_equal(text.len, 0);
	git_error_text(GIT_TIMEOUT, GIT_STAGE_FETCH, &error, &text);
	assert_string_equal(buf_cstr(&text), "Cloning o/r took longer than 600 s (SANDBOX_CLONE_TIMEOUT).");
	buf_clear(&text);
	error.branch = "";
	git_error_text(GIT_NO_BRANCH, GIT_STAGE_FETCH, &error, &text);
	assert_string_equal(buf_cstr(&text), "o/r has no commits yet.");
	expect_size(1023, "1023 bytes");
	expect_size(20480, "20 KiB");
	expect_size(100000, "97.7 KiB");
	expect_size(5LL << 40, "5 TiB");
}

/* ---- ls-remote ---- */

#define ID "0123456789abcdef0123456789abcdef01234567"
#define OTHER "89abcdef0123456789abcdef0123456789abcdef"

static void expect_tips(const char *output, const char *wanted, const char *commit, const char *trunk,
			const char *trunk_commit)
{
	struct git_tips tips;
	assert_true(git_step_read_tips(slice_of(output), wanted, &tips));
	assert_string_equal(tips.commit, commit);
	assert_string_equal(tips.trunk, trunk);
	assert_string_equal(tips.trunk_commit, trunk_commit);
}

static void expect_no_tips(const char *output, const char *wanted)
{
	struct git_tips tips;
	assert_false(git_step_read_tips(slice_of(output), wanted, &tips));
}

#define HEAD(id) "ref: refs/heads/trunk\tHEAD\n" id "\tHEAD\n"

static void the_tips_are_read(void **state)
{
	(void)state;
	expect_tips(ID "\trefs/heads/main\n", "main", ID, "", "");
	/* The pattern also matches the end of other names. */
	expect_tips(OTHER "\trefs/heads/x/refs/heads/main\n" ID "\trefs/heads/main\n", "main", ID, "", "");
	expect_tips(HEAD(ID), "", ID, "trunk", "");
	expect_tips(HEAD(ID) ID "\trefs/heads/trunk\n", "trunk", ID, "trunk", "");
	expect_tips(HEAD(OTHER) ID "\trefs/heads/main\n", "main", ID, "trunk", OTHER);
	expect_tips(OTHER "\tHEAD\n" ID "\trefs/heads/main\n", "main", ID, "", "");
	expect_no_tips("", "main");
	expect_no_tips("", "");
	expect_no_tips(ID "\tHEAD\n", "");
	expect_no_tips(HEAD(ID), "main");
	expect_no_tips("ref: refs/tags/x\tHEAD\n" ID "\tHEAD\n", "");
	expect_no_tips(OTHER "\trefs/heads/x/refs/heads/main\n", "main");
	expect_no_tips(ID ID "\trefs/heads/main\n", "main");
	expect_no_tips("no tab\n\n\t\n", "main");
	expect_no_tips("ref: refs/heads/\tHEAD\nref:\tHEAD\n" ID "\tHEAD\n", "");
}

/* ---- the look at a working tree ---- */

static bool excluded(const struct git_diff_look *look, const char *path)
{
	autobuf spec = { 0 };
	buf_addf(&spec, ":(exclude,literal)%s", path);
	for (size_t at = 0; at < look->excluded.len; at += strlen(look->excluded.data + at) + 1)
		if (strcmp(look->excluded.data + at, buf_cstr(&spec)) == 0)
			return true;
	return false;
}

#define HEAD_ENTRY "160000 " OTHER " 0\tsub"

static void find_is_read(void **state)
{
	struct git_diff_look look = { 0 };
	autobuf filled = { 0 }, entries = { 0 }, notes = { 0 };
	(void)state;
	git_diff_look_found(
		&look,
		SLICE_LIT("g .git\0g sub/.git\0g a/b/.git\0f 1048576 big\none\0f 12 x\0p dir/.gitignore\0f 5 cu"));
	assert_int_equal(look.nested.count, 2);
	assert_int_equal(look.large_count, 2);
	assert_string_equal(buf_cstr(&look.large), "big?one (1 MiB)");
	assert_string_equal(buf_cstr(&look.fifo), "dir/.gitignore");
	assert_true(excluded(&look, "big\none") && excluded(&look, "x") && !excluded(&look, "sub"));
	git_diff_look_links(&look,
			    SLICE_LIT("100644 " ID " 0\ta/b\0"
				      "160000 " ID " 0\tsub\0"
				      "160000 " ID " 0\tother\0"
				      "160"),
			    false);
	assert_true(excluded(&look, "sub") && !excluded(&look, "other") && !excluded(&look, "a/b"));
	git_diff_look_filled(&look, &filled);
	assert_true(slice_eq(buf_slice(&filled), SLICE_LIT("sub\0")));
	git_diff_look_heads(&look, SLICE_LIT(OTHER "\tsub\0" ID "\tother\0"
						   "no id\tsub\0\tsub\0" ID "\0" ID "\tsub"));
	git_diff_look_entries(&look, &entries);
	assert_true(entries.len > sizeof(HEAD_ENTRY) && memcmp(entries.data, HEAD_ENTRY, sizeof(HEAD_ENTRY)) == 0);
	git_diff_look_notes(&look, slice_make(NULL, 0), &notes);
	assert_string_equal(buf_cstr(&notes),
			    "Changes of files inside submodules, and commits that were made there, are not "
			    "in the diff and are lost with the sandbox: sub.\n");
	assert_false(look.attributes);
	git_diff_look_free(&look);
	struct git_diff_look every = { 0 };
	git_diff_look_found(&every, SLICE_LIT("a \0"));
	git_diff_look_links(&every, SLICE_LIT("160000 " ID " 0\tother\0"), true);
	assert_true(excluded(&every, "other") && every.attributes);
	git_diff_look_free(&every);
	static const char odd[] = "\0g\0w\0f\0f 12\0f 12 \0p\0";
	for (size_t i = 0; i < 2; i++) {
		struct git_diff_look none = { 0 };
		git_diff_look_found(&none, slice_make(odd, i ? sizeof(odd) - 1 : 0));
		assert_int_equal(none.excluded.len + none.large.len + none.fifo.len + none.nested.count, 0);
		git_diff_look_free(&none);
	}
}

#define ENTRY(dir) "100644 e69de29bb2d1d6434b8b29ae775ad8c2e48c5391 0\t" dir "/.craft-nested\0"

/* Of what may be a repository inside: submodules and linked worktrees stay apart, with all below them. */
static void nested_repositories_are_told_apart(void **state)
{
	struct git_diff_look look = { 0 };
	autobuf files = { 0 }, entries = { 0 }, notes = { 0 };
	(void)state;
	git_diff_look_found(&look, SLICE_LIT("g new/.git\0g new/deep/.git\0g sub/inner/.git\0w tree/.git\0w rel/.git\0"
					     "w mod/.git\0w other/.git\0g tree/x/.git\0"));
	git_diff_look_files(&look, &files);
	assert_true(slice_eq(buf_slice(&files), SLICE_LIT("./mod/.git\0./other/.git\0./rel/.git\0./tree/.git\0")));
	git_diff_look_targets(&look,
			      SLICE_LIT("./tree/.git\0gitdir: /workspace/.git/worktrees/tree\n"
					"./rel/.git\0gitdir: ../.git/worktrees/rel\n"
					"./mod/.git\0gitdir: ../.git/modules/mod\n"
					"./new/.git\0gitdir: /workspace/.git/worktrees/no-file\n"
					"./.git\0gitdir: ../.git/worktrees/x\nx\0\n\0\n./other/.git\0gitdir: "
					"/elsewhere/.git/worktrees/other\n./other/.git\0gitdir: ../.git/worktr"));
	git_diff_look_links(&look, SLICE_LIT("160000 " ID " 0\tsub\0"), false);
	assert_true(excluded(&look, "tree") && excluded(&look, "rel") && !excluded(&look, "mod") &&
		    !excluded(&look, "new") && !excluded(&look, "other") && !excluded(&look, "sub"));
	git_diff_look_entries(&look, &entries);
	assert_true(slice_eq(buf_slice(&entries), SLICE_LIT(ENTRY("new") ENTRY("new/deep") ENTRY("other"))));
	git_diff_look_notes(&look,
			    SLICE_LIT("diff --git a/new/f b/new/f\n--- /dev/null\n+++ b/new/f\n@@ -0,0 +1 @@\n+x\n"
				      "diff --git a/mod/f b/mod/f\n--- /dev/null\n+++ b/mod/f\n@@ -0,0 +1 @@\n+x\n"),
			    &notes);
	assert_string_equal(
		buf_cstr(&notes),
		"In the diff as plain files, without their own history, are these nested repositories: new.\n"
		"Not in the diff, being linked worktrees of this repository, are: tree, rel.\n");
	git_diff_look_free(&look);
}

/* ---- attributes ---- */

#define THIRD "fedcba9876543210fedcba9876543210fedcba98"
#define RAW(mode, id, path) ":100644 " mode " " id " " THIRD " M\0" path "\0"

static void only_what_was_touched_stays_in_the_diff(void **state)
{
	struct git_diff_settle s = { 0 };
	autobuf out = { 0 }, notes = { 0 };
	(void)state;
	git_diff_settle_raw(&s, SLICE_LIT(RAW("100755", ID, "d/untouched") RAW("100644", ID, "d/\"crlf") RAW(
					"100644", ID, "e") ":100644 120000 " ID " " OTHER " T\0link\0"
							   ":000000 100644 " ID " " OTHER " A\0added\0" RAW(
								   "120000", ID, "no") ":100644 100755 " ID " " ID
										       " M\0mode\0:100644 100644 cut"));
	assert_int_equal(s.count, 3);
	git_diff_settle_checkout(&s, &out);
	assert_true(
		slice_eq(buf_slice(&out), SLICE_LIT(".gitattributes\0d/.gitattributes\0d/untouched\0d/\"crlf\0e\0")));
	buf_clear(&out);
	git_diff_settle_paths(&s, &out);
	assert_string_equal(buf_cstr(&out), "\"d/untouched\"\n\"d/\\042crlf\"\n\"e\"\n");
	buf_clear(&out);
	assert_false(git_diff_settle_hashed(&s, GIT_DIFF_FRESH, SLICE_LIT(ID "\n" ID "\n")));
	assert_false(git_diff_settle_hashed(&s, GIT_DIFF_FRESH, SLICE_LIT("fatal\n" ID "\n" ID "\n")));
	assert_true(git_diff_settle_hashed(&s, GIT_DIFF_FRESH, SLICE_LIT(ID "\n" ID "\n" ID "\n")));
	assert_true(git_diff_settle_hashed(&s, GIT_DIFF_NOW, SLICE_LIT(ID "\n" OTHER "\n" OTHER "\n")));
	assert_true(git_diff_settle_touched(&s));
	assert_true(git_diff_settle_hashed(&s, GIT_DIFF_CLEAN, SLICE_LIT(OTHER "\n" OTHER "\n" ID "\n")));
	git_diff_settle_entries(&s, &out, &notes);
	assert_true(slice_eq(buf_slice(&out), SLICE_LIT("100755 " ID " 0\td/untouched\0"
							"100644 " OTHER " 0\td/\"crlf\0")));
	assert_string_equal(buf_cstr(&notes),
			    "The line ends of these files are not as .gitattributes says, in the repository as "
			    "well; git apply takes their diff, git apply --index doesn't: d/\"crlf.\n");
	git_diff_settle_free(&s);
}

/* ---- command lines ---- */

static bool has(const struct buf *args, const char *arg, const char *next)
{
	for (const char *p = args->data; p < args->data + args->len; p += strlen(p) + 1)
		if (strcmp(p, arg) == 0 && (!next || strcmp(p + strlen(p) + 1, next) == 0))
			return true;
	return false;
}

static struct conf conf = { .sandbox_uid_base = 700000 };

static void git_is_hardened(void **state)
{
	static const char *const args[] = { "fetch", "--", GITHUB "/o/r.git", NULL };
	static const char *const settings[][2] = {
		{ "-c", "core.hooksPath=/dev/null" },	  { "-c", "core.fsmonitor=false" },
		{ "-c", "core.sshCommand=/bin/false" },	  { "-c", "protocol.ext.allow=never" },
		{ "-c", "protocol.file.allow=never" },	  { "-c", "transfer.fsckObjects=true" },
		{ "-c", "submodule.recurse=false" },	  { "-c", "credential.helper=" },
		{ "-c", "core.attributesFile=/dev/null" }
	};
	static const char *const variables[][2] = {
		{ "HOME", "/nonexistent" },	{ "GIT_CONFIG_NOSYSTEM", "1" },	 { "GIT_CONFIG_GLOBAL", "/dev/null" },
		{ "GIT_TERMINAL_PROMPT", "0" }, { "GIT_ASKPASS", "/bin/false" }, { "GIT_LFS_SKIP_SMUDGE", "1" }
	};
	char url[] = GITHUB, ca_file[] = "/ca.pem";
	(void)state;
	conf.github_url = url;
	conf.github_ca_file = ca_file;
	for (int network = 0; network < 2; network++) {
		struct git_run_options options = {
			.conf = &conf, .args = args, .network = network, .token_fd = network ? 7 : -1
		};
		autobuf out = { 0 };
		git_run_args(&options, &out);
		for (size_t i = 0; i < sizeof(settings) / sizeof(*settings); i++)
			assert_true(has(&out, settings[i][0], settings[i][1]));
		for (size_t i = 0; i < sizeof(variables) / sizeof(*variables); i++)
			assert_true(has(&out, variables[i][0], variables[i][1]));
		assert_true(has(&out, "GIT_ALLOW_PROTOCOL", network ? "https" : "none"));
		assert_int_equal(has(&out, "--unshare-net", NULL), !network);
		assert_int_equal(has(&out, "-c", "http.sslCAInfo=/ca.pem"), network);
		/* The token goes to this host only, and is in a descriptor. */
		assert_int_equal(has(&out, "-c",
				     "credential." GITHUB
				     ".helper=!f() { test \"$1\" = get && echo username=x-access-token && "
				     "printf password= && cat /proc/self/fd/3; }; f"),
				 network);
		assert_true(has(&out, "fetch", "--"));
	}
	url[4] = ':', url[5] = '/', url[6] = '/', url[7] = 'x'; /* http://x… */
	struct git_run_options plain = { .conf = &conf, .args = args, .network = true, .token_fd = -1 };
	autobuf out = { 0 };
	git_run_args(&plain, &out);
	assert_true(has(&out, "GIT_ALLOW_PROTOCOL", "http"));
}

static void the_token_cant_be_changed(void **state)
{
	char back[32];
	(void)state;
	assert_int_equal(git_token(slice_make(NULL, 0)), -1);
	int fd = git_token(SLICE_LIT("gho_secret"));
	assert_true(fd >= 0);
	assert_int_equal(pread(fd, back, sizeof(back), 0), 10);
	assert_memory_equal(back, "gho_secret", 10);
	assert_int_equal(pwrite(fd, "x", 1, 0), -1);
	assert_int_equal(ftruncate(fd, 0), -1);
	assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	(void)close(fd);
}

static void names_in_the_cache(void **state)
{
	char dir[] = "/srv/sbx", one[] = GITHUB "/o/r.git", two[] = GITHUB "/o/R.git";
	(void)state;
	conf.sandbox_dir = dir;
	char *a = git_cache_path(&conf, "team", one), *b = git_cache_path(&conf, "team", two);
	char *c = git_cache_path(&conf, "other", one), *ref = git_cache_ref("feat/../x");
	/* printf 'team\0https://github.test/o/r.git' | sha256sum */
	assert_string_equal(a, "/srv/sbx/cache/w-5df81bd24a6f8da1cbf2a1412fb353a6b746c2d7660abd4cdf5d9bdd72db1123.git");
	assert_string_not_equal(a, b);
	assert_string_not_equal(a, c);
	free(c);
	assert_int_equal(strlen(ref), strlen("refs/craft/") + 40);
	assert_null(strstr(ref, ".."));
	free(a);
	free(b);
	free(ref);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(git_is_understood),
		cmocka_unit_test(other_sentences),
		cmocka_unit_test(the_tips_are_read),
		cmocka_unit_test(find_is_read),
		cmocka_unit_test(git_is_hardened),
		cmocka_unit_test(the_token_cant_be_changed),
		cmocka_unit_test(names_in_the_cache),
		cmocka_unit_test(nested_repositories_are_told_apart),
		cmocka_unit_test(only_what_was_touched_stays_in_the_diff),
	};
	return cmocka_run_group_tests_name("sandbox/git", tests, NULL, NULL);
}
