/* sandbox_box.h: a box for tests, and programs in it. Bare: craft-box without bwrap, so that it runs everywhere. Needs
 * cmocka.h and sandbox_temp.h before it. */
#ifndef CRAFT_SANDBOX_BOX_TEST_H
#define CRAFT_SANDBOX_BOX_TEST_H

#include <sys/wait.h>

#include "lib/cleanup.h"
#include "pace.h"
#include "sandbox/box.h"

#define DEADLINE_MS 30000

struct outcome {
	struct buf out, err;
	int code; /* -1: it runs */
	bool timed_out;
};

struct test_box {
	uv_loop_t loop;
	uv_timer_t deadline;
	struct pace pace;
	struct conf conf;
	struct instance instance;
	int seccomp_fd; /* 0: none */
	char *dir;
	struct box *box;
	bool ready, ended;
	int exit_code;
	struct buf text;
};

static inline void on_out(void *user, struct slice data)
{
	buf_add_slice(&((struct outcome *)user)->out, data);
}

static inline void on_err(void *user, struct slice data)
{
	buf_add_slice(&((struct outcome *)user)->err, data);
}

static inline void on_run_exit(void *user, int code, bool timed_out)
{
	struct outcome *o = user;
	assert_int_equal(o->code, -1);
	o->code = code;
	o->timed_out = timed_out;
}

static inline void on_ready(void *user)
{
	((struct test_box *)user)->ready = true;
}

static inline void on_end(void *user, int code, struct slice text)
{
	struct test_box *t = user;
	assert_false(t->ended);
	t->ended = true;
	t->exit_code = code;
	buf_add_slice(&t->text, text);
}

static inline void on_deadline(uv_timer_t *timer)
{
	if (pace_over(timer->data, uv_now(timer->loop)))
		fail_msg("it took too long");
}

static inline void begin_wait(struct test_box *t)
{
	uv_update_time(&t->loop);
	t->pace = (struct pace){ .last = uv_now(&t->loop), .left = DEADLINE_MS };
	t->deadline.data = &t->pace;
	(void)uv_timer_start(&t->deadline, on_deadline, 500, 500);
}

/* Turns the loop until the number isn't what it was. */
static inline void wait_int(struct test_box *t, const int *number, int was)
{
	begin_wait(t);
	while (*number == was)
		(void)uv_run(&t->loop, UV_RUN_ONCE);
	(void)uv_timer_stop(&t->deadline);
}

static inline void wait_bool(struct test_box *t, const bool *flag)
{
	begin_wait(t);
	while (!*flag)
		(void)uv_run(&t->loop, UV_RUN_ONCE);
	(void)uv_timer_stop(&t->deadline);
}

/* Turns the loop until the output holds the text. */
static inline void wait_text(struct test_box *t, struct outcome *o, const char *text)
{
	begin_wait(t);
	while (!strstr(buf_cstr(&o->out), text)) {
		assert_int_equal(o->code, -1);
		(void)uv_run(&t->loop, UV_RUN_ONCE);
	}
	(void)uv_timer_stop(&t->deadline);
}

static inline size_t count_lines(const struct buf *text)
{
	size_t n = 0;
	for (size_t i = 0; i < text->len; i++)
		n += text->data[i] == '\n';
	return n;
}

static inline void wait_lines(struct test_box *t, struct outcome *o, size_t count)
{
	begin_wait(t);
	while (count_lines(&o->out) < count) {
		assert_int_equal(o->code, -1);
		(void)uv_run(&t->loop, UV_RUN_ONCE);
	}
	(void)uv_timer_stop(&t->deadline);
}

static inline struct box_run *start_with(struct test_box *t, struct box_run_options options, struct outcome *o)
{
	autobuf error = { 0 };
	*o = (struct outcome){ .code = -1 };
	options.on_output = options.on_output ? options.on_output : on_out;
	options.on_errors = on_err;
	options.on_exit = on_run_exit;
	options.user = o;
	struct box_run *run = box_run(t->box, &options, &error);
	if (!run)
		fail_msg("%s", buf_cstr(&error));
	return run;
}

#define SHELL(text) ((const char *const[]){ "/bin/sh", "-c", text, NULL })

static inline struct box_run *start_shell(struct test_box *t, const char *text, struct outcome *o)
{
	return start_with(t, (struct box_run_options){ .argv = SHELL(text) }, o);
}

static inline void free_outcome(struct outcome *o)
{
	buf_free(&o->out);
	buf_free(&o->err);
}

#define autooutcome autocall(free_outcome) struct outcome

/* What a shell in the box prints; it must succeed. */
static inline void expect_shell(struct test_box *t, const char *text, const char *output)
{
	autooutcome o;
	(void)start_shell(t, text, &o);
	wait_int(t, &o.code, -1);
	assert_string_equal(buf_cstr(&o.err), "");
	assert_string_equal(buf_cstr(&o.out), output);
	assert_int_equal(o.code, 0);
}

static inline void remove_tree(const char *dir)
{
	autobuf command = { 0 };
	buf_addf(&command, "rm -rf '%s'", dir);
	assert_int_equal(system(buf_cstr(&command)), 0);
}

static inline void begin_loop(struct test_box *t)
{
	assert_int_equal(uv_loop_init(&t->loop), 0);
	(void)uv_timer_init(&t->loop, &t->deadline);
	t->dir = temp_dir();
	t->conf.sandbox_libexec = t->dir;
	t->conf.sandbox_agent = xstrdup("/bin/true");
}

static inline void begin_box(struct test_box *t)
{
	autobuf error = { 0 };
	const struct box_options options = { .conf = &t->conf,
					     .instance = &t->instance,
					     .seccomp_fd = t->seccomp_fd ? t->seccomp_fd : -1,
					     .on_ready = on_ready,
					     .on_end = on_end,
					     .user = t };
	t->box = box_start(&t->loop, &options, &error);
	if (!t->box)
		fail_msg("%s", buf_cstr(&error));
}

/* In place of craft-sandbox-launch stands this shell script; CRAFT_BOX is the program. */
static inline void begin_scripted(struct test_box *t, const char *script)
{
	autofree char *program = realpath(TOP_BUILDDIR "/sandbox/craft-box", NULL);
	autobuf text = { 0 };
	*t = (struct test_box){ .exit_code = -1 };
	assert_non_null(program);
	begin_loop(t);
	buf_addf(&text, "#!/bin/sh\nCRAFT_BOX='%s'\n%s\n", program, script);
	temp_write(t->dir, "craft-sandbox-launch", buf_cstr(&text));
	autofree char *launch = temp_path(t->dir, "craft-sandbox-launch");
	assert_int_equal(chmod(launch, 0755), 0);
	instance_init(&t->instance, &(struct conf){ .sandbox_dir = t->dir }, "00000000-0000-4000-8000-000000000000", 0);
	begin_box(t);
}

static inline void begin_bare(struct test_box *t)
{
	begin_scripted(t, "exec \"$CRAFT_BOX\" init 3 none");
	wait_bool(t, &t->ready);
}

static inline void end_box(struct test_box *t)
{
	if (!t->ended)
		box_kill(t->box);
	wait_bool(t, &t->ended);
	uv_close((uv_handle_t *)&t->deadline, NULL);
	assert_int_equal(uv_run(&t->loop, UV_RUN_DEFAULT), 0);
	assert_int_equal(uv_loop_close(&t->loop), 0);
	instance_free(&t->instance);
	remove_tree(t->dir);
	free(t->dir);
	free(t->conf.sandbox_agent);
	buf_free(&t->text);
}

#endif
