/* test_metrics.c: counters, histograms and their text; requests of whoever watches, and their answers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "lib/metrics.h"
#include "lib/monitor_http.h"

static const struct metric counter = { "x_total", METRIC_COUNTER, "a \"b\" \\ c\nd" };
static const struct metric gauge = { "x", METRIC_GAUGE, "g" };
static const struct metric times = { "x_seconds", METRIC_HISTOGRAM, "h" };

static void values(void **state)
{
	autobuf out = { 0 };
	(void)state;
	metrics_single(&out, &counter, UINT64_MAX);
	metrics_begin(&out, &gauge);
	metrics_real(&out, &gauge, NULL, 0.25);
	assert_string_equal(buf_cstr(&out), "# HELP x_total a \"b\" \\\\ c\\nd\n# TYPE x_total counter\n"
					    "x_total 18446744073709551615\n"
					    "# HELP x g\n# TYPE x gauge\nx 0.25\n");
}

static void labels_are_escaped(void **state)
{
	autobuf out = { 0 }, labels = { 0 };
	(void)state;
	metrics_label(&labels, "a", slice_of("q\"s\\n\nü"));
	metrics_label(&labels, "b", SLICE_LIT("\xff\xfe"));
	metrics_label(&labels, "c", SLICE_LIT(""));
	metrics_value(&out, &gauge, &labels, 7);
	assert_string_equal(buf_cstr(&out), "x{a=\"q\\\"s\\\\n\\nü\",b=\"(not UTF-8)\",c=\"\"} 7\n");
}

static void bounds_are_inclusive(void **state)
{
	struct histogram h = { 0 };
	(void)state;
	for (size_t i = 0; i < HISTOGRAM_BOUNDS; i++) {
		histogram_add(&h, &metrics_short, metrics_short.bounds[i]);
		assert_int_equal(counter_read(&h.counts[i]), 1);
		histogram_add(&h, &metrics_short, metrics_short.bounds[i] + 1);
		assert_int_equal(counter_read(&h.counts[i + 1]), 1);
		h = (struct histogram){ 0 };
	}
	histogram_add(&h, &metrics_short, 0);
	histogram_add(&h, &metrics_short, UINT64_MAX / 2);
	assert_int_equal(counter_read(&h.counts[0]), 1);
	assert_int_equal(counter_read(&h.counts[HISTOGRAM_BOUNDS]), 1);
	assert_int_equal(histogram_total(&h), 2);
}

static void scales_ascend(void **state)
{
	static const struct histogram_scale *const all[] = { &metrics_short, &metrics_long, &metrics_count };
	(void)state;
	/* NOLINTNEXTLINE(bugprone-sizeof-expression): an array of pointers */
	for (size_t s = 0; s < sizeof(all) / sizeof(*all); s++) {
		for (size_t i = 1; i < HISTOGRAM_BOUNDS; i++)
			assert_true(all[s]->bounds[i] > all[s]->bounds[i - 1]);
	}
}

static void histograms_add_up(void **state)
{
	struct histogram a = { 0 }, b = { 0 };
	autobuf out = { 0 }, single = { 0 };
	(void)state;
	histogram_add(&a, &metrics_short, 200);
	histogram_add(&a, &metrics_short, 300);
	histogram_add(&b, &metrics_short, 20000000);
	histogram_merge(&a, &b);
	metrics_labelled_histogram(&out, &times, "k", "v", &metrics_short, &a);
	const char *text = buf_cstr(&out);
	assert_ptr_equal(strstr(text, "x_seconds_bucket{k=\"v\",le=\"0.00025\"} 1\n"
				      "x_seconds_bucket{k=\"v\",le=\"0.0005\"} 2\n"
				      "x_seconds_bucket{k=\"v\",le=\"0.001\"} 2\n"),
			 text);
	assert_non_null(strstr(text, "x_seconds_bucket{k=\"v\",le=\"10\"} 2\nx_seconds_bucket{k=\"v\",le=\"+Inf\"} 3\n"
				     "x_seconds_sum{k=\"v\"} 20.0005\nx_seconds_count{k=\"v\"} 3\n"));
	metrics_single_histogram(&single, &times, &metrics_short, &a);
	text = buf_cstr(&single);
	assert_ptr_equal(strstr(text, "# HELP x_seconds h\n# TYPE x_seconds histogram\n"
				      "x_seconds_bucket{le=\"0.00025\"} 1\n"),
			 text);
	assert_non_null(strstr(text, "x_seconds_sum 20.0005\nx_seconds_count 3\n"));
}

static void of_the_process(void **state)
{
	autobuf out = { 0 };
	(void)state;
	metrics_process(&out);
	static const char name[] = "\nprocess_resident_memory_bytes ";
	const char *memory = strstr(buf_cstr(&out), name);
	assert_non_null(memory);
	assert_true(strtoull(memory + sizeof(name) - 1, NULL, 10) > 100000);
	assert_non_null(strstr(buf_cstr(&out), "craft_build_info{version=\"" PACKAGE_VERSION "\"} 1\n"));
}

/* ---- requests ---- */

static void print(void *user, struct buf *out)
{
	(void)user;
	buf_add_str(out, "m 1\n");
}

static bool ready(void *user, struct buf *reason)
{
	const bool *is = user;
	if (!*is)
		buf_add_str(reason, "no database");
	return *is;
}

/* The answer to a request that is complete. */
static void answered(const char *request, bool is_ready, const char *status, const char *body)
{
	const struct monitor_source source = { print, ready, &is_ready };
	autobuf out = { 0 };
	size_t len = strlen(request);
	for (size_t n = 0; n < len; n++)
		assert_false(monitor_answer(&source, slice_make(request, n), &out));
	assert_true(monitor_answer(&source, slice_make(request, len), &out));
	const char *text = buf_cstr(&out), *end = strstr(text, "\r\n\r\n");
	assert_non_null(end);
	assert_int_equal(strncmp(text, status, strlen(status)), 0);
	assert_string_equal(end + 4, body);
	assert_non_null(strstr(text, "\r\nConnection: close\r\n"));
}

static void requests(void **state)
{
	(void)state;
	answered("GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n", true,
		 "HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4", "m 1\n");
	answered("GET /metrics?a=b HTTP/1.0\n\n", true, "HTTP/1.1 200 ", "m 1\n");
	answered("HEAD /metrics HTTP/1.1\r\n\r\n", true, "HTTP/1.1 200 ", "");
	answered("GET /healthz HTTP/1.1\r\n\r\n", false, "HTTP/1.1 200 ", "alive\n");
	answered("GET /readyz HTTP/1.1\r\n\r\n", true, "HTTP/1.1 200 ", "ready\n");
	answered("GET /readyz HTTP/1.1\r\n\r\n", false, "HTTP/1.1 503 ", "not ready: no database\n");
	answered("GET /metricsx HTTP/1.1\r\n\r\n", true, "HTTP/1.1 404 ", "there are /metrics, /healthz and /readyz\n");
	answered("POST /metrics HTTP/1.1\r\n\r\n", true, "HTTP/1.1 405 ", "only GET and HEAD are\n");
	answered("GET /metrics\r\n\r\n", true, "HTTP/1.1 400 ", "that is no HTTP/1.x\n");
	answered("\n\n", true, "HTTP/1.1 400 ", "that is no HTTP/1.x\n");
	answered("\r\n\r\n", true, "HTTP/1.1 400 ", "that is no HTTP/1.x\n");
}

static void heads_are_bounded(void **state)
{
	bool yes = true;
	const struct monitor_source source = { print, ready, &yes };
	autobuf head = { 0 }, out = { 0 };
	(void)state;
	buf_add_str(&head, "GET /metrics HTTP/1.1\r\nX: ");
	while (head.len < MONITOR_HEAD_MAX - 1)
		buf_add_char(&head, 'a');
	assert_false(monitor_answer(&source, buf_slice(&head), &out));
	buf_add_char(&head, 'a');
	assert_true(monitor_answer(&source, buf_slice(&head), &out));
	assert_int_equal(strncmp(buf_cstr(&out), "HTTP/1.1 431 ", 13), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(values),
		cmocka_unit_test(labels_are_escaped),
		cmocka_unit_test(bounds_are_inclusive),
		cmocka_unit_test(scales_ascend),
		cmocka_unit_test(histograms_add_up),
		cmocka_unit_test(of_the_process),
		cmocka_unit_test(requests),
		cmocka_unit_test(heads_are_bounded),
	};
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
