/* gateway.c: the daemon's side of a gateway process: its sockets, its start, what it is told and what it reports. */
#include "gateway.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "gateway/allow.h"
#include "gateway_wire.h"
#include "lib/cleanup.h"
#include "lib/log.h"
#include "lib/proxy.h"
#include "process.h"

#define HEAD_TIMEOUT_MS 30000
/* It ends by itself when its control socket does; this long it has. */
#define STOP_MS 5000
#define BACKLOG 128
#define MAX_EVENT_TEXT 300
#define MAX_EVENTS_AT_ONCE 32
#define ERRORS_MAX 4096

static const char *const names[] = { "egress.sock", "api.sock", "git.sock" };
#define SOCKETS (sizeof(names) / sizeof(*names))

struct gateway {
	struct process *process; /* NULL: it has ended */
	uv_poll_t poll;
	uv_timer_t timer;
	unsigned open_handles;
	int control;
	int exit_code;
	bool started, stopping;
	char session[sizeof(((struct instance *)NULL)->session)];
	struct log_ids ids;
	char *run; /* the directory of the sockets */
	void (*on_event)(void *user, const struct gateway_event *event);
	void (*on_end)(void *user, int exit_code);
	void *user;
};

/* ---- the sockets ---- */

/* By way of /proc, because a socket's path may have 107 bytes only. */
static bool make_address(int dir, const char *name, struct sockaddr_un *out)
{
	*out = (struct sockaddr_un){ .sun_family = AF_UNIX };
	int n = snprintf(out->sun_path, sizeof(out->sun_path), "/proc/self/fd/%d/%s", dir, name);
	return n > 0 && (size_t)n < sizeof(out->sun_path);
}

static int listen_in(int dir, const char *name)
{
	struct sockaddr_un address;
	autoclose int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	(void)unlinkat(dir, name, 0);
	if (fd < 0 || !make_address(dir, name, &address) ||
	    bind(fd, (const struct sockaddr *)&address, sizeof(address)) < 0 || fchmodat(dir, name, 0666, 0) < 0 ||
	    listen(fd, BACKLOG) < 0)
		return -1;
	return steal_fd(&fd);
}

static void close_sockets(const int *fds)
{
	for (size_t i = 0; i < SOCKETS; i++)
		if (fds[i] >= 0)
			(void)close(fds[i]);
}

static bool make_sockets(const char *run, int *fds, struct buf *error)
{
	autoclose int dir = open(run, O_PATH | O_DIRECTORY | O_CLOEXEC);
	for (size_t i = 0; i < SOCKETS; i++)
		fds[i] = -1;
	for (size_t i = 0; dir >= 0 && i < SOCKETS; i++) {
		fds[i] = listen_in(dir, names[i]);
		if (fds[i] < 0)
			break;
	}
	if (dir >= 0 && fds[SOCKETS - 1] >= 0)
		return true;
	buf_addf(error, "cannot make sockets in %s: %s", run, strerror(errno));
	close_sockets(fds);
	return false;
}

static void remove_sockets(const char *run)
{
	autoclose int dir = open(run, O_PATH | O_DIRECTORY | O_CLOEXEC);
	for (size_t i = 0; dir >= 0 && i < SOCKETS; i++)
		(void)unlinkat(dir, names[i], 0);
}

/* ---- what it reports ---- */

/* It talks with what runs in the box, so it is not trusted either. */
static bool is_printable(struct slice text)
{
	for (size_t i = 0; i < text.len; i++)
		if (text.ptr[i] < 0x20 || text.ptr[i] > 0x7e)
			return false;
	return text.len <= MAX_EVENT_TEXT;
}

static bool is_kind(struct slice text)
{
	return slice_eq_str(text, "egress") || slice_eq_str(text, "api") || slice_eq_str(text, "git");
}

static uint64_t read_times(struct slice text)
{
	uint64_t times = 0;
	for (size_t i = 0; i < text.len && i < 18 && text.ptr[i] >= '0' && text.ptr[i] <= '9'; i++)
		times = times * 10 + (uint64_t)(text.ptr[i] - '0');
	return times ? times : 1;
}

static bool read_event(struct slice message, struct gateway_event *event)
{
	struct slice texts[EVENT_COUNT];
	if (!gateway_wire_read(message, GATEWAY_WIRE_EVENT, texts, EVENT_COUNT) || !is_kind(texts[EVENT_KIND]) ||
	    !is_printable(texts[EVENT_HOST]) || !is_printable(texts[EVENT_REASON]))
		return false;
	*event = (struct gateway_event){ .allowed = slice_eq_str(texts[EVENT_ALLOWED], "1"),
					 .kind = texts[EVENT_KIND],
					 .host = texts[EVENT_HOST],
					 .reason = texts[EVENT_REASON],
					 .times = read_times(texts[EVENT_TIMES]) };
	bool git = event->allowed && slice_eq_str(event->kind, "git");
	event->refused = git && slice_eq_str(event->reason, GATEWAY_GIT_REFUSED);
	event->not_granted = git && slice_eq_str(event->reason, GATEWAY_GIT_NOT_GRANTED);
	return true;
}

static void log_event(const struct gateway *g, const struct gateway_event *e)
{
	bool usual = e->allowed && e->reason.len == 0 && slice_eq_str(e->kind, "api");
	log_about(usual ? LOG_DEBUG : LOG_INFO, &g->ids, "%.*s %s: %.*s, %ju times%s%.*s", (int)e->kind.len,
		  e->kind.ptr, e->allowed ? "allowed" : "refused", (int)e->host.len, e->host.ptr, (uintmax_t)e->times,
		  e->reason.len ? ": " : "", (int)e->reason.len, e->reason.ptr ? e->reason.ptr : "");
}

static void take_event(struct gateway *g, struct slice message)
{
	struct gateway_event event;
	if (!read_event(message, &event)) {
		log_about(LOG_WARN, &g->ids, "the gateway sent a message that isn't understood");
		return;
	}
	log_event(g, &event);
	if (g->on_event)
		g->on_event(g->user, &event);
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
	struct gateway *g = poll->data;
	char bytes[4096];
	(void)events;
	for (int i = 0; status == 0 && i < MAX_EVENTS_AT_ONCE; i++) {
		ssize_t n = recv(g->control, bytes, sizeof(bytes), MSG_DONTWAIT);
		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		if (n <= 0) {
			(void)uv_poll_stop(poll);
			return;
		}
		take_event(g, slice_make(bytes, (size_t)n));
	}
}

/* ---- its end ---- */

static void gateway_free(struct gateway *g)
{
	if (g->control >= 0)
		(void)close(g->control);
	free(g->run);
	free(g);
}

static void on_closed(uv_handle_t *handle)
{
	struct gateway *g = handle->data;
	if (--g->open_handles)
		return;
	if (g->started && g->on_end)
		g->on_end(g->user, g->exit_code);
	gateway_free(g);
}

static void close_handles(struct gateway *g)
{
	uv_close((uv_handle_t *)&g->poll, on_closed);
	uv_close((uv_handle_t *)&g->timer, on_closed);
}

static void on_exit_(void *user, const struct process_result *result)
{
	struct gateway *g = user;
	g->process = NULL;
	g->exit_code = result->exit_code;
	if (!g->stopping || result->exit_code != 0 || result->errors.len > 0)
		log_about(LOG_WARN, &g->ids, "the gateway ended with %d: %.*s", result->exit_code,
			  (int)result->errors.len, result->errors.ptr ? result->errors.ptr : "");
	remove_sockets(g->run);
	close_handles(g);
}

static void on_too_long(uv_timer_t *timer)
{
	struct gateway *g = timer->data;
	if (g->process)
		process_kill(g->process);
}

void gateway_stop(struct gateway *gateway)
{
	if (gateway->stopping || !gateway->process)
		return;
	gateway->stopping = true;
	(void)shutdown(gateway->control, SHUT_WR);
	(void)uv_timer_start(&gateway->timer, on_too_long, STOP_MS, 0);
}

pid_t gateway_pid(const struct gateway *gateway)
{
	return gateway->process ? process_pid(gateway->process) : -1;
}

/* ---- what it is told ---- */

static bool tell(const struct gateway *g, enum gateway_wire_type type, const struct slice *texts, size_t count)
{
	autowiped message = { 0 };
	gateway_wire_write(&message, type, texts, count);
	if (message.len > GATEWAY_WIRE_MAX) {
		errno = EMSGSIZE;
		return false;
	}
	return send(g->control, message.data, message.len, MSG_DONTWAIT | MSG_NOSIGNAL) == (ssize_t)message.len;
}

void gateway_set_model_key(struct gateway *gateway, struct slice key, bool oauth)
{
	const struct slice texts[] = { key, slice_of(oauth ? "oauth" : "") };
	if (!gateway->process || gateway->stopping || tell(gateway, GATEWAY_WIRE_MODEL_KEY, texts, 2))
		return;
	/* It hasn't read for so long that the socket is full: something is wrong with it. */
	log_about(LOG_ERROR, &gateway->ids, "cannot tell the gateway the model key: %s", strerror(errno));
	process_kill(gateway->process);
}

void gateway_set_git_token(struct gateway *gateway, struct slice token)
{
	if (!gateway->process || gateway->stopping || tell(gateway, GATEWAY_WIRE_GIT_TOKEN, &token, 1))
		return;
	log_about(LOG_ERROR, &gateway->ids, "cannot tell the gateway the git token: %s", strerror(errno));
	process_kill(gateway->process);
}

void gateway_set_submodule(struct gateway *gateway, const char *repo_key, struct slice token)
{
	const struct slice texts[] = { slice_of(repo_key), token };
	if (!gateway->process || gateway->stopping || tell(gateway, GATEWAY_WIRE_SUBMODULE, texts, 2))
		return;
	log_about(LOG_ERROR, &gateway->ids, "cannot tell the gateway of a submodule: %s", strerror(errno));
	process_kill(gateway->process);
}

static struct slice text_of(const char *text)
{
	return text ? slice_of(text) : SLICE_LIT("");
}

static bool tell_setup(const struct gateway *g, const struct gateway_options *o)
{
	char timeout[16];
	(void)snprintf(timeout, sizeof(timeout), "%u", o->head_timeout ? o->head_timeout : HEAD_TIMEOUT_MS);
	const struct slice texts[SETUP_COUNT] = {
		[SETUP_MODEL_URL] = text_of(o->conf->anthropic_base_url),
		[SETUP_MODEL_CA] = text_of(o->conf->anthropic_ca_file),
		[SETUP_GIT_URL] = text_of(o->conf->github_url),
		[SETUP_GIT_CA] = text_of(o->conf->github_ca_file),
		[SETUP_REPO_KEY] = text_of(o->repo_key),
		[SETUP_EGRESS] = text_of(o->conf->sandbox_egress),
		[SETUP_GIT_TOKEN] = o->git_token,
		[SETUP_HEAD_TIMEOUT] = slice_of(timeout),
		[SETUP_MODEL_PROXY] = text_of(proxy_for(o->conf, o->conf->anthropic_base_url)),
		[SETUP_GIT_PROXY] = text_of(proxy_for(o->conf, o->conf->github_url)),
	};
	return tell(g, GATEWAY_WIRE_SETUP, texts, SETUP_COUNT);
}

/* ---- its start ---- */

static void warn_of_reserved(const struct allow_list *list)
{
	autobuf named = { 0 };
	allow_list_reserved_named(list, &named);
	if (named.len)
		log_warn(NULL,
			 "SANDBOX_EGRESS names %s: sandboxes reach the model's API or the git host past the sockets "
			 "that "
			 "look at what is asked, with credentials of their own making",
			 buf_cstr(&named));
}

bool gateway_check(const struct conf *conf, struct buf *error)
{
	struct allow_list list = { 0 };
	autobuf about = { 0 };
	const char *key = "ANTHROPIC_BASE_URL";
	bool good = allow_list_reserve_url(&list, conf->anthropic_base_url, &about);
	if (good) {
		key = "GITHUB_URL";
		good = allow_list_reserve_url(&list, conf->github_url, &about);
	}
	if (good) {
		key = "SANDBOX_EGRESS";
		good = allow_list_add(&list, text_of(conf->sandbox_egress), &about);
	}
	if (good)
		warn_of_reserved(&list);
	else
		buf_addf(error, "%s: %s", key, buf_cstr(&about));
	allow_list_free(&list);
	return good;
}

static bool start_process(uv_loop_t *loop, struct gateway *g, const struct gateway_options *o, const int *fds,
			  struct buf *error)
{
	autobuf launch = { 0 }, program = { 0 };
	buf_addf(&launch, "%s/craft-sandbox-launch", o->conf->sandbox_libexec);
	buf_addf(&program, "%s/craft-sandbox-gateway", o->conf->sandbox_libexec);
	const char *const argv[] = { buf_cstr(&program), NULL };
	const struct process_options options = { .name = "gateway",
						 .launch = buf_cstr(&launch),
						 .argv = argv,
						 .uid = (uid_t)o->conf->sandbox_uid_base,
						 .gid = (gid_t)o->conf->sandbox_uid_base,
						 .fds = fds,
						 .fd_count = 1 + SOCKETS,
						 .errors_max = ERRORS_MAX,
						 .on_exit = on_exit_,
						 .user = g };
	g->process = process_start(loop, &options, error);
	return g->process != NULL;
}

static struct gateway *gateway_new(uv_loop_t *loop, const struct gateway_options *o, int control)
{
	struct gateway *g = xcalloc(1, sizeof(*g));
	*g = (struct gateway){ .control = control, .on_event = o->on_event, .on_end = o->on_end, .user = o->user };
	memcpy(g->session, o->instance->session, sizeof(g->session));
	g->ids = (struct log_ids){ .req = o->request, .sandbox = g->session };
	g->run = xstrdup(o->instance->run);
	(void)uv_timer_init(loop, &g->timer);
	(void)uv_poll_init(loop, &g->poll, control);
	g->timer.data = g->poll.data = g;
	g->open_handles = 2;
	return g;
}

struct gateway *gateway_start(uv_loop_t *loop, const struct gateway_options *options, struct buf *error)
{
	int pair[2], fds[1 + SOCKETS];
	if (!make_sockets(options->instance->run, fds + 1, error))
		return NULL;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0) {
		buf_addf(error, "cannot make a socket pair: %s", strerror(errno));
		close_sockets(fds + 1);
		return NULL;
	}
	struct gateway *g = gateway_new(loop, options, pair[0]);
	fds[0] = pair[1];
	/* The configuration waits in the socket when the process begins. */
	g->started = tell_setup(g, options);
	if (!g->started)
		buf_addf(error, "cannot tell the gateway its configuration: %s", strerror(errno));
	g->started = g->started && start_process(loop, g, options, fds, error);
	(void)close(pair[1]);
	close_sockets(fds + 1);
	if (g->started) {
		(void)uv_poll_start(&g->poll, UV_READABLE, on_readable);
		return g;
	}
	remove_sockets(g->run);
	close_handles(g);
	return NULL;
}
