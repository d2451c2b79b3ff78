/* box_run.c: a program in the box: its pipes, its time, its end. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "box.h"
#include "box_internal.h"
#include "lib/cleanup.h"
#include "lib/log.h"

/* craft-box kills for 4 s at most; when it doesn't answer, the box is at fault. */
#define KILL_MS 6000
/* After the program's end: how often its pipes are looked at, how long they must be quiet, and when it is enough. */
#define TICK_MS 25
#define QUIET_TICKS 4
#define LAST_TICK 40
#define PROCESS_SHARES 16

enum stream { IN, OUT, ERR, STREAMS };

struct box_run {
	struct box *box;
	uint32_t id;
	uv_pipe_t pipes[STREAMS];
	bool open[STREAMS];
	uv_timer_t timer; /* its time, then the time to be killed, then the time of its pipes */
	unsigned open_handles;
	size_t writes;
	bool close_input, paused, killed, exited, timed_out;
	int exit_code;
	unsigned ticks, quiet_ticks;
	void (*on_output)(void *user, struct slice data);
	void (*on_errors)(void *user, struct slice data);
	void (*on_exit)(void *user, int exit_code, bool timed_out);
	void *user;
};

struct pending_write {
	uv_write_t write;
	struct buf bytes;
};

/* ---- its end ---- */

static void on_closed(uv_handle_t *handle)
{
	struct box_run *run = handle->data;
	if (--run->open_handles == 0)
		free(run);
}

static void close_pipe(struct box_run *run, enum stream stream)
{
	if (!run->open[stream])
		return;
	run->open[stream] = false;
	uv_close((uv_handle_t *)&run->pipes[stream], on_closed);
}

static void leave_box(const struct box_run *run)
{
	struct box *box = run->box;
	size_t i = 0;
	while (box->runs[i] != run)
		i++;
	box->runs[i] = box->runs[--box->count];
}

static void finish(struct box_run *run)
{
	struct box *box = run->box;
	leave_box(run);
	for (enum stream s = IN; s < STREAMS; s++)
		close_pipe(run, s);
	uv_close((uv_handle_t *)&run->timer, on_closed);
	run->on_exit(run->user, run->exit_code, run->timed_out);
	box_run_left(box);
}

static bool is_over(const struct box_run *run)
{
	return run->exited && !run->open[OUT] && !run->open[ERR];
}

/* What it left in the background may hold the pipes: then quiet ones are enough. A reader that was told to wait has
 * all the time it wants, as long as the program wasn't killed. */
static void on_tick(uv_timer_t *timer)
{
	struct box_run *run = timer->data;
	if (run->paused && !run->killed && !run->box->gone)
		return;
	run->ticks++;
	run->quiet_ticks++;
	if (run->quiet_ticks >= QUIET_TICKS || run->ticks >= LAST_TICK)
		finish(run);
}

static void set_exited(struct box_run *run, int exit_code)
{
	if (run->exited)
		return;
	run->exited = true;
	run->exit_code = exit_code;
	close_pipe(run, IN);
	if (is_over(run))
		finish(run);
	else
		(void)uv_timer_start(&run->timer, on_tick, TICK_MS, TICK_MS);
}

bool box_run_exited(struct box *box, uint32_t id, int exit_code)
{
	for (size_t i = 0; i < box->count; i++) {
		struct box_run *run = box->runs[i];
		if (run->id != id || run->exited)
			continue;
		set_exited(run, exit_code);
		return true;
	}
	return false;
}

void box_runs_gone(struct box *box)
{
	/* From the end, because one that is over leaves the list. */
	for (size_t i = box->count; i > 0; i--)
		set_exited(box->runs[i - 1], 128 + SIGKILL);
}

static void on_not_killed(uv_timer_t *timer)
{
	struct box_run *run = timer->data;
	if (!run->box->killed)
		log_warn(NULL, "a program in the box of %s couldn't be killed; the box is ended",
			 run->box->options.instance->session);
	box_kill(run->box);
}

void box_run_kill(struct box_run *run)
{
	autobuf bytes = { 0 };
	const struct box_message m = { .kind = BOX_KILL, .id = run->id };
	if (run->killed)
		return;
	run->killed = true;
	if (run->exited || run->box->gone)
		return;
	buf_add(&bytes, &m, sizeof(m));
	(void)uv_timer_start(&run->timer, on_not_killed, KILL_MS, 0);
	box_send(run->box, &bytes, NULL, 0);
}

void box_run_sweep(struct box_run *run, uint64_t age_ms)
{
	autobuf bytes = { 0 };
	const struct box_message m = { .kind = BOX_SWEEP,
				       .id = run->id,
				       .age = age_ms < UINT32_MAX ? (uint32_t)age_ms : UINT32_MAX };
	if (run->exited || run->box->gone)
		return;
	buf_add(&bytes, &m, sizeof(m));
	box_send(run->box, &bytes, NULL, 0);
}

static void on_timeout(uv_timer_t *timer)
{
	struct box_run *run = timer->data;
	run->timed_out = true;
	box_run_kill(run);
}

/* ---- its output ---- */

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
	struct box_run *run = handle->data;
	(void)suggested;
	*buf = uv_buf_init(run->box->chunk, sizeof(run->box->chunk));
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *data)
{
	struct box_run *run = stream->data;
	enum stream which = stream == (uv_stream_t *)&run->pipes[OUT] ? OUT : ERR;
	if (n < 0) {
		close_pipe(run, which);
		if (is_over(run))
			finish(run);
		return;
	}
	if (n == 0)
		return;
	run->quiet_ticks = 0;
	(which == OUT ? run->on_output : run->on_errors)(run->user, slice_make(data->base, (size_t)n));
}

void box_run_pause(struct box_run *run)
{
	run->paused = true;
	for (enum stream s = OUT; s <= ERR; s++)
		if (run->open[s])
			(void)uv_read_stop((uv_stream_t *)&run->pipes[s]);
}

void box_run_resume(struct box_run *run)
{
	run->paused = false;
	run->quiet_ticks = 0;
	for (enum stream s = OUT; s <= ERR; s++)
		if (run->open[s])
			(void)uv_read_start((uv_stream_t *)&run->pipes[s], on_alloc, on_read);
}

/* ---- its input ---- */

static void on_written(uv_write_t *write, int status)
{
	struct pending_write *pending = (struct pending_write *)write;
	struct box_run *run = write->data;
	run->writes--;
	/* A program may end, or close its input, whenever it likes. */
	if (status < 0 || (run->close_input && run->writes == 0))
		close_pipe(run, IN);
	buf_free(&pending->bytes);
	free(pending);
}

void box_run_write(struct box_run *run, struct slice data)
{
	if (!run->open[IN] || run->close_input || data.len == 0)
		return;
	struct pending_write *pending = xcalloc(1, sizeof(*pending));
	buf_add_slice(&pending->bytes, data);
	pending->write.data = run;
	uv_buf_t bytes = uv_buf_init(pending->bytes.data, (unsigned)pending->bytes.len);
	run->writes++;
	if (uv_write(&pending->write, (uv_stream_t *)&run->pipes[IN], &bytes, 1, on_written) < 0)
		on_written(&pending->write, -1);
}

void box_run_close_input(struct box_run *run)
{
	run->close_input = true;
	if (run->writes == 0)
		close_pipe(run, IN);
}

size_t box_run_queued(const struct box_run *run)
{
	return run->open[IN] ? uv_stream_get_write_queue_size((const uv_stream_t *)&run->pipes[IN]) : 0;
}

/* ---- its start ---- */

/* False: too much for a packet. */
static bool make_message(struct buf *out, const struct box_run_options *o, struct box_message *m)
{
	buf_add(out, m, sizeof(*m));
	for (const char *const *word = o->argv; *word; word++, m->argc++)
		buf_add(out, *word, strlen(*word) + 1);
	bool fits = out->len - sizeof(*m) <= BOX_MAX_ARGUMENTS;
	for (const char *const *v = o->environment; v && *v; v++, m->envc++)
		buf_add(out, *v, strlen(*v) + 1);
	(void)memcpy(out->data, m, sizeof(*m));
	return fits && out->len - sizeof(*m) <= BOX_MAX_TEXTS;
}

static void close_ends(int ends[STREAMS][2])
{
	for (enum stream s = IN; s < STREAMS; s++)
		for (int i = 0; i < 2; i++)
			if (ends[s][i] >= 0)
				(void)close(ends[s][i]);
}

static bool make_pipes(int ends[STREAMS][2], const bool wanted[STREAMS])
{
	for (enum stream s = IN; s < STREAMS; s++)
		ends[s][0] = ends[s][1] = -1;
	for (enum stream s = IN; s < STREAMS; s++) {
		if (wanted[s] && pipe2(ends[s], O_CLOEXEC) < 0) {
			int why = errno;
			close_ends(ends);
			errno = why;
			return false;
		}
	}
	return true;
}

static void open_handles(struct box_run *run, int ends[STREAMS][2])
{
	(void)uv_timer_init(run->box->loop, &run->timer);
	run->timer.data = run;
	run->open_handles = 1;
	for (enum stream s = IN; s < STREAMS; s++) {
		int ours = ends[s][s == IN ? 1 : 0];
		if (ours < 0)
			continue;
		(void)uv_pipe_init(run->box->loop, &run->pipes[s], 0);
		(void)uv_pipe_open(&run->pipes[s], ours);
		run->pipes[s].data = run;
		run->open[s] = true;
		run->open_handles++;
	}
}

static struct box_run *new_run(struct box *box, const struct box_run_options *o)
{
	struct box_run *run = xcalloc(1, sizeof(*run));
	run->box = box;
	run->id = ++box->last_id;
	run->on_output = o->on_output;
	run->on_errors = o->on_errors;
	run->on_exit = o->on_exit;
	run->user = o->user;
	box->runs[box->count++] = run;
	return run;
}

/* So that there is always room for what is needed to get out of it, whoever takes all that he can get leaves something
 * to those above him. Of SANDBOX_PIDS the last sixteenth is for what supervises programs, two before it are the
 * agent's, one before them is for tools alone, whatever commands of the agent's do (see box/shell.c, which takes their
 * limit from the agent's), and two before that aren't for what commands that have ended left behind. */
static void share_processes(const struct box *box, bool is_agent, struct box_message *m)
{
	int64_t all = box->options.conf->sandbox_pids, share = all / PROCESS_SHARES;
	if (all <= 0)
		return;
	share = share ? share : 1;
	m->processes = (uint32_t)(all - share * (is_agent ? 1 : 3));
	m->left = is_agent ? 0 : (uint32_t)(all - share * 6);
}

static struct box_run *refuse(struct buf *error, const char *why)
{
	buf_addf(error, "the program can't be started in the sandbox: %s", why);
	return NULL;
}

struct box_run *box_run(struct box *box, const struct box_run_options *o, struct buf *error)
{
	autobuf bytes = { 0 };
	struct box_message m = { .kind = BOX_RUN, .id = box->last_id + 1 };
	const bool wanted[STREAMS] = { o->keep_input || o->input.len, o->on_output, o->on_errors };
	int ends[STREAMS][2], theirs[STREAMS];
	size_t count = 0;
	share_processes(box, o->is_agent, &m);
	for (enum stream s = IN; s < STREAMS; s++)
		m.pipes |= (uint32_t)wanted[s] << s;
	if (box->gone || !box->process)
		return refuse(error, "it has ended");
	if (box->count == BOX_MAX_RUNS)
		return refuse(error, "too many programs run at once");
	if (!make_message(&bytes, o, &m))
		return refuse(error, "its arguments are too long");
	if (!make_pipes(ends, wanted))
		return refuse(error, strerror(errno));
	for (enum stream s = IN; s < STREAMS; s++)
		if (wanted[s])
			theirs[count++] = ends[s][s == IN ? 0 : 1];
	struct box_run *run = new_run(box, o);
	open_handles(run, ends);
	box_run_resume(run);
	box_run_write(run, o->input);
	if (!o->keep_input)
		box_run_close_input(run);
	if (o->timeout)
		(void)uv_timer_start(&run->timer, on_timeout, o->timeout, 0);
	box_send(box, &bytes, theirs, count);
	return run;
}
