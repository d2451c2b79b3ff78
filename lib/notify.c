/* notify.c: messages to the service manager. */
#include "notify.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "cleanup.h"
#include "log.h"

/* Three in the time after which the manager takes the daemon for dead: one may come late. */
#define SIGNS_PER_TIMEOUT 3

static struct sockaddr_un manager;
static socklen_t manager_length; /* 0: there is none */
static int64_t interval;	 /* ms between two signs of life; 0: none are wanted */
static int64_t next_sign;	 /* ms */

/* A path, or behind '@' a name in the abstract namespace. */
static void take_address(const char *name)
{
	size_t length = name ? strlen(name) : 0;
	manager_length = 0;
	if (length < 2 || (*name != '/' && *name != '@'))
		return;
	if (length >= sizeof(manager.sun_path)) {
		log_warn(NULL, "the path in NOTIFY_SOCKET is too long");
		return;
	}
	manager = (struct sockaddr_un){ .sun_family = AF_UNIX };
	memcpy(manager.sun_path, name, length);
	if (*name == '@')
		manager.sun_path[0] = '\0';
	manager_length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length);
}

static int64_t watchdog_interval(const char *usec, const char *pid)
{
	int64_t timeout = usec ? strtoll(usec, NULL, 10) : 0;
	if (timeout <= 0 || (pid && strtol(pid, NULL, 10) != (long)getpid()))
		return 0;
	int64_t ms = timeout / 1000 / SIGNS_PER_TIMEOUT;
	return ms > 0 ? ms : 1;
}

void notify_init(void)
{
	take_address(getenv("NOTIFY_SOCKET"));
	interval = manager_length ? watchdog_interval(getenv("WATCHDOG_USEC"), getenv("WATCHDOG_PID")) : 0;
	next_sign = 0;
	(void)unsetenv("NOTIFY_SOCKET");
	(void)unsetenv("WATCHDOG_USEC");
	(void)unsetenv("WATCHDOG_PID");
}

static void tell(const char *state)
{
	if (!manager_length)
		return;
	autoclose int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0 || sendto(fd, state, strlen(state), MSG_NOSIGNAL, (const struct sockaddr *)&manager, manager_length) < 0)
		log_warn(NULL, "the service manager could not be told %s: %m", state);
}

void notify_ready(void)
{
	tell("READY=1");
}

void notify_stopping(void)
{
	tell("STOPPING=1");
}

void notify_alive(int64_t now)
{
	if (!interval || now < next_sign)
		return;
	next_sign = now + interval;
	tell("WATCHDOG=1");
}

int64_t notify_due(void)
{
	return interval ? next_sign : INT64_MAX;
}
