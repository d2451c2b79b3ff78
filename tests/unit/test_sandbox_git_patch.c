/* test_sandbox_git_patch.c: what is read from patches that git made, and that git refuses those that were cut. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sandbox/git_patch.h"

#define ID1 "1111111111111111111111111111111111111111"
#define ID2 "2222222222222222222222222222222222222222"
#define NONE "0000000000000000000000000000000000000000"

/* A part of each kind, as git diff --binary --full-index -M writes them. */
static const char whole[] =
	"diff --git a/README.md b/README.md\nindex " ID1 ".." ID2 " 100644\n--- a/README.md\n+++ b/README.md\n"
	"@@ -1,3 +1,4 @@ head\n one\n-two\n+2\n+diff --git a/x b/x\n three\n@@ -10,2 +11,2 @@\n ten\n-eleven\n+11\n"
	"\\ No newline at end of file\n"
	"diff --git a/old b/new\nsimilarity index 100%\nrename from old\nrename to new\n"
	"diff --git a/run b/run\nold mode 100755\nnew mode 100644\n"
	"diff --git a/empty b/empty\nnew file mode 100644\nindex " NONE "..e69de29bb2d1d6434b8b29ae775ad8c2e48c5391\n"
	"diff --git \"a/caf\\303\\251 \\\"x\\\"\" \"b/caf\\303\\251 \\\"x\\\"\"\ndeleted file mode 100644\nindex " ID1
	".." NONE "\n--- \"a/caf\\303\\251 \\\"x\\\"\"\n+++ /dev/null\n@@ -1 +0,0 @@\n-gone\n"
	"diff --git a/pic.bin b/pic.bin\nindex 8352675d67aed6625ece79af41c27fdb4ee2e867.."
	"ef2caffcda6e1bd757164a29c6f81be03d172fd5 100644\nGIT binary patch\nliteral 4\nLcmZQzWM%;X01*HQ\n\nliteral 3\n"
	"KcmZQzWC8#H2LJ>B\n\n"
	"diff --git a/a b b/a b\nindex " ID1 ".." ID2 " 100644\n--- a/a b\t\n+++ b/a b\t\n@@ -1 +1 @@\n-x\n+y\n"
	"diff --git a/sub b/sub\nnew file mode 160000\nindex " NONE ".." ID2
	"\n--- /dev/null\n+++ b/sub\n@@ -0,0 +1 @@\n+Subproject commit " ID2 "\n";

static void files_are_told_apart(void **state)
{
	struct slice rest = slice_of(whole);
	struct git_patch_file file;
	static const char *const names[][2] = { { "a/README.md", "b/README.md" },
						{ "", "" },
						{ "", "" },
						{ "", "" },
						{ "\"a/caf\\303\\251 \\\"x\\\"\"", "/dev/null" },
						{ "", "" },
						{ "a/a b", "b/a b" },
						{ "/dev/null", "b/sub" } };
	size_t count = 0, bytes = 0;
	(void)state;
	for (; git_patch_next(&rest, &file); count++) {
		assert_true(count < 8);
		assert_true(slice_eq_str(file.old, names[count][0]));
		assert_true(slice_eq_str(file.new, names[count][1]));
		bytes += file.whole.len;
	}
	assert_int_equal(count, 8);
	assert_int_equal(bytes, sizeof(whole) - 1);
	rest = SLICE_LIT("no patch\nat all");
	assert_false(git_patch_next(&rest, &file));
	rest = slice_make(NULL, 0);
	assert_false(git_patch_next(&rest, &file));
}

static void expect_name(const char *token, const char *name)
{
	autobuf out = { 0 };
	assert_int_equal(git_patch_name(slice_of(token), &out), name != NULL);
	if (name)
		assert_string_equal(buf_cstr(&out), name);
}

static void names_are_unquoted(void **state)
{
	(void)state;
	expect_name("a/x", "x");
	expect_name("b/dir/x y", "dir/x y");
	expect_name("\"b/\\303\\274 \\\"\\\\ \\n\\t\\a\\377\"", "\303\274 \"\\ \n\t\a\377");
	expect_name("/dev/null", NULL);
	expect_name("a/", NULL);
	expect_name("\"", NULL);
	expect_name("\"a/\\", NULL);
	expect_name("\"a/x\\3\"", "x3");
	expect_name("", NULL);
}

static void what_isnt_text_gets_an_attribute(void **state)
{
	static const char latin[] =
		"diff --git a/good b/good\n--- a/good\n+++ b/good\n@@ -1 +1 @@\n-\303\251\n+e\n"
		"diff --git a/a*\\[b b/a*\\[b\n--- \"a/a*\\\\[b\"\n+++ \"b/a*\\\\[b\"\n@@ -1 +1 @@\n-\351\n+e\n"
		"diff --git a/n b/n\n--- a/n\t\n+++ b/n\n@@ -1 +1 @@\n-\0\n+e\n";
	struct slice patch = { latin, sizeof(latin) - 1 };
	autobuf attributes = { 0 };
	(void)state;
	assert_int_equal(git_patch_attributes(slice_of(whole), &attributes), 0);
	assert_int_equal(git_patch_text(slice_of(whole)), sizeof(whole) - 1);
	assert_int_equal(git_patch_attributes(patch, &attributes), 2);
	assert_string_equal(
		buf_cstr(&attributes),
		"\"/a\\\\*\\\\\\\\\\\\[b\" -diff\n\"/a\\\\*\\\\\\\\\\\\[b\" -diff\n\"/n\" -diff\n\"/n\" -diff\n");
	assert_int_equal(git_patch_text(patch), strstr(latin, "diff --git a/a*") - latin);
}

static void submodules_are_noted(void **state)
{
	autobuf notes = { 0 }, many = { 0 };
	(void)state;
	git_patch_notes(slice_of(whole), &notes);
	assert_string_equal(buf_cstr(&notes),
			    "Only the commit, not the files, of these submodules is in the diff: sub.\n");
	buf_clear(&notes);
	for (int i = 0; i < 12; i++)
		buf_addf(&many,
			 "diff --git a/s%d b/s%d\nindex " ID1 ".." ID2
			 " 160000\n--- a/s%d\n+++ b/s%d\n@@ -1 +1 @@\n-a\n+b\n",
			 i, i, i, i);
	git_patch_notes(buf_slice(&many), &notes);
	assert_non_null(strstr(buf_cstr(&notes), "s0, s1, s2, s3, s4, s5, s6, s7, s8, s9 and 2 more.\n"));
	buf_clear(&notes);
	git_patch_notes(SLICE_LIT("diff --git a/x b/x\n--- a/x\n+++ b/x\n@@ -1 +1 @@\n-a\n+new file mode 160000\n"),
			&notes);
	assert_int_equal(notes.len, 0);
}

/* ---- cutting ---- */

static char scratch[] = "/tmp/test_sandbox_git_patch.XXXXXX";

/* Does git take it for a whole patch? */
static bool git_takes(const struct buf *patch)
{
	int fd = open(scratch, O_WRONLY | O_TRUNC);
	assert_int_equal(write(fd, patch->data, patch->len), patch->len);
	(void)close(fd);
	autobuf command = { 0 };
	buf_addf(&command, "cd / && git apply --numstat %s >/dev/null 2>&1", scratch);
	int status = system(buf_cstr(&command));
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) != 127);
	return WEXITSTATUS(status) == 0;
}

static void cut_at(size_t at, bool inside)
{
	autobuf patch = { 0 };
	buf_add(&patch, whole, at);
	git_patch_cut(&patch, inside, "too long");
	const char *marker = strstr(buf_cstr(&patch), "@@ -1 +1 @@\n# diff cut at ");
	assert_non_null(marker);
	assert_true((size_t)(marker - patch.data) <= at);
	char wanted[64];
	(void)snprintf(wanted, sizeof(wanted), "# diff cut at %zu bytes: too long\n", (size_t)(marker - patch.data));
	assert_string_equal(strchr(marker, '\n') + 1, wanted);
	if (git_takes(&patch))
		fail_msg("git takes what was cut at %zu", at);
}

static void git_refuses_what_was_cut_anywhere(void **state)
{
	autobuf patch = { 0 };
	(void)state;
	int fd = mkstemp(scratch);
	assert_true(fd >= 0);
	(void)close(fd);
	buf_add_str(&patch, whole);
	if (!git_takes(&patch))
		fail_msg("the whole patch is refused");
	for (const char *p = whole; p; p = strchr(p, '\n') ? strchr(p, '\n') + 1 : NULL)
		cut_at((size_t)(p - whole), true);
	for (const char *p = whole; p; p = strstr(p + 1, "diff --git "))
		cut_at((size_t)(p - whole), false);
	cut_at(sizeof(whole) - 1, false);
	cut_at(100, true);
	(void)unlink(scratch);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(files_are_told_apart),
		cmocka_unit_test(names_are_unquoted),
		cmocka_unit_test(what_isnt_text_gets_an_attribute),
		cmocka_unit_test(submodules_are_noted),
		cmocka_unit_test(git_refuses_what_was_cut_anywhere),
	};
	return cmocka_run_group_tests_name("sandbox/git_patch", tests, NULL, NULL);
}
