/* ws_load.c: puts a bridge under load over WebSockets and prints one line: operations per second and their times. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <unistd.h>

#include "load.h"

#define SETUP_LIMIT_US 60000000
#define SILENCE_LIMIT_US 20000000 /* no answer for so long: given up */
#define SETUPS_AT_ONCE 8
#define GATHER_US 500
#define EVENTS 1024

struct load {
	struct options options;
	int epoll;
	struct user *users;
	uint32_t user_count;
	bool setting_up, stopping;
	uint32_t setups;		     /* under way */
	uint64_t heard_at, begin_at, end_at; /* µs */
	uint64_t started;		     /* operations begun since the warm-up */
	double cpu_begin, cpu_end;
	uint32_t arrived[MAX_DEPTH]; /* fanout: listeners that have event n, at n % MAX_DEPTH */
	uint32_t completed;	     /* events that all listeners have */
	struct stats stats;
};

static struct load load;

static double cpu_seconds(void)
{
	struct rusage r;
	(void)getrusage(RUSAGE_SELF, &r);
	return (double)(r.ru_utime.tv_sec + r.ru_stime.tv_sec) +
	       (double)(r.ru_utime.tv_usec + r.ru_stime.tv_usec) / 1e6;
}

/* ---- sending ---- */

static void watch(struct user *u, bool write)
{
	struct epoll_event ev = { .events = EPOLLIN | (write ? EPOLLOUT : 0u), .data.ptr = u };
	if (u->wants_write == write)
		return;
	u->wants_write = write;
	if (epoll_ctl(load.epoll, EPOLL_CTL_MOD, u->ws.fd, &ev) != 0)
		die("epoll_ctl: %s", strerror(errno));
}

/* Events that not all listeners have yet count as under way: else the writer would outrun them without end. */
static bool may_start(const struct user *u)
{
	uint32_t done = load.options.listeners ? load.completed : u->answered;
	return u->sends && !u->ws.unsent.len && !load.setting_up && !load.stopping &&
	       u->started - u->answered < load.options.depth && u->started - done < load.options.depth &&
	       load.started < load.options.count;
}

static void start_one(struct user *u)
{
	uint32_t n = u->started++;
	load.started++;
	if (load.options.mode->next)
		load.options.mode->next(u, n);
	if (u->id_place)
		ws_message_set_number(&u->message, u->id_place, n);
	if (u->value_place)
		ws_message_set_number(&u->message, u->value_place, n);
	ws_message_set_number(&u->message, u->request_place, n);
	u->sent_at[n % MAX_DEPTH] = now_us();
	watch(u, !ws_client_send(&u->ws, &u->message));
}

static void pump(struct user *u)
{
	while (may_start(u))
		start_one(u);
}

/* ---- receiving ---- */

static bool begins(struct slice text, const char *with)
{
	size_t n = strlen(with);
	return text.len >= n && memcmp(text.ptr, with, n) == 0;
}

static void on_response(struct user *u, struct slice peek)
{
	if (memmem(peek.ptr, peek.len, ",\"error\":", 9))
		die("an error came: %.*s", (int)peek.len, peek.ptr);
	uint64_t sent = u->sent_at[u->answered++ % MAX_DEPTH];
	if (load.setting_up)
		load.setups--;
	else if (!load.options.listeners)
		stats_add(&load.stats, load.heard_at - sent);
}

/* A workspace's events reach each listener in order: its n-th is the writer's n-th. */
static void on_broadcast(struct user *u)
{
	uint32_t n = u->delivered++;
	stats_add(&load.stats, load.heard_at - load.users[0].sent_at[n % MAX_DEPTH]);
	if (++load.arrived[n % MAX_DEPTH] == load.options.listeners) {
		load.arrived[n % MAX_DEPTH] = 0;
		load.completed++;
	}
}

static void on_text(void *user, struct slice peek)
{
	struct user *u = user;
	if (begins(peek, "{\"type\":\"response\""))
		on_response(u, peek);
	else if (begins(peek, "{\"type\":\"broadcast\"") && load.options.listeners)
		on_broadcast(u);
}

static void handle(struct user *u, uint32_t events)
{
	load.heard_at = now_us();
	if (events & (EPOLLIN | EPOLLHUP | EPOLLERR))
		ws_client_receive(&u->ws, on_text, u);
	if (u->ws.unsent.len && (events & EPOLLOUT))
		watch(u, !ws_client_flush(&u->ws));
	pump(u);
}

static void turn(void)
{
	struct epoll_event events[EVENTS];
	if (load.options.listeners)
		(void)usleep(GATHER_US);
	int n = epoll_wait(load.epoll, events, EVENTS, 100);
	for (int i = 0; i < n; i++) {
		if (events[i].data.ptr)
			handle(events[i].data.ptr, events[i].events);
		else
			load.stopping = true;
	}
	if (load.options.listeners)
		pump(&load.users[0]);
	if (load.options.mode->build && now_us() - load.heard_at > SILENCE_LIMIT_US)
		die("nothing came for %d s", SILENCE_LIMIT_US / 1000000);
}

/* ---- the run ---- */

static bool all_answered(void)
{
	bool all = true;
	for (uint32_t i = 0; i < load.user_count && all; i++)
		all = load.users[i].started == load.users[i].answered;
	return all && (!load.options.listeners || load.completed == load.users[0].started);
}

static void open_user(struct user *u, uint32_t index)
{
	const struct options *o = &load.options;
	struct epoll_event ev = { .events = EPOLLIN, .data.ptr = u };
	autobuf target = { 0 };
	buf_addf(&target, "%s%s-%u", o->prefix, o->slug, index % o->workspaces);
	u->options = o;
	u->index = index;
	u->sends = index < o->clients && o->mode->build;
	ws_client_open(&u->ws, o->connect, buf_cstr(&target), o->key);
	if (epoll_ctl(load.epoll, EPOLL_CTL_ADD, u->ws.fd, &ev) != 0)
		die("epoll_ctl: %s", strerror(errno));
}

/* Sends what is to be there first. What is set up may be big, so few are under way at once. */
static void set_up_user(struct user *u)
{
	load.options.mode->build_setup(u);
	u->started++;
	load.setups++;
	load.heard_at = now_us();
	watch(u, !ws_client_send(&u->ws, &u->message));
}

/* Until at most `left` setups are under way. */
static void wait_for_setups(uint32_t left)
{
	uint64_t begin = now_us();
	while (load.setups > left) {
		turn();
		if (now_us() - begin > SETUP_LIMIT_US)
			die("the setup takes too long");
	}
}

static void set_up(void)
{
	load.setting_up = true;
	for (uint32_t i = 0; i < load.options.clients; i++)
		open_user(&load.users[i], i);
	for (uint32_t i = 0; i < load.options.clients && load.options.mode->build_setup; i++) {
		wait_for_setups(SETUPS_AT_ONCE - 1);
		set_up_user(&load.users[i]);
	}
	wait_for_setups(0);
	/* Of that the listeners hear nothing. */
	for (uint32_t i = load.options.clients; i < load.user_count; i++)
		open_user(&load.users[i], i);
	for (uint32_t i = 0; i < load.options.clients && load.options.mode->build; i++) {
		load.users[i].started = load.users[i].answered = 0;
		load.options.mode->build(&load.users[i]);
	}
	load.setting_up = false;
}

static void run_for(double seconds)
{
	uint64_t end = now_us() + (uint64_t)(seconds * 1e6);
	while (now_us() < end && !(load.started >= load.options.count && all_answered()))
		turn();
}

/* Says that all are connected, and answers pings until its input ends. */
static void stay(void)
{
	struct epoll_event ev = { .events = EPOLLIN };
	if (epoll_ctl(load.epoll, EPOLL_CTL_ADD, STDIN_FILENO, &ev) != 0)
		die("the input has to be a pipe: %s", strerror(errno));
	(void)puts("ready");
	(void)fflush(stdout);
	while (!load.stopping)
		turn();
}

static void run(void)
{
	if (load.options.count == 0)
		return;
	load.heard_at = now_us();
	for (uint32_t i = 0; i < load.options.clients; i++)
		pump(&load.users[i]);
	run_for(load.options.warmup);
	load.stats = (struct stats){ 0 };
	load.started = 0;
	load.begin_at = now_us();
	load.cpu_begin = cpu_seconds();
	for (uint32_t i = 0; i < load.options.clients; i++)
		pump(&load.users[i]);
	run_for(load.options.seconds);
	load.stopping = true;
	while (!all_answered())
		turn();
	load.end_at = now_us();
	load.cpu_end = cpu_seconds();
}

static void report(void)
{
	const struct options *o = &load.options;
	double seconds = (double)(load.end_at - load.begin_at) / 1e6, count = (double)load.stats.count;
	double cpu = load.cpu_end - load.cpu_begin;
	(void)printf("mode=%s clients=%u workspaces=%u depth=%u listeners=%u %s_per_s=%.1f p50_ms=%.3f p99_ms=%.3f "
		     "count=%.0f seconds=%.2f own_cpu_us=%.1f own_cpu=%.2f\n",
		     o->mode->name, o->clients, o->workspaces, o->depth, o->listeners, o->mode->unit,
		     seconds > 0 ? count / seconds : 0, stats_percentile_ms(&load.stats, 0.5),
		     stats_percentile_ms(&load.stats, 0.99), count, seconds, count > 0 ? cpu * 1e6 / count : 0,
		     seconds > 0 ? cpu / seconds : 0);
}

static void close_all(void)
{
	for (uint32_t i = 0; i < load.user_count; i++) {
		ws_client_close(&load.users[i].ws);
		buf_free(&load.users[i].message.bytes);
	}
	free(load.users);
	(void)close(load.epoll);
}

int main(int argc, char **argv)
{
	autobuf slug = { 0 };
	parse_options(&load.options, argc, argv);
	buf_addf(&slug, "load-%d-%llu", (int)getpid(), (unsigned long long)now_us());
	if (!load.options.slug)
		load.options.slug = buf_cstr(&slug);
	load.user_count = load.options.clients + load.options.listeners;
	load.users = xcalloc(load.user_count, sizeof(*load.users));
	load.epoll = epoll_create1(EPOLL_CLOEXEC);
	if (load.epoll < 0)
		die("epoll_create1: %s", strerror(errno));
	set_up();
	if (load.options.mode->build) {
		run();
		report();
	} else {
		stay();
	}
	close_all();
	return 0;
}
