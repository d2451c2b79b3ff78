/* process.c: a child process on the event loop: its command line for craft-sandbox-launch, its pipes, its end. */
#include "process.h"

#include <signal.h>
#include <stdlib.h>

#include "lib/log.h"

/* What a reading takes at most, and how long pipes may stay open after the process was reaped. */
#define CHUNK 65536
#define PIPES_MS 1000

struct process {
	uv_process_t child;
	uv_timer_t timeout, pipes_timer;
	uv_pipe_t in, out, err;
	uv_write_t write;
	char *name;
	struct buf input, output, errors;
	size_t output_max, errors_max;
	char chunk[CHUNK];
	unsigned open_handles;
	bool reaped, abandoned;
	struct process_result result;
	void (*on_exit)(void *user, const struct process_result *result);
	void *user;
};

/* ---- its end ---- */

static void free_process(struct process *p)
{
	buf_free(&p->input);
	buf_free(&p->output);
	buf_free(&p->errors);
	free(p->name);
	free(p);
}

static void on_closed(uv_handle_t *handle)
{
	struct process *p = handle->data;
	if (--p->open_handles)
		return;
	p->result.output = buf_slice(&p->output);
	p->result.errors = buf_slice(&p->errors);
	if (!p->abandoned)
		p->on_exit(p->user, &p->result);
	free_process(p);
}

static void close_handle(void *handle)
{
	if (!uv_is_closing(handle))
		uv_close(handle, on_closed);
}

static void close_timers_when_done(struct process *p)
{
	if (!p->reaped || !uv_is_closing((uv_handle_t *)&p->out) || !uv_is_closing((uv_handle_t *)&p->err))
		return;
	close_handle(&p->in);
	close_handle(&p->timeout);
	close_handle(&p->pipes_timer);
}

static void close_output(struct process *p, uv_pipe_t *pipe)
{
	close_handle(pipe);
	close_timers_when_done(p);
}

/* Something that the program left behind holds them. */
static void on_pipes_too_long(uv_timer_t *timer)
{
	struct process *p = timer->data;
	close_output(p, &p->out);
	close_output(p, &p->err);
}

static void on_reaped(uv_process_t *child, int64_t status, int signal)
{
	struct process *p = child->data;
	p->reaped = true;
	p->result.exit_code = signal ? 128 + signal : (int)status;
	close_handle(child);
	(void)uv_timer_stop(&p->timeout);
	(void)uv_timer_start(&p->pipes_timer, on_pipes_too_long, PIPES_MS, 0);
	close_timers_when_done(p);
}

pid_t process_pid(const struct process *process)
{
	return process->child.pid;
}

/* The launcher begins a session, so the process is the leader of a group by then. */
void process_kill(struct process *process)
{
	if (process->reaped)
		return;
	(void)kill(process->child.pid, SIGKILL);
	(void)kill(-process->child.pid, SIGKILL);
}

void process_abandon(struct process *process)
{
	process->abandoned = true;
	process_kill(process);
	close_output(process, &process->out);
	close_output(process, &process->err);
}

static void on_timeout(uv_timer_t *timer)
{
	struct process *p = timer->data;
	p->result.timed_out = true;
	process_kill(p);
}

/* ---- its pipes ---- */

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
	struct process *p = handle->data;
	(void)suggested;
	*buf = uv_buf_init(p->chunk, sizeof(p->chunk));
}

static void on_output(uv_stream_t *stream, ssize_t n, const uv_buf_t *data)
{
	struct process *p = stream->data;
	if (n < 0) {
		close_output(p, &p->out);
		return;
	}
	size_t room = p->output_max - p->output.len, got = (size_t)n;
	buf_add(&p->output, data->base, got < room ? got : room);
	if (got <= room)
		return;
	p->result.output_cut = true;
	process_kill(p);
	close_output(p, &p->out);
}

static void on_errors(uv_stream_t *stream, ssize_t n, const uv_buf_t *data)
{
	struct process *p = stream->data;
	if (n < 0) {
		close_output(p, &p->err);
		return;
	}
	buf_add(&p->errors, data->base, (size_t)n);
	if (p->errors.len > p->errors_max)
		buf_drop_front(&p->errors, p->errors.len - p->errors_max);
}

/* A program that ended without reading everything is no fault here. */
static void on_written(uv_write_t *write, int status)
{
	struct process *p = write->data;
	(void)status;
	close_handle(&p->in);
}

static void begin_pipes(struct process *p)
{
	if (p->output_max)
		(void)uv_read_start((uv_stream_t *)&p->out, on_alloc, on_output);
	else
		close_output(p, &p->out);
	if (p->errors_max)
		(void)uv_read_start((uv_stream_t *)&p->err, on_alloc, on_errors);
	else
		close_output(p, &p->err);
	if (!p->input.len) {
		close_handle(&p->in);
		return;
	}
	uv_buf_t data = uv_buf_init(p->input.data, (unsigned)p->input.len);
	p->write.data = p;
	if (uv_write(&p->write, (uv_stream_t *)&p->in, &data, 1, on_written) < 0)
		close_handle(&p->in);
}

/* ---- its start ---- */

/* Pointers into texts, which the caller keeps. */
struct command {
	char **argv;
	size_t count;
	struct buf texts[10];
	size_t text_count;
};

static void add_word(struct command *c, const char *word)
{
	/* uv_spawn() doesn't write to them. */
	c->argv = xrealloc(c->argv, (c->count + 2) * sizeof(*c->argv));
	c->argv[c->count++] = (char *)(uintptr_t)word;
	c->argv[c->count] = NULL;
}

static void add_number(struct command *c, const char *option, int64_t value)
{
	struct buf *text = &c->texts[c->text_count++];
	buf_add_i64(text, value);
	add_word(c, option);
	add_word(c, buf_cstr(text));
}

static void free_command(struct command *c)
{
	for (size_t i = 0; i < c->text_count; i++)
		buf_free(&c->texts[i]);
	free(c->argv);
}

static void make_command(struct command *c, const struct process_options *o)
{
	add_word(c, o->launch);
	if (geteuid() == 0) {
		add_number(c, "--uid", o->uid);
		add_number(c, "--gid", o->gid);
	}
	add_number(c, "--parent", getpid());
	for (size_t i = 0; o->cgroup && i < CGROUP_MAX_PATHS; i++) {
		if (!o->cgroup->paths[i])
			continue;
		add_word(c, "--cgroup");
		add_word(c, o->cgroup->paths[i]);
	}
	if (o->max_processes > 0)
		add_number(c, "--nproc", o->max_processes);
	if (o->max_file_size > 0)
		add_number(c, "--fsize", o->max_file_size);
	if (o->max_cpus > 0) {
		add_number(c, "--cpus", o->max_cpus);
		add_number(c, "--cpus-from", o->first_cpu);
	}
	add_number(c, "--keep", (int64_t)o->fd_count);
	add_word(c, "--");
	for (size_t i = 0; o->argv[i]; i++)
		add_word(c, o->argv[i]);
}

static void init_handles(uv_loop_t *loop, struct process *p)
{
	(void)uv_timer_init(loop, &p->timeout);
	(void)uv_timer_init(loop, &p->pipes_timer);
	(void)uv_pipe_init(loop, &p->in, 0);
	(void)uv_pipe_init(loop, &p->out, 0);
	(void)uv_pipe_init(loop, &p->err, 0);
	p->child.data = p->timeout.data = p->pipes_timer.data = p->in.data = p->out.data = p->err.data = p;
	p->open_handles = 6; /* uv_spawn() makes the sixth, also when it fails */
}

static uv_stdio_container_t pipe_or_nothing(uv_pipe_t *pipe, bool wanted, int direction)
{
	uv_stdio_container_t c = { .flags = UV_IGNORE };
	if (!wanted)
		return c;
	c.flags = (uv_stdio_flags)(UV_CREATE_PIPE | direction);
	c.data.stream = (uv_stream_t *)pipe;
	return c;
}

static int spawn(uv_loop_t *loop, struct process *p, const struct process_options *o)
{
	struct command command __attribute__((cleanup(free_command))) = { 0 };
	make_command(&command, o);
	uv_stdio_container_t *stdio = xcalloc(3 + o->fd_count, sizeof(*stdio));
	stdio[0] = pipe_or_nothing(&p->in, p->input.len > 0, UV_READABLE_PIPE);
	stdio[1] = pipe_or_nothing(&p->out, p->output_max > 0, UV_WRITABLE_PIPE);
	stdio[2] = pipe_or_nothing(&p->err, p->errors_max > 0, UV_WRITABLE_PIPE);
	for (size_t i = 0; i < o->fd_count; i++)
		stdio[3 + i] = (uv_stdio_container_t){ .flags = UV_INHERIT_FD, .data.fd = o->fds[i] };
	char *nothing[] = { NULL };
	const uv_process_options_t options = { .exit_cb = on_reaped,
					       .file = o->launch,
					       .args = command.argv,
					       .env = nothing,
					       .cwd = "/",
					       .stdio_count = (int)(3 + o->fd_count),
					       .stdio = stdio };
	int rc = uv_spawn(loop, &p->child, &options);
	free(stdio);
	return rc;
}

struct process *process_start(uv_loop_t *loop, const struct process_options *options, struct buf *error)
{
	struct process *p = xcalloc(1, sizeof(*p));
	p->name = xstrdup(options->name);
	p->output_max = options->output_max;
	p->errors_max = options->errors_max;
	p->on_exit = options->on_exit;
	p->user = options->user;
	buf_add_slice(&p->input, options->input);
	init_handles(loop, p);
	int rc = spawn(loop, p, options);
	if (rc < 0) {
		buf_addf(error, "cannot start %s by %s: %s", options->name, options->launch, uv_strerror(rc));
		p->reaped = true;
		close_handle(&p->child);
		process_abandon(p);
		return NULL;
	}
	begin_pipes(p);
	if (options->timeout)
		(void)uv_timer_start(&p->timeout, on_timeout, options->timeout, 0);
	log_debug(NULL, "started %s, pid %d", p->name, p->child.pid);
	return p;
}
