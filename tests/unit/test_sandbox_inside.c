/* test_sandbox_inside.c: a box as the daemon makes it, with bwrap: process 1, its kills, the forwarder. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "sandbox_temp.h"

#include "sandbox/seccomp.h"
#include "sandbox_box.h"
#include "tests/uids.h"

static struct test_box t;

static void copy_program(const char *name)
{
	autobuf command = { 0 };
	buf_addf(&command, "install -m 0755 '" TOP_BUILDDIR "/sandbox/%s' '%s'", name, t.dir);
	assert_int_equal(system(buf_cstr(&command)), 0);
}

static int begin(void **state)
{
	(void)state;
	autobuf error = { 0 };
	t = (struct test_box){ .exit_code = -1 };
	begin_loop(&t);
	copy_program("craft-box");
	copy_program("craft-sandbox-launch");
	t.conf.sandbox_dir = t.dir;
	t.conf.sandbox_uid_base = uids_own();
	instance_init(&t.instance, &t.conf, "00000000-0000-4000-8000-000000000000", 3);
	if (!instance_create(&t.instance, &t.conf, &error))
		fail_msg("%s", buf_cstr(&error));
	t.seccomp_fd = seccomp_export(&error);
	assert_true(t.seccomp_fd > 0);
	begin_box(&t);
	wait_bool(&t, &t.ready);
	return 0;
}

static int end(void **state)
{
	(void)state;
	autobuf error = { 0 };
	if (!t.ended)
		box_kill(t.box);
	wait_bool(&t, &t.ended);
	if (!instance_remove(&t.instance, &error))
		fail_msg("%s", buf_cstr(&error));
	(void)close(t.seccomp_fd);
	end_box(&t);
	return 0;
}

static void test_process_1(void **state)
{
	(void)state;
	expect_shell(&t, "cat /proc/1/comm; pwd; id -u; ls /proc/self/fd | wc -l", "craft-box\n/workspace\n1000\n4\n");
	expect_shell(
		&t,
		"cat /proc/1/environ /proc/$PPID/environ 2>/dev/null; ls /proc/1/fd /proc/$PPID/fd 2>/dev/null; true",
		"");
	expect_shell(&t, "tr '\\0' ' ' < /proc/1/cmdline", "/opt/craft/craft-box init 3 ");
	/* It can't be killed, stopped or made to crash from inside. */
	expect_shell(&t, "for s in KILL STOP TERM SEGV CHLD USR1 RTMIN; do kill -$s 1; done; echo well", "well\n");
	expect_shell(&t, "echo still", "still\n");
}

static void test_orphans_are_reaped(void **state)
{
	(void)state;
	expect_shell(&t, "for i in 1 2 3 4 5 6 7 8 9; do (setsid sh -c 'exit 3' &) ; done", "");
	expect_shell(&t,
		     "i=0; while grep -q '^State:.Z' /proc/[0-9]*/status 2>/dev/null && [ $i -lt 1000 ]; do "
		     "i=$((i+1)); done;"
		     "[ $i -lt 1000 ] && echo reaped",
		     "reaped\n");
}

static void test_kill(void **state)
{
	(void)state;
	autooutcome o;
	const char *script = "trap '' TERM; sleep 71 & setsid sleep 72 & (setsid sh -c 'sleep 73 & echo on' &); wait";
	struct box_run *run = start_shell(&t, script, &o);
	wait_text(&t, &o, "on");
	box_run_kill(run);
	wait_int(&t, &o.code, -1);
	expect_shell(&t, "cat /proc/[0-9]*/cmdline | tr '\\0' ' ' | grep -c '[s]leep 7' || true", "0\n");
}

static void test_background_lives_on(void **state)
{
	(void)state;
	autooutcome o;
	expect_shell(&t, "sleep 81 > /dev/null 2>&1 &", "");
	(void)start_with(&t, (struct box_run_options){ .argv = SHELL("sleep 82"), .timeout = 300 }, &o);
	wait_int(&t, &o.code, -1);
	expect_shell(&t, "cat /proc/[0-9]*/cmdline | tr '\\0' ' ' | grep -o 'sleep 8[0-9]'", "sleep 81\n");
}

static void test_box_kill(void **state)
{
	(void)state;
	autooutcome o;
	(void)start_shell(&t, "trap '' TERM; setsid sleep 60 & echo on; sleep 60", &o);
	wait_text(&t, &o, "on");
	uint64_t began = uv_hrtime();
	box_kill(t.box);
	wait_bool(&t, &t.ended);
	assert_int_equal(o.code, 128 + SIGKILL);
	assert_true(uv_hrtime() - began < pace_ms(20000) * 1000000);
	autobuf survivors = { 0 };
	/* Nothing of that user is left: what was inside dies a moment after bwrap. */
	buf_addf(&survivors,
		 "for i in $(seq 120); do ps -u %u -o pid=,stat= | grep -v Z || exit 0; sleep 0.5; done; "
		 "exit 1",
		 t.instance.uid);
	if (geteuid() == 0)
		assert_int_equal(system(buf_cstr(&survivors)), 0);
}

/* ---- the way out ---- */

static int listen_at(const char *name)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	(void)snprintf(address.sun_path, sizeof(address.sun_path), "%s/%s", t.instance.run, name);
	(void)unlink(address.sun_path);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(chmod(address.sun_path, 0666), 0);
	assert_int_equal(listen(fd, 16), 0);
	return fd;
}

static int accept_soon(int listener)
{
	struct pollfd fd = { .fd = listener, .events = POLLIN };
	assert_int_equal(poll(&fd, 1, (int)pace_ms(DEADLINE_MS)), 1);
	int accepted = accept(listener, NULL, NULL);
	assert_true(accepted >= 0);
	const struct timeval limit = { .tv_sec = (time_t)pace_ms(DEADLINE_MS) / 1000 };
	assert_int_equal(setsockopt(accepted, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)), 0);
	return accepted;
}

#define CONNECT(port) "exec 3<>/dev/tcp/127.0.0.1/" #port "; "

static struct box_run *start_bash(const char *text, struct outcome *o)
{
	return start_with(&t, (struct box_run_options){ .argv = (const char *const[]){ "bash", "-c", text, NULL } }, o);
}

/* A gateway of one connection: reads to its end, then answers with what it got. */
static void answer_once(int listener)
{
	char bytes[1000];
	size_t got = 0;
	autoclose int fd = accept_soon(listener);
	ssize_t n;
	while ((n = read(fd, bytes + got, sizeof(bytes) - got)) > 0)
		got += (size_t)n;
	assert_int_equal(n, 0);
	assert_int_equal(write(fd, "got ", 4), 4);
	assert_int_equal(write(fd, bytes, got), got);
}

static void test_forward(void **state)
{
	(void)state;
	autooutcome o;
	autoclose int egress = listen_at("egress.sock"), api = listen_at("api.sock"), git = listen_at("git.sock");
	const int listeners[] = { egress, api, git };
	const char *const scripts[] = { CONNECT(3128) "echo 3128 >&3; head -n1 <&3",
					CONNECT(3129) "echo 3129 >&3; head -n1 <&3",
					CONNECT(3130) "echo 3130 >&3; head -n1 <&3" };
	for (size_t i = 0; i < 3; i++) {
		char line[16] = "";
		(void)start_bash(scripts[i], &o);
		autoclose int fd = accept_soon(listeners[i]);
		assert_int_equal(read(fd, line, sizeof(line)), 5);
		assert_int_equal(write(fd, line, 5), 5);
		wait_int(&t, &o.code, -1);
		assert_int_equal(atoi(buf_cstr(&o.out)), 3128 + i);
		free_outcome(&o);
	}
	(void)start_bash("exec 3<>/dev/tcp/127.0.0.1/3131", &o);
	wait_int(&t, &o.code, -1);
	assert_int_equal(o.code, 1);
}

/* Its end of one direction alone, by way of python3 where there is one, as bash can't. */
static void test_half_closed(void **state)
{
	(void)state;
	autooutcome o;
	autoclose int listener = listen_at("api.sock");
	if (access("/usr/bin/python3", X_OK) != 0)
		skip();
	const char *const argv[] = { "/usr/bin/python3", "-c",
				     "import socket\n"
				     "s = socket.create_connection(('127.0.0.1', 3129))\n"
				     "s.sendall(b'x' * 500)\n"
				     "s.shutdown(socket.SHUT_WR)\n"
				     "print(len(b''.join(iter(lambda: s.recv(100), b''))))",
				     NULL };
	(void)start_with(&t, (struct box_run_options){ .argv = argv }, &o);
	answer_once(listener);
	wait_int(&t, &o.code, -1);
	assert_string_equal(buf_cstr(&o.out), "504\n");
}

/* A gateway that starts anew: who connects meanwhile waits for it. */
static void test_gateway_restarts(void **state)
{
	(void)state;
	autooutcome o;
	char line[16] = "";
	(void)start_bash(CONNECT(3129) "echo hello >&3; echo sent; head -n1 <&3", &o);
	wait_text(&t, &o, "sent");
	autoclose int listener = listen_at("api.sock");
	autoclose int fd = accept_soon(listener);
	assert_int_equal(read(fd, line, sizeof(line)), 6);
	assert_int_equal(write(fd, "well\n", 5), 5);
	wait_int(&t, &o.code, -1);
	assert_string_equal(buf_cstr(&o.out), "sent\nwell\n");
}

static void test_forwarder_killed(void **state)
{
	(void)state;
	autooutcome o;
	char line[16] = "";
	autoclose int listener = listen_at("api.sock");
	expect_shell(&t,
		     "for p in /proc/[0-9]*; do read -r n < $p/comm; [ $n = craft-forward ] && kill -9 ${p#/proc/}; "
		     "done; true",
		     "");
	(void)start_bash(CONNECT(3129) "echo hello >&3; head -n1 <&3", &o);
	autoclose int fd = accept_soon(listener);
	assert_int_equal(read(fd, line, sizeof(line)), 6);
	assert_int_equal(write(fd, "well\n", 5), 5);
	wait_int(&t, &o.code, -1);
	assert_string_equal(buf_cstr(&o.out), "well\n");
}

int main(void)
{
#define IN_BOX(test) cmocka_unit_test_setup_teardown(test, begin, end)
	const struct CMUnitTest tests[] = {
		IN_BOX(test_process_1),		  IN_BOX(test_orphans_are_reaped), IN_BOX(test_kill),
		IN_BOX(test_background_lives_on), IN_BOX(test_box_kill),	   IN_BOX(test_forward),
		IN_BOX(test_half_closed),	  IN_BOX(test_gateway_restarts),   IN_BOX(test_forwarder_killed),
	};
	(void)signal(SIGPIPE, SIG_IGN);
	if (system("bwrap --unshare-user --unshare-net --ro-bind / / --proc /proc true 2>/dev/null") != 0) {
		(void)printf("1..0 # SKIP bwrap makes no namespaces here\n");
		return 0;
	}
	return cmocka_run_group_tests_name("sandbox inside", tests, NULL, NULL);
}
