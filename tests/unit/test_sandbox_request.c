/* test_sandbox_request.c: packets on craft-box's control socket: what is well-formed is understood, nothing else, and
 * no descriptor is left open. */
#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "sandbox/box/request.h"

static int ends[2], pipe_ends[2];
static struct request r;

static int begin(void **state)
{
	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends), 0);
	assert_int_equal(pipe(pipe_ends), 0);
	return 0;
}

static int end(void **state)
{
	(void)state;
	(void)close(ends[0]);
	(void)close(ends[1]);
	(void)close(pipe_ends[0]);
	(void)close(pipe_ends[1]);
	return 0;
}

static size_t open_descriptors(void)
{
	size_t n = 0;
	DIR *dir = opendir("/proc/self/fd");
	if (!dir)
		abort();
	while (readdir(dir))
		n++;
	(void)closedir(dir);
	return n;
}

/* A packet: the message, the bytes behind it, and so many descriptors. */
static void send_message(const struct box_message *m, size_t message_size, const void *bytes, size_t size, size_t fds)
{
	union {
		struct cmsghdr align;
		char space[CMSG_SPACE(8 * sizeof(int))];
	} extra = { .space = { 0 } };
	char *packet = malloc(message_size + size + 1);
	/* The analyzer doesn't know that cmocka's asserts don't return. */
	if (!packet)
		abort();
	(void)memcpy(packet, m, message_size);
	if (size)
		(void)memcpy(packet + message_size, bytes, size);
	struct iovec vec = { .iov_base = packet, .iov_len = message_size + size };
	struct msghdr header = { .msg_iov = &vec, .msg_iovlen = 1 };
	if (fds) {
		header.msg_control = extra.space;
		header.msg_controllen = CMSG_SPACE(fds * sizeof(int));
		struct cmsghdr *c = CMSG_FIRSTHDR(&header);
		if (!c)
			abort();
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(fds * sizeof(int));
		for (size_t i = 0; i < fds; i++)
			(void)memcpy(CMSG_DATA(c) + i * sizeof(int), &pipe_ends[i % 2], sizeof(int));
	}
	assert_true(sendmsg(ends[0], &header, 0) >= 0);
	free(packet);
}

static enum request_outcome run_message(uint32_t argc, uint32_t envc, uint32_t pipes, const void *bytes, size_t size,
					size_t fds)
{
	const struct box_message m = { .kind = BOX_RUN, .id = 7, .argc = argc, .envc = envc, .pipes = pipes };
	send_message(&m, sizeof(m), bytes, size, fds);
	return request_receive(&r, ends[1]);
}

static void test_run(void **state)
{
	(void)state;
	size_t before = open_descriptors();
	assert_int_equal(run_message(2, 1, 7, "ls\0\0A=b", 8, 3), REQUEST_READ);
	assert_int_equal(r.message.id, 7);
	assert_string_equal(r.argv[0], "ls");
	assert_string_equal(r.argv[1], "");
	assert_null(r.argv[2]);
	assert_string_equal(r.environment[0], "A=b");
	assert_null(r.environment[1]);
	assert_true(r.stdio[0] >= 0 && r.stdio[1] >= 0 && r.stdio[2] >= 0);
	request_close(&r);
	assert_int_equal(open_descriptors(), before);
	assert_int_equal(run_message(1, 0, BOX_STDERR, "ls", 3, 1), REQUEST_READ);
	assert_null(r.environment[0]);
	assert_true(r.stdio[0] == -1 && r.stdio[1] == -1 && r.stdio[2] >= 0);
	request_close(&r);
	assert_int_equal(run_message(1, 0, 0, "ls", 3, 0), REQUEST_READ);
}

static void test_kill(void **state)
{
	(void)state;
	const struct box_message m = { .kind = BOX_KILL, .id = 9 };
	send_message(&m, sizeof(m), NULL, 0, 0);
	assert_int_equal(request_receive(&r, ends[1]), REQUEST_READ);
	assert_int_equal(r.message.id, 9);
	send_message(&m, sizeof(m), "x", 1, 0);
	assert_int_equal(request_receive(&r, ends[1]), REQUEST_NONE);
	send_message(&m, sizeof(m), NULL, 0, 1);
	assert_int_equal(request_receive(&r, ends[1]), REQUEST_NONE);
}

static void test_garbage(void **state)
{
	(void)state;
	static char large[300000];
	size_t before = open_descriptors();
	const struct {
		uint32_t argc, envc, pipes;
		const void *bytes;
		size_t size, fds;
	} cases[] = {
		{ 0, 0, 0, "", 0, 0 },			  /* no program */
		{ 0, 1, 0, "A=b", 4, 0 },		  /* the same */
		{ 1, 0, 0, "ls", 2, 0 },		  /* no NUL */
		{ 2, 0, 0, "ls", 3, 0 },		  /* too few */
		{ 1, 1, 0, "ls", 3, 0 },		  /* the same */
		{ 1, 0, 0, "ls\0x", 5, 0 },		  /* too many */
		{ 1, 0, 7, "ls", 3, 2 },		  /* too few descriptors */
		{ 1, 0, 1, "ls", 3, 2 },		  /* too many */
		{ 1, 0, 0, "ls", 3, 1 },		  /* the same */
		{ 1, 0, 7, "ls", 3, 8 },		  /* more than there is room for */
		{ 1, 0, 15, "ls", 3, 3 },		  /* a stream that there isn't */
		{ UINT32_MAX, 1, 0, "ls", 3, 0 },	  /* their sum is 0 */
		{ 1, UINT32_MAX, 0, "ls", 3, 0 },	  /* the same */
		{ 50001, 0, 0, large, 50001, 0 },	  /* more than are taken */
		{ 1, 50000, 0, large, 50001, 0 },	  /* the same */
		{ 1, 0, 0, large, BOX_MAX_TEXTS + 1, 1 }, /* too long */
	};
	int size = 1000000;
	assert_int_equal(setsockopt(ends[0], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size)), 0);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		enum request_outcome outcome = run_message(cases[i].argc, cases[i].envc, cases[i].pipes, cases[i].bytes,
							   cases[i].size, cases[i].fds);
		if (outcome != REQUEST_NONE || open_descriptors() != before)
			fail_msg("case %zu", i);
	}
	const struct box_message m = { .kind = 99 };
	send_message(&m, sizeof(m), NULL, 0, 3);
	assert_int_equal(request_receive(&r, ends[1]), REQUEST_NONE);
	send_message(&m, sizeof(m) - 1, NULL, 0, 1);
	assert_int_equal(request_receive(&r, ends[1]), REQUEST_NONE);
	assert_int_equal(open_descriptors(), before);
	assert_int_equal(run_message(50000, 0, 0, large, 50000, 0), REQUEST_READ);
}

static void test_nothing_and_end(void **state)
{
	const struct box_message none = { 0 };
	size_t before = open_descriptors();
	(void)state;
	assert_int_equal(request_receive(&r, ends[1]), REQUEST_NONE);
	send_message(&none, 0, NULL, 0, 2);
	assert_int_equal(request_receive(&r, ends[1]), REQUEST_GONE);
	assert_int_equal(open_descriptors(), before);
	assert_int_equal(shutdown(ends[0], SHUT_RDWR), 0);
	assert_int_equal(request_receive(&r, ends[1]), REQUEST_GONE);
}

int main(void)
{
#define IN_SOCKETS(test) cmocka_unit_test_setup_teardown(test, begin, end)
	const struct CMUnitTest tests[] = {
		IN_SOCKETS(test_run),
		IN_SOCKETS(test_kill),
		IN_SOCKETS(test_garbage),
		IN_SOCKETS(test_nothing_and_end),
	};
	return cmocka_run_group_tests_name("sandbox request", tests, NULL, NULL);
}
