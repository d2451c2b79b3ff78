/* job_tool.c: the tools: programs inside the box, whose output is the answer. */
#include <stdlib.h>

#include "job.h"
#include "lib/json.h"
#include "lib/tool_fields.h"
#include "message.h"
#include "sandbox.h"

#define BASH_TIMEOUT 120000 /* ms, as PROTOCOL has it */
#define BASH_TIMEOUT_MAX 600000
#define TOOL_TIMEOUT 120000
#define ERRORS_MAX ((size_t)64 << 10)

static size_t output_max(const struct job *job)
{
	return (size_t)job->sandbox->daemon->conf.sandbox_output_max;
}

static void on_output(void *user, struct slice data)
{
	struct job *job = user;
	output_add(&job->output, data, output_max(job));
}

static void on_errors(void *user, struct slice data)
{
	struct job *job = user;
	size_t room = ERRORS_MAX - job->errors.len;
	buf_add(&job->errors, data.ptr, data.len < room ? data.len : room);
	/* A shell's client wants both, in the order in which they came. */
	if (strcmp(job->name, "Bash") == 0)
		output_add(&job->output, data, output_max(job));
}

/* Why it failed, in words. */
static void say_why(struct job *job, int exit_code, struct buf *text)
{
	const struct conf *conf = &job->sandbox->daemon->conf;
	if (job->cancelled)
		buf_add_str(text, "Cancelled");
	else if (job->timed_out)
		buf_addf(text, "%s timed out after %llu ms", job->name, (unsigned long long)job->timeout);
	else if (exit_code == 137 && job_ran_out_of_memory(job))
		buf_addf(text, "Killed: the sandbox's memory limit of %lld bytes (SANDBOX_MEMORY) was reached",
			 (long long)conf->sandbox_memory);
	else if (job->sandbox->box && box_ended(job->sandbox->box))
		buf_add_str(text, SANDBOX_BOX_ENDED);
	else if (job->errors.len)
		buf_add_slice(text, buf_slice(&job->errors));
	else
		buf_addf(text, "Exit code %d", exit_code);
}

static const char *outcome_of(const struct job *job, int exit_code)
{
	if (job->cancelled)
		return "cancelled";
	if (job->timed_out)
		return "timeout";
	if (exit_code == 137 && job_ran_out_of_memory(job))
		return "oom";
	return exit_code == 0 ? "success" : "failure";
}

static void on_exit_(void *user, int exit_code, bool timed_out)
{
	struct job *job = user;
	struct draft draft = { 0 };
	autobuf why = { 0 }, output = { 0 };
	job->run = NULL;
	if (job->ended) {
		job_release(job);
		return;
	}
	job->timed_out = timed_out;
	bool success = exit_code == 0 && !timed_out && !job->cancelled;
	if (!success)
		say_why(job, exit_code, &why);
	size_t bytes = output_size(&job->output);
	output_text(&job->output, output_max(job), "SANDBOX_OUTPUT_MAX", &output);
	message_tool_result(&draft, &(struct tool_result){ .id = buf_slice(&job->tool_id),
							  .success = success,
							  .output = buf_slice(&output),
							  .error = buf_slice(&why),
							  .exit_code = exit_code });
	sandbox_say_draft(job->sandbox, job->client, &draft);
	job_end(job, outcome_of(job, exit_code), exit_code, bytes);
}

static void run(struct job *job, const char *const *argv, struct slice input)
{
	autobuf error = { 0 };
	struct box *box = sandbox_box(job->sandbox, &error);
	struct box_run_options options = { .argv = argv,
					   .input = input,
					   .timeout = job->timeout,
					   .on_output = on_output,
					   .on_errors = on_errors,
					   .on_exit = on_exit_,
					   .user = job };
	if (box)
		job->run = box_run(box, &options, &error);
	if (job->run)
		job_read(job);
	else
		job_fail(job, "error", buf_cstr(&error));
}

/* A number of ms that the client chose; false: it isn't one that is allowed. */
static bool read_timeout(struct slice input, uint64_t *timeout)
{
	struct slice value;
	char text[16] = "", *end;
	*timeout = BASH_TIMEOUT;
	if (!json_get(input, "timeout", &value) || json_kind_of(value) == JSON_NULL)
		return true;
	if (json_kind_of(value) != JSON_NUMBER || value.len >= sizeof(text))
		return false;
	memcpy(text, value.ptr, value.len);
	double ms = strtod(text, &end);
	*timeout = ms >= 1 && ms <= BASH_TIMEOUT_MAX ? (uint64_t)ms : 0;
	return *end == '\0' && *timeout > 0;
}

static void start_bash(struct job *job, struct slice input)
{
	autobuf command = { 0 };
	struct slice value;
	if (!json_get(input, "command", &value) || json_kind_of(value) != JSON_STRING) {
		job_fail(job, "error", "Bash needs a command, a text");
		return;
	}
	if (!json_decode(value, &command)) {
		job_fail(job, "error", "The command may not hold NUL or half a surrogate pair");
		return;
	}
	if (!read_timeout(input, &job->timeout)) {
		job_fail(job, "error", "timeout must be a number of milliseconds from 1 to 600000");
		return;
	}
	const char *const argv[] = { "/bin/bash", "-c", buf_cstr(&command), NULL };
	run(job, argv, slice_make(NULL, 0));
}

void job_tool_start(struct job *job)
{
	static const char *const tools[] = { "Read", "Write", "Edit", "Glob", "Grep" };
	struct slice input;
	autobuf wrong = { 0 };
	if (!json_get(json_trim(buf_slice(&job->payload)), "input", &input) || json_kind_of(input) != JSON_OBJECT) {
		job_fail(job, "error", "Missing required fields: input");
		return;
	}
	if (!tool_fields_check(job->name, input, &wrong)) {
		job_fail(job, "error", buf_cstr(&wrong));
		return;
	}
	if (strcmp(job->name, "Bash") == 0) {
		start_bash(job, input);
		return;
	}
	for (size_t i = 0; i < sizeof(tools) / sizeof(*tools); i++) {
		if (strcmp(job->name, tools[i]) != 0)
			continue;
		const char *const argv[] = { "/opt/craft/craft-box", "tool", tools[i], NULL };
		job->timeout = TOOL_TIMEOUT;
		run(job, argv, input);
		return;
	}
	job_fail(job, "error", "Unknown tool. There are: Bash, Read, Write, Edit, Glob, Grep");
}
