/* agent.c: starts Claude Code in the box, gives it turns, and reads what it says. */
#include "agent.h"

#include <stdlib.h>

#include "agent_line.h"
#include "box_spec.h"
#include "lib/json.h"

#define ERRORS_MAX ((size_t)8 << 10)
#define OBEY_MS 5000 /* until an interrupt, or the end of its input, must have worked */
#define LAST_WORDS 500

struct agent {
	struct agent_events events;
	void *user;
	struct box_run *run; /* NULL: it has ended */
	uv_timer_t timer;
	struct agent_lines lines;
	struct buf errors; /* the end of its stderr */
	bool busy, interrupted;
	unsigned interrupts;
};

/* ---- the end of a turn ---- */

static void end_turn(struct agent *agent, struct agent_result *result)
{
	result->interrupted = agent->interrupted;
	agent->busy = agent->interrupted = false;
	(void)uv_timer_stop(&agent->timer);
	agent->events.on_result(agent->user, result);
}

static void on_result_line(struct agent *agent, const struct agent_line *line)
{
	autobuf output = { 0 };
	/* Why an interrupted turn failed is known, and what it says about that is for its developers. */
	if (line->output.len && (line->success || !agent->interrupted))
		json_decode_lossy(line->output, &output, SIZE_MAX);
	struct agent_result result = { .success = line->success,
				       .output = buf_slice(&output),
				       .denials = line->denials,
				       .exit_code = line->success ? 0 : 1 };
	end_turn(agent, &result);
}

/* ---- its output ---- */

static void write_line(struct agent *agent, const struct buf *line)
{
	if (agent->run)
		box_run_write(agent->run, buf_slice(line));
}

/* It never asks when it is started as we do; but then it would wait for ever. */
static void refuse(struct agent *agent, struct slice request_id)
{
	autobuf line = { 0 };
	if (!request_id.len)
		return;
	agent_line_refusal(&line, request_id);
	write_line(agent, &line);
}

static void pass_on(struct agent *agent, struct slice line, size_t dropped)
{
	autobuf note = { 0 };
	if (dropped)
		agent_line_note(&note, line.len + dropped);
	agent->events.on_line(agent->user, dropped ? buf_slice(&note) : line);
}

static void on_line(void *user, struct slice text, size_t dropped)
{
	struct agent *agent = user;
	struct agent_line line;
	agent_line_parse(text, dropped, &line);
	if (line.kind == AGENT_LINE_CONTROL_RESPONSE)
		return;
	if (line.kind == AGENT_LINE_CONTROL_REQUEST) {
		refuse(agent, line.request_id);
		return;
	}
	pass_on(agent, text, dropped);
	if (line.kind == AGENT_LINE_RESULT && !line.own && agent->busy)
		on_result_line(agent, &line);
}

static void on_output(void *user, struct slice data)
{
	struct agent *agent = user;
	agent_lines_feed(&agent->lines, data, on_line, agent);
}

static void on_errors(void *user, struct slice data)
{
	struct agent *agent = user;
	buf_add_slice(&agent->errors, data);
	if (agent->errors.len > ERRORS_MAX)
		buf_drop_front(&agent->errors, agent->errors.len - ERRORS_MAX);
}

/* ---- its end ---- */

/* Its last line on stderr says most. */
static void add_last_words(struct buf *out, struct slice errors)
{
	struct slice words = json_trim(errors);
	const char *newline = words.len ? memrchr(words.ptr, '\n', words.len) : NULL;
	if (newline)
		words = slice_make(newline + 1, (size_t)(words.ptr + words.len - newline - 1));
	if (!words.len)
		return;
	buf_add_str(out, ": ");
	buf_add(out, words.ptr, words.len < LAST_WORDS ? words.len : LAST_WORDS);
}

static void end_turn_with_process(struct agent *agent, int exit_code)
{
	autobuf output = { 0 };
	if (!agent->interrupted) {
		buf_addf(&output, "Claude Code ended in the middle of the task, exit code %d", exit_code);
		add_last_words(&output, buf_slice(&agent->errors));
	}
	struct agent_result result = { .output = buf_slice(&output), .exit_code = exit_code ? exit_code : 1 };
	end_turn(agent, &result);
}

static void on_closed(uv_handle_t *handle)
{
	struct agent *agent = handle->data;
	agent_lines_free(&agent->lines);
	buf_free(&agent->errors);
	free(agent);
}

static void on_exit_of_process(void *user, int exit_code, bool timed_out)
{
	struct agent *agent = user;
	(void)timed_out;
	agent->run = NULL;
	agent_lines_end(&agent->lines, on_line, agent);
	if (agent->busy)
		end_turn_with_process(agent, exit_code);
	agent->events.on_end(agent->user, exit_code);
	uv_close((uv_handle_t *)&agent->timer, on_closed);
}

static void on_timer(uv_timer_t *timer)
{
	struct agent *agent = timer->data;
	if (agent->run)
		box_run_kill(agent->run);
}

/* ---- its start ---- */

static const char *const common_environment[] = {
	"ANTHROPIC_BASE_URL=http://127.0.0.1:3129",
	/* Settings that the repository brings choose no other API, and no credential is asked for again on a 401. */
	"CLAUDE_CODE_PROVIDER_MANAGED_BY_HOST=1",
	/* Without it: telemetry, updates, feature flags. */
	"CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC=1",
	"DISABLE_AUTOUPDATER=1",
	/* A command that ends in the background begins a turn that nobody asked for. */
	"CLAUDE_CODE_DISABLE_BACKGROUND_TASKS=1",
	"CLAUDE_CODE_DISABLE_CRON=1",
	("CLAUDE_CODE_SHELL=" BOX_SHELL),
	/* The conversation is on the disk before a result is told, and what was asked before it is answered. */
	"CLAUDE_CODE_EAGER_FLUSH=1",
};

/* The gateway puts the real one in its place. */
static const char *placeholder(bool oauth)
{
	return oauth ? "CLAUDE_CODE_OAUTH_TOKEN=placeholder" : "ANTHROPIC_API_KEY=placeholder";
}

static struct box_run *run(struct agent *agent, struct box *box, const struct conf *conf, bool oauth, const char *about,
			   struct buf *error)
{
	enum { COMMON = sizeof(common_environment) / sizeof(*common_environment) };
	const char *environment[COMMON + 2] = { 0 };
	memcpy(environment, common_environment, sizeof(common_environment));
	environment[COMMON] = placeholder(oauth);
	const char *const argv[] = { BOX_AGENT,
				     "-p",
				     "--input-format",
				     "stream-json",
				     "--output-format",
				     "stream-json",
				     "--verbose",
				     "--permission-mode",
				     conf->sandbox_permission_mode,
				     "--strict-mcp-config",
				     "--continue",
				     *about ? "--append-system-prompt" : NULL,
				     *about ? about : NULL,
				     NULL };
	struct box_run_options options = { .argv = argv,
					   .environment = environment,
					   .is_agent = true,
					   .keep_input = true,
					   .on_output = on_output,
					   .on_errors = on_errors,
					   .on_exit = on_exit_of_process,
					   .user = agent };
	return box_run(box, &options, error);
}

struct agent *agent_start(uv_loop_t *loop, struct box *box, const struct conf *conf, bool oauth, const char *about,
			  const struct agent_events *events, void *user, struct buf *error)
{
	struct agent *agent = xcalloc(1, sizeof(*agent));
	agent->events = *events;
	agent->user = user;
	agent->lines.max = AGENT_LINE_MAX;
	agent->run = run(agent, box, conf, oauth, about, error);
	if (!agent->run) {
		free(agent);
		return NULL;
	}
	(void)uv_timer_init(loop, &agent->timer);
	agent->timer.data = agent;
	return agent;
}

/* ---- what it is told ---- */

void agent_turn(struct agent *agent, struct slice prompt)
{
	autobuf line = { 0 };
	agent_line_prompt(&line, prompt);
	agent->busy = true;
	agent->interrupted = false;
	write_line(agent, &line);
}

void agent_interrupt(struct agent *agent)
{
	autobuf line = { 0 };
	if (!agent->busy || agent->interrupted)
		return;
	agent->interrupted = true;
	agent_line_interrupt(&line, ++agent->interrupts);
	write_line(agent, &line);
	(void)uv_timer_start(&agent->timer, on_timer, OBEY_MS, 0);
}

void agent_sweep(struct agent *agent, uint64_t age_ms)
{
	if (agent->run)
		box_run_sweep(agent->run, age_ms);
}

bool agent_busy(const struct agent *agent)
{
	return agent->busy;
}

void agent_stop(struct agent *agent)
{
	if (!agent->run)
		return;
	if (agent->busy) {
		box_run_kill(agent->run);
		return;
	}
	box_run_close_input(agent->run);
	(void)uv_timer_start(&agent->timer, on_timer, OBEY_MS, 0);
}

void agent_pause(struct agent *agent)
{
	if (agent->run)
		box_run_pause(agent->run);
}

void agent_resume(struct agent *agent)
{
	if (agent->run)
		box_run_resume(agent->run);
}

struct slice agent_errors(const struct agent *agent)
{
	return buf_slice(&agent->errors);
}
