/* fuzz_box_request.c: any bytes and descriptors as a packet to craft-box: taken if and only if a plainer reading of
 * box_protocol.h takes it, as what that reads; no descriptor is left open. */
#include <assert.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "sandbox/box/request.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MAX_SENT 5

static int ends[2] = { -1, -1 };
static struct request request;

static void send_packet(const void *bytes, size_t size, size_t fds)
{
	union {
		struct cmsghdr align;
		char space[CMSG_SPACE(MAX_SENT * sizeof(int))];
	} extra = { .space = { 0 } };
	struct iovec vec = { .iov_base = (void *)(uintptr_t)bytes, .iov_len = size };
	struct msghdr header = { .msg_iov = &vec, .msg_iovlen = 1 };
	if (fds) {
		header.msg_control = extra.space;
		header.msg_controllen = CMSG_SPACE(fds * sizeof(int));
		struct cmsghdr *c = CMSG_FIRSTHDR(&header);
		assert(c);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(fds * sizeof(int));
		for (size_t i = 0; i < fds; i++)
			memcpy(CMSG_DATA(c) + i * sizeof(int), &ends[i % 2], sizeof(int));
	}
	assert(sendmsg(ends[0], &header, 0) == (ssize_t)size);
}

/* The lowest free descriptor: it is another one when something was left open. */
static int first_free(void)
{
	int fd = fcntl(ends[0], F_DUPFD_CLOEXEC, 0);
	assert(fd >= 0 && close(fd) == 0);
	return fd;
}

static bool is_good(const uint8_t *bytes, size_t size, size_t fds, struct box_message *m)
{
	uint64_t texts = 0;
	if (size < sizeof(*m))
		return false;
	memcpy(m, bytes, sizeof(*m));
	if (m->kind == BOX_KILL)
		return size == sizeof(*m) && fds == 0;
	for (size_t i = sizeof(*m); i < size; i++)
		texts += bytes[i] == 0;
	return m->kind == BOX_RUN && m->argc > 0 && texts == (uint64_t)m->argc + m->envc &&
	       texts <= REQUEST_MAX_TEXTS && bytes[size - 1] == 0 && m->pipes <= 7 &&
	       (size_t)__builtin_popcount(m->pipes) == fds;
}

static const char *check_texts(char **list, uint32_t count, const char *want)
{
	for (uint32_t i = 0; i < count; i++) {
		assert(list[i] && strcmp(list[i], want) == 0);
		want += strlen(want) + 1;
	}
	assert(!list[count]);
	return want;
}

static void check_run(const struct box_message *m, const char *texts)
{
	texts = check_texts(request.argv, m->argc, texts);
	(void)check_texts(request.environment, m->envc, texts);
	for (int i = 0; i < 3; i++) {
		bool wanted = m->pipes & 1U << i;
		assert((request.stdio[i] >= 0) == wanted);
		assert(!wanted || fcntl(request.stdio[i], F_GETFD) == FD_CLOEXEC);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct box_message m;
	if (size == 0)
		return 0;
	if (ends[0] < 0)
		assert(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) == 0);
	size_t fds = data[0] % (MAX_SENT + 1);
	int before = first_free();
	send_packet(data + 1, size - 1, fds);
	enum request_outcome outcome = request_receive(&request, ends[1]);
	bool good = is_good(data + 1, size - 1, fds, &m);
	assert(outcome == (good ? REQUEST_READ : size == 1 ? REQUEST_GONE : REQUEST_NONE));
	if (good) {
		assert(memcmp(&request.message, &m, sizeof(m)) == 0);
		if (m.kind == BOX_RUN)
			check_run(&m, (const char *)data + 1 + sizeof(m));
		request_close(&request);
	}
	assert(first_free() == before && request_receive(&request, ends[1]) == REQUEST_NONE);
	return 0;
}
