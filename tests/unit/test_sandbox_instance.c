/* test_sandbox_instance.c: directories, disk and files of an instance: made, adopted, removed. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "lib/cleanup.h"
#include "lib/json.h"
#include "sandbox/disk.h"
#include "sandbox/instance.h"
#include "sandbox/tree.h"
#include "sandbox_temp.h"
#include "tests/uids.h"

#define SESSION "00000000-0000-4000-8000-00000000000a"

struct fixture {
	struct conf conf;
	struct instance i;
};

static int setup(void **state)
{
	struct fixture *f = xcalloc(1, sizeof(*f));
	f->conf = (struct conf){ .sandbox_dir = temp_dir(),
				 .sandbox_uid_base = uids_own(),
				 .sandbox_disk = 64 << 20,
				 .github_url = xstrdup("https://git.example") };
	instance_init(&f->i, &f->conf, SESSION, 4);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	autobuf error = { 0 };
	(void)instance_remove(&f->i, &error);
	(void)tree_remove(f->conf.sandbox_dir, &error);
	instance_free(&f->i);
	free(f->conf.sandbox_dir);
	free(f->conf.github_url);
	free(f);
	return error.len == 0 ? 0 : -1;
}

static void create(struct fixture *f)
{
	autobuf error = { 0 };
	if (!instance_create(&f->i, &f->conf, &error))
		fail_msg("%s", buf_cstr(&error));
}

static void adopt(struct fixture *f)
{
	autobuf error = { 0 };
	if (!instance_adopt(&f->i, &f->conf, &error))
		fail_msg("%s", buf_cstr(&error));
}

static void expect(const char *path, mode_t mode, uid_t uid)
{
	struct stat st;
	if (lstat(path, &st) < 0)
		fail_msg("there is no %s", path);
	assert_int_equal(st.st_mode & 07777, mode);
	assert_int_equal(st.st_uid, geteuid() == 0 ? uid : geteuid());
}

static void owners_and_modes(void **state)
{
	struct fixture *f = *state;
	create(f);
	expect(f->conf.sandbox_dir, 0711, 0);
	expect(f->i.dir, 0711, 0);
	expect(f->i.disk, 0711, 0);
	expect(f->i.home, 0700, uids_own() + 6);
	expect(f->i.repo, 0700, uids_own() + 6);
	expect(f->i.tmp, 0700, uids_own() + 6);
	expect(f->i.scratch, 0700, uids_own() + 6);
	expect(f->i.run, 0711, uids_own());
	expect(f->i.shadow, 0755, uids_own() + 1);
	expect(f->i.etc, 0755, 0);
	assert_int_equal(f->i.limited, disk_works(f->conf.sandbox_dir, NULL));
}

static void files_of_etc(void **state)
{
	struct fixture *f = *state;
	create(f);
	autobuf settings = { 0 }, git = { 0 }, passwd = { 0 };
	temp_read(f->i.etc, "claude-code/managed-settings.json", &settings);
	/* The repository's settings can't do without these. */
	static const char *const wanted[] = { "\"ANTHROPIC_BASE_URL\":\"http://127.0.0.1:3129\"",
					      "\"disableAllHooks\":true", "\"allowManagedHooksOnly\":true",
					      "\"apiKeyHelper\":\"\"", "\"allowManagedMcpServersOnly\":true" };
	assert_true(json_check(buf_slice(&settings), NULL));
	for (size_t i = 0; i < sizeof(wanted) / sizeof(*wanted); i++)
		assert_non_null(strstr(buf_cstr(&settings), wanted[i]));
	temp_read(f->i.etc, "gitconfig", &git);
	assert_non_null(
		strstr(buf_cstr(&git), "[url \"http://127.0.0.1:3130/\"]\n\tinsteadOf = \"https://git.example/\"\n"));
	temp_read(f->i.etc, "passwd", &passwd);
	assert_non_null(strstr(buf_cstr(&passwd), "agent:x:1000:1000:"));
	autofree char *file = temp_path(f->i.etc, "passwd"), *mount_point = temp_path(f->i.etc, "ssl/certs");
	expect(file, 0644, 0);
	expect(mount_point, 0755, 0);
}

static void a_second_one_begins_empty(void **state)
{
	struct fixture *f = *state;
	create(f);
	temp_write(f->i.repo, "file", "text");
	create(f);
	autofree char *file = temp_path(f->i.repo, "file");
	assert_int_equal(access(file, F_OK), -1);
}

static void the_disk_is_limited(void **state)
{
	struct fixture *f = *state;
	if (!disk_works(f->conf.sandbox_dir, NULL))
		skip();
	create(f);
	int64_t before = instance_used(&f->i);
	assert_true(before >= 0 && before < 16 << 20);
	autofree char *path = temp_path(f->i.repo, "big");
	autofree char *block = xcalloc(1, 1 << 20);
	memset(block, 'x', 1 << 20);
	autoclose int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	int written = 0;
	while (written < 100 && write(fd, block, 1 << 20) == 1 << 20)
		written++;
	assert_int_equal(errno, ENOSPC);
	assert_true(written > 30 && written < 64);
	assert_true(instance_used(&f->i) - before >= (int64_t)(written - 1) * (1 << 20));
}

static void without_a_limit_what_is_used_is_counted(void **state)
{
	struct fixture *f = *state;
	f->conf.sandbox_disk = 0;
	create(f);
	assert_false(f->i.limited);
	int64_t before = instance_used(&f->i);
	autofree char *text = xcalloc(1, 100001);
	memset(text, 'x', 100000);
	temp_write(f->i.tmp, "file", text);
	assert_true(instance_used(&f->i) - before >= 100000);
}

/* As after a restart: nothing is mounted, and the slot is another one. */
static void an_adopted_one_has_its_files_and_a_new_user(void **state)
{
	struct fixture *f = *state;
	create(f);
	temp_write(f->i.repo, "file", "text");
	autofree char *file = temp_path(f->i.repo, "file");
	assert_int_equal(chown(file, f->i.uid, f->i.gid), 0);
	temp_write(f->i.run, "egress.sock", "");
	autobuf error = { 0 };
	assert_true(disk_unmount(f->i.disk, &error));
	instance_free(&f->i);
	instance_init(&f->i, &f->conf, SESSION, 9);
	adopt(f);
	expect(f->i.home, 0700, uids_own() + 11);
	expect(file, 0644, uids_own() + 11);
	assert_int_equal(f->i.limited, disk_works(f->conf.sandbox_dir, NULL));
	autofree char *socket = temp_path(f->i.run, "egress.sock");
	assert_int_equal(access(socket, F_OK), -1);
}

static void half_an_instance_is_not_adopted(void **state)
{
	struct fixture *f = *state;
	autobuf error = { 0 };
	assert_false(instance_adopt(&f->i, &f->conf, &error));
	create(f);
	assert_int_equal(chmod(f->i.dir, 0700), 0);
	assert_false(instance_adopt(&f->i, &f->conf, &error));
	assert_true(error.len > 0);
}

static void removing_leaves_nothing(void **state)
{
	struct fixture *f = *state;
	autobuf error = { 0 };
	assert_true(instance_remove(&f->i, &error));
	create(f);
	temp_write(f->i.home, "file", "text");
	assert_int_equal(mkdirat(AT_FDCWD, f->i.shadow, 0700), -1);
	assert_true(instance_remove(&f->i, &error));
	assert_int_equal(access(f->i.dir, F_OK), -1);
}

/* A box that is still ending holds files open; the name is free all the same. */
static void a_busy_disk_is_removed(void **state)
{
	struct fixture *f = *state;
	create(f);
	autofree char *path = temp_path(f->i.tmp, "open");
	autoclose int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	autobuf error = { 0 };
	assert_true(instance_remove(&f->i, &error));
	assert_int_equal(access(f->i.dir, F_OK), -1);
}

static void take(const char *session, void *arg)
{
	assert_string_equal(session, SESSION);
	(*(int *)arg)++;
}

static void all_are_listed(void **state)
{
	struct fixture *f = *state;
	int count = 0;
	instance_each(&f->conf, take, &count);
	assert_int_equal(count, 0);
	create(f);
	autofree char *other = temp_path(f->conf.sandbox_dir, "inst/no-session");
	assert_int_equal(mkdir(other, 0700), 0);
	instance_each(&f->conf, take, &count);
	assert_int_equal(count, 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	struct CMUnitTest tests[] = {
		TEST(the_disk_is_limited),
		TEST(owners_and_modes),
		TEST(files_of_etc),
		TEST(a_second_one_begins_empty),
		TEST(without_a_limit_what_is_used_is_counted),
		TEST(an_adopted_one_has_its_files_and_a_new_user),
		TEST(half_an_instance_is_not_adopted),
		TEST(removing_leaves_nothing),
		TEST(a_busy_disk_is_removed),
		TEST(all_are_listed),
	};
	autobuf ignored = { 0 };
	(void)disk_own_mounts(&ignored);
	if (!disk_works("/tmp", NULL))
		tests[0].name = "this machine can't mount a disk (not root?)";
	return cmocka_run_group_tests(tests, NULL, NULL);
}
