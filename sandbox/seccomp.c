/* seccomp.c: what no program in a box may ask of the kernel: default allow, and a list of what is refused. */
#include "sandbox/seccomp.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <linux/sched.h>
#include <seccomp.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <termios.h>

#include "lib/cleanup.h"

/* Refused with EPERM whatever the arguments. A name that this libseccomp doesn't know is passed over: its kernels don't
 * have the call, or bwrap's dropped capabilities are what is left against it. */
static const char *const refused[] = {
	/* namespaces and mounts */
	"unshare", "setns", "mount", "umount", "umount2", "mount_setattr", "move_mount", "open_tree", "open_tree_attr",
	"fsopen", "fsconfig", "fsmount", "fspick", "pivot_root", "chroot", "swapon", "swapoff",
	/* other processes */
	"ptrace", "process_vm_readv", "process_vm_writev", "process_madvise", "pidfd_getfd", "kcmp", "move_pages",
	"migrate_pages", "perf_event_open",
	/* large and young parts of the kernel */
	"bpf", "io_uring_setup", "io_uring_enter", "io_uring_register", "userfaultfd", "fanotify_init", "modify_ldt",
	"lookup_dcookie", "vm86", "vm86old", "uselib", "nfsservctl",
	/* keys and handles that know no namespaces */
	"keyctl", "add_key", "request_key", "open_by_handle_at",
	/* the machine itself */
	"reboot", "kexec_load", "kexec_file_load", "init_module", "finit_module", "create_module", "delete_module",
	"acct", "quotactl", "quotactl_fd", "syslog", "settimeofday", "stime", "clock_settime", "clock_settime64",
	"clock_adjtime", "clock_adjtime64", "sethostname", "setdomainname", "iopl", "ioperm", "vhangup", "_sysctl",
	"sysfs"
};

/* What the library's own macros make, with every field set. */
static struct scmp_arg_cmp compare(unsigned argument, enum scmp_compare how, uint64_t a, uint64_t b)
{
	return (struct scmp_arg_cmp){ .arg = argument, .op = how, .datum_a = a, .datum_b = b };
}

static bool refuse_calls(scmp_filter_ctx filter)
{
	for (size_t i = 0; i < sizeof(refused) / sizeof(*refused); i++) {
		int call = seccomp_syscall_resolve_name(refused[i]);
		/* Negative numbers stand for calls that this architecture doesn't have. */
		if (call >= 0 && seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), call, 0) != 0)
			return false;
	}
	return true;
}

/* clone3 has its flags in memory, where a filter can't look; told that it doesn't exist, callers fall back to clone. */
static bool refuse_namespaces(scmp_filter_ctx filter)
{
	/* Not CLONE_NEWTIME: its bit lies in the byte of the exit signal, and clone() takes it for that. */
	static const uint64_t flags[] = { CLONE_NEWUSER, CLONE_NEWNS,  CLONE_NEWPID,   CLONE_NEWNET,
					  CLONE_NEWIPC,	 CLONE_NEWUTS, CLONE_NEWCGROUP };
	if (seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0) != 0)
		return false;
	for (size_t i = 0; i < sizeof(flags) / sizeof(*flags); i++)
		if (seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(clone), 1,
				     compare(0, SCMP_CMP_MASKED_EQ, flags[i], flags[i])) != 0)
			return false;
	return true;
}

/* Left are AF_UNIX, AF_INET, AF_INET6 and, because programs list interfaces with it, AF_NETLINK for routes. The kernel
 * looks at the low 32 bits; a number with others set is above all of these and refused with the rest. */
static bool refuse_sockets(scmp_filter_ctx filter)
{
	const uint32_t no = SCMP_ACT_ERRNO(EAFNOSUPPORT);
	for (uint64_t family = 0; family < AF_NETLINK; family++)
		if (family != AF_UNIX && family != AF_INET && family != AF_INET6 &&
		    seccomp_rule_add(filter, no, SCMP_SYS(socket), 1, compare(0, SCMP_CMP_EQ, family, 0)) != 0)
			return false;
	return seccomp_rule_add(filter, no, SCMP_SYS(socket), 1, compare(0, SCMP_CMP_GT, AF_NETLINK, 0)) == 0 &&
	       seccomp_rule_add(filter, no, SCMP_SYS(socket), 2, compare(0, SCMP_CMP_EQ, AF_NETLINK, 0),
				compare(2, SCMP_CMP_NE, NETLINK_ROUTE, 0)) == 0 &&
	       seccomp_rule_add(filter, no, SCMP_SYS(socketpair), 1, compare(0, SCMP_CMP_NE, AF_UNIX, 0)) == 0;
}

/* Typing into the terminal that the box was started from. Masked, because the kernel drops the upper half of the number
 * and an exact comparison doesn't (CVE-2019-10063). */
static bool refuse_ioctls(scmp_filter_ctx filter)
{
	static const uint64_t requests[] = { TIOCSTI, TIOCLINUX };
	for (size_t i = 0; i < sizeof(requests) / sizeof(*requests); i++)
		if (seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(ioctl), 1,
				     compare(1, SCMP_CMP_MASKED_EQ, 0xffffffff, requests[i])) != 0)
			return false;
	return true;
}

static void release(scmp_filter_ctx *filter)
{
	if (*filter)
		seccomp_release(*filter);
}

static int export_to_memory(scmp_filter_ctx filter, struct buf *error)
{
	autoclose int fd = memfd_create("seccomp", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	int failed = fd < 0 ? -errno : seccomp_export_bpf(filter, fd);
	if (failed == 0 && (lseek(fd, 0, SEEK_SET) < 0 ||
			    fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL) < 0))
		failed = -errno;
	if (failed == 0)
		return steal_fd(&fd);
	buf_addf(error, "cannot compile the seccomp filter: %s", strerror(-failed));
	return -1;
}

int seccomp_export(struct buf *error)
{
	/* Of a kernel of 2017 or later: the library would find out by system calls that valgrind doesn't know. */
	(void)seccomp_api_set(3);
	autocall(release) scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
	/* A filter of one architecture: calls by the tables of another (32 bits, x32) would pass it by. */
	if (!filter || seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS) != 0 ||
	    seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2) != 0 || !refuse_calls(filter) ||
	    !refuse_namespaces(filter) || !refuse_sockets(filter) || !refuse_ioctls(filter)) {
		buf_add_str(error, "cannot build the seccomp filter");
		return -1;
	}
	return export_to_memory(filter, error);
}

int seccomp_reopen(int fd)
{
	char path[64];
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return open(path, O_RDONLY | O_CLOEXEC);
}
