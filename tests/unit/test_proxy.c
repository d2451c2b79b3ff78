/* test_proxy.c: which requests go by the outgoing proxy. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "proxy.h"

static bool goes_by(const char *except, const char *url)
{
	char proxy[] = "http://u:p@proxy.example:3128";
	autobuf list = { 0 };
	buf_add_str(&list, except ? except : "");
	(void)buf_cstr(&list);
	const struct conf conf = { .outgoing_proxy = proxy, .outgoing_proxy_except = except ? list.data : NULL };
	const char *found = proxy_for(&conf, url);
	if (found)
		assert_string_equal(found, proxy);
	return found != NULL;
}

static void all_but_the_exceptions(void **state)
{
	static const char list[] = " one.example *.two.example,.three.example\t[::1] 127.0.0.1 ";
	static const char *const by[] = { "https://github.com",	     "https://one.example.org",	 "https://xone.example/x",
					  "https://two.example:8443", "https://xtwo.example",	 "https://three.example",
					  "http://[::2]:80/",	     "http://127.0.0.10:1/path", "https://example" };
	static const char *const direct[] = { "https://one.example",	  "https://ONE.example:443/path", "https://a.two.example",
					      "http://a.b.two.example/x", "https://a.three.example",	  "http://[::1]:8080/x",
					      "http://127.0.0.1:8080",	  "http://127.0.0.1/?x" };
	(void)state;
	for (size_t i = 0; i < sizeof(by) / sizeof(*by); i++) {
		if (!goes_by(list, by[i]))
			fail_msg("direct: %s", by[i]);
		assert_true(goes_by(NULL, by[i]));
	}
	for (size_t i = 0; i < sizeof(direct) / sizeof(*direct); i++) {
		if (goes_by(list, direct[i]))
			fail_msg("by the proxy: %s", direct[i]);
	}
}

static void none_without_a_proxy(void **state)
{
	const struct conf conf = { 0 };
	(void)state;
	assert_null(proxy_for(&conf, "https://github.com"));
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(all_but_the_exceptions), cmocka_unit_test(none_without_a_proxy) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
