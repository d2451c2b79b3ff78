/* spool.c: the files of answers that are read slowly, and who has how much of them. */
#include "spool.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "shared.h"

#define GIVE_TIME 1		    /* s that the sender may take to make room for another answer */
#define DISK_PART 20		    /* a twentieth of the disk stays free, */
#define DISK_RESERVE (256ull << 20) /* or so many bytes where that is less */

struct entry {
	struct spool_share share; /* id 0: free */
	pid_t owner;
};

/* What all processes have in common. What a killed one leaves half done is an entry of its own, which ends with it. */
struct table {
	pthread_mutex_t lock;
	uint64_t last_id;
	struct entry entries[SPOOL_MAX];
};

struct spool {
	const struct conf *conf;
	struct table *table;
	int give, take; /* ends of the same pair of sockets; -1: closed */
};

void spool_free(struct spool *s)
{
	if (!s)
		return;
	if (s->give >= 0)
		(void)close(s->give);
	if (s->take >= 0)
		(void)close(s->take);
	shared_memory_free(s->table, sizeof(*s->table));
	free(s);
}

struct spool *spool_new(const struct conf *conf)
{
	int ends[2];
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends))
		return NULL;
	struct spool *s = xcalloc(1, sizeof(*s));
	*s = (struct spool){
		.conf = conf, .table = shared_memory(sizeof(*s->table)), .give = ends[0], .take = ends[1]
	};
	bool timed = setsockopt(ends[0], SOL_SOCKET, SO_SNDTIMEO, &(struct timeval){ .tv_sec = GIVE_TIME },
				sizeof(struct timeval)) == 0;
	if (timed && s->table && shared_lock_init(&s->table->lock))
		return s;
	spool_free(s);
	return NULL;
}

int spool_file(const struct spool *s)
{
	autobuf path = { 0 };
	buf_addf(&path, "%s/craft-answer-XXXXXX", s->conf->fcgi_spool_dir);
	int fd = mkostemp(path.data, O_CLOEXEC);
	if (fd >= 0)
		(void)unlink(buf_cstr(&path));
	return fd;
}

/* ---- who has how much ---- */

struct sums {
	uint64_t mine, all; /* bytes */
	size_t mine_count;
	struct entry *entry, *free; /* the share's own, and one that is nobody's; NULL: none */
};

static struct sums add_up(struct table *t, const struct spool_share *share)
{
	struct sums sums = { 0 };
	for (size_t i = 0; i < SPOOL_MAX; i++) {
		struct entry *e = &t->entries[i];
		if (!e->share.id) {
			sums.free = sums.free ? sums.free : e;
			continue;
		}
		sums.all += e->share.bytes;
		if (e->share.id == share->id)
			sums.entry = e;
		if (memcmp(e->share.workspace, share->workspace, sizeof(share->workspace)) != 0)
			continue;
		sums.mine += e->share.bytes;
		sums.mine_count++;
	}
	return sums;
}

/* Files take the disk's room as they are written: what is left is what more may be written. */
static bool disk_has(int file, uint64_t more)
{
	struct statvfs st;
	if (fstatvfs(file, &st))
		return true;
	uint64_t reserve = (uint64_t)st.f_blocks * st.f_frsize / DISK_PART;
	uint64_t left = (uint64_t)st.f_bavail * st.f_frsize;
	reserve = reserve < DISK_RESERVE ? reserve : DISK_RESERVE;
	return left >= reserve && left - reserve >= more;
}

static enum spool_result judge(const struct spool *s, const struct sums *sums, uint64_t more, int file)
{
	uint64_t most = (uint64_t)s->conf->fcgi_spool;
	if (sums->mine + more > most / SPOOL_SHARE)
		return SPOOL_WORKSPACE;
	if (sums->all + more > most)
		return SPOOL_ALL;
	if (!sums->entry && sums->mine_count >= SPOOL_MAX / SPOOL_SHARE)
		return SPOOL_WORKSPACE;
	if (!sums->entry && !sums->free)
		return SPOOL_ALL;
	return disk_has(file, more) ? SPOOL_OK : SPOOL_DISK;
}

static void put(struct table *t, const struct sums *sums, struct spool_share *share, uint64_t bytes)
{
	struct entry *e = sums->entry ? sums->entry : sums->free;
	if (!share->id)
		share->id = ++t->last_id;
	share->bytes = bytes;
	*e = (struct entry){ .share = *share, .owner = getpid() };
}

enum spool_result spool_resize(struct spool *s, struct spool_share *share, uint64_t bytes, int file)
{
	enum spool_result result = SPOOL_OK;
	if (!shared_lock(&s->table->lock))
		return SPOOL_ALL;
	struct sums sums = add_up(s->table, share);
	uint64_t before = sums.entry ? sums.entry->share.bytes : 0;
	if (bytes > before)
		result = judge(s, &sums, bytes - before, file);
	if (result == SPOOL_OK && (sums.entry || sums.free))
		put(s->table, &sums, share, bytes);
	shared_unlock(&s->table->lock);
	return result;
}

bool spool_is_full(struct spool *s, const struct spool_share *share)
{
	if (!s || !shared_lock(&s->table->lock))
		return false;
	struct sums sums = add_up(s->table, share);
	shared_unlock(&s->table->lock);
	uint64_t most = (uint64_t)s->conf->fcgi_spool;
	return sums.mine > most / SPOOL_SHARE / 2 || sums.all > most - most / SPOOL_SHARE ||
	       sums.mine_count >= SPOOL_MAX / SPOOL_SHARE || !sums.free;
}

void spool_end(struct spool *s, struct spool_share *share)
{
	if (!share->id || !shared_lock(&s->table->lock))
		return;
	struct entry *e = add_up(s->table, share).entry;
	if (e)
		*e = (struct entry){ 0 };
	shared_unlock(&s->table->lock);
	share->id = share->bytes = 0;
}

void spool_owner_ended(struct spool *s, pid_t owner)
{
	if (!s || !shared_lock(&s->table->lock))
		return;
	for (size_t i = 0; i < SPOOL_MAX; i++) {
		if (s->table->entries[i].owner == owner)
			s->table->entries[i] = (struct entry){ 0 };
	}
	shared_unlock(&s->table->lock);
}

struct spool_sums spool_sums(struct spool *s)
{
	struct spool_sums sums = { 0 };
	if (!s || !shared_lock(&s->table->lock))
		return sums;
	for (size_t i = 0; i < SPOOL_MAX; i++) {
		sums.answers += s->table->entries[i].share.id != 0;
		sums.bytes += s->table->entries[i].share.bytes;
	}
	shared_unlock(&s->table->lock);
	return sums;
}

/* ---- from the workers to the sender ---- */

union control {
	struct cmsghdr align;
	char bytes[CMSG_SPACE(2 * sizeof(int))];
};

bool spool_give(struct spool *s, const struct spool_answer *answer, int connection, int file)
{
	union control control = { 0 };
	struct iovec part = { (void *)(uintptr_t)answer, sizeof(*answer) };
	struct msghdr m = {
		.msg_iov = &part, .msg_iovlen = 1, .msg_control = control.bytes, .msg_controllen = sizeof(control.bytes)
	};
	struct cmsghdr *c = CMSG_FIRSTHDR(&m);
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(2 * sizeof(int));
	memcpy(CMSG_DATA(c), (int[2]){ connection, file }, 2 * sizeof(int));
	return sendmsg(s->give, &m, MSG_NOSIGNAL) == (ssize_t)sizeof(*answer);
}

int spool_take(struct spool *s, struct spool_answer *answer, int *connection, int *file)
{
	int fds[2];
	union control control = { 0 };
	struct iovec part = { answer, sizeof(*answer) };
	struct msghdr m = {
		.msg_iov = &part, .msg_iovlen = 1, .msg_control = control.bytes, .msg_controllen = sizeof(control.bytes)
	};
	ssize_t n = recvmsg(s->take, &m, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	if (n <= 0)
		return n < 0 && (errno == EAGAIN || errno == EINTR) ? 0 : -1;
	const struct cmsghdr *c = CMSG_FIRSTHDR(&m);
	if (!c || c->cmsg_type != SCM_RIGHTS || c->cmsg_len != CMSG_LEN(sizeof(fds)))
		return 0;
	memcpy(fds, CMSG_DATA(c), sizeof(fds));
	*connection = fds[0];
	*file = fds[1];
	return 1;
}

int spool_fd(const struct spool *s)
{
	return s->take;
}

void spool_only_take(struct spool *s)
{
	(void)close(s->give);
	s->give = -1;
}

int spool_send(struct spool_answer *answer, int connection, int file, uint64_t most)
{
	uint64_t left = answer->to - answer->from;
	off_t at = (off_t)answer->from;
	ssize_t n = left ? sendfile(connection, file, &at, left < most ? left : most) : 0;
	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -1;
	/* A file that is shorter than it says can't be: it is ours alone. */
	if (n == 0 && left)
		return -1;
	answer->from = (uint64_t)at;
	return answer->from == answer->to;
}
