/* test_notify.c: what the service manager is told, and when. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/cleanup.h"
#include "lib/notify.h"

/* A manager's socket; its name as NOTIFY_SOCKET has it. */
static int listen_as_manager(char *name, size_t size, bool abstract)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	assert_true(fd >= 0);
	(void)snprintf(name, size, "%s/craft-notify-%d", abstract ? "@" : "/tmp", (int)getpid());
	memcpy(address.sun_path, name, strlen(name));
	if (abstract)
		address.sun_path[0] = '\0';
	else
		(void)unlink(name);
	assert_int_equal(bind(fd, (const struct sockaddr *)&address,
			      (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(name))),
			 0);
	return fd;
}

static void assert_told(int fd, const char *wanted)
{
	char text[64] = "";
	ssize_t n = recv(fd, text, sizeof(text) - 1, 0);
	assert_true(n > 0);
	assert_string_equal(text, wanted);
}

static void assert_silent(int fd)
{
	char text[64];
	assert_int_equal(recv(fd, text, sizeof(text), 0), -1);
}

static void set_watchdog(const char *usec, long pid)
{
	char text[32];
	(void)snprintf(text, sizeof(text), "%ld", pid);
	assert_int_equal(setenv("WATCHDOG_USEC", usec, 1), 0);
	assert_int_equal(setenv("WATCHDOG_PID", text, 1), 0);
}

static void life(bool abstract)
{
	char name[64];
	autoclose int fd = listen_as_manager(name, sizeof(name), abstract);
	assert_int_equal(setenv("NOTIFY_SOCKET", name, 1), 0);
	notify_init();
	assert_silent(fd);
	notify_ready();
	assert_told(fd, "READY=1");
	notify_alive(1000);
	assert_silent(fd);
	assert_true(notify_due() == INT64_MAX);
	notify_stopping();
	assert_told(fd, "STOPPING=1");
	if (!abstract)
		(void)unlink(name);
}

static void by_path(void **state)
{
	(void)state;
	life(false);
}

static void by_abstract_name(void **state)
{
	(void)state;
	life(true);
}

static void signs_of_life(void **state)
{
	char name[64];
	(void)state;
	autoclose int fd = listen_as_manager(name, sizeof(name), true);
	assert_int_equal(setenv("NOTIFY_SOCKET", name, 1), 0);
	set_watchdog("30000000", (long)getpid());
	notify_init();
	notify_alive(5000);
	assert_told(fd, "WATCHDOG=1");
	assert_true(notify_due() == 15000);
	notify_alive(14999);
	assert_silent(fd);
	notify_alive(15001);
	assert_told(fd, "WATCHDOG=1");
	assert_true(notify_due() == 25001);
}

static void another_process_is_watched(void **state)
{
	char name[64];
	(void)state;
	autoclose int fd = listen_as_manager(name, sizeof(name), true);
	assert_int_equal(setenv("NOTIFY_SOCKET", name, 1), 0);
	set_watchdog("30000000", (long)getpid() + 1);
	notify_init();
	notify_alive(5000);
	assert_silent(fd);
	notify_ready();
	assert_told(fd, "READY=1");
}

static void children_inherit_nothing(void **state)
{
	(void)state;
	assert_int_equal(setenv("NOTIFY_SOCKET", "@craft-nobody", 1), 0);
	set_watchdog("1000", (long)getpid());
	notify_init();
	assert_null(getenv("NOTIFY_SOCKET"));
	assert_null(getenv("WATCHDOG_USEC"));
	assert_null(getenv("WATCHDOG_PID"));
	/* Nobody listens there: a warning at most. */
	notify_alive(1);
	assert_true(notify_due() == 2);
}

static void no_manager(void **state)
{
	static const char *const names[] = { "", "@", "relative", "vsock:2:1234" };
	char longest[200];
	(void)state;
	memset(longest, 'x', sizeof(longest) - 1);
	longest[0] = '/';
	longest[sizeof(longest) - 1] = '\0';
	for (size_t i = 0; i <= sizeof(names) / sizeof(*names); i++) {
		assert_int_equal(setenv("NOTIFY_SOCKET", i ? names[i - 1] : longest, 1), 0);
		set_watchdog("1000000", (long)getpid());
		notify_init();
		notify_ready();
		assert_true(notify_due() == INT64_MAX);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(by_path),
		cmocka_unit_test(by_abstract_name),
		cmocka_unit_test(signs_of_life),
		cmocka_unit_test(another_process_is_watched),
		cmocka_unit_test(children_inherit_nothing),
		cmocka_unit_test(no_manager),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
