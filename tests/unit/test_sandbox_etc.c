/* test_sandbox_etc.c: which files of /etc programs of /usr bring into a box, and which never come. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "lib/cleanup.h"
#include "sandbox/etc_links.h"
#include "sandbox/tree.h"
#include "sandbox_temp.h"

static void admits_by_name(void **state)
{
	static const char *const good[] = { "java-17-openjdk/jvm-amd64.cfg",
					    "java-17-openjdk/security/policy",
					    "maven",
					    "maven/m2.conf",
					    "chromium.d/default-flags",
					    "groff",
					    "locale.alias",
					    "X11/rgb.txt" };
	static const char *const bad[] = { "",
					   "/maven",
					   "maven//m2.conf",
					   "maven/../shadow",
					   "./shadow",
					   "shadow",
					   "shadow-",
					   "gshadow",
					   "passwd",
					   "ssh/ssh_host_ed25519_key",
					   "ssh",
					   "SSH/x",
					   "ssl/private",
					   "ssl/certs",
					   "craft-agent-cloud/craft-agent-cloud.conf",
					   "craft-agent-cloud.conf",
					   "environment",
					   "environment.d/x",
					   "sudoers.d/x",
					   "pam.d/x",
					   "apt/auth.conf",
					   "letsencrypt/live/x",
					   "wireguard/wg0.conf",
					   "NetworkManager/system-connections/x",
					   "postgresql/15/main/pg_hba.conf",
					   "maven/settings.xml",
					   "maven/settings-security.xml",
					   "java-17-openjdk/private/x",
					   "java-17-openjdk/management/jmxremote.password",
					   "thing/server.KEY",
					   "thing/cert.pem",
					   "thing/auth_token",
					   "npmrc",
					   "pip.conf",
					   "thing/.netrc" };
	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++)
		if (!etc_links_admitted(good[i]))
			fail_msg("left out: %s", good[i]);
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		if (etc_links_admitted(bad[i]))
			fail_msg("admitted: %s", bad[i]);
}

static void make_dirs(const char *base, const char *const *names)
{
	for (; *names; names++) {
		autofree char *path = temp_path(base, *names);
		assert_int_equal(mkdir(path, 0755), 0);
		assert_int_equal(chmod(path, 0755), 0);
	}
}

static void make_file(const char *base, const char *name, const char *text, mode_t mode)
{
	autofree char *path = temp_path(base, name);
	temp_write(base, name, text);
	assert_int_equal(chmod(path, mode), 0);
}

static void make_link(const char *base, const char *name, const char *target)
{
	autofree char *path = temp_path(base, name);
	assert_int_equal(symlink(target, path), 0);
}

/* Has the copy that file, with that text? NULL: it isn't there. */
static void expect(const char *base, const char *name, const char *text)
{
	char got[64] = "";
	autofree char *path = temp_path(base, name);
	autoclose int fd = open(path, O_RDONLY);
	if (!text) {
		struct stat st;
		if (lstat(path, &st) == 0)
			fail_msg("it came in: %s", name);
		return;
	}
	if (fd < 0 || read(fd, got, sizeof(got) - 1) < 0)
		fail_msg("missing: %s", name);
	assert_string_equal(got, text);
}

static bool has(const struct buf *paths, const char *path)
{
	for (size_t i = 0; i < paths->len; i += strlen(paths->data + i) + 1)
		if (strcmp(paths->data + i, path) == 0)
			return true;
	return false;
}

static const char *const directories[] = { "usr",	    "usr/lib",
					   "usr/lib/jvm",   "usr/lib/jvm/lib",
					   "usr/share",	    "usr/share/doc",
					   "etc",	    "etc/jdk",
					   "etc/jdk/more",  "etc/tool",
					   "etc/tool/deep", "etc/closed",
					   "etc/ssl",	    "etc/ssl/private",
					   "etc/ssh",	    "etc/craft-agent-cloud",
					   "out",	    NULL };

static void make_host(const char *dir)
{
	make_dirs(dir, directories);
	make_file(dir, "etc/jdk/jvm.cfg", "jvm", 0644);
	make_file(dir, "etc/jdk/not-linked", "x", 0644);
	make_file(dir, "etc/jdk/more/secret-for-root", "x", 0600);
	make_file(dir, "etc/jdk/group", "x", 0640);
	make_file(dir, "etc/tool/a", "a", 0644);
	make_file(dir, "etc/tool/run", "run", 0755);
	make_file(dir, "etc/tool/b", "root only", 0600);
	make_file(dir, "etc/tool/settings.xml", "password", 0644);
	make_file(dir, "etc/tool/deep/c", "c", 0644);
	make_file(dir, "etc/closed/d", "d", 0644);
	make_file(dir, "etc/shadow", "root:x", 0644);
	make_file(dir, "etc/environment", "PROXY=user:pw@proxy", 0644);
	make_file(dir, "etc/craft-agent-cloud/craft-agent-cloud.conf", "API_KEY=x", 0644);
	make_file(dir, "etc/ssl/private/key", "x", 0644);
	make_file(dir, "etc/ssh/host_key", "x", 0644);
	autofree char *closed = temp_path(dir, "etc/closed");
	assert_int_equal(chmod(closed, 0750), 0);
	make_link(dir, "etc/tool/out", "../shadow");
	make_link(dir, "etc/jdk/again", "../tool/deep");
	make_link(dir, "usr/lib/jvm/lib/jvm.cfg", "/etc/jdk/jvm.cfg");
	make_link(dir, "usr/lib/jvm/lib/relative", "../../../../etc/jdk/more/secret-for-root");
	make_link(dir, "usr/lib/jvm/lib/group", "/etc/jdk/group");
	make_link(dir, "usr/lib/jvm/lib/again", "/etc/jdk/again");
	make_link(dir, "usr/share/tool", "/etc/tool");
	make_link(dir, "usr/share/d", "/etc/closed/d");
	make_link(dir, "usr/lib/shadow", "/etc/shadow");
	make_link(dir, "usr/lib/sneaky", "/etc/tool/../shadow");
	make_link(dir, "usr/lib/env", "/etc/environment");
	make_link(dir, "usr/lib/conf", "../../etc/craft-agent-cloud/craft-agent-cloud.conf");
	make_link(dir, "usr/lib/private", "/etc/ssl/private");
	make_link(dir, "usr/lib/ssh", "/etc/ssh");
	make_link(dir, "usr/lib/all", "/etc");
	make_link(dir, "usr/lib/gone", "/etc/nothing/there");
	make_link(dir, "usr/lib/elsewhere", "/home/x");
	make_link(dir, "usr/share/doc/jdk", "/etc/jdk/not-linked");
}

static void copies_what_links_lead_to(void **state)
{
	autofree char *dir = temp_dir();
	(void)state;
	make_host(dir);
	autofree char *usr = temp_path(dir, "usr"), *etc = temp_path(dir, "etc"), *out = temp_path(dir, "out");
	autobuf paths = { 0 }, error = { 0 };
	etc_links_find(usr, etc, &paths);
	assert_true(has(&paths, "jdk/jvm.cfg") && has(&paths, "tool") && has(&paths, "tool/deep"));
	assert_false(has(&paths, "shadow") || has(&paths, "jdk/not-linked") || has(&paths, ""));
	autoclose int at = open(out, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (geteuid() == 0) {
		/* Twice: what is there already is replaced. */
		assert_true(etc_links_copy(etc, buf_slice(&paths), at));
		assert_true(etc_links_copy(etc, buf_slice(&paths), at));
		expect(out, "jdk/jvm.cfg", "jvm");
		expect(out, "tool/a", "a");
		expect(out, "tool/deep/c", "c");
		expect(out, "jdk/again/c", "c");
		struct stat st;
		assert_int_equal(fstatat(at, "tool/run", &st, 0), 0);
		assert_int_equal(st.st_mode & 0777, 0755);
	}
	static const char *const never[] = { "jdk/not-linked",
					     "jdk/more/secret-for-root",
					     "jdk/group",
					     "tool/b",
					     "tool/settings.xml",
					     "closed/d",
					     "shadow",
					     "environment",
					     "craft-agent-cloud",
					     "ssl",
					     "ssh",
					     "nothing",
					     NULL };
	for (const char *const *name = never; *name; name++)
		expect(out, *name, NULL);
	assert_true(tree_remove(dir, &error));
}

static void what_belongs_to_others_stays_out(void **state)
{
	autofree char *dir = temp_dir();
	(void)state;
	if (geteuid() != 0) {
		(void)rmdir(dir);
		skip();
	}
	make_host(dir);
	autofree char *usr = temp_path(dir, "usr"), *etc = temp_path(dir, "etc"), *out = temp_path(dir, "out");
	autofree char *file = temp_path(dir, "etc/jdk/jvm.cfg"), *tool = temp_path(dir, "etc/tool");
	autobuf paths = { 0 }, error = { 0 };
	assert_int_equal(chown(file, 65534, 65534), 0);
	assert_int_equal(chmod(tool, 0777), 0);
	etc_links_find(usr, etc, &paths);
	autoclose int at = open(out, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(etc_links_copy(etc, buf_slice(&paths), at));
	expect(out, "jdk/jvm.cfg", NULL);
	expect(out, "tool/a", NULL);
	assert_true(tree_remove(dir, &error));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(admits_by_name),
		cmocka_unit_test(copies_what_links_lead_to),
		cmocka_unit_test(what_belongs_to_others_stays_out),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
