/* test_sandbox_cgroup.c: real cgroups when root has them, and directories that look like cgroup v2. */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "child.h"
#include "lib/cleanup.h"
#include "sandbox/cgroup.h"
#include "sandbox/cgroup_find.h"
#include "sandbox/tree.h"
#include "sandbox_temp.h"

#define ROOT_ONLY 5 /* tests at the head of the list */

static char parent[64];

static bool available;

/* Real cgroups, or a skip, whose reason is the name that main() gives the test. */
static void need(bool there)
{
	if (!there)
		skip();
}

static struct cgroup make(const char *name, struct cgroup_limits limits)
{
	autobuf error = { 0 };
	struct cgroup c;
	if (!cgroup_make(parent, name, &limits, &c, &error))
		fail_msg("%s", buf_cstr(&error));
	return c;
}

static bool join_all(const struct cgroup *c)
{
	for (int i = 0; i < CGROUP_MAX_PATHS && c->paths[i]; i++)
		if (!cgroup_write(c->paths[i], "cgroup.procs", "0"))
			return false;
	return true;
}

struct job {
	const struct cgroup *cgroup;
	int (*work)(void);
	int joined[2];
};

static int join_and_work(void *user)
{
	const struct job *job = user;
	if (!join_all(job->cgroup))
		return 99;
	(void)close(job->joined[0]);
	(void)close(job->joined[1]);
	return job->work();
}

/* A child that runs work and exits with what it returns; it is in the cgroup already. */
static pid_t start(const struct cgroup *c, int (*work)(void))
{
	int joined[2];
	char byte;
	assert_int_equal(pipe2(joined, O_CLOEXEC), 0);
	pid_t pid = child_start(join_and_work, &(struct job){ c, work, { joined[0], joined[1] } });
	assert_true(pid >= 0);
	assert_int_equal(close(joined[1]), 0);
	assert_int_equal(read(joined[0], &byte, 1), 0);
	assert_int_equal(close(joined[0]), 0);
	return pid;
}

static int status_of(pid_t pid)
{
	int status;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

static int wait_for_death(void *user)
{
	(void)user;
	while (pause() != 0)
		;
	return 0;
}

/* 7 when another process was refused in the end; the children wait for their death. */
static int fork_bomb(void)
{
	for (int i = 0; i < 100; i++)
		if (child_start(wait_for_death, NULL) < 0)
			return 7;
	return 0;
}

static int memory_bomb(void)
{
	const size_t size = 256u << 20;
	char *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (p == MAP_FAILED)
		return 1;
	for (size_t at = 0; at < size; at += 4096)
		((volatile char *)p)[at] = 1;
	return 0;
}

static int sleeper(void)
{
	(void)pause();
	return 0;
}

static void processes_are_limited_and_killed(void **state)
{
	(void)state;
	need(available);
	struct cgroup c = make("pids", (struct cgroup_limits){ .pids = 20 });
	need(c.pids);
	int status = status_of(start(&c, fork_bomb));
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 7);
	autofree char *path = xstrdup(c.pids);
	assert_true(cgroup_remove(&c));
	assert_int_equal(access(path, F_OK), -1);
	assert_null(c.paths[0]);
}

static void memory_is_limited_and_counted(void **state)
{
	(void)state;
	need(available);
	struct cgroup c = make("memory", (struct cgroup_limits){ .memory = 64 << 20 });
	need(c.memory);
	assert_int_equal(cgroup_oom_kills(&c), 0);
	int status = status_of(start(&c, memory_bomb));
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	assert_true(cgroup_oom_kills(&c) >= 1);
	assert_true(cgroup_memory(&c) >= 0 && cgroup_memory(&c) <= 64 << 20);
	assert_true(cgroup_remove(&c));
}

static void the_cpu_limit_is_in_force(void **state)
{
	(void)state;
	need(available);
	struct cgroup c = make("cpu", (struct cgroup_limits){ .cpu = 150 });
	need(c.cpu);
	autobuf text = { 0 };
	assert_true(cgroup_read(c.cpu, c.kind == CGROUP_V2 ? "cpu.max" : "cpu.cfs_quota_us", &text));
	assert_int_equal(strtol(buf_cstr(&text), NULL, 10), 150000);
	assert_true(cgroup_remove(&c));
}

/* As a daemon that was killed leaves it: the next one clears all, and a sandbox of that name can be made at once. */
static void leftovers_are_ended(void **state)
{
	(void)state;
	need(available);
	struct cgroup left = make("left", (struct cgroup_limits){ .pids = 20 });
	pid_t first = start(&left, sleeper);
	struct cgroup again = make("left", (struct cgroup_limits){ .pids = 20 });
	assert_true(WIFSIGNALED(status_of(first)));
	pid_t second = start(&again, sleeper);
	cgroup_remove_all(parent);
	assert_true(WIFSIGNALED(status_of(second)));
	assert_int_equal(access(again.paths[0], F_OK), -1);
	assert_true(cgroup_remove(&left));
	assert_true(cgroup_remove(&again));
}

/* Where the kernel's cgroup v2 is to be seen, with or without controllers. */
static const char *unified(void)
{
	static const char *const places[] = { "/sys/fs/cgroup", "/sys/fs/cgroup/unified" };
	for (size_t i = 0; i < sizeof(places) / sizeof(*places); i++) {
		autobuf text = { 0 };
		if (cgroup_read(places[i], "cgroup.controllers", &text))
			return places[i];
	}
	return NULL;
}

static void a_frozen_v2_one_is_killed(void **state)
{
	(void)state;
	need(available && unified());
	autofree char *dir = temp_path(unified(), parent);
	assert_int_equal(mkdir(dir, 0755), 0);
	struct cgroup c = { .kind = CGROUP_V2, .paths = { xstrdup(dir) } };
	pid_t pid = start(&c, sleeper);
	assert_true(cgroup_write(dir, "cgroup.freeze", "1"));
	assert_true(cgroup_remove(&c));
	assert_true(WIFSIGNALED(status_of(pid)));
	assert_int_equal(access(dir, F_OK), -1);
}

/* ---- what find makes of other machines ---- */

static void found(const char *root, const char *self, struct cgroup_base *base, struct buf *about)
{
	cgroup_find(root, self, "sandboxes", base, about);
}

static void a_machine_without_cgroups(void **state)
{
	(void)state;
	autofree char *root = temp_dir();
	struct cgroup_base base;
	autobuf about = { 0 }, error = { 0 };
	found(root, "0::/\n", &base, &about);
	assert_int_equal(base.kind, CGROUP_NONE);
	assert_true(about.len > 0);
	assert_true(tree_remove(root, &error));
}

/* A service that systemd has delegated a subtree to. The requests are written over the dots: what follows them is what
 * the kernel would have made of them. */
static void a_delegated_v2_subtree(void **state)
{
	(void)state;
	autofree char *root = temp_dir();
	autofree char *service = temp_path(root, "craft.service"), *below = temp_path(service, "sandboxes");
	assert_int_equal(mkdir(service, 0755), 0);
	assert_int_equal(mkdir(below, 0755), 0);
	temp_write(root, "cgroup.controllers", "cpu io memory pids\n");
	temp_write(service, "cgroup.subtree_control", "........ cpu memory pids\n");
	temp_write(below, "cgroup.subtree_control", "........ memory pids\n");
	struct cgroup_base base;
	autobuf about = { 0 }, error = { 0 };
	found(root, "1:name=systemd:/x\n0::/craft.service\n", &base, &about);
	assert_int_equal(base.kind, CGROUP_V2);
	assert_string_equal(base.dirs[CGROUP_MEMORY], below);
	assert_string_equal(base.dirs[CGROUP_PIDS], below);
	assert_null(base.dirs[CGROUP_CPU]);
	cgroup_base_free(&base);
	assert_true(tree_remove(root, &error));
}

static void v1_lies_below_the_own_cgroup(void **state)
{
	(void)state;
	autofree char *root = temp_dir();
	autofree char *memory = temp_path(root, "memory"), *own = temp_path(memory, "svc");
	autofree char *pids = temp_path(root, "pids"), *cpu = temp_path(root, "cpu");
	assert_int_equal(mkdir(memory, 0755) | mkdir(own, 0755) | mkdir(pids, 0755) | mkdir(cpu, 0755), 0);
	struct cgroup_base base;
	autobuf about = { 0 }, error = { 0 };
	found(root, "4:memory:/svc\n3:pids:/not/seen/here\n2:cpuacct,cpu:/\n1:cpuset:/\n", &base, &about);
	assert_int_equal(base.kind, CGROUP_V1);
	autofree char *in_memory = temp_path(own, "sandboxes"), *in_pids = temp_path(pids, "sandboxes");
	autofree char *in_cpu = temp_path(cpu, "sandboxes");
	assert_string_equal(base.dirs[CGROUP_MEMORY], in_memory);
	assert_string_equal(base.dirs[CGROUP_PIDS], in_pids);
	assert_string_equal(base.dirs[CGROUP_CPU], in_cpu);
	cgroup_base_free(&base);
	assert_true(tree_remove(root, &error));
}

static int remove_parent(void **state)
{
	(void)state;
	cgroup_end(parent);
	return 0;
}

int main(void)
{
	(void)snprintf(parent, sizeof(parent), "craft-test-%d", (int)getpid());
	autobuf about = { 0 };
	available = cgroup_probe(parent, &about) != CGROUP_NONE;
	struct CMUnitTest tests[] = {
		cmocka_unit_test(processes_are_limited_and_killed), cmocka_unit_test(memory_is_limited_and_counted),
		cmocka_unit_test(the_cpu_limit_is_in_force),	    cmocka_unit_test(leftovers_are_ended),
		cmocka_unit_test(a_frozen_v2_one_is_killed),	    cmocka_unit_test(a_machine_without_cgroups),
		cmocka_unit_test(a_delegated_v2_subtree),	    cmocka_unit_test(v1_lies_below_the_own_cgroup),
	};
	for (size_t i = 0; !available && i < ROOT_ONLY; i++)
		tests[i].name = "this machine can't make cgroups (not root?)";
	return cmocka_run_group_tests(tests, NULL, remove_parent);
}
