/* worker.c: the request loop. */
#include "worker.h"

#include <errno.h>
#include <fcgiapp.h>
#include <malloc.h>
#include <signal.h>
#include <sys/epoll.h>
#include <time.h>

#include "cleanup.h"
#include "database.h"
#include "dispatch.h"
#include "log.h"

#define DRAIN_TIME 2000      /* ms */
#define LOGGED_PATH 500      /* bytes of a path in a log line */
#define MMAP_THRESHOLD (1 << 20)

static volatile sig_atomic_t leaving;

static void on_term(int signal_number)
{
	(void)signal_number;
	leaving = 1;
}

static int64_t clock_us(void)
{
	struct timespec t;
	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

/* SIGTERM stays blocked except while waiting for a connection: libfcgi takes an interrupted read or write for the
 * connection's end, so a signal in the middle of a request would lose it. */
static bool prepare_signals(sigset_t *while_waiting)
{
	struct sigaction term = { .sa_handler = on_term }, ignore = { .sa_handler = SIG_IGN };
	if (sigaction(SIGTERM, &term, NULL) || sigaction(SIGINT, &ignore, NULL) || sigaction(SIGHUP, &ignore, NULL) ||
	    sigaction(SIGPIPE, &ignore, NULL))
		return false;
	if (sigprocmask(SIG_SETMASK, NULL, while_waiting))
		return false;
	return sigdelset(while_waiting, SIGTERM) == 0;
}

/* Each connection wakes one worker. */
static int watch(int listen_fd)
{
	autoclose int fd = epoll_create1(EPOLL_CLOEXEC);
	struct epoll_event event = { .events = EPOLLIN | EPOLLEXCLUSIVE };
	if (fd < 0 || epoll_ctl(fd, EPOLL_CTL_ADD, listen_fd, &event))
		return -1;
	return steal_fd(&fd);
}

static void log_access(const struct request *req, const struct response *res, int64_t started)
{
	struct slice path = request_logged_path(req);
	int64_t us = clock_us() - started;
	int shown = path.len > LOGGED_PATH ? LOGGED_PATH : (int)path.len;
	int method = req->method_text.len > 20 ? 20 : (int)req->method_text.len;
	log_info(req->id, "%.*s %.*s status=%d bytes=%llu ms=%lld.%03lld%s", method, req->method_text.ptr, shown, path.ptr, res->http,
		(unsigned long long)res->bytes, (long long)(us / 1000), (long long)(us % 1000), res->gone ? " (nginx is gone)" : "");
}

static void serve(FCGX_Request *fcgi, struct database *db, const char *api_key)
{
	int64_t started = clock_us();
	autocall(request_free) struct request req;
	autocall(response_free) struct response res;
	request_init(&req, fcgi);
	response_init(&res, fcgi, req.method == METHOD_HEAD);
	db->request = req.id;
	bool complete = dispatch(&req, &res, db, api_key);
	if (!complete)
		log_warn(req.id, "the answer was broken off");
	log_access(&req, &res, started);
	/* The parameters, and with them the id in db->request, end with the request. */
	autofree char *id = xstrdup(req.id);
	db->request = id;
	if (complete)
		response_end(&res);
	else
		response_break(&res);
	database_settle(db);
	db->request = NULL;
}

/* What FCGX_Accept_r answers when nobody waits: another worker was faster, or a peer gave up. */
static bool is_passing(int error)
{
	return error == EAGAIN || error == EWOULDBLOCK || error == EINTR || error == ECONNABORTED;
}

/* Accepts and serves until nobody waits. False: accepting fails. */
static bool serve_waiting(FCGX_Request *fcgi, struct database *db, const char *api_key, int64_t until)
{
	while (!until || clock_us() < until) {
		int n = FCGX_Accept_r(fcgi);
		if (n == 0) {
			serve(fcgi, db, api_key);
			if (!until)
				return true;
			continue;
		}
		/* EINVAL: the master has shut the socket down and the last connection is served. */
		if (n == -EINVAL)
			leaving = 1;
		else if (!is_passing(-n))
			log_error(NULL, "accepting a connection failed: %s", strerror(-n));
		return n == -EINVAL || is_passing(-n);
	}
	return true;
}

static bool work(FCGX_Request *fcgi, struct database *db, const char *api_key, int epoll_fd, const sigset_t *while_waiting)
{
	while (!leaving) {
		struct epoll_event event;
		int n = epoll_pwait(epoll_fd, &event, 1, -1, while_waiting);
		if (n < 0 && errno != EINTR) {
			log_error(NULL, "waiting for connections failed: %m");
			return false;
		}
		if (n > 0 && !serve_waiting(fcgi, db, api_key, 0))
			return false;
	}
	return serve_waiting(fcgi, db, api_key, clock_us() + DRAIN_TIME * 1000);
}

int worker_run(const struct conf *conf, int listen_fd)
{
	FCGX_Request fcgi;
	sigset_t while_waiting;
	/* Large blocks go back to the system at once, so that one large answer doesn't make a large worker. */
	(void)mallopt(M_MMAP_THRESHOLD, MMAP_THRESHOLD);
	autoclose int epoll_fd = watch(listen_fd);
	/* Our handlers after libfcgi's: it installs its own. */
	if (epoll_fd < 0 || FCGX_Init() || FCGX_InitRequest(&fcgi, listen_fd, FCGI_FAIL_ACCEPT_ON_INTR) ||
	    !prepare_signals(&while_waiting)) {
		log_error(NULL, "a worker can't start: %m");
		return 1;
	}
	struct database db;
	database_init(&db, conf->database_url);
	bool ok = work(&fcgi, &db, conf->api_key, epoll_fd, &while_waiting);
	database_close(&db);
	return ok ? 0 : 1;
}
