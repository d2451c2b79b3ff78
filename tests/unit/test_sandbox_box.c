/* test_sandbox_box.c: programs in a box, by way of the real craft-box: streams, ends, kills, garbage. */
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

static void test_streams(void **state)
{
	(void)state;
	autooutcome o;
	const struct box_run_options options = { .argv = SHELL("cat; echo err >&2; exit 3"),
						 .input = SLICE_LIT("in\0\r\n") };
	(void)start_with(&t, options, &o);
	wait_int(&t, &o.code, -1);
	assert_int_equal(o.code, 3);
	assert_int_equal(o.out.len, 5);
	assert_memory_equal(o.out.data, "in\0\r\n", 5);
	assert_string_equal(buf_cstr(&o.err), "err\n");
	assert_false(o.timed_out);
}

static void test_surroundings(void **state)
{
	(void)state;
	/* The third descriptor is that of ls itself. */
	expect_shell(&t, "ls /proc/self/fd | tr '\\n' ' '; umask; ps -o sid= -p $$ | grep -qw $$ && echo leader",
		     "0 1 2 3 0022\nleader\n");
	expect_shell(&t, "grep -E 'Sig(Blk|Ign)' /proc/self/status",
		     "SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n");
}

static void test_environment(void **state)
{
	(void)state;
	autooutcome o;
	const char *const environment[] = { "A=1", "PATH=/usr/bin:/bin", "B=x y", NULL };
	(void)start_with(&t, (struct box_run_options){ .argv = SHELL("echo $A-$B-$PATH"), .environment = environment },
			 &o);
	wait_int(&t, &o.code, -1);
	assert_string_equal(buf_cstr(&o.out), "1-x y-/usr/bin:/bin\n");
}

static void test_no_program(void **state)
{
	(void)state;
	autooutcome o, p;
	(void)start_with(&t, (struct box_run_options){ .argv = (const char *const[]){ "no-such-program", NULL } }, &o);
	(void)start_with(&t, (struct box_run_options){ .argv = (const char *const[]){ "/etc/passwd", NULL } }, &p);
	wait_int(&t, &o.code, -1);
	wait_int(&t, &p.code, -1);
	assert_int_equal(o.code, 127);
	assert_string_equal(buf_cstr(&o.err), "no-such-program: there is no such program\n");
	assert_int_equal(p.code, 126);
	assert_string_equal(buf_cstr(&p.err), "/etc/passwd: cannot be run: Permission denied\n");
}

static void test_signal(void **state)
{
	(void)state;
	autooutcome o;
	(void)start_shell(&t, "kill -15 $$", &o);
	wait_int(&t, &o.code, -1);
	assert_int_equal(o.code, 128 + SIGTERM);
}

static void test_large_input(void **state)
{
	(void)state;
	autooutcome o;
	autobuf input = { 0 };
	size_t size = (size_t)64 << 20;
	(void)memset(buf_reserve(&input, size), 'x', size);
	input.len = size;
	struct box_run *run = start_with(
		&t, (struct box_run_options){ .argv = SHELL("sleep 0.2; wc -c"), .input = buf_slice(&input) }, &o);
	assert_in_range(box_run_queued(run), size - 65536, size);
	wait_int(&t, &o.code, -1);
	assert_string_equal(buf_cstr(&o.out), "67108864\n");
}

static void test_kept_input(void **state)
{
	(void)state;
	autooutcome o;
	const struct box_run_options options = { .argv = SHELL(
							 "while read -r line; do echo \"got $line\"; done; echo end"),
						 .input = SLICE_LIT("one\n"),
						 .keep_input = true };
	struct box_run *run = start_with(&t, options, &o);
	wait_text(&t, &o, "got one\n");
	box_run_write(run, SLICE_LIT("two\n"));
	wait_text(&t, &o, "got two\n");
	box_run_write(run, SLICE_LIT("three\n"));
	box_run_close_input(run);
	box_run_write(run, SLICE_LIT("four\n"));
	wait_int(&t, &o.code, -1);
	assert_string_equal(buf_cstr(&o.out), "got one\ngot two\ngot three\nend\n");
}

static void test_input_not_read(void **state)
{
	(void)state;
	autooutcome o;
	autobuf input = { 0 };
	(void)memset(buf_reserve(&input, 1000000), 'x', 1000000);
	input.len = 1000000;
	struct box_run *run =
		start_with(&t,
			   (struct box_run_options){
				   .argv = SHELL("exec <&-; echo closed; read -r x < /dev/null; sleep 0.2; exit 4"),
				   .input = buf_slice(&input),
				   .keep_input = true },
			   &o);
	wait_text(&t, &o, "closed");
	box_run_write(run, SLICE_LIT("more"));
	wait_int(&t, &o.code, -1);
	assert_int_equal(o.code, 4);
}

/* A reader that is told to wait gets every byte later, the program long gone. */
static void test_pause(void **state)
{
	(void)state;
	autooutcome o, p;
	struct box_run *run = start_shell(&t, "head -c 60000 /dev/zero; echo $$ >&2", &o);
	box_run_pause(run);
	(void)start_shell(&t, "sleep 1.5", &p);
	wait_int(&t, &p.code, -1);
	assert_int_equal(o.code, -1);
	assert_int_equal(o.out.len, 0);
	box_run_resume(run);
	wait_int(&t, &o.code, -1);
	assert_int_equal(o.out.len, 60000);
	assert_int_equal(o.code, 0);
}

static void test_back_pressure(void **state)
{
	(void)state;
	autooutcome o, p;
	struct box_run *run = start_shell(&t, "head -c 10000000 /dev/zero", &o);
	box_run_pause(run);
	(void)start_shell(&t, "sleep 0.5", &p);
	wait_int(&t, &p.code, -1);
	assert_int_equal(o.code, -1);
	box_run_resume(run);
	wait_int(&t, &o.code, -1);
	assert_int_equal(o.out.len, 10000000);
}

static void test_many_runs(void **state)
{
	(void)state;
	static struct outcome outcomes[64];
	struct outcome o;
	autobuf error = { 0 };
	for (size_t i = 0; i < 64; i++)
		(void)start_with(&t,
				 (struct box_run_options){ .argv = SHELL("read -r x; echo $x"), .keep_input = true },
				 &outcomes[i]);
	const struct box_run_options options = { .argv = SHELL("true"), .on_exit = on_run_exit, .user = &o };
	assert_null(box_run(t.box, &options, &error));
	assert_string_equal(buf_cstr(&error),
			    "the program can't be started in the sandbox: too many programs run at once");
	box_kill(t.box);
	for (size_t i = 0; i < 64; i++) {
		wait_int(&t, &outcomes[i].code, -1);
		assert_int_equal(outcomes[i].code, 128 + SIGKILL);
		free_outcome(&outcomes[i]);
	}
	wait_bool(&t, &t.ended);
}

static void test_parallel(void **state)
{
	(void)state;
	static struct outcome outcomes[50];
	for (size_t round = 0; round < 3; round++) {
		for (size_t i = 0; i < 50; i++)
			(void)start_with(
				&t, (struct box_run_options){ .argv = SHELL("cat; exit 9"), .input = SLICE_LIT("x") },
				&outcomes[i]);
		for (size_t i = 0; i < 50; i++) {
			wait_int(&t, &outcomes[i].code, -1);
			assert_int_equal(outcomes[i].code, 9);
			assert_string_equal(buf_cstr(&outcomes[i].out), "x");
			free_outcome(&outcomes[i]);
		}
	}
}

static void test_too_long(void **state)
{
	(void)state;
	autobuf error = { 0 }, word = { 0 };
	struct outcome o = { .code = -1 };
	(void)memset(buf_reserve(&word, 100000), 'x', 100000);
	word.len = 99990;
	autooutcome fits;
	(void)start_with(
		&t,
		(struct box_run_options){ .argv = (const char *const[]){ "/bin/echo", buf_cstr(&word) + 20, NULL } },
		&fits);
	wait_int(&t, &fits.code, -1);
	assert_int_equal(fits.code, 0);
	assert_int_equal(fits.out.len, 99971);
	const struct box_run_options options = { .argv = (const char *const[]){ "/bin/echo", buf_cstr(&word), NULL },
						 .on_exit = on_run_exit,
						 .user = &o };
	assert_null(box_run(t.box, &options, &error));
	assert_string_equal(buf_cstr(&error),
			    "the program can't be started in the sandbox: its arguments are too long");
}

int main(void)
{
#define IN_BOX(test) cmocka_unit_test_setup_teardown(test, begin, end)
	const struct CMUnitTest tests[] = {
		IN_BOX(test_streams),	    IN_BOX(test_surroundings),	 IN_BOX(test_environment),
		IN_BOX(test_no_program),    IN_BOX(test_signal),	 IN_BOX(test_large_input),
		IN_BOX(test_kept_input),    IN_BOX(test_input_not_read), IN_BOX(test_pause),
		IN_BOX(test_back_pressure), IN_BOX(test_many_runs),	 IN_BOX(test_parallel),
		IN_BOX(test_too_long),
	};
	(void)signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests_name("sandbox box", tests, NULL, NULL);
}
