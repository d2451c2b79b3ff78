/* test_sandbox_box_spec.c: the command lines of bwrap, compared whole with tests/golden/. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "lib/cleanup.h"
#include "sandbox/box_spec.h"

/* What the golden files call the places of the host. */
static struct instance an_instance(void)
{
	struct conf conf = { .sandbox_dir = xstrdup("/SANDBOX_DIR"), .sandbox_uid_base = 700000 };
	struct instance i;
	instance_init(&i, &conf, "00000000-0000-4000-8000-000000000001", 3);
	free(conf.sandbox_dir);
	return i;
}

/* An option per line with its arguments behind it; the command begins with "--". */
static void readable(const struct buf *args, struct buf *out)
{
	autofree const char **argv = box_spec_argv(args);
	for (size_t i = 0; argv[i]; i++) {
		bool option = i == 0 || argv[i][0] == '-';
		if (i > 0)
			buf_add_char(out, option ? '\n' : ' ');
		buf_add_str(out, argv[i]);
	}
	buf_add_char(out, '\n');
}

static void read_file(const char *path, struct buf *out)
{
	FILE *f = fopen(path, "re");
	if (!f)
		fail_msg("cannot open %s", path);
	out->len = fread(buf_reserve(out, 65536), 1, 65536, f);
	(void)fclose(f);
}

/* CRAFT_UPDATE_GOLDEN=1 writes the file instead. */
static void compare(const char *name, const struct buf *args)
{
	autobuf path = { 0 }, got = { 0 }, wanted = { 0 };
	buf_addf(&path, "%s/tests/golden/%s", TOP_SRCDIR, name);
	readable(args, &got);
	if (getenv("CRAFT_UPDATE_GOLDEN")) {
		FILE *f = fopen(buf_cstr(&path), "we");
		assert_non_null(f);
		assert_int_equal(fwrite(got.data, 1, got.len, f), got.len);
		assert_int_equal(fclose(f), 0);
		return;
	}
	read_file(buf_cstr(&path), &wanted);
	assert_string_equal(buf_cstr(&got), buf_cstr(&wanted));
}

static void a_box(void **state)
{
	(void)state;
	struct instance i = an_instance();
	autobuf args = { 0 };
	const struct cgroup cgroup = { .kind = CGROUP_V1, .memory = "/MEMORY/s", .cpu = "/CPU/s" };
	box_spec_args(&(struct box_spec){ .instance = &i,
					  .cgroup = &cgroup,
					  .agent = "/AGENT/claude",
					  .box = "/LIBEXEC/craft-box",
					  .seccomp_fd = 4,
					  .status_fd = 5,
					  .control_fd = 3 },
		      &args);
	compare("box-args.txt", &args);
	instance_free(&i);
}

static void what_has_no_descriptor_is_left_out(void **state)
{
	(void)state;
	struct instance i = an_instance();
	autobuf args = { 0 }, text = { 0 };
	box_spec_args(&(struct box_spec){ .instance = &i,
					  .agent = "/a",
					  .box = "/b",
					  .seccomp_fd = -1,
					  .status_fd = -1,
					  .control_fd = 3 },
		      &args);
	readable(&args, &text);
	assert_null(strstr(buf_cstr(&text), "--seccomp"));
	assert_null(strstr(buf_cstr(&text), "--json-status-fd"));
	assert_null(strstr(buf_cstr(&text), "/sys"));
	instance_free(&i);
}

static void limits_of_cgroup_v2_are_shown_whole(void **state)
{
	(void)state;
	struct instance i = an_instance();
	autobuf args = { 0 }, text = { 0 };
	const struct cgroup cgroup = { .kind = CGROUP_V2, .memory = "/CGROUP/s", .cpu = "/CGROUP/s" };
	box_spec_args(&(struct box_spec){ .instance = &i, .cgroup = &cgroup, .agent = "/a", .box = "/b" }, &args);
	readable(&args, &text);
	assert_non_null(strstr(buf_cstr(&text), "\n--ro-bind /CGROUP/s /sys/fs/cgroup\n"));
	instance_free(&i);
}

static void git_with_the_network(void **state)
{
	(void)state;
	const char *const writable[] = { "/SANDBOX_DIR/cache/c.git", NULL };
	const char *const readable_paths[] = { "/etc/ca.pem", NULL };
	const char *const environment[] = { "HOME", "/nonexistent", "GIT_CONFIG_NOSYSTEM", "1", NULL };
	const char *const command[] = {
		"/usr/bin/git", "-c", "core.hooksPath=/dev/null", "fetch", "odd\nname", "", NULL
	};
	autobuf args = { 0 };
	git_spec_args(&(struct git_spec){ .network = true,
					  .writable = writable,
					  .readable = readable_paths,
					  .environment = environment,
					  .directory = "/SANDBOX_DIR/cache/c.git",
					  .command = command },
		      &args);
	compare("git-fetch-args.txt", &args);
}

static void git_that_reads_all(void **state)
{
	(void)state;
	const char *const command[] = { "/usr/bin/git", "diff", NULL };
	autobuf args = { 0 };
	git_spec_args(&(struct git_spec){ .read_all = true, .command = command }, &args);
	compare("git-diff-args.txt", &args);
}

static void an_array_of_nothing(void **state)
{
	(void)state;
	struct buf args = { 0 };
	autofree const char **argv = box_spec_argv(&args);
	assert_null(argv[0]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_box),
		cmocka_unit_test(what_has_no_descriptor_is_left_out),
		cmocka_unit_test(limits_of_cgroup_v2_are_shown_whole),
		cmocka_unit_test(git_with_the_network),
		cmocka_unit_test(git_that_reads_all),
		cmocka_unit_test(an_array_of_nothing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
