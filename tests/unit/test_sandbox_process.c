/* test_sandbox_process.c: children of the event loop, started by the real craft-sandbox-launch. */
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/cleanup.h"
#include "pace.h"
#include "sandbox/process.h"
#include "tests/uids.h"

struct outcome {
	unsigned calls;
	struct process_result result;
	struct buf output, errors;
	uv_loop_t *loop;
	struct process *process;
};

static void on_exit_(void *user, const struct process_result *result)
{
	struct outcome *o = user;
	o->calls++;
	o->result = *result;
	buf_add_slice(&o->output, result->output);
	buf_add_slice(&o->errors, result->errors);
}

static void free_outcome(struct outcome *o)
{
	buf_free(&o->output);
	buf_free(&o->errors);
}

#define autooutcome autocall(free_outcome) struct outcome

static char *launch;

static struct process_options shell(const char *const *argv)
{
	return (struct process_options){ .name = "test",
					 .launch = launch,
					 .argv = argv,
					 .uid = uids_own(),
					 .gid = uids_own(),
					 .output_max = 1 << 24,
					 .errors_max = 64,
					 .on_exit = on_exit_ };
}

#define SH(text) ((const char *const[]){ "/bin/sh", "-c", text, NULL })

/* Runs the loop until it has nothing left; how long that took, in ms. */
static uint64_t run(struct process_options options, struct outcome *o)
{
	uv_loop_t loop;
	autobuf error = { 0 };
	assert_int_equal(uv_loop_init(&loop), 0);
	options.user = o;
	uint64_t began = uv_hrtime();
	o->process = process_start(&loop, &options, &error);
	assert_non_null(o->process);
	assert_int_equal(uv_run(&loop, UV_RUN_DEFAULT), 0);
	assert_int_equal(uv_loop_close(&loop), 0);
	return (uv_hrtime() - began) / 1000000;
}

static void test_output(void **state)
{
	(void)state;
	autooutcome o = { 0 };
	(void)run(shell(SH("echo out; echo err >&2; exit 7")), &o);
	assert_int_equal(o.calls, 1);
	assert_int_equal(o.result.exit_code, 7);
	assert_string_equal(buf_cstr(&o.output), "out\n");
	assert_string_equal(buf_cstr(&o.errors), "err\n");
}

static void test_surroundings(void **state)
{
	(void)state;
	autooutcome o = { 0 };
	(void)setenv("TEST_SECRET", "x", 1);
	(void)run(shell(SH("umask; cat /proc/self/environ | tr '\\0' '\\n' | grep -v ^PWD=; ls /proc/self/fd | tr "
			   "'\\n' ' '")),
		  &o);
	/* The fourth is of ls itself. */
	assert_string_equal(buf_cstr(&o.output), "0077\n0 1 2 3 ");
}

static void test_descriptors(void **state)
{
	(void)state;
	autooutcome o = { 0 };
	autoclose int a = memfd_create("a", MFD_CLOEXEC), b = memfd_create("b", MFD_CLOEXEC);
	assert_int_equal(pwrite(a, "A", 1, 0), 1);
	assert_int_equal(pwrite(b, "B", 1, 0), 1);
	/* One of them twice and the other with a number that is asked for: they cross. */
	const int fds[] = { b, a };
	struct process_options options = shell(SH("cat <&3; cat <&4"));
	options.fds = fds;
	options.fd_count = 2;
	(void)run(options, &o);
	assert_string_equal(buf_cstr(&o.output), "BA");
}

static void test_input(void **state)
{
	(void)state;
	autooutcome o = { 0 };
	autobuf input = { 0 };
	for (unsigned i = 0; input.len < 10000000; i++)
		buf_add_u64(&input, i);
	struct process_options options = shell(SH("cat"));
	options.input = buf_slice(&input);
	(void)run(options, &o);
	assert_true(slice_eq(buf_slice(&o.output), buf_slice(&input)));
}

static void test_input_unread(void **state)
{
	(void)state;
	autooutcome o = { 0 };
	autobuf input = { 0 };
	(void)memset(buf_reserve(&input, 1000000), 'x', 1000000);
	input.len = 1000000;
	struct process_options options = shell(SH("exit 3"));
	options.input = buf_slice(&input);
	(void)run(options, &o);
	assert_int_equal(o.result.exit_code, 3);
}

static void test_tail_of_errors(void **state)
{
	(void)state;
	autooutcome o = { 0 };
	(void)run(shell(SH("i=0; while [ $i -lt 1000 ]; do echo line $i >&2; i=$((i+1)); done")), &o);
	assert_int_equal(o.errors.len, 64);
	assert_non_null(strstr(buf_cstr(&o.errors), "line 999\n"));
}

static void test_output_cut(void **state)
{
	(void)state;
	autooutcome o = { 0 };
	struct process_options options = shell(SH("exec cat /dev/zero"));
	options.output_max = 100000;
	(void)run(options, &o);
	assert_true(o.result.output_cut);
	assert_int_equal(o.output.len, 100000);
	assert_int_equal(o.result.exit_code, 128 + SIGKILL);
}

static void test_timeout(void **state)
{
	(void)state;
	autooutcome o = { 0 };
	struct process_options options = shell(SH("trap '' TERM; sleep 60000"));
	options.timeout = 100;
	assert_in_range(run(options, &o), 90, pace_ms(10000));
	assert_true(o.result.timed_out);
	assert_int_equal(o.result.exit_code, 128 + SIGKILL);
}

static void test_pipe_held(void **state)
{
	(void)state;
	autooutcome o = { 0 };
	assert_true(run(shell(SH("echo $$; sleep 3000 & exit 0")), &o) >= 900);
	assert_int_equal(o.calls, 1);
	assert_int_equal(o.result.exit_code, 0);
	/* It holds the pipe still. */
	assert_int_equal(kill(-atoi(buf_cstr(&o.output)), SIGKILL), 0);
}

static void test_no_program(void **state)
{
	(void)state;
	autooutcome o = { 0 };
	const char *const argv[] = { "/nonexistent/program", NULL };
	(void)run(shell(argv), &o);
	assert_int_equal(o.result.exit_code, 125);
	struct process_options options = shell(argv);
	options.launch = "/nonexistent/launch";
	uv_loop_t loop;
	autobuf error = { 0 };
	assert_int_equal(uv_loop_init(&loop), 0);
	assert_null(process_start(&loop, &options, &error));
	assert_non_null(strstr(buf_cstr(&error), "/nonexistent/launch"));
	assert_int_equal(uv_run(&loop, UV_RUN_DEFAULT), 0);
	assert_int_equal(uv_loop_close(&loop), 0);
}

static void test_abandon(void **state)
{
	(void)state;
	autooutcome o = { 0 };
	uv_loop_t loop;
	autobuf error = { 0 };
	assert_int_equal(uv_loop_init(&loop), 0);
	struct process_options options = shell(SH("sleep 60"));
	options.user = &o;
	struct process *process = process_start(&loop, &options, &error);
	pid_t pid = process_pid(process);
	process_abandon(process);
	assert_int_equal(uv_run(&loop, UV_RUN_DEFAULT), 0);
	assert_int_equal(uv_loop_close(&loop), 0);
	assert_int_equal(o.calls, 0);
	assert_int_equal(kill(pid, 0), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_output),	     cmocka_unit_test(test_surroundings),
		cmocka_unit_test(test_descriptors),  cmocka_unit_test(test_input),
		cmocka_unit_test(test_input_unread), cmocka_unit_test(test_tail_of_errors),
		cmocka_unit_test(test_output_cut),   cmocka_unit_test(test_timeout),
		cmocka_unit_test(test_pipe_held),    cmocka_unit_test(test_no_program),
		cmocka_unit_test(test_abandon),
	};
	(void)signal(SIGPIPE, SIG_IGN);
	launch = realpath(TOP_BUILDDIR "/sandbox/craft-sandbox-launch", NULL);
	return cmocka_run_group_tests_name("sandbox process", tests, NULL, NULL);
}
