/* test_fcgi_media_type.c: which types a browser could run, and the header that makes a download. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "media_type.h"

static void expect_active(const char *const *types, size_t count, bool want)
{
	for (size_t i = 0; i < count; i++) {
		if (media_type_active(slice_of(types[i])) != want)
			fail_msg("%s: want %s", types[i], want ? "active" : "harmless");
	}
}

#define EXPECT_ACTIVE(types, want) expect_active(types, sizeof(types) / sizeof(*(types)), want)

static void knows_what_runs(void **state)
{
	static const char *const active[] = {
		"text/html",
		"TEXT/HTML",
		"text/html;charset=utf-8",
		"text/html ; charset=utf-8",
		" text/html",
		"\ttext/html",
		"application/xhtml+xml",
		"application/vnd.wap.xhtml+xml",
		"text/x-server-parsed-html",
		"text/xml",
		"application/xml",
		"application/xml-dtd",
		"text/xml-external-parsed-entity",
		"text/xsl",
		"application/xslt+xml",
		"application/rss+XML",
		"application/x-xml",
		"image/svg+xml",
		"image/svg",
		"image/SVG+xml",
		"image/svg+xml-compressed",
		"application/mathml+xml",
		"text/javascript",
		"application/javascript",
		"application/x-javascript",
		"text/javascript1.5",
		"application/ecmascript",
		"text/jscript",
		"text/livescript",
		"text/vbscript",
		"application/x-shellscript",
		"text/css",
		"text/CSS;x",
		"text/x-component",
		"multipart/related",
		"multipart/x-mixed-replace;boundary=x",
		"Multipart/mixed",
		"message/rfc822",
		"message/x",
	};
	(void)state;
	EXPECT_ACTIVE(active, true);
}

static void trusts_only_well_formed_types(void **state)
{
	static const char *const malformed[] = {
		"",
		" ",
		"text",
		"text/",
		"/html",
		"/",
		"text/ html",
		"text /plain",
		"text//plain",
		"text/plain/x",
		"image/png x",
		"image/png, text/html",
		"image/png;a=b, text/html",
		"image/png;a=\"b,text/html\"",
		"image/png,",
		"im\xc3\xa4ge/png",
		"image/p\xc3\xa4ng",
		"image/(png)",
		"image/\"png\"",
		"image;/png",
		"*/*",
		"image/*",
		"unknown/unknown",
		"application/unknown",
	};
	(void)state;
	EXPECT_ACTIVE(malformed, true);
	assert_true(media_type_active(slice_make(NULL, 0)));
}

static void leaves_the_rest_alone(void **state)
{
	static const char *const harmless[] = {
		"image/png",
		"image/jpeg",
		"IMAGE/GIF",
		"video/mp4",
		"video/mp4; codecs=\"avc1.64001F\"",
		"audio/mpeg",
		"text/plain",
		"text/plain;charset=utf-8",
		"text/markdown",
		"text/csv",
		"application/json",
		"application/pdf",
		"application/octet-stream",
		"application/zip",
		"font/woff2",
		"application/ld+json",
		"image/x-icon",
		"application/vnd.openxmlformats-officedocument.wordprocessingml.document",
		"text/csstype",
		"image/png ",
		" \timage/png",
		"model/gltf-binary",
		"x/y",
	};
	(void)state;
	EXPECT_ACTIVE(harmless, false);
}

static void stores_printable_ascii(void **state)
{
	char type[MEDIA_TYPE_MAX + 1];
	(void)state;
	memset(type, 'x', sizeof(type));
	assert_true(media_type_storable(SLICE_LIT("text/plain; charset=utf-8")));
	assert_true(media_type_storable(SLICE_LIT("nonsense ~")));
	assert_true(media_type_storable(slice_make(type, MEDIA_TYPE_MAX)));
	assert_false(media_type_storable(slice_make(type, MEDIA_TYPE_MAX + 1)));
	assert_false(media_type_storable(slice_make(NULL, 0)));
	assert_false(media_type_storable(SLICE_LIT("a/b\r\nX: y")));
	assert_false(media_type_storable(SLICE_LIT("a/b\0")));
	assert_false(media_type_storable(SLICE_LIT("a/b\tc")));
	assert_false(media_type_storable(SLICE_LIT("a/\x7f")));
	assert_false(media_type_storable(SLICE_LIT("a/\xc3\xa4")));
}

static void expect_disposition(const char *name, const char *want)
{
	autobuf out = { 0 };
	media_type_attachment(&out, slice_of(name));
	assert_string_equal(buf_cstr(&out), want);
}

static void names_downloads(void **state)
{
	(void)state;
	expect_disposition("a.html", "attachment; filename=\"a.html\"; filename*=UTF-8''a.html");
	expect_disposition("a b#?%&+\xc3\xa9\xf0\x9f\x98\x80.svg",
			   "attachment; filename=\"a b#?_&+__.svg\"; "
			   "filename*=UTF-8''a%20b%23%3F%25%26%2B%C3%A9%F0%9F%98%80.svg");
	expect_disposition("q\"\\;'*.xml",
			   "attachment; filename=\"q__;'*.xml\"; filename*=UTF-8''q%22%5C%3B%27%2A.xml");
	expect_disposition("a\r\nb\x7f", "attachment; filename=\"a__b_\"; filename*=UTF-8''a%0D%0Ab%7F");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(knows_what_runs),	 cmocka_unit_test(trusts_only_well_formed_types),
		cmocka_unit_test(leaves_the_rest_alone), cmocka_unit_test(stores_printable_ascii),
		cmocka_unit_test(names_downloads),
	};
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
