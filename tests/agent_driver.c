/* agent_driver.c: Claude Code in a box with a gateway, as the daemon has them, for tests/e2e/agent.test.mjs.
 * Commands on stdin, a line each; TEXT is a JSON string:
 *   dir DIR, libexec DIR, agent PATH, model URL, mode NAME     settings
 *   box                      makes an instance below DIR, and starts its gateway and box
 *   key WORD, oauth WORD     the credential that the gateway has
 *   start api_key|oauth      starts the agent, with that kind of placeholder
 *   turn TEXT, interrupt, stop, pause, resume, errors
 *   shell TEXT               runs a shell command in the box
 * Answers on stdout, a JSON object a line: {"failed":text}, {"ready":true}, {"line":text}, {"result":{...}},
 * {"ended":code}, {"errors":text}, {"shell":code,"output":text}, {"refused":host or path} by the gateway. The end of
 * stdin is the end of all. */
#include <stdio.h>
#include <stdlib.h>

#include "driver.h"
#include "lib/cleanup.h"
#include "lib/json.h"
#include "lib/log.h"
#include "sandbox/agent.h"
#include "sandbox/draft.h"
#include "sandbox/gateway.h"
#include "sandbox/seccomp.h"
#include "uids.h"

#define SESSION "5a5a5a5a-0000-4000-8000-000000000001"

static struct driver {
	uv_loop_t *loop;
	struct driver_input input;
	struct conf conf;
	struct instance instance;
	int seccomp_fd;
	struct gateway *gateway;
	struct box *box;
	struct agent *agent;
	struct buf output; /* of the shell command */
} driver;

/* ---- what it says ---- */

static void say(struct buf *line)
{
	buf_add_char(line, '\n');
	(void)fwrite(line->data, 1, line->len, stdout);
	(void)fflush(stdout);
}

static void add_text(struct buf *line, struct slice text)
{
	buf_add_char(line, '"');
	draft_clean(line, text);
	buf_add_char(line, '"');
}

/* {"name":text} */
static void say_text(const char *name, struct slice text)
{
	autobuf line = { 0 };
	buf_addf(&line, "{\"%s\":", name);
	add_text(&line, text);
	buf_add_char(&line, '}');
	say(&line);
}

static void say_number(const char *name, int number)
{
	autobuf line = { 0 };
	buf_addf(&line, "{\"%s\":%d}", name, number);
	say(&line);
}

static const char *word(bool value)
{
	return value ? "true" : "false";
}

/* ---- the agent ---- */

static void on_line(void *user, struct slice line)
{
	(void)user;
	say_text("line", line);
}

static void on_result(void *user, const struct agent_result *result)
{
	autobuf line = { 0 };
	(void)user;
	buf_addf(&line,
		 "{\"result\":{\"success\":%s,\"exitCode\":%d,\"interrupted\":%s,\"output\":", word(result->success),
		 result->exit_code, word(result->interrupted));
	add_text(&line, result->output);
	buf_add_str(&line, "}}");
	say(&line);
}

static void on_agent_end(void *user, int exit_code)
{
	(void)user;
	driver.agent = NULL;
	say_number("ended", exit_code);
}

static void start_agent(const char *kind)
{
	autobuf error = { 0 };
	static const struct agent_events events = { on_line, on_result, on_agent_end };
	driver.agent = agent_start(driver.loop, driver.box, &driver.conf, strcmp(kind, "oauth") == 0, "", &events, NULL,
				   &error);
	if (!driver.agent)
		say_text("failed", buf_slice(&error));
}

/* ---- the box ---- */

/* What the box wanted and didn't get. */
static void on_event(void *user, const struct gateway_event *event)
{
	(void)user;
	if (!event->allowed)
		say_text("refused", event->host);
}

static void on_gateway_end(void *user, int exit_code)
{
	(void)user;
	(void)exit_code;
	driver.gateway = NULL;
}

static void on_ready(void *user)
{
	(void)user;
	say_number("ready", 1);
}

static void on_box_end(void *user, int exit_code, struct slice text)
{
	(void)user;
	(void)exit_code;
	driver.box = NULL;
	if (text.len)
		say_text("failed", text);
	if (driver.gateway)
		gateway_stop(driver.gateway);
}

static bool start_gateway(struct buf *error)
{
	const struct gateway_options options = { .conf = &driver.conf,
						 .instance = &driver.instance,
						 .repo_key = "octo/notes",
						 .on_event = on_event,
						 .on_end = on_gateway_end };
	driver.gateway = gateway_start(driver.loop, &options, error);
	return driver.gateway != NULL;
}

static bool start_box(struct buf *error)
{
	const struct box_options options = { .conf = &driver.conf,
					     .instance = &driver.instance,
					     .seccomp_fd = driver.seccomp_fd,
					     .on_ready = on_ready,
					     .on_end = on_box_end };
	driver.box = box_start(driver.loop, &options, error);
	return driver.box != NULL;
}

static void make_box(void)
{
	autobuf error = { 0 };
	if (!driver_reach(&driver.conf, &error)) {
		say_text("failed", buf_slice(&error));
		return;
	}
	instance_init(&driver.instance, &driver.conf, SESSION, 0);
	driver.seccomp_fd = seccomp_export(&error);
	if (driver.seccomp_fd < 0 || !instance_create(&driver.instance, &driver.conf, &error) ||
	    !start_gateway(&error) || !start_box(&error))
		say_text("failed", buf_slice(&error));
}

static void on_output(void *user, struct slice data)
{
	(void)user;
	buf_add_slice(&driver.output, data);
}

static void on_shell_exit(void *user, int exit_code, bool timed_out)
{
	autobuf line = { 0 };
	(void)user;
	buf_addf(&line, "{\"shell\":%d,\"output\":", timed_out ? -1 : exit_code);
	add_text(&line, buf_slice(&driver.output));
	buf_add_char(&line, '}');
	buf_clear(&driver.output);
	say(&line);
}

static void run_shell(const char *command)
{
	autobuf error = { 0 };
	const struct box_run_options options = { .argv = (const char *const[]){ "/bin/bash", "-c", command, NULL },
						 .timeout = 60000,
						 .on_output = on_output,
						 .on_errors = on_output,
						 .on_exit = on_shell_exit };
	if (!box_run(driver.box, &options, &error))
		say_text("failed", buf_slice(&error));
}

/* ---- what it is told ---- */

static bool set(const char *name, const char *value)
{
	const struct driver_setting settings[] = {
		{ "dir", &driver.conf.sandbox_dir },
		{ "libexec", &driver.conf.sandbox_libexec },
		{ "agent", &driver.conf.sandbox_agent },
		{ "model", &driver.conf.anthropic_base_url },
		{ "mode", &driver.conf.sandbox_permission_mode },
	};
	return driver_set(settings, sizeof(settings) / sizeof(*settings), name, value);
}

static bool tell_agent(const char *name, const char *value)
{
	autobuf text = { 0 };
	if (!driver.agent)
		return false;
	if (strcmp(name, "turn") == 0) {
		json_decode_lossy(slice_of(value), &text, SIZE_MAX);
		agent_turn(driver.agent, buf_slice(&text));
	} else if (strcmp(name, "interrupt") == 0) {
		agent_interrupt(driver.agent);
	} else if (strcmp(name, "stop") == 0) {
		agent_stop(driver.agent);
	} else if (strcmp(name, "pause") == 0) {
		agent_pause(driver.agent);
	} else if (strcmp(name, "resume") == 0) {
		agent_resume(driver.agent);
	} else if (strcmp(name, "errors") == 0) {
		say_text("errors", agent_errors(driver.agent));
	} else {
		return false;
	}
	return true;
}

static void obey(char *line)
{
	autobuf text = { 0 };
	const char *value = driver_value(line);
	if (strcmp(line, "box") == 0) {
		make_box();
	} else if (strcmp(line, "start") == 0) {
		start_agent(value);
	} else if (strcmp(line, "key") == 0 || strcmp(line, "oauth") == 0) {
		gateway_set_model_key(driver.gateway, slice_of(value), line[0] == 'o');
	} else if (strcmp(line, "shell") == 0) {
		json_decode_lossy(slice_of(value), &text, SIZE_MAX);
		run_shell(buf_cstr(&text));
	} else if (!set(line, value) && !tell_agent(line, value)) {
		say_text("failed", slice_of(line));
	}
}

static void on_input_end(void)
{
	if (driver.box)
		box_kill(driver.box);
	else if (driver.gateway)
		gateway_stop(driver.gateway);
}

static void free_all(void)
{
	autobuf error = { 0 };
	if (driver.instance.dir && !instance_remove(&driver.instance, &error))
		say_text("failed", buf_slice(&error));
	instance_free(&driver.instance);
	free(driver.conf.sandbox_dir);
	free(driver.conf.sandbox_libexec);
	free(driver.conf.sandbox_agent);
	free(driver.conf.anthropic_base_url);
	free(driver.conf.sandbox_permission_mode);
	driver_free(&driver.input);
	buf_free(&driver.output);
}

int main(void)
{
	log_init("agent_driver");
	driver.loop = uv_default_loop();
	driver.conf.sandbox_uid_base = uids_own();
	driver.conf.sandbox_pids = 512;
	driver.conf.github_url = (char[]){ "http://127.0.0.1:9" };
	driver.conf.sandbox_permission_mode = xstrdup("bypassPermissions");
	driver.input.obey = obey;
	driver.input.end = on_input_end;
	if (!driver_read(&driver.input, driver.loop))
		return 1;
	(void)uv_run(driver.loop, UV_RUN_DEFAULT);
	free_all();
	return uv_loop_close(driver.loop) < 0;
}
