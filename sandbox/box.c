/* box.c: the running box of one sandbox: bwrap, and the control socket to craft-box in it. */
#include "box.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "box_internal.h"
#include "box_spec.h"
#include "lib/cleanup.h"
#include "lib/log.h"
#include "seccomp.h"

/* A whole BOX_RUN fits. */
#define SOCKET_BUFFER 262144
#define PACKETS_PER_TURN 64
#define ERRORS_MAX 4096
/* bwrap's own and the supervisors, beside what the sandbox may have. */
#define PROCESSES_OF_OURS 16

/* ---- its end ---- */

static void free_packet(struct box_packet *packet)
{
	for (size_t i = 0; i < packet->fd_count; i++)
		(void)close(packet->fds[i]);
	buf_free(&packet->bytes);
	free(packet);
}

static void drop_packets(struct box *box)
{
	while (box->first) {
		struct box_packet *packet = box->first;
		box->first = packet->next;
		free_packet(packet);
	}
	box->last = &box->first;
}

static void free_box(struct box *box)
{
	drop_packets(box);
	buf_free(&box->errors);
	(void)close(box->control);
	free(box);
}

static void end_when_done(struct box *box)
{
	if (!box->gone || !box->poll_closed || box->count)
		return;
	box->options.on_end(box->options.user, box->exit_code, buf_slice(&box->errors));
	free_box(box);
}

void box_run_left(struct box *box)
{
	end_when_done(box);
}

static void on_poll_closed(uv_handle_t *handle)
{
	struct box *box = handle->data;
	box->poll_closed = true;
	end_when_done(box);
}

static void on_process_exit(void *user, const struct process_result *result)
{
	struct box *box = user;
	box->process = NULL;
	box->gone = true;
	box->exit_code = result->exit_code;
	buf_add_slice(&box->errors, result->errors);
	drop_packets(box);
	box_runs_gone(box);
	uv_close((uv_handle_t *)&box->poll, on_poll_closed);
}

void box_kill(struct box *box)
{
	box->killed = true;
	if (box->process)
		process_kill(box->process);
}

bool box_ended(const struct box *box)
{
	return box->gone;
}

pid_t box_pid(const struct box *box)
{
	return box->process ? process_pid(box->process) : 0;
}

/* ---- the control socket ---- */

static void on_control(uv_poll_t *poll, int status, int events);

static void watch(struct box *box)
{
	(void)uv_poll_start(&box->poll, UV_READABLE | (box->first ? UV_WRITABLE : 0), on_control);
}

/* False: not now. */
static bool send_packet(struct box *box, const struct box_packet *packet)
{
	union {
		struct cmsghdr align;
		char space[CMSG_SPACE(3 * sizeof(int))];
	} extra = { .space = { 0 } };
	struct iovec vec = { .iov_base = packet->bytes.data, .iov_len = packet->bytes.len };
	struct msghdr header = { .msg_iov = &vec, .msg_iovlen = 1 };
	if (packet->fd_count) {
		header.msg_control = extra.space;
		header.msg_controllen = CMSG_SPACE(packet->fd_count * sizeof(int));
		struct cmsghdr *c = &extra.align;
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(packet->fd_count * sizeof(int));
		(void)memcpy(CMSG_DATA(c), packet->fds, packet->fd_count * sizeof(int));
	}
	if (sendmsg(box->control, &header, MSG_NOSIGNAL | MSG_DONTWAIT) >= 0)
		return true;
	if (errno == EAGAIN || errno == EINTR)
		return false;
	/* Its end is on the way, or nothing can be said to it any more. */
	box_kill(box);
	return true;
}

static void flush(struct box *box)
{
	while (box->first && send_packet(box, box->first)) {
		struct box_packet *packet = box->first;
		box->first = packet->next;
		if (!box->first)
			box->last = &box->first;
		free_packet(packet);
	}
	watch(box);
}

void box_send(struct box *box, struct buf *bytes, const int *fds, size_t fd_count)
{
	struct box_packet *packet = xcalloc(1, sizeof(*packet));
	packet->bytes = *bytes;
	*bytes = (struct buf){ 0 };
	for (size_t i = 0; i < fd_count; i++)
		packet->fds[i] = fds[i];
	packet->fd_count = fd_count;
	*box->last = packet;
	box->last = &packet->next;
	flush(box);
}

/* False: craft-box would never say that. */
static bool take_message(struct box *box, const struct box_message *m)
{
	switch (m->kind) {
	case BOX_READY:
		if (box->ready)
			return false;
		box->ready = true;
		box->options.on_ready(box->options.user);
		return true;
	case BOX_EXITED:
		return m->exit_code >= 0 && m->exit_code <= 255 && box_run_exited(box, m->id, m->exit_code);
	default:
		return false;
	}
}

static void receive(struct box *box)
{
	struct box_message m;
	for (int i = 0; i < PACKETS_PER_TURN; i++) {
		/* Longer packets show their true length. Descriptors that come along are dropped by the kernel. */
		ssize_t n = recv(box->control, &m, sizeof(m), MSG_DONTWAIT | MSG_TRUNC);
		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		if (n <= 0) {
			(void)uv_poll_stop(&box->poll);
			box_kill(box);
			return;
		}
		if (n != sizeof(m) || !take_message(box, &m)) {
			log_warn(NULL, "the box of %s sent what it can't have meant; it is ended",
				 box->options.instance->session);
			(void)uv_poll_stop(&box->poll);
			box_kill(box);
			return;
		}
	}
}

static void on_control(uv_poll_t *poll, int status, int events)
{
	struct box *box = poll->data;
	(void)status;
	if (events & UV_WRITABLE)
		flush(box);
	if (events & UV_READABLE || status < 0)
		receive(box);
}

/* ---- its start ---- */

static void free_words(const char ***argv)
{
	free(*argv);
}

static struct process *start_process(struct box *box, int control, struct buf *error)
{
	const struct box_options *o = &box->options;
	autobuf launch = { 0 }, program = { 0 }, args = { 0 };
	buf_addf(&launch, "%s/craft-sandbox-launch", o->conf->sandbox_libexec);
	buf_addf(&program, "%s/craft-box", o->conf->sandbox_libexec);
	/* bwrap reads the filter from where the descriptor stands: one for each box. */
	autoclose int filter = o->seccomp_fd < 0 ? -1 : seccomp_reopen(o->seccomp_fd);
	if (o->seccomp_fd >= 0 && filter < 0) {
		buf_addf(error, "cannot open the seccomp filter: %s", strerror(errno));
		return NULL;
	}
	/* They get these numbers: 3 and 4. */
	const int fds[] = { control, filter };
	const struct box_spec spec = { .instance = o->instance,
				       .agent = o->conf->sandbox_agent,
				       .box = buf_cstr(&program),
				       .cgroup = o->cgroup,
				       .seccomp_fd = filter < 0 ? -1 : 4,
				       .status_fd = -1,
				       .control_fd = 3 };
	box_spec_args(&spec, &args);
	const char **argv autocall(free_words) = box_spec_argv(&args);
	bool own_user = geteuid() == 0;
	int64_t cpus = (o->conf->sandbox_cpu + 99) / 100;
	const struct process_options options = {
		.name = "box",
		.launch = buf_cstr(&launch),
		.argv = argv,
		.uid = o->instance->uid,
		.gid = o->instance->gid,
		.cgroup = o->cgroup,
		/* The kernel counts processes by user: the daemon's own would count, too. */
		.max_processes = own_user && o->conf->sandbox_pids ? o->conf->sandbox_pids + PROCESSES_OF_OURS : 0,
		.max_file_size = o->conf->sandbox_disk,
		.max_cpus = cpus,
		.first_cpu = cpus * o->instance->slot,
		.fds = fds,
		.fd_count = filter < 0 ? 1 : 2,
		.errors_max = ERRORS_MAX,
		.on_exit = on_process_exit,
		.user = box,
	};
	return process_start(box->loop, &options, error);
}

static bool make_sockets(int ends[2], struct buf *error)
{
	const int size = SOCKET_BUFFER;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0) {
		buf_addf(error, "cannot make sockets for the box: %s", strerror(errno));
		return false;
	}
	(void)setsockopt(ends[0], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	return true;
}

struct box *box_start(uv_loop_t *loop, const struct box_options *options, struct buf *error)
{
	int ends[2];
	if (!make_sockets(ends, error))
		return NULL;
	autoclose int ours = ends[0], theirs = ends[1];
	struct box *box = xcalloc(1, sizeof(*box));
	box->loop = loop;
	box->options = *options;
	box->last = &box->first;
	box->process = start_process(box, theirs, error);
	if (!box->process) {
		free(box);
		return NULL;
	}
	box->control = steal_fd(&ours);
	(void)uv_poll_init(loop, &box->poll, box->control);
	box->poll.data = box;
	watch(box);
	return box;
}
