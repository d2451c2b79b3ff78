/* test_fcgi_spool.c: what one workspace may have of the files of slow readers, and that an answer which went into one
 * arrives as it would have by itself. */
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "child.h"
#include "cleanup.h"
#include "fcgi/record.h"

#define MB (1ull << 20)

static char directory[] = "/var/tmp";
static const struct conf conf = { .fcgi_spool = 64 * MB, .fcgi_spool_dir = directory };

static struct spool_share share_of(const char *workspace)
{
	struct output o;
	output_init(&o, -1, NULL);
	output_for(&o, slice_of(workspace));
	return o.share;
}

static void test_shares(void **state)
{
	(void)state;
	struct spool *spool = spool_new(&conf);
	struct spool_share a = share_of("a"), more = share_of("a"), b = share_of("b");
	int file = spool_file(spool);
	assert_true(file >= 0);
	assert_int_equal(spool_resize(spool, &a, 10 * MB, file), SPOOL_OK);
	assert_true(spool_is_full(spool, &more));
	assert_false(spool_is_full(spool, &b));
	assert_int_equal(spool_resize(spool, &more, 7 * MB, file), SPOOL_WORKSPACE);
	assert_int_equal(spool_resize(spool, &more, 6 * MB, file), SPOOL_OK);
	assert_int_equal(spool_resize(spool, &a, 11 * MB, file), SPOOL_WORKSPACE);
	assert_int_equal(spool_resize(spool, &b, 16 * MB, file), SPOOL_OK);
	assert_int_equal(spool_sums(spool).bytes, 32 * MB);
	assert_int_equal(spool_sums(spool).answers, 3);
	/* What is out makes room. */
	assert_int_equal(spool_resize(spool, &a, 1 * MB, file), SPOOL_OK);
	assert_int_equal(spool_resize(spool, &more, 15 * MB, file), SPOOL_OK);
	spool_end(spool, &more);
	assert_int_equal(more.id, 0);
	assert_int_equal(spool_sums(spool).bytes, 17 * MB);
	(void)close(file);
	spool_free(spool);
}

static void test_all(void **state)
{
	(void)state;
	struct spool *spool = spool_new(&conf);
	int file = spool_file(spool);
	for (int i = 0; i < SPOOL_SHARE; i++) {
		struct spool_share share = share_of((char[]){ (char)('a' + i), '\0' });
		assert_int_equal(spool_resize(spool, &share, 16 * MB, file), SPOOL_OK);
	}
	struct spool_share late = share_of("late");
	assert_int_equal(spool_resize(spool, &late, 1, file), SPOOL_ALL);
	assert_true(spool_is_full(spool, &late));
	(void)close(file);
	spool_free(spool);
}

static void test_number_of_answers(void **state)
{
	(void)state;
	struct spool *spool = spool_new(&conf);
	int file = spool_file(spool);
	for (int i = 0; i < SPOOL_MAX / SPOOL_SHARE; i++) {
		struct spool_share share = share_of("many");
		assert_int_equal(spool_resize(spool, &share, 1, file), SPOOL_OK);
	}
	struct spool_share one = share_of("many"), other = share_of("other");
	assert_int_equal(spool_resize(spool, &one, 1, file), SPOOL_WORKSPACE);
	assert_true(spool_is_full(spool, &one));
	assert_int_equal(spool_resize(spool, &other, 1, file), SPOOL_OK);
	(void)close(file);
	spool_free(spool);
}

struct spooling {
	struct spool *spool;
	int file;
};

static int take_two(void *user)
{
	const struct spooling *s = user;
	struct spool_share share = share_of("a");
	return spool_resize(s->spool, &share, 2 * MB, s->file) == SPOOL_OK ? 0 : 1;
}

/* Whoever dies leaves nothing. */
static void test_owner_dies(void **state)
{
	(void)state;
	struct spool *spool = spool_new(&conf);
	struct spool_share mine = share_of("a");
	int file = spool_file(spool), status;
	assert_int_equal(spool_resize(spool, &mine, 1 * MB, file), SPOOL_OK);
	pid_t pid = child_start(take_two, &(struct spooling){ spool, file });
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_int_equal(spool_sums(spool).bytes, 3 * MB);
	spool_owner_ended(spool, pid);
	assert_int_equal(spool_sums(spool).bytes, 1 * MB);
	(void)close(file);
	spool_free(spool);
}

static bool is_readable(int fd)
{
	struct pollfd readable = { .fd = fd, .events = POLLIN };
	return poll(&readable, 1, 0) == 1;
}

static void read_into(int fd, struct buf *all)
{
	while (is_readable(fd)) {
		char *to = buf_reserve(all, 65536);
		ssize_t n = read(fd, to, 65536);
		if (n <= 0)
			return;
		all->len += (size_t)n;
	}
}

/* What the peer of a connection reads when nobody waits for it, and when it is read at once. */
static void test_slow_reader(void **state)
{
	(void)state;
	autobuf body = { 0 }, slow = { 0 }, quick = { 0 };
	struct spool *spool = spool_new(&conf);
	struct spool_answer answer;
	struct output out;
	int ends[2], connection, file, sent;
	for (size_t i = 0; i < 3 * MB; i++)
		buf_add_char(&body, (char)(i * 31 >> 3));
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
	output_init(&out, ends[0], spool);
	output_for(&out, SLICE_LIT("a"));
	assert_true(record_write(&out, 7, SLICE_LIT("Status: 200\r\n\r\n"), buf_slice(&body)));
	assert_true(output_is_spooled(&out));
	assert_true(record_write(&out, 7, slice_make(NULL, 0), buf_slice(&body)));
	assert_true(record_end(&out, 7));
	output_hand_over(&out, "an id");
	assert_false(output_is_spooled(&out));
	output_free(&out);
	(void)close(ends[0]);
	assert_int_equal(spool_take(spool, &answer, &connection, &file), 1);
	assert_string_equal(answer.request, "an id");
	/* Not a step more than what is in the file. */
	assert_int_equal(spool_sums(spool).bytes, answer.to);
	assert_int_equal(fcntl(connection, F_SETFL, O_NONBLOCK), 0);
	do {
		read_into(ends[1], &slow);
		sent = spool_send(&answer, connection, file, 1 << 20);
	} while (sent == 0);
	assert_int_equal(sent, 1);
	(void)close(connection);
	(void)close(file);
	spool_end(spool, &answer.share);
	assert_int_equal(spool_sums(spool).answers, 0);
	assert_int_equal(spool_take(spool, &answer, &connection, &file), 0);
	read_into(ends[1], &slow);
	(void)close(ends[1]);

	/* As it is written into the file from its first byte on. */
	int log = spool_file(spool);
	assert_true(log >= 0);
	output_init(&out, -1, spool);
	out.file = log;
	out.share = share_of("a");
	assert_true(record_write(&out, 7, SLICE_LIT("Status: 200\r\n\r\n"), buf_slice(&body)));
	assert_true(record_write(&out, 7, slice_make(NULL, 0), buf_slice(&body)));
	assert_true(record_end(&out, 7));
	assert_int_equal(lseek(log, 0, SEEK_SET), 0);
	read_into(log, &quick);
	assert_true(slice_eq(buf_slice(&slow), buf_slice(&quick)));
	output_free(&out);
	spool_free(spool);
}

static void test_too_much(void **state)
{
	(void)state;
	static char much[1 << 20];
	struct spool *spool = spool_new(&conf);
	struct output out;
	int ends[2], written = 0;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
	output_init(&out, ends[0], spool);
	output_for(&out, SLICE_LIT("a"));
	while (record_write(&out, 1, slice_make(NULL, 0), slice_make(much, sizeof(much))))
		written++;
	assert_int_equal(out.state, OUTPUT_FULL);
	assert_true(written >= 15 && written <= 17);
	assert_false(record_end(&out, 1));
	output_free(&out);
	assert_int_equal(spool_sums(spool).bytes, 0);
	(void)close(ends[0]);
	(void)close(ends[1]);
	spool_free(spool);
}

/* A client that leaves while its answer is made ends it. */
static void test_reader_leaves(void **state)
{
	(void)state;
	static char much[1 << 20];
	struct spool *spool = spool_new(&conf);
	struct output out;
	int ends[2];
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
	output_init(&out, ends[0], spool);
	assert_true(record_write(&out, 1, slice_make(NULL, 0), slice_make(much, sizeof(much))));
	assert_true(output_is_spooled(&out));
	(void)close(ends[1]);
	while (record_write(&out, 1, slice_make(NULL, 0), slice_make(much, sizeof(much))))
		;
	assert_int_equal(out.state, OUTPUT_GONE);
	output_free(&out);
	(void)close(ends[0]);
	spool_free(spool);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_shares),
		cmocka_unit_test(test_all),
		cmocka_unit_test(test_number_of_answers),
		cmocka_unit_test(test_owner_dies),
		cmocka_unit_test(test_slow_reader),
		cmocka_unit_test(test_too_much),
		cmocka_unit_test(test_reader_leaves),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
