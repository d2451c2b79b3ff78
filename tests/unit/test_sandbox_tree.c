/* test_sandbox_tree.c: removing, walking and giving away directory trees that somebody hostile has made. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "lib/cleanup.h"
#include "sandbox/tree.h"
#include "sandbox_temp.h"

#define DEPTH 3000

struct fixture {
	char *dir, *victim;
};

static int setup(void **state)
{
	struct fixture *f = xcalloc(1, sizeof(*f));
	f->dir = temp_dir();
	f->victim = temp_dir();
	temp_write(f->victim, "precious", "text");
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	autobuf error = { 0 };
	(void)tree_remove(f->dir, &error);
	(void)tree_remove(f->victim, &error);
	free(f->dir);
	free(f->victim);
	free(f);
	return 0;
}

static void removes(const char *path)
{
	autobuf error = { 0 };
	if (!tree_remove(path, &error))
		fail_msg("%s", buf_cstr(&error));
	assert_int_equal(access(path, F_OK), -1);
}

/* A chain of directories, with a file and an entry that gets in the way in each. */
static void make_deep(const char *dir, mode_t mode)
{
	int at = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(at >= 0);
	for (int i = 0; i < DEPTH; i++) {
		int file = openat(at, "file", O_WRONLY | O_CREAT | O_CLOEXEC, 0);
		assert_true(file >= 0);
		assert_int_equal(close(file), 0);
		assert_int_equal(mkdirat(at, "a", 0700), 0);
		int next = openat(at, "a", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		assert_true(next >= 0);
		if (i % 7 == 0)
			assert_int_equal(mkdirat(at, ".moved-0", 0700), 0);
		assert_int_equal(fchmod(at, mode), 0);
		assert_int_equal(close(at), 0);
		at = next;
	}
	assert_int_equal(close(at), 0);
}

static void deep_trees(void **state)
{
	struct fixture *f = *state;
	make_deep(f->dir, 0700);
	removes(f->dir);
}

static void trees_without_permissions(void **state)
{
	struct fixture *f = *state;
	make_deep(f->dir, 0);
	removes(f->dir);
}

static void links_are_removed_not_followed(void **state)
{
	struct fixture *f = *state;
	autofree char *inside = temp_path(f->dir, "sub");
	autofree char *link = temp_path(inside, "link");
	autofree char *outer = temp_path(f->dir, "link");
	assert_int_equal(mkdir(inside, 0700), 0);
	assert_int_equal(symlink(f->victim, link), 0);
	assert_int_equal(symlink(f->victim, outer), 0);
	removes(f->dir);
	autofree char *precious = temp_path(f->victim, "precious");
	assert_int_equal(access(precious, F_OK), 0);
	assert_int_equal(symlink(f->victim, f->dir), 0);
	removes(f->dir);
	assert_int_equal(access(precious, F_OK), 0);
}

static void wide_trees(void **state)
{
	struct fixture *f = *state;
	for (int i = 0; i < 60; i++) {
		char name[32];
		(void)snprintf(name, sizeof(name), "d%d", i);
		autofree char *sub = temp_path(f->dir, name);
		assert_int_equal(mkdir(sub, 0700), 0);
		for (int k = 0; k < 60; k++) {
			(void)snprintf(name, sizeof(name), "e%d", k);
			autofree char *deeper = temp_path(sub, name);
			assert_int_equal(mkdir(deeper, 0700), 0);
			temp_write(deeper, "f", "");
		}
	}
	removes(f->dir);
}

static void what_is_not_there_is_removed(void **state)
{
	struct fixture *f = *state;
	autofree char *path = temp_path(f->dir, "none");
	removes(path);
}

static void count(int at, const char *name, const struct stat *st, void *arg)
{
	(void)at;
	(void)name;
	(void)st;
	(*(int *)arg)++;
}

static void a_walk_sees_all_and_follows_nothing(void **state)
{
	struct fixture *f = *state;
	make_deep(f->dir, 0700);
	autofree char *link = temp_path(f->dir, "link");
	assert_int_equal(symlink(f->victim, link), 0);
	int seen = 0;
	assert_true(tree_walk(f->dir, count, &seen));
	assert_int_equal(seen, 2 * DEPTH + (DEPTH + 6) / 7 + 1);
}

static void size_is_what_the_disk_holds(void **state)
{
	struct fixture *f = *state;
	int64_t before = tree_size(f->dir);
	autofree char *text = xcalloc(1, 300000 + 1);
	memset(text, 'x', 300000);
	temp_write(f->dir, "file", text);
	int64_t size = tree_size(f->dir) - before;
	assert_true(size >= 300000 && size < 400000);
	assert_int_equal(tree_size("/nonexistent/x"), -1);
}

static void all_is_given_away_but_what_links_lead_to(void **state)
{
	struct fixture *f = *state;
	if (geteuid() != 0)
		skip();
	autofree char *sub = temp_path(f->dir, "sub"), *link = temp_path(sub, "link"), *file = temp_path(sub, "file");
	assert_int_equal(mkdir(sub, 0), 0);
	temp_write(sub, "file", "");
	assert_int_equal(symlink(f->victim, link), 0);
	assert_true(tree_chown(f->dir, 700123, 700124));
	struct stat st;
	assert_int_equal(lstat(file, &st), 0);
	assert_int_equal(st.st_uid, 700123);
	assert_int_equal(st.st_gid, 700124);
	assert_int_equal(lstat(link, &st), 0);
	assert_int_equal(st.st_uid, 700123);
	assert_int_equal(stat(f->victim, &st), 0);
	assert_int_equal(st.st_uid, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	struct CMUnitTest tests[] = {
		TEST(deep_trees),
		TEST(trees_without_permissions),
		TEST(links_are_removed_not_followed),
		TEST(wide_trees),
		TEST(what_is_not_there_is_removed),
		TEST(a_walk_sees_all_and_follows_nothing),
		TEST(size_is_what_the_disk_holds),
		TEST(all_is_given_away_but_what_links_lead_to),
	};
	if (geteuid() != 0)
		tests[sizeof(tests) / sizeof(*tests) - 1].name = "this machine can't give files away (not root)";
	return cmocka_run_group_tests(tests, NULL, NULL);
}
