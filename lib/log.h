/* log.h: one line per event on stderr, in logfmt or as a JSON object:
 *   2026-01-02T03:04:05.678Z level=info prog=craft-fcgi pid=12 req=8f3c msg="…"
 *   {"time":"2026-01-02T03:04:05.678Z","level":"info","prog":"craft-fcgi","pid":12,"req":"8f3c","msg":"…"}
 * Lines about a sandbox have its id behind req: sandbox=4f6b…, "sandbox":"4f6b…".
 * Never pass a secret, a query string or a client's document to it. Keys that clients put where nobody looks for them,
 * as in a path, are masked (mask.h). */
#ifndef CRAFT_LOG_H
#define CRAFT_LOG_H

#include <stdbool.h>

enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG };
enum log_format { LOG_LOGFMT, LOG_JSON };

/* Names the program in every line; call it first. */
void log_init(const char *program);
void log_set_level(enum log_level level);
bool log_level_parse(const char *name, enum log_level *level);
void log_set_format(enum log_format format);
bool log_format_parse(const char *name, enum log_format *format);

/* Writes one line. req: the request's id, or NULL. The text is quoted; control bytes in it are escaped, and in JSON
 * bytes that are no UTF-8 are replaced. */
void log_line(enum log_level level, const char *req, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* What a line is about; each may be NULL or empty. Ids are printed as they are: they may hold no spaces or quotes. */
struct log_ids {
	const char *req;     /* the request's */
	const char *sandbox; /* the sandbox session's */
};
void log_about(enum log_level level, const struct log_ids *ids, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

#define log_error(req, ...) log_line(LOG_ERROR, (req), __VA_ARGS__)
#define log_warn(req, ...) log_line(LOG_WARN, (req), __VA_ARGS__)
#define log_info(req, ...) log_line(LOG_INFO, (req), __VA_ARGS__)
#define log_debug(req, ...) log_line(LOG_DEBUG, (req), __VA_ARGS__)

#endif
