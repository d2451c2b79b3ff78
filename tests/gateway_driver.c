/* gateway_driver.c: a craft-sandbox-gateway as the daemon starts it, for tests. Commands on stdin, a line each:
 *   run DIR, libexec DIR, model URL, model-ca FILE, git URL, git-ca FILE, repo OWNER/NAME, egress LIST, token TEXT,
 *   head-timeout MS     settings
 *   start               starts it
 *   key TEXT, oauth TEXT   the model key; without TEXT none
 *   submodule OWNER/NAME [TOKEN]   a repository that may be read, too
 *   stop                ends it
 * Answers on stdout, a JSON object a line: {"started":pid,"user":uid}, {"error":text}, {"event":{...}}, {"ended":code}.
 * The end of stdin is the end of the gateway. */
#include <stdio.h>
#include <stdlib.h>

#include "driver.h"
#include "lib/cleanup.h"
#include "lib/json.h"
#include "lib/log.h"
#include "sandbox/gateway.h"
#include "uids.h"

static struct driver {
	uv_loop_t *loop;
	struct driver_input input;
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
	driver_close(&driver.input);
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
	if (driver_reach(&driver.conf, &text) && gateway_check(&driver.conf, &text))
		driver.gateway = gateway_start(driver.loop, &options, &text);
	if (!driver.gateway) {
		say_error(buf_slice(&text));
		return;
	}
	buf_addf(&text, "{\"started\":%d,\"user\":%u}", (int)gateway_pid(driver.gateway), uids_own());
	say(&text);
}

static void set(const char *name, const char *value)
{
	const struct driver_setting settings[] = {
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
	if (!driver_set(settings, sizeof(settings) / sizeof(*settings), name, value))
		say_error(slice_of(name));
}

static void set_submodule(const char *value)
{
	const char *space = strchrnul(value, ' ');
	autofree char *repo_key = slice_dup(slice_make(value, (size_t)(space - value)));
	gateway_set_submodule(driver.gateway, repo_key, slice_of(*space ? space + 1 : ""));
}

static void obey(char *line)
{
	const char *value = driver_value(line);
	if (strcmp(line, "start") == 0)
		start();
	else if (strcmp(line, "head-timeout") == 0)
		driver.head_timeout = (unsigned)strtoul(value, NULL, 10);
	else if (strcmp(line, "key") == 0 || strcmp(line, "oauth") == 0)
		gateway_set_model_key(driver.gateway, slice_of(value), line[0] == 'o');
	else if (strcmp(line, "submodule") == 0)
		set_submodule(value);
	else if (strcmp(line, "stop") == 0)
		gateway_stop(driver.gateway);
	else
		set(line, value);
}

static void on_input_end(void)
{
	if (driver.gateway)
		gateway_stop(driver.gateway);
}

int main(void)
{
	log_init("gateway_driver");
	driver.loop = uv_default_loop();
	driver.conf.sandbox_uid_base = uids_own();
	(void)snprintf(driver.instance.session, sizeof(driver.instance.session), "a-session");
	driver.input.obey = obey;
	driver.input.end = on_input_end;
	if (!driver_read(&driver.input, driver.loop))
		return 1;
	(void)uv_run(driver.loop, UV_RUN_DEFAULT);
	return uv_loop_close(driver.loop) < 0;
}
