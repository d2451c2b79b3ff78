/* log.c: log lines on stderr. */
#include "log.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "buf.h"
#include "mask.h"
#include "utf8.h"

static const char *log_program = "craft";
static enum log_level log_threshold = LOG_INFO;
static enum log_format log_format = LOG_LOGFMT;
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

void log_set_format(enum log_format format)
{
	log_format = format;
}

bool log_format_parse(const char *name, enum log_format *format)
{
	*format = strcmp(name, "json") == 0 ? LOG_JSON : LOG_LOGFMT;
	return *format == LOG_JSON || strcmp(name, "logfmt") == 0;
}

/* ---- logfmt ---- */

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

static void add_id(struct buf *line, const char *name, const char *id)
{
	if (id && *id)
		buf_addf(line, " %s=%s", name, id);
}

static void add_logfmt(struct buf *line, const char *when, enum log_level level, const struct log_ids *ids,
		       const char *text)
{
	buf_addf(line, "%s level=%s prog=%s pid=%d", when, level_names[level], log_program, (int)getpid());
	add_id(line, "req", ids->req);
	add_id(line, "sandbox", ids->sandbox);
	buf_add_str(line, " msg=");
	add_quoted(line, text);
}

/* ---- JSON ---- */

/* Bytes of the valid character at s; 0: there is none. */
static size_t character_length(const char *s)
{
	struct utf8 state = { 0 };
	for (size_t n = 0; s[n]; n++) {
		if (!utf8_feed(&state, s + n, 1))
			return 0;
		if (utf8_complete(&state))
			return n + 1;
	}
	return 0;
}

/* RFC 8259 section 7. A byte that is no UTF-8 becomes U+FFFD. */
static void add_json(struct buf *line, const char *text)
{
	buf_add_char(line, '"');
	while (*text) {
		unsigned char c = (unsigned char)*text;
		size_t n = character_length(text);
		if (c == '"' || c == '\\')
			buf_addf(line, "\\%c", c);
		else if (c == '\n')
			buf_add_str(line, "\\n");
		else if (c < 0x20 || c == 0x7f)
			buf_addf(line, "\\u%04x", c);
		else if (n)
			buf_add(line, text, n);
		else
			buf_add_str(line, "\xef\xbf\xbd");
		text += n ? n : 1;
	}
	buf_add_char(line, '"');
}

static void add_member(struct buf *line, const char *name, const char *id)
{
	if (!id || !*id)
		return;
	buf_addf(line, ",\"%s\":", name);
	add_json(line, id);
}

static void add_object(struct buf *line, const char *when, enum log_level level, const struct log_ids *ids,
		       const char *text)
{
	buf_addf(line, "{\"time\":\"%s\",\"level\":\"%s\",\"prog\":\"%s\",\"pid\":%d", when, level_names[level],
		 log_program, (int)getpid());
	add_member(line, "req", ids->req);
	add_member(line, "sandbox", ids->sandbox);
	buf_add_str(line, ",\"msg\":");
	add_json(line, text);
	buf_add_char(line, '}');
}

/* ---- lines ---- */

static void time_text(char *out, size_t size)
{
	struct timespec now;
	struct tm tm;
	char seconds[24];
	(void)clock_gettime(CLOCK_REALTIME, &now);
	(void)gmtime_r(&now.tv_sec, &tm);
	(void)strftime(seconds, sizeof(seconds), "%Y-%m-%dT%H:%M:%S", &tm);
	(void)snprintf(out, size, "%s.%03ldZ", seconds, now.tv_nsec / 1000000);
}

__attribute__((format(printf, 3, 0))) static void write_line(enum log_level level, const struct log_ids *ids,
							     const char *fmt, va_list ap)
{
	char said[2048], when[48];
	if (level > log_threshold)
		return;
	(void)vsnprintf(said, sizeof(said), fmt, ap);
	time_text(when, sizeof(when));

	autobuf masked = { 0 }, line = { 0 };
	mask_keys(&masked, slice_of(said));
	const char *text = buf_cstr(&masked);
	if (log_format == LOG_JSON)
		add_object(&line, when, level, ids, text);
	else
		add_logfmt(&line, when, level, ids, text);
	buf_add_char(&line, '\n');
	/* One write per line, so that processes sharing the file don't mix; a log that can't be written is no reason to
	 * stop. */
	ssize_t n = write(STDERR_FILENO, line.data, line.len);
	(void)n;
}

void log_line(enum log_level level, const char *req, const char *fmt, ...)
{
	const struct log_ids ids = { .req = req };
	va_list ap;
	va_start(ap, fmt);
	write_line(level, &ids, fmt, ap);
	va_end(ap);
}

void log_about(enum log_level level, const struct log_ids *ids, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	write_line(level, ids, fmt, ap);
	va_end(ap);
}
