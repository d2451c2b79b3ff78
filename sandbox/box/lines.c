/* lines.c: runs a program and reads its output line by line. */
#include "lines.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cleanup.h"
#include "tool.h"

#define MAX_ERRORS 4096

char *lines_find_program(const char *name)
{
	const char *p = getenv("PATH");
	while (p && *p) {
		size_t n = strcspn(p, ":");
		struct buf path = { 0 };
		buf_add(&path, p, n);
		buf_add_char(&path, '/');
		buf_add_str(&path, name);
		if (n && access(buf_cstr(&path), X_OK) == 0)
			return path.data;
		buf_free(&path);
		p += n + (p[n] == ':');
	}
	return NULL;
}

static _Noreturn void run(const char *program, char *const *argv, int out, int errors)
{
	int nothing = open("/dev/null", O_RDONLY);
	(void)signal(SIGPIPE, SIG_DFL);
	if (dup2(nothing, STDIN_FILENO) >= 0 && dup2(out, STDOUT_FILENO) >= 0 && dup2(errors, STDERR_FILENO) >= 0)
		(void)execv(program, argv);
	_exit(127);
}

void lines_begin(struct lines *l, const char *program, char *const *argv)
{
	int ends[2];
	*l = (struct lines){ .errors = memfd_create("errors", MFD_CLOEXEC) };
	if (l->errors < 0 || pipe2(ends, O_CLOEXEC) < 0)
		tool_fail("Cannot run %s: %s.", program, strerror(errno));
	(void)fflush(stdout);
	l->pid = fork();
	if (l->pid == 0)
		run(program, argv, ends[1], l->errors);
	(void)close(ends[1]);
	l->out = fdopen(ends[0], "r");
	if (l->pid < 0 || !l->out)
		tool_fail("Cannot run %s: %s.", program, strerror(errno));
}

bool lines_next(struct lines *l, int delimiter, struct slice *line)
{
	ssize_t n = getdelim(&l->line, &l->room, delimiter, l->out);
	if (n <= 0)
		return false;
	*line = slice_make(l->line, (size_t)n - (l->line[n - 1] == delimiter));
	return true;
}

int lines_end(struct lines *l, struct buf *errors)
{
	int status = 0;
	bool ended = feof(l->out);
	(void)fclose(l->out);
	if (!ended)
		(void)kill(l->pid, SIGKILL);
	while (waitpid(l->pid, &status, 0) < 0 && errno == EINTR)
		;
	ssize_t n = pread(l->errors, buf_reserve(errors, MAX_ERRORS), MAX_ERRORS, 0);
	errors->len += n > 0 ? (size_t)n : 0;
	(void)close(l->errors);
	free(l->line);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}
