/* test_sandbox_git_absent.c: what is said of a checkout's submodules, Git LFS pointers and histories, and which
 * repositories may be read for them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "sandbox/git_absent.h"

#define ID "0123456789abcdef0123456789abcdef01234567"
#define LINK(path) "160000 " ID " 0\t" path "\0"
#define MODULE(name, path, url) "submodule." name ".path\n" path "\0submodule." name ".url\n" url "\0"

static const struct git_absent_names names = {
	.github_url = "https://git.example", .repo_key = "alice/notes", .branch = "feature", .trunk = "main"
};

static void read_one(struct git_absent *absent, const char *url)
{
	autobuf output = { 0 };
	buf_add(&output, LINK("sub"), sizeof(LINK("sub")) - 1);
	buf_add(&output, "submodule.s.path\nsub", sizeof("submodule.s.path\nsub"));
	buf_addf(&output, "submodule.s.url\n%s", url);
	buf_add(&output, "\0lfs", 5);
	git_absent_read(absent, &names, buf_slice(&output), false);
}

static void urls_name_repositories_of_the_host(void **state)
{
	static const struct {
		const char *url, *repo_key; /* NULL: none of ours */
	} all[] = {
		{ "https://git.example/bob/lib", "bob/lib" },
		{ "https://git.example/bob/lib.git", "bob/lib" },
		{ "https://git.example/bob/lib.git/", "bob/lib" },
		{ "HTTPS://GIT.example/Bob/l.i-b_", "Bob/l.i-b_" },
		{ "../lib.git", "alice/lib" },
		{ "../lib", "alice/lib" },
		{ ".././lib", "alice/lib" },
		{ "../../bob/lib.git", "bob/lib" },
		{ "../../../git.example/bob/lib", "bob/lib" },
		{ "../../../../../../../../x/y", NULL },
		{ "./lib.git", NULL },
		{ "", NULL },
		{ "lib", NULL },
		{ "/bob/lib", NULL },
		{ "https://git.example/bob", NULL },
		{ "https://git.example/bob/", NULL },
		{ "https://git.example/bob/lib/more", NULL },
		{ "https://git.example/bob/..", NULL },
		{ "https://git.example/../lib", NULL },
		{ "https://git.example/bob/li%62", NULL },
		{ "https://git.example/bob/lib?x", NULL },
		{ "https://git.example/bob/li\nb", NULL },
		{ "https://git.example.evil/bob/lib", NULL },
		{ "https://git.example@evil/bob/lib", NULL },
		{ "https://git.example:444/bob/lib", NULL },
		{ "https://x:y@git.example/bob/lib", NULL },
		{ "http://git.example/bob/lib", NULL },
		{ "ssh://git@git.example/bob/lib", NULL },
		{ "git@git.example:bob/lib.git", NULL },
		{ "ext::sh -c id", NULL },
		{ "file:///etc", NULL },
		{ "-uhttps://git.example/bob/lib", NULL },
	};
	(void)state;
	for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++) {
		struct git_absent absent = { 0 };
		autobuf wanted = { 0 };
		read_one(&absent, all[i].url);
		buf_addf(&wanted, "%s%s", all[i].repo_key ? all[i].repo_key : "", all[i].repo_key ? "\n" : "");
		if (strcmp(buf_cstr(&absent.repositories), buf_cstr(&wanted)) != 0)
			fail_msg("%s: %s", all[i].url, buf_cstr(&absent.repositories));
		assert_non_null(strstr(buf_cstr(&absent.note), all[i].repo_key ? "\"sub\". It works for public"
									       : "can't be fetched in the sandbox: "
										 "\"sub\". Only repositories whose"));
		git_absent_free(&absent);
	}
	/* The sandbox's own is read anyway. */
	struct git_absent own = { 0 };
	read_one(&own, "https://git.example/Alice/Notes.git");
	assert_int_equal(own.repositories.len, 0);
	assert_non_null(strstr(buf_cstr(&own.note), "It works for public"));
	git_absent_free(&own);
}

static void all_of_it_is_said(void **state)
{
	struct git_absent absent = { 0 }, again = { 0 };
	autobuf text = { 0 };
	(void)state;
	git_absent_read(
		&absent, &names,
		SLICE_LIT(LINK("libs/a") LINK("b") LINK("none") LINK("c") MODULE("libs/a", "libs/a", "../a.git") MODULE(
			"x.y", "b", "https://git.example/bob/b") MODULE("c", "c", "git@git.example:bob/c.git")
				  MODULE("c2", "unused", "../unused") "apart\0lfs\0big.psd\0d/b \"\x1b\xff.bin\0cut"),
		false);
	assert_string_equal(buf_cstr(&absent.repositories), "alice/a\nbob/b\n");
	assert_string_equal(
		buf_cstr(&absent.note),
		"The commit at which the branches \"feature\", \"main\" part is further back than the history that is "
		"here, so that git merge-base finds none; `git fetch --unshallow` brings all of it.\n"
		"These submodules are empty directories until `git submodule update --init` fetches them: \"libs/a\", "
		"\"b\". It works for public repositories, and for those to which this workspace has been given access "
		"too.\n"
		"These submodules are empty directories and can't be fetched in the sandbox: \"none\", \"c\". Only "
		"repositories whose URL in .gitmodules is relative or begins with https://git.example/ can, and no "
		"more "
		"than 32.\n"
		"These files are Git LFS pointers, their contents can't be fetched in the sandbox: \"big.psd\", "
		"\"d/b????.bin\".\n");
	git_absent_write(&absent, &text);
	git_absent_parse(&again, buf_slice(&text));
	assert_string_equal(buf_cstr(&again.repositories), buf_cstr(&absent.repositories));
	assert_string_equal(buf_cstr(&again.note), buf_cstr(&absent.note));
	git_absent_free(&absent);
	git_absent_free(&again);
}

static void nothing_is_said_of_what_is_all_there(void **state)
{
	static const char odd[] = "submodule.\0submodule.x\n\0submodule.x.path\0"
				  "160000\0"
				  "160000 \t\0\0lfs\0";
	struct git_absent absent = { 0 };
	(void)state;
	git_absent_read(&absent, &names, slice_make(NULL, 0), false);
	git_absent_read(&absent, &names, SLICE_LIT("lfs\0"), false);
	git_absent_read(&absent, &names, slice_make(odd, sizeof(odd) - 1), true);
	git_absent_parse(&absent, slice_make(NULL, 0));
	assert_int_equal(absent.note.len + absent.repositories.len, 0);
	git_absent_free(&absent);
}

/* A commit may name as many as it likes. */
static void many_have_a_bound(void **state)
{
	struct git_absent absent = { 0 };
	autobuf output = { 0 };
	size_t lines = 0;
	(void)state;
	for (int i = 0; i < 5000; i++) {
		buf_addf(&output, "160000 " ID " 0\tmodule-%04d", i);
		buf_add_char(&output, '\0');
	}
	for (int i = 0; i < 5000; i++) {
		buf_addf(&output, "submodule.%d.path\nmodule-%04d", i, i);
		buf_add_char(&output, '\0');
		buf_addf(&output, "submodule.%d.url\n../r%d", i, i);
		buf_add_char(&output, '\0');
	}
	buf_add(&output, "lfs", 4);
	for (int i = 0; i < 5000; i++)
		buf_add(&output, "f", 2);
	git_absent_read(&absent, &names, buf_slice(&output), true);
	for (size_t i = 0; i < absent.repositories.len; i++)
		lines += absent.repositories.data[i] == '\n';
	assert_int_equal(lines, GIT_ABSENT_REPOSITORIES);
	assert_non_null(strstr(buf_cstr(&absent.note), "\"module-0009\" and at least 22 more. It works"));
	assert_non_null(strstr(buf_cstr(&absent.note), "\"module-0041\" and at least 458 more. Only"));
	assert_non_null(strstr(buf_cstr(&absent.note), "\"f\" and at least 4990 more.\n"));
	assert_true(absent.note.len < 2000);
	git_absent_free(&absent);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(urls_name_repositories_of_the_host),
		cmocka_unit_test(all_of_it_is_said),
		cmocka_unit_test(nothing_is_said_of_what_is_all_there),
		cmocka_unit_test(many_have_a_bound),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
