/* worker.c: the request loop. */
#include "worker.h"

#include <errno.h>
#include <fcgiapp.h>
#include <malloc.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/stat.h>

#include "bounds.h"
#include "bucket.h"
#include "cleanup.h"
#include "clock.h"
#include "counts.h"
#include "database.h"
#include "dispatch.h"
#include "log.h"
#include "mask.h"
#include "seats.h"
#include "underway.h"

#define DRAIN_TIME 2000 /* ms */
#define REFUSALS_PER_SECOND 0.1
#define REFUSALS_AT_ONCE 100
#define LOGGED_PATH 500 /* bytes of a path in a log line */
#define MMAP_THRESHOLD (1 << 20)
#define RESERVE_LOOK 5	/* ms between two looks whether the reserve is needed */
#define MAX_WAITING 512 /* requests; with so many nothing new is taken until one has ended */

/* A request from its connection to its answer. It stays where it is: libfcgi's streams point to it. */
struct exchange {
	FCGX_Request fcgi;
	struct request req;
	struct response res;
	int64_t started; /* µs */
	struct exchange *next;
};

struct worker {
	struct exchange *next;	  /* takes the next connection */
	struct exchange *waiting; /* those that wait (request_wait()), in the order in which they go on */
	size_t waiting_count;
	int listen_fd;
	struct database db;
	struct service service;
	struct counts *counts; /* NULL: nothing is counted */
	int signal_fd;	       /* readable when SIGTERM came */
	int epoll_fd;
	bool reserve;	/* it serves only while all others of its pool are in long requests, */
	bool listening; /* as now; else it doesn't */
	bool leaving;
	struct bucket refusals; /* lines of the log about them */
};

/* SIGTERM stays blocked and is read: libfcgi takes an interrupted read or write for the end of the connection, so a
 * signal in the middle of a request would lose it, and one just before accept() would be slept through. */
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

/* Each connection wakes one worker, and never the reserve, which may not want it. */
static int watch(const struct worker_share *share, int signal_fd)
{
	autoclose int fd = epoll_create1(EPOLL_CLOEXEC);
	int first = share->reserve ? seats_fd(share->seats) : share->listen_fd;
	struct epoll_event event = { .events = EPOLLIN | EPOLLEXCLUSIVE, .data.fd = first };
	struct epoll_event signal = { .events = EPOLLIN, .data.fd = signal_fd };
	if (fd < 0 || epoll_ctl(fd, EPOLL_CTL_ADD, first, &event) || epoll_ctl(fd, EPOLL_CTL_ADD, signal_fd, &signal))
		return -1;
	return steal_fd(&fd);
}

/* Of those who don't get in only some have a line: a flood of requests must not become a flood of lines. The master
 * counts them all. */
static enum log_level level_for(struct worker *w, const struct request *req, const struct response *res)
{
	int http = res->refusal ? res->refusal : res->http;
	bool refused = http == 401 || http == 403 || http == 429;
	/* The question whether a body may come is only of interest when the answer is no. */
	if (req->ended_only || (req->check_only && !res->refusal))
		return LOG_DEBUG;
	/* A key that makes too many requests makes many. */
	if (!refused || (req->has_key && !req->retry_after))
		return LOG_INFO;
	bool may = bucket_take(&w->refusals, REFUSALS_PER_SECOND, REFUSALS_AT_ONCE, (uint64_t)clock_ms());
	return may ? LOG_INFO : LOG_DEBUG;
}

/* Why not all of it is out. */
static const char *ending(const struct response *res)
{
	static const char *const texts[] = {
		[OUTPUT_OK] = "",
		[OUTPUT_GONE] = " (nginx is gone)",
		[OUTPUT_FULL] = " (broken off: it is read slowly, and FCGI_SPOOL has no room for it)",
		[OUTPUT_FAILED] = " (broken off: it is read slowly, and FCGI_SPOOL_DIR can't be written)",
	};
	return texts[res->out.state];
}

static void log_access(struct worker *w, const struct request *req, const struct response *res, int64_t started)
{
	autobuf path = { 0 };
	/* Before it is cut: of half a key the other half isn't known. */
	mask_keys(&path, request_logged_path(req));
	int64_t us = clock_us() - started;
	int shown = path.len > LOGGED_PATH ? LOGGED_PATH : (int)path.len;
	int method = req->method_text.len > 20 ? 20 : (int)req->method_text.len;
	log_line(level_for(w, req, res), req->id, "%.*s %.*s status=%d bytes=%llu ms=%lld.%03lld%s", method,
		 req->method_text.ptr, shown, buf_cstr(&path), res->refusal ? res->refusal : res->http,
		 (unsigned long long)res->bytes, (long long)(us / 1000), (long long)(us % 1000), ending(res));
}

/* A question whether a body may come is counted when the answer is no: else the request comes by itself. */
static void count(struct worker *w, const struct request *req, const struct response *res, bool complete,
		  int64_t started)
{
	if (!req->ended_only && (!req->check_only || res->refusal))
		counts_end(w->counts, req, res->refusal ? res->refusal : res->http, res->bytes, complete,
			   (uint64_t)(clock_us() - started));
}

static void finish(struct worker *w, struct exchange *x, bool complete)
{
	/* Where nginx doesn't tell of its end (an older configuration, a refusal of its own) a claim must not stay. */
	if (x->req.method == METHOD_PUT && !x->req.check_only)
		underway_end(bounds_underway(w->service.bounds), slice_of(x->req.id));
	if (!complete)
		log_warn(x->req.id, "the answer was broken off");
	log_access(w, &x->req, &x->res, x->started);
	count(w, &x->req, &x->res, complete, x->started);
	/* The parameters, and with them the id for log lines, end with the request. */
	autofree char *id = xstrdup(x->req.id);
	w->db.request = id;
	if (x->res.out.state == OUTPUT_FULL)
		bounds_count(w->service.bounds, LIMIT_SPOOL);
	if (complete)
		response_end(&x->res, id);
	else
		response_break(&x->res, id);
	seats_leave(w->service.seats, w->service.seat, clock_ms());
	response_free(&x->res);
	request_free(&x->req);
	database_settle(&w->db);
	w->db.request = NULL;
}

/* While it waits, its worker is others'. */
static void pause_request(struct worker *w)
{
	seats_leave(w->service.seats, w->service.seat, clock_ms());
	database_settle(&w->db);
	w->db.request = NULL;
}

static struct exchange *new_exchange(int listen_fd)
{
	struct exchange *x = xcalloc(1, sizeof(*x));
	if (FCGX_InitRequest(&x->fcgi, listen_fd, FCGI_FAIL_ACCEPT_ON_INTR)) {
		free(x);
		return NULL;
	}
	return x;
}

static void line_up(struct worker *w, struct exchange *x)
{
	struct exchange **at = &w->waiting;
	while (*at && (*at)->req.rest_to_do.at <= x->req.rest_to_do.at)
		at = &(*at)->next;
	x->next = *at;
	*at = x;
	w->waiting_count++;
}

/* Has it wait; the next connection gets an exchange of its own. False: there is none. */
static bool park(struct worker *w, struct exchange *x)
{
	struct exchange *fresh = new_exchange(w->listen_fd);
	if (!fresh)
		return false;
	line_up(w, x);
	w->next = fresh;
	return true;
}

/* Goes on with the one whose turn is first; it may have to wait again. */
static void resume_first(struct worker *w)
{
	struct exchange *x = w->waiting;
	w->waiting = x->next;
	w->waiting_count--;
	counts_begin(w->counts);
	w->db.request = x->req.id;
	bool complete = dispatch_rest(&x->req, &x->res, &w->db);
	bool waits = x->req.rest_to_do.resume != NULL;
	if (waits)
		pause_request(w);
	else
		finish(w, x, complete);
	counts_idle(w->counts);
	if (waits)
		line_up(w, x);
	else
		free(x);
}

static int64_t time_to_resume(const struct worker *w)
{
	int64_t left = w->waiting->req.rest_to_do.at - clock_ms();
	return left > 0 ? left : 0;
}

static void sleep_and_resume(struct worker *w)
{
	int64_t ms = time_to_resume(w);
	(void)poll(NULL, 0, (int)ms);
	resume_first(w);
}

static void serve(struct worker *w)
{
	struct exchange *x = w->next;
	x->started = clock_us();
	counts_begin(w->counts);
	request_init(&x->req, &x->fcgi, &w->service);
	response_init(&x->res, &x->fcgi, x->req.method == METHOD_HEAD, w->service.spool);
	x->res.has_input = request_has_input(&x->req);
	w->db.request = x->req.id;
	bool complete = dispatch(&x->req, &x->res, &w->db);
	bool waits = x->req.rest_to_do.resume != NULL;
	if (waits && park(w, x)) {
		pause_request(w);
	} else {
		while (x->req.rest_to_do.resume && poll(NULL, 0, 1) == 0)
			complete = dispatch_rest(&x->req, &x->res, &w->db);
		finish(w, x, complete);
	}
	counts_idle(w->counts);
}

/* What FCGX_Accept_r answers when nobody waits: another worker was faster, or a peer gave up. EINVAL: the master
 * has shut the socket down. */
static bool is_passing(int error)
{
	return error == EAGAIN || error == EWOULDBLOCK || error == EINTR || error == ECONNABORTED || error == EINVAL;
}

enum accepted { ACCEPTED, NOBODY, ACCEPT_FAILED };

static enum accepted serve_one(struct worker *w)
{
	int n = FCGX_Accept_r(&w->next->fcgi);
	if (n == 0) {
		/* Whatever nginx asks for: an idle kept connection would hold the worker. */
		w->next->fcgi.keepConnection = 0;
		serve(w);
		return ACCEPTED;
	}
	if (is_passing(-n))
		return NOBODY;
	log_error(NULL, "accepting a connection failed: %s", strerror(-n));
	return ACCEPT_FAILED;
}

/* ms to wait for events; -1: whenever they come. The reserve looks whether it is needed, and listens while it is. */
static int time_to_wait(struct worker *w)
{
	int ms = w->waiting ? (int)time_to_resume(w) : -1;
	if (!w->reserve)
		return ms;
	enum seats_reserve what = seats_reserve(w->service.seats, clock_ms());
	if ((what == RESERVE_SERVES) != w->listening) {
		struct epoll_event connection = { .events = EPOLLIN, .data.fd = w->listen_fd };
		w->listening = !w->listening;
		(void)epoll_ctl(w->epoll_fd, w->listening ? EPOLL_CTL_ADD : EPOLL_CTL_DEL, w->listen_fd, &connection);
	}
	return what != RESERVE_SLEEPS && (ms < 0 || ms > RESERVE_LOOK) ? RESERVE_LOOK : ms;
}

/* One round of the loop. False: the worker must be replaced. */
static bool wait_and_serve(struct worker *w)
{
	struct epoll_event events[2];
	if (w->waiting_count >= MAX_WAITING)
		sleep_and_resume(w);
	int n = epoll_wait(w->epoll_fd, events, 2, time_to_wait(w));
	while (w->waiting && time_to_resume(w) == 0)
		resume_first(w);
	if (n < 0 && errno != EINTR) {
		log_error(NULL, "waiting for connections failed: %m");
		return false;
	}
	bool connection = false;
	for (int i = 0; i < n; i++) {
		if (events[i].data.fd == w->signal_fd || (events[i].events & EPOLLHUP))
			w->leaving = true;
		else if (events[i].data.fd == w->listen_fd)
			connection = true;
		else
			seats_woken(w->service.seats);
	}
	return !connection || serve_one(w) != ACCEPT_FAILED;
}

static bool work(struct worker *w)
{
	enum accepted last = ACCEPTED;
	while (last == ACCEPTED && !w->leaving) {
		if (!wait_and_serve(w))
			last = ACCEPT_FAILED;
	}
	int64_t until = clock_us() + INT64_C(1000) * DRAIN_TIME;
	while (last == ACCEPTED && clock_us() < until)
		last = serve_one(w);
	while (w->waiting)
		sleep_and_resume(w);
	return last != ACCEPT_FAILED;
}

int worker_run(const struct worker_share *share)
{
	struct worker w = { 0 };
	/* Large blocks go back to the system at once, so that one large answer doesn't make a large worker. */
	(void)mallopt(M_MMAP_THRESHOLD, MMAP_THRESHOLD);
	autoclose int signal_fd = take_signals();
	autoclose int epoll_fd = watch(share, signal_fd);
	w.listen_fd = share->listen_fd;
	w.reserve = share->reserve;
	if (epoll_fd < 0 || FCGX_Init() || !(w.next = new_exchange(share->listen_fd))) {
		log_error(NULL, "a worker can't start: %m");
		return 1;
	}
	w.signal_fd = signal_fd;
	w.epoll_fd = epoll_fd;
	w.counts = share->counts;
	/* For the files that it makes: nginx reads them, by its group where it is another user. */
	(void)umask(027);
	service_init(&w.service, share);
	(void)service_blobs(&w.service, NULL);
	database_init(&w.db, share->conf->database_url, share->counts);
	bool ok = work(&w);
	free(w.next);
	database_close(&w.db);
	service_free(&w.service);
	return ok ? 0 : 1;
}
