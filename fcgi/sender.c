/* sender.c: sends files over connections as fast as each takes it. */
#include "sender.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "child.h"
#include "cleanup.h"
#include "clock.h"
#include "log.h"

#define EVENTS 64
#define TURN (128u << 10)     /* bytes sent to one before the next one's turn */
#define GIVEN_BACK (4u << 20) /* bytes sent after which the disk has their room back */
#define AGAIN_TIME 1000	      /* ms after it ended by itself */
/* ms that answers may last when the master is gone or leaves: nobody else would end them. */
#define LEAVING_TIME 600000

/* ---- in the child ---- */

struct answer {
	struct spool_answer spooled;
	uint64_t began;	     /* where in the file we did */
	uint64_t given_back; /* bytes of the file that are holes by now */
	int connection, file;
	struct answer *next, **link; /* of all of them */
};

struct state {
	struct spool *spool;
	int epoll_fd, signal_fd;
	struct answer *answers;
	bool no_more;	 /* nobody has the other end any more */
	int64_t ends_at; /* ms; 0: not told to leave */
	pid_t master;
};

static int take_signals(void)
{
	struct sigaction ignore = { .sa_handler = SIG_IGN };
	sigset_t term;
	(void)sigemptyset(&term);
	(void)sigaddset(&term, SIGTERM);
	if (sigaction(SIGINT, &ignore, NULL) || sigaction(SIGHUP, &ignore, NULL) || sigaction(SIGPIPE, &ignore, NULL))
		return -1;
	return signalfd(-1, &term, SFD_CLOEXEC | SFD_NONBLOCK);
}

/* What events of it are marked with: an answer's with itself. */
static bool watch(const struct state *s, int fd, uint32_t events, void *mark)
{
	struct epoll_event event = { .events = events, .data.ptr = mark };
	return epoll_ctl(s->epoll_fd, EPOLL_CTL_ADD, fd, &event) == 0;
}

static void end(struct state *s, struct answer *a, const char *how)
{
	log_debug(a->spooled.request, "a slow reader's answer %s, %" PRIu64 " of %" PRIu64 " bytes of it", how,
		  a->spooled.from - a->began, a->spooled.to - a->began);
	*a->link = a->next;
	if (a->next)
		a->next->link = a->link;
	(void)close(a->connection);
	(void)close(a->file);
	spool_end(s->spool, &a->spooled.share);
	free(a);
}

/* The sender becomes the share's owner. Where the worker died meanwhile, and others have taken the room, it is sent
 * without one. */
static void own(struct state *s, struct answer *a)
{
	if (spool_resize(s->spool, &a->spooled.share, a->spooled.share.bytes, a->file) != SPOOL_OK)
		a->spooled.share.id = 0;
}

static void begin(struct state *s, const struct spool_answer *spooled, int connection, int file)
{
	struct answer *a = xcalloc(1, sizeof(*a));
	*a = (struct answer){ .spooled = *spooled,
			      .began = spooled->from,
			      .connection = connection,
			      .file = file,
			      .next = s->answers,
			      .link = &s->answers };
	if (a->next)
		a->next->link = &a->next;
	s->answers = a;
	own(s, a);
	int flags = fcntl(connection, F_GETFL);
	if (flags < 0 || fcntl(connection, F_SETFL, flags | O_NONBLOCK) || !watch(s, connection, EPOLLOUT, a))
		end(s, a, "can't be sent");
}

static void take(struct state *s)
{
	struct spool_answer spooled;
	int connection, file, n;
	while ((n = spool_take(s->spool, &spooled, &connection, &file)) > 0)
		begin(s, &spooled, connection, file);
	if (n < 0) {
		s->no_more = true;
		(void)epoll_ctl(s->epoll_fd, EPOLL_CTL_DEL, spool_fd(s->spool), NULL);
	}
}

/* The disk and the workspace have the room back of what is out. */
static void give_back(struct state *s, struct answer *a)
{
	uint64_t out = a->spooled.from - a->given_back;
	if (out < GIVEN_BACK ||
	    fallocate(a->file, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)a->given_back, (off_t)out))
		return;
	a->given_back = a->spooled.from;
	if (a->spooled.share.id)
		(void)!spool_resize(s->spool, &a->spooled.share, a->spooled.to - a->spooled.from, a->file);
}

static void send_some(struct state *s, struct answer *a, uint32_t events)
{
	int sent = events & (EPOLLERR | EPOLLHUP) ? -1 : spool_send(&a->spooled, a->connection, a->file, TURN);
	if (sent == 0)
		give_back(s, a);
	else
		end(s, a, sent > 0 ? "is out" : "was not wanted to its end");
}

static void leave(struct state *s)
{
	struct signalfd_siginfo info;
	(void)!read(s->signal_fd, &info, sizeof(info));
	take(s);
	if (!s->ends_at)
		s->ends_at = clock_ms() + LEAVING_TIME;
}

/* ms until the end; -1: whenever. */
static int time_left(const struct state *s)
{
	int64_t left = s->ends_at - clock_ms();
	if (!s->ends_at)
		return -1;
	return left > 0 ? (int)left : 0;
}

/* The master says so when there are no workers left; they may outlive a master that was killed. */
static bool is_done(const struct state *s)
{
	if (s->ends_at && time_left(s) == 0)
		return true;
	return !s->answers && (s->no_more || (s->ends_at && getppid() == s->master));
}

static void send_all(struct state *s)
{
	struct epoll_event events[EVENTS];
	while (!is_done(s)) {
		int n = epoll_wait(s->epoll_fd, events, EVENTS, time_left(s));
		for (int i = 0; i < n; i++) {
			void *mark = events[i].data.ptr;
			if (mark == &s->signal_fd)
				leave(s);
			else if (mark == s->spool)
				take(s);
			else
				send_some(s, mark, events[i].events);
		}
	}
	for (struct answer *a = s->answers, *next; a; a = next) {
		next = a->next;
		end(s, a, "is broken off, the server ends");
	}
}

static int run(struct spool *spool, pid_t master)
{
	autoclose int epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	autoclose int signal_fd = take_signals();
	struct state s = { .spool = spool, .epoll_fd = epoll_fd, .signal_fd = signal_fd, .master = master };
	spool_only_take(spool);
	(void)prctl(PR_SET_NAME, "craft-fcgi-send");
	if (epoll_fd < 0 || signal_fd < 0 || !watch(&s, signal_fd, EPOLLIN, &s.signal_fd) ||
	    !watch(&s, spool_fd(spool), EPOLLIN, spool)) {
		log_error(NULL, "no answers can be sent to slow readers: %m");
		return 1;
	}
	send_all(&s);
	return 0;
}

/* ---- in the master ---- */

void sender_init(struct sender *s, struct spool *spool, int64_t now)
{
	*s = (struct sender){ .spool = spool, .start_at = now };
}

void sender_tend(struct sender *s, int64_t now)
{
	if (s->pid && s->kill_at && s->kill_at <= now) {
		log_warn(NULL, "answers that are read slowly are broken off");
		(void)kill(s->pid, SIGKILL);
		s->kill_at = now + CHILD_KILL_TIME;
	}
	if (!s->spool || s->pid || s->kill_at || s->start_at > now)
		return;
	pid_t master = getpid(), pid = child_start();
	if (pid == 0)
		exit(run(s->spool, master));
	s->start_at = now + AGAIN_TIME;
	if (pid < 0)
		log_warn(NULL, "no process for slow readers: %m");
	else
		s->pid = pid;
}

int64_t sender_due(const struct sender *s)
{
	if (!s->spool)
		return INT64_MAX;
	if (s->pid || s->kill_at)
		return s->pid && s->kill_at ? s->kill_at : INT64_MAX;
	return s->start_at;
}

void sender_ended(struct sender *s, pid_t pid, int64_t now)
{
	if (s->pid != pid)
		return;
	if (!s->kill_at)
		log_warn(NULL, "the process for slow readers has ended");
	spool_owner_ended(s->spool, pid);
	s->pid = 0;
	s->start_at = now + AGAIN_TIME;
}

void sender_leave(struct sender *s, int64_t now, int64_t patience)
{
	if (s->kill_at)
		return;
	s->kill_at = now + patience;
	if (s->pid)
		(void)kill(s->pid, SIGTERM);
}
