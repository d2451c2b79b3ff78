/* gateway_driver.c: a craft-sandbox-gateway as the daemon starts it, for tests. Commands on stdin, a line each:
 *   run DIR, libexec DIR, model URL, model-ca FILE, git URL, git-ca FILE, repo OWNER/NAME, egress LIST, token TEXT,
 *   head-timeout MS     settings
 *   start               starts it
 *   key TEXT, oauth TEXT   the model key; without TEXT none
 *   stop                ends it
 * Answers on stdout, a JSON object a line: {"started":pid}, {"error":text}, {"event":{...}}, {"ended":code}. The end of
 * stdin is the end of the gateway. */
#include <stdio.h>
#include <stdlib.h>

#include "lib/cleanup.h"
#include "lib/json.h"
#include "lib/log.h"
#include "sandbox/disk.h"
#include "sandbox/gateway.h"
#include "sandbox/reach.h"

static struct driver {
	uv_loop_t *loop;
	uv_pipe_t input;
	struct buf line;
	struct conf conf;
	struct instance instance;
	char *repo, *token;
	unsigned head_timeout;
	struct gateway *gateway;
} driver;

static void add_member(struct buf *out, const char *name, struct slice text)
{
	buf_addf(out, "\"%s\":", name);
	json_encode(out, text);
}

static void say(struct buf *line)
{
	(void)printf("%s\n", buf_cstr(line));
	(void)fflush(stdout);
}

static void say_error(struct slice text)
{
	autobuf line = { 0 };
	buf_add_char(&line, '{');
	add_member(&line, "error", text);
	buf_add_char(&line, '}');
	say(&line);
}

static void on_event(void *user, const struct gateway_event *event)
{
	autobuf line = { 0 };
	(void)user;
	buf_addf(&line, "{\"event\":{\"allowed\":%s,", event->allowed ? "true" : "false");
	add_member(&line, "kind", event->kind);
	buf_add_char(&line, ',');
	add_member(&line, "host", event->host);
	buf_add_char(&line, ',');
	add_member(&line, "reason", event->reason);
	buf_addf(&line, ",\"times\":%ju}}", (uintmax_t)event->times);
	say(&line);
}

static void on_end(void *user, int exit_code)
{
	autobuf line = { 0 };
	(void)user;
	driver.gateway = NULL;
	buf_addf(&line, "{\"ended\":%d}", exit_code);
	say(&line);
	if (!uv_is_closing((uv_handle_t *)&driver.input))
		uv_close((uv_handle_t *)&driver.input, NULL);
}

/* The tree may lie where only root may enter: as the daemon does it. */
static bool reach(struct buf *error)
{
	return geteuid() != 0 || (disk_own_mounts(error) && reach_prepare(&driver.conf, error));
}

static void start(void)
{
	autobuf text = { 0 };
	const struct gateway_options options = { .conf = &driver.conf,
						 .instance = &driver.instance,
						 .repo_key = driver.repo,
						 .git_token = slice_of(driver.token ? driver.token : ""),
						 .head_timeout = driver.head_timeout,
						 .on_event = on_event,
						 .on_end = on_end };
	if (reach(&text) && gateway_check(&driver.conf, &text))
		driver.gateway = gateway_start(driver.loop, &options, &text);
	if (!driver.gateway) {
		say_error(buf_slice(&text));
		return;
	}
	buf_addf(&text, "{\"started\":%d}", (int)gateway_pid(driver.gateway));
	say(&text);
}

static void set(const char *name, const char *value)
{
	const struct setting {
		const char *name;
		char **place;
	} settings[] = {
		{ "run", &driver.instance.run },
		{ "libexec", &driver.conf.sandbox_libexec },
		{ "model", &driver.conf.anthropic_base_url },
		{ "model-ca", &driver.conf.anthropic_ca_file },
		{ "git", &driver.conf.github_url },
		{ "git-ca", &driver.conf.github_ca_file },
		{ "egress", &driver.conf.sandbox_egress },
		{ "repo", &driver.repo },
		{ "token", &driver.token },
	};
	for (size_t i = 0; i < sizeof(settings) / sizeof(*settings); i++) {
		if (strcmp(name, settings[i].name) != 0)
			continue;
		free(*settings[i].place);
		*settings[i].place = xstrdup(value);
		return;
	}
	say_error(slice_of(name));
}

static void obey(char *line)
{
	char *value = strchr(line, ' ');
	if (value)
		*value++ = '\0';
	else
		value = line + strlen(line);
	if (strcmp(line, "start") == 0)
		start();
	else if (strcmp(line, "head-timeout") == 0)
		driver.head_timeout = (unsigned)strtoul(value, NULL, 10);
	else if (strcmp(line, "key") == 0 || strcmp(line, "oauth") == 0)
		gateway_set_model_key(driver.gateway, slice_of(value), line[0] == 'o');
	else if (strcmp(line, "stop") == 0)
		gateway_stop(driver.gateway);
	else
		set(line, value);
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *out)
{
	static char bytes[65536];
	(void)handle;
	(void)suggested;
	*out = uv_buf_init(bytes, sizeof(bytes));
}

static void on_input(uv_stream_t *stream, ssize_t n, const uv_buf_t *data)
{
	if (n < 0) {
		if (driver.gateway)
			gateway_stop(driver.gateway);
		uv_close((uv_handle_t *)stream, NULL);
		return;
	}
	buf_add(&driver.line, data->base, (size_t)n);
	for (char *end; driver.line.len && (end = memchr(driver.line.data, '\n', driver.line.len));) {
		*end = '\0';
		obey(driver.line.data);
		buf_drop_front(&driver.line, (size_t)(end - driver.line.data) + 1);
	}
}

int main(void)
{
	log_init("gateway_driver");
	driver.loop = uv_default_loop();
	driver.conf.sandbox_uid_base = 700000;
	(void)snprintf(driver.instance.session, sizeof(driver.instance.session), "a-session");
	if (uv_pipe_init(driver.loop, &driver.input, 0) < 0 || uv_pipe_open(&driver.input, STDIN_FILENO) < 0 ||
	    uv_read_start((uv_stream_t *)&driver.input, on_alloc, on_input) < 0)
		return 1;
	(void)uv_run(driver.loop, UV_RUN_DEFAULT);
	return uv_loop_close(driver.loop) < 0;
}
