/* test_sandbox_kill.c: the ends of programs in a box, wanted and not, and of boxes that are hostile. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "sandbox_temp.h"

#include "sandbox_box.h"
#include "tests/uids.h"

static struct test_box t;

static int begin(void **state)
{
	(void)state;
	begin_bare(&t);
	return 0;
}

static int end(void **state)
{
	(void)state;
	end_box(&t);
	return 0;
}

static uint64_t now(void)
{
	return uv_hrtime() / 1000000;
}

/* Does a process with this number live, that isn't a zombie? */
static bool lives(int pid)
{
	autobuf command = { 0 };
	buf_addf(&command, "grep -q '^State:.[^ZX]' /proc/%d/status 2>/dev/null", pid);
	return system(buf_cstr(&command)) == 0;
}

static void wait_gone(int pid)
{
	for (struct pace pace = { .last = now(), .left = DEADLINE_MS }; lives(pid);) {
		assert_false(pace_over(&pace, now()));
		(void)usleep(10000);
	}
}

static void test_background_holds_pipe(void **state)
{
	(void)state;
	autooutcome o, p;
	uint64_t began = now();
	(void)start_shell(&t, "sleep 60 & echo $!", &o);
	wait_int(&t, &o.code, -1);
	assert_int_equal(o.code, 0);
	assert_in_range(now() - began, 0, 30000);
	/* It goes on when other programs end. */
	expect_shell(&t, "true", "");
	assert_true(lives(atoi(buf_cstr(&o.out))));
	assert_int_equal(kill(atoi(buf_cstr(&o.out)), SIGKILL), 0);
	/* One that never is quiet. */
	began = now();
	(void)start_shell(&t, "yes & echo $! >&2", &p);
	wait_int(&t, &p.code, -1);
	assert_in_range(now() - began, 500, 20000);
	wait_gone(atoi(buf_cstr(&p.err)));
}

static void test_timeout_kills_all(void **state)
{
	(void)state;
	autooutcome o;
	/* A child that ignores TERM, a daemon of its own session, one forked twice, one stopped. */
	const char *script = "trap '' TERM HUP; sleep 61 & echo $!; setsid sleep 62 & echo $!;"
			     "(setsid sh -c 'sleep 63 & echo $!' &); sleep 64 & echo $!; kill -STOP $!; wait";
	(void)start_with(&t, (struct box_run_options){ .argv = SHELL(script), .timeout = 1500 }, &o);
	wait_lines(&t, &o, 4);
	wait_int(&t, &o.code, -1);
	assert_true(o.timed_out);
	assert_int_equal(o.code, 128 + SIGKILL);
	int count = 0;
	for (char *p = o.out.data, *after; (void)strtol(p, &after, 10), after != p; p = after + 1, count++)
		wait_gone(atoi(p));
	assert_int_equal(count, 4);
}

static void test_kill(void **state)
{
	(void)state;
	autooutcome o, p;
	struct box_run *run = start_shell(&t, "setsid sleep 60 & echo $!; wait", &o);
	(void)start_shell(&t, "echo on; read -r x < /dev/null; sleep 1; echo still", &p);
	wait_text(&t, &o, "\n");
	box_run_kill(run);
	box_run_kill(run);
	wait_int(&t, &o.code, -1);
	assert_int_equal(o.code, 128 + SIGKILL);
	assert_false(o.timed_out);
	assert_false(lives(atoi(buf_cstr(&o.out))));
	/* Others are left alone. */
	wait_int(&t, &p.code, -1);
	assert_string_equal(buf_cstr(&p.out), "on\nstill\n");
}

static void test_kill_while_paused(void **state)
{
	(void)state;
	autooutcome o;
	struct box_run *run = start_shell(&t, "yes", &o);
	box_run_pause(run);
	box_run_kill(run);
	wait_int(&t, &o.code, -1);
	assert_int_equal(o.code, 128 + SIGKILL);
}

/* It forks as fast as it can, up to some hundreds at a time, each of a session of its own. */
#define STORM                                                                                                          \
	"echo on; storm() { while :; do setsid sh -c 'sleep 0.05 & exit' & sleep 0.01; done; }; "                      \
	"storm & storm & storm & storm & wait"

static void test_fork_storm(void **state)
{
	(void)state;
	autooutcome o;
	/* A user of its own, as the limit counts by user. */
	unsigned user = uids_own();
	autobuf command = { 0 }, survivors = { 0 };
	buf_addf(&command, "ulimit -u 400; exec setpriv --reuid=%u --regid=%u --clear-groups sh -c \"%s\" 2>/dev/null",
		 user, user, STORM);
	buf_addf(&survivors, "ps -u %u -o pid=,stat=,args= | grep -v ' Z'", user);
	const char *text = geteuid() == 0 ? buf_cstr(&command) : STORM;
	(void)start_with(&t, (struct box_run_options){ .argv = SHELL(text), .timeout = 1000 }, &o);
	wait_text(&t, &o, "on");
	wait_int(&t, &o.code, -1);
	assert_true(o.timed_out);
	assert_false(t.ended);
	if (geteuid() == 0)
		assert_int_not_equal(system(buf_cstr(&survivors)), 0);
	expect_shell(&t, "echo well", "well\n");
}

/* ---- hostile programs inside ---- */

static void test_supervisor_killed(void **state)
{
	(void)state;
	autooutcome o;
	(void)start_shell(&t, "echo $$; kill -TERM $PPID; kill -STOP $$; echo never", &o);
	wait_text(&t, &o, "\n");
	/* TERM didn't end it. */
	expect_shell(&t, "true", "");
	assert_int_equal(o.code, -1);
	autobuf command = { 0 };
	buf_addf(&command, "ps -o ppid= -p %d | xargs kill -9", atoi(buf_cstr(&o.out)));
	expect_shell(&t, buf_cstr(&command), "");
	wait_int(&t, &o.code, -1);
	assert_int_equal(o.code, 128 + SIGKILL);
	/* What has nobody to watch it is killed. */
	wait_gone(atoi(buf_cstr(&o.out)));
	for (int i = 0; i < 20; i++)
		expect_shell(&t, "echo well", "well\n");
}

static void test_supervisor_stopped(void **state)
{
	(void)state;
	autooutcome o;
	struct box_run *run = start_shell(&t, "kill -STOP $PPID; echo $PPID; sleep 60", &o);
	wait_text(&t, &o, "\n");
	int supervisor = atoi(buf_cstr(&o.out));
	box_run_kill(run);
	/* The box pays for it. */
	wait_int(&t, &o.code, -1);
	assert_int_equal(o.code, 128 + SIGKILL);
	wait_bool(&t, &t.ended);
	/* Here is no pid namespace to take it along. */
	assert_int_equal(kill(supervisor, SIGCONT), 0);
	wait_gone(supervisor);
}

/* ---- hostile boxes ---- */

static void test_box_killed(void **state)
{
	(void)state;
	autooutcome o;
	(void)start_shell(&t, "echo $$; setsid sleep 60", &o);
	wait_text(&t, &o, "\n");
	box_kill(t.box);
	wait_int(&t, &o.code, -1);
	assert_int_equal(o.code, 128 + SIGKILL);
	wait_bool(&t, &t.ended);
	wait_gone(atoi(buf_cstr(&o.out)));
}

/* The script runs with the control socket as 3; a program was asked for before. */
static void expect_ended(const char *script, int code, const char *text)
{
	autooutcome o;
	begin_scripted(&t, script);
	struct box_run *run = start_shell(&t, "true", &o);
	assert_non_null(run);
	wait_int(&t, &o.code, -1);
	assert_int_equal(o.code, 128 + SIGKILL);
	wait_bool(&t, &t.ended);
	assert_int_equal(t.exit_code, code);
	assert_non_null(strstr(buf_cstr(&t.text), text));
	end_box(&t);
}

static void test_garbage_from_box(void **state)
{
	(void)state;
	const int killed = 128 + SIGKILL;
	expect_ended("printf garbage >&3; sleep 60", killed, "");
	expect_ended("head -c 100000 /dev/zero >&3; sleep 60", killed, "");
	expect_ended("head -c 24 /dev/zero >&3; sleep 60", killed, "");
	/* READY with too little and too much behind it. */
	expect_ended("printf '\\3\\0\\0\\0\\0\\0\\0\\0' >&3; sleep 60", killed, "");
	expect_ended("printf '\\3\\0\\0\\0%021d' 0 | tr 0 '\\0' >&3; sleep 60", killed, "");
	/* READY twice. */
	expect_ended("printf '\\3\\0\\0\\0%020d' 0 | tr 0 '\\0' >&3; printf '\\3\\0\\0\\0%020d' 0 | tr 0 '\\0' >&3; "
		     "sleep 60",
		     killed, "");
	/* The end of a program that nobody asked for, then a code that none has. */
	expect_ended("printf '\\4\\0\\0\\0\\7\\0\\0\\0%016d' 0 | tr 0 '\\0' >&3; sleep 60", killed, "");
	expect_ended("printf '\\4\\0\\0\\0\\1\\0\\0\\0%012d\\0\\1\\0\\0' 0 | tr 0 '\\0' >&3; sleep 60", killed, "");
	expect_ended("echo oops >&2; exit 9", 9, "oops");
	expect_ended("exec 3>&-; sleep 60", killed, "");
}

/* A box that reads nothing: what it is told waits, and the program's time counts all the same. */
static void test_deaf_box(void **state)
{
	(void)state;
	static struct outcome outcomes[20];
	autobuf word = { 0 };
	(void)memset(buf_reserve(&word, 90000), 'x', 90000);
	word.len = 90000;
	begin_scripted(&t, "sleep 60");
	for (size_t i = 0; i < 20; i++)
		(void)start_with(
			&t,
			(struct box_run_options){ .argv = (const char *const[]){ "echo", buf_cstr(&word), NULL },
						  .timeout = 200 },
			&outcomes[i]);
	for (size_t i = 0; i < 20; i++) {
		wait_int(&t, &outcomes[i].code, -1);
		assert_true(outcomes[i].timed_out);
		free_outcome(&outcomes[i]);
	}
	wait_bool(&t, &t.ended);
	end_box(&t);
}

int main(void)
{
#define IN_BOX(test) cmocka_unit_test_setup_teardown(test, begin, end)
	const struct CMUnitTest tests[] = {
		IN_BOX(test_background_holds_pipe),
		IN_BOX(test_timeout_kills_all),
		IN_BOX(test_kill),
		IN_BOX(test_kill_while_paused),
		IN_BOX(test_fork_storm),
		IN_BOX(test_supervisor_killed),
		IN_BOX(test_supervisor_stopped),
		IN_BOX(test_box_killed),
		cmocka_unit_test(test_garbage_from_box),
		cmocka_unit_test(test_deaf_box),
	};
	(void)signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests_name("sandbox kill", tests, NULL, NULL);
}
