/* test_sandbox_probe.c: the daemon's self-check, with a real box. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "lib/cleanup.h"
#include "sandbox/cgroup.h"
#include "sandbox/disk.h"
#include "sandbox/probe.h"
#include "sandbox/reach.h"
#include "sandbox/seccomp.h"
#include "sandbox/tree.h"
#include "sandbox_temp.h"
#include "tests/uids.h"

static char parent[64];

struct fixture {
	struct conf conf;
	struct buf protection, error;
	int filter;
};

static int setup(void **state)
{
	struct fixture *f = xcalloc(1, sizeof(*f));
	f->conf = (struct conf){ .sandbox_dir = temp_dir(),
				 .sandbox_libexec = xstrdup(TOP_BUILDDIR "/sandbox"),
				 .sandbox_agent = xstrdup("/bin/true"),
				 .sandbox_require = xstrdup(""),
				 .github_url = xstrdup("https://git.example"),
				 .sandbox_uid_base = uids_own(),
				 .sandbox_memory = 1 << 30,
				 .sandbox_pids = 512,
				 .sandbox_cpu = 100,
				 .sandbox_disk = 1 << 30 };
	/* The tree may lie where only root may enter. */
	if (geteuid() == 0 && !reach_prepare(&f->conf, &f->error))
		fail_msg("%s", buf_cstr(&f->error));
	f->filter = seccomp_export(&f->error);
	assert_true(f->filter >= 0);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	autobuf error = { 0 };
	(void)tree_remove(f->conf.sandbox_dir, &error);
	free(f->conf.sandbox_dir);
	free(f->conf.sandbox_libexec);
	free(f->conf.sandbox_agent);
	free(f->conf.sandbox_require);
	free(f->conf.github_url);
	buf_free(&f->protection);
	buf_free(&f->error);
	(void)close(f->filter);
	free(f);
	return 0;
}

static bool probe(struct fixture *f, int filter)
{
	return probe_run(&f->conf, parent, filter, &f->protection, &f->error);
}

static bool has(struct fixture *f, const char *name)
{
	return strstr(buf_cstr(&f->protection), name) != NULL;
}

static void require(struct fixture *f, const char *names)
{
	free(f->conf.sandbox_require);
	f->conf.sandbox_require = xstrdup(names);
}

static void what_this_machine_can(void **state)
{
	struct fixture *f = *state;
	require(f, "user-namespace pid-namespace ipc-namespace network-namespace seccomp read-only-root");
	if (!probe(f, f->filter))
		fail_msg("%s", buf_cstr(&f->error));
	print_message("# in force: %s\n", buf_cstr(&f->protection));
	assert_int_equal(has(f, "uid"), geteuid() == 0);
	assert_int_equal(has(f, "disk"), disk_works("/tmp", NULL));
	autobuf about = { 0 };
	if (cgroup_probe(parent, &about) != CGROUP_NONE)
		assert_true(has(f, "memory") && has(f, "pids") && has(f, "cpu"));
	autofree char *left = temp_path(f->conf.sandbox_dir, "inst/00000000-0000-4000-8000-000000000000");
	assert_int_equal(access(left, F_OK), -1);
}

static void without_the_filter_it_is_not_in_force(void **state)
{
	struct fixture *f = *state;
	require(f, "pid-namespace seccomp");
	assert_false(probe(f, -1));
	assert_non_null(strstr(buf_cstr(&f->error), "seccomp: unshare is allowed, and SANDBOX_REQUIRE names it"));
}

static void limits_that_are_not_wanted_are_not_in_force(void **state)
{
	struct fixture *f = *state;
	f->conf.sandbox_memory = f->conf.sandbox_cpu = f->conf.sandbox_disk = f->conf.sandbox_pids = 0;
	assert_true(probe(f, f->filter));
	assert_true(has(f, "seccomp"));
	assert_false(has(f, "memory") || has(f, "cpu") || has(f, "disk") || has(f, "pids"));
}

static void a_box_that_can_not_start_says_why(void **state)
{
	struct fixture *f = *state;
	free(f->conf.sandbox_agent);
	f->conf.sandbox_agent = xstrdup("/nonexistent/agent");
	assert_false(probe(f, f->filter));
	assert_non_null(strstr(buf_cstr(&f->error), "no box can be started"));
	assert_non_null(strstr(buf_cstr(&f->error), "/nonexistent/agent"));
}

static void names_are_checked(void **state)
{
	struct fixture *f = *state;
	assert_true(probe_check_names("", &f->error));
	assert_true(probe_check_names("none", &f->error));
	assert_true(probe_check_names(" seccomp  uid disk ", &f->error));
	assert_false(probe_check_names("seccomp secomp", &f->error));
	assert_non_null(strstr(buf_cstr(&f->error), "there is no protection secomp;"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

static int remove_cgroups(void **state)
{
	(void)state;
	cgroup_end(parent);
	return 0;
}

int main(void)
{
	autobuf about = { 0 };
	(void)snprintf(parent, sizeof(parent), "craft-test-%d", (int)getpid());
	(void)disk_own_mounts(&about);
	(void)cgroup_probe(parent, &about);
	const struct CMUnitTest tests[] = {
		TEST(what_this_machine_can),
		TEST(without_the_filter_it_is_not_in_force),
		TEST(limits_that_are_not_wanted_are_not_in_force),
		TEST(a_box_that_can_not_start_says_why),
		TEST(names_are_checked),
	};
	return cmocka_run_group_tests(tests, NULL, remove_cgroups);
}
