/* test_gateway_allow.c: kinds of addresses, the allow-list, messages between daemon and gateway. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lib/cleanup.h"
#include "sandbox/gateway/allow.h"
#include "sandbox/gateway_wire.h"

static void sorts_addresses(void **state)
{
	static const struct {
		const char *text;
		enum address_kind kind;
	} cases[] = {
		{ "8.8.8.8", ADDRESS_PUBLIC },
		{ "1.1.1.1", ADDRESS_PUBLIC },
		{ "172.15.255.255", ADDRESS_PUBLIC },
		{ "172.32.0.0", ADDRESS_PUBLIC },
		{ "100.63.255.255", ADDRESS_PUBLIC },
		{ "100.128.0.0", ADDRESS_PUBLIC },
		{ "223.255.255.255", ADDRESS_PUBLIC },
		{ "2606:4700::1111", ADDRESS_PUBLIC },
		{ "2001:4860:4860::8888", ADDRESS_PUBLIC },
		{ "64:ff9b::808:808", ADDRESS_PUBLIC },
		{ "::ffff:8.8.8.8", ADDRESS_PUBLIC },
		{ "127.0.0.1", ADDRESS_PRIVATE },
		{ "127.255.255.255", ADDRESS_PRIVATE },
		{ "10.255.255.255", ADDRESS_PRIVATE },
		{ "172.16.0.0", ADDRESS_PRIVATE },
		{ "172.31.255.255", ADDRESS_PRIVATE },
		{ "192.168.0.1", ADDRESS_PRIVATE },
		{ "100.64.0.0", ADDRESS_PRIVATE },
		{ "100.127.255.255", ADDRESS_PRIVATE },
		{ "198.19.255.255", ADDRESS_PRIVATE },
		{ "0x7f.1", ADDRESS_PRIVATE },
		{ "2130706433", ADDRESS_PRIVATE },
		{ "017700000001", ADDRESS_PRIVATE },
		{ "::1", ADDRESS_PRIVATE },
		{ "fc00::1", ADDRESS_PRIVATE },
		{ "fdff::1", ADDRESS_PRIVATE },
		{ "fec0::1", ADDRESS_PRIVATE },
		{ "::ffff:127.0.0.1", ADDRESS_PRIVATE },
		{ "::127.0.0.1", ADDRESS_PRIVATE },
		{ "::ffff:0:127.0.0.1", ADDRESS_PRIVATE },
		{ "64:ff9b::7f00:1", ADDRESS_PRIVATE },
		{ "64:ff9b:1::808:808", ADDRESS_PRIVATE },
		{ "2002:7f00:1::", ADDRESS_PRIVATE },
		{ "2002:c0a8:101::1", ADDRESS_PRIVATE },
		{ "169.254.169.254", ADDRESS_SPECIAL },
		{ "169.254.0.0", ADDRESS_SPECIAL },
		{ "100.100.100.200", ADDRESS_SPECIAL },
		{ "168.63.129.16", ADDRESS_SPECIAL },
		{ "192.0.0.192", ADDRESS_SPECIAL },
		{ "192.0.2.1", ADDRESS_SPECIAL },
		{ "240.0.0.1", ADDRESS_SPECIAL },
		{ "fe80::1", ADDRESS_SPECIAL },
		{ "fd00:ec2::254", ADDRESS_SPECIAL },
		{ "fd20:ce::254", ADDRESS_SPECIAL },
		{ "::ffff:169.254.169.254", ADDRESS_SPECIAL },
		{ "64:ff9b::a9fe:a9fe", ADDRESS_SPECIAL },
		{ "2002:a9fe:a9fe::", ADDRESS_SPECIAL },
		{ "2001::1", ADDRESS_SPECIAL },
		{ "2001:db8::1", ADDRESS_SPECIAL },
		{ "4000::1", ADDRESS_SPECIAL },
		{ "100::1", ADDRESS_SPECIAL },
		{ "0.0.0.0", ADDRESS_NOWHERE },
		{ "0.1.2.3", ADDRESS_NOWHERE },
		{ "224.0.0.1", ADDRESS_NOWHERE },
		{ "239.255.255.255", ADDRESS_NOWHERE },
		{ "255.255.255.255", ADDRESS_NOWHERE },
		{ "::", ADDRESS_NOWHERE },
		{ "ff02::1", ADDRESS_NOWHERE },
		{ "::ffff:0.0.0.0", ADDRESS_NOWHERE },
	};
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct address a;
		if (!address_parse(cases[i].text, &a) || address_kind(&a) != cases[i].kind)
			fail_msg("%s", cases[i].text);
	}
}

static void reads_hosts(void **state)
{
	static const struct {
		const char *text, *name;
		unsigned port;
	} good[] = {
		{ "Example.ORG.:443", "example.org", 443 }, { "a_b-c.d:1", "a_b-c.d", 1 },
		{ "127.1:65535", "127.0.0.1", 65535 },	    { "[::1]:80", "::1", 80 },
		{ "[::ffff:7f00:1]:80", "127.0.0.1", 80 },  { "0xa9fea9fe:80", "169.254.169.254", 80 },
	};
	static const char *const bad[] = {
		"",	  ":80",	 "a",	   "a:",      "a:0",   "a:65536",      "a:080000", "a:8x",
		"a b:80", "a..b:80",	 ".a:80",  "..:80",   "[::1]", "[::1:80",      "[a]:80",   "[]:80",
		"::1:80", "[::1%lo]:80", "a/b:80", "a%62:80", "@a:80", "a\xc3\xa4:80", "-.:",	   "[1.2.3.4]:80",
	};
	struct host host;
	unsigned port;
	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++) {
		assert_true(host_port_parse(slice_of(good[i].text), 0, &host, &port));
		assert_string_equal(host.name, good[i].name);
		assert_int_equal(port, good[i].port);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		if (host_port_parse(slice_of(bad[i]), 0, &host, &port))
			fail_msg("taken: %s", bad[i]);
	assert_true(host_port_parse(SLICE_LIT("a"), 80, &host, &port));
	assert_int_equal(port, 80);
}

static enum allow_name ask(const struct allow_list *list, const char *text)
{
	struct host host;
	unsigned port;
	assert_true(host_port_parse(slice_of(text), 0, &host, &port));
	return allow_name(list, &host, port);
}

static void allows_what_is_listed(void **state)
{
	struct allow_list list = { 0 };
	autobuf error = { 0 };
	(void)state;
	assert_int_equal(ask(&list, "example.org:443"), ALLOW_NO);
	assert_true(allow_list_add(
		&list, SLICE_LIT(" Example.org,exact.net:8443\t*.example.com *.ports.com:99 10.0.0.1:5 "), &error));
	assert_int_equal(ask(&list, "example.org:80"), ALLOW_PUBLIC);
	assert_int_equal(ask(&list, "EXAMPLE.org.:443"), ALLOW_PUBLIC);
	assert_int_equal(ask(&list, "example.org:22"), ALLOW_NO);
	assert_int_equal(ask(&list, "a.example.org:443"), ALLOW_NO);
	assert_int_equal(ask(&list, "exact.net:8443"), ALLOW_PRIVATE);
	assert_int_equal(ask(&list, "exact.net:443"), ALLOW_NO);
	assert_int_equal(ask(&list, "a.b.example.com:443"), ALLOW_PUBLIC);
	assert_int_equal(ask(&list, "example.com:443"), ALLOW_NO);
	assert_int_equal(ask(&list, "aexample.com:443"), ALLOW_NO);
	assert_int_equal(ask(&list, "a.example.com.evil.net:443"), ALLOW_NO);
	assert_int_equal(ask(&list, "a.ports.com:99"), ALLOW_PUBLIC);
	assert_int_equal(ask(&list, "a.ports.com:80"), ALLOW_NO);
	assert_int_equal(ask(&list, "10.1:5"), ALLOW_PRIVATE);
	assert_int_equal(ask(&list, "10.0.0.1:6"), ALLOW_NO);
	allow_list_free(&list);
}

/* What has a socket of its own is reached by that only, whatever the port and the notation, unless it is named. */
static void reserves_hosts(void **state)
{
	static const char *const reserved[] = { "api.example.net:443",
						"api.example.net:80",
						"api.example.net:8443",
						"API.Example.Net.:443",
						"[::1]:8080",
						"[0:0::1]:443",
						"10.0.0.9:443",
						"167772169:443",
						"0xa.9:80",
						"10.0.9:443",
						"[::ffff:10.0.0.9]:443",
						"[::ffff:a00:9]:443" };
	struct allow_list list = { 0 };
	autobuf error = { 0 }, named = { 0 };
	(void)state;
	assert_true(allow_list_reserve_url(&list, "https://api.example.net/base?x", &error));
	assert_true(allow_list_reserve_url(&list, "http://[::1]:8080", &error));
	assert_true(allow_list_reserve_url(&list, "https://10.0.0.9", &error));
	assert_true(allow_list_add(&list, SLICE_LIT("*.example.net *.net:443 *.net:8443"), &error));
	for (size_t i = 0; i < sizeof(reserved) / sizeof(*reserved); i++)
		if (ask(&list, reserved[i]) != ALLOW_RESERVED)
			fail_msg("not reserved: %s", reserved[i]);
	assert_int_equal(ask(&list, "other.example.net:443"), ALLOW_PUBLIC);
	assert_int_equal(ask(&list, "example.net:22"), ALLOW_NO);
	allow_list_reserved_named(&list, &named);
	assert_int_equal(named.len, 0);
	/* A name that leads to a reserved address is no way around, and that one isn't listed either. */
	struct address address;
	assert_true(address_parse("10.0.0.9", &address));
	assert_false(allow_address(&list, ALLOW_PUBLIC, &address, 443));
	assert_false(allow_address(&list, ALLOW_RESERVED, &address, 443));
	assert_true(allow_list_add(&list, SLICE_LIT("API.example.net 10.0.0.9:443"), &error));
	assert_int_equal(ask(&list, "api.example.net:443"), ALLOW_PUBLIC);
	assert_int_equal(ask(&list, "api.example.net:8443"), ALLOW_RESERVED);
	assert_int_equal(ask(&list, "10.0.0.9:443"), ALLOW_PRIVATE);
	assert_int_equal(ask(&list, "10.0.0.9:444"), ALLOW_RESERVED);
	allow_list_reserved_named(&list, &named);
	assert_string_equal(buf_cstr(&named), "api.example.net 10.0.0.9");
	allow_list_free(&list);
}

static bool allows(const struct allow_list *list, enum allow_name name, const char *text, unsigned port)
{
	struct address a;
	assert_true(address_parse(text, &a));
	return allow_address(list, name, &a, port);
}

static void checks_addresses(void **state)
{
	struct allow_list list = { 0 };
	autobuf error = { 0 };
	(void)state;
	assert_true(allow_list_add(&list, SLICE_LIT("169.254.7.7:5 10.1.1.1 0.0.0.0:5"), &error));
	assert_true(allows(&list, ALLOW_PUBLIC, "8.8.8.8", 5));
	assert_false(allows(&list, ALLOW_NO, "8.8.8.8", 5));
	assert_false(allows(&list, ALLOW_PUBLIC, "10.0.0.1", 80));
	assert_true(allows(&list, ALLOW_PRIVATE, "10.0.0.1", 80));
	assert_true(allows(&list, ALLOW_PUBLIC, "10.1.1.1", 80));
	assert_false(allows(&list, ALLOW_PUBLIC, "10.1.1.1", 81));
	assert_false(allows(&list, ALLOW_PRIVATE, "169.254.169.254", 80));
	assert_false(allows(&list, ALLOW_PRIVATE, "::ffff:169.254.169.254", 80));
	assert_true(allows(&list, ALLOW_PUBLIC, "169.254.7.7", 5));
	assert_false(allows(&list, ALLOW_PRIVATE, "0.0.0.0", 5));
	allow_list_free(&list);
}

static void refuses_lists(void **state)
{
	static const char *const bad[] = { "*",	  "*.",	  "*.a:x",    "*a.b",	 "a:",
					   "a:0", "[::1", "http://a", "a b c/d", "*.1.2.3.4" };
	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		struct allow_list list = { 0 };
		autobuf error = { 0 };
		if (allow_list_add(&list, slice_of(bad[i]), &error) || error.len == 0)
			fail_msg("taken: %s", bad[i]);
		allow_list_free(&list);
	}
	struct allow_list list = { 0 };
	autobuf error = { 0 };
	assert_false(allow_list_reserve_url(&list, "ftp://a", &error));
	assert_false(allow_list_reserve_url(&list, "https://", &error));
	assert_false(allow_list_reserve_url(&list, "https://u@a/", &error));
}

static void carries_messages(void **state)
{
	const struct slice texts[] = { SLICE_LIT("one"), SLICE_LIT(""), SLICE_LIT("th\0ree") };
	struct slice got[3];
	autobuf message = { 0 };
	(void)state;
	gateway_wire_write(&message, GATEWAY_WIRE_EVENT, texts, 3);
	assert_true(gateway_wire_read(buf_slice(&message), GATEWAY_WIRE_EVENT, got, 3));
	for (size_t i = 0; i < 3; i++)
		assert_true(slice_eq(got[i], texts[i]));
	assert_false(gateway_wire_read(buf_slice(&message), GATEWAY_WIRE_SETUP, got, 3));
	assert_false(gateway_wire_read(buf_slice(&message), GATEWAY_WIRE_EVENT, got, 2));
	for (size_t n = 0; n < message.len; n++)
		assert_false(gateway_wire_read(slice_make(message.data, n), GATEWAY_WIRE_EVENT, got, 3));
	memset(message.data + 1, 0xff, 4);
	assert_false(gateway_wire_read(buf_slice(&message), GATEWAY_WIRE_EVENT, got, 3));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sorts_addresses),	 cmocka_unit_test(reads_hosts),
		cmocka_unit_test(allows_what_is_listed), cmocka_unit_test(reserves_hosts),
		cmocka_unit_test(checks_addresses),	 cmocka_unit_test(refuses_lists),
		cmocka_unit_test(carries_messages),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
