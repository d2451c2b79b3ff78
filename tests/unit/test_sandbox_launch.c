/* test_sandbox_launch.c: what a program finds that craft-sandbox-launch has started, and what makes it refuse. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "child.h"
#include "lib/cleanup.h"
#include "pace.h"
#include "sandbox_temp.h"
#include "tests/uids.h"

#define LAUNCH TOP_BUILDDIR "/sandbox/craft-sandbox-launch"
#define ROOT_ONLY 2 /* tests at the head of the list */

struct outcome {
	int status;
	char text[8192];
};

static void read_all(int fd, struct outcome *o)
{
	size_t length = 0;
	ssize_t n;
	while (length < sizeof(o->text) - 1 && (n = read(fd, o->text + length, sizeof(o->text) - 1 - length)) > 0)
		length += (size_t)n;
	o->text[length] = '\0';
}

struct command {
	const char *const *args;
	int out;
};

/* In the child: a caller with much to inherit. */
static int run(void *user)
{
	const char *const *args = ((struct command *)user)->args;
	int out = ((struct command *)user)->out;
	char *argv[32] = { NULL };
	size_t count = 0;
	argv[count++] = xstrdup(LAUNCH);
	for (; args[count - 1]; count++)
		argv[count] = xstrdup(args[count - 1]);
	sigset_t all;
	(void)sigfillset(&all);
	(void)sigprocmask(SIG_SETMASK, &all, NULL);
	(void)signal(SIGPIPE, SIG_IGN);
	(void)setenv("SECRET", "in the environment", 1);
	(void)dup2(out, 1);
	(void)dup2(out, 2);
	for (int fd = 3; fd < 20; fd++)
		(void)dup2(1, fd);
	(void)execv(argv[0], argv);
	return 98;
}

/* What it writes, stdout and stderr together, and how it ends. */
static struct outcome launch(const char *const *args)
{
	struct outcome o;
	int ends[2];
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	pid_t pid = child_start(run, &(struct command){ args, ends[1] });
	assert_true(pid >= 0);
	assert_int_equal(close(ends[1]), 0);
	read_all(ends[0], &o);
	assert_int_equal(close(ends[0]), 0);
	assert_int_equal(waitpid(pid, &o.status, 0), pid);
	return o;
}

#define LAUNCHED(...) launch((const char *const[]){ __VA_ARGS__, NULL })
#define SAYS(o, line) assert_non_null(strstr((o).text, (line)))

static void refused(struct outcome o, const char *why)
{
	assert_true(WIFEXITED(o.status) && WEXITSTATUS(o.status) == 125);
	if (!strstr(o.text, why))
		fail_msg("\"%s\" isn't about \"%s\"", o.text, why);
}

static void the_user_is_dropped(void **state)
{
	(void)state;
	if (geteuid() != 0)
		skip();
	char uid[16], gid[16];
	autobuf lines = { 0 };
	(void)snprintf(uid, sizeof(uid), "%u", uids_own());
	(void)snprintf(gid, sizeof(gid), "%u", uids_own() + 1);
	struct outcome o = LAUNCHED("--uid", uid, "--gid", gid, "--keep", "0", "--", "/bin/cat", "/proc/self/status");
	buf_addf(&lines, "Uid:\t%s\t%s\t%s\t%s\nGid:\t%s\t%s\t%s\t%s\n", uid, uid, uid, uid, gid, gid, gid, gid);
	SAYS(o, buf_cstr(&lines));
	SAYS(o, "Groups:\t \n");
	SAYS(o, "CapEff:\t0000000000000000\n");
	SAYS(o, "CapPrm:\t0000000000000000\n");
}

static void it_joins_cgroups_as_root(void **state)
{
	(void)state;
	if (geteuid() != 0)
		skip();
	autofree char *dir = temp_dir();
	autofree char *procs = temp_path(dir, "cgroup.procs");
	temp_write(dir, "cgroup.procs", "");
	assert_int_equal(chmod(procs, 0600), 0);
	char uid[16];
	(void)snprintf(uid, sizeof(uid), "%u", uids_own());
	struct outcome o = LAUNCHED("--uid", uid, "--gid", uid, "--cgroup", dir, "--keep", "0", "--", "/bin/true");
	assert_int_equal(o.status, 0);
	autobuf text = { 0 };
	temp_read(dir, "cgroup.procs", &text);
	assert_string_equal(buf_cstr(&text), "0");
	(void)unlink(procs);
	(void)rmdir(dir);
}

/* Without opening a directory, which would be one more. */
#define LIST_DESCRIPTORS                                                                                               \
	"/bin/sh", "-c", "for i in 0 1 2 3 4 5 6 7 8 9 10 11 12; do [ -e /proc/$$/fd/$i ] && echo -n $i,; done"

static void only_wanted_descriptors_are_left(void **state)
{
	(void)state;
	struct outcome o = LAUNCHED("--keep", "2", "--", LIST_DESCRIPTORS);
	SAYS(o, "0,1,2,3,4,");
	assert_null(strstr(o.text, "5,"));
	o = LAUNCHED("--keep", "0", "--", LIST_DESCRIPTORS);
	SAYS(o, "0,1,2,");
	assert_null(strstr(o.text, "3,"));
}

static void nothing_else_is_inherited(void **state)
{
	(void)state;
	struct outcome o = LAUNCHED("--keep", "0", "--", "/usr/bin/env");
	assert_string_equal(o.text, "");
	o = LAUNCHED("--keep", "0", "--", "/bin/cat", "/proc/self/status");
	SAYS(o, "NoNewPrivs:\t1\n");
	SAYS(o, "SigBlk:\t0000000000000000\n");
	SAYS(o, "SigIgn:\t0000000000000000\n");
	SAYS(o, "Umask:\t0077\n");
	o = LAUNCHED("--keep", "0", "--", "/bin/cat", "/proc/self/oom_score_adj");
	assert_string_equal(o.text, "600\n");
	o = LAUNCHED("--keep", "0", "--", "/bin/sh", "-c",
		     ("read pid name state parent group session rest </proc/$$/stat; "
		      "[ $session = $$ ] && echo leader"));
	assert_string_equal(o.text, "leader\n");
}

static void limits_are_set(void **state)
{
	(void)state;
	struct outcome o = LAUNCHED("--nproc", "5000", "--fsize", "1048576", "--nofile", "100", "--keep", "0", "--",
				    "/bin/cat", "/proc/self/limits");
	SAYS(o, "Max core file size        0                    0 ");
	SAYS(o, "Max processes             5000                 5000 ");
	SAYS(o, "Max file size             1048576              1048576 ");
	SAYS(o, "Max open files            100                  100 ");
}

static void the_exit_code_is_the_programs(void **state)
{
	(void)state;
	struct outcome o = LAUNCHED("--keep", "0", "--", "/bin/sh", "-c", "exit 42");
	assert_true(WIFEXITED(o.status) && WEXITSTATUS(o.status) == 42);
}

static int launch_and_wait(void *user)
{
	if (child_start(run, user) < 0)
		return 1;
	(void)close(((struct command *)user)->out);
	(void)pause();
	return 0;
}

/* A process between us and the launched one is killed; what it started must go with it. */
static void it_dies_with_its_parent(void **state)
{
	(void)state;
	int ends[2];
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	const char *const args[] = { "--keep", "0", "--", "/bin/sh", "-c", "echo up; exec sleep 1000", NULL };
	pid_t middle = child_start(launch_and_wait, &(struct command){ args, ends[1] });
	assert_true(middle >= 0);
	assert_int_equal(close(ends[1]), 0);
	char text[16];
	assert_int_equal(read(ends[0], text, sizeof(text)), 3);
	assert_int_equal(kill(middle, SIGKILL), 0);
	(void)alarm((unsigned)pace_ms(60000) / 1000); /* the end of the pipe comes when the last holder is gone */
	assert_int_equal(read(ends[0], text, sizeof(text)), 0);
	(void)alarm(0);
	assert_int_equal(close(ends[0]), 0);
	(void)waitpid(middle, NULL, 0);
}

static void what_it_refuses(void **state)
{
	(void)state;
	refused(LAUNCHED("--", "/bin/true"), "--keep is missing");
	refused(LAUNCHED("--keep", "0"), "absolute path");
	refused(LAUNCHED("--keep", "0", "--", "true"), "absolute path");
	refused(LAUNCHED("--keep", "0", "--", "/nonexistent"), "cannot run /nonexistent");
	refused(LAUNCHED("--keep", "-1", "--", "/bin/true"), "no number");
	refused(LAUNCHED("--keep", "900", "--", "/bin/true"), "isn't open");
	refused(LAUNCHED("--keep", "0", "--uid", "5", "--", "/bin/true"), "go together");
	refused(LAUNCHED("--keep", "0", "--uid", "0", "--gid", "0", "--", "/bin/true"), "can't be 0");
	refused(LAUNCHED("--keep", "0", "--uid", "99999999999", "--gid", "5", "--", "/bin/true"), "no number");
	refused(LAUNCHED("--keep", "0", "--cgroup", "/nonexistent", "--", "/bin/true"), "cannot write to /nonexistent");
	refused(LAUNCHED("--keep", "0", "--parent", "1", "--", "/bin/true"), "the parent is gone");
	refused(LAUNCHED("--keep", "0", "--odd", "--", "/bin/true"), "unknown option");
}

int main(void)
{
	struct CMUnitTest tests[] = {
		cmocka_unit_test(the_user_is_dropped),
		cmocka_unit_test(it_joins_cgroups_as_root),
		cmocka_unit_test(only_wanted_descriptors_are_left),
		cmocka_unit_test(nothing_else_is_inherited),
		cmocka_unit_test(limits_are_set),
		cmocka_unit_test(the_exit_code_is_the_programs),
		cmocka_unit_test(it_dies_with_its_parent),
		cmocka_unit_test(what_it_refuses),
	};
	for (size_t i = 0; i < ROOT_ONLY && geteuid() != 0; i++)
		tests[i].name = "this machine can't change users (not root)";
	return cmocka_run_group_tests(tests, NULL, NULL);
}
