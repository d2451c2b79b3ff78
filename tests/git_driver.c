/* git_driver.c: sandbox/git_clone.c and git_diff.c on an event loop, told by lines on stdin what to do; for
 * tests/e2e/git*.test.mjs. The configuration comes from the environment. Fields have tabs between them:
 *
 *   create SLOT | clone SLOT OWNER/REPO BRANCH TOKEN [WORKSPACE] | cancel-clone SLOT | diff SLOT FILE | cancel-diff
 * SLOT | remove SLOT
 *
 * It answers, in the order in which they end:
 *
 *   created SLOT UID DIRECTORY | cloned SLOT OUTCOME COMMIT MILLISECONDS TEXT | diffed SLOT OK BYTES MILLISECONDS NOTES
 *   cancelled SLOT | removed SLOT | failed SLOT TEXT
 *
 * The patch goes into FILE. In NOTES and TEXT a newline is "\n". It ends at the end of stdin. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "driver.h"
#include "lib/cleanup.h"
#include "lib/log.h"
#include "sandbox/git_clone.h"
#include "sandbox/git_diff.h"

#define SLOTS 1024
#define FIELDS 6

struct slot {
	struct instance instance;
	bool made;
	struct git_clone *clone;
	struct git_diff *diff;
	uint64_t since;
	char *file;
};

static struct conf conf;
static uv_loop_t *loop;
static struct slot slots[SLOTS];

static unsigned number_of(const struct slot *s)
{
	return (unsigned)(s - slots);
}

/* One line: text and more, with newlines escaped. */
static void say(const char *text, const struct slot *s, struct slice more)
{
	autobuf line = { 0 };
	buf_addf(&line, "%s\t%u\t", text, number_of(s));
	for (size_t i = 0; i < more.len; i++) {
		if (more.ptr[i] == '\n')
			buf_add_str(&line, "\\n");
		else
			buf_add_char(&line, more.ptr[i]);
	}
	buf_add_char(&line, '\n');
	(void)fwrite(line.data, 1, line.len, stdout);
	(void)fflush(stdout);
}

static void create(struct slot *s)
{
	autobuf error = { 0 }, text = { 0 };
	char session[37];
	(void)snprintf(session, sizeof(session), "00000000-0000-4000-8000-%012u", number_of(s));
	instance_init(&s->instance, &conf, session, number_of(s));
	s->made = instance_create(&s->instance, &conf, &error);
	buf_addf(&text, "%u\t%s", (unsigned)s->instance.uid, s->instance.dir);
	say(s->made ? "created" : "failed", s, s->made ? buf_slice(&text) : buf_slice(&error));
}

static void on_cloned(void *user, enum git_outcome outcome, const char *text, const char *commit)
{
	static const char *const names[] = { "ok",	  "no-access", "unauthorized", "no-branch",
					     "too-large", "network",   "timeout",      "failed" };
	struct slot *s = user;
	autobuf answer = { 0 };
	s->clone = NULL;
	buf_addf(&answer, "%s\t%s\t%" PRIu64 "\t%s", names[outcome], commit, (uv_hrtime() - s->since) / 1000000, text);
	say("cloned", s, buf_slice(&answer));
}

static void clone_it(struct slot *s, char **fields)
{
	const struct git_clone_options options = { .conf = &conf,
						   .instance = &s->instance,
						   .workspace = fields[5] ? fields[5] : "team",
						   .repo_key = fields[2],
						   .branch = fields[3],
						   .token = slice_of(fields[4]),
						   .on_done = on_cloned,
						   .user = s };
	s->since = uv_hrtime();
	s->clone = git_clone_start(loop, &options);
}

static void write_patch(const char *path, struct slice patch)
{
	FILE *f = fopen(path, "wb");
	if (!f || fwrite(patch.ptr ? patch.ptr : "", 1, patch.len, f) != patch.len || fclose(f) != 0)
		abort();
}

static void on_diffed(void *user, bool ok, struct slice patch, struct slice notes)
{
	struct slot *s = user;
	autobuf answer = { 0 };
	s->diff = NULL;
	write_patch(s->file, patch);
	buf_addf(&answer, "%s\t%zu\t%" PRIu64 "\t", ok ? "ok" : "failed", patch.len,
		 (uv_hrtime() - s->since) / 1000000);
	buf_add_slice(&answer, notes);
	say("diffed", s, buf_slice(&answer));
}

static void diff_it(struct slot *s, const char *file)
{
	const struct git_diff_options options = {
		.conf = &conf, .instance = &s->instance, .on_done = on_diffed, .user = s
	};
	s->since = uv_hrtime();
	free(s->file);
	s->file = xstrdup(file);
	s->diff = git_diff_start(loop, &options);
}

static void on_cancelled(void *user)
{
	struct slot *s = user;
	s->clone = NULL;
	s->diff = NULL;
	say("cancelled", s, slice_make(NULL, 0));
}

/* One that has ended meanwhile has given its answer. */
static void cancel_clone(struct slot *s)
{
	if (s->clone)
		git_clone_cancel(s->clone, on_cancelled);
}

static void cancel_diff(struct slot *s)
{
	if (s->diff)
		git_diff_cancel(s->diff, on_cancelled);
}

static void remove_it(struct slot *s)
{
	autobuf error = { 0 };
	bool ok = instance_remove(&s->instance, &error);
	instance_free(&s->instance);
	s->made = false;
	say(ok ? "removed" : "failed", s, buf_slice(&error));
}

static void obey(char *line)
{
	char *fields[FIELDS] = { 0 };
	size_t count = 0;
	for (char *p; count < FIELDS && (p = strsep(&line, "\t"));)
		fields[count++] = p;
	if (!count)
		return;
	struct slot *s = &slots[count > 1 ? strtoul(fields[1], NULL, 10) % SLOTS : 0];
	if (strcmp(fields[0], "create") == 0)
		create(s);
	else if (strcmp(fields[0], "clone") == 0 && count >= 5)
		clone_it(s, fields);
	else if (strcmp(fields[0], "diff") == 0 && count == 3)
		diff_it(s, fields[2]);
	else if (strcmp(fields[0], "cancel-clone") == 0)
		cancel_clone(s);
	else if (strcmp(fields[0], "cancel-diff") == 0)
		cancel_diff(s);
	else if (strcmp(fields[0], "remove") == 0)
		remove_it(s);
	else
		say("failed", s, SLICE_LIT("what?"));
}

int main(void)
{
	struct driver_input input = { .obey = obey };
	autobuf error = { 0 };
	log_init("git_driver");
	if (!conf_load(&conf, CONF_SANDBOX, "/dev/null", &error)) {
		(void)fprintf(stderr, "%s\n", buf_cstr(&error));
		return 1;
	}
	log_set_level((enum log_level)conf.log_level);
	if (!driver_reach(&conf, &error))
		(void)fprintf(stderr, "%s\n", buf_cstr(&error));
	loop = uv_default_loop();
	if (!driver_read(&input, loop))
		return 1;
	(void)uv_run(loop, UV_RUN_DEFAULT);
	for (size_t i = 0; i < SLOTS; i++) {
		if (slots[i].made)
			remove_it(&slots[i]);
		free(slots[i].file);
	}
	driver_free(&input);
	conf_free(&conf);
	(void)uv_loop_close(loop);
	return 0;
}
