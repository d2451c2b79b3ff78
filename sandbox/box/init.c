/* init.c: process 1 of the box: reaps, keeps the forwarder running, and starts and kills programs on request. */
#include "init.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cleanup.h"
#include "clock.h"
#include "forward.h"
#include "netlink.h"
#include "request.h"
#include "share.h"
#include "supervise.h"
#include "tree.h"

#define FORWARDER_PAUSE_MS 500
#define EXIT_NOT_RUN 126

struct run {
	uint32_t id;
	pid_t pid; /* of its supervisor */
	int order; /* closed: it kills all; -1 then. A number: what was left behind since so many ms */
};

struct init {
	int control, children, guard; /* of netlink.h */
	struct run runs[BOX_MAX_RUNS];
	size_t count;
	struct forward_listeners listeners;
	pid_t forwarder; /* 0: to be started, when it wasn't just now */
	int64_t forwarder_began;
	pid_t stray_killer; /* 0: none */
	bool more_strays;   /* they came while it was at work */
};

static void tell(const struct init *in, uint32_t kind, uint32_t id, int exit_code)
{
	const struct box_message m = { .kind = kind, .id = id, .exit_code = exit_code };
	ssize_t n;
	do
		n = send(in->control, &m, sizeof(m), MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
}

/* ---- programs ---- */

static struct run *find_id(struct init *in, uint32_t id)
{
	for (size_t i = 0; i < in->count; i++)
		if (in->runs[i].id == id)
			return &in->runs[i];
	return NULL;
}

static void refuse(const struct init *in, const struct request *r, const char *why)
{
	if (r->stdio[2] >= 0)
		(void)dprintf(r->stdio[2], "%s: cannot be started: %s\n", r->argv[0], why);
	tell(in, BOX_EXITED, r->message.id, EXIT_NOT_RUN);
}

static void start(struct init *in, const struct request *r)
{
	int ends[2];
	if (find_id(in, r->message.id))
		return;
	if (in->count == BOX_MAX_RUNS) {
		refuse(in, r, "too many programs at once");
		return;
	}
	if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) < 0) {
		refuse(in, r, strerror(errno));
		return;
	}
	pid_t pid = fork();
	if (pid == 0) {
		/* Descriptors above are closed by what it does first. */
		struct supervise s = { .argv = r->argv,
				       .environment = r->environment,
				       .order = ends[0],
				       .processes = r->message.processes,
				       .left = r->message.left };
		(void)memcpy(s.stdio, r->stdio, sizeof(s.stdio));
		(void)close(ends[1]);
		supervise(&s);
	}
	(void)close(ends[0]);
	if (pid < 0) {
		int why = errno;
		(void)close(ends[1]);
		refuse(in, r, share_error(why));
		return;
	}
	in->runs[in->count++] = (struct run){ .id = r->message.id, .pid = pid, .order = ends[1] };
}

static void order_kill(struct run *run)
{
	if (run && run->order >= 0)
		(void)close(run->order);
	if (run)
		run->order = -1;
}

static void order_sweep(const struct run *run, uint32_t age)
{
	if (run && run->order >= 0)
		(void)!write(run->order, &age, sizeof(age));
}

/* Somebody inside killed a supervisor: nobody can tell any more what belongs to it, so all that runs without a
 * supervisor is killed. */
static void kill_strays(struct init *in)
{
	in->more_strays = in->stray_killer != 0;
	if (in->stray_killer)
		return;
	pid_t spared[BOX_MAX_RUNS + 1];
	size_t count = 0;
	for (size_t i = 0; i < in->count; i++)
		spared[count++] = in->runs[i].pid;
	if (in->forwarder)
		spared[count++] = in->forwarder;
	pid_t root = getpid(), pid = fork();
	if (pid == 0) {
		(void)tree_kill(root, spared, count);
		_exit(0);
	}
	in->stray_killer = pid > 0 ? pid : 0;
}

static void end_stray_killer(struct init *in)
{
	in->stray_killer = 0;
	if (in->more_strays)
		kill_strays(in);
}

static void end_run(struct init *in, struct run *run, int status)
{
	uint32_t id = run->id;
	order_kill(run);
	*run = in->runs[--in->count];
	if (WIFSIGNALED(status))
		kill_strays(in);
	tell(in, BOX_EXITED, id, WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status));
}

static void reap(struct init *in)
{
	int status;
	for (pid_t pid; (pid = waitpid(-1, &status, WNOHANG)) > 0;) {
		if (pid == in->forwarder)
			in->forwarder = 0;
		if (pid == in->stray_killer)
			end_stray_killer(in);
		for (size_t i = 0; i < in->count; i++) {
			if (in->runs[i].pid == pid) {
				end_run(in, &in->runs[i], status);
				break;
			}
		}
	}
}

/* ---- the loop ---- */

static void start_forwarder(struct init *in)
{
	if (in->forwarder || in->stray_killer || in->listeners.count == 0 || clock_wall_s() == in->forwarder_began)
		return;
	in->forwarder_began = clock_wall_s();
	pid_t pid = fork();
	if (pid == 0)
		forward_run(&in->listeners);
	in->forwarder = pid > 0 ? pid : 0;
}

static void serve_request(struct init *in)
{
	static struct request request;
	switch (request_receive(&request, in->control)) {
	case REQUEST_GONE:
		/* As process 1 it takes all others along; a supervisor sees the end of its order. */
		_exit(0);
	case REQUEST_NONE:
		return;
	case REQUEST_READ:
		break;
	}
	if (request.message.kind == BOX_RUN)
		start(in, &request);
	else if (request.message.kind == BOX_SWEEP)
		order_sweep(find_id(in, request.message.id), request.message.age);
	else
		order_kill(find_id(in, request.message.id));
	request_close(&request);
}

static _Noreturn void serve(struct init *in)
{
	struct pollfd fds[] = { { .events = POLLIN },
				{ .fd = in->children, .events = POLLIN },
				{ .fd = in->guard, .events = POLLIN } };
	struct signalfd_siginfo info;
	start_forwarder(in);
	tell(in, BOX_READY, 0, 0);
	for (;;) {
		bool waiting = !in->forwarder && in->listeners.count;
		/* It doesn't know of programs that begin after it: they wait. */
		fds[0].fd = in->stray_killer ? -1 : in->control;
		int ready = poll(fds, 3, waiting ? FORWARDER_PAUSE_MS : -1);
		while (read(in->children, &info, sizeof(info)) > 0)
			;
		reap(in);
		start_forwarder(in);
		if (ready > 0 && fds[0].revents)
			serve_request(in);
		if (ready > 0 && fds[2].revents & POLLIN)
			netlink_answer(in->guard);
	}
}

/* From inside no signal reaches process 1 that it has no handler for (a sanitizer would have some); the rest is for its
 * children, which anyone may signal. */
static int deaf(void)
{
	static const int usual[] = { SIGCHLD, SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT };
	for (int sig = 1; sig < NSIG; sig++)
		(void)signal(sig, SIG_IGN);
	for (size_t i = 0; i < sizeof(usual) / sizeof(usual[0]); i++)
		(void)signal(usual[i], SIG_DFL);
	sigset_t set;
	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGCHLD);
	(void)sigprocmask(SIG_SETMASK, &set, NULL);
	return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

int init_main(const char *control, char **forwards)
{
	static struct init in;
	in.control = atoi(control);
	if (in.control <= STDERR_FILENO || fcntl(in.control, F_SETFD, FD_CLOEXEC) < 0) {
		(void)fprintf(stderr, "craft-box: %s is no descriptor of a socket\n", control);
		return 2;
	}
	/* Its memory and descriptors are nobody's business; that holds for the children until they execute. */
	(void)prctl(PR_SET_DUMPABLE, 0);
	(void)prctl(PR_SET_CHILD_SUBREAPER, 1);
	if (!forward_listen(&in.listeners, *forwards ? forwards : forward_usual))
		return 1;
	in.guard = netlink_guard();
	in.children = deaf();
	serve(&in);
}
