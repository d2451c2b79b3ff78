/* log.c: log lines on stderr. */
#include "log.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "buf.h"

static const char *log_program = "craft";
static enum log_level log_threshold = LOG_INFO;
static const char *const level_names[] = { "error", "warn", "info", "debug" };

void log_init(const char *program)
{
	log_program = program;
}

void log_set_level(enum log_level level)
{
	log_threshold = level;
}

bool log_level_parse(const char *name, enum log_level *level)
{
	for (size_t i = 0; i < sizeof(level_names) / sizeof(*level_names); i++) {
		if (strcmp(name, level_names[i]) == 0) {
			*level = (enum log_level)i;
			return true;
		}
	}
	return false;
}

static void add_quoted(struct buf *line, const char *text)
{
	buf_add_char(line, '"');
	for (; *text; text++) {
		unsigned char c = (unsigned char)*text;
		if (c == '"' || c == '\\')
			buf_addf(line, "\\%c", c);
		else if (c == '\n')
			buf_add_str(line, "\\n");
		else if (c < 0x20 || c == 0x7f)
			buf_addf(line, "\\x%02x", c);
		else
			buf_add_char(line, (char)c);
	}
	buf_add_char(line, '"');
}

void log_line(enum log_level level, const char *req, const char *fmt, ...)
{
	if (level > log_threshold)
		return;
	char text[2048], when[32];
	va_list ap;
	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	struct timespec now;
	struct tm tm;
	(void)clock_gettime(CLOCK_REALTIME, &now);
	(void)gmtime_r(&now.tv_sec, &tm);
	(void)strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%S", &tm);

	autobuf line = { 0 };
	buf_addf(&line, "%s.%03ldZ level=%s prog=%s pid=%d", when, now.tv_nsec / 1000000, level_names[level],
		 log_program, (int)getpid());
	if (req && *req)
		buf_addf(&line, " req=%s", req);
	buf_add_str(&line, " msg=");
	add_quoted(&line, text);
	buf_add_char(&line, '\n');
	/* One write per line, so that processes sharing the file don't mix; a log that can't be written is no reason to
	 * stop. */
	ssize_t n = write(STDERR_FILENO, line.data, line.len);
	(void)n;
}
