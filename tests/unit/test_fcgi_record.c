/* test_fcgi_record.c: bytes come as records of FastCGI, whatever their number and however the socket takes them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cleanup.h"
#include "record.h"

/* Reads all that comes, slowly, into a buffer. */
static void *read_all(void *arg)
{
	const int *fd = arg;
	struct buf *all = xcalloc(1, sizeof(*all));
	char piece[5000];
	ssize_t n;
	while ((n = read(*fd, piece, sizeof(piece))) > 0)
		buf_add_slice(all, slice_make(piece, (size_t)n));
	return all;
}

/* The records' contents, each header checked. */
static void unpack(const struct buf *all, int id, struct buf *content, size_t *records)
{
	size_t at = 0;
	for (*records = 0; at < all->len; (*records)++) {
		const unsigned char *h = (const unsigned char *)all->data + at;
		assert_true(all->len - at >= 8);
		assert_int_equal(h[0], 1);
		assert_int_equal(h[1], 6);
		assert_int_equal(h[2] << 8 | h[3], id);
		assert_int_equal(h[6], 0);
		size_t n = (size_t)(h[4] << 8 | h[5]);
		assert_true(n > 0 && at + 8 + n <= all->len);
		buf_add_slice(content, slice_make(all->data + at + 8, n));
		at += 8 + n;
	}
}

static void check(size_t head_len, size_t body_len, size_t expected_records)
{
	autobuf head = { 0 }, body = { 0 }, both = { 0 }, content = { 0 };
	int ends[2], small = 4096;
	struct output out;
	pthread_t reader;
	void *read;
	size_t records;
	for (size_t i = 0; i < head_len; i++)
		buf_add_char(&head, (char)(i * 7));
	for (size_t i = 0; i < body_len; i++)
		buf_add_char(&body, (char)(i * 13 + 1));
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
	assert_int_equal(setsockopt(ends[0], SOL_SOCKET, SO_SNDBUF, &small, sizeof(small)), 0);
	assert_int_equal(pthread_create(&reader, NULL, read_all, &ends[1]), 0);
	output_init(&out, ends[0], NULL);
	assert_true(record_write(&out, 0x1234, buf_slice(&head), buf_slice(&body)));
	(void)close(ends[0]);
	assert_int_equal(pthread_join(reader, &read), 0);
	(void)close(ends[1]);
	unpack(read, 0x1234, &content, &records);
	buf_add_slice(&both, buf_slice(&head));
	buf_add_slice(&both, buf_slice(&body));
	assert_true(slice_eq(buf_slice(&content), buf_slice(&both)));
	assert_int_equal(records, expected_records);
	buf_free(read);
	free(read);
}

static void test_records(void **state)
{
	(void)state;
	check(0, 0, 0);
	check(100, 0, 1);
	check(0, 1, 1);
	check(100, 65428, 1);
	check(100, 65429, 2);
	check(70000, 70000, 3);
	check(65528, 3, 2);
	check(50, 1 << 20, 17);
}

static void test_peer_is_gone(void **state)
{
	static char much[1 << 20];
	int ends[2];
	struct output out;
	(void)state;
	(void)signal(SIGPIPE, SIG_IGN);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
	(void)close(ends[1]);
	output_init(&out, ends[0], NULL);
	assert_false(record_write(&out, 1, SLICE_LIT("x"), slice_make(much, sizeof(much))));
	assert_int_equal(out.state, OUTPUT_GONE);
	(void)close(ends[0]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_records),
		cmocka_unit_test(test_peer_is_gone),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
