/* test_conf.c: the configuration file, the environment over it, and what they refuse. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "cleanup.h"
#include "conf.h"
#include "log.h"

struct fixture {
	char path[64];
	struct conf conf;
	struct buf error;
};

static void write_file(const char *path, const char *text)
{
	FILE *f = fopen(path, "we");
	assert_non_null(f);
	assert_int_equal(fputs(text, f) < 0, 0);
	assert_int_equal(fclose(f), 0);
}

static int setup(void **state)
{
	struct fixture *f = xcalloc(1, sizeof(*f));
	(void)snprintf(f->path, sizeof(f->path), "/tmp/test_conf.%d", (int)getpid());
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	(void)unlink(f->path);
	conf_free(&f->conf);
	buf_free(&f->error);
	free(f);
	return 0;
}

static bool load(struct fixture *f, const char *text)
{
	conf_free(&f->conf);
	buf_clear(&f->error);
	write_file(f->path, text);
	return conf_load(&f->conf, CONF_BRIDGE, f->path, &f->error);
}

#define HEX_62 "00112233445566778899aabbccddeeff00112233445566778899AABBCCDDEE"
#define MINIMUM "API_KEY=0123456789\nDATABASE_URL=postgresql:///x\n"

static void reads_keys_comments_and_sizes(void **state)
{
	struct fixture *f = *state;
	assert_true(load(f,
			 "# comment\n\n  API_KEY = abc=def#8  "
			 "\nDATABASE_URL=postgresql:///"
			 "x\nWS_MAX_MESSAGE=2M\nWS_MAX_QUEUE=65536\nSOCKET_MODE=0600\nLOG_LEVEL=warn\nLOG_FORMAT=json\n"
			 "WS_METRICS_LISTEN=/run/ws metrics.sock\nFCGI_METRICS_LISTEN=127.0.0.1:9101\n"
			 "SANDBOX_METRICS_LISTEN=[::1]:65535\n"));
	log_set_format(LOG_LOGFMT);
	assert_int_equal(f->conf.log_format, LOG_JSON);
	assert_string_equal(f->conf.ws_metrics_listen, "/run/ws metrics.sock");
	assert_string_equal(f->conf.fcgi_metrics_listen, "127.0.0.1:9101");
	assert_string_equal(f->conf.sandbox_metrics_listen, "[::1]:65535");
	assert_string_equal(f->conf.api_key, "abc=def#8");
	assert_int_equal(f->conf.ws_max_message, 2 << 20);
	assert_int_equal(f->conf.ws_max_queue, 65536);
	assert_int_equal(f->conf.socket_mode, 0600);
	assert_int_equal(f->conf.log_level, 1);
	assert_int_equal(f->conf.ws_ping_interval, 30000);
	assert_string_equal(f->conf.ws_listen, "/run/craft-agent-cloud/ws.sock");
}

static void the_environment_wins_and_secrets_are_wiped_from_it(void **state)
{
	struct fixture *f = *state;
	assert_int_equal(setenv("API_KEY", "from-the-environment", 1), 0);
	assert_int_equal(setenv("WS_MAX_QUEUE", "1G", 1), 0);
	char *raw = getenv("API_KEY");
	if (!raw)
		abort();
	assert_true(load(f, MINIMUM "WS_MAX_QUEUE=1M\n"));
	assert_string_equal(f->conf.api_key, "from-the-environment");
	assert_int_equal(f->conf.ws_max_queue, 1 << 30);
	assert_null(getenv("API_KEY"));
	assert_int_equal(raw[0], 0);
	assert_int_equal(unsetenv("WS_MAX_QUEUE"), 0);
}

static void secrets_come_from_files_too(void **state)
{
	struct fixture *f = *state;
	char path[80];
	autobuf text = { 0 };
	(void)snprintf(path, sizeof(path), "%s.key", f->path);
	write_file(path, "key-from-a-file\n");
	buf_addf(&text, "DATABASE_URL=postgresql:///x\nAPI_KEY_FILE=%s\n", path);
	assert_true(load(f, buf_cstr(&text)));
	assert_string_equal(f->conf.api_key, "key-from-a-file");
	assert_int_equal(unlink(path), 0);
	assert_false(load(f, buf_cstr(&text)));
	assert_non_null(strstr(buf_cstr(&f->error), "API_KEY_FILE: can't read"));
}

static void refuses_with_file_and_line(void **state)
{
	static const struct {
		const char *text, *want;
	} cases[] = {
		{ MINIMUM "NOPE=1\n", ":3: unknown key NOPE" },
		{ MINIMUM "\nLOG_LEVEL_FILE=x\n", ":4: unknown key LOG_LEVEL_FILE" },
		{ MINIMUM "novalue\n", ":3: not of the form KEY=value" },
		{ MINIMUM "WS_MAX_MESSAGE=12x\n", ":3: WS_MAX_MESSAGE has a malformed value" },
		{ MINIMUM "WS_MAX_MESSAGE=-1\n", ":3: WS_MAX_MESSAGE" },
		{ MINIMUM "WS_MAX_MESSAGE=99999999999G\n", ":3: WS_MAX_MESSAGE" },
		{ MINIMUM "WS_MAX_MESSAGE=\n", ":3: WS_MAX_MESSAGE" },
		{ MINIMUM "SOCKET_MODE=0999\n", ":3: SOCKET_MODE" },
		{ MINIMUM "LOG_LEVEL=loud\n", ":3: LOG_LEVEL" },
		{ MINIMUM "LOG_FORMAT=xml\n", ":3: LOG_FORMAT has a malformed value: logfmt, or json" },
		{ MINIMUM "WS_METRICS_LISTEN=9101\n", ":3: WS_METRICS_LISTEN must be 1 to 107" },
		{ MINIMUM "WS_METRICS_LISTEN=localhost:9101\n", ":3: WS_METRICS_LISTEN must be" },
		{ MINIMUM "WS_METRICS_LISTEN=127.0.0.1:0\n", ":3: WS_METRICS_LISTEN must be" },
		{ MINIMUM "WS_METRICS_LISTEN=127.0.0.1:91011\n", ":3: WS_METRICS_LISTEN must be" },
		{ MINIMUM "WS_METRICS_LISTEN=127.0.0.1:9101/x\n", ":3: WS_METRICS_LISTEN must be" },
		{ MINIMUM "WS_METRICS_LISTEN=metrics.sock\n", ":3: WS_METRICS_LISTEN must be" },
		{ "API_KEY=short\nDATABASE_URL=x\n", ":1: API_KEY must be 8 to 1024" },
		{ "API_KEY=with\ta tab\nDATABASE_URL=x\n", ":1: API_KEY must be" },
		{ "API_KEY=sch\xc3\xb6ner\nDATABASE_URL=x\n", ":1: API_KEY must be" },
		{ "API_KEY=erased8\x7f\nDATABASE_URL=x\n", ":1: API_KEY must be" },
		{ MINIMUM "API_KEY_PREVIOUS=short\n", ":3: API_KEY_PREVIOUS must be 8 to 1024 printable" },
		{ MINIMUM "API_KEY_PREVIOUS=with\ta tab\n", ":3: API_KEY_PREVIOUS must be" },
		{ MINIMUM "MAX_UPLOAD=0\n", ":3: MAX_UPLOAD" },
		{ MINIMUM "MAX_UPLOAD=17T\n", ":3: MAX_UPLOAD" },
		{ MINIMUM "WORKSPACE_QUOTA=8388608T\n", ":3: WORKSPACE_QUOTA" },
		{ MINIMUM "SWEEP_INTERVAL=1K\n", ":3: SWEEP_INTERVAL" },
		{ MINIMUM "SWEEP_INTERVAL=-1\n", ":3: SWEEP_INTERVAL" },
		{ MINIMUM "ENCRYPTION_KEY=" HEX_62 "\n", ":3: ENCRYPTION_KEY must be 64 hex digits: key that" },
		{ MINIMUM "ENCRYPTION_KEY=" HEX_62 "eff\n", ":3: ENCRYPTION_KEY must be 64 hex digits" },
		{ MINIMUM "ENCRYPTION_KEY=" HEX_62 "fg\n", ":3: ENCRYPTION_KEY must be 64 hex digits" },
		{ MINIMUM "ENCRYPTION_KEY_PREVIOUS=" HEX_62 "\n", ":3: ENCRYPTION_KEY_PREVIOUS must be 64 hex digits" },
		{ MINIMUM "GITHUB_CA_FILE=ca.pem\n", ":3: GITHUB_CA_FILE must be 1 to 4000 characters, an absolute" },
		{ MINIMUM "GITHUB_CA_FILE=/ca\t.pem\n", ":3: GITHUB_CA_FILE must be" },
		{ MINIMUM "OUTGOING_PROXY=proxy.example:3128\n",
		  ":3: OUTGOING_PROXY must be 8 to 1000 characters of the form http://[user:password@]host:port: " },
		{ MINIMUM "OUTGOING_PROXY=http://proxy.example\n", ":3: OUTGOING_PROXY must be" },
		{ MINIMUM "OUTGOING_PROXY=http://u:p@ss@proxy.example:3128\n", ":3: OUTGOING_PROXY must be" },
		{ MINIMUM "OUTGOING_PROXY=http://u:p\"x@proxy.example:3128\n", ":3: OUTGOING_PROXY must be" },
		{ MINIMUM "OUTGOING_PROXY=http://proxy.example:3128/path\n", ":3: OUTGOING_PROXY must be" },
		{ MINIMUM "OUTGOING_PROXY=socks5://proxy.example:3128\n", ":3: OUTGOING_PROXY must be" },
		{ MINIMUM "GITHUB_REVOKE=2\n", ":3: GITHUB_REVOKE has a malformed value" },
		{ MINIMUM "GITHUB_REVOKE=yes\n", ":3: GITHUB_REVOKE has a malformed value" },
		{ "DATABASE_URL=x\n", "API_KEY is not set" },
		{ "API_KEY=0123456789\n", "DATABASE_URL is not set" },
	};
	struct fixture *f = *state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		assert_false(load(f, cases[i].text));
		if (!strstr(buf_cstr(&f->error), cases[i].want))
			fail_msg("want %s, got %s", cases[i].want, buf_cstr(&f->error));
	}
	conf_free(&f->conf);
	buf_clear(&f->error);
	assert_false(conf_load(&f->conf, CONF_BRIDGE, "/nonexistent/file", &f->error));
	assert_non_null(strstr(buf_cstr(&f->error), "/nonexistent/file"));
}

static void reads_the_keys_of_files(void **state)
{
	struct fixture *f = *state;
	assert_true(load(f, MINIMUM));
	assert_string_equal(f->conf.blob_dir, "/var/lib/craft-agent-cloud/blobs");
	assert_null(f->conf.public_url);
	assert_null(f->conf.api_key_previous);
	assert_int_equal(f->conf.max_upload, 1 << 30);
	assert_int_equal(f->conf.workspace_quota, 0);
	assert_int_equal(f->conf.sweep_interval, 3600);
	assert_true(load(f,
			 MINIMUM "BLOB_DIR=/srv/a b\xc3\xa9#(1)/x\nPUBLIC_URL=https://h\nAPI_KEY_PREVIOUS=before=1 #\n"
				 "MAX_UPLOAD=2T\nWORKSPACE_QUOTA=3T\nSWEEP_INTERVAL=0\n"));
	assert_string_equal(f->conf.blob_dir, "/srv/a b\xc3\xa9#(1)/x");
	assert_string_equal(f->conf.public_url, "https://h");
	assert_string_equal(f->conf.api_key_previous, "before=1 #");
	assert_int_equal(f->conf.max_upload, 2ll << 40);
	assert_int_equal(f->conf.workspace_quota, 3ll << 40);
	assert_int_equal(f->conf.sweep_interval, 0);
}

static bool load_pair(struct fixture *f, const char *key, const char *value)
{
	autobuf text = { 0 };
	buf_addf(&text, MINIMUM "%s=%s\n", key, value);
	return load(f, buf_cstr(&text));
}

static void public_urls_may_have_a_path(void **state)
{
	static const char *const good[][2] = {
		{ "http://h", "http://h" },
		{ "https://craft.example.org/", "https://craft.example.org" },
		{ "https://craft.example.org:8443", "https://craft.example.org:8443" },
		{ "http://127.0.0.1:1/", "http://127.0.0.1:1" },
		{ "https://[2001:DB8::1]:65535/", "https://[2001:DB8::1]:65535" },
		{ "https://[::ffff:1.2.3.4]", "https://[::ffff:1.2.3.4]" },
		{ "https://h.example/craft", "https://h.example/craft" },
		{ "https://h.example:1/a/b-c_d.e~f/", "https://h.example:1/a/b-c_d.e~f" },
	};
	static const char *const bad[] = {
		"h.example.org",
		"ftp://h.example.org",
		"//h.example.org",
		"https://",
		"https:///",
		"https://h.example//",
		"https://h.example/x//y",
		"https://h.example/x//",
		"https://h.example/x?y",
		"https://h.example/%41",
		"https://h.example/x y",
		"https://h.example?x",
		"https://h.example#x",
		"https://u@h.example",
		"https://u:p@h.example",
		"https://h.example:",
		"https://h.example:0",
		"https://h.example:65536",
		"https://h.example:18446744073709551617",
		"https://h.example:+1",
		"https://h.example:1x",
		"https://h example",
		"https://h\"example",
		"https://h\xc3\xa9.example",
		"https://[::1",
		"https://[]",
		"https://[::1]x",
		"https://[fe80::1%25eth0]",
		"https://:443",
		"https://h.example\\",
		"https://h.example,h.example",
	};
	struct fixture *f = *state;
	for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++) {
		if (!load_pair(f, "PUBLIC_URL", good[i][0]))
			fail_msg("%s", buf_cstr(&f->error));
		assert_string_equal(f->conf.public_url, good[i][1]);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		if (load_pair(f, "PUBLIC_URL", bad[i]) || !strstr(buf_cstr(&f->error), ":3: PUBLIC_URL must be") ||
		    !strstr(buf_cstr(&f->error), "http://host[:port][/path] or https://host[:port][/path]"))
			fail_msg("%s: %s", bad[i], buf_cstr(&f->error));
	}
}

static void reads_the_keys_of_github(void **state)
{
	struct fixture *f = *state;
	assert_true(load(f, MINIMUM));
	assert_null(f->conf.encryption_key);
	assert_null(f->conf.encryption_key_previous);
	assert_null(f->conf.github_client_id);
	assert_null(f->conf.github_client_secret);
	assert_string_equal(f->conf.github_url, "https://github.com");
	assert_string_equal(f->conf.github_api_url, "https://api.github.com");
	assert_null(f->conf.github_ca_file);
	assert_int_equal(f->conf.github_revoke, 0);
	assert_null(f->conf.oauth_redirect_allow);
	assert_true(load(f, MINIMUM "ENCRYPTION_KEY=" HEX_62 "FF\nENCRYPTION_KEY_PREVIOUS=" HEX_62
				    "00\nGITHUB_CLIENT_ID=Iv1.x\nGITHUB_CLIENT_SECRET=hush=#\nGITHUB_CA_FILE=/c a.pem\n"
				    "GITHUB_REVOKE=1\nOAUTH_REDIRECT_ALLOW=https://a/b myapp://c\n"));
	assert_string_equal(f->conf.encryption_key, HEX_62 "FF");
	assert_string_equal(f->conf.encryption_key_previous, HEX_62 "00");
	assert_string_equal(f->conf.github_client_id, "Iv1.x");
	assert_string_equal(f->conf.github_client_secret, "hush=#");
	assert_string_equal(f->conf.github_ca_file, "/c a.pem");
	assert_int_equal(f->conf.github_revoke, 1);
	assert_string_equal(f->conf.oauth_redirect_allow, "https://a/b myapp://c");
}

static void github_urls_may_have_a_path(void **state)
{
	static const char *const good[][2] = {
		{ "https://ghe.example", "https://ghe.example" },
		{ "https://ghe.example/", "https://ghe.example" },
		{ "https://ghe.example/api/v3", "https://ghe.example/api/v3" },
		{ "http://127.0.0.1:3000/a-b.c_d~/", "http://127.0.0.1:3000/a-b.c_d~" },
		{ "https://[::1]:8443/x", "https://[::1]:8443/x" },
	};
	static const char *const bad[] = {
		"ghe.example",
		"ftp://ghe.example",
		"https:///x",
		"https://u@ghe.example",
		"https://ghe.example//",
		"https://ghe.example/x//",
		"https://ghe.example//x",
		"https://ghe.example/x?y",
		"https://ghe.example/x#y",
		"https://ghe.example/x y",
		"https://ghe.example/%41",
		"https://ghe.example:0/x",
		"https://ghe.example:x",
		"https://ghe.example\\x",
	};
	struct fixture *f = *state;
	for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++) {
		if (!load_pair(f, "GITHUB_API_URL", good[i][0]))
			fail_msg("%s", buf_cstr(&f->error));
		assert_string_equal(f->conf.github_api_url, good[i][1]);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		if (load_pair(f, "GITHUB_URL", bad[i]) || !strstr(buf_cstr(&f->error), ":3: GITHUB_URL must be") ||
		    !strstr(buf_cstr(&f->error), "http://host[:port][/path]"))
			fail_msg("%s: %s", bad[i], buf_cstr(&f->error));
	}
}

static bool load_as(struct fixture *f, enum conf_program program, const char *text)
{
	conf_free(&f->conf);
	buf_clear(&f->error);
	write_file(f->path, text);
	return conf_load(&f->conf, program, f->path, &f->error);
}

static void only_craft_fcgi_needs_the_encryption_key(void **state)
{
	struct fixture *f = *state;
	assert_false(load_as(f, CONF_FCGI, MINIMUM));
	assert_non_null(strstr(buf_cstr(&f->error), "ENCRYPTION_KEY is not set"));
	assert_non_null(strstr(buf_cstr(&f->error), "openssl rand -hex 32"));
	assert_true(load_as(f, CONF_FCGI, MINIMUM "ENCRYPTION_KEY=" HEX_62 "00\n"));
	assert_true(load_as(f, CONF_ADMIN, MINIMUM));
}

static void blob_dirs_fit_into_nginx(void **state)
{
	static const char *const bad[] = { "relative", "./x",  "",    "/a'b", "/a\"b", "/a\\b",
					   "/a$b",     "/a;b", "/{a", "/a}",  "/a\tb", "/a\x7f" };
	struct fixture *f = *state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		if (load_pair(f, "BLOB_DIR", bad[i]) || !strstr(buf_cstr(&f->error), ":3: BLOB_DIR must be"))
			fail_msg("%s: %s", bad[i], buf_cstr(&f->error));
	}
}

static void errors_and_prints_never_show_secrets(void **state)
{
	struct fixture *f = *state;
	char *text = NULL;
	size_t size = 0;
	assert_false(load(f, "API_KEY=sesame7\n"));
	assert_null(strstr(buf_cstr(&f->error), "sesame"));
	assert_false(load(f, MINIMUM "ENCRYPTION_KEY=" HEX_62 "\n"));
	assert_null(strstr(buf_cstr(&f->error), "22334455"));
	assert_true(
		load(f, "API_KEY=sesame-open\nAPI_KEY_PREVIOUS=sesame-before\nDATABASE_URL=postgresql://u:hush@h/x\n"));
	FILE *out = open_memstream(&text, &size);
	assert_non_null(out);
	conf_print(&f->conf, CONF_BRIDGE, out);
	assert_int_equal(fclose(out), 0);
	assert_null(strstr(text, "sesame"));
	assert_null(strstr(text, "hush"));
	assert_non_null(strstr(text, "API_KEY=(set)"));
	assert_non_null(strstr(text, "API_KEY_PREVIOUS=(set)"));
	assert_non_null(strstr(text, "WS_MAX_MESSAGE=67108864"));
	assert_null(strstr(text, "FCGI_WORKERS"));
	free(text);
}

static void prints_of_craft_fcgi_never_show_secrets(void **state)
{
	struct fixture *f = *state;
	char *text = NULL;
	size_t size = 0;
	assert_true(load_as(f, CONF_FCGI,
			    MINIMUM "ENCRYPTION_KEY=" HEX_62 "00\nENCRYPTION_KEY_PREVIOUS=" HEX_62
				    "11\nGITHUB_CLIENT_ID=Iv1.x\nGITHUB_CLIENT_SECRET=hush\n"));
	FILE *out = open_memstream(&text, &size);
	assert_non_null(out);
	conf_print(&f->conf, CONF_FCGI, out);
	assert_int_equal(fclose(out), 0);
	assert_null(strstr(text, "22334455"));
	assert_null(strstr(text, "hush"));
	assert_non_null(strstr(text, "ENCRYPTION_KEY=(set)"));
	assert_non_null(strstr(text, "ENCRYPTION_KEY_PREVIOUS=(set)"));
	assert_non_null(strstr(text, "GITHUB_CLIENT_SECRET=(set)"));
	assert_non_null(strstr(text, "GITHUB_CLIENT_ID=Iv1.x"));
	assert_non_null(strstr(text, "GITHUB_CA_FILE=\n"));
	free(text);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(reads_keys_comments_and_sizes),
		TEST(the_environment_wins_and_secrets_are_wiped_from_it),
		TEST(secrets_come_from_files_too),
		TEST(refuses_with_file_and_line),
		TEST(reads_the_keys_of_files),
		TEST(public_urls_may_have_a_path),
		TEST(blob_dirs_fit_into_nginx),
		TEST(errors_and_prints_never_show_secrets),
		TEST(reads_the_keys_of_github),
		TEST(github_urls_may_have_a_path),
		TEST(only_craft_fcgi_needs_the_encryption_key),
		TEST(prints_of_craft_fcgi_never_show_secrets),
	};
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
