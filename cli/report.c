/* report.c: lines for people, or one JSON object. */
#include "report.h"

#include <stdarg.h>
#include <stdio.h>

#include "json.h"

static void add_key(struct buf *object, const char *key)
{
	if (object->len)
		buf_add_char(object, ',');
	json_encode(object, slice_of(key));
	buf_add_char(object, ':');
}

static void show(const char *title, const char *shown)
{
	if (!shown)
		return;
	(void)printf("%-18s ", title);
	cli_print_text(shown, 0);
	(void)putchar('\n');
}

void report_text(struct report *r, const char *title, const char *shown, const char *key, const char *value)
{
	if (!r->json) {
		show(title, shown);
	} else if (value) {
		add_key(&r->object, key);
		json_encode(&r->object, slice_of(value));
	}
}

void report_json(struct report *r, const char *title, const char *shown, const char *key, const char *value)
{
	if (!r->json) {
		show(title, shown);
	} else if (value) {
		add_key(&r->object, key);
		buf_add_str(&r->object, value);
	}
}

void report_problem(struct report *r, const char *mend, const char *fmt, ...)
{
	va_list ap;
	char what[1024];
	va_start(ap, fmt);
	(void)vsnprintf(what, sizeof(what), fmt, ap);
	va_end(ap);
	r->wrong++;
	if (!r->json) {
		(void)cli_fail("%s: %s", what, mend);
		return;
	}
	buf_add_str(&r->problems, r->problems.len ? ",{\"problem\":" : "{\"problem\":");
	json_encode(&r->problems, slice_of(what));
	buf_add_str(&r->problems, ",\"mend\":");
	json_encode(&r->problems, slice_of(mend));
	buf_add_char(&r->problems, '}');
}

void report_warning(struct report *r, const char *fmt, ...)
{
	va_list ap;
	char what[1024];
	va_start(ap, fmt);
	(void)vsnprintf(what, sizeof(what), fmt, ap);
	va_end(ap);
	if (!r->json) {
		(void)fprintf(stderr, "craft-cloud: warning: %s\n", what);
		return;
	}
	if (r->warnings.len)
		buf_add_char(&r->warnings, ',');
	json_encode(&r->warnings, slice_of(what));
}

enum cli_exit report_end(struct report *r)
{
	if (r->json) {
		add_key(&r->object, "problems");
		(void)printf("{%s[%s]}\n", buf_cstr(&r->object), buf_cstr(&r->problems));
	}
	buf_free(&r->object);
	buf_free(&r->problems);
	return r->wrong ? CLI_FAILED : CLI_OK;
}
