/* test_sandbox_seccomp.c: the filter, loaded into a child that then asks the kernel. */
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/netlink.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "child.h"
#include "lib/cleanup.h"
#include "sandbox/seccomp.h"

#define OTHER 255 /* exit code of a child for errors above 254 */

static int filter_fd(void)
{
	autobuf error = { 0 };
	int fd = seccomp_export(&error);
	if (fd < 0)
		fail_msg("%s", buf_cstr(&error));
	return fd;
}

/* In the child. */
static void load(int fd)
{
	struct sock_filter code[4096];
	ssize_t n = read(fd, code, sizeof(code));
	struct sock_fprog program = { .len = (unsigned short)((size_t)n / sizeof(*code)), .filter = code };
	if (n <= 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
	    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) < 0)
		abort();
}

/* The child's exit code, or -signal. */
static int ended(pid_t pid)
{
	int status;
	assert_true(pid > 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

struct call {
	int filter; /* -1: none is loaded */
	long number, args[4];
};

static int make_call(void *user)
{
	const struct call *c = user;
	load(c->filter);
	long result = syscall(c->number, c->args[0], c->args[1], c->args[2], c->args[3], 0, 0);
	int failed = result < 0 ? errno : 0;
	return failed > 254 ? OTHER : failed;
}

/* The errno of the call under the filter, 0 when it did not fail; -signal when the kernel killed the child. */
static int outcome(long number, long a, long b, long c, long d)
{
	autoclose int fd = filter_fd();
	struct call call = { fd, number, { a, b, c, d } };
	return ended(child_start(make_call, &call));
}

#define REFUSED(...) assert_int_equal(outcome(__VA_ARGS__), EPERM)

static void namespaces_and_mounts(void **state)
{
	(void)state;
	REFUSED(SYS_unshare, CLONE_NEWUSER, 0, 0, 0);
	REFUSED(SYS_unshare, 0, 0, 0, 0);
	REFUSED(SYS_setns, 0, 0, 0, 0);
	REFUSED(SYS_mount, 0, 0, 0, 0);
	REFUSED(SYS_umount2, 0, 0, 0, 0);
	REFUSED(SYS_pivot_root, 0, 0, 0, 0);
	REFUSED(SYS_chroot, (long)"/", 0, 0, 0);
	REFUSED(SYS_move_mount, 0, 0, 0, 0);
	REFUSED(SYS_open_tree, 0, 0, 0, 0);
	REFUSED(SYS_fsopen, 0, 0, 0, 0);
	REFUSED(SYS_fsconfig, 0, 0, 0, 0);
	REFUSED(SYS_fsmount, 0, 0, 0, 0);
	REFUSED(SYS_mount_setattr, 0, 0, 0, 0);
}

static void clone_makes_processes_but_no_namespaces(void **state)
{
	(void)state;
	assert_int_equal(outcome(SYS_clone3, 0, 0, 0, 0), ENOSYS);
	assert_int_equal(outcome(SYS_clone, SIGCHLD, 0, 0, 0), 0);
	static const long flags[] = { CLONE_NEWUSER, CLONE_NEWNS,  CLONE_NEWPID,   CLONE_NEWNET,
				      CLONE_NEWIPC,  CLONE_NEWUTS, CLONE_NEWCGROUP };
	for (size_t i = 0; i < sizeof(flags) / sizeof(*flags); i++)
		REFUSED(SYS_clone, flags[i] | SIGCHLD, 0, 0, 0);
	REFUSED(SYS_clone, CLONE_NEWUSER | CLONE_NEWNET | SIGCHLD, 0, 0, 0);
}

static void other_processes_and_the_machine(void **state)
{
	(void)state;
	REFUSED(SYS_ptrace, 0, 0, 0, 0);
	REFUSED(SYS_process_vm_readv, 0, 0, 0, 0);
	REFUSED(SYS_process_vm_writev, 0, 0, 0, 0);
	REFUSED(SYS_perf_event_open, 0, 0, 0, 0);
	REFUSED(SYS_bpf, 0, 0, 0, 0);
	REFUSED(SYS_userfaultfd, 0, 0, 0, 0);
	REFUSED(SYS_io_uring_setup, 0, 0, 0, 0);
	REFUSED(SYS_io_uring_enter, 0, 0, 0, 0);
	REFUSED(SYS_io_uring_register, 0, 0, 0, 0);
	REFUSED(SYS_keyctl, 0, 0, 0, 0);
	REFUSED(SYS_add_key, 0, 0, 0, 0);
	REFUSED(SYS_request_key, 0, 0, 0, 0);
	REFUSED(SYS_open_by_handle_at, 0, 0, 0, 0);
	REFUSED(SYS_reboot, 0, 0, 0, 0);
	REFUSED(SYS_kexec_load, 0, 0, 0, 0);
	REFUSED(SYS_init_module, 0, 0, 0, 0);
	REFUSED(SYS_finit_module, 0, 0, 0, 0);
	REFUSED(SYS_delete_module, 0, 0, 0, 0);
	REFUSED(SYS_swapon, 0, 0, 0, 0);
	REFUSED(SYS_acct, 0, 0, 0, 0);
	REFUSED(SYS_quotactl, 0, 0, 0, 0);
	REFUSED(SYS_syslog, 0, 0, 0, 0);
	REFUSED(SYS_settimeofday, 0, 0, 0, 0);
	REFUSED(SYS_clock_settime, 0, 0, 0, 0);
}

static void only_the_sockets_that_programs_need(void **state)
{
	(void)state;
	static const long good[] = { AF_UNIX, AF_INET, AF_INET6 };
	for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++)
		assert_int_equal(outcome(SYS_socket, good[i], SOCK_STREAM, 0, 0), 0);
	assert_int_equal(outcome(SYS_socket, AF_NETLINK, SOCK_RAW, NETLINK_ROUTE, 0), 0);
	assert_int_equal(outcome(SYS_socket, AF_NETLINK, SOCK_RAW, NETLINK_AUDIT, 0), EAFNOSUPPORT);
	assert_int_equal(outcome(SYS_socket, AF_NETLINK, SOCK_RAW, NETLINK_NETFILTER, 0), EAFNOSUPPORT);
	for (long family = 0; family < 64; family++)
		if (family != AF_UNIX && family != AF_INET && family != AF_INET6 && family != AF_NETLINK)
			assert_int_equal(outcome(SYS_socket, family, SOCK_RAW, 0, 0), EAFNOSUPPORT);
	assert_int_equal(outcome(SYS_socket, (1L << 32) | AF_VSOCK, SOCK_STREAM, 0, 0), EAFNOSUPPORT);
	assert_int_equal(outcome(SYS_socket, (1L << 32) | AF_NETLINK, SOCK_RAW, NETLINK_AUDIT, 0), EAFNOSUPPORT);
	int pair[2];
	assert_int_equal(outcome(SYS_socketpair, AF_UNIX, SOCK_STREAM, 0, (long)pair), 0);
}

/* Descriptor -1: a request that passes the filter fails with EBADF. */
static void typing_into_the_terminal(void **state)
{
	(void)state;
	REFUSED(SYS_ioctl, -1, TIOCSTI, 0, 0);
	REFUSED(SYS_ioctl, -1, (1L << 32) | TIOCSTI, 0, 0);
	REFUSED(SYS_ioctl, -1, (long)0x8000000000000000 | TIOCLINUX, 0, 0);
	assert_int_equal(outcome(SYS_ioctl, -1, TIOCGWINSZ, 0, 0), EBADF);
}

static int crash(void *user)
{
	(void)user;
	return raise(SIGSEGV);
}

static int fail_there(void *user)
{
	(void)user;
	fail();
	return 0;
}

/* Else it would run the tests that follow, and tell of them. */
static void a_child_ends_whatever_it_meets(void **state)
{
	(void)state;
	assert_int_equal(ended(child_start(crash, NULL)), -SIGSEGV);
	assert_int_equal(ended(child_start(fail_there, NULL)), -SIGABRT);
}

#ifdef __x86_64__
#define X32 0x40000000
#define I386_GETPID 20
#define I386 6 /* its place in the list of tests */

/* getpid by the numbers of i386 and of x32. */
static int make_foreign_call(void *user)
{
	const struct call *c = user;
	long result = c->number;
	if (c->filter >= 0)
		load(c->filter);
	if (c->number & X32)
		result = syscall(c->number);
	else
		__asm__ volatile("int $0x80" : "+a"(result) : : "memory", "r8", "r9", "r10", "r11");
	return result > 0 ? 0 : 1;
}

static int foreign_call(long number)
{
	autoclose int fd = filter_fd();
	return ended(child_start(make_foreign_call, &(struct call){ .filter = fd, .number = number }));
}

static void x32_is_killed(void **state)
{
	(void)state;
	assert_int_equal(foreign_call(X32 | SYS_getpid), -SIGSYS);
}

/* Many kernels are made without it: then any program gets a SIGSEGV there, and nothing can come that way. */
static bool kernel_has_i386(void)
{
	return ended(child_start(make_foreign_call, &(struct call){ .filter = -1, .number = I386_GETPID })) == 0;
}

static void i386_is_killed(void **state)
{
	(void)state;
	if (!kernel_has_i386())
		skip();
	assert_int_equal(foreign_call(I386_GETPID), -SIGSYS);
}
#endif

static void every_box_reads_the_filter_from_its_beginning(void **state)
{
	(void)state;
	autoclose int fd = filter_fd();
	char first[4096], second[4096];
	ssize_t n = read(fd, first, sizeof(first));
	assert_true(n > 0);
	autoclose int again = seccomp_reopen(fd);
	assert_true(again >= 0);
	assert_int_equal(read(again, second, sizeof(second)), n);
	assert_memory_equal(first, second, (size_t)n);
	assert_true(write(fd, "x", 1) < 0);
}

int main(void)
{
	struct CMUnitTest tests[] = {
		cmocka_unit_test(a_child_ends_whatever_it_meets),
		cmocka_unit_test(namespaces_and_mounts),
		cmocka_unit_test(clone_makes_processes_but_no_namespaces),
		cmocka_unit_test(other_processes_and_the_machine),
		cmocka_unit_test(only_the_sockets_that_programs_need),
		cmocka_unit_test(typing_into_the_terminal),
#ifdef __x86_64__
		[I386] = cmocka_unit_test(i386_is_killed),
		cmocka_unit_test(x32_is_killed),
#endif
		cmocka_unit_test(every_box_reads_the_filter_from_its_beginning),
	};
#ifdef __x86_64__
	if (!kernel_has_i386())
		tests[I386].name = "this machine can't make system calls of i386";
#endif
	return cmocka_run_group_tests(tests, NULL, NULL);
}
