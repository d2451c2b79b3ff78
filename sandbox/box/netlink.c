/* netlink.c: socket(AF_NETLINK, …) asks process 1, which opens the sockets one after the other and so can count them.
 */
#include "netlink.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "cleanup.h"

#define TEXT_MAX 16384
/* Kernels may have more in these structs. */
#define STRUCT_MAX 512

/* In the upper half of the type, which the kernel drops: the filter holds for process 1 too, and knows its calls by it.
 */
static uint32_t ours;
static long most;

/* Of one argument the half that counts, or the other. */
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define LOW(n) (offsetof(struct seccomp_data, args[n]))
#define HIGH(n) (LOW(n) + 4)
#else
#define HIGH(n) (offsetof(struct seccomp_data, args[n]))
#define LOW(n) (HIGH(n) + 4)
#endif

/* Another architecture's calls are refused by the filter of seccomp.c. */
static int install(void)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_socket, 0, 4),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, LOW(0)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AF_NETLINK, 0, 2),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, HIGH(1)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ours, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF),
	};
	struct sock_fprog program = { .len = sizeof(code) / sizeof(*code), .filter = code };
	return (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &program);
}

static bool read_text(const char *path, char *text, size_t room)
{
	autoclose int fd = open(path, O_RDONLY | O_CLOEXEC);
	size_t length = 0;
	ssize_t n = 0;
	while (fd >= 0 && length < room - 1 && (n = read(fd, text + length, room - 1 - length)) > 0)
		length += (size_t)n;
	text[length] = '\0';
	return length > 0;
}

/* A queue may be twice as long as what SO_RCVBUF may ask for. */
static long bound(void)
{
	char text[32];
	long each = read_text("/proc/sys/net/core/rmem_max", text, sizeof(text)) ? atol(text) : 0;
	long fit = each > 0 ? NETLINK_BYTES / (2 * each) : NETLINK_LEAST;
	return fit < NETLINK_LEAST ? NETLINK_LEAST : fit > NETLINK_MOST ? NETLINK_MOST : fit;
}

int netlink_guard(void)
{
	most = bound();
	if (getrandom(&ours, sizeof(ours), 0) != sizeof(ours) || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return -1;
	ours |= 1;
	return install();
}

/* In this network namespace, the kernel's own not among them: "NETLINK SIZE SOCKETS …". */
static long count(void)
{
	char text[TEXT_MAX];
	long sockets = 0;
	const char *line = read_text("/proc/net/protocols", text, sizeof(text)) ? strstr(text, "\nNETLINK ") : NULL;
	if (line)
		(void)sscanf(line, " NETLINK %*d %ld", &sockets);
	return sockets;
}

static int open_socket(const struct seccomp_data *call)
{
	if (count() >= most) {
		errno = ENOBUFS;
		return -1;
	}
	uint64_t type = (uint32_t)call->args[1] | (uint64_t)ours << 32;
	return (int)syscall(SYS_socket, AF_NETLINK, type | SOCK_CLOEXEC, call->args[2]);
}

/* As its descriptor and the answer in one step, so that a signal between them leaves nothing open; false: this kernel
 * can't. */
static bool hand_over(int guard, const struct seccomp_notif *asked, int fd, int *given)
{
	struct seccomp_notif_addfd add = { .id = asked->id, .srcfd = (uint32_t)fd, .flags = SECCOMP_ADDFD_FLAG_SEND };
	if (asked->data.args[1] & SOCK_CLOEXEC)
		add.newfd_flags = O_CLOEXEC;
	*given = ioctl(guard, SECCOMP_IOCTL_NOTIF_ADDFD, &add);
	if (*given >= 0)
		return true;
	if (errno == EINVAL) {
		add.flags = 0;
		*given = ioctl(guard, SECCOMP_IOCTL_NOTIF_ADDFD, &add);
	}
	return false;
}

void netlink_answer(int guard)
{
	union {
		struct seccomp_notif notif;
		char room[STRUCT_MAX];
	} asked = { .room = { 0 } };
	union {
		struct seccomp_notif_resp resp;
		char room[STRUCT_MAX];
	} answer = { .room = { 0 } };
	int given = -1;
	if (ioctl(guard, SECCOMP_IOCTL_NOTIF_RECV, &asked) < 0)
		return;
	autoclose int fd = open_socket(&asked.notif.data);
	if (fd >= 0 && hand_over(guard, &asked.notif, fd, &given))
		return;
	answer.resp.id = asked.notif.id;
	answer.resp.error = given < 0 ? -errno : 0;
	answer.resp.val = given;
	(void)ioctl(guard, SECCOMP_IOCTL_NOTIF_SEND, &answer);
}
